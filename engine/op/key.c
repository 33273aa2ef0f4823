/* key.c - keys of batches; a fast path each for one bytes and one i64 column. */
#include "engine/op/key.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/row/list.h"

void gm_key_reader_init(struct gm_key_reader *reader, const struct gm_schema *schema,
                        const struct gleam_order *columns, struct gm_heap *heap)
{
    GM_CHECK(columns->count <= GLEAM_ORDER_COLUMNS_MAX);
    reader->column_count = columns->count;
    for (uint32_t i = 0; i < columns->count; i++)
        reader->columns[i] = columns->columns[i].column - 1;
    const struct gm_field *field = &schema->fields[columns->count > 0 ? reader->columns[0] : 0];
    reader->plain = columns->count == 1 && !field->nullable &&
                    (field->kind == GLEAM_BYTES || field->kind == GLEAM_I64);
    gm_arena_init(&reader->scratch, heap);
}

void gm_key_reader_tag(struct gm_key_reader *reader)
{
    reader->plain = false;
}

void gm_key_reader_fini(struct gm_key_reader *reader)
{
    gm_arena_fini(&reader->scratch);
}

static void read_bytes(const struct gm_bytes *values, uint32_t count, struct gm_key *keys)
{
    for (uint32_t i = 0; i < count; i++) {
        struct gm_key *key = &keys[i];
        const size_t length = values[i].length;
        uint64_t words[2];
        gm_hash_load16(values[i].data, length, words);
        key->low = words[0];
        key->high = words[1];
        key->data = values[i].data;
        key->length = (uint32_t)length;
        key->hash = gm_hash_words(words[0], words[1], length);
    }
    /* Long ones are rare: a second pass keeps the first free of calls. */
    for (uint32_t i = 0; i < count; i++)
        if (keys[i].length > 16)
            keys[i].hash = gm_hash_long(keys[i].data, keys[i].length);
}

static void read_i64(const int64_t *values, uint32_t count, struct gm_key *keys)
{
    for (uint32_t i = 0; i < count; i++) {
        struct gm_key *key = &keys[i];
        key->low = (uint64_t)values[i];
        key->high = 0;
        key->data = (const uint8_t *)&values[i];
        key->length = 8;
        key->hash = gm_hash_words(key->low, 0, 8);
    }
}

static void read_nothing(uint32_t count, struct gm_key *keys)
{
    static const uint8_t nothing[GM_BYTES_SLACK];
    for (uint32_t i = 0; i < count; i++)
        keys[i] = (struct gm_key){.data = nothing, .hash = gm_hash_words(0, 0, 0)};
}

static void read_plain(const struct gm_vector *vector, uint32_t first, uint32_t count,
                       struct gm_key *keys)
{
    const uint32_t read_count = vector->constant ? 1 : count;
    const uint32_t offset = vector->constant ? 0 : first;
    if (vector->kind == GLEAM_BYTES)
        read_bytes(vector->bytes + offset, read_count, keys);
    else
        read_i64(vector->i64 + offset, read_count, keys);
    for (uint32_t i = read_count; i < count; i++)
        keys[i] = keys[0];
}

/* Tagged form: the value as it stands in a packed list, numbers in their canonical form. */
static uint8_t *form_write(const struct gleam_value *value, uint8_t *out)
{
    uint8_t *end = gm_list_write_value(value, out);
    if (value->kind == GLEAM_LIST)
        gm_list_canonicalize(out + 5);
    return end;
}

static int read_tagged(struct gm_key_reader *reader, const struct gm_batch *batch, uint32_t row,
                       struct gm_key *key)
{
    size_t bytes = 0;
    for (uint32_t c = 0; c < reader->column_count; c++) {
        const struct gleam_value value =
            gm_value_canonical(gm_vector_get(&batch->columns[reader->columns[c]], row));
        bytes += gm_list_value_bytes(&value);
    }
    uint8_t *form = gm_arena_alloc(&reader->scratch, bytes);
    if (form == NULL)
        return GM_ETASK_MEMORY;
    uint8_t *end = form;
    for (uint32_t c = 0; c < reader->column_count; c++) {
        const struct gleam_value value =
            gm_value_canonical(gm_vector_get(&batch->columns[reader->columns[c]], row));
        end = form_write(&value, end);
    }
    GM_DCHECK(end == form + bytes);
    uint64_t words[2];
    gm_hash_load16(form, bytes, words);
    *key = (struct gm_key){.hash = gm_hash_bytes(form, bytes),
                           .low = words[0],
                           .high = words[1],
                           .data = form,
                           .length = (uint32_t)bytes};
    return 0;
}

int gm_key_read(struct gm_key_reader *reader, const struct gm_batch *batch, uint32_t first,
                uint32_t count, struct gm_key *ret_keys)
{
    GM_CHECK(count <= GM_KEY_BLOCK);
    if (reader->column_count == 0) {
        read_nothing(count, ret_keys);
        return 0;
    }
    if (reader->plain) {
        read_plain(&batch->columns[reader->columns[0]], first, count, ret_keys);
        return 0;
    }
    gm_arena_reset(&reader->scratch);
    for (uint32_t i = 0; i < count; i++) {
        int rc = read_tagged(reader, batch, first + i, &ret_keys[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Stores a value in a vector of its kind or of `any`. */
static void store(struct gm_vector *vector, uint32_t row, const struct gleam_value *value)
{
    if (vector->nulls != NULL) {
        vector->nulls[row] = value->kind == GLEAM_NULL;
        vector->has_nulls |= value->kind == GLEAM_NULL;
    }
    switch (vector->kind) {
    case GLEAM_I64:
        vector->i64[row] = value->kind == GLEAM_NULL ? 0 : value->i64;
        break;
    case GLEAM_F64:
        /* The form may hold an integral number as i64. */
        vector->f64[row] = value->kind == GLEAM_I64   ? (double)value->i64
                           : value->kind == GLEAM_F64 ? value->f64
                                                      : 0;
        break;
    case GLEAM_BOOL:
        vector->boolean[row] = value->kind == GLEAM_BOOL && value->boolean;
        break;
    case GLEAM_BYTES:
        if (value->kind == GLEAM_NULL)
            vector->bytes[row] = (struct gm_bytes){.data = (const uint8_t *)"", .length = 0};
        else
            vector->bytes[row] = (struct gm_bytes){.data = (const uint8_t *)value->bytes.data,
                                                   .length = value->bytes.length};
        break;
    default:
        vector->any[row] = *value;
    }
}

void gm_key_write(const struct gm_key_reader *reader, const uint8_t *form, uint32_t length,
                  struct gm_batch *batch, uint32_t row)
{
    if (reader->plain) {
        struct gm_vector *vector = &batch->columns[0];
        if (vector->kind == GLEAM_BYTES)
            vector->bytes[row] = (struct gm_bytes){.data = form, .length = length};
        else
            memcpy(&vector->i64[row], form, 8);
        return;
    }
    for (uint32_t c = 0; c < reader->column_count; c++) {
        struct gleam_value value = {.kind = *form++};
        if (value.kind == GLEAM_BOOL) {
            value = gleam_bool(*form++ != 0);
        } else if (gm_kind_has_bytes(value.kind)) {
            const uint8_t kind = value.kind;
            uint32_t bytes;
            memcpy(&bytes, form, 4);
            value = gleam_bytes((const char *)form + 4, bytes);
            value.kind = kind;
            form += 4 + bytes;
        } else if (value.kind != GLEAM_NULL) {
            memcpy(&value.i64, form, 8);
            form += 8;
        }
        store(&batch->columns[c], row, &value);
    }
}
