/* cache.c - what is kept, and how it comes and goes between memory and disk. */
#include "agent/cache.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cache_internal.h"
#include "engine/base/check.h"

/* How long the disk is waited for before it is asked again. */
#define POLL_MS 100

int gm_cache_create(const struct gm_cache_spec *spec, struct gm_cache **ret_cache)
{
    struct gm_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return -ENOMEM;
    cache->spec = *spec;
    *ret_cache = cache;
    return 0;
}

/* ---- the store ------------------------------------------------------------------------------- */

static int open_store(struct gm_cache *cache)
{
    const struct gm_cache_spec *spec = &cache->spec;
    cache->error.code = 0;
    if (spec->spill_open == NULL)
        return gm_error_set(&cache->error, GM_ETASK_SPILL,
                            "a cached dataset does not fit the memory, and nothing may go to disk");
    int rc = spec->spill_open(spec->spill_self, &cache->heap, GM_CACHE_WINDOWS, &cache->disk);
    if (rc < 0)
        return gm_error_set(&cache->error, rc, "cannot make a queue to the disk: %s",
                            gm_error_name(rc));
    const struct gm_spill_spec store = {
        .directories = cache->directories,
        .directory_count = gm_spill_paths_list(&cache->paths, cache->directories),
        .block_bytes = GM_CACHE_BLOCK_BYTES,
        .windows_max = GM_CACHE_WINDOWS,
        .participant = spec->participant,
        .disk = cache->disk,
        .heap = &cache->heap,
        .error = &cache->error,
    };
    rc = gm_spill_store_create(&store, &cache->store);
    if (rc < 0) {
        spec->spill_close(spec->spill_self, &cache->disk);
        return gm_error_set(&cache->error, rc, "no memory for a queue to the disk");
    }
    cache->spill = gm_spill_store_port(cache->store);
    return 0;
}

static void close_store(struct gm_cache *cache)
{
    if (cache->store == NULL)
        return;
    cache->spec.spill_close(cache->spec.spill_self, &cache->disk);
    gm_spill_store_destroy(cache->store);
    cache->store = NULL;
}

int gm_cache_refuse(struct gm_cache *cache, int rc, struct gm_error *error)
{
    if (rc >= 0)
        return rc;
    return gm_error_set(error, rc, "%s",
                        cache->error.code != 0
                            ? cache->error.text
                            : "there is no room for a cached dataset in this executor's share of "
                              "the memory: give more with --memory");
}

int gm_cache_poll(struct gm_cache *cache, struct gm_error *error)
{
    return cache->store == NULL ? 0
                                : gm_cache_refuse(cache, gm_spill_store_poll(cache->store), error);
}

int gm_cache_descriptor(const struct gm_cache *cache)
{
    return cache->store != NULL && gm_spill_store_waits(cache->store)
               ? cache->disk.ops->descriptor(cache->disk.self)
               : -1;
}

/* ---- memory ---------------------------------------------------------------------------------- */

void gm_cache_settle(struct gm_cache *cache)
{
    if (cache->job_heap == NULL)
        return;
    const uint64_t used = cache->heap.used_bytes;
    if (used > cache->counted_bytes) {
        const uint64_t more = used - cache->counted_bytes;
        cache->job_heap->limit_bytes -=
            more < cache->job_heap->limit_bytes ? more : cache->job_heap->limit_bytes;
    } else {
        cache->job_heap->limit_bytes += cache->counted_bytes - used;
    }
    cache->counted_bytes = used;
}

bool gm_cache_has_room(const struct gm_cache *cache, uint64_t bytes)
{
    if (cache->memory_bytes + bytes > cache->memory_bytes_max)
        return false;
    /* What the job's own steps would have to spill for stays theirs. */
    return cache->job_heap == NULL ||
           cache->job_heap->used_bytes + cache->heap.used_bytes + bytes <= cache->spill_at_bytes;
}

static int write_block(struct gm_cache *cache, struct gm_cache_partition *partition,
                       const struct gm_cache_piece *piece)
{
    struct gm_spill_window *window;
    int rc = cache->spill.ops->take(cache->spill.self, &window);
    if (rc != 0)
        return rc;
    const uint32_t left = piece->bytes - partition->written_bytes;
    window->bytes = left < cache->spill.room_bytes ? left : cache->spill.room_bytes;
    memcpy(window->data, piece->data + partition->written_bytes, window->bytes);
    partition->written_bytes += window->bytes;
    return cache->spill.ops->write(cache->spill.self, &partition->run, window);
}

int gm_cache_write(struct gm_cache *cache, struct gm_cache_partition *partition, uint32_t end)
{
    int rc = cache->store == NULL ? open_store(cache) : 0;
    while (partition->written < end && rc == 0) {
        struct gm_cache_piece *piece = &partition->pieces[partition->written];
        if (piece->bytes > partition->written_bytes) {
            rc = write_block(cache, partition, piece);
            continue;
        }
        gm_heap_free(&cache->heap, piece->data, piece->capacity);
        cache->memory_bytes -= piece->capacity;
        partition->memory_bytes -= piece->capacity;
        piece->data = NULL;
        partition->written++;
        partition->written_bytes = 0;
    }
    gm_cache_settle(cache);
    return rc;
}

struct gm_cache_partition *gm_cache_largest(struct gm_cache_set *set, bool with_last)
{
    struct gm_cache_partition *largest = NULL;
    for (uint32_t i = 0; i < set->partition_count; i++) {
        struct gm_cache_partition *partition = &set->partitions[i];
        if (partition->written + !with_last < partition->count &&
            (largest == NULL || partition->memory_bytes > largest->memory_bytes))
            largest = partition;
    }
    return largest;
}

