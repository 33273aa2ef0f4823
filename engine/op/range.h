/* range.h - samples of rows, and the splitters that cut all rows into ranges of equal size.
 *
 * Every participant keeps a sample of its rows, each as likely as any other, and tells it to all.
 * From the same samples all of them work out the same splitters.  A splitter is a key and a
 * position, so rows of one key that is half of the data are cut as well, and still in order.
 *
 * Threads: one.  Memory: the heap's; long keys are cut to GM_RANGE_KEY_BYTES_MAX, lists behind
 * one of their values, which makes a splitter no less valid.
 */
#ifndef GM_OP_RANGE_H
#define GM_OP_RANGE_H

#include "engine/base/heap.h"
#include "engine/base/prng.h"
#include "engine/op/sort_kernel.h"

/* Bytes of one value in a sample. */
#define GM_RANGE_KEY_BYTES_MAX 64

/* The key columns of rows, as rows of their own. */
struct gm_range_keys {
    struct gm_schema schema;
    struct gleam_order columns;
    struct gm_sort_order order; /* of key rows */
};

struct gm_range_sampler {
    struct gm_range_keys keys;
    const struct gleam_order *source_order; /* borrowed; of whole rows */
    struct gm_heap *heap;
    struct gm_batch batch;  /* one key row */
    uint8_t *lists;         /* by key column: the beginning of a list that is too long */
    uint8_t *slots;         /* capacity of them: a position and a packed key row */
    uint32_t slot_bytes;
    uint32_t capacity;
    uint32_t count;
    uint64_t rows;          /* seen */
    uint64_t next;          /* number of the next row that is taken */
    double weight;
    struct gm_prng random;   /* a generator of its own, so that a run repeats itself */
};

/* capacity samples at most.  order is borrowed.  Returns 0 or GM_ETASK_MEMORY. */
int gm_range_sampler_init(struct gm_range_sampler *sampler, const struct gm_schema *schema,
                          const struct gleam_order *order, uint32_t capacity, uint64_t seed,
                          struct gm_heap *heap);
void gm_range_sampler_fini(struct gm_range_sampler *sampler); /* accepts a zeroed one */

/* Shows it rows [first, first + count) of the batch; the position of row first + i is position + i.
 */
void gm_range_sampler_add(struct gm_range_sampler *sampler, const struct gm_batch *batch,
                          uint32_t first, uint32_t count, uint64_t position);

/* What it tells the others: bytes into a block of the heap, which the caller frees with
 * *ret_bytes.  Returns 0 or GM_ETASK_MEMORY. */
int gm_range_sampler_tell(const struct gm_range_sampler *sampler, uint8_t **ret_message,
                          size_t *ret_bytes);

struct gm_range_splitters {
    struct gm_range_keys keys;
    const struct gm_sort_order *rows; /* borrowed; of whole rows */
    struct gm_heap *heap;
    struct gm_sort_entry *entries; /* range_count - 1 of them, ascending */
    uint32_t entries_capacity;
    uint32_t range_count;
    uint8_t *memory;               /* their rows */
    size_t memory_bytes;
};

struct gm_range_message {
    const uint8_t *data; /* GM_BYTES_SLACK readable behind */
    size_t bytes;
};

/* Works out range_count - 1 splitters from what all told.  rows is the order of whole rows,
 * borrowed.  Returns 0, GM_ETASK_MEMORY, or GM_EFRAME_CORRUPT when a message makes no sense. */
int gm_range_splitters_init(struct gm_range_splitters *splitters, const struct gm_schema *schema,
                            const struct gm_sort_order *rows,
                            const struct gm_range_message *messages, uint32_t message_count,
                            uint32_t range_count, struct gm_heap *heap);
void gm_range_splitters_fini(struct gm_range_splitters *splitters); /* accepts a zeroed one */

/* The range of a packed row. */
uint32_t gm_range_of(const struct gm_range_splitters *splitters, const uint8_t *row,
                     uint64_t position);

#endif
