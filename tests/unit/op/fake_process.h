/* fake_process.h - a process port without processes: programs of a few lines behind pipes of a few
 * bytes, that move by chance whenever the port is asked for something.
 *
 * Included behind rig.h.
 */
#ifndef GM_TESTS_FAKE_PROCESS_H
#define GM_TESTS_FAKE_PROCESS_H

#include <errno.h>
#include <stdio.h>

#include "shuffle/port/process.h"
#include "tests/unit/row/random_rows.h"

enum fake_program {
    FAKE_CAT,     /* output is input */
    FAKE_SAYS,    /* writes `text`, then reads all */
    FAKE_ANSWERS, /* reads all, then writes how many bytes it was */
    FAKE_HEAD,    /* copies the first `limit` bytes, then ends */
    FAKE_ENDLESS, /* writes letters without an end, and no newline */
    FAKE_ECHO,    /* writes its arguments, a space behind each, and a newline */
    FAKE_REPEATS, /* writes FAKE_LINE without an end */
    FAKE_DEAF,    /* neither reads nor writes, and ends when its input does */
};

#define FAKE_PIPE_MAX 65536
#define FAKE_LINE "word\t12\n"

struct gm_process {
    struct gm_process *next;
    struct fake *fake; /* whose program it is */
    uint8_t *in, *out; /* what lies in the two pipes */
    size_t in_bytes, out_bytes;
    uint64_t read_bytes; /* by the program */
    uint64_t said_bytes; /* of its own text */
    char *says;          /* owned */
    bool input_closed, stopped_reading, stopped_writing, ended;
    struct gm_process_end end;
};

struct fake {
    struct gm_processes port;
    uint64_t random;
    enum fake_program program;
    const char *text;      /* FAKE_SAYS */
    size_t text_bytes;
    uint64_t limit;        /* FAKE_HEAD */
    uint64_t dies_after;   /* bytes read; 0: never */
    struct gm_process_end end; /* how it ends */
    size_t pipe_bytes;     /* at most FAKE_PIPE_MAX */
    uint32_t spawned, running, running_max;
    int spawn_error, read_error, write_error;
    struct gm_process *processes;
    struct fake *behind; /* whose program every second process is; NULL: all are alike */
    char codes[512]; /* of the last, with " | " between */
};

static inline size_t fake_some(struct fake *fake, size_t most)
{
    return most == 0 ? 0 : random_below(&fake->random, (uint32_t)most + 1);
}

static inline void fake_end(struct fake *fake, struct gm_process *process)
{
    process->ended = true;
    process->stopped_reading = true;
    process->stopped_writing = true;
    process->end = fake->end;
}

static inline void fake_say(struct fake *fake, struct gm_process *process, const char *text,
                            size_t bytes)
{
    const size_t left = bytes - (size_t)process->said_bytes;
    size_t room = fake->pipe_bytes - process->out_bytes;
    room = fake_some(fake, room < left ? room : left);
    if (room > 0)
        memcpy(process->out + process->out_bytes, text + process->said_bytes, room);
    process->out_bytes += room;
    process->said_bytes += room;
}

static inline size_t fake_take(struct fake *fake, struct gm_process *process, size_t most,
                               bool copy)
{
    size_t bytes = process->in_bytes < most ? process->in_bytes : most;
    if (copy && bytes > fake->pipe_bytes - process->out_bytes)
        bytes = fake->pipe_bytes - process->out_bytes;
    bytes = fake_some(fake, bytes);
    if (copy && bytes > 0)
        memcpy(process->out + process->out_bytes, process->in, bytes);
    process->out_bytes += copy ? bytes : 0;
    memmove(process->in, process->in + bytes, process->in_bytes - bytes);
    process->in_bytes -= bytes;
    process->read_bytes += bytes;
    return bytes;
}

/* A little of the program's life. */
static inline void fake_step(struct fake *fake, struct gm_process *process)
{
    char answer[32];
    if (process->ended)
        return;
    const bool all_read = process->input_closed && process->in_bytes == 0;
    switch (fake->program) {
    case FAKE_CAT:
        fake_take(fake, process, SIZE_MAX, true);
        break;
    case FAKE_SAYS:
        fake_say(fake, process, fake->text, fake->text_bytes);
        if (process->said_bytes < fake->text_bytes)
            return;
        fake_take(fake, process, SIZE_MAX, false);
        break;
    case FAKE_ANSWERS:
        fake_take(fake, process, SIZE_MAX, false);
        if (!all_read)
            break;
        snprintf(answer, sizeof answer, "%llu bytes", (unsigned long long)process->read_bytes);
        fake_say(fake, process, answer, strlen(answer));
        if (process->said_bytes < strlen(answer))
            return;
        break;
    case FAKE_HEAD:
        fake_take(fake, process, (size_t)(fake->limit - process->read_bytes), true);
        if (process->read_bytes == fake->limit)
            fake_end(fake, process);
        break;
    case FAKE_ENDLESS:
        memset(process->out + process->out_bytes, 'y', fake->pipe_bytes - process->out_bytes);
        process->out_bytes = fake->pipe_bytes;
        return;
    case FAKE_REPEATS:
        while (fake->pipe_bytes - process->out_bytes >= strlen(FAKE_LINE)) {
            memcpy(process->out + process->out_bytes, FAKE_LINE, strlen(FAKE_LINE));
            process->out_bytes += strlen(FAKE_LINE);
        }
        return;
    case FAKE_ECHO:
        fake_say(fake, process, process->says, strlen(process->says));
        if (process->said_bytes == strlen(process->says))
            fake_end(fake, process);
        return;
    case FAKE_DEAF:
        process->in_bytes = process->input_closed ? 0 : process->in_bytes;
        break;
    }
    if (fake->dies_after > 0 && process->read_bytes >= fake->dies_after)
        fake_end(fake, process);
    if (process->input_closed && process->in_bytes == 0 && all_read)
        fake_end(fake, process);
}

