/* join_disk.c - a join whose rows do not fit the memory.
 *
 * What goes to disk is one side of one partition, as runs that are sorted by the hash of the key.
 * At the end, where one side never went there, it becomes the table and the runs of the other are
 * read along it in any order.  Otherwise the runs of both sides are merged: what has the same hash
 * comes at the same time, and some thousands of hashes are a section, joined as in memory.
 *
 * When one hash has more rows than a section on one side, the other side is in memory and they run
 * along it as they are read.  On both sides: the right ones go to a run of their own, which is read
 * again for each piece of the left ones (a block nested loop).
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/join.h"
#include "engine/row/row.h"

#define LEFT GM_JOIN_LEFT
#define RIGHT GM_JOIN_RIGHT
/* Runs of one side that are merged at least, and windows beside those of both sides. */
#define RUNS_MIN 2
#define WINDOWS_SPARE 8

/* ---- to disk --------------------------------------------------------------------------------- */

static void end_write(struct gm_op *op)
{
    struct gm_join_write *write = &((struct gm_join *)op->self)->write;
    gm_heap_free(op->heap, write->entries, write->capacity * sizeof *write->entries);
    gm_batch_fini(&write->batch, op->heap);
    write->entries = NULL;
    write->capacity = 0;
    write->holding = NULL;
}

/* Entries for the rows: all of them, or as many as half of what is left has room for, a batch at
 * least; the other half is for windows. */
static int begin_write(struct gm_op *op, struct gm_holding *holding, uint32_t side)
{
    struct gm_join_write *write = &((struct gm_join *)op->self)->write;
    const struct gm_join_state *state = holding->state;
    end_write(op);
    int rc = gm_batch_init(&write->batch, &op->inputs[side].schema, op->heap);
    if (rc < 0)
        return rc;
    const uint64_t left_bytes = op->heap->limit_bytes > op->heap->used_bytes
                                    ? op->heap->limit_bytes - op->heap->used_bytes
                                    : 0;
    const uint64_t most = left_bytes / 2 / sizeof *write->entries;
    uint64_t capacity = state->rows[side].row_count;
    capacity = capacity < most ? capacity : most;
    capacity = capacity > GM_BATCH_ROWS_MAX ? capacity : GM_BATCH_ROWS_MAX;
    write->entries = gm_heap_alloc(op->heap, capacity * sizeof *write->entries);
    if (write->entries == NULL)
        return GM_ETASK_MEMORY;
    write->capacity = capacity;
    write->cursor = (struct gm_packed_cursor){0};
    write->count = write->next = 0;
    write->holding = holding;
    return 0;
}

/* Entries of the next rows, sorted by hash. */
static int next_entries(struct gm_op *op, const struct gm_packed *rows, struct gm_join_side *side)
{
    struct gm_join_write *write = &((struct gm_join *)op->self)->write;
    const uint8_t *at[GM_BATCH_ROWS_MAX];
    struct gm_key keys[GM_KEY_BLOCK];
    write->count = write->next = 0;
    while (write->capacity - write->count >= GM_BATCH_ROWS_MAX) {
        gm_packed_next(rows, &side->layout, &write->cursor, &write->batch, at);
        if (write->batch.row_count == 0)
            break;
        for (uint32_t first = 0; first < write->batch.row_count; first += GM_KEY_BLOCK) {
            const uint32_t left = write->batch.row_count - first;
            const uint32_t count = left < GM_KEY_BLOCK ? left : GM_KEY_BLOCK;
            int rc = gm_key_read(&side->keys, &write->batch, first, count, keys);
            if (rc < 0)
                return rc;
            for (uint32_t i = 0; i < count; i++)
                write->entries[write->count++] =
                    (struct gm_sort_entry){.prefix = keys[i].hash, .row = at[first + i]};
        }
    }
    gm_sort_entries(&side->by_hash, write->entries, write->count);
    return 0;
}

static int put(struct gm_op *op, struct gm_run_set *set, uint32_t partition, uint64_t hash,
               const struct gm_layout *layout, const uint8_t *row)
{
    const struct gm_run_part parts[] = {
        {.data = &hash, .bytes = sizeof hash},
        {.data = row, .bytes = (uint32_t)gm_row_bytes(layout, row)}};
    return gm_run_set_put_parts(set, op, partition, parts, 2);
}

