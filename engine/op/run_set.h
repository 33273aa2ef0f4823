/* run_set.h - the sorted runs of one partition on disk, from the first one to their merge.
 *
 * Threads: one.  Memory: a table of runs; what run.h and merge.h take while they work.
 * Blocking: never: GM_AGAIN as in engine/base/spill.h.
 */
#ifndef GM_OP_RUN_SET_H
#define GM_OP_RUN_SET_H

#include "engine/op/merge.h"
#include "engine/op/op.h"

struct gm_run_set {
    struct gm_spill_run *runs; /* whole ones */
    uint32_t count, capacity;
    struct gm_run_writer writer; /* of the next one */
    bool writing;
    struct gm_merge merge;
    bool merging;       /* `merge` is open */
    bool merge_is_last; /* all runs are in it */
    const uint8_t *row; /* of `merge`, and not yet passed on */
    uint64_t row_bytes;
};

/* A set is zeroed at first. */
void gm_run_set_fini(struct gm_run_set *set, struct gm_op *op);

/* Adds a row, its position before it, to the run that is being written; begins one where there is
 * none.  partition is for messages.  Returns 0, GM_AGAIN (call again with the same) or < 0. */
int gm_run_set_put(struct gm_run_set *set, struct gm_op *op, uint32_t partition,
                   const uint8_t *row, uint64_t row_bytes);
/* The same for a record of parts: its position and the packed row. */
int gm_run_set_put_parts(struct gm_run_set *set, struct gm_op *op, uint32_t partition,
                         const struct gm_run_part *parts, uint32_t part_count);
/* The run that is being written, if any, is whole.  Adds it to the op's spilled_bytes.  Returns 0
 * or < 0. */
int gm_run_set_end_run(struct gm_run_set *set, struct gm_op *op);

/* Merges runs into one until all that are left can be merged at once.  Returns 0: gm_run_set_row
 * gives their rows; GM_AGAIN; GM_ETASK_MEMORY: there is no room for two windows, give some back and
 * call again; or < 0. */
int gm_run_set_open(struct gm_run_set *set, struct gm_op *op, const struct gm_sort_order *order,
                    uint32_t partition);
/* Merges runs into one until no more than `most`, at least 2, are left, none of them open.  Returns
 * as gm_run_set_open. */
int gm_run_set_shrink(struct gm_run_set *set, struct gm_op *op, const struct gm_sort_order *order,
                      uint32_t partition, uint32_t most);
/* Makes the next row set->row, unless the last one is still there (the caller sets it to NULL when
 * it was passed on).  Returns 0, GM_AGAIN, GM_END or < 0. */
int gm_run_set_row(struct gm_run_set *set);

/* As gm_run_set_row, one run after the other, in no order: with memory for one window.  Nobody
 * opens the set before. */
int gm_run_set_scan(struct gm_run_set *set, struct gm_op *op, const struct gm_sort_order *order);

/* Packs rows [first, first + count) to out, each with GM_SORT_POSITION_BYTES before it, which are
 * the caller's to fill.  sizes are those of gm_codec_sizes, each more by those bytes; out has room
 * for their sum and GM_BYTES_SLACK more. */
void gm_run_set_pack(const struct gm_layout *layout, const struct gm_batch *batch, uint32_t first,
                     uint32_t count, const uint32_t *sizes, uint8_t *out);

#endif
