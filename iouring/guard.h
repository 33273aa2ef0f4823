/* guard.h - the guard's side of the process port: what it is told, what it answers, its main.
 *
 * One SOCK_SEQPACKET message each; process.h says what the guard is for.
 */
#ifndef GM_IOURING_GUARD_H
#define GM_IOURING_GUARD_H

#include <stdint.h>

#include "shuffle/port/process.h"

/* "socket:parent:cores", cores as hexadecimal bytes of a cpu_set_t. */
#define GM_GUARD_VARIABLE "GLEAM_GUARD"

enum gm_guard_request_kind { GM_GUARD_START = 1, GM_GUARD_END = 2 };

/* START comes with descriptors: the text (a memfd: codes, then arguments, each ended by a NUL),
 * stdout's end, and stdin's if there is one. */
struct gm_guard_request {
    uint32_t kind;
    uint32_t id; /* the executor's, never used twice */
    uint32_t code_count;
    uint32_t argument_count;
    uint64_t text_bytes;
};

enum gm_guard_answer_kind { GM_GUARD_STARTED = 1, GM_GUARD_ENDED = 2 };

/* STARTED tells the process group, for the case that the guard itself is killed.  ENDED comes once
 * per chain, when every command of it has ended; words_bytes of words follow. */
struct gm_guard_answer {
    uint32_t kind;
    uint32_t id;
    int32_t group;
    uint32_t failed;
    int32_t status;
    int32_t signal;
    int32_t error;
    uint32_t words_bytes;
};

/* Pipes are made this large where the system allows it: throughput hardly depends on it, but fewer
 * turns between a command and its executor leave both more time. */
#define GM_GUARD_PIPE_BYTES (1 << 20)

/* Enlarges a pipe as far as this user may. */
void gm_guard_enlarge(int pipe_end);

/* Never returns when the environment says that this process is a guard. */
void gm_guard(void);

#endif
