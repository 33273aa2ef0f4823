/* test_join.c
 * Goal:   every kind of join gives the pairs that two nested loops give, whichever side is the
 *         smaller one, whatever the kinds of the key columns, and in pieces that fit a batch.
 * Method: random rows with many equal keys, nulls, NaN, and numbers of both kinds, against the
 *         loops; one key with more pairs than a batch; empty sides; budgets from nothing up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

/* ---- the plain answer ------------------------------------------------------------------------ */

static bool keys_meet(const struct gm_step *step, const struct gleam_value *left,
                      const struct gleam_value *right)
{
    for (uint32_t i = 0; i < step->order.count; i++) {
        const struct gleam_value *a = &left[step->order.columns[i].column - 1];
        const struct gleam_value *b = &right[step->right_keys.columns[i].column - 1];
        if (a->kind == GLEAM_NULL || b->kind == GLEAM_NULL || gm_value_compare(a, b) != 0)
            return false;
    }
    return true;
}

static bool is_key(const struct gleam_order *keys, uint32_t column)
{
    for (uint32_t i = 0; i < keys->count; i++)
        if (keys->columns[i].column == column + 1)
            return true;
    return false;
}

/* NULL stands for a side that is not there. */
static void add_pair(const struct rig *rig, const struct gleam_value *left,
                     const struct gleam_value *right, struct rows *out)
{
    const struct gm_step *step = &rig->step;
    const bool filter =
        step->join == GLEAM_JOIN_LEFT_SEMI || step->join == GLEAM_JOIN_LEFT_ANTI;
    struct gleam_value values[GM_FIELDS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < step->order.count; i++)
        values[count++] = left != NULL ? left[step->order.columns[i].column - 1]
                                       : right[step->right_keys.columns[i].column - 1];
    for (uint32_t c = 0; c < rig->inputs[0].schema.field_count; c++)
        if (!is_key(&step->order, c))
            values[count++] = left != NULL ? left[c] : gleam_null();
    for (uint32_t c = 0; !filter && c < rig->inputs[1].schema.field_count; c++)
        if (!is_key(&step->right_keys, c))
            values[count++] = right != NULL ? right[c] : gleam_null();
    rows_add(out, values, count);
}

static void nested_loops(const struct rig *rig, const struct rows *left, const struct rows *right,
                         struct rows *out)
{
    const enum gleam_join_kind kind = rig->step.join;
    bool *met = calloc(right->row_count + 1, sizeof *met);
    assert_non_null(met);
    for (uint64_t l = 0; l < left->row_count; l++) {
        bool found = false;
        for (uint64_t r = 0; r < right->row_count; r++) {
            if (!keys_meet(&rig->step, rows_at(left, l), rows_at(right, r)))
                continue;
            found = met[r] = true;
            if (kind <= GLEAM_JOIN_FULL_OUTER)
                add_pair(rig, rows_at(left, l), rows_at(right, r), out);
        }
        if ((found && kind == GLEAM_JOIN_LEFT_SEMI) || (!found && kind == GLEAM_JOIN_LEFT_ANTI) ||
            (!found && (kind == GLEAM_JOIN_LEFT_OUTER || kind == GLEAM_JOIN_FULL_OUTER)))
            add_pair(rig, rows_at(left, l), NULL, out);
    }
    for (uint64_t r = 0; r < right->row_count; r++)
        if (!met[r] && (kind == GLEAM_JOIN_RIGHT_OUTER || kind == GLEAM_JOIN_FULL_OUTER))
            add_pair(rig, NULL, rows_at(right, r), out);
    free(met);
}

/* ---- one join -------------------------------------------------------------------------------- */

/* The columns that the planner gives the result; nullable all, which the operator does not mind. */
static void make_schema(struct rig *rig)
{
    struct gm_step *step = &rig->step;
    const struct gm_schema *left = &rig->inputs[0].schema, *right = &rig->inputs[1].schema;
    step->schema = (struct gm_schema){0};
    for (uint32_t i = 0; i < step->order.count; i++) {
        const uint8_t l = left->fields[step->order.columns[i].column - 1].kind;
        const uint8_t r = right->fields[step->right_keys.columns[i].column - 1].kind;
        const uint8_t kind = step->join == GLEAM_JOIN_RIGHT_OUTER            ? r
                             : step->join == GLEAM_JOIN_FULL_OUTER && l != r ? GLEAM_ANY
                                                                             : l;
        gm_schema_add(&step->schema, "k", kind, true);
    }
    for (uint32_t c = 0; c < left->field_count; c++)
        if (!is_key(&step->order, c))
            gm_schema_add(&step->schema, "l", left->fields[c].kind, true);
    for (uint32_t c = 0; step->join <= GLEAM_JOIN_FULL_OUTER && c < right->field_count; c++)
        if (!is_key(&step->right_keys, c))
            gm_schema_add(&step->schema, "r", right->fields[c].kind, true);
}

/* Both sides, in turns of random batches, or one behind the other; batches may say so when a side
 * has ended. */
