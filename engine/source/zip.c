/* zip.c - the end record, entries with their zip64 fields, and deflate without a header. */
#include "engine/source/zip.h"

#include <string.h>
#include <zlib.h>

#include "engine/base/error.h"
#include "engine/base/heap_library.h"

#define END_SIGNATURE 0x06054b50u
#define END_BYTES 22
#define END64_SIGNATURE 0x06064b50u
#define END64_BYTES 56
#define LOCATOR_SIGNATURE 0x07064b50u
#define LOCATOR_BYTES 20
#define ENTRY_SIGNATURE 0x02014b50u
#define LOCAL_SIGNATURE 0x04034b50u
#define LOCAL_BYTES 30
#define FLAG_ENCRYPTED 1u
#define EXTRA_ZIP64 1
/* A field of 32 bits that says: see the zip64 field. */
#define IN_ZIP64 UINT32_MAX

static uint32_t u32_at(const uint8_t *data)
{
    uint32_t value;
    memcpy(&value, data, sizeof value);
    return value;
}

static uint16_t u16_at(const uint8_t *data)
{
    uint16_t value;
    memcpy(&value, data, sizeof value);
    return value;
}

/* ---- the directory --------------------------------------------------------------------------- */

/* The end record is the last one whose comment reaches the end of the file. */
static const uint8_t *find_end(const uint8_t *tail, size_t tail_bytes)
{
    if (tail_bytes < END_BYTES)
        return NULL;
    for (size_t at = tail_bytes - END_BYTES + 1; at-- > 0;)
        if (u32_at(tail + at) == END_SIGNATURE &&
            u16_at(tail + at + 20) == tail_bytes - END_BYTES - at)
            return tail + at;
    return NULL;
}

/* The record of large archives stands right before its locator, and that before the end record.
 * Returns where it begins, or NULL. */
static const uint8_t *find_end64(const uint8_t *tail, const uint8_t *end)
{
    if (end - tail < LOCATOR_BYTES + END64_BYTES ||
        u32_at(end - LOCATOR_BYTES) != LOCATOR_SIGNATURE)
        return NULL;
    const uint8_t *end64 = end - LOCATOR_BYTES - END64_BYTES;
    return u32_at(end64) == END64_SIGNATURE ? end64 : NULL;
}

int gm_zip_find(const uint8_t *tail, size_t tail_bytes, uint64_t archive_bytes,
                struct gm_zip_directory *ret_directory)
{
    struct gm_zip_directory directory = {0};
    uint64_t begin; /* of the directory, as the archive counts */
    struct gm_cursor cursor;
    bool one_volume;
    const uint8_t *end = find_end(tail, tail_bytes);
    if (end == NULL)
        return GM_EJOB_DAMAGED;
    const uint8_t *end64 = find_end64(tail, end);
    if (end64 != NULL) {
        end = end64;
        gm_cursor_init(&cursor, end64 + 16, END64_BYTES - 16);
        one_volume = gm_cursor_u32(&cursor) == 0;
        one_volume = gm_cursor_u32(&cursor) == 0 && one_volume;
        directory.count = gm_cursor_u64(&cursor);
        one_volume = gm_cursor_u64(&cursor) == directory.count && one_volume;
        directory.bytes = gm_cursor_u64(&cursor);
        begin = gm_cursor_u64(&cursor);
    } else {
        gm_cursor_init(&cursor, end + 4, END_BYTES - 4);
        one_volume = gm_cursor_u16(&cursor) == 0;
        one_volume = gm_cursor_u16(&cursor) == 0 && one_volume;
        directory.count = gm_cursor_u16(&cursor);
        one_volume = gm_cursor_u16(&cursor) == directory.count && one_volume;
        directory.bytes = gm_cursor_u32(&cursor);
        begin = gm_cursor_u32(&cursor);
    }
    const uint64_t end_offset = archive_bytes - tail_bytes + (uint64_t)(end - tail);
    if (!one_volume || directory.bytes > end_offset || begin > end_offset - directory.bytes)
        return GM_EJOB_DAMAGED;
    directory.offset = end_offset - directory.bytes;
    directory.shift = directory.offset - begin;
    *ret_directory = directory;
    return 0;
}

