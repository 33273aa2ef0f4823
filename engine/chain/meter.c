/* meter.c - bytes of a batch. */
#include "engine/chain/meter.h"

static uint64_t any_bytes(const struct gleam_value *value)
{
    return value->kind == GLEAM_NULL    ? 0
           : value->kind == GLEAM_BYTES ? value->bytes.length
           : value->kind == GLEAM_BOOL  ? 1
                                        : 8;
}

static uint64_t value_bytes(const struct gm_vector *vector, uint32_t row)
{
    if (vector->has_nulls && vector->nulls[row] != 0)
        return 0;
    switch (vector->kind) {
    case GLEAM_BYTES:
        return vector->bytes[row].length;
    case GLEAM_BOOL:
        return 1;
    case GLEAM_NULL:
        return 0;
    case GLEAM_ANY:
        return any_bytes(&vector->any[row]);
    default:
        return 8;
    }
}

uint64_t gm_meter_batch_bytes(const struct gm_batch *batch)
{
    uint64_t sum = 0;
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const struct gm_vector *vector = &batch->columns[c];
        if (vector->constant)
            sum += value_bytes(vector, 0) * batch->row_count;
        else
            for (uint32_t row = 0; row < batch->row_count; row++)
                sum += value_bytes(vector, row);
    }
    return sum;
}
