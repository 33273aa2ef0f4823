/* format.c - parsing formats once, printing rows with them. */
#include "engine/sink/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/row/list.h"
#include "engine/sink/i64.h"

/* Longest text of one number: %f of DBL_MAX has 309 digits; width and precision are at most 999. */
#define NUMBER_BYTES_MAX 2048
#define WIDTH_MAX 999

static bool verb_fits(char verb, uint8_t kind)
{
    switch (verb) {
    case 's':
        return kind == GLEAM_BYTES || kind == GLEAM_ANY;
    case 'd':
        return kind == GLEAM_I64 || kind == GLEAM_ANY;
    case 'f':
        return kind == GLEAM_F64 || kind == GLEAM_ANY;
    default:
        return verb == 'v';
    }
}

static const char *verb_for(uint8_t kind)
{
    return kind == GLEAM_BYTES ? "%s or %v" : kind == GLEAM_I64 ? "%d or %v"
                                          : kind == GLEAM_F64 ? "%f or %v"
                                                              : "%v";
}

/* Reads digits up to WIDTH_MAX; returns -1 when there are none, -2 when there are too many. */
static int32_t read_number(const char **cursor)
{
    int32_t number = -1;
    while (**cursor >= '0' && **cursor <= '9') {
        number = (number < 0 ? 0 : number) * 10 + (**cursor - '0');
        if (number > WIDTH_MAX)
            return -2;
        (*cursor)++;
    }
    return number;
}

/* Reads flags, width, precision and the verb behind a '%'. */
static const char *read_spec(const char *cursor, struct gm_format_piece *piece)
{
    const char *begin = cursor;
    while (*cursor != '\0' && strchr("-+ 0#", *cursor) != NULL && cursor - begin < 8)
        cursor++;
    piece->left = memchr(begin, '-', (size_t)(cursor - begin)) != NULL;
    piece->width = read_number(&cursor);
    piece->precision = -1;
    if (*cursor == '.') {
        cursor++;
        piece->precision = read_number(&cursor);
        if (piece->precision == -1)
            piece->precision = 0;
    }
    /* Zeros in front can make a small number long. */
    if (piece->width == -2 || piece->precision == -2 ||
        (size_t)(cursor - begin) + 2 > sizeof piece->spec)
        return NULL;
    piece->plain = cursor == begin;
    snprintf(piece->spec, sizeof piece->spec, "%%%.*s", (int)(cursor - begin), begin);
    piece->verb = *cursor;
    return cursor + 1;
}

static int check_verb(const struct gm_format_piece *piece, const struct gm_schema *schema,
                      uint32_t column, struct gm_error *error)
{
    char columns[256];
    gm_schema_format(schema, columns, sizeof columns);
    if (piece->verb == '\0')
        return gm_error_set(error, GM_EJOB_FLOW, "the format ends inside a %%: write %%%% for a "
                                                 "percent sign");
    if (strchr("sdfv", piece->verb) == NULL)
        return gm_error_set(error, GM_EJOB_FLOW,
                            "the format has %%%c, which is not one of %%s %%d %%f %%v %%%%",
                            piece->verb);
    if (column >= schema->field_count)
        return gm_error_set(error, GM_EJOB_FLOW,
                            "the format has more verbs than the %u columns of %s",
                            schema->field_count, columns);
    if (!verb_fits(piece->verb, schema->fields[column].kind))
        return gm_error_set(error, GM_EJOB_FLOW,
                            "the format prints column %u of %s with %%%c, but it is %s: use %s",
                            column + 1, columns, piece->verb,
                            gm_kind_name(schema->fields[column].kind),
                            verb_for(schema->fields[column].kind));
    return 0;
}

static int parse_pieces(const char *text, const struct gm_schema *schema, struct gm_format *format,
                        struct gm_error *error)
{
    char *out = format->text;
    uint32_t column = 0;
    const char *cursor = text;
    struct gm_format_piece *piece = &format->pieces[0];
    *piece = (struct gm_format_piece){.text = out};
    while (*cursor != '\0') {
        if (cursor[0] != '%' || cursor[1] == '%') {
            cursor += cursor[0] == '%';
            *out++ = *cursor++;
            continue;
        }
        cursor = read_spec(cursor + 1, piece);
        if (cursor == NULL)
            return gm_error_set(error, GM_EJOB_FLOW,
                                "the format has a width or precision over %d", WIDTH_MAX);
        int rc = check_verb(piece, schema, column, error);
        if (rc < 0)
            return rc;
        column++;
        piece->text_bytes = (uint32_t)(out - piece->text);
        piece = &format->pieces[++format->piece_count];
        *piece = (struct gm_format_piece){.text = out};
    }
    piece->text_bytes = (uint32_t)(out - piece->text);
    format->piece_count++;
    if (column < schema->field_count) {
        char columns[256];
        gm_schema_format(schema, columns, sizeof columns);
        return gm_error_set(error, GM_EJOB_FLOW,
                            "the format has %u verbs, but the rows have the %u columns %s", column,
                            schema->field_count, columns);
    }
    return 0;
}

