/* executor.c - wires chains to sources, exchanges and ports, and runs them round and round. */
#include "agent/executor.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/command_disk.h"
#include "agent/csv_source.h"
#include "agent/exchange_sink.h"
#include "agent/file_sink.h"
#include "agent/lending.h"
#include "agent/listen_disk.h"
#include "agent/needs.h"
#include "agent/placed_sink.h"
#include "agent/range_sink.h"
#include "agent/sources.h"
#include "agent/unpack_disk.h"
#include "engine/base/check.h"
#include "engine/chain/chain.h"
#include "engine/op/holding.h"
#include "shuffle/link.h"
#include "shuffle/spill.h"

/* Source batches of one chain before the others get their turn. */
#define BATCHES_PER_TURN 8
/* Combiners hand their rows on when, all together, they hold this part of the executor's memory. */
#define COMBINE_SHARE 4
/* Steps spill when all, together, hold all of the memory but this part, which windows and batches
 * need. */
#define SPILL_RESERVE_SHARE 4
/* Where steps are in Lua, this part: states grow by themselves, and nobody spills to make room for
 * them. */
#define LUA_RESERVE_SHARE 2
/* Sleeps end by a bell; this is only how often a cancelled job is noticed. */
#define SLEEP_NS_MAX UINT64_C(100000000)

struct runner {
    struct gm_chain *chain;
    bool done;
    bool progressed; /* in its last turn */
    struct gm_text_source *text;
    struct gm_reader *reader;
    struct gm_csv_source *csv;
    struct gm_disk disk;
    bool has_disk;
    struct gm_disk files_disk;      /* what the source reads through: disk, or unpack around it */
    struct gm_unpack_disk *unpack;
    struct gm_command_disk *commands;
    struct gm_listen_disk *listener;
    struct gm_value_source *values;
    struct gm_exchange_source *exchange;
    struct gm_exchange_input *inputs; /* one per input */
    uint32_t input_count;
    struct gm_cache_sink *kept;
    struct gm_exchange_sink *sink;
    struct gm_file_sink *files;
    struct gm_placed_sink *placed;
    struct gm_sender *sender;
    /* of a range exchange, in the place of `sink` */
    struct gm_range_sink *ranges;
    struct gm_sender *samples_out;
    struct gm_receiver *samples_in;
};

struct scope {
    struct gm_udf_shared shared;
    struct gm_blob broadcasts[GM_BROADCASTS_MAX];
};

struct gm_executor {
    struct gm_executor_spec spec;
    struct gm_heap heap;
    struct gm_error error;
    struct gm_link *link;
    struct gm_network network;
    struct runner *runners; /* one per chain of the plan */
    struct gm_ledger_entry *ledger;
    struct gm_spill_disk spill_disk;
    struct gm_spill_store *spill_store; /* NULL: nothing may go to disk */
    struct gm_spill spill;
    struct gm_holdings holdings; /* of all steps: the largest one goes to disk first */
    struct gm_processes processes; /* ops NULL: the plan runs no commands */
    uint64_t busy_ns;
    struct scope *scopes; /* of the plan */
    struct gm_lending lending; /* heap NULL: executors lend each other nothing */
    uint64_t spill_at_bytes;   /* that the chains know */
    struct gm_counters counters;
};

static int open_disk(struct gm_executor *executor, struct runner *runner,
                     const struct gm_source *source)
{
    const struct gm_executor_ports *ports = &executor->spec.ports;
    int rc = ports->disk_open(ports->self, &executor->heap, &runner->disk);
    if (rc < 0)
        return gm_error_set(&executor->error, rc, "cannot start reading files: %s",
                            gm_error_name(rc));
    runner->has_disk = true;
    runner->files_disk = runner->disk;
    if (gm_source_is_command(source)) {
        rc = gm_command_disk_create(source, &runner->disk,
                                    gm_region_word(executor->spec.region, source->command_word),
                                    &executor->heap, &runner->commands);
        if (rc == 0)
            runner->files_disk = gm_command_disk_port(runner->commands);
    } else if (gm_source_listens(source)) {
        rc = gm_listen_disk_create(gm_region_word(executor->spec.region, source->command_word),
                                   &executor->heap, &runner->listener);
        if (rc == 0)
            runner->files_disk = gm_listen_disk_port(runner->listener);
    } else if (gm_unpack_disk_wanted(source)) {
        rc = gm_unpack_disk_create(source, &runner->disk, &executor->heap, &runner->unpack);
        if (rc == 0)
            runner->files_disk = gm_unpack_disk_port(runner->unpack);
    }
    return rc;
}

