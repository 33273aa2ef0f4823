/* gather.c - a tight loop per width of a column. */
#include "engine/op/gather.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/row/row.h"

static const struct gm_bytes no_bytes = {.data = (const uint8_t *)"", .length = 0};

static void gather_nulls_of(const struct gm_vector *in, const uint32_t *rows, uint32_t count,
                            struct gm_vector *out)
{
    uint8_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        out->nulls[i] = in->nulls[in->constant ? 0 : rows[i]] != 0;
        found |= out->nulls[i];
    }
    out->has_nulls = found != 0;
}

void gm_gather(const struct gm_vector *in, const uint32_t *rows, uint32_t count,
               struct gm_vector *out)
{
    const uint32_t step = in->constant ? 0 : 1;
    out->constant = false;
    out->has_nulls = false;
    if (out->kind == GLEAM_ANY) {
        for (uint32_t i = 0; i < count; i++)
            out->any[i] = gm_vector_get(in, rows[i]);
        return;
    }
    GM_DCHECK(in->kind == out->kind);
    switch (in->kind) {
    case GLEAM_BOOL:
        for (uint32_t i = 0; i < count; i++)
            out->boolean[i] = in->boolean[rows[i] * step];
        break;
    case GLEAM_BYTES:
        for (uint32_t i = 0; i < count; i++)
            out->bytes[i] = in->bytes[rows[i] * step];
        break;
    default: /* an f64's bits as well */
        for (uint32_t i = 0; i < count; i++)
            out->i64[i] = in->i64[rows[i] * step];
    }
    if (in->has_nulls)
        gather_nulls_of(in, rows, count, out);
}

void gm_gather_nulls(struct gm_vector *out)
{
    out->constant = true;
    if (out->kind == GLEAM_ANY) {
        out->has_nulls = false;
        out->any[0] = gleam_null();
        return;
    }
    out->has_nulls = true;
    out->nulls[0] = 1;
    memset(out->data, 0, gm_vector_stride(out->kind));
    if (out->kind == GLEAM_BYTES)
        out->bytes[0] = no_bytes;
}

void gm_gather_put(struct gm_vector *out, uint32_t row, const struct gleam_value *value)
{
    const bool is_null = value->kind == GLEAM_NULL;
    if (out->kind == GLEAM_ANY) {
        out->any[row] = *value;
        return;
    }
    GM_DCHECK(is_null || value->kind == out->kind);
    out->nulls[row] = is_null;
    out->has_nulls |= is_null;
    if (out->kind == GLEAM_BYTES)
        out->bytes[row] = is_null ? no_bytes
                                  : (struct gm_bytes){.data = (const uint8_t *)value->bytes.data,
                                                      .length = value->bytes.length};
    else if (out->kind == GLEAM_BOOL)
        out->boolean[row] = !is_null && value->boolean;
    else
        out->i64[row] = is_null ? 0 : value->i64;
}

/* Where the payload of the variable field with this slot begins. */
static inline const uint8_t *payload_of(const struct gm_layout *layout, const uint8_t *row,
                                        uint32_t slot)
{
    const uint8_t *payload = row + layout->fixed_bytes;
    for (uint32_t i = 0; layout->variable_offsets[i] != slot; i++) {
        uint32_t length;
        memcpy(&length, row + layout->variable_offsets[i], sizeof length);
        payload += length;
    }
    return payload;
}

static void gather_packed_bytes(const struct gm_layout *layout, uint32_t slot,
                                const uint8_t *const *rows, uint32_t count,
                                struct gm_bytes *values)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        if (rows[i] == NULL) {
            values[i] = no_bytes;
            continue;
        }
        memcpy(&length, rows[i] + slot, sizeof length);
        values[i] =
            (struct gm_bytes){.data = payload_of(layout, rows[i], slot), .length = length};
    }
}

static void gather_packed_words(uint32_t slot, const uint8_t *const *rows, uint32_t count,
                                int64_t *values)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = 0;
        if (rows[i] != NULL)
            memcpy(&values[i], rows[i] + slot, 8);
    }
}

void gm_gather_packed(const struct gm_layout *layout, uint32_t field, const uint8_t *const *rows,
                      uint32_t count, struct gm_vector *out)
{
    const uint32_t slot = layout->slot_offsets[field];
    out->constant = false;
    out->has_nulls = false;
    if (out->kind == GLEAM_ANY) {
        for (uint32_t i = 0; i < count; i++)
            out->any[i] = rows[i] != NULL ? gm_row_get(layout, rows[i], field) : gleam_null();
        return;
    }
    GM_DCHECK(layout->kinds[field] == out->kind);
    if (out->kind == GLEAM_BYTES)
        gather_packed_bytes(layout, slot, rows, count, out->bytes);
    else if (out->kind != GLEAM_BOOL)
        gather_packed_words(slot, rows, count, out->i64);
    else
        for (uint32_t i = 0; i < count; i++)
            out->boolean[i] = rows[i] != NULL && rows[i][slot] != 0;
    uint8_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        out->nulls[i] = rows[i] == NULL || (layout->nullable[field] &&
                                            (rows[i][field / 8] >> (field % 8) & 1) != 0);
        found |= out->nulls[i];
    }
    out->has_nulls = found != 0;
}
