/* cluster.c - from the allocation to the outcomes, on the driver's thread. */
#include "agent/cluster/cluster.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/cluster/internal.h"
#include "agent/node/outcome.h"
#include "engine/base/check.h"
#include "engine/base/text.h"
#include "engine/flow/plan_codec.h"
#include "iouring/bell.h"
#include "shuffle/port/clock.h"

/* How long the driver's thread sleeps at most. */
#define SLEEP_MS 100
/* A broken connection has a cause, of which its agent tells within this time. */
#define CAUSE_NS UINT64_C(3000000000)
#define LIST_TIMEOUT_MS 5000
#define LIST_BYTES_MAX (16u << 20)

void gm_cluster_ring(struct gm_cluster *cluster)
{
    const uint64_t one = 1;
    if (write(cluster->bells[0], &one, sizeof one) < 0)
        return; /* only a full counter: it is ringing anyway */
}

void gm_cluster_pause(struct gm_cluster *cluster, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const uint64_t ns = (uint64_t)until.tv_nsec + ms * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    if (!atomic_load(&cluster->stopping))
        pthread_cond_timedwait(&cluster->wake, &cluster->lock, &until);
}

static uint64_t now_ns(void)
{
    const struct gm_clock clock = gm_clock_system();
    return gm_clock_now_ns(&clock);
}

/* Sleeps until the bell rings, or for a moment. */
static void wait_for_bell(const struct gm_cluster *cluster)
{
    struct gm_eventfd_bell state;
    gm_eventfd_bell_init(&state, cluster->bells, 2, 0);
    const struct gm_bell bell = gm_eventfd_bell_port(&state);
    bell.ops->wait(bell.self, NULL, 0, SLEEP_MS * UINT64_C(1000000));
}

