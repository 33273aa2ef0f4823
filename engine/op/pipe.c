/* pipe.c - a chain of commands per partition: rows in at one end, lines out at the other.
 *
 * Rows are written as long as the command's pipe takes them, and what it wrote is read when that is
 * full, or enough went in since the last look.  So whatever the command does first, one of the two
 * ends moves.  A command that stops reading is left the rest of its output; the rows that are left
 * go nowhere.
 */
#include <errno.h>
#include <string.h>

#include "engine/op/commands.h"
#include "engine/source/lines.h"

/* Rows are collected to so much before they are written. */
#define FLUSH_BYTES (64u << 10)
/* After so much was written the output is looked at, even if more could be written: then the
 * command and what is behind it work at the same time. */
#define LOOK_BYTES (256u << 10)

struct pipe {
    struct gm_commands commands;
    /* the input under way */
    uint32_t next_row;
    size_t block_bytes; /* of the block next_row that were written */
};

struct state {
    struct gm_process *process;
    struct gm_command_lines lines;
    struct gm_text text; /* rows on their way */
    size_t text_sent;
    uint64_t unlooked_bytes; /* written since the output was looked at */
    uint64_t rows;
    bool broken; /* nobody reads the rest */
    bool closed; /* all was written */
    bool stopped; /* nobody wants its output */
};

static int pipe_open(struct gm_op *op)
{
    struct pipe *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    return gm_commands_open(&self->commands, op);
}

