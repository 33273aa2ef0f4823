/* jobs.c - starting, watching and ending the processes of jobs. */
#include "agent/node/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/cluster/program.h"
#include "agent/node/programs.h"
#include "agent/node/hello.h"
#include "agent/node/logs.h"
#include "agent/node/mail.h"
#include "agent/node/outcome.h"
#include "agent/node/process.h"

#define OUTCOME_WAIT_MS 1000
/* A driver that does not come for the outcome is gone; one whose job was killed may have gone. */
#define FETCH_WAIT_MS 10000
#define KILLED_WAIT_MS 1000
#define RESERVE_WAIT_MS 5000
/* A data connection may come before its job's order. */
#define GREET_WAIT_MS 5000
#define STATUS_MISSING 424

enum phase { STARTING, READY, ENDED };

struct node_job {
    struct gm_start start;
    uint8_t secret[GM_SECRET_BYTES];
    uint8_t *order; /* for the process; freed when it has it */
    size_t order_bytes;
    struct gm_setup setup;
    char program[GM_PATH_BYTES_MAX];
    char libraries[GM_PATH_BYTES_MAX]; /* "": none */
    /* behind the lock */
    enum phase phase;
    pid_t pid; /* 0: none */
    int mail;  /* -1: none */
    bool connected[GM_GRANTS_MAX + 1]; /* by node */
    struct gm_node_status status;
    bool status_is_new;
    uint8_t *outcome;
    size_t outcome_bytes;
    bool fetched;
    const char *killed; /* why; NULL: it was not */
    uint32_t users;     /* calls that look at it */
    struct gm_node_jobs *jobs;
    struct node_job *next;
};

struct gm_node_jobs {
    struct gm_node_jobs_spec spec;
    char own_hash[65]; /* of this program */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    struct node_job *list;
    bool core_is_busy[GM_EXECUTORS_MAX]; /* by index of the options' cores */
    uint64_t used_bytes;
};

/* ---- small things ---------------------------------------------------------------------------- */

static struct timespec deadline_in(uint64_t ms)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    const uint64_t ns = (uint64_t)deadline.tv_nsec + ms * 1000000;
    deadline.tv_sec += (time_t)(ns / 1000000000);
    deadline.tv_nsec = (long)(ns % 1000000000);
    return deadline;
}

static bool wait_for_change(struct gm_node_jobs *jobs, const struct timespec *deadline)
{
    return pthread_cond_timedwait(&jobs->changed, &jobs->lock, deadline) == 0;
}

static struct node_job *find(struct gm_node_jobs *jobs, uint64_t id)
{
    struct node_job *job = jobs->list;
    while (job != NULL && job->start.job.id != id)
        job = job->next;
    return job;
}

static void reply_error(struct gm_http_reply *reply, int status, const char *text)
{
    char *json = gm_message_error_write(text);
    gm_http_reply_text(reply, status, json != NULL ? json : "{}");
    free(json);
}

static void reply_binary(struct gm_http_reply *reply, int status, const void *data, size_t bytes)
{
    reply->body = malloc(bytes + 1);
    if (reply->body == NULL)
        return;
    memcpy(reply->body, data, bytes);
    reply->body_bytes = bytes;
    reply->binary = true;
    reply->status = status;
}

/* ---- what a job is given --------------------------------------------------------------------- */