int gm_join_give_back(struct gm_op *op, struct gm_holding *holding)
{
    struct gm_join *self = op->self;
    struct gm_join_write *write = &self->write;
    struct gm_join_state *state = holding->state;
    const uint32_t index = holding == &state->holdings[RIGHT] ? RIGHT : LEFT;
    struct gm_join_side *side = &self->sides[index];
    int rc = write->holding != holding ? begin_write(op, holding, index) : 0;
    while (rc == 0) {
        for (; write->next < write->count; write->next++) {
            const struct gm_sort_entry *entry = &write->entries[write->next];
            rc = put(op, &holding->set, holding->partition, entry->prefix, &side->layout,
                     entry->row);
            if (rc != 0)
                return rc;
        }
        rc = gm_run_set_end_run(&holding->set, op);
        if (rc == 0)
            rc = next_entries(op, &state->rows[index], side);
        if (write->count == 0)
            break;
    }
    if (rc != 0)
        return rc;
    end_write(op);
    gm_packed_fini(&state->rows[index]);
    gm_packed_init(&state->rows[index], op->heap);
    gm_holding_set(holding, 0);
    return 0;
}

void gm_join_disk_end(struct gm_op *op, struct gm_join_state *state)
{
    const struct gm_holding *writing = ((struct gm_join *)op->self)->write.holding;
    for (uint32_t i = 0; i < 2; i++) {
        if (writing == &state->holdings[i])
            end_write(op);
        gm_holding_remove(&state->holdings[i]);
    }
    gm_run_set_fini(&state->nested_set, op);
    gm_run_reader_close(&state->nested_reader);
    if (state->left_keys.slots != NULL)
        gm_table_fini(&state->left_keys);
}

void gm_join_disk_close(struct gm_op *op)
{
    end_write(op);
}

/* ---- the beginning --------------------------------------------------------------------------- */

/* Half of the windows but for those that the nested run needs. */
static uint32_t runs_at_once(const struct gm_spill *spill)
{
    return spill->windows_max < 2 * RUNS_MIN + WINDOWS_SPARE
               ? RUNS_MIN
               : (spill->windows_max - WINDOWS_SPARE) / 2;
}

static int start_sections(struct gm_op *op, struct gm_join_state *state)
{
    struct gm_join *self = op->self;
    struct gm_holding *holdings = state->holdings;
    int rc = 0;
    for (uint32_t i = 0; i < 2; i++)
        gm_holding_unpin(&holdings[i]);
    /* Neither is open before both are few. */
    for (uint32_t i = 0; i < 2 && rc == 0 && !holdings[LEFT].set.merge_is_last; i++)
        rc = gm_holding_shrink(&holdings[i], &self->sides[i].by_hash,
                               runs_at_once(op->spill));
    for (uint32_t i = 0; i < 2 && rc == 0; i++)
        rc = gm_holding_merge(&holdings[i], &self->sides[i].by_hash);
    if (rc != 0)
        return rc;
    state->on_disk = true;
    state->phase = GM_JOIN_NEXT;
    return gm_join_next(op, state);
}

/* The table had no room.  Returns 0: try again; GM_AGAIN or < 0. */
static int make_room(struct gm_op *op, struct gm_join_state *state)
{
    if (state->has_table)
        gm_table_fini(&state->table);
    state->has_table = false;
    gm_heap_free(op->heap, state->kept, state->kept_capacity * sizeof *state->kept);
    state->kept = NULL;
    state->kept_capacity = 0;
    int rc = gm_holding_ask_room(op); /* of others: ours are pinned */
    if (rc != GM_ETASK_MEMORY || op->spill == NULL)
        return rc;
    const uint32_t side = state->holdings[!state->build].bytes > 0 ? !state->build : state->build;
    gm_holding_unpin(&state->holdings[side]);
    return state->holdings[side].bytes > 0 ? gm_holding_write(&state->holdings[side])
                                           : GM_ETASK_MEMORY;
}

int gm_join_start(struct gm_op *op, struct gm_join_state *state)
{
    for (;;) {
        int rc = gm_holding_settle(op);
        if (rc != 0)
            return rc;
        bool has_runs[2];
        for (uint32_t i = 0; i < 2; i++)
            has_runs[i] = gm_holding_has_runs(&state->holdings[i]);
        if (has_runs[LEFT] && has_runs[RIGHT])
            return start_sections(op, state);
        for (uint32_t i = 0; i < 2; i++)
            gm_holding_pin(&state->holdings[i]);
        state->build = has_runs[RIGHT] ||
                               (!has_runs[LEFT] &&
                                state->rows[LEFT].bytes < state->rows[RIGHT].bytes)
                           ? LEFT
                           : RIGHT;
        state->feed = has_runs[!state->build] ? GM_JOIN_FEED_SCAN : GM_JOIN_FEED_NONE;
        rc = gm_join_build(op, state);
        if (rc == GM_ETASK_MEMORY)
            rc = make_room(op, state);
        else
            return rc;
        if (rc != 0)
            return rc;
    }
}