static int open_csv(struct gm_executor *executor, struct runner *runner,
                    const struct gm_chain_plan *chain, struct gm_chain_source *ret_port)
{
    const struct gm_csv_source_spec spec = {
        .source = &chain->source,
        .disk = &runner->files_disk,
        .region = executor->spec.region,
        .bell = &executor->spec.ports.bell,
        .participant = executor->spec.participant,
        .claim = chain->claim,
        .heap = &executor->heap,
        .error = &executor->error,
    };
    int rc = open_disk(executor, runner, &chain->source);
    if (rc == 0)
        rc = gm_csv_source_create(&spec, &runner->csv);
    if (rc == 0)
        *ret_port = gm_csv_source_port(runner->csv);
    return rc;
}

static int open_text(struct gm_executor *executor, struct runner *runner,
                     const struct gm_chain_plan *chain, struct gm_chain_source *ret_port)
{
    const struct gm_claims claims = gm_claims_of(executor->spec.region, chain->claim);
    int rc = open_disk(executor, runner, &chain->source);
    if (rc == 0)
        rc = gm_reader_create(&chain->source, &runner->files_disk, &claims, &executor->heap,
                              &executor->error, &runner->reader);
    if (rc == 0 && gm_needs_partition_ends(chain))
        gm_reader_claim_singly(runner->reader);
    if (rc == 0)
        rc = gm_text_source_create(&chain->source, runner->reader, &executor->heap, &runner->text);
    if (rc == 0)
        *ret_port = gm_text_source_port(runner->text);
    return rc;
}

static int open_input(struct gm_executor *executor, const struct gm_input *plan,
                      struct gm_exchange_input *input)
{
    const struct gm_executor_spec *spec = &executor->spec;
    if (plan->cached_id != 0)
        return gm_cache_reader_create(spec->cache, plan->cached_id, &executor->heap,
                                      &executor->error, &input->reader);
    const struct gm_exchange_plan *exchange = &spec->plan->exchanges[plan->exchange];
    int rc = gm_receiver_create(spec->region, (uint16_t)plan->exchange, spec->participant,
                                exchange->partition_count, &executor->network, &executor->heap,
                                &input->receiver);
    if (rc == 0 && exchange->ordered)
        gm_receiver_set_ordered(input->receiver);
    return rc;
}

static int open_exchange(struct gm_executor *executor, struct runner *runner,
                         const struct gm_chain_plan *chain, struct gm_chain_source *ret_port)
{
    const uint32_t count = chain->source.input_count;
    int rc = 0;
    runner->inputs = gm_heap_zalloc(&executor->heap, count * sizeof *runner->inputs);
    if (runner->inputs == NULL)
        return GM_ETASK_MEMORY;
    runner->input_count = count;
    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = open_input(executor, &chain->source.inputs[i], &runner->inputs[i]);
    if (rc == 0)
        rc = gm_exchange_source_create(&chain->source, runner->inputs, &executor->heap,
                                       &executor->error, &runner->exchange);
    if (rc == 0)
        *ret_port = gm_exchange_source_port(runner->exchange);
    return rc;
}

static int open_source(struct gm_executor *executor, struct runner *runner,
                       const struct gm_chain_plan *chain, struct gm_chain_source *ret_port)
{
    if (chain->source.kind == GM_SOURCE_TEXT)
        return open_text(executor, runner, chain, ret_port);
    if (chain->source.kind == GM_SOURCE_CSV)
        return open_csv(executor, runner, chain, ret_port);
    if (chain->source.kind == GM_SOURCE_EXCHANGE)
        return open_exchange(executor, runner, chain, ret_port);
    const struct gm_claims claims = gm_claims_of(executor->spec.region, chain->claim);
    int rc = gm_value_source_create(&chain->source, &claims, &executor->heap, &runner->values);
    if (rc == 0)
        *ret_port = gm_value_source_port(runner->values);
    return rc;
}

static uint64_t read_clock(void *self)
{
    return gm_clock_now_ns(self);
}

