/* session.h - the driver's executors: processes started once and kept warm between flows, or
 * threads.
 *
 * Threads: the driver's.
 * A job that fails ends the session: its executors are killed and the next job starts new ones.
 */
#ifndef GM_AGENT_SESSION_H
#define GM_AGENT_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "agent/control.h"
#include "agent/crew.h"
#include "agent/options.h"
#include "engine/flow/plan.h"

struct gm_session_executor {
    pid_t pid;     /* 0: none */
    int socket;    /* -1: none, or closed by the other side */
    uint32_t core;
    bool finished; /* its outcome of the current job has come */
    /* --in-process */
    pthread_t thread;
    bool has_thread;
    _Atomic bool thread_done;
    struct gm_error thread_error;
    struct gm_executor_counts thread_counts;
};

struct gm_session {
    uint32_t executor_count; /* 0: nothing runs */
    bool in_process;
    struct gm_session_executor executors[GM_EXECUTORS_MAX];
    uint64_t looked_ns; /* when executors were last looked at, also those that say nothing */
    int bells[GM_PARTICIPANTS_MAX]; /* eventfds; the driver's is the last */
    _Atomic bool cancel;            /* threads look at it */
};

/* Makes sure that executors for these options run.  Returns 0 or < 0 with error. */
int gm_session_start(struct gm_session *session, const struct gm_options *options,
                     struct gm_error *error);

/* The session as the crew of a job, whose region has the session's executors at its node. */
struct gm_crew gm_session_crew(struct gm_session *session);

/* Kills (processes) or cancels and joins (threads) and forgets everything.  False when a thread
 * does not come back within a second: then only the end of the process helps. */
bool gm_session_stop(struct gm_session *session);

#endif
