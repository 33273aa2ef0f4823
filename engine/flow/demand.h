/* demand.h - how many columns the steps behind one ask for.
 *
 * For steps whose output has no columns of its own until somebody says so: pipes, and functions
 * without types.
 */
#ifndef GM_FLOW_DEMAND_H
#define GM_FLOW_DEMAND_H

#include "engine/flow/flow.h"

/* Columns that path[index] must make: as many as a gleam_as declares or the next format prints,
 * behind steps that keep the columns (sorts, tops, partitions).  path: an output's datasets, from
 * its source on; count of them.  0 when nothing says. */
uint32_t gm_demand_columns(struct gleam_dataset *const *path, uint32_t count, uint32_t index);

#endif