static int push_sides(struct rig *rig, const struct rows sides[2], uint64_t *random,
                      struct rows *out)
{
    uint64_t next[2] = {0, 0};
    const bool tells = random_below(random, 3) > 0;
    const uint32_t first = random_below(random, 3); /* 2: neither */
    while (next[0] < sides[0].row_count || next[1] < sides[1].row_count) {
        uint32_t side = first < 2 ? first : random_below(random, 2);
        rig->ended_inputs = 0;
        for (uint32_t i = 0; i < 2 && tells; i++)
            rig->ended_inputs |= next[i] == sides[i].row_count ? 1u << i : 0;
        if (next[side] == sides[side].row_count)
            side = !side;
        uint64_t count = 1 + random_below(random, random_below(random, 2) ? 3 : 600);
        if (count > sides[side].row_count - next[side])
            count = sides[side].row_count - next[side];
        const int rc = rig_push_input(rig, side, &sides[side], next[side], (uint32_t)count, 0, out);
        if (rc < 0)
            return rc;
        next[side] += count;
    }
    return 0;
}

static void check_join(struct rig *rig, const struct rows sides[2], uint64_t *random)
{
    struct rows got = {0}, expected = {0};
    make_schema(rig);
    assert_int_equal(rig_open(rig, UINT64_MAX, 0), 0);
    assert_int_equal(push_sides(rig, sides, random, &got), 0);
    assert_int_equal(rig_finish(rig, &got), 0);
    nested_loops(rig, &sides[0], &sides[1], &expected);
    rows_sort(&got);
    rows_sort(&expected);
    assert_rows_equal(&got, &expected);
    rows_free(&got);
    rows_free(&expected);
    rig_close(rig);
}

static struct gleam_order keys_of(uint32_t first, uint32_t second)
{
    struct gleam_order order = gleam_field(first);
    return second > 0 ? gleam_then_by(order, second, true) : order;
}

static void make_side(struct rig *rig, uint32_t side, uint8_t key_kind, bool nullable,
                      uint32_t width, uint64_t *random)
{
    struct gm_schema *schema = &rig->inputs[side].schema;
    *schema = (struct gm_schema){0};
    gm_schema_add(schema, "k", key_kind, nullable);
    for (uint32_t c = 1; c < width; c++)
        gm_schema_add(schema, "v", GLEAM_I64 + random_below(random, GLEAM_ANY), true);
}

static void make_rows(const struct gm_schema *schema, uint64_t count, uint64_t *random,
                      struct rows *out)
{
    struct gleam_value values[GM_FIELDS_MAX];
    for (uint64_t i = 0; i < count; i++) {
        for (uint32_t c = 0; c < schema->field_count; c++)
            values[c] = random_small(random, schema->fields[c].kind, schema->fields[c].nullable);
        rows_add(out, values, schema->field_count);
    }
}

static void random_sides_match_nested_loops(void **state)
{
    (void)state;
    static const uint8_t kinds[][2] = {
        {GLEAM_I64, GLEAM_I64},     {GLEAM_I64, GLEAM_F64},   {GLEAM_F64, GLEAM_I64},
        {GLEAM_BYTES, GLEAM_BYTES}, {GLEAM_ANY, GLEAM_ANY},   {GLEAM_ANY, GLEAM_BYTES},
        {GLEAM_F64, GLEAM_ANY},     {GLEAM_BOOL, GLEAM_BOOL}, {GLEAM_F64, GLEAM_F64}};
    uint64_t random = 1;
    for (uint32_t run = 0; run < 1200; run++) {
        const uint8_t *pair = kinds[run / 6 % 9];
        struct rig rig = {.step = {.kind = GM_STEP_JOIN, .name = "meet", .where = "test.c:3"},
                          .input_count = 2};
        struct rows sides[2] = {{0}, {0}};
        const uint32_t two = random_below(&random, 3) == 0;
        rig.step.join = (enum gleam_join_kind)(run % 6);
        rig.step.order = keys_of(1, two ? 2 : 0);
        rig.step.right_keys = keys_of(1, two ? 3 : 0);
        make_side(&rig, 0, pair[0], random_below(&random, 2), 2 + random_below(&random, 2),
                  &random);
        make_side(&rig, 1, pair[1], random_below(&random, 2), 3, &random);
        rig.inputs[1].schema.fields[2].kind = rig.inputs[0].schema.fields[1].kind;
        rig.step.tagged = rig.inputs[0].schema.fields[0].kind !=
                              rig.inputs[1].schema.fields[0].kind ||
                          rig.inputs[0].schema.fields[0].nullable !=
                              rig.inputs[1].schema.fields[0].nullable;
        for (uint32_t side = 0; side < 2; side++)
            make_rows(&rig.inputs[side].schema,
                      random_below(&random, random_below(&random, 3) ? 60 : 250), &random,
                      &sides[side]);
        check_join(&rig, sides, &random);
        rows_free(&sides[0]);
        rows_free(&sides[1]);
    }
}

