/* simple.c - operators without state: tokenize, append_one, cast. */
#include <string.h>

#include "engine/op/open.h"
#include "engine/op/tokenize_kernel.h"
#include "engine/sink/format.h"

/* ---- tokenize: one bytes column to its words ---------------------------------------------- */

struct tokenize {
    struct gm_tokenizer tokenizer;
    bool open;         /* the tokenizer is inside a row */
    uint32_t next_row;
    struct gm_batch words;
};

static int tokenize_open(struct gm_op *op)
{
    struct tokenize *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    return gm_batch_init(&self->words, &op->step->schema, op->heap);
}

static void tokenize_close(struct gm_op *op)
{
    struct tokenize *self = op->self;
    if (self == NULL)
        return;
    gm_batch_fini(&self->words, op->heap);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int tokenize_process(struct gm_op *op, void *state, const struct gm_batch *in,
                            struct gm_batch *out)
{
    struct tokenize *self = op->self;
    struct gm_bytes *words = self->words.columns[0].bytes;
    uint32_t count = 0;
    (void)state;
    while (GM_BATCH_ROWS_MAX - count >= GM_TOKENIZE_ROOM_MIN) {
        if (!self->open) {
            if (self->next_row == in->row_count)
                break;
            const struct gm_vector *lines = &in->columns[0];
            const struct gm_bytes *line = &lines->bytes[lines->constant ? 0 : self->next_row];
            self->next_row++;
            gm_tokenizer_init(&self->tokenizer, line->data, line->length);
            self->open = true;
        }
        const size_t found =
            gm_tokenize(&self->tokenizer, words + count, GM_BATCH_ROWS_MAX - count);
        count += (uint32_t)found;
        self->open = found > 0;
    }
    out->row_count = count;
    out->column_count = 1;
    out->columns[0] = self->words.columns[0];
    if (self->open || self->next_row < in->row_count)
        return GM_OP_HAVE_MORE;
    self->next_row = 0;
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_tokenize = {
    .name = "tokenize",
    .open = tokenize_open,
    .close = tokenize_close,
    .process = tokenize_process,
};

/* ---- append_one: a constant column ----------------------------------------------------------- */

struct append_one {
    int64_t one;
};

static int append_one_open(struct gm_op *op)
{
    struct append_one *self = gm_heap_alloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    self->one = 1;
    op->self = self;
    return 0;
}

static void append_one_close(struct gm_op *op)
{
    gm_heap_free(op->heap, op->self, op->self != NULL ? sizeof(struct append_one) : 0);
    op->self = NULL;
}

static int append_one_process(struct gm_op *op, void *state, const struct gm_batch *in,
                              struct gm_batch *out)
{
    struct append_one *self = op->self;
    (void)state;
    out->row_count = in->row_count;
    out->column_count = in->column_count + 1;
    memcpy(out->columns, in->columns, in->column_count * sizeof in->columns[0]);
    out->columns[in->column_count] =
        (struct gm_vector){.kind = GLEAM_I64, .constant = true, .i64 = &self->one};
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_append_one = {
    .name = "append_one",
    .open = append_one_open,
    .close = append_one_close,
    .process = append_one_process,
};

/* ---- cast: columns to declared kinds --------------------------------------------------------- */

static int cast_refuse(const struct gm_op *op, uint32_t column, const struct gleam_value *value)
{
    char text[80];
    gm_format_value(value, text, sizeof text);
    return gm_error_set(op->error, GM_EJOB_FLOW,
                        "%s: step '%s': column '%s' is declared %s, but a row has %s there: %s",
                        op->step->where, op->step->name, op->step->schema.fields[column].name,
                        gm_kind_name(op->step->schema.fields[column].kind),
                        value->kind == GLEAM_NULL ? "null" : gm_kind_name(value->kind), text);
}

static int cast_value(const struct gm_op *op, uint32_t column, const struct gleam_value *value,
                      struct gm_vector *to, uint32_t row)
{
    if (to->kind == GLEAM_ANY) {
        to->any[row] = *value;
        return 0;
    }
    to->nulls[row] = value->kind == GLEAM_NULL && op->step->schema.fields[column].nullable;
    if (to->nulls[row]) {
        to->has_nulls = true;
        memset((uint8_t *)to->data + (size_t)row * gm_vector_stride(to->kind), 0,
               gm_vector_stride(to->kind));
        return 0;
    }
    if (to->kind == GLEAM_F64 && value->kind == GLEAM_I64) {
        to->f64[row] = (double)value->i64;
        return 0;
    }
    if (value->kind != to->kind)
        return cast_refuse(op, column, value);
    if (to->kind == GLEAM_BOOL)
        to->boolean[row] = value->boolean;
    else if (to->kind == GLEAM_BYTES)
        to->bytes[row] = (struct gm_bytes){.data = (const uint8_t *)value->bytes.data,
                                           .length = value->bytes.length};
    else
        memcpy((uint64_t *)to->data + row, &value->i64, 8);
    return 0;
}

static int cast_process(struct gm_op *op, void *state, const struct gm_batch *in,
                        struct gm_batch *out)
{
    struct gm_batch *own = op->self;
    (void)state;
    out->row_count = in->row_count;
    out->column_count = in->column_count;
    for (uint32_t c = 0; c < in->column_count; c++) {
        /* An `any` column may come as a vector of the wanted kind, but with nulls. */
        if (in->columns[c].kind == own->columns[c].kind &&
            (!in->columns[c].has_nulls || op->step->schema.fields[c].nullable)) {
            out->columns[c] = in->columns[c];
            continue;
        }
        own->columns[c].has_nulls = false;
        for (uint32_t row = 0; row < in->row_count; row++) {
            const struct gleam_value value = gm_vector_get(&in->columns[c], row);
            int rc = cast_value(op, c, &value, &own->columns[c], row);
            if (rc < 0)
                return rc;
        }
        out->columns[c] = own->columns[c];
    }
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_cast = {
    .name = "cast",
    .open = gm_op_batch_open,
    .close = gm_op_batch_close,
    .process = cast_process,
};