/* Numbers that did not fit 32 bits stand in the extra fields, in this order. */
static void read_zip64(struct gm_cursor extra, struct gm_zip_member *member)
{
    uint64_t *const far[] = {&member->bytes, &member->packed_bytes, &member->offset};
    while (extra.left_bytes >= 4) {
        const uint16_t kind = gm_cursor_u16(&extra), bytes = gm_cursor_u16(&extra);
        const uint8_t *data = gm_cursor_bytes(&extra, bytes);
        if (kind != EXTRA_ZIP64 || data == NULL)
            continue;
        struct gm_cursor field;
        gm_cursor_init(&field, data, bytes);
        for (size_t i = 0; i < sizeof far / sizeof *far; i++)
            if (*far[i] == IN_ZIP64 && field.left_bytes >= sizeof(uint64_t))
                *far[i] = gm_cursor_u64(&field);
        return;
    }
}

int gm_zip_next(const struct gm_zip_directory *directory, struct gm_cursor *cursor,
                struct gm_zip_entry *ret_entry)
{
    struct gm_zip_entry entry = {0};
    struct gm_zip_member *member = &entry.member;
    struct gm_cursor extra;
    if (gm_cursor_u32(cursor) != ENTRY_SIGNATURE)
        gm_cursor_fail(cursor);
    gm_cursor_bytes(cursor, 4); /* versions */
    entry.encrypted = (gm_cursor_u16(cursor) & FLAG_ENCRYPTED) != 0;
    entry.method = gm_cursor_u16(cursor);
    member->deflated = entry.method == 8;
    gm_cursor_bytes(cursor, 4); /* time */
    member->crc = gm_cursor_u32(cursor);
    member->packed_bytes = gm_cursor_u32(cursor);
    member->bytes = gm_cursor_u32(cursor);
    entry.name_bytes = gm_cursor_u16(cursor);
    const uint16_t extra_bytes = gm_cursor_u16(cursor), comment_bytes = gm_cursor_u16(cursor);
    gm_cursor_bytes(cursor, 8); /* volume, attributes */
    member->offset = gm_cursor_u32(cursor);
    entry.name = (const char *)gm_cursor_bytes(cursor, entry.name_bytes);
    const uint8_t *extra_data = gm_cursor_bytes(cursor, extra_bytes);
    gm_cursor_bytes(cursor, comment_bytes);
    if (cursor->failed)
        return GM_EJOB_DAMAGED;
    gm_cursor_init(&extra, extra_data, extra_bytes);
    read_zip64(extra, member);
    /* Members lie in front of the directory. */
    const uint64_t room = directory->offset - directory->shift;
    if (member->offset > room || member->packed_bytes > room - member->offset ||
        (entry.method == 0 && member->bytes != member->packed_bytes) ||
        memchr(entry.name, '\0', entry.name_bytes) != NULL)
        return GM_EJOB_DAMAGED;
    member->offset += directory->shift;
    *ret_entry = entry;
    return 0;
}

/* ---- a member -------------------------------------------------------------------------------- */

struct gm_zip_stream {
    struct gm_zip_member member;
    struct gm_heap *heap;
    z_stream inflater;
    bool open;                 /* the inflater is */
    uint8_t head[LOCAL_BYTES]; /* of the member's header */
    uint32_t head_bytes;
    uint64_t skip_bytes;  /* of the header's names, still to come */
    uint64_t packed_left; /* still to be taken */
    uint64_t bytes;       /* that came out */
    uint32_t crc;         /* of these */
    bool inflated;        /* deflate's own end was seen */
    bool ended;
};

int gm_zip_stream_create(const struct gm_zip_member *member, struct gm_heap *heap,
                         struct gm_zip_stream **ret_stream)
{
    struct gm_zip_stream *stream = gm_heap_zalloc(heap, sizeof *stream);
    if (stream == NULL)
        return GM_ETASK_MEMORY;
    stream->member = *member;
    stream->heap = heap;
    stream->packed_left = member->packed_bytes;
    if (member->deflated) {
        stream->inflater = (z_stream){
            .zalloc = gm_heap_library_zlib, .zfree = gm_heap_library_give, .opaque = heap};
        stream->open = inflateInit2(&stream->inflater, -MAX_WBITS) == Z_OK;
        if (!stream->open) {
            gm_zip_stream_destroy(stream);
            return GM_ETASK_MEMORY;
        }
    }
    *ret_stream = stream;
    return 0;
}

void gm_zip_stream_destroy(struct gm_zip_stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->open)
        inflateEnd(&stream->inflater);
    gm_heap_free(stream->heap, stream, sizeof *stream);
}

