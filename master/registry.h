/* registry.h - the agents that the master has heard of.
 *
 * Pure; time comes in.  One thread at a time.
 */
#ifndef GM_MASTER_REGISTRY_H
#define GM_MASTER_REGISTRY_H

#include "control/message.h"

/* 9 KiB each: 36 MiB when all are there. */
#define GM_AGENTS_MAX 4096

/* An agent that was not heard of for so long is forgotten; before that it is shown as lost. */
#define GM_AGENT_FORGET_NS UINT64_C(600000000000)

struct gm_agent {
    struct gm_agent_info info;
    uint64_t heard_ns;
    bool lost;
};

struct gm_registry {
    struct gm_agent **agents; /* in the order in which they came */
    uint32_t count;
};

void gm_registry_fini(struct gm_registry *registry); /* accepts a zeroed one */

/* A heartbeat: the agent is known by host and port.  Returns 0 or < 0 with error. */
int gm_registry_beat(struct gm_registry *registry, const struct gm_agent_info *info,
                     uint64_t now_ns, struct gm_error *error);

/* Marks who was not heard of for lost_ns, and forgets who is gone for long.  Returns how many were
 * marked. */
uint32_t gm_registry_expire(struct gm_registry *registry, uint64_t now_ns, uint64_t lost_ns);

struct gm_agent *gm_registry_find(const struct gm_registry *registry, const char *host,
                                  uint16_t port);

/* Whether an agent that is not lost said that it runs the job. */
bool gm_registry_runs(const struct gm_registry *registry, uint64_t job);

#endif
