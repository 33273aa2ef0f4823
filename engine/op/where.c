/* where.c - rows whose value in one column compares with a constant as wanted.
 *
 * Values compare as in a sort, but only with their like: numbers with numbers, bytes with bytes.  A
 * null, and in an `any` column a value of another sort, compares with nothing and is left out.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/gather.h"
#include "engine/op/op.h"
#include "engine/row/list.h"
#include "engine/row/row.h"

struct where {
    struct gleam_value value; /* its bytes lie in the step's parameter */
    struct gm_batch result;
    uint32_t rows[GM_BATCH_ROWS_MAX];
};

static int where_open(struct gm_op *op)
{
    struct where *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    struct gleam_value list = gleam_bytes(op->step->parameter, op->step->parameter_bytes);
    struct gm_list_cursor cursor;
    list.kind = GLEAM_LIST;
    gm_list_begin(&cursor, &list);
    GM_CHECK(gm_list_next(&cursor, &self->value)); /* plan_codec.c has looked at it */
    return gm_batch_init(&self->result, &op->step->schema, op->heap);
}

static void where_close(struct gm_op *op)
{
    struct where *self = op->self;
    if (self == NULL)
        return;
    gm_batch_fini(&self->result, op->heap);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static bool wanted(enum gleam_comparison comparison, int order)
{
    switch (comparison) {
    case GLEAM_EQUAL:
        return order == 0;
    case GLEAM_NOT_EQUAL:
        return order != 0;
    case GLEAM_LESS:
        return order < 0;
    case GLEAM_LESS_OR_EQUAL:
        return order <= 0;
    case GLEAM_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool is_number(uint8_t kind)
{
    return kind == GLEAM_I64 || kind == GLEAM_F64;
}

static bool passes(const struct gm_op *op, const struct gleam_value *value)
{
    const struct where *self = op->self;
    const enum gleam_comparison comparison = op->step->comparison;
    if (comparison == GLEAM_IS_NULL || comparison == GLEAM_IS_NOT_NULL)
        return (value->kind == GLEAM_NULL) == (comparison == GLEAM_IS_NULL);
    if (value->kind != self->value.kind && !(is_number(value->kind) && is_number(self->value.kind)))
        return false;
    return wanted(comparison, gm_value_compare(value, &self->value));
}

/* The common case in one loop: an i64 column without nulls, and an i64. */
static uint32_t choose_i64(const struct gm_op *op, const int64_t *values, uint32_t row_count,
                           uint32_t *rows)
{
    const struct where *self = op->self;
    const int64_t bound = self->value.i64;
    bool want[3]; /* below, equal, above */
    uint32_t count = 0;
    for (int order = -1; order <= 1; order++)
        want[order + 1] = wanted(op->step->comparison, order);
    for (uint32_t i = 0; i < row_count; i++) {
        rows[count] = i;
        count += want[1 + (values[i] > bound) - (values[i] < bound)];
    }
    return count;
}

static uint32_t choose(const struct gm_op *op, const struct gm_vector *vector, uint32_t row_count,
                       uint32_t *rows)
{
    const struct where *self = op->self;
    uint32_t count = 0;
    if (vector->kind == GLEAM_I64 && !vector->has_nulls && !vector->constant &&
        self->value.kind == GLEAM_I64 && op->step->comparison < GLEAM_IS_NULL)
        return choose_i64(op, vector->i64, row_count, rows);
    for (uint32_t i = 0; i < row_count; i++) {
        const struct gleam_value value = gm_vector_get(vector, i);
        rows[count] = i;
        count += passes(op, &value);
    }
    return count;
}

static int where_process(struct gm_op *op, void *state, const struct gm_batch *in,
                         struct gm_batch *out)
{
    struct where *self = op->self;
    const struct gm_vector *vector = &in->columns[op->step->order.columns[0].column - 1];
    (void)state;
    const uint32_t count = choose(op, vector, in->row_count, self->rows);
    out->row_count = count;
    out->column_count = in->column_count;
    for (uint32_t c = 0; c < in->column_count && count > 0; c++) {
        if (count == in->row_count || in->columns[c].constant) {
            out->columns[c] = in->columns[c];
            continue;
        }
        gm_gather(&in->columns[c], self->rows, count, &self->result.columns[c]);
        out->columns[c] = self->result.columns[c];
    }
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_where = {
    .name = "where",
    .open = where_open,
    .close = where_close,
    .process = where_process,
};
