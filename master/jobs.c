/* jobs.c - a queue, the running jobs, and the ended ones. */
#include "master/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/allocate.h"

void gm_jobs_init(struct gm_jobs *jobs, void *self,
                  void (*note)(void *self, const struct gm_job_info *job))
{
    *jobs = (struct gm_jobs){.self = self, .note = note};
    jobs->live_end = &jobs->live;
}

static void free_job(struct gm_job *job)
{
    gm_job_info_fini(&job->info);
    free(job);
}

static void free_list(struct gm_job *job)
{
    while (job != NULL) {
        struct gm_job *next = job->next;
        free_job(job);
        job = next;
    }
}

void gm_jobs_fini(struct gm_jobs *jobs)
{
    free_list(jobs->live);
    free_list(jobs->ended);
    gm_jobs_init(jobs, NULL, NULL);
}

static struct gm_job *find_in(struct gm_job *job, uint64_t id)
{
    while (job != NULL && job->info.id != id)
        job = job->next;
    return job;
}

struct gm_job *gm_jobs_find(const struct gm_jobs *jobs, uint64_t id)
{
    struct gm_job *job = find_in(jobs->live, id);
    return job != NULL ? job : find_in(jobs->ended, id);
}

static void change(struct gm_jobs *jobs, struct gm_job *job)
{
    job->changed = ++jobs->changes;
}

static int add_live(struct gm_jobs *jobs, const struct gm_job_info *info, struct gm_jobs_time now,
                    struct gm_job **ret_job, struct gm_error *error)
{
    if (jobs->live_count == GM_JOBS_LIVE_MAX)
        return gm_error_set(error, -EBUSY,
                            "%d jobs wait or run already: try again when some have ended",
                            GM_JOBS_LIVE_MAX);
    struct gm_job *job = calloc(1, sizeof *job);
    if (job == NULL || gm_job_info_copy(info, &job->info) < 0) {
        free(job);
        return gm_error_set(error, -ENOMEM, "the master has no memory for one more job");
    }
    job->heard_ns = now.now_ns;
    *jobs->live_end = job;
    jobs->live_end = &job->next;
    jobs->live_count++;
    change(jobs, job);
    *ret_job = job;
    return 0;
}

static void keep_ended(struct gm_jobs *jobs, struct gm_job *job)
{
    job->next = jobs->ended;
    jobs->ended = job;
    if (++jobs->ended_count <= GM_JOBS_ENDED_MAX)
        return;
    struct gm_job **at = &jobs->ended;
    while ((*at)->next != NULL)
        at = &(*at)->next;
    free_job(*at);
    *at = NULL;
    jobs->ended_count--;
}

/* From the live ones to the ended ones. */
static void end_job(struct gm_jobs *jobs, struct gm_job *job, enum gm_job_state state,
                    const char *why, uint64_t now_s)
{
    struct gm_job **at = &jobs->live;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    if (jobs->live_end == &job->next)
        jobs->live_end = at;
    jobs->live_count--;
    job->info.state = state;
    job->info.position = 0;
    job->info.ended_s = now_s;
    snprintf(job->info.error, sizeof job->info.error, "%s", why);
    change(jobs, job);
    keep_ended(jobs, job);
    jobs->note(jobs->self, &job->info);
}

int gm_jobs_submit(struct gm_jobs *jobs, const struct gm_job_info *info, uint64_t id,
                   struct gm_jobs_time now, struct gm_job **ret_job, struct gm_error *error)
{
    struct gm_job_info fresh = *info;
    fresh.id = id;
    fresh.state = GM_JOB_WAITING;
    fresh.submitted_s = now.now_s;
    fresh.started_s = fresh.ended_s = 0;
    fresh.grant_count = 0;
    fresh.grants = NULL;
    return add_live(jobs, &fresh, now, ret_job, error);
}

int gm_jobs_beat(struct gm_jobs *jobs, const struct gm_job_info *told, struct gm_jobs_time now,
                 struct gm_job **ret_job, struct gm_error *error)
{
    struct gm_job *job = find_in(jobs->live, told->id);
    if (job == NULL && find_in(jobs->ended, told->id) != NULL) {
        const struct gm_job_info *ended = &gm_jobs_find(jobs, told->id)->info;
        return gm_error_set(error, -ESTALE, "job %08llx has ended (%s)%s%s",
                            (unsigned long long)told->id, gm_job_state_name(ended->state),
                            ended->error[0] != '\0' ? ": " : "", ended->error);
    }
    if (job == NULL && (told->state != GM_JOB_RUNNING || told->grant_count == 0))
        return gm_error_set(error, -ENOENT,
                            "the master does not know job %08llx: was it started anew while the "
                            "job waited? Run it again",
                            (unsigned long long)told->id);
    if (job == NULL) {
        int rc = add_live(jobs, told, now, &job, error);
        if (rc < 0)
            return rc;
        jobs->note(jobs->self, &job->info);
    }
    job->heard_ns = now.now_ns;
    job->info.read_bytes = told->read_bytes;
    job->info.input_bytes = told->input_bytes;
    *ret_job = job;
    return 0;
}

int gm_jobs_end(struct gm_jobs *jobs, uint64_t id, enum gm_job_state state, const char *why,
                struct gm_jobs_time now, struct gm_error *error)
{
    struct gm_job *job = gm_jobs_find(jobs, id);
    if (job == NULL)
        return gm_error_set(error, -ENOENT, "there is no job %08llx", (unsigned long long)id);
    if (!gm_job_state_is_end(job->info.state))
        end_job(jobs, job, state, why, now.now_s);
    return 0;
}