static void one_key_gives_more_pairs_than_a_batch(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (uint32_t kind = 0; kind < 6; kind++)
        for (uint32_t turn = 0; turn < 2; turn++) {
            struct rig rig = {.step = {.kind = GM_STEP_JOIN, .join = (enum gleam_join_kind)kind},
                              .input_count = 2};
            struct rows sides[2] = {{0}, {0}};
            rig.step.order = rig.step.right_keys = keys_of(1, 0);
            for (uint32_t side = 0; side < 2; side++) {
                make_side(&rig, side, GLEAM_I64, false, 2, &random);
                make_rows(&rig.inputs[side].schema, side == turn ? 1500 : 40, &random,
                          &sides[side]);
                for (uint64_t row = 0; row < sides[side].row_count; row++)
                    rows_at(&sides[side], row)[0] = gleam_i64(7);
            }
            check_join(&rig, sides, &random);
            rows_free(&sides[0]);
            rows_free(&sides[1]);
        }
}

static void without_keys_all_meet_all(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (uint32_t run = 0; run < 20; run++) {
        struct rig rig = {.step = {.kind = GM_STEP_JOIN}, .input_count = 2};
        struct rows sides[2] = {{0}, {0}};
        for (uint32_t side = 0; side < 2; side++) {
            make_side(&rig, side, GLEAM_ANY, true, 1 + random_below(&random, 3), &random);
            make_rows(&rig.inputs[side].schema, random_below(&random, 100), &random, &sides[side]);
        }
        check_join(&rig, sides, &random);
        rows_free(&sides[0]);
        rows_free(&sides[1]);
    }
}

/* Partitions come one after the other: nothing of the last one is left in the next. */
static void partitions_do_not_mix(void **state)
{
    (void)state;
    uint64_t random = 4;
    struct rig rig = {.step = {.kind = GM_STEP_JOIN, .join = GLEAM_JOIN_FULL_OUTER},
                      .input_count = 2};
    rig.step.order = rig.step.right_keys = keys_of(1, 0);
    make_side(&rig, 0, GLEAM_I64, false, 2, &random);
    make_side(&rig, 1, GLEAM_I64, false, 2, &random);
    make_schema(&rig);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    for (uint32_t partition = 0; partition < 8; partition++) {
        struct rows sides[2] = {{0}, {0}}, got = {0}, expected = {0};
        for (uint32_t side = 0; side < 2; side++)
            if ((partition >> side & 1) != 0)
                make_rows(&rig.inputs[side].schema, 50, &random, &sides[side]);
        assert_int_equal(push_sides(&rig, sides, &random, &got), 0);
        assert_int_equal(rig_finish(&rig, &got), 0);
        nested_loops(&rig, &sides[0], &sides[1], &expected);
        rows_sort(&got);
        rows_sort(&expected);
        assert_rows_equal(&got, &expected);
        rig.op.ops->end(&rig.op, rig.state);
        assert_int_equal(rig.op.ops->begin(&rig.op, &rig.state), 0);
        rows_free(&got);
        rows_free(&expected);
        rows_free(&sides[0]);
        rows_free(&sides[1]);
    }
    rig_close(&rig);
}

static void too_little_memory_names_step_and_option(void **state)
{
    (void)state;
    uint64_t random = 5;
    struct rows sides[2] = {{0}, {0}};
    struct rig shape = {.step = {.kind = GM_STEP_JOIN, .name = "meet", .where = "test.c:3"},
                        .input_count = 2};
    shape.step.order = shape.step.right_keys = keys_of(1, 0);
    for (uint32_t side = 0; side < 2; side++) {
        make_side(&shape, side, GLEAM_BYTES, false, 2, &random);
        for (uint32_t i = 0; i < 3000; i++) {
            char text[40];
            snprintf(text, sizeof text, "a key of more than sixteen bytes %u", i);
            struct gleam_value values[] = {text_value(text), gleam_null()};
            rows_add(&sides[side], values, 2);
        }
    }
    make_schema(&shape);
    uint32_t refused_push = 0, refused_finish = 0, fine = 0;
    for (uint64_t limit = 20000; limit < 8000000; limit = limit * 11 / 10) {
        struct rig rig = shape;
        struct rows got = {0};
        int rc = rig_open(&rig, limit, 0);
        if (rc == 0) {
            rc = push_sides(&rig, sides, &random, &got);
            refused_push += rc < 0;
            if (rc == 0) {
                rc = rig_finish(&rig, &got);
                refused_finish += rc < 0;
                fine += rc == 0;
            }
            if (rc < 0) {
                assert_int_equal(rig.error.code, GM_ETASK_MEMORY);
                assert_non_null(strstr(rig.error.text, "test.c:3: step 'meet'"));
                assert_non_null(strstr(rig.error.text, "--memory"));
            }
        }
        assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
        rows_free(&got);
        rig_close(&rig);
    }
    assert_true(refused_push > 0 && refused_finish > 0 && fine > 0);
    rows_free(&sides[0]);
    rows_free(&sides[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_sides_match_nested_loops),
        cmocka_unit_test(one_key_gives_more_pairs_than_a_batch),
        cmocka_unit_test(without_keys_all_meet_all),
        cmocka_unit_test(partitions_do_not_mix),
        cmocka_unit_test(too_little_memory_names_step_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
