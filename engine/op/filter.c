/* filter.c - a registered C function that keeps or drops rows. */
#include <string.h>

#include "engine/op/open.h"
#include "engine/op/row_text.h"

struct filter {
    struct gleam_call call;
    gleam_map_fn *function;
    struct gm_arena scratch; /* gleam_call_keep, for one row */
    struct gm_batch rows;
    uint16_t selected[GM_BATCH_ROWS_MAX];
};

static int filter_open(struct gm_op *op)
{
    struct filter *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    gm_arena_init(&self->scratch, op->heap);
    const int rc = gm_op_mapper_function(op, &self->function);
    if (rc < 0)
        return rc;
    self->call = gm_op_call(op, &self->scratch);
    return gm_batch_init(&self->rows, &op->step->schema, op->heap);
}

static void filter_close(struct gm_op *op)
{
    struct filter *self = op->self;
    if (self == NULL)
        return;
    gm_batch_fini(&self->rows, op->heap);
    gm_arena_fini(&self->scratch);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int refuse(struct gm_op *op, const struct gm_batch *in, uint32_t row, int returned)
{
    char text[256];
    gm_row_text(in, row, text, sizeof text);
    gm_error_set(op->error, GM_EJOB_UDF, "%s: step '%s': the filter returned %d for the row %s",
                 op->step->where, op->step->name, returned, text);
    return op->error->code;
}

static int filter_process(struct gm_op *op, void *state, const struct gm_batch *in,
                          struct gm_batch *out)
{
    struct filter *self = op->self;
    uint32_t count = 0;
    (void)state;
    for (uint32_t row = 0; row < in->row_count; row++) {
        struct gleam_value values[GM_FIELDS_MAX];
        for (uint32_t c = 0; c < in->column_count; c++)
            values[c] = gm_vector_get(&in->columns[c], row);
        const int keep = self->function(&self->call, values, in->column_count);
        if (keep < 0 || keep > 1 || op->error->code != 0)
            return refuse(op, in, row, keep);
        self->selected[count] = (uint16_t)row;
        count += (uint32_t)keep;
    }
    gm_arena_reset(&self->scratch);
    gm_batch_select(in, self->selected, count, &self->rows, out);
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_filter = {
    .name = "filter",
    .open = filter_open,
    .close = filter_close,
    .process = filter_process,
};
