/* open.c - the beginnings that several operators share. */
#include "engine/op/open.h"

#include "engine/udf/library.h"

struct gleam_call gm_op_call(const struct gm_op *op, struct gm_arena *arena)
{
    return (struct gleam_call){.parameter = op->step->parameter,
                               .parameter_length = op->step->parameter_bytes,
                               .error = op->error,
                               .step = op->step->name,
                               .where = op->step->where,
                               .arena = arena,
                               .shared = op->shared,
                               .counters = op->counters};
}

int gm_op_mapper_function(const struct gm_op *op, gleam_map_fn **ret_function)
{
    struct gm_error error = {0};
    const int rc =
        gm_library_mapper(op->step->library, op->step->function, ret_function, &error);
    return rc < 0 ? gm_error_set(op->error, rc, "%s: step '%s': %s", op->step->where,
                                 op->step->name, error.text)
                  : 0;
}

int gm_op_batch_open(struct gm_op *op)
{
    struct gm_batch *batch = gm_heap_zalloc(op->heap, sizeof *batch);
    if (batch == NULL)
        return GM_ETASK_MEMORY;
    op->self = batch;
    return gm_batch_init(batch, &op->step->schema, op->heap);
}

void gm_op_batch_close(struct gm_op *op)
{
    struct gm_batch *batch = op->self;
    if (batch == NULL)
        return;
    gm_batch_fini(batch, op->heap);
    gm_heap_free(op->heap, batch, sizeof *batch);
    op->self = NULL;
}
