/* mapper.c - a registered C function over rows.
 *
 * The function cannot stop in the middle of a row, so its rows are collected in columns that grow
 * as needed, and handed on in windows of one batch.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/open.h"
#include "engine/row/list.h"
#include "engine/sink/format.h"

struct mapper {
    struct gleam_call call;
    gleam_map_fn *function;
    struct gm_arena arena;
    struct gm_batch emitted; /* row_count rows so far, in arrays of `capacity` */
    uint32_t capacity;
    uint32_t column_capacity[GM_FIELDS_MAX]; /* at least capacity */
    uint32_t window_begin;                   /* rows before it were handed on */
    uint32_t next_row;
};

/* ---- arrays that grow ------------------------------------------------------------------------ */

/* When memory ends, the columns that have grown already stay as large as they are. */
static int set_capacity(struct mapper *self, struct gm_heap *heap, uint32_t capacity)
{
    for (uint32_t c = 0; c < self->emitted.column_count; c++) {
        struct gm_vector *vector = &self->emitted.columns[c];
        const size_t stride = gm_vector_stride(vector->kind);
        void *data = gm_heap_realloc(heap, vector->data, self->column_capacity[c] * stride,
                                     capacity * stride);
        if (data == NULL)
            return GM_ETASK_MEMORY;
        vector->data = data;
        self->column_capacity[c] = capacity;
    }
    self->capacity = capacity;
    self->call.capacity = capacity;
    return 0;
}

static int grow(struct gleam_call *call)
{
    struct mapper *self = (struct mapper *)call; /* call is the first member */
    if (self->capacity > UINT32_MAX / 2)
        return GM_ETASK_MEMORY;
    return set_capacity(self, self->arena.heap, self->capacity * 2);
}

/* ---- what the function calls ----------------------------------------------------------------- */

static int refuse_emit(struct gleam_call *call, uint32_t column, const char *what)
{
    return gm_error_set(call->error, GM_EJOB_UDF, "%s: step '%s': value %u of an emitted row %s",
                        call->where, call->step, column + 1, what);
}

static int refuse_kind(struct gleam_call *call, uint32_t column, uint8_t have, uint8_t want)
{
    char text[96];
    snprintf(text, sizeof text, "is %s, but the column is declared %s",
             have == GLEAM_NULL ? "null" : gm_kind_name(have), gm_kind_name(want));
    return refuse_emit(call, column, text);
}

static int refuse_room(struct gleam_call *call, int rc)
{
    return gm_error_set(call->error, rc,
                        "%s: step '%s': what it emits for one row does not fit this executor's "
                        "share of the memory: give more with --memory",
                        call->where, call->step);
}

/* A copy of bytes that do not lie in the input row; NULL when refused. */
static const char *copy_bytes(struct gleam_call *call, uint32_t column,
                              const struct gleam_value *value)
{
    const size_t length = value->bytes.length;
    if (value->bytes.data == NULL && length > 0) {
        refuse_emit(call, column, "has a length, but its data is NULL");
        return NULL;
    }
    if (length > GM_VALUE_BYTES_MAX) {
        refuse_emit(call, column, "is longer than 1 GiB");
        return NULL;
    }
    uint8_t *copy = gm_arena_alloc(call->arena, length);
    if (copy == NULL) {
        refuse_room(call, GM_ETASK_MEMORY);
        return NULL;
    }
    if (length > 0)
        memcpy(copy, value->bytes.data, length);
    return (const char *)copy;
}

/* Bytes of the input row live until the emitted rows are handed on, and are referred to. */
static inline bool lies_in_input(const struct gleam_call *call, const struct gleam_value *value)
{
    const uint8_t *data = (const uint8_t *)value->bytes.data;
    return call->input_begin != NULL && data >= call->input_begin &&
           value->bytes.length <= (size_t)(call->input_end - data) && data <= call->input_end;
}

/* Kept out of line, all of them: gleam_emit runs per row, and with these in it, it saves more
 * registers than it needs. */
#define OUT_OF_LINE __attribute__((noinline, cold))

