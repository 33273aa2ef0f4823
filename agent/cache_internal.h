/* cache_internal.h - how kept rows lie; for cache.c, cache_sink.c and cache_reader.c alone. */
#ifndef GM_AGENT_CACHE_INTERNAL_H
#define GM_AGENT_CACHE_INTERNAL_H

#include "agent/cache.h"
#include "shuffle/spill.h"

/* Blocks on disk.  As large as one takes well, small enough for a few dozen partitions. */
#define GM_CACHE_BLOCK_BYTES (256u << 10)
/* Of the store; readers leave two of them to whoever writes. */
#define GM_CACHE_WINDOWS 8
#define GM_CACHE_WINDOWS_READING 6

/* In front of every run of rows in a piece. */
struct gm_cache_run {
    uint32_t origin;
    uint32_t row_count;
    uint64_t bytes;
};

struct gm_cache_piece {
    uint8_t *data;  /* NULL: on disk, in the next blocks of the partition's run */
    uint32_t bytes; /* of runs */
    uint32_t capacity;
};

struct gm_cache_partition {
    struct gm_cache_piece *pieces;
    uint32_t count, capacity;
    uint32_t written;       /* pieces that are on disk: the first ones */
    uint32_t written_bytes; /* of the one behind them */
    uint64_t memory_bytes;  /* of pieces that are not */
    struct gm_spill_run run;
    uint64_t rows, bytes;
};

struct gm_cache_set {
    struct gm_cache_set *next;
    uint64_t id;
    uint32_t partition_count;              /* of those that are kept here */
    struct gm_cache_partition *partitions; /* partition p is at p / executor_count */
};

struct gm_cache {
    struct gm_cache_spec spec;
    bool has_heap;
    struct gm_heap heap;
    struct gm_error error; /* of the store */
    struct gm_spill_paths paths;
    const char *directories[GM_SPILL_DIRECTORIES_MAX]; /* of paths; the store looks at them */
    struct gm_spill_disk disk;
    struct gm_spill_store *store; /* NULL: nothing has gone to disk */
    struct gm_spill spill;
    struct gm_cache_set *sets;
    uint64_t memory_bytes_max; /* of pieces */
    uint64_t memory_bytes;
    struct gm_heap *job_heap; /* NULL: no job runs */
    uint64_t spill_at_bytes;  /* of it */
    uint64_t counted_bytes;   /* that its limit was lowered by */
    uint64_t written_before;
    uint32_t reading; /* windows that readers have */
};

/* Makes the limit of the job's heap fit what the cache has. */
void gm_cache_settle(struct gm_cache *cache);
/* Whether another piece may be made in memory. */
bool gm_cache_has_room(const struct gm_cache *cache, uint64_t bytes);
/* Goes on with writing the partition's pieces before `end`.  Returns 0, GM_AGAIN or < 0. */
int gm_cache_write(struct gm_cache *cache, struct gm_cache_partition *partition, uint32_t end);
/* The set's partition with the most bytes in memory; NULL: none has a whole piece there.
 * with_last: the piece that still grows counts as well. */
struct gm_cache_partition *gm_cache_largest(struct gm_cache_set *set, bool with_last);
struct gm_cache_set *gm_cache_find(struct gm_cache *cache, uint64_t id);
void gm_cache_forget(struct gm_cache *cache, struct gm_cache_set *set);
/* Tells the job's error of what went wrong in the store.  Returns rc. */
int gm_cache_refuse(struct gm_cache *cache, int rc, struct gm_error *error);

#endif
