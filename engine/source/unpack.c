/* unpack.c - three streaming decompressors behind one call. */
#include "engine/source/unpack.h"

#include <bzlib.h>
#include <string.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY /* custom allocation */
#include <zstd.h>
#include <zstd_errors.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/heap_library.h"

/* 15 bits of window, and a gzip header. */
#define GZIP_WINDOW_BITS (15 + 16)

struct gm_unpacker {
    enum gm_compression method;
    struct gm_heap *heap;
    z_stream gzip;
    bz_stream bzip2;
    ZSTD_DCtx *zstd;
    bool open;    /* the stream in gzip or bzip2 is */
    bool inside;  /* of a member */
    bool any;     /* a member has ended */
    bool padding; /* zeros follow to the end */
};

int gm_unpacker_create(enum gm_compression method, struct gm_heap *heap,
                       struct gm_unpacker **ret_unpacker)
{
    struct gm_unpacker *unpacker = gm_heap_zalloc(heap, sizeof *unpacker);
    GM_CHECK(method > GM_COMPRESSION_NONE && method < GM_COMPRESSIONS);
    if (unpacker == NULL)
        return GM_ETASK_MEMORY;
    unpacker->method = method;
    unpacker->heap = heap;
    if (method == GM_COMPRESSION_ZSTD) {
        const ZSTD_customMem memory = {.customAlloc = gm_heap_library_take,
                                       .customFree = gm_heap_library_give,
                                       .opaque = heap};
        unpacker->zstd = ZSTD_createDCtx_advanced(memory);
        if (unpacker->zstd == NULL) {
            gm_unpacker_destroy(unpacker);
            return GM_ETASK_MEMORY;
        }
    }
    *ret_unpacker = unpacker;
    return 0;
}

static void close_stream(struct gm_unpacker *unpacker)
{
    if (unpacker->open && unpacker->method == GM_COMPRESSION_GZIP)
        inflateEnd(&unpacker->gzip);
    if (unpacker->open && unpacker->method == GM_COMPRESSION_BZIP2)
        BZ2_bzDecompressEnd(&unpacker->bzip2);
    unpacker->open = false;
}

void gm_unpacker_destroy(struct gm_unpacker *unpacker)
{
    if (unpacker == NULL)
        return;
    close_stream(unpacker);
    ZSTD_freeDCtx(unpacker->zstd);
    gm_heap_free(unpacker->heap, unpacker, sizeof *unpacker);
}

bool gm_unpacker_may_end(const struct gm_unpacker *unpacker)
{
    return unpacker->any && !unpacker->inside;
}

/* Begins a member. */
static int open_stream(struct gm_unpacker *unpacker)
{
    if (unpacker->method == GM_COMPRESSION_GZIP) {
        unpacker->gzip = (z_stream){.zalloc = gm_heap_library_zlib,
                                    .zfree = gm_heap_library_give,
                                    .opaque = unpacker->heap};
        if (inflateInit2(&unpacker->gzip, GZIP_WINDOW_BITS) != Z_OK)
            return GM_ETASK_MEMORY;
    } else if (unpacker->method == GM_COMPRESSION_BZIP2) {
        unpacker->bzip2 = (bz_stream){.bzalloc = gm_heap_library_bzip2,
                                      .bzfree = gm_heap_library_give,
                                      .opaque = unpacker->heap};
        if (BZ2_bzDecompressInit(&unpacker->bzip2, 0, 0) != BZ_OK)
            return GM_ETASK_MEMORY;
    }
    unpacker->open = unpacker->method != GM_COMPRESSION_ZSTD;
    return 0;
}

struct piece {
    const uint8_t *data;
    size_t bytes;
    uint8_t *out;
    size_t room;
};

/* The libraries count in 32 bits. */
static unsigned at_most(size_t bytes)
{
    return bytes < (1u << 30) ? (unsigned)bytes : 1u << 30;
}

