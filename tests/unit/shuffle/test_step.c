/* Goal:   what the lock-free sources promise holds between any two of their steps, not only between
 *         calls: who sees a place in the quota finds a frame, and who is rung finds the descriptor.
 * Method: the sources are compiled here with the marks of shuffle/port/step.h.  Every operation is
 *         done again and again, and each time another participant acts at the next of its marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GM_SIMULATION
#include "shuffle/pool.c"
#include "shuffle/ring.c"
#include "shuffle/link.c"

static void (*other_acts)(void); /* NULL: it has acted, or nobody does */
static uint32_t steps_until;

void gm_sim_yield(void)
{
    if (other_acts == NULL || steps_until-- > 0)
        return;
    void (*act)(void) = other_acts;
    other_acts = NULL; /* it has steps of its own */
    act();
}

static void act_at(uint32_t step, void (*act)(void))
{
    steps_until = step;
    other_acts = act;
}

/* True when the operation has as many steps. */
static bool has_acted(void)
{
    bool acted = other_acts == NULL;
    other_acts = NULL;
    return acted;
}

#define FRAMES 5
#define ACCOUNTS 2
static const uint32_t quotas[ACCOUNTS] = {2, 3};
static struct gm_pool *pool;

/* Takes as many frames as the quotas promise now, and gives them back. */
static void take_all_that_is_promised(void)
{
    uint32_t held[FRAMES], accounts[FRAMES], count = 0;
    for (uint32_t account = 0; account < ACCOUNTS; account++) {
        uint32_t left = quotas[account] - gm_pool_out(pool, account);
        assert_true(left <= quotas[account]);
        for (; left > 0; left--) {
            assert_int_equal(gm_pool_take(pool, account, &held[count]), 0);
            assert_true(held[count] < FRAMES);
            for (uint32_t i = 0; i < count; i++)
                assert_int_not_equal(held[i], held[count]);
            accounts[count++] = account;
        }
    }
    while (count > 0) {
        count--;
        gm_pool_give(pool, accounts[count], held[count]);
    }
}

static void quota_is_never_ahead_of_the_list(void **state)
{
    (void)state;
    void *memory = aligned_alloc(GM_LINE_BYTES, gm_pool_footprint(FRAMES, ACCOUNTS));
    assert_non_null(memory);
    gm_pool_new(memory, FRAMES, ACCOUNTS);
    pool = gm_pool_join(memory, FRAMES, ACCOUNTS);
    for (uint32_t i = 0; i < ACCOUNTS; i++)
        gm_pool_set_quota(pool, i, quotas[i]);
    uint32_t step = 0;
    for (bool more = true; more; step++) {
        more = false;
        for (uint32_t account = 0; account < ACCOUNTS; account++) {
            uint32_t held[FRAMES];
            for (uint32_t i = 0; i < quotas[account]; i++) {
                act_at(step, take_all_that_is_promised);
                assert_int_equal(gm_pool_take(pool, account, &held[i]), 0);
                more = has_acted() || more;
            }
            for (uint32_t i = 0; i < quotas[account]; i++) {
                act_at(step, take_all_that_is_promised);
                gm_pool_give(pool, account, held[i]);
                more = has_acted() || more;
            }
        }
    }
    assert_true(step > 4); /* there are marks */
    assert_int_equal(gm_pool_free_count(pool), FRAMES);
    free(memory);
}

static struct {
    struct gm_region region;
    struct gm_heap heap;
    struct gm_link *sender, *sleeper;
    bool asleep, rung;
    uint32_t received_count;
} pair;

static void pair_ring(void *self, uint16_t participant)
{
    (void)self;
    assert_int_equal(participant, 1);
    pair.rung = true;
    gm_sim_yield();
}

/* The receiver's loop, as far as it gets: it takes what is there and sleeps when nothing is. */
static void receive_or_sleep(void)
{
    struct gm_network network = gm_link_network(pair.sleeper);
    if (pair.asleep && !pair.rung)
        return;
    if (pair.asleep)
        gm_link_awake(pair.sleeper);
    pair.asleep = pair.rung = false;
    struct gm_descriptor descriptor;
    while (network.ops->receive(network.self, 0, 0, &descriptor) == 0)
        pair.received_count++;
    pair.asleep = gm_link_sleep(pair.sleeper);
}

static void send_one(void)
{
    struct gm_network network = gm_link_network(pair.sender);
    const struct gm_descriptor descriptor = {1, 64};
    assert_int_equal(network.ops->send(network.self, 0, 1, descriptor), 0);
}

static void sleeper_misses_nothing(void **state)
{
    (void)state;
    static const struct gm_bell_ops ops = {.name = "pair", .ring = pair_ring};
    const struct gm_bell bell = {&ops, NULL};
    const struct gm_region_spec spec = {.executor_count = 2,
                                        .exchange_count = 1,
                                        .exchanges = {{.quota_frames = 2, .ring_slots = 2}},
                                        .frame_bytes = 4096};
    assert_int_equal(gm_heap_init(&pair.heap, UINT64_MAX), 0);
    assert_int_equal(gm_region_create_private(&spec, &pair.region, NULL), 0);
    assert_int_equal(gm_link_create(&pair.region, 0, &bell, &pair.heap, &pair.sender), 0);
    assert_int_equal(gm_link_create(&pair.region, 1, &bell, &pair.heap, &pair.sleeper), 0);
    struct gm_network out = gm_link_network(pair.sender);
    uint32_t step = 0;
    for (bool more = true; more; step++) {
        receive_or_sleep();
        assert_true(pair.asleep);
        act_at(step, receive_or_sleep);
        assert_int_equal(out.ops->send(out.self, 0, 1, (struct gm_descriptor){step, 64}), 0);
        more = has_acted();
        receive_or_sleep();
        assert_int_equal(pair.received_count, step + 1);
    }
    assert_true(step > 4); /* two of the push, one before the bell and one behind it */

    /* The other way round: the sender is fast while the sleeper goes to sleep. */
    step = 0;
    for (bool more = true; more; step++) {
        gm_link_awake(pair.sleeper);
        pair.asleep = pair.rung = false;
        const uint32_t before = pair.received_count;
        act_at(step, send_one);
        receive_or_sleep();
        more = has_acted();
        if (!more)
            send_one();
        receive_or_sleep();
        assert_int_equal(pair.received_count, before + 1);
    }
    assert_true(step > 1);
    gm_link_destroy(pair.sender);
    gm_link_destroy(pair.sleeper);
    gm_region_leave(&pair.region);
    gm_heap_fini(&pair.heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quota_is_never_ahead_of_the_list),
        cmocka_unit_test(sleeper_misses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
