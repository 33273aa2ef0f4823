/* jobs.h - the jobs of an agent: a process and a thread for each (agent/node/process.h).
 *
 * Cores and memory are given out once: a job that was granted more than is free is refused.
 * Threads: any.  start, outcome and greet block.
 */
#ifndef GM_AGENT_NODE_JOBS_H
#define GM_AGENT_NODE_JOBS_H

#include "agent/options.h"
#include "control/message.h"

struct gm_node_jobs;

struct gm_node_jobs_spec {
    const struct gm_http_module *http;
    const struct gm_key *key;          /* borrowed */
    const char *directory;             /* borrowed */
    const struct gm_options *options;  /* borrowed: cores, memory, huge pages, spill directories */
    uint32_t transport_cores;          /* the last ones of the cores are the transport's */
};

int gm_node_jobs_create(const struct gm_node_jobs_spec *spec, struct gm_node_jobs **ret_jobs,
                        struct gm_error *error);
/* Kills what runs and waits for its end. */
void gm_node_jobs_destroy(struct gm_node_jobs *jobs);

/* A driver's order: a line of JSON (gm_start) and what the job's process is told.  Answers when the
 * process is ready: 200; 424 with the hashes of artifacts that are missing; or an error. */
void gm_node_jobs_start(struct gm_node_jobs *jobs, uint64_t id, const uint8_t *body,
                        size_t body_bytes, struct gm_http_reply *reply);
/* 200 with the outcome, or 202 with the status, after a second at most. */
void gm_node_jobs_outcome(struct gm_node_jobs *jobs, uint64_t id, struct gm_http_reply *reply);
/* False when there is none of that number. */
bool gm_node_jobs_kill(struct gm_node_jobs *jobs, uint64_t id, const char *why);
/* What the job's processes printed; also of jobs that ended a while ago. */
void gm_node_jobs_log(struct gm_node_jobs *jobs, uint64_t id, struct gm_http_reply *reply);
/* A data connection, which is taken over. */
void gm_node_jobs_greet(struct gm_node_jobs *jobs, int fd, struct gm_http_counts *counts);

/* Which jobs there are, into the agent's message. */
void gm_node_jobs_list(struct gm_node_jobs *jobs, struct gm_agent_info *agent);

#endif
