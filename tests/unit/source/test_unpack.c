/* test_unpack.c
 * Goal:   compressed files read as what went in, however input and output are cut; one that ends
 *         early may not end there, one that is damaged is told, and so is the end of memory.
 * Method: members of gm_compressor, cut and changed at every place.
 */
#include "engine/source/unpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/error.h"
#include "engine/sink/compress.h"

#define TEXT_BYTES 3000

static struct gm_heap heap;
static uint8_t text[TEXT_BYTES], packed[4 * TEXT_BYTES], got[4 * TEXT_BYTES];

/* The text as two members, of which the first is `first` bytes long. */
static size_t pack(enum gm_compression method, size_t first)
{
    struct gm_compressor *compressor;
    assert_int_equal(gm_compressor_create(method, &heap, &compressor), 0);
    size_t at = 0;
    const size_t begins[] = {0, first, TEXT_BYTES};
    for (int i = 0; i < 2; i++) {
        const size_t bytes = begins[i + 1] - begins[i];
        at += gm_compressor_run(compressor, text + begins[i], bytes, packed + at,
                                sizeof packed - at);
    }
    gm_compressor_destroy(compressor);
    return at;
}

/* In pieces of so many bytes.  Returns what run did; *ret_bytes came out. */
static int unpack(enum gm_compression method, const uint8_t *data, size_t bytes, size_t in_piece,
                  size_t out_piece, size_t *ret_bytes, bool *ret_may_end)
{
    struct gm_unpacker *unpacker;
    int rc = gm_unpacker_create(method, &heap, &unpacker);
    *ret_bytes = 0;
    *ret_may_end = false;
    if (rc < 0)
        return rc;
    for (size_t at = 0; rc == 0;) {
        const size_t take = bytes - at < in_piece ? bytes - at : in_piece;
        const uint8_t *next = data + at;
        size_t left = take, out = 0;
        do {
            assert_true(*ret_bytes + out_piece <= sizeof got);
            rc = gm_unpacker_run(unpacker, &next, &left, got + *ret_bytes, out_piece, &out);
            *ret_bytes += out;
        } while (rc == 0 && (left > 0 || out == out_piece));
        at += take;
        if (take == 0)
            break;
    }
    *ret_may_end = gm_unpacker_may_end(unpacker);
    gm_unpacker_destroy(unpacker);
    return rc;
}

static int setup(void **state)
{
    uint64_t random = 1;
    (void)state;
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        text[i] = (uint8_t)('a' + (random >> 60));
    }
    return gm_heap_init(&heap, UINT64_MAX);
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
    return 0;
}

static void members_in_any_pieces(void **state)
{
    (void)state;
    for (int method = GM_COMPRESSION_GZIP; method < GM_COMPRESSIONS; method++)
        for (size_t in = 1; in < 5000; in = in * 3 + 1)
            for (size_t out = 1; out < 5000; out = out * 5 + 2) {
                size_t bytes;
                bool may_end;
                const size_t length = pack((enum gm_compression)method, in % TEXT_BYTES);
                /* Padding, as tapes had it. */
                memset(packed + length, 0, 100);
                assert_int_equal(unpack((enum gm_compression)method, packed, length + in % 100, in,
                                        out, &bytes, &may_end),
                                 0);
                assert_true(may_end);
                assert_int_equal(bytes, TEXT_BYTES);
                assert_memory_equal(got, text, TEXT_BYTES);
            }
}

static void a_cut_file_may_not_end(void **state)
{
    (void)state;
    for (int method = GM_COMPRESSION_GZIP; method < GM_COMPRESSIONS; method++) {
        const size_t length = pack((enum gm_compression)method, 0);
        size_t ends = 0;
        for (size_t cut = 0; cut < length; cut++) {
            size_t bytes;
            bool may_end;
            pack((enum gm_compression)method, 0);
            assert_int_equal(unpack((enum gm_compression)method, packed, cut, 700, 5000, &bytes,
                                    &may_end),
                             0);
            ends += may_end;
        }
        assert_int_equal(ends, 1); /* between the two members, the first of which is empty */
    }
}

static void damage_is_told(void **state)
{
    (void)state;
    for (int method = GM_COMPRESSION_GZIP; method < GM_COMPRESSIONS; method++) {
        const size_t length = pack((enum gm_compression)method, 1000);
        size_t bytes, unnoticed = 0;
        bool may_end;
        for (size_t i = 0; i < length; i++) {
            packed[i] ^= 0x10;
            const int rc = unpack((enum gm_compression)method, packed, length, 700, 5000, &bytes,
                                  &may_end);
            packed[i] ^= 0x10;
            assert_true(rc == 0 || rc == GM_EJOB_DAMAGED || rc == GM_ETASK_MEMORY);
            if (rc == 0 && may_end) {
                /* Bytes of a header that mean nothing. */
                assert_int_equal(bytes, TEXT_BYTES);
                assert_memory_equal(got, text, TEXT_BYTES);
                unnoticed++;
            }
        }
        assert_true(unnoticed <= 20);
        memcpy(packed + length, "x", 1);
        assert_int_equal(unpack((enum gm_compression)method, packed, length + 1, 700, 5000, &bytes,
                                &may_end) == GM_EJOB_DAMAGED || !may_end,
                         1);
        assert_int_equal(unpack((enum gm_compression)method, text, 100, 700, 5000, &bytes,
                                &may_end),
                         GM_EJOB_DAMAGED);
    }
}

static void no_memory_is_told(void **state)
{
    (void)state;
    for (int method = GM_COMPRESSION_GZIP; method < GM_COMPRESSIONS; method++) {
        const size_t length = pack((enum gm_compression)method, 1000);
        int rc = GM_ETASK_MEMORY;
        size_t bytes;
        bool may_end;
        for (uint64_t limit = 0; rc < 0; limit += 100000) {
            assert_true(limit < 10000000);
            heap.limit_bytes = limit;
            rc = unpack((enum gm_compression)method, packed, length, 700, 5000, &bytes, &may_end);
            assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
            assert_int_equal(heap.used_bytes, 0);
        }
        heap.limit_bytes = UINT64_MAX;
        assert_int_equal(bytes, TEXT_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_in_any_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cut_file_may_not_end, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(no_memory_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
