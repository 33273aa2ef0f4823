/* zip.h - archives in the .zip format: the directory at their end, and the bytes of one member.
 *
 * The directory is parsed where it lies in memory; a member is unpacked piece by piece, as
 * unpack.h does it with other files.  Members are stored or deflated; sizes beyond 4 GiB (zip64)
 * are fine.  Everything that an archive says of itself is checked before it is used.
 *
 * Threads: one owner.  Memory: the heap's, less than 64 KiB for a stream.
 */
#ifndef GM_SOURCE_ZIP_H
#define GM_SOURCE_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/cursor.h"
#include "engine/base/heap.h"

/* The end of an archive that has all that tells of its directory: the longest comment, and the
 * records in front of it. */
#define GM_ZIP_TAIL_BYTES (65535u + 22 + 20 + 56)

/* Where a member lies, and what must come out of it. */
struct gm_zip_member {
    uint64_t offset;       /* of its header, in the archive */
    uint64_t packed_bytes; /* in the archive */
    uint64_t bytes;        /* unpacked */
    uint32_t crc;
    bool deflated; /* else stored */
};

struct gm_zip_directory {
    uint64_t offset, bytes; /* in the archive */
    uint64_t count;
    uint64_t shift; /* in front of what the archive calls its beginning: a program, mostly */
};

/* Reads the last bytes of an archive, all or GM_ZIP_TAIL_BYTES of them.  Returns 0, or
 * GM_EJOB_DAMAGED: no archive, one that was cut, or one of several volumes. */
int gm_zip_find(const uint8_t *tail, size_t tail_bytes, uint64_t archive_bytes,
                struct gm_zip_directory *ret_directory);

/* An entry of the directory. */
struct gm_zip_entry {
    const char *name; /* not terminated; borrowed */
    uint32_t name_bytes;
    bool encrypted;
    uint16_t method; /* 0 stored, 8 deflated; others cannot be read here */
    struct gm_zip_member member;
};

/* The next entry; directory->shift is added to its offset.  Returns 0 or GM_EJOB_DAMAGED. */
int gm_zip_next(const struct gm_zip_directory *directory, struct gm_cursor *cursor,
                struct gm_zip_entry *ret_entry);

struct gm_zip_stream;

/* member is copied.  Returns 0 or GM_ETASK_MEMORY. */
int gm_zip_stream_create(const struct gm_zip_member *member, struct gm_heap *heap,
                         struct gm_zip_stream **ret_stream);
void gm_zip_stream_destroy(struct gm_zip_stream *stream); /* NULL is allowed */

/* As gm_unpacker_run, with the archive's bytes from member.offset on.  What follows the member is
 * left where it is.  GM_EJOB_DAMAGED also where size or checksum are not what they should be. */
int gm_zip_stream_run(struct gm_zip_stream *stream, const uint8_t **data, size_t *bytes, void *out,
                      size_t out_bytes, size_t *ret_bytes);

/* True when the whole member has come out. */
bool gm_zip_stream_ended(const struct gm_zip_stream *stream);

#endif
