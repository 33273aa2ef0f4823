/* process.h - port: shell commands beside the executor, fed and drained without blocking.
 *
 * A process here is a chain of `sh -c` commands, the output of each the input of the next, that
 * reads from us at one end and is read by us at the other.  One port belongs to one executor and
 * is used by its thread alone.
 * Real: iouring/process.  Fake: the unit tests of engine/op.
 *
 * No deadlock: write and read never block, so whoever finds one end stuck goes on at the other.
 */
#ifndef GM_PORT_PROCESS_H
#define GM_PORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gm_process; /* opaque; made by spawn */

/* Commands of one chain: those of a flow's adjacent pipes. */
#define GM_PROCESS_COMMANDS_MAX 32
/* Bytes of the last lines on stderr that come with the end. */
#define GM_PROCESS_WORDS_BYTES 512

struct gm_process_argument {
    const void *data; /* without NUL */
    size_t bytes;
};

struct gm_process_spec {
    const char *const *codes; /* one `sh -c` each */
    uint32_t code_count;      /* at most GM_PROCESS_COMMANDS_MAX */
    /* $1, $2, ... of the only command; $0 is "gleam". */
    const struct gm_process_argument *arguments;
    uint32_t argument_count;
    bool no_input; /* stdin is empty, and write is never called */
};

/* How a chain ended. */
struct gm_process_end {
    /* The first command that failed; code_count when none did.  One that SIGPIPE ended, or whose
     * shell says so (128 + 13), only found that nobody reads any more: that is no failure. */
    uint32_t failed;
    int status; /* its exit status, or -1 */
    int signal; /* that killed it, or 0 */
    int error;  /* -errno: it could not be started at all; 0 else */
    char words[GM_PROCESS_WORDS_BYTES + 1]; /* the last lines that the chain wrote to stderr */
};

struct gm_process_counts {
    uint64_t commands_count; /* shells that were asked for */
    uint64_t written_bytes;
    uint64_t read_bytes;
};

struct gm_process_ops {
    const char *name;
    /* Starts a chain; the spec is borrowed for the call.  Returns 0 or < 0.  That a command cannot
     * be started may show only in its end. */
    int (*spawn)(void *self, const struct gm_process_spec *spec, struct gm_process **ret_process);
    /* Takes up to `bytes` bytes.  Returns 0 with *ret_bytes > 0; GM_AGAIN: the pipe is full;
     * -EPIPE: nobody reads any more, the end is closed; or < 0. */
    int (*write)(void *self, struct gm_process *process, const void *data, size_t bytes,
                 size_t *ret_bytes);
    /* No more input comes.  May be called more than once. */
    void (*close_input)(void *self, struct gm_process *process);
    /* Returns 0 with *ret_bytes > 0; GM_AGAIN: nothing there now; GM_END: the output has ended;
     * or < 0. */
    int (*read)(void *self, struct gm_process *process, void *buffer, size_t bytes,
                size_t *ret_bytes);
    /* Returns 0 when every command has ended; GM_AGAIN; or < 0.  *ret_end lives until release. */
    int (*wait)(void *self, struct gm_process *process, const struct gm_process_end **ret_end);
    /* Ends whatever still runs of it, at once, and frees it. */
    void (*release)(void *self, struct gm_process *process);
    /* Processes that were spawned and not released. */
    uint32_t (*count)(void *self);
    void (*counts)(void *self, struct gm_process_counts *ret_counts); /* since the port was made */
    /* Before a sleep: forgets what became ready so far, so that the descriptor polls readable for
     * what comes later only.  Look at every process once more between this and the sleep. */
    void (*arm)(void *self);
    /* Polls readable when a process may be written to, read from or waited for. */
    int (*descriptor)(void *self);
};

struct gm_processes {
    const struct gm_process_ops *ops;
    void *self;
};

#endif
