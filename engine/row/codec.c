/* codec.c - batches to packed rows and back, column at a time.
 *
 * Encoding: a column that is constant or has nulls is first flattened into scratch, so that one
 * plain loop per slot width serves all.  Then payloads, row by row upwards; then bitmaps and
 * slots.  The order matters: a payload is copied 8 or 16 bytes at a time and may run over its
 * end, into bytes that are all written later (see encode_payloads).
 *
 * Decoding: the first pass walks the rows, checks every length against the given bytes and notes
 * where each row starts; the later passes then read inside of rows only.  It accepts exactly what
 * encoding can produce: a valid row decodes and encodes to the same bytes.
 */
#include "engine/row/codec.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/row/list.h"

#define ROWS GM_BATCH_ROWS_MAX
/* A longer value is worth a call of memcpy. */
#define COPY_STEPS_BYTES 64

/* Kind byte and 8, 1 or any number of bytes. */
#define ANY_NUMBER_BYTES 9
#define ANY_BOOL_BYTES 2

/* Where a null's bytes are: 16 of them may be read. */
static const uint8_t no_bytes[16];

/* Where row i starts: rows[i], or base + i * stride when all rows are of one length. */
struct places {
    uint8_t *const *rows; /* NULL when the stride is fixed */
    uint8_t *base;
    size_t stride;
};

/* ---- flattening ---------------------------------------------------------------------------- */

static bool is_flat(const struct gm_vector *vector)
{
    return !vector->constant && !vector->has_nulls;
}

/* nulls[i] of a vector as it is after flattening, or NULL when there are none. */
static const uint8_t *flat_nulls(const struct gm_vector *vector, uint32_t first, uint32_t count,
                                 uint8_t *scratch)
{
    if (!vector->has_nulls)
        return NULL;
    if (!vector->constant)
        return vector->nulls + first;
    memset(scratch, vector->nulls[0] != 0, count);
    return scratch;
}

/* Values of an 8-byte column, zero where null. */
static const uint64_t *flat_words(const struct gm_vector *vector, uint32_t first, uint32_t count,
                                  uint64_t *scratch)
{
    const uint64_t *words = vector->data;
    if (is_flat(vector))
        return words + first;
    if (vector->constant) {
        const uint64_t word = vector->has_nulls && vector->nulls[0] ? 0 : words[0];
        for (uint32_t i = 0; i < count; i++)
            scratch[i] = word;
        return scratch;
    }
    for (uint32_t i = 0; i < count; i++)
        scratch[i] = vector->nulls[first + i] ? 0 : words[first + i];
    return scratch;
}

/* Values of a bool column: 0 or 1, whatever the vector calls true. */
static const uint8_t *flat_bools(const struct gm_vector *vector, uint32_t first, uint32_t count,
                                 uint8_t *scratch)
{
    if (vector->constant) {
        memset(scratch, vector->boolean[0] != 0 && !(vector->has_nulls && vector->nulls[0]), count);
        return scratch;
    }
    for (uint32_t i = 0; i < count; i++)
        scratch[i] = vector->boolean[first + i] != 0;
    if (vector->has_nulls) {
        for (uint32_t i = 0; i < count; i++)
            scratch[i] &= vector->nulls[first + i] == 0;
    }
    return scratch;
}

/* Values of a bytes column, empty where null. */
static const struct gm_bytes *flat_bytes(const struct gm_vector *vector, uint32_t first,
                                         uint32_t count, struct gm_bytes *scratch)
{
    static const struct gm_bytes nothing = {.data = no_bytes};
    if (is_flat(vector))
        return vector->bytes + first;
    if (vector->constant) {
        const bool null = vector->has_nulls && vector->nulls[0];
        for (uint32_t i = 0; i < count; i++)
            scratch[i] = null ? nothing : vector->bytes[0];
        return scratch;
    }
    for (uint32_t i = 0; i < count; i++)
        scratch[i] = vector->nulls[first + i] ? nothing : vector->bytes[first + i];
    return scratch;
}

