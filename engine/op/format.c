/* format.c - the last step before an output: rows to text, many rows to one bytes value.
 *
 * A value holds whole rows only, so whoever writes values one after the other never tears one.
 */
#include "engine/op/op.h"
#include "engine/sink/format.h"

/* A text is handed on when it passes this: most of a frame. */
#define TEXT_BYTES (48u << 10)

struct format {
    struct gm_format format;
    struct gm_text text;
    struct gm_bytes value;
    uint32_t next_row;
    struct gm_error why; /* of a row that cannot be printed */
};

static int refuse(const struct gm_op *op, int rc, const char *why)
{
    return gm_error_set(op->error, rc, "%s: step '%s': %s", op->step->where, op->step->name, why);
}

static int format_open(struct gm_op *op)
{
    struct format *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    self->text.heap = op->heap;
    struct gm_error why = {0};
    int rc = gm_format_parse(op->step->format, op->input_schema, &self->format, &why);
    return rc < 0 ? refuse(op, rc, why.text) : 0;
}

static void format_close(struct gm_op *op)
{
    struct format *self = op->self;
    if (self == NULL)
        return;
    gm_format_fini(&self->format);
    gm_heap_free(op->heap, self->text.data, self->text.capacity);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int format_process(struct gm_op *op, void *state, const struct gm_batch *in,
                          struct gm_batch *out)
{
    struct format *self = op->self;
    (void)state;
    self->text.length = 0;
    while (self->next_row < in->row_count && self->text.length < TEXT_BYTES) {
        int rc = gm_format_row(&self->format, in, self->next_row, &self->text, &self->why);
        if (rc == GM_ETASK_MEMORY)
            return refuse(op, rc, "the text of a row does not fit this executor's share of the "
                                  "memory: give more with --memory");
        if (rc < 0)
            return refuse(op, rc, self->why.text);
        if (self->text.length > GM_VALUE_BYTES_MAX)
            return refuse(op, GM_EJOB_FLOW, "the text of a row is longer than 1 GiB");
        self->next_row++;
    }
    self->value.data = (const uint8_t *)self->text.data;
    self->value.length = self->text.length;
    out->row_count = self->text.length > 0 ? 1 : 0;
    out->column_count = 1;
    out->columns[0] = (struct gm_vector){.kind = GLEAM_BYTES, .bytes = &self->value};
    if (self->next_row < in->row_count)
        return GM_OP_HAVE_MORE;
    self->next_row = 0;
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_format = {
    .name = "format",
    .open = format_open,
    .close = format_close,
    .process = format_process,
};
