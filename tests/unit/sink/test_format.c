/* test_format.c
 * Goal:   every verb prints as C does, with flags, width and precision; %v prints any value so that
 *         it reads back; what does not fit is refused with column and kind.
 * Method: listed formats against snprintf; random doubles through strtod.
 */
#include "engine/sink/format.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/row/random_rows.h"

/* One row of one column of the kind, printed; the text is valid until the next call. */
static const char *print_as(const char *format_text, uint8_t kind, struct gleam_value value)
{
    static char printed[8192];
    struct gm_schema schema = {0};
    struct gm_heap heap;
    struct gm_batch batch;
    struct gm_format format;
    struct gm_error error = {0};
    gm_schema_add(&schema, "c", kind, true);
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    assert_int_equal(gm_batch_init(&batch, &schema, &heap), 0);
    batch.row_count = 1;
    batch.columns[0].nulls[0] = value.kind == GLEAM_NULL && kind != GLEAM_ANY;
    batch.columns[0].has_nulls = batch.columns[0].nulls[0];
    random_set(&batch.columns[0], 0, value);
    assert_int_equal(gm_format_parse(format_text, &schema, &format, &error), 0);
    struct gm_text text = {.heap = &heap};
    assert_int_equal(gm_format_row(&format, &batch, 0, &text, &error), 0);
    assert_true(text.length < sizeof printed);
    memcpy(printed, text.data, text.length);
    printed[text.length] = '\0';
    gm_heap_free(&heap, text.data, text.capacity);
    gm_format_fini(&format);
    gm_batch_fini(&batch, &heap);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
    return printed;
}

static const char *print(const char *format, struct gleam_value value)
{
    return print_as(format, value.kind, value);
}

static struct gleam_value text_value(const char *text)
{
    return gleam_bytes(text, strlen(text));
}

static const char *const specs[] = {"",     "1",   "5",    "12",   "-12",  "012", "+",   "+9",
                                    " ",    " 7",  "-+8",  ".0",   ".1",   ".3",  ".17", "8.2",
                                    "-8.2", "08.3", "+-9.1", "#.0", "0009", "300", "999", ".999"};

static void numbers_print_as_in_c(void **state)
{
    (void)state;
    const int64_t integers[] = {0, 1, -1, 42, INT64_MIN, INT64_MAX};
    const double doubles[] = {0.0, -0.0, 1.5, -2.25, 1e300, DBL_MAX, -DBL_MAX, 5e-324, 0.1,
                              (double)INFINITY};
    char format[32], c_format[32], expected[4096];
    for (size_t s = 0; s < sizeof specs / sizeof specs[0]; s++) {
        for (size_t i = 0; i < 6; i++) {
            snprintf(format, sizeof format, "<%%%sd>", specs[s]);
            snprintf(c_format, sizeof c_format, "<%%%s" PRId64 ">", specs[s]);
            snprintf(expected, sizeof expected, c_format, integers[i]);
            if (strchr(specs[s], '#') == NULL)
                assert_string_equal(print(format, gleam_i64(integers[i])), expected);
        }
        for (size_t i = 0; i < 10; i++) {
            snprintf(format, sizeof format, "<%%%sf>", specs[s]);
            snprintf(expected, sizeof expected, format, doubles[i]);
            assert_string_equal(print(format, gleam_f64(doubles[i])), expected);
        }
    }
}

static void bytes_print_as_in_c(void **state)
{
    (void)state;
    const char *const texts[] = {"", "a", "abc", "a longer text than most"};
    char format[32], expected[4096];
    for (size_t s = 0; s < sizeof specs / sizeof specs[0]; s++) {
        if (strpbrk(specs[s], "+# ") != NULL || specs[s][0] == '0')
            continue; /* C has no meaning for these with %s */
        for (size_t i = 0; i < 4; i++) {
            snprintf(format, sizeof format, "<%%%ss>", specs[s]);
            snprintf(expected, sizeof expected, format, texts[i]);
            assert_string_equal(print(format, text_value(texts[i])), expected);
        }
    }
    assert_string_equal(print("%+s", text_value("a")), "a");
    assert_string_equal(print("%05s", text_value("a")), "    a");
}

static void v_prints_any_value(void **state)
{
    (void)state;
    assert_string_equal(print("%v", gleam_i64(INT64_MIN)), "-9223372036854775808");
    assert_string_equal(print("%v", gleam_i64(INT64_MAX)), "9223372036854775807");
    assert_string_equal(print("%v", gleam_i64(0)), "0");
    assert_string_equal(print("%v", gleam_bool(true)), "true");
    assert_string_equal(print("%v", gleam_bool(false)), "false");
    assert_string_equal(print("%v", text_value("as it is")), "as it is");
    assert_string_equal(print("%v", gleam_f64(0.1)), "0.1");
    assert_string_equal(print("%v", gleam_f64(1)), "1");
    assert_string_equal(print("%v", gleam_f64((double)NAN)), "nan");
    assert_string_equal(print("%v", gleam_f64(-(double)NAN)), "nan");
    assert_string_equal(print("%v", gleam_f64(-(double)INFINITY)), "-inf");
    assert_string_equal(print("%6v|", gleam_i64(-5)), "    -5|");
    assert_string_equal(print("%-6v|", gleam_bool(true)), "true  |");
    assert_string_equal(print("%.2v|", text_value("abc")), "ab|");
    assert_string_equal(print("%.2v|", gleam_i64(12345)), "12345|");
    for (uint8_t kind = GLEAM_I64; kind <= GLEAM_BYTES; kind++)
        assert_string_equal(print_as("%v", GLEAM_ANY, gleam_null()), "null");
}

