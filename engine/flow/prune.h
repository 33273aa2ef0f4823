/* prune.h - columns that nobody reads are left out of a plan's files of rows.
 *
 * Where a chain begins with CSV or JSON lines, and a select comes before any step that needs whole
 * rows, the source reads what the select and the steps in front of it name, and no more.  So a
 * value that is never looked at cannot fail the job.  Where bad rows are to be skipped a column
 * whose values can be bad is read all the same, because it decides about the row.
 *
 * Threads: any; pure.
 */
#ifndef GM_FLOW_PRUNE_H
#define GM_FLOW_PRUNE_H

#include "engine/flow/plan.h"

void gm_plan_prune(struct gm_plan *plan);

#endif
