/* summary.h - two lines that tell what a job did. */
#ifndef GM_AGENT_SUMMARY_H
#define GM_AGENT_SUMMARY_H

#include <stdio.h>

#include "agent/job.h"

/* Rows and bytes in and out, time; bytes moved and spilled, peak memory.  Of a job that has ended
 * well, with the counters of all its executors. */
void gm_summary_print(const struct gm_plan *plan, const struct gm_job_report *report, FILE *file);

/* Rows that went to outputs, not the texts that they were printed into. */
uint64_t gm_summary_rows_out(const struct gm_plan *plan, const struct gm_executor_counts *counts);

#endif