int gm_jobs_cancel(struct gm_jobs *jobs, uint64_t id, struct gm_jobs_time now,
                   struct gm_error *error)
{
    struct gm_job *job = gm_jobs_find(jobs, id);
    if (job == NULL)
        return gm_error_set(error, -ENOENT, "there is no job %08llx; gleam ps lists them",
                            (unsigned long long)id);
    if (gm_job_state_is_end(job->info.state))
        return gm_error_set(error, -ESTALE, "job %08llx has ended before (%s)",
                            (unsigned long long)id, gm_job_state_name(job->info.state));
    if (job->info.state == GM_JOB_WAITING) {
        end_job(jobs, job, GM_JOB_CANCELLED, "cancelled while it waited", now.now_s);
    } else if (job->info.state == GM_JOB_RUNNING) {
        job->info.state = GM_JOB_CANCELLING;
        change(jobs, job);
    }
    return 0;
}

int gm_jobs_restore(struct gm_jobs *jobs, const struct gm_job_info *info, struct gm_jobs_time now)
{
    struct gm_job *job = find_in(jobs->live, info->id);
    if (job == NULL && !gm_job_state_is_end(info->state))
        return add_live(jobs, info, now, &job, NULL);
    if (job != NULL) {
        if (gm_job_state_is_end(info->state))
            end_job(jobs, job, info->state, info->error, info->ended_s);
        return 0;
    }
    job = calloc(1, sizeof *job);
    if (job == NULL || gm_job_info_copy(info, &job->info) < 0) {
        free(job);
        return -ENOMEM;
    }
    keep_ended(jobs, job);
    return 0;
}

/* ---- giving agents away ---------------------------------------------------------------------- */

/* What the running jobs leave of an agent. */
static void fill_offer(const struct gm_jobs *jobs, const struct gm_agent *agent,
                       struct gm_offer *offer)
{
    const struct gm_agent_info *info = &agent->info;
    *offer = (struct gm_offer){.data_center = info->data_center,
                               .rack = info->rack,
                               .core_count = info->core_count,
                               .memory_bytes = info->memory_bytes,
                               .free_cores = info->core_count,
                               .free_bytes = info->memory_bytes};
    for (const struct gm_job *job = jobs->live; job != NULL; job = job->next)
        for (uint32_t i = 0; i < job->info.grant_count; i++) {
            const struct gm_grant *grant = &job->info.grants[i];
            if (grant->port != info->port || strcmp(grant->host, info->host) != 0)
                continue;
            offer->free_cores -= grant->executor_count < offer->free_cores
                                     ? grant->executor_count
                                     : offer->free_cores;
            offer->free_bytes -= grant->memory_bytes < offer->free_bytes ? grant->memory_bytes
                                                                         : offer->free_bytes;
        }
}

/* Returns whether the job started. */
static bool start_job(struct gm_jobs *jobs, struct gm_job *job, struct gm_agent *const *agents,
                      struct gm_offer *offers, uint32_t count, uint64_t now_s)
{
    const char *never;
    const uint32_t taken = gm_allocate(offers, count, job->info.want_executors,
                                       job->info.want_memory_bytes, &never);
    if (taken == 0) {
        if (never != NULL && strcmp(job->info.error, never) != 0) {
            /* It waits on, since agents may come; its person is told. */
            snprintf(job->info.error, sizeof job->info.error, "%s", never);
            change(jobs, job);
        }
        return false;
    }
    struct gm_grant *grants = calloc(taken, sizeof *grants);
    if (grants == NULL)
        return false;
    for (uint32_t i = 0, at = 0; i < count; i++) {
        if (offers[i].take_executors == 0)
            continue;
        struct gm_grant *grant = &grants[at++];
        memcpy(grant->host, agents[i]->info.host, sizeof grant->host);
        grant->port = agents[i]->info.port;
        grant->executor_count = offers[i].take_executors;
        grant->memory_bytes = offers[i].take_bytes;
    }
    job->info.grants = grants;
    job->info.grant_count = taken;
    job->info.state = GM_JOB_RUNNING;
    job->info.started_s = now_s;
    job->info.position = 0;
    job->info.error[0] = '\0';
    change(jobs, job);
    jobs->note(jobs->self, &job->info);
    return true;
}

static void end_lost(struct gm_jobs *jobs, const struct gm_registry *registry, uint64_t lost_ns,
                     struct gm_jobs_time now)
{
    for (struct gm_job *job = jobs->live, *next; job != NULL; job = next) {
        next = job->next;
        if (now.now_ns - job->heard_ns >= lost_ns && !gm_registry_runs(registry, job->info.id))
            end_job(jobs, job, GM_JOB_LOST, "nothing was heard of its driver", now.now_s);
    }
}

void gm_jobs_step(struct gm_jobs *jobs, const struct gm_registry *registry, uint64_t lost_ns,
                  struct gm_jobs_time now)
{
    end_lost(jobs, registry, lost_ns, now);
    struct gm_offer *offers = calloc(registry->count + 1, sizeof *offers);
    struct gm_agent **agents = calloc(registry->count + 1, sizeof *agents);
    uint32_t position = 0;
    for (struct gm_job *job = jobs->live; job != NULL && offers != NULL && agents != NULL;
         job = job->next) {
        if (job->info.state != GM_JOB_WAITING)
            continue;
        if (position == 0) { /* nobody overtakes the one who came first */
            uint32_t count = 0;
            for (uint32_t i = 0; i < registry->count; i++) {
                if (registry->agents[i]->lost)
                    continue;
                agents[count] = registry->agents[i];
                fill_offer(jobs, agents[count], &offers[count]);
                count++;
            }
            if (start_job(jobs, job, agents, offers, count, now.now_s))
                continue;
        }
        if (job->info.position != ++position) {
            job->info.position = position;
            change(jobs, job);
        }
    }
    free(offers);
    free(agents);
}
