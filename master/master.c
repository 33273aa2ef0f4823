/* master.c - the registry and the jobs behind HTTP. */
#include "master/master.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "master/history.h"
#include "master/jobs.h"

/* The largest message is a job with 256 nodes. */
#define BODY_BYTES_MAX (1u << 20)

struct gm_master {
    struct gm_master_options options;
    const struct gm_http_module *http;
    struct gm_http_server *server;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    struct gm_registry registry;
    struct gm_jobs jobs;
    struct gm_history history;
    uint64_t started_ns;
};

static struct gm_jobs_time time_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct gm_jobs_time){
        .now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
        .now_s = (uint64_t)time(NULL)};
}

static void note_job(void *self, const struct gm_job_info *job)
{
    struct gm_master *master = self;
    const int rc = gm_history_add(&master->history, job);
    if (rc < 0)
        fprintf(stderr, "gleam master: the history misses job %08" PRIx64 ": %s\n", job->id,
                gm_error_name(rc));
}

static void step(struct gm_master *master)
{
    const uint64_t before = master->jobs.changes;
    gm_jobs_step(&master->jobs, &master->registry, master->options.lost_ns, time_now());
    if (master->jobs.changes != before)
        pthread_cond_broadcast(&master->changed);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Takes the text over. */
static void reply_json(struct gm_http_reply *reply, int status, char *text)
{
    reply->status = text != NULL ? status : 500;
    reply->body = (uint8_t *)text;
    reply->body_bytes = text != NULL ? strlen(text) : 0;
}

static void reply_error(struct gm_http_reply *reply, const struct gm_error *error)
{
    const int status = error->code == -ENOENT                                    ? 404
                       : error->code == -ESTALE                                  ? 409
                       : error->code == -EBUSY || error->code == -ENOSPC ||
                                 error->code == -ENOMEM                          ? 503
                                                                                 : 400;
    reply_json(reply, status, gm_message_error_write(error->text));
}

/* Waits for a change, until the deadline.  Returns false at its end. */
static bool wait_for_change(struct gm_master *master, const struct timespec *deadline)
{
    return !master->stopping &&
           pthread_cond_timedwait(&master->changed, &master->lock, deadline) == 0;
}

static struct timespec deadline_in(uint64_t ns)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    ns += (uint64_t)deadline.tv_nsec;
    deadline.tv_sec += (time_t)(ns / 1000000000);
    deadline.tv_nsec = (long)(ns % 1000000000);
    return deadline;
}

static void get_health(struct gm_master *master, struct gm_http_reply *reply)
{
    const struct gm_http_counts *counts = master->http->server_counts(master->server);
    uint32_t lost = 0;
    char *text = NULL;
    for (uint32_t i = 0; i < master->registry.count; i++)
        lost += master->registry.agents[i]->lost;
    if (asprintf(&text,
                 "{\"status\":\"ok\",\"version\":\"%s\",\"protocol\":%d,\"uptime_s\":%" PRIu64
                 ",\"agents_count\":%u,\"lost_agents_count\":%u,\"live_jobs_count\":%u,"
                 "\"served_count\":%" PRIu64 ",\"refused_garbage_count\":%" PRIu64
                 ",\"refused_key_count\":%" PRIu64 ",\"refused_replay_count\":%" PRIu64
                 ",\"refused_oversize_count\":%" PRIu64 ",\"refused_slow_count\":%" PRIu64
                 ",\"refused_crowd_count\":%" PRIu64 ",\"refused_version_count\":%" PRIu64 "}\n",
                 GM_VERSION, GM_PROTOCOL, (time_now().now_ns - master->started_ns) / 1000000000,
                 master->registry.count, lost, master->jobs.live_count, counts->served_count,
                 counts->garbage_count, counts->key_count, counts->replay_count,
                 counts->oversize_count, counts->slow_count, counts->crowd_count,
                 counts->version_count) < 0)
        text = NULL;
    reply_json(reply, 200, text);
}

