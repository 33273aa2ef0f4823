/* reduce.c - hash aggregation: the reduce of a partition, and the combining before an exchange.
 *
 * The combiner has one table per executor.  When it passes its budget it hands its rows on and
 * starts again; when that showed that combining hardly shrinks the data, it lets the following rows
 * pass as they are for a while, and then tries again.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/accumulate.h"
#include "engine/op/op.h"

/* Combining pays when a flush holds at most this share of the rows that went in. */
#define COMBINE_KEEP_NUMERATOR 3
#define COMBINE_KEEP_DENOMINATOR 4
/* Rows that pass uncombined before the next try, per row of the flushed table. */
#define COMBINE_PASS_FACTOR 16

struct reduce {
    struct gm_key_reader keys;
    struct gm_accumulator accumulator;
    struct gm_batch rows; /* arrays for what is handed on */
};

struct reduce_state {
    struct gm_table table;
    uint64_t position;  /* of the hand-on, in slots */
    bool handing_on;
    uint32_t next_row;  /* of the input batch */
    uint64_t rows_in;   /* since the last flush */
    uint64_t pass_left; /* rows to let pass */
};

static int reduce_open(struct gm_op *op)
{
    struct reduce *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    gm_key_reader_init(&self->keys, op->input_schema, &op->step->order, op->heap);
    int rc = gm_accumulator_init(&self->accumulator, op);
    if (rc < 0)
        return rc;
    return gm_batch_init(&self->rows, &op->step->schema, op->heap);
}

static void reduce_close(struct gm_op *op)
{
    struct reduce *self = op->self;
    if (self == NULL)
        return;
    if (self->keys.scratch.heap != NULL)
        gm_key_reader_fini(&self->keys);
    gm_accumulator_fini(&self->accumulator);
    gm_batch_fini(&self->rows, op->heap);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int reduce_begin(struct gm_op *op, void **ret_state)
{
    const struct reduce *self = op->self;
    struct reduce_state *state = gm_heap_zalloc(op->heap, sizeof *state);
    if (state == NULL)
        return GM_ETASK_MEMORY;
    int rc = gm_table_init(&state->table, self->accumulator.value_count, op->heap);
    if (rc < 0) {
        gm_heap_free(op->heap, state, sizeof *state);
        return rc;
    }
    *ret_state = state;
    return 0;
}

static void reduce_end(struct gm_op *op, void *opaque)
{
    struct reduce_state *state = opaque;
    gm_table_fini(&state->table);
    gm_heap_free(op->heap, state, sizeof *state);
}

static int refuse_memory(const struct gm_op *op, int rc)
{
    if (rc != GM_ETASK_MEMORY || op->error->code != 0)
        return rc;
    return gm_error_set(op->error, GM_ETASK_MEMORY,
                        "%s: step '%s': its groups do not fit this executor's share of the memory "
                        "(%llu MiB): give more with --memory",
                        op->step->where, op->step->name,
                        (unsigned long long)(op->heap->limit_bytes >> 20));
}

/* Folds rows from state->next_row on, until the batch ends or the table passes budget_bytes.
 * Returns 0 at the end of the batch, GM_AGAIN at the budget, or < 0. */
static int fold_batch(struct gm_op *op, struct reduce_state *state, const struct gm_batch *in,
                      uint64_t budget_bytes)
{
    struct reduce *self = op->self;
    struct gm_key keys[GM_KEY_BLOCK];
    struct gm_slot *slots[GM_KEY_BLOCK];
    while (state->next_row < in->row_count) {
        /* Slots stay when the table is emptied: had they outgrown the budget, every block would
         * be a flush from then on. */
        if (state->table.count > 0 &&
            gm_table_bytes_with(&state->table, GM_KEY_BLOCK) > budget_bytes)
            return GM_AGAIN;
        const uint32_t left = in->row_count - state->next_row;
        const uint32_t count = left < GM_KEY_BLOCK ? left : GM_KEY_BLOCK;
        uint64_t new_slots;
        int rc = gm_key_read(&self->keys, in, state->next_row, count, keys);
        if (rc == 0)
            rc = gm_table_block(&state->table, keys, count, slots, &new_slots);
        /* Nothing of this block is in the table yet: a combiner can make room and go on. */
        if (rc == GM_ETASK_MEMORY && budget_bytes < UINT64_MAX && state->table.count > 0)
            return GM_AGAIN;
        if (rc == 0)
            rc = gm_accumulator_fold(&self->accumulator, &state->table, slots, new_slots, in,
                                     state->next_row, count);
        if (rc < 0)
            return refuse_memory(op, rc);
        state->next_row += count;
        state->rows_in += count;
    }
    return 0;
}

static int reduce_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                          struct gm_batch *out)
{
    struct reduce_state *state = opaque;
    (void)out;
    state->next_row = 0;
    int rc = fold_batch(op, state, in, UINT64_MAX);
    return rc < 0 ? rc : GM_OP_NEED_INPUT;
}

