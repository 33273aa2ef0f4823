/* Goal:   every row arrives once, in its partition, in the order of its (source, origin); every
 *         frame comes back; and what was written over is refused with a reason.
 * Method: 1 to 8 executors in one thread, scheduled at random, over real links or links that refuse
 *         at random, with tiny quotas and frames.  A row's bytes follow from (source, number,
 *         partition, size), and the receiver works them out again.  Corruption by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/base/error.h"
#include "shuffle/exchange.h"
#include "shuffle/link.h"
#include "shuffle/port/random.h"

#define EXECUTORS_MAX 8
#define BATCH_ROWS 64

static void no_ring(void *self, uint16_t participant)
{
    (void)self, (void)participant;
}

static const struct gm_bell_ops no_bell_ops = {.name = "none", .ring = no_ring};
static const struct gm_bell no_bell = {&no_bell_ops, NULL};

/* A row, after 4 bytes of number and 4 of partition where it has them, repeats one byte that
 * follows from all.  Rows shorter than 8 bytes carry what fits. */
static void row_fill(uint8_t *row, uint32_t bytes, uint32_t number, uint32_t partition)
{
    uint32_t words[2] = {number, partition};
    memset(row, (int)(number * 31 + partition * 7 + bytes), bytes);
    memcpy(row, words, bytes < 8 ? bytes : 8);
}

/* What source s sends as its row number n follows from a generator seeded with (s, n). */
static void row_choose(uint64_t seed, uint32_t source, uint32_t number, uint32_t row_bytes_max,
                       uint32_t partition_count, uint32_t *ret_bytes, uint32_t *ret_partition)
{
    struct gm_prng prng;
    gm_prng_init(&prng, seed + source * UINT64_C(1000003) + number);
    uint64_t kind = gm_prng_below(&prng, 100);
    uint32_t bytes_max = kind < 80 ? 40 : kind < 95 ? 1200 : row_bytes_max;
    if (bytes_max > row_bytes_max)
        bytes_max = row_bytes_max;
    *ret_bytes = 1 + (uint32_t)gm_prng_below(&prng, bytes_max);
    /* Half of all rows have one partition: skew. */
    *ret_partition = gm_prng_below(&prng, 2) == 0
                         ? partition_count / 2
                         : (uint32_t)gm_prng_below(&prng, partition_count);
}

/* A network port over a link that has no room, or nothing to give, whenever it likes. */
struct fickle {
    struct gm_network inner;
    struct gm_prng *prng;
    uint32_t percent;
    const struct gm_region *region;
};

static int fickle_send(void *self, uint16_t exchange, uint16_t destination,
                       struct gm_descriptor descriptor)
{
    struct fickle *fickle = self;
    if (gm_prng_below(fickle->prng, 100) < fickle->percent)
        return GM_AGAIN;
    return fickle->inner.ops->send(fickle->inner.self, exchange, destination, descriptor);
}

static int fickle_receive(void *self, uint16_t exchange, uint16_t source,
                          struct gm_descriptor *ret_descriptor)
{
    struct fickle *fickle = self;
    if (gm_prng_below(fickle->prng, 100) < fickle->percent)
        return GM_AGAIN;
    return fickle->inner.ops->receive(fickle->inner.self, exchange, source, ret_descriptor);
}

static void fickle_returned(void *self, uint16_t source)
{
    struct fickle *fickle = self;
    /* Whoever hears that a frame came back finds it. */
    struct gm_pool *pool = fickle->region->pool;
    uint32_t account = gm_region_account(fickle->region, 0, source), index;
    assert_int_equal(gm_pool_take(pool, account, &index), 0);
    gm_pool_give(pool, account, index);
    fickle->inner.ops->returned(fickle->inner.self, source);
}

static const struct gm_network_ops fickle_ops = {"fickle", fickle_send, fickle_receive,
                                                 fickle_returned};

struct shape {
    uint64_t seed;
    uint32_t executor_count;
    uint32_t partition_count;
    uint32_t quota_frames;
    uint32_t frame_bytes;
    uint32_t row_count; /* per source */
    uint32_t row_bytes_max;
    uint32_t refuse_percent;
    bool to_driver;
    bool without_partitions;
    bool ordered;
};

