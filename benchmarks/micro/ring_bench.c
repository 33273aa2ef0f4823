#include "benchmarks/micro/ring_bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "engine/base/error.h"
#include "engine/row/frame.h"
#include "shuffle/link.h"
#include "shuffle/port/clock.h"
#ifdef GM_HAVE_DPDK
#include "dpdk/ring_peer.h"
#endif

#define ROUNDS_MAX 64
#define SLOT_COUNT 1024
#define FRAME_BYTES (64u << 10)
#define FRAME_QUOTA 16
#define SHARED_BYTES (64u << 10)

/* ---- two sides, as threads or as processes -------------------------------------------------- */

struct pair; /* one run of a producer against a consumer */

struct pair_ops {
    void (*produce)(struct pair *pair); /* in the other thread or process */
    uint64_t (*consume)(struct pair *pair);
};

struct pair {
    const struct pair_ops *ops;
    bool processes;
    int cpus[2];
    _Atomic uint32_t *ready; /* shared: counts the sides that are at the start */
    void *memory;            /* a ring */
    struct gm_region *region;
    uint64_t total;
    uint64_t warm; /* frames before the clock starts */
    uint32_t bulk;
    uint64_t sum;
    uint64_t start_ns;
};

static uint64_t now_ns(void)
{
    struct gm_clock clock = gm_clock_system();
    return gm_clock_now_ns(&clock);
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set); /* a wish: a refused one costs only steadiness */
}

static void pair_meet(struct pair *pair)
{
    uint32_t idle_count = 0;
    atomic_fetch_add(pair->ready, 1);
    while (atomic_load(pair->ready) < 2)
        gm_ring_bench_idle(&idle_count);
}

static void *pair_produce(void *argument)
{
    struct pair *pair = argument;
    pin(pair->cpus[0]);
    pair->ops->produce(pair);
    return NULL;
}

/* Returns nanoseconds from the start to the last value consumed, or 0 on failure. */
static uint64_t pair_run(struct pair *pair)
{
    cpu_set_t saved;
    sched_getaffinity(0, sizeof(saved), &saved);
    atomic_store(pair->ready, 0);
    pthread_t thread = 0;
    pid_t child = -1;
    if (pair->processes) {
        child = fork(); /* this process has one thread here, so the child may do anything */
        if (child < 0)
            return 0;
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            pair_produce(pair);
            _exit(0);
        }
    } else if (pthread_create(&thread, NULL, pair_produce, pair) != 0) {
        return 0;
    }
    pin(pair->cpus[1]);
    pair->sum = pair->ops->consume(pair);
    uint64_t elapsed_ns = now_ns() - pair->start_ns;
    if (pair->processes)
        waitpid(child, NULL, 0);
    else
        pthread_join(thread, NULL);
    sched_setaffinity(0, sizeof(saved), &saved);
    return elapsed_ns > 0 ? elapsed_ns : 1;
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static void ring_produce(struct pair *pair)
{
    struct gm_ring_producer producer;
    uint64_t values[32];
    uint32_t idle_count = 0, bulk = pair->bulk;
    if (gm_ring_join_producer(pair->memory, SLOT_COUNT, &producer) != 0)
        abort();
    pair_meet(pair);
    for (uint64_t sent = 0; sent < pair->total; sent += bulk) {
        for (uint32_t i = 0; i < bulk; i++)
            values[i] = sent + i;
        uint32_t done = 0;
        while (done < bulk) {
            uint32_t now = gm_ring_push(&producer, values + done, bulk - done);
            done += now;
            if (now == 0)
                gm_ring_bench_idle(&idle_count);
        }
    }
}

static uint64_t ring_consume(struct pair *pair)
{
    struct gm_ring_consumer consumer;
    uint64_t values[32], sum = 0;
    uint32_t idle_count = 0, bulk = pair->bulk;
    if (gm_ring_join_consumer(pair->memory, SLOT_COUNT, &consumer) != 0)
        abort();
    pair_meet(pair);
    pair->start_ns = now_ns();
    for (uint64_t got = 0; got < pair->total;) {
        uint32_t now = gm_ring_pop(&consumer, values, bulk);
        for (uint32_t i = 0; i < now; i++)
            sum = sum * 3 + values[i];
        got += now;
        if (now == 0)
            gm_ring_bench_idle(&idle_count);
    }
    return sum;
}

static const struct pair_ops ring_ops = {ring_produce, ring_consume};

