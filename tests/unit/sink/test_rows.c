/* test_rows.c
 * Goal:   a row becomes exactly one line of the asked form; what the form cannot tell is refused.
 * Method: listed rows against listed lines; budgets from nothing up.
 */
#include "engine/sink/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

/* Writes one row of `count` any columns.  Returns what gm_row_write does. */
static int write_row(const struct gleam_value *values, uint32_t count, bool csv, bool escape,
                     uint64_t limit, char *line, size_t line_bytes, struct gm_error *why)
{
    struct gm_schema schema = {0};
    struct rows rows = {0};
    struct input input;
    struct gm_heap heap;
    for (uint32_t c = 0; c < count; c++)
        gm_schema_add(&schema, "col", GLEAM_ANY, false);
    rows_add(&rows, values, count);
    input_make(&input, &schema, &rows, 0, 1);
    assert_int_equal(gm_heap_init(&heap, limit), 0);
    struct gm_text text = {.heap = &heap};
    const struct gm_row_writer writer = {.schema = &schema, .csv = csv, .escape = escape};
    const int rc = gm_row_write(&writer, &input.batch, 0, &text, why);
    if (rc == 0)
        snprintf(line, line_bytes, "%.*s", (int)text.length, text.data);
    gm_heap_free(&heap, text.data, text.capacity);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
    input_free(&input);
    rows_free(&rows);
    return rc;
}

static void expect_line(const struct gleam_value *values, uint32_t count, bool csv, bool escape,
                        const char *expected)
{
    char line[256];
    struct gm_error why = {0};
    assert_int_equal(write_row(values, count, csv, escape, UINT64_MAX, line, sizeof line, &why),
                     0);
    assert_string_equal(line, expected);
}

static void rows_are_lines(void **state)
{
    (void)state;
    const struct gleam_value all[] = {text_value("a b"), gleam_i64(-5),     gleam_f64(0.1),
                                      gleam_f64(3),      gleam_bool(true),  gleam_bool(false),
                                      gleam_null(),      gleam_i64(INT64_MIN)};
    expect_line(all, 8, false, false, "a b\t-5\t0.1\t3\ttrue\tfalse\t\t-9223372036854775808\n");
    expect_line(all, 8, false, true, "a b\t-5\t0.1\t3\ttrue\tfalse\t\\N\t-9223372036854775808\n");
    expect_line(all, 8, true, false, "a b,-5,0.1,3,true,false,,-9223372036854775808\n");
    const struct gleam_value one[] = {text_value("a\tb")};
    expect_line(one, 1, false, false, "a\tb\n");
    expect_line(one, 1, false, true, "a\\tb\n");
    const struct gleam_value nasty[] = {text_value("t\t n\n b\\"), text_value("")};
    expect_line(nasty, 2, false, true, "t\\t n\\n b\\\\\t\n");
    expect_line(nasty, 2, true, false, "\"t\t n\n b\\\",\"\"\n");
    const struct gleam_value quotes[] = {text_value("a \"b\""), text_value("c,d"),
                                         text_value("e\r")};
    expect_line(quotes, 3, true, false, "\"a \"\"b\"\"\",\"c,d\",\"e\r\"\n");
}

static void what_would_end_a_field_is_refused(void **state)
{
    (void)state;
    char line[256];
    struct gm_error why = {0};
    const struct gleam_value tab[] = {gleam_i64(1), text_value("a\tb")};
    assert_int_equal(write_row(tab, 2, false, false, UINT64_MAX, line, 256, &why), GM_EJOB_FLOW);
    assert_non_null(strstr(why.text, "column 2 ('col') holds a TAB"));
    assert_non_null(strstr(why.text, "escape"));
    why = (struct gm_error){0};
    const struct gleam_value newline[] = {text_value("a\n")};
    assert_int_equal(write_row(newline, 1, false, false, UINT64_MAX, line, 256, &why),
                     GM_EJOB_FLOW);
    assert_non_null(strstr(why.text, "column 1 ('col') holds a newline"));
}

static void too_little_memory_is_told(void **state)
{
    (void)state;
    char line[256];
    static char large[20000];
    struct gm_error why = {0};
    memset(large, '"', sizeof large);
    const struct gleam_value value = gleam_bytes(large, sizeof large);
    for (int form = 0; form < 3; form++)
        assert_int_equal(write_row(&value, 1, form == 1, form == 2, 10000, line, 256, &why),
                         GM_ETASK_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_lines),
        cmocka_unit_test(what_would_end_a_field_is_refused),
        cmocka_unit_test(too_little_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
