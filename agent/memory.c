/* memory.c - how --memory is divided between the region and the heaps. */
#include <inttypes.h>
#include <stdio.h>

#include "agent/job.h"
#include "agent/blocks.h"
#include "agent/lending.h"
#include "agent/needs.h"
#include "agent/cache.h"
#include "agent/reader.h"
#include "agent/unpack_disk.h"
#include "engine/base/text.h"
#include "engine/row/batch.h"

/* A process beside its heap: program, libraries, stack, jemalloc's own; measured as Pss. */
#define PROCESS_BYTES (3u << 20)
/* Least heap: a reader's five blocks of 1.6 MiB in all, batches, packing, a small table. */
#define HEAP_BYTES_MIN (8u << 20)
/* Each text source beyond the first: a reader, its disk, and its chain's batches. */
#define TEXT_BYTES (GM_READER_BYTES + (512u << 10))
/* Each source of CSV: its blocks, its disk, a parser and two batches of up to 64 columns. */
#define CSV_BYTES (GM_BLOCKS_BYTES + (3u << 20))
/* What unpacks files: a block and a usual window (8 MiB for zstd -19). */
#define UNPACK_BYTES (10u << 20)
/* A step that writes: its text, a few members of it. */
#define WRITE_BYTES (1u << 20)
/* Each output beyond the first, in the driver: 256 KiB of text, or a batch of rows. */
#define OUTPUT_BYTES (512u << 10)
/* The driver's heap, which holds one row per executor at worst, may be this part of all heaps. */
#define DRIVER_SHARE 8
/* Beside kept rows: windows to the disk. */
#define CACHE_BYTES (3u << 20)
/* A step in Lua: its state with what LuaJIT compiles, its reserve, arrays of its rows. */
#define LUA_BYTES (1u << 20)
#define HUGE_PAGE_BYTES (2u << 20)
/* Frames that a source has on their way per exchange beyond one open one per destination. */
#define QUOTA_EXTRA 6
/* More frames than this per exchange and source bring nothing: a 64 KiB frame is 10 us of work. */
#define QUOTA_MAX 4096
/* The region may take this part of the memory before its frames get smaller. */
#define REGION_SHARE 4

static uint32_t power_of_two_above(uint32_t number)
{
    uint32_t power = 2;
    while (power < number)
        power *= 2;
    return power;
}

static void fill_spec(const struct gm_plan *plan, const struct gm_job_place *place,
                      uint32_t frame_bytes, uint32_t quota_extra, struct gm_region_spec *spec)
{
    const uint32_t executor_count = place->executor_count;
    spec->executor_count = executor_count;
    spec->first_local = place->first_local;
    spec->local_count = place->local_count;
    spec->driver_is_local = place->driver_is_local;
    spec->exchange_count = plan->exchange_count;
    spec->claim_count = GM_CLAIMS_PER_CHAIN * plan->chain_count + GM_LENDING_CLAIMS;
    spec->word_count = gm_plan_word_count(plan);
    spec->frame_bytes = frame_bytes;
    for (uint32_t i = 0; i < plan->exchange_count; i++) {
        const bool to_driver = plan->exchanges[i].kind == GM_EXCHANGE_OUTPUT;
        const uint32_t destinations = to_driver ? 1 : executor_count;
        const uint32_t quota = destinations + quota_extra;
        /* Of what a source of another node sends, this lies here: it is more than what is sent
         * while a credit is on its way back. */
        const uint32_t landing = to_driver ? place->driver_is_local : place->local_count;
        const uint32_t credit = landing + quota_extra;
        spec->exchanges[i] = (struct gm_exchange_shape){
            .to_driver = to_driver,
            .quota_frames = quota,
            .credit_frames = credit,
            .ring_slots = power_of_two_above(quota > credit ? quota : credit)};
    }
}

