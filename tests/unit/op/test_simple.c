/* test_simple.c
 * Goal:   tokenize finds the words of every row, across the limits of batches; append_one and cast
 *         keep what they should, and cast refuses what does not fit; every kind of step has its
 *         operator.
 * Method: rows of no, one and thousands of words against a byte-by-byte split; casts of every pair
 *         of kinds.  Covers op.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static void every_kind_of_step_has_its_operator(void **state)
{
    (void)state;
    static const struct gm_op_ops *const ops[] = {
        [GM_STEP_TOKENIZE] = &gm_op_tokenize, [GM_STEP_APPEND_ONE] = &gm_op_append_one,
        [GM_STEP_CAST] = &gm_op_cast,         [GM_STEP_MAPPER] = &gm_op_mapper,
        [GM_STEP_COMBINE] = &gm_op_combine,   [GM_STEP_REDUCE] = &gm_op_reduce,
        [GM_STEP_SORT] = &gm_op_sort,         [GM_STEP_TOP] = &gm_op_top,
        [GM_STEP_FORMAT] = &gm_op_format,     [GM_STEP_LUA] = &gm_op_lua,
        [GM_STEP_FILTER] = &gm_op_filter,
        [GM_STEP_JOIN] = &gm_op_join,
        [GM_STEP_SELECT] = &gm_op_select,     [GM_STEP_LOCAL_LIMIT] = &gm_op_local_limit,
        [GM_STEP_LIMIT] = &gm_op_limit,       [GM_STEP_DISTINCT] = &gm_op_distinct,
        [GM_STEP_PARTIAL_DISTINCT] = &gm_op_partial_distinct,
        [GM_STEP_GROUP] = &gm_op_group,       [GM_STEP_COGROUP] = &gm_op_group,
        [GM_STEP_PIPE] = &gm_op_pipe,
        [GM_STEP_PIPE_ARGS] = &gm_op_pipe_args,
        [GM_STEP_WRITE] = &gm_op_write,       [GM_STEP_MEASURE] = &gm_op_measure,
        [GM_STEP_WHERE] = &gm_op_where,       [GM_STEP_MARKS] = &gm_op_marks,
        [GM_STEP_MEAN_PARTS] = &gm_op_mean_parts,
        [GM_STEP_MEAN] = &gm_op_mean,
        [GM_STEP_SAMPLE] = &gm_op_sample,     [GM_STEP_SAMPLE_KEYS] = &gm_op_sample_keys,
        [GM_STEP_DEFAULT] = &gm_op_default,
    };
    assert_int_equal(sizeof ops / sizeof ops[0], GM_STEP_KINDS);
    for (int kind = 0; kind < GM_STEP_KINDS; kind++)
        assert_ptr_equal(gm_op_find((enum gm_step_kind)kind), ops[kind]);
}

static void words_of(const struct rows *lines, struct rows *ret_words)
{
    for (uint64_t row = 0; row < lines->row_count; row++) {
        const char *data = lines->values[row].bytes.data;
        size_t begin = 0;
        for (size_t i = 0; i <= lines->values[row].bytes.length; i++) {
            const char byte = i < lines->values[row].bytes.length ? data[i] : ' ';
            if ((byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z'))
                continue;
            const struct gleam_value word = gleam_bytes(data + begin, i - begin);
            if (i > begin)
                rows_add(ret_words, &word, 1);
            begin = i + 1;
        }
    }
}

static void words_come_out_across_batches(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct rig rig = {.step = {.kind = GM_STEP_TOKENIZE}};
    gm_schema_add(&rig.step.schema, "word", GLEAM_BYTES, false);
    gm_schema_add(&rig.input, "line", GLEAM_BYTES, false);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    for (uint32_t run = 0; run < 30; run++) {
        struct rows lines = {0}, expected = {0}, got = {0};
        for (uint32_t i = 0; i < 200; i++) {
            static char text[20000];
            size_t length = random_below(&random, random_below(&random, 20) == 0 ? 20000 : 60);
            for (size_t j = 0; j < length; j++)
                text[j] = "a z9-"[random_below(&random, 5)];
            const struct gleam_value line = gleam_bytes(text, length);
            rows_add(&lines, &line, 1);
        }
        words_of(&lines, &expected);
        assert_int_equal(rig_push_all(&rig, &lines, &random, &got), 0);
        assert_rows_equal(&got, &expected);
        rows_free(&lines);
        rows_free(&expected);
        rows_free(&got);
    }
    rig_close(&rig);
}

static void words_of_a_constant_column_come_once_per_row(void **state)
{
    (void)state;
    struct rig rig = {.step = {.kind = GM_STEP_TOKENIZE}};
    struct rows lines = {0}, got = {0};
    const struct gleam_value line = text_value("two words");
    gm_schema_add(&rig.step.schema, "word", GLEAM_BYTES, false);
    gm_schema_add(&rig.input, "line", GLEAM_BYTES, false);
    for (uint32_t i = 0; i < 1000; i++)
        rows_add(&lines, &line, 1);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push(&rig, &lines, 0, 1000, 0, &got), 0);
    assert_int_equal(got.row_count, 2000);
    rows_free(&lines);
    rows_free(&got);
    rig_close(&rig);
}

static void append_one_keeps_the_columns(void **state)
{
    (void)state;
    uint64_t random = 2;
    struct rig rig = {.step = {.kind = GM_STEP_APPEND_ONE}};
    struct rows in = {0}, got = {0};
    gm_schema_add(&rig.input, "a", GLEAM_BYTES, true);
    gm_schema_add(&rig.input, "b", GLEAM_ANY, false);
    for (uint32_t i = 0; i < 3000; i++) {
        const struct gleam_value values[] = {random_small(&random, GLEAM_BYTES, true),
                                             random_small(&random, GLEAM_ANY, true)};
        rows_add(&in, values, 2);
    }
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
    assert_int_equal(got.row_count, 3000);
    assert_int_equal(got.column_count, 3);
    for (uint64_t i = 0; i < got.row_count; i++) {
        assert_int_equal(rows_compare_values(rows_at(&got, i), rows_at(&in, i), 2), 0);
        assert_int_equal(rows_at(&got, i)[2].i64, 1);
    }
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static struct rig cast_rig(uint8_t from, uint8_t to, bool nullable)
{
    struct rig rig = {.step = {.kind = GM_STEP_CAST, .name = "typed", .where = "test.c:8"}};
    gm_schema_add(&rig.input, "a", from, nullable && from != GLEAM_ANY);
    gm_schema_add(&rig.step.schema, "price", to, nullable && from != GLEAM_ANY);
    return rig;
}

static bool casts(uint8_t kind, uint8_t to)
{
    return to == GLEAM_ANY || kind == to || (kind == GLEAM_I64 && to == GLEAM_F64);
}

static void any_becomes_what_is_declared_or_is_refused(void **state)
{
    (void)state;
    const struct gleam_value values[] = {gleam_null(), gleam_i64(-3), gleam_f64(2.5),
                                         gleam_bool(true), text_value("text")};
    static const char *const shown[] = {"has null there: null", "has i64 there: -3",
                                        "has f64 there: 2.5", "has bool there: true",
                                        "has bytes there: text"};
    for (uint8_t to = GLEAM_I64; to <= GLEAM_ANY; to++)
        for (uint32_t i = 0; i < 5; i++) {
            struct rig rig = cast_rig(GLEAM_ANY, to, false);
            struct rows in = {0}, got = {0};
            rows_add(&in, &values[i], 1);
            assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
            const int rc = rig_push(&rig, &in, 0, 1, 0, &got);
            if (casts(values[i].kind, to)) {
                assert_int_equal(rc, 0);
                assert_int_equal(gm_value_compare(&got.values[0], &values[i]), 0);
                assert_true(to == GLEAM_ANY || got.values[0].kind == to);
            } else {
                assert_int_equal(rc, GM_EJOB_FLOW);
                assert_non_null(strstr(rig.error.text, "test.c:8: step 'typed': column 'price'"));
                assert_non_null(strstr(rig.error.text, gm_kind_name(to)));
                assert_non_null(strstr(rig.error.text, shown[i]));
            }
            rows_free(&in);
            rows_free(&got);
            rig_close(&rig);
        }
}

static void nulls_pass_a_cast_of_a_nullable_column(void **state)
{
    (void)state;
    uint64_t random = 3;
    static const uint8_t pairs[][2] = {
        {GLEAM_I64, GLEAM_F64}, {GLEAM_I64, GLEAM_I64}, {GLEAM_BYTES, GLEAM_ANY}};
    for (uint32_t i = 0; i < 3; i++) {
        struct rig rig = cast_rig(pairs[i][0], pairs[i][1], true);
        struct rows in = {0}, got = {0};
        for (uint32_t row = 0; row < 4000; row++) {
            struct gleam_value value =
                row < 2000 ? random_small(&random, pairs[i][0], row < 1500) : gleam_i64(4);
            if (row >= 2000 && pairs[i][0] == GLEAM_BYTES)
                value = text_value("four");
            if (value.kind == GLEAM_I64)
                value.i64 %= 1000;
            rows_add(&in, &value, 1);
        }
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
        assert_rows_equal(&got, &in);
        rows_free(&in);
        rows_free(&got);
        rig_close(&rig);
    }
}

/* An `any` column of a union arrives as a vector of one kind: that it is the wanted one does not
 * excuse its nulls. */