static void pipe_close(struct gm_op *op)
{
    struct pipe *self = op->self;
    if (self == NULL)
        return;
    gm_commands_close(&self->commands);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static void pipe_end(struct gm_op *op, void *opaque)
{
    struct pipe *self = op->self;
    struct state *state = opaque;
    if (state->process != NULL)
        op->processes->ops->release(op->processes->self, state->process);
    gm_commands_free(&self->commands, &state->lines);
    gm_heap_free(op->heap, state->text.data, state->text.capacity);
    gm_heap_free(op->heap, state, sizeof *state);
}

static int pipe_begin(struct gm_op *op, void **ret_state)
{
    struct pipe *self = op->self;
    const struct gm_pipe_spec *spec = &self->commands.spec;
    const char *codes[GM_PIPE_COMMANDS_MAX];
    struct state *state = gm_heap_zalloc(op->heap, sizeof *state);
    if (state == NULL)
        return GM_ETASK_MEMORY;
    state->text.heap = op->heap;
    for (uint32_t i = 0; i < spec->command_count; i++)
        codes[i] = spec->commands[i].code;
    const struct gm_process_spec process = {.codes = codes, .code_count = spec->command_count};
    int rc = op->processes->ops->spawn(op->processes->self, &process, &state->process);
    if (rc < 0) {
        state->process = NULL;
        pipe_end(op, state);
        return rc == GM_ETASK_MEMORY
                   ? rc
                   : gm_commands_refuse(&self->commands, rc, "the command cannot be started");
    }
    *ret_state = state;
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Writes [*sent, bytes) of data.  Returns 0 when all is written, or nobody reads; GM_AGAIN;
 * or < 0. */
static int write_bytes(struct gm_op *op, struct state *state, const void *data, size_t bytes,
                       size_t *sent)
{
    struct pipe *self = op->self;
    while (*sent < bytes && !state->broken) {
        size_t done = 0;
        int rc = op->processes->ops->write(op->processes->self, state->process,
                                           (const char *)data + *sent, bytes - *sent, &done);
        if (rc == GM_AGAIN)
            return rc;
        state->broken = rc == -EPIPE;
        if (rc < 0 && rc != -EPIPE)
            return gm_commands_refuse(&self->commands, rc, "cannot write to it");
        *sent += done;
        state->unlooked_bytes += done;
    }
    return 0;
}

static int flush(struct gm_op *op, struct state *state)
{
    int rc = write_bytes(op, state, state->text.data, state->text.length, &state->text_sent);
    if (rc != 0)
        return rc;
    state->text.length = 0;
    state->text_sent = 0;
    return 0;
}

/* A block in which lines end in "\r\n": they lose the "\r". */
static int copy_lines(struct state *state, const struct gm_bytes *block)
{
    const uint8_t *at = block->data;
    const uint8_t *end = at + block->length;
    while (at < end) {
        struct gm_bytes line;
        gm_lines_next(&at, end, &line, 1);
        if (gm_text_append(&state->text, line.data, line.length) < 0 ||
            gm_text_append(&state->text, "\n", 1) < 0)
            return GM_ETASK_MEMORY;
    }
    return 0;
}

/* A block of lines goes from where the source has it to the pipe. */
static int write_block(struct gm_op *op, struct state *state, const struct gm_bytes *block)
{
    struct pipe *self = op->self;
    if (self->block_bytes == 0 && memchr(block->data, '\r', block->length) != NULL) {
        if (copy_lines(state, block) < 0)
            return gm_commands_refuse(&self->commands, GM_ETASK_MEMORY,
                                      "a block of lines cannot be kept");
    } else {
        int rc = write_bytes(op, state, block->data, block->length, &self->block_bytes);
        if (rc != 0)
            return rc;
        if (block->data[block->length - 1] != '\n' && gm_text_append(&state->text, "\n", 1) < 0)
            return gm_commands_refuse(&self->commands, GM_ETASK_MEMORY, "no memory for a newline");
    }
    self->block_bytes = 0;
    self->next_row++;
    return 0;
}

/* Moves rows of the input to the command.  Returns 0 when all are taken over, GM_AGAIN when the
 * pipe is full, or < 0. */
static int write_rows(struct gm_op *op, struct state *state, const struct gm_batch *in)
{
    struct pipe *self = op->self;
    const bool blocks = self->commands.spec.blocks_in;
    while (!state->broken && self->next_row < in->row_count) {
        const struct gm_vector *column = &in->columns[0];
        int rc = 0;
        if (state->text.length >= FLUSH_BYTES || (blocks && state->text.length > 0))
            rc = flush(op, state);
        if (rc == 0 && blocks) {
            rc = write_block(op, state, &column->bytes[column->constant ? 0 : self->next_row]);
        } else if (rc == 0) {
            rc = gm_commands_write(&self->commands, in, self->next_row, state->rows + 1,
                                   &state->text);
            state->rows += rc == 0;
            self->next_row += rc == 0;
        }
        if (rc != 0)
            return rc;
    }
    return state->text.length >= FLUSH_BYTES ? flush(op, state) : 0;
}

/* A command that ended badly while rows are left ends the job now, not behind the rest. */
static int look_at_end(struct gm_op *op, struct state *state)
{
    struct pipe *self = op->self;
    const struct gm_process_end *end;
    int rc = op->processes->ops->wait(op->processes->self, state->process, &end);
    if (rc == GM_AGAIN)
        return 0;
    return rc < 0 ? gm_commands_refuse(&self->commands, rc, "cannot see how it ended")
                  : gm_commands_check(&self->commands, end);
}

static int pipe_process(struct gm_op *op, void *opaque, const struct gm_batch *in,
                        struct gm_batch *out)
{
    struct pipe *self = op->self;
    struct state *state = opaque;
    while (!state->stopped) {
        int rc = gm_commands_take(&self->commands, &state->lines, out);
        if (rc < 0 || out->row_count > 0)
            return rc < 0 ? rc : GM_OP_HAVE_MORE;
        rc = write_rows(op, state, in);
        if (rc < 0)
            return rc;
        if (rc == 0 && !state->broken && state->unlooked_bytes < LOOK_BYTES)
            break;
        if (rc == 0 && state->broken) {
            rc = look_at_end(op, state);
            if (rc < 0)
                return rc;
            break;
        }
        state->unlooked_bytes = 0;
        const int read = gm_commands_fill(&self->commands, state->process, &state->lines);
        if (read < 0)
            return read;
        if (read != 0 && rc == GM_AGAIN)
            return GM_AGAIN;
        if (read != 0)
            break;
    }
    self->next_row = 0;
    self->block_bytes = 0;
    return state->broken ? GM_OP_ENOUGH : GM_OP_NEED_INPUT;
}

/* As SIGPIPE would at its next write: how it ends does not matter any more. */
static void pipe_stop(struct gm_op *op, void *opaque)
{
    struct pipe *self = op->self;
    struct state *state = opaque;
    if (state->process != NULL)
        op->processes->ops->release(op->processes->self, state->process);
    gm_commands_free(&self->commands, &state->lines);
    state->process = NULL;
    state->broken = true;
    state->stopped = true;
}

static int pipe_idle(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct pipe *self = op->self;
    struct state *state = opaque;
    if (state->stopped)
        return 0;
    int rc = flush(op, state);
    if (rc < 0)
        return rc;
    rc = gm_commands_take(&self->commands, &state->lines, out);
    if (rc < 0 || out->row_count > 0)
        return rc;
    rc = gm_commands_fill(&self->commands, state->process, &state->lines);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    return gm_commands_take(&self->commands, &state->lines, out);
}

static int pipe_finish(struct gm_op *op, void *opaque, struct gm_batch *out)
{
    struct pipe *self = op->self;
    struct state *state = opaque;
    const struct gm_processes *port = op->processes;
    const struct gm_process_end *end;
    if (state->stopped)
        return GM_OP_NEED_INPUT;
    for (;;) {
        int rc = gm_commands_take(&self->commands, &state->lines, out);
        if (rc < 0 || out->row_count > 0)
            return rc < 0 ? rc : GM_OP_HAVE_MORE;
        if (!state->closed) {
            rc = flush(op, state);
            if (rc < 0)
                return rc;
            state->closed = rc == 0;
            if (state->closed)
                port->ops->close_input(port->self, state->process);
        }
        if (state->closed && state->lines.ended && state->lines.begin == state->lines.end)
            break;
        rc = gm_commands_fill(&self->commands, state->process, &state->lines);
        if (rc < 0 || rc == GM_AGAIN)
            return rc;
        if (rc == GM_END && !state->closed)
            return GM_AGAIN;
    }
    int rc = port->ops->wait(port->self, state->process, &end);
    if (rc == GM_AGAIN)
        return rc;
    rc = rc < 0 ? gm_commands_refuse(&self->commands, rc, "cannot see how it ended")
                : gm_commands_check(&self->commands, end);
    if (rc < 0)
        return rc;
    port->ops->release(port->self, state->process);
    state->process = NULL;
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_pipe = {
    .name = "pipe",
    .every_partition = true,
    .open = pipe_open,
    .close = pipe_close,
    .begin = pipe_begin,
    .end = pipe_end,
    .process = pipe_process,
    .stop = pipe_stop,
    .idle = pipe_idle,
    .finish = pipe_finish,
};
