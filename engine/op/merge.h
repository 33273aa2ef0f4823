/* merge.h - sorted runs of rows on disk: written from memory, merged back in order.
 *
 * A record is a row's position and the packed row, as the kernel sorts them.
 *
 * Threads: one.  Memory: windows of the spill, and a table of the runs' heads in the heap.
 * Blocking: never: GM_AGAIN as in engine/base/spill.h.
 */
#ifndef GM_OP_MERGE_H
#define GM_OP_MERGE_H

#include "engine/op/run.h"
#include "engine/op/sort_kernel.h"

/* Runs that are merged at once at most: windows of a large heap would allow more, but the tree of
 * heads should stay in the first cache. */
#define GM_MERGE_RUNS_MAX 128

struct gm_merge {
    const struct gm_sort_order *order;
    struct gm_heap *heap;
    struct gm_run_reader *readers; /* count of them */
    struct gm_sort_entry *heads;   /* of each run; row NULL: it has ended */
    uint32_t *losers;              /* [1, count): of the tree's inner nodes; [0]: the winner */
    uint32_t count;
    uint32_t capacity;
    uint32_t filled;  /* runs whose first row is there */
    bool started;
    bool pending;     /* the winner's row was lent: the next one of its run is due */
};

/* Opens runs, from the first one on, as many of `count` as there are windows for; where those are
 * not all, so few that `most` are left with the one that they become.  They move into
 * the merge, which is zeroed before; *ret_opened of them.  Returns 0; GM_AGAIN: call again with the
 * same; GM_ETASK_MEMORY: not even two could be opened (or the one, when count is 1); or < 0. */
int gm_merge_open(struct gm_merge *merge, const struct gm_sort_order *order,
                  const struct gm_spill *spill, struct gm_heap *heap, struct gm_spill_run *runs,
                  uint32_t count, uint32_t most, uint32_t *ret_opened);
/* The next row in order, lent until the next call.  Returns 0, GM_AGAIN, GM_END or < 0. */
int gm_merge_next(struct gm_merge *merge, const uint8_t **ret_row, uint64_t *ret_row_bytes);
void gm_merge_close(struct gm_merge *merge); /* accepts a zeroed one */
/* Gives back the windows that hold blocks ahead.  False: there were none. */
bool gm_merge_give_ahead(struct gm_merge *merge);

/* Adds a row of row_bytes, its position before it, to a run.  Returns as gm_run_put. */
int gm_merge_put(struct gm_run_writer *writer, const uint8_t *row, uint64_t row_bytes);

#endif