/* What the chain's writing step and its files take. */
static uint64_t write_bytes(const struct gm_chain_plan *chain)
{
    static const uint32_t compressors[] = {[GM_COMPRESSION_NONE] = 0,
                                           [GM_COMPRESSION_GZIP] = 3u << 20,
                                           [GM_COMPRESSION_ZSTD] = 8u << 20,
                                           [GM_COMPRESSION_BZIP2] = 10u << 20};
    if (chain->step_count == 0 || chain->steps[chain->step_count - 1].kind != GM_STEP_WRITE)
        return 0;
    const enum gm_compression compression =
        chain->steps[chain->step_count - 1].write->compression;
    /* Per partition: a state, and its file's counts. */
    return WRITE_BYTES + compressors[compression] + (uint64_t)chain->source.partition_count * 256;
}

/* A batch of this schema (gm_batch_init). */
static uint64_t batch_bytes(const struct gm_schema *schema)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < schema->field_count; i++)
        bytes += (uint64_t)GM_BATCH_ROWS_MAX * (gm_vector_stride(schema->fields[i].kind) + 1) +
                 GM_LINE_BYTES;
    return bytes;
}

/* A chain of several inputs has a batch of each to receive, another to read what it kept, and one
 * of the result. */
static uint64_t meeting_bytes(const struct gm_chain_plan *chain)
{
    uint64_t bytes = 0;
    if (chain->source.input_count < 2)
        return 0;
    for (uint32_t i = 0; i < chain->source.input_count; i++)
        bytes += 2 * batch_bytes(&chain->source.inputs[i].schema);
    return bytes + (chain->step_count > 0 ? batch_bytes(&chain->steps[0].schema) : 0);
}

static bool keeps_rows(const struct gm_plan *plan)
{
    for (uint32_t i = 0; i < plan->exchange_count; i++)
        if (plan->exchanges[i].cached_id != 0)
            return true;
    return plan->kept_count > 0;
}

/* The least that a heap needs, be it an executor's or the driver's. */
static uint64_t least_heap(const struct gm_plan *plan, uint32_t executor_count)
{
    uint64_t executor = HEAP_BYTES_MIN, driver = HEAP_BYTES_MIN;
    uint32_t texts = 0, outputs = 0;
    executor += (uint64_t)gm_needs_lua(plan) * LUA_BYTES;
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        executor += meeting_bytes(&plan->chains[i]);
        if (plan->chains[i].source.kind == GM_SOURCE_TEXT && texts++ > 0)
            executor += TEXT_BYTES;
        if (plan->chains[i].source.kind == GM_SOURCE_CSV)
            executor += CSV_BYTES;
        if (gm_unpack_disk_wanted(&plan->chains[i].source))
            executor += UNPACK_BYTES;
        executor += write_bytes(&plan->chains[i]);
    }
    for (uint32_t i = 0; i < plan->exchange_count; i++) {
        const struct gm_exchange_plan *exchange = &plan->exchanges[i];
        const bool to_driver = exchange->kind == GM_EXCHANGE_OUTPUT;
        /* Where a destination has several partitions, a sender has staging for each. */
        if (exchange->partition_count > (to_driver ? 1 : executor_count))
            executor += (uint64_t)exchange->partition_count * GM_STAGING_BYTES_MAX;
        if (to_driver && outputs++ > 0)
            driver += OUTPUT_BYTES;
    }
    /* What is kept may have half of it. */
    if (keeps_rows(plan))
        executor = GM_CACHE_SHARE * executor + CACHE_BYTES;
    return executor > driver ? executor : driver;
}

/* What an executor has whatever the others do.  What is kept between jobs has limits of its own:
 * then all have the same. */
static uint64_t least_share(const struct gm_plan *plan, uint32_t executor_count, uint64_t even)
{
    const uint64_t share = gm_needs_lua(plan) ? even / 4 * 3 : even / 2;
    const uint64_t least = least_heap(plan, executor_count);
    if (executor_count == 1 || keeps_rows(plan))
        return even;
    return share > least ? share : least;
}

/* Bytes of the region as it is mapped: in whole huge pages, unless they are switched off. */
static uint64_t region_bytes(const struct gm_region_spec *spec, enum gm_pages_want pages)
{
    const uint64_t bytes = gm_region_footprint(spec);
    const uint64_t unit = pages == GM_PAGES_OFF ? 1 : HUGE_PAGE_BYTES;
    return (bytes + unit - 1) / unit * unit;
}

/* --hugepages SIZE is the region's size: frames fill it, as far as they are of use and there are at
 * most `most` bytes for it. */
