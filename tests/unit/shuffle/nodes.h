/* nodes.h - for tests: nodes with a region each, whose executors send rows to each other, and from
 * there to the driver.
 *
 * Exchange 0: every executor sends its rows to all.  Exchange 1: every executor hands on what it
 * got to the driver, which notes each row once.  One thread per node may run its executors.
 */
#ifndef GM_TESTS_UNIT_SHUFFLE_NODES_H
#define GM_TESTS_UNIT_SHUFFLE_NODES_H

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/prng.h"
#include "shuffle/exchange.h"
#include "shuffle/gateway.h"
#include "shuffle/link.h"

#define NODES_MAX 4
#define NODE_EXECUTORS_MAX 3
#define NODES_ROW_BYTES 24
#define NODES_ROWS_PER_CALL 16

struct nodes_shape {
    uint32_t node_count; /* with executors; the last of them also has the driver, or: */
    bool driver_alone;   /* one more node, for the driver */
    uint32_t executors_per_node;
    uint32_t rows_per_source;
    uint32_t frame_bytes, quota_frames, credit_frames;
};

struct nodes_executor {
    struct gm_link *link;
    struct gm_network network;
    struct gm_sender *senders[2];
    struct gm_receiver *receiver;
    uint64_t next_row;
    /* a call that was answered with GM_AGAIN */
    uint64_t batch[NODES_ROWS_PER_CALL][3];
    uint32_t partitions[NODES_ROWS_PER_CALL];
    uint32_t batch_count, batch_taken;
    struct gm_run run;
    uint32_t run_taken;
    bool run_open, sent_all, finished;
};

struct node {
    struct gm_region region;
    struct gm_heap heap;
    struct gm_bell bell; /* of whoever rings here */
    struct nodes_executor executors[NODE_EXECUTORS_MAX];
    uint32_t executor_count;
    bool has_driver;
    struct gm_link *driver_link;
    struct gm_network driver_network;
    struct gm_receiver *driver;
    bool finished;
};

struct nodes {
    struct nodes_shape shape;
    struct node nodes[NODES_MAX];
    uint32_t node_count, executor_count, partition_count;
    uint8_t *seen; /* by source and row */
    uint64_t seen_count;
};

