/* stats.h - the counters of a job as one JSON object; docs/stats.md lists its fields. */
#ifndef GM_AGENT_STATS_H
#define GM_AGENT_STATS_H

#include <stdio.h>

#include "agent/job.h"

/* Writes to path ("-": stdout).  Returns 0 or < 0 with error. */
int gm_stats_write(const char *path, const struct gm_plan *plan,
                   const struct gm_job_report *report, struct gm_error *error);

#endif
