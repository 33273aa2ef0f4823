/* cache_sink.c - rows are packed straight into the last piece of their partition. */
#include <string.h>

#include "agent/cache_internal.h"
#include "agent/teller.h"
#include "engine/base/check.h"
#include "engine/row/codec.h"

/* A partition's first piece; each further one is twice as large, up to a block. */
#define PIECE_BYTES_MIN (4u << 10)
#define PIECES_MIN 4

struct gm_cache_sink {
    struct gm_cache *cache;
    struct gm_cache_set *set;
    struct gm_heap *heap;
    struct gm_error *error;
    bool on_disk;
    struct gm_layout layout;
    struct gm_cache_partition *evicting; /* whose pieces are being written */
    uint32_t evicting_end;
    /* the batch under way */
    bool open;
    uint32_t row;
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    uint32_t next; /* finish: partitions below it are told, or about to be */
    struct gm_teller teller;
};

/* Executor e keeps the partitions e, e + n, e + 2n, ... */
static uint32_t count_here(const struct gm_cache *cache, uint32_t partition_count)
{
    const uint32_t participant = cache->spec.participant;
    return partition_count > participant
               ? (partition_count - participant - 1) / cache->spec.executor_count + 1
               : 0;
}

static bool next_told(void *opaque, int64_t row[3])
{
    struct gm_cache_sink *sink = opaque;
    const struct gm_cache *cache = sink->cache;
    if (sink->next == sink->set->partition_count)
        return false;
    const struct gm_cache_partition *partition = &sink->set->partitions[sink->next];
    row[0] = (int64_t)sink->next * cache->spec.executor_count + cache->spec.participant;
    row[1] = (int64_t)partition->rows;
    row[2] = (int64_t)partition->bytes;
    sink->next++;
    return true;
}

static int make_set(struct gm_cache *cache, uint64_t id, uint32_t partition_count,
                    struct gm_cache_set **ret_set)
{
    struct gm_cache_set *set = gm_heap_zalloc(&cache->heap, sizeof *set);
    if (set == NULL)
        return GM_ETASK_MEMORY;
    set->id = id;
    set->next = cache->sets;
    cache->sets = set;
    *ret_set = set;
    if (partition_count == 0)
        return 0;
    set->partitions = gm_heap_zalloc(&cache->heap, partition_count * sizeof *set->partitions);
    if (set->partitions == NULL)
        return GM_ETASK_MEMORY; /* the set without any is forgotten with the next job */
    set->partition_count = partition_count;
    for (uint32_t i = 0; i < partition_count; i++)
        set->partitions[i].run.partition =
            i * cache->spec.executor_count + cache->spec.participant;
    return 0;
}

int gm_cache_sink_create(struct gm_cache *cache, const struct gm_exchange_plan *plan,
                         const struct gm_schema *schema, uint32_t partition_count,
                         struct gm_sender *sender, struct gm_heap *heap, struct gm_error *error,
                         struct gm_cache_sink **ret_sink)
{
    struct gm_cache_sink *sink = gm_heap_zalloc(heap, sizeof *sink);
    if (sink == NULL)
        return GM_ETASK_MEMORY;
    sink->cache = cache;
    sink->heap = heap;
    sink->error = error;
    sink->on_disk = plan->on_disk;
    gm_layout_init(&sink->layout, schema);
    sink->teller = (struct gm_teller){.next = next_told, .self = sink, .sender = sender};
    int rc = gm_cache_find(cache, plan->cached_id) != NULL ? GM_EPEER_PROTOCOL : 0;
    if (rc == 0)
        rc = make_set(cache, plan->cached_id, count_here(cache, partition_count), &sink->set);
    gm_cache_settle(cache);
    if (rc < 0) {
        gm_cache_sink_destroy(sink);
        return gm_cache_refuse(cache, rc, error);
    }
    *ret_sink = sink;
    return 0;
}