int gm_cluster_create(const struct gm_options *options, const char *name,
                      const _Atomic int *stop, struct gm_cluster **ret_cluster,
                      struct gm_error *error)
{
    pthread_condattr_t attributes;
    struct gm_cluster *cluster = calloc(1, sizeof *cluster);
    if (cluster == NULL)
        return gm_error_set(error, -ENOMEM, "no memory for a job on a cluster");
    cluster->options = options;
    cluster->stop = stop;
    snprintf(cluster->job.name, sizeof cluster->job.name, "%s", name);
    cluster->http = gm_http_open(error);
    int rc = cluster->http != NULL ? gm_key_find(options->key_path, &cluster->key, error)
                                   : error->code;
    if (rc == 0) {
        rc = gm_eventfd_bell_open(2, cluster->bells);
        if (rc < 0)
            gm_error_set(error, rc, "cannot make event descriptors: %s", gm_error_name(rc));
    }
    if (rc < 0) {
        free(cluster);
        return rc;
    }
    pthread_mutex_init(&cluster->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&cluster->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    *ret_cluster = cluster;
    return 0;
}

int gm_cluster_bell(const struct gm_cluster *cluster)
{
    return cluster->bells[0];
}

/* ---- the allocation -------------------------------------------------------------------------- */

static void say_place(const struct gm_cluster *cluster, const struct gm_job_info *job,
                      uint32_t *said_position, char *said_error)
{
    if (cluster->options->quiet || job->state != GM_JOB_WAITING || job->position == 0 ||
        (job->position == *said_position && strcmp(job->error, said_error) == 0))
        return;
    fprintf(stderr, "gleam: job %08llx waits for agents, as number %u of the queue%s%s\n",
            (unsigned long long)job->id, job->position, job->error[0] != '\0' ? ": " : "",
            job->error);
    *said_position = job->position;
    snprintf(said_error, sizeof job->error, "%s", job->error);
}

int gm_cluster_allocate(struct gm_cluster *cluster, struct gm_error *error)
{
    uint32_t said_position = 0;
    char said_error[GM_ERROR_BYTES_MAX] = "";
    int rc = gm_program_find(cluster->http, &cluster->program, error);
    if (rc == 0)
        rc = gm_master_link_start(cluster, error);
    while (rc == 0) {
        pthread_mutex_lock(&cluster->lock);
        if (cluster->master_error.code != 0)
            rc = gm_error_set(error, cluster->master_error.code, "%s", cluster->master_error.text);
        else if (cluster->cancelled)
            rc = gm_error_set(error, GM_EJOB_CANCELLED, "the job was cancelled while it waited");
        const bool given = cluster->job.grant_count > 0;
        if (rc == 0)
            say_place(cluster, &cluster->job, &said_position, said_error);
        if (rc == 0 && given)
            rc = gm_job_info_copy(&cluster->job, &cluster->start.job);
        pthread_mutex_unlock(&cluster->lock);
        if (given || rc < 0)
            break;
        if (*cluster->stop != 0)
            return -EINTR;
        wait_for_bell(cluster);
    }
    return rc == -ENOMEM ? gm_error_set(error, rc, "no memory for a job on a cluster") : rc;
}

uint32_t gm_cluster_executor_count(const struct gm_cluster *cluster)
{
    uint32_t executors = 0;
    for (uint32_t i = 0; i < cluster->start.job.grant_count; i++)
        executors += cluster->start.job.grants[i].executor_count;
    return executors;
}

static void fill_order(struct gm_cluster *cluster)
{
    struct gm_order *order = &cluster->order;
    const struct gm_job_info *job = &cluster->start.job;
    order->node_count = job->grant_count + 1;
    for (uint32_t i = 0; i < job->grant_count; i++) {
        gm_address_format(job->grants[i].host, job->grants[i].port, order->nodes[i].name,
                          sizeof order->nodes[i].name);
        order->nodes[i].executor_count = job->grants[i].executor_count;
    }
    snprintf(order->nodes[job->grant_count].name, sizeof order->nodes[0].name, "the driver");
    order->nodes[job->grant_count].executor_count = 0;
    order->analyze = cluster->options->analyze;
    if (getcwd(order->directory, sizeof order->directory) == NULL)
        snprintf(order->directory, sizeof order->directory, "/");
}

/* A descriptor of the driver's, as its sources name it (agent/files.c). */
static bool is_own_descriptor(const char *path)
{
    char own[64];
    snprintf(own, sizeof own, "/proc/%d/", getpid());
    return strncmp(path, own, strlen(own)) == 0 || strncmp(path, "/proc/self/", 11) == 0;
}

/* What of a plan no agent can do. */
static int check_sources(const struct gm_plan *plan, struct gm_error *error)
{
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        const struct gm_source *source = &plan->chains[c].source;
        if (gm_source_listens(source))
            return gm_error_set(error, GM_EJOB_INPUT,
                                "'%s' listens, and on a cluster nobody knows at which agent: run "
                                "it without --master",
                                source->name);
        for (uint32_t i = 0; i < source->file_count; i++)
            if (is_own_descriptor(source->files[i].path))
                return gm_error_set(error, GM_EJOB_INPUT,
                                    "'%s' reads a descriptor of the driver, such as its standard "
                                    "input, which the agents do not have: put it into a file that "
                                    "they can read",
                                    source->name);
    }
    return 0;
}

/* A partition learns whether it begins inside quotes from those in front of it, which on one node
 * are read at the same time.  A node cannot see what the others read: it counts for itself what
 * stands in front, before it parses. */
static void count_quotes_ahead(struct gm_plan *plan)
{
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        struct gm_csv_plan *csv = plan->chains[c].source.csv;
        if (csv != NULL && csv->parity == GM_CSV_PARITY_CHAIN)
            csv->parity = GM_CSV_PARITY_AHEAD;
    }
}

