/* zip_archive.h - small archives for the test and the fuzzer of zip.h, in memory. */
#ifndef GM_TESTS_ZIP_ARCHIVE_H
#define GM_TESTS_ZIP_ARCHIVE_H

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "engine/base/check.h"
#include "engine/base/cursor.h"

struct archive {
    struct gm_writer file, directory;
    uint64_t count;
    bool zip64; /* numbers stand in 64 bits, in fields of their own */
};

static inline void archive_begin(struct archive *archive, bool zip64)
{
    *archive = (struct archive){.zip64 = zip64};
    gm_writer_init(&archive->file, 1u << 24);
    gm_writer_init(&archive->directory, 1u << 24);
}

/* Adds a member; *ret_packed of its own bytes. */
static inline void archive_add(struct archive *archive, const char *name, const void *data,
                               size_t bytes, uint16_t method, uint16_t flags)
{
    struct gm_writer *file = &archive->file, *directory = &archive->directory;
    const uint32_t crc = (uint32_t)crc32_z(0, data, bytes);
    uint8_t *packed = malloc(bytes + 1024);
    size_t packed_bytes = bytes;
    GM_CHECK(packed != NULL);
    if (bytes > 0)
        memcpy(packed, data, bytes);
    if (method == 8) {
        z_stream stream = {0};
        GM_CHECK(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        stream.next_in = (Bytef *)(uintptr_t)data;
        stream.avail_in = (uInt)bytes;
        stream.next_out = packed;
        stream.avail_out = (uInt)bytes + 1024;
        GM_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
        packed_bytes = bytes + 1024 - stream.avail_out;
        deflateEnd(&stream);
    }
    const uint64_t offset = file->bytes;
    gm_writer_u32(file, 0x04034b50);
    gm_writer_u16(file, 20);
    gm_writer_u16(file, flags);
    gm_writer_u16(file, method);
    gm_writer_u32(file, 0);
    gm_writer_u32(file, crc);
    gm_writer_u32(file, (uint32_t)packed_bytes);
    gm_writer_u32(file, (uint32_t)bytes);
    gm_writer_u16(file, (uint16_t)strlen(name));
    gm_writer_u16(file, 5); /* an extra field that only this header has */
    gm_writer_bytes(file, name, strlen(name));
    gm_writer_bytes(file, "xy\1\0z", 5);
    gm_writer_bytes(file, packed, packed_bytes);
    free(packed);

    gm_writer_u32(directory, 0x02014b50);
    gm_writer_u32(directory, 20);
    gm_writer_u16(directory, flags);
    gm_writer_u16(directory, method);
    gm_writer_u32(directory, 0);
    gm_writer_u32(directory, crc);
    gm_writer_u32(directory, archive->zip64 ? UINT32_MAX : (uint32_t)packed_bytes);
    gm_writer_u32(directory, archive->zip64 ? UINT32_MAX : (uint32_t)bytes);
    gm_writer_u16(directory, (uint16_t)strlen(name));
    gm_writer_u16(directory, archive->zip64 ? 33 : 0);
    gm_writer_u16(directory, 3);
    gm_writer_u64(directory, 0);
    gm_writer_u32(directory, archive->zip64 ? UINT32_MAX : (uint32_t)offset);
    gm_writer_bytes(directory, name, strlen(name));
    if (archive->zip64) {
        gm_writer_bytes(directory, "xy\1\0z\1\0\30\0", 9);
        gm_writer_u64(directory, bytes);
        gm_writer_u64(directory, packed_bytes);
        gm_writer_u64(directory, offset);
    }
    gm_writer_bytes(directory, "why", 3);
    archive->count++;
}

/* The whole archive, the caller's to free.  prefix: bytes that stand in front. */
static inline uint8_t *archive_end(struct archive *archive, const char *prefix,
                                   const char *comment, size_t *ret_bytes)
{
    struct gm_writer *file = &archive->file;
    const uint64_t begin = file->bytes, bytes = archive->directory.bytes;
    gm_writer_bytes(file, archive->directory.data, archive->directory.bytes);
    if (archive->zip64) {
        gm_writer_u32(file, 0x06064b50);
        gm_writer_u64(file, 44);
        gm_writer_u32(file, 45);
        gm_writer_u64(file, 0);
        gm_writer_u64(file, archive->count);
        gm_writer_u64(file, archive->count);
        gm_writer_u64(file, bytes);
        gm_writer_u64(file, begin);
        gm_writer_u32(file, 0x07064b50);
        gm_writer_u32(file, 0);
        gm_writer_u64(file, begin + bytes);
        gm_writer_u32(file, 1);
    }
    gm_writer_u32(file, 0x06054b50);
    gm_writer_u32(file, 0);
    gm_writer_u16(file, archive->zip64 ? UINT16_MAX : (uint16_t)archive->count);
    gm_writer_u16(file, archive->zip64 ? UINT16_MAX : (uint16_t)archive->count);
    gm_writer_u32(file, archive->zip64 ? UINT32_MAX : (uint32_t)bytes);
    gm_writer_u32(file, archive->zip64 ? UINT32_MAX : (uint32_t)begin);
    gm_writer_u16(file, (uint16_t)strlen(comment));
    gm_writer_bytes(file, comment, strlen(comment));
    GM_CHECK(file->code == 0 && archive->directory.code == 0);
    uint8_t *all = malloc(strlen(prefix) + file->bytes);
    GM_CHECK(all != NULL);
    memcpy(all, prefix, strlen(prefix));
    memcpy(all + strlen(prefix), file->data, file->bytes);
    *ret_bytes = strlen(prefix) + file->bytes;
    gm_writer_fini(file);
    gm_writer_fini(&archive->directory);
    return all;
}

#endif
