/* distinct.c - one row of each key: the first that comes, or the first by (origin, arrival).
 *
 * Where rows of several origins come mixed and hold more than their key, the first one is known
 * only at the end; in all other cases a row is handed on as soon as its key is new.  The partial
 * one, which makes the data smaller before an exchange, forgets its keys when they pass the budget.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/gather.h"
#include "engine/op/key.h"
#include "engine/op/op.h"
#include "engine/op/table.h"
#include "engine/row/codec.h"

/* Accumulators of a slot, when the first row is sought. */
enum { ROW = 0, POSITION = 1, VALUES = 2 };

struct distinct {
    struct gm_key_reader keys;
    struct gm_layout layout;
    struct gm_batch result;
    uint32_t rows[GM_BATCH_ROWS_MAX];
    const uint8_t *packed[GM_BATCH_ROWS_MAX];
};

struct distinct_state {
    struct gm_table table;
    struct gm_arena kept;
    uint64_t arrived;
    uint64_t position; /* of the hand-on, in slots */
};

static int distinct_open(struct gm_op *op)
{
    struct distinct *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    gm_key_reader_init(&self->keys, op->input_schema, &op->step->order, op->heap);
    gm_layout_init(&self->layout, op->input_schema);
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
    if (gm_table_init(&state->table, op->step->seeks_first ? VALUES : 0, op->heap) < 0) {
        gm_heap_free(op->heap, state, sizeof *state);
        return GM_ETASK_MEMORY;
    }
    gm_arena_init(&state->kept, op->heap);
    *ret_state = state;
    return 0;
}

static void distinct_end(struct gm_op *op, void *opaque)
{
    struct distinct_state *state = opaque;
    gm_table_fini(&state->table);
    gm_arena_fini(&state->kept);
    gm_heap_free(op->heap, state, sizeof *state);
}

static int refuse_memory(const struct gm_op *op)
{
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': its distinct keys do not fit this executor's share of the "
                        "memory (%llu MiB): give more with --memory",
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

static int distinct_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                            struct gm_batch *out)
{
    struct distinct *self = op->self;
    struct distinct_state *state = opaque;
    struct gm_key keys[GM_KEY_BLOCK];
    struct gm_slot *slots[GM_KEY_BLOCK];
    uint32_t new_count = 0;
    for (uint32_t first = 0; first < in->row_count; first += GM_KEY_BLOCK) {
        const uint32_t left = in->row_count - first;
        const uint32_t count = left < GM_KEY_BLOCK ? left : GM_KEY_BLOCK;
        uint64_t new_slots;
        if (gm_key_read(&self->keys, in, first, count, keys) < 0 ||
            find_slots(op, state, keys, count, slots, &new_slots) < 0)
            return refuse_memory(op);
        for (uint32_t i = 0; i < count; i++) {
            if (op->step->seeks_first) {
                if (keep_first(op, state, slots[i], in, first + i) < 0)
                    return refuse_memory(op);
                continue;
            }
            self->rows[new_count] = first + i;
            new_count += new_slots >> i & 1;
        }
    }
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

static int distinct_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct distinct *self = op->self;
    struct distinct_state *state = opaque;
    uint32_t count = 0;
    if (!op->step->seeks_first)
        return GM_OP_NEED_INPUT;
    while (count < GM_BATCH_ROWS_MAX) {
        const struct gm_slot *slot = gm_table_next(&state->table, &state->position);
        if (slot == NULL)
            break;
        self->packed[count++] = (const uint8_t *)(uintptr_t)slot->values[ROW];
    }
    out->row_count = count;
    out->column_count = self->result.column_count;
    for (uint32_t c = 0; c < out->column_count; c++) {
        gm_gather_packed(&self->layout, c, self->packed, count, &self->result.columns[c]);
        out->columns[c] = self->result.columns[c];
    }
    return count == GM_BATCH_ROWS_MAX ? GM_OP_HAVE_MORE : GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_distinct = {
    .name = "distinct",
    .open = distinct_open,
    .close = distinct_close,
    .begin = distinct_begin,
    .end = distinct_end,
    .process = distinct_process,
    .finish = distinct_finish,
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
