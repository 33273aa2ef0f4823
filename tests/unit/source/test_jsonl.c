/* test_jsonl.c
 * Goal:   members become the columns that are asked for, whatever their order; what is no object is
 *         told, left out or filled up.
 * Method: listed lines, whole and cut at every place into blocks.
 */
#include "engine/source/jsonl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/error.h"

#define ROWS_MAX 4096

static struct gm_bytes values[2][GM_BATCH_ROWS_MAX];
static uint8_t nulls[2][GM_BATCH_ROWS_MAX];
static struct gm_csv_fault fault;
static char got[ROWS_MAX];

/* Rows of columns a and b as "a|b;", null as "~"; returns what ended them. */
static int read_all(const char *text, size_t block, uint8_t on_error)
{
    struct gm_vector columns[2] = {{.kind = GLEAM_BYTES, .bytes = values[0], .nulls = nulls[0]},
                                   {.kind = GLEAM_BYTES, .bytes = values[1], .nulls = nulls[1]}};
    struct gm_schema schema = {0};
    struct gm_jsonl_parser parser;
    const size_t bytes = strlen(text);
    size_t at = 0, have = 0, length = 0;
    int rc = GM_END;
    gm_schema_add(&schema, "a", GLEAM_BYTES, true);
    gm_schema_add(&schema, "b_2", GLEAM_BYTES, true);
    gm_jsonl_parser_init(&parser, &schema, on_error);
    got[0] = '\0';
    while (at < bytes) {
        have = have + block < bytes - at ? have + block : bytes - at;
        uint8_t *span = malloc(have + GM_BYTES_SLACK);
        assert_non_null(span);
        memcpy(span, text + at, have);
        memset(span + have, '"', GM_BYTES_SLACK);
        gm_jsonl_parser_span(&parser, span, have, SIZE_MAX, at + have == bytes);
        uint32_t rows;
        while ((rc = gm_jsonl_parse(&parser, columns, &rows, &fault)) == 0)
            for (uint32_t row = 0; row < rows; row++)
                for (int i = 0; i < 2; i++) {
                    const bool null = columns[i].has_nulls && nulls[i][row] != 0;
                    length += (size_t)snprintf(
                        got + length, sizeof got - length, "%.*s%s",
                        null ? 1 : (int)values[i][row].length,
                        null ? "~" : (const char *)values[i][row].data, i == 0 ? "|" : ";");
                }
        free(span);
        at += parser.begin;
        have -= parser.begin;
        if (rc != GM_AGAIN)
            break;
    }
    return rc;
}

static void rows_are(const char *text, const char *wanted)
{
    for (size_t block = 1; block <= strlen(text); block++) {
        assert_int_equal(read_all(text, block, GM_CSV_FAIL), GM_END);
        assert_string_equal(got, wanted);
    }
}

static void members_become_columns(void **state)
{
    (void)state;
    rows_are("{\"a\":1,\"b-2\":\"x\"}\n{\"b 2\":true,\"a\":null}\r\n\n \t\n{}\n{\"c\":[1]}",
             "1|x;~|true;~|~;~|~;");
    rows_are(" { \"a\" : -1.5e3 , \"z\" : {\"a\":\"}\\\"\"} , \"b_2\" : [ \"]\" , {} ] } \n",
             "-1.5e3|[ \"]\" , {} ];");
    rows_are("{\"a\":1,\"a\":2}\n{\"a\":\"\",\"\":3}\n", "2|~;|~;");
    rows_are("{\"a\":\"q\\\"\\\\\\/\\n\\t\\r\\b\\f\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"}\n",
             "q\"\\/\n\t\r\b\fA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80|~;");
    /* Halves of pairs, and a member's name with an escape. */
    rows_are("{\"\\u0061\":\"\\ud83dx\\ude00\"}\n", "\xef\xbf\xbdx\xef\xbf\xbd|~;");
}

static void fault_is(const char *line, const char *why)
{
    char text[256];
    snprintf(text, sizeof text, "{\"a\":\"\\n\"}\n%s\n{\"a\":2}\n", line);
    for (size_t block = 1; block <= strlen(text); block += 7) {
        assert_int_equal(read_all(text, block, GM_CSV_FAIL), GM_CSV_BAD_ROW);
        assert_string_equal(got, "\n|~;");
        assert_int_equal(fault.kind, GM_CSV_FAULT_JSON);
        assert_string_equal(fault.why, why);
        assert_int_equal(fault.end - fault.begin, strlen(line));
        assert_int_equal(read_all(text, block, GM_CSV_SKIP), GM_END);
        assert_string_equal(got, "\n|~;2|~;");
    }
}

static void what_is_no_object_is_told(void **state)
{
    (void)state;
    fault_is("[1]", "the line is no object");
    fault_is("x", "the line is no object");
    fault_is("{\"a\":1", "a comma is missing between two members");
    fault_is("{\"a\":1 \"b\":2}", "a comma is missing between two members");
    fault_is("{\"a\":1,}", "a member has no name in quotes");
    fault_is("{a:1}", "a member has no name in quotes");
    fault_is("{,}", "a member has no name in quotes");
    fault_is("{", "a member has no name in quotes");
    fault_is("{\"a\" 1}", "a colon is missing behind a name");
    fault_is("{\"a\":}", "a value is missing, or is no JSON");
    fault_is("{\"a\":yes}", "a value is missing, or is no JSON");
    fault_is("{\"a\":\"b}", "a string is not closed");
    fault_is("{\"a\":\"b\\\"}", "a string is not closed");
    fault_is("{\"a\":\"\\x\"}", "a string has a \\ with something wrong behind it");
    fault_is("{\"a\":\"\\u12g4\"}", "a string has a \\ with something wrong behind it");
    fault_is("{\"a\":[1,{}", "an array or object is not closed");
    fault_is("{\"a\":1} x", "something follows the object");
}

static void a_bad_line_may_keep_what_was_read(void **state)
{
    (void)state;
    assert_int_equal(read_all("{\"a\":1,\"b_2\":}\n{\"a\":2}\n", 100, GM_CSV_NULL), GM_END);
    assert_string_equal(got, "1|~;2|~;");
}

static void more_lines_than_a_batch(void **state)
{
    struct gm_schema schema = {0};
    struct gm_jsonl_parser parser;
    struct gm_vector column = {.kind = GLEAM_BYTES, .bytes = values[0], .nulls = nulls[0]};
    const uint32_t count = 3 * GM_BATCH_ROWS_MAX + 5;
    char *text = malloc(count * 20 + GM_BYTES_SLACK);
    size_t bytes = 0;
    uint32_t rows, total = 0;
    (void)state;
    assert_non_null(text);
    for (uint32_t i = 0; i < count; i++)
        bytes += (size_t)sprintf(text + bytes, "{\"n\":%u}\n", i);
    gm_schema_add(&schema, "n", GLEAM_BYTES, true);
    gm_jsonl_parser_init(&parser, &schema, GM_CSV_FAIL);
    gm_jsonl_parser_span(&parser, (uint8_t *)text, bytes, bytes - 1, true);
    while (gm_jsonl_parse(&parser, &column, &rows, &fault) == 0) {
        assert_true(rows <= GM_BATCH_ROWS_MAX);
        total += rows;
    }
    assert_int_equal(total, count);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_become_columns),
        cmocka_unit_test(what_is_no_object_is_told),
        cmocka_unit_test(a_bad_line_may_keep_what_was_read),
        cmocka_unit_test(more_lines_than_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
