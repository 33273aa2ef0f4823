/* test_rows.c
 * Goal:   a line gives the fields that it says, in their types; the end of a record is found
 *         wherever a read cut it; no byte outside the line is touched.
 * Method: listed lines and refusals, records cut at every byte, random bytes in blocks of their own
 *         (for AddressSanitizer).
 */
#include "engine/source/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

/* Columns by letters: t bytes, n i64, x f64, b bool, a any; capitals may be null. */
static void make_schema(struct gm_schema *schema, const char *letters)
{
    *schema = (struct gm_schema){0};
    for (; *letters != '\0'; letters++) {
        const char small = (char)(*letters | 32);
        gm_schema_add(schema, "c",
                      small == 't'   ? GLEAM_BYTES
                      : small == 'n' ? GLEAM_I64
                      : small == 'x' ? GLEAM_F64
                      : small == 'b' ? GLEAM_BOOL
                                     : GLEAM_ANY,
                      small != *letters);
    }
}

/* Parses a copy of the line; the row as %v prints it, with " | " between. */
static int read_row(const char *letters, bool csv, bool escape, const char *line, size_t bytes,
                    char *out, size_t out_bytes, struct gm_error *why)
{
    struct gm_schema schema;
    struct gm_heap heap;
    struct gm_batch batch;
    make_schema(&schema, letters);
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    assert_int_equal(gm_batch_init(&batch, &schema, &heap), 0);
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, line, bytes);
    const struct gm_row_reader reader = {.schema = &schema, .csv = csv, .escape = escape};
    const int rc = gm_row_read(&reader, copy, bytes, &batch, 3, why);
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t c = 0; rc == 0 && c < schema.field_count; c++) {
        char text[64];
        const struct gleam_value value = gm_vector_get(&batch.columns[c], 3);
        if (value.kind == GLEAM_BYTES)
            snprintf(text, sizeof text, "%.*s", (int)value.bytes.length, value.bytes.data);
        else if (value.kind == GLEAM_I64)
            snprintf(text, sizeof text, "%lld", (long long)value.i64);
        else if (value.kind == GLEAM_F64)
            snprintf(text, sizeof text, "%g", value.f64);
        else
            snprintf(text, sizeof text, "%s",
                     value.kind == GLEAM_NULL ? "null" : value.boolean ? "true" : "false");
        at += (size_t)snprintf(out + at, out_bytes - at, "%s%s", c > 0 ? " | " : "", text);
    }
    free(copy);
    gm_batch_fini(&batch, &heap);
    gm_heap_fini(&heap);
    return rc;
}

static void expect_row(const char *letters, bool csv, bool escape, const char *line,
                       const char *expected)
{
    char out[256];
    struct gm_error why = {0};
    assert_int_equal(
        read_row(letters, csv, escape, line, strlen(line), out, sizeof out, &why), 0);
    assert_string_equal(out, expected);
}

static void lines_are_rows(void **state)
{
    (void)state;
    expect_row("t", false, false, "a\tb", "a\tb");
    expect_row("t", false, false, "", "");
    expect_row("t", false, false, "a\r", "a\r");
    expect_row("tt", false, false, "a\t", "a | ");
    expect_row("tnxb", false, false, "w\t-12\t1e3\ttrue", "w | -12 | 1000 | true");
    expect_row("nn", false, false, "9223372036854775807\t-9223372036854775808",
               "9223372036854775807 | -9223372036854775808");
    expect_row("xx", false, false, "-0.5\tinf", "-0.5 | inf");
    expect_row("tt", false, false, "\\t\t\\N", "\\t | \\N");
    expect_row("TT", false, true, "a\\tb\\\\c\\nd\t\\x\\", "a\tb\\c\nd | \\x\\");
    expect_row("TNXBA", false, true, "\\N\t\\N\t\\N\t\\N\t\\N", "null | null | null | null | null");
    expect_row("A", false, true, "\\\\N", "\\N");
    expect_row("tt", true, false, "a,b", "a | b");
    expect_row("tt", true, false, "a,b\r", "a | b");
    expect_row("tt", true, false, "\"a,\"\"b\"\"\n\",\"\"", "a,\"b\"\n | ");
    expect_row("tNa", true, false, ",,", " | null | null");
    expect_row("a", true, false, "\"\"", "");
    expect_row("t", true, false, "", "");
}

