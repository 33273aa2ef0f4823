/* trampoline.h - the first thing that an executor process runs, inside gleam_init.
 *
 * It closes what it inherited by accident, pins itself to its core, asks to be killed with its
 * driver, and then waits for jobs until the driver is gone.
 */
#ifndef GM_AGENT_TRAMPOLINE_H
#define GM_AGENT_TRAMPOLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/control.h"

/* The environment variable that makes a process an executor. */
#define GM_TRAMPOLINE_VARIABLE "GLEAM_EXECUTOR"

/* Parameters as that variable's text: "index:count:control:parent:core:input:bell,bell,..."
 * (input: the driver's standard input). */
void gm_trampoline_format(char *text, size_t text_bytes, uint32_t index, int control,
                          uint32_t core, const int *bells, uint32_t bell_count);

/* Never returns when this process is an executor. */
void gm_trampoline(void);

/* Runs one job as the node's executor `index`: what processes and threads share.  Fills error and,
 * when all went well, adds to counts. */
void gm_trampoline_run(const struct gm_region *region, const struct gm_plan *plan,
                       const struct gm_job_message *job, uint16_t index, const int *bells,
                       const _Atomic bool *cancel, struct gm_cache *cache,
                       struct gm_executor_counts *counts, struct gm_error *error);

/* What participant `participant` keeps between jobs, which are all run by one thread, or not.
 * Returns 0 or -ENOMEM. */
int gm_trampoline_cache(uint16_t participant, uint32_t executor_count, bool one_thread,
                        struct gm_cache **ret_cache);

#endif