static void v_prints_lists(void **state)
{
    (void)state;
    char memory[3][200];
    const struct gleam_value inner[] = {gleam_f64(0.5), gleam_null(), text_value("a b")};
    struct gleam_value values[] = {gleam_i64(-1), gleam_bool(true),
                                   gleam_list_pack(inner, 3, memory[0]),
                                   gleam_list_pack(NULL, 0, memory[1])};
    const struct gleam_value list = gleam_list_pack(values, 4, memory[2]);
    assert_string_equal(print_as("%v", GLEAM_ANY, list), "[-1, true, [0.5, null, a b], []]");
    assert_string_equal(print_as("%v|", GLEAM_ANY, values[3]), "[]|");
    assert_string_equal(print_as("%25v|", GLEAM_ANY, values[2]), "         [0.5, null, a b]|");
    assert_string_equal(print_as("%-25v|", GLEAM_ANY, values[2]), "[0.5, null, a b]         |");
    assert_string_equal(print_as("%.5v|", GLEAM_ANY, values[2]), "[0.5,|");
    char text[40];
    gm_format_value(&list, text, sizeof text);
    assert_string_equal(text, "a list");
}

static void nulls_are_nothing_padded_but_for_v(void **state)
{
    (void)state;
    assert_string_equal(print_as("<%s>", GLEAM_BYTES, gleam_null()), "<>");
    assert_string_equal(print_as("<%4d>", GLEAM_I64, gleam_null()), "<    >");
    assert_string_equal(print_as("<%-4.1f>", GLEAM_F64, gleam_null()), "<    >");
    assert_string_equal(print_as("<%v>", GLEAM_I64, gleam_null()), "<null>");
    assert_string_equal(print_as("<%6v>", GLEAM_BOOL, gleam_null()), "<  null>");
    assert_string_equal(print_as("<%d>", GLEAM_ANY, gleam_null()), "<>");
}

static void shortest_doubles_read_back(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t i = 0; i < 3000; i++) {
        uint64_t word = random_next(&random);
        double number, back;
        memcpy(&number, &word, sizeof number);
        if (isnan(number))
            continue;
        if (i % 3 == 0)
            number = (double)(int64_t)(word >> 40) / 100;
        const char *text = print("%v", gleam_f64(number));
        back = strtod(text, NULL);
        assert_memory_equal(&back, &number, sizeof back);
        assert_true(i % 3 != 0 || strlen(text) <= 10);
    }
}

static void text_between_verbs_is_kept(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    struct gm_heap heap;
    struct gm_batch batch;
    struct gm_format format;
    struct gm_error error = {0};
    gm_schema_add(&schema, "word", GLEAM_BYTES, false);
    gm_schema_add(&schema, "n", GLEAM_I64, false);
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    assert_int_equal(gm_batch_init(&batch, &schema, &heap), 0);
    batch.row_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        batch.columns[0].bytes[i] = (struct gm_bytes){(const uint8_t *)"a\0b", 3};
        batch.columns[1].i64[i] = 10 + i;
    }
    assert_int_equal(gm_format_parse("%%<%s%%>%d%%%%", &schema, &format, &error), 0);
    struct gm_text text = {.heap = &heap};
    assert_int_equal(gm_format_row(&format, &batch, 1, &text, &error), 0);
    assert_int_equal(gm_format_row(&format, &batch, 0, &text, &error), 0);
    assert_int_equal(text.length, 22);
    assert_memory_equal(text.data, "%<a\0b%>11%%%<a\0b%>10%%", 22);
    gm_heap_free(&heap, text.data, text.capacity);
    gm_format_fini(&format);
    gm_batch_fini(&batch, &heap);
    gm_heap_fini(&heap);
}

static void format_without_columns_of_its_own_is_text(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    struct gm_format format;
    struct gm_error error = {0};
    gm_schema_add(&schema, "a", GLEAM_I64, false);
    assert_int_equal(gm_format_parse("", &schema, &format, &error), GM_EJOB_FLOW);
    assert_non_null(strstr(error.text, "0 verbs, but the rows have the 1 columns (a i64)"));
}