int gm_format_parse(const char *text, const struct gm_schema *schema, struct gm_format *ret_format,
                    struct gm_error *error)
{
    struct gm_format format = {.text = malloc(strlen(text) + 1)};
    if (format.text == NULL)
        return gm_error_set(error, -ENOMEM, "no memory for the format");
    int rc = parse_pieces(text, schema, &format, error);
    if (rc < 0) {
        free(format.text);
        return rc;
    }
    *ret_format = format;
    return 0;
}

void gm_format_fini(struct gm_format *format)
{
    free(format->text);
    format->text = NULL;
}

bool gm_text_grow(struct gm_text *text, size_t bytes)
{
    size_t capacity = text->capacity > 0 ? text->capacity : 4096;
    while (capacity - text->length < bytes)
        capacity *= 2;
    char *data = gm_heap_realloc(text->heap, text->data, text->capacity, capacity);
    if (data == NULL)
        return false;
    text->data = data;
    text->capacity = capacity;
    return true;
}

int gm_text_append(struct gm_text *text, const void *data, size_t bytes)
{
    if (!gm_text_reserve(text, bytes))
        return GM_ETASK_MEMORY;
    if (bytes > 0)
        memcpy(text->data + text->length, data, bytes);
    text->length += bytes;
    return 0;
}

static int append_padded(struct gm_text *text, const struct gm_format_piece *piece,
                         const char *data, size_t bytes)
{
    if (piece->precision >= 0 && bytes > (size_t)piece->precision)
        bytes = (size_t)piece->precision;
    const size_t pad = piece->width > 0 && (size_t)piece->width > bytes
                           ? (size_t)piece->width - bytes
                           : 0;
    if (pad + bytes == 0)
        return 0;
    if (!gm_text_reserve(text, pad + bytes))
        return GM_ETASK_MEMORY;
    char *out = text->data + text->length;
    if (!piece->left)
        memset(out, ' ', pad);
    if (bytes > 0)
        memcpy(out + (piece->left ? 0 : pad), data, bytes);
    if (piece->left)
        memset(out + bytes, ' ', pad);
    text->length += pad + bytes;
    return 0;
}

