/* prune.h - columns that nobody needs are not carried along: a file's are not read, others are
 * left in front of the next exchange, so that a join's sides have no more than what is asked of it
 * later.
 *
 * Mappers, formats, folds and what compares whole rows (a top) need all columns of their rows; a
 * select says which ones it needs, a count no values at all.  A value of a file that is never
 * looked at cannot fail the job.  Where bad rows are to be skipped a column whose values can be bad
 * is read all the same, because it decides about the row.
 *
 * Threads: any; pure.
 */
#ifndef GM_FLOW_PRUNE_H
#define GM_FLOW_PRUNE_H

#include "engine/flow/plan.h"

void gm_plan_prune(struct gm_plan *plan);

#endif
