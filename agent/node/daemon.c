/* daemon.c - HTTP in front of the jobs, and heartbeats behind them. */
#include "agent/node/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/node/programs.h"
#include "agent/node/jobs.h"

/* A program, or an order with a plan. */
#define BODY_BYTES_MAX ((uint64_t)GM_PLAN_BYTES_MAX + (4u << 20))
/* The master holds its answer back for a heartbeat. */
#define BEAT_TIMEOUT_MS 30000
#define RETRY_MS 300
#define REPLY_BYTES_MAX (1u << 20)
/* Data connections that say hello at once. */
#define GREETINGS_MAX 256

struct gm_daemon {
    struct gm_daemon_options options;
    const struct gm_http_module *http;
    struct gm_http_server *server;
    struct gm_http_client *master;
    struct gm_node_jobs *jobs;
    char address[GM_ADDRESS_BYTES_MAX];
    int lock_fd; /* of the directory */
    pthread_t beat_thread;
    bool has_beat_thread;
    _Atomic bool stopping;
    _Atomic uint32_t greetings;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

/* ---- what is asked --------------------------------------------------------------------------- */

static void reply_error(struct gm_http_reply *reply, int status, const char *text)
{
    char *json = gm_message_error_write(text);
    gm_http_reply_text(reply, status, json != NULL ? json : "{}");
    free(json);
}

static void fill_info(struct gm_daemon *daemon, struct gm_agent_info *info)
{
    const struct gm_daemon_options *options = &daemon->options;
    *info = (struct gm_agent_info){.port = options->port,
                                   .core_count =
                                       options->run.core_count - options->transport_cores,
                                   .memory_bytes = options->run.memory_bytes,
                                   .huge_bytes = options->run.huge_bytes,
                                   .version = GM_VERSION};
    memcpy(info->host, options->host, sizeof info->host);
    memcpy(info->net, options->net, sizeof info->net);
    memcpy(info->data_center, options->data_center, sizeof info->data_center);
    memcpy(info->rack, options->rack, sizeof info->rack);
    gm_node_jobs_list(daemon->jobs, info);
}

static void get_health(struct gm_daemon *daemon, struct gm_http_reply *reply)
{
    const struct gm_http_counts *counts = daemon->http->server_counts(daemon->server);
    struct gm_agent_info *info = malloc(sizeof *info);
    char *text = NULL;
    if (info == NULL)
        return;
    fill_info(daemon, info);
    if (asprintf(&text,
                 "{\"status\":\"ok\",\"version\":\"%s\",\"protocol\":%d,\"jobs_count\":%u,"
                 "\"served_count\":%" PRIu64 ",\"refused_garbage_count\":%" PRIu64
                 ",\"refused_key_count\":%" PRIu64 ",\"refused_replay_count\":%" PRIu64
                 ",\"refused_oversize_count\":%" PRIu64 ",\"refused_slow_count\":%" PRIu64
                 ",\"refused_crowd_count\":%" PRIu64 ",\"refused_version_count\":%" PRIu64 "}\n",
                 GM_VERSION, GM_PROTOCOL, info->job_count, counts->served_count,
                 counts->garbage_count, counts->key_count, counts->replay_count,
                 counts->oversize_count, counts->slow_count, counts->crowd_count,
                 counts->version_count) >= 0)
        gm_http_reply_text(reply, 200, text);
    free(text);
    free(info);
}

static void put_artifact(struct gm_daemon *daemon, const char *hash,
                         const struct gm_http_request *request, struct gm_http_reply *reply)
{
    uint8_t said[32], right[32];
    struct gm_error error = {0};
    if (!gm_hex_parse(hash, '\0', said, sizeof said) || request->body_bytes == 0) {
        reply_error(reply, 400, "an artifact is put under the 64 digits of its SHA-256");
        return;
    }
    daemon->http->hash(request->body, request->body_bytes, right);
    if (memcmp(said, right, sizeof right) != 0)
        reply_error(reply, 400, "the artifact has another SHA-256");
    else if (gm_programs_put(daemon->options.directory, hash, request->body, request->body_bytes,
                          &error) < 0)
        reply_error(reply, 507, error.text);
    else
        gm_http_reply_text(reply, 201, "{}");
}

/* Behind /v1/jobs/ */
static void answer_job(struct gm_daemon *daemon, const struct gm_http_request *request,
                       const char *rest, struct gm_http_reply *reply)
{
    uint64_t id;
    const char *slash = strchr(rest, '/');
    const char *verb = slash != NULL ? slash + 1 : "";
    const bool post = strcmp(request->method, "POST") == 0;
    if (!gm_job_id_parse(rest, &id))
        reply_error(reply, 404, "a job's number is hexadecimal digits");
    else if (post && strcmp(verb, "start") == 0)
        gm_node_jobs_start(daemon->jobs, id, request->body, request->body_bytes, reply);
    else if (post && strcmp(verb, "outcome") == 0)
        gm_node_jobs_outcome(daemon->jobs, id, reply);
    else if (post && strcmp(verb, "kill") == 0 &&
             gm_node_jobs_kill(daemon->jobs, id, "the job was killed"))
        gm_http_reply_text(reply, 200, "{}");
    else if (!post && strcmp(verb, "log") == 0)
        gm_node_jobs_log(daemon->jobs, id, reply);
    else
        reply_error(reply, 404, "there is no such job, or no such path");
}

static void answer(void *self, const struct gm_http_request *request, struct gm_http_reply *reply)
{
    static const char jobs[] = "/v1/jobs/", artifacts[] = "/v1/artifacts/";
    struct gm_daemon *daemon = self;
    if (strcmp(request->method, "GET") == 0 && strcmp(request->path, "/healthz") == 0)
        get_health(daemon, reply);
    else if (strncmp(request->path, jobs, sizeof jobs - 1) == 0)
        answer_job(daemon, request, request->path + sizeof jobs - 1, reply);
    else if (strcmp(request->method, "PUT") == 0 &&
             strncmp(request->path, artifacts, sizeof artifacts - 1) == 0)
        put_artifact(daemon, request->path + sizeof artifacts - 1, request, reply);
    else
        reply_error(reply, 404, "there is no such path; docs/cluster.md lists them");
}

/* ---- data connections ------------------------------------------------------------------------ */

struct greeting {
    struct gm_daemon *daemon;
    int fd;
};

static void *greet(void *opaque)
{
    const struct greeting greeting = *(struct greeting *)opaque;
    free(opaque);
    gm_node_jobs_greet(greeting.daemon->jobs, greeting.fd,
                       greeting.daemon->http->server_counts(greeting.daemon->server));
    atomic_fetch_sub(&greeting.daemon->greetings, 1);
    return NULL;
}

static void take_data(void *self, int fd)
{
    struct gm_daemon *daemon = self;
    struct greeting *greeting = malloc(sizeof *greeting);
    pthread_t thread;
    if (atomic_fetch_add(&daemon->greetings, 1) < GREETINGS_MAX && greeting != NULL) {
        *greeting = (struct greeting){.daemon = daemon, .fd = fd};
        if (pthread_create(&thread, NULL, greet, greeting) == 0) {
            pthread_detach(thread);
            return;
        }
    }
    atomic_fetch_sub(&daemon->greetings, 1);
    atomic_fetch_add_explicit(&daemon->http->server_counts(daemon->server)->crowd_count, 1,
                              memory_order_relaxed);
    free(greeting);
    close(fd);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void pause_for(struct gm_daemon *daemon, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const uint64_t ns = (uint64_t)until.tv_nsec + ms * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&daemon->lock);
    if (!atomic_load(&daemon->stopping))
        pthread_cond_timedwait(&daemon->wake, &daemon->lock, &until);
    pthread_mutex_unlock(&daemon->lock);
}

/* Returns 0 or < 0 with error. */
static int beat(struct gm_daemon *daemon, struct gm_agent_info *info, struct gm_error *error)
{
    struct gm_http_reply reply;
    struct gm_beat_reply said;
    fill_info(daemon, info);
    char *body = gm_message_agent_write(info);
    if (body == NULL)
        return gm_error_set(error, -ENOMEM, "no memory for a heartbeat");
    int rc = daemon->http->client_call(daemon->master, "POST", "/v1/agents", body, strlen(body),
                                       BEAT_TIMEOUT_MS, REPLY_BYTES_MAX, &reply, error);
    free(body);
    if (rc < 0)
        return rc;
    if (reply.status == 200) {
        rc = gm_message_beat_reply_read(reply.body, reply.body_bytes, &said, error);
    } else {
        char text[GM_ERROR_BYTES_MAX / 2];
        gm_message_error_read(reply.body, reply.body_bytes, text, sizeof text);
        rc = gm_error_set(error, GM_EPEER_PROTOCOL, "the master at %s refuses this agent: %s",
                          daemon->options.run.master, text);
    }
    free(reply.body);
    for (uint32_t i = 0; rc == 0 && i < said.kill_count; i++)
        gm_node_jobs_kill(daemon->jobs, said.kill[i], "the master ended the job");
    if (rc == 0 && said.kill_count > 0)
        pause_for(daemon, RETRY_MS); /* it says so until they have ended */
    return rc;
}

/* Says once when the master is there, and once when it is not. */
static void *beat_loop(void *opaque)
{
    struct gm_daemon *daemon = opaque;
    struct gm_agent_info *info = malloc(sizeof *info);
    int known = -1;
    while (info != NULL && !atomic_load(&daemon->stopping)) {
        struct gm_error error = {0};
        const bool good = beat(daemon, info, &error) == 0;
        if (atomic_load(&daemon->stopping))
            break;
        if (good && known != 1)
            fprintf(stderr, "gleam agent: known to the master at %s\n",
                    daemon->options.run.master);
        else if (!good && known != 0)
            fprintf(stderr, "gleam agent: %s; it tries on, and jobs go on\n", error.text);
        known = good;
        if (!good)
            pause_for(daemon, RETRY_MS);
    }
    free(info);
    return NULL;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* One agent per directory: both would remove what the other keeps. */
static int take_directory(struct gm_daemon *daemon, struct gm_error *error)
{
    char path[GM_PATH_BYTES_MAX];
    const char *directory = daemon->options.directory;
    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return gm_error_set(error, -errno, "--dir: cannot make %s: %s", directory,
                            gm_error_name(-errno));
    if (snprintf(path, sizeof path, "%s/lock", directory) >= (int)sizeof path)
        return gm_error_set(error, -ENAMETOOLONG, "--dir: the path is too long");
    daemon->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (daemon->lock_fd < 0 || flock(daemon->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return gm_error_set(error, -errno, "--dir: cannot use %s: %s", directory,
                            errno == EWOULDBLOCK ? "another agent uses it"
                                                 : gm_error_name(-errno));
    return 0;
}

static int listen_and_serve(struct gm_daemon *daemon, const char **ret_why,
                            struct gm_error *error)
{
    struct gm_daemon_options *options = &daemon->options;
    int rc = gm_address_listen(options->host, options->port, options->key.present, &options->port,
                               ret_why, error);
    if (rc < 0)
        return rc;
    if (options->host[0] == '\0' && *ret_why != NULL)
        snprintf(options->host, sizeof options->host, "127.0.0.1");
    else if (options->host[0] == '\0')
        gethostname(options->host, sizeof options->host - 1);
    gm_address_format(options->host, options->port, daemon->address, sizeof daemon->address);
    const struct gm_http_server_spec spec = {.listener = rc,
                                             .key = &options->key,
                                             .body_bytes_max = BODY_BYTES_MAX,
                                             .self = daemon,
                                             .handle = answer,
                                             .data = take_data};
    return daemon->http->server_start(&spec, &daemon->server, error);
}

static int start(struct gm_daemon *daemon, const char **ret_why, struct gm_error *error)
{
    const struct gm_node_jobs_spec spec = {.http = daemon->http,
                                           .key = &daemon->options.key,
                                           .directory = daemon->options.directory,
                                           .options = &daemon->options.run,
                                           .transport_cores = daemon->options.transport_cores};
    int rc = take_directory(daemon, error);
    if (rc == 0)
        rc = gm_node_jobs_create(&spec, &daemon->jobs, error);
    if (rc == 0)
        rc = listen_and_serve(daemon, ret_why, error);
    if (rc < 0)
        return rc;
    daemon->master = daemon->http->client_create(daemon->options.run.master, &daemon->options.key);
    rc = daemon->master == NULL ? -ENOMEM : 0;
    if (rc == 0)
        rc = -pthread_create(&daemon->beat_thread, NULL, beat_loop, daemon);
    daemon->has_beat_thread = rc == 0;
    return rc < 0 ? gm_error_set(error, rc, "cannot beat to the master: %s", gm_error_name(rc)) : 0;
}

int gm_daemon_start(const struct gm_daemon_options *options, struct gm_daemon **ret_daemon,
                    const char **ret_why, struct gm_error *error)
{
    pthread_condattr_t attributes;
    const struct gm_http_module *http = gm_http_open(error);
    struct gm_daemon *daemon = http != NULL ? calloc(1, sizeof *daemon) : NULL;
    if (daemon == NULL)
        return gm_error_set(error, -ENOMEM, "no memory for an agent");
    daemon->options = *options;
    daemon->http = http;
    daemon->lock_fd = -1;
    pthread_mutex_init(&daemon->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&daemon->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (start(daemon, ret_why, error) < 0) {
        gm_daemon_stop(daemon);
        return error->code;
    }
    *ret_daemon = daemon;
    return 0;
}

const char *gm_daemon_address(const struct gm_daemon *daemon)
{
    return daemon->address;
}

void gm_daemon_stop(struct gm_daemon *daemon)
{
    pthread_mutex_lock(&daemon->lock);
    atomic_store(&daemon->stopping, true);
    pthread_cond_broadcast(&daemon->wake);
    pthread_mutex_unlock(&daemon->lock);
    if (daemon->has_beat_thread) {
        daemon->http->client_interrupt(daemon->master);
        pthread_join(daemon->beat_thread, NULL);
    }
    if (daemon->master != NULL)
        daemon->http->client_destroy(daemon->master);
    if (daemon->jobs != NULL)
        gm_node_jobs_destroy(daemon->jobs);
    if (daemon->server != NULL)
        daemon->http->server_stop(daemon->server);
    if (daemon->lock_fd >= 0)
        close(daemon->lock_fd);
    /* The rest goes with the program: a thread that greets may still look at it. */
}
