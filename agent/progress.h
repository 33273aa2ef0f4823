/* progress.h - the line on a terminal that says how far the job is. */
#ifndef GM_AGENT_PROGRESS_H
#define GM_AGENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "shuffle/region.h"

struct gm_progress {
    bool on;
    bool shown;
    uint64_t begin_ns;
    uint64_t next_ns;
    uint64_t input_bytes; /* to read in all; 0 when not known */
};

/* On when stderr is a terminal and quiet is false. */
void gm_progress_init(struct gm_progress *progress, bool quiet, uint64_t input_bytes,
                      uint64_t now_ns);
/* Redraws the line a few times a second. */
void gm_progress_tick(struct gm_progress *progress, const struct gm_region *region,
                      uint64_t now_ns);
/* Wipes the line. */
void gm_progress_end(struct gm_progress *progress);

#endif
