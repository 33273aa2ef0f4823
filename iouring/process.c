/* process.c - the executor's side of the process port. */
#include "iouring/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "iouring/guard.h"

extern char **environ;

#define EVENTS_PER_LOOK 64
/* Bytes of an answer: the head and the longest words. */
#define ANSWER_BYTES_MAX (sizeof(struct gm_guard_answer) + GM_PROCESS_WORDS_BYTES)
/* How long a full request socket waits for the guard at once, while answers are taken. */
#define REQUEST_POLL_MS 100

struct gm_process {
    struct gm_process *next;
    uint32_t id;
    int in;  /* we write; -1: closed */
    int out; /* we read; -1: ended */
    pid_t group; /* 0 until the guard has told it */
    bool ended;
    struct gm_process_end end;
};

struct gm_process_host {
    struct gm_heap *heap;
    cpu_set_t cores;
    int epoll;
    int socket; /* to the guard; -1: there is none */
    pid_t guard;
    bool dead; /* the guard went before its time */
    uint32_t next_id;
    uint32_t count;
    struct gm_process *processes;
    struct gm_process_counts counts;
};

/* ---- the guard ------------------------------------------------------------------------------- */

/* environ with the guard's variable in front; the caller frees the table. */
static char **make_environment(char *variable)
{
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **table = calloc(count + 2, sizeof *table);
    if (table == NULL)
        return NULL;
    table[0] = variable;
    memcpy(table + 1, environ, count * sizeof *table);
    return table;
}

static int spawn_guard(struct gm_process_host *host, int socket)
{
    char variable[64 + 2 * sizeof(cpu_set_t)];
    int length = snprintf(variable, sizeof variable, "%s=%d:%d:", GM_GUARD_VARIABLE, socket,
                          getpid());
    const uint8_t *bytes = (const uint8_t *)&host->cores;
    for (size_t i = 0; i < sizeof host->cores; i++)
        length += snprintf(variable + length, sizeof variable - (size_t)length, "%02x", bytes[i]);
    char **environment = make_environment(variable);
    if (environment == NULL)
        return -ENOMEM;
    static char title[] = "gleam-guard";
    char *arguments[] = {title, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    /* A session of its own: Ctrl-C on the terminal is the driver's to decide about. */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &none);
    int rc = posix_spawn_file_actions_adddup2(&actions, socket, socket);
    if (rc == 0)
        rc = posix_spawn(&host->guard, "/proc/self/exe", &actions, &attributes, arguments,
                         environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return -rc;
}

static int watch(struct gm_process_host *host, int descriptor, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.fd = descriptor};
    return epoll_ctl(host->epoll, EPOLL_CTL_ADD, descriptor, &event) < 0 ? -errno : 0;
}

static int start_guard(struct gm_process_host *host)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    int rc = spawn_guard(host, ends[1]);
    close(ends[1]);
    if (rc == 0)
        rc = watch(host, ends[0], EPOLLIN);
    if (rc < 0)
        close(ends[0]);
    else
        host->socket = ends[0];
    return rc;
}