int gm_cluster_place(struct gm_cluster *cluster, struct gm_plan *plan,
                     struct gm_job_place *ret_place, struct gm_error *error)
{
    struct gm_order *order = &cluster->order;
    uint32_t frame = GM_FRAME_BYTES_DEFAULT;
    fill_order(cluster);
    if (order->node_count > 2) /* the last one is the driver's */
        count_quotes_ahead(plan);
    int rc = check_sources(plan, error);
    for (uint32_t i = 0; i + 1 < order->node_count && rc == 0; i++) {
        struct gm_region_spec spec = {0};
        struct gm_memory_split split;
        struct gm_error why = {0};
        const struct gm_options options = {
            .executor_count = order->nodes[i].executor_count,
            .memory_bytes = cluster->start.job.grants[i].memory_bytes};
        order->frame_bytes = 0;
        const struct gm_job_place place = gm_order_place(order, i);
        if (gm_job_divide(plan, &options, &place, &spec, &split, &why) < 0)
            rc = gm_error_set(error, why.code, "on agent %s: %s", order->nodes[i].name, why.text);
        else if (split.frame_bytes < frame)
            frame = split.frame_bytes;
    }
    order->frame_bytes = frame;
    *ret_place = gm_order_place(order, order->node_count - 1);
    return rc;
}

/* ---- the crew -------------------------------------------------------------------------------- */

static int encode_order(struct gm_cluster *cluster, const struct gm_plan *plan)
{
    uint8_t *data;
    size_t bytes;
    int rc = gm_plan_encode(plan, &data, &bytes);
    if (rc < 0)
        return rc;
    cluster->order.plan = data;
    cluster->order.plan_bytes = (uint32_t)bytes;
    rc = gm_order_encode(&cluster->order, &cluster->order_data, &cluster->order_bytes);
    cluster->order.plan = NULL;
    free(data);
    return rc;
}

static int start_members(struct gm_cluster *cluster, struct gm_error *error)
{
    const uint32_t count = cluster->start.job.grant_count;
    cluster->members = calloc(count, sizeof *cluster->members);
    if (cluster->members == NULL)
        return gm_error_set(error, -ENOMEM, "no memory for %u agents", count);
    cluster->member_count = count;
    int rc = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct gm_member *member = &cluster->members[i];
        member->cluster = cluster;
        member->node = i;
        member->connection = -1;
        memcpy(member->name, cluster->order.nodes[i].name, sizeof member->name);
    }
    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = gm_member_start(&cluster->members[i], error);
    return rc;
}

/* An error that some thread met; the caller has the lock. */
static int find_error(struct gm_cluster *cluster, struct gm_error *error)
{
    if (cluster->cancelled)
        return gm_error_set(error, GM_EJOB_CANCELLED,
                            "job %08llx was cancelled (gleam kill, or the master's API)",
                            (unsigned long long)cluster->job.id);
    for (uint32_t i = 0; i < cluster->member_count; i++)
        if (cluster->members[i].error.code != 0)
            return gm_error_set(error, cluster->members[i].error.code, "agent %s: %s",
                                cluster->members[i].name, cluster->members[i].error.text);
    return 0;
}

static int take_outcome(struct gm_cluster *cluster, struct gm_member *member,
                        const struct gm_plan *plan, struct gm_executor_counts *counts,
                        struct gm_error *ret_error)
{
    static struct gm_outcome outcome; /* 4 KiB; the driver's thread alone comes here */
    struct gm_error inner = {0};
    member->taken = true;
    if (gm_outcome_decode(member->outcome, member->outcome_bytes, plan, &outcome, &inner,
                          counts) < 0)
        return gm_error_set(ret_error, GM_EPEER_PROTOCOL, "agent %s: its outcome makes no sense",
                            member->name);
    const uint32_t first = gm_order_first(&cluster->order, member->node);
    for (uint32_t i = 0; i < outcome.executor_count && first + i < GM_EXECUTORS_MAX; i++) {
        cluster->busy_ns[first + i] = outcome.busy_ns[i];
        cluster->peak_bytes[first + i] = outcome.peak_bytes[i];
    }
    cluster->region_bytes += outcome.region_bytes;
    if (inner.code == 0)
        return 0;
    return gm_error_set(ret_error, inner.code, "agent %s: %s", member->name, inner.text);
}

