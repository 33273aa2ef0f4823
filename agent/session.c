/* session.c - starting, feeding, watching and ending executors. */
#include "agent/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/job.h"
#include "agent/stdin.h"
#include "agent/trampoline.h"
#include "engine/base/check.h"
#include "engine/chain/chain.h"
#include "engine/flow/plan_codec.h"
#include "iouring/bell.h"

extern char **environ;

#define VARIABLE_BYTES (64 + 12 * GM_PARTICIPANTS_MAX)
/* Ctrl-C ends everything within a second; threads that sleep look every 0.1 s. */
#define THREAD_PATIENCE_NS 500000000
/* An executor that closed its connection is mostly about to be gone: it gets 0.1 s, in ten
 * looks. */
#define DEATH_LOOKS 10
#define DEATH_LOOK_MS 10
/* A death shows at once as a closed socket, unless a child of a step holds it open as well. */
#define DEATH_CHECK_NS UINT64_C(50000000)

/* Executors are numbered by their seats here: the first of this node is 0. */
static struct gm_ledger_entry *ledger_of(const struct gm_region *region, uint32_t index)
{
    return gm_region_ledger(region, region->spec.first_local + index);
}

/* ---- processes ------------------------------------------------------------------------------- */

/* environ with the executor's variable in front; the caller frees the table. */
static char **make_environment(char *variable)
{
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **table = calloc(count + 2, sizeof *table);
    GM_CHECK(table != NULL);
    table[0] = variable;
    memcpy(table + 1, environ, count * sizeof *table);
    return table;
}

/* stdin is empty, stdout is stderr (what a step prints must not mix with results), and the control
 * socket, the bells and the driver's standard input come through. */
static int make_actions(posix_spawn_file_actions_t *actions, int control, const int *bells,
                        uint32_t bell_count)
{
    int rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, 2, 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, control, control);
    for (uint32_t i = 0; i < bell_count && rc == 0; i++)
        rc = posix_spawn_file_actions_adddup2(actions, bells[i], bells[i]);
    const int input = gm_stdin_descriptor();
    if (rc == 0 && input >= 0)
        rc = posix_spawn_file_actions_adddup2(actions, input, input);
    return -rc;
}