/* A shared counter of a chain whose partitions are claimed, or NULL. */
static _Atomic uint64_t *claim_of(const struct gm_executor *executor,
                                  const struct gm_chain_plan *chain, uint32_t counter)
{
    return chain->source.kind == GM_SOURCE_EXCHANGE
               ? NULL
               : gm_region_claim(executor->spec.region, counter);
}

static int open_processes(struct gm_executor *executor)
{
    const struct gm_executor_ports *ports = &executor->spec.ports;
    if (!gm_needs_processes(executor->spec.plan))
        return 0;
    if (ports->processes_open == NULL)
        return gm_error_set(&executor->error, -ENOTSUP, "this executor cannot run commands");
    int rc = ports->processes_open(ports->self, &executor->heap, &executor->processes);
    if (rc < 0)
        return gm_error_set(&executor->error, rc, "cannot prepare for running commands: %s",
                            gm_error_name(rc));
    return 0;
}

static uint64_t spill_at_bytes(const struct gm_executor *executor)
{
    const uint64_t memory_bytes = executor->spec.memory_bytes;
    if (executor->spec.spill_at_bytes > 0)
        return executor->spec.spill_at_bytes;
    return memory_bytes - memory_bytes / (gm_needs_lua(executor->spec.plan) ? LUA_RESERVE_SHARE
                                                                       : SPILL_RESERVE_SHARE);
}

static const struct gm_spill *spill_of(const struct gm_executor *executor)
{
    return executor->spill_store != NULL ? &executor->spill : NULL;
}

static int open_ranges(struct gm_executor *executor, struct runner *runner, uint32_t index,
                       struct gm_chain_sink *ret_port)
{
    const struct gm_executor_spec *spec = &executor->spec;
    const struct gm_exchange_plan *exchange = &spec->plan->exchanges[index];
    const uint32_t executor_count = spec->region->spec.executor_count;
    const struct gm_step *step = gm_needs_sort_behind(spec->plan, index);
    if (step == NULL || exchange->partition_count != executor_count)
        return gm_error_set(&executor->error, GM_EPEER_PROTOCOL,
                            "the plan's exchange %u makes no sense", index);
    int rc = gm_sender_create(spec->region, (uint16_t)exchange->samples, spec->participant,
                              executor_count, &executor->network, &executor->heap,
                              &runner->samples_out);
    if (rc == 0)
        rc = gm_receiver_create(spec->region, (uint16_t)exchange->samples, spec->participant,
                                executor_count, &executor->network, &executor->heap,
                                &runner->samples_in);
    const struct gm_range_sink_spec ranges = {
        .plan = exchange,
        .step = step,
        .sender = runner->sender,
        .samples_out = runner->samples_out,
        .samples_in = runner->samples_in,
        .executor_count = executor_count,
        .participant = spec->participant,
        .spill = spill_of(executor),
        .spill_at_bytes = spill_at_bytes(executor),
        .heap = &executor->heap,
        .error = &executor->error,
    };
    if (rc == 0)
        rc = gm_range_sink_create(&ranges, &runner->ranges);
    if (rc == 0)
        *ret_port = gm_range_sink_port(runner->ranges);
    return rc;
}

static int open_sink(struct gm_executor *executor, struct runner *runner,
                     const struct gm_chain_plan *chain, struct gm_chain_sink *ret_port)
{
    const uint32_t index = chain->exchange;
    const struct gm_exchange_plan *exchange = &executor->spec.plan->exchanges[index];
    int rc = gm_sender_create(executor->spec.region, (uint16_t)index, executor->spec.participant,
                              exchange->partition_count, &executor->network, &executor->heap,
                              &runner->sender);
    if (rc < 0)
        return rc;
    if (exchange->kind == GM_EXCHANGE_RANGE)
        return open_ranges(executor, runner, index, ret_port);
    if (exchange->cached_id != 0) {
        if (executor->spec.cache == NULL)
            return GM_EPEER_PROTOCOL;
        rc = gm_cache_sink_create(executor->spec.cache, exchange,
                                  gm_plan_input_schema(chain, chain->step_count),
                                  chain->source.partition_count, runner->sender, &executor->heap,
                                  &executor->error, &runner->kept);
        if (rc == 0)
            *ret_port = gm_cache_sink_port(runner->kept);
        return rc;
    }
    if (exchange->parts != NULL) {
        rc = gm_file_sink_create(exchange->parts, chain->source.partition_count, runner->sender,
                                 &executor->heap, &executor->error, &runner->files);
        if (rc == 0)
            *ret_port = gm_file_sink_port(runner->files);
        return rc;
    }
    if (exchange->placed != NULL && exchange->placed->path[0] != '\0') {
        const struct gm_placed_sink_spec placed = {.plan = exchange->placed,
                                                   .region = executor->spec.region,
                                                   .bell = &executor->spec.ports.bell,
                                                   .sender = runner->sender,
                                                   .participant = executor->spec.participant,
                                                   .heap = &executor->heap,
                                                   .error = &executor->error};
        rc = gm_placed_sink_create(&placed, &runner->placed);
        if (rc == 0)
            *ret_port = gm_placed_sink_port(runner->placed);
        return rc;
    }
    rc = gm_exchange_sink_create(exchange, chain->source.partition_count, runner->sender,
                                 &executor->heap, &executor->error, &runner->sink);
    if (rc == 0)
        *ret_port = gm_exchange_sink_port(runner->sink);
    return rc;
}

