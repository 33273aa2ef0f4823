/* command_output.c - writes, and hands on what the command prints whenever it has to wait. */
#include "agent/command_output.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/op/commands.h"
#include "engine/sink/format.h"
#include "iouring/process.h"

/* What is read of its output at once. */
#define PRINTED_BYTES (64u << 10)
/* How long it waits before it looks at *stop again; a signal ends the wait at once. */
#define WAIT_MS 100
/* Of the command in a message. */
#define SHOWN_BYTES 80

struct gm_command_output {
    const struct gm_output *output;
    struct gm_heap *heap;
    struct gm_error *error;
    struct gm_process_host *host;
    struct gm_processes port;
    struct gm_process *process;
    char *printed;
    bool unheard; /* nobody takes what it prints */
    bool finished;
};

static int refuse(const struct gm_command_output *command, int rc, const char *what)
{
    return gm_error_set(command->error, GM_EJOB_OUTPUT, "%s: cannot write to the command '%.*s': "
                        "%s: %s", command->output->where, SHOWN_BYTES, command->output->path, what,
                        gm_error_name(rc));
}

static int start(struct gm_command_output *command)
{
    cpu_set_t cores;
    const char *code = command->output->path;
    const struct gm_process_spec spec = {.codes = &code, .code_count = 1};
    if (sched_getaffinity(0, sizeof cores, &cores) < 0)
        return -errno;
    int rc = gm_process_host_create(command->heap, &cores, &command->host);
    if (rc < 0)
        return rc;
    command->port = gm_process_host_port(command->host);
    return command->port.ops->spawn(command->port.self, &spec, &command->process);
}

int gm_command_output_create(const struct gm_output *output, struct gm_heap *heap,
                             struct gm_error *error, struct gm_command_output **ret_command)
{
    struct gm_command_output *command = gm_heap_zalloc(heap, sizeof *command);
    if (command == NULL)
        return gm_error_set(error, GM_ETASK_MEMORY, "no memory for an output");
    command->output = output;
    command->heap = heap;
    command->error = error;
    command->printed = gm_heap_alloc(heap, PRINTED_BYTES);
    fflush(stdout); /* what the program printed before stands before */
    int rc = command->printed != NULL ? start(command) : GM_ETASK_MEMORY;
    if (rc < 0) {
        rc = refuse(command, rc, "it cannot be started");
        gm_command_output_destroy(command);
        return rc;
    }
    *ret_command = command;
    return 0;
}

void gm_command_output_destroy(struct gm_command_output *command)
{
    if (command == NULL)
        return;
    if (command->host != NULL && !command->finished)
        gm_process_host_kill(command->host);
    if (command->process != NULL)
        command->port.ops->release(command->port.self, command->process);
    gm_process_host_destroy(command->host);
    gm_heap_free(command->heap, command->printed, PRINTED_BYTES);
    gm_heap_free(command->heap, command, sizeof *command);
}

static bool stopped(const _Atomic int *stop)
{
    return stop != NULL && *stop != 0;
}

/* To standard output.  Returns 0 or -errno; that nobody reads it is no failure. */
static int print(struct gm_command_output *command, size_t bytes, const _Atomic int *stop)
{
    for (size_t done = 0; done < bytes && !command->unheard;) {
        if (stopped(stop))
            return -EINTR;
        const ssize_t written =
            write(STDOUT_FILENO, command->printed + done, bytes - done);
        const int why = written < 0 ? errno : 0;
        struct pollfd ready = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (why == EAGAIN)
            poll(&ready, 1, WAIT_MS);
        command->unheard = why == EPIPE;
        if (why != 0 && why != EAGAIN && why != EINTR && why != EPIPE)
            return -why;
        done += written > 0 ? (size_t)written : 0;
    }
    return 0;
}

/* Hands on all that it has printed.  Returns GM_AGAIN, GM_END behind its last byte, or < 0. */
static int pass_on(struct gm_command_output *command, const _Atomic int *stop)
{
    for (;;) {
        size_t bytes;
        int rc = command->port.ops->read(command->port.self, command->process, command->printed,
                                         PRINTED_BYTES, &bytes);
        if (rc != 0)
            return rc < 0 ? refuse(command, rc, "what it prints cannot be read") : rc;
        rc = print(command, bytes, stop);
        if (rc < 0)
            return rc == -EINTR ? rc
                                : refuse(command, rc, "what it prints cannot be written to "
                                                      "standard output");
    }
}

/* Until something may have changed. */
static void wait_a_little(struct gm_command_output *command)
{
    struct pollfd ready = {.fd = command->port.ops->descriptor(command->port.self),
                           .events = POLLIN};
    poll(&ready, 1, WAIT_MS);
}

int gm_command_output_write(struct gm_command_output *command, const void *data, size_t bytes,
                            const _Atomic int *stop)
{
    const char *at = data;
    while (bytes > 0) {
        size_t written = 0;
        if (stopped(stop))
            return -EINTR;
        /* Before the look, so that what comes between it and the sleep ends the sleep. */
        command->port.ops->arm(command->port.self);
        int rc = command->port.ops->write(command->port.self, command->process, at, bytes,
                                          &written);
        if (rc < 0)
            return rc == -EPIPE ? rc : refuse(command, rc, "its input");
        at += written;
        bytes -= written;
        if (rc != GM_AGAIN)
            continue;
        rc = pass_on(command, stop);
        if (rc < 0)
            return rc;
        wait_a_little(command);
    }
    return 0;
}

static int check(const struct gm_command_output *command, const struct gm_process_end *end)
{
    char code[SHOWN_BYTES];
    struct gm_command_end_text text;
    const struct gleam_value value =
        gleam_bytes(command->output->path, strlen(command->output->path));
    if (end->failed > 0)
        return 0;
    gm_format_value(&value, code, sizeof code);
    gm_command_end_text(end, &text);
    return gm_error_set(command->error, GM_EJOB_OUTPUT,
                        "%s: the command '%s', which the rows were written to, %s%s",
                        command->output->where, code, text.cause, text.words);
}

int gm_command_output_finish(struct gm_command_output *command, const _Atomic int *stop)
{
    const struct gm_process_end *end;
    if (command->finished)
        return 0;
    command->port.ops->close_input(command->port.self, command->process);
    for (;;) {
        if (stopped(stop))
            return -EINTR;
        command->port.ops->arm(command->port.self);
        int rc = pass_on(command, stop);
        if (rc < 0)
            return rc;
        const bool silent = rc == GM_END;
        rc = command->port.ops->wait(command->port.self, command->process, &end);
        if (rc < 0)
            return refuse(command, rc, "its end cannot be seen");
        if (rc == 0) {
            /* Whatever it left behind may hold its output open: that is not waited for. */
            if (!silent)
                rc = pass_on(command, stop);
            command->finished = rc >= 0;
            return rc < 0 ? rc : check(command, end);
        }
        wait_a_little(command);
    }
}