struct node {
    struct gm_heap heap;
    struct gm_link *link;
    struct fickle fickle;
    struct gm_sender *sender;
    struct gm_receiver *receiver;
    /* sending */
    uint32_t number; /* of the first row of the batch */
    uint32_t count;
    uint32_t taken;
    uint32_t sizes[BATCH_ROWS];
    uint32_t partitions[BATCH_ROWS];
    uint8_t *rows;
    size_t rows_capacity;
    bool finished;
    /* receiving */
    bool ended;
    uint64_t row_count;
    uint32_t last_source;
};

struct world {
    struct shape shape;
    struct gm_prng prng;
    struct gm_region region;
    struct node nodes[EXECUTORS_MAX + 1];
    /* By (source, partition): the number of the next row that must come. */
    uint32_t *next_numbers;
};

static void world_open(struct world *world, const struct shape *shape)
{
    *world = (struct world){.shape = *shape};
    gm_prng_init(&world->prng, shape->seed);
    uint32_t slot_count = 2;
    while (slot_count < shape->quota_frames)
        slot_count *= 2;
    struct gm_region_spec spec = {
        .executor_count = shape->executor_count,
        .exchange_count = 1,
        .exchanges = {{shape->to_driver, shape->quota_frames, slot_count}},
        .frame_bytes = shape->frame_bytes,
        .attempt = 3,
        .secret = shape->seed * 17,
    };
    assert_int_equal(gm_region_create_private(&spec, &world->region, NULL), 0);
    for (uint16_t i = 0; i <= shape->executor_count; i++) {
        struct node *node = &world->nodes[i];
        assert_int_equal(gm_heap_init(&node->heap, UINT64_MAX), 0);
        assert_int_equal(gm_link_create(&world->region, i, &no_bell, &node->heap, &node->link), 0);
        node->fickle = (struct fickle){gm_link_network(node->link), &world->prng,
                                       shape->refuse_percent, &world->region};
        struct gm_network network = {&fickle_ops, &node->fickle};
        bool driver = i == shape->executor_count;
        node->finished = driver;
        node->ended = shape->to_driver != driver;
        if (!driver)
            assert_int_equal(gm_sender_create(&world->region, 0, i, shape->partition_count,
                                              &network, &node->heap, &node->sender), 0);
        if (shape->to_driver == driver)
            assert_int_equal(gm_receiver_create(&world->region, 0, i, shape->partition_count,
                                                &network, &node->heap, &node->receiver), 0);
        if (shape->ordered && node->receiver != NULL)
            gm_receiver_set_ordered(node->receiver);
    }
    world->next_numbers =
        calloc((size_t)shape->executor_count * shape->partition_count, sizeof(uint32_t));
    assert_non_null(world->next_numbers);
}

static void world_close(struct world *world)
{
    for (uint32_t i = 0; i <= world->shape.executor_count; i++) {
        struct node *node = &world->nodes[i];
        gm_sender_destroy(node->sender);
        gm_receiver_destroy(node->receiver);
        gm_link_destroy(node->link);
        assert_int_equal(node->heap.used_bytes, 0);
        gm_heap_fini(&node->heap);
        free(node->rows);
    }
    gm_region_leave(&world->region);
    free(world->next_numbers);
}

static uint32_t partition_of(const struct shape *shape, uint32_t partition)
{
    return shape->without_partitions ? 0 : partition;
}

static void node_make_batch(struct world *world, struct node *node, uint32_t source)
{
    const struct shape *shape = &world->shape;
    node->number += node->count;
    node->taken = 0;
    uint32_t count_max = shape->row_count - node->number;
    if (count_max > BATCH_ROWS)
        count_max = BATCH_ROWS;
    node->count = (uint32_t)gm_prng_below(&world->prng, count_max + 1);
    size_t bytes = 0;
    for (uint32_t i = 0; i < node->count; i++) {
        row_choose(shape->seed, source, node->number + i, shape->row_bytes_max,
                   shape->partition_count, &node->sizes[i], &node->partitions[i]);
        node->partitions[i] = partition_of(shape, node->partitions[i]);
        bytes += node->sizes[i];
    }
    if (bytes > node->rows_capacity || node->rows == NULL) {
        node->rows_capacity = bytes * 2 + 64;
        free(node->rows);
        node->rows = malloc(node->rows_capacity);
        assert_non_null(node->rows);
    }
    uint8_t *row = node->rows;
    for (uint32_t i = 0; i < node->count; i++) {
        row_fill(row, node->sizes[i], node->number + i, node->partitions[i]);
        row += node->sizes[i];
    }
}

