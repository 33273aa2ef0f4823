/* cluster.c - executors and a driver as fibers, what they run, and what is checked at their end.
 *
 * The executors are the engine's own, with gm_executor_run as their loop.  The driver does what
 * agent/job.c does: it drains the output exchanges through the real writers.
 */
#include "tests/sim/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/executor.h"
#include "agent/output.h"
#include "engine/base/check.h"
#include "engine/flow/planner.h"
#include "shuffle/gateway.h"
#include "shuffle/link.h"
#include "tests/sim/branch.h"
#include "tests/sim/disk.h"
#include "tests/sim/network.h"
#include "tests/sim/spill.h"
#include "tests/sim/stream.h"

#define BRANCHES_MAX 3
#define RUNS_PER_LOOK 256
#define MEMORY_AMPLE (UINT64_C(256) << 20)
#define MEMORY_TIGHT (UINT64_C(3) << 20)
#define MEMORY_EAGER (UINT64_C(12) << 20)
#define MEMORY_WIDE (UINT64_C(5) << 20)

struct cluster;

struct member {
    struct cluster *cluster;
    uint16_t number;
    uint32_t node;
    struct gm_region view;
    struct sim_network network;
    bool ended_well;
};

struct cluster {
    struct sim_world world;
    struct sim_text text;
    struct sim_branch branches[BRANCHES_MAX];
    uint32_t branch_count;
    struct gleam_flow *flow;
    struct gm_plan plan;
    struct gm_region regions[SIM_NODES_MAX];
    uint16_t seats[SIM_NODES_MAX][SIM_PARTICIPANTS_MAX]; /* who sits there */
    uint32_t node_count;
    uint32_t node_first[SIM_NODES_MAX + 1]; /* executors: up to the next one's */
    uint32_t driver_node;
    struct sim_stream_spec stream;
    struct sim_wires lines;
    struct gm_executor_counts counts;

    uint32_t executor_count;
    bool wide; /* more keys than a combiner holds, and just enough memory for the result */
    uint64_t memory_bytes;
    uint64_t spin_ns;
    uint64_t late_ns; /* executors begin up to this late */
    struct sim_disk_spec disk;
    struct sim_network_spec network;
    uint64_t disk_failed_count;
    bool spills; /* executors have a disk for what memory cannot hold */
    uint64_t spill_at_bytes; /* 0: as in the product; else so early that it happens */
    struct sim_spill_spec spill;
    struct sim_spill_counts spilled;

    struct member members[SIM_PARTICIPANTS_MAX]; /* executors, the driver, gateways */
    struct gm_heap driver_heap;
    struct gm_error error; /* the first one */
};

/* ---- what to run ----------------------------------------------------------------------------- */

static const struct sim_text *files_now; /* gm_list_files_fn has no argument of its own */

static int list_files(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    (void)path;
    (void)error;
    list->files = realloc(list->files, (list->count + files_now->file_count) * sizeof *list->files);
    GM_CHECK(list->files != NULL);
    for (uint32_t i = 0; i < files_now->file_count; i++) {
        const struct sim_file *file = &files_now->files[i];
        struct gm_file *listed = &list->files[list->count++];
        *listed = (struct gm_file){0};
        listed->path = strdup(file->path);
        GM_CHECK(listed->path != NULL);
        listed->bytes = file->size_unknown ? UINT64_MAX : file->bytes;
    }
    return 0;
}

static uint64_t pick(struct gm_prng *prng, const uint64_t *choices, uint32_t count)
{
    return choices[gm_prng_below(prng, count)];
}