static void fill_huge(const struct gm_plan *plan, const struct gm_options *options,
                      const struct gm_job_place *place, uint32_t frame_bytes, uint64_t most,
                      struct gm_region_spec *spec)
{
    if (most > options->huge_bytes)
        most = options->huge_bytes;
    if (most > options->memory_bytes / 2)
        most = options->memory_bytes / 2;
    uint32_t extra = QUOTA_EXTRA;
    for (uint32_t more = extra; more <= QUOTA_MAX; more += more / 4 + 1) {
        fill_spec(plan, place, frame_bytes, more, spec);
        if (region_bytes(spec, options->pages) > most)
            break;
        extra = more;
    }
    fill_spec(plan, place, frame_bytes, extra, spec);
}

/* Frames as large as leave room for the rest; the size is given where other nodes have it. */
static uint64_t choose_frames(const struct gm_plan *plan, const struct gm_options *options,
                              const struct gm_job_place *place, uint64_t rest,
                              struct gm_region_spec *ret_spec)
{
    uint32_t frame = place->frame_bytes > 0 ? place->frame_bytes : GM_FRAME_BYTES_DEFAULT;
    for (;; frame /= 2) {
        fill_spec(plan, place, frame, QUOTA_EXTRA, ret_spec);
        const uint64_t region = region_bytes(ret_spec, options->pages);
        const bool fits = region <= options->memory_bytes / REGION_SHARE &&
                          region + rest <= options->memory_bytes;
        if (frame == GM_FRAME_BYTES_MIN || frame == place->frame_bytes || fits)
            return region;
    }
}

static int refuse_memory(const struct gm_plan *plan, const struct gm_options *options,
                         uint32_t executors, uint64_t least, struct gm_error *error)
{
    char have[32], need[32];
    gm_text_format_size(options->memory_bytes, have, sizeof have);
    gm_text_format_size(least, need, sizeof need);
    return gm_error_set(error, GM_EJOB_OPTION,
                        "--memory: %s is too small for %u executors and %u exchanges, which "
                        "need %s: give --memory %" PRIu64 "M, or fewer --cores",
                        have, executors, plan->exchange_count, need, (least >> 20) + 1);
}

int gm_job_divide(const struct gm_plan *plan, const struct gm_options *options,
                  const struct gm_job_place *place, struct gm_region_spec *ret_spec,
                  struct gm_memory_split *ret_split, struct gm_error *error)
{
    const struct gm_job_place here = {.executor_count = options->executor_count,
                                      .local_count = options->executor_count,
                                      .driver_is_local = true};
    if (place == NULL)
        place = &here;
    /* A node has executors, and a driver or a gateway; a driver's node may have no executors. */
    const uint32_t executors = place->local_count;
    const uint64_t least = least_heap(plan, place->executor_count);
    const uint64_t processes = (uint64_t)PROCESS_BYTES * (options->in_process ? 1 : executors + 1);
    /* What is not the region: frames get smaller before this does not fit. */
    const uint64_t rest = processes + least * (executors + 1);
    uint64_t region = choose_frames(plan, options, place, rest, ret_spec);
    if (options->pages == GM_PAGES_HUGE && region + rest <= options->memory_bytes) {
        fill_huge(plan, options, place, ret_spec->frame_bytes, options->memory_bytes - rest,
                  ret_spec);
        region = region_bytes(ret_spec, options->pages);
    }
    if (options->memory_bytes < region + rest)
        return refuse_memory(plan, options, executors, region + rest, error);
    const uint64_t heaps = options->memory_bytes - region - processes;
    uint64_t driver = heaps / (executors + 1);
    if (driver > heaps / DRIVER_SHARE)
        driver = heaps / DRIVER_SHARE;
    if (driver < least)
        driver = least;
    const uint64_t even = executors > 0 ? (heaps - driver) / executors : 0;
    *ret_split = (struct gm_memory_split){
        .region_bytes = region,
        .process_bytes = processes,
        .heap_bytes = even,
        .least_bytes = executors > 0 ? least_share(plan, executors, even) : 0,
        .driver_bytes = driver,
        .frame_bytes = ret_spec->frame_bytes,
    };
    return 0;
}
