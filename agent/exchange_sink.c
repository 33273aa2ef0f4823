/* exchange_sink.c - a batch is packed in pieces of about a frame, then handed to the sender, and
 * handed to it again for every further copy. */
#include "agent/exchange_sink.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/op/key.h"
#include "engine/row/codec.h"

/* Rows packed before they are sent: a few frames, so that they are still in the cache. */
#define PACK_BYTES (128u << 10)

struct gm_exchange_sink {
    const struct gm_exchange_plan *plan;
    struct gm_sender *sender;
    struct gm_heap *heap;
    struct gm_error *error;
    struct gm_layout layout;
    struct gm_key_reader keys;
    uint32_t source_partitions;
    uint32_t *turns; /* round robin: where the next row of a source's partition goes */
    uint8_t *packed;
    size_t packed_capacity;
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    uint32_t partitions[GM_BATCH_ROWS_MAX];
    /* the batch under way: rows [first, first + count) are packed, `taken` of them sent; `copies`
     * partitions have had them all */
    bool open;
    uint32_t first, count, taken, copies;
};

static int refuse_memory(struct gm_exchange_sink *sink)
{
    return gm_error_set(sink->error, GM_ETASK_MEMORY,
                        "a row to send does not fit this executor's share of the memory: give "
                        "more with --memory");
}

static int reserve(struct gm_exchange_sink *sink, uint64_t bytes)
{
    if (bytes <= sink->packed_capacity)
        return 0;
    gm_heap_free(sink->heap, sink->packed, sink->packed_capacity);
    sink->packed_capacity = 0;
    sink->packed = gm_heap_alloc(sink->heap, bytes);
    if (sink->packed == NULL)
        return refuse_memory(sink);
    sink->packed_capacity = bytes;
    return 0;
}

static bool has_turns(const struct gm_exchange_sink *sink)
{
    return sink->plan->kind == GM_EXCHANGE_ROUND_ROBIN;
}

/* Partitions begin their turns at different places, so that short ones spread as well. */
static int make_turns(struct gm_exchange_sink *sink)
{
    sink->turns = gm_heap_alloc(sink->heap, sink->source_partitions * sizeof *sink->turns);
    if (sink->turns == NULL)
        return GM_ETASK_MEMORY;
    for (uint32_t i = 0; i < sink->source_partitions; i++)
        sink->turns[i] = i % sink->plan->partition_count;
    return 0;
}

int gm_exchange_sink_create(const struct gm_exchange_plan *plan, uint32_t source_partitions,
                            struct gm_sender *sender, struct gm_heap *heap,
                            struct gm_error *error, struct gm_exchange_sink **ret_sink)
{
    struct gm_exchange_sink *sink = gm_heap_zalloc(heap, sizeof *sink);
    if (sink == NULL)
        return GM_ETASK_MEMORY;
    sink->plan = plan;
    sink->sender = sender;
    sink->heap = heap;
    sink->error = error;
    gm_layout_init(&sink->layout, &plan->schema);
    sink->source_partitions = source_partitions;
    if (plan->kind == GM_EXCHANGE_HASH)
        gm_key_reader_init(&sink->keys, &plan->schema, &plan->keys, heap);
    if (plan->tagged)
        gm_key_reader_tag(&sink->keys);
    /* There before memory is spent: sending makes room. */
    int rc = reserve(sink, PACK_BYTES + GM_BYTES_SLACK);
    if (rc == 0 && has_turns(sink))
        rc = make_turns(sink);
    if (rc < 0) {
        gm_exchange_sink_destroy(sink);
        return GM_ETASK_MEMORY;
    }
    *ret_sink = sink;
    return 0;
}

void gm_exchange_sink_destroy(struct gm_exchange_sink *sink)
{
    if (sink == NULL)
        return;
    if (sink->plan->kind == GM_EXCHANGE_HASH)
        gm_key_reader_fini(&sink->keys);
    if (sink->turns != NULL)
        gm_heap_free(sink->heap, sink->turns, sink->source_partitions * sizeof *sink->turns);
    gm_heap_free(sink->heap, sink->packed, sink->packed_capacity);
    gm_heap_free(sink->heap, sink, sizeof *sink);
}

/* The partitions of the packed rows, from their keys' hashes. */
static int choose_by_keys(struct gm_exchange_sink *sink, const struct gm_batch *batch)
{
    struct gm_key keys[GM_KEY_BLOCK];
    for (uint32_t done = 0; done < sink->count; done += GM_KEY_BLOCK) {
        const uint32_t left = sink->count - done;
        const uint32_t count = left < GM_KEY_BLOCK ? left : GM_KEY_BLOCK;
        if (gm_key_read(&sink->keys, batch, sink->first + done, count, keys) < 0)
            return refuse_memory(sink);
        for (uint32_t i = 0; i < count; i++)
            sink->partitions[done + i] =
                gm_hash_partition(keys[i].hash, sink->plan->partition_count);
    }
    return 0;
}