static void make_flow(struct cluster *cluster, struct gm_prng *prng)
{
    bool sizes_known = false;
    cluster->branch_count = 1;
    if (!cluster->wide && gm_prng_below(prng, 4) == 0)
        cluster->branch_count = 1 + (uint32_t)gm_prng_below(prng, BRANCHES_MAX);
    for (uint32_t i = 0; i < cluster->branch_count; i++) {
        if (cluster->wide)
            sim_branch_make_wide(&cluster->branches[i], prng);
        else
            sim_branch_make(&cluster->branches[i], prng);
        sizes_known = sizes_known || sim_branch_needs_order(&cluster->branches[i]);
    }
    const bool large = cluster->wide || gm_prng_below(prng, 12) == 0;
    /* Alone, an executor still gets several partitions, if there is text enough for them. */
    const bool huge = cluster->executor_count == 1 && gm_prng_below(prng, 2) == 0;
    const struct sim_text_spec text = {
        .size_scale = huge ? 4 : large ? 3 : 1 + (uint32_t)gm_prng_below(prng, 2),
        .distinct = cluster->wide,
        .may_be_unknown = !sizes_known};
    sim_text_make(&cluster->text, prng, &text);
    cluster->flow = gleam_flow_new("sim");
    for (uint32_t i = 0; i < cluster->branch_count; i++)
        sim_branch_build(&cluster->branches[i], cluster->flow, "all");
    files_now = &cluster->text;
    if (gm_planner_make(cluster->flow, cluster->executor_count, list_files, &cluster->plan) < 0)
        gm_error_set(&cluster->error, cluster->flow->error.code, "%s",
                     gleam_flow_error(cluster->flow));
}

static void make_machine(struct cluster *cluster, struct gm_prng *prng)
{
    static const uint64_t odds[] = {0, 0, 3, 20};
    static const uint64_t delays[] = {2000, 50000, 2000000};
    cluster->executor_count = 1 + (uint32_t)gm_prng_below(prng, SIM_EXECUTORS_MAX);
    if (cluster->executor_count == 1 && gm_prng_below(prng, 4) > 0)
        cluster->executor_count = 2;
    cluster->memory_bytes = MEMORY_AMPLE;
    if (gm_prng_below(prng, 4) == 0)
        cluster->memory_bytes = MEMORY_TIGHT + gm_prng_below(prng, UINT64_C(8) << 20);
    cluster->spin_ns = gm_prng_below(prng, 2) == 0 ? 0 : gm_prng_below(prng, 50000);
    cluster->late_ns = gm_prng_below(prng, 2) == 0 ? 0 : 1000000;
    cluster->wide = gm_prng_below(prng, 15) == 0;
    if (cluster->wide) {
        cluster->executor_count = 1 + (uint32_t)gm_prng_below(prng, 3);
        cluster->memory_bytes = MEMORY_WIDE + gm_prng_below(prng, UINT64_C(6) << 20);
    }
    const uint64_t error_odds = gm_prng_below(prng, 8) == 0 ? 1 + gm_prng_below(prng, 40) : 0;
    cluster->disk = (struct sim_disk_spec){
        .text = &cluster->text,
        .depth_max = 1 + (uint32_t)gm_prng_below(prng, 8),
        .delay_ns_max = gm_prng_below(prng, 3) == 0 ? 0 : pick(prng, delays, 3),
        .short_odds = pick(prng, odds, 4),
        .error_odds = error_odds,
        .open_error_odds = gm_prng_below(prng, 2) == 0 ? error_odds : 0,
    };
    cluster->network = (struct sim_network_spec){
        .refuse_odds = pick(prng, odds, 4),
        .hold_odds = pick(prng, odds, 4),
        .delay_ns_max = pick(prng, delays, 3),
    };
}