/* Values of the column under an `any` field, which may have any kind. */
static const struct gleam_value *flat_any(const struct gm_vector *vector, uint32_t first,
                                          uint32_t count, struct gleam_value *scratch)
{
    if (vector->kind == GLEAM_ANY && is_flat(vector))
        return vector->any + first;
    for (uint32_t i = 0; i < count; i++)
        scratch[i] = gm_vector_get(vector, first + i);
    return scratch;
}

/* Length of an `any` payload. */
static uint32_t any_bytes(const struct gleam_value *value)
{
    switch (value->kind) {
    case GLEAM_I64:
    case GLEAM_F64:
        return ANY_NUMBER_BYTES;
    case GLEAM_BOOL:
        return ANY_BOOL_BYTES;
    case GLEAM_BYTES:
    case GLEAM_LIST:
        return 1 + (uint32_t)value->bytes.length;
    default:
        return 0;
    }
}

/* Payload lengths of a variable field. */
static void field_lengths(const struct gm_layout *layout, uint32_t field,
                          const struct gm_vector *vector, uint32_t first, uint32_t count,
                          uint32_t *ret_lengths)
{
    if (layout->kinds[field] == GLEAM_ANY) {
        struct gleam_value scratch[ROWS];
        const struct gleam_value *values = flat_any(vector, first, count, scratch);
        for (uint32_t i = 0; i < count; i++)
            ret_lengths[i] = any_bytes(&values[i]);
        return;
    }
    struct gm_bytes scratch[ROWS];
    const struct gm_bytes *values = flat_bytes(vector, first, count, scratch);
    for (uint32_t i = 0; i < count; i++)
        ret_lengths[i] = (uint32_t)values[i].length;
}

/* ---- sizes --------------------------------------------------------------------------------- */

/* Some row may be longer than a u32 says: find out which. */
static void saturate_sizes(const struct gm_layout *layout, const struct gm_batch *batch,
                           uint32_t first, uint32_t count, uint32_t *sizes)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bytes = layout->fixed_bytes;
        for (uint32_t field = 0; field < layout->field_count; field++) {
            const struct gleam_value value = gm_vector_get(&batch->columns[field], first + i);
            if (layout->kinds[field] == GLEAM_ANY)
                bytes += any_bytes(&value);
            else if (layout->kinds[field] == GLEAM_BYTES && value.kind == GLEAM_BYTES)
                bytes += value.bytes.length;
        }
        sizes[i] = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    }
}

uint64_t gm_codec_sizes(const struct gm_layout *layout, const struct gm_batch *batch,
                        uint32_t first, uint32_t count, uint32_t *ret_sizes)
{
    GM_CHECK(batch->column_count == layout->field_count);
    GM_CHECK(count <= ROWS);
    for (uint32_t i = 0; i < count; i++)
        ret_sizes[i] = layout->fixed_bytes;
    uint64_t sum = (uint64_t)layout->fixed_bytes * count;
    if (layout->variable_count == 0)
        return sum;
    for (uint32_t field = 0; field < layout->field_count; field++) {
        if (layout->kinds[field] < GLEAM_BYTES)
            continue;
        uint32_t lengths[ROWS];
        field_lengths(layout, field, &batch->columns[field], first, count, lengths);
        for (uint32_t i = 0; i < count; i++) {
            ret_sizes[i] += lengths[i];
            sum += lengths[i];
        }
    }
    /* No row is longer than the sum, so what fits it needs no check of its own. */
    if (sum >= UINT32_MAX)
        saturate_sizes(layout, batch, first, count, ret_sizes);
    return sum;
}

/* ---- encoding ------------------------------------------------------------------------------ */