/* ---- sets ------------------------------------------------------------------------------------ */

struct gm_cache_set *gm_cache_find(struct gm_cache *cache, uint64_t id)
{
    struct gm_cache_set *set = cache->sets;
    while (set != NULL && set->id != id)
        set = set->next;
    return set;
}

void gm_cache_forget(struct gm_cache *cache, struct gm_cache_set *set)
{
    struct gm_cache_set **link = &cache->sets;
    while (*link != set)
        link = &(*link)->next;
    *link = set->next;
    for (uint32_t i = 0; i < set->partition_count; i++) {
        struct gm_cache_partition *partition = &set->partitions[i];
        for (uint32_t p = partition->written; p < partition->count; p++)
            gm_heap_free(&cache->heap, partition->pieces[p].data, partition->pieces[p].capacity);
        cache->memory_bytes -= partition->memory_bytes;
        gm_heap_free(&cache->heap, partition->pieces,
                     partition->capacity * sizeof *partition->pieces);
        if (partition->run.capacity > 0)
            cache->spill.ops->forget(cache->spill.self, &partition->run);
    }
    if (set->partition_count > 0)
        gm_heap_free(&cache->heap, set->partitions,
                     set->partition_count * sizeof *set->partitions);
    gm_heap_free(&cache->heap, set, sizeof *set);
    gm_cache_settle(cache);
}

void gm_cache_destroy(struct gm_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->sets != NULL)
        gm_cache_forget(cache, cache->sets);
    close_store(cache);
    if (cache->has_heap)
        gm_heap_fini(&cache->heap);
    free(cache);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static bool is_kept(const struct gm_plan *plan, uint64_t id)
{
    for (uint32_t i = 0; i < plan->kept_count; i++)
        if (plan->kept[i] == id)
            return true;
    return false;
}

static void forget_others(struct gm_cache *cache, const struct gm_plan *plan)
{
    for (struct gm_cache_set *set = cache->sets, *next; set != NULL; set = next) {
        next = set->next;
        if (!is_kept(plan, set->id))
            gm_cache_forget(cache, set);
    }
}

/* Waits until the disk has ended something. */
static int wait_for_disk(struct gm_cache *cache)
{
    struct pollfd disk = {.fd = gm_cache_descriptor(cache), .events = POLLIN};
    if (disk.fd >= 0)
        (void)poll(&disk, 1, POLL_MS);
    return gm_spill_store_poll(cache->store);
}

static int move_to_disk(struct gm_cache *cache, struct gm_cache_set *set)
{
    int rc = 0;
    while (cache->memory_bytes > cache->memory_bytes_max && rc >= 0) {
        struct gm_cache_partition *largest = gm_cache_largest(set, true);
        if (largest == NULL)
            return 0;
        rc = gm_cache_write(cache, largest, largest->count);
        if (rc == GM_AGAIN)
            rc = wait_for_disk(cache);
    }
    return rc;
}

int gm_cache_begin(struct gm_cache *cache, const struct gm_plan *plan, uint64_t memory_bytes,
                   const struct gm_spill_paths *paths, struct gm_error *error)
{
    int rc = 0;
    forget_others(cache, plan);
    if (cache->sets == NULL && cache->has_heap) {
        close_store(cache);
        gm_heap_fini(&cache->heap);
        cache->has_heap = false;
    }
    /* The files that are there stay where they are. */
    if (cache->store == NULL)
        cache->paths = *paths;
    if (!cache->has_heap) {
        rc = gm_heap_init(&cache->heap, UINT64_MAX);
        cache->has_heap = rc == 0;
    }
    /* To move rows to disk takes windows, also where this job has less than the one before. */
    cache->heap.limit_bytes = memory_bytes + cache->heap.used_bytes;
    cache->memory_bytes_max = memory_bytes / GM_CACHE_SHARE;
    for (struct gm_cache_set *set = cache->sets; set != NULL && rc == 0; set = set->next)
        rc = move_to_disk(cache, set);
    cache->heap.limit_bytes = memory_bytes;
    return gm_cache_refuse(cache, rc, error);
}

static uint64_t written_bytes(const struct gm_cache *cache)
{
    struct gm_spill_counts counts = {0};
    if (cache->store != NULL)
        gm_spill_store_counts(cache->store, &counts);
    return counts.written_bytes;
}

void gm_cache_attach(struct gm_cache *cache, struct gm_heap *heap, uint64_t spill_at_bytes)
{
    cache->job_heap = heap;
    cache->spill_at_bytes = spill_at_bytes;
    cache->counted_bytes = 0;
    cache->written_before = written_bytes(cache);
    gm_cache_settle(cache);
}

void gm_cache_detach(struct gm_cache *cache)
{
    cache->job_heap = NULL;
}

void gm_cache_counts(const struct gm_cache *cache, struct gm_cache_counts *ret_counts)
{
    *ret_counts = (struct gm_cache_counts){
        .memory_bytes = cache->has_heap ? cache->heap.used_bytes : 0,
        .written_bytes = written_bytes(cache) - cache->written_before};
    for (const struct gm_cache_set *set = cache->sets; set != NULL; set = set->next)
        for (uint32_t i = 0; i < set->partition_count; i++)
            ret_counts->disk_bytes += set->partitions[i].run.bytes;
}