/* The arrays of `rows` become the vectors of `out`. */
static void lend(const struct gm_batch *rows, uint32_t row_count, struct gm_batch *out)
{
    out->column_count = rows->column_count;
    out->row_count = row_count;
    memcpy(out->columns, rows->columns, rows->column_count * sizeof rows->columns[0]);
}

/* Fills `out` with the next slots.  Returns HAVE_MORE or, at the end, NEED_INPUT. */
static int hand_on(struct gm_op *op, struct reduce_state *state, struct gm_batch *out)
{
    struct reduce *self = op->self;
    struct gm_batch *rows = &self->rows;
    const uint32_t key_count = self->keys.column_count;
    uint32_t count = 0;
    for (uint32_t c = 0; c < rows->column_count; c++)
        rows->columns[c].has_nulls = false;
    while (count < GM_BATCH_ROWS_MAX) {
        const struct gm_slot *slot = gm_table_next(&state->table, &state->position);
        if (slot == NULL)
            break;
        uint32_t length;
        const uint8_t *form = gm_slot_key(slot, &length);
        gm_key_write(&self->keys, form, length, rows, count);
        for (uint32_t v = 0; v < self->accumulator.value_count; v++)
            gm_accumulator_store(&self->accumulator, slot, v, &rows->columns[key_count + v],
                                 count);
        count++;
    }
    lend(rows, count, out);
    return count == GM_BATCH_ROWS_MAX ? GM_OP_HAVE_MORE : GM_OP_NEED_INPUT;
}

static int reduce_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    return hand_on(op, opaque, out);
}

/* ---- the combiner -------------------------------------------------------------------------- */

/* Rows as they are, in the form of partial results. */
static int pass_on(struct gm_op *op, struct reduce_state *state, const struct gm_batch *in,
                   struct gm_batch *out)
{
    struct reduce *self = op->self;
    const uint32_t key_count = self->keys.column_count;
    GM_CHECK(state->next_row == 0);
    out->row_count = in->row_count;
    out->column_count = key_count + self->accumulator.value_count;
    for (uint32_t c = 0; c < key_count; c++)
        out->columns[c] = in->columns[self->keys.columns[c]];
    if (self->accumulator.kind == GM_REDUCE_COUNT) {
        struct gm_vector *ones = &self->rows.columns[key_count];
        ones->i64[0] = 1;
        out->columns[key_count] = *ones;
        out->columns[key_count].constant = true;
    } else {
        for (uint32_t v = 0; v < self->accumulator.value_count; v++)
            out->columns[key_count + v] = in->columns[self->accumulator.columns[v]];
    }
    state->pass_left -= state->pass_left < in->row_count ? state->pass_left : in->row_count;
    return GM_OP_NEED_INPUT;
}

static void end_flush(struct reduce_state *state)
{
    if (state->table.count >
        state->rows_in / COMBINE_KEEP_DENOMINATOR * COMBINE_KEEP_NUMERATOR)
        state->pass_left = state->table.count * COMBINE_PASS_FACTOR;
    gm_table_clear(&state->table);
    state->rows_in = 0;
    state->handing_on = false;
}

static int combine_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                           struct gm_batch *out)
{
    struct reduce_state *state = opaque;
    if (state->handing_on) {
        hand_on(op, state, out);
        /* The rows point into the table: it is emptied when they have been taken. */
        if (out->row_count > 0)
            return GM_OP_HAVE_MORE;
        end_flush(state);
    }
    if (state->next_row == 0 && state->pass_left > 0)
        return pass_on(op, state, in, out);
    int rc = fold_batch(op, state, in, op->budget_bytes);
    if (rc == GM_AGAIN) {
        state->handing_on = true;
        state->position = 0;
        return GM_OP_HAVE_MORE;
    }
    if (rc < 0)
        return rc;
    state->next_row = 0;
    return GM_OP_NEED_INPUT;
}

static int combine_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct reduce_state *state = opaque;
    if (!state->handing_on) {
        state->handing_on = true;
        state->position = 0;
    }
    return hand_on(op, state, out);
}

const struct gm_op_ops gm_op_reduce = {
    .name = "reduce",
    .open = reduce_open,
    .close = reduce_close,
    .begin = reduce_begin,
    .end = reduce_end,
    .process = reduce_process,
    .finish = reduce_finish,
};

const struct gm_op_ops gm_op_combine = {
    .name = "combine",
    .executor_scope = true,
    .open = reduce_open,
    .close = reduce_close,
    .begin = reduce_begin,
    .end = reduce_end,
    .process = combine_process,
    .finish = combine_finish,
};