#ifdef GM_HAVE_DPDK
static void peer_produce(struct pair *pair)
{
    pair_meet(pair);
    gm_ring_peer_produce(pair->memory, pair->total, pair->bulk, gm_ring_bench_idle);
}

static uint64_t peer_consume(struct pair *pair)
{
    pair_meet(pair);
    pair->start_ns = now_ns();
    return gm_ring_peer_consume(pair->memory, pair->total, pair->bulk, gm_ring_bench_idle);
}

static const struct pair_ops peer_ops = {peer_produce, peer_consume};
#endif

/* ---- frames --------------------------------------------------------------------------------- */

static void bell_ring(void *self, uint16_t participant)
{
    (void)self, (void)participant; /* nobody sleeps in a benchmark of throughput */
}

static const struct gm_bell_ops bell_ops = {.name = "none", .ring = bell_ring};
static const struct gm_bell bell = {&bell_ops, NULL};

static struct gm_link *frame_link(const struct gm_region *region, uint16_t participant,
                                  struct gm_heap *heap)
{
    struct gm_link *link;
    if (gm_heap_init(heap, UINT64_MAX) != 0 ||
        gm_link_create(region, participant, &bell, heap, &link) != 0)
        abort();
    return link;
}

static void frame_produce(struct pair *pair)
{
    struct gm_region region;
    struct gm_heap heap;
    if (!pair->processes)
        gm_region_share(pair->region, &region);
    else if (gm_region_join(pair->region->fd, &region, NULL) != 0)
        abort();
    struct gm_link *link = frame_link(&region, 0, &heap);
    struct gm_network network = gm_link_network(link);
    uint32_t account = gm_region_account(&region, 0, 0), idle_count = 0;
    for (uint64_t sent = 0; sent < pair->warm + pair->total; sent++) {
        if (sent == pair->warm)
            pair_meet(pair);
        uint32_t index;
        while (gm_pool_take(region.pool, account, &index) != 0)
            gm_ring_bench_idle(&idle_count);
        uint8_t *frame = gm_region_frame(&region, index);
        struct gm_frame_header header = {.magic = GM_FRAME_MAGIC,
                                         .destination = 1,
                                         .sequence = sent,
                                         .payload_bytes = FRAME_BYTES - sizeof(header),
                                         .row_count = 1,
                                         .run_count = 1};
        header.seal = gm_frame_seal(&header, region.spec.secret);
        memcpy(frame, &header, sizeof(header));
        uint64_t *words = (uint64_t *)(frame + sizeof(header));
        for (uint32_t i = 0; i < header.payload_bytes / 8; i++)
            words[i] = sent + i;
        struct gm_descriptor descriptor = {index, FRAME_BYTES};
        while (network.ops->send(network.self, 0, 1, descriptor) != 0)
            gm_ring_bench_idle(&idle_count);
    }
    gm_link_destroy(link);
    gm_heap_fini(&heap);
    gm_region_leave(&region);
}

static uint64_t frame_consume(struct pair *pair)
{
    const struct gm_region *region = pair->region;
    struct gm_heap heap;
    struct gm_link *link = frame_link(region, 1, &heap);
    struct gm_network network = gm_link_network(link);
    uint32_t account = gm_region_account(region, 0, 0), idle_count = 0;
    uint64_t sum = 0;
    for (uint64_t got = 0; got < pair->warm + pair->total; got++) {
        if (got == pair->warm) {
            pair_meet(pair);
            pair->start_ns = now_ns();
        }
        struct gm_descriptor descriptor;
        while (network.ops->receive(network.self, 0, 0, &descriptor) != 0)
            gm_ring_bench_idle(&idle_count);
        const uint8_t *frame = gm_region_frame(region, descriptor.frame_index);
        struct gm_frame_header header;
        memcpy(&header, frame, sizeof(header));
        struct gm_frame_expect expect = {.destination = 1,
                                         .sequence = got,
                                         .secret = region->spec.secret,
                                         .frame_bytes = descriptor.frame_bytes};
        const char *why;
        if (gm_frame_check(&header, &expect, &why) != 0)
            abort();
        const uint64_t *words = (const uint64_t *)(frame + sizeof(header));
        for (uint32_t i = 0; i < header.payload_bytes / 8; i++)
            sum += words[i];
        gm_pool_give(region->pool, account, descriptor.frame_index);
    }
    gm_link_destroy(link);
    gm_heap_fini(&heap);
    return sum;
}

