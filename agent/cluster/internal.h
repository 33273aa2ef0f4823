/* internal.h - what the parts of the driver's side share (cluster.h): the job at the master, and
 * the agents.
 *
 * All that threads write is behind the lock; whoever writes rings the driver's bell.
 */
#ifndef GM_AGENT_CLUSTER_INTERNAL_H
#define GM_AGENT_CLUSTER_INTERNAL_H

#include <pthread.h>

#include "agent/cluster/cluster.h"
#include "agent/cluster/program.h"
#include "agent/node/hello.h"
#include "agent/node/mail.h"
#include "agent/node/order.h"
#include "agent/node/transport.h"
#include "control/message.h"

enum gm_member_phase { GM_MEMBER_STARTING, GM_MEMBER_READY, GM_MEMBER_ENDED };

/* An agent of the job. */
struct gm_member {
    struct gm_cluster *cluster;
    uint32_t node;
    char name[GM_NODE_NAME_BYTES_MAX];
    struct gm_http_client *client;
    pthread_t thread;
    bool has_thread;
    /* behind the lock */
    enum gm_member_phase phase;
    bool begun;             /* the agent was told of the job */
    int connection;         /* -1: none */
    uint8_t *outcome;       /* from the agent; NULL: none yet */
    size_t outcome_bytes;
    bool taken;             /* the outcome was counted */
    struct gm_node_status status;
    struct gm_error error;  /* what its thread met */
};

struct gm_cluster {
    const struct gm_options *options;
    const _Atomic int *stop;
    const struct gm_http_module *http;
    struct gm_key key;
    int bells[2]; /* by seats: the driver's and the gateway's */
    struct gm_program program;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* of threads that wait to try again */
    _Atomic bool stopping;

    /* the master's side; job and the others behind the lock */
    struct gm_http_client *master;
    pthread_t master_thread;
    bool has_master_thread;
    struct gm_job_info job;
    struct gm_error master_error;
    bool cancelled;

    /* the agents' side */
    struct gm_start start;
    uint8_t secret[GM_SECRET_BYTES];
    struct gm_order order;
    uint8_t *order_data;
    size_t order_bytes;
    uint32_t member_count;
    struct gm_member *members;
    struct gm_transport *transport;
    uint64_t trouble_ns; /* when a consequence was seen whose cause may be on its way; 0: none */
    /* of the executors, from the outcomes */
    uint64_t busy_ns[GM_EXECUTORS_MAX], peak_bytes[GM_EXECUTORS_MAX];
    uint64_t region_bytes;
};

/* Wakes the driver's thread. */
void gm_cluster_ring(struct gm_cluster *cluster);
/* Waits up to so long, or until the cluster stops; the caller has the lock. */
void gm_cluster_pause(struct gm_cluster *cluster, uint64_t ms);

/* Submits the job and beats from then on, in a thread.  Returns 0 or < 0 with error. */
int gm_master_link_start(struct gm_cluster *cluster, struct gm_error *error);
/* Ends the thread, and tells the master how the job ended. */
void gm_master_link_end(struct gm_cluster *cluster, int code, const char *why);

/* A thread for the member: starts its part of the job, connects, and waits for the outcome. */
int gm_member_start(struct gm_member *member, struct gm_error *error);
/* Ends it, and the agent's part of the job unless that has ended by itself. */
void gm_member_stop(struct gm_member *member);

#endif