static void wrong_formats_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *format, *text;
    } wrong[] = {
        {"%s", "the format has 1 verbs, but the rows have the 2 columns (word bytes, n i64)"},
        {"%s %d %d", "more verbs than the 2 columns of (word bytes, n i64)"},
        {"%d %d", "prints column 1 of (word bytes, n i64) with %d, but it is bytes: use %s or %v"},
        {"%s %f", "prints column 2 of (word bytes, n i64) with %f, but it is i64: use %d or %v"},
        {"%s %s", "but it is i64: use %d or %v"},
        {"%s %x", "the format has %x, which is not one of %s %d %f %v %%"},
        {"%s %d %", "the format ends inside a %"},
        {"%s %5", "the format ends inside a %"},
        {"%s %5%", "the format has %%"},
        {"%s %1000d", "a width or precision over 999"},
        {"%s %.1000d", "a width or precision over 999"},
        {"%s %.00000000000000000000000000003d", "a width or precision over 999"},
        {"%s %99999999999999999999d", "a width or precision over 999"},
        {"%s %-+ 0#-+ 0#5d", "not one of"},
        {"%s %*d", "not one of"},
        {"%s %ld", "not one of"}};
    struct gm_schema schema = {0};
    gm_schema_add(&schema, "word", GLEAM_BYTES, false);
    gm_schema_add(&schema, "n", GLEAM_I64, false);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct gm_format format;
        struct gm_error error = {0};
        assert_int_equal(gm_format_parse(wrong[i].format, &schema, &format, &error), GM_EJOB_FLOW);
        if (strstr(error.text, wrong[i].text) == NULL)
            fail_msg("%s: %s", wrong[i].format, error.text);
    }
}

static void any_is_checked_per_row(void **state)
{
    (void)state;
    static const char verbs[] = "sdf";
    const struct gleam_value values[] = {text_value("a"), gleam_i64(1), gleam_f64(1.5),
                                         gleam_bool(true)};
    for (uint32_t v = 0; v < 3; v++)
        for (uint32_t i = 0; i < 4; i++) {
            struct gm_schema schema = {0};
            struct gm_heap heap;
            struct gm_format format;
            struct gm_error error = {0};
            struct gleam_value value = values[i];
            const char text_format[] = {'%', verbs[v], '\0'};
            struct gm_batch batch = {.row_count = 1, .column_count = 1};
            batch.columns[0] = (struct gm_vector){.kind = GLEAM_ANY, .any = &value};
            gm_schema_add(&schema, "a", GLEAM_ANY, false);
            assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
            assert_int_equal(gm_format_parse(text_format, &schema, &format, &error), 0);
            struct gm_text text = {.heap = &heap};
            const int rc = gm_format_row(&format, &batch, 0, &text, &error);
            /* An integral number in such a column may be an i64 by accident: %f takes it. */
            const bool fits = v == i || (verbs[v] == 'f' && value.kind == GLEAM_I64);
            assert_int_equal(rc, fits ? 0 : GM_EJOB_FLOW);
            if (!fits) {
                assert_non_null(strstr(error.text, "column 1 is"));
                assert_non_null(strstr(error.text, gm_kind_name(value.kind)));
                assert_non_null(strstr(error.text, text_format));
            }
            gm_heap_free(&heap, text.data, text.capacity);
            gm_format_fini(&format);
            gm_heap_fini(&heap);
        }
}

static void shown_values_are_cut_and_clean(void **state)
{
    (void)state;
    char text[12];
    struct gleam_value value = text_value("12345678901");
    assert_int_equal(gm_format_value(&value, text, sizeof text), 11);
    assert_string_equal(text, "12345678901");
    value = text_value("123456789012");
    assert_int_equal(gm_format_value(&value, text, sizeof text), 11);
    assert_string_equal(text, "12345678...");
    value = gleam_bytes("a\n\0\x80z", 5);
    assert_int_equal(gm_format_value(&value, text, sizeof text), 5);
    assert_memory_equal(text, "a??\x80z", 6);
    value = gleam_bytes(NULL, 0);
    assert_int_equal(gm_format_value(&value, text, sizeof text), 0);
    value = gleam_null();
    gm_format_value(&value, text, sizeof text);
    assert_string_equal(text, "null");
    value = gleam_f64(0.5);
    gm_format_value(&value, text, sizeof text);
    assert_string_equal(text, "0.5");
    value = gleam_i64(INT64_MIN);
    gm_format_value(&value, text, sizeof text);
    assert_string_equal(text, "-9223372...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_print_as_in_c),
        cmocka_unit_test(bytes_print_as_in_c),
        cmocka_unit_test(v_prints_any_value),
        cmocka_unit_test(v_prints_lists),
        cmocka_unit_test(nulls_are_nothing_padded_but_for_v),
        cmocka_unit_test(shortest_doubles_read_back),
        cmocka_unit_test(text_between_verbs_is_kept),
        cmocka_unit_test(format_without_columns_of_its_own_is_text),
        cmocka_unit_test(wrong_formats_are_refused),
        cmocka_unit_test(any_is_checked_per_row),
        cmocka_unit_test(shown_values_are_cut_and_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
