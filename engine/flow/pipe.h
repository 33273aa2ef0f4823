/* pipe.h - pipes in a flow: which of them become one step, and what that step says.
 *
 * The planner calls it; the building functions of engine/gleam.h are in pipe.c as well.
 */
#ifndef GM_FLOW_PIPE_H
#define GM_FLOW_PIPE_H

#include "engine/flow/flow.h"
#include "engine/flow/pipe_spec.h"

/* The last of the adjacent pipes from path[index] on whose commands are connected directly. */
uint32_t gm_pipe_run_end(struct gleam_dataset *const *path, uint32_t count, uint32_t index);

/* Works out pipes [first, last] of the path: the spec, which points into the nodes, and the
 * columns that come out.  declared: those of the gleam_as right behind, or NULL.  Returns 0, or
 * GM_EJOB_FLOW with why, which completes "step 'NAME': ". */
int gm_pipe_work_out(struct gleam_dataset *const *path, uint32_t count, uint32_t first,
                     uint32_t last, const struct gm_schema *declared,
                     const struct gm_schema *input, struct gm_pipe_spec *ret_spec,
                     struct gm_schema *ret_schema, struct gm_error *why);

/* Leaves out a format "%s\n" behind a pipe whose rows are lines: the step makes the text itself.
 * Returns whether it did. */
bool gm_pipe_prints(struct gm_step *step, const char *format);

#endif
