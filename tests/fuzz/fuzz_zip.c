/* fuzz_zip.c - any bytes as an archive, and a good archive with some of its bytes changed.
 *
 * The first byte chooses: the rest is the archive, or pairs of (place, byte) to change.  What the
 * directory names must lie inside, and a member that is read must be as long as it said.
 */
#include "engine/base/error.h"
#include "engine/source/zip.h"
#include "tests/fuzz/target.h"
#include "tests/unit/source/zip_archive.h"

static void read_member(const uint8_t *archive, size_t bytes, const struct gm_zip_member *member,
                        struct gm_heap *heap)
{
    struct gm_zip_stream *stream;
    uint8_t out[512];
    const uint8_t *data = archive + member->offset;
    size_t left = bytes - (size_t)member->offset, got, all = 0;
    int rc = gm_zip_stream_create(member, heap, &stream);
    GM_CHECK(rc == 0);
    do {
        rc = gm_zip_stream_run(stream, &data, &left, out, sizeof out, &got);
        GM_CHECK(rc == 0 || rc == GM_EJOB_DAMAGED);
        all += got;
    } while (rc == 0 && got > 0);
    GM_CHECK(rc < 0 || !gm_zip_stream_ended(stream) || all == member->bytes);
    gm_zip_stream_destroy(stream);
}

static void read_archive(const uint8_t *data, size_t bytes, struct gm_heap *heap)
{
    struct gm_zip_directory directory;
    struct gm_cursor cursor;
    const size_t tail = bytes < GM_ZIP_TAIL_BYTES ? bytes : GM_ZIP_TAIL_BYTES;
    if (gm_zip_find(data + (bytes - tail), tail, bytes, &directory) < 0)
        return;
    GM_CHECK(directory.bytes <= bytes && directory.offset <= bytes - directory.bytes);
    gm_cursor_init(&cursor, data + directory.offset, (size_t)directory.bytes);
    for (uint64_t i = 0; i < directory.count; i++) {
        struct gm_zip_entry entry;
        if (gm_zip_next(&directory, &cursor, &entry) < 0)
            return;
        GM_CHECK(entry.member.packed_bytes <= bytes &&
                 entry.member.offset <= bytes - entry.member.packed_bytes);
        if (entry.method == 0 || entry.method == 8)
            read_member(data, bytes, &entry.member, heap);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct gm_heap heap;
    if (bytes == 0)
        return 0;
    GM_CHECK(gm_heap_init(&heap, UINT64_MAX) == 0);
    if (data[0] & 1) {
        read_archive(data + 1, bytes - 1, &heap);
    } else {
        struct archive archive;
        size_t archive_bytes;
        archive_begin(&archive, data[0] & 2);
        archive_add(&archive, "a/b", "some text, some text", 20, 8, 0);
        archive_add(&archive, "c", "more", 4, 0, 0);
        uint8_t *made = archive_end(&archive, data[0] & 4 ? "in front" : "", "", &archive_bytes);
        for (size_t at = 1; at + 3 <= bytes && at < 25; at += 3)
            made[(data[at] + 256u * data[at + 1]) % archive_bytes] = data[at + 2];
        read_archive(made, archive_bytes, &heap);
        free(made);
    }
    GM_CHECK(heap.used_bytes == 0);
    gm_heap_fini(&heap);
    return 0;
}
