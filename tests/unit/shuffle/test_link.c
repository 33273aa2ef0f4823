/* Goal:   descriptors go to the participant that they are for, and a sleeper is never left asleep
 *         while a descriptor waits.
 * Method: all pairs in one thread with a counting bell; a bell that looks, when it is rung, for
 *         what it is rung for; then a sender's and a sleeper's thread with a bell made of a mutex
 *         and a condition. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "shuffle/link.h"

#define EXECUTORS 4

static const struct gm_region_spec spec = {
    .executor_count = EXECUTORS,
    .exchange_count = 2,
    .exchanges = {{.to_driver = false, .quota_frames = 2, .ring_slots = 2},
                  {.to_driver = true, .quota_frames = 2, .ring_slots = 2}},
    .frame_bytes = 4096,
};

static void count_ring(void *self, uint16_t participant)
{
    ((uint32_t *)self)[participant]++;
}

static const struct gm_bell_ops count_ops = {.name = "count", .ring = count_ring};

static void descriptors_reach_whom_they_are_for(void **state)
{
    (void)state;
    struct gm_region region;
    struct gm_heap heap;
    struct gm_link *links[EXECUTORS + 1];
    uint32_t rings[EXECUTORS + 1] = {0};
    struct gm_bell bell = {&count_ops, rings};
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    assert_int_equal(gm_region_create_private(&spec, &region, NULL), 0);
    for (uint16_t i = 0; i <= EXECUTORS; i++)
        assert_int_equal(gm_link_create(&region, i, &bell, &heap, &links[i]), 0);
    for (uint16_t exchange = 0; exchange < 2; exchange++) {
        for (uint16_t source = 0; source < EXECUTORS; source++) {
            struct gm_network network = gm_link_network(links[source]);
            for (uint16_t peer = 0; peer <= EXECUTORS; peer++) {
                if ((exchange == 1) != (peer == EXECUTORS))
                    continue;
                struct gm_descriptor sent = {source * 100u + peer, 64u + exchange};
                assert_int_equal(network.ops->send(network.self, exchange, peer, sent), 0);
                assert_int_equal(network.ops->send(network.self, exchange, peer, sent), 0);
                assert_int_equal(network.ops->send(network.self, exchange, peer, sent), GM_AGAIN);
            }
        }
    }
    for (uint16_t peer = 0; peer <= EXECUTORS; peer++) {
        uint16_t exchange = peer == EXECUTORS;
        struct gm_network network = gm_link_network(links[peer]);
        assert_true(gm_link_ready(links[peer]));
        assert_false(gm_link_sleep(links[peer]));
        for (uint16_t source = 0; source < EXECUTORS; source++) {
            struct gm_descriptor got;
            for (int i = 0; i < 2; i++) {
                assert_int_equal(network.ops->receive(network.self, exchange, source, &got), 0);
                assert_int_equal(got.frame_index, source * 100u + peer);
                assert_int_equal(got.frame_bytes, 64u + exchange);
            }
            assert_int_equal(network.ops->receive(network.self, exchange, source, &got), GM_AGAIN);
        }
        assert_false(gm_link_ready(links[peer]));
        assert_int_equal(rings[peer], 0); /* nobody slept */
    }
    /* Only the one that sleeps is rung. */
    assert_true(gm_link_sleep(links[2]));
    struct gm_network network = gm_link_network(links[0]);
    struct gm_descriptor sent = {1, 64};
    assert_int_equal(network.ops->send(network.self, 0, 1, sent), 0);
    assert_int_equal(network.ops->send(network.self, 0, 2, sent), 0);
    gm_link_awake(links[2]);
    assert_int_equal(network.ops->send(network.self, 0, 2, sent), 0);
    assert_int_equal(rings[1], 0);
    assert_int_equal(rings[2], 1);
    /* So is one that sleeps for want of frames, when a frame comes back; and no other. */
    gm_link_announce(links[3]);
    network.ops->returned(network.self, 0);
    network.ops->returned(network.self, 3);
    gm_link_awake(links[3]);
    network.ops->returned(network.self, 3);
    assert_int_equal(rings[0], 0);
    assert_int_equal(rings[3], 1);
    for (uint16_t i = 0; i <= EXECUTORS; i++)
        gm_link_destroy(links[i]);
    gm_link_destroy(NULL);
    gm_region_leave(&region);
    gm_heap_fini(&heap);
}

struct witness {
    const struct gm_region *region;
    struct gm_link *links[EXECUTORS + 1];
    bool for_frame; /* rung because a frame came back, not for a descriptor */
    uint32_t ring_count;
};

static void witness_ring(void *self, uint16_t participant)
{
    struct witness *witness = self;
    witness->ring_count++;
    if (!witness->for_frame) {
        assert_true(gm_link_ready(witness->links[participant]));
        return;
    }
    struct gm_pool *pool = witness->region->pool;
    uint32_t account = gm_region_account(witness->region, 0, participant), index;
    assert_int_equal(gm_pool_take(pool, account, &index), 0);
    gm_pool_give(pool, account, index);
}

static const struct gm_bell_ops witness_ops = {.name = "witness", .ring = witness_ring};

