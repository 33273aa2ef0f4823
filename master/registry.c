/* registry.c - a table by host and port. */
#include "master/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void gm_registry_fini(struct gm_registry *registry)
{
    for (uint32_t i = 0; i < registry->count; i++)
        free(registry->agents[i]);
    free(registry->agents);
    *registry = (struct gm_registry){0};
}

struct gm_agent *gm_registry_find(const struct gm_registry *registry, const char *host,
                                  uint16_t port)
{
    for (uint32_t i = 0; i < registry->count; i++)
        if (registry->agents[i]->info.port == port &&
            strcmp(registry->agents[i]->info.host, host) == 0)
            return registry->agents[i];
    return NULL;
}

static struct gm_agent *add(struct gm_registry *registry)
{
    struct gm_agent **larger =
        realloc(registry->agents, (registry->count + 1) * sizeof *registry->agents);
    if (larger == NULL)
        return NULL;
    registry->agents = larger;
    struct gm_agent *agent = calloc(1, sizeof *agent);
    if (agent != NULL)
        registry->agents[registry->count++] = agent;
    return agent;
}

int gm_registry_beat(struct gm_registry *registry, const struct gm_agent_info *info,
                     uint64_t now_ns, struct gm_error *error)
{
    struct gm_agent *agent = gm_registry_find(registry, info->host, info->port);
    if (agent == NULL && registry->count == GM_AGENTS_MAX)
        return gm_error_set(error, -ENOSPC, "a master has at most %d agents", GM_AGENTS_MAX);
    if (agent == NULL)
        agent = add(registry);
    if (agent == NULL)
        return gm_error_set(error, -ENOMEM, "the master has no memory for one more agent");
    agent->info = *info;
    agent->heard_ns = now_ns;
    agent->lost = false;
    return 0;
}

uint32_t gm_registry_expire(struct gm_registry *registry, uint64_t now_ns, uint64_t lost_ns)
{
    uint32_t lost = 0, kept = 0;
    for (uint32_t i = 0; i < registry->count; i++) {
        struct gm_agent *agent = registry->agents[i];
        const uint64_t silent_ns = now_ns - agent->heard_ns;
        if (!agent->lost && silent_ns >= lost_ns) {
            agent->lost = true;
            lost++;
        }
        if (agent->lost && silent_ns >= GM_AGENT_FORGET_NS)
            free(agent);
        else
            registry->agents[kept++] = agent;
    }
    registry->count = kept;
    return lost;
}

bool gm_registry_runs(const struct gm_registry *registry, uint64_t job)
{
    for (uint32_t i = 0; i < registry->count; i++) {
        const struct gm_agent *agent = registry->agents[i];
        for (uint32_t j = 0; j < agent->info.job_count && !agent->lost; j++)
            if (agent->info.jobs[j] == job)
                return true;
    }
    return false;
}