static void node_send(struct world *world, uint32_t source)
{
    struct node *node = &world->nodes[source];
    if (node->finished)
        return;
    if (node->taken == node->count && node->number + node->count < world->shape.row_count)
        node_make_batch(world, node, source);
    if (node->taken < node->count) {
        /* The origin changes now and then, and goes up: rows of one origin stay in order. */
        uint32_t before = node->taken;
        int rc = gm_sender_rows(node->sender, node->rows, node->sizes,
                                world->shape.without_partitions ? NULL : node->partitions,
                                node->count, node->number / 256, &node->taken);
        assert_true(rc == 0 || rc == GM_AGAIN);
        assert_true(node->taken >= before);
        if (rc == 0)
            assert_int_equal(node->taken, node->count);
    } else if (node->number + node->count == world->shape.row_count) {
        int rc = gm_sender_finish(node->sender);
        assert_true(rc == 0 || rc == GM_AGAIN);
        node->finished = rc == 0;
    }
}

/* Checks the rows of a run: the next of (source, partition), whole, with the right bytes. */
static void node_check_run(struct world *world, struct node *node, const struct gm_run *run)
{
    const struct shape *shape = &world->shape;
    uint32_t *next = &world->next_numbers[(size_t)run->source * shape->partition_count +
                                          run->partition];
    const uint8_t *row = run->rows;
    for (uint32_t i = 0; i < run->row_count; i++) {
        uint32_t bytes, partition;
        /* The next row of this source with this partition. */
        for (;; (*next)++) {
            assert_true(*next < shape->row_count);
            row_choose(shape->seed, run->source, *next, shape->row_bytes_max,
                       shape->partition_count, &bytes, &partition);
            if (partition_of(shape, partition) == run->partition)
                break;
        }
        uint8_t *expected = malloc(bytes + 1);
        row_fill(expected, bytes, *next, run->partition);
        assert_true((size_t)(row - run->rows) + bytes <= run->bytes);
        assert_memory_equal(row, expected, bytes);
        free(expected);
        assert_true(run->origin <= *next / 256);
        row += bytes;
        (*next)++;
        node->row_count++;
    }
    assert_int_equal(row - run->rows, run->bytes);
}

static void node_receive(struct world *world, uint32_t destination)
{
    struct node *node = &world->nodes[destination];
    if (node->ended)
        return;
    for (uint64_t runs = gm_prng_below(&world->prng, 20); runs > 0; runs--) {
        struct gm_run run;
        int rc = gm_receiver_next(node->receiver, &run);
        if (rc == GM_EFRAME_CORRUPT)
            fail_msg("%s", gm_receiver_why(node->receiver));
        if (rc == GM_AGAIN)
            return;
        if (rc == GM_END) {
            node->ended = true;
            assert_int_equal(gm_receiver_next(node->receiver, &run), GM_END);
            return;
        }
        assert_int_equal(rc, 0);
        if (!world->shape.to_driver)
            assert_int_equal(run.partition % world->shape.executor_count, destination);
        if (world->shape.ordered)
            assert_true(run.source >= node->last_source);
        node->last_source = run.source;
        node_check_run(world, node, &run);
    }
}

static void world_run(struct world *world)
{
    uint32_t participant_count = world->shape.executor_count + 1;
    for (uint64_t step = 0;; step++) {
        bool done = true;
        for (uint32_t i = 0; i < participant_count; i++)
            done &= world->nodes[i].finished && world->nodes[i].ended;
        if (done)
            break;
        assert_true(step < 20000000); /* a deadlock, then */
        uint32_t who = (uint32_t)gm_prng_below(&world->prng, participant_count);
        if (gm_prng_below(&world->prng, 2) == 0)
            node_send(world, who);
        else
            node_receive(world, who);
    }
}

static void shape_run(const struct shape *shape)
{
    static struct world world;
    world_open(&world, shape);
    world_run(&world);
    uint64_t row_count = 0;
    struct gm_exchange_counts sent = {0}, got = {0}, counts;
    for (uint32_t i = 0; i <= shape->executor_count; i++) {
        row_count += world.nodes[i].row_count;
        if (world.nodes[i].sender != NULL) {
            gm_sender_counts(world.nodes[i].sender, &counts);
            sent.rows_count += counts.rows_count;
            sent.frames_count += counts.frames_count;
            sent.payload_bytes += counts.payload_bytes;
        }
        if (world.nodes[i].receiver != NULL) {
            gm_receiver_counts(world.nodes[i].receiver, &counts);
            got.rows_count += counts.rows_count;
            got.frames_count += counts.frames_count;
            got.payload_bytes += counts.payload_bytes;
        }
    }
    /* The order of each (source, partition) was checked, so the count makes the multiset right. */
    assert_int_equal(row_count, (uint64_t)shape->row_count * shape->executor_count);
    assert_int_equal(sent.rows_count, row_count);
    assert_memory_equal(&sent, &got, sizeof(sent));
    assert_int_equal(gm_pool_free_count(world.region.pool), world.region.frame_count);
    world_close(&world);
}