bool gm_zip_stream_ended(const struct gm_zip_stream *stream)
{
    return stream->ended;
}

/* The member's own header.  Returns 0 when it is passed, GM_AGAIN when it needs more, or < 0. */
static int take_header(struct gm_zip_stream *stream, const uint8_t **data, size_t *bytes)
{
    if (stream->head_bytes < LOCAL_BYTES) {
        const size_t want = LOCAL_BYTES - stream->head_bytes;
        const size_t take = *bytes < want ? *bytes : want;
        if (take > 0)
            memcpy(stream->head + stream->head_bytes, *data, take);
        stream->head_bytes += (uint32_t)take;
        *data += take;
        *bytes -= take;
        if (stream->head_bytes < LOCAL_BYTES)
            return GM_AGAIN;
        if (u32_at(stream->head) != LOCAL_SIGNATURE)
            return GM_EJOB_DAMAGED;
        stream->skip_bytes = (uint64_t)u16_at(stream->head + 26) + u16_at(stream->head + 28);
    }
    const size_t skip = *bytes < stream->skip_bytes ? *bytes : (size_t)stream->skip_bytes;
    stream->skip_bytes -= skip;
    *data += skip;
    *bytes -= skip;
    return stream->skip_bytes > 0 ? GM_AGAIN : 0;
}

/* zlib counts in 32 bits. */
static unsigned at_most(uint64_t bytes)
{
    return bytes < (1u << 30) ? (unsigned)bytes : 1u << 30;
}

/* Inflates.  Returns the number of bytes taken, and of those that came out. */
static int inflate_some(struct gm_zip_stream *stream, const uint8_t *data, size_t bytes,
                        uint8_t *out, size_t room, size_t *ret_taken, size_t *ret_out)
{
    z_stream *inflater = &stream->inflater;
    const unsigned in = at_most(bytes), space = at_most(room);
    inflater->next_in = (Bytef *)(uintptr_t)data;
    inflater->avail_in = in;
    inflater->next_out = out;
    inflater->avail_out = space;
    const int rc = inflate(inflater, Z_NO_FLUSH);
    *ret_taken = in - inflater->avail_in;
    *ret_out = space - inflater->avail_out;
    stream->inflated = rc == Z_STREAM_END;
    if (rc == Z_MEM_ERROR)
        return GM_ETASK_MEMORY;
    return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR ? 0 : GM_EJOB_DAMAGED;
}

/* After some of the body: is it over, and is it what it should be? */
static int check(struct gm_zip_stream *stream, bool stuck)
{
    if (stream->bytes > stream->member.bytes)
        return GM_EJOB_DAMAGED;
    const bool over =
        stream->member.deflated ? stream->inflated : stream->packed_left == 0;
    if (!over)
        return stuck && stream->packed_left == 0 ? GM_EJOB_DAMAGED : 0;
    stream->ended = true;
    return stream->bytes == stream->member.bytes && stream->crc == stream->member.crc &&
                   stream->packed_left == 0
               ? 0
               : GM_EJOB_DAMAGED;
}

int gm_zip_stream_run(struct gm_zip_stream *stream, const uint8_t **data, size_t *bytes, void *out,
                      size_t out_bytes, size_t *ret_bytes)
{
    uint8_t *at = out;
    int rc = stream->ended ? GM_AGAIN : take_header(stream, data, bytes);
    *ret_bytes = 0;
    if (rc != 0)
        return rc < 0 ? rc : 0;
    for (bool stuck = false; !stream->ended && !stuck && rc == 0;) {
        const size_t have =
            *bytes < stream->packed_left ? *bytes : (size_t)stream->packed_left;
        const size_t room = out_bytes - *ret_bytes;
        size_t taken = have < room ? have : room, got = taken;
        if (stream->member.deflated)
            rc = inflate_some(stream, *data, have, at, room, &taken, &got);
        else if (taken > 0)
            memcpy(at, *data, taken);
        stream->crc = (uint32_t)crc32_z(stream->crc, at, got);
        stream->bytes += got;
        stream->packed_left -= taken;
        *data += taken;
        *bytes -= taken;
        at += got;
        *ret_bytes += got;
        stuck = taken == 0 && got == 0;
        if (rc == 0)
            rc = check(stream, stuck && room > 0);
    }
    return rc;
}
