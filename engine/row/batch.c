/* batch.c - room for columns. */
#include "engine/row/batch.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"

uint32_t gm_vector_stride(uint8_t kind)
{
    switch (kind) {
    case GLEAM_I64:
    case GLEAM_F64:
        return 8;
    case GLEAM_BOOL:
        return 1;
    case GLEAM_BYTES:
        return sizeof(struct gm_bytes);
    default:
        GM_CHECK(kind == GLEAM_ANY);
        return sizeof(struct gleam_value);
    }
}

/* Values and null marks of one column.  The extra line keeps columns from starting at the same
 * place of a page: entry i of all of them would compete for one set of the L1 cache. */
static size_t column_bytes(uint8_t kind)
{
    return (size_t)GM_BATCH_ROWS_MAX * (gm_vector_stride(kind) + 1) + GM_LINE_BYTES;
}

int gm_batch_init(struct gm_batch *batch, const struct gm_schema *schema, struct gm_heap *heap)
{
    GM_CHECK(schema->field_count >= 1);
    GM_CHECK(schema->field_count <= GM_FIELDS_MAX);
    size_t bytes = 0;
    for (uint32_t i = 0; i < schema->field_count; i++)
        bytes += column_bytes(schema->fields[i].kind);
    uint8_t *storage = gm_heap_alloc(heap, bytes);
    if (storage == NULL)
        return GM_ETASK_MEMORY;
    *batch = (struct gm_batch){
        .column_count = schema->field_count, .storage = storage, .storage_bytes = bytes};
    for (uint32_t i = 0; i < schema->field_count; i++) {
        struct gm_vector *vector = &batch->columns[i];
        vector->kind = schema->fields[i].kind;
        vector->data = storage;
        vector->nulls = storage + (size_t)GM_BATCH_ROWS_MAX * gm_vector_stride(vector->kind);
        storage += column_bytes(vector->kind);
    }
    return 0;
}

void gm_batch_fini(struct gm_batch *batch, struct gm_heap *heap)
{
    gm_heap_free(heap, batch->storage, batch->storage_bytes);
    *batch = (struct gm_batch){0};
}

struct gleam_value gm_vector_get(const struct gm_vector *vector, uint32_t row)
{
    const uint32_t index = vector->constant ? 0 : row;
    if (vector->has_nulls && vector->nulls[index] != 0)
        return gleam_null();
    switch (vector->kind) {
    case GLEAM_I64:
        return gleam_i64(vector->i64[index]);
    case GLEAM_F64:
        return gleam_f64(vector->f64[index]);
    case GLEAM_BOOL:
        return gleam_bool(vector->boolean[index] != 0);
    case GLEAM_BYTES:
        return gleam_bytes((const char *)vector->bytes[index].data, vector->bytes[index].length);
    default:
        GM_CHECK(vector->kind == GLEAM_ANY);
        return vector->any[index];
    }
}

void gm_batch_select(const struct gm_batch *in, const uint16_t *selected, uint32_t count,
                     struct gm_batch *rows, struct gm_batch *out)
{
    for (uint32_t c = 0; c < in->column_count; c++) {
        const struct gm_vector *from = &in->columns[c];
        struct gm_vector *to = &rows->columns[c];
        out->columns[c] = *from;
        if (from->constant || count == in->row_count)
            continue;
        if (from->kind != to->kind) { /* a column of a kind of its own in an `any` column */
            GM_CHECK(to->kind == GLEAM_ANY);
            for (uint32_t i = 0; i < count; i++)
                to->any[i] = gm_vector_get(from, selected[i]);
            out->columns[c] = *to;
            continue;
        }
        const size_t stride = gm_vector_stride(from->kind);
        const uint8_t *data = from->data;
        for (uint32_t i = 0; i < count; i++)
            memcpy((uint8_t *)to->data + i * stride, data + selected[i] * stride, stride);
        to->has_nulls = from->has_nulls;
        for (uint32_t i = 0; i < count && from->has_nulls; i++)
            to->nulls[i] = from->nulls[selected[i]];
        out->columns[c] = *to;
    }
    out->column_count = in->column_count;
    out->row_count = count;
}
