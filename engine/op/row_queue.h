/* row_queue.h - rows kept in the order in which they came, in memory and then on disk.
 *
 * Threads:   one.
 * Memory:    chunks of the heap, given back as they are read.  When the heap's used_bytes passes
 *            spill_at_bytes, all that is in memory is written to a run; what comes later follows.
 * Blocking:  never: GM_AGAIN as in engine/base/spill.h.
 */
#ifndef GM_OP_ROW_QUEUE_H
#define GM_OP_ROW_QUEUE_H

#include "engine/op/run.h"
#include "engine/row/batch.h"
#include "engine/row/schema.h"

struct gm_row_chunk;

struct gm_row_queue {
    const struct gm_layout *layout; /* borrowed */
    struct gm_heap *heap;
    const struct gm_spill *spill; /* borrowed; NULL: memory is all there is */
    uint64_t spill_at_bytes;
    struct gm_row_chunk *first, *last;
    uint64_t packed_bytes;  /* in chunks */
    uint64_t spilled_bytes; /* written so far */
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    /* writing */
    struct gm_run_writer writer;
    bool writing;
    bool flushing; /* chunks are on their way to the run */
    /* reading */
    struct gm_run_reader reader;
    bool reading;
    bool run_ended;
    uint32_t offset; /* in the first chunk */
};

/* Rows of one batch, packed one behind the other. */
struct gm_row_piece {
    uint32_t tag;
    uint32_t row_count; /* at most GM_BATCH_ROWS_MAX */
    uint64_t bytes;
    uint64_t position; /* of the first row; the others follow */
    const uint8_t *rows;
};

void gm_row_queue_init(struct gm_row_queue *queue, const struct gm_layout *layout,
                       const struct gm_spill *spill, uint64_t spill_at_bytes,
                       struct gm_heap *heap);
void gm_row_queue_fini(struct gm_row_queue *queue); /* accepts a zeroed one */

/* Packs rows from *first on, of which row *first has the given position, and moves *first behind
 * those that were taken.  Returns 0 when all are; GM_AGAIN: go on there later; GM_ETASK_MEMORY,
 * also for a row over GM_ROW_BYTES_MAX; or < 0. */
int gm_row_queue_add(struct gm_row_queue *queue, const struct gm_batch *batch, uint32_t *first,
                     uint32_t tag, uint64_t position);

/* Writes what is in memory to disk as well, if anything is there already.  Returns 0, GM_AGAIN or
 * < 0. */
int gm_row_queue_settle(struct gm_row_queue *queue);

/* After the last add: the next piece, lent until the next call.  Returns 0, GM_AGAIN, GM_END,
 * GM_ETASK_MEMORY or < 0. */
int gm_row_queue_next(struct gm_row_queue *queue, struct gm_row_piece *ret_piece);

#endif