static void choose_by_turns(struct gm_exchange_sink *sink, uint32_t partition)
{
    uint32_t turn = sink->turns[partition];
    for (uint32_t i = 0; i < sink->count; i++) {
        sink->partitions[i] = turn++;
        turn = turn < sink->plan->partition_count ? turn : 0;
    }
    sink->turns[partition] = turn;
}

static void choose_one(struct gm_exchange_sink *sink, uint32_t partition)
{
    for (uint32_t i = 0; i < sink->count; i++)
        sink->partitions[i] = partition;
}

/* Where the packed rows go; they come from `partition` of the source. */
static int choose_partitions(struct gm_exchange_sink *sink, const struct gm_batch *batch,
                             uint32_t partition)
{
    switch (sink->plan->kind) {
    case GM_EXCHANGE_HASH:
        return choose_by_keys(sink, batch);
    case GM_EXCHANGE_ROUND_ROBIN:
        choose_by_turns(sink, partition);
        return 0;
    case GM_EXCHANGE_MERGE:
        choose_one(sink, (uint32_t)((uint64_t)partition * sink->plan->partition_count /
                                    sink->source_partitions));
        return 0;
    case GM_EXCHANGE_BROADCAST:
        choose_one(sink, 0);
        return 0;
    default:
        return 0;
    }
}

/* Packs rows from sink->first on. */
static int pack(struct gm_exchange_sink *sink, const struct gm_batch *batch, uint32_t partition)
{
    const uint32_t left = batch->row_count - sink->first;
    gm_codec_sizes(&sink->layout, batch, sink->first, left, sink->sizes);
    uint64_t bytes = 0;
    uint32_t count = 0;
    while (count < left && (count == 0 || bytes + sink->sizes[count] <= PACK_BYTES))
        bytes += sink->sizes[count++];
    if (sink->sizes[0] > GM_ROW_BYTES_MAX)
        return gm_error_set(sink->error, GM_EJOB_FLOW,
                            "a row is longer than the %u MiB that can be sent at once: emit its "
                            "values in several rows",
                            GM_ROW_BYTES_MAX >> 20);
    uint64_t want = bytes + GM_BYTES_SLACK;
    if (want < PACK_BYTES + GM_BYTES_SLACK)
        want = PACK_BYTES + GM_BYTES_SLACK;
    int rc = reserve(sink, want);
    if (rc < 0)
        return rc;
    gm_codec_encode(&sink->layout, batch, sink->first, count, sink->sizes, sink->packed);
    sink->count = count;
    sink->taken = 0;
    sink->copies = 0;
    return choose_partitions(sink, batch, partition);
}

/* The packed rows once more, if another partition is to have them. */
static bool next_copy(struct gm_exchange_sink *sink)
{
    if (sink->plan->kind != GM_EXCHANGE_BROADCAST || sink->count == 0 ||
        ++sink->copies == sink->plan->partition_count)
        return false;
    choose_one(sink, sink->copies);
    sink->taken = 0;
    return true;
}

static int sink_push(void *opaque, const struct gm_batch *batch, uint32_t partition)
{
    struct gm_exchange_sink *sink = opaque;
    const bool to_one =
        sink->plan->kind == GM_EXCHANGE_GATHER || sink->plan->kind == GM_EXCHANGE_OUTPUT;
    if (!sink->open) {
        sink->open = true;
        sink->first = 0;
        sink->count = 0;
        sink->taken = 0;
    }
    for (;;) {
        if (sink->taken == sink->count && !next_copy(sink)) {
            sink->first += sink->count;
            sink->count = 0;
            sink->taken = 0;
            if (sink->first == batch->row_count)
                break;
            int rc = pack(sink, batch, partition);
            if (rc < 0)
                return rc;
        }
        int rc = gm_sender_rows(sink->sender, sink->packed, sink->sizes,
                                to_one ? NULL : sink->partitions,
                                sink->count, partition, &sink->taken);
        if (rc == GM_ETASK_MEMORY)
            return refuse_memory(sink);
        if (rc != 0)
            return rc;
    }
    sink->open = false;
    /* What one enormous row needed is not held for the rest of the job. */
    if (sink->packed_capacity > 2 * PACK_BYTES) {
        gm_heap_free(sink->heap, sink->packed, sink->packed_capacity);
        sink->packed = NULL;
        sink->packed_capacity = 0;
        return reserve(sink, PACK_BYTES + GM_BYTES_SLACK);
    }
    return 0;
}

static int sink_finish(void *opaque)
{
    struct gm_exchange_sink *sink = opaque;
    return gm_sender_finish(sink->sender);
}

struct gm_chain_sink gm_exchange_sink_port(struct gm_exchange_sink *sink)
{
    return (struct gm_chain_sink){.self = sink, .push = sink_push, .finish = sink_finish};
}
