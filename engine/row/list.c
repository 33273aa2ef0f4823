/* list.c - reading, writing, comparing packed lists. */
#include "engine/row/list.h"

#include <math.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/row/row.h"

/* 2^63 as a double; integers from there on have no i64. */
#define I64_LIMIT 9223372036854775808.0

static uint32_t load_u32(const uint8_t *data)
{
    uint32_t number;
    memcpy(&number, data, sizeof number);
    return number;
}

/* ---- checking -------------------------------------------------------------------------------- */

static bool check_list(const uint8_t *data, size_t bytes, uint32_t depth);

/* Bytes of the payload behind a kind byte, or SIZE_MAX when it leaves the list or is none. */
static size_t payload_bytes(uint8_t kind, const uint8_t *payload, size_t left, uint32_t depth)
{
    switch (kind) {
    case GLEAM_NULL:
        return 0;
    case GLEAM_I64:
    case GLEAM_F64:
        return left >= 8 ? 8 : SIZE_MAX;
    case GLEAM_BOOL:
        return left >= 1 && payload[0] <= 1 ? 1 : SIZE_MAX;
    case GLEAM_BYTES:
    case GLEAM_LIST:
        if (left < 4 || load_u32(payload) > left - 4)
            return SIZE_MAX;
        if (kind == GLEAM_LIST && !check_list(payload + 4, load_u32(payload), depth + 1))
            return SIZE_MAX;
        return 4 + (size_t)load_u32(payload);
    default:
        return SIZE_MAX;
    }
}

static bool check_list(const uint8_t *data, size_t bytes, uint32_t depth)
{
    if (bytes < GM_LIST_HEADER_BYTES || depth > GM_LIST_DEPTH_MAX)
        return false;
    const uint8_t *end = data + bytes;
    uint32_t count = load_u32(data);
    data += GM_LIST_HEADER_BYTES;
    for (; count > 0 && data < end; count--) {
        const size_t payload = payload_bytes(data[0], data + 1, (size_t)(end - data) - 1, depth);
        if (payload == SIZE_MAX)
            return false;
        data += 1 + payload;
    }
    return count == 0 && data == end;
}

bool gm_list_check(const uint8_t *data, size_t bytes)
{
    return check_list(data, bytes, 1);
}

/* ---- reading and writing --------------------------------------------------------------------- */

void gm_list_begin(struct gm_list_cursor *cursor, const struct gleam_value *list)
{
    const uint8_t *data = (const uint8_t *)list->bytes.data;
    GM_DCHECK(list->kind == GLEAM_LIST && list->bytes.length >= GM_LIST_HEADER_BYTES);
    cursor->left = load_u32(data);
    cursor->at = data + GM_LIST_HEADER_BYTES;
}

bool gm_list_next(struct gm_list_cursor *cursor, struct gleam_value *ret_value)
{
    if (cursor->left == 0)
        return false;
    cursor->left--;
    *ret_value = gleam_null();
    ret_value->kind = *cursor->at++;
    switch (ret_value->kind) {
    case GLEAM_NULL:
        break;
    case GLEAM_BOOL:
        *ret_value = gleam_bool(*cursor->at++ != 0);
        break;
    case GLEAM_BYTES:
    case GLEAM_LIST:
        ret_value->bytes.length = load_u32(cursor->at);
        ret_value->bytes.data = (const char *)cursor->at + 4;
        cursor->at += 4 + ret_value->bytes.length;
        break;
    default:
        memcpy(&ret_value->i64, cursor->at, 8);
        cursor->at += 8;
    }
    return true;
}

size_t gm_list_value_bytes(const struct gleam_value *value)
{
    switch (value->kind) {
    case GLEAM_NULL:
        return 1;
    case GLEAM_BOOL:
        return 2;
    case GLEAM_BYTES:
    case GLEAM_LIST:
        return 1 + 4 + value->bytes.length;
    default:
        return 9;
    }
}