/* A value whose kind is not its column's: right for an `any` column, else refused. */
OUT_OF_LINE static int emit_other(struct gleam_call *call, struct gm_vector *vector,
                                  uint32_t column, const struct gleam_value *value)
{
    if (vector->kind != GLEAM_ANY)
        return refuse_kind(call, column, value->kind, vector->kind);
    if (value->kind > GLEAM_BYTES && value->kind != GLEAM_LIST)
        return refuse_emit(call, column, "has no kind of a value");
    if (value->kind == GLEAM_LIST && (value->bytes.data == NULL ||
                                      !gm_list_check((const uint8_t *)value->bytes.data,
                                                     value->bytes.length)))
        return refuse_emit(call, column, "is a list, but its bytes are none of gleam_list_pack");
    struct gleam_value kept = *value;
    if (gm_kind_has_bytes(value->kind) && !lies_in_input(call, value)) {
        kept.bytes.data = copy_bytes(call, column, value);
        if (kept.bytes.data == NULL)
            return call->error->code;
    }
    vector->any[call->out->row_count] = kept;
    return 0;
}

OUT_OF_LINE static int emit_copy(struct gleam_call *call, struct gm_vector *vector, uint32_t column,
                                 const struct gleam_value *value)
{
    const char *copy = copy_bytes(call, column, value);
    if (copy == NULL)
        return call->error->code;
    vector->bytes[call->out->row_count] =
        (struct gm_bytes){.data = (const uint8_t *)copy, .length = value->bytes.length};
    return 0;
}

OUT_OF_LINE static int refuse_count(struct gleam_call *call, uint32_t count)
{
    if (call->out == NULL)
        return gm_error_set(call->error, GM_EJOB_UDF,
                            "%s: step '%s': a filter or reducer cannot emit rows", call->where,
                            call->step);
    return gm_error_set(call->error, GM_EJOB_UDF,
                        "%s: step '%s': it emitted a row of %u values, but gleam_as declares %u "
                        "columns",
                        call->where, call->step, count, call->out->column_count);
}

OUT_OF_LINE static int make_room(struct gleam_call *call)
{
    int rc = call->grow(call);
    return rc < 0 ? refuse_room(call, rc) : 0;
}

int gleam_emit(struct gleam_call *call, const struct gleam_value *values, uint32_t count)
{
    struct gm_batch *out = call->out;
    if (out == NULL || count != out->column_count)
        return refuse_count(call, count);
    if (out->row_count == call->capacity) {
        int rc = make_room(call);
        if (rc < 0)
            return rc;
    }
    const uint32_t row = out->row_count;
    for (uint32_t c = 0; c < count; c++) {
        struct gm_vector *vector = &out->columns[c];
        const struct gleam_value *value = &values[c];
        int rc = 0;
        if (value->kind != vector->kind || value->kind == GLEAM_ANY)
            rc = emit_other(call, vector, c, value);
        else if (value->kind == GLEAM_BYTES && lies_in_input(call, value))
            vector->bytes[row] = (struct gm_bytes){.data = (const uint8_t *)value->bytes.data,
                                                   .length = value->bytes.length};
        else if (value->kind == GLEAM_BYTES)
            rc = emit_copy(call, vector, c, value);
        else if (value->kind == GLEAM_BOOL)
            vector->boolean[row] = value->boolean;
        else
            vector->i64[row] = value->i64; /* an f64's bits as well */
        if (rc < 0)
            return rc;
    }
    out->row_count = row + 1;
    return 0;
}

/* Rows [first, first + count) of one column whose kind is the vector's.  Returns the number of
 * values that were as expected: the next one needs the slow way. */
