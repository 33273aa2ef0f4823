/* test_format.c
 * Goal:   the texts that are handed on, laid end to end, are the formatted rows, and each holds
 *         whole rows.
 * Method: many short rows, a row longer than a text, rows that print as nothing, errors and
 *         budgets from nothing up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static struct rig format_rig(const char *format, uint8_t kind)
{
    struct rig rig = {.step = {.kind = GM_STEP_FORMAT,
                               .name = "print",
                               .where = "test.c:2",
                               .format = (char *)(uintptr_t)format}};
    gm_schema_add(&rig.step.schema, "text", GLEAM_BYTES, false);
    gm_schema_add(&rig.input, "word", GLEAM_BYTES, false);
    gm_schema_add(&rig.input, "n", kind, false);
    return rig;
}

static void texts_hold_whole_rows(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct rig rig = format_rig("%s=%d\n", GLEAM_I64);
    struct rows in = {0}, got = {0};
    size_t bytes = 0;
    static char large[200000];
    memset(large, 'L', sizeof large);
    char *expected = malloc(2000000);
    assert_non_null(expected);
    for (uint32_t i = 0; i < 20000; i++) {
        const struct gleam_value values[] = {
            i == 777 ? gleam_bytes(large, sizeof large) : text_value(i % 3 ? "word" : ""),
            gleam_i64(i)};
        rows_add(&in, values, 2);
        bytes += (size_t)snprintf(expected + bytes, 2000000 - bytes, "%.*s=%u\n",
                                  (int)values[0].bytes.length, values[0].bytes.data, i);
    }
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
    size_t at = 0;
    for (uint64_t i = 0; i < got.row_count; i++) {
        const struct gleam_value *text = rows_at(&got, i);
        assert_true(text->bytes.length > 0);
        assert_int_equal(text->bytes.data[text->bytes.length - 1], '\n');
        assert_true(at + text->bytes.length <= bytes);
        assert_memory_equal(text->bytes.data, expected + at, text->bytes.length);
        at += text->bytes.length;
    }
    assert_int_equal(at, bytes);
    free(expected);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void rows_of_no_text_give_no_value(void **state)
{
    (void)state;
    struct rig rig = format_rig("%s%v", GLEAM_BYTES);
    struct rows in = {0}, got = {0};
    const struct gleam_value values[] = {text_value(""), text_value("")};
    for (uint32_t i = 0; i < 100; i++)
        rows_add(&in, values, 2);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push(&rig, &in, 0, 100, 0, &got), 0);
    assert_int_equal(got.row_count, 0);
    rows_free(&in);
    rig_close(&rig);
}

static void value_that_does_not_fit_its_verb_is_refused(void **state)
{
    (void)state;
    struct rig rig = format_rig("%s %d\n", GLEAM_ANY);
    struct rows in = {0}, got = {0};
    const struct gleam_value values[] = {text_value("a"), gleam_f64(0.5)};
    rows_add(&in, values, 2);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push(&rig, &in, 0, 1, 0, &got), GM_EJOB_FLOW);
    assert_non_null(strstr(rig.error.text, "test.c:2: step 'print'"));
    assert_non_null(strstr(rig.error.text, "column 2 is f64 in this row"));
    rows_free(&in);
    rig_close(&rig);
}

static void wrong_format_is_refused_when_opened(void **state)
{
    (void)state;
    struct rig rig = format_rig("%s\n", GLEAM_I64);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), GM_EJOB_FLOW);
    assert_non_null(strstr(rig.error.text, "1 verbs"));
    rig_close(&rig);
}

static void too_little_memory_names_step_and_option(void **state)
{
    (void)state;
    uint32_t refused = 0, fine = 0;
    struct rows in = {0};
    char large[30000];
    memset(large, 'x', sizeof large);
    const struct gleam_value values[] = {gleam_bytes(large, sizeof large), gleam_i64(1)};
    for (uint32_t i = 0; i < 5; i++)
        rows_add(&in, values, 2);
    for (uint64_t limit = 1000; limit < 300000; limit = limit * 11 / 10) {
        struct rig rig = format_rig("%s %d\n", GLEAM_I64);
        struct rows got = {0};
        int rc = rig_open(&rig, limit, 0);
        if (rc == 0) {
            rc = rig_push(&rig, &in, 0, 5, 0, &got);
            refused += rc < 0;
            fine += rc == 0;
            if (rc < 0) {
                assert_non_null(strstr(rig.error.text, "test.c:2: step 'print'"));
                assert_non_null(strstr(rig.error.text, "--memory"));
            }
        }
        assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
        rows_free(&got);
        rig_close(&rig);
    }
    assert_true(refused > 0 && fine > 0);
    rows_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_hold_whole_rows),
        cmocka_unit_test(rows_of_no_text_give_no_value),
        cmocka_unit_test(value_that_does_not_fit_its_verb_is_refused),
        cmocka_unit_test(wrong_format_is_refused_when_opened),
        cmocka_unit_test(too_little_memory_names_step_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