static inline int fake_spawn(void *self, const struct gm_process_spec *spec,
                             struct gm_process **ret_process)
{
    struct fake *fake = self;
    if (fake->spawn_error != 0)
        return fake->spawn_error;
    struct gm_process *process = calloc(1, sizeof *process);
    assert_non_null(process);
    process->in = malloc(FAKE_PIPE_MAX);
    process->out = malloc(FAKE_PIPE_MAX);
    assert_true(process->in != NULL && process->out != NULL);
    size_t at = 0, bytes = 2;
    fake->codes[0] = '\0';
    for (uint32_t i = 0; i < spec->code_count; i++)
        at += (size_t)snprintf(fake->codes + at, sizeof fake->codes - at, "%s%s",
                               i > 0 ? " | " : "", spec->codes[i]);
    for (uint32_t i = 0; i < spec->argument_count; i++)
        bytes += spec->arguments[i].bytes + 1;
    process->says = malloc(bytes);
    assert_non_null(process->says);
    char *out = process->says;
    for (uint32_t i = 0; i < spec->argument_count; i++) {
        memcpy(out, spec->arguments[i].data, spec->arguments[i].bytes);
        out += spec->arguments[i].bytes;
        *out++ = ' ';
    }
    memcpy(out, "\n", 2);
    process->fake = fake->behind != NULL && fake->spawned % 2 == 1 ? fake->behind : fake;
    process->next = fake->processes;
    fake->processes = process;
    fake->spawned++;
    fake->running++;
    fake->running_max = fake->running > fake->running_max ? fake->running : fake->running_max;
    *ret_process = process;
    return 0;
}

static inline void fake_run_all(struct fake *fake)
{
    for (struct gm_process *process = fake->processes; process != NULL; process = process->next)
        if (random_below(&fake->random, 3) > 0)
            fake_step(process->fake, process);
}

static inline int fake_write(void *self, struct gm_process *process, const void *data,
                             size_t bytes, size_t *ret_bytes)
{
    struct fake *fake = self;
    assert_false(process->input_closed);
    assert_true(bytes > 0);
    fake_run_all(fake);
    if (fake->write_error != 0)
        return fake->write_error;
    if (process->stopped_reading)
        return -EPIPE;
    size_t room = process->fake->pipe_bytes - process->in_bytes;
    room = room < bytes ? room : bytes;
    room = room > 0 ? 1 + fake_some(fake, room - 1) : 0;
    if (room == 0)
        return GM_AGAIN;
    memcpy(process->in + process->in_bytes, data, room);
    process->in_bytes += room;
    *ret_bytes = room;
    return 0;
}

static inline void fake_close_input(void *self, struct gm_process *process)
{
    (void)self;
    process->input_closed = true;
}

static inline int fake_read(void *self, struct gm_process *process, void *buffer, size_t bytes,
                            size_t *ret_bytes)
{
    struct fake *fake = self;
    assert_true(bytes > 0);
    fake_run_all(fake);
    if (fake->read_error != 0)
        return fake->read_error;
    if (process->out_bytes == 0)
        return process->stopped_writing ? GM_END : GM_AGAIN;
    size_t got = process->out_bytes < bytes ? process->out_bytes : bytes;
    got = 1 + fake_some(fake, got - 1);
    memcpy(buffer, process->out, got);
    memmove(process->out, process->out + got, process->out_bytes - got);
    process->out_bytes -= got;
    *ret_bytes = got;
    return 0;
}

static inline int fake_wait(void *self, struct gm_process *process,
                            const struct gm_process_end **ret_end)
{
    fake_run_all(self);
    if (!process->ended)
        return GM_AGAIN;
    *ret_end = &process->end;
    return 0;
}

static inline void fake_release(void *self, struct gm_process *process)
{
    struct fake *fake = self;
    struct gm_process **at = &fake->processes;
    while (*at != process)
        at = &(*at)->next;
    *at = process->next;
    fake->running--;
    free(process->in);
    free(process->out);
    free(process->says);
    free(process);
}

static inline uint32_t fake_count(void *self)
{
    return ((struct fake *)self)->running;
}

static const struct gm_process_ops fake_ops = {
    .name = "fake",
    .spawn = fake_spawn,
    .write = fake_write,
    .close_input = fake_close_input,
    .read = fake_read,
    .wait = fake_wait,
    .release = fake_release,
    .count = fake_count,
};

/* A program behind pipes of so many bytes that ends well. */
static inline void fake_init(struct fake *fake, enum fake_program program, size_t pipe_bytes,
                             uint64_t seed)
{
    *fake = (struct fake){.random = seed,
                          .program = program,
                          .pipe_bytes = pipe_bytes,
                          .end = {.failed = UINT32_MAX}};
    fake->port = (struct gm_processes){.ops = &fake_ops, .self = fake};
}

#endif
