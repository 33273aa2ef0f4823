/* test_zip.c
 * Goal:   members read as what went in, however input and output are cut, also with zip64 fields,
 *         comments and a program in front; cut and changed archives are told, never believed.
 * Method: archives built in memory, cut and changed at every byte.
 */
#include "engine/source/zip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/error.h"
#include "tests/unit/source/zip_archive.h"

#define TEXT_BYTES 3000

static struct gm_heap heap;
static char text[TEXT_BYTES + 1];
static uint8_t got[4 * TEXT_BYTES];

/* Runs a member in pieces of these sizes.  Returns what run did at last, or GM_EJOB_CUT. */
static int read_member(const uint8_t *archive, size_t bytes, const struct gm_zip_member *member,
                       size_t in_piece, size_t out_piece, size_t *ret_bytes)
{
    struct gm_zip_stream *stream;
    size_t at = (size_t)member->offset;
    int rc = gm_zip_stream_create(member, &heap, &stream);
    *ret_bytes = 0;
    while (rc == 0 && !gm_zip_stream_ended(stream)) {
        const uint8_t *data = archive + at;
        size_t left = bytes - at < in_piece ? bytes - at : in_piece, out;
        const size_t before = left;
        assert_true(*ret_bytes + out_piece <= sizeof got);
        rc = gm_zip_stream_run(stream, &data, &left, got + *ret_bytes, out_piece, &out);
        *ret_bytes += out;
        at += before - left;
        if (rc == 0 && before == 0 && out == 0 && !gm_zip_stream_ended(stream))
            rc = GM_EJOB_CUT;
    }
    gm_zip_stream_destroy(stream);
    return rc;
}

static uint8_t *make(bool zip64, const char *prefix, const char *comment, size_t *ret_bytes)
{
    struct archive archive;
    archive_begin(&archive, zip64);
    archive_add(&archive, "a/stored.txt", text, TEXT_BYTES, 0, 0);
    archive_add(&archive, "deflated.txt", text, TEXT_BYTES, 8, 0);
    archive_add(&archive, "empty", "", 0, 0, 0);
    archive_add(&archive, "nothing", "", 0, 8, 0);
    return archive_end(&archive, prefix, comment, ret_bytes);
}

/* Finds all members and reads each; returns how many came out whole, or < 0 of the directory. */
static int read_all(const uint8_t *data, size_t bytes, size_t in_piece, size_t out_piece)
{
    static const char *const names[] = {"a/stored.txt", "deflated.txt", "empty", "nothing"};
    struct gm_zip_directory directory;
    struct gm_cursor cursor;
    const size_t tail = bytes < GM_ZIP_TAIL_BYTES ? bytes : GM_ZIP_TAIL_BYTES;
    int whole = 0;
    int rc = gm_zip_find(data + (bytes - tail), tail, bytes, &directory);
    if (rc < 0)
        return rc;
    assert_true(directory.offset + directory.bytes <= bytes);
    gm_cursor_init(&cursor, data + directory.offset, (size_t)directory.bytes);
    for (uint64_t i = 0; i < directory.count; i++) {
        struct gm_zip_entry entry;
        size_t out;
        rc = gm_zip_next(&directory, &cursor, &entry);
        if (rc < 0)
            return rc;
        assert_true(entry.member.offset + entry.member.packed_bytes <= bytes);
        if (entry.method != 0 && entry.method != 8)
            continue;
        rc = read_member(data, bytes, &entry.member, in_piece, out_piece, &out);
        if (rc < 0)
            continue;
        assert_int_equal(out, entry.member.bytes);
        whole += i < 4 && strlen(names[i]) == entry.name_bytes &&
                 memcmp(names[i], entry.name, entry.name_bytes) == 0 &&
                 out == (i < 2 ? TEXT_BYTES : 0) && memcmp(got, text, out) == 0;
    }
    return whole;
}

static void test_members_come_out(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 100, TEXT_BYTES};
    for (int form = 0; form < 4; form++) {
        size_t bytes;
        uint8_t *data = make(form & 1, form & 2 ? "#!/bin/sh\n" : "", form & 2 ? "PK\5\6" : "",
                             &bytes);
        for (size_t in = 0; in < 4; in++)
            for (size_t out = 0; out < 4; out++)
                assert_int_equal(read_all(data, bytes, pieces[in], pieces[out]), 4);
        free(data);
    }
    assert_int_equal(heap.used_bytes, 0);
}

static void test_a_cut_archive_is_none(void **state)
{
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        size_t bytes;
        uint8_t *data = make(zip64, "", "", &bytes);
        for (size_t cut = 0; cut < bytes; cut++)
            assert_true(read_all(data, cut, 1000, 1000) < 0);
        free(data);
    }
    struct gm_zip_directory directory;
    assert_int_equal(gm_zip_find((const uint8_t *)text, TEXT_BYTES, TEXT_BYTES, &directory),
                     GM_EJOB_DAMAGED);
}