static inline uint64_t nodes_mix(uint64_t source, uint64_t row)
{
    return (source << 32 ^ row) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline void nodes_open_executor(struct nodes *world, struct node *node, uint32_t local)
{
    struct nodes_executor *executor = &node->executors[local];
    const struct gm_region *region = &node->region;
    const uint16_t participant = (uint16_t)(region->spec.first_local + local);
    GM_CHECK(gm_link_create(region, participant, &node->bell, &node->heap, &executor->link) == 0);
    executor->network = gm_link_network(executor->link);
    GM_CHECK(gm_sender_create(region, 0, participant, world->partition_count, &executor->network,
                              &node->heap, &executor->senders[0]) == 0);
    GM_CHECK(gm_sender_create(region, 1, participant, 1, &executor->network, &node->heap,
                              &executor->senders[1]) == 0);
    GM_CHECK(gm_receiver_create(region, 0, participant, world->partition_count,
                                &executor->network, &node->heap, &executor->receiver) == 0);
}

/* bells: one per node, or NULL for bells that nobody hears. */
static inline void nodes_open(struct nodes *world, const struct nodes_shape *shape,
                              const struct gm_bell *bells)
{
    const uint32_t driver_node = shape->node_count - (shape->driver_alone ? 0 : 1);
    *world = (struct nodes){.shape = *shape};
    world->node_count = shape->node_count + shape->driver_alone;
    world->executor_count = shape->node_count * shape->executors_per_node;
    world->partition_count = 3 * world->executor_count;
    world->seen = calloc(world->executor_count, shape->rows_per_source);
    GM_CHECK(world->node_count <= NODES_MAX && world->seen != NULL);
    uint32_t slots = 2;
    while (slots < shape->quota_frames || slots < shape->credit_frames)
        slots *= 2;
    for (uint32_t n = 0; n < world->node_count; n++) {
        struct node *node = &world->nodes[n];
        node->executor_count = n < shape->node_count ? shape->executors_per_node : 0;
        node->has_driver = n == driver_node;
        struct gm_region_spec spec = {.executor_count = world->executor_count,
                                      .exchange_count = 2,
                                      .frame_bytes = shape->frame_bytes,
                                      .attempt = 7,
                                      .secret = UINT64_C(0x1234567890abcdef),
                                      .first_local = n * shape->executors_per_node,
                                      .local_count = node->executor_count,
                                      .driver_is_local = node->has_driver};
        for (uint32_t e = 0; e < 2; e++)
            spec.exchanges[e] = (struct gm_exchange_shape){.to_driver = e == 1,
                                                           .quota_frames = shape->quota_frames,
                                                           .ring_slots = slots,
                                                           .credit_frames = shape->credit_frames};
        GM_CHECK(gm_heap_init(&node->heap, UINT64_MAX) == 0);
        GM_CHECK(gm_region_create_private(&spec, &node->region, NULL) == 0);
        if (bells != NULL)
            node->bell = bells[n];
        for (uint32_t i = 0; i < node->executor_count; i++)
            nodes_open_executor(world, node, i);
        if (!node->has_driver)
            continue;
        const uint16_t driver = (uint16_t)world->executor_count;
        GM_CHECK(gm_link_create(&node->region, driver, &node->bell, &node->heap,
                                &node->driver_link) == 0);
        node->driver_network = gm_link_network(node->driver_link);
        GM_CHECK(gm_receiver_create(&node->region, 1, driver, 1, &node->driver_network,
                                    &node->heap, &node->driver) == 0);
    }
}

static inline void nodes_close(struct nodes *world)
{
    for (uint32_t n = 0; n < world->node_count; n++) {
        struct node *node = &world->nodes[n];
        for (uint32_t i = 0; i < node->executor_count; i++) {
            gm_sender_destroy(node->executors[i].senders[0]);
            gm_sender_destroy(node->executors[i].senders[1]);
            gm_receiver_destroy(node->executors[i].receiver);
            gm_link_destroy(node->executors[i].link);
        }
        gm_receiver_destroy(node->driver);
        gm_link_destroy(node->driver_link);
        gm_region_leave(&node->region);
        GM_CHECK(node->heap.used_bytes == 0);
        gm_heap_fini(&node->heap);
    }
    free(world->seen);
}

/* Peers of node n, as its gateway is told of them; names are "node-0" and so on. */
static inline uint32_t nodes_peers(const struct nodes *world, uint32_t n,
                                   struct gm_gateway_peer *ret_peers)
{
    uint32_t count = 0;
    for (uint32_t other = 0; other < world->node_count; other++) {
        if (other == n)
            continue;
        const struct node *node = &world->nodes[other];
        struct gm_gateway_peer *peer = &ret_peers[count++];
        *peer = (struct gm_gateway_peer){.node = (uint16_t)other,
                                         .first = (uint16_t)node->region.spec.first_local,
                                         .count = (uint16_t)node->executor_count,
                                         .has_driver = node->has_driver};
        memcpy(peer->name, "node-", 5);
        peer->name[5] = (char)('0' + other);
    }
    return count;
}

/* Rows of exchange 0 from this executor.  True: it got on. */
static inline bool nodes_send(struct nodes *world, struct nodes_executor *executor,
                              uint32_t participant)
{
    static const uint32_t sizes[NODES_ROWS_PER_CALL] = {24, 24, 24, 24, 24, 24, 24, 24,
                                                        24, 24, 24, 24, 24, 24, 24, 24};
    if (executor->sent_all)
        return false;
    if (executor->batch_count == 0 && executor->next_row < world->shape.rows_per_source) {
        while (executor->batch_count < NODES_ROWS_PER_CALL &&
               executor->next_row < world->shape.rows_per_source) {
            const uint64_t row = executor->next_row++, mix = nodes_mix(participant, row);
            const uint64_t values[3] = {participant, row, mix};
            memcpy(executor->batch[executor->batch_count], values, sizeof values);
            executor->partitions[executor->batch_count++] =
                (uint32_t)((mix >> 32) % world->partition_count);
        }
        executor->batch_taken = 0;
    }
    int rc;
    if (executor->batch_count > 0) {
        rc = gm_sender_rows(executor->senders[0], (const uint8_t *)executor->batch, sizes,
                            executor->partitions, executor->batch_count, participant,
                            &executor->batch_taken);
        if (rc == 0)
            executor->batch_count = 0;
    } else {
        rc = gm_sender_finish(executor->senders[0]);
        executor->sent_all = rc == 0;
    }
    GM_CHECK(rc == 0 || rc == GM_AGAIN);
    return rc == 0;
}

/* Hands on rows that came by exchange 0.  Returns 0, GM_AGAIN, GM_END or < 0. */
static inline int nodes_hand_on(struct nodes *world, struct nodes_executor *executor,
                                uint32_t participant)
{
    if (executor->finished)
        return GM_END;
    if (!executor->run_open) {
        const int rc = gm_receiver_next(executor->receiver, &executor->run);
        if (rc == GM_END) {
            const int end = gm_sender_finish(executor->senders[1]);
            executor->finished = end == 0;
            return end;
        }
        if (rc != 0)
            return rc;
        GM_CHECK(executor->run.bytes == executor->run.row_count * NODES_ROW_BYTES);
        GM_CHECK(executor->run.partition % world->executor_count == participant);
        executor->run_open = true;
        executor->run_taken = 0;
    }
    while (executor->run_taken < executor->run.row_count) {
        const uint32_t size = NODES_ROW_BYTES, zero = 0;
        uint32_t taken = 0;
        uint64_t values[3];
        memcpy(values, executor->run.rows + executor->run_taken * NODES_ROW_BYTES, sizeof values);
        GM_CHECK(values[2] == nodes_mix(values[0], values[1]));
        GM_CHECK((values[2] >> 32) % world->partition_count == executor->run.partition);
        const int rc = gm_sender_rows(executor->senders[1], (const uint8_t *)values, &size, &zero,
                                      1, 0, &taken);
        if (rc != 0)
            return rc;
        executor->run_taken++;
    }
    executor->run_open = false;
    return 0;
}

static inline int nodes_drain(struct nodes *world, struct node *node)
{
    struct gm_run run;
    const int rc = gm_receiver_next(node->driver, &run);
    for (uint32_t i = 0; rc == 0 && i < run.row_count; i++) {
        uint64_t values[3];
        memcpy(values, run.rows + i * NODES_ROW_BYTES, sizeof values);
        GM_CHECK(values[0] < world->executor_count && values[1] < world->shape.rows_per_source);
        uint8_t *seen = &world->seen[values[0] * world->shape.rows_per_source + values[1]];
        GM_CHECK(*seen == 0);
        *seen = 1;
        world->seen_count++;
    }
    return rc;
}

/* A turn of everybody at a node.  0: somebody got on; GM_AGAIN; GM_END: all is done here; < 0. */
static inline int nodes_step(struct nodes *world, uint32_t n)
{
    struct node *node = &world->nodes[n];
    bool progressed = false, finished = true;
    if (node->finished)
        return GM_END;
    for (uint32_t i = 0; i < node->executor_count; i++) {
        struct nodes_executor *executor = &node->executors[i];
        const uint32_t participant = node->region.spec.first_local + i;
        progressed = nodes_send(world, executor, participant) || progressed;
        const int rc = nodes_hand_on(world, executor, participant);
        if (rc < 0)
            return rc;
        progressed = progressed || rc == 0;
        finished = finished && executor->finished && executor->sent_all;
    }
    if (node->has_driver) {
        const int rc = nodes_drain(world, node);
        if (rc < 0)
            return rc;
        progressed = progressed || rc == 0;
        finished = finished && rc == GM_END;
    }
    node->finished = finished;
    return finished ? GM_END : progressed ? 0 : GM_AGAIN;
}

/* Every row came once, and every frame went back. */
static inline void nodes_check(const struct nodes *world)
{
    GM_CHECK(world->seen_count ==
             (uint64_t)world->executor_count * world->shape.rows_per_source);
    for (uint32_t n = 0; n < world->node_count; n++) {
        const struct gm_region *region = &world->nodes[n].region;
        GM_CHECK(gm_pool_free_count(region->pool) == region->frame_count);
        for (uint32_t e = 0; e < 2; e++)
            for (uint32_t s = 0; s < world->executor_count; s++)
                GM_CHECK(gm_pool_out(region->pool, gm_region_account(region, e, s)) == 0);
    }
}

#endif