uint8_t *gm_list_write_value(const struct gleam_value *value, uint8_t *out)
{
    *out++ = value->kind;
    switch (value->kind) {
    case GLEAM_NULL:
        return out;
    case GLEAM_BOOL:
        *out++ = value->boolean;
        return out;
    case GLEAM_BYTES:
    case GLEAM_LIST: {
        const uint32_t length = (uint32_t)value->bytes.length;
        memcpy(out, &length, 4);
        if (length > 0)
            memcpy(out + 4, value->bytes.data, length);
        return out + 4 + length;
    }
    default:
        memcpy(out, &value->i64, 8);
        return out + 8;
    }
}

uint8_t *gm_list_write_header(uint32_t count, uint8_t *out)
{
    memcpy(out, &count, sizeof count);
    return out + GM_LIST_HEADER_BYTES;
}

/* ---- the order and the form of equal lists --------------------------------------------------- */

int gm_list_compare(const struct gleam_value *a, const struct gleam_value *b)
{
    struct gm_list_cursor left, right;
    struct gleam_value one, other;
    gm_list_begin(&left, a);
    gm_list_begin(&right, b);
    for (;;) {
        const bool more = gm_list_next(&left, &one);
        if (gm_list_next(&right, &other) != more)
            return more ? 1 : -1;
        if (!more)
            return 0;
        const int order = gm_value_compare(&one, &other);
        if (order != 0)
            return order;
    }
}

struct gleam_value gm_value_canonical(struct gleam_value value)
{
    if (value.kind != GLEAM_F64)
        return value;
    if (isnan(value.f64))
        value.f64 = (double)NAN;
    else if (value.f64 >= -I64_LIMIT && value.f64 < I64_LIMIT && value.f64 == trunc(value.f64))
        value = gleam_i64((int64_t)value.f64);
    return value;
}

/* A number's canonical form is as long as the number: everything stays in its place. */
void gm_list_canonicalize(uint8_t *data)
{
    uint32_t count = load_u32(data);
    data += GM_LIST_HEADER_BYTES;
    for (; count > 0; count--) {
        const uint8_t kind = *data;
        if (kind == GLEAM_F64) {
            struct gleam_value value = gleam_f64(0);
            memcpy(&value.f64, data + 1, 8);
            value = gm_value_canonical(value);
            gm_list_write_value(&value, data);
        }
        if (kind == GLEAM_LIST)
            gm_list_canonicalize(data + 5);
        data += kind == GLEAM_NULL                         ? 1
                : kind == GLEAM_BOOL                       ? 2
                : kind == GLEAM_BYTES || kind == GLEAM_LIST ? 5 + (size_t)load_u32(data + 1)
                                                            : 9;
    }
}

/* ---- gleam.h --------------------------------------------------------------------------------- */

size_t gleam_list_count(const struct gleam_value *list)
{
    return list->kind == GLEAM_LIST && list->bytes.length >= GM_LIST_HEADER_BYTES
               ? load_u32((const uint8_t *)list->bytes.data)
               : 0;
}

bool gleam_list_next(const struct gleam_value *list, size_t *offset, struct gleam_value *ret_value)
{
    const uint8_t *data = (const uint8_t *)list->bytes.data;
    if (list->kind != GLEAM_LIST || list->bytes.length <= GM_LIST_HEADER_BYTES ||
        *offset >= list->bytes.length)
        return false;
    struct gm_list_cursor cursor = {
        .at = data + (*offset > 0 ? *offset : GM_LIST_HEADER_BYTES), .left = 1};
    gm_list_next(&cursor, ret_value);
    *offset = (size_t)(cursor.at - data);
    return true;
}

size_t gleam_list_bytes(const struct gleam_value *values, size_t count)
{
    size_t bytes = GM_LIST_HEADER_BYTES;
    for (size_t i = 0; i < count; i++)
        bytes += gm_list_value_bytes(&values[i]);
    return bytes;
}

struct gleam_value gleam_list_pack(const struct gleam_value *values, size_t count, void *memory)
{
    uint8_t *out = gm_list_write_header((uint32_t)count, memory);
    for (size_t i = 0; i < count; i++)
        out = gm_list_write_value(&values[i], out);
    struct gleam_value list = gleam_bytes(memory, (size_t)(out - (uint8_t *)memory));
    list.kind = GLEAM_LIST;
    return list;
}