static size_t emit_same_kind(const struct gleam_call *call, struct gm_vector *vector, size_t first,
                             const struct gleam_column *column, size_t count)
{
    const size_t step = column->shared ? 0 : 1;
    const struct gleam_value *value = column->values;
    size_t i = 0;
    switch (vector->kind) {
    case GLEAM_BYTES:
        for (; i < count && value->kind == GLEAM_BYTES && lies_in_input(call, value);
             i++, value += step)
            vector->bytes[first + i] = (struct gm_bytes){.data = (const uint8_t *)value->bytes.data,
                                                         .length = value->bytes.length};
        return i;
    case GLEAM_BOOL:
        for (; i < count && value->kind == GLEAM_BOOL; i++, value += step)
            vector->boolean[first + i] = value->boolean;
        return i;
    case GLEAM_ANY:
        return 0;
    default: /* an f64's bits as well */
        if (column->shared && value->kind == vector->kind) {
            const int64_t number = value->i64;
            for (; i < count; i++)
                vector->i64[first + i] = number;
            return i;
        }
        for (; i < count && value->kind == vector->kind; i++, value += step)
            vector->i64[first + i] = value->i64;
        return i;
    }
}

static int emit_column(struct gleam_call *call, uint32_t column_index,
                       const struct gleam_column *column, size_t row_count)
{
    struct gm_batch *out = call->out;
    struct gm_vector *vector = &out->columns[column_index];
    const uint32_t first = out->row_count;
    int rc = 0;
    for (size_t i = 0; i < row_count && rc == 0;) {
        const struct gleam_column rest = {.values =
                                              column->shared ? column->values : column->values + i,
                                          .shared = column->shared};
        i += emit_same_kind(call, vector, first + i, &rest, row_count - i);
        if (i == row_count)
            break;
        const struct gleam_value *value = column->shared ? column->values : column->values + i;
        /* The slow ways store at the batch's end: let it be this row. */
        out->row_count = first + (uint32_t)i;
        rc = value->kind == GLEAM_BYTES && vector->kind == GLEAM_BYTES
                 ? emit_copy(call, vector, column_index, value)
                 : emit_other(call, vector, column_index, value);
        i++;
    }
    out->row_count = first;
    return rc;
}

int gleam_emit_columns(struct gleam_call *call, const struct gleam_column *columns,
                       uint32_t column_count, size_t row_count)
{
    struct gm_batch *out = call->out;
    if (out == NULL || column_count != out->column_count)
        return refuse_count(call, column_count);
    while (call->capacity - out->row_count < row_count) {
        int rc = make_room(call);
        if (rc < 0)
            return rc;
    }
    for (uint32_t c = 0; c < column_count; c++) {
        int rc = emit_column(call, c, &columns[c], row_count);
        if (rc < 0)
            return rc;
    }
    out->row_count += (uint32_t)row_count;
    return 0;
}

const void *gleam_parameter(const struct gleam_call *call, size_t *ret_length)
{
    if (ret_length != NULL)
        *ret_length = call->parameter_length;
    return call->parameter;
}

const char *gleam_call_keep(struct gleam_call *call, const char *data, size_t length)
{
    uint8_t *copy = length <= GM_VALUE_BYTES_MAX ? gm_arena_alloc(call->arena, length) : NULL;
    if (copy == NULL) {
        gm_error_set(call->error, GM_ETASK_MEMORY,
                     "%s: step '%s': a value does not fit this executor's share of the memory: "
                     "give more with --memory",
                     call->where, call->step);
        return NULL;
    }
    if (length > 0)
        memcpy(copy, data, length);
    return (const char *)copy;
}

int gleam_fail(struct gleam_call *call, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    gm_error_set(call->error, GM_EJOB_UDF, "%s: step '%s': %s", call->where, call->step, text);
    return -1;
}

/* ---- what every function may call -------------------------------------------------------------
 */

int gleam_count(struct gleam_call *call, const char *name, int64_t number)
{
    if (call->counters == NULL)
        return 0;
    if (gm_counters_add(call->counters, name, strlen(name), number) == 0)
        return 0;
    return gm_error_set(call->error, GM_EJOB_UDF, "%s: step '%s': more than %d different counters",
                        call->where, call->step, GM_COUNTERS_MAX);
}

const void *gleam_broadcast_value(const struct gleam_call *call, uint32_t number,
                                  size_t *ret_length)
{
    if (call->shared == NULL || number >= call->shared->broadcast_count)
        return NULL;
    if (ret_length != NULL)
        *ret_length = call->shared->broadcasts[number].bytes;
    return call->shared->broadcasts[number].data;
}