static void put_words(struct places places, uint32_t offset, const uint64_t *words, uint32_t count)
{
    if (places.rows == NULL) {
        uint8_t *out = places.base + offset;
        for (uint32_t i = 0; i < count; i++, out += places.stride)
            memcpy(out, &words[i], 8);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        memcpy(places.rows[i] + offset, &words[i], 8);
}

static void put_octets(struct places places, uint32_t offset, const uint8_t *octets, uint32_t count)
{
    if (places.rows == NULL) {
        uint8_t *out = places.base + offset;
        for (uint32_t i = 0; i < count; i++, out += places.stride)
            *out = octets[i];
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        places.rows[i][offset] = octets[i];
}

static void put_bitmaps(const struct gm_layout *layout, struct places places,
                        const struct gm_batch *batch, uint32_t first, uint32_t count)
{
    uint64_t masks[ROWS];
    uint8_t octets[ROWS];
    uint8_t scratch[ROWS];
    memset(masks, 0, count * sizeof masks[0]);
    for (uint32_t field = 0; field < layout->field_count; field++) {
        const uint8_t *nulls = flat_nulls(&batch->columns[field], first, count, scratch);
        if (nulls == NULL || !layout->nullable[field])
            continue;
        for (uint32_t i = 0; i < count; i++)
            masks[i] |= (uint64_t)(nulls[i] != 0) << field;
    }
    for (uint32_t byte = 0; byte < layout->bitmap_bytes; byte++) {
        for (uint32_t i = 0; i < count; i++)
            octets[i] = (uint8_t)(masks[i] >> (8 * byte));
        put_octets(places, byte, octets, count);
    }
}

#ifdef GM_DEBUG_CHECKS
/* A null stands where the schema allows it. */
static bool nulls_fit(const struct gm_layout *layout, const struct gm_batch *batch, uint32_t first,
                      uint32_t count)
{
    for (uint32_t field = 0; field < layout->field_count; field++) {
        const struct gm_vector *vector = &batch->columns[field];
        if (layout->nullable[field] || layout->kinds[field] == GLEAM_ANY || !vector->has_nulls)
            continue;
        for (uint32_t i = 0; i < count; i++) {
            if (vector->nulls[vector->constant ? 0 : first + i] != 0)
                return false;
        }
    }
    return true;
}
#endif

static void put_fixed(const struct gm_layout *layout, struct places places,
                      const struct gm_batch *batch, uint32_t first, uint32_t count)
{
    for (uint32_t field = 0; field < layout->field_count; field++) {
        const struct gm_vector *vector = &batch->columns[field];
        const uint32_t offset = layout->slot_offsets[field];
        GM_DCHECK(layout->kinds[field] == GLEAM_ANY || layout->kinds[field] == vector->kind);
        if (layout->kinds[field] == GLEAM_BOOL) {
            uint8_t scratch[ROWS];
            put_octets(places, offset, flat_bools(vector, first, count, scratch), count);
        } else if (layout->kinds[field] < GLEAM_BOOL) {
            uint64_t scratch[ROWS];
            put_words(places, offset, flat_words(vector, first, count, scratch), count);
        }
    }
}

/* Pairs of words are the commonest rows of all, and whole vectors at once this way. */
static void encode_pairs(const struct gm_batch *batch, uint32_t first, uint32_t count, uint8_t *out)
{
    uint64_t scratch[2][ROWS];
    const uint64_t *left = flat_words(&batch->columns[0], first, count, scratch[0]);
    const uint64_t *right = flat_words(&batch->columns[1], first, count, scratch[1]);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(out + (size_t)i * 16, &left[i], 8);
        memcpy(out + (size_t)i * 16 + 8, &right[i], 8);
    }
}

/* Copies in whole steps; both sides have slack for the last one.  `step` is a constant. */
static inline void copy_bytes(uint8_t *out, const uint8_t *data, size_t length, size_t step)
{
    memcpy(out, data, step);
    if (length <= step)
        return;
    if (length > COPY_STEPS_BYTES) {
        memcpy(out + step, data + step, length - step);
        return;
    }
    for (size_t done = step; done < length; done += step)
        memcpy(out + done, data + done, step);
}

static inline __attribute__((always_inline)) void
encode_bytes(const struct gm_bytes *values, uint32_t count, size_t step, uint8_t **tails)
{
    for (uint32_t i = 0; i < count; i++) {
        copy_bytes(tails[i], values[i].data, values[i].length, step);
        tails[i] += values[i].length;
    }
}

static void encode_any(const struct gleam_value *values, uint32_t count, uint8_t **tails)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct gleam_value *value = &values[i];
        const uint32_t length = any_bytes(value);
        uint8_t *out = tails[i];
        if (length == 0)
            continue;
        *out++ = value->kind;
        if (gm_kind_has_bytes(value->kind))
            memcpy(out, value->bytes.data, value->bytes.length);
        else if (value->kind == GLEAM_BOOL)
            *out = value->boolean;
        else
            memcpy(out, &value->i64, 8);
        tails[i] += length;
    }
}

