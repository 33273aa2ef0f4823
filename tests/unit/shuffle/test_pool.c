/* Goal:   a frame has one owner at a time, quotas hold, and every frame comes back.
 * Method: random takes and gives against a model; threads that mark the frames they own; nonsense
 *         indices and words written over. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "shuffle/pool.h"
#include "shuffle/port/random.h"

static struct gm_pool *pool_make(uint32_t frame_count, uint32_t account_count, void **ret_memory)
{
    void *memory = aligned_alloc(GM_LINE_BYTES, gm_pool_footprint(frame_count, account_count));
    assert_non_null(memory);
    memset(memory, 0xa5, gm_pool_footprint(frame_count, account_count));
    gm_pool_new(memory, frame_count, account_count);
    struct gm_pool *pool = gm_pool_join(memory, frame_count, account_count);
    assert_non_null(pool);
    *ret_memory = memory;
    return pool;
}

static void bad_counts_and_bad_memory_are_refused(void **state)
{
    (void)state;
    assert_int_equal(gm_pool_footprint(0, 1), 0);
    assert_int_equal(gm_pool_footprint(1, 0), 0);
    assert_int_equal(gm_pool_footprint(UINT32_MAX, 1), 0);
    assert_int_equal(gm_pool_footprint(1, UINT32_MAX), 0);
    assert_int_equal(gm_pool_footprint(33, 3) % GM_LINE_BYTES, 0);
    void *memory;
    pool_make(33, 3, &memory);
    assert_null(gm_pool_join(memory, 32, 3));
    assert_null(gm_pool_join(memory, 33, 2));
    *(uint32_t *)memory ^= 1;
    assert_null(gm_pool_join(memory, 33, 3));
    free(memory);
}

/* The counts of the memory would lead far outside of it: they are compared, not followed. */
static void counts_that_were_written_over_are_not_followed(void **state)
{
    (void)state;
    void *memory;
    pool_make(33, 3, &memory);
    uint32_t *label = memory;
    for (int word = 1; word <= 2; word++) {
        uint32_t saved = label[word];
        for (uint32_t count = 1; count < 1u << 30; count = count * 4 + 1) {
            label[word] = count;
            assert_null(gm_pool_join(memory, 33, 3));
        }
        label[word] = saved;
    }
    assert_non_null(gm_pool_join(memory, 33, 3));
    free(memory);
}

static void new_account_has_no_quota(void **state)
{
    (void)state;
    void *memory;
    struct gm_pool *pool = pool_make(4, 2, &memory);
    uint32_t index;
    assert_int_equal(gm_pool_take(pool, 0, &index), GM_AGAIN);
    assert_int_equal(gm_pool_free_count(pool), 4);
    free(memory);
}

static void random_operations_agree_with_a_model(void **state)
{
    (void)state;
    enum { FRAMES = 40, ACCOUNTS = 5 };
    const uint32_t quotas[ACCOUNTS] = {2, 10, 1, 0, 27};
    void *memory;
    struct gm_pool *pool = pool_make(FRAMES, ACCOUNTS, &memory);
    for (uint32_t i = 0; i < ACCOUNTS; i++)
        gm_pool_set_quota(pool, i, quotas[i]);
    int owner[FRAMES];
    uint32_t out[ACCOUNTS] = {0};
    for (int i = 0; i < FRAMES; i++)
        owner[i] = -1;
    struct gm_prng prng;
    gm_prng_init(&prng, 5);
    uint32_t last_given = UINT32_MAX;
    for (int step = 0; step < 50000; step++) {
        uint32_t account = (uint32_t)gm_prng_below(&prng, ACCOUNTS);
        if (gm_prng_below(&prng, 2) == 0) {
            uint32_t index;
            int rc = gm_pool_take(pool, account, &index);
            assert_int_equal(rc, out[account] < quotas[account] ? 0 : GM_AGAIN);
            if (rc == 0) {
                assert_true(index < FRAMES);
                assert_int_equal(owner[index], -1);
                if (last_given != UINT32_MAX)
                    assert_int_equal(index, last_given); /* last in, first out */
                owner[index] = (int)account;
                out[account]++;
                last_given = UINT32_MAX;
            }
        } else {
            uint32_t index = (uint32_t)gm_prng_below(&prng, FRAMES);
            if (owner[index] >= 0) {
                uint32_t taker = (uint32_t)owner[index];
                gm_pool_give(pool, taker, index);
                owner[index] = -1;
                out[taker]--;
                last_given = index;
            }
        }
        assert_int_equal(gm_pool_out(pool, account), out[account]);
    }
    for (uint32_t i = 0; i < FRAMES; i++)
        if (owner[i] >= 0)
            gm_pool_give(pool, (uint32_t)owner[i], i);
    assert_int_equal(gm_pool_free_count(pool), FRAMES);
    free(memory);
}