static int open_runner(struct gm_executor *executor, uint32_t index)
{
    struct runner *runner = &executor->runners[index];
    const struct gm_plan *plan = executor->spec.plan;
    const struct gm_chain_plan *chain = &plan->chains[index];
    struct gm_chain_spec spec = {
        .plan = chain,
        .chain_index = index,
        .heap = &executor->heap,
        .error = &executor->error,
        .budget_bytes = executor->spec.memory_bytes / COMBINE_SHARE / gm_needs_combiners(plan),
        .shared = &executor->scopes[chain->scope].shared,
        .counters = &executor->counters,
        .claim = claim_of(executor, chain, chain->claim),
        .found = claim_of(executor, chain, plan->chain_count + chain->claim),
        .spill = spill_of(executor),
        .spill_at_bytes = spill_at_bytes(executor),
        .holdings = &executor->holdings,
        .processes = &executor->processes,
        .participant = executor->spec.participant,
        .executor_count = executor->spec.region->spec.executor_count,
        .chain_shown = &executor->ledger->chain,
        .step_shown = &executor->ledger->step,
    };
    if (executor->spec.analyze)
        spec.clock = (struct gm_meter_clock){.self = &executor->spec.ports.clock,
                                             .now_ns = read_clock};
    int rc = open_source(executor, runner, chain, &spec.source);
    if (rc == 0)
        rc = open_sink(executor, runner, chain, &spec.sink);
    if (rc < 0)
        return rc;
    return gm_chain_create(&spec, &runner->chain);
}

/* What the functions of each flow may ask for. */
static int share(struct gm_executor *executor)
{
    const struct gm_plan *plan = executor->spec.plan;
    executor->scopes =
        gm_heap_zalloc(&executor->heap, (plan->scope_count + 1) * sizeof *executor->scopes);
    if (executor->scopes == NULL)
        return GM_ETASK_MEMORY;
    for (uint32_t s = 0; s < plan->scope_count; s++) {
        const struct gm_plan_scope *from = &plan->scopes[s];
        struct scope *scope = &executor->scopes[s];
        for (uint32_t i = 0; i < from->broadcast_count; i++)
            scope->broadcasts[i] = (struct gm_blob){.data = from->broadcasts[i].data,
                                                    .bytes = from->broadcasts[i].bytes};
        scope->shared =
            (struct gm_udf_shared){.lua_init = from->lua_init != NULL ? from->lua_init : "",
                                   .broadcasts = scope->broadcasts,
                                   .broadcast_count = from->broadcast_count};
    }
    return 0;
}

/* The disk queue; no file is made before something is written. */
static int open_spill(struct gm_executor *executor)
{
    const struct gm_executor_spec *spec = &executor->spec;
    const struct gm_executor_ports *ports = &spec->ports;
    if (ports->spill_open == NULL || spec->spill_directory_count == 0 ||
        !gm_needs_spill(spec->plan))
        return 0;
    const uint32_t windows = gm_spill_windows(spec->memory_bytes);
    int rc = ports->spill_open(ports->self, &executor->heap, windows, &executor->spill_disk);
    if (rc < 0)
        return gm_error_set(&executor->error, rc, "cannot make a queue to the disk: %s",
                            gm_error_name(rc));
    const struct gm_spill_spec store = {
        .directories = spec->spill_directories,
        .directory_count = spec->spill_directory_count,
        .block_bytes = gm_spill_block_bytes(spec->memory_bytes),
        .windows_max = windows,
        .participant = spec->participant,
        .attempt = spec->region->spec.attempt,
        .secret = spec->region->spec.secret,
        .disk = executor->spill_disk,
        .heap = &executor->heap,
        .error = &executor->error,
    };
    rc = gm_spill_store_create(&store, &executor->spill_store);
    if (rc < 0) {
        ports->spill_close(ports->self, &executor->spill_disk);
        return rc;
    }
    executor->spill = gm_spill_store_port(executor->spill_store);
    return 0;
}