static void reply_list(struct gm_http_reply *reply, const char *member, char **texts, size_t count)
{
    bool whole = true;
    for (size_t i = 0; i < count; i++)
        whole = whole && texts[i] != NULL;
    reply_json(reply, 200, whole ? gm_message_list_write(member, texts, count) : NULL);
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void get_agents(struct gm_master *master, struct gm_http_reply *reply)
{
    const uint32_t count = master->registry.count;
    const uint64_t now_ns = time_now().now_ns;
    char **texts = calloc(count + 1, sizeof *texts);
    if (texts == NULL)
        return;
    for (uint32_t i = 0; i < count; i++) {
        struct gm_agent *agent = master->registry.agents[i];
        agent->info.lost = agent->lost;
        agent->info.silent_ms = (now_ns - agent->heard_ns) / 1000000;
        texts[i] = gm_message_agent_write(&agent->info);
    }
    reply_list(reply, "agents", texts, count);
}

static void get_jobs(struct gm_master *master, struct gm_http_reply *reply)
{
    size_t count = 0;
    char **texts = calloc(master->jobs.live_count + master->jobs.ended_count + 1, sizeof *texts);
    if (texts == NULL)
        return;
    for (const struct gm_job *job = master->jobs.live; job != NULL; job = job->next)
        texts[count++] = gm_message_job_write(&job->info);
    for (const struct gm_job *job = master->jobs.ended; job != NULL; job = job->next)
        texts[count++] = gm_message_job_write(&job->info);
    reply_list(reply, "jobs", texts, count);
}

/* ---- agents ---------------------------------------------------------------------------------- */

/* Which of its jobs have ended, or shall.  One that nobody knows is left alone: the master may have
 * been started anew, and the job's driver will tell. */
static void find_kills(const struct gm_master *master, const struct gm_agent_info *agent,
                       struct gm_beat_reply *ret)
{
    ret->kill_count = 0;
    for (uint32_t i = 0; i < agent->job_count; i++) {
        const struct gm_job *job = gm_jobs_find(&master->jobs, agent->jobs[i]);
        if (job != NULL && (gm_job_state_is_end(job->info.state) ||
                            job->info.state == GM_JOB_CANCELLING))
            ret->kill[ret->kill_count++] = job->info.id;
    }
}

/* The answer is held back until there is something to say, for a heartbeat's time at most. */
static void post_agent(struct gm_master *master, const struct gm_http_request *request,
                       struct gm_http_reply *reply)
{
    struct gm_agent_info agent;
    struct gm_beat_reply said;
    struct gm_error error = {0};
    const struct timespec deadline = deadline_in(master->options.beat_ns);
    int rc = gm_message_agent_read(request->body, request->body_bytes, &agent, &error);
    const struct gm_agent *before =
        rc == 0 ? gm_registry_find(&master->registry, agent.host, agent.port) : NULL;
    const bool news = before == NULL || before->lost; /* the agent shall know that it is known */
    if (rc == 0)
        rc = gm_registry_beat(&master->registry, &agent, time_now().now_ns, &error);
    if (rc < 0) {
        reply_error(reply, &error);
        return;
    }
    step(master);
    do
        find_kills(master, &agent, &said);
    while (said.kill_count == 0 && !news && wait_for_change(master, &deadline));
    reply_json(reply, 200, gm_message_beat_reply_write(&said));
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static uint64_t fresh_id(const struct gm_master *master)
{
    for (;;) {
        uint32_t id; /* short enough to be typed */
        gm_key_random(&id, sizeof id);
        if (id != 0 && gm_jobs_find(&master->jobs, id) == NULL)
            return id;
    }
}

static void post_job(struct gm_master *master, const struct gm_http_request *request,
                     struct gm_http_reply *reply)
{
    struct gm_job_info told;
    struct gm_job *job;
    struct gm_error error = {0};
    int rc = gm_message_job_read(request->body, request->body_bytes, &told, &error);
    if (rc == 0) {
        rc = gm_jobs_submit(&master->jobs, &told, fresh_id(master), time_now(), &job, &error);
        gm_job_info_fini(&told);
    }
    if (rc < 0) {
        reply_error(reply, &error);
        return;
    }
    step(master);
    reply_json(reply, 201, gm_message_job_write(&job->info));
}

/* A driver's heartbeat.  Answered when the job is in another state, or at another place of the
 * queue, than the driver thinks; after a heartbeat's time at most. */
static void post_job_beat(struct gm_master *master, uint64_t id,
                          const struct gm_http_request *request, struct gm_http_reply *reply)
{
    struct gm_job_info told;
    struct gm_job *job;
    struct gm_error error = {0};
    const struct timespec deadline = deadline_in(master->options.beat_ns);
    int rc = gm_message_job_read(request->body, request->body_bytes, &told, &error);
    if (rc == 0) {
        told.id = id;
        rc = gm_jobs_beat(&master->jobs, &told, time_now(), &job, &error);
        gm_job_info_fini(&told); /* its plain members stay */
    }
    if (rc < 0) {
        reply_error(reply, &error);
        return;
    }
    step(master);
    do /* it may have been forgotten, too */
        job = gm_jobs_find(&master->jobs, id);
    while (job != NULL && job->info.state == told.state && job->info.position == told.position &&
           strcmp(job->info.error, told.error) == 0 && wait_for_change(master, &deadline));
    if (job != NULL)
        reply_json(reply, 200, gm_message_job_write(&job->info));
}

static void end_job(struct gm_master *master, uint64_t id, const struct gm_http_request *request,
                    struct gm_http_reply *reply)
{
    struct gm_job_info told;
    struct gm_error error = {0};
    int rc = gm_message_job_read(request->body, request->body_bytes, &told, &error);
    if (rc == 0) {
        if (gm_job_state_is_end(told.state))
            rc = gm_jobs_end(&master->jobs, id, told.state, told.error, time_now(), &error);
        else
            rc = gm_error_set(&error, GM_EPEER_PROTOCOL, "\"state\" is no end of a job");
        gm_job_info_fini(&told);
    }
    if (rc < 0) {
        reply_error(reply, &error);
        return;
    }
    step(master);
    reply_json(reply, 200, strdup("{}"));
}

static void cancel_job(struct gm_master *master, uint64_t id, struct gm_http_reply *reply)
{
    struct gm_error error = {0};
    if (gm_jobs_cancel(&master->jobs, id, time_now(), &error) < 0) {
        reply_error(reply, &error);
        return;
    }
    pthread_cond_broadcast(&master->changed);
    step(master);
    reply_json(reply, 202, gm_message_job_write(&gm_jobs_find(&master->jobs, id)->info));
}

/* Behind /v1/jobs/ */
static void answer_job(struct gm_master *master, const struct gm_http_request *request,
                       const char *rest, struct gm_http_reply *reply)
{
    uint64_t id;
    const char *slash = strchr(rest, '/');
    const char *verb = slash != NULL ? slash + 1 : "";
    const bool post = strcmp(request->method, "POST") == 0;
    if (!gm_job_id_parse(rest, &id)) {
        reply_json(reply, 404, gm_message_error_write("a job's number is hexadecimal digits"));
        return;
    }
    const struct gm_job *job = gm_jobs_find(&master->jobs, id);
    if (post && strcmp(verb, "beat") == 0)
        post_job_beat(master, id, request, reply);
    else if (post && strcmp(verb, "end") == 0)
        end_job(master, id, request, reply);
    else if ((post && strcmp(verb, "cancel") == 0) ||
             (strcmp(request->method, "DELETE") == 0 && verb[0] == '\0'))
        cancel_job(master, id, reply);
    else if (job != NULL && verb[0] == '\0' && strcmp(request->method, "GET") == 0)
        reply_json(reply, 200, gm_message_job_write(&job->info));
    else
        reply_json(reply, 404, gm_message_error_write(job == NULL ? "there is no such job"
                                                                   : "there is no such path"));
}

static void answer(void *self, const struct gm_http_request *request, struct gm_http_reply *reply)
{
    static const char jobs[] = "/v1/jobs/";
    struct gm_master *master = self;
    const bool get = strcmp(request->method, "GET") == 0;
    const bool post = strcmp(request->method, "POST") == 0;
    pthread_mutex_lock(&master->lock);
    if (get && strcmp(request->path, "/healthz") == 0)
        get_health(master, reply);
    else if (get && strcmp(request->path, "/v1/agents") == 0)
        get_agents(master, reply);
    else if (post && strcmp(request->path, "/v1/agents") == 0)
        post_agent(master, request, reply);
    else if (get && strcmp(request->path, "/v1/jobs") == 0)
        get_jobs(master, reply);
    else if (post && strcmp(request->path, "/v1/jobs") == 0)
        post_job(master, request, reply);
    else if (strncmp(request->path, jobs, sizeof jobs - 1) == 0)
        answer_job(master, request, request->path + sizeof jobs - 1, reply);
    else
        reply_json(reply, 404, gm_message_error_write("there is no such path; docs/cluster.md "
                                                      "lists them"));
    pthread_mutex_unlock(&master->lock);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void free_master(struct gm_master *master)
{
    gm_history_close(&master->history);
    gm_jobs_fini(&master->jobs);
    gm_registry_fini(&master->registry);
    pthread_cond_destroy(&master->changed);
    pthread_mutex_destroy(&master->lock);
    free(master);
}

static void init_lock(struct gm_master *master)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&master->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&master->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

int gm_master_start(const struct gm_master_options *options, struct gm_master **ret_master,
                    uint16_t *ret_port, const char **ret_why, struct gm_error *error)
{
    const struct gm_http_module *http = gm_http_open(error);
    struct gm_master *master = http != NULL ? calloc(1, sizeof *master) : NULL;
    if (master == NULL)
        return gm_error_set(error, -ENOMEM, "no memory for a master");
    master->options = *options;
    master->http = http;
    master->started_ns = time_now().now_ns;
    init_lock(master);
    gm_jobs_init(&master->jobs, master, note_job);
    master->history.fd = -1; /* what is restored is there already */
    struct gm_history history;
    int rc = gm_history_open(&history, options->directory, &master->jobs, time_now(), error);
    if (rc == 0) {
        master->history = history;
        rc = gm_address_listen(options->host, options->port, options->key.present, ret_port,
                               ret_why, error);
    }
    if (rc >= 0) {
        const struct gm_http_server_spec spec = {.listener = rc,
                                                 .key = &master->options.key,
                                                 .body_bytes_max = BODY_BYTES_MAX,
                                                 .self = master,
                                                 .handle = answer};
        rc = http->server_start(&spec, &master->server, error);
    }
    if (rc < 0) {
        free_master(master);
        return rc < 0 && error->code != 0 ? error->code : rc;
    }
    *ret_master = master;
    return 0;
}

void gm_master_tick(struct gm_master *master)
{
    pthread_mutex_lock(&master->lock);
    gm_registry_expire(&master->registry, time_now().now_ns, master->options.lost_ns);
    step(master);
    pthread_mutex_unlock(&master->lock);
}

void gm_master_stop(struct gm_master *master)
{
    pthread_mutex_lock(&master->lock);
    master->stopping = true;
    pthread_cond_broadcast(&master->changed);
    pthread_mutex_unlock(&master->lock);
    master->http->server_stop(master->server);
    free_master(master);
}