static int spawn(struct gm_session *session, uint32_t index, int control, pid_t *ret_pid)
{
    char variable[VARIABLE_BYTES] = GM_TRAMPOLINE_VARIABLE "=";
    const size_t name_bytes = strlen(variable);
    const uint32_t bell_count = session->executor_count + 1;
    gm_trampoline_format(variable + name_bytes, sizeof variable - name_bytes, index, control,
                         session->executors[index].core, session->bells, bell_count);
    char **environment = make_environment(variable);
    char title[32];
    snprintf(title, sizeof title, "gleam-executor-%u", index);
    char *arguments[] = {title, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int rc = make_actions(&actions, control, session->bells, bell_count);
    if (rc == 0)
        rc = -posix_spawn(ret_pid, "/proc/self/exe", &actions, &attributes, arguments,
                          environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return rc;
}

static int start_process(struct gm_session *session, uint32_t index, struct gm_error *error)
{
    struct gm_session_executor *executor = &session->executors[index];
    int ends[2];
    int rc = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
    if (rc == 0) {
        rc = spawn(session, index, ends[1], &executor->pid);
        close(ends[1]);
        if (rc < 0)
            close(ends[0]);
    }
    if (rc < 0) {
        executor->pid = 0;
        return gm_error_set(error, rc, "cannot start executor %u: %s", index, gm_error_name(rc));
    }
    executor->socket = ends[0];
    return 0;
}

/* Looks, and leaves the exit status to be taken. */
static bool is_dead(const struct gm_session_executor *executor)
{
    siginfo_t info = {0};
    return executor->pid > 0 &&
           waitid(P_PID, (id_t)executor->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == executor->pid;
}

/* The executors that run are those that the options ask for, and none was killed while idle. */
static bool same_session(const struct gm_session *session, const struct gm_options *options)
{
    if (session->executor_count != options->executor_count ||
        session->in_process != options->in_process)
        return false;
    for (uint32_t i = 0; i < session->executor_count; i++)
        if (session->executors[i].core != options->cores[i % options->core_count] ||
            is_dead(&session->executors[i]))
            return false;
    return true;
}

void gm_session_look(struct gm_session *session, const struct gm_options *options)
{
    if (session->executor_count > 0 && !same_session(session, options))
        gm_session_stop(session);
}

bool gm_session_keeps(const struct gm_session *session, uint64_t id)
{
    for (uint32_t i = 0; i < session->kept_count; i++)
        if (session->kept[i] == id)
            return true;
    return false;
}

int gm_session_keep(struct gm_session *session, uint64_t id)
{
    if (session->kept_count == GM_CACHED_MAX)
        return GM_EJOB_FLOW;
    session->kept[session->kept_count++] = id;
    return 0;
}

void gm_session_forget(struct gm_session *session, uint64_t id)
{
    for (uint32_t i = 0; i < session->kept_count; i++)
        if (session->kept[i] == id)
            session->kept[i--] = session->kept[--session->kept_count];
}

int gm_session_start(struct gm_session *session, const struct gm_options *options,
                     struct gm_error *error)
{
    if (session->executor_count > 0 && same_session(session, options))
        return 0;
    gm_session_stop(session);
    session->in_process = options->in_process;
    atomic_store(&session->cancel, false);
    int rc = gm_eventfd_bell_open(options->executor_count + 1, session->bells);
    if (rc < 0)
        return gm_error_set(error, rc, "cannot make %u event descriptors: %s",
                            options->executor_count + 1, gm_error_name(rc));
    session->executor_count = options->executor_count;
    for (uint32_t i = 0; i < session->executor_count; i++) {
        session->executors[i] = (struct gm_session_executor){
            .socket = -1, .core = options->cores[i % options->core_count]};
        if (rc == 0 && !session->in_process)
            rc = start_process(session, i, error);
        if (rc == 0 && session->in_process) {
            rc = gm_trampoline_cache((uint16_t)i, session->executor_count, false,
                                     &session->executors[i].cache);
            if (rc < 0)
                gm_error_set(error, rc, "no memory for executor %u", i);
        }
    }
    if (rc < 0)
        gm_session_stop(session);
    return rc;
}

/* The plan in a memfd of its own; the caller closes it. */
static int make_plan_fd(const struct gm_plan *plan, int *ret_fd, uint64_t *ret_bytes)
{
    uint8_t *data;
    size_t bytes;
    int rc = gm_plan_encode(plan, &data, &bytes);
    if (rc < 0)
        return rc;
    const int fd = memfd_create("gleam-plan", MFD_CLOEXEC);
    rc = fd < 0 ? -errno : 0;
    for (size_t done = 0; rc == 0 && done < bytes;) {
        const ssize_t written = write(fd, data + done, bytes - done);
        if (written < 0 && errno != EINTR)
            rc = -errno;
        done += written > 0 ? (size_t)written : 0;
    }
    free(data);
    if (rc < 0 && fd >= 0)
        close(fd);
    *ret_fd = fd;
    *ret_bytes = bytes;
    return rc;
}

static int send_to_processes(struct gm_session *session, const struct gm_region *region,
                             const struct gm_plan *plan, const struct gm_job_message *job,
                             struct gm_error *error)
{
    struct gm_job_message message = *job;
    int plan_fd;
    int rc = make_plan_fd(plan, &plan_fd, &message.plan_bytes);
    if (rc < 0)
        return gm_error_set(error, rc, "cannot pass the plan to the executors: %s",
                            gm_error_name(rc));
    for (uint32_t i = 0; i < session->executor_count && rc == 0; i++) {
        session->executors[i].finished = false;
        rc = gm_control_send_job(session->executors[i].socket, &message, region->fd, plan_fd);
        /* An executor that died meanwhile is found, and told of, by session_collect. */
        if (rc == -EPIPE || rc == -ECONNRESET)
            rc = 0;
        else if (rc < 0)
            gm_error_set(error, rc, "cannot reach executor %u: %s", i, gm_error_name(rc));
    }
    close(plan_fd);
    return rc;
}

/* ---- threads --------------------------------------------------------------------------------- */

struct thread_job {
    struct gm_session *session;
    struct gm_region region; /* a view of its own */
    const struct gm_plan *plan;
    struct gm_job_message job;
    uint16_t index;
};

static void *run_thread(void *opaque)
{
    struct thread_job *thread = opaque;
    struct gm_session *session = thread->session;
    struct gm_session_executor *executor = &session->executors[thread->index];
    cpu_set_t core;
    CPU_ZERO(&core);
    CPU_SET(executor->core, &core);
    pthread_setaffinity_np(pthread_self(), sizeof core, &core);
    gm_trampoline_run(&thread->region, thread->plan, &thread->job, thread->index, session->bells,
                      &session->cancel, executor->cache, &executor->thread_counts,
                      &executor->thread_error);
    gm_region_leave(&thread->region);
    free(thread);
    atomic_store_explicit(&executor->thread_done, true, memory_order_release);
    const uint64_t one = 1;
    if (write(session->bells[session->executor_count], &one, sizeof one) < 0)
        return NULL; /* only a full counter: the driver's bell is ringing anyway */
    return NULL;
}

static int send_to_threads(struct gm_session *session, const struct gm_region *region,
                           const struct gm_plan *plan, const struct gm_job_message *job,
                           struct gm_error *error)
{
    for (uint32_t i = 0; i < session->executor_count; i++) {
        struct gm_session_executor *executor = &session->executors[i];
        executor->finished = false;
        executor->thread_error.code = 0;
        atomic_store(&executor->thread_done, false);
        struct thread_job *thread = calloc(1, sizeof *thread);
        if (thread == NULL || gm_executor_counts_init(&executor->thread_counts, plan) < 0) {
            free(thread);
            return gm_error_set(error, -ENOMEM, "no memory for executor %u", i);
        }
        *thread = (struct thread_job){
            .session = session, .plan = plan, .job = *job, .index = (uint16_t)i};
        gm_region_share(region, &thread->region);
        int rc = -pthread_create(&executor->thread, NULL, run_thread, thread);
        if (rc < 0) {
            gm_executor_counts_fini(&executor->thread_counts);
            free(thread);
            return gm_error_set(error, rc, "cannot start executor %u: %s", i, gm_error_name(rc));
        }
        executor->has_thread = true;
    }
    return 0;
}

static int session_send(void *self, const struct gm_region *region, const struct gm_plan *plan,
                        const struct gm_job_message *job, struct gm_error *error)
{
    struct gm_session *session = self;
    /* A region begins with zeros, which are the first chain's first step. */
    for (uint32_t i = 0; i < session->executor_count; i++) {
        struct gm_ledger_entry *ledger = ledger_of(region, i);
        atomic_store_explicit(&ledger->chain, UINT32_MAX, memory_order_relaxed);
        atomic_store_explicit(&ledger->step, UINT32_MAX, memory_order_relaxed);
    }
    if (session->in_process)
        return send_to_threads(session, region, plan, job, error);
    return send_to_processes(session, region, plan, job, error);
}

/* ---- outcomes -------------------------------------------------------------------------------- */

static int collect_thread(struct gm_session_executor *executor, const struct gm_plan *plan,
                          struct gm_executor_counts *counts, struct gm_error *ret_outcome)
{
    if (!atomic_load_explicit(&executor->thread_done, memory_order_acquire))
        return GM_AGAIN;
    pthread_join(executor->thread, NULL);
    executor->has_thread = false;
    *ret_outcome = executor->thread_error;
    if (ret_outcome->code == 0)
        gm_executor_counts_merge(counts, &executor->thread_counts, plan);
    gm_executor_counts_fini(&executor->thread_counts);
    return 0;
}

/* Where a dead executor was: the words of its ledger, in the plan's names. */
static void describe_place(const struct gm_region *region, const struct gm_plan *plan,
                           uint32_t index, char *text, size_t text_bytes)
{
    struct gm_ledger_entry *ledger = ledger_of(region, index);
    const uint32_t c = atomic_load_explicit(&ledger->chain, memory_order_relaxed);
    const uint32_t s = atomic_load_explicit(&ledger->step, memory_order_relaxed);
    if (c >= plan->chain_count) {
        snprintf(text, text_bytes, "before its first step");
        return;
    }
    const struct gm_chain_plan *chain = &plan->chains[c];
    if (s == GM_STEP_SHOWN_SOURCE)
        snprintf(text, text_bytes, "while reading '%s'", chain->source.name);
    else if (s < chain->step_count)
        snprintf(text, text_bytes, "in step '%s' (%s)", chain->steps[s].name,
                 chain->steps[s].where);
    else
        snprintf(text, text_bytes, "while sending to exchange %u", chain->exchange);
}

/* Takes an exit status.  Returns 1; 0 when it is not there yet (with WNOHANG); -ECHILD when
 * somebody else has taken it, as a program that ignores SIGCHLD does. */
static int take_status(pid_t pid, int options, int *ret_status)
{
    pid_t got;
    do
        got = waitpid(pid, ret_status, options);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got > 0;
}

/* What became of an executor that closed its connection; it is gone then. */
static void end_dead(struct gm_session_executor *executor, char *text, size_t text_bytes)
{
    int status = 0;
    int rc = take_status(executor->pid, WNOHANG, &status);
    for (int i = 0; i < DEATH_LOOKS && rc == 0; i++) {
        poll(NULL, 0, DEATH_LOOK_MS);
        rc = take_status(executor->pid, WNOHANG, &status);
    }
    const bool lived = rc == 0;
    if (lived) {
        kill(executor->pid, SIGKILL);
        rc = take_status(executor->pid, 0, &status);
    }
    executor->pid = 0;
    if (lived)
        snprintf(text, text_bytes, "closed its connection to the driver and went on");
    else if (rc < 0)
        snprintf(text, text_bytes, "ended");
    else if (WIFSIGNALED(status))
        snprintf(text, text_bytes, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, text_bytes, "ended with exit status %d", WEXITSTATUS(status));
}

static int refuse_dead(struct gm_session *session, const struct gm_region *region,
                       const struct gm_plan *plan, uint32_t index, struct gm_error *error)
{
    struct gm_session_executor *executor = &session->executors[index];
    char place[256], cause[128];
    session->failed_executor = index;
    describe_place(region, plan, index, place, sizeof place);
    end_dead(executor, cause, sizeof cause);
    return gm_error_set(error, GM_EPEER_DIED,
                        "executor %u (core %u) %s %s; run with --in-process under a debugger to "
                        "see where",
                        index, executor->core, cause, place);
}

static int collect_one(struct gm_session *session, const struct gm_region *region,
                       const struct gm_plan *plan, uint32_t index,
                       struct gm_executor_counts *counts, struct gm_error *error)
{
    struct gm_session_executor *executor = &session->executors[index];
    struct gm_error outcome = {0};
    int rc = session->in_process
                 ? collect_thread(executor, plan, counts, &outcome)
                 : gm_control_receive_outcome(executor->socket, plan, &outcome, counts);
    /* A child that a step forked may hold the socket open: the process itself tells as well.  Its
     * last words may have come just before it went. */
    if (rc == GM_AGAIN && is_dead(executor)) {
        rc = gm_control_receive_outcome(executor->socket, plan, &outcome, counts);
        rc = rc == GM_AGAIN ? GM_END : rc;
    }
    if (rc == GM_AGAIN)
        return rc;
    if (rc == GM_END)
        return refuse_dead(session, region, plan, index, error);
    if (rc < 0)
        return gm_error_set(error, rc, "executor %u sent a message that makes no sense", index);
    executor->finished = true;
    session->failed_executor = outcome.code != 0 ? index : UINT32_MAX;
    if (outcome.code != 0)
        return gm_error_set(error, outcome.code, "%s (executor %u)", outcome.text, index);
    return 0;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Which executors are worth a look: the driver asks in every round of its loop, so one call asks
 * for all.  Now and then all are: the process itself may tell what its socket does not. */
static void find_ready(struct gm_session *session, bool *ret_ready)
{
    struct pollfd sockets[GM_EXECUTORS_MAX];
    const uint64_t now = session->in_process ? 0 : now_ns();
    const bool all = session->in_process || now - session->looked_ns >= DEATH_CHECK_NS;
    for (uint32_t i = 0; i < session->executor_count; i++) {
        const struct gm_session_executor *executor = &session->executors[i];
        ret_ready[i] = all;
        sockets[i] = (struct pollfd){.fd = executor->finished ? -1 : executor->socket,
                                     .events = POLLIN};
    }
    if (all) {
        session->looked_ns = now;
        return;
    }
    const bool any = poll(sockets, session->executor_count, 0) > 0;
    for (uint32_t i = 0; i < session->executor_count && any; i++)
        ret_ready[i] = sockets[i].revents != 0;
}

static int session_collect(void *self, const struct gm_region *region, const struct gm_plan *plan,
                           struct gm_executor_counts *counts, struct gm_error *error)
{
    struct gm_session *session = self;
    bool ready[GM_EXECUTORS_MAX];
    bool all = true;
    find_ready(session, ready);
    for (uint32_t i = 0; i < session->executor_count; i++) {
        if (session->executors[i].finished)
            continue;
        int rc = ready[i] ? collect_one(session, region, plan, i, counts, error) : GM_AGAIN;
        if (rc < 0)
            return rc;
        all = all && rc == 0;
    }
    return all ? 0 : GM_AGAIN;
}

static uint32_t session_descriptors(void *self, int *ret, uint32_t count)
{
    const struct gm_session *session = self;
    uint32_t used = 0;
    for (uint32_t i = 0; i < session->executor_count && used < count; i++)
        if (!session->in_process && !session->executors[i].finished)
            ret[used++] = session->executors[i].socket;
    return used;
}

static void session_report(void *self, const struct gm_region *region,
                           struct gm_job_report *report)
{
    const struct gm_session *session = self;
    for (uint32_t i = 0; i < session->executor_count; i++) {
        const struct gm_ledger_entry *ledger = ledger_of(region, i);
        report->executor_busy_ns[i] =
            atomic_load_explicit(&ledger->busy_ns, memory_order_relaxed);
        report->executor_peak_bytes[i] =
            atomic_load_explicit(&ledger->heap_peak_bytes, memory_order_relaxed);
        report->heap_peak_bytes += report->executor_peak_bytes[i];
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

/* What threads get, all together, to notice a cancelled job. */
static struct timespec thread_deadline(void)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_nsec += THREAD_PATIENCE_NS;
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_nsec -= 1000000000;
        deadline.tv_sec++;
    }
    return deadline;
}

bool gm_session_stop(struct gm_session *session)
{
    bool stopped = true;
    const struct timespec deadline = thread_deadline();
    atomic_store(&session->cancel, true);
    for (uint32_t i = 0; i < session->executor_count; i++) {
        struct gm_session_executor *executor = &session->executors[i];
        if (executor->pid > 0)
            kill(executor->pid, SIGKILL);
        if (executor->socket >= 0)
            close(executor->socket);
    }
    for (uint32_t i = 0; i < session->executor_count; i++) {
        struct gm_session_executor *executor = &session->executors[i];
        int status;
        if (executor->pid > 0)
            take_status(executor->pid, 0, &status);
        if (executor->has_thread) {
            if (pthread_timedjoin_np(executor->thread, NULL, &deadline) == 0)
                gm_executor_counts_fini(&executor->thread_counts);
            else
                stopped = false;
        }
        if (stopped) /* else a thread may still use it, and the program ends */
            gm_cache_destroy(executor->cache);
        executor->cache = NULL;
        executor->pid = 0;
        executor->socket = -1;
        executor->has_thread = false;
    }
    if (session->executor_count > 0)
        gm_eventfd_bell_close(session->executor_count + 1, session->bells);
    session->executor_count = 0;
    session->kept_count = 0;
    return stopped;
}

static bool session_stop(void *self)
{
    return gm_session_stop(self);
}

struct gm_crew gm_session_crew(struct gm_session *session)
{
    static const struct gm_crew_ops ops = {.send = session_send,
                                           .collect = session_collect,
                                           .descriptors = session_descriptors,
                                           .report = session_report,
                                           .stop = session_stop};
    return (struct gm_crew){.ops = &ops, .self = session, .bells = session->bells};
}