/* Payloads of the variable fields; tails[i] is where those of row i begin.
 *
 * A step that runs over the end of its value must hit only what is written later.  That is: the
 * row's payloads of later columns, and bitmap and slots of the rows behind, which are put last.
 * Payloads of the rows behind are written later only when there is one variable column.  With
 * several the fixed part between must catch the overrun: it is at least two length slots, so a
 * step of 8 is always safe, and one of 16 where the fixed part is as long. */
static void encode_payloads(const struct gm_layout *layout, const struct gm_batch *batch,
                            uint32_t first, uint32_t count, uint8_t **tails)
{
    const bool long_steps = layout->variable_count == 1 || layout->fixed_bytes >= 16;
    for (uint32_t field = 0; field < layout->field_count; field++) {
        const struct gm_vector *vector = &batch->columns[field];
        if (layout->kinds[field] == GLEAM_ANY) {
            struct gleam_value scratch[ROWS];
            encode_any(flat_any(vector, first, count, scratch), count, tails);
        } else if (layout->kinds[field] == GLEAM_BYTES) {
            struct gm_bytes scratch[ROWS];
            const struct gm_bytes *values = flat_bytes(vector, first, count, scratch);
            if (long_steps)
                encode_bytes(values, count, 16, tails);
            else
                encode_bytes(values, count, 8, tails);
        }
    }
}

static void put_lengths(const struct gm_layout *layout, uint8_t *const *rows,
                        const struct gm_batch *batch, uint32_t first, uint32_t count)
{
    for (uint32_t field = 0; field < layout->field_count; field++) {
        if (layout->kinds[field] < GLEAM_BYTES)
            continue;
        uint32_t lengths[ROWS];
        field_lengths(layout, field, &batch->columns[field], first, count, lengths);
        for (uint32_t i = 0; i < count; i++)
            memcpy(rows[i] + layout->slot_offsets[field], &lengths[i], sizeof lengths[i]);
    }
}

/* Payloads and length slots of rows with one variable field, of kind bytes: words with a count,
 * lines.  An overrun hits later rows only, so each row's length is written at once. */
static void encode_one_bytes(const struct gm_layout *layout, const struct gm_bytes *values,
                             uint32_t count, uint8_t *const *rows)
{
    const uint32_t fixed_bytes = layout->fixed_bytes;
    const uint32_t slot = layout->variable_offsets[0];
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t length = (uint32_t)values[i].length;
        memcpy(rows[i] + slot, &length, sizeof length);
        copy_bytes(rows[i] + fixed_bytes, values[i].data, length, 16);
    }
}

/* The field of the only variable column when that is bytes, or GM_FIELDS_MAX. */
static uint32_t one_bytes_field(const struct gm_layout *layout)
{
    uint32_t field = 0;
    if (layout->variable_count != 1)
        return GM_FIELDS_MAX;
    while (layout->kinds[field] < GLEAM_BYTES)
        field++;
    return layout->kinds[field] == GLEAM_BYTES ? field : GM_FIELDS_MAX;
}

/* Everything of the variable fields. */
static void encode_variable(const struct gm_layout *layout, const struct gm_batch *batch,
                            uint32_t first, uint32_t count, uint8_t *const *rows)
{
    const uint32_t field = one_bytes_field(layout);
    if (field < GM_FIELDS_MAX) {
        struct gm_bytes scratch[ROWS];
        const struct gm_bytes *values = flat_bytes(&batch->columns[field], first, count, scratch);
        encode_one_bytes(layout, values, count, rows);
        return;
    }
    uint8_t *tails[ROWS];
    for (uint32_t i = 0; i < count; i++)
        tails[i] = rows[i] + layout->fixed_bytes;
    encode_payloads(layout, batch, first, count, tails);
    put_lengths(layout, rows, batch, first, count);
}

