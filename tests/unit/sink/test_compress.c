/* test_compress.c
 * Goal:   members read back as what went in, one behind the other; memory is the heap's, and its
 *         end is told.
 * Method: random and plain texts of many lengths through the libraries' decompressors; budgets.
 */
#include "engine/sink/compress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <bzlib.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "engine/base/error.h"

#define TEXT_BYTES 300000

static size_t unpack(enum gm_compression method, uint8_t *data, size_t bytes, uint8_t *out,
                     size_t out_bytes)
{
    if (method == GM_COMPRESSION_ZSTD) {
        const size_t length = ZSTD_decompress(out, out_bytes, data, bytes);
        assert_false(ZSTD_isError(length));
        return length;
    }
    if (method == GM_COMPRESSION_BZIP2) {
        unsigned length = (unsigned)out_bytes;
        assert_int_equal(BZ2_bzBuffToBuffDecompress((char *)out, &length, (char *)data,
                                                    (unsigned)bytes, 0, 0),
                         BZ_OK);
        return length;
    }
    z_stream stream = {.next_in = data,
                       .avail_in = (uInt)bytes,
                       .next_out = out,
                       .avail_out = (uInt)out_bytes};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    inflateEnd(&stream);
    return out_bytes - stream.avail_out;
}

static void members_read_back_the_same(void **state)
{
    uint8_t *text = malloc(TEXT_BYTES), *back = malloc(TEXT_BYTES + 1);
    (void)state;
    assert_true(text != NULL && back != NULL);
    for (int method = GM_COMPRESSION_GZIP; method < GM_COMPRESSIONS; method++) {
        struct gm_heap heap;
        struct gm_compressor *compressor;
        uint64_t random = 1;
        assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
        assert_int_equal(gm_compressor_create((enum gm_compression)method, &heap, &compressor), 0);
        for (size_t bytes = 0; bytes <= TEXT_BYTES; bytes = bytes * 3 + 1) {
            for (size_t i = 0; i < bytes; i++) {
                random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
                text[i] = bytes % 2 ? (uint8_t)(random >> 33) : (uint8_t)('a' + i % 7);
            }
            const size_t room = gm_compressor_bound(compressor, bytes);
            uint8_t *member = malloc(room);
            assert_non_null(member);
            const size_t length = gm_compressor_run(compressor, text, bytes, member, room);
            assert_true(length > 0 && length <= room);
            assert_int_equal(
                unpack((enum gm_compression)method, member, length, back, TEXT_BYTES + 1), bytes);
            assert_memory_equal(text, back, bytes);
            free(member);
        }
        assert_true(heap.peak_bytes > 100000);
        gm_compressor_destroy(compressor);
        assert_int_equal(heap.used_bytes, 0);
        gm_heap_fini(&heap);
    }
    free(text);
    free(back);
}

static void no_memory_is_told(void **state)
{
    static const uint8_t text[1000];
    uint8_t out[4000];
    (void)state;
    for (int method = GM_COMPRESSION_GZIP; method < GM_COMPRESSIONS; method++) {
        bool failed = true;
        for (uint64_t limit = 0; failed; limit += 200000) {
            struct gm_heap heap;
            struct gm_compressor *compressor = NULL;
            assert_true(limit < 40000000);
            assert_int_equal(gm_heap_init(&heap, limit), 0);
            const int rc =
                gm_compressor_create((enum gm_compression)method, &heap, &compressor);
            failed = rc < 0;
            if (!failed) {
                failed = gm_compressor_run(compressor, text, sizeof text, out, sizeof out) == 0;
                gm_compressor_destroy(compressor);
            } else {
                assert_int_equal(rc, GM_ETASK_MEMORY);
            }
            assert_int_equal(heap.used_bytes, 0);
            gm_heap_fini(&heap);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_read_back_the_same),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
