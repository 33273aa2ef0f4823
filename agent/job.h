/* job.h - one run of one flow, or of several at once: plan, region, executors, outputs, outcome.
 *
 * Threads: the driver's.
 */
#ifndef GM_AGENT_JOB_H
#define GM_AGENT_JOB_H

#include "agent/options.h"
#include "agent/session.h"
#include "engine/flow/flow.h"
#include "engine/flow/planner.h"

/* Exit status of a job that --timeout ended, as of timeout(1). */
#define GM_STATUS_TIMED_OUT 124

/* What a job left behind to tell. */
struct gm_job_report {
    uint64_t elapsed_ns;
    uint64_t memory_bytes;   /* the promise */
    uint64_t region_bytes;
    enum gm_pages region_pages;
    uint64_t heap_peak_bytes; /* of executors and driver, added up */
    uint64_t output_bytes;
    uint32_t executor_count;
    uint32_t frame_bytes;
    struct gm_executor_counts counts; /* all executors; the caller calls gm_executor_counts_fini */
    int stop_signal; /* that ended it; 0: none */
    bool timed_out;  /* --timeout ended it */
    /* Jobs that filled cached datasets for this one. */
    struct {
        uint32_t jobs_count;
        uint64_t elapsed_ns, input_rows, input_bytes, spilled_bytes;
    } before;
    bool cut_short;  /* nobody read any more: it ended well, and its counters say little */
    uint64_t executor_busy_ns[GM_EXECUTORS_MAX];
    uint64_t executor_peak_bytes[GM_EXECUTORS_MAX];
};

/* Runs the flows at the same time.  Returns 0 or < 0 with the error of every flow set; the plan is
 * left in *ret_plan for telling (the caller calls gm_plan_fini), also after a failure. */
int gm_job_run(const struct gm_plan_part *parts, uint32_t part_count,
               const struct gm_options *options, struct gm_session *session,
               struct gm_plan *ret_plan, struct gm_job_report *ret_report);

/* A step that wrote over the region may have made it stand still, or have lost rows unseen.
 * Returns 0 or GM_EFRAME_CORRUPT with error. */
int gm_job_check_region(const struct gm_region *region, struct gm_error *error);

/* Who of a job's participants share the memory, where they are not all at one node. */
struct gm_job_place {
    uint32_t executor_count; /* of the job */
    uint32_t first_local, local_count;
    bool driver_is_local;
    uint32_t frame_bytes; /* as on the other nodes; 0: to be chosen */
};

/* The smallest --memory for a plan, and how it is divided.  frame_bytes is as large as fits. */
struct gm_memory_split {
    uint64_t region_bytes;
    uint64_t process_bytes; /* programs, libraries and stacks, outside the heaps */
    uint64_t heap_bytes;    /* of each executor */
    uint64_t least_bytes;   /* of that, what is not lent to others */
    uint64_t driver_bytes;  /* of the driver's heap: what it needs, for its rows pass through; and
                             * of a gateway's, where there is one */
    uint32_t frame_bytes;
};

/* place NULL: all of options->executor_count are here.  Returns 0, or GM_EJOB_OPTION with the size
 * that would do. */
int gm_job_divide(const struct gm_plan *plan, const struct gm_options *options,
                  const struct gm_job_place *place, struct gm_region_spec *ret_spec,
                  struct gm_memory_split *ret_split, struct gm_error *error);

/* Puts what the executors of a fresh region lend each other into it. */
void gm_job_lend(const struct gm_region *region, const struct gm_plan *plan,
                 const struct gm_memory_split *split);

#endif