static void absurd_and_double_gives_change_nothing(void **state)
{
    (void)state;
    void *memory;
    struct gm_pool *pool = pool_make(4, 1, &memory);
    gm_pool_set_quota(pool, 0, 4);
    uint32_t first, second;
    assert_int_equal(gm_pool_take(pool, 0, &first), 0);
    assert_int_equal(gm_pool_take(pool, 0, &second), 0);
    gm_pool_give(pool, 0, 4);
    gm_pool_give(pool, 0, UINT32_MAX);
    gm_pool_give(pool, 7, first);
    assert_int_equal(gm_pool_out(pool, 0), 2);
    gm_pool_give(pool, 0, first);
    gm_pool_give(pool, 0, first);
    assert_int_equal(gm_pool_out(pool, 0), 1);
    assert_int_equal(gm_pool_free_count(pool), 3);
    gm_pool_give(pool, 0, second);
    assert_int_equal(gm_pool_free_count(pool), 4);
    free(memory);
}

static void written_over_list_gives_no_wild_frame(void **state)
{
    (void)state;
    struct gm_prng prng;
    gm_prng_init(&prng, 9);
    for (int round = 0; round < 500; round++) {
        void *memory;
        struct gm_pool *pool = pool_make(32, 1, &memory);
        gm_pool_set_quota(pool, 0, 32);
        /* Behind the label lie 32 indices. */
        uint8_t *list = (uint8_t *)memory + GM_LINE_BYTES;
        for (int i = 0; i < 128; i++)
            list[i] = (uint8_t)gm_prng_next(&prng);
        for (int i = 0; i < 40; i++) {
            uint32_t index;
            if (gm_pool_take(pool, 0, &index) == 0)
                assert_true(index < 32);
        }
        assert_true(gm_pool_free_count(pool) <= 32);
        free(memory);
    }
}

struct crowd {
    struct gm_pool *pool;
    uint32_t account;
    uint32_t *owners; /* plain words: a frame with two owners is a race */
    uint32_t wrong_count;
};

static void *crowd_run(void *argument)
{
    struct crowd *crowd = argument;
    for (int step = 0; step < 20000; step++) {
        uint32_t held[3];
        uint32_t count = 0;
        while (count < 3 && gm_pool_take(crowd->pool, crowd->account, &held[count]) == 0) {
            crowd->owners[held[count]] = crowd->account;
            count++;
        }
        /* Quotas add up to the frames, so nobody is ever refused within its quota. */
        crowd->wrong_count += count != 3;
        while (count > 0) {
            count--;
            crowd->wrong_count += crowd->owners[held[count]] != crowd->account;
            gm_pool_give(crowd->pool, crowd->account, held[count]);
        }
    }
    return NULL;
}

static void threads_never_share_a_frame(void **state)
{
    (void)state;
    enum { THREADS = 3 };
    void *memory;
    struct gm_pool *pool = pool_make(THREADS * 3, THREADS, &memory);
    uint32_t owners[THREADS * 3] = {0};
    struct crowd crowds[THREADS];
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++)
        gm_pool_set_quota(pool, i, 3);
    for (uint32_t i = 0; i < THREADS; i++) {
        crowds[i] = (struct crowd){.pool = pool, .account = i, .owners = owners};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &crowds[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crowds[i].wrong_count, 0);
    }
    assert_int_equal(gm_pool_free_count(pool), THREADS * 3);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_counts_and_bad_memory_are_refused),
        cmocka_unit_test(counts_that_were_written_over_are_not_followed),
        cmocka_unit_test(new_account_has_no_quota),
        cmocka_unit_test(random_operations_agree_with_a_model),
        cmocka_unit_test(absurd_and_double_gives_change_nothing),
        cmocka_unit_test(written_over_list_gives_no_wild_frame),
        cmocka_unit_test(threads_never_share_a_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
