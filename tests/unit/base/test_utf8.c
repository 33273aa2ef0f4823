/* test_utf8.c - goal: characters are told from bytes that are none.
 * Method: hand-picked edges of every length of character.
 */
#include "engine/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void characters_have_their_lengths(void **state)
{
    (void)state;
    assert_int_equal(gm_utf8_bytes(""), 1);
    assert_int_equal(gm_utf8_bytes("a"), 1);
    assert_int_equal(gm_utf8_bytes("\x7f"), 1);
    assert_int_equal(gm_utf8_bytes("\xc2\x80"), 2);
    assert_int_equal(gm_utf8_bytes("\xdf\xbf"), 2);
    assert_int_equal(gm_utf8_bytes("\xe0\xa0\x80"), 3);
    assert_int_equal(gm_utf8_bytes("\xed\x9f\xbf"), 3);
    assert_int_equal(gm_utf8_bytes("\xef\xbf\xbd"), 3);
    assert_int_equal(gm_utf8_bytes("\xf0\x90\x80\x80"), 4);
    assert_int_equal(gm_utf8_bytes("\xf4\x8f\xbf\xbf"), 4);
}

static void other_bytes_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",     "\xbf",         "\xc0\x80",     "\xc1\xbf",         "\xc3",
        "\xc3(",    "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82",         "\xf0\x8f\xbf\xbf",
        "\xf0\x90", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(gm_utf8_bytes(bad[i]), 0);
}

static void prefixes_end_between_characters(void **state)
{
    (void)state;
    const char *text = "a\xc3\xa4\xff\xe2\x82\xac!";
    assert_int_equal(gm_utf8_length(text), 5);
    assert_int_equal(gm_utf8_prefix(text, 0), 0);
    assert_int_equal(gm_utf8_prefix(text, 1), 1);
    assert_int_equal(gm_utf8_prefix(text, 2), 3);
    assert_int_equal(gm_utf8_prefix(text, 3), 4);
    assert_int_equal(gm_utf8_prefix(text, 4), 7);
    assert_int_equal(gm_utf8_prefix(text, 99), 8);
    assert_int_equal(gm_utf8_length("\xe2\x82"), 2); /* cut: two stray bytes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_have_their_lengths),
        cmocka_unit_test(other_bytes_are_none),
        cmocka_unit_test(prefixes_end_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
