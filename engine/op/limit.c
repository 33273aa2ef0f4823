/* limit.c - operators that choose columns or rows without looking at them: select, local limit. */
#include <string.h>

#include "engine/op/op.h"

/* ---- select: some of the vectors, in another order ------------------------------------------- */

static int nothing_to_open(struct gm_op *op)
{
    (void)op;
    return 0;
}

static void nothing_to_close(struct gm_op *op)
{
    (void)op;
}

static int select_process(struct gm_op *op, void *state, const struct gm_batch *in,
                          struct gm_batch *out)
{
    const struct gleam_order *columns = &op->step->order;
    (void)state;
    out->row_count = in->row_count;
    out->column_count = columns->count;
    for (uint32_t i = 0; i < columns->count; i++)
        out->columns[i] = in->columns[columns->columns[i].column - 1];
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_select = {
    .name = "select",
    .open = nothing_to_open,
    .close = nothing_to_close,
    .process = select_process,
};

/* ---- local limit: a range of a partition's rows ---------------------------------------------- */

struct limit_state {
    uint64_t seen;   /* rows that came, up to the last one wanted */
    uint64_t passed;
};

static int limit_begin(struct gm_op *op, void **ret_state)
{
    *ret_state = gm_heap_zalloc(op->heap, sizeof(struct limit_state));
    return *ret_state != NULL ? 0 : GM_ETASK_MEMORY;
}

static void limit_end(struct gm_op *op, void *state)
{
    gm_heap_free(op->heap, state, sizeof(struct limit_state));
}

/* Rows [first, first + count) of a vector. */
static struct gm_vector slice(const struct gm_vector *vector, uint32_t first)
{
    struct gm_vector part = *vector;
    if (vector->constant)
        return part;
    part.data = (uint8_t *)vector->data + (size_t)first * gm_vector_stride(vector->kind);
    if (vector->has_nulls)
        part.nulls = vector->nulls + first;
    return part;
}

static int limit_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                         struct gm_batch *out)
{
    struct limit_state *state = opaque;
    const uint64_t skip = op->step->offset - (state->seen < op->step->offset ? state->seen
                                                                             : op->step->offset);
    const uint32_t first = skip < in->row_count ? (uint32_t)skip : in->row_count;
    const uint64_t wanted = op->step->count - state->passed;
    const uint32_t left = in->row_count - first;
    out->row_count = wanted < left ? (uint32_t)wanted : left;
    out->column_count = in->column_count;
    for (uint32_t c = 0; c < in->column_count; c++)
        out->columns[c] = slice(&in->columns[c], first);
    state->seen += first + out->row_count;
    state->passed += out->row_count;
    return GM_OP_NEED_INPUT;
}

static bool limit_satisfied(const struct gm_op *op, const void *opaque)
{
    const struct limit_state *state = opaque;
    return state->passed == op->step->count;
}

/* The partitions that have ended have enough rows, and so have those before the last of them: all
 * of these are claimed, since claims go upwards, and nobody needs another one. */
static int limit_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    const struct limit_state *state = opaque;
    (void)out;
    if (!op->step->stops_source || op->claim == NULL)
        return GM_OP_NEED_INPUT;
    const uint64_t before =
        atomic_fetch_add_explicit(op->found, state->passed, memory_order_relaxed);
    if (before + state->passed >= op->step->count)
        atomic_store_explicit(op->claim, op->claim_end, memory_order_relaxed);
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_local_limit = {
    .name = "local limit",
    .open = nothing_to_open,
    .close = nothing_to_close,
    .begin = limit_begin,
    .end = limit_end,
    .process = limit_process,
    .finish = limit_finish,
    .satisfied = limit_satisfied,
};