/* ---- sections -------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct gm_run_set *set)
{
    return gm_sort_position(set->row);
}

/* Memory or a window was asked for in vain.  Returns 0: try again; GM_AGAIN or < 0. */
static int find_room(struct gm_op *op, struct gm_join_state *state)
{
    bool gave = false;
    for (uint32_t i = 0; i < 2; i++)
        gave = gm_merge_give_ahead(&state->holdings[i].set.merge) || gave;
    return gave ? 0 : gm_holding_ask_room(op);
}

/* Moves the head of a side's merge into the section. */
static int take(struct gm_op *op, struct gm_join_state *state, uint32_t side)
{
    struct gm_run_set *set = &state->holdings[side].set;
    for (;;) {
        int rc = gm_packed_put(&state->rows[side], set->row, set->row_bytes);
        if (rc == 0)
            set->row = NULL;
        if (rc != GM_ETASK_MEMORY)
            return rc;
        rc = find_room(op, state);
        if (rc != 0)
            return rc;
    }
}

/* Makes sure of the head of each side that has one.  Returns 0, GM_AGAIN or < 0. */
static int look(struct gm_join_state *state, bool ret_there[2])
{
    for (uint32_t i = 0; i < 2; i++) {
        const int rc = gm_run_set_row(&state->holdings[i].set);
        if (rc != 0 && rc != GM_END)
            return rc;
        ret_there[i] = rc == 0;
    }
    return 0;
}

/* The rows of the next hash begin. */
static void begin_hash(struct gm_join_state *state, uint64_t hash)
{
    state->hash = hash;
    state->has_hash[LEFT] = state->has_hash[RIGHT] = false;
}

/* Whether the head of `side`, which is of the hash at hand, meets nobody and is not wanted alone:
 * the rows of the other side come earlier or not at all. */
static bool is_idle(const struct gm_join *self, const struct gm_join_state *state, uint32_t side,
                    const bool there[2])
{
    return !self->sides[side].keeps_all && !state->has_hash[!side] &&
           !(there[!side] && hash_of(&state->holdings[!side].set) == state->hash);
}

static bool is_full(const struct gm_op *op, const struct gm_join_state *state, uint32_t side)
{
    return state->rows[side].bytes >= gm_holding_piece_bytes(op->heap);
}

/* Reads the rows of some hashes, all of them but for the last hash, of which rows may be left:
 * ret_left of each side.  Returns 0, GM_AGAIN or < 0. */
static int fill(struct gm_op *op, struct gm_join_state *state, bool ret_left[2])
{
    const struct gm_join *self = op->self;
    for (;;) {
        bool there[2], of_hash[2];
        int rc = look(state, there);
        if (rc != 0)
            return rc;
        for (uint32_t i = 0; i < 2; i++)
            of_hash[i] = there[i] && hash_of(&state->holdings[i].set) == state->hash;
        if (!of_hash[LEFT] && !of_hash[RIGHT]) {
            ret_left[LEFT] = ret_left[RIGHT] = false;
            if ((!there[LEFT] && !there[RIGHT]) || is_full(op, state, LEFT) ||
                is_full(op, state, RIGHT))
                return 0;
            const uint64_t left = there[LEFT] ? hash_of(&state->holdings[LEFT].set) : UINT64_MAX;
            const uint64_t right =
                there[RIGHT] ? hash_of(&state->holdings[RIGHT].set) : UINT64_MAX;
            begin_hash(state, left < right ? left : right);
            continue;
        }
        const uint32_t side = of_hash[LEFT] && !is_full(op, state, LEFT) ? LEFT : RIGHT;
        if (!of_hash[side] || is_full(op, state, side)) {
            ret_left[LEFT] = of_hash[LEFT];
            ret_left[RIGHT] = of_hash[RIGHT];
            return 0;
        }
        if (is_idle(self, state, side, there)) {
            state->holdings[side].set.row = NULL;
            continue;
        }
        rc = take(op, state, side);
        if (rc != 0)
            return rc;
        state->has_hash[side] = true;
    }
}

/* ---- one hash with too many rows on both sides ----------------------------------------------- */

/* The right rows go to their run: those of the section, then those that are still to come.  Returns
 * 0, GM_AGAIN or < 0. */