static bool is_pair(const struct gm_layout *layout)
{
    return layout->field_count == 2 && layout->fixed_bytes == 16 && layout->variable_count == 0;
}

void gm_codec_encode(const struct gm_layout *layout, const struct gm_batch *batch, uint32_t first,
                     uint32_t count, const uint32_t *sizes, uint8_t *out)
{
    GM_CHECK(batch->column_count == layout->field_count);
    GM_CHECK(count <= ROWS);
    GM_DCHECK(nulls_fit(layout, batch, first, count));
    if (is_pair(layout)) {
        encode_pairs(batch, first, count, out);
        return;
    }
    struct places places = {.base = out, .stride = layout->fixed_bytes};
    uint8_t *rows[ROWS];
    if (layout->variable_count > 0) {
        for (uint32_t i = 0; i < count; i++) {
            rows[i] = out;
            out += sizes[i];
        }
        places.rows = rows;
        encode_variable(layout, batch, first, count, rows);
    }
    if (layout->bitmap_bytes > 0)
        put_bitmaps(layout, places, batch, first, count);
    put_fixed(layout, places, batch, first, count);
}

/* ---- decoding ------------------------------------------------------------------------------ */

/* Where row i starts, as in `places`. */
struct sources {
    const uint8_t *const *rows;
    const uint8_t *base;
    size_t stride;
};

static void get_words(struct sources sources, uint32_t offset, uint64_t *words, uint32_t count)
{
    if (sources.rows == NULL) {
        const uint8_t *in = sources.base + offset;
        for (uint32_t i = 0; i < count; i++, in += sources.stride)
            memcpy(&words[i], in, 8);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        memcpy(&words[i], sources.rows[i] + offset, 8);
}

static void get_octets(struct sources sources, uint32_t offset, uint8_t *octets, uint32_t count)
{
    if (sources.rows == NULL) {
        const uint8_t *in = sources.base + offset;
        for (uint32_t i = 0; i < count; i++, in += sources.stride)
            octets[i] = *in;
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        octets[i] = sources.rows[i][offset];
}

/* Reads the null marks and refuses bits that stand for nothing. */
static bool decode_nulls(const struct gm_layout *layout, struct sources sources, uint32_t count,
                         struct gm_batch *batch)
{
    uint8_t octets[ROWS];
    for (uint32_t byte = 0; byte < layout->bitmap_bytes; byte++) {
        get_octets(sources, byte, octets, count);
        uint8_t found = 0;
        for (uint32_t i = 0; i < count; i++)
            found |= octets[i];
        for (uint32_t bit = 0; bit < 8; bit++) {
            const uint32_t field = byte * 8 + bit;
            if (!(found >> bit & 1))
                continue;
            if (field >= layout->field_count || !layout->nullable[field])
                return false;
            struct gm_vector *vector = &batch->columns[field];
            vector->has_nulls = true;
            for (uint32_t i = 0; i < count; i++)
                vector->nulls[i] = octets[i] >> bit & 1;
        }
    }
    return true;
}

/* Whether every null's slot is zero. */
static bool nulls_are_zero(const struct gm_vector *vector, uint32_t count)
{
    uint64_t bad = 0;
    if (!vector->has_nulls)
        return true;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t value = vector->kind == GLEAM_BOOL    ? vector->boolean[i]
                               : vector->kind == GLEAM_BYTES ? vector->bytes[i].length
                                                             : (uint64_t)vector->i64[i];
        bad |= vector->nulls[i] ? value : 0;
    }
    return bad == 0;
}

static bool decode_fixed(const struct gm_layout *layout, struct sources sources, uint32_t count,
                         struct gm_batch *batch)
{
    for (uint32_t field = 0; field < layout->field_count; field++) {
        struct gm_vector *vector = &batch->columns[field];
        const uint32_t offset = layout->slot_offsets[field];
        if (layout->kinds[field] == GLEAM_BOOL) {
            get_octets(sources, offset, vector->boolean, count);
            uint8_t found = 0;
            for (uint32_t i = 0; i < count; i++)
                found |= vector->boolean[i];
            if (found > 1)
                return false;
        } else if (layout->kinds[field] < GLEAM_BOOL) {
            get_words(sources, offset, vector->data, count);
        }
    }
    return true;
}

/* One `any` payload of `length` bytes.  Returns whether kind and length go together. */
static inline bool decode_any(const uint8_t *payload, uint32_t length,
                              struct gleam_value *ret_value)
{
    if (length == 0) {
        *ret_value = gleam_null();
        return true;
    }
    switch (payload[0]) {
    case GLEAM_I64:
    case GLEAM_F64:
        if (length != ANY_NUMBER_BYTES)
            return false;
        *ret_value = gleam_i64(0);
        ret_value->kind = payload[0];
        memcpy(&ret_value->i64, payload + 1, 8);
        return true;
    case GLEAM_BOOL:
        if (length != ANY_BOOL_BYTES || payload[1] > 1)
            return false;
        *ret_value = gleam_bool(payload[1] == 1);
        return true;
    case GLEAM_BYTES:
        *ret_value = gleam_bytes((const char *)payload + 1, length - 1);
        return true;
    case GLEAM_LIST:
        *ret_value = gleam_bytes((const char *)payload + 1, length - 1);
        ret_value->kind = GLEAM_LIST;
        return gm_list_check(payload + 1, length - 1);
    default:
        return false;
    }
}

/* Payloads of rows with one variable field, of kind bytes. */
static void decode_one_bytes(const struct gm_layout *layout, const uint8_t *const *rows,
                             uint32_t count, struct gm_bytes *values)
{
    const uint32_t fixed_bytes = layout->fixed_bytes;
    const uint32_t slot = layout->variable_offsets[0];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length;
        memcpy(&length, rows[i] + slot, sizeof length);
        values[i] = (struct gm_bytes){.data = rows[i] + fixed_bytes, .length = length};
    }
}

