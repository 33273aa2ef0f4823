/* row.c - packed rows one at a time: fields, lengths and the order of values. */
#include "engine/row/row.h"

#include <math.h>
#include <string.h>

#include "engine/row/list.h"

uint64_t gm_row_bytes(const struct gm_layout *layout, const uint8_t *row)
{
    uint64_t bytes = layout->fixed_bytes;
    for (uint32_t i = 0; i < layout->variable_count; i++) {
        uint32_t length;
        memcpy(&length, row + layout->variable_offsets[i], sizeof length);
        bytes += length;
    }
    return bytes;
}

static struct gleam_value any_get(const uint8_t *payload, uint32_t length)
{
    if (length == 0)
        return gleam_null();
    struct gleam_value list;
    int64_t i64;
    double f64;
    switch (payload[0]) {
    case GLEAM_I64:
        memcpy(&i64, payload + 1, sizeof i64);
        return gleam_i64(i64);
    case GLEAM_F64:
        memcpy(&f64, payload + 1, sizeof f64);
        return gleam_f64(f64);
    case GLEAM_BOOL:
        return gleam_bool(payload[1] != 0);
    case GLEAM_LIST:
        list = gleam_bytes((const char *)payload + 1, length - 1);
        list.kind = GLEAM_LIST;
        return list;
    default:
        return gleam_bytes((const char *)payload + 1, length - 1);
    }
}

struct gleam_value gm_row_get(const struct gm_layout *layout, const uint8_t *row, uint32_t field)
{
    if (layout->bitmap_bytes > 0 && (row[field / 8] >> (field % 8) & 1))
        return gleam_null();
    const uint32_t slot = layout->slot_offsets[field];
    int64_t i64;
    double f64;
    switch (layout->kinds[field]) {
    case GLEAM_I64:
        memcpy(&i64, row + slot, sizeof i64);
        return gleam_i64(i64);
    case GLEAM_F64:
        memcpy(&f64, row + slot, sizeof f64);
        return gleam_f64(f64);
    case GLEAM_BOOL:
        return gleam_bool(row[slot] != 0);
    default:
        break;
    }
    uint64_t offset = layout->fixed_bytes;
    uint32_t length = 0;
    for (uint32_t i = 0; i < layout->variable_count; i++) {
        memcpy(&length, row + layout->variable_offsets[i], sizeof length);
        if (layout->variable_offsets[i] == slot)
            break;
        offset += length;
    }
    if (layout->kinds[field] == GLEAM_ANY)
        return any_get(row + offset, length);
    return gleam_bytes((const char *)row + offset, length);
}

/* i64 against f64 without rounding: the double is compared by its integral part, then its
 * fraction. */
static int compare_i64_f64(int64_t a, double b)
{
    if (isnan(b))
        return -1;
    if (b >= 9223372036854775808.0)
        return -1;
    if (b < -9223372036854775808.0)
        return 1;
    const double floored = floor(b);
    const int64_t whole = (int64_t)floored;
    if (a != whole)
        return a < whole ? -1 : 1;
    return b > floored ? -1 : 0;
}

static int compare_f64(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) != 0) - (isnan(b) != 0);
    return (a > b) - (a < b);
}

static int compare_bytes(const struct gleam_value *a, const struct gleam_value *b)
{
    const size_t shorter = a->bytes.length < b->bytes.length ? a->bytes.length : b->bytes.length;
    const int order = shorter == 0 ? 0 : memcmp(a->bytes.data, b->bytes.data, shorter);
    if (order != 0)
        return order;
    return (a->bytes.length > b->bytes.length) - (a->bytes.length < b->bytes.length);
}

/* null 0, bool 1, numbers 2, bytes 3, lists 4. */
static int rank_of(uint8_t kind)
{
    static const uint8_t ranks[] = {
        [GLEAM_NULL] = 0, [GLEAM_I64] = 2, [GLEAM_F64] = 2, [GLEAM_BOOL] = 1, [GLEAM_BYTES] = 3,
        [GLEAM_LIST] = 4};
    return ranks[kind];
}

int gm_value_compare(const struct gleam_value *a, const struct gleam_value *b)
{
    if (a->kind == GLEAM_I64 && b->kind == GLEAM_I64)
        return (a->i64 > b->i64) - (a->i64 < b->i64);
    if (a->kind == GLEAM_BYTES && b->kind == GLEAM_BYTES)
        return compare_bytes(a, b);
    const int rank = rank_of(a->kind);
    if (rank != rank_of(b->kind))
        return rank - rank_of(b->kind);
    if (rank == 0)
        return 0;
    if (rank == 4)
        return gm_list_compare(a, b);
    if (rank == 1)
        return (int)a->boolean - (int)b->boolean;
    if (a->kind == GLEAM_I64)
        return compare_i64_f64(a->i64, b->f64);
    if (b->kind == GLEAM_I64)
        return -compare_i64_f64(b->i64, a->f64);
    return compare_f64(a->f64, b->f64);
}

int gm_row_compare(const struct gm_layout *layout, const struct gleam_order *order,
                   const uint8_t *a, const uint8_t *b)
{
    for (uint32_t i = 0; i < order->count; i++) {
        const uint32_t field = order->columns[i].column - 1;
        const struct gleam_value left = gm_row_get(layout, a, field);
        const struct gleam_value right = gm_row_get(layout, b, field);
        const int result = gm_value_compare(&left, &right);
        if (result != 0)
            return order->columns[i].ascending ? result : -result;
    }
    return 0;
}

int gm_row_compare_whole(const struct gm_layout *layout, const uint8_t *a, const uint8_t *b)
{
    for (uint32_t field = 0; field < layout->field_count; field++) {
        const struct gleam_value left = gm_row_get(layout, a, field);
        const struct gleam_value right = gm_row_get(layout, b, field);
        const int result = gm_value_compare(&left, &right);
        if (result != 0)
            return result;
    }
    return 0;
}

/* Both number kinds go through the double: rounding is monotone, so the order holds with <=. */
static uint64_t number_prefix(double number)
{
    if (isnan(number))
        return UINT64_MAX;
    if (number == 0)
        number = 0; /* -0.0 equals 0.0 */
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

uint64_t gm_value_prefix(const struct gleam_value *value)
{
    switch (value->kind) {
    case GLEAM_NULL:
        return 0;
    case GLEAM_BOOL:
        return UINT64_C(1) << 61 | value->boolean;
    case GLEAM_I64:
        return UINT64_C(2) << 61 | number_prefix((double)value->i64) >> 3;
    case GLEAM_F64:
        return UINT64_C(2) << 61 | number_prefix(value->f64) >> 3;
    case GLEAM_LIST:
        return UINT64_C(4) << 61;
    default:
        break;
    }
    uint64_t prefix = 0;
    for (size_t i = 0; i < 8; i++)
        prefix = prefix << 8 | (i < value->bytes.length ? (uint8_t)value->bytes.data[i] : 0);
    return UINT64_C(3) << 61 | prefix >> 3;
}
