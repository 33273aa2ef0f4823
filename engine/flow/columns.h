/* columns.h - columns by name: what a person may give wherever a column's number is expected.
 *
 * gleam_column gives a number that stands for the name, until the planner knows the columns and
 * puts the real one in its place (gm_planner_resolve of planner_internal.h).
 *
 * Threads: any.  Memory: a name is kept once, for as long as the program runs.
 */
#ifndef GM_FLOW_COLUMNS_H
#define GM_FLOW_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/gleam.h"

/* Whether it stands for a name. */
bool gm_column_is_named(uint32_t column);

/* The name; NULL when there have been too many to keep. */
const char *gm_column_name(uint32_t column);

#endif