static void close_spill(struct gm_executor *executor)
{
    const struct gm_executor_ports *ports = &executor->spec.ports;
    if (executor->spill_store == NULL)
        return;
    /* Transfers under way use the store's windows: the disk ends them first. */
    ports->spill_close(ports->self, &executor->spill_disk);
    gm_spill_store_destroy(executor->spill_store);
}

static int open_all(struct gm_executor *executor)
{
    const struct gm_executor_spec *spec = &executor->spec;
    int rc = share(executor);
    if (rc == 0)
        rc = gm_link_create(spec->region, spec->participant, &spec->ports.bell, &executor->heap,
                            &executor->link);
    if (rc == 0)
        rc = open_spill(executor);
    if (rc < 0)
        return rc;
    executor->network = gm_link_network(executor->link);
    if (spec->ports.network_wrap != NULL)
        spec->ports.network_wrap(spec->ports.self, spec->participant, &executor->network);
    executor->runners =
        gm_heap_zalloc(&executor->heap, spec->plan->chain_count * sizeof *executor->runners);
    if (executor->runners == NULL)
        return GM_ETASK_MEMORY;
    rc = open_processes(executor);
    for (uint32_t i = 0; i < spec->plan->chain_count && rc == 0; i++)
        rc = open_runner(executor, i);
    return rc;
}

int gm_executor_create(const struct gm_executor_spec *spec, struct gm_executor **ret_executor,
                       struct gm_error *error)
{
    struct gm_executor *executor = calloc(1, sizeof *executor);
    if (executor == NULL)
        return gm_error_set(error, -ENOMEM, "no memory for an executor");
    executor->spec = *spec;
    executor->ledger = gm_region_ledger(spec->region, spec->participant);
    const bool lends = spec->least_bytes > 0 && spec->least_bytes < spec->memory_bytes;
    int rc = gm_heap_init(&executor->heap, lends ? spec->least_bytes : spec->memory_bytes);
    if (rc < 0) {
        free(executor);
        return gm_error_set(error, rc, "no memory for an executor's heap");
    }
    executor->spill_at_bytes = spill_at_bytes(executor);
    if (lends) {
        const uint32_t pool = GM_CLAIMS_PER_CHAIN * spec->plan->chain_count;
        gm_lending_init(&executor->lending, gm_region_claim(spec->region, pool),
                        gm_region_claim(spec->region, pool + 1), &executor->heap,
                        spec->memory_bytes, spec->memory_bytes - spill_at_bytes(executor));
    }
    if (spec->cache != NULL && !lends)
        gm_cache_attach(spec->cache, &executor->heap, spill_at_bytes(executor));
    executor->heap.published = &executor->ledger->heap_bytes;
    executor->heap.published_peak = &executor->ledger->heap_peak_bytes;
    rc = open_all(executor);
    if (rc < 0) {
        gm_error_set(&executor->error, rc,
                     "executor %u cannot start: %s; give more with --memory", spec->participant,
                     gm_error_name(rc));
        gm_error_set(error, executor->error.code, "%s", executor->error.text);
        gm_executor_destroy(executor);
        return rc;
    }
    *ret_executor = executor;
    return 0;
}

