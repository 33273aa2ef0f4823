/* guard.c - starts commands, waits for them, keeps their last words, and kills them in the end. */
#include "iouring/guard.h"

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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/check.h"

extern char **environ;

#define WORDS_MAX GM_PROCESS_WORDS_BYTES
/* A pipe that polls writable takes so much without blocking. */
#define PRINT_BYTES 4096
/* Looks for descendants until none is left; one that the kernel holds on to is left to init. */
#define KILL_ROUNDS 500
#define KILL_ROUND_MS 2
#define DESCRIPTORS_MAX 3
/* What a shell makes of a command that SIGPIPE ended. */
#define SHELL_SIGPIPE (128 + SIGPIPE)

struct chain {
    struct chain *next;
    uint32_t id;
    uint32_t code_count;
    uint32_t started;
    uint32_t running;
    bool answered;
    bool dying; /* released; gone when its group is empty */
    pid_t group;
    pid_t pids[GM_PROCESS_COMMANDS_MAX]; /* 0: has ended */
    int words_fd;                        /* the commands' stderr */
    struct gm_guard_answer answer;
    char words[2 * WORDS_MAX];
    uint32_t words_bytes;
};

struct guard {
    int socket;
    int signals;
    struct chain *chains;
    uint32_t chain_count;
    struct pollfd *watched; /* chain_count + 2 */
    uint32_t watched_room;
    struct rlimit limit; /* of descriptors: what commands get */
    struct rlimit own_limit;
};

