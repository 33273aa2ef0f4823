/* progress.h - how far the job is: some lines redrawn on a terminal, a plain line now and then
 * elsewhere.
 *
 * Threads: the driver's; what executors did is read from the ledger.
 * Memory:  the caller's struct.
 * The lines are wiped before rows are written, so that results on the same terminal stay.  A
 * terminal that calls itself dumb (TERM) gets plain lines.
 */
#ifndef GM_AGENT_PROGRESS_H
#define GM_AGENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/flow/plan.h"
#include "shuffle/region.h"

/* Wider and higher terminals are taken for this. */
#define GM_PROGRESS_COLUMNS_MAX 240
#define GM_PROGRESS_LINES_MAX 24

struct gm_progress {
    FILE *file; /* NULL: nothing is shown */
    bool terminal;
    uint32_t columns, lines; /* of the terminal */
    const struct gm_plan *plan;
    uint64_t begin_ns;
    uint64_t next_ns;
    uint32_t shown_lines; /* that stand on the terminal now */
};

/* On standard error; nothing when quiet.  plan is borrowed until gm_progress_end. */
void gm_progress_init(struct gm_progress *progress, const struct gm_plan *plan, bool quiet,
                      uint64_t now_ns);
/* On a stream that the caller chose; a terminal of so many columns and lines, or none (0, 0). */
void gm_progress_init_on(struct gm_progress *progress, const struct gm_plan *plan, FILE *file,
                         uint32_t columns, uint32_t lines, uint64_t now_ns);
/* Shows where the job is, five times a second on a terminal, every ten seconds elsewhere. */
void gm_progress_tick(struct gm_progress *progress, const struct gm_region *region,
                      uint64_t now_ns);
/* Wipes the lines from a terminal; the next tick draws them again.  Costs nothing when none
 * stand. */
void gm_progress_wipe(struct gm_progress *progress);
/* Wipes, and shows nothing more. */
void gm_progress_end(struct gm_progress *progress);

#endif
