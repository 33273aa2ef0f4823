/* test_cursor.c
 * Goal:   a message reads back as it was written; a reader never leaves its bytes, and once it
 *         failed it stays failed.
 * Method: one message with every kind of value, cut at every length, in blocks of their exact size.
 */
#include "engine/base/cursor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void write_message(struct gm_writer *writer)
{
    gm_writer_u8(writer, 0xfe);
    gm_writer_u16(writer, 0xfedc);
    gm_writer_u32(writer, 0xfedcba98);
    gm_writer_u64(writer, UINT64_C(0xfedcba9876543210));
    gm_writer_i64(writer, INT64_MIN);
    gm_writer_bool(writer, true);
    gm_writer_string(writer, "name");
    gm_writer_blob(writer, "\0\1", 2);
    gm_writer_blob(writer, NULL, 0);
    gm_writer_u32(writer, 3);
    gm_writer_bytes(writer, "abc", 3);
}

static void read_message(struct gm_cursor *cursor, bool compare)
{
    char name[8];
    uint32_t length;
    const uint8_t u8 = gm_cursor_u8(cursor);
    const uint16_t u16 = gm_cursor_u16(cursor);
    const uint32_t u32 = gm_cursor_u32(cursor);
    const uint64_t u64 = gm_cursor_u64(cursor);
    const int64_t i64 = gm_cursor_i64(cursor);
    const bool boolean = gm_cursor_bool(cursor);
    gm_cursor_string(cursor, name, sizeof name);
    const uint8_t *blob = gm_cursor_blob(cursor, 2, &length);
    uint32_t empty_length;
    gm_cursor_blob(cursor, 0, &empty_length);
    const uint32_t count = gm_cursor_count(cursor, 10, 1);
    const uint8_t *bytes = gm_cursor_bytes(cursor, count);
    if (!compare)
        return;
    assert_int_equal(u8, 0xfe);
    assert_int_equal(u16, 0xfedc);
    assert_int_equal(u32, 0xfedcba98);
    assert_int_equal(u64, UINT64_C(0xfedcba9876543210));
    assert_true(i64 == INT64_MIN);
    assert_true(boolean);
    assert_string_equal(name, "name");
    assert_int_equal(length, 2);
    assert_memory_equal(blob, "\0\1", 2);
    assert_int_equal(empty_length, 0);
    assert_int_equal(count, 3);
    assert_memory_equal(bytes, "abc", 3);
}

static void message_reads_back_as_written(void **state)
{
    (void)state;
    struct gm_writer writer;
    uint8_t *data;
    size_t bytes;
    gm_writer_init(&writer, 1000);
    write_message(&writer);
    assert_int_equal(gm_writer_take(&writer, &data, &bytes), 0);
    struct gm_cursor cursor;
    gm_cursor_init(&cursor, data, bytes);
    read_message(&cursor, true);
    assert_true(gm_cursor_done(&cursor));
    free(data);
    gm_writer_fini(&writer);
}

static void every_cut_fails(void **state)
{
    (void)state;
    struct gm_writer writer;
    uint8_t *data;
    size_t bytes;
    gm_writer_init(&writer, 1000);
    write_message(&writer);
    assert_int_equal(gm_writer_take(&writer, &data, &bytes), 0);
    for (size_t length = 0; length < bytes; length++) {
        uint8_t *cut = malloc(length > 0 ? length : 1);
        memcpy(cut, data, length);
        struct gm_cursor cursor;
        gm_cursor_init(&cursor, cut, length);
        read_message(&cursor, false);
        assert_true(cursor.failed);
        assert_false(gm_cursor_done(&cursor));
        free(cut);
    }
    free(data);
}

static void failure_stays(void **state)
{
    (void)state;
    const uint8_t data[] = {1, 2, 3, 4};
    struct gm_cursor cursor;
    gm_cursor_init(&cursor, data, sizeof data);
    assert_int_equal(gm_cursor_u64(&cursor), 0);
    assert_int_equal(gm_cursor_u8(&cursor), 0);
    assert_null(gm_cursor_bytes(&cursor, 0));
    assert_true(cursor.failed);
}

