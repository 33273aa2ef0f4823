/* distinct.c - one row of each key: the first that comes, or the first by (origin, arrival).
 *
 * Where rows of several origins come mixed and hold more than their key, the first one is known
 * only at the end; in all other cases a row is handed on as soon as its key is new.  The partial
 * one, which makes the data smaller before an exchange, forgets its keys when they pass the budget.
 *
 * When the executor's memory is spent (holding.h), a partition's keys go to disk by their hashes,
 * with their rows, or marked where those were handed on already.  From then on no row is handed on
 * before the end, where a merge brings together what is known of a key.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/gather.h"
#include "engine/op/holding.h"
#include "engine/op/keyed.h"
#include "engine/row/codec.h"
#include "engine/row/row.h"

/* Accumulators of a slot, when the first row is sought. */
enum { ROW = 0, POSITION = 1, VALUES = 2 };
/* ROW of a key whose row was handed on. */
#define HANDED_ON 1

/* Tags of records on disk. */
enum { TAG_ROW = 0, TAG_HANDED_ON = 1 };

struct distinct {
    struct gm_key_reader keys;
    struct gm_layout layout;
    struct gm_batch result;
    uint32_t rows[GM_BATCH_ROWS_MAX];
    const uint8_t *packed[GM_BATCH_ROWS_MAX];
    struct gm_sort_order by_hash;
};

struct distinct_state {
    struct gm_holding holding;
    struct gm_table table;
    struct gm_arena kept;
    bool keeps; /* rows, until the end */
    uint32_t next_row, new_count; /* of the input batch */
    uint64_t arrived;
    uint64_t position; /* of the hand-on or of what goes to disk, in slots */
    /* to and from disk */
    bool giving;
    bool merge_opened;
    bool handing_on;
    struct gm_holding_piece piece; /* of the merge */
};

static int distinct_open(struct gm_op *op)
{
    struct distinct *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    gm_key_reader_init(&self->keys, op->input_schema, &op->step->order, op->heap);
    gm_layout_init(&self->layout, op->input_schema);
    gm_keyed_order_init(&self->by_hash);
    return gm_batch_init(&self->result, &op->step->schema, op->heap);
}

static void distinct_close(struct gm_op *op)
{
    struct distinct *self = op->self;
    if (self == NULL)
        return;
    gm_key_reader_fini(&self->keys);
    gm_batch_fini(&self->result, op->heap);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int distinct_begin(struct gm_op *op, void **ret_state)
{
    struct distinct_state *state = gm_heap_zalloc(op->heap, sizeof *state);
    if (state == NULL)
        return GM_ETASK_MEMORY;
    state->keeps = op->step->seeks_first;
    if (gm_table_init(&state->table, state->keeps ? VALUES : 0, op->heap) < 0) {
        gm_heap_free(op->heap, state, sizeof *state);
        return GM_ETASK_MEMORY;
    }
    gm_arena_init(&state->kept, op->heap);
    gm_holding_add(&state->holding, op, state);
    *ret_state = state;
    return 0;
}

static void distinct_end(struct gm_op *op, void *opaque)
{
    struct distinct_state *state = opaque;
    gm_holding_remove(&state->holding);
    gm_table_fini(&state->table);
    gm_arena_fini(&state->kept);
    gm_heap_free(op->heap, state, sizeof *state);
}

static int refuse_memory(const struct gm_op *op)
{
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': its distinct keys do not fit this executor's share of the "
                        "memory (%llu MiB), and nothing may go to disk: give more with "
                        "--memory",
                        op->step->where, op->step->name,
                        (unsigned long long)(op->heap->limit_bytes >> 20));
}

/* The slots of a block; a partial one makes room by forgetting what it knows. */
static int find_slots(struct gm_op *op, struct distinct_state *state, const struct gm_key *keys,
                      uint32_t count, struct gm_slot **slots, uint64_t *new_slots)
{
    struct gm_table *table = &state->table;
    const bool partial = op->ops->executor_scope;
    if (partial && table->count > 0 &&
        gm_table_bytes_with(table, count) > op->budget_bytes)
        gm_table_clear(table);
    int rc = gm_table_block(table, keys, count, slots, new_slots);
    if (rc == 0 || !partial || table->count == 0)
        return rc;
    gm_table_clear(table);
    return gm_table_block(table, keys, count, slots, new_slots);
}

/* Keeps the row if it comes before the one that the slot has. */
static int keep_first(struct gm_op *op, struct distinct_state *state, struct gm_slot *slot,
                      const struct gm_batch *in, uint32_t row)
{
    struct distinct *self = op->self;
    const uint64_t position = gm_op_position(in->origin, state->arrived++);
    uint32_t size;
    if (slot->values[ROW] != 0 && slot->values[POSITION] < position)
        return 0;
    gm_codec_sizes(&self->layout, in, row, 1, &size);
    uint8_t *packed =
        size <= GM_ROW_BYTES_MAX ? gm_arena_alloc(&state->kept, size) : NULL;
    if (packed == NULL)
        return GM_ETASK_MEMORY;
    gm_codec_encode(&self->layout, in, row, 1, &size, packed);
    slot->values[ROW] = (uint64_t)(uintptr_t)packed;
    slot->values[POSITION] = position;
    return 0;
}