void gm_cache_sink_destroy(struct gm_cache_sink *sink)
{
    if (sink != NULL)
        gm_heap_free(sink->heap, sink, sizeof *sink);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static int add_piece(struct gm_cache *cache, struct gm_cache_partition *partition,
                     uint64_t capacity)
{
    if (partition->count == partition->capacity) {
        const uint32_t more = partition->capacity > 0 ? 2 * partition->capacity : PIECES_MIN;
        struct gm_cache_piece *pieces = gm_heap_realloc(
            &cache->heap, partition->pieces, partition->capacity * sizeof *pieces,
            more * sizeof *pieces);
        if (pieces == NULL)
            return GM_ETASK_MEMORY;
        partition->pieces = pieces;
        partition->capacity = more;
    }
    const struct gm_heap *job = cache->job_heap;
    if (job != NULL && job->used_bytes + capacity > job->limit_bytes)
        return GM_ETASK_MEMORY;
    uint8_t *data = gm_heap_alloc(&cache->heap, capacity);
    if (data == NULL)
        return GM_ETASK_MEMORY;
    partition->pieces[partition->count++] =
        (struct gm_cache_piece){.data = data, .capacity = (uint32_t)capacity};
    partition->memory_bytes += capacity;
    cache->memory_bytes += capacity;
    gm_cache_settle(cache);
    return 0;
}

/* Goes on with what is being written.  Returns 0, GM_AGAIN or < 0. */
static int evict(struct gm_cache_sink *sink)
{
    if (sink->evicting == NULL)
        return 0;
    const int rc = gm_cache_write(sink->cache, sink->evicting, sink->evicting_end);
    if (rc == 0)
        sink->evicting = NULL;
    return rc;
}

/* Writes a partition's whole pieces, all of them, and also the last one where with_last. */
static int begin_to_evict(struct gm_cache_sink *sink, struct gm_cache_partition *partition,
                          bool with_last)
{
    sink->evicting = partition;
    sink->evicting_end = partition->count - !with_last;
    return evict(sink);
}

/* Room for a piece: rows of the largest partition go to disk where there is none.  What is whole
 * goes first; with many small partitions it is pieces that still grow. */
static int make_room(struct gm_cache_sink *sink, uint64_t bytes)
{
    while (!gm_cache_has_room(sink->cache, bytes)) {
        bool with_last = false;
        struct gm_cache_partition *largest = gm_cache_largest(sink->set, false);
        if (largest == NULL || largest->memory_bytes < GM_CACHE_BLOCK_BYTES) {
            largest = gm_cache_largest(sink->set, true);
            with_last = true;
        }
        if (largest == NULL)
            return 0; /* there is nothing to write: the heap itself may still have room */
        const int rc = begin_to_evict(sink, largest, with_last);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* A piece that takes a run of `bytes`. */
static int open_piece(struct gm_cache_sink *sink, struct gm_cache_partition *partition,
                      uint64_t bytes)
{
    const uint32_t block = sink->cache->store != NULL ? sink->cache->spill.room_bytes
                                                      : GM_CACHE_BLOCK_BYTES - 256;
    uint64_t capacity = PIECE_BYTES_MIN;
    int rc = 0;
    if (sink->on_disk && partition->written < partition->count)
        rc = begin_to_evict(sink, partition, true);
    if (rc != 0)
        return rc;
    if (partition->count > 0)
        capacity = 2 * (uint64_t)partition->pieces[partition->count - 1].capacity;
    if (sink->on_disk || capacity > block)
        capacity = block;
    if (capacity < bytes)
        capacity = bytes;
    rc = make_room(sink, capacity);
    return rc == 0 ? add_piece(sink->cache, partition, capacity) : rc;
}

/* The rows that fit behind what is in the last piece, as one run. */
static int pack(struct gm_cache_sink *sink, const struct gm_batch *batch,
                struct gm_cache_partition *partition)
{
    struct gm_cache_piece *piece =
        partition->written < partition->count ? &partition->pieces[partition->count - 1] : NULL;
    const uint32_t left = batch->row_count - sink->row;
    const uint32_t *sizes = sink->sizes + sink->row;
    uint64_t bytes = sizeof(struct gm_cache_run) + sizes[0];
    if (piece == NULL || piece->capacity - piece->bytes < bytes)
        return open_piece(sink, partition, bytes);
    uint32_t count = 1;
    while (count < left && bytes + sizes[count] <= piece->capacity - piece->bytes)
        bytes += sizes[count++];
    const struct gm_cache_run run = {
        .origin = batch->origin, .row_count = count, .bytes = bytes - sizeof run};
    memcpy(piece->data + piece->bytes, &run, sizeof run);
    gm_codec_encode(&sink->layout, batch, sink->row, count, sizes,
                    piece->data + piece->bytes + sizeof run);
    piece->bytes += (uint32_t)bytes;
    partition->rows += count;
    partition->bytes += run.bytes;
    sink->row += count;
    return 0;
}

static int sink_push(void *opaque, const struct gm_batch *batch, uint32_t partition)
{
    struct gm_cache_sink *sink = opaque;
    const uint32_t place = partition / sink->cache->spec.executor_count;
    GM_CHECK(partition % sink->cache->spec.executor_count == sink->cache->spec.participant &&
             place < sink->set->partition_count);
    if (!sink->open) {
        gm_codec_sizes(&sink->layout, batch, 0, batch->row_count, sink->sizes);
        sink->row = 0;
        sink->open = true;
    }
    while (sink->row < batch->row_count) {
        int rc = evict(sink);
        if (rc == 0)
            rc = pack(sink, batch, &sink->set->partitions[place]);
        if (rc != 0)
            return gm_cache_refuse(sink->cache, rc, sink->error);
    }
    sink->open = false;
    return 0;
}

/* Everything is on disk that is to be, and the disk has said so. */
static int settle_disk(struct gm_cache_sink *sink)
{
    struct gm_cache_partition *largest;
    int rc = evict(sink);
    while (rc == 0 && sink->on_disk && (largest = gm_cache_largest(sink->set, true)) != NULL)
        rc = begin_to_evict(sink, largest, true);
    if (rc == 0 && sink->cache->store != NULL && gm_spill_store_waits(sink->cache->store)) {
        rc = gm_spill_store_poll(sink->cache->store);
        if (rc == 0 && gm_spill_store_waits(sink->cache->store))
            rc = GM_AGAIN;
    }
    return gm_cache_refuse(sink->cache, rc, sink->error);
}

static int sink_finish(void *opaque)
{
    struct gm_cache_sink *sink = opaque;
    const int rc = settle_disk(sink);
    return rc == 0 ? gm_teller_finish(&sink->teller) : rc;
}

struct gm_chain_sink gm_cache_sink_port(struct gm_cache_sink *sink)
{
    return (struct gm_chain_sink){.self = sink, .push = sink_push, .finish = sink_finish};
}