static const struct pair_ops frame_ops = {frame_produce, frame_consume};

/* ---- rounds and figures --------------------------------------------------------------------- */

struct figures {
    double rates[ROUNDS_MAX];
    uint32_t count;
    double median, least, most;
};

static int compare_rates(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void figures_finish(struct figures *figures)
{
    if (figures->count == 0)
        return;
    qsort(figures->rates, figures->count, sizeof(double), compare_rates);
    figures->median = figures->rates[figures->count / 2];
    figures->least = figures->rates[0];
    figures->most = figures->rates[figures->count - 1];
}

struct report {
    const char *name; /* of the case */
    const char *ours, *theirs;
    const char *unit;
    struct figures figures[2]; /* ours, theirs */
    struct figures ratios;     /* round by round */
};

static void report_add(struct report *report, const double *rates)
{
    for (int i = 0; i < 2; i++)
        if (rates[i] > 0)
            report->figures[i].rates[report->figures[i].count++] = rates[i];
    if (rates[0] > 0 && rates[1] > 0)
        report->ratios.rates[report->ratios.count++] = rates[0] / rates[1];
}

static void report_write(struct report *report, bool json, FILE *out)
{
    struct figures *ours = &report->figures[0], *theirs = &report->figures[1];
    struct figures *ratio = &report->ratios;
    figures_finish(ours);
    figures_finish(theirs);
    figures_finish(ratio);
    if (json) {
        fprintf(out, "{\"bench\":\"ring\",\"case\":\"%s\",\"unit\":\"%s\",\"rounds\":%u,"
                "\"%s\":{\"median\":%.3f,\"min\":%.3f,\"max\":%.3f}", report->name, report->unit,
                ours->count, report->ours, ours->median, ours->least, ours->most);
        if (theirs->count > 0)
            fprintf(out, ",\"%s\":{\"median\":%.3f,\"min\":%.3f,\"max\":%.3f},"
                    "\"ratio\":{\"median\":%.3f,\"min\":%.3f,\"max\":%.3f}", report->theirs,
                    theirs->median, theirs->least, theirs->most, ratio->median, ratio->least,
                    ratio->most);
        fprintf(out, "}\n");
        return;
    }
    fprintf(out, "%-32s %-9s %7.1f (%.1f to %.1f) %s", report->name, report->ours, ours->median,
            ours->least, ours->most, report->unit);
    if (theirs->count > 0)
        fprintf(out, "   %-8s %7.1f (%.1f to %.1f)   ratio %.2f (%.2f to %.2f)", report->theirs,
                theirs->median, theirs->least, theirs->most, ratio->median, ratio->least,
                ratio->most);
    fprintf(out, "\n");
}

/* The first two processors that this process may run on; twice the same where there is one. */
static void choose_cpus(int *cpus)
{
    cpu_set_t set;
    int found = 0;
    cpus[0] = cpus[1] = 0;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return;
    for (int i = 0; i < CPU_SETSIZE && found < 2; i++)
        if (CPU_ISSET(i, &set))
            cpus[found++] = i;
    if (found == 1)
        cpus[1] = cpus[0];
}

struct bench {
    struct gm_ring_bench_options options;
    FILE *out;
    uint32_t round_count;
    int cpus[2];
    uint8_t *shared; /* a line of counters, then room for a ring */
};

/* One round of descriptors in M/s; 0 when they arrived wrong. */
static double descriptors_round(struct bench *bench, const struct pair_ops *ops, uint32_t bulk,
                                bool processes)
{
    struct pair pair = {
        .ops = ops,
        .processes = processes,
        .cpus = {bench->cpus[0], bench->cpus[1]},
        .ready = (_Atomic uint32_t *)bench->shared,
        .memory = bench->shared + GM_LINE_BYTES,
        .bulk = bulk,
        .total = bench->options.real ? UINT64_C(64) << 20 : UINT64_C(1) << 20,
    };
    if (bulk == 1)
        pair.total /= 4; /* for about the same time */
    memset(pair.memory, 0, SHARED_BYTES - GM_LINE_BYTES);
    if (ops == &ring_ops)
        gm_ring_new(pair.memory, SLOT_COUNT);
#ifdef GM_HAVE_DPDK
    else if (gm_ring_peer_new(pair.memory, SLOT_COUNT) != 0)
        return 0;
#endif
    uint64_t expected = 0;
    for (uint64_t i = 0; i < pair.total; i++)
        expected = expected * 3 + i;
    uint64_t elapsed_ns = pair_run(&pair);
    if (elapsed_ns == 0 || pair.sum != expected)
        return 0;
    return (double)pair.total * 1e3 / (double)elapsed_ns;
}

static int descriptors_case(struct bench *bench, uint32_t bulk, bool processes)
{
    char name[64];
    snprintf(name, sizeof(name), "descriptors %s bulk %u", processes ? "processes" : "threads",
             bulk);
    struct report report = {.name = name, .ours = "gleam", .theirs = "rte_ring", .unit = "M/s"};
    for (uint32_t round = 0; round < bench->round_count; round++) {
        double rates[2] = {descriptors_round(bench, &ring_ops, bulk, processes), 0};
        if (rates[0] == 0)
            return 1;
#ifdef GM_HAVE_DPDK
        rates[1] = descriptors_round(bench, &peer_ops, bulk, processes);
        if (rates[1] == 0)
            return 1;
#endif
        report_add(&report, rates);
    }
    report_write(&report, bench->options.json, bench->out);
    return 0;
}

/* One round of frames in GB/s; 0 when they arrived wrong. */
static double frames_round(struct bench *bench, bool processes)
{
    struct gm_region_spec spec = {
        .executor_count = 2,
        .exchange_count = 1,
        .exchanges = {{.quota_frames = FRAME_QUOTA, .ring_slots = FRAME_QUOTA}},
        .frame_bytes = FRAME_BYTES,
        .secret = 42,
    };
    struct gm_region region;
    struct gm_error error = {0};
    if (gm_region_create(&spec, GM_PAGES_AUTO, &region, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return 0;
    }
    struct pair pair = {
        .ops = &frame_ops,
        .processes = processes,
        .cpus = {bench->cpus[0], bench->cpus[1]},
        .ready = (_Atomic uint32_t *)bench->shared,
        .region = &region,
        .total = bench->options.real ? 60000 : 1000,
        .warm = 200,
    };
    uint64_t expected = 0, word_count = (FRAME_BYTES - sizeof(struct gm_frame_header)) / 8;
    for (uint64_t i = 0; i < pair.warm + pair.total; i++)
        expected += i * word_count + word_count * (word_count - 1) / 2;
    uint64_t elapsed_ns = pair_run(&pair);
    bool whole = gm_pool_free_count(region.pool) == region.frame_count;
    gm_region_leave(&region);
    if (elapsed_ns == 0 || pair.sum != expected || !whole)
        return 0;
    return (double)pair.total * FRAME_BYTES / (double)elapsed_ns;
}

static int frames_case(struct bench *bench)
{
    struct report report = {.name = "frames of 64 KiB", .ours = "processes", .theirs = "threads",
                            .unit = "GB/s"};
    for (uint32_t round = 0; round < bench->round_count; round++) {
        double rates[2];
        /* Who begins changes, so that neither always follows the other. */
        bool first = round % 2 == 0;
        rates[!first] = frames_round(bench, first);
        rates[first] = frames_round(bench, !first);
        if (rates[0] == 0 || rates[1] == 0)
            return 1;
        report_add(&report, rates);
    }
    report_write(&report, bench->options.json, bench->out);
    return 0;
}

int gm_ring_bench_run(const struct gm_ring_bench_options *options, FILE *out)
{
    struct bench bench = {.options = *options, .out = out};
    bench.round_count = options->round_count != 0 ? options->round_count : options->real ? 9 : 5;
    if (bench.round_count > ROUNDS_MAX)
        bench.round_count = ROUNDS_MAX;
    choose_cpus(bench.cpus);
    fflush(NULL); /* a child must not write what is buffered here */
    bench.shared = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                        0);
    if (bench.shared == MAP_FAILED)
        return 1;
    const uint32_t bulks[] = {1, 8, 32};
    int rc = 0;
    for (int processes = 0; processes < 2 && rc == 0; processes++)
        for (uint32_t i = 0; i < 3 && rc == 0; i++)
            rc = descriptors_case(&bench, bulks[i], processes != 0);
    if (rc == 0)
        rc = frames_case(&bench);
    if (rc != 0)
        fprintf(out, "something arrived wrong\n");
    munmap(bench.shared, SHARED_BYTES);
    return rc;
}
