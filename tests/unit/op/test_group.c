/* test_group.c
 * Goal:   every key comes out once, with the values of its rows in the order of (origin, arrival),
 *         of one input or of two; nothing of the batches that went in is needed for it.
 * Method: random rows of few keys in random batches of several origins, against lists made by
 *         walking the rows; budgets from nothing up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/row/list.h"
#include "tests/unit/op/rig.h"

#define ORIGINS 4

struct side {
    struct rows rows;
    uint32_t key; /* column, from 0 */
};

static bool same_key(const struct gleam_value *a, const struct gleam_value *b)
{
    return gm_value_compare(a, b) == 0;
}

/* The list of a side's rows with this key; memory must be freed. */
static struct gleam_value list_of(const struct side *side, const struct gleam_value *key,
                                  uint8_t **ret_memory)
{
    const uint32_t width = side->rows.column_count;
    struct gleam_value *list = calloc(side->rows.row_count + 1, sizeof *list);
    uint8_t *inner = malloc(side->rows.row_count * 600 + 1), *next = inner;
    size_t count = 0;
    assert_non_null(list);
    assert_non_null(inner);
    for (uint64_t row = 0; row < side->rows.row_count; row++) {
        const struct gleam_value *values = rows_at(&side->rows, row);
        struct gleam_value others[GM_FIELDS_MAX];
        uint32_t other_count = 0;
        if (!same_key(&values[side->key], key))
            continue;
        for (uint32_t c = 0; c < width; c++)
            if (c != side->key)
                others[other_count++] = values[c];
        list[count] = others[0];
        if (other_count > 1) {
            list[count] = gleam_list_pack(others, other_count, next);
            next += list[count].bytes.length;
        }
        count++;
    }
    *ret_memory = malloc(gleam_list_bytes(list, count));
    assert_non_null(*ret_memory);
    const struct gleam_value packed = gleam_list_pack(list, count, *ret_memory);
    free(list);
    free(inner);
    return packed;
}

static void add_groups(const struct side *sides, uint32_t side_count, const struct side *of,
                       struct rows *expected)
{
    for (uint64_t row = 0; row < of->rows.row_count; row++) {
        const struct gleam_value *key = &rows_at(&of->rows, row)[of->key];
        struct gleam_value values[3] = {*key};
        uint8_t *memory[2] = {NULL, NULL};
        bool known = false;
        for (uint64_t i = 0; i < expected->row_count && !known; i++)
            known = same_key(key, &rows_at(expected, i)[0]);
        if (known)
            continue;
        for (uint32_t s = 0; s < side_count; s++)
            values[1 + s] = list_of(&sides[s], key, &memory[s]);
        rows_add(expected, values, 1 + side_count);
        free(memory[0]);
        free(memory[1]);
    }
}

/* Rows of origin o are [o, o + 1) * count / ORIGINS; batches of sides and origins come mixed. */
static int push(struct rig *rig, const struct side *sides, uint32_t side_count, uint64_t *random,
                struct rows *out)
{
    uint64_t next[2][ORIGINS] = {{0}}, left = 0;
    for (uint32_t s = 0; s < side_count; s++)
        left += sides[s].rows.row_count;
    while (left > 0) {
        const uint32_t s = random_below(random, side_count), o = random_below(random, ORIGINS);
        const uint64_t count = sides[s].rows.row_count;
        const uint64_t begin = count * o / ORIGINS + next[s][o];
        uint64_t take = count * (o + 1) / ORIGINS - begin;
        const uint64_t some = 1 + random_below(random, 90);
        take = take < some ? take : some;
        if (take == 0)
            continue;
        const int rc = side_count > 1
                           ? rig_push_input(rig, s, &sides[s].rows, begin, (uint32_t)take, o, out)
                           : rig_push(rig, &sides[s].rows, begin, (uint32_t)take, o, out);
        if (rc < 0)
            return rc;
        next[s][o] += take;
        left -= take;
    }
    return 0;
}

static void check(struct rig *rig, const struct side *sides, uint32_t side_count,
                  uint64_t *random)
{
    struct rows got = {0}, expected = {0};
    assert_int_equal(rig_open(rig, UINT64_MAX, 0), 0);
    assert_int_equal(push(rig, sides, side_count, random, &got), 0);
    assert_int_equal(got.row_count, 0);
    assert_int_equal(rig_finish(rig, &got), 0);
    for (uint32_t s = 0; s < side_count; s++)
        add_groups(sides, side_count, &sides[s], &expected);
    rows_sort(&got);
    rows_sort(&expected);
    assert_rows_equal(&got, &expected);
    rows_free(&got);
    rows_free(&expected);
    rig_close(rig);
}

static void make_side(struct gm_schema *schema, struct side *side, uint8_t key_kind,
                      uint32_t width, uint64_t count, uint64_t *random)
{
    struct gleam_value values[GM_FIELDS_MAX];
    *schema = (struct gm_schema){0};
    *side = (struct side){.key = random_below(random, width)};
    for (uint32_t c = 0; c < width; c++)
        gm_schema_add(schema, "c", c == side->key ? key_kind
                                                  : GLEAM_I64 + random_below(random, GLEAM_ANY),
                      random_below(random, 2));
    for (uint64_t i = 0; i < count; i++) {
        for (uint32_t c = 0; c < width; c++)
            values[c] = random_small(random, schema->fields[c].kind, schema->fields[c].nullable);
        rows_add(&side->rows, values, width);
    }
}

