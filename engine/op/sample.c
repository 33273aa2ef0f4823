/* sample.c - random rows that follow from a seed: every row draws a number from the seed, its
 * partition and its position there.
 *
 * A fraction keeps the rows whose number is low enough.  For a number of rows the drawn number
 * becomes a column in front, and a top behind it keeps the least: that is a reservoir, for any
 * number of partitions.
 */
#include <string.h>

#include "engine/op/op.h"

struct sample {
    struct gm_batch rows;
    uint16_t selected[GM_BATCH_ROWS_MAX];
    int64_t keys[GM_BATCH_ROWS_MAX];
};

/* Of a partition. */
struct sample_state {
    uint64_t base;
    uint64_t position;
};

static int sample_open(struct gm_op *op)
{
    struct sample *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    return gm_batch_init(&self->rows, &op->step->schema, op->heap);
}

static void sample_close(struct gm_op *op)
{
    struct sample *self = op->self;
    if (self == NULL)
        return;
    gm_batch_fini(&self->rows, op->heap);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

/* Murmur3's finaliser (Appleby, public domain): every bit of the input reaches every one of the
 * output. */
static uint64_t mixed(uint64_t bits)
{
    bits = (bits ^ (bits >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    bits = (bits ^ (bits >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return bits ^ (bits >> 33);
}

static int sample_begin(struct gm_op *op, void **ret_state)
{
    struct sample_state *state = gm_heap_zalloc(op->heap, sizeof *state);
    if (state == NULL)
        return GM_ETASK_MEMORY;
    state->base = mixed(mixed(op->step->seed + UINT64_C(0x9e3779b97f4a7c15)) ^ op->partition);
    *ret_state = state;
    return 0;
}

static void sample_end(struct gm_op *op, void *state)
{
    gm_heap_free(op->heap, state, sizeof(struct sample_state));
}

static uint64_t draw(struct sample_state *state)
{
    return mixed(state->base + state->position++ * UINT64_C(0x9e3779b97f4a7c15));
}

static int fraction_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                            struct gm_batch *out)
{
    struct sample *self = op->self;
    struct sample_state *state = opaque;
    uint32_t count = 0;
    for (uint32_t row = 0; row < in->row_count; row++) {
        self->selected[count] = (uint16_t)row;
        count += draw(state) >> 32 < op->step->count;
    }
    gm_batch_select(in, self->selected, count, &self->rows, out);
    return GM_OP_NEED_INPUT;
}

static int keys_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                        struct gm_batch *out)
{
    struct sample *self = op->self;
    for (uint32_t row = 0; row < in->row_count; row++)
        self->keys[row] = (int64_t)(draw(opaque) >> 1);
    out->row_count = in->row_count;
    out->column_count = in->column_count + 1;
    out->columns[0] = (struct gm_vector){.kind = GLEAM_I64, .i64 = self->keys};
    memcpy(out->columns + 1, in->columns, in->column_count * sizeof in->columns[0]);
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_sample = {
    .name = "sample",
    .open = sample_open,
    .close = sample_close,
    .begin = sample_begin,
    .end = sample_end,
    .process = fraction_process,
};

const struct gm_op_ops gm_op_sample_keys = {
    .name = "sample keys",
    .open = sample_open,
    .close = sample_close,
    .begin = sample_begin,
    .end = sample_end,
    .process = keys_process,
};
