/* test_arena.c
 * Goal:   blocks do not overlap, live until reset or fini, have their slack, and count against the
 *         heap; a block of 0 bytes is no failure.
 * Method: blocks of random sizes, each filled with its number and looked at again at the end.
 */
#include "engine/row/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/limits.h"
#include "tests/unit/row/random_rows.h"

#define BLOCKS 2000

static void blocks_do_not_overlap(void **state)
{
    (void)state;
    static uint8_t *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    uint64_t random = 1;
    struct gm_heap heap;
    struct gm_arena arena;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    gm_arena_init(&arena, &heap);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < BLOCKS; i++) {
            sizes[i] = random_below(&random, random_below(&random, 50) == 0 ? 900000 : 300);
            blocks[i] = gm_arena_alloc(&arena, sizes[i]);
            assert_non_null(blocks[i]);
            memset(blocks[i], (int)i, sizes[i]);
        }
        /* The slack behind the last one may be read; behind it may be anything. */
        assert_true(blocks[BLOCKS - 1][sizes[BLOCKS - 1] + GM_BYTES_SLACK - 1] < 256);
        for (uint32_t i = 0; i < BLOCKS; i++)
            for (size_t j = 0; j < sizes[i]; j += 1 + sizes[i] / 7)
                assert_int_equal(blocks[i][j], i & 255);
        assert_true(arena.held_bytes <= heap.used_bytes);
        gm_arena_reset(&arena);
        assert_true(arena.held_bytes <= 512u << 10);
    }
    gm_arena_fini(&arena);
    assert_int_equal(arena.held_bytes, 0);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

static void block_of_0_bytes_is_not_null(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_arena arena;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    gm_arena_init(&arena, &heap);
    assert_non_null(gm_arena_alloc(&arena, 0));
    gm_arena_reset(&arena);
    assert_non_null(gm_arena_alloc(&arena, 0));
    gm_arena_fini(&arena);
    assert_non_null(gm_arena_alloc(&arena, 0));
    gm_arena_fini(&arena);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

static void chunk_can_be_used_to_its_last_byte(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_arena arena;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    gm_arena_init(&arena, &heap);
    uint8_t *first = gm_arena_alloc(&arena, 1);
    assert_non_null(first);
    memset(gm_arena_alloc(&arena, arena.left_bytes - 1), 1, arena.left_bytes);
    for (uint32_t i = 0; i < 5; i++)
        *gm_arena_alloc(&arena, 1) = 9;
    memset(gm_arena_alloc(&arena, 100000), 2, 100000);
    gm_arena_fini(&arena);
    gm_heap_fini(&heap);
}

static void refused_block_leaves_the_others(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_arena arena;
    assert_int_equal(gm_heap_init(&heap, 10000), 0);
    gm_arena_init(&arena, &heap);
    uint8_t *block = gm_arena_alloc(&arena, 100);
    assert_non_null(block);
    memset(block, 5, 100);
    const uint64_t used_bytes = heap.used_bytes;
    assert_null(gm_arena_alloc(&arena, 20000));
    assert_int_equal(heap.used_bytes, used_bytes);
    assert_non_null(gm_arena_alloc(&arena, 100));
    assert_int_equal(block[99], 5);
    gm_arena_fini(&arena);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_do_not_overlap),
        cmocka_unit_test(block_of_0_bytes_is_not_null),
        cmocka_unit_test(chunk_can_be_used_to_its_last_byte),
        cmocka_unit_test(refused_block_leaves_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
