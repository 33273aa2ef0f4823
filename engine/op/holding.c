/* holding.c - the largest one is written. */
#include "engine/op/holding.h"

#include "engine/base/check.h"

/* Memory is made by runs of a 12th of what may be used, unless all that can be written together is
 * a third of it. */
#define RUN_SHARE 12
#define HELD_SHARE 3
#define PIECE_SHARE 32
#define PIECE_BYTES_MIN (64u << 10)
#define PIECE_BYTES_MAX (1u << 20)

void gm_holding_add(struct gm_holding *holding, struct gm_op *op, void *state)
{
    struct gm_holdings *all = op->holdings;
    holding->op = op;
    holding->state = state;
    holding->partition = op->partition;
    if (all == NULL)
        return;
    holding->next = all->first;
    if (all->first != NULL)
        all->first->previous = holding;
    all->first = holding;
}

void gm_holding_remove(struct gm_holding *holding)
{
    if (holding->op == NULL)
        return;
    struct gm_holdings *all = holding->op->holdings;
    gm_holding_set(holding, 0);
    gm_run_set_fini(&holding->set, holding->op);
    if (all == NULL)
        return;
    if (all->writing == holding)
        all->writing = NULL;
    if (holding->previous != NULL)
        holding->previous->next = holding->next;
    else
        all->first = holding->next;
    if (holding->next != NULL)
        holding->next->previous = holding->previous;
}

static void count(struct gm_holding *holding, uint64_t more, uint64_t less)
{
    if (holding->op->holdings != NULL && !holding->pinned)
        holding->op->holdings->bytes += more - less;
}

void gm_holding_set(struct gm_holding *holding, uint64_t bytes)
{
    count(holding, bytes, holding->bytes);
    holding->bytes = bytes;
}

void gm_holding_pin(struct gm_holding *holding)
{
    count(holding, 0, holding->bytes);
    holding->pinned = true;
}

void gm_holding_unpin(struct gm_holding *holding)
{
    if (!holding->pinned)
        return;
    holding->pinned = false;
    count(holding, holding->bytes, 0);
}

static struct gm_holding *largest(const struct gm_holdings *all)
{
    struct gm_holding *best = NULL;
    for (struct gm_holding *one = all->first; one != NULL; one = one->next)
        if (!one->pinned && one->bytes > (best != NULL ? best->bytes : 0))
            best = one;
    return best;
}

int gm_holding_settle(struct gm_op *op)
{
    struct gm_holdings *all = op->holdings;
    if (all == NULL || all->writing == NULL)
        return 0;
    struct gm_holding *holding = all->writing;
    const int rc = holding->op->ops->give_back(holding->op, holding);
    if (rc != 0)
        return rc;
    GM_CHECK(holding->bytes == 0 && !holding->set.writing);
    all->writing = NULL;
    return 0;
}

int gm_holding_make_room_slow(struct gm_op *op)
{
    struct gm_holdings *all = op->holdings;
    for (;;) {
        const int rc = gm_holding_settle(op);
        if (rc != 0)
            return rc;
        /* What is too small together is too small by itself. */
        if (op->heap->used_bytes < op->spill_at_bytes ||
            all->bytes < op->spill_at_bytes / RUN_SHARE)
            return 0;
        struct gm_holding *candidate = largest(all);
        if (candidate == NULL || (candidate->bytes < op->spill_at_bytes / RUN_SHARE &&
                                  all->bytes < op->spill_at_bytes / HELD_SHARE))
            return 0;
        all->writing = candidate;
    }
}

int gm_holding_ask_room(struct gm_op *op)
{
    struct gm_holdings *all = op->holdings;
    if (op->spill == NULL || all == NULL)
        return GM_ETASK_MEMORY;
    if (all->writing == NULL)
        all->writing = largest(all);
    return all->writing != NULL ? gm_holding_settle(op) : GM_ETASK_MEMORY;
}

int gm_holding_write(struct gm_holding *holding)
{
    struct gm_holdings *all = holding->op->holdings;
    for (;;) {
        const int rc = gm_holding_settle(holding->op);
        if (rc != 0 || holding->bytes == 0)
            return rc;
        all->writing = holding;
    }
}

/* Runs are merged two at a time where there is no memory for more windows, again and again: what
 * others hold is better on disk then. */
static int make_windows(const struct gm_holding *holding)
{
    struct gm_op *op = holding->op;
    const struct gm_spill *spill = op->spill;
    const struct gm_heap *heap = op->heap;
    const uint32_t windows = holding->set.count < spill->windows_max / 2 ? holding->set.count
                                                                         : spill->windows_max / 2;
    const uint64_t most = heap->limit_bytes - heap->limit_bytes / GM_RUN_MERGE_SHARE;
    if (holding->set.merging || holding->set.count <= 2)
        return 0;
    while (heap->used_bytes + (uint64_t)windows * spill->room_bytes > most &&
           op->holdings->bytes > spill->room_bytes) {
        const int rc = gm_holding_ask_room(op);
        if (rc != 0)
            return rc == GM_ETASK_MEMORY ? 0 : rc;
    }
    return 0;
}

/* most 0: until the last merge is open. */
static int merge(struct gm_holding *holding, const struct gm_sort_order *order, uint32_t most)
{
    for (;;) {
        int rc = gm_holding_write(holding);
        if (rc == 0)
            rc = make_windows(holding);
        if (rc == 0)
            rc = most == 0 ? gm_run_set_open(&holding->set, holding->op, order, holding->partition)
                           : gm_run_set_shrink(&holding->set, holding->op, order,
                                               holding->partition, most);
        if (rc != GM_ETASK_MEMORY)
            return rc;
        rc = gm_holding_ask_room(holding->op);
        if (rc != 0)
            return rc;
    }
}

int gm_holding_merge(struct gm_holding *holding, const struct gm_sort_order *order)
{
    return merge(holding, order, 0);
}

int gm_holding_shrink(struct gm_holding *holding, const struct gm_sort_order *order,
                      uint32_t most)
{
    return merge(holding, order, most);
}

uint64_t gm_holding_piece_bytes(const struct gm_heap *heap)
{
    const uint64_t bytes = heap->limit_bytes / PIECE_SHARE;
    return bytes < PIECE_BYTES_MIN ? PIECE_BYTES_MIN
           : bytes > PIECE_BYTES_MAX ? PIECE_BYTES_MAX
                                     : bytes;
}

int gm_holding_piece_row(struct gm_holding *holding, struct gm_holding_piece *piece,
                         uint64_t held_bytes)
{
    const int rc = gm_run_set_row(&holding->set);
    piece->is_last = rc == GM_END;
    if (rc != 0)
        return rc;
    const uint64_t hash = gm_sort_position(holding->set.row);
    if (hash != piece->hash && held_bytes >= gm_holding_piece_bytes(holding->op->heap))
        return GM_END;
    piece->hash = hash;
    return 0;
}
