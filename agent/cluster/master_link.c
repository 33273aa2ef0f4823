/* master_link.c - a job at its master: submitted, kept alive, ended. */
#include "agent/cluster/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shuffle/port/clock.h"

#define BODY_BYTES_MAX (1u << 20)
/* An answer is held back for a heartbeat, of 2 s or whatever the master was told. */
#define CALL_TIMEOUT_MS 30000
#define END_TIMEOUT_MS 3000
#define RETRY_MS 200
/* A waiting job whose master does not come back; a running one goes on without. */
#define PATIENCE_NS UINT64_C(6000000000)

static void describe(struct gm_cluster *cluster)
{
    struct gm_job_info *job = &cluster->job;
    char host[GM_HOST_BYTES_MAX] = "";
    const struct passwd *user = getpwuid(getuid());
    gethostname(host, sizeof host - 1);
    snprintf(job->driver, sizeof job->driver, "%.200s:%d", host, getpid());
    if (user != NULL)
        snprintf(job->user, sizeof job->user, "%s", user->pw_name);
    else
        snprintf(job->user, sizeof job->user, "%u", getuid());
    job->state = GM_JOB_WAITING;
    job->want_executors = cluster->options->executor_count;
    job->want_memory_bytes = cluster->options->agent_memory_bytes;
}

/* Sends the job as it is known here and takes what the master knows of it.  want: the status of a
 * success. */
static int tell(struct gm_cluster *cluster, struct gm_http_client *client, const char *target,
                int want, uint64_t timeout_ms, struct gm_job_info *ret_job, struct gm_error *error)
{
    struct gm_http_reply reply;
    pthread_mutex_lock(&cluster->lock);
    char *body = gm_message_job_write(&cluster->job);
    pthread_mutex_unlock(&cluster->lock);
    if (body == NULL)
        return gm_error_set(error, -ENOMEM, "no memory for a message to the master");
    int rc = cluster->http->client_call(client, "POST", target, body, strlen(body), timeout_ms,
                                        BODY_BYTES_MAX, &reply, error);
    free(body);
    if (rc < 0)
        return rc;
    if (reply.status != want) {
        char said[GM_ERROR_BYTES_MAX / 2];
        gm_message_error_read(reply.body, reply.body_bytes, said, sizeof said);
        rc = gm_error_set(error, reply.status == 409 ? GM_EJOB_CANCELLED : GM_EJOB_OPTION,
                          "the master at %s refused: %s", cluster->options->master, said);
    } else if (ret_job != NULL) {
        rc = gm_message_job_read(reply.body, reply.body_bytes, ret_job, error);
    }
    free(reply.body);
    return rc;
}

/* What the master said becomes what is known here. */
static void take(struct gm_cluster *cluster, struct gm_job_info *said)
{
    pthread_mutex_lock(&cluster->lock);
    struct gm_job_info *job = &cluster->job;
    said->read_bytes = job->read_bytes;
    said->input_bytes = job->input_bytes;
    if (job->grant_count > 0 || said->grant_count == 0) { /* once given, they stay */
        gm_job_info_fini(said);
        said->grants = job->grants;
        said->grant_count = job->grant_count;
    }
    *job = *said;
    if (job->state == GM_JOB_CANCELLING || gm_job_state_is_end(job->state))
        cluster->cancelled = true;
    /* To a master that is started anew the job is a running one. */
    if (job->state == GM_JOB_CANCELLING)
        job->state = GM_JOB_RUNNING;
    const bool over = cluster->cancelled;
    if (over)
        gm_cluster_pause(cluster, RETRY_MS); /* lest it asks again and again until the end */
    pthread_mutex_unlock(&cluster->lock);
    gm_cluster_ring(cluster);
}

static void fail(struct gm_cluster *cluster, const struct gm_error *error)
{
    pthread_mutex_lock(&cluster->lock);
    if (cluster->master_error.code == 0)
        cluster->master_error = *error;
    pthread_mutex_unlock(&cluster->lock);
    gm_cluster_ring(cluster);
}