/* Each takes what it can; *ret_ended: the member has. */
static int run_gzip(struct gm_unpacker *unpacker, struct piece *piece, bool *ret_ended)
{
    z_stream *stream = &unpacker->gzip;
    const unsigned in = at_most(piece->bytes), out = at_most(piece->room);
    stream->next_in = (Bytef *)(uintptr_t)piece->data;
    stream->avail_in = in;
    stream->next_out = piece->out;
    stream->avail_out = out;
    const int rc = inflate(stream, Z_NO_FLUSH);
    piece->data += in - stream->avail_in;
    piece->bytes -= in - stream->avail_in;
    piece->out += out - stream->avail_out;
    piece->room -= out - stream->avail_out;
    *ret_ended = rc == Z_STREAM_END;
    return rc == Z_MEM_ERROR                                          ? GM_ETASK_MEMORY
           : rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR ? 0
                                                                     : GM_EJOB_DAMAGED;
}

static int run_bzip2(struct gm_unpacker *unpacker, struct piece *piece, bool *ret_ended)
{
    bz_stream *stream = &unpacker->bzip2;
    const unsigned in = at_most(piece->bytes), out = at_most(piece->room);
    stream->next_in = (char *)(uintptr_t)piece->data;
    stream->avail_in = in;
    stream->next_out = (char *)piece->out;
    stream->avail_out = out;
    const int rc = BZ2_bzDecompress(stream);
    piece->data += in - stream->avail_in;
    piece->bytes -= in - stream->avail_in;
    piece->out += out - stream->avail_out;
    piece->room -= out - stream->avail_out;
    *ret_ended = rc == BZ_STREAM_END;
    return rc == BZ_MEM_ERROR ? GM_ETASK_MEMORY
                              : rc == BZ_OK || rc == BZ_STREAM_END ? 0 : GM_EJOB_DAMAGED;
}

static int run_zstd(struct gm_unpacker *unpacker, struct piece *piece, bool *ret_ended)
{
    ZSTD_inBuffer in = {.src = piece->data, .size = piece->bytes};
    ZSTD_outBuffer out = {.dst = piece->out, .size = piece->room};
    const size_t rc = ZSTD_decompressStream(unpacker->zstd, &out, &in);
    piece->data += in.pos;
    piece->bytes -= in.pos;
    piece->out += out.pos;
    piece->room -= out.pos;
    *ret_ended = rc == 0;
    if (!ZSTD_isError(rc))
        return 0;
    return ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation ? GM_ETASK_MEMORY
                                                                 : GM_EJOB_DAMAGED;
}

/* Between members: the next one, or zeros.  Returns 0, or GM_EJOB_DAMAGED. */
static int begin_member(struct gm_unpacker *unpacker, struct piece *piece)
{
    if (unpacker->any && (unpacker->padding || piece->data[0] == 0)) {
        unpacker->padding = true;
        for (; piece->bytes > 0; piece->bytes--, piece->data++)
            if (piece->data[0] != 0)
                return GM_EJOB_DAMAGED;
        return 0;
    }
    close_stream(unpacker);
    unpacker->inside = true;
    return open_stream(unpacker);
}

int gm_unpacker_run(struct gm_unpacker *unpacker, const uint8_t **data, size_t *bytes, void *out,
                    size_t out_bytes, size_t *ret_bytes)
{
    struct piece piece = {.data = *data, .bytes = *bytes, .out = out, .room = out_bytes};
    int rc = 0;
    for (;;) {
        const size_t in_before = piece.bytes, room_before = piece.room;
        bool ended = false;
        if (!unpacker->inside) {
            if (piece.bytes == 0)
                break;
            rc = begin_member(unpacker, &piece);
            if (rc != 0)
                break;
            if (!unpacker->inside)
                continue;
        }
        rc = unpacker->method == GM_COMPRESSION_GZIP   ? run_gzip(unpacker, &piece, &ended)
             : unpacker->method == GM_COMPRESSION_BZIP2 ? run_bzip2(unpacker, &piece, &ended)
                                                        : run_zstd(unpacker, &piece, &ended);
        if (rc != 0)
            break;
        unpacker->inside = !ended;
        unpacker->any = unpacker->any || ended;
        /* What the library holds back may come without input; no progress means it has no more. */
        if (!ended && (piece.room == 0 ||
                       (piece.bytes == in_before && piece.room == room_before)))
            break;
    }
    *data = piece.data;
    *bytes = piece.bytes;
    *ret_bytes = out_bytes - piece.room;
    return rc;
}
