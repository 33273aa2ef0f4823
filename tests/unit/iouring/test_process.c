/* test_process.c
 * Goal:   commands get what is written and give what they write, without a wait inside the port;
 *         how they end is told; nobody is left when a process is released, the host destroyed, or
 *         the guard's owner killed.
 * Method: real shells and a real guard (this program once more); sleeps are polls on the port's
 *         own descriptor.  Covers guard.c.
 */
#include "iouring/process.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/error.h"
#include "iouring/guard.h"

#define PATIENCE_MS 20000

extern char **environ;

struct host {
    struct gm_heap heap;
    struct gm_process_host *host;
    struct gm_processes port;
};

static void host_open(struct host *host)
{
    cpu_set_t cores;
    assert_int_equal(sched_getaffinity(0, sizeof cores, &cores), 0);
    assert_int_equal(gm_heap_init(&host->heap, UINT64_MAX), 0);
    assert_int_equal(gm_process_host_create(&host->heap, &cores, &host->host), 0);
    host->port = gm_process_host_port(host->host);
}

static void host_close(struct host *host)
{
    gm_process_host_destroy(host->host);
    assert_int_equal(host->heap.used_bytes, 0);
    gm_heap_fini(&host->heap);
}

static struct gm_process *run(struct host *host, const char *code)
{
    struct gm_process *process;
    const struct gm_process_spec spec = {.codes = &code, .code_count = 1};
    assert_int_equal(host->port.ops->spawn(host->port.self, &spec, &process), 0);
    return process;
}

/* Sleeps as an executor does. */
static void rest(struct host *host)
{
    struct pollfd ready = {.fd = host->port.ops->descriptor(host->port.self), .events = POLLIN};
    if (poll(&ready, 1, PATIENCE_MS) == 0)
        fail_msg("nothing happened for 20 s");
}

/* Writes `in`, reads everything, waits; whatever can be done is tried before each sleep. */
static const struct gm_process_end *talk(struct host *host, struct gm_process *process,
                                         const char *in, size_t in_bytes, char *out,
                                         size_t out_room, size_t *ret_bytes)
{
    const struct gm_process_ops *ops = host->port.ops;
    const struct gm_process_end *end = NULL;
    size_t sent = 0, got = 0;
    bool over = false;
    for (;;) {
        bool moved = false;
        size_t bytes = 0;
        ops->arm(host->port.self);
        if (sent < in_bytes) {
            const int rc = ops->write(host->port.self, process, in + sent, in_bytes - sent, &bytes);
            assert_true(rc == 0 || rc == GM_AGAIN || rc == -EPIPE);
            sent = rc == -EPIPE ? in_bytes : rc == 0 ? sent + bytes : sent;
            moved = rc != GM_AGAIN;
        }
        if (sent == in_bytes)
            ops->close_input(host->port.self, process);
        if (!over) {
            const int rc = ops->read(host->port.self, process, out + got, out_room - got, &bytes);
            assert_true(rc == 0 || rc == GM_AGAIN || rc == GM_END);
            got += rc == 0 ? bytes : 0;
            over = rc == GM_END;
            moved = moved || rc != GM_AGAIN;
        }
        if (over && ops->wait(host->port.self, process, &end) == 0)
            break;
        if (!moved)
            rest(host);
    }
    if (ret_bytes != NULL)
        *ret_bytes = got;
    return end;
}

static void release(struct host *host, struct gm_process *process)
{
    host->port.ops->release(host->port.self, process);
}

static void megabytes_go_there_and_back(void **state)
{
    (void)state;
    struct host host;
    const size_t bytes = 5u << 20;
    char *in = malloc(bytes), *out = malloc(bytes + 1);
    assert_true(in != NULL && out != NULL);
    for (size_t i = 0; i < bytes; i++)
        in[i] = (char)(i * 7 + i / 4096);
    host_open(&host);
    size_t got;
    struct gm_process *process = run(&host, "cat");
    const struct gm_process_end *end = talk(&host, process, in, bytes, out, bytes + 1, &got);
    assert_int_equal(end->failed, 1);
    assert_int_equal(got, bytes);
    assert_memory_equal(in, out, bytes);
    release(&host, process);
    host_close(&host);
    free(in);
    free(out);
}