/* Cores and memory, or a refusal; the caller has the lock. */
static int try_reserve(struct gm_node_jobs *jobs, struct node_job *job, struct gm_error *error)
{
    const struct gm_options *options = jobs->spec.options;
    const struct gm_grant *grant = &job->start.job.grants[job->start.node];
    const uint32_t cores = options->core_count - jobs->spec.transport_cores;
    struct gm_setup *setup = &job->setup;
    uint32_t free_cores = 0;
    for (uint32_t i = 0; i < cores; i++)
        free_cores += !jobs->core_is_busy[i];
    if (grant->executor_count > free_cores ||
        grant->memory_bytes > options->memory_bytes - jobs->used_bytes)
        return gm_error_set(error, -EBUSY,
                            "the job was granted %u cores and %" PRIu64 " MiB, but %u cores and "
                            "%" PRIu64 " MiB are free here: another job does not end",
                            grant->executor_count, grant->memory_bytes >> 20, free_cores,
                            (options->memory_bytes - jobs->used_bytes) >> 20);
    for (uint32_t i = 0; setup->core_count < grant->executor_count; i++) {
        if (jobs->core_is_busy[i])
            continue;
        jobs->core_is_busy[i] = true;
        setup->cores[setup->core_count++] = options->cores[i];
    }
    jobs->used_bytes += grant->memory_bytes;
    setup->node = job->start.node;
    setup->transport_core =
        jobs->spec.transport_cores > 0 ? options->cores[options->core_count - 1] : UINT32_MAX;
    setup->memory_bytes = grant->memory_bytes;
    setup->pages = options->pages;
    setup->huge_bytes = options->huge_bytes / options->core_count * grant->executor_count;
    setup->order_bytes = job->order_bytes;
    setup->spill = options->spill;
    return 0;
}

/* Its driver may have told the master of a job's end before the process had gone: what the master
 * then grants to the next one is free in a moment. */
static int reserve(struct gm_node_jobs *jobs, struct node_job *job, struct gm_error *error)
{
    const struct timespec deadline = deadline_in(RESERVE_WAIT_MS);
    for (;;) {
        struct gm_error busy = {0};
        int rc = try_reserve(jobs, job, &busy);
        if (rc == 0)
            return 0;
        if (jobs->stopping || !wait_for_change(jobs, &deadline))
            return gm_error_set(error, rc, "%s", busy.text);
    }
}

static void give_back(struct gm_node_jobs *jobs, const struct node_job *job)
{
    for (uint32_t i = 0; i < job->setup.core_count; i++)
        for (uint32_t c = 0; c < jobs->spec.options->core_count; c++)
            if (jobs->spec.options->cores[c] == job->setup.cores[i])
                jobs->core_is_busy[c] = false;
    if (job->setup.core_count > 0)
        jobs->used_bytes -= job->setup.memory_bytes;
}

/* Paths of the program and its libraries.  Returns false when some are missing, whose hashes are in
 * the text then. */
static bool find_artifacts(const struct gm_node_jobs *jobs, struct node_job *job, char *ret_text,
                           size_t text_bytes)
{
    size_t length = 0;
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < job->start.artifact_count; i++) {
        const struct gm_artifact *artifact = &job->start.artifacts[i];
        char path[GM_PATH_BYTES_MAX];
        const bool own = i == 0 && strcmp(artifact->hash, jobs->own_hash) == 0;
        if (own)
            snprintf(path, sizeof path, "/proc/self/exe");
        if (!own && !gm_programs_find(jobs->spec.directory, artifact, path, sizeof path)) {
            length += (size_t)snprintf(ret_text + length, text_bytes - length, "%s%s",
                                       length > 0 ? " " : "missing ", artifact->hash);
        } else if (i == 0) {
            memcpy(job->program, path, sizeof job->program);
        } else {
            *strrchr(path, '/') = '\0';
            const size_t used = strlen(job->libraries);
            snprintf(job->libraries + used, sizeof job->libraries - used, "%s%s",
                     used > 0 ? ":" : "", path);
        }
    }
    return length == 0;
}

/* ---- the thread of a job --------------------------------------------------------------------- */

