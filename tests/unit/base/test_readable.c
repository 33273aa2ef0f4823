/* test_readable.c - goal: counts and times are rounded right and never wider than promised.
 * Method: values at each change of unit or of decimals.
 */
#include "engine/base/readable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void counts(void **state)
{
    (void)state;
    static const struct {
        uint64_t count;
        const char *text;
    } known[] = {
        {0, "0"},           {9999, "9999"},       {10000, "10.0 k"},     {12345, "12.3 k"},
        {99949, "99.9 k"},  {99950, "100 k"},     {999499, "999 k"},     {999500, "1.00 M"},
        {1234567, "1.23 M"}, {9994999, "9.99 M"}, {9995000, "10.0 M"},   {4560000000, "4.56 G"},
        {UINT64_MAX, "18.4 E"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char text[32];
        gm_readable_count(known[i].count, text, sizeof text);
        assert_string_equal(text, known[i].text);
    }
}

static void times(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *text;
    } known[] = {
        {0, "0 us"},
        {999999, "999 us"},
        {1000000, "1.0 ms"},
        {12340000, "12.3 ms"},
        {999940000, "999.9 ms"},
        {999960000, "1.00 s"},
        {1234000000, "1.23 s"},
        {59400000000, "59.40 s"},
        {59600000000, "1 min 00 s"},
        {125000000000, "2 min 05 s"},
        {11220000000000, "3 h 07 min"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char text[32];
        gm_readable_time(known[i].ns, text, sizeof text);
        assert_string_equal(text, known[i].text);
    }
}

static void fixed_decimals(void **state)
{
    (void)state;
    char text[32];
    gm_readable_fixed(2.345, 0, text, sizeof text);
    assert_string_equal(text, "2");
    gm_readable_fixed(2.356, 2, text, sizeof text);
    assert_string_equal(text, "2.36");
    gm_readable_fixed(0.999, 2, text, sizeof text);
    assert_string_equal(text, "1.00");
    gm_readable_fixed(7.0625, 3, text, sizeof text);
    assert_string_equal(text, "7.063");
}

static void a_small_buffer_cuts(void **state)
{
    (void)state;
    char text[4] = "xyz";
    gm_readable_count(12345678, text, sizeof text);
    assert_int_equal(strlen(text), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(times),
        cmocka_unit_test(fixed_decimals),
        cmocka_unit_test(a_small_buffer_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