static void every_row_arrives_once_and_every_frame_comes_back(void **state)
{
    (void)state;
    const uint32_t partition_counts[] = {1, 2, 3, 8, 9, 64, 700, 5000};
    struct gm_prng prng;
    gm_prng_init(&prng, 2);
    for (uint32_t round = 0; round < 60; round++) {
        struct shape shape = {
            .seed = round,
            .executor_count = 1 + round % EXECUTORS_MAX,
            .partition_count = partition_counts[gm_prng_below(&prng, 8)],
            .quota_frames = 2 + (uint32_t)(gm_prng_below(&prng, 3) * gm_prng_below(&prng, 9)),
            .frame_bytes = 4096u << gm_prng_below(&prng, 4),
            .row_count = 300,
            .row_bytes_max = round % 3 == 0 ? 300000 : 3000,
            .refuse_percent = round % 2 == 0 ? 0 : 40,
            .to_driver = round % 5 == 4,
        };
        shape.without_partitions = round % 7 == 6;
        shape_run(&shape);
    }
}

/* One source after the other, however they are scheduled; the others stand still meanwhile. */
static void an_ordered_receiver_takes_sources_in_turn(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 12; i++) {
        struct shape shape = {.seed = 300 + i, .executor_count = 1 + i % 6,
                              .partition_count = 1 + i, .quota_frames = 2 + i % 3,
                              .frame_bytes = 4096, .row_count = 500, .row_bytes_max = 9000,
                              .refuse_percent = i % 2 * 30, .to_driver = true, .ordered = true};
        shape_run(&shape);
    }
}

static void many_short_rows_fill_staging_and_frames(void **state)
{
    (void)state;
    const uint32_t partition_counts[] = {2, 3, 40, 1000};
    for (uint32_t i = 0; i < 4; i++) {
        struct shape shape = {.seed = 100 + i, .executor_count = 2,
                              .partition_count = partition_counts[i], .quota_frames = 2 + i,
                              .frame_bytes = 4096, .row_count = 5000, .row_bytes_max = 17};
        shape_run(&shape);
    }
}

static void empty_exchange_ends_with_one_frame_each(void **state)
{
    (void)state;
    struct shape shape = {.seed = 1, .executor_count = 8, .partition_count = 64,
                          .quota_frames = 2, .frame_bytes = 4096};
    shape_run(&shape);
    shape.to_driver = true;
    shape_run(&shape);
}

static void abandoned_ends_give_their_frames_back(void **state)
{
    (void)state;
    static struct world world;
    struct shape shape = {.seed = 5, .executor_count = 4, .partition_count = 9, .quota_frames = 6,
                          .frame_bytes = 4096, .row_count = 4000, .row_bytes_max = 9000};
    world_open(&world, &shape);
    for (int i = 0; i < 300; i++) {
        node_send(&world, (uint32_t)gm_prng_below(&world.prng, 4));
        if (i % 3 == 0)
            node_receive(&world, (uint32_t)gm_prng_below(&world.prng, 4));
    }
    uint32_t in_rings = 0;
    for (uint32_t i = 0; i < 4; i++) {
        gm_sender_destroy(world.nodes[i].sender);
        gm_receiver_destroy(world.nodes[i].receiver);
        world.nodes[i].sender = NULL;
        world.nodes[i].receiver = NULL;
    }
    for (uint32_t i = 0; i < 4; i++) {
        struct gm_network network = gm_link_network(world.nodes[i].link);
        for (uint16_t source = 0; source < 4; source++) {
            struct gm_descriptor descriptor;
            while (network.ops->receive(network.self, 0, source, &descriptor) == 0)
                in_rings++;
        }
    }
    assert_int_equal(gm_pool_free_count(world.region.pool) + in_rings, world.region.frame_count);
    world_close(&world);
}

/* ---- corruption ----------------------------------------------------------------------------- */

