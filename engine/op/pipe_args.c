/* pipe_args.c - a command per row, several at a time, their lines in the order of the rows.
 *
 * Only the oldest command's output is read: the others write into their pipes, and wait there when
 * these are full.  All commands of a batch have ended before the next one is taken, so a
 * partition's state is only how many rows it had, for messages.
 */
#include <inttypes.h>
#include <string.h>

#include "engine/op/commands.h"

struct pipe_args {
    struct gm_commands commands;
    struct gm_command_lines lines; /* of the oldest */
    uint32_t next_row;
    uint32_t first, count; /* of the ring */
    struct gm_process *running[GM_PIPE_PARALLEL_MAX];
    struct gm_process_argument arguments[GM_FIELDS_MAX];
    char numbers[GM_FIELDS_MAX][GM_VALUE_TEXT_BYTES];
};

static int args_open(struct gm_op *op)
{
    struct pipe_args *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    return gm_commands_open(&self->commands, op);
}

static int args_begin(struct gm_op *op, void **ret_state)
{
    *ret_state = gm_heap_zalloc(op->heap, sizeof(uint64_t));
    return *ret_state == NULL ? GM_ETASK_MEMORY : 0;
}

static void args_end(struct gm_op *op, void *state)
{
    gm_heap_free(op->heap, state, sizeof(uint64_t));
}

static void release_first(struct gm_op *op, struct pipe_args *self)
{
    op->processes->ops->release(op->processes->self, self->running[self->first]);
    self->first = (self->first + 1) % GM_PIPE_PARALLEL_MAX;
    self->count--;
}

static void args_close(struct gm_op *op)
{
    struct pipe_args *self = op->self;
    if (self == NULL)
        return;
    while (self->count > 0)
        release_first(op, self);
    if (self->commands.op != NULL)
        gm_commands_free(&self->commands, &self->lines);
    gm_commands_close(&self->commands);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int start(struct gm_op *op, struct pipe_args *self, uint64_t row_number,
                 const struct gm_batch *in)
{
    for (uint32_t c = 0; c < in->column_count; c++) {
        const struct gleam_value value = gm_vector_get(&in->columns[c], self->next_row);
        size_t length = 0;
        const char *data = "";
        if (value.kind != GLEAM_NULL)
            data = gm_value_text(&value, self->numbers[c], &length);
        if (length > 0 && memchr(data, '\0', length) != NULL)
            return gm_error_set(op->error, GM_EJOB_FLOW,
                                "%s: step '%s': row %" PRIu64 " of partition %u: column %u ('%s') "
                                "holds a NUL byte, which no argument of a command can: use "
                                "gleam_pipe",
                                op->step->where, op->step->name, row_number, op->partition, c + 1,
                                op->input_schema->fields[c].name);
        self->arguments[c] = (struct gm_process_argument){.data = data, .bytes = length};
    }
    const char *code = self->commands.spec.commands[0].code;
    const struct gm_process_spec spec = {.codes = &code,
                                         .code_count = 1,
                                         .arguments = self->arguments,
                                         .argument_count = in->column_count,
                                         .no_input = true};
    const uint32_t slot = (self->first + self->count) % GM_PIPE_PARALLEL_MAX;
    int rc = op->processes->ops->spawn(op->processes->self, &spec, &self->running[slot]);
    if (rc < 0)
        return gm_commands_refuse(&self->commands, rc, "the command cannot be started");
    self->count++;
    self->next_row++;
    return 0;
}

/* Goes on with the oldest command.  Returns 0: it got on, GM_AGAIN, or < 0. */
static int go_on(struct gm_op *op, struct pipe_args *self)
{
    const struct gm_process_end *end;
    struct gm_process *oldest = self->running[self->first];
    int rc = gm_commands_fill(&self->commands, oldest, &self->lines);
    if (rc != GM_END)
        return rc;
    if (self->lines.begin < self->lines.end)
        return 0; /* a last line without an end */
    rc = op->processes->ops->wait(op->processes->self, oldest, &end);
    if (rc == GM_AGAIN)
        return rc;
    rc = rc < 0 ? gm_commands_refuse(&self->commands, rc, "cannot see how it ended")
                : gm_commands_check(&self->commands, end);
    if (rc < 0)
        return rc;
    release_first(op, self);
    self->lines.ended = false;
    self->lines.count = 0;
    return 0;
}

static int args_process(struct gm_op *op, void *state, const struct gm_batch *in,
                        struct gm_batch *out)
{
    struct pipe_args *self = op->self;
    uint64_t *rows = state;
    for (;;) {
        int rc = gm_commands_take(&self->commands, &self->lines, out);
        if (rc < 0 || out->row_count > 0)
            return rc < 0 ? rc : GM_OP_HAVE_MORE;
        while (self->next_row < in->row_count && self->count < self->commands.spec.parallel) {
            rc = start(op, self, *rows + self->next_row + 1, in);
            if (rc < 0)
                return rc;
        }
        if (self->count == 0)
            break;
        rc = go_on(op, self);
        if (rc != 0)
            return rc;
    }
    *rows += in->row_count;
    self->next_row = 0;
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_pipe_args = {
    .name = "pipe as args",
    .open = args_open,
    .close = args_close,
    .begin = args_begin,
    .end = args_end,
    .process = args_process,
};
