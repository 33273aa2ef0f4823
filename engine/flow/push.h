/* push.h - conditions towards the sources: a where is moved in front of every step that it may as
 * well stand in front of, through exchanges, unions, joins and the keys of folds too.
 *
 * A pass over a whole plan.  Threads: one.  Memory: the plan's own tables grow.
 */
#ifndef GM_FLOW_PUSH_H
#define GM_FLOW_PUSH_H

#include "engine/flow/plan.h"

void gm_plan_push(struct gm_plan *plan);

/* Puts a step into a chain, which owns from then on what it owns. */
void gm_chain_insert(struct gm_chain_plan *chain, uint32_t index, const struct gm_step *step);

/* What a join's or a cogroup's column is.  LEFT and RIGHT: column `left` or `right` of that side,
 * from 1; BOTH: a key, with both set. */
enum gm_join_side { GM_SIDE_NONE, GM_SIDE_LEFT, GM_SIDE_RIGHT, GM_SIDE_BOTH };
struct gm_join_column {
    enum gm_join_side side;
    uint32_t left, right;
};
struct gm_join_column gm_join_column(const struct gm_step *join, uint32_t left_count,
                                     uint32_t right_count, uint32_t column);

/* True for a step that is the last before an exchange, since all partitions share its state. */
bool gm_step_is_combiner(const struct gm_step *step);

#endif