static int write_nested(struct gm_op *op, struct gm_join_state *state)
{
    struct gm_join *self = op->self;
    const struct gm_layout *layout = &self->sides[RIGHT].layout;
    struct gm_packed *rows = &state->rows[RIGHT];
    struct gm_run_set *from = &state->holdings[RIGHT].set, *to = &state->nested_set;
    const uint32_t partition = state->holdings[RIGHT].partition;
    struct gm_packed_cursor *cursor = &state->nested_cursor;
    while (cursor->block < rows->block_count) {
        const struct gm_packed_block *block = &rows->blocks[cursor->block];
        const uint8_t *row = block->data + cursor->offset;
        int rc = put(op, to, partition, 0, layout, row);
        if (rc != 0)
            return rc;
        cursor->offset += gm_row_bytes(layout, row);
        if (cursor->offset == block->bytes)
            *cursor = (struct gm_packed_cursor){.block = cursor->block + 1};
    }
    for (;;) {
        int rc = gm_run_set_row(from);
        if (rc == GM_END || (rc == 0 && hash_of(from) != state->hash))
            break;
        if (rc == 0)
            rc = put(op, to, partition, 0, layout, from->row);
        if (rc != 0)
            return rc;
        from->row = NULL;
    }
    gm_packed_clear(rows);
    int rc = gm_run_set_end_run(to, op);
    if (rc < 0)
        return rc;
    state->nesting = false;
    state->nested = true;
    state->is_first_piece = true;
    state->is_last_piece = false;
    return self->sides[RIGHT].keeps_all ? gm_table_init(&state->left_keys, 0, op->heap) : 0;
}

static void end_nested(struct gm_op *op, struct gm_join_state *state)
{
    gm_run_reader_close(&state->nested_reader);
    gm_run_set_fini(&state->nested_set, op);
    if (state->left_keys.slots != NULL)
        gm_table_fini(&state->left_keys);
    state->nested = false;
    state->nested_open = false;
}

/* The reader of the nested run stands at its beginning.  Returns 0, GM_AGAIN or < 0. */
static int rewind_nested(struct gm_op *op, struct gm_join_state *state)
{
    if (state->nested_open)
        return gm_run_reader_rewind(&state->nested_reader);
    for (;;) {
        int rc = gm_run_reader_open(&state->nested_reader, op->spill, op->heap,
                                    &state->nested_set.runs[0]);
        if (rc == 0) {
            state->nested_set.count = 0; /* the run is the reader's */
            state->nested_open = true;
            gm_run_reader_keep(&state->nested_reader);
        }
        if (rc != GM_ETASK_MEMORY)
            return rc;
        rc = find_room(op, state);
        if (rc != 0)
            return rc;
    }
}

/* More left rows of the hash, and whether they are the last.  Returns 0, GM_AGAIN or < 0. */
static int next_piece(struct gm_op *op, struct gm_join_state *state)
{
    struct gm_run_set *set = &state->holdings[LEFT].set;
    for (;;) {
        int rc = gm_run_set_row(set);
        state->is_last_piece = rc == GM_END || (rc == 0 && hash_of(set) != state->hash);
        if (state->is_last_piece)
            return 0;
        if (rc == 0 && is_full(op, state, LEFT))
            return 0;
        if (rc == 0)
            rc = take(op, state, LEFT);
        if (rc != 0)
            return rc;
    }
}

void gm_join_silence(struct gm_op *op, struct gm_join_state *state, const struct gm_key *keys,
                     uint32_t first, uint32_t count)
{
    struct gm_join *self = op->self;
    struct gm_slot *known[GM_KEY_BLOCK] = {NULL};
    if (!self->sides[RIGHT].keeps_all)
        return;
    gm_table_find(&state->left_keys, keys, count, known);
    for (uint32_t i = 0; i < count; i++)
        /* All left rows of other hashes are in the first piece. */
        self->silent[first + i] = keys[i].hash != state->hash
                                      ? !state->is_first_piece
                                      : !state->is_last_piece || known[i] != NULL;
}