/* Payloads of the variable fields, column by column; the lengths were checked by find_rows. */
static bool decode_payloads(const struct gm_layout *layout, const uint8_t *const *rows,
                            uint32_t count, struct gm_batch *batch)
{
    const uint32_t only = one_bytes_field(layout);
    if (only < GM_FIELDS_MAX) {
        decode_one_bytes(layout, rows, count, batch->columns[only].bytes);
        return true;
    }
    const uint8_t *tails[ROWS];
    for (uint32_t i = 0; i < count; i++)
        tails[i] = rows[i] + layout->fixed_bytes;
    for (uint32_t field = 0; field < layout->field_count; field++) {
        struct gm_vector *vector = &batch->columns[field];
        const uint32_t offset = layout->slot_offsets[field];
        if (layout->kinds[field] < GLEAM_BYTES)
            continue;
        bool good = true;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t length;
            memcpy(&length, rows[i] + offset, sizeof length);
            if (layout->kinds[field] == GLEAM_BYTES)
                vector->bytes[i] = (struct gm_bytes){.data = tails[i], .length = length};
            else
                good &= decode_any(tails[i], length, &vector->any[i]);
            tails[i] += length;
        }
        if (!good)
            return false;
    }
    return true;
}

/* Length of the payloads of the row at `row`, whose fixed part is there. */
static inline uint64_t payload_bytes(const struct gm_layout *layout, const uint8_t *row,
                                     uint32_t variable_count)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < variable_count; i++) {
        uint32_t length;
        memcpy(&length, row + layout->variable_offsets[i], sizeof length);
        bytes += length;
    }
    return bytes;
}

/* Notes where at most row_count_max rows start.  Returns how many there are, or UINT32_MAX when a
 * row leaves the bytes.  A constant variable_count of 1 makes the walk a single load and add per
 * row. */
static inline __attribute__((always_inline)) uint32_t
walk_rows(const struct gm_layout *layout, const uint8_t *data, size_t bytes, uint32_t row_count_max,
          uint32_t variable_count, const uint8_t **rows, size_t *ret_used_bytes)
{
    const size_t fixed_bytes = layout->fixed_bytes;
    size_t left = bytes;
    uint32_t count = 0;
    while (count < row_count_max && left > 0) {
        const uint8_t *row = data + (bytes - left);
        if (left < fixed_bytes)
            return UINT32_MAX;
        const uint64_t payload = payload_bytes(layout, row, variable_count);
        if (payload > left - fixed_bytes)
            return UINT32_MAX;
        rows[count++] = row;
        left -= fixed_bytes + payload;
    }
    *ret_used_bytes = bytes - left;
    return count;
}