static void nulls_of_a_typed_vector_are_refused_too(void **state)
{
    (void)state;
    for (uint32_t nulls = 0; nulls < 2; nulls++) {
        struct rig rig = cast_rig(GLEAM_ANY, GLEAM_I64, false);
        struct rows in = {0}, got = {0};
        struct gm_schema arrives = {0};
        struct input input;
        gm_schema_add(&arrives, "a", GLEAM_I64, true);
        for (int i = 0; i < 9; i++) {
            const struct gleam_value value = nulls && i == 4 ? gleam_null() : gleam_i64(i);
            rows_add(&in, &value, 1);
        }
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        input_make(&input, &arrives, &in, 0, 9);
        const int rc = rig_push_batch(&rig, &input.batch, &got);
        assert_int_equal(rc, nulls ? GM_EJOB_FLOW : 0);
        if (nulls)
            assert_non_null(strstr(rig.error.text, "has null there"));
        else
            assert_rows_equal(&got, &in);
        input_free(&input);
        rows_free(&in);
        rows_free(&got);
        rig_close(&rig);
    }
}

static void operators_without_room_are_refused(void **state)
{
    (void)state;
    uint32_t refused[3] = {0}, fine[3] = {0};
    for (uint64_t limit = 10; limit < 60000; limit += 500) {
        struct rig rigs[3] = {cast_rig(GLEAM_ANY, GLEAM_BYTES, false),
                              {.step = {.kind = GM_STEP_TOKENIZE}},
                              {.step = {.kind = GM_STEP_APPEND_ONE}}};
        gm_schema_add(&rigs[1].step.schema, "word", GLEAM_BYTES, false);
        for (uint32_t i = 0; i < 3; i++) {
            const int rc = rig_open(&rigs[i], limit, 0);
            assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
            assert_true(rc == 0 || fine[i] == 0);
            refused[i] += rc < 0;
            fine[i] += rc == 0;
            rig_close(&rigs[i]);
        }
    }
    for (uint32_t i = 0; i < 3; i++)
        assert_true(refused[i] > 0 && fine[i] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_step_has_its_operator),
        cmocka_unit_test(words_come_out_across_batches),
        cmocka_unit_test(words_of_a_constant_column_come_once_per_row),
        cmocka_unit_test(append_one_keeps_the_columns),
        cmocka_unit_test(any_becomes_what_is_declared_or_is_refused),
        cmocka_unit_test(nulls_pass_a_cast_of_a_nullable_column),
        cmocka_unit_test(nulls_of_a_typed_vector_are_refused_too),
        cmocka_unit_test(operators_without_room_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