/* The shortest of 15, 16 or 17 digits that reads back as the same double. */
static size_t print_f64(double number, char *out, size_t out_bytes)
{
    int length = 0;
    if (number != number) {
        memcpy(out, "nan", 4); /* the C library shows a sign that differs between processors */
        return 3;
    }
    for (int digits = 15; digits <= 17; digits++) {
        length = snprintf(out, out_bytes, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            break;
    }
    return (size_t)length;
}

const char *gm_value_text(const struct gleam_value *value, char number[GM_VALUE_TEXT_BYTES],
                          size_t *ret_length)
{
    const char *text = number;
    switch (value->kind) {
    case GLEAM_I64:
        *ret_length = (size_t)(gm_put_i64(number, value->i64) - number);
        return number;
    case GLEAM_F64:
        *ret_length = print_f64(value->f64, number, GM_VALUE_TEXT_BYTES);
        return number;
    case GLEAM_BYTES:
        *ret_length = value->bytes.length;
        return value->bytes.data;
    case GLEAM_BOOL:
        text = value->boolean ? "true" : "false";
        break;
    case GLEAM_LIST:
        text = "a list"; /* its values are printed by append_list */
        break;
    default:
        text = "null";
    }
    *ret_length = strlen(text);
    return text;
}

/* [a, b]: its values as %v prints them; 32 deep at most. */
static int append_list(struct gm_text *text, const struct gleam_value *list)
{
    struct gm_list_cursor cursor;
    struct gleam_value value;
    gm_list_begin(&cursor, list);
    int rc = gm_text_append(text, "[", 1);
    for (bool first = true; rc == 0 && gm_list_next(&cursor, &value); first = false) {
        char number[GM_VALUE_TEXT_BYTES];
        size_t length;
        if (!first)
            rc = gm_text_append(text, ", ", 2);
        if (rc == 0 && value.kind == GLEAM_LIST) {
            rc = append_list(text, &value);
        } else if (rc == 0) {
            const char *data = gm_value_text(&value, number, &length);
            rc = gm_text_append(text, data, length);
        }
    }
    return rc == 0 ? gm_text_append(text, "]", 1) : rc;
}

/* Cut and padded like any other text. */
static int append_padded_list(struct gm_text *text, const struct gm_format_piece *piece,
                              const struct gleam_value *list)
{
    struct gm_text whole = {.heap = text->heap};
    int rc = append_list(&whole, list);
    if (rc == 0)
        rc = append_padded(text, piece, whole.data, whole.length);
    if (whole.data != NULL)
        gm_heap_free(whole.heap, whole.data, whole.capacity);
    return rc;
}

static int append_value(struct gm_text *text, const struct gm_format_piece *piece,
                        const struct gleam_value *value)
{
    char number[GM_VALUE_TEXT_BYTES];
    size_t length;
    if (value->kind == GLEAM_LIST)
        return piece->plain ? append_list(text, value) : append_padded_list(text, piece, value);
    const char *data = gm_value_text(value, number, &length);
    struct gm_format_piece whole = *piece;
    if (data == number)
        whole.precision = -1; /* a precision cuts text, not digits */
    return append_padded(text, &whole, data, length);
}

static int append_number(struct gm_text *text, const struct gm_format_piece *piece,
                         const struct gleam_value *value)
{
    char number[NUMBER_BYTES_MAX];
    char spec[32];
    int length;
    if (value->kind == GLEAM_I64 && piece->plain)
        return gm_text_append(text, number, (size_t)(gm_put_i64(number, value->i64) - number));
    if (value->kind == GLEAM_I64) {
        snprintf(spec, sizeof spec, "%s" PRId64, piece->spec);
        length = snprintf(number, sizeof number, spec, value->i64);
    } else {
        snprintf(spec, sizeof spec, "%sf", piece->spec);
        length = snprintf(number, sizeof number, spec, value->f64);
    }
    return gm_text_append(text, number, (size_t)length);
}

int gm_format_row(const struct gm_format *format, const struct gm_batch *batch, uint32_t row,
                  struct gm_text *text, struct gm_error *error)
{
    for (uint32_t i = 0; i < format->piece_count; i++) {
        const struct gm_format_piece *piece = &format->pieces[i];
        int rc = gm_text_append(text, piece->text, piece->text_bytes);
        if (rc < 0 || piece->verb == 0) {
            if (rc < 0)
                return rc;
            continue;
        }
        struct gleam_value value = gm_vector_get(&batch->columns[i], row);
        /* Where a column is `any`, an integral number may be an i64 by accident. */
        if (piece->verb == 'f' && value.kind == GLEAM_I64)
            value = gleam_f64((double)value.i64);
        if (piece->verb == 'v')
            rc = append_value(text, piece, &value);
        else if (value.kind == GLEAM_NULL)
            rc = append_padded(text, piece, "", 0);
        else if (!verb_fits(piece->verb, value.kind))
            return gm_error_set(error, GM_EJOB_FLOW,
                                "column %u is %s in this row, which %%%c does not print: use %%v",
                                i + 1, gm_kind_name(value.kind), piece->verb);
        else if (piece->verb == 's')
            rc = append_padded(text, piece, value.bytes.data, value.bytes.length);
        else
            rc = append_number(text, piece, &value);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static bool is_measurable(const struct gm_format_piece *piece, const struct gm_vector *vector)
{
    return piece->verb == 's' && piece->plain && vector->kind == GLEAM_BYTES &&
           !vector->constant && !vector->has_nulls;
}

bool gm_format_measure(const struct gm_format *format, const struct gm_batch *batch,
                       uint64_t *ret_bytes)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < format->piece_count; i++) {
        const struct gm_format_piece *piece = &format->pieces[i];
        bytes += (uint64_t)piece->text_bytes * batch->row_count;
        if (piece->verb == 0)
            continue;
        const struct gm_vector *vector = &batch->columns[i];
        if (!is_measurable(piece, vector))
            return false;
        for (uint32_t row = 0; row < batch->row_count; row++)
            bytes += vector->bytes[row].length;
    }
    *ret_bytes = bytes;
    return true;
}

size_t gm_format_value(const struct gleam_value *value, char *text, size_t text_bytes)
{
    char number[GM_VALUE_TEXT_BYTES];
    size_t length;
    const char *data = gm_value_text(value, number, &length);
    GM_CHECK(text_bytes >= 8);
    const bool cut = length > text_bytes - 1;
    const size_t shown = cut ? text_bytes - 4 : length;
    for (size_t i = 0; i < shown; i++)
        text[i] = data[i] < ' ' && data[i] >= 0 ? '?' : data[i];
    memcpy(text + shown, cut ? "..." : "", cut ? 4 : 1);
    return shown + (cut ? 3 : 0);
}