static void counts_that_cannot_fit_fail(void **state)
{
    (void)state;
    const uint8_t data[] = {2, 0, 0, 0, 9, 9, 9};
    struct gm_cursor cursor;
    gm_cursor_init(&cursor, data, sizeof data);
    assert_int_equal(gm_cursor_count(&cursor, 2, 1), 2);
    gm_cursor_init(&cursor, data, sizeof data);
    assert_int_equal(gm_cursor_count(&cursor, 1, 1), 0);
    assert_true(cursor.failed);
    gm_cursor_init(&cursor, data, sizeof data);
    assert_int_equal(gm_cursor_count(&cursor, 2, 2), 0);
    assert_true(cursor.failed);
}

static void strings_fit_and_hold_no_nul(void **state)
{
    (void)state;
    const uint8_t data[] = {3, 0, 0, 0, 'a', 0, 'b'};
    char text[8] = "old";
    struct gm_cursor cursor;
    gm_cursor_init(&cursor, data, sizeof data);
    gm_cursor_string(&cursor, text, sizeof text);
    assert_true(cursor.failed);
    assert_string_equal(text, "");
    const uint8_t fits[] = {3, 0, 0, 0, 'a', 'b', 'c'};
    gm_cursor_init(&cursor, fits, sizeof fits);
    gm_cursor_string(&cursor, text, 4);
    assert_true(gm_cursor_done(&cursor));
    assert_string_equal(text, "abc");
    gm_cursor_init(&cursor, fits, sizeof fits);
    gm_cursor_string(&cursor, text, 3);
    assert_true(cursor.failed);
    assert_string_equal(text, "");
}

static void bool_of_2_fails(void **state)
{
    (void)state;
    struct gm_cursor cursor;
    gm_cursor_init(&cursor, "\2", 1);
    assert_false(gm_cursor_bool(&cursor));
    assert_true(cursor.failed);
}

static void writer_stops_at_its_limit(void **state)
{
    (void)state;
    struct gm_writer writer;
    uint8_t *data = NULL;
    size_t bytes = 77;
    gm_writer_init(&writer, 10);
    gm_writer_u64(&writer, 1);
    gm_writer_u32(&writer, 1);
    gm_writer_u8(&writer, 1); /* would fit, but a message with a hole is none */
    assert_int_equal(gm_writer_take(&writer, &data, &bytes), -E2BIG);
    assert_null(data);
    assert_int_equal(bytes, 77);
    gm_writer_fini(&writer);
    gm_writer_init(&writer, 1000);
    gm_writer_blob(&writer, "", (size_t)UINT32_MAX + 1);
    assert_int_equal(gm_writer_take(&writer, &data, &bytes), -E2BIG);
    gm_writer_fini(&writer);
}

static void writer_grows(void **state)
{
    (void)state;
    struct gm_writer writer;
    uint8_t *data;
    size_t bytes;
    gm_writer_init(&writer, 1u << 20);
    for (uint32_t i = 0; i < 10000; i++)
        gm_writer_u32(&writer, i);
    assert_int_equal(gm_writer_take(&writer, &data, &bytes), 0);
    struct gm_cursor cursor;
    gm_cursor_init(&cursor, data, bytes);
    for (uint32_t i = 0; i < 10000; i++)
        assert_int_equal(gm_cursor_u32(&cursor), i);
    assert_true(gm_cursor_done(&cursor));
    free(data);
    assert_int_equal(gm_writer_take(&writer, &data, &bytes), 0);
    assert_non_null(data);
    assert_int_equal(bytes, 0);
    free(data);
    gm_writer_fini(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_reads_back_as_written),
        cmocka_unit_test(every_cut_fails),
        cmocka_unit_test(failure_stays),
        cmocka_unit_test(counts_that_cannot_fit_fail),
        cmocka_unit_test(strings_fit_and_hold_no_nul),
        cmocka_unit_test(bool_of_2_fails),
        cmocka_unit_test(writer_stops_at_its_limit),
        cmocka_unit_test(writer_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
