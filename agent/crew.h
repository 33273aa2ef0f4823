/* crew.h - those who work on a job, as its driver sees them: executors of this machine
 * (agent/session.h), or the agents of a cluster (agent/cluster/crew.h).
 *
 * Threads: the driver's.
 */
#ifndef GM_AGENT_CREW_H
#define GM_AGENT_CREW_H

#include "agent/control.h"
#include "engine/flow/plan.h"
#include "shuffle/region.h"

struct gm_job_report;

struct gm_crew_ops {
    /* Gives everybody the job.  plan is borrowed until the outcomes are there.  Returns 0 or < 0
     * with error. */
    int (*send)(void *self, const struct gm_region *region, const struct gm_plan *plan,
                const struct gm_job_message *job, struct gm_error *error);
    /* Takes what outcomes there are.  Returns 0: all have finished well; GM_AGAIN: not yet; < 0:
     * one failed or died, with error. */
    int (*collect)(void *self, const struct gm_region *region, const struct gm_plan *plan,
                   struct gm_executor_counts *counts, struct gm_error *error);
    /* Descriptors that become readable when collect may have something. */
    uint32_t (*descriptors)(void *self, int *ret, uint32_t count);
    /* What the executors used, into the report. */
    void (*report)(void *self, const struct gm_region *region, struct gm_job_report *report);
    /* Ends everybody, at once.  False when one does not end: then only the end of the process
     * helps. */
    bool (*stop)(void *self);
};

struct gm_crew {
    const struct gm_crew_ops *ops;
    void *self;
    const int *bells; /* eventfds by seats, as many as the region has */
};

#endif
