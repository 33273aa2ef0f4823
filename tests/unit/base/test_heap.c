/* test_heap.c
 * Goal:   blocks are aligned, apart from each other, inside the limit, and all counted.
 * Method: every size class with its slack; a random mix of alloc, realloc and free whose blocks
 *         carry a pattern; used_bytes back at 0 at the end.
 */
#include "engine/base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/limits.h"
#include "tests/unit/row/random_rows.h"

static const size_t sizes[] = {
    1, 63, 64, 4096, 100000, 1048575, 1u << 20, (1u << 20) + 1, 3u << 20, (5u << 20) + 7};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void blocks_are_aligned_with_slack(void **state)
{
    (void)state;
    struct gm_heap heap;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    for (size_t i = 0; i < SIZES; i++) {
        uint8_t *block = gm_heap_alloc(&heap, sizes[i]);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % (sizes[i] >= GM_HEAP_MAP_BYTES ? 2u << 20 : 64), 0);
        memset(block, 1, sizes[i] + GM_BYTES_SLACK);
        assert_true(heap.used_bytes >= sizes[i] + GM_BYTES_SLACK);
        gm_heap_free(&heap, block, sizes[i]);
        assert_int_equal(heap.used_bytes, 0);
    }
    gm_heap_fini(&heap);
}

static void zalloc_is_zero_where_memory_was_used(void **state)
{
    (void)state;
    struct gm_heap heap;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    for (size_t i = 0; i < SIZES; i++) {
        uint8_t *block = gm_heap_alloc(&heap, sizes[i]);
        memset(block, 0xff, sizes[i]);
        gm_heap_free(&heap, block, sizes[i]);
        block = gm_heap_zalloc(&heap, sizes[i]);
        for (size_t byte = 0; byte < sizes[i]; byte++)
            assert_int_equal(block[byte], 0);
        gm_heap_free(&heap, block, sizes[i]);
    }
    gm_heap_fini(&heap);
}

static void limit_refuses_and_changes_nothing(void **state)
{
    (void)state;
    struct gm_heap heap;
    assert_int_equal(gm_heap_init(&heap, 4u << 20), 0);
    assert_null(gm_heap_alloc(&heap, 4u << 20));
    assert_null(gm_heap_alloc(&heap, SIZE_MAX));
    assert_null(gm_heap_alloc(&heap, SIZE_MAX / 2));
    assert_int_equal(heap.used_bytes, 0);
    uint8_t *block = gm_heap_alloc(&heap, 3u << 20);
    assert_non_null(block);
    memset(block, 7, 3u << 20);
    const uint64_t used_bytes = heap.used_bytes;
    assert_null(gm_heap_alloc(&heap, 1u << 20));
    assert_null(gm_heap_realloc(&heap, block, 3u << 20, 5u << 20));
    assert_null(gm_heap_realloc(&heap, block, 3u << 20, SIZE_MAX));
    assert_int_equal(heap.used_bytes, used_bytes);
    assert_int_equal(block[(3u << 20) - 1], 7);
    gm_heap_free(&heap, block, 3u << 20);
    assert_int_equal(heap.used_bytes, 0);
    assert_int_equal(heap.peak_bytes, used_bytes);
    gm_heap_fini(&heap);
}

