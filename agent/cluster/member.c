/* member.c - one agent of a job: started, connected, listened to. */
#include "agent/cluster/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* To make a region of many GiB takes its time. */
#define START_TIMEOUT_MS 60000
/* An answer is held back for a second; an agent that says nothing for this time is lost. */
#define OUTCOME_TIMEOUT_MS 4000
#define UPLOAD_TIMEOUT_MS 120000
#define KILL_TIMEOUT_MS 2000
/* Of an agent's answer. */
#define BODY_BYTES_MAX (1u << 20)
#define STATUS_MISSING 424

static const struct gm_grant *grant_of(const struct gm_member *member)
{
    return &member->cluster->start.job.grants[member->node];
}

/* A call whose answer of another status than these two is an error. */
static int call(struct gm_member *member, struct gm_http_client *client, const char *verb,
                const void *body, size_t body_bytes, uint64_t timeout_ms, int good, int also,
                struct gm_http_reply *ret_reply, struct gm_error *error)
{
    char target[96], said[GM_ERROR_BYTES_MAX / 2];
    struct gm_cluster *cluster = member->cluster;
    snprintf(target, sizeof target, "/v1/jobs/%08" PRIx64 "/%s", cluster->start.job.id, verb);
    int rc = cluster->http->client_call(client, "POST", target, body, body_bytes, timeout_ms,
                                        BODY_BYTES_MAX, ret_reply, error);
    if (rc < 0)
        return rc;
    if (ret_reply->status == good || ret_reply->status == also)
        return 0;
    gm_message_error_read(ret_reply->body, ret_reply->body_bytes, said, sizeof said);
    free(ret_reply->body);
    return gm_error_set(error, GM_EJOB_OPTION, "the agent refused: %s", said);
}

/* ---- the start ------------------------------------------------------------------------------- */

static int upload(struct gm_member *member, uint32_t index, struct gm_error *error)
{
    struct gm_cluster *cluster = member->cluster;
    const char *path = cluster->program.paths[index];
    struct gm_http_reply reply;
    struct stat status;
    char target[96];
    void *data = MAP_FAILED;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &status) == 0)
        data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int rc = data == MAP_FAILED ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        return gm_error_set(error, rc, "cannot read %s: %s", path, gm_error_name(rc));
    snprintf(target, sizeof target, "/v1/artifacts/%s", cluster->program.artifacts[index].hash);
    rc = cluster->http->client_call(member->client, "PUT", target, data, (size_t)status.st_size,
                                    UPLOAD_TIMEOUT_MS, BODY_BYTES_MAX, &reply, error);
    munmap(data, (size_t)status.st_size);
    if (rc < 0)
        return rc;
    if (reply.status != 201) {
        char said[GM_ERROR_BYTES_MAX / 2];
        gm_message_error_read(reply.body, reply.body_bytes, said, sizeof said);
        rc = gm_error_set(error, GM_EJOB_OPTION, "the agent did not take the program: %s", said);
    }
    free(reply.body);
    return rc;
}

/* What the agent says that it misses is in the answer's text, by its hash. */
static int upload_missing(struct gm_member *member, const char *said, struct gm_error *error)
{
    int rc = 0;
    for (uint32_t i = 0; i < member->cluster->program.count && rc == 0; i++)
        if (strstr(said, member->cluster->program.artifacts[i].hash) != NULL)
            rc = upload(member, i, error);
    return rc;
}

/* A line of JSON for the agent, then the order for the job's process. */
static char *make_body(const struct gm_member *member, size_t *ret_bytes)
{
    const struct gm_cluster *cluster = member->cluster;
    struct gm_start start = cluster->start;
    start.node = member->node;
    char *head = gm_message_start_write(&start);
    const size_t head_bytes = head != NULL ? strlen(head) : 0;
    char *body = head != NULL ? malloc(head_bytes + 1 + cluster->order_bytes) : NULL;
    if (body != NULL) {
        memcpy(body, head, head_bytes);
        body[head_bytes] = '\n';
        memcpy(body + head_bytes + 1, cluster->order_data, cluster->order_bytes);
        *ret_bytes = head_bytes + 1 + cluster->order_bytes;
    }
    free(head);
    return body;
}

static int begin(struct gm_member *member, struct gm_error *error)
{
    struct gm_http_reply reply;
    size_t bytes;
    char *body = make_body(member, &bytes);
    if (body == NULL)
        return gm_error_set(error, -ENOMEM, "no memory for the order");
    pthread_mutex_lock(&member->cluster->lock);
    member->begun = true;
    pthread_mutex_unlock(&member->cluster->lock);
    int rc = call(member, member->client, "start", body, bytes, START_TIMEOUT_MS, 200,
                  STATUS_MISSING, &reply, error);
    if (rc == 0 && reply.status == STATUS_MISSING) {
        rc = upload_missing(member, (const char *)reply.body, error);
        free(reply.body);
        if (rc == 0)
            rc = call(member, member->client, "start", body, bytes, START_TIMEOUT_MS, 200, 200,
                      &reply, error);
    }
    if (rc == 0)
        free(reply.body);
    free(body);
    return rc;
}

