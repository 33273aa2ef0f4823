/* rows.h - packed rows kept by an operator, and how they come out again.
 *
 * Memory: rows lie in an arena of the heap until reset or fini.
 */
#ifndef GM_OP_ROWS_H
#define GM_OP_ROWS_H

#include "engine/op/op.h"
#include "engine/row/arena.h"
#include "engine/row/row.h"

struct gm_row_entry {
    uint64_t prefix;    /* gm_value_prefix of the first order column, inverted when descending */
    const uint8_t *row;
    uint64_t position; /* (origin, arrival): no two rows have the same */
};

/* Packs batches and emits packed rows as batches; shared by the partitions of an operator. */
struct gm_row_codec {
    struct gm_layout layout;
    const struct gleam_order *order; /* borrowed */
    struct gm_heap *heap;
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    struct gm_scratch scratch; /* rows one behind the other, on their way out */
    struct gm_batch batch;
};

int gm_row_codec_open(struct gm_row_codec *codec, const struct gm_schema *schema,
                      const struct gleam_order *order, struct gm_heap *heap);
void gm_row_codec_close(struct gm_row_codec *codec);

/* Packs all rows of the batch into arena; entries (row_count of them) get prefix and row.  Returns
 * 0, or GM_ETASK_MEMORY, also for a row over GM_ROW_BYTES_MAX. */
int gm_row_codec_pack(struct gm_row_codec *codec, const struct gm_batch *batch,
                      struct gm_arena *arena, struct gm_row_entry *ret_entries);

/* By the order's columns alone: < 0, 0, > 0. */
int gm_row_entry_compare(const struct gm_row_codec *codec, const struct gm_row_entry *a,
                         const struct gm_row_entry *b);

/* Fills `out` with entries from *next on, as many as fit one batch, and moves *next.  Returns
 * HAVE_MORE, NEED_INPUT at the end, or < 0. */
int gm_row_codec_emit(struct gm_row_codec *codec, const struct gm_row_entry *entries,
                      uint64_t count, uint64_t *next, struct gm_batch *out);

#endif