/* A part that was killed was so because of something that the driver hears of as well. */
static bool is_consequence(int code)
{
    return code == GM_EPEER_LOST || code == -ECONNRESET || code == GM_EJOB_CANCELLED;
}

/* A part of the job that ended before it had begun; the caller has the lock. */
static int find_early_end(struct gm_cluster *cluster, const struct gm_plan *plan,
                          struct gm_error *error)
{
    for (uint32_t i = 0; i < cluster->member_count; i++) {
        struct gm_executor_counts unused = {0};
        struct gm_member *member = &cluster->members[i];
        if (member->outcome == NULL || member->taken)
            continue;
        int rc = gm_executor_counts_init(&unused, plan);
        if (rc == 0)
            rc = take_outcome(cluster, member, plan, &unused, error);
        gm_executor_counts_fini(&unused);
        return rc < 0 ? rc
                      : gm_error_set(error, GM_EPEER_PROTOCOL, "agent %s: it ended too early",
                                     member->name);
    }
    return 0;
}

/* What an agent says of another one that has just failed comes before that one's own words now and
 * then: they are waited for.  Returns rc, or 0: go on. */
static int wait_for_cause(struct gm_cluster *cluster, int rc, struct gm_error *error,
                          struct gm_error *first)
{
    if (rc < 0 && (!is_consequence(rc) || cluster->cancelled))
        return rc;
    if (rc < 0 && cluster->trouble_ns == 0) {
        cluster->trouble_ns = now_ns();
        *first = *error;
    }
    *error = (struct gm_error){0};
    if (cluster->trouble_ns == 0 || now_ns() - cluster->trouble_ns < CAUSE_NS)
        return 0;
    return gm_error_set(error, first->code, "%s", first->text);
}

/* Until every agent has its part and is connected. */
static int wait_until_ready(struct gm_cluster *cluster, const struct gm_plan *plan,
                            struct gm_error *error)
{
    struct gm_error first = {0};
    for (;;) {
        bool ready = true;
        pthread_mutex_lock(&cluster->lock);
        int rc = wait_for_cause(cluster, find_error(cluster, error), error, &first);
        if (rc == 0)
            rc = wait_for_cause(cluster, find_early_end(cluster, plan, error), error, &first);
        for (uint32_t i = 0; i < cluster->member_count; i++)
            ready = ready && cluster->members[i].phase != GM_MEMBER_STARTING;
        pthread_mutex_unlock(&cluster->lock);
        if (rc < 0 || (ready && cluster->trouble_ns == 0))
            return rc;
        if (*cluster->stop != 0)
            return -EINTR;
        wait_for_bell(cluster);
    }
}

static int start_transport(struct gm_cluster *cluster, const struct gm_region *region,
                           struct gm_error *error)
{
    int connections[GM_NODES_MAX] = {0};
    for (uint32_t i = 0; i < cluster->member_count; i++) {
        connections[i] = cluster->members[i].connection;
        cluster->members[i].connection = -1;
    }
    const struct gm_transport_spec spec = {.region = region,
                                           .order = &cluster->order,
                                           .node = cluster->member_count,
                                           .bells = cluster->bells,
                                           .connections = connections,
                                           .note = cluster->bells[0]};
    return gm_transport_start(&spec, &cluster->transport, error);
}

static int crew_send(void *self, const struct gm_region *region, const struct gm_plan *plan,
                     const struct gm_job_message *message, struct gm_error *error)
{
    struct gm_cluster *cluster = self;
    struct gm_start *start = &cluster->start;
    (void)message; /* memory, spilling and spinning are the agents' */
    cluster->order.attempt = start->attempt = region->spec.attempt;
    cluster->order.secret = region->spec.secret;
    gm_key_random(start->nonce, sizeof start->nonce);
    gm_hello_secret(cluster->http, &cluster->key, start->nonce, cluster->secret);
    start->artifact_count = cluster->program.count;
    memcpy(start->artifacts, cluster->program.artifacts, sizeof start->artifacts);
    int rc = encode_order(cluster, plan);
    if (rc < 0)
        return gm_error_set(error, rc, "cannot encode the plan: %s", gm_error_name(rc));
    pthread_mutex_lock(&cluster->lock);
    cluster->job.input_bytes = plan->input_bytes;
    pthread_mutex_unlock(&cluster->lock);
    rc = start_members(cluster, error);
    if (rc == 0)
        rc = wait_until_ready(cluster, plan, error);
    return rc == 0 ? start_transport(cluster, region, error) : rc;
}

