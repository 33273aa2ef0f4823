/* needs.h - what a plan asks of the executor that runs it.
 *
 * Pure looks at the plan.  Threads: any.
 */
#ifndef GM_AGENT_NEEDS_H
#define GM_AGENT_NEEDS_H

#include "engine/flow/plan.h"

/* The work of a command per partition ends with the partition, and may begin there (sort). */
bool gm_needs_partition_ends(const struct gm_chain_plan *chain);
/* Steps that can give back what they hold; at least 1. */
uint32_t gm_needs_combiners(const struct gm_plan *plan);
bool gm_needs_processes(const struct gm_plan *plan);
/* A step may have more than fits the memory. */
bool gm_needs_spill(const struct gm_plan *plan);
/* Lua states in each executor. */
uint32_t gm_needs_lua(const struct gm_plan *plan);
/* The sort behind a range exchange; NULL: there is none. */
const struct gm_step *gm_needs_sort_behind(const struct gm_plan *plan, uint32_t exchange);

#endif