static void chain_is_connected(void **state)
{
    (void)state;
    static const char *const codes[] = {"tr a-z A-Z", "sort -r", "head -2"};
    struct host host;
    char out[100];
    size_t got;
    struct gm_process *process;
    host_open(&host);
    const struct gm_process_spec spec = {.codes = codes, .code_count = 3};
    assert_int_equal(host.port.ops->spawn(host.port.self, &spec, &process), 0);
    assert_int_equal(host.port.ops->count(host.port.self), 1);
    const struct gm_process_end *end = talk(&host, process, "b\na\nc\n", 6, out, 100, &got);
    assert_int_equal(end->failed, 3);
    assert_int_equal(got, 4);
    assert_memory_equal(out, "C\nB\n", 4);
    release(&host, process);
    assert_int_equal(host.port.ops->count(host.port.self), 0);
    host_close(&host);
}

static void arguments_are_not_code(void **state)
{
    (void)state;
    static const char *const code = "printf '%s|' \"$0\" \"$1\" \"$2\" \"${10}\" $#";
    struct host host;
    char out[200];
    size_t got;
    struct gm_process_argument arguments[10];
    struct gm_process *process;
    for (int i = 0; i < 10; i++)
        arguments[i] = (struct gm_process_argument){"", 0};
    arguments[0] = (struct gm_process_argument){"$(exit 9); `ls`", 15};
    arguments[9] = (struct gm_process_argument){"ten", 3};
    host_open(&host);
    const struct gm_process_spec spec = {.codes = &code,
                                         .code_count = 1,
                                         .arguments = arguments,
                                         .argument_count = 10,
                                         .no_input = true};
    assert_int_equal(host.port.ops->spawn(host.port.self, &spec, &process), 0);
    const struct gm_process_end *end = talk(&host, process, NULL, 0, out, 200, &got);
    assert_int_equal(end->failed, 1);
    assert_int_equal(got, strlen("gleam|$(exit 9); `ls`||ten|10|"));
    assert_memory_equal(out, "gleam|$(exit 9); `ls`||ten|10|", got);
    release(&host, process);
    host_close(&host);
}

static void ends_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        uint32_t failed;
        int status, signal;
        const char *words;
    } ends[] = {
        {"exit 3", 0, 3, 0, ""},
        {"kill -9 $$", 0, -1, SIGKILL, ""},
        {"echo one >&2; echo two >&2; exit 5", 0, 5, 0, "one\ntwo\n"},
        {"true", 1, 0, 0, ""},
        {"kill -13 $$", 1, 0, 0, ""},
        {"exit 141", 1, 0, 0, ""},
        {"no_such_command_at_all 2>/dev/null", 0, 127, 0, ""},
    };
    struct host host;
    char out[100];
    host_open(&host);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct gm_process *process = run(&host, ends[i].code);
        const struct gm_process_end *end = talk(&host, process, NULL, 0, out, 100, NULL);
        assert_int_equal(end->failed, ends[i].failed);
        assert_string_equal(end->words, ends[i].words);
        if (end->failed == 0) {
            assert_int_equal(end->status, ends[i].status);
            assert_int_equal(end->signal, ends[i].signal);
        }
        release(&host, process);
    }
    host_close(&host);
}

/* The first of a chain that failed is named, not those that only lost their reader. */
static void first_failure_of_a_chain_is_told(void **state)
{
    (void)state;
    static const char *const codes[] = {"yes", "head -1; exit 7", "cat; exit 8"};
    struct host host;
    char out[100];
    struct gm_process *process;
    host_open(&host);
    const struct gm_process_spec spec = {.codes = codes, .code_count = 3};
    assert_int_equal(host.port.ops->spawn(host.port.self, &spec, &process), 0);
    const struct gm_process_end *end = talk(&host, process, NULL, 0, out, 100, NULL);
    assert_int_equal(end->failed, 1);
    assert_int_equal(end->status, 7);
    release(&host, process);
    host_close(&host);
}

