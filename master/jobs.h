/* jobs.h - the jobs that wait, run and have ended, and who gets what of the agents.
 *
 * Pure; time and the registry come in.  One thread at a time.
 */
#ifndef GM_MASTER_JOBS_H
#define GM_MASTER_JOBS_H

#include "master/registry.h"

/* Jobs that wait or run, and ended ones that are remembered: 2 KiB each without their grants. */
#define GM_JOBS_LIVE_MAX 4096
#define GM_JOBS_ENDED_MAX 1000

struct gm_job {
    struct gm_job_info info;
    uint64_t heard_ns; /* of its driver */
    uint64_t changed;  /* grows whenever its state or its place in the queue changes */
    struct gm_job *next; /* of live ones the later, of ended ones the earlier */
};

struct gm_jobs {
    struct gm_job *live, **live_end; /* in the order of submission */
    struct gm_job *ended;            /* the last one first */
    uint32_t live_count, ended_count;
    uint64_t changes;
    void *self;
    /* Told of a job that started or ended, and of one that was taken over from its driver. */
    void (*note)(void *self, const struct gm_job_info *job);
};

void gm_jobs_init(struct gm_jobs *jobs, void *self,
                  void (*note)(void *self, const struct gm_job_info *job));
void gm_jobs_fini(struct gm_jobs *jobs);

/* What comes in with a driver's words.  now_ns is monotonic, now_s since 1970. */
struct gm_jobs_time {
    uint64_t now_ns, now_s;
};

/* A new job, which waits: info has what it wants.  id is a number that no other has.  Returns 0 or
 * < 0 with error. */
int gm_jobs_submit(struct gm_jobs *jobs, const struct gm_job_info *info, uint64_t id,
                   struct gm_jobs_time now, struct gm_job **ret_job, struct gm_error *error);

/* The driver is there.  A running job that nobody knows (after a restart of the master) is taken
 * over as it is told.  Returns 0, or < 0 with error: it has ended, or waited and is not known. */
int gm_jobs_beat(struct gm_jobs *jobs, const struct gm_job_info *told, struct gm_jobs_time now,
                 struct gm_job **ret_job, struct gm_error *error);

/* The driver says how it ended; nothing happens to one that has ended. */
int gm_jobs_end(struct gm_jobs *jobs, uint64_t id, enum gm_job_state state, const char *why,
                struct gm_jobs_time now, struct gm_error *error);

/* A waiting job is cancelled at once, a running one's driver is asked. */
int gm_jobs_cancel(struct gm_jobs *jobs, uint64_t id, struct gm_jobs_time now,
                   struct gm_error *error);

/* A job of the history; a running one is given its driver's time to say that it lives. */
int gm_jobs_restore(struct gm_jobs *jobs, const struct gm_job_info *info, struct gm_jobs_time now);

/* Ends jobs whose driver was silent for lost_ns and of which no agent says that they run, gives
 * agents to those that wait, first come first served, and numbers the queue. */
void gm_jobs_step(struct gm_jobs *jobs, const struct gm_registry *registry, uint64_t lost_ns,
                  struct gm_jobs_time now);

struct gm_job *gm_jobs_find(const struct gm_jobs *jobs, uint64_t id); /* NULL: unknown */

#endif
