/* cache.h - datasets that an executor keeps between the jobs of a driver.
 *
 * A dataset is its partitions, and a partition pieces of packed rows in the order in which they
 * came.  Pieces lie in memory while there is room for them; then those of the largest partition go
 * to the disk queue, from its first one on.  One job fills a dataset through a sink; others read it
 * through readers, as often as they like and several at a time.
 *
 * Threads:   one executor's at a time.
 * Memory:    a heap of its own.  What it holds is taken off the limit of the job's heap, so both
 *            together stay in the executor's share; at most half of that is for kept rows.
 * Blocking:  never, but for gm_cache_begin, which may wait for the disk.
 * Disk:      files without names of a store of its own, which live as long as the cache.
 */
#ifndef GM_AGENT_CACHE_H
#define GM_AGENT_CACHE_H

#include "agent/options.h"
#include "engine/base/error.h"
#include "engine/base/heap.h"
#include "engine/chain/chain.h"
#include "engine/flow/plan.h"
#include "shuffle/exchange.h"
#include "shuffle/port/spill_disk.h"

/* Of an executor's share of the memory, the part that kept rows may have: half of it. */
#define GM_CACHE_SHARE 2

struct gm_cache;
struct gm_cache_reader;
struct gm_cache_sink;

struct gm_cache_spec {
    uint16_t participant;
    uint32_t executor_count; /* partition p is kept by executor p % executor_count */
    void *spill_self;
    /* As those of an executor; open NULL: nothing may go to disk. */
    int (*spill_open)(void *self, struct gm_heap *heap, uint32_t depth,
                      struct gm_spill_disk *ret_disk);
    void (*spill_close)(void *self, struct gm_spill_disk *disk);
};

/* An empty one, which takes no memory to speak of.  Returns 0 or -ENOMEM. */
int gm_cache_create(const struct gm_cache_spec *spec, struct gm_cache **ret_cache);
void gm_cache_destroy(struct gm_cache *cache); /* NULL is allowed */

/* Before a job with memory_bytes for the executor: forgets what the plan does not keep, and moves
 * rows to disk until the rest leaves the job the half of it.  Returns 0 or < 0 with error. */
int gm_cache_begin(struct gm_cache *cache, const struct gm_plan *plan, uint64_t memory_bytes,
                   const struct gm_spill_paths *paths, struct gm_error *error);
/* From now on what it takes is taken off the job's heap, whose limit is memory_bytes before. */
void gm_cache_attach(struct gm_cache *cache, struct gm_heap *heap, uint64_t spill_at_bytes);
void gm_cache_detach(struct gm_cache *cache);

/* Bytes that it holds in memory and on disk, and those that it has written since attach. */
struct gm_cache_counts {
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    uint64_t written_bytes;
};
void gm_cache_counts(const struct gm_cache *cache, struct gm_cache_counts *ret_counts);

/* Takes completions.  Returns 0 or < 0 with error. */
int gm_cache_poll(struct gm_cache *cache, struct gm_error *error);
/* What polls readable when a transfer ends; -1 while none is under way. */
int gm_cache_descriptor(const struct gm_cache *cache);

/* ---- filling --------------------------------------------------------------------------------- */

/* Keeps the rows that are pushed as plan->cached_id; at its end the driver is told of every
 * partition.  Borrows all.  Returns 0 or < 0 with error. */
int gm_cache_sink_create(struct gm_cache *cache, const struct gm_exchange_plan *plan,
                         const struct gm_schema *schema, uint32_t partition_count,
                         struct gm_sender *sender, struct gm_heap *heap, struct gm_error *error,
                         struct gm_cache_sink **ret_sink);
void gm_cache_sink_destroy(struct gm_cache_sink *sink); /* NULL is allowed */
struct gm_chain_sink gm_cache_sink_port(struct gm_cache_sink *sink);

/* ---- reading --------------------------------------------------------------------------------- */

/* The rows of what is kept here of a dataset.  Returns 0 or < 0 with error. */
int gm_cache_reader_create(struct gm_cache *cache, uint64_t id, struct gm_heap *heap,
                           struct gm_error *error, struct gm_cache_reader **ret_reader);
void gm_cache_reader_destroy(struct gm_cache_reader *reader); /* NULL is allowed */
/* As gm_receiver_next: partition by partition, each row as it came.  < 0 with error. */
int gm_cache_reader_next(struct gm_cache_reader *reader, struct gm_run *ret_run);

#endif
