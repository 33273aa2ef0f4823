/* test_lending.c
 * Goal:   heaps use what others do not, never more than all have, and each gets its part back when
 *         it asks.
 * Method: executors in one thread, which take, spill when they are told to, and free, at random;
 *         the sum of limits and pool is looked at after every step.
 */
#include "agent/lending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "shuffle/port/random.h"

#define EXECUTORS 4
#define EVEN_BYTES (UINT64_C(32) << 20)
#define LEAST_BYTES (UINT64_C(16) << 20)
#define RESERVE_BYTES (UINT64_C(8) << 20)
#define BLOCK_BYTES (UINT64_C(1) << 20)
#define BLOCKS_MAX 256

struct member {
    struct gm_heap heap;
    struct gm_lending lending;
    void *blocks[BLOCKS_MAX];
    uint32_t count;
    uint64_t spill_at_bytes;
    uint32_t spills;
};

struct rig {
    _Atomic uint64_t pool, asking;
    struct member members[EXECUTORS];
};

static void rig_open(struct rig *rig)
{
    *rig = (struct rig){0};
    atomic_store(&rig->pool, EXECUTORS * (EVEN_BYTES - LEAST_BYTES));
    for (uint32_t i = 0; i < EXECUTORS; i++) {
        struct member *member = &rig->members[i];
        assert_int_equal(gm_heap_init(&member->heap, LEAST_BYTES), 0);
        gm_lending_init(&member->lending, &rig->pool, &rig->asking, &member->heap, EVEN_BYTES,
                        RESERVE_BYTES);
    }
}

static void check(struct rig *rig)
{
    uint64_t sum = atomic_load(&rig->pool);
    for (uint32_t i = 0; i < EXECUTORS; i++) {
        assert_true(rig->members[i].heap.used_bytes <= rig->members[i].heap.limit_bytes);
        assert_true(rig->members[i].heap.limit_bytes >= LEAST_BYTES);
        sum += rig->members[i].heap.limit_bytes;
    }
    assert_true(sum == EXECUTORS * EVEN_BYTES);
}

static void drop(struct member *member, uint32_t count)
{
    for (; count > 0 && member->count > 0; count--)
        gm_heap_free(&member->heap, member->blocks[--member->count], BLOCK_BYTES);
}

/* A turn of an executor whose operator holds one more block.  False: no memory. */
static bool turn(struct rig *rig, struct member *member)
{
    member->spill_at_bytes = gm_lending_settle(&member->lending);
    check(rig);
    if (member->heap.used_bytes >= member->spill_at_bytes && member->count > 0) {
        member->spills++;
        drop(member, member->count);
    }
    void *block = gm_heap_alloc(&member->heap, BLOCK_BYTES);
    check(rig);
    if (block == NULL)
        return false;
    member->blocks[member->count++] = block;
    return true;
}

static void rig_close(struct rig *rig)
{
    for (uint32_t i = 0; i < EXECUTORS; i++) {
        struct member *member = &rig->members[i];
        drop(member, member->count);
        gm_lending_settle(&member->lending);
        gm_lending_end(&member->lending);
        gm_heap_fini(&member->heap);
    }
    assert_true(atomic_load(&rig->asking) == 0);
}

static void one_gets_what_nobody_else_has(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    struct member *alone = &rig.members[1];
    while (alone->spills == 0)
        assert_true(turn(&rig, alone));
    /* All of it, but the parts of the others and what is no state. */
    assert_true(alone->heap.peak_bytes > EXECUTORS * EVEN_BYTES -
                                             (EXECUTORS - 1) * LEAST_BYTES - RESERVE_BYTES -
                                             2 * BLOCK_BYTES);
    drop(alone, alone->count);
    gm_lending_settle(&alone->lending);
    assert_true(alone->heap.limit_bytes < EVEN_BYTES);
    rig_close(&rig);
}

static void who_asks_gets_an_even_share(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    struct member *first = &rig.members[0], *second = &rig.members[1];
    for (uint32_t i = 0; i < 64; i++)
        assert_true(turn(&rig, first));
    assert_int_equal(first->spills, 0);
    for (uint32_t i = 0; i < 40 && second->spills == 0; i++)
        assert_true(turn(&rig, second)); /* the first one does nothing meanwhile: nobody waits */
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(turn(&rig, second));
        assert_true(turn(&rig, first));
    }
    assert_int_equal(first->spills, 1);
    for (uint32_t i = 0; i < 20; i++)
        assert_true(turn(&rig, second));
    assert_true(second->heap.limit_bytes > LEAST_BYTES + 4 * BLOCK_BYTES);
    assert_true(atomic_load(&rig.asking) == 0);
    rig_close(&rig);
}

static void limits_are_never_more_than_all(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rig rig;
        struct gm_prng prng;
        gm_prng_init(&prng, seed);
        rig_open(&rig);
        for (uint32_t step = 0; step < 3000; step++) {
            struct member *member = &rig.members[gm_prng_below(&prng, EXECUTORS)];
            const uint64_t skew = gm_prng_below(&prng, 8);
            if (skew == 0)
                drop(member, (uint32_t)gm_prng_below(&prng, 60));
            else
                assert_true(turn(&rig, member)); /* the reserve is there for everybody */
        }
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_gets_what_nobody_else_has),
        cmocka_unit_test(who_asks_gets_an_even_share),
        cmocka_unit_test(limits_are_never_more_than_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
