/* test_filter.c
 * Goal:   the rows for which a function says 1 come out, whole and in order; a function that says
 *         something else, fails or emits is refused with its row.
 * Method: random rows of every kind against the same choice in the test; listed wrong functions; a
 *         function of a shared object.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

/* Rows whose second column is odd. */
GLEAM_MAPPER(odd)
{
    (void)call;
    assert_true(column_count >= 2);
    return row[1].i64 & 1;
}

GLEAM_MAPPER(counts)
{
    size_t length = 0;
    const char *data = gleam_parameter(call, &length);
    (void)column_count;
    assert_int_equal(length, 3);
    assert_memory_equal(data, "p\0q", 3);
    assert_int_equal(gleam_count(call, "seen", row[1].i64), 0);
    return 1;
}

/* Memory of its own that lives until the batch is done. */
GLEAM_MAPPER(keeps)
{
    (void)column_count;
    const char *copy = gleam_call_keep(call, row[0].bytes.data, row[0].bytes.length);
    if (copy == NULL)
        return -1;
    return row[1].i64 != 3 && memcmp(copy, row[0].bytes.data, row[0].bytes.length) == 0;
}

GLEAM_MAPPER(returns_2)
{
    (void)call;
    (void)column_count;
    return row[1].i64 == 3 ? 2 : 1;
}

GLEAM_MAPPER(fails)
{
    (void)column_count;
    return row[1].i64 == 3 ? gleam_fail(call, "number %d", 3) : 1;
}

/* Fails, and does not pass it on. */
GLEAM_MAPPER(fails_silently)
{
    (void)column_count;
    if (row[1].i64 == 3)
        (void)gleam_fail(call, "silent");
    return 1;
}

GLEAM_MAPPER(emits)
{
    return gleam_emit(call, row, column_count) == 0;
}

static struct rig filter_rig(const char *function)
{
    struct rig rig = {.step = {.kind = GM_STEP_FILTER,
                               .name = "few",
                               .where = "test.c:5",
                               .parameter = (void *)(uintptr_t) "p\0q",
                               .parameter_bytes = 3}};
    snprintf(rig.step.function, sizeof rig.step.function, "%s", function);
    gm_schema_add(&rig.input, "text", GLEAM_BYTES, false);
    gm_schema_add(&rig.input, "n", GLEAM_I64, false);
    rig.step.schema = rig.input;
    return rig;
}

static void add_rows(struct rows *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof text, "row %u", i);
        const struct gleam_value values[] = {text_value(text), gleam_i64(i)};
        rows_add(rows, values, 2);
    }
}

static void chosen_rows_of_every_kind_come_out(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 30; run++) {
        struct rig rig = filter_rig("odd");
        struct rows in = {0}, got = {0}, want = {0};
        for (uint32_t c = 0; c < 8; c++)
            gm_schema_add(&rig.input, NULL, (enum gleam_kind)(GLEAM_I64 + random_below(&random, 5)),
                          random_below(&random, 2));
        rig.step.schema = rig.input;
        const uint32_t same = random_below(&random, 3); /* none, all or random odd numbers */
        for (uint32_t row = 0; row < 3000; row++) {
            struct gleam_value values[10] = {text_value("text")};
            values[1] = gleam_i64(same < 2 ? 4 + same : random_below(&random, 100));
            for (uint32_t c = 2; c < 10; c++)
                values[c] =
                    random_small(&random, rig.input.fields[c].kind, rig.input.fields[c].nullable);
            rows_add(&in, values, 10);
            if (values[1].i64 & 1)
                rows_add(&want, values, 10);
        }
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
        assert_rows_equal(&got, &want);
        rows_free(&in);
        rows_free(&got);
        rows_free(&want);
        rig_close(&rig);
    }
}

static void parameter_and_counters_are_there(void **state)
{
    (void)state;
    struct rig rig = filter_rig("counts");
    struct rows in = {0}, got = {0};
    add_rows(&in, 100);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push(&rig, &in, 0, 100, 0, &got), 0);
    assert_int_equal(got.row_count, 100);
    assert_int_equal(rig.counters.count, 1);
    assert_int_equal(rig.counters.entries[0].value, 99 * 100 / 2);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void kept_memory_goes_back_with_the_batch(void **state)
{
    (void)state;
    struct rig rig = filter_rig("keeps");
    struct rows in = {0}, got = {0};
    add_rows(&in, 1000);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(rig_push(&rig, &in, 0, 1000, 0, &got), 0);
    assert_int_equal(got.row_count, 200 * 999);
    /* Columns, and one batch of texts at a time. */
    assert_true(rig.heap.peak_bytes < 1 << 20);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void wrong_functions_are_refused_with_their_row(void **state)
{
    (void)state;
    static const struct {
        const char *function, *text;
    } wrong[] = {{"returns_2", "the filter returned 2 for the row (row 3, 3)"},
                 {"fails", "number 3"},
                 {"fails_silently", "silent"},
                 {"emits", "a filter or reducer cannot emit rows"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rig rig = filter_rig(wrong[i].function);
        struct rows in = {0}, got = {0};
        add_rows(&in, 10);
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_int_equal(rig_push(&rig, &in, 0, 10, 0, &got), GM_EJOB_UDF);
        assert_int_equal(rig.error.code, GM_EJOB_UDF);
        assert_non_null(strstr(rig.error.text, "test.c:5: step 'few'"));
        if (strstr(rig.error.text, wrong[i].text) == NULL)
            fail_msg("%s", rig.error.text);
        rows_free(&in);
        rows_free(&got);
        rig_close(&rig);
    }
}

static void unknown_function_is_refused_when_opened(void **state)
{
    (void)state;
    struct rig rig = filter_rig("nobody");
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), GM_EJOB_FLOW);
    assert_non_null(strstr(rig.error.text, "test.c:5: step 'few': no mapper 'nobody'"));
    rig_close(&rig);
}

static void function_of_a_shared_object_filters(void **state)
{
    (void)state;
    struct rig rig = filter_rig("positive");
    struct rows in = {0}, got = {0};
    rig.step.library = (char *)(uintptr_t)TEST_LIBRARY;
    rig.input = (struct gm_schema){0};
    gm_schema_add(&rig.input, "n", GLEAM_I64, false);
    rig.step.schema = rig.input;
    for (int64_t i = -5; i <= 5; i++) {
        const struct gleam_value value = gleam_i64(i);
        rows_add(&in, &value, 1);
    }
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push(&rig, &in, 0, 11, 0, &got), 0);
    assert_int_equal(got.row_count, 5);
    assert_int_equal(got.values[0].i64, 1);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void too_little_memory_is_refused(void **state)
{
    (void)state;
    uint32_t refused = 0, fine = 0;
    for (uint64_t limit = 100; limit < 1000000; limit = limit * 3 / 2) {
        struct rig rig = filter_rig("odd");
        const int rc = rig_open(&rig, limit, 0);
        assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
        refused += rc != 0;
        fine += rc == 0;
        rig_close(&rig);
    }
    assert_true(refused > 5 && fine > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_rows_of_every_kind_come_out),
        cmocka_unit_test(parameter_and_counters_are_there),
        cmocka_unit_test(kept_memory_goes_back_with_the_batch),
        cmocka_unit_test(wrong_functions_are_refused_with_their_row),
        cmocka_unit_test(unknown_function_is_refused_when_opened),
        cmocka_unit_test(function_of_a_shared_object_filters),
        cmocka_unit_test(too_little_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