/* The sums of what the nodes told stand with the gateway, where their executors would be. */
static void show_status(struct gm_cluster *cluster, const struct gm_region *region)
{
    struct gm_node_status sum = {0};
    struct gm_ledger_entry *ledger =
        gm_region_ledger(region, gm_region_gateway(&region->spec));
    for (uint32_t i = 0; i < cluster->member_count; i++) {
        sum.input_bytes += cluster->members[i].status.input_bytes;
        for (uint32_t r = 0; r < GM_LEDGER_ROWS_MAX; r++)
            sum.rows[r] += cluster->members[i].status.rows[r];
    }
    cluster->job.read_bytes = sum.input_bytes;
    atomic_store_explicit(&ledger->input_bytes, sum.input_bytes, memory_order_relaxed);
    for (uint32_t r = 0; r < GM_LEDGER_ROWS_MAX; r++)
        atomic_store_explicit(&ledger->rows[r], sum.rows[r], memory_order_relaxed);
}

/* All outcomes that are there; the caller has the lock.  Returns as collect. */
static int take_outcomes(struct gm_cluster *cluster, const struct gm_plan *plan,
                         struct gm_executor_counts *counts, struct gm_error *error,
                         struct gm_error *ret_consequence)
{
    bool all = true;
    for (uint32_t i = 0; i < cluster->member_count; i++) {
        struct gm_member *member = &cluster->members[i];
        struct gm_error found = {0};
        if (member->outcome == NULL || member->taken) {
            all = all && member->taken;
            continue;
        }
        if (take_outcome(cluster, member, plan, counts, &found) == 0)
            continue;
        if (!is_consequence(found.code))
            return gm_error_set(error, found.code, "%s", found.text);
        gm_error_set(ret_consequence, found.code, "%s", found.text);
        all = false;
    }
    return all ? 0 : GM_AGAIN;
}

static int crew_collect(void *self, const struct gm_region *region, const struct gm_plan *plan,
                        struct gm_executor_counts *counts, struct gm_error *error)
{
    struct gm_cluster *cluster = self;
    struct gm_error consequence = {0};
    pthread_mutex_lock(&cluster->lock);
    int rc = find_error(cluster, error);
    if (rc == 0)
        rc = take_outcomes(cluster, plan, counts, error, &consequence);
    show_status(cluster, region);
    pthread_mutex_unlock(&cluster->lock);
    if (rc < 0)
        return rc;
    /* That an agent was told to end its part says more than that its connections broke. */
    const bool was_told = consequence.code == GM_EJOB_CANCELLED;
    if (!was_told && gm_transport_state(cluster->transport, &consequence) >= 0 &&
        consequence.code == 0 && cluster->trouble_ns == 0)
        return rc;
    /* Somebody else's end broke a connection: whose it was comes by another way, and says more. */
    static struct gm_error first; /* the driver's thread alone comes here */
    if (cluster->trouble_ns == 0 || was_told)
        first = consequence;
    if (cluster->trouble_ns == 0)
        cluster->trouble_ns = now_ns();
    if (now_ns() - cluster->trouble_ns < CAUSE_NS)
        return GM_AGAIN;
    return gm_error_set(error, first.code, "%s", first.text);
}

static uint32_t crew_descriptors(void *self, int *ret, uint32_t count)
{
    (void)self;
    (void)ret;
    (void)count;
    return 0; /* the threads ring the bell */
}

