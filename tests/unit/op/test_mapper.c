/* test_mapper.c
 * Goal:   whatever a function emits comes out once and in order, with bytes that live long enough;
 *         what it must not do is refused in words that help.
 * Method: functions that emit none, one and thousands of rows per row, from inside the input and
 *         from memory of their own that is overwritten at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

/* (bytes, i64 n): emits the text n times, with a counter; n < 0 fails. */
GLEAM_MAPPER(repeat)
{
    assert_int_equal(column_count, 2);
    if (row[1].i64 < 0)
        return gleam_fail(call, "negative: %d", (int)row[1].i64);
    for (int64_t i = 0; i < row[1].i64; i++) {
        const struct gleam_value values[] = {row[0], gleam_i64(i)};
        const int rc = gleam_emit(call, values, 2);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Emits pieces from memory of its own, which holds something else right afterwards. */
GLEAM_MAPPER(scratch)
{
    static char memory[64];
    for (int i = 0; i < 3; i++) {
        const int length = snprintf(memory, sizeof memory, "%.*s-%d", (int)row[0].bytes.length,
                                    row[0].bytes.data, i);
        const struct gleam_value values[] = {gleam_bytes(memory, (size_t)length), gleam_i64(i)};
        const int rc = gleam_emit(call, values, column_count);
        memset(memory, '!', sizeof memory);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Its first and last byte, the whole, and nothing: all inside the input. */
GLEAM_MAPPER(pieces)
{
    const char *data = row[0].bytes.data;
    const size_t length = row[0].bytes.length;
    const struct gleam_value values[] = {
        gleam_bytes(data, 1), gleam_bytes(data + length - 1, 1), row[0],
        gleam_bytes(data + length, 0), gleam_bytes("", 0), gleam_bytes(NULL, 0)};
    (void)column_count;
    return gleam_emit(call, values, 6);
}

GLEAM_MAPPER(every_kind)
{
    const struct gleam_value values[] = {gleam_null(), gleam_i64(-7), gleam_f64(0.25),
                                         gleam_bool(true), text_value("text"), row[0]};
    for (uint32_t i = 0; i < 6; i++) {
        const struct gleam_value any[] = {values[i]};
        (void)column_count;
        const int rc = gleam_emit(call, any, 1);
        if (rc != 0)
            return rc;
    }
    return 0;
}

GLEAM_MAPPER(too_few)
{
    (void)column_count;
    return gleam_emit(call, row, 1);
}

GLEAM_MAPPER(wrong_kind)
{
    const struct gleam_value values[] = {row[0], gleam_f64(1)};
    (void)column_count;
    return gleam_emit(call, values, 2);
}

GLEAM_MAPPER(emits_null)
{
    const struct gleam_value values[] = {row[0], gleam_null()};
    (void)column_count;
    gleam_emit(call, values, 2);
    return 0; /* what emit said is not passed on */
}

GLEAM_MAPPER(returns_5)
{
    (void)call;
    (void)row;
    (void)column_count;
    return 5;
}

/* An empty value without data, from a row that has no bytes. */
GLEAM_MAPPER(nothing_of_a_number)
{
    const struct gleam_value value = gleam_bytes(NULL, 0);
    (void)row;
    (void)column_count;
    return gleam_emit(call, &value, 1);
}

GLEAM_MAPPER(length_without_data)
{
    const struct gleam_value values[] = {gleam_bytes(NULL, 5), gleam_i64(0)};
    (void)row;
    (void)column_count;
    return gleam_emit(call, values, 2);
}

/* The text n times, every third one from memory of its own, beside a shared number. */
GLEAM_MAPPER(in_columns)
{
    struct gleam_value texts[300];
    char copies[300][8];
    const struct gleam_value number = gleam_i64(7);
    const struct gleam_column columns[] = {{texts, false}, {&number, true}};
    (void)column_count;
    for (int64_t i = 0; i < row[1].i64; i++) {
        texts[i] = row[0];
        if (i % 3 == 1) {
            memcpy(copies[i], row[0].bytes.data, row[0].bytes.length);
            texts[i].bytes.data = copies[i];
        }
    }
    const int rc = gleam_emit_columns(call, columns, 2, (size_t)row[1].i64);
    memset(copies, '!', sizeof copies);
    return rc;
}

GLEAM_MAPPER(in_wrong_columns)
{
    const struct gleam_value values[] = {row[0], gleam_i64(1)};
    const struct gleam_column columns[] = {{values, false}, {&values[1], true}};
    (void)column_count;
    return gleam_emit_columns(call, columns, 2, 2);
}

GLEAM_MAPPER(no_kind)
{
    struct gleam_value value = row[0];
    value.kind = 99;
    (void)column_count;
    return gleam_emit(call, &value, 1);
}

/* A list in a list, from memory that holds something else right afterwards. */
GLEAM_MAPPER(lists)
{
    char memory[2][200];
    const struct gleam_value values[] = {row[0], gleam_i64(5)};
    struct gleam_value list = gleam_list_pack(values, 2, memory[0]);
    list = gleam_list_pack(&list, 1, memory[1]);
    (void)column_count;
    const int rc = gleam_emit(call, &list, 1);
    memset(memory, '!', sizeof memory);
    return rc;
}

GLEAM_MAPPER(no_list)
{
    struct gleam_value value = row[0];
    value.kind = GLEAM_LIST;
    (void)column_count;
    return gleam_emit(call, &value, 1);
}

GLEAM_MAPPER(parameter)
{
    size_t length = 0;
    const char *data = gleam_parameter(call, &length);
    (void)row;
    (void)column_count;
    assert_ptr_equal(data, gleam_parameter(call, NULL));
    const struct gleam_value values[] = {gleam_bytes(data, length), gleam_i64((int64_t)length)};
    return gleam_emit(call, values, 2);
}

static struct rig mapper_rig(const char *function, uint8_t first, uint8_t second)
{
    struct rig rig = {.step = {.kind = GM_STEP_MAPPER,
                               .name = "words",
                               .where = "test.c:5",
                               .parameter = (void *)(uintptr_t) "p\0q",
                               .parameter_bytes = 3}};
    snprintf(rig.step.function, sizeof rig.step.function, "%s", function);
    gm_schema_add(&rig.step.schema, "a", first, false);
    if (second != 0)
        gm_schema_add(&rig.step.schema, "b", second, false);
    gm_schema_add(&rig.input, "text", GLEAM_BYTES, false);
    gm_schema_add(&rig.input, "n", GLEAM_I64, false);
    return rig;
}

static void add_row(struct rows *rows, const char *text, int64_t number)
{
    const struct gleam_value values[] = {text_value(text), gleam_i64(number)};
    rows_add(rows, values, 2);
}

static void emitted_rows_come_out_once_and_in_order(void **state)
{
    (void)state;
    static const int64_t counts[] = {0, 1, 5000, 0, 0, 2, 1023, 1, 1024, 1025, 3, 70000};
    uint64_t random = 1;
    struct rig rig = mapper_rig("repeat", GLEAM_BYTES, GLEAM_I64);
    struct rows in = {0}, got = {0};
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    for (uint32_t i = 0; i < 3000; i++) {
        char text[16];
        snprintf(text, sizeof text, "row %u", i);
        add_row(&in, text, i < 12 ? counts[i] : random_below(&random, 3));
    }
    assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
    uint64_t at = 0;
    for (uint64_t row = 0; row < in.row_count; row++)
        for (int64_t i = 0; i < rows_at(&in, row)[1].i64; i++, at++) {
            assert_true(at < got.row_count);
            assert_true(same_value(rows_at(&got, at)[0], rows_at(&in, row)[0]));
            assert_int_equal(rows_at(&got, at)[1].i64, i);
        }
    assert_int_equal(got.row_count, at);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void memory_of_the_function_is_copied(void **state)
{
    (void)state;
    uint64_t random = 2;
    struct rig rig = mapper_rig("scratch", GLEAM_BYTES, GLEAM_I64);
    struct rows in = {0}, got = {0};
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    for (uint32_t i = 0; i < 5000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%u", i);
        add_row(&in, text, 0);
    }
    assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
    assert_int_equal(got.row_count, 15000);
    for (uint32_t i = 0; i < got.row_count; i++) {
        char text[32];
        snprintf(text, sizeof text, "%u-%u", i / 3, i % 3);
        assert_int_equal(rows_at(&got, i)[0].bytes.length, strlen(text));
        assert_memory_equal(rows_at(&got, i)[0].bytes.data, text, strlen(text));
    }
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void pieces_of_the_input_are_not_copied(void **state)
{
    (void)state;
    struct rig rig = mapper_rig("pieces", GLEAM_BYTES, GLEAM_BYTES);
    for (uint32_t i = 0; i < 4; i++)
        gm_schema_add(&rig.step.schema, "c", GLEAM_BYTES, false);
    struct rows in = {0};
    struct input input;
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    add_row(&in, "abc", 0);
    input_make(&input, &rig.input, &in, 0, 1);
    const uint64_t used_bytes = rig.heap.used_bytes;
    assert_int_equal(rig_process(&rig, &input.batch), GM_OP_NEED_INPUT);
    assert_int_equal(rig.out.row_count, 1);
    const struct gm_bytes *text = &input.batch.columns[0].bytes[0];
    for (uint32_t c = 0; c < 4; c++) {
        assert_true(rig.out.columns[c].bytes[0].data >= text->data);
        assert_true(rig.out.columns[c].bytes[0].data <= text->data + 3);
    }
    for (uint32_t c = 3; c < 6; c++) {
        assert_int_equal(rig.out.columns[c].bytes[0].length, 0);
        assert_non_null(rig.out.columns[c].bytes[0].data);
    }
    /* Nothing but a chunk for the empty ones. */
    assert_true(rig.heap.used_bytes <= used_bytes + 8192);
    input_free(&input);
    rows_free(&in);
    rig_close(&rig);
}

static void columns_of_rows_come_out_in_order(void **state)
{
    (void)state;
    uint64_t random = 3;
    struct rig rig = mapper_rig("in_columns", GLEAM_BYTES, GLEAM_I64);
    struct rows in = {0}, got = {0};
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    for (uint32_t i = 0; i < 3000; i++) {
        char text[16];
        snprintf(text, sizeof text, "%u", i);
        add_row(&in, text, random_below(&random, random_below(&random, 9) ? 4 : 300));
    }
    assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
    uint64_t at = 0;
    for (uint64_t row = 0; row < in.row_count; row++)
        for (int64_t i = 0; i < rows_at(&in, row)[1].i64; i++, at++) {
            assert_true(at < got.row_count);
            assert_true(same_value(rows_at(&got, at)[0], rows_at(&in, row)[0]));
            assert_int_equal(rows_at(&got, at)[1].i64, 7);
        }
    assert_int_equal(got.row_count, at);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void empty_values_may_have_no_data(void **state)
{
    (void)state;
    struct rig rig = mapper_rig("nothing_of_a_number", GLEAM_BYTES, 0);
    rig.input = (struct gm_schema){0};
    gm_schema_add(&rig.input, "n", GLEAM_I64, false);
    const struct gleam_value number = gleam_i64(1);
    struct rows in = {0};
    struct input input;
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    rows_add(&in, &number, 1);
    input_make(&input, &rig.input, &in, 0, 1);
    assert_int_equal(rig_process(&rig, &input.batch), GM_OP_NEED_INPUT);
    assert_int_equal(rig.out.columns[0].bytes[0].length, 0);
    assert_non_null(rig.out.columns[0].bytes[0].data);
    input_free(&input);
    rows_free(&in);
    rig_close(&rig);
}

static void any_column_takes_every_kind(void **state)
{
    (void)state;
    struct rig rig = mapper_rig("every_kind", GLEAM_ANY, 0);
    struct rows in = {0}, got = {0};
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    add_row(&in, "abc", 0);
    assert_int_equal(rig_push(&rig, &in, 0, 1, 0, &got), 0);
    static const uint8_t kinds[] = {GLEAM_NULL, GLEAM_I64, GLEAM_F64, GLEAM_BOOL, GLEAM_BYTES,
                                    GLEAM_BYTES};
    assert_int_equal(got.row_count, 6);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(got.values[i].kind, kinds[i]);
    assert_int_equal(got.values[1].i64, -7);
    assert_true(got.values[2].f64 == 0.25);
    assert_memory_equal(got.values[5].bytes.data, "abc", 3);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void emitted_lists_are_copied(void **state)
{
    (void)state;
    struct rig rig = mapper_rig("lists", GLEAM_ANY, 0);
    struct rows in = {0}, got = {0};
    struct gleam_value inner, value;
    size_t offset = 0;
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    add_row(&in, "abc", 0);
    assert_int_equal(rig_push(&rig, &in, 0, 1, 0, &got), 0);
    assert_true(gleam_list_next(&got.values[0], &offset, &inner));
    assert_int_equal(inner.kind, GLEAM_LIST);
    offset = 0;
    assert_true(gleam_list_next(&inner, &offset, &value));
    assert_true(same_value(value, text_value("abc")));
    assert_true(gleam_list_next(&inner, &offset, &value));
    assert_int_equal(value.i64, 5);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void parameter_reaches_the_function(void **state)
{
    (void)state;
    struct rig rig = mapper_rig("parameter", GLEAM_BYTES, GLEAM_I64);
    struct rows in = {0}, got = {0};
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    add_row(&in, "abc", 0);
    assert_int_equal(rig_push(&rig, &in, 0, 1, 0, &got), 0);
    assert_memory_equal(rows_at(&got, 0)[0].bytes.data, "p\0q", 3);
    assert_int_equal(rows_at(&got, 0)[1].i64, 3);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void wrong_functions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *function, *text;
        uint8_t first, second;
        int64_t number;
    } wrong[] = {
        {"too_few", "row of 1 values, but gleam_as declares 2 columns", GLEAM_BYTES, GLEAM_I64, 0},
        {"wrong_kind", "value 2 of an emitted row is f64, but the column is declared i64",
         GLEAM_BYTES, GLEAM_I64, 0},
        {"emits_null", "value 2 of an emitted row is null", GLEAM_BYTES, GLEAM_I64, 0},
        {"returns_5", "the mapper returned 5 for the row that begins with: abc", GLEAM_BYTES,
         GLEAM_I64, 0},
        {"no_kind", "value 1 of an emitted row has no kind", GLEAM_ANY, 0, 0},
        {"no_list", "value 1 of an emitted row is a list, but its bytes are none", GLEAM_ANY, 0,
         0},
        {"length_without_data", "value 1 of an emitted row has a length", GLEAM_BYTES, GLEAM_I64,
         0},
        {"in_wrong_columns", "value 1 of an emitted row is i64, but the column is declared bytes",
         GLEAM_BYTES, GLEAM_I64, 0},
        {"repeat", "negative: -2", GLEAM_BYTES, GLEAM_I64, -2}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rig rig = mapper_rig(wrong[i].function, wrong[i].first, wrong[i].second);
        struct rows in = {0}, got = {0};
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        add_row(&in, "abc", wrong[i].number);
        assert_int_equal(rig_push(&rig, &in, 0, 1, 0, &got), GM_EJOB_UDF);
        assert_int_equal(rig.error.code, GM_EJOB_UDF);
        assert_non_null(strstr(rig.error.text, "test.c:5: step 'words'"));
        assert_non_null(strstr(rig.error.text, wrong[i].text));
        rows_free(&in);
        rows_free(&got);
        rig_close(&rig);
    }
}

static void unknown_function_is_refused_when_opened(void **state)
{
    (void)state;
    struct rig rig = mapper_rig("nobody", GLEAM_BYTES, GLEAM_I64);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), GM_EJOB_FLOW);
    assert_non_null(strstr(rig.error.text, "no mapper 'nobody'"));
    rig_close(&rig);
}

/* Memory ends while the columns are made, while they grow, and while bytes are copied. */
static void too_little_memory_names_step_and_option(void **state)
{
    (void)state;
    static const char *const functions[] = {"repeat", "scratch"};
    uint64_t random = 3;
    uint32_t refused_open = 0, refused_push = 0, fine = 0;
    struct rows in = {0};
    for (uint32_t i = 0; i < 40; i++)
        add_row(&in, "some text of a row", 700 * (i % 20));
    for (uint32_t f = 0; f < 2; f++)
        for (uint64_t limit = 1000; limit < 4000000; limit = limit * 23 / 20) {
            struct rig rig = mapper_rig(functions[f], GLEAM_BYTES, GLEAM_I64);
            struct rows got = {0};
            int rc = rig_open(&rig, limit, 0);
            refused_open += rc < 0;
            if (rc == 0) {
                rc = rig_push_all(&rig, &in, &random, &got);
                refused_push += rc < 0;
                fine += rc == 0;
                if (rc < 0) {
                    assert_int_equal(rig.error.code, GM_ETASK_MEMORY);
                    assert_non_null(strstr(rig.error.text, "test.c:5: step 'words'"));
                    assert_non_null(strstr(rig.error.text, "--memory"));
                }
            }
            assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
            rows_free(&got);
            rig_close(&rig);
        }
    assert_true(refused_open > 0 && refused_push > 0 && fine > 0);
    rows_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emitted_rows_come_out_once_and_in_order),
        cmocka_unit_test(memory_of_the_function_is_copied),
        cmocka_unit_test(pieces_of_the_input_are_not_copied),
        cmocka_unit_test(columns_of_rows_come_out_in_order),
        cmocka_unit_test(empty_values_may_have_no_data),
        cmocka_unit_test(any_column_takes_every_kind),
        cmocka_unit_test(emitted_lists_are_copied),
        cmocka_unit_test(parameter_reaches_the_function),
        cmocka_unit_test(wrong_functions_are_refused),
        cmocka_unit_test(unknown_function_is_refused_when_opened),
        cmocka_unit_test(too_little_memory_names_step_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