/* Looks at rows from state->next_row on; those of new keys that are not kept get into self->rows.
 * Returns 0, or GM_ETASK_MEMORY: those before it are done. */
static int find_rows(struct gm_op *op, struct distinct_state *state, const struct gm_batch *in)
{
    struct distinct *self = op->self;
    struct gm_key keys[GM_KEY_BLOCK];
    struct gm_slot *slots[GM_KEY_BLOCK];
    while (state->next_row < in->row_count) {
        const uint32_t left = in->row_count - state->next_row;
        const uint32_t count = left < GM_KEY_BLOCK ? left : GM_KEY_BLOCK;
        uint64_t new_slots;
        if (gm_key_read(&self->keys, in, state->next_row, count, keys) < 0 ||
            find_slots(op, state, keys, count, slots, &new_slots) < 0)
            return GM_ETASK_MEMORY;
        if (!state->keeps) {
            for (uint32_t i = 0; i < count; i++) {
                self->rows[state->new_count] = state->next_row++;
                state->new_count += new_slots >> i & 1;
            }
            continue;
        }
        for (uint32_t i = 0; i < count; i++, state->next_row++)
            if (keep_first(op, state, slots[i], in, state->next_row) < 0)
                return GM_ETASK_MEMORY;
    }
    return 0;
}

static int distinct_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                            struct gm_batch *out)
{
    struct distinct *self = op->self;
    struct distinct_state *state = opaque;
    int rc = gm_holding_make_room(op);
    while (rc == 0) {
        rc = find_rows(op, state, in);
        /* Keys without rows are nothing to be written where rows are kept. */
        if (op->ops->give_back != NULL && state->table.count > 0 &&
            (!state->keeps || state->kept.held_bytes > 0))
            gm_holding_set(&state->holding,
                           gm_table_bytes(&state->table) + state->kept.held_bytes);
        if (rc == 0)
            break;
        rc = gm_holding_ask_room(op);
    }
    if (rc != 0)
        return rc == GM_ETASK_MEMORY ? refuse_memory(op) : rc;
    const uint32_t new_count = state->new_count;
    state->next_row = 0;
    state->new_count = 0;
    if (new_count == 0)
        return GM_OP_NEED_INPUT;
    if (new_count == in->row_count) { /* all of them: as they are */
        out->row_count = in->row_count;
        out->column_count = in->column_count;
        memcpy(out->columns, in->columns, in->column_count * sizeof in->columns[0]);
        return GM_OP_NEED_INPUT;
    }
    out->row_count = new_count;
    out->column_count = self->result.column_count;
    for (uint32_t c = 0; c < out->column_count; c++) {
        gm_gather(&in->columns[c], self->rows, new_count, &self->result.columns[c]);
        out->columns[c] = self->result.columns[c];
    }
    return GM_OP_NEED_INPUT;
}

/* ---- to disk --------------------------------------------------------------------------------- */

static const uint8_t *row_of(const struct gm_slot *slot)
{
    return (const uint8_t *)(uintptr_t)slot->values[ROW];
}

static int put(struct gm_op *op, struct gm_holding *holding, const struct gm_slot *slot)
{
    const struct distinct *self = op->self;
    const struct distinct_state *state = holding->state;
    if (!state->keeps)
        return gm_keyed_put(&holding->set, op, holding->partition, slot, 0, TAG_HANDED_ON, NULL, 0);
    if (slot->values[ROW] == 0) /* there was no room for its row */
        return 0;
    return gm_keyed_put(&holding->set, op, holding->partition, slot, slot->values[POSITION],
                        TAG_ROW, row_of(slot),
                        (uint32_t)gm_row_bytes(&self->layout, row_of(slot)));
}

static int distinct_give_back(struct gm_op *op, struct gm_holding *holding)
{
    struct distinct_state *state = holding->state;
    if (!state->giving) {
        gm_table_sort(&state->table);
        state->position = 0;
    }
    state->giving = true;
    for (;;) {
        const uint64_t position = state->position;
        const struct gm_slot *slot = gm_table_next(&state->table, &state->position);
        if (slot == NULL)
            break;
        int rc = put(op, holding, slot);
        if (rc != 0) {
            state->position = position;
            return rc;
        }
    }
    state->giving = false;
    state->position = 0;
    state->keeps = true;
    gm_holding_set(holding, 0);
    gm_arena_fini(&state->kept);
    gm_table_fini(&state->table);
    int rc = gm_table_init(&state->table, VALUES, op->heap);
    return rc < 0 ? rc : gm_run_set_end_run(&holding->set, op);
}