static void expect_refusal(const char *letters, bool csv, const char *line, const char *words)
{
    char out[256];
    struct gm_error why = {0};
    assert_int_equal(read_row(letters, csv, false, line, strlen(line), out, sizeof out, &why),
                     GM_EJOB_FLOW);
    if (strstr(why.text, words) == NULL)
        fail_msg("'%s' is not in: %s", words, why.text);
}

static void what_is_no_row_is_refused(void **state)
{
    (void)state;
    expect_refusal("tt", false, "a", "it has 1 field, but 2 columns are wanted");
    expect_refusal("tt", false, "a\tb\tc", "it has 3 fields");
    expect_refusal("n", false, "", "is no i64: ''");
    expect_refusal("n", false, "-", "is no i64: '-'");
    expect_refusal("n", false, "+1", "is no i64");
    expect_refusal("n", false, " 1", "is no i64");
    expect_refusal("n", false, "1.0", "is no i64");
    expect_refusal("n", false, "9223372036854775808", "is no i64");
    expect_refusal("n", false, "-9223372036854775809", "is no i64");
    expect_refusal("n", false, "99999999999999999999999", "is no i64");
    expect_refusal("x", false, "", "is no f64");
    expect_refusal("x", false, " 1", "is no f64");
    expect_refusal("x", false, "1 ", "is no f64");
    expect_refusal("b", false, "True", "is no bool");
    expect_refusal("n", true, "", "is no i64");
    expect_refusal("t", true, "\"a", "opened and not closed");
    expect_refusal("t", true, "\"a\"b", "behind a closing quote");
    expect_refusal("t", true, "a\"b", "a quote stands inside");
    expect_refusal("t", true, "a,b", "it has 2 fields, but 1 column is wanted");
}

static void record_ends_are_found_across_cuts(void **state)
{
    (void)state;
    static const char text[] = "a,\"b\n\"\"c\n\",d\ne";
    struct gm_schema schema;
    make_schema(&schema, "ttt");
    const uint8_t *begin = (const uint8_t *)text;
    const uint8_t *end = begin + sizeof text - 1;
    for (size_t cut = 0; cut < sizeof text; cut++) {
        const struct gm_row_reader reader = {.schema = &schema, .csv = true};
        bool quoted = false;
        const uint8_t *found = gm_row_end(&reader, begin, begin + cut, &quoted);
        if (found == NULL)
            found = gm_row_end(&reader, begin + cut, end, &quoted);
        assert_ptr_equal(found, begin + 12);
    }
    const struct gm_row_reader plain = {.schema = &schema};
    bool quoted = false;
    assert_ptr_equal(gm_row_end(&plain, begin, end, &quoted), begin + 4);
    assert_null(gm_row_end(&plain, end, end, &quoted));
}

static void any_bytes_are_taken_or_refused(void **state)
{
    (void)state;
    static const char letters[] = "\t\t,,\"\"\\\\nNt01-.e\ra";
    uint64_t random = 3;
    uint32_t fine = 0;
    for (uint32_t run = 0; run < 20000; run++) {
        char line[16], out[512];
        struct gm_error why = {0};
        const size_t bytes = random_below(&random, sizeof line);
        for (size_t i = 0; i < bytes; i++)
            line[i] = letters[random_below(&random, sizeof letters)];
        fine += read_row(run % 2 ? "tN" : "AX", run % 3 == 0, run % 3 == 1, line, bytes, out,
                         sizeof out, &why) == 0;
    }
    assert_true(fine > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_rows),
        cmocka_unit_test(what_is_no_row_is_refused),
        cmocka_unit_test(record_ends_are_found_across_cuts),
        cmocka_unit_test(any_bytes_are_taken_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
