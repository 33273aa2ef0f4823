/* analysis.h - what each position of the plan did, added up over executors.
 *
 * Threads: one at a time.
 * Memory:  malloc; the owner of the counters that it is part of calls fini.
 * Rows are counted always, since every chain has them; bytes and time only with --analyze, and are
 * 0 without.
 */
#ifndef GM_AGENT_ANALYSIS_H
#define GM_AGENT_ANALYSIS_H

#include "engine/base/cursor.h"
#include "engine/flow/plan_view.h"

struct gm_analysis {
    struct gm_plan_note *notes; /* by position */
    uint32_t count;
};

/* Zeroed notes for the plan.  Returns 0 or -ENOMEM. */
int gm_analysis_init(struct gm_analysis *analysis, const struct gm_plan *plan);
void gm_analysis_fini(struct gm_analysis *analysis); /* accepts a zeroed one */

/* Adds what one executor did at a position. */
void gm_analysis_add(struct gm_analysis *analysis, uint32_t position, uint64_t rows,
                     uint64_t bytes, uint64_t ns);
/* Adds one executor's notes, of the same plan. */
void gm_analysis_merge(struct gm_analysis *total, const struct gm_analysis *one);

/* One executor's notes as bytes of an outcome, and back: read adds them. */
void gm_analysis_write(const struct gm_analysis *analysis, struct gm_writer *writer);
void gm_analysis_read(struct gm_analysis *total, struct gm_cursor *cursor);

#endif
