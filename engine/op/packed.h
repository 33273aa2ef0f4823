/* packed.h - rows that an operator keeps, packed one behind the other, and reads again in order.
 *
 * Threads: one.
 * Memory:  an arena of the heap; a batch of them adds no more than its packed bytes and now and
 *          then 24 bytes.  Rows stay where they are until fini.
 */
#ifndef GM_OP_PACKED_H
#define GM_OP_PACKED_H

#include "engine/row/arena.h"
#include "engine/row/codec.h"

/* Rows that lie one behind the other. */
struct gm_packed_block {
    const uint8_t *data;
    uint64_t bytes;
    uint64_t row_count;
};

struct gm_packed {
    struct gm_arena arena;
    struct gm_packed_block *blocks;
    uint64_t block_count;
    uint64_t block_capacity;
    uint64_t row_count;
    uint64_t bytes;
};

/* Where the next rows are to be read. */
struct gm_packed_cursor {
    uint64_t block;
    uint64_t offset; /* in bytes */
    uint64_t row;    /* of the block */
};

void gm_packed_init(struct gm_packed *packed, struct gm_heap *heap);
void gm_packed_fini(struct gm_packed *packed);

/* Packs rows [first, first + count) of a batch.  sizes is room for GM_BATCH_ROWS_MAX numbers.
 * Returns 0, or GM_ETASK_MEMORY, also for a row over GM_ROW_BYTES_MAX. */
int gm_packed_add(struct gm_packed *packed, const struct gm_layout *layout,
                  const struct gm_batch *batch, uint32_t first, uint32_t count, uint32_t *sizes);

/* Adds one row that is packed already.  Returns 0 or GM_ETASK_MEMORY. */
int gm_packed_put(struct gm_packed *packed, const uint8_t *row, uint64_t bytes);

/* Forgets the rows, and keeps a little memory for the next ones. */
void gm_packed_clear(struct gm_packed *packed);

/* Unpacks the next rows, at most GM_BATCH_ROWS_MAX, to a batch of their schema, whose bytes point
 * into `packed`; ret_rows (NULL: not wanted) gets where each one lies.  Without rows at the end. */
void gm_packed_next(const struct gm_packed *packed, const struct gm_layout *layout,
                    struct gm_packed_cursor *cursor, struct gm_batch *batch,
                    const uint8_t **ret_rows);

#endif
