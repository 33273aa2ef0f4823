/* measure.c - adds up how long the text of a partition's rows will be, and passes the rows on.
 *
 * It stands in front of a sort whose rows are printed behind it: their text is as long in any
 * order, so who writes it knows where each range begins before the first row is printed.  The step
 * that prints is run here, and what it prints forgotten; where rows are nothing but text, lengths
 * do.
 */
#include <string.h>

#include "engine/op/op.h"
#include "engine/sink/format.h"

struct measure {
    struct gm_op printer; /* the step behind the sort */
    struct gm_format format;
    bool has_format;
};

/* Of one partition. */
struct sum {
    uint64_t bytes;
    void *printing; /* the printer's state; NULL: it has none */
};

static int measure_open(struct gm_op *op)
{
    struct measure *self = gm_heap_zalloc(op->heap, sizeof *self);
    struct gm_error why = {0};
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    self->printer = *op;
    self->printer.self = NULL;
    self->printer.ops = gm_op_find(op->step->write != NULL ? GM_STEP_WRITE : GM_STEP_FORMAT);
    const int rc = self->printer.ops->open(&self->printer);
    self->has_format = rc == 0 && op->step->write == NULL &&
                       gm_format_parse(op->step->format, op->input_schema, &self->format,
                                       &why) == 0;
    return rc;
}

static void measure_close(struct gm_op *op)
{
    struct measure *self = op->self;
    if (self == NULL)
        return;
    self->printer.ops->close(&self->printer);
    if (self->has_format)
        gm_format_fini(&self->format);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int measure_begin(struct gm_op *op, void **ret_state)
{
    struct measure *self = op->self;
    struct sum *sum = gm_heap_zalloc(op->heap, sizeof *sum);
    if (sum == NULL)
        return GM_ETASK_MEMORY;
    *ret_state = sum;
    return self->printer.ops->begin != NULL
               ? self->printer.ops->begin(&self->printer, &sum->printing)
               : 0;
}

static void measure_end(struct gm_op *op, void *state)
{
    struct measure *self = op->self;
    struct sum *sum = state;
    if (sum->printing != NULL)
        self->printer.ops->end(&self->printer, sum->printing);
    gm_heap_free(op->heap, sum, sizeof *sum);
}

/* Prints the batch and forgets the text.  Returns 0 or < 0. */
static int print(struct measure *self, struct sum *sum, const struct gm_batch *in)
{
    int rc = GM_OP_HAVE_MORE;
    while (rc == GM_OP_HAVE_MORE) {
        struct gm_batch out = {.origin = in->origin};
        rc = self->printer.ops->process(&self->printer, sum->printing, in, &out);
        for (uint32_t i = 0; i < out.row_count && rc >= 0; i++)
            sum->bytes += out.columns[0].bytes[i].length;
    }
    return rc;
}

static int measure_process(struct gm_op *op, void *state, const struct gm_batch *in,
                           struct gm_batch *out)
{
    struct measure *self = op->self;
    struct sum *sum = state;
    uint64_t bytes;
    int rc = 0;
    if (self->has_format && gm_format_measure(&self->format, in, &bytes))
        sum->bytes += bytes;
    else if (op->measured != NULL)
        rc = print(self, sum, in);
    if (rc < 0)
        return rc;
    out->row_count = in->row_count;
    out->column_count = in->column_count;
    memcpy(out->columns, in->columns, in->column_count * sizeof in->columns[0]);
    return GM_OP_NEED_INPUT;
}

static int measure_finish(struct gm_op *op, void *state, struct gm_batch *out)
{
    const struct sum *sum = state;
    (void)out;
    if (op->measured != NULL)
        op->measured(op->sink, op->partition, sum->bytes);
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_measure = {
    .name = "measure",
    .every_partition = true,
    .open = measure_open,
    .close = measure_close,
    .begin = measure_begin,
    .end = measure_end,
    .process = measure_process,
    .finish = measure_finish,
};