/* How the executors are spread over nodes: mostly over one. */
static void make_nodes(struct cluster *cluster, struct gm_prng *prng)
{
    static const uint64_t odds[] = {0, 0, 2, 20};
    static const uint64_t delays[] = {0, 2000, 50000, 2000000};
    const uint32_t most = cluster->executor_count < SIM_NODES_MAX - 1 ? cluster->executor_count
                                                                      : SIM_NODES_MAX - 1;
    const bool many = gm_prng_below(prng, 2) == 0;
    const uint32_t count = many ? 1 + (uint32_t)gm_prng_below(prng, most) : 1;
    /* Each node has one at least; the others come where they come. */
    uint32_t sizes[SIM_NODES_MAX] = {0};
    for (uint32_t i = 0; i < cluster->executor_count; i++)
        sizes[i < count ? i : gm_prng_below(prng, count)]++;
    for (uint32_t n = 0; n < SIM_NODES_MAX; n++)
        cluster->node_first[n + 1] = cluster->node_first[n] + sizes[n];
    cluster->node_count = count;
    cluster->driver_node = (uint32_t)gm_prng_below(prng, count);
    if (many && gm_prng_below(prng, 2) == 0)
        cluster->driver_node = cluster->node_count++;
    /* Few runs crawl byte by byte: they take all the time. */
    const bool crawls = gm_prng_below(prng, 16) == 0;
    cluster->stream = (struct sim_stream_spec){
        .delay_ns_max = pick(prng, delays, 4),
        .line_bytes = UINT32_C(1) << (crawls ? 6 : 10 + gm_prng_below(prng, 9)),
        .portion_bytes_max = UINT32_C(1) << (crawls ? 4 : 9 + gm_prng_below(prng, 10)),
        .hold_odds = pick(prng, odds, 4),
        .break_odds = gm_prng_below(prng, 6) == 0 ? 1 + gm_prng_below(prng, 300) : 0,
    };
}

static void make_spill(struct cluster *cluster, struct gm_prng *prng)
{
    static const uint64_t odds[] = {0, 0, 3, 20};
    static const uint64_t delays[] = {2000, 50000, 2000000};
    const uint64_t harm = gm_prng_below(prng, 6);
    cluster->spills = gm_prng_below(prng, 4) > 0;
    if (cluster->spills && gm_prng_below(prng, 2) == 0) {
        cluster->spill_at_bytes = (UINT64_C(1) << 10) << gm_prng_below(prng, 12);
        cluster->memory_bytes = MEMORY_EAGER;
    }
    cluster->spill = (struct sim_spill_spec){
        .delay_ns_max = gm_prng_below(prng, 3) == 0 ? 0 : pick(prng, delays, 3),
        .short_odds = pick(prng, odds, 4),
        .interrupt_odds = pick(prng, odds, 4),
        .error_odds = harm == 0 ? 1 + gm_prng_below(prng, 60) : 0,
        .damage_odds = harm == 1 ? 1 + gm_prng_below(prng, 60) : 0,
        .directory_bytes = harm == 2 ? gm_prng_below(prng, UINT64_C(4) << 20) : 0,
        .no_reserve = gm_prng_below(prng, 2),
    };
}

static void make_region(struct cluster *cluster, struct gm_prng *prng)
{
    struct gm_region_spec spec = {
        .executor_count = cluster->executor_count,
        .exchange_count = cluster->plan.exchange_count,
        .claim_count = GM_CLAIMS_PER_CHAIN * cluster->plan.chain_count,
        .frame_bytes = GM_FRAME_BYTES_MIN << gm_prng_below(prng, 5),
        .attempt = (uint32_t)gm_prng_next(prng),
        .secret = gm_prng_next(prng),
    };
    const bool tiny = gm_prng_below(prng, 2) == 0;
    for (uint32_t i = 0; i < spec.exchange_count; i++) {
        const bool to_driver = cluster->plan.exchanges[i].kind == GM_EXCHANGE_OUTPUT;
        const uint32_t extra = to_driver ? 1 : cluster->executor_count;
        const uint32_t quota = 2 + (uint32_t)gm_prng_below(prng, tiny ? 2 : 6 + extra);
        uint32_t slots = 2;
        while (slots < quota)
            slots *= 2;
        spec.exchanges[i] = (struct gm_exchange_shape){
            .to_driver = to_driver,
            .quota_frames = quota,
            .ring_slots = slots << gm_prng_below(prng, 2)};
        spec.exchanges[i].credit_frames =
            2 + (uint32_t)gm_prng_below(prng, spec.exchanges[i].ring_slots - 1);
    }
    for (uint32_t n = 0; n < cluster->node_count; n++) {
        spec.first_local = cluster->node_first[n];
        spec.local_count = cluster->node_first[n + 1] - cluster->node_first[n];
        spec.driver_is_local = n == cluster->driver_node;
        GM_CHECK(gm_region_create_private(&spec, &cluster->regions[n], &cluster->error) == 0);
    }
}