/* ---- the operator ---------------------------------------------------------------------------- */

static int mapper_open(struct gm_op *op)
{
    struct mapper *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    gm_arena_init(&self->arena, op->heap);
    const int rc = gm_op_mapper_function(op, &self->function);
    if (rc < 0)
        return rc;
    self->call = gm_op_call(op, &self->arena);
    self->call.out = &self->emitted;
    self->call.grow = grow;
    const struct gm_schema *schema = &op->step->schema;
    for (uint32_t c = 0; c < schema->field_count; c++)
        self->emitted.columns[c].kind = schema->fields[c].kind;
    self->emitted.column_count = schema->field_count;
    return set_capacity(self, op->heap, 2 * GM_BATCH_ROWS_MAX);
}

static void mapper_close(struct gm_op *op)
{
    struct mapper *self = op->self;
    if (self == NULL)
        return;
    for (uint32_t c = 0; c < self->emitted.column_count; c++) {
        struct gm_vector *vector = &self->emitted.columns[c];
        gm_heap_free(op->heap, vector->data,
                     (size_t)self->column_capacity[c] * gm_vector_stride(vector->kind));
    }
    gm_arena_fini(&self->arena);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int call_function(struct gm_op *op, const struct gm_batch *in, uint32_t row)
{
    struct mapper *self = op->self;
    struct gleam_value values[GM_FIELDS_MAX];
    self->call.input_begin = NULL;
    self->call.input_end = NULL;
    for (uint32_t c = 0; c < in->column_count; c++) {
        values[c] = gm_vector_get(&in->columns[c], row);
        /* The longest bytes value is the one that a mapper cuts pieces from. */
        const uint8_t *data = (const uint8_t *)values[c].bytes.data;
        if (gm_kind_has_bytes(values[c].kind) &&
            values[c].bytes.length >= (size_t)(self->call.input_end - self->call.input_begin)) {
            self->call.input_begin = data;
            self->call.input_end = data + values[c].bytes.length;
        }
    }
    const int rc = self->function(&self->call, values, in->column_count);
    if (rc == 0 && op->error->code == 0)
        return 0;
    char text[160];
    gm_format_value(&values[0], text, sizeof text);
    gm_error_set(op->error, GM_EJOB_UDF,
                 "%s: step '%s': the mapper returned %d for the row that begins with: %s",
                 op->step->where, op->step->name, rc, text);
    return op->error->code; /* of the first cause: memory perhaps */
}

/* Points `out` at the next rows that were emitted. */
static void hand_on(struct mapper *self, struct gm_batch *out)
{
    const uint32_t left = self->emitted.row_count - self->window_begin;
    out->row_count = left < GM_BATCH_ROWS_MAX ? left : GM_BATCH_ROWS_MAX;
    out->column_count = self->emitted.column_count;
    for (uint32_t c = 0; c < out->column_count; c++) {
        const struct gm_vector *vector = &self->emitted.columns[c];
        out->columns[c] = *vector;
        out->columns[c].data =
            (uint8_t *)vector->data + (size_t)self->window_begin * gm_vector_stride(vector->kind);
    }
    self->window_begin += out->row_count;
}

static int mapper_process(struct gm_op *op, void *state, const struct gm_batch *in,
                          struct gm_batch *out)
{
    struct mapper *self = op->self;
    (void)state;
    if (self->window_begin == self->emitted.row_count) {
        self->window_begin = 0;
        self->emitted.row_count = 0;
        gm_arena_reset(&self->arena);
        while (self->next_row < in->row_count && self->emitted.row_count < GM_BATCH_ROWS_MAX) {
            int rc = call_function(op, in, self->next_row);
            if (rc < 0)
                return rc;
            self->next_row++;
        }
    }
    hand_on(self, out);
    if (self->window_begin < self->emitted.row_count || self->next_row < in->row_count)
        return GM_OP_HAVE_MORE;
    self->next_row = 0;
    return GM_OP_NEED_INPUT;
}

const struct gm_op_ops gm_op_mapper = {
    .name = "map",
    .open = mapper_open,
    .close = mapper_close,
    .process = mapper_process,
};