/* A changed byte of a member's text, or of where it lies, is seen; one of its name or time makes no
 * difference to what is read. */
static void test_a_changed_archive_is_seen(void **state)
{
    (void)state;
    size_t bytes, out;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        uint8_t *data = make(zip64, "", "", &bytes);
        for (size_t at = 0; at < bytes; at++) {
            data[at] ^= 0x41;
            read_all(data, bytes, 1000, 1000);
            data[at] ^= 0x41;
        }
        free(data);
    }
    uint8_t *data = make(false, "", "", &bytes);
    const struct gm_zip_member member = {.packed_bytes = TEXT_BYTES,
                                         .bytes = TEXT_BYTES,
                                         .crc = (uint32_t)crc32_z(0, (const Bytef *)text,
                                                                  TEXT_BYTES)};
    assert_int_equal(read_member(data, bytes, &member, 512, 512, &out), 0);
    data[30 + 12 + 5 + 1000] ^= 1;
    assert_int_equal(read_member(data, bytes, &member, 512, 512, &out), GM_EJOB_DAMAGED);
    data[30 + 12 + 5 + 1000] ^= 1;
    assert_int_equal(read_member(data, 2000, &member, 512, 512, &out), GM_EJOB_CUT);
    data[0] = 'X';
    assert_int_equal(read_member(data, bytes, &member, 512, 512, &out), GM_EJOB_DAMAGED);
    free(data);
}

/* A member that unpacks to more than it says ends there. */
static void test_sizes_that_lie(void **state)
{
    (void)state;
    struct archive archive;
    struct gm_zip_directory directory;
    struct gm_zip_entry entry;
    struct gm_cursor cursor;
    size_t bytes, out;
    archive_begin(&archive, false);
    archive_add(&archive, "a", text, TEXT_BYTES, 8, 0);
    uint8_t *data = archive_end(&archive, "", "", &bytes);
    assert_int_equal(gm_zip_find(data, bytes, bytes, &directory), 0);
    gm_cursor_init(&cursor, data + directory.offset, (size_t)directory.bytes);
    assert_int_equal(gm_zip_next(&directory, &cursor, &entry), 0);
    assert_false(entry.encrypted);
    entry.member.bytes = 100;
    assert_int_equal(read_member(data, bytes, &entry.member, 4096, 64, &out), GM_EJOB_DAMAGED);
    assert_true(out <= 164);
    entry.member.bytes = TEXT_BYTES + 1;
    assert_int_equal(read_member(data, bytes, &entry.member, 4096, 64, &out), GM_EJOB_DAMAGED);
    entry.member.bytes = TEXT_BYTES;
    entry.member.packed_bytes--;
    assert_int_equal(read_member(data, bytes, &entry.member, 4096, 64, &out), GM_EJOB_DAMAGED);
    free(data);
}

static void test_what_an_entry_says(void **state)
{
    (void)state;
    struct archive archive;
    struct gm_zip_directory directory;
    struct gm_zip_entry entry;
    struct gm_cursor cursor;
    size_t bytes;
    archive_begin(&archive, false);
    archive_add(&archive, "secret", text, 10, 0, 1);
    archive_add(&archive, "other", text, 10, 12, 0);
    uint8_t *data = archive_end(&archive, "", "", &bytes);
    assert_int_equal(gm_zip_find(data, bytes, bytes, &directory), 0);
    assert_int_equal(directory.count, 2);
    gm_cursor_init(&cursor, data + directory.offset, (size_t)directory.bytes);
    assert_int_equal(gm_zip_next(&directory, &cursor, &entry), 0);
    assert_true(entry.encrypted);
    assert_int_equal(gm_zip_next(&directory, &cursor, &entry), 0);
    assert_int_equal(entry.method, 12);
    assert_int_equal(gm_zip_next(&directory, &cursor, &entry), GM_EJOB_DAMAGED);
    free(data);
}

static void test_no_memory(void **state)
{
    (void)state;
    const struct gm_zip_member member = {.deflated = true};
    struct gm_zip_stream *stream = NULL;
    struct gm_heap small;
    assert_int_equal(gm_heap_init(&small, 4096), 0);
    assert_int_equal(gm_zip_stream_create(&member, &small, &stream), GM_ETASK_MEMORY);
    assert_int_equal(small.used_bytes, 0);
    gm_heap_fini(&small);
}

int main(void)
{
    uint32_t seed = 1;
    for (int i = 0; i < TEXT_BYTES; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = (char)('a' + (seed >> 24) % 9);
    }
    if (gm_heap_init(&heap, UINT64_MAX) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_come_out),
        cmocka_unit_test(test_a_cut_archive_is_none),
        cmocka_unit_test(test_a_changed_archive_is_seen),
        cmocka_unit_test(test_sizes_that_lie),
        cmocka_unit_test(test_what_an_entry_says),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