/* Two executors; executor 0 has sent a frame with a row of 100 bytes to partition 1. */
struct accident {
    struct world world;
    struct gm_descriptor descriptor; /* of that frame, taken out of the ring again */
    uint8_t *frame;
    struct gm_run run;
};

static void accident_open(struct accident *accident, const struct shape *change)
{
    struct shape shape = {.seed = 1, .executor_count = 2, .partition_count = 2, .quota_frames = 4,
                          .frame_bytes = 4096};
    if (change != NULL)
        shape = *change;
    world_open(&accident->world, &shape);
    uint8_t row[100] = {1, 2, 3};
    uint32_t size = sizeof(row), partition = 1, taken = 0;
    struct gm_sender *sender = accident->world.nodes[0].sender;
    assert_int_equal(gm_sender_rows(sender, row, &size, &partition, 1, 0, &taken), 0);
    assert_int_equal(gm_sender_finish(sender), 0);
    struct gm_network network = accident->world.nodes[1].fickle.inner;
    assert_int_equal(network.ops->receive(network.self, 0, 0, &accident->descriptor), 0);
    accident->frame = gm_region_frame(&accident->world.region, accident->descriptor.frame_index);
    assert_non_null(accident->frame);
}

/* Puts the frame back into the ring and lets the receiver find it. */
static void accident_refused(struct accident *accident, const char *reason)
{
    struct gm_network network = accident->world.nodes[0].fickle.inner;
    assert_int_equal(network.ops->send(network.self, 0, 1, accident->descriptor), 0);
    struct gm_receiver *receiver = accident->world.nodes[1].receiver;
    int rc;
    do
        rc = gm_receiver_next(receiver, &accident->run);
    while (rc == 0);
    assert_int_equal(rc, GM_EFRAME_CORRUPT);
    const char *why = gm_receiver_why(receiver);
    assert_ptr_equal(strstr(why, "exchange 0: frame "), why);
    assert_non_null(strstr(why, " from executor 0: "));
    if (strstr(why, reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, reason);
    assert_int_equal(gm_receiver_next(receiver, &accident->run), GM_EFRAME_CORRUPT);
    world_close(&accident->world);
}

static void accident_seal(struct accident *accident, struct gm_frame_header *header)
{
    header->seal = gm_frame_seal(header, accident->world.region.spec.secret);
    memcpy(accident->frame, header, sizeof(*header));
}

static void header_that_was_written_over_is_refused(void **state)
{
    (void)state;
    static struct accident accident;
    for (uint32_t at = 0; at < sizeof(struct gm_frame_header); at++) {
        accident_open(&accident, NULL);
        accident.frame[at] ^= 0x40;
        accident_refused(&accident, "");
    }
    accident_open(&accident, NULL);
    memset(accident.frame, 'x', 4096);
    accident_refused(&accident, "");
}

static void wild_descriptor_is_refused(void **state)
{
    (void)state;
    static struct accident accident;
    accident_open(&accident, NULL);
    accident.descriptor.frame_index = UINT32_MAX;
    accident_refused(&accident, "names no frame");
    accident_open(&accident, NULL);
    accident.descriptor.frame_index = accident.world.region.frame_count;
    accident_refused(&accident, "names no frame");
    accident_open(&accident, NULL);
    accident.descriptor.frame_bytes = 63;
    accident_refused(&accident, "a size no frame has");
    accident_open(&accident, NULL);
    accident.descriptor.frame_bytes = 4097;
    accident_refused(&accident, "a size no frame has");
    accident_open(&accident, NULL);
    accident.descriptor.frame_bytes += 8;
    accident_refused(&accident, "another size");
}

static void frame_of_another_sender_or_time_is_refused(void **state)
{
    (void)state;
    static struct accident accident;
    struct gm_frame_header header;
#define REFUSES(change)                                                                            \
    do {                                                                                           \
        accident_open(&accident, NULL);                                                            \
        memcpy(&header, accident.frame, sizeof(header));                                           \
        change;                                                                                    \
        accident_seal(&accident, &header);                                                         \
        accident_refused(&accident, "");                                                           \
    } while (0)
    REFUSES(header.exchange = 1);
    REFUSES(header.source = 1);
    REFUSES(header.destination = 0);
    REFUSES(header.attempt++);
    REFUSES(header.sequence++);
    REFUSES(header.row_count++);
    REFUSES(header.run_count++);
    REFUSES(header.payload_bytes--);
#undef REFUSES
}

static void bad_runs_are_refused(void **state)
{
    (void)state;
    static struct accident accident;
    struct gm_run_header run;
#define REFUSES(change, reason)                                                                    \
    do {                                                                                           \
        accident_open(&accident, NULL);                                                            \
        memcpy(&run, accident.frame + sizeof(struct gm_frame_header), sizeof(run));                \
        change;                                                                                    \
        memcpy(accident.frame + sizeof(struct gm_frame_header), &run, sizeof(run));                \
        accident_refused(&accident, reason);                                                       \
    } while (0)
    REFUSES(run.bytes = 101, "no sense");
    REFUSES(run.bytes = 0xffffff, "no sense");
    REFUSES(run.bytes = 99, "");
    REFUSES(run.partition = 0, "not here");
    REFUSES(run.partition = 2, "not here");
    REFUSES(run.partition = UINT32_MAX, "no sense");
    REFUSES(run.row_count = 2, "counts other rows");
    REFUSES(run.flags = 8, "no sense");
    REFUSES(run.flags = GM_RUN_LAST, "out of order");
    REFUSES((run.flags = 0, run.row_count = 0), "out of order");
    REFUSES(run.flags = GM_RUN_FIRST, "no sense");
#undef REFUSES
    /* A first fragment, and then the end. */
    struct gm_frame_header header;
    accident_open(&accident, NULL);
    memcpy(&header, accident.frame, sizeof(header));
    memcpy(&run, accident.frame + sizeof(header), sizeof(run));
    run.flags = GM_RUN_FIRST;
    run.row_count = 0;
    header.row_count = 0;
    memcpy(accident.frame + sizeof(header), &run, sizeof(run));
    accident_seal(&accident, &header);
    accident_refused(&accident, "not complete");
}

/* Whatever stands in a payload, the receiver stays inside it and comes to an end. */
static void random_payloads_do_no_harm(void **state)
{
    (void)state;
    static struct accident accident;
    struct gm_prng prng;
    gm_prng_init(&prng, 31);
    for (int round = 0; round < 400; round++) {
        accident_open(&accident, NULL);
        for (uint64_t hits = 1 + gm_prng_below(&prng, 4); hits > 0; hits--)
            accident.frame[64 + gm_prng_below(&prng, 16)] = (uint8_t)gm_prng_next(&prng);
        struct gm_network network = accident.world.nodes[0].fickle.inner;
        assert_int_equal(network.ops->send(network.self, 0, 1, accident.descriptor), 0);
        int rc, calls = 0;
        do
            rc = gm_receiver_next(accident.world.nodes[1].receiver, &accident.run);
        while (rc == 0 && ++calls < 1000);
        assert_true(rc == GM_EFRAME_CORRUPT || rc == GM_AGAIN);
        world_close(&accident.world);
    }
}

static void large_row_beyond_the_budget_fails_the_task(void **state)
{
    (void)state;
    static struct world world;
    struct shape shape = {.seed = 1, .executor_count = 1, .partition_count = 1, .quota_frames = 2,
                          .frame_bytes = 4096};
    world_open(&world, &shape);
    struct node *node = &world.nodes[0];
    node->heap.limit_bytes = node->heap.used_bytes + 100000;
    uint32_t size = 200000, partition = 0, taken = 0;
    uint8_t *row = calloc(1, size);
    int sent = GM_AGAIN, got = 0;
    struct gm_run run;
    while (got == 0 || got == GM_AGAIN) {
        if (sent == GM_AGAIN)
            sent = gm_sender_rows(node->sender, row, &size, &partition, 1, 0, &taken);
        got = gm_receiver_next(node->receiver, &run);
    }
    assert_int_equal(got, GM_ETASK_MEMORY);
    free(row);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_arrives_once_and_every_frame_comes_back),
        cmocka_unit_test(an_ordered_receiver_takes_sources_in_turn),
        cmocka_unit_test(many_short_rows_fill_staging_and_frames),
        cmocka_unit_test(empty_exchange_ends_with_one_frame_each),
        cmocka_unit_test(abandoned_ends_give_their_frames_back),
        cmocka_unit_test(header_that_was_written_over_is_refused),
        cmocka_unit_test(wild_descriptor_is_refused),
        cmocka_unit_test(frame_of_another_sender_or_time_is_refused),
        cmocka_unit_test(bad_runs_are_refused),
        cmocka_unit_test(random_payloads_do_no_harm),
        cmocka_unit_test(large_row_beyond_the_budget_fails_the_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