/* ---- the executors --------------------------------------------------------------------------- */

static int disk_open(void *self, struct gm_heap *heap, struct gm_disk *ret_disk)
{
    struct member *member = self;
    struct cluster *cluster = member->cluster;
    return sim_disk_open(&cluster->world.participants[member->number], &cluster->disk,
                         &cluster->disk_failed_count, heap, ret_disk);
}

static void disk_close(void *self, struct gm_disk *disk)
{
    (void)self;
    sim_disk_close(disk);
}

static int spill_open(void *self, struct gm_heap *heap, uint32_t depth,
                      struct gm_spill_disk *ret_disk)
{
    struct member *member = self;
    struct cluster *cluster = member->cluster;
    return sim_spill_open(&cluster->world.participants[member->number], &cluster->spill,
                          &cluster->spilled, heap, depth, ret_disk);
}

static void spill_close(void *self, struct gm_spill_disk *disk)
{
    (void)self;
    sim_spill_close(disk);
}

static void network_wrap(void *self, uint16_t participant, struct gm_network *network)
{
    struct member *member = self;
    struct cluster *cluster = member->cluster;
    sim_network_wrap(&member->network, &cluster->world.participants[participant],
                     &cluster->network, network);
}

static void fail(struct cluster *cluster, int code, const char *text)
{
    gm_error_set(&cluster->error, code, "%s", text);
    sim_world_stop(&cluster->world);
}

/* Executors are not there all at once: the others may have sent them frames before. */
static void come_late(struct member *member)
{
    struct sim_world *world = &member->cluster->world;
    if (member->cluster->late_ns == 0)
        return;
    const uint64_t begin_ns = world->now_ns + gm_prng_below(&world->prng, member->cluster->late_ns);
    while (world->now_ns < begin_ns && !world->stopping)
        sim_world_tick(world, "early", 0, 0);
}

static void execute(void *argument)
{
    struct member *member = argument;
    struct cluster *cluster = member->cluster;
    struct gm_executor *executor = NULL;
    struct gm_error error = {0};
    static const char *const directories[] = {"one", "two"};
    const struct gm_executor_spec spec = {
        .region = &member->view,
        .plan = &cluster->plan,
        .participant = member->number,
        .memory_bytes = cluster->memory_bytes,
        .spin_ns = cluster->spin_ns,
        .spill_directories = directories,
        .spill_directory_count = 2,
        .spill_at_bytes = cluster->spill_at_bytes,
        .cancel = &cluster->world.stopping,
        .ports = {.clock = sim_world_clock(&cluster->world),
                  .bell = sim_world_bell(&cluster->world.participants[member->number]),
                  .self = member,
                  .disk_open = disk_open,
                  .disk_close = disk_close,
                  .spill_open = cluster->spills ? spill_open : NULL,
                  .spill_close = spill_close,
                  .network_wrap = network_wrap},
    };
    come_late(member);
    int rc = gm_executor_create(&spec, &executor, &error);
    if (rc < 0) {
        fail(cluster, rc, error.text);
        return;
    }
    rc = gm_executor_run(executor);
    if (rc < 0)
        fail(cluster, rc, gm_executor_error(executor)->text);
    member->ended_well = rc == 0;
    gm_executor_counts_add(executor, &cluster->counts);
    gm_executor_destroy(executor);
}

/* ---- the gateways ---------------------------------------------------------------------------- */

static uint32_t peers_of(const struct cluster *cluster, uint32_t node,
                         struct gm_gateway_peer *ret_peers)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < cluster->node_count; n++) {
        if (n == node)
            continue;
        struct gm_gateway_peer *peer = &ret_peers[count++];
        *peer = (struct gm_gateway_peer){
            .node = (uint16_t)n,
            .first = (uint16_t)cluster->node_first[n],
            .count = (uint16_t)(cluster->node_first[n + 1] - cluster->node_first[n]),
            .has_driver = n == cluster->driver_node};
        snprintf(peer->name, sizeof peer->name, "node-%u", n);
    }
    return count;
}

