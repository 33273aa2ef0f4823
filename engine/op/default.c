/* default.c - the row of a fold of all rows, where there are none: zero in the columns that are
 * never null (a count), null in the others (a sum, as in SQL).
 */
#include "engine/op/open.h"

#include <string.h>

/* Of a partition: that a row came. */
struct default_state {
    bool seen;
};

static int default_begin(struct gm_op *op, void **ret_state)
{
    *ret_state = gm_heap_zalloc(op->heap, sizeof(struct default_state));
    return *ret_state == NULL ? GM_ETASK_MEMORY : 0;
}

static void default_end(struct gm_op *op, void *state)
{
    gm_heap_free(op->heap, state, sizeof(struct default_state));
}

static int default_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                           struct gm_batch *out)
{
    struct default_state *state = opaque;
    (void)op;
    state->seen = state->seen || in->row_count > 0;
    out->row_count = in->row_count;
    out->column_count = in->column_count;
    memcpy(out->columns, in->columns, in->column_count * sizeof in->columns[0]);
    return GM_OP_NEED_INPUT;
}

static int default_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct default_state *state = opaque;
    const struct gm_batch *own = op->self;
    if (state->seen)
        return GM_OP_NEED_INPUT;
    state->seen = true;
    out->row_count = 1;
    out->column_count = own->column_count;
    for (uint32_t c = 0; c < own->column_count; c++) {
        out->columns[c] = own->columns[c];
        if (own->columns[c].kind == GLEAM_ANY) {
            own->columns[c].any[0] = gleam_null();
            continue;
        }
        memset(own->columns[c].data, 0, gm_vector_stride(own->columns[c].kind));
        if (own->columns[c].kind == GLEAM_BYTES)
            own->columns[c].bytes[0].data = (const uint8_t *)"";
        out->columns[c].has_nulls = op->step->schema.fields[c].nullable;
        own->columns[c].nulls[0] = out->columns[c].has_nulls;
    }
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_default = {
    .name = "default",
    .every_partition = true,
    .open = gm_op_batch_open,
    .close = gm_op_batch_close,
    .begin = default_begin,
    .end = default_end,
    .process = default_process,
    .finish = default_finish,
};