int gm_join_note_keys(struct gm_op *op, struct gm_join_state *state, const struct gm_key *keys,
                      uint32_t count)
{
    const struct gm_join *self = op->self;
    struct gm_slot *slots[GM_KEY_BLOCK];
    uint64_t new_slots;
    for (uint32_t i = 0; i < count && self->sides[RIGHT].keeps_all; i++) {
        if (keys[i].hash != state->hash)
            continue;
        int rc = gm_table_block(&state->left_keys, &keys[i], 1, slots, &new_slots);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- one section after the other ------------------------------------------------------------- */

/* The table of the section that was read.  Returns 0, GM_AGAIN or < 0. */
static int build(struct gm_op *op, struct gm_join_state *state)
{
    for (;;) {
        int rc = gm_join_build(op, state);
        if (rc != GM_ETASK_MEMORY)
            return rc;
        rc = find_room(op, state);
        if (rc != 0)
            return rc;
    }
}

/* The next piece of left rows, or the first one.  Returns 0, GM_AGAIN, GM_END (there is none) or
 * < 0. */
static int build_nested(struct gm_op *op, struct gm_join_state *state)
{
    if (!state->filling) {
        gm_packed_clear(&state->rows[LEFT]);
        state->is_first_piece = false;
        if (state->is_last_piece) {
            end_nested(op, state);
            return GM_END;
        }
        state->filling = true;
    }
    int rc = next_piece(op, state);
    if (rc == 0)
        rc = rewind_nested(op, state);
    if (rc != 0)
        return rc;
    gm_packed_clear(&state->rows[RIGHT]);
    state->build = LEFT;
    state->feed = GM_JOIN_FEED_AGAIN;
    rc = build(op, state);
    state->filling = rc != 0;
    return rc;
}

int gm_join_next(struct gm_op *op, struct gm_join_state *state)
{
    bool left[2];
    int rc = 0;
    if (state->nested) {
        rc = build_nested(op, state);
        if (rc != GM_END)
            return rc;
    }
    if (!state->filling) {
        gm_packed_clear(&state->rows[LEFT]);
        gm_packed_clear(&state->rows[RIGHT]);
        state->filling = true;
        state->nested_cursor = (struct gm_packed_cursor){0};
    }
    if (!state->nesting) {
        rc = fill(op, state, left);
        if (rc != 0)
            return rc;
        state->nesting = left[LEFT] && left[RIGHT];
    }
    if (state->nesting) {
        do
            rc = write_nested(op, state);
        while (rc == GM_ETASK_MEMORY && (rc = find_room(op, state)) == 0);
        return rc == 0 ? build_nested(op, state) : rc;
    }
    if (state->rows[LEFT].row_count + state->rows[RIGHT].row_count == 0)
        return GM_END;
    state->build = left[LEFT]    ? RIGHT
                   : left[RIGHT] ? LEFT
                   : state->rows[LEFT].bytes < state->rows[RIGHT].bytes ? LEFT
                                                                        : RIGHT;
    state->feed = left[LEFT] || left[RIGHT] ? GM_JOIN_FEED_HASH : GM_JOIN_FEED_NONE;
    rc = build(op, state);
    state->filling = rc != 0;
    return rc;
}

/* Makes the next row of the feed set->row, unless the last one is still there.  Returns as
 * gm_run_set_row. */
static int feed_row(struct gm_op *op, struct gm_join_state *state, struct gm_run_set *set)
{
    const struct gm_join *self = op->self;
    const uint8_t *record;
    uint32_t bytes;
    if (state->feed == GM_JOIN_FEED_SCAN)
        return gm_run_set_scan(set, op, &self->sides[!state->build].by_hash);
    if (state->feed == GM_JOIN_FEED_HASH) {
        const int rc = gm_run_set_row(set);
        return rc == 0 && hash_of(set) != state->hash ? GM_END : rc;
    }
    if (set->row != NULL)
        return 0;
    const int rc = gm_run_next(&state->nested_reader, &record, &bytes);
    if (rc == 0) {
        set->row = record + GM_SORT_POSITION_BYTES;
        set->row_bytes = bytes - GM_SORT_POSITION_BYTES;
    }
    return rc;
}

int gm_join_more(struct gm_op *op, struct gm_join_state *state)
{
    const uint32_t side = !state->build;
    struct gm_packed *rows = &state->rows[side];
    struct gm_run_set *set = state->feed == GM_JOIN_FEED_AGAIN ? &state->nested_set
                                                               : &state->holdings[side].set;
    gm_packed_clear(rows);
    state->cursor = (struct gm_packed_cursor){0};
    for (;;) {
        int rc = feed_row(op, state, set);
        if (rc == 0)
            rc = gm_packed_put(rows, set->row, set->row_bytes);
        if (rc == 0) {
            set->row = NULL;
            if (rows->row_count < GM_BATCH_ROWS_MAX && !is_full(op, state, side))
                continue;
        }
        if (rows->row_count > 0 && (rc == GM_AGAIN || rc == GM_END || rc == GM_ETASK_MEMORY))
            return 0; /* the row that is there is the first one of the next call */
        if (rc == GM_ETASK_MEMORY)
            rc = find_room(op, state);
        else
            return rc;
        if (rc != 0)
            return rc;
    }
}