static void close_runner(struct gm_executor *executor, struct runner *runner)
{
    const struct gm_executor_ports *ports = &executor->spec.ports;
    gm_chain_destroy(runner->chain);
    gm_exchange_sink_destroy(runner->sink);
    gm_file_sink_destroy(runner->files);
    gm_cache_sink_destroy(runner->kept);
    gm_placed_sink_destroy(runner->placed);
    gm_range_sink_destroy(runner->ranges);
    gm_sender_destroy(runner->samples_out);
    gm_receiver_destroy(runner->samples_in);
    gm_sender_destroy(runner->sender);
    gm_text_source_destroy(runner->text);
    /* Reads under way go into the reader's blocks: the disk ends them first. */
    if (runner->has_disk)
        ports->disk_close(ports->self, &runner->disk);
    gm_unpack_disk_destroy(runner->unpack);
    gm_command_disk_destroy(runner->commands);
    gm_listen_disk_destroy(runner->listener);
    gm_reader_destroy(runner->reader);
    gm_csv_source_destroy(runner->csv);
    gm_value_source_destroy(runner->values);
    gm_exchange_source_destroy(runner->exchange);
    for (uint32_t i = 0; i < runner->input_count; i++) {
        gm_receiver_destroy(runner->inputs[i].receiver);
        gm_cache_reader_destroy(runner->inputs[i].reader);
    }
    gm_heap_free(&executor->heap, runner->inputs, runner->input_count * sizeof *runner->inputs);
}

void gm_executor_destroy(struct gm_executor *executor)
{
    if (executor == NULL)
        return;
    const uint32_t count = executor->spec.plan->chain_count;
    if (executor->runners != NULL) {
        for (uint32_t i = 0; i < count; i++)
            close_runner(executor, &executor->runners[i]);
        gm_heap_free(&executor->heap, executor->runners, count * sizeof *executor->runners);
    }
    close_spill(executor);
    if (executor->processes.ops != NULL)
        executor->spec.ports.processes_close(executor->spec.ports.self, &executor->processes);
    gm_link_destroy(executor->link);
    gm_heap_free(&executor->heap, executor->scopes,
                 (executor->spec.plan->scope_count + 1) * sizeof *executor->scopes);
    if (executor->spec.cache != NULL)
        gm_cache_detach(executor->spec.cache);
    gm_lending_end(&executor->lending);
    GM_CHECK(executor->heap.used_bytes == 0);
    gm_heap_fini(&executor->heap);
    free(executor);
}

/* Bytes that a runner's source has read. */
static uint64_t bytes_read(const struct runner *runner)
{
    return runner->reader != NULL ? gm_reader_bytes(runner->reader)
           : runner->csv != NULL  ? gm_csv_source_bytes(runner->csv)
                                  : 0;
}

static void show_progress(struct gm_executor *executor)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < executor->spec.plan->chain_count; i++)
        bytes += bytes_read(&executor->runners[i]);
    atomic_store_explicit(&executor->ledger->input_bytes, bytes, memory_order_relaxed);
}

/* Rows of every position, as far as the ledger has room for them. */
static void show_rows(struct gm_executor *executor)
{
    const struct gm_plan *plan = executor->spec.plan;
    uint32_t position = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        const uint32_t count = plan->chains[c].step_count + 1;
        for (uint32_t i = 0; i < count && position + i < GM_LEDGER_ROWS_MAX; i++)
            atomic_store_explicit(&executor->ledger->rows[position + i],
                                  gm_chain_rows(executor->runners[c].chain, i),
                                  memory_order_relaxed);
        position += count + 1; /* the exchange */
    }
}

/* Rests for the sake of another chain, but never for one that waits itself. */
static bool yields(const struct gm_executor *executor, uint32_t chain)
{
    const uint32_t to = executor->spec.plan->chains[chain].yields_to;
    const struct runner *other = to > 0 ? &executor->runners[to - 1] : NULL;
    return other != NULL && !other->done && other->progressed;
}

/* Tells the steps from when on they spill, as far as that has changed. */
static void settle_memory(struct gm_executor *executor)
{
    if (executor->lending.heap == NULL)
        return;
    const uint64_t bytes = gm_lending_settle(&executor->lending);
    for (uint32_t i = 0; i < executor->spec.plan->chain_count && bytes != executor->spill_at_bytes;
         i++) {
        gm_chain_set_spill_at(executor->runners[i].chain, bytes);
        if (executor->runners[i].ranges != NULL)
            gm_range_sink_set_spill_at(executor->runners[i].ranges, bytes);
    }
    executor->spill_at_bytes = bytes;
}

