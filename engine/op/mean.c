/* mean.c - columns of numbers to what a sum can add up, and back: marks (1 for a value, 0 for a
 * null), the parts of a mean (numbers and marks), and the mean of their sums.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/open.h"
#include "engine/row/row.h"

static void mark(const struct gm_vector *in, uint32_t row_count, struct gm_vector *out)
{
    for (uint32_t i = 0; i < row_count; i++)
        out->i64[i] = gm_vector_get(in, i).kind != GLEAM_NULL;
}

static void numbers(const struct gm_vector *in, uint32_t row_count, struct gm_vector *out)
{
    for (uint32_t i = 0; i < row_count; i++) {
        const struct gleam_value value = gm_vector_get(in, i);
        out->f64[i] = value.kind == GLEAM_I64   ? (double)value.i64
                      : value.kind == GLEAM_F64 ? value.f64
                                                : 0;
    }
}

/* The keys as they are, then what becomes of the other columns. */
static int parts_process(struct gm_op *op, void *state, const struct gm_batch *in,
                         struct gm_batch *out)
{
    const bool with_numbers = op->step->kind == GM_STEP_MEAN_PARTS;
    const struct gleam_order *keys = &op->step->order;
    const uint32_t value_count = in->column_count - keys->count;
    struct gm_batch *own = op->self;
    uint32_t at = keys->count;
    (void)state;
    for (uint32_t i = 0; i < keys->count; i++)
        out->columns[i] = in->columns[keys->columns[i].column - 1];
    for (uint32_t c = 0; c < in->column_count; c++) {
        if (gm_order_names(keys, c + 1))
            continue;
        const uint32_t marks = with_numbers ? at + value_count : at;
        if (with_numbers) {
            numbers(&in->columns[c], in->row_count, &own->columns[at]);
            out->columns[at] = own->columns[at];
        }
        mark(&in->columns[c], in->row_count, &own->columns[marks]);
        out->columns[marks] = own->columns[marks];
        at++;
    }
    out->row_count = in->row_count;
    out->column_count = own->column_count;
    return GM_OP_NEED_INPUT;
}

/* Keys, sums and numbers of values to keys and means; of no value there is none. */
static int mean_process(struct gm_op *op, void *state, const struct gm_batch *in,
                        struct gm_batch *out)
{
    const uint32_t key_count = op->step->order.count;
    const uint32_t value_count = (in->column_count - key_count) / 2;
    struct gm_batch *own = op->self;
    (void)state;
    memcpy(out->columns, in->columns, key_count * sizeof in->columns[0]);
    for (uint32_t v = 0; v < value_count; v++) {
        const struct gm_vector *sums = &in->columns[key_count + v];
        const struct gm_vector *counts = &in->columns[key_count + value_count + v];
        struct gm_vector *means = &own->columns[key_count + v];
        means->has_nulls = false;
        for (uint32_t i = 0; i < in->row_count; i++) {
            const int64_t count = counts->i64[counts->constant ? 0 : i];
            means->nulls[i] = count == 0;
            means->has_nulls |= count == 0;
            means->f64[i] = count == 0 ? 0 : sums->f64[sums->constant ? 0 : i] / (double)count;
        }
        out->columns[key_count + v] = *means;
    }
    out->row_count = in->row_count;
    out->column_count = key_count + value_count;
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_marks = {
    .name = "marks",
    .open = gm_op_batch_open,
    .close = gm_op_batch_close,
    .process = parts_process,
};

const struct gm_op_ops gm_op_mean_parts = {
    .name = "mean parts",
    .open = gm_op_batch_open,
    .close = gm_op_batch_close,
    .process = parts_process,
};

const struct gm_op_ops gm_op_mean = {
    .name = "mean",
    .open = gm_op_batch_open,
    .close = gm_op_batch_close,
    .process = mean_process,
};