/* Waits for the end of the guard, which follows the socket's. */
static void stop_guard(struct gm_process_host *host)
{
    if (host->socket >= 0)
        close(host->socket);
    host->socket = -1;
    if (host->guard <= 0)
        return;
    while (waitpid(host->guard, NULL, 0) < 0 && errno == EINTR)
        continue;
    host->guard = 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void take_answer(struct gm_process_host *host, const char *bytes, size_t count)
{
    struct gm_guard_answer answer;
    memcpy(&answer, bytes, sizeof answer);
    for (struct gm_process *process = host->processes; process != NULL; process = process->next) {
        if (process->id != answer.id)
            continue;
        process->group = answer.group;
        if (answer.kind == GM_GUARD_STARTED)
            return;
        process->ended = true;
        process->end = (struct gm_process_end){.failed = answer.failed,
                                               .status = answer.status,
                                               .signal = answer.signal,
                                               .error = answer.error};
        const size_t words = count - sizeof answer;
        memcpy(process->end.words, bytes + sizeof answer, words);
        process->end.words[words] = '\0';
        return;
    }
}

/* Somebody killed the guard: what it would have ended is ended from here. */
static int bury_guard(struct gm_process_host *host)
{
    for (struct gm_process *process = host->processes; process != NULL; process = process->next)
        if (process->group != 0 && !process->ended)
            kill(-process->group, SIGKILL);
    host->dead = true;
    return GM_EPEER_DIED;
}

/* Takes every answer that is there.  Returns 0, or GM_EPEER_DIED. */
static int take_answers(struct gm_process_host *host)
{
    char bytes[ANSWER_BYTES_MAX];
    while (!host->dead) {
        const ssize_t got = recv(host->socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return 0;
        if (got < (ssize_t)sizeof(struct gm_guard_answer))
            return bury_guard(host);
        take_answer(host, bytes, (size_t)got);
    }
    return GM_EPEER_DIED;
}

/* Sends a request.  Several hundred may wait in the socket; then this one waits for the guard. */
static int request(struct gm_process_host *host, const struct gm_guard_request *head,
                   const int *descriptors, uint32_t count)
{
    struct iovec part = {(void *)(uintptr_t)head, sizeof *head};
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(rights), descriptors, count * sizeof(int));
    }
    for (;;) {
        if (sendmsg(host->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno == EPIPE || errno == ECONNRESET)
            return bury_guard(host);
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        /* The guard may wait for us to take an answer. */
        int rc = take_answers(host);
        if (rc < 0)
            return rc;
        struct pollfd ready = {.fd = host->socket, .events = POLLIN | POLLOUT};
        (void)poll(&ready, 1, REQUEST_POLL_MS);
    }
}

/* ---- the port -------------------------------------------------------------------------------- */

/* Codes and arguments, each with its NUL, in a memfd: there is no limit on them but the kernel's
 * for the arguments of a program. */
static int make_text(const struct gm_process_spec *spec, struct gm_heap *heap, int *ret_fd,
                     uint64_t *ret_bytes)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < spec->code_count; i++)
        bytes += strlen(spec->codes[i]) + 1;
    for (uint32_t i = 0; i < spec->argument_count; i++)
        bytes += spec->arguments[i].bytes + 1;
    char *text = gm_heap_alloc(heap, bytes);
    if (text == NULL)
        return GM_ETASK_MEMORY;
    char *at = text;
    for (uint32_t i = 0; i < spec->code_count; i++)
        at = stpcpy(at, spec->codes[i]) + 1;
    for (uint32_t i = 0; i < spec->argument_count; i++) {
        if (spec->arguments[i].bytes > 0)
            memcpy(at, spec->arguments[i].data, spec->arguments[i].bytes);
        at += spec->arguments[i].bytes;
        *at++ = '\0';
    }
    const int fd = memfd_create("gleam-command", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : 0;
    for (size_t done = 0; rc == 0 && done < bytes;) {
        const ssize_t written = write(fd, text + done, bytes - done);
        if (written < 0 && errno != EINTR)
            rc = -errno;
        done += written > 0 ? (size_t)written : 0;
    }
    gm_heap_free(heap, text, bytes);
    if (rc < 0 && fd >= 0)
        close(fd);
    *ret_fd = fd;
    *ret_bytes = bytes;
    return rc;
}

/* As many descriptors as this user may have; a guard starts with the limit that was, and gives that
 * to the commands. */
static int open_pipe(int ends[2])
{
    struct rlimit limit;
    if (pipe2(ends, O_CLOEXEC) == 0)
        return 0;
    if (errno != EMFILE || getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
        limit.rlim_cur == limit.rlim_max)
        return -errno;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    return 0;
}