static void carry(void *argument)
{
    struct member *member = argument;
    struct cluster *cluster = member->cluster;
    struct sim_participant *participant = &cluster->world.participants[member->number];
    const struct gm_clock clock = sim_world_clock(&cluster->world);
    struct gm_gateway_peer peers[SIM_NODES_MAX];
    struct gm_gateway_spec spec = {.region = &member->view,
                                   .bell = sim_world_bell(participant),
                                   .node = (uint16_t)member->node,
                                   .peers = peers,
                                   .peer_count = peers_of(cluster, member->node, peers)};
    struct gm_heap heap;
    struct gm_gateway *gateway;
    struct gm_error error = {0};
    come_late(member);
    GM_CHECK(gm_heap_init(&heap, MEMORY_AMPLE) == 0);
    GM_CHECK(sim_streams_open(participant, &cluster->lines, member->node, cluster->node_count,
                              &heap, &spec.streams) == 0);
    int rc = gm_gateway_create(&spec, &heap, &gateway, &error);
    GM_CHECK(rc == 0);
    rc = gm_gateway_run(gateway, &clock, cluster->spin_ns, &cluster->world.stopping);
    if (rc < 0)
        fail(cluster, rc, gm_gateway_error(gateway)->text);
    member->ended_well = rc == 0;
    sim_streams_close(&spec.streams);
    gm_gateway_destroy(gateway);
    GM_CHECK(heap.used_bytes == 0);
    gm_heap_fini(&heap);
}

/* ---- the driver ------------------------------------------------------------------------------ */

struct driver {
    struct cluster *cluster;
    struct gm_bell bell;
    struct gm_link *link;
    struct gm_network network;
    struct {
        struct gm_output_writer *writer;
        struct gm_receiver *receiver;
        bool ended;
    } drains[BRANCHES_MAX];
    struct gm_error error;
};

static int open_driver(struct driver *driver, struct member *member)
{
    struct cluster *cluster = member->cluster;
    int rc = gm_link_create(&member->view, member->number, &driver->bell, &cluster->driver_heap,
                            &driver->link);
    if (rc < 0)
        return rc;
    driver->network = gm_link_network(driver->link);
    network_wrap(member, member->number, &driver->network);
    for (uint32_t i = 0; i < cluster->plan.exchange_count; i++) {
        const struct gm_exchange_plan *exchange = &cluster->plan.exchanges[i];
        if (exchange->kind != GM_EXCHANGE_OUTPUT)
            continue;
        rc = gm_output_writer_create(&cluster->flow->outputs[exchange->output], &exchange->schema,
                                     &cluster->driver_heap, &driver->error,
                                     &driver->drains[exchange->output].writer);
        if (rc == 0)
            rc = gm_receiver_create(&member->view, (uint16_t)i, member->number,
                                    exchange->partition_count, &driver->network,
                                    &cluster->driver_heap,
                                    &driver->drains[exchange->output].receiver);
        if (rc < 0)
            return rc;
        if (exchange->ordered)
            gm_receiver_set_ordered(driver->drains[exchange->output].receiver);
    }
    return 0;
}