static uint32_t find_rows(const struct gm_layout *layout, const uint8_t *data, size_t bytes,
                          uint32_t row_count_max, const uint8_t **rows, size_t *ret_used_bytes)
{
    if (layout->variable_count == 1)
        return walk_rows(layout, data, bytes, row_count_max, 1, rows, ret_used_bytes);
    return walk_rows(layout, data, bytes, row_count_max, layout->variable_count, rows,
                     ret_used_bytes);
}

/* The same where all rows are of one length. */
static uint32_t count_rows(const struct gm_layout *layout, size_t bytes, uint32_t row_count_max,
                           size_t *ret_used_bytes)
{
    size_t count = bytes / layout->fixed_bytes;
    if (count >= row_count_max)
        count = row_count_max;
    else if (bytes % layout->fixed_bytes != 0)
        return UINT32_MAX;
    *ret_used_bytes = count * layout->fixed_bytes;
    return (uint32_t)count;
}

static void decode_pairs(const uint8_t *data, uint32_t count, struct gm_batch *batch)
{
    uint64_t *restrict left = batch->columns[0].data;
    uint64_t *restrict right = batch->columns[1].data;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&left[i], data + (size_t)i * 16, 8);
        memcpy(&right[i], data + (size_t)i * 16 + 8, 8);
    }
}

/* Returns whether what the rows say makes sense. */
static bool decode_columns(const struct gm_layout *layout, struct sources sources, uint32_t count,
                           struct gm_batch *batch)
{
    if (is_pair(layout) && sources.rows == NULL) {
        decode_pairs(sources.base, count, batch);
        return true;
    }
    if (!decode_nulls(layout, sources, count, batch) ||
        !decode_fixed(layout, sources, count, batch))
        return false;
    if (layout->variable_count > 0 && !decode_payloads(layout, sources.rows, count, batch))
        return false;
    for (uint32_t field = 0; field < layout->field_count; field++) {
        if (!nulls_are_zero(&batch->columns[field], count))
            return false;
    }
    return true;
}

static void reset_columns(const struct gm_layout *layout, struct gm_batch *batch)
{
    GM_CHECK(batch->column_count == layout->field_count);
    /* A batch that failed half-way has no rows. */
    batch->row_count = 0;
    for (uint32_t field = 0; field < layout->field_count; field++) {
        batch->columns[field].kind = layout->kinds[field];
        batch->columns[field].constant = false;
        batch->columns[field].has_nulls = false;
    }
}

void gm_codec_decode_rows(const struct gm_layout *layout, const uint8_t *const *rows,
                          uint32_t count, struct gm_batch *batch)
{
    GM_CHECK(count <= ROWS);
    reset_columns(layout, batch);
    const struct sources sources = {.rows = rows, .stride = layout->fixed_bytes};
    GM_CHECK(count == 0 || decode_columns(layout, sources, count, batch));
    batch->row_count = count;
}

int gm_codec_decode(const struct gm_layout *layout, const uint8_t *data, size_t bytes,
                    uint32_t row_count_max, struct gm_batch *batch, size_t *ret_used_bytes)
{
    const uint8_t *rows[ROWS];
    struct sources sources = {.base = data, .stride = layout->fixed_bytes};
    size_t used_bytes = 0;
    uint32_t count;
    if (row_count_max > ROWS)
        row_count_max = ROWS;
    reset_columns(layout, batch);
    if (layout->variable_count > 0) {
        count = find_rows(layout, data, bytes, row_count_max, rows, &used_bytes);
        sources.rows = rows;
    } else {
        count = count_rows(layout, bytes, row_count_max, &used_bytes);
    }
    if (count == UINT32_MAX || !decode_columns(layout, sources, count, batch))
        return GM_EFRAME_CORRUPT;
    batch->row_count = count;
    *ret_used_bytes = used_bytes;
    return 0;
}
