/* open.h - the beginnings that several operators share. */
#ifndef GM_OP_OPEN_H
#define GM_OP_OPEN_H

#include "engine/op/op.h"
#include "engine/udf/call.h"

/* What the step's C function is given; the arena is borrowed. */
struct gleam_call gm_op_call(const struct gm_op *op, struct gm_arena *arena);

/* The step's registered function, or that of its shared object.  Returns 0 or < 0 with the op's
 * error set. */
int gm_op_mapper_function(const struct gm_op *op, gleam_map_fn **ret_function);

/* open and close of an operator whose self is a struct gm_batch of the step's schema, no more. */
int gm_op_batch_open(struct gm_op *op);
void gm_op_batch_close(struct gm_op *op);

#endif
