/* holding.h - what the operators of an executor hold and can write to disk, and who does so next.
 *
 * An operator with unbounded state has a holding for each piece that it can write whole: a
 * partition's rows, or one side of them.  While the heap has room nothing happens.  When it is
 * spent, whoever gets rows has the largest holding of all written, be it its own or that of
 * another operator: memory comes from where most of it is.  So runs are large, and few.
 *
 * Threads:   one executor's.
 * Memory:    none of its own; a holding lies in its operator's state.
 * Blocking:  never: GM_AGAIN as in engine/base/spill.h.  One holding at a time is being written,
 *            and every operator that gets rows meanwhile goes on with it.
 */
#ifndef GM_OP_HOLDING_H
#define GM_OP_HOLDING_H

#include "engine/op/run_set.h"

struct gm_holding {
    struct gm_holding *next, *previous;
    struct gm_op *op; /* whose give_back writes it */
    void *state;      /* the operator's */
    uint64_t bytes;   /* that writing it would give back; 0: nothing is there to be written */
    uint32_t partition;
    bool pinned; /* what it holds is looked at: it stays */
    struct gm_run_set set; /* what was written */
};

/* Of one executor, zeroed at first. */
struct gm_holdings {
    struct gm_holding *first;
    uint64_t bytes; /* of those that are not pinned */
    struct gm_holding *writing;
};

/* Adds a zeroed holding of op->partition. */
void gm_holding_add(struct gm_holding *holding, struct gm_op *op, void *state);
/* Forgets it, its runs and the writing of it. */
void gm_holding_remove(struct gm_holding *holding);
void gm_holding_set(struct gm_holding *holding, uint64_t bytes);
void gm_holding_pin(struct gm_holding *holding);
void gm_holding_unpin(struct gm_holding *holding);

int gm_holding_make_room_slow(struct gm_op *op);

/* Before an operator takes rows: goes on with a write under way, and when the heap is spent has
 * holdings written that are worth a run.  Returns 0, GM_AGAIN or < 0. */
static inline int gm_holding_make_room(struct gm_op *op)
{
    if (op->spill == NULL || op->holdings == NULL ||
        (op->holdings->writing == NULL && op->heap->used_bytes < op->spill_at_bytes))
        return 0;
    return gm_holding_make_room_slow(op);
}

/* An allocation failed: has the largest holding written, however small it is.  Returns 0: try
 * again; GM_AGAIN; GM_ETASK_MEMORY: nobody has anything to give; or < 0. */
int gm_holding_ask_room(struct gm_op *op);

/* Goes on with a write under way.  Returns 0 when there is none, GM_AGAIN or < 0. */
int gm_holding_settle(struct gm_op *op);

/* Writes what this one holds.  Returns 0, GM_AGAIN (call again) or < 0. */
int gm_holding_write(struct gm_holding *holding);

/* After the last row of a holding that has runs: what it holds is written as well, and all runs are
 * merged until gm_run_set_row gives their rows.  Returns 0, GM_AGAIN (call again), GM_ETASK_MEMORY
 * or < 0. */
int gm_holding_merge(struct gm_holding *holding, const struct gm_sort_order *order);
/* What comes before that where several holdings are merged at the same time: it has no more than
 * `most` runs afterwards, none of them open. */
int gm_holding_shrink(struct gm_holding *holding, const struct gm_sort_order *order,
                      uint32_t most);

/* A merge that is worked on in pieces of whole hashes. */
struct gm_holding_piece {
    uint64_t hash; /* of the last row */
    bool is_last;
};

/* Makes sure of the merge's next row, if it belongs to the piece, of which held_bytes are there (0:
 * nothing).  Returns 0; GM_END: the piece is whole; GM_AGAIN or < 0. */
int gm_holding_piece_row(struct gm_holding *holding, struct gm_holding_piece *piece,
                         uint64_t held_bytes);

/* Whether anything of it is, or will be, on disk. */
static inline bool gm_holding_has_runs(const struct gm_holding *holding)
{
    return holding->set.count > 0 || holding->set.merging || holding->set.writing ||
           (holding->op->holdings != NULL && holding->op->holdings->writing == holding);
}

/* Rows of a merge are worked on in pieces of about so many bytes: with their tables they take a few
 * times that, and as long as it fits a cache more brings nothing. */
uint64_t gm_holding_piece_bytes(const struct gm_heap *heap);

#endif
