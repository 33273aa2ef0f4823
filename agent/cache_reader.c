/* cache_reader.c - pieces in memory are lent as they lie; those on disk are read ahead, block by
 * block, and put together in a buffer. */
#include <string.h>

#include "agent/cache_internal.h"
#include "engine/base/check.h"

/* Blocks that are read ahead. */
#define AHEAD 2

struct gm_cache_reader {
    struct gm_cache *cache;
    const struct gm_cache_set *set;
    struct gm_heap *heap;
    struct gm_error *error;
    uint32_t partition; /* its place in the set */
    uint32_t piece;     /* the one behind that which is lent */
    const uint8_t *data; /* of the lent one */
    uint64_t bytes, offset;
    struct gm_scratch buffer; /* of one that is on disk */
    uint64_t filled;
    struct gm_spill_window *windows[AHEAD]; /* reads under way, in order */
    uint32_t window_count;
    uint32_t next_block; /* of the partition's run, not asked for yet */
};

int gm_cache_reader_create(struct gm_cache *cache, uint64_t id, struct gm_heap *heap,
                           struct gm_error *error, struct gm_cache_reader **ret_reader)
{
    const struct gm_cache_set *set = cache != NULL ? gm_cache_find(cache, id) : NULL;
    if (set == NULL)
        return gm_error_set(error, GM_EPEER_PROTOCOL,
                            "a cached dataset is not there any more: run the flow again");
    struct gm_cache_reader *reader = gm_heap_zalloc(heap, sizeof *reader);
    if (reader == NULL)
        return GM_ETASK_MEMORY;
    reader->cache = cache;
    reader->set = set;
    reader->heap = heap;
    reader->error = error;
    *ret_reader = reader;
    return 0;
}

static void give_first(struct gm_cache_reader *reader)
{
    struct gm_cache *cache = reader->cache;
    cache->spill.ops->give(cache->spill.self, reader->windows[0]);
    reader->window_count--;
    cache->reading--;
    memmove(reader->windows, reader->windows + 1,
            reader->window_count * sizeof reader->windows[0]);
}

void gm_cache_reader_destroy(struct gm_cache_reader *reader)
{
    if (reader == NULL)
        return;
    while (reader->window_count > 0)
        give_first(reader);
    gm_scratch_free(&reader->buffer, reader->heap);
    gm_heap_free(reader->heap, reader, sizeof *reader);
}

/* Asks for further blocks of the partition.  Returns 0, GM_AGAIN when none could be asked for and
 * none is under way, or < 0. */
static int read_ahead(struct gm_cache_reader *reader, const struct gm_spill_run *run)
{
    struct gm_cache *cache = reader->cache;
    while (reader->window_count < AHEAD && reader->next_block < run->count) {
        struct gm_spill_window *window;
        int rc = cache->reading < GM_CACHE_WINDOWS_READING
                     ? cache->spill.ops->take(cache->spill.self, &window)
                     : GM_AGAIN;
        gm_cache_settle(cache);
        if (rc != 0)
            return reader->window_count > 0 ? 0 : rc;
        reader->windows[reader->window_count++] = window;
        cache->reading++;
        rc = cache->spill.ops->read(cache->spill.self, run, reader->next_block++, window);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Puts a piece together.  Returns 0 when all of it is in the buffer. */
static int load(struct gm_cache_reader *reader, const struct gm_cache_partition *partition,
                const struct gm_cache_piece *piece)
{
    struct gm_cache *cache = reader->cache;
    if (!gm_scratch_reserve(&reader->buffer, reader->heap, piece->bytes))
        return GM_ETASK_MEMORY;
    while (reader->filled < piece->bytes) {
        int rc = read_ahead(reader, &partition->run);
        if (rc == 0)
            rc = cache->spill.ops->ready(cache->spill.self, reader->windows[0]);
        if (rc != 0)
            return rc;
        const struct gm_spill_window *window = reader->windows[0];
        if (window->bytes > piece->bytes - reader->filled)
            return GM_EFRAME_CORRUPT;
        memcpy(reader->buffer.data + reader->filled, window->data, window->bytes);
        reader->filled += window->bytes;
        give_first(reader);
    }
    reader->data = reader->buffer.data;
    reader->filled = 0;
    return 0;
}

/* The next piece that has rows.  Returns 0, GM_AGAIN, GM_END or < 0. */
static int next_piece(struct gm_cache_reader *reader)
{
    while (reader->partition < reader->set->partition_count) {
        const struct gm_cache_partition *partition = &reader->set->partitions[reader->partition];
        if (reader->piece == partition->count) {
            reader->partition++;
            reader->piece = 0;
            reader->next_block = 0;
            continue;
        }
        const struct gm_cache_piece *piece = &partition->pieces[reader->piece];
        reader->data = piece->data;
        const int rc = piece->data == NULL ? load(reader, partition, piece) : 0;
        if (rc != 0)
            return rc;
        reader->piece++;
        reader->offset = 0;
        reader->bytes = piece->bytes;
        return 0;
    }
    return GM_END;
}

static int refuse(struct gm_cache_reader *reader, int rc)
{
    if (rc == GM_EFRAME_CORRUPT)
        return gm_error_set(reader->error, rc,
                            "a block of a cached dataset is not as long as what was written");
    return gm_cache_refuse(reader->cache, rc, reader->error);
}

int gm_cache_reader_next(struct gm_cache_reader *reader, struct gm_run *ret_run)
{
    const struct gm_cache_spec *spec = &reader->cache->spec;
    struct gm_cache_run run;
    while (reader->offset == reader->bytes) {
        const int rc = next_piece(reader);
        if (rc != 0)
            return rc < 0 ? refuse(reader, rc) : rc;
    }
    memcpy(&run, reader->data + reader->offset, sizeof run);
    GM_CHECK(run.bytes <= reader->bytes - reader->offset - sizeof run);
    *ret_run = (struct gm_run){
        .partition = reader->partition * spec->executor_count + spec->participant,
        .origin = run.origin,
        .source = spec->participant,
        .row_count = run.row_count,
        .bytes = (uint32_t)run.bytes,
        .rows = reader->data + reader->offset + sizeof run};
    reader->offset += sizeof run + run.bytes;
    return 0;
}