int gm_executor_step(struct gm_executor *executor)
{
    bool progressed = false, all_done = true;
    settle_memory(executor);
    if (executor->spill_store != NULL && gm_spill_store_poll(executor->spill_store) < 0)
        return executor->error.code;
    if (executor->spec.cache != NULL && gm_cache_poll(executor->spec.cache, &executor->error) < 0)
        return executor->error.code;
    for (uint32_t i = executor->spec.plan->chain_count; i-- > 0;) {
        struct runner *runner = &executor->runners[i];
        if (runner->done)
            continue;
        if (yields(executor, i)) {
            runner->progressed = all_done = false;
            continue;
        }
        const int rc = gm_chain_run(runner->chain, BATCHES_PER_TURN);
        if (rc < 0)
            return gm_error_set(&executor->error, rc, "chain %u failed: %s", i,
                                gm_error_name(rc));
        runner->progressed = rc != GM_AGAIN;
        progressed = progressed || runner->progressed;
        runner->done = rc == GM_END;
        all_done = all_done && runner->done;
    }
    show_progress(executor);
    if (progressed)
        show_rows(executor);
    return all_done ? GM_END : progressed ? 0 : GM_AGAIN;
}

/* Commands that run: whoever spins takes their time, so an executor that waits for them sleeps at
 * once. */
static bool has_commands(const struct gm_executor *executor)
{
    const struct gm_processes *processes = &executor->processes;
    return processes->ops != NULL && processes->ops->count(processes->self) > 0;
}

/* Announces the sleep and tries once more: what arrived before the announcement is seen now, what
 * comes later rings the bell.  Returns what the try gave. */
static int sleep_on_bell(struct gm_executor *executor)
{
    int extra[GM_EXCHANGES_MAX + 3];
    uint32_t extra_count = 0;
    const struct gm_processes *processes = &executor->processes;
    const bool has_processes = has_commands(executor);
    gm_link_announce(executor->link);
    if (has_processes)
        processes->ops->arm(processes->self);
    const int rc = gm_executor_step(executor);
    if (rc == GM_AGAIN) {
        for (uint32_t i = 0; i < executor->spec.plan->chain_count; i++) {
            struct runner *runner = &executor->runners[i];
            if (!runner->has_disk || runner->done)
                continue;
            /* Asked for in any case: that starts the reads.  But a read that is over wakes up only
             * a chain that waits for it; one that waits for its exchange would spin. */
            const int descriptor = runner->files_disk.ops->descriptor(runner->files_disk.self);
            if (runner->reader != NULL ? gm_reader_waits(runner->reader)
                                       : gm_csv_source_waits(runner->csv))
                extra[extra_count++] = descriptor;
        }
        if (executor->spill_store != NULL && gm_spill_store_waits(executor->spill_store))
            extra[extra_count++] = executor->spill_disk.ops->descriptor(executor->spill_disk.self);
        const int cache_disk =
            executor->spec.cache != NULL ? gm_cache_descriptor(executor->spec.cache) : -1;
        if (cache_disk >= 0)
            extra[extra_count++] = cache_disk;
        if (has_processes)
            extra[extra_count++] = processes->ops->descriptor(processes->self);
        const struct gm_bell *bell = &executor->spec.ports.bell;
        bell->ops->wait(bell->self, extra, extra_count, SLEEP_NS_MAX);
    }
    gm_link_awake(executor->link);
    return rc;
}

int gm_executor_run(struct gm_executor *executor)
{
    const struct gm_clock *clock = &executor->spec.ports.clock;
    const uint64_t begin = gm_clock_now_ns(clock);
    uint64_t idle_since = 0; /* 0: it got on last time */
    uint64_t idle_ns = 0;
    int rc = 0;
    while (rc == 0 || rc == GM_AGAIN) {
        rc = gm_executor_step(executor);
        if (executor->spec.cancel != NULL &&
            atomic_load_explicit(executor->spec.cancel, memory_order_relaxed))
            rc = gm_error_set(&executor->error, GM_EJOB_CANCELLED, "stopped");
        if (rc == 0 && idle_since == 0)
            continue;
        const uint64_t now = gm_clock_now_ns(clock);
        if (rc == GM_AGAIN && idle_since == 0) {
            idle_since = now;
        } else if (rc == GM_AGAIN) {
            if (now - idle_since >= executor->spec.spin_ns || has_commands(executor))
                rc = sleep_on_bell(executor);
        }
        if (rc != GM_AGAIN && idle_since != 0) {
            idle_ns += gm_clock_now_ns(clock) - idle_since;
            idle_since = 0;
        }
    }
    executor->busy_ns = gm_clock_now_ns(clock) - begin - idle_ns;
    atomic_store_explicit(&executor->ledger->busy_ns, executor->busy_ns, memory_order_relaxed);
    return rc == GM_END ? 0 : rc;
}

