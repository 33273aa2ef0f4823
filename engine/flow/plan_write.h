/* plan_write.h - the part of planning that knows written files: one or a directory, their names.
 *
 * Threads: one.  Memory: malloc.
 */
#ifndef GM_FLOW_PLAN_WRITE_H
#define GM_FLOW_PLAN_WRITE_H

#include "engine/base/cursor.h"
#include "engine/flow/flow.h"
#include "engine/flow/plan.h"

/* Plans the output of a GM_NODE_WRITE that gets rows of `schema` in partition_count partitions,
 * which are the ranges of one if `ranges`, and then become one file where one would:
 * *ret_write for its step, and *ret_parts where it becomes a directory.  Completes the output.
 * Returns 0 or < 0 with error. */
int gm_plan_write(const struct gleam_dataset *node, const struct gm_schema *schema,
                  uint32_t partition_count, bool ranges, struct gm_output *output,
                  struct gm_write_plan **ret_write, struct gm_parts_plan **ret_parts,
                  struct gm_error *error);

/* What executors tell the driver of each part: (part i64, rows i64, bytes i64). */
void gm_plan_parts_schema(struct gm_schema *ret_schema);

/* For plan.c: what the step writes. */
void gm_plan_write_print(const struct gm_write_plan *write, FILE *file);

/* Where the output's rows come in ranges out of a sort that is the chain's only step before the
 * last one, which prints them: executors write them into the file, and the chain begins with a step
 * that measures them.  Otherwise nothing changes. */
void gm_plan_place(struct gm_plan *plan, struct gm_chain_plan *chain,
                   const struct gm_output *output, struct gm_exchange_plan *exchange);

/* For plan_codec.c.  Reading returns NULL when the cursor has failed; parts and placed
 * may be NULL. */
void gm_plan_write_write(struct gm_writer *writer, const struct gm_write_plan *write);
struct gm_write_plan *gm_plan_write_read(struct gm_cursor *cursor);
/* Whether this is the schema of what a step that writes so makes. */
bool gm_plan_write_makes(const struct gm_write_plan *write, const struct gm_schema *schema);
void gm_plan_parts_write(struct gm_writer *writer, const struct gm_parts_plan *parts);
struct gm_parts_plan *gm_plan_parts_read(struct gm_cursor *cursor);
void gm_plan_placed_write(struct gm_writer *writer, const struct gm_placed_plan *placed);
struct gm_placed_plan *gm_plan_placed_read(struct gm_cursor *cursor);

#endif
