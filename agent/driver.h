/* driver.h - gleam_run with its plan and report, for the `gleam` command, and what rounds.c is made
 * of. */
#ifndef GM_AGENT_DRIVER_H
#define GM_AGENT_DRIVER_H

#include "agent/job.h"

/* As gleam_run, but leaves plan and report: the caller calls gm_plan_fini and
 * gm_executor_counts_fini on them, whatever it returns.  Both come in zeroed. */
int gm_driver_run(struct gleam_flow *flow, struct gm_plan *ret_plan,
                  struct gm_job_report *ret_report);

/* Runs flows at the same time.  tells: with the summary at the end.  Returns an exit status, with
 * the reason in the flows. */
int gm_driver_run_parts(const struct gm_plan_part *parts, uint32_t part_count, bool tells);

/* Makes sure that a cached dataset is there.  Returns an exit status, with the reason in its
 * flow. */
int gm_driver_fill(struct gleam_dataset *node);

/* A line on standard error. */
void gm_driver_say(const char *text);

/* Whether gleam_run prints the plan instead of running it: --plan without --analyze. */
bool gm_driver_shows_plan(void);

/* Whether a picture or a graph goes to standard error when the job has ended: then nothing else may
 * go there. */
bool gm_driver_draws(void);

#endif