void gm_guard_enlarge(int pipe_end)
{
    for (int bytes = GM_GUARD_PIPE_BYTES; bytes > 1 << 16; bytes /= 2)
        if (fcntl(pipe_end, F_SETPIPE_SZ, bytes) >= 0)
            return;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* False when the executor went while nobody took the words. */
static bool print_words(const struct guard *guard, const char *text, size_t bytes)
{
    while (bytes > 0) {
        struct pollfd ready[] = {{.fd = STDERR_FILENO, .events = POLLOUT}, {.fd = guard->socket}};
        if (poll(ready, 2, -1) < 0 && errno != EINTR)
            return true;
        if ((ready[1].revents & POLLHUP) != 0)
            return false;
        if (ready[0].revents == 0)
            continue;
        const ssize_t done = write(STDERR_FILENO, text, bytes < PRINT_BYTES ? bytes : PRINT_BYTES);
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return true; /* nobody listens */
        text += done > 0 ? done : 0;
        bytes -= done > 0 ? (size_t)done : 0;
    }
    return true;
}

/* Takes what is there; older lines than the last WORDS_MAX bytes go to stderr. */
static bool take_words(const struct guard *guard, struct chain *chain)
{
    while (chain->words_fd >= 0) {
        const ssize_t got = read(chain->words_fd, chain->words + chain->words_bytes,
                                 sizeof chain->words - chain->words_bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0) {
            close(chain->words_fd);
            chain->words_fd = -1;
            break;
        }
        chain->words_bytes += (uint32_t)got;
        if (chain->words_bytes <= WORDS_MAX)
            continue;
        const uint32_t over = chain->words_bytes - WORDS_MAX;
        const char *line = memchr(chain->words + over - 1, '\n', WORDS_MAX);
        const uint32_t old = line != NULL ? (uint32_t)(line + 1 - chain->words) : over;
        if (!print_words(guard, chain->words, old))
            return false;
        memmove(chain->words, chain->words + old, chain->words_bytes - old);
        chain->words_bytes -= old;
    }
    return true;
}

/* ---- the end of a chain ---------------------------------------------------------------------- */

static bool send_answer(const struct guard *guard, struct chain *chain, uint32_t kind,
                        uint32_t words_bytes)
{
    struct gm_guard_answer *head = &chain->answer;
    head->kind = kind;
    head->id = chain->id;
    head->group = chain->group;
    head->words_bytes = words_bytes;
    struct iovec parts[] = {{head, sizeof *head}, {chain->words, words_bytes}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;
    do
        sent = sendmsg(guard->socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

static bool answer(const struct guard *guard, struct chain *chain)
{
    if (!take_words(guard, chain))
        return false;
    const bool failed = chain->answer.failed < chain->code_count;
    if (!failed && !print_words(guard, chain->words, chain->words_bytes))
        return false;
    chain->answered = true;
    const bool sent =
        send_answer(guard, chain, GM_GUARD_ENDED, failed ? chain->words_bytes : 0);
    chain->words_bytes = 0;
    return sent;
}

static void note_end(struct chain *chain, uint32_t index, const siginfo_t *info)
{
    const bool exited = info->si_code == CLD_EXITED;
    const int status = exited ? info->si_status : -1;
    const int number = exited ? 0 : info->si_status;
    chain->pids[index] = 0;
    chain->running--;
    if (status == 0 || status == SHELL_SIGPIPE || number == SIGPIPE ||
        chain->answer.error != 0 || index >= chain->answer.failed)
        return;
    chain->answer.failed = index;
    chain->answer.status = status;
    chain->answer.signal = number;
}

/* The group's leader stays a zombie until the chain is released, so that its number, the group's,
 * is nobody else's meanwhile. */
static bool look_at_chain(const struct guard *guard, struct chain *chain)
{
    for (uint32_t i = 0; i < chain->started; i++) {
        siginfo_t info = {0};
        const int leader = chain->pids[i] == chain->group ? WNOWAIT : 0;
        if (chain->pids[i] != 0 &&
            waitid(P_PID, (id_t)chain->pids[i], &info, WEXITED | WNOHANG | leader) == 0 &&
            info.si_pid != 0)
            note_end(chain, i, &info);
    }
    return chain->running > 0 || chain->answered || answer(guard, chain);
}

/* True when nobody of its group is left. */
static bool is_gone(const struct chain *chain)
{
    pid_t got;
    if (chain->group == 0)
        return true;
    do
        got = waitpid(-chain->group, NULL, WNOHANG);
    while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0;
}

static bool look_at_all(struct guard *guard)
{
    struct chain **at = &guard->chains;
    while (*at != NULL) {
        struct chain *chain = *at;
        if (!chain->dying && !look_at_chain(guard, chain))
            return false;
        if (chain->dying && is_gone(chain)) {
            *at = chain->next;
            if (chain->words_fd >= 0)
                close(chain->words_fd);
            free(chain);
            guard->chain_count--;
            continue;
        }
        at = &chain->next;
    }
    return true;
}

static bool end_chain(struct guard *guard, uint32_t id)
{
    for (struct chain *chain = guard->chains; chain != NULL; chain = chain->next) {
        if (chain->id != id || chain->dying)
            continue;
        if (chain->group != 0)
            kill(-chain->group, SIGKILL);
        chain->dying = true;
        if (!print_words(guard, chain->words, chain->words_bytes))
            return false;
        chain->words_bytes = 0;
    }
    return look_at_all(guard);
}

/* ---- the beginning of one -------------------------------------------------------------------- */

static int spawn_one(const struct guard *guard, struct chain *chain, char *const *arguments,
                     int in, int out, int err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    pid_t pid = 0;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int rc = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, chain->group);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    if (rc == 0) {
        setrlimit(RLIMIT_NOFILE, &guard->limit);
        rc = posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, environ);
        setrlimit(RLIMIT_NOFILE, &guard->own_limit);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        return -rc;
    chain->group = chain->group != 0 ? chain->group : pid;
    chain->pids[chain->started++] = pid;
    chain->running++;
    return 0;
}

/* The words of `sh -c CODE gleam ARGUMENT...` for the commands; texts move along. */
static int spawn_all(const struct guard *guard, struct chain *chain,
                     const struct gm_guard_request *request, char *texts, char **arguments, int in,
                     int out, int err)
{
    static char shell[] = "sh", flag[] = "-c", name[] = "gleam";
    for (uint32_t i = 0; i < request->code_count; i++) {
        uint32_t count = 0;
        arguments[count++] = shell;
        arguments[count++] = flag;
        arguments[count++] = texts;
        arguments[count++] = name;
        texts += strlen(texts) + 1;
        const bool last = i + 1 == request->code_count;
        for (uint32_t a = 0; last && a < request->argument_count; a++) {
            arguments[count++] = texts;
            texts += strlen(texts) + 1;
        }
        arguments[count] = NULL;
        int ends[2] = {-1, out};
        int rc = !last && pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
        if (rc == 0 && !last)
            gm_guard_enlarge(ends[1]);
        if (rc == 0)
            rc = spawn_one(guard, chain, arguments, in, ends[1], err);
        if (i > 0)
            close(in);
        if (!last && ends[1] >= 0)
            close(ends[1]);
        in = ends[0];
        if (rc < 0) {
            if (!last && in >= 0)
                close(in);
            chain->answer.failed = i;
            chain->answer.status = -1;
            return rc;
        }
    }
    return 0;
}

static bool texts_fit(const struct gm_guard_request *request, const char *texts)
{
    uint64_t nuls = 0;
    for (uint64_t i = 0; i < request->text_bytes; i++)
        nuls += texts[i] == '\0';
    return request->code_count >= 1 && request->code_count <= GM_PROCESS_COMMANDS_MAX &&
           nuls == (uint64_t)request->code_count + request->argument_count &&
           request->text_bytes > 0 && texts[request->text_bytes - 1] == '\0';
}

static int start_commands(const struct guard *guard, struct chain *chain,
                          const struct gm_guard_request *request, const int *descriptors, int in)
{
    int words[2];
    char *texts = mmap(NULL, request->text_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE,
                       descriptors[0], 0);
    if (texts == MAP_FAILED)
        return -errno;
    char **arguments = calloc((size_t)request->argument_count + 5, sizeof *arguments);
    int rc = arguments == NULL ? -ENOMEM : texts_fit(request, texts) ? 0 : -EINVAL;
    if (rc == 0 && pipe2(words, O_CLOEXEC | O_NONBLOCK) < 0)
        rc = -errno;
    if (rc == 0) {
        /* The reading end alone is without blocking: the flag is of each end. */
        fcntl(words[1], F_SETFL, 0);
        chain->words_fd = words[0];
        rc = spawn_all(guard, chain, request, texts, arguments, in, descriptors[1], words[1]);
        close(words[1]);
    }
    free(arguments);
    munmap(texts, request->text_bytes);
    return rc;
}

static bool start_chain(struct guard *guard, const struct gm_guard_request *request,
                        const int *descriptors, uint32_t descriptor_count)
{
    struct chain *chain = calloc(1, sizeof *chain);
    GM_CHECK(chain != NULL);
    chain->id = request->id;
    chain->code_count = request->code_count;
    chain->words_fd = -1;
    chain->answer.failed = request->code_count;
    chain->next = guard->chains;
    guard->chains = chain;
    guard->chain_count++;
    int rc = descriptor_count < 2 ? -EINVAL : 0;
    const int in = descriptor_count > 2 ? descriptors[2] : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (rc == 0 && in < 0)
        rc = -errno;
    if (rc == 0)
        rc = start_commands(guard, chain, request, descriptors, in);
    if (in >= 0 && descriptor_count < 3)
        close(in);
    if (rc == 0)
        return send_answer(guard, chain, GM_GUARD_STARTED, 0);
    chain->answer.error = rc;
    if (chain->answer.failed == request->code_count)
        chain->answer.failed = 0;
    if (chain->group != 0)
        kill(-chain->group, SIGKILL);
    return chain->running > 0 || answer(guard, chain);
}

/* One request.  False: there is nobody left to serve. */
static bool serve(struct guard *guard)
{
    struct gm_guard_request request;
    union {
        char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {&request, sizeof request};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    const ssize_t got = recvmsg(guard->socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got != sizeof request)
        return false;
    int descriptors[DESCRIPTORS_MAX];
    uint32_t count = 0;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
        count = (uint32_t)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(descriptors, CMSG_DATA(head), count * sizeof(int));
    }
    bool goes_on = true;
    if (request.kind == GM_GUARD_START)
        goes_on = start_chain(guard, &request, descriptors, count);
    else
        goes_on = end_chain(guard, request.id);
    for (uint32_t i = 0; i < count; i++)
        close(descriptors[i]);
    return goes_on;
}

/* ---- the guard's own life -------------------------------------------------------------------- */

/* Kills every process whose parent this one is; theirs are its own then, and come next. */
static void kill_children(void)
{
    for (int round = 0; round < KILL_ROUNDS; round++) {
        char path[64];
        pid_t got;
        /* The kernel's list may be missing from its configuration: then the groups must do. */
        snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
        FILE *file = fopen(path, "re");
        int pid;
        while (file != NULL && fscanf(file, "%d", &pid) == 1)
            kill(pid, SIGKILL);
        if (file != NULL)
            fclose(file);
        do
            got = waitpid(-1, NULL, WNOHANG);
        while (got > 0);
        if (got < 0 && errno == ECHILD)
            return;
        poll(NULL, 0, KILL_ROUND_MS);
    }
}

static _Noreturn void leave(struct guard *guard)
{
    for (struct chain *chain = guard->chains; chain != NULL; chain = chain->next)
        if (chain->group != 0 && !(chain->dying && is_gone(chain)))
            kill(-chain->group, SIGKILL);
    kill_children();
    _exit(0);
}

static bool take_signals(struct guard *guard)
{
    struct signalfd_siginfo info;
    bool goes_on = true;
    while (read(guard->signals, &info, sizeof info) == sizeof info)
        goes_on = goes_on && info.ssi_signo == SIGCHLD;
    return goes_on;
}

static bool watch(struct guard *guard)
{
    if (guard->watched_room < guard->chain_count + 2) {
        guard->watched_room = 2 * (guard->chain_count + 2);
        guard->watched =
            realloc(guard->watched, guard->watched_room * sizeof *guard->watched);
        GM_CHECK(guard->watched != NULL);
    }
    guard->watched[0] = (struct pollfd){.fd = guard->socket, .events = POLLIN};
    guard->watched[1] = (struct pollfd){.fd = guard->signals, .events = POLLIN};
    uint32_t count = 2;
    for (const struct chain *chain = guard->chains; chain != NULL; chain = chain->next)
        guard->watched[count++] = (struct pollfd){.fd = chain->words_fd, .events = POLLIN};
    if (poll(guard->watched, count, -1) < 0)
        return errno == EINTR;
    uint32_t at = 2;
    for (struct chain *chain = guard->chains; chain != NULL; chain = chain->next, at++)
        if (guard->watched[at].revents != 0 && !take_words(guard, chain))
            return false;
    if (guard->watched[1].revents != 0 && (!take_signals(guard) || !look_at_all(guard)))
        return false;
    return guard->watched[0].revents == 0 || serve(guard);
}

static bool parse(const char *text, int *ret_socket, pid_t *ret_parent, cpu_set_t *ret_cores)
{
    int used = 0;
    if (sscanf(text, "%d:%d:%n", ret_socket, ret_parent, &used) < 2 || used == 0)
        return false;
    uint8_t *bytes = (uint8_t *)ret_cores;
    for (size_t i = 0; i < sizeof *ret_cores; i++) {
        unsigned byte;
        if (sscanf(text + used + 2 * i, "%2x", &byte) != 1)
            return false;
        bytes[i] = (uint8_t)byte;
    }
    return true;
}

void gm_guard(void)
{
    const char *text = getenv(GM_GUARD_VARIABLE);
    struct guard guard = {0};
    pid_t parent = 0;
    cpu_set_t cores;
    if (text == NULL)
        return;
    if (!parse(text, &guard.socket, &parent, &cores))
        _exit(2);
    unsetenv(GM_GUARD_VARIABLE);
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM); /* the parent's death, and what a person may send */
    sigprocmask(SIG_BLOCK, &watched, NULL);
    signal(SIGCHLD, SIG_DFL); /* a driver may ignore it, and ends would be lost */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "gleam-guard");
    if (getppid() != parent)
        _exit(0);
    if (guard.socket > 3)
        close_range(3, (unsigned)guard.socket - 1, 0);
    close_range((unsigned)guard.socket + 1, ~0U, 0);
    fcntl(guard.socket, F_SETFD, FD_CLOEXEC);
    sched_setaffinity(0, sizeof cores, &cores);
    GM_CHECK(getrlimit(RLIMIT_NOFILE, &guard.limit) == 0);
    guard.own_limit = guard.limit;
    guard.own_limit.rlim_cur = guard.limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &guard.own_limit);
    guard.signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    GM_CHECK(guard.signals >= 0);
    while (watch(&guard))
        continue;
    leave(&guard);
}
