/* test_columns.c
 * Goal:   a name has one number wherever it is given, names are cleaned as a header's are, and a
 *         list of columns is read as it is written.
 * Method: names and lists, one by one.
 */
#include "engine/flow/columns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void a_name_has_one_number(void **state)
{
    (void)state;
    const uint32_t word = gleam_column("word"), other = gleam_column("words");
    assert_int_not_equal(word, other);
    assert_int_equal(word, gleam_column("word"));
    assert_true(gm_column_is_named(word) && gm_column_is_named(other));
    assert_string_equal(gm_column_name(word), "word");
    assert_false(gm_column_is_named(3));
    assert_int_equal(gleam_column(NULL), 0); /* which no column has */
}

static void names_are_cleaned_as_headers_are(void **state)
{
    (void)state;
    assert_string_equal(gm_column_name(gleam_column("Total amount (EUR)")), "Total_amount__EUR_");
    assert_string_equal(gm_column_name(gleam_column("a name of more than thirty-one letters")),
                        "a_name_of_more_than_thirty_one_");
}

/* "name+" ascends, "name-" descends. */
static void assert_list(const char *list, const char *expected)
{
    char text[200] = "";
    const struct gleam_order order = gleam_columns(list);
    for (uint32_t i = 0; i < order.count; i++) {
        const uint32_t column = order.columns[i].column;
        const size_t at = strlen(text);
        if (gm_column_is_named(column))
            snprintf(text + at, sizeof text - at, "%s%s", i > 0 ? " " : "",
                     gm_column_name(column));
        else
            snprintf(text + at, sizeof text - at, "%s%u", i > 0 ? " " : "", column);
        strcat(text, order.columns[i].ascending ? "+" : "-");
    }
    assert_string_equal(text, expected);
}

static void lists_are_read(void **state)
{
    (void)state;
    assert_list("word", "word+");
    assert_list(" n desc ,word asc,3", "n- word+ 3+");
    assert_list("3 desc, 12", "3- 12+");
    assert_list("desc", "desc+");
    assert_list("desc desc, asc", "desc- asc+");
    assert_list("two words desc", "two_words-");
    assert_list("descend, n  desc", "descend+ n-");
    assert_list("12345678901234", "12345678901234+"); /* a name: no rows have so many columns */
    assert_list("", "");
    assert_list(NULL, "");
    assert_list("a,,b", "a+ 0+ b+"); /* refused when it is planned: there is no column 0 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_one_number),
        cmocka_unit_test(names_are_cleaned_as_headers_are),
        cmocka_unit_test(lists_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
