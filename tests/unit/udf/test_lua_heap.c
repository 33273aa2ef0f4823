/* test_lua_heap.c
 * Goal:   blocks keep their bytes and do not overlap, whatever is asked for; at the limit a request
 *         for more returns NULL and changes nothing, and one for less never does; all goes back.
 * Method: random requests against a shadow copy of every block, with limits from none to a few
 *         chunks.
 */
#include "engine/udf/lua_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/row/random_rows.h"

#define BLOCKS 400

struct shadow {
    uint8_t *block;
    uint8_t *copy;
    size_t bytes;
};

struct rig {
    struct gm_heap heap;
    struct gm_lua_heap lua;
    struct shadow blocks[BLOCKS];
    uint64_t live_bytes;
    uint64_t refused, shrunk;
};

static void rig_init(struct rig *rig, uint64_t limit_bytes)
{
    memset(rig, 0, sizeof *rig);
    assert_int_equal(gm_heap_init(&rig->heap, limit_bytes), 0);
    gm_lua_heap_init(&rig->lua, &rig->heap);
}

/* Sizes as Lua asks for them: mostly tiny, tables that double, now and then a long string. */
static size_t random_size(uint64_t *random)
{
    static const uint32_t bounds[] = {16, 40, 100, 514, 600, 5000, 40000, 300000, 3000000};
    const uint32_t which = random_below(random, 100);
    const uint32_t bound = which < 90   ? bounds[which / 15]
                           : which < 96 ? bounds[6]
                           : which < 99 ? bounds[7]
                                        : bounds[8];
    return random_below(random, bound + 1);
}

static void check_block(const struct shadow *block)
{
    if (block->bytes > 0)
        assert_memory_equal(block->block, block->copy, block->bytes);
}

static void change(struct rig *rig, struct shadow *block, size_t bytes, uint64_t *random)
{
    const struct gm_lua_heap before = rig->lua;
    const uint64_t used_bytes = rig->heap.used_bytes;
    uint8_t *moved = gm_lua_heap_alloc(&rig->lua, block->block, block->bytes, bytes);
    if (bytes == 0) {
        assert_null(moved);
        free(block->copy);
        rig->live_bytes -= block->bytes;
        *block = (struct shadow){0};
        return;
    }
    if (moved == NULL) {
        /* Lua counts on it: less can always be had. */
        assert_true(bytes > block->bytes);
        assert_memory_equal(&before, &rig->lua, sizeof before);
        assert_true(rig->heap.used_bytes == used_bytes);
        check_block(block);
        rig->refused++;
        return;
    }
    rig->shrunk += bytes < block->bytes;
    assert_int_equal((uintptr_t)moved % 16, 0);
    const size_t kept = bytes < block->bytes ? bytes : block->bytes;
    if (kept > 0)
        assert_memory_equal(moved, block->copy, kept);
    block->copy = realloc(block->copy, bytes);
    assert_non_null(block->copy);
    for (size_t i = kept; i < bytes; i += 8) {
        const uint64_t word = random_next(random);
        const size_t left = bytes - i < 8 ? bytes - i : 8;
        memcpy(moved + i, &word, left);
        memcpy(block->copy + i, &word, left);
    }
    rig->live_bytes += bytes - block->bytes;
    *block = (struct shadow){.block = moved, .copy = block->copy, .bytes = bytes};
}

static void play(struct rig *rig, uint64_t seed, uint32_t rounds)
{
    uint64_t random = seed;
    for (uint32_t round = 0; round < rounds; round++) {
        struct shadow *block = &rig->blocks[random_below(&random, BLOCKS)];
        check_block(block);
        change(rig, block, random_below(&random, 4) == 0 ? 0 : random_size(&random), &random);
        assert_true(rig->lua.live_bytes == rig->live_bytes);
        assert_true(rig->lua.held_bytes <= rig->heap.used_bytes);
    }
}

static void finish(struct rig *rig)
{
    uint64_t random = 0;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        check_block(&rig->blocks[i]);
        if (rig->blocks[i].bytes > 0)
            change(rig, &rig->blocks[i], 0, &random);
    }
    assert_true(rig->lua.live_bytes == 0);
    assert_true(rig->lua.held_bytes % GM_LUA_CHUNK_BYTES == 0);
    gm_lua_heap_fini(&rig->lua);
    assert_true(rig->lua.held_bytes == 0);
    assert_true(rig->heap.used_bytes == 0);
    gm_heap_fini(&rig->heap);
}

static void blocks_keep_their_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct rig *rig = malloc(sizeof *rig);
        assert_non_null(rig);
        rig_init(rig, UINT64_MAX);
        play(rig, seed, 10000);
        assert_true(rig->refused == 0 && rig->shrunk > 100);
        finish(rig);
        free(rig);
    }
}