const struct gm_error *gm_executor_error(const struct gm_executor *executor)
{
    return &executor->error;
}

static void add_positions(const struct gm_executor *executor, uint32_t chain,
                          const struct gm_exchange_counts *sent, struct gm_analysis *analysis)
{
    const struct gm_plan *plan = executor->spec.plan;
    const struct gm_chain *of = executor->runners[chain].chain;
    const uint32_t first = gm_plan_position(plan, chain), last = plan->chains[chain].step_count + 1;
    for (uint32_t i = 0; i < last; i++) {
        const struct gm_meter meter = gm_chain_meter(of, i);
        gm_analysis_add(analysis, first + i, gm_chain_rows(of, i), meter.bytes, meter.ns);
    }
    gm_analysis_add(analysis, first + last, sent->rows_count, sent->payload_bytes,
                    gm_chain_meter(of, last).ns);
}

void gm_executor_counts_add(const struct gm_executor *executor, struct gm_executor_counts *counts)
{
    const struct gm_plan *plan = executor->spec.plan;
    counts->busy_ns += executor->busy_ns;
    counts->counters_lost =
        gm_counters_merge(&counts->counters, &executor->counters) < 0 || counts->counters_lost;
    counts->heap_peak_bytes += executor->heap.peak_bytes;
    if (executor->spill_store != NULL) {
        struct gm_spill_counts spilled;
        gm_spill_store_counts(executor->spill_store, &spilled);
        counts->spilled_bytes += spilled.written_bytes;
        counts->spilled_payload_bytes += spilled.payload_bytes;
    }
    if (executor->spec.cache != NULL) {
        struct gm_cache_counts kept;
        gm_cache_counts(executor->spec.cache, &kept);
        counts->spilled_bytes += kept.written_bytes;
        counts->cached_memory_bytes += kept.memory_bytes;
        counts->cached_disk_bytes += kept.disk_bytes;
    }
    if (executor->processes.ops != NULL) {
        struct gm_process_counts commands;
        executor->processes.ops->counts(executor->processes.self, &commands);
        counts->commands.commands_count += commands.commands_count;
        counts->commands.written_bytes += commands.written_bytes;
        counts->commands.read_bytes += commands.read_bytes;
    }
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        const struct runner *runner = &executor->runners[i];
        struct gm_chain_counts *chain = &counts->chains[i];
        const uint64_t rows = gm_chain_rows(runner->chain, 0);
        if (runner->text != NULL && plan->chains[i].source.tokenize) {
            chain->source_rows += gm_text_source_lines(runner->text);
            chain->source_words += rows;
        } else if (plan->chains[i].source.blocks) {
            chain->source_rows += gm_text_source_lines(runner->text);
        } else {
            chain->source_rows += rows;
        }
        chain->source_bytes += bytes_read(runner);
        if (runner->csv != NULL)
            chain->bad_rows += gm_csv_source_bad_rows(runner->csv);
        for (uint32_t s = 0; s < plan->chains[i].step_count; s++) {
            chain->step_rows[s] += gm_chain_rows(runner->chain, 1 + s);
            chain->step_spilled_bytes[s] += gm_chain_spilled_bytes(runner->chain, s);
        }
        struct gm_exchange_counts sent;
        gm_sender_counts(runner->sender, &sent);
        struct gm_exchange_counts *total = &counts->exchanges[plan->chains[i].exchange];
        total->rows_count += sent.rows_count;
        total->payload_bytes += sent.payload_bytes;
        total->frames_count += sent.frames_count;
        add_positions(executor, i, &sent, &counts->analysis);
        if (runner->ranges != NULL)
            counts->exchange_spilled_bytes[plan->chains[i].exchange] +=
                gm_range_sink_spilled_bytes(runner->ranges);
        if (runner->samples_out != NULL) {
            gm_sender_counts(runner->samples_out, &sent);
            total = &counts->exchanges[plan->exchanges[plan->chains[i].exchange].samples];
            total->rows_count += sent.rows_count;
            total->payload_bytes += sent.payload_bytes;
            total->frames_count += sent.frames_count;
        }
    }
}
