/* jsonl.c - strings, objects and numbers are jansson's to read and to quote. */
#include "engine/sink/jsonl.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int take_piece(const char *data, size_t bytes, void *opaque)
{
    return gm_text_append(opaque, data, bytes);
}

/* Appends any JSON value. */
static int append_json(const json_t *value, struct gm_text *text)
{
    return json_dump_callback(value, take_piece, text, JSON_COMPACT | JSON_ENCODE_ANY) == 0
               ? 0
               : GM_ETASK_MEMORY;
}

static int append_string(const char *data, size_t length, uint32_t column, struct gm_text *text,
                         struct gm_error *why)
{
    json_t *string = json_stringn(data, length);
    if (string == NULL)
        return gm_error_set(why, GM_EJOB_FLOW,
                            "column %u holds bytes that are no UTF-8, which JSON cannot tell: "
                            "send csv, or tsv with the option escape",
                            column + 1);
    const int rc = append_json(string, text);
    json_decref(string);
    return rc;
}

static int append_value(const struct gleam_value *value, uint32_t column, struct gm_text *text,
                        struct gm_error *why)
{
    char number[GM_VALUE_TEXT_BYTES];
    size_t length;
    if (value->kind == GLEAM_BYTES)
        return append_string(value->bytes.data, value->bytes.length, column, text, why);
    if (value->kind == GLEAM_F64 && !isfinite(value->f64))
        return gm_error_set(why, GM_EJOB_FLOW,
                            "column %u holds a number that is not finite, which JSON cannot tell",
                            column + 1);
    const char *data = gm_value_text(value, number, &length);
    return gm_text_append(text, data, length);
}

int gm_jsonl_write(const struct gm_schema *schema, const struct gm_batch *batch, uint32_t row,
                   struct gm_text *text, struct gm_error *why)
{
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const struct gleam_value value = gm_vector_get(&batch->columns[c], row);
        const char *name = schema->fields[c].name;
        int rc = gm_text_append(text, c > 0 ? "," : "{", 1);
        if (rc == 0)
            rc = append_string(name, strlen(name), c, text, why);
        if (rc == 0)
            rc = gm_text_append(text, ":", 1);
        if (rc == 0)
            rc = append_value(&value, c, text, why);
        if (rc < 0)
            return rc;
    }
    return gm_text_append(text, "}\n", 2);
}

static int store_bytes(const char *data, size_t length, struct gm_arena *arena,
                       struct gm_bytes *ret)
{
    uint8_t *copy = gm_arena_alloc(arena, length);
    if (copy == NULL)
        return GM_ETASK_MEMORY;
    if (length > 0)
        memcpy(copy, data, length);
    *ret = (struct gm_bytes){.data = copy, .length = length};
    return 0;
}

/* A value as bytes: a string's own, anything else's JSON. */
static int read_bytes(const json_t *json, struct gm_arena *arena, struct gm_bytes *ret)
{
    if (json_is_string(json))
        return store_bytes(json_string_value(json), json_string_length(json), arena, ret);
    if (json_is_real(json)) { /* the shortest text that reads back as the same */
        const struct gleam_value value = gleam_f64(json_real_value(json));
        char number[GM_VALUE_TEXT_BYTES];
        size_t length;
        const char *data = gm_value_text(&value, number, &length);
        return store_bytes(data, length, arena, ret);
    }
    struct gm_text text = {.heap = arena->heap};
    int rc = append_json(json, &text);
    if (rc == 0)
        rc = store_bytes(text.data, text.length, arena, ret);
    gm_heap_free(text.heap, text.data, text.capacity);
    return rc;
}

/* An i64 from an integer or an integral real; false when it is none. */
static bool read_i64(const json_t *json, int64_t *ret)
{
    const double real = json_is_real(json) ? json_real_value(json) : 0.5;
    if (json_is_integer(json))
        *ret = json_integer_value(json);
    else if (real == floor(real) && fabs(real) < 0x1p53)
        *ret = (int64_t)real;
    else
        return false;
    return true;
}

static int read_any(const json_t *json, struct gm_arena *arena, struct gleam_value *ret)
{
    struct gm_bytes bytes;
    int rc = 0;
    if (json_is_null(json)) {
        *ret = gleam_null();
    } else if (json_is_integer(json)) {
        *ret = gleam_i64(json_integer_value(json));
    } else if (json_is_real(json)) {
        *ret = gleam_f64(json_real_value(json));
    } else if (json_is_boolean(json)) {
        *ret = gleam_bool(json_is_true(json));
    } else {
        rc = read_bytes(json, arena, &bytes);
        if (rc == 0)
            *ret = gleam_bytes((const char *)bytes.data, bytes.length);
    }
    return rc;
}

static int read_value(const json_t *json, const struct gm_field *field, struct gm_vector *vector,
                      uint32_t row, struct gm_arena *arena, struct gm_error *why)
{
    bool fits = true;
    if (field->kind == GLEAM_ANY)
        return read_any(json, arena, &vector->any[row]);
    vector->nulls[row] = json_is_null(json) && field->nullable;
    if (vector->nulls[row]) {
        vector->has_nulls = true;
        const uint32_t stride = gm_vector_stride(field->kind);
        memset((uint8_t *)vector->data + (size_t)row * stride, 0, stride);
        return field->kind == GLEAM_BYTES ? store_bytes("", 0, arena, &vector->bytes[row]) : 0;
    }
    if (field->kind == GLEAM_BYTES && !json_is_null(json))
        return read_bytes(json, arena, &vector->bytes[row]);
    if (field->kind == GLEAM_I64)
        fits = read_i64(json, &vector->i64[row]);
    else if (field->kind == GLEAM_F64 && json_is_number(json))
        vector->f64[row] = json_number_value(json);
    else if (field->kind == GLEAM_BOOL && json_is_boolean(json))
        vector->boolean[row] = json_is_true(json);
    else
        fits = false;
    if (fits)
        return 0;
    return gm_error_set(why, GM_EJOB_FLOW, "member \"%s\" is no %s", field->name,
                        gm_kind_name(field->kind));
}

static int read_members(const struct gm_schema *schema, json_t *object, struct gm_batch *batch,
                        uint32_t row, struct gm_arena *arena, struct gm_error *why)
{
    for (uint32_t c = 0; c < schema->field_count; c++) {
        const json_t *member = json_object_get(object, schema->fields[c].name);
        if (member == NULL)
            return gm_error_set(why, GM_EJOB_FLOW, "it has no member \"%s\"",
                                schema->fields[c].name);
        int rc = read_value(member, &schema->fields[c], &batch->columns[c], row, arena, why);
        if (rc < 0)
            return rc;
    }
    if (json_object_size(object) > schema->field_count)
        return gm_error_set(why, GM_EJOB_FLOW, "it has %zu members, but %u columns are declared",
                            json_object_size(object), schema->field_count);
    return 0;
}

int gm_jsonl_read(const struct gm_schema *schema, const uint8_t *line, size_t bytes,
                  struct gm_batch *batch, uint32_t row, struct gm_arena *arena,
                  struct gm_error *why)
{
    json_error_t error;
    json_t *object = json_loadb((const char *)line, bytes,
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (object == NULL || !json_is_object(object)) {
        const int rc = gm_error_set(why, GM_EJOB_FLOW, "it is no JSON object%s%s",
                                    object == NULL ? ": " : "", object == NULL ? error.text : "");
        json_decref(object);
        return rc;
    }
    const int rc = read_members(schema, object, batch, row, arena, why);
    json_decref(object);
    return rc;
}