/* As in agent/job.c: 0 when it took something, GM_AGAIN, GM_END or < 0. */
static int drain_one(struct driver *driver, uint32_t index)
{
    for (uint32_t i = 0; i < RUNS_PER_LOOK; i++) {
        struct gm_run run;
        int rc = gm_receiver_next(driver->drains[index].receiver, &run);
        if (rc < 0)
            return gm_error_set(&driver->error, rc, "the driver refused: %s",
                                gm_receiver_why(driver->drains[index].receiver));
        if (rc != 0)
            return rc == GM_AGAIN && i > 0 ? 0 : rc;
        driver->cluster->branches[index].origin = run.origin;
        rc = gm_output_writer_rows(driver->drains[index].writer, &run, &driver->error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Returns 0 when it took something, GM_AGAIN, GM_END when all have ended, or < 0. */
static int drain_once(struct driver *driver)
{
    bool progressed = false, all_ended = true;
    for (uint32_t i = 0; i < driver->cluster->branch_count; i++) {
        if (driver->drains[i].ended)
            continue;
        const int rc = drain_one(driver, i);
        if (rc < 0)
            return rc;
        progressed = progressed || rc != GM_AGAIN;
        driver->drains[i].ended = rc == GM_END;
        all_ended = all_ended && driver->drains[i].ended;
    }
    return all_ended ? GM_END : progressed ? 0 : GM_AGAIN;
}

/* Returns 0 when all outputs have ended, or < 0; also ends when the world stops. */
static int drain_all(struct driver *driver)
{
    struct cluster *cluster = driver->cluster;
    for (;;) {
        int rc = drain_once(driver);
        if (rc < 0 || rc == GM_END)
            return rc == GM_END ? 0 : rc;
        if (cluster->world.stopping)
            return GM_EJOB_CANCELLED;
        sim_world_tick(&cluster->world, "drained", rc == 0, 0);
        if (rc == 0)
            continue;
        gm_link_announce(driver->link);
        rc = drain_once(driver);
        if (rc == GM_AGAIN)
            driver->bell.ops->wait(driver->bell.self, NULL, 0, UINT64_MAX);
        gm_link_awake(driver->link);
        if (rc < 0 || rc == GM_END)
            return rc == GM_END ? 0 : rc;
    }
}

static void drive(void *argument)
{
    struct member *member = argument;
    struct cluster *cluster = member->cluster;
    struct driver driver = {
        .cluster = cluster,
        .bell = sim_world_bell(&cluster->world.participants[member->number]),
    };
    GM_CHECK(gm_heap_init(&cluster->driver_heap, MEMORY_AMPLE) == 0);
    int rc = open_driver(&driver, member);
    if (rc == 0)
        rc = drain_all(&driver);
    if (rc < 0)
        fail(cluster, rc, driver.error.text);
    member->ended_well = rc == 0;
    for (uint32_t i = 0; i < cluster->branch_count; i++) {
        gm_receiver_destroy(driver.drains[i].receiver);
        gm_output_writer_destroy(driver.drains[i].writer);
    }
    gm_link_destroy(driver.link);
    GM_CHECK(cluster->driver_heap.used_bytes == 0);
    gm_heap_fini(&cluster->driver_heap);
}

/* ---- what is checked ------------------------------------------------------------------------- */

/* True when nothing lies in any ring. */
static bool rings_are_empty(const struct gm_region *region)
{
    for (uint32_t e = 0; e < region->spec.exchange_count; e++)
        for (uint32_t s = 0; s < region->spec.executor_count; s++)
            for (uint32_t d = 0; d <= region->spec.executor_count; d++) {
                struct gm_ring_consumer consumer;
                void *ring = gm_region_ring(region, e, s, d);
                if (ring == NULL)
                    continue;
                if (gm_ring_join_consumer(ring, region->spec.exchanges[e].ring_slots,
                                          &consumer) != 0 ||
                    gm_ring_ready(&consumer) != 0)
                    return false;
            }
    return true;
}

/* Every frame came back.  Returns NULL or what is missing. */
static const char *check_region(const struct gm_region *region)
{
    for (uint32_t e = 0; e < region->spec.exchange_count; e++)
        for (uint32_t s = 0; s < region->spec.executor_count; s++)
            if (gm_pool_out(region->pool, gm_region_account(region, e, s)) != 0)
                return "an account has frames out";
    if (gm_pool_free_count(region->pool) != gm_pool_frame_count(region->pool))
        return "frames are missing from the pool";
    return rings_are_empty(region) ? NULL : "a frame lies in a ring";
}

/* Every frame came back and every byte.  Returns NULL or what is missing. */
static const char *check_nothing_left(const struct cluster *cluster)
{
    for (uint32_t n = 0; n < cluster->node_count; n++) {
        const char *why = check_region(&cluster->regions[n]);
        if (why != NULL)
            return why;
    }
    for (uint32_t i = 0; i < cluster->executor_count; i++) {
        const struct gm_ledger_entry *ledger =
            gm_region_ledger(&cluster->regions[cluster->members[i].node], i);
        if (atomic_load_explicit(&ledger->heap_bytes, memory_order_relaxed) != 0)
            return "an executor's heap is not empty";
        if (atomic_load_explicit(&ledger->sleeping, memory_order_relaxed) != 0)
            return "an executor that has ended looks asleep";
    }
    for (uint32_t i = 0; i < cluster->world.participant_count; i++) {
        if (sim_network_holds(&cluster->members[i].network) > 0)
            return "a frame is still on its way";
        if (!cluster->members[i].ended_well)
            return "not everybody reached the end";
    }
    return NULL;
}

static const char *check_answers(struct cluster *cluster)
{
    static char text[800];
    for (uint32_t i = 0; i < cluster->plan.exchange_count; i++) {
        const struct gm_exchange_plan *exchange = &cluster->plan.exchanges[i];
        if (exchange->kind != GM_EXCHANGE_OUTPUT)
            continue;
        const struct sim_table *got = &cluster->branches[exchange->output].got;
        if (cluster->counts.exchanges[i].rows_count != got->count)
            return "the counters of an output do not agree with its rows";
    }
    for (uint32_t i = 0; i < cluster->branch_count; i++) {
        struct sim_branch *branch = &cluster->branches[i];
        const char *why = sim_branch_check(branch, &cluster->text);
        if (why != NULL) {
            snprintf(text, sizeof text, "%s: %s", sim_branch_name(branch), why);
            return text;
        }
    }
    return NULL;
}

static void judge(struct cluster *cluster, struct sim_run_report *report)
{
    const int code = cluster->error.code;
    const bool memory_tight = cluster->memory_bytes < MEMORY_AMPLE;
    const char *why = cluster->world.failure;
    if (why == NULL && code != 0 && cluster->error.text[0] == '\0')
        why = "it failed without a word";
    if (why == NULL && code != 0) {
        report->failed_as_expected =
            (code == GM_EJOB_INPUT && cluster->disk_failed_count > 0) ||
            (code == GM_ETASK_MEMORY && memory_tight) ||
            (code == GM_EPEER_LOST && cluster->lines.broken_count > 0) ||
            (code == GM_ETASK_SPILL && cluster->spilled.failed_count > 0);
        report->right = report->failed_as_expected;
        snprintf(report->verdict, sizeof report->verdict, "%.1000s", cluster->error.text);
        return;
    }
    if (why == NULL && cluster->disk_failed_count > 0)
        why = "a read failed, and the job succeeded";
    if (why == NULL && cluster->spilled.written_bytes > 0 && !memory_tight)
        why = "rows went to disk although memory was ample";
    if (why == NULL && cluster->counts.spilled_bytes > cluster->spilled.written_bytes)
        why = "the counters say that more was spilled than the disks got";
    if (why == NULL)
        why = check_nothing_left(cluster);
    if (why == NULL)
        why = check_answers(cluster);
    report->right = why == NULL;
    snprintf(report->verdict, sizeof report->verdict, "%s", why != NULL ? why : "right");
}

static void describe(const struct cluster *cluster, struct sim_run_report *report)
{
    int used = snprintf(report->what, sizeof report->what,
                        "%u executors on %u nodes, frames of %u KiB, quotas from %u, %u files "
                        "with %" PRIu64 " KiB, %" PRIu64 " MiB of memory:",
                        cluster->executor_count, cluster->node_count,
                        cluster->regions[0].spec.frame_bytes >> 10,
                        cluster->regions[0].spec.exchanges[0].quota_frames,
                        cluster->text.file_count, cluster->text.bytes >> 10,
                        cluster->memory_bytes >> 20);
    for (uint32_t i = 0; i < cluster->branch_count; i++)
        used += snprintf(report->what + used, sizeof report->what - (size_t)used, "%s %s (%u, %u)",
                         i > 0 ? ";" : "", sim_branch_name(&cluster->branches[i]),
                         cluster->branches[i].source_partitions, cluster->branches[i].partitions);
}

/* Gateways come behind the driver, by node; with one node there is none. */
static uint32_t participants_of(const struct cluster *cluster)
{
    return cluster->executor_count + 1 + (cluster->node_count > 1 ? cluster->node_count : 0);
}

static uint32_t node_of(const struct cluster *cluster, uint32_t participant)
{
    if (participant > cluster->executor_count)
        return participant - cluster->executor_count - 1;
    if (participant == cluster->executor_count)
        return cluster->driver_node;
    uint32_t node = 0;
    while (participant >= cluster->node_first[node + 1])
        node++;
    return node;
}

static void place_member(struct cluster *cluster, uint32_t number)
{
    struct member *member = &cluster->members[number];
    struct sim_participant *participant = &cluster->world.participants[number];
    const uint32_t node = node_of(cluster, number);
    const struct gm_region *region = &cluster->regions[node];
    *member = (struct member){.cluster = cluster, .number = (uint16_t)number, .node = node};
    gm_region_share(region, &member->view);
    participant->region = region;
    participant->role = (uint16_t)(number > cluster->executor_count
                                       ? gm_region_gateway(&region->spec)
                                       : number);
    participant->seats = cluster->seats[node];
    cluster->seats[node][gm_region_seat(&region->spec, participant->role)] = (uint16_t)number;
}

static void run_members(struct cluster *cluster)
{
    const uint32_t count = participants_of(cluster);
    cluster->world.regions = cluster->regions;
    cluster->world.region_count = cluster->node_count;
    cluster->world.disk_readable = sim_disk_readable;
    for (uint32_t i = 0; i < count; i++)
        place_member(cluster, i);
    for (uint32_t i = 0; i < count; i++)
        sim_world_start(&cluster->world, (uint16_t)i,
                        i < cluster->executor_count    ? execute
                        : i == cluster->executor_count ? drive
                                                       : carry,
                        &cluster->members[i]);
    sim_world_run(&cluster->world);
    for (uint32_t i = 0; i < count; i++)
        gm_region_leave(&cluster->members[i].view);
}

void sim_run(const struct sim_run_options *options, struct sim_run_report *ret_report)
{
    struct gm_prng prng;
    struct cluster *cluster = calloc(1, sizeof *cluster);
    GM_CHECK(cluster != NULL);
    *ret_report = (struct sim_run_report){0};
    gm_prng_init(&prng, options->seed);
    make_machine(cluster, &prng);
    make_flow(cluster, &prng);
    make_spill(cluster, &prng);
    make_nodes(cluster, &prng);
    sim_world_init(&cluster->world, gm_prng_next(&prng), participants_of(cluster));
    cluster->world.sabotage = options->sabotage;
    cluster->world.print_trace = options->print_trace;
    if (cluster->error.code == 0) {
        make_region(cluster, &prng);
        sim_wires_init(&cluster->lines, &cluster->stream);
        GM_CHECK(gm_executor_counts_init(&cluster->counts, &cluster->plan) == 0);
        describe(cluster, ret_report);
        run_members(cluster);
    }
    judge(cluster, ret_report);
    ret_report->trace = cluster->world.trace;
    ret_report->ticks_count = cluster->world.ticks_count;
    ret_report->sabotaged_count = cluster->world.sabotaged_count;
    ret_report->spilled_bytes = cluster->spilled.written_bytes;
    for (uint32_t i = 0; i < cluster->branch_count; i++) {
        ret_report->trace ^= sim_table_hash(&cluster->branches[i].got);
        sim_branch_free(&cluster->branches[i]);
    }
    sim_world_fini(&cluster->world);
    gm_executor_counts_fini(&cluster->counts);
    sim_wires_fini(&cluster->lines);
    for (uint32_t n = 0; n < cluster->node_count; n++)
        if (cluster->regions[n].base != NULL)
            gm_region_leave(&cluster->regions[n]);
    gm_plan_fini(&cluster->plan);
    gleam_flow_free(cluster->flow);
    sim_text_free(&cluster->text);
    free(cluster);
}
