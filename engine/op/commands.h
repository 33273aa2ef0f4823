/* commands.h - what the operators that run commands share: their output as rows, their end as an
 * error.
 *
 * Threads and memory as in op.h; bytes of a batch lie in the buffer that was read into, until the
 * next call.
 */
#ifndef GM_OP_COMMANDS_H
#define GM_OP_COMMANDS_H

#include "engine/flow/pipe_spec.h"
#include "engine/op/op.h"
#include "engine/row/arena.h"
#include "engine/sink/rows.h"
#include "engine/source/rows.h"
#include "shuffle/port/process.h"

/* What is read at once: little at first, since hundreds of partitions may be open, and double while
 * reads fill it, up to what stays in the cache.  A longer line doubles it within the heap's
 * limit. */
#define GM_COMMANDS_BUFFER_BYTES_MIN (16u << 10)
#define GM_COMMANDS_BUFFER_BYTES (256u << 10)

/* Of an operator. */
struct gm_commands {
    struct gm_op *op;
    struct gm_pipe_spec spec; /* points into the step's parameter */
    struct gm_row_writer writer;
    struct gm_row_reader reader;
    struct gm_batch batch;
    struct gm_arena arena; /* bytes of jsonl */
    struct gm_bytes text;  /* texts_out */
};

/* Of a process that runs: its output, from the beginning of the first line that is not taken. */
struct gm_command_lines {
    uint8_t *data;
    size_t capacity;
    size_t begin, end;
    size_t looked; /* bytes from begin on in which no line ends */
    bool quoted;   /* csv: a field is open there */
    bool ended;    /* the command closed its output */
    bool filled;   /* the last read had no room for more */
    uint64_t count; /* lines that were taken */
};

/* Returns 0 or < 0 with the op's error set; close accepts a half-open one. */
int gm_commands_open(struct gm_commands *commands, struct gm_op *op);
void gm_commands_close(struct gm_commands *commands);

/* Appends row `row` of a batch to text.  row_number: of its partition, from 1, for the error. */
int gm_commands_write(struct gm_commands *commands, const struct gm_batch *in, uint32_t row,
                      uint64_t row_number, struct gm_text *text);

/* Reads more of a process's output; call it when gm_commands_take gave no row.  Returns 0;
 * GM_AGAIN; GM_END, once and for all; or < 0 with the error set. */
int gm_commands_fill(struct gm_commands *commands, struct gm_process *process,
                     struct gm_command_lines *lines);
/* Puts whole lines that are there, and behind the end the last one, into out.  Returns 0, out maybe
 * empty, or < 0 with the error set. */
int gm_commands_take(struct gm_commands *commands, struct gm_command_lines *lines,
                     struct gm_batch *out);
void gm_commands_free(struct gm_commands *commands, struct gm_command_lines *lines);

/* How a command ended, in words. */
struct gm_command_end_text {
    char cause[160];                         /* "was killed by signal 9 (Killed)" */
    char words[GM_PROCESS_WORDS_BYTES + 64]; /* "; its last words: a | b", or "" */
};
void gm_command_end_text(const struct gm_process_end *end, struct gm_command_end_text *ret_text);

/* Sets the op's error when a command of the chain failed.  Returns 0 or < 0. */
int gm_commands_check(struct gm_commands *commands, const struct gm_process_end *end);
/* The same for what a call of the process port returned: what says what could not be done. */
int gm_commands_refuse(struct gm_commands *commands, int rc, const char *what);

#endif
