/* cluster.h - the driver's side of a job on a cluster: it asks the master for agents, orders their
 * parts of the job, is connected to all of them, and hears from all of them.
 *
 * Threads: the driver's; inside, one that talks to the master, one per agent, and the transport's.
 *          They ring the driver's bell when there is something to look at.
 * Blocking: allocate, until the job's turn has come; send, until all agents have begun.
 */
#ifndef GM_AGENT_CLUSTER_CLUSTER_H
#define GM_AGENT_CLUSTER_CLUSTER_H

#include "agent/crew.h"
#include "agent/job.h"

struct gm_cluster;

/* Talks to nobody yet.  stop: not 0 when a signal came; looked at while it blocks.  Borrows both.
 * Returns 0 or < 0 with error. */
int gm_cluster_create(const struct gm_options *options, const char *name,
                      const _Atomic int *stop, struct gm_cluster **ret_cluster,
                      struct gm_error *error);

/* The driver's bell, from the creation on. */
int gm_cluster_bell(const struct gm_cluster *cluster);

/* Waits for agents.  Says the place in the queue on standard error, unless quiet.  Returns 0;
 * -EINTR without a text when a signal came; or < 0 with error. */
int gm_cluster_allocate(struct gm_cluster *cluster, struct gm_error *error);

/* After that. */
uint32_t gm_cluster_executor_count(const struct gm_cluster *cluster);

/* The driver's place among the nodes, with the frames' size: checks that the plan fits the memory
 * of each of them, and changes in it what several nodes do otherwise.  Returns 0 or < 0 with error.
 */
int gm_cluster_place(struct gm_cluster *cluster, struct gm_plan *plan,
                     struct gm_job_place *ret_place, struct gm_error *error);

/* For a region of that place. */
struct gm_crew gm_cluster_crew(struct gm_cluster *cluster);

/* Ends what still runs and tells the master how the job ended.  NULL is allowed. */
void gm_cluster_destroy(struct gm_cluster *cluster, int code, const char *why);

/* Executors of all agents that are there, for a plan that is only shown.  Returns 0 or < 0 with
 * error. */
int gm_cluster_capacity(const struct gm_options *options, uint32_t *ret_executors,
                        struct gm_error *error);

#endif