/* Only the last words are kept, and their beginning is a line's. */
static void last_words_are_bounded(void **state)
{
    (void)state;
    struct host host;
    char out[100];
    struct gm_process *process;
    /* What is older goes to the program's own stderr, which is put aside meanwhile. */
    int pipes[2];
    const int before = dup(STDERR_FILENO);
    assert_int_equal(pipe(pipes), 0);
    dup2(pipes[1], STDERR_FILENO);
    host_open(&host);
    process = run(&host, "i=0; while [ $i -lt 100 ]; do echo line number $i >&2; i=$((i + 1)); "
                         "done; exit 2");
    const struct gm_process_end *end = talk(&host, process, NULL, 0, out, 100, NULL);
    dup2(before, STDERR_FILENO);
    close(before);
    close(pipes[1]);
    assert_true(strlen(end->words) <= GM_PROCESS_WORDS_BYTES);
    assert_true(strlen(end->words) > GM_PROCESS_WORDS_BYTES / 2);
    assert_memory_equal(end->words, "line number ", 12);
    assert_non_null(strstr(end->words, "line number 99\n"));
    char passed[4096];
    const ssize_t got = read(pipes[0], passed, sizeof passed - 1);
    assert_true(got > 0);
    passed[got] = '\0';
    assert_memory_equal(passed, "line number 0\n", 14);
    assert_int_equal((size_t)got + strlen(end->words), 10 * 14 + 90 * 15);
    close(pipes[0]);
    release(&host, process);
    host_close(&host);
}

static void commands_inherit_nothing(void **state)
{
    (void)state;
    struct host host;
    char out[2000];
    size_t got;
    int leaky[2];
    assert_int_equal(pipe(leaky), 0); /* without close-on-exec */
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    host_open(&host);
    struct gm_process *process = run(&host, "ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' "
                                            "/proc/self/status");
    talk(&host, process, NULL, 0, out, sizeof out - 1, &got);
    out[got] = '\0';
    assert_memory_equal(out, "0\n1\n2\n3\n", 8); /* 3: of ls itself */
    assert_non_null(strstr(out, "SigBlk:\t0000000000000000"));
    /* The C library's posix_spawn ignores the two signals of its own, 32 and 33. */
    const char *ignored = strstr(out, "SigIgn:\t");
    assert_non_null(ignored);
    assert_int_equal(strtoull(ignored + 8, NULL, 16) & ~UINT64_C(0x180000000), 0);
    release(&host, process);
    host_close(&host);
    close(leaky[0]);
    close(leaky[1]);
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
}

/* ---- nobody stays ---------------------------------------------------------------------------- */

static bool is_gone(pid_t pid)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true;
    const bool read = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    return !read || strstr(text, ") Z") != NULL || strstr(text, ") X") != NULL;
}

static void expect_gone(pid_t pid)
{
    for (int i = 0; i < 1000 && !is_gone(pid); i++)
        poll(NULL, 0, 5);
    assert_true(is_gone(pid));
}

/* Starts `code`, which says a process number, and reads it. */
static pid_t pid_of(struct host *host, struct gm_process *process)
{
    char out[32] = "";
    size_t got = 0, bytes;
    while (strchr(out, '\n') == NULL) {
        host->port.ops->arm(host->port.self);
        const int rc = host->port.ops->read(host->port.self, process, out + got,
                                            sizeof out - 1 - got, &bytes);
        got += rc == 0 ? bytes : 0;
        if (rc == GM_AGAIN)
            rest(host);
    }
    return (pid_t)atoi(out);
}

static const char *const stayers[] = {
    "sleep 1000 & echo $!; wait",
    "(trap '' TERM HUP INT; sleep 1000) & echo $!; wait",
    "setsid sh -c 'echo $$; exec sleep 1000' & wait", /* leaves the process group */
};

static void release_and_destroy_end_what_runs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stayers / sizeof *stayers; i++) {
        struct host host;
        host_open(&host);
        struct gm_process *process = run(&host, stayers[i]);
        const pid_t pid = pid_of(&host, process);
        assert_false(is_gone(pid));
        release(&host, process);
        if (i < 2)
            expect_gone(pid);
        host_close(&host);
        assert_true(is_gone(pid));
    }
}