static void crew_report(void *self, const struct gm_region *region, struct gm_job_report *report)
{
    const struct gm_cluster *cluster = self;
    memcpy(report->executor_busy_ns, cluster->busy_ns, sizeof report->executor_busy_ns);
    memcpy(report->executor_peak_bytes, cluster->peak_bytes, sizeof report->executor_peak_bytes);
    for (uint32_t i = 0; i < region->spec.executor_count; i++)
        report->heap_peak_bytes += cluster->peak_bytes[i];
    report->region_bytes += cluster->region_bytes;
    report->memory_bytes = cluster->options->memory_bytes;
    for (uint32_t i = 0; i < cluster->start.job.grant_count; i++)
        report->memory_bytes += cluster->start.job.grants[i].memory_bytes;
}

static bool crew_stop(void *self)
{
    struct gm_cluster *cluster = self;
    pthread_mutex_lock(&cluster->lock);
    atomic_store(&cluster->stopping, true);
    pthread_cond_broadcast(&cluster->wake);
    pthread_mutex_unlock(&cluster->lock);
    gm_transport_stop(cluster->transport);
    cluster->transport = NULL;
    for (uint32_t i = 0; i < cluster->member_count; i++)
        gm_member_stop(&cluster->members[i]);
    cluster->member_count = 0;
    return true;
}

struct gm_crew gm_cluster_crew(struct gm_cluster *cluster)
{
    static const struct gm_crew_ops ops = {.send = crew_send,
                                           .collect = crew_collect,
                                           .descriptors = crew_descriptors,
                                           .report = crew_report,
                                           .stop = crew_stop};
    return (struct gm_crew){.ops = &ops, .self = cluster, .bells = cluster->bells};
}

void gm_cluster_destroy(struct gm_cluster *cluster, int code, const char *why)
{
    if (cluster == NULL)
        return;
    crew_stop(cluster);
    gm_master_link_end(cluster, code, why);
    free(cluster->members);
    free(cluster->order_data);
    gm_job_info_fini(&cluster->job);
    gm_job_info_fini(&cluster->start.job);
    gm_eventfd_bell_close(2, cluster->bells);
    pthread_cond_destroy(&cluster->wake);
    pthread_mutex_destroy(&cluster->lock);
    explicit_bzero(&cluster->key, sizeof cluster->key);
    free(cluster);
}

/* ---- plans that are only shown --------------------------------------------------------------- */

static int add_cores(void *self, const char *text, size_t bytes)
{
    struct gm_agent_info agent;
    struct gm_error error = {0};
    uint32_t *sum = self;
    int rc = gm_message_agent_read(text, bytes, &agent, &error);
    if (rc == 0)
        *sum += agent.core_count;
    return rc;
}

int gm_cluster_capacity(const struct gm_options *options, uint32_t *ret_executors,
                        struct gm_error *error)
{
    struct gm_key key;
    struct gm_http_reply reply;
    const struct gm_http_module *http = gm_http_open(error);
    int rc = http != NULL ? gm_key_find(options->key_path, &key, error) : error->code;
    if (rc < 0)
        return rc;
    struct gm_http_client *client = http->client_create(options->master, &key);
    if (client == NULL)
        return gm_error_set(error, -ENOMEM, "no memory to ask the master");
    rc = http->client_call(client, "GET", "/v1/agents", NULL, 0, LIST_TIMEOUT_MS, LIST_BYTES_MAX,
                           &reply, error);
    if (rc == 0) {
        *ret_executors = 0;
        rc = gm_message_list_read(reply.body, reply.body_bytes, "agents", add_cores, ret_executors,
                                  error);
        free(reply.body);
    }
    if (rc == 0 && *ret_executors == 0)
        rc = gm_error_set(error, GM_EJOB_OPTION, "the master at %s has no agents",
                          options->master);
    if (*ret_executors > GM_EXECUTORS_MAX)
        *ret_executors = GM_EXECUTORS_MAX;
    http->client_destroy(client);
    return rc;
}
