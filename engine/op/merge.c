/* merge.c - a tree of losers over the heads of runs (Knuth, volume 3, section 5.4.1). */
#include "engine/op/merge.h"

#include "engine/base/check.h"
#include "engine/base/error.h"

int gm_merge_put(struct gm_run_writer *writer, const uint8_t *row, uint64_t row_bytes)
{
    return gm_run_put(writer, row - GM_SORT_POSITION_BYTES, GM_SORT_POSITION_BYTES, row,
                      (uint32_t)row_bytes);
}

static size_t table_bytes(uint32_t count)
{
    return count * (sizeof(struct gm_run_reader) + sizeof(struct gm_sort_entry) +
                    2 * sizeof(uint32_t));
}

static int make_tables(struct gm_merge *merge, uint32_t count)
{
    uint8_t *memory = gm_heap_zalloc(merge->heap, table_bytes(count));
    if (memory == NULL)
        return GM_ETASK_MEMORY;
    merge->readers = (struct gm_run_reader *)memory;
    merge->heads = (struct gm_sort_entry *)(merge->readers + count);
    merge->losers = (uint32_t *)(merge->heads + count);
    merge->capacity = count;
    return 0;
}

/* Beside the windows of a writer each run has one, and one to read ahead where there are so many
 * that they become a run: waiting now and then for a block costs less than writing rows once more.
 * `last` says that they do not. */
static uint32_t runs_at_once(const struct gm_spill *spill, bool last)
{
    const uint32_t windows = spill->windows_max > 8 ? spill->windows_max - 4 : 4;
    const uint32_t most = last ? windows : windows / 2;
    return most < GM_MERGE_RUNS_MAX ? most : GM_MERGE_RUNS_MAX;
}

int gm_merge_open(struct gm_merge *merge, const struct gm_sort_order *order,
                  const struct gm_spill *spill, struct gm_heap *heap, struct gm_spill_run *runs,
                  uint32_t count, uint32_t most, uint32_t *ret_opened)
{
    int rc = 0;
    if (merge->readers == NULL) {
        const uint32_t last = runs_at_once(spill, true);
        uint32_t want = count;
        most = most < last ? most : last;
        /* When they do not fit at once, so few that the next time the rest does. */
        if (count > most) {
            const uint32_t at_once = runs_at_once(spill, false);
            want = count - most + 1;
            want = want > at_once ? at_once : want < 2 ? 2 : want;
        }
        *merge = (struct gm_merge){.order = order, .heap = heap};
        rc = make_tables(merge, want);
    }
    while (rc == 0 && merge->count < merge->capacity) {
        rc = GM_ETASK_MEMORY;
        if (merge->count < 2 || gm_run_spare_memory(heap, GM_RUN_MERGE_SHARE))
            rc = gm_run_reader_open(&merge->readers[merge->count], spill, heap,
                                    &runs[merge->count]);
        if (rc == 0)
            merge->count++;
    }
    if (rc == GM_AGAIN)
        return rc;
    if (rc == GM_ETASK_MEMORY && merge->count >= 2)
        rc = 0;
    if (rc == GM_ETASK_MEMORY && merge->count == 1) {
        /* One alone is of no use; its run, of which nothing was read, goes back. */
        runs[0] = merge->readers[0].run;
        merge->readers[0].run = (struct gm_spill_run){0};
    }
    if (rc < 0) {
        gm_merge_close(merge);
        return rc;
    }
    *ret_opened = merge->count;
    return 0;
}

void gm_merge_close(struct gm_merge *merge)
{
    if (merge->readers == NULL)
        return;
    for (uint32_t i = 0; i < merge->capacity; i++)
        gm_run_reader_close(&merge->readers[i]);
    gm_heap_free(merge->heap, merge->readers, table_bytes(merge->capacity));
    *merge = (struct gm_merge){0};
}

bool gm_merge_give_ahead(struct gm_merge *merge)
{
    bool gave = false;
    for (uint32_t i = 0; i < merge->count; i++)
        gave = gm_run_reader_give_ahead(&merge->readers[i]) || gave;
    return gave;
}

/* Takes the next row of run `index` as its head.  Returns 0 (also at its end), GM_AGAIN or < 0. */
static int advance(struct gm_merge *merge, uint32_t index)
{
    const uint8_t *record;
    uint32_t bytes;
    int rc = gm_run_next(&merge->readers[index], &record, &bytes);
    if (rc == GM_END) {
        merge->heads[index] = (struct gm_sort_entry){.prefix = UINT64_MAX};
        return 0;
    }
    if (rc != 0)
        return rc;
    GM_CHECK(bytes > GM_SORT_POSITION_BYTES);
    const uint8_t *row = record + GM_SORT_POSITION_BYTES;
    merge->heads[index] =
        (struct gm_sort_entry){.prefix = gm_sort_prefix(merge->order, row), .row = row};
    return 0;
}

static bool beats(const struct gm_merge *merge, uint32_t a, uint32_t b)
{
    const struct gm_sort_entry *left = &merge->heads[a], *right = &merge->heads[b];
    if (left->prefix != right->prefix)
        return left->prefix < right->prefix;
    if (left->row == NULL || right->row == NULL)
        return left->row != NULL;
    return gm_sort_before(merge->order, left, right);
}

/* Plays run `index` from its leaf to the root. */
static void replay(struct gm_merge *merge, uint32_t index)
{
    uint32_t winner = index;
    for (uint32_t node = (merge->count + index) / 2; node > 0; node /= 2) {
        if (beats(merge, merge->losers[node], winner)) {
            const uint32_t loser = winner;
            winner = merge->losers[node];
            merge->losers[node] = loser;
        }
    }
    merge->losers[0] = winner;
}

/* The winner below `node`; fills in the losers there. */
static uint32_t play(struct gm_merge *merge, uint32_t node)
{
    if (node >= merge->count)
        return node - merge->count;
    const uint32_t left = play(merge, 2 * node);
    const uint32_t right = play(merge, 2 * node + 1);
    const bool left_wins = beats(merge, left, right);
    merge->losers[node] = left_wins ? right : left;
    return left_wins ? left : right;
}

static int start(struct gm_merge *merge)
{
    while (merge->filled < merge->count) {
        int rc = advance(merge, merge->filled);
        if (rc != 0)
            return rc;
        merge->filled++;
    }
    merge->losers[0] = merge->count > 1 ? play(merge, 1) : 0;
    merge->started = true;
    return 0;
}

int gm_merge_next(struct gm_merge *merge, const uint8_t **ret_row, uint64_t *ret_row_bytes)
{
    if (!merge->started) {
        int rc = start(merge);
        if (rc != 0)
            return rc;
    }
    if (merge->pending) {
        const uint32_t index = merge->losers[0];
        int rc = advance(merge, index);
        if (rc != 0)
            return rc;
        merge->pending = false;
        replay(merge, index);
    }
    const struct gm_sort_entry *winner = &merge->heads[merge->losers[0]];
    if (winner->row == NULL)
        return GM_END;
    merge->pending = true;
    *ret_row = winner->row;
    *ret_row_bytes = gm_row_bytes(&merge->order->layout, winner->row);
    return 0;
}