static int send_setup(struct node_job *job, int mail, struct gm_error *error)
{
    const int fd = memfd_create("gleam-order", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : 0;
    for (size_t done = 0; rc == 0 && done < job->order_bytes;) {
        const ssize_t written = write(fd, job->order + done, job->order_bytes - done);
        if (written < 0 && errno != EINTR)
            rc = -errno;
        done += written > 0 ? (size_t)written : 0;
    }
    free(job->order);
    job->order = NULL;
    if (rc == 0)
        rc = gm_mail_send(mail, GM_MAIL_SETUP, &job->setup, sizeof job->setup, fd);
    if (fd >= 0)
        close(fd);
    return rc == 0 ? 0
                   : gm_error_set(error, rc, "cannot set the job's process up: %s",
                                  gm_error_name(rc));
}

static int start_process(struct gm_node_jobs *jobs, struct node_job *job, struct gm_error *error)
{
    const int log = gm_logs_open(jobs->spec.directory, job->start.job.id, error);
    if (log < 0)
        return log;
    const struct gm_node_program program = {
        .path = job->program,
        .libraries = job->libraries[0] != '\0' ? job->libraries : NULL,
        .log = log};
    pid_t pid;
    int mail;
    int rc = gm_node_spawn(&program, &pid, &mail, error);
    close(log);
    if (rc < 0)
        return rc;
    /* Before anybody else may write to it. */
    rc = send_setup(job, mail, error);
    pthread_mutex_lock(&jobs->lock);
    job->pid = pid;
    job->mail = mail;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
    return rc;
}

/* Nodes with lower numbers are connected to from here. */
static int connect_others(struct gm_node_jobs *jobs, struct node_job *job, struct gm_error *error)
{
    for (uint32_t i = 0; i < job->start.node; i++) {
        const struct gm_grant *grant = &job->start.job.grants[i];
        struct gm_hello hello = {.job = job->start.job.id,
                                 .attempt = job->start.attempt,
                                 .from = (uint16_t)job->start.node,
                                 .to = (uint16_t)i};
        memcpy(hello.nonce, job->start.nonce, sizeof hello.nonce);
        const int fd = gm_hello_connect(jobs->spec.http, grant->host, grant->port, &hello,
                                        job->secret, error);
        if (fd < 0)
            return fd;
        int rc = gm_mail_send(job->mail, GM_MAIL_CONNECTION, &i, sizeof i, fd);
        close(fd);
        if (rc < 0)
            return 0; /* it died, of which it is told otherwise */
    }
    return 0;
}

static void take_mail(struct gm_node_jobs *jobs, struct node_job *job, int kind,
                      const uint8_t *data, size_t bytes)
{
    pthread_mutex_lock(&jobs->lock);
    if (kind == GM_MAIL_READY) {
        job->phase = READY;
    } else if (kind == GM_MAIL_STATUS && bytes == sizeof job->status) {
        memcpy(&job->status, data, sizeof job->status);
        job->status_is_new = true;
    } else if (kind == GM_MAIL_OUTCOME && job->outcome == NULL) {
        job->outcome = malloc(bytes + 1);
        if (job->outcome != NULL)
            memcpy(job->outcome, data, bytes);
        job->outcome_bytes = bytes;
    }
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
}

/* Until the process has closed its end; connects to the others when it is ready. */
static int watch(struct gm_node_jobs *jobs, struct node_job *job, struct gm_error *error)
{
    uint8_t *data = malloc(GM_MAIL_BYTES_MAX);
    int rc = data == NULL ? gm_error_set(error, -ENOMEM, "no memory for a job") : 0;
    while (rc == 0) {
        size_t bytes;
        int fd;
        const int kind = gm_mail_receive(job->mail, 0, data, &bytes, &fd);
        if (fd >= 0)
            close(fd);
        if (kind < 0)
            break;
        take_mail(jobs, job, kind, data, bytes);
        if (kind == GM_MAIL_READY)
            rc = connect_others(jobs, job, error);
    }
    free(data);
    return rc;
}

/* Takes the exit status.  Which signal ended it is its person's affair, where nobody sent it. */
static void reap(struct gm_node_jobs *jobs, struct node_job *job, struct gm_error *error)
{
    int status = 0;
    kill(job->pid, SIGKILL); /* one that has said how it ended has nothing left to do */
    while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    pthread_mutex_lock(&jobs->lock);
    job->pid = 0;
    close(job->mail);
    job->mail = -1;
    if (job->killed != NULL)
        gm_error_set(error, GM_EJOB_CANCELLED, "%s", job->killed);
    else if (job->outcome == NULL && WIFSIGNALED(status))
        gm_error_set(error, GM_EPEER_DIED, "the job's process was killed by signal %d (%s)",
                     WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (job->outcome == NULL)
        gm_error_set(error, GM_EPEER_DIED,
                     "the job's process ended with exit status %d and without an outcome: see "
                     "gleam logs %08" PRIx64,
                     WEXITSTATUS(status), job->start.job.id);
    pthread_mutex_unlock(&jobs->lock);
}

/* The outcome waits for the driver; then the job is forgotten. */
static void end(struct gm_node_jobs *jobs, struct node_job *job, const struct gm_error *error)
{
    pthread_mutex_lock(&jobs->lock);
    const struct timespec deadline =
        deadline_in(job->killed != NULL ? KILLED_WAIT_MS : FETCH_WAIT_MS);
    if (job->outcome == NULL &&
        gm_outcome_encode_failure(error, &job->outcome, &job->outcome_bytes) < 0)
        job->outcome_bytes = 0;
    job->phase = ENDED;
    give_back(jobs, job);
    pthread_cond_broadcast(&jobs->changed);
    while (!job->fetched)
        if (!wait_for_change(jobs, &deadline))
            break;
    struct node_job **at = &jobs->list;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    while (job->users > 0)
        pthread_cond_wait(&jobs->changed, &jobs->lock);
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
}

static void free_job(struct node_job *job)
{
    gm_job_info_fini(&job->start.job);
    free(job->order);
    free(job->outcome);
    explicit_bzero(job->secret, sizeof job->secret);
    free(job);
}

/* The process is killed with the thread that started it, so this one stays until the end. */
static void *run_thread(void *opaque)
{
    struct node_job *job = opaque;
    struct gm_node_jobs *jobs = job->jobs;
    struct gm_error error = {0};
    int rc = start_process(jobs, job, &error);
    if (rc == 0)
        watch(jobs, job, &error);
    if (job->pid > 0)
        reap(jobs, job, &error);
    end(jobs, job, &error);
    free_job(job);
    return NULL;
}

/* ---- what drivers ask for -------------------------------------------------------------------- */

/* The body's first line and the rest.  Returns NULL with error. */
static struct node_job *read_start(struct gm_node_jobs *jobs, uint64_t id, const uint8_t *body,
                                   size_t body_bytes, struct gm_error *error)
{
    const uint8_t *line_end = body_bytes > 0 ? memchr(body, '\n', body_bytes) : NULL;
    struct node_job *job = calloc(1, sizeof *job);
    if (line_end == NULL || job == NULL) {
        free(job);
        gm_error_set(error, GM_EPEER_PROTOCOL, "the order of a job has no line of JSON");
        return NULL;
    }
    int rc = gm_message_start_read(body, (size_t)(line_end - body), &job->start, error);
    if (rc < 0) {
        free(job);
        return NULL;
    }
    if (job->start.job.id != id)
        rc = gm_error_set(error, GM_EPEER_PROTOCOL, "the order is that of another job");
    job->jobs = jobs;
    job->mail = -1;
    job->order_bytes = body_bytes - (size_t)(line_end + 1 - body);
    job->order = malloc(job->order_bytes + 1);
    if (rc == 0 && job->order == NULL)
        rc = gm_error_set(error, -ENOMEM, "no memory for the order of a job");
    if (rc < 0) {
        free_job(job);
        return NULL;
    }
    memcpy(job->order, line_end + 1, job->order_bytes);
    gm_hello_secret(jobs->spec.http, jobs->spec.key, job->start.nonce, job->secret);
    return job;
}

/* Puts it into the table and starts its thread. */
static int admit(struct gm_node_jobs *jobs, struct node_job *job, struct gm_error *error)
{
    pthread_t thread;
    pthread_mutex_lock(&jobs->lock);
    int rc = 0;
    if (find(jobs, job->start.job.id) != NULL)
        rc = gm_error_set(error, -EEXIST, "the job is there already");
    if (rc == 0 && jobs->stopping)
        rc = gm_error_set(error, -ESHUTDOWN, "the agent is ending");
    if (rc == 0)
        rc = reserve(jobs, job, error);
    if (rc == 0) {
        rc = -pthread_create(&thread, NULL, run_thread, job);
        if (rc < 0) {
            give_back(jobs, job);
            gm_error_set(error, rc, "cannot start a thread for a job: %s", gm_error_name(rc));
        }
    }
    if (rc == 0) {
        pthread_detach(thread);
        job->next = jobs->list;
        jobs->list = job;
        job->users++;
    }
    pthread_mutex_unlock(&jobs->lock);
    return rc;
}

static void wait_until_ready(struct gm_node_jobs *jobs, struct node_job *job,
                             struct gm_http_reply *reply)
{
    pthread_mutex_lock(&jobs->lock);
    while (job->phase == STARTING)
        pthread_cond_wait(&jobs->changed, &jobs->lock);
    /* One that failed says why with its outcome, which the driver asks for next. */
    gm_http_reply_text(reply, 200, "{}");
    job->users--;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
}

void gm_node_jobs_start(struct gm_node_jobs *jobs, uint64_t id, const uint8_t *body,
                        size_t body_bytes, struct gm_http_reply *reply)
{
    char missing[GM_ARTIFACTS_MAX * 66 + 16];
    struct gm_error error = {0};
    struct node_job *job = read_start(jobs, id, body, body_bytes, &error);
    if (job == NULL) {
        reply_error(reply, 400, error.text);
        return;
    }
    if (!find_artifacts(jobs, job, missing, sizeof missing)) {
        reply_error(reply, STATUS_MISSING, missing);
        free_job(job);
        return;
    }
    if (admit(jobs, job, &error) < 0) {
        reply_error(reply, error.code == -EBUSY ? 503 : 409, error.text);
        free_job(job);
        return;
    }
    wait_until_ready(jobs, job, reply);
}

void gm_node_jobs_outcome(struct gm_node_jobs *jobs, uint64_t id, struct gm_http_reply *reply)
{
    const struct timespec deadline = deadline_in(OUTCOME_WAIT_MS);
    pthread_mutex_lock(&jobs->lock);
    struct node_job *job = find(jobs, id);
    if (job == NULL) {
        pthread_mutex_unlock(&jobs->lock);
        reply_error(reply, 404, "the agent does not know this job: was it started anew?");
        return;
    }
    job->users++;
    while (job->outcome == NULL && job->phase != ENDED && !job->status_is_new)
        if (!wait_for_change(jobs, &deadline))
            break;
    if (job->outcome != NULL) {
        reply_binary(reply, 200, job->outcome, job->outcome_bytes);
        job->fetched = true;
    } else {
        reply_binary(reply, 202, &job->status, sizeof job->status);
        job->status_is_new = false;
    }
    job->users--;
    pthread_cond_broadcast(&jobs->changed);
    pthread_mutex_unlock(&jobs->lock);
}

/* The caller has the lock. */
static void kill_job(struct node_job *job, const char *why)
{
    if (job->killed == NULL)
        job->killed = why;
    if (job->pid > 0)
        kill(job->pid, SIGKILL);
}

bool gm_node_jobs_kill(struct gm_node_jobs *jobs, uint64_t id, const char *why)
{
    pthread_mutex_lock(&jobs->lock);
    struct node_job *job = find(jobs, id);
    if (job != NULL) {
        job->users++;
        /* One that is being started has no process yet, but will have in a moment. */
        while (job->phase == STARTING && job->pid == 0)
            pthread_cond_wait(&jobs->changed, &jobs->lock);
        kill_job(job, why);
        job->users--;
        pthread_cond_broadcast(&jobs->changed);
    }
    pthread_mutex_unlock(&jobs->lock);
    return job != NULL;
}

void gm_node_jobs_log(struct gm_node_jobs *jobs, uint64_t id, struct gm_http_reply *reply)
{
    struct gm_error error = {0};
    if (gm_logs_read(jobs->spec.directory, id, &reply->body, &reply->body_bytes, &error) < 0) {
        reply_error(reply, 404, error.text);
        return;
    }
    reply->status = 200;
    reply->text = true;
}

void gm_node_jobs_list(struct gm_node_jobs *jobs, struct gm_agent_info *agent)
{
    pthread_mutex_lock(&jobs->lock);
    agent->job_count = 0;
    for (const struct node_job *job = jobs->list; job != NULL; job = job->next)
        if (job->phase != ENDED && agent->job_count < GM_AGENT_JOBS_MAX)
            agent->jobs[agent->job_count++] = job->start.job.id;
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- data connections ------------------------------------------------------------------------ */

/* Hands it to the job's process, once that is there.  Returns whether it was taken. */
static bool pass_on(struct gm_node_jobs *jobs, const struct gm_hello *hello,
                    const uint8_t secret[GM_SECRET_BYTES], int fd)
{
    const struct timespec deadline = deadline_in(GREET_WAIT_MS);
    bool taken = false;
    pthread_mutex_lock(&jobs->lock);
    struct node_job *job = find(jobs, hello->job);
    while (!jobs->stopping && (job == NULL || (job->mail < 0 && job->phase != ENDED))) {
        if (!wait_for_change(jobs, &deadline))
            break;
        job = find(jobs, hello->job);
    }
    if (job != NULL && job->mail >= 0 && hello->attempt == job->start.attempt &&
        hello->to == job->start.node && hello->from > hello->to &&
        hello->from <= job->start.job.grant_count && !job->connected[hello->from] &&
        memcmp(hello->nonce, job->start.nonce, sizeof hello->nonce) == 0) {
        const uint32_t from = hello->from;
        taken = gm_hello_acknowledge(jobs->spec.http, fd, hello, secret) == 0 &&
                gm_mail_send(job->mail, GM_MAIL_CONNECTION, &from, sizeof from, fd) == 0;
        job->connected[from] = taken;
    }
    pthread_mutex_unlock(&jobs->lock);
    return taken;
}

void gm_node_jobs_greet(struct gm_node_jobs *jobs, int fd, struct gm_http_counts *counts)
{
    struct gm_hello hello;
    uint8_t secret[GM_SECRET_BYTES];
    if (gm_hello_read(fd, &hello) < 0) {
        atomic_fetch_add_explicit(&counts->garbage_count, 1, memory_order_relaxed);
    } else {
        gm_hello_secret(jobs->spec.http, jobs->spec.key, hello.nonce, secret);
        if (!gm_hello_is_right(jobs->spec.http, &hello, secret))
            atomic_fetch_add_explicit(&counts->key_count, 1, memory_order_relaxed);
        else if (!pass_on(jobs, &hello, secret, fd))
            atomic_fetch_add_explicit(&counts->replay_count, 1, memory_order_relaxed);
        explicit_bzero(secret, sizeof secret);
    }
    close(fd);
}

/* ---- the whole ------------------------------------------------------------------------------- */

int gm_node_jobs_create(const struct gm_node_jobs_spec *spec, struct gm_node_jobs **ret_jobs,
                        struct gm_error *error)
{
    pthread_condattr_t attributes;
    struct gm_node_jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL)
        return gm_error_set(error, -ENOMEM, "no memory for an agent");
    jobs->spec = *spec;
    int rc = gm_programs_open(spec->directory, error);
    if (rc == 0)
        rc = gm_logs_make(spec->directory, error);
    if (rc == 0) {
        rc = gm_program_hash(spec->http, "/proc/self/exe", jobs->own_hash);
        if (rc < 0)
            gm_error_set(error, rc, "cannot read this program: %s", gm_error_name(rc));
    }
    if (rc < 0) {
        free(jobs);
        return rc;
    }
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    *ret_jobs = jobs;
    return 0;
}

void gm_node_jobs_destroy(struct gm_node_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    for (struct node_job *job = jobs->list; job != NULL; job = job->next)
        kill_job(job, "the agent was stopped");
    pthread_cond_broadcast(&jobs->changed);
    while (jobs->list != NULL)
        pthread_cond_wait(&jobs->changed, &jobs->lock);
    pthread_mutex_unlock(&jobs->lock);
    /* A thread may be about to leave the lock for the last time: the program ends anyway. */
}