/* Returns false when the job cannot go on. */
static bool beat(struct gm_cluster *cluster, const struct gm_clock *clock, uint64_t *silent_ns)
{
    struct gm_error error = {0};
    struct gm_job_info said;
    char target[64];
    pthread_mutex_lock(&cluster->lock);
    const bool waiting = cluster->job.state == GM_JOB_WAITING;
    snprintf(target, sizeof target, "/v1/jobs/%08" PRIx64 "/beat", cluster->job.id);
    pthread_mutex_unlock(&cluster->lock);
    int rc = tell(cluster, cluster->master, target, 200, CALL_TIMEOUT_MS, &said, &error);
    if (rc == 0) {
        *silent_ns = 0;
        take(cluster, &said);
        return true;
    }
    const uint64_t now_ns = gm_clock_now_ns(clock);
    if (*silent_ns == 0)
        *silent_ns = now_ns;
    const bool refused = rc == GM_EJOB_CANCELLED || rc == GM_EJOB_OPTION;
    /* A running job does not need its master; what it says to one that is back, it says then. */
    if ((refused && (waiting || rc == GM_EJOB_CANCELLED)) ||
        (waiting && now_ns - *silent_ns >= PATIENCE_NS)) {
        fail(cluster, &error);
        return false;
    }
    pthread_mutex_lock(&cluster->lock);
    gm_cluster_pause(cluster, RETRY_MS);
    pthread_mutex_unlock(&cluster->lock);
    return true;
}

static void *run_thread(void *opaque)
{
    struct gm_cluster *cluster = opaque;
    const struct gm_clock clock = gm_clock_system();
    struct gm_error error = {0};
    struct gm_job_info said;
    uint64_t silent_ns = 0;
    if (tell(cluster, cluster->master, "/v1/jobs", 201, CALL_TIMEOUT_MS, &said, &error) < 0) {
        fail(cluster, &error);
        return NULL;
    }
    take(cluster, &said);
    while (!atomic_load(&cluster->stopping) && beat(cluster, &clock, &silent_ns))
        continue;
    return NULL;
}

int gm_master_link_start(struct gm_cluster *cluster, struct gm_error *error)
{
    describe(cluster);
    cluster->master = cluster->http->client_create(cluster->options->master, &cluster->key);
    int rc = cluster->master == NULL ? -ENOMEM : 0;
    if (rc == 0)
        rc = -pthread_create(&cluster->master_thread, NULL, run_thread, cluster);
    if (rc < 0)
        return gm_error_set(error, rc, "cannot talk to the master: %s", gm_error_name(rc));
    cluster->has_master_thread = true;
    return 0;
}

void gm_master_link_end(struct gm_cluster *cluster, int code, const char *why)
{
    char target[64];
    struct gm_error unheard = {0};
    if (cluster->has_master_thread) {
        cluster->http->client_interrupt(cluster->master);
        pthread_join(cluster->master_thread, NULL);
    }
    if (cluster->master != NULL)
        cluster->http->client_destroy(cluster->master);
    if (cluster->job.id == 0)
        return;
    struct gm_http_client *client =
        cluster->http->client_create(cluster->options->master, &cluster->key);
    if (client == NULL)
        return; /* it will find the job lost */
    cluster->job.state = code == 0                   ? GM_JOB_DONE
                         : code == GM_EJOB_CANCELLED ? GM_JOB_CANCELLED
                                                     : GM_JOB_FAILED;
    snprintf(cluster->job.error, sizeof cluster->job.error, "%s", code == 0 ? "" : why);
    snprintf(target, sizeof target, "/v1/jobs/%08" PRIx64 "/end", cluster->job.id);
    tell(cluster, client, target, 200, END_TIMEOUT_MS, NULL, &unheard);
    cluster->http->client_destroy(client);
}
