/* test_lines.c
 * Goal:   lines come without their ends, whatever these are, and no byte else is lost or added.
 * Method: listed texts, and random ones against a byte-by-byte split, with room for any number of
 *         lines.
 */
#include "engine/source/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/row/random_rows.h"

static void assert_lines(const char *text, size_t bytes, const char *const *lines, uint32_t count)
{
    struct gm_bytes out[16];
    const uint8_t *cursor = (const uint8_t *)text, *end = cursor + bytes;
    assert_int_equal(gm_lines_next(&cursor, end, out, 16), count);
    assert_ptr_equal(cursor, end);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(out[i].length, strlen(lines[i]));
        assert_memory_equal(out[i].data, lines[i], out[i].length);
    }
    assert_int_equal(gm_lines_next(&cursor, end, out, 16), 0);
}

static void line_ends_are_taken_off(void **state)
{
    (void)state;
    const char *const two[] = {"a", "bc"};
    const char *const empty[] = {"", "", ""};
    const char *const one[] = {"abc"};
    const char *const lone[] = {"a\rb", "\rc", "d\r"};
    assert_lines("a\nbc\n", 5, two, 2);
    assert_lines("a\nbc", 4, two, 2);
    assert_lines("a\r\nbc\r\n", 7, two, 2);
    assert_lines("a\r\nbc\r", 6, two, 2);
    assert_lines("\n\n\n", 3, empty, 3);
    assert_lines("\r\n\n\r\n", 5, empty, 3);
    assert_lines("\r", 1, empty, 1);
    assert_lines("abc", 3, one, 1);
    assert_lines("a\rb\n\rc\nd\r\r\n", 11, lone, 3);
    assert_lines("", 0, NULL, 0);
}

static void nul_bytes_are_kept(void **state)
{
    (void)state;
    struct gm_bytes out[4];
    const uint8_t text[] = "a\0b\n\0\n";
    const uint8_t *cursor = text;
    assert_int_equal(gm_lines_next(&cursor, text + 6, out, 4), 2);
    assert_int_equal(out[0].length, 3);
    assert_memory_equal(out[0].data, "a\0b", 3);
    assert_int_equal(out[1].length, 1);
}

static void random_texts_are_split_the_same(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 5000; run++) {
        const uint32_t bytes = random_below(&random, 200);
        uint8_t *text = malloc(bytes + 1);
        struct gm_bytes out[7];
        assert_non_null(text);
        for (uint32_t i = 0; i < bytes; i++)
            text[i] = (uint8_t)"ab\r\n\0"[random_below(&random, 5)];
        const uint8_t *cursor = text, *end = text + bytes, *at = text;
        for (;;) {
            const uint32_t room = 1 + random_below(&random, 7);
            const uint32_t count = gm_lines_next(&cursor, end, out, room);
            assert_true(count <= room);
            for (uint32_t i = 0; i < count; i++) {
                const uint8_t *stop = at;
                while (stop < end && *stop != '\n')
                    stop++;
                const size_t length = (size_t)(stop - at) - (stop > at && stop[-1] == '\r');
                assert_ptr_equal(out[i].data, at);
                assert_int_equal(out[i].length, length);
                at = stop < end ? stop + 1 : end;
            }
            assert_ptr_equal(cursor, at);
            if (count < room)
                break;
        }
        assert_ptr_equal(cursor, end);
        free(text);
    }
}

/* Lines of a command keep their "\r". */
static void split_lines_keep_what_they_hold(void **state)
{
    (void)state;
    static const char text[] = "a\r\n\n\rb\r";
    struct gm_bytes out[8];
    const uint8_t *cursor = (const uint8_t *)text, *end = cursor + sizeof text - 1;
    assert_int_equal(gm_lines_split(&cursor, end, out, 2), 2);
    assert_int_equal(out[0].length, 2);
    assert_int_equal(out[1].length, 0);
    assert_int_equal(gm_lines_split(&cursor, end, out, 8), 1);
    assert_ptr_equal(cursor, end);
    assert_int_equal(out[0].length, 3);
    assert_memory_equal(out[0].data, "\rb\r", 3);
    assert_int_equal(gm_lines_split(&cursor, end, out, 8), 0);
}

static void newlines_are_counted(void **state)
{
    (void)state;
    static uint8_t text[70000];
    uint64_t random = 9;
    for (uint32_t run = 0; run < 300; run++) {
        const size_t bytes = random_below(&random, run % 10 ? 300 : sizeof text);
        uint64_t expected = 0;
        for (size_t i = 0; i < bytes; i++) {
            text[i] = random_below(&random, run % 5 + 1) ? 'x' : '\n';
            expected += text[i] == '\n';
        }
        assert_int_equal(gm_lines_count(text, bytes), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends_are_taken_off),
        cmocka_unit_test(nul_bytes_are_kept),
        cmocka_unit_test(random_texts_are_split_the_same),
        cmocka_unit_test(split_lines_keep_what_they_hold),
        cmocka_unit_test(newlines_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