/* Runs this program as an owner of a guard that is killed. */
static void owner(const char *code)
{
    struct host host;
    host_open(&host);
    struct gm_process *process = run(&host, code);
    printf("%d %d\n", pid_of(&host, process), gm_process_host_guard(host.host));
    fflush(stdout);
    for (;;)
        pause();
}

static void killed_owner_leaves_nobody(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stayers / sizeof *stayers; i++) {
        int ends[2], command, guard;
        pid_t pid;
        char text[64] = "", index[2] = {(char)('0' + i), '\0'};
        char self[] = "owner";
        char *arguments[] = {self, index, NULL};
        posix_spawn_file_actions_t actions;
        assert_int_equal(pipe(ends), 0);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environ),
                         0);
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        assert_true(read(ends[0], text, sizeof text - 1) > 0);
        close(ends[0]);
        assert_int_equal(sscanf(text, "%d %d", &command, &guard), 2);
        assert_false(is_gone(command));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        expect_gone(command);
        expect_gone(guard);
    }
}

static void killed_guard_is_an_error(void **state)
{
    (void)state;
    struct host host;
    host_open(&host);
    struct gm_process *process = run(&host, "echo $$; exec cat");
    const struct gm_process_end *end;
    const pid_t pid = pid_of(&host, process);
    /* The guard serves one request after the other: then it has told the first group. */
    struct gm_process *second = run(&host, "true");
    char out[1];
    talk(&host, second, NULL, 0, out, sizeof out, NULL);
    release(&host, second);
    kill(gm_process_host_guard(host.host), SIGKILL);
    int rc;
    while ((rc = host.port.ops->wait(host.port.self, process, &end)) == GM_AGAIN) {
        host.port.ops->arm(host.port.self);
        poll(NULL, 0, 1);
    }
    assert_int_equal(rc, GM_EPEER_DIED);
    char byte;
    size_t bytes;
    rc = host.port.ops->read(host.port.self, process, &byte, 1, &bytes);
    assert_true(rc == GM_EPEER_DIED || rc == GM_END);
    expect_gone(pid);
    const char *code = "true";
    struct gm_process *more;
    const struct gm_process_spec spec = {.codes = &code, .code_count = 1};
    assert_int_equal(host.port.ops->spawn(host.port.self, &spec, &more), GM_EPEER_DIED);
    release(&host, process);
    host_close(&host);
}

static void many_at_a_time(void **state)
{
    (void)state;
    struct host host;
    struct gm_process *processes[60];
    host_open(&host);
    for (int i = 0; i < 60; i++)
        processes[i] = run(&host, "cat; echo end");
    for (int i = 0; i < 60; i++) {
        char out[32];
        size_t got;
        assert_int_equal(talk(&host, processes[i], "x\n", 2, out, 32, &got)->failed, 1);
        assert_int_equal(got, 6);
    }
    for (int i = 0; i < 60; i++)
        release(&host, processes[i]);
    host_close(&host);
}

static void too_little_memory_is_told(void **state)
{
    (void)state;
    struct host host;
    cpu_set_t cores;
    CPU_ZERO(&cores);
    assert_int_equal(gm_heap_init(&host.heap, 64), 0);
    assert_int_equal(gm_process_host_create(&host.heap, &cores, &host.host), GM_ETASK_MEMORY);
    gm_process_host_destroy(NULL);
    gm_heap_fini(&host.heap);
}

int main(int argc, char **argv)
{
    gm_guard();
    if (argc == 2 && strcmp(argv[0], "owner") == 0)
        owner(stayers[argv[1][0] - '0']);
    signal(SIGPIPE, SIG_IGN); /* as gleam_init does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(megabytes_go_there_and_back),
        cmocka_unit_test(chain_is_connected),
        cmocka_unit_test(arguments_are_not_code),
        cmocka_unit_test(ends_are_told),
        cmocka_unit_test(first_failure_of_a_chain_is_told),
        cmocka_unit_test(last_words_are_bounded),
        cmocka_unit_test(commands_inherit_nothing),
        cmocka_unit_test(release_and_destroy_end_what_runs),
        cmocka_unit_test(killed_owner_leaves_nobody),
        cmocka_unit_test(killed_guard_is_an_error),
        cmocka_unit_test(many_at_a_time),
        cmocka_unit_test(too_little_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
