/* test_words.c
 * Goal:   gleam_words gives every word once and in order, with room for any number of them, and
 *         stops at what holds none.
 * Method: random texts against a byte-by-byte split.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static bool is_letter(char byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z');
}

/* The next word at or behind *at; false at the end. */
static bool next_word(const char *data, size_t length, size_t *at, size_t *ret_begin)
{
    while (*at < length && !is_letter(data[*at]))
        (*at)++;
    *ret_begin = *at;
    while (*at < length && is_letter(data[*at]))
        (*at)++;
    return *at > *ret_begin;
}

static void words_come_once_and_in_order(void **state)
{
    (void)state;
    static char data[3000 + GM_BYTES_SLACK];
    static struct gleam_value words[2000];
    uint64_t random = 1;
    for (uint32_t run = 0; run < 2000; run++) {
        const size_t length = random_below(&random, random_below(&random, 4) ? 100 : 3000);
        const size_t room = 1 + random_below(&random, random_below(&random, 3) ? 5 : 2000);
        memset(data, 'x', sizeof data);
        for (size_t i = 0; i < length; i++)
            data[i] = "ab0 -\n"[random_below(&random, 6)];
        const struct gleam_value text = gleam_bytes(data, length);
        size_t offset = 0, at = 0, begin = 0;
        for (;;) {
            const size_t count = gleam_words(&text, &offset, words, room);
            assert_true(count <= room);
            assert_true(offset <= length);
            if (count == 0)
                break;
            for (size_t i = 0; i < count; i++) {
                assert_true(next_word(data, length, &at, &begin));
                assert_int_equal(words[i].kind, GLEAM_BYTES);
                assert_ptr_equal(words[i].bytes.data, data + begin);
                assert_int_equal(words[i].bytes.length, at - begin);
            }
        }
        assert_false(next_word(data, length, &at, &begin));
    }
}

static void what_holds_no_words_gives_none(void **state)
{
    (void)state;
    struct gleam_value word;
    size_t offset = 0;
    const struct gleam_value null = gleam_null(), number = gleam_i64(12), empty = text_value("");
    assert_int_equal(gleam_words(&null, &offset, &word, 1), 0);
    assert_int_equal(gleam_words(&number, &offset, &word, 1), 0);
    assert_int_equal(gleam_words(&empty, &offset, &word, 1), 0);
    assert_int_equal(offset, 0);
}

/* The values of a program have nothing behind them: under the address sanitizer this reads past the
 * end, or it does not. */
static void texts_without_slack_are_not_read_past(void **state)
{
    (void)state;
    for (size_t length = 0; length < 1500; length += length < 700 ? 1 : 37) {
        char *text = malloc(length > 0 ? length : 1);
        assert_non_null(text);
        for (uint32_t separators = 0; separators < 3; separators++) {
            size_t expected = 0, found = 0, offset = 0, count;
            for (size_t i = 0; i < length; i++) {
                text[i] = separators > 0 && i % (separators * 300 + 5) == 3 ? '-' : 'a';
                expected += text[i] != '-' && (i == 0 || text[i - 1] == '-');
            }
            const struct gleam_value value = gleam_bytes(text, length);
            struct gleam_value words[7];
            while ((count = gleam_words(&value, &offset, words, 7)) > 0)
                found += count;
            assert_int_equal(found, expected);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_come_once_and_in_order),
        cmocka_unit_test(texts_without_slack_are_not_read_past),
        cmocka_unit_test(what_holds_no_words_gives_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