static void groups_of_one_input(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 300; run++) {
        struct rig rig = {.step = {.kind = GM_STEP_GROUP, .name = "lists", .where = "test.c:3"}};
        struct side side;
        make_side(&rig.input, &side, GLEAM_I64 + random_below(&random, GLEAM_ANY),
                  2 + random_below(&random, 3), random_below(&random, 400), &random);
        rig.step.order = gleam_field(side.key + 1);
        rig.step.schema.fields[0] = rig.input.fields[side.key];
        rig.step.schema.field_count = 1;
        gm_schema_add(&rig.step.schema, "values", GLEAM_ANY, false);
        check(&rig, &side, 1, &random);
        rows_free(&side.rows);
    }
}

static void groups_of_two_inputs(void **state)
{
    (void)state;
    static const uint8_t kinds[][2] = {{GLEAM_I64, GLEAM_I64},
                                       {GLEAM_I64, GLEAM_F64},
                                       {GLEAM_BYTES, GLEAM_ANY},
                                       {GLEAM_BYTES, GLEAM_BYTES}};
    uint64_t random = 2;
    for (uint32_t run = 0; run < 300; run++) {
        struct rig rig = {.step = {.kind = GM_STEP_COGROUP}, .input_count = 2};
        struct side sides[2];
        const uint8_t *pair = kinds[run % 4];
        for (uint32_t s = 0; s < 2; s++)
            make_side(&rig.inputs[s].schema, &sides[s], pair[s], 2 + random_below(&random, 2),
                      random_below(&random, 3) ? random_below(&random, 200) : 0, &random);
        rig.step.order = gleam_field(sides[0].key + 1);
        rig.step.right_keys = gleam_field(sides[1].key + 1);
        const struct gm_field *left = &rig.inputs[0].schema.fields[sides[0].key];
        const struct gm_field *right = &rig.inputs[1].schema.fields[sides[1].key];
        rig.step.tagged = left->kind != right->kind || left->nullable != right->nullable;
        gm_schema_add(&rig.step.schema, "k", pair[0] == pair[1] ? pair[0] : GLEAM_ANY, true);
        gm_schema_add(&rig.step.schema, "left", GLEAM_ANY, false);
        gm_schema_add(&rig.step.schema, "right", GLEAM_ANY, false);
        check(&rig, sides, 2, &random);
        rows_free(&sides[0].rows);
        rows_free(&sides[1].rows);
    }
}

/* More keys than a batch has rows, and lists larger than are made at once. */
static void many_keys_and_long_lists_come_in_pieces(void **state)
{
    (void)state;
    uint64_t random = 3;
    struct rig rig = {.step = {.kind = GM_STEP_GROUP, .order = gleam_field(1)}};
    struct side side = {.key = 0};
    char text[300];
    memset(text, 't', sizeof text);
    gm_schema_add(&rig.input, "k", GLEAM_I64, false);
    gm_schema_add(&rig.input, "v", GLEAM_BYTES, false);
    rig.step.schema = rig.input;
    rig.step.schema.fields[1].kind = GLEAM_ANY;
    for (uint32_t i = 0; i < 9000; i++) {
        const struct gleam_value values[] = {gleam_i64(i % 2 ? 7 : i % 2500),
                                             gleam_bytes(text, i % 2 ? 300 : 3)};
        rows_add(&side.rows, values, 2);
    }
    check(&rig, &side, 1, &random);
    rows_free(&side.rows);
}

static void too_little_memory_names_step_and_option(void **state)
{
    (void)state;
    uint64_t random = 4;
    struct side side = {.key = 0};
    struct rig shape = {.step = {.kind = GM_STEP_GROUP,
                                 .name = "lists",
                                 .where = "test.c:3",
                                 .order = gleam_field(1)}};
    gm_schema_add(&shape.input, "k", GLEAM_I64, false);
    gm_schema_add(&shape.input, "v", GLEAM_I64, false);
    shape.step.schema = shape.input;
    shape.step.schema.fields[1].kind = GLEAM_ANY;
    for (uint32_t i = 0; i < 6000; i++) {
        const struct gleam_value values[] = {gleam_i64(i % 3000 ? 1 : i), gleam_i64(i)};
        rows_add(&side.rows, values, 2);
    }
    uint32_t refused_push = 0, refused_finish = 0, fine = 0;
    for (uint64_t limit = 10000; limit < 4000000; limit = limit * 21 / 20) {
        struct rig rig = shape;
        struct rows got = {0};
        int rc = rig_open(&rig, limit, 0);
        if (rc == 0) {
            rc = push(&rig, &side, 1, &random, &got);
            refused_push += rc < 0;
            if (rc == 0) {
                rc = rig_finish(&rig, &got);
                refused_finish += rc < 0;
                fine += rc == 0;
            }
            if (rc < 0) {
                assert_int_equal(rig.error.code, GM_ETASK_MEMORY);
                assert_non_null(strstr(rig.error.text, "test.c:3: step 'lists'"));
                assert_non_null(strstr(rig.error.text, "--memory"));
            }
        }
        assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
        rows_free(&got);
        rig_close(&rig);
    }
    assert_true(refused_push > 0 && refused_finish > 0 && fine > 0);
    rows_free(&side.rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_one_input),
        cmocka_unit_test(groups_of_two_inputs),
        cmocka_unit_test(many_keys_and_long_lists_come_in_pieces),
        cmocka_unit_test(too_little_memory_names_step_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
