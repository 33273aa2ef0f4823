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
    struct gm_cache *cache; /* a process has its own */
};

struct gm_session {
    uint32_t executor_count; /* 0: nothing runs */
    bool in_process;
    struct gm_session_executor executors[GM_EXECUTORS_MAX];
    uint64_t looked_ns; /* when executors were last looked at, also those that say nothing */
    int bells[GM_PARTICIPANTS_MAX]; /* eventfds; the driver's is the last */
    _Atomic bool cancel;            /* threads look at it */
    uint32_t failed_executor;       /* that told of the last failure; UINT32_MAX: none did */
    /* Cached datasets that executors keep, by number; none when they have ended. */
    uint64_t kept[GM_CACHED_MAX];
    uint32_t kept_count;
    uint64_t last_id;
};

/* Makes sure that executors for these options run.  Returns 0 or < 0 with error. */
int gm_session_start(struct gm_session *session, const struct gm_options *options,
                     struct gm_error *error);

/* Ends executors that are not those that the options ask for, or not all alive: what they kept is
 * gone then, and nobody plans with it. */
void gm_session_look(struct gm_session *session, const struct gm_options *options);

bool gm_session_keeps(const struct gm_session *session, uint64_t id);
/* A dataset that a job has just filled.  Returns 0 or GM_EJOB_FLOW: there are too many. */
int gm_session_keep(struct gm_session *session, uint64_t id);
/* Its memory comes back with the next job, or the end. */
void gm_session_forget(struct gm_session *session, uint64_t id);

/* The session as the crew of a job, whose region has the session's executors at its node. */
struct gm_crew gm_session_crew(struct gm_session *session);

/* Kills (processes) or cancels and joins (threads) and forgets everything.  False when a thread
 * does not come back within a second: then only the end of the process helps. */
bool gm_session_stop(struct gm_session *session);

#endif