/* A pipe whose end `ours` is without blocking and in the epoll set. */
static int make_pipe(struct gm_process_host *host, int ours, int ends[2])
{
    int rc = open_pipe(ends);
    if (rc < 0)
        return rc;
    gm_guard_enlarge(ends[1]);
    rc = fcntl(ends[ours], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
    if (rc == 0)
        rc = watch(host, ends[ours], ours == 0 ? EPOLLIN : EPOLLOUT);
    if (rc < 0) {
        close(ends[0]);
        close(ends[1]);
    }
    return rc;
}

static int start(struct gm_process_host *host, const struct gm_process_spec *spec,
                 struct gm_process *process)
{
    int text, in[2] = {-1, -1}, out[2];
    struct gm_guard_request head = {.kind = GM_GUARD_START,
                                    .id = process->id,
                                    .code_count = spec->code_count,
                                    .argument_count = spec->argument_count};
    int rc = make_text(spec, host->heap, &text, &head.text_bytes);
    if (rc < 0)
        return rc;
    rc = make_pipe(host, 0, out);
    if (rc < 0)
        goto close_text;
    rc = spec->no_input ? 0 : make_pipe(host, 1, in);
    if (rc < 0)
        goto close_out;
    const int descriptors[] = {text, out[1], in[0]};
    rc = request(host, &head, descriptors, spec->no_input ? 2 : 3);
    if (in[0] >= 0)
        close(in[0]);
    if (rc == 0) {
        process->in = in[1];
        process->out = out[0];
    } else if (in[1] >= 0) {
        close(in[1]);
    }
close_out:
    close(out[1]);
    if (rc < 0)
        close(out[0]);
close_text:
    close(text);
    return rc;
}

static int host_spawn(void *self, const struct gm_process_spec *spec,
                      struct gm_process **ret_process)
{
    struct gm_process_host *host = self;
    GM_CHECK(spec->code_count >= 1 && spec->code_count <= GM_PROCESS_COMMANDS_MAX);
    struct gm_process *process = gm_heap_alloc(host->heap, sizeof *process);
    if (process == NULL)
        return GM_ETASK_MEMORY;
    process->id = host->next_id++;
    process->in = -1;
    process->out = -1;
    process->group = 0;
    process->ended = false;
    int rc = start(host, spec, process);
    if (rc < 0) {
        gm_heap_free(host->heap, process, sizeof *process);
        return rc;
    }
    process->next = host->processes;
    host->processes = process;
    host->count++;
    host->counts.commands_count += spec->code_count;
    *ret_process = process;
    return 0;
}

static void host_close_input(void *self, struct gm_process *process)
{
    (void)self;
    if (process->in >= 0)
        close(process->in); /* which takes it out of the epoll set */
    process->in = -1;
}

static int host_write(void *self, struct gm_process *process, const void *data, size_t bytes,
                      size_t *ret_bytes)
{
    struct gm_process_host *host = self;
    ssize_t done;
    if (process->in < 0)
        return -EPIPE;
    do
        done = write(process->in, data, bytes);
    while (done < 0 && errno == EINTR);
    if (done > 0) {
        host->counts.written_bytes += (uint64_t)done;
        *ret_bytes = (size_t)done;
        return 0;
    }
    if (done == 0 || errno == EAGAIN)
        return GM_AGAIN;
    const int rc = -errno;
    if (rc == -EPIPE)
        host_close_input(self, process);
    return rc;
}

static int host_read(void *self, struct gm_process *process, void *buffer, size_t bytes,
                     size_t *ret_bytes)
{
    struct gm_process_host *host = self;
    ssize_t done;
    if (process->out < 0)
        return GM_END;
    do
        done = read(process->out, buffer, bytes);
    while (done < 0 && errno == EINTR);
    if (done > 0) {
        host->counts.read_bytes += (uint64_t)done;
        *ret_bytes = (size_t)done;
        return 0;
    }
    if (done < 0 && errno == EAGAIN)
        return host->dead ? GM_EPEER_DIED : GM_AGAIN;
    if (done < 0)
        return -errno;
    close(process->out);
    process->out = -1;
    return GM_END;
}

static int host_wait(void *self, struct gm_process *process, const struct gm_process_end **ret_end)
{
    struct gm_process_host *host = self;
    if (!process->ended) {
        const int rc = take_answers(host);
        if (rc < 0 && !process->ended)
            return rc;
    }
    if (!process->ended)
        return GM_AGAIN;
    *ret_end = &process->end;
    return 0;
}

static void host_release(void *self, struct gm_process *process)
{
    struct gm_process_host *host = self;
    struct gm_process **at = &host->processes;
    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    host->count--;
    host_close_input(host, process);
    if (process->out >= 0)
        close(process->out);
    const struct gm_guard_request head = {.kind = GM_GUARD_END, .id = process->id};
    /* A guard that is gone has nothing left to end. */
    (void)request(host, &head, NULL, 0);
    gm_heap_free(host->heap, process, sizeof *process);
}

static uint32_t host_count(void *self)
{
    const struct gm_process_host *host = self;
    return host->count;
}

static void host_counts(void *self, struct gm_process_counts *ret_counts)
{
    const struct gm_process_host *host = self;
    *ret_counts = host->counts;
}

static void host_arm(void *self)
{
    struct gm_process_host *host = self;
    struct epoll_event events[EVENTS_PER_LOOK];
    int count;
    do {
        count = epoll_wait(host->epoll, events, EVENTS_PER_LOOK, 0);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == host->socket)
                (void)take_answers(host); /* a death is remembered */
    } while (count == EVENTS_PER_LOOK);
}

static int host_descriptor(void *self)
{
    const struct gm_process_host *host = self;
    return host->epoll;
}

static const struct gm_process_ops host_ops = {
    .name = "guard",
    .spawn = host_spawn,
    .write = host_write,
    .close_input = host_close_input,
    .read = host_read,
    .wait = host_wait,
    .release = host_release,
    .count = host_count,
    .counts = host_counts,
    .arm = host_arm,
    .descriptor = host_descriptor,
};

int gm_process_host_create(struct gm_heap *heap, const cpu_set_t *cores,
                           struct gm_process_host **ret_host)
{
    struct gm_process_host *host = gm_heap_zalloc(heap, sizeof *host);
    if (host == NULL)
        return GM_ETASK_MEMORY;
    host->heap = heap;
    host->cores = *cores;
    host->socket = -1;
    host->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (host->epoll < 0) {
        const int rc = -errno;
        gm_heap_free(heap, host, sizeof *host);
        return rc;
    }
    /* Now: its start takes a few ms, in which the executor opens its chains. */
    const int rc = start_guard(host);
    if (rc < 0) {
        gm_process_host_destroy(host);
        return rc;
    }
    *ret_host = host;
    return 0;
}

void gm_process_host_kill(struct gm_process_host *host)
{
    stop_guard(host);
    host->dead = true;
}

void gm_process_host_destroy(struct gm_process_host *host)
{
    if (host == NULL)
        return;
    GM_CHECK(host->count == 0);
    stop_guard(host);
    close(host->epoll);
    gm_heap_free(host->heap, host, sizeof *host);
}

struct gm_processes gm_process_host_port(struct gm_process_host *host)
{
    return (struct gm_processes){.ops = &host_ops, .self = host};
}

int gm_process_host_guard(const struct gm_process_host *host)
{
    return host->guard;
}