static void limit_refuses_more_and_never_less(void **state)
{
    (void)state;
    static const uint64_t limits[] = {1000, 33000, 70000, 150000, 1000000, 5000000};
    for (uint32_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rig *rig = malloc(sizeof *rig);
        assert_non_null(rig);
        rig_init(rig, limits[i]);
        play(rig, 10 + i, 10000);
        assert_true(rig->refused > 10);
        assert_true(rig->heap.limit_bytes == limits[i]);
        finish(rig);
        free(rig);
    }
}

/* The heap is full to the last byte, and every small list is empty. */
static void full_heap_still_shrinks(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{100000, 50000}, {3000000, 1500000}, {3000000, 600},
                                      {776, 388},      {513, 512},         {5000, 1}};
    for (uint32_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct rig rig;
        rig_init(&rig, UINT64_MAX);
        uint8_t *block = gm_lua_heap_alloc(&rig.lua, NULL, 0, sizes[i][0]);
        assert_non_null(block);
        for (size_t at = 0; at < sizes[i][0]; at++)
            block[at] = (uint8_t)(at * 7);
        rig.heap.limit_bytes = rig.heap.used_bytes;
        block = gm_lua_heap_alloc(&rig.lua, block, sizes[i][0], sizes[i][1]);
        assert_non_null(block);
        for (size_t at = 0; at < sizes[i][1]; at++)
            assert_int_equal(block[at], (uint8_t)(at * 7));
        assert_true(rig.lua.live_bytes == sizes[i][1]);
        assert_null(gm_lua_heap_alloc(&rig.lua, NULL, 0, 10000000));
        gm_lua_heap_alloc(&rig.lua, block, sizes[i][1], 0);
        finish(&rig);
    }
}

static void blocks_that_lua_forgets_are_given_back(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, UINT64_MAX);
    void *block = gm_lua_heap_alloc(&rig.lua, NULL, 0, 1000);
    assert_non_null(gm_lua_heap_alloc(&rig.lua, NULL, 0, 100));
    assert_non_null(gm_lua_heap_alloc(&rig.lua, NULL, 0, 5000));
    assert_non_null(gm_lua_heap_alloc(&rig.lua, NULL, 0, 5000000));
    block = gm_lua_heap_alloc(&rig.lua, block, 1000, 3000);
    assert_non_null(block);
    gm_lua_heap_alloc(&rig.lua, block, 3000, 0);
    gm_lua_heap_fini(&rig.lua);
    assert_true(rig.heap.used_bytes == 0);
    gm_heap_fini(&rig.heap);
}

static void freed_blocks_are_used_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, UINT64_MAX);
    for (uint32_t i = 0; i < 100000; i++) {
        void *block = gm_lua_heap_alloc(&rig.lua, NULL, 0, 1 + i % 500);
        assert_non_null(block);
        gm_lua_heap_alloc(&rig.lua, block, 1 + i % 500, 0);
    }
    assert_int_equal(rig.lua.held_bytes, GM_LUA_CHUNK_BYTES);
    finish(&rig);
}

/* What does not fit gets the reserve, once; it is taken anew when there is room. */
static void reserve_is_given_up_first(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 8000000);
    assert_true(gm_lua_heap_take_reserve(&rig.lua));
    assert_true(gm_lua_heap_take_reserve(&rig.lua));
    assert_true(rig.lua.reserve_bytes == 8000000 / GM_LUA_RESERVE_SHARE);
    void *large = gm_lua_heap_alloc(&rig.lua, NULL, 0, 7600000);
    assert_non_null(large);
    assert_false(rig.lua.is_short);
    void *more = gm_lua_heap_alloc(&rig.lua, NULL, 0, 300000);
    assert_non_null(more);
    assert_true(rig.lua.is_short);
    assert_true(rig.heap.used_bytes <= rig.heap.limit_bytes);
    assert_null(gm_lua_heap_alloc(&rig.lua, NULL, 0, 300000));
    assert_false(gm_lua_heap_take_reserve(&rig.lua));
    assert_true(rig.lua.is_short);
    gm_lua_heap_alloc(&rig.lua, more, 300000, 0);
    assert_true(gm_lua_heap_take_reserve(&rig.lua));
    assert_false(rig.lua.is_short);
    gm_lua_heap_alloc(&rig.lua, large, 7600000, 0);
    finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_keep_their_bytes),
        cmocka_unit_test(limit_refuses_more_and_never_less),
        cmocka_unit_test(full_heap_still_shrinks),
        cmocka_unit_test(blocks_that_lua_forgets_are_given_back),
        cmocka_unit_test(freed_blocks_are_used_again),
        cmocka_unit_test(reserve_is_given_up_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