static int connect_data(struct gm_member *member, struct gm_error *error)
{
    struct gm_cluster *cluster = member->cluster;
    const struct gm_grant *grant = grant_of(member);
    struct gm_hello hello = {.job = cluster->start.job.id,
                             .attempt = cluster->start.attempt,
                             .from = (uint16_t)cluster->member_count,
                             .to = (uint16_t)member->node};
    memcpy(hello.nonce, cluster->start.nonce, sizeof hello.nonce);
    const int fd = gm_hello_connect(cluster->http, grant->host, grant->port, &hello,
                                    cluster->secret, error);
    if (fd < 0)
        return fd;
    pthread_mutex_lock(&cluster->lock);
    member->connection = fd;
    member->phase = GM_MEMBER_READY;
    pthread_mutex_unlock(&cluster->lock);
    gm_cluster_ring(cluster);
    return 0;
}

/* ---- until the outcome ----------------------------------------------------------------------- */

static int listen_on(struct gm_member *member, struct gm_error *error)
{
    struct gm_cluster *cluster = member->cluster;
    struct gm_http_reply reply;
    while (!atomic_load(&cluster->stopping)) {
        int rc = call(member, member->client, "outcome", NULL, 0, OUTCOME_TIMEOUT_MS, 200, 202,
                      &reply, error);
        if (rc < 0)
            return rc;
        pthread_mutex_lock(&cluster->lock);
        if (reply.status == 200) {
            member->outcome = reply.body;
            member->outcome_bytes = reply.body_bytes;
            member->phase = GM_MEMBER_ENDED;
        } else if (reply.body_bytes == sizeof member->status) {
            memcpy(&member->status, reply.body, sizeof member->status);
        }
        pthread_mutex_unlock(&cluster->lock);
        if (reply.status == 200) {
            gm_cluster_ring(cluster);
            return 0;
        }
        free(reply.body);
        if (member->phase == GM_MEMBER_STARTING)
            return 0; /* it is not connected: there is nothing to wait for */
    }
    return 0;
}

static void *run_thread(void *opaque)
{
    struct gm_member *member = opaque;
    struct gm_error error = {0};
    int rc = begin(member, &error);
    if (rc == 0) {
        rc = connect_data(member, &error);
        /* Where it could not be connected to, the job's process may have failed, and said why; an
         * agent that hangs says nothing. */
        struct gm_error other = {0};
        const int heard =
            rc == -ETIMEDOUT ? rc : listen_on(member, rc == 0 ? &error : &other);
        rc = rc == 0 || (heard == 0 && member->outcome != NULL) ? heard : rc;
    }
    if (rc < 0) {
        pthread_mutex_lock(&member->cluster->lock);
        member->error = error;
        pthread_mutex_unlock(&member->cluster->lock);
        gm_cluster_ring(member->cluster);
    }
    return NULL;
}

int gm_member_start(struct gm_member *member, struct gm_error *error)
{
    struct gm_cluster *cluster = member->cluster;
    char address[GM_ADDRESS_BYTES_MAX];
    gm_address_format(grant_of(member)->host, grant_of(member)->port, address, sizeof address);
    member->connection = -1;
    member->client = cluster->http->client_create(address, &cluster->key);
    int rc = member->client == NULL ? -ENOMEM : 0;
    if (rc == 0)
        rc = -pthread_create(&member->thread, NULL, run_thread, member);
    if (rc < 0)
        return gm_error_set(error, rc, "cannot talk to agent %s: %s", member->name,
                            gm_error_name(rc));
    member->has_thread = true;
    return 0;
}

static void kill_job(struct gm_member *member)
{
    struct gm_cluster *cluster = member->cluster;
    char address[GM_ADDRESS_BYTES_MAX];
    struct gm_error unheard = {0};
    struct gm_http_reply reply;
    gm_address_format(grant_of(member)->host, grant_of(member)->port, address, sizeof address);
    struct gm_http_client *client = cluster->http->client_create(address, &cluster->key);
    if (client == NULL)
        return; /* the connections' end tells it as well */
    if (call(member, client, "kill", NULL, 0, KILL_TIMEOUT_MS, 200, 404, &reply, &unheard) == 0)
        free(reply.body);
    cluster->http->client_destroy(client);
}

void gm_member_stop(struct gm_member *member)
{
    if (member->has_thread) {
        member->cluster->http->client_interrupt(member->client);
        pthread_join(member->thread, NULL);
    }
    if (member->client != NULL)
        member->cluster->http->client_destroy(member->client);
    /* Of one that cannot be reached nothing more is to be had. */
    const bool reachable = member->error.code == 0 || member->error.code == -ECANCELED ||
                           member->error.code == GM_EJOB_OPTION;
    if (member->begun && member->outcome == NULL && reachable)
        kill_job(member);
    if (member->connection >= 0)
        close(member->connection);
    free(member->outcome);
}
