/* compress.c - one call per member, into the three libraries, which allocate from the heap. */
#include "engine/sink/compress.h"

#include <bzlib.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY /* custom allocation */
#include <zstd.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/heap_library.h"

/* Levels of about the same speed class as the tools' defaults, but for gzip, whose 6 takes three
 * times as long as 4 for 3 % less. */
#define GZIP_LEVEL 4
#define ZSTD_LEVEL 3
#define BZIP2_LEVEL 9
/* 15 bits of window, and a gzip header. */
#define GZIP_WINDOW_BITS (15 + 16)

struct gm_compressor {
    enum gm_compression method;
    struct gm_heap *heap;
    z_stream gzip;
    bool gzip_open;
    ZSTD_CCtx *zstd;
};

int gm_compressor_create(enum gm_compression method, struct gm_heap *heap,
                         struct gm_compressor **ret_compressor)
{
    struct gm_compressor *compressor = gm_heap_zalloc(heap, sizeof *compressor);
    bool good = compressor != NULL;
    GM_CHECK(method > GM_COMPRESSION_NONE && method < GM_COMPRESSIONS);
    if (good) {
        compressor->method = method;
        compressor->heap = heap;
    }
    if (good && method == GM_COMPRESSION_GZIP) {
        compressor->gzip =
            (z_stream){.zalloc = gm_heap_library_zlib,
                       .zfree = gm_heap_library_give,
                       .opaque = heap};
        good = deflateInit2(&compressor->gzip, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
                            Z_DEFAULT_STRATEGY) == Z_OK;
        compressor->gzip_open = good;
    }
    if (good && method == GM_COMPRESSION_ZSTD) {
        const ZSTD_customMem memory = {.customAlloc = gm_heap_library_take,
                                       .customFree = gm_heap_library_give,
                                       .opaque = heap};
        compressor->zstd = ZSTD_createCCtx_advanced(memory);
        good = compressor->zstd != NULL;
        if (good) {
            ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
            ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_checksumFlag, 1);
        }
    }
    if (!good) {
        gm_compressor_destroy(compressor);
        return GM_ETASK_MEMORY;
    }
    *ret_compressor = compressor;
    return 0;
}

void gm_compressor_destroy(struct gm_compressor *compressor)
{
    if (compressor == NULL)
        return;
    if (compressor->gzip_open)
        deflateEnd(&compressor->gzip);
    ZSTD_freeCCtx(compressor->zstd);
    gm_heap_free(compressor->heap, compressor, sizeof *compressor);
}

size_t gm_compressor_bound(const struct gm_compressor *compressor, size_t bytes)
{
    switch (compressor->method) {
    case GM_COMPRESSION_GZIP:
        return bytes + bytes / 1000 + 1024; /* stored blocks, header and trailer */
    case GM_COMPRESSION_ZSTD:
        return ZSTD_compressBound(bytes);
    default:
        return bytes + bytes / 100 + 1024; /* as bzlib.h says, and more */
    }
}

static size_t run_gzip(struct gm_compressor *compressor, const void *data, size_t bytes, void *out,
                       size_t out_bytes)
{
    z_stream *stream = &compressor->gzip;
    GM_CHECK(deflateReset(stream) == Z_OK);
    stream->next_in = (Bytef *)(uintptr_t)data;
    stream->avail_in = (uInt)bytes;
    stream->next_out = out;
    stream->avail_out = (uInt)out_bytes;
    GM_CHECK(deflate(stream, Z_FINISH) == Z_STREAM_END); /* the bound holds it */
    return out_bytes - stream->avail_out;
}

static size_t run_bzip2(struct gm_compressor *compressor, const void *data, size_t bytes,
                        void *out, size_t out_bytes)
{
    bz_stream stream = {.bzalloc = gm_heap_library_bzip2,
                        .bzfree = gm_heap_library_give,
                        .opaque = compressor->heap};
    if (BZ2_bzCompressInit(&stream, BZIP2_LEVEL, 0, 0) != BZ_OK)
        return 0;
    stream.next_in = (char *)(uintptr_t)data;
    stream.avail_in = (unsigned)bytes;
    stream.next_out = out;
    stream.avail_out = (unsigned)out_bytes;
    GM_CHECK(BZ2_bzCompress(&stream, BZ_FINISH) == BZ_STREAM_END);
    BZ2_bzCompressEnd(&stream);
    return out_bytes - stream.avail_out;
}

size_t gm_compressor_run(struct gm_compressor *compressor, const void *data, size_t bytes,
                         void *out, size_t out_bytes)
{
    GM_CHECK(bytes < (1u << 30) && out_bytes >= gm_compressor_bound(compressor, bytes));
    /* More than the bound would pass 32 bits for the largest blocks. */
    out_bytes = gm_compressor_bound(compressor, bytes);
    if (compressor->method == GM_COMPRESSION_GZIP)
        return run_gzip(compressor, data, bytes, out, out_bytes);
    if (compressor->method == GM_COMPRESSION_BZIP2)
        return run_bzip2(compressor, data, bytes, out, out_bytes);
    const size_t length = ZSTD_compress2(compressor->zstd, out, out_bytes, data, bytes);
    return ZSTD_isError(length) ? 0 : length;
}