static void realloc_keeps_the_bytes(void **state)
{
    (void)state;
    struct gm_heap heap;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    uint8_t *block = NULL;
    size_t bytes = 0;
    for (size_t round = 0; round < 2 * SIZES; round++) {
        const size_t next = sizes[round < SIZES ? round : 2 * SIZES - 1 - round];
        block = gm_heap_realloc(&heap, block, bytes, next);
        assert_non_null(block);
        if (next >= GM_HEAP_MAP_BYTES)
            assert_int_equal((uintptr_t)block % (2u << 20), 0);
        for (size_t i = 0; i < bytes && i < next; i += 61)
            assert_int_equal(block[i], (uint8_t)(i * 7));
        bytes = next;
        for (size_t i = 0; i < bytes; i++)
            block[i] = (uint8_t)(i * 7);
    }
    gm_heap_free(&heap, block, bytes);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

static void zrealloc_zeroes_what_is_new(void **state)
{
    (void)state;
    struct gm_heap heap;
    assert_int_equal(gm_heap_init(&heap, UINT64_C(64) << 20), 0);
    size_t bytes = 1000;
    uint8_t *block = gm_heap_zalloc(&heap, bytes);
    assert_non_null(block);
    while (bytes < 20u << 20) {
        memset(block, 0xab, bytes);
        const size_t next = bytes * 2 + 77;
        block = gm_heap_zrealloc(&heap, block, bytes, next);
        assert_non_null(block);
        for (size_t i = 0; i < next; i++)
            assert_true(block[i] == (i < bytes ? 0xab : 0));
        bytes = next;
    }
    assert_null(gm_heap_zrealloc(&heap, block, bytes, 100u << 20));
    assert_int_equal(block[bytes - 1], 0);
    gm_heap_free(&heap, block, bytes);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

static void counters_are_published(void **state)
{
    (void)state;
    struct gm_heap heap;
    _Atomic uint64_t used_bytes = 0, peak_bytes = 0;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    heap.published = &used_bytes;
    heap.published_peak = &peak_bytes;
    void *block = gm_heap_alloc(&heap, 1000);
    assert_int_equal(used_bytes, heap.used_bytes);
    assert_true(used_bytes >= 1000);
    gm_heap_free(&heap, block, 1000);
    assert_int_equal(used_bytes, 0);
    assert_true(peak_bytes >= 1000);
    gm_heap_free(&heap, NULL, 1000);
    gm_heap_fini(&heap);
}

static void random_mix_ends_at_zero(void **state)
{
    (void)state;
    enum { SLOTS = 64 };
    struct gm_heap heap;
    struct {
        uint8_t *data;
        size_t bytes;
        uint8_t mark;
    } slots[SLOTS] = {0};
    assert_int_equal(gm_heap_init(&heap, 64u << 20), 0);
    uint64_t random = 42;
    for (uint32_t round = 0; round < 5000; round++) {
        const uint32_t slot = random_below(&random, SLOTS);
        const size_t bytes = 1 + (random_next(&random) >> 44 >> random_below(&random, 20));
        if (slots[slot].data != NULL) {
            assert_int_equal(slots[slot].data[0], slots[slot].mark);
            assert_int_equal(slots[slot].data[slots[slot].bytes - 1], slots[slot].mark);
        }
        if (random_below(&random, 2)) {
            gm_heap_free(&heap, slots[slot].data, slots[slot].bytes);
            slots[slot].data = gm_heap_alloc(&heap, bytes);
        } else {
            uint8_t *moved = gm_heap_realloc(&heap, slots[slot].data,
                                             slots[slot].data ? slots[slot].bytes : 0, bytes);
            if (moved == NULL)
                continue;
            slots[slot].data = moved;
        }
        slots[slot].bytes = bytes;
        slots[slot].mark = (uint8_t)round;
        if (slots[slot].data != NULL)
            memset(slots[slot].data, slots[slot].mark, bytes);
        assert_true(heap.used_bytes <= heap.limit_bytes);
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        gm_heap_free(&heap, slots[slot].data, slots[slot].bytes);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

/* Blocks that were given back are used again for the same size, count for nothing, and are given up
 * before anything is refused. */
static void spare_blocks_are_used_again(void **state)
{
    (void)state;
    struct gm_heap heap;
    const size_t bytes = (2u << 20) - GM_BYTES_SLACK;
    void *blocks[40];
    assert_int_equal(gm_heap_init(&heap, UINT64_C(80) << 20), 0);
    for (uint32_t i = 0; i < 40; i++) {
        blocks[i] = gm_heap_alloc(&heap, bytes);
        assert_non_null(blocks[i]);
        memset(blocks[i], 0xee, bytes);
    }
    assert_null(gm_heap_alloc(&heap, bytes));
    for (uint32_t i = 0; i < 40; i++)
        gm_heap_free(&heap, blocks[i], bytes);
    assert_int_equal(heap.used_bytes, 0);
    assert_true(heap.spare_count > 0 && heap.spare_count <= 16);
    const uint32_t spare = heap.spare_count;
    void *again = gm_heap_alloc(&heap, bytes);
    assert_int_equal(heap.spare_count, spare - 1);
    uint8_t *zeroed = gm_heap_zalloc(&heap, bytes);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(zeroed[i], 0);
    /* All of the rest in one piece. */
    const size_t rest = (76u << 20) - GM_BYTES_SLACK;
    void *large = gm_heap_alloc(&heap, rest);
    assert_non_null(large);
    assert_int_equal(heap.spare_count, 0);
    gm_heap_free(&heap, large, rest);
    gm_heap_free(&heap, zeroed, bytes);
    gm_heap_free(&heap, again, bytes);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

static void scratch_grows_and_is_counted_once(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_scratch scratch = {0};
    assert_int_equal(gm_heap_init(&heap, 8u << 20), 0);
    for (size_t i = 0; i < SIZES; i++) {
        assert_true(gm_scratch_reserve(&scratch, &heap, sizes[i]));
        assert_int_equal(scratch.bytes, sizes[i]);
        memset(scratch.data, 1, sizes[i]);
        const uint64_t used_bytes = heap.used_bytes;
        assert_true(gm_scratch_reserve(&scratch, &heap, 1));
        assert_int_equal(scratch.bytes, sizes[i]);
        assert_int_equal(heap.used_bytes, used_bytes);
    }
    assert_false(gm_scratch_reserve(&scratch, &heap, 9u << 20));
    assert_null(scratch.data);
    assert_int_equal(heap.used_bytes, 0);
    assert_true(gm_scratch_reserve(&scratch, &heap, 100));
    gm_scratch_free(&scratch, &heap);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spare_blocks_are_used_again),
        cmocka_unit_test(blocks_are_aligned_with_slack),
        cmocka_unit_test(zalloc_is_zero_where_memory_was_used),
        cmocka_unit_test(limit_refuses_and_changes_nothing),
        cmocka_unit_test(realloc_keeps_the_bytes),
        cmocka_unit_test(zrealloc_zeroes_what_is_new),
        cmocka_unit_test(scratch_grows_and_is_counted_once),
        cmocka_unit_test(counters_are_published),
        cmocka_unit_test(random_mix_ends_at_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