/* ---- the end --------------------------------------------------------------------------------- */

static int hand_on(struct gm_op *op, struct distinct_state *state, struct gm_batch *out)
{
    struct distinct *self = op->self;
    uint32_t count = 0;
    while (count < GM_BATCH_ROWS_MAX) {
        const struct gm_slot *slot = gm_table_next(&state->table, &state->position);
        if (slot == NULL)
            break;
        self->packed[count] = row_of(slot);
        count += slot->values[ROW] != HANDED_ON;
    }
    out->row_count = count;
    out->column_count = self->result.column_count;
    for (uint32_t c = 0; c < out->column_count; c++) {
        gm_gather_packed(&self->layout, c, self->packed, count, &self->result.columns[c]);
        out->columns[c] = self->result.columns[c];
    }
    return count == GM_BATCH_ROWS_MAX ? GM_OP_HAVE_MORE : GM_OP_NEED_INPUT;
}

/* A record from disk, into the table. */
static int keep_merged(struct distinct_state *state, const struct gm_run_set *set)
{
    struct gm_keyed record;
    struct gm_slot *slot;
    uint64_t new_slots;
    gm_keyed_read(set->row, set->row_bytes, &record);
    int rc = gm_table_block(&state->table, &record.key, 1, &slot, &new_slots);
    if (rc < 0)
        return rc;
    if (record.tag == TAG_HANDED_ON) {
        slot->values[ROW] = HANDED_ON;
        return 0;
    }
    if (slot->values[ROW] == HANDED_ON ||
        (slot->values[ROW] != 0 && slot->values[POSITION] < record.position))
        return 0;
    uint8_t *copy = gm_arena_alloc(&state->kept, record.bytes);
    if (copy == NULL)
        return GM_ETASK_MEMORY;
    memcpy(copy, record.data, record.bytes);
    slot->values[ROW] = (uint64_t)(uintptr_t)copy;
    slot->values[POSITION] = record.position;
    return 0;
}

/* What is known of some keys, all of it.  Returns 0, GM_AGAIN or < 0. */
static int read_keys(struct gm_op *op, struct distinct_state *state)
{
    struct gm_run_set *set = &state->holding.set;
    for (;;) {
        const uint64_t held_bytes =
            state->table.count > 0 ? gm_table_bytes(&state->table) + state->kept.held_bytes : 0;
        int rc = gm_holding_piece_row(&state->holding, &state->piece, held_bytes);
        if (rc != 0)
            return rc == GM_END ? 0 : rc;
        rc = keep_merged(state, set);
        if (rc == 0)
            set->row = NULL;
        else if (rc == GM_ETASK_MEMORY && !gm_merge_give_ahead(&set->merge))
            rc = gm_holding_ask_room(op);
        else
            rc = 0;
        if (rc != 0)
            return rc;
    }
}

static int finish_merged(struct gm_op *op, struct distinct_state *state, struct gm_batch *out)
{
    const struct distinct *self = op->self;
    int rc = 0;
    if (!state->merge_opened) {
        rc = gm_holding_merge(&state->holding, &self->by_hash);
        state->merge_opened = rc == 0;
    }
    if (rc == 0 && !state->handing_on) {
        rc = read_keys(op, state);
        state->handing_on = rc == 0;
        state->position = 0;
    }
    if (rc != 0)
        return rc == GM_ETASK_MEMORY ? refuse_memory(op) : rc;
    (void)hand_on(op, state, out);
    if (out->row_count > 0)
        return GM_OP_HAVE_MORE;
    /* What was handed on has been taken. */
    if (state->piece.is_last)
        return GM_OP_NEED_INPUT;
    state->handing_on = false;
    gm_table_clear(&state->table);
    gm_arena_reset(&state->kept);
    return GM_OP_HAVE_MORE;
}

static int distinct_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct distinct_state *state = opaque;
    if (state->merge_opened || gm_holding_has_runs(&state->holding))
        return finish_merged(op, state, out);
    if (!state->keeps)
        return GM_OP_NEED_INPUT;
    gm_holding_pin(&state->holding);
    return hand_on(op, state, out);
}

const struct gm_op_ops gm_op_distinct = {
    .name = "distinct",
    .open = distinct_open,
    .close = distinct_close,
    .begin = distinct_begin,
    .end = distinct_end,
    .process = distinct_process,
    .finish = distinct_finish,
    .give_back = distinct_give_back,
};

const struct gm_op_ops gm_op_partial_distinct = {
    .name = "partial distinct",
    .executor_scope = true,
    .open = distinct_open,
    .close = distinct_close,
    .begin = distinct_begin,
    .end = distinct_end,
    .process = distinct_process,
};