static void bell_rings_after_what_it_rings_for(void **state)
{
    (void)state;
    struct gm_region region;
    struct gm_heap heap;
    struct witness witness = {.region = &region};
    struct gm_bell bell = {&witness_ops, &witness};
    struct gm_descriptor descriptor = {1, 64};
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    assert_int_equal(gm_region_create_private(&spec, &region, NULL), 0);
    for (uint16_t i = 0; i <= EXECUTORS; i++) {
        assert_int_equal(gm_link_create(&region, i, &bell, &heap, &witness.links[i]), 0);
        gm_link_announce(witness.links[i]);
    }
    struct gm_network network = gm_link_network(witness.links[0]);
    for (uint16_t peer = 0; peer <= EXECUTORS; peer++) {
        uint16_t exchange = peer == EXECUTORS;
        assert_int_equal(network.ops->send(network.self, exchange, peer, descriptor), 0);
        assert_int_equal(witness.ring_count, peer + 1u);
    }
    /* No room: nothing is rung for. */
    assert_int_equal(network.ops->send(network.self, 0, 1, descriptor), 0);
    assert_int_equal(network.ops->send(network.self, 0, 1, descriptor), GM_AGAIN);
    assert_int_equal(witness.ring_count, EXECUTORS + 2u);
    witness.for_frame = true;
    for (uint16_t source = 0; source < EXECUTORS; source++) {
        uint32_t account = gm_region_account(&region, 0, source), held[2], other;
        assert_int_equal(gm_pool_take(region.pool, account, &held[0]), 0);
        assert_int_equal(gm_pool_take(region.pool, account, &held[1]), 0);
        assert_int_equal(gm_pool_take(region.pool, account, &other), GM_AGAIN);
        gm_pool_give(region.pool, account, held[0]);
        network.ops->returned(network.self, source);
        gm_pool_give(region.pool, account, held[1]);
    }
    assert_int_equal(witness.ring_count, 2u * EXECUTORS + 2);
    for (uint16_t i = 0; i <= EXECUTORS; i++)
        gm_link_destroy(witness.links[i]);
    gm_region_leave(&region);
    gm_heap_fini(&heap);
}

static void written_over_ring_and_small_budget_are_refused(void **state)
{
    (void)state;
    struct gm_region region;
    struct gm_heap heap;
    struct gm_link *link;
    struct gm_bell bell = {&count_ops, NULL};
    assert_int_equal(gm_region_create_private(&spec, &region, NULL), 0);
    assert_int_equal(gm_heap_init(&heap, 100), 0);
    assert_int_equal(gm_link_create(&region, 0, &bell, &heap, &link), GM_ETASK_MEMORY);
    gm_heap_fini(&heap);
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    memset(gm_region_ring(&region, 0, 3, 0), 0xff, 64);
    assert_int_equal(gm_link_create(&region, 0, &bell, &heap, &link), GM_EFRAME_CORRUPT);
    gm_heap_fini(&heap);
    gm_region_leave(&region);
}

struct chime {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool rung;
};

static void chime_ring(void *self, uint16_t participant)
{
    (void)participant;
    struct chime *chime = self;
    pthread_mutex_lock(&chime->mutex);
    chime->rung = true;
    pthread_cond_signal(&chime->condition);
    pthread_mutex_unlock(&chime->mutex);
}

static void chime_wait(void *self, const int *extra, uint32_t extra_count, uint64_t timeout_ns)
{
    (void)extra, (void)extra_count, (void)timeout_ns;
    struct chime *chime = self;
    pthread_mutex_lock(&chime->mutex);
    while (!chime->rung)
        pthread_cond_wait(&chime->condition, &chime->mutex);
    chime->rung = false;
    pthread_mutex_unlock(&chime->mutex);
}

static const struct gm_bell_ops chime_ops = {"chime", chime_ring, chime_wait};

#define WAKE_COUNT 5000

static void *wake_run(void *argument)
{
    struct gm_network *network = argument;
    for (uint32_t i = 0; i < WAKE_COUNT; i++) {
        struct gm_descriptor descriptor = {i, 64};
        while (network->ops->send(network->self, 0, 1, descriptor) == GM_AGAIN)
            sched_yield();
    }
    return NULL;
}

/* The receiver sleeps, without a timeout, whenever it may: a lost wake-up hangs the test. */
static void no_wake_up_is_lost(void **state)
{
    (void)state;
    struct gm_region region;
    struct gm_heap heaps[2];
    struct gm_link *sender, *sleeper;
    struct chime chime = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    struct gm_bell bell = {&chime_ops, &chime};
    assert_int_equal(gm_heap_init(&heaps[0], UINT64_MAX), 0);
    assert_int_equal(gm_heap_init(&heaps[1], UINT64_MAX), 0);
    assert_int_equal(gm_region_create_private(&spec, &region, NULL), 0);
    assert_int_equal(gm_link_create(&region, 0, &bell, &heaps[0], &sender), 0);
    assert_int_equal(gm_link_create(&region, 1, &bell, &heaps[1], &sleeper), 0);
    struct gm_network out = gm_link_network(sender), in = gm_link_network(sleeper);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_run, &out), 0);
    for (uint32_t i = 0; i < WAKE_COUNT;) {
        struct gm_descriptor descriptor;
        if (in.ops->receive(in.self, 0, 0, &descriptor) == 0) {
            assert_int_equal(descriptor.frame_index, i);
            i++;
            continue;
        }
        if (gm_link_sleep(sleeper)) {
            bell.ops->wait(bell.self, NULL, 0, UINT64_MAX);
            gm_link_awake(sleeper);
        }
    }
    pthread_join(thread, NULL);
    gm_link_destroy(sender);
    gm_link_destroy(sleeper);
    gm_region_leave(&region);
    gm_heap_fini(&heaps[0]);
    gm_heap_fini(&heaps[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_reach_whom_they_are_for),
        cmocka_unit_test(bell_rings_after_what_it_rings_for),
        cmocka_unit_test(written_over_ring_and_small_budget_are_refused),
        cmocka_unit_test(no_wake_up_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
