/* write.c - each row reserves the most that it can need, and is written without further checks. */
#include "engine/sink/write.h"

#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "engine/base/check.h"
#include "engine/sink/i64.h"

/* Longest text of a number, bool or null, with its quotes. */
#define SCALAR_BYTES_MAX 40
/* A byte of a JSON string becomes at most six. */
#define JSON_GROWTH 6

/* Room for `bytes` more, or NULL. */
static char *reserve(struct gm_text *text, size_t bytes)
{
    return gm_text_reserve(text, bytes) ? text->data + text->length : NULL;
}

static char *put(char *out, const void *data, size_t bytes)
{
    if (bytes > 0)
        memcpy(out, data, bytes);
    return out + bytes;
}

/* Numbers and truths as %v prints them. */
static char *put_scalar(char *out, const struct gleam_value *value)
{
    if (value->kind == GLEAM_I64)
        return gm_put_i64(out, value->i64);
    return out + gm_format_value(value, out, SCALAR_BYTES_MAX);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

struct marks {
    uint8_t delimiter, quote;
};

/* Copies a value and returns true when it has none of the four bytes that have a meaning.  16 bytes
 * behind it are readable, and behind its copy writable. */
static inline bool copy_plain(char *out, const uint8_t *data, size_t length, struct marks marks)
{
#if defined(__x86_64__)
    const __m128i delimiter = _mm_set1_epi8((char)marks.delimiter);
    const __m128i quote = _mm_set1_epi8((char)marks.quote);
    const __m128i newline = _mm_set1_epi8('\n'), carriage = _mm_set1_epi8('\r');
    __m128i any = _mm_setzero_si128();
    size_t i = 0;
    for (;; i += 16) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(data + i));
        const __m128i found = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, delimiter), _mm_cmpeq_epi8(bytes, quote)),
            _mm_or_si128(_mm_cmpeq_epi8(bytes, newline), _mm_cmpeq_epi8(bytes, carriage)));
        _mm_storeu_si128((__m128i *)(out + i), bytes);
        if (length - i <= 16) {
            const unsigned last =
                (unsigned)_mm_movemask_epi8(found) & (0xffffu >> (16 - (length - i)));
            return (last | (unsigned)_mm_movemask_epi8(any)) == 0;
        }
        any = _mm_or_si128(any, found);
    }
#else
    uint8_t any = 0;
    for (size_t i = 0; i < length; i++) {
        const uint8_t byte = data[i];
        out[i] = (char)byte;
        any |= (uint8_t)(byte == marks.delimiter) | (uint8_t)(byte == marks.quote) |
               (uint8_t)(byte == '\n') | (uint8_t)(byte == '\r');
    }
    return any == 0;
#endif
}

static char *put_quoted(char *out, const uint8_t *data, size_t length, uint8_t quote)
{
    *out++ = (char)quote;
    for (;;) {
        const uint8_t *found = length > 0 ? memchr(data, quote, length) : NULL;
        const size_t bytes = found != NULL ? (size_t)(found - data) + 1 : length;
        out = put(out, data, bytes);
        if (found == NULL)
            break;
        *out++ = (char)quote;
        data += bytes;
        length -= bytes;
    }
    *out++ = (char)quote;
    return out;
}

static int refuse_value(const struct gm_write_plan *plan, const char *name,
                        const struct gleam_value *value, struct gm_error *error)
{
    char text[80];
    gm_format_value(value, text, sizeof text);
    return gm_error_set(error, GM_EJOB_FLOW,
                        "a value of column '%s' has a %s in it or reads as null, and is not quoted "
                        "here: %s; let the options name a quote, or write CSV",
                        name, plan->delimiter == '\t' ? "tab or line end" : "delimiter or line end",
                        text);
}

/* NULL when the value cannot be written, with error. */
static char *put_csv(const struct gm_write_plan *plan, const struct gm_field *field,
                     const struct gleam_value *value, char *out, struct gm_error *error)
{
    const struct marks marks = {plan->delimiter,
                                plan->quote != 0 ? plan->quote : plan->delimiter};
    if (value->kind == GLEAM_NULL)
        return put(out, plan->null_text, plan->null_bytes);
    if (value->kind != GLEAM_BYTES)
        return put_scalar(out, value);
    const uint8_t *data = (const uint8_t *)value->bytes.data;
    const size_t length = value->bytes.length;
    const bool like_null = (field->nullable || field->kind == GLEAM_ANY) &&
                           length == plan->null_bytes &&
                           (length == 0 || memcmp(data, plan->null_text, length) == 0);
    if (!plan->quote_all && !like_null && copy_plain(out, data, length, marks))
        return out + length;
    if (plan->quote != 0)
        return put_quoted(out, data, length, plan->quote);
    refuse_value(plan, field->name, value, error);
    return NULL;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Bytes of the UTF-8 character at data, or 0 when there is none. */
static size_t character_bytes(const uint8_t *data, size_t left)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t least;
    } kinds[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t extra = 0; extra < 4; extra++) {
        if ((data[0] & kinds[extra].mask) != kinds[extra].lead)
            continue;
        uint32_t code = data[0] & (uint8_t)~kinds[extra].mask;
        if (extra >= left)
            return 0;
        for (size_t i = 1; i <= extra; i++) {
            if ((data[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (data[i] & 0x3f);
        }
        const bool good = code >= kinds[extra].least && code <= 0x10ffff &&
                          (code < 0xd800 || code > 0xdfff);
        return good ? extra + 1 : 0;
    }
    return 0;
}

static char *put_json_escape(char *out, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    *out++ = '\\';
    if (byte == '"' || byte == '\\') {
        *out++ = (char)byte;
    } else if (byte == '\n' || byte == '\t' || byte == '\r') {
        *out++ = byte == '\n' ? 'n' : byte == '\t' ? 't' : 'r';
    } else {
        out = put(out, "u00", 3);
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    return out;
}

static char *put_json_string(char *out, const uint8_t *data, size_t length)
{
    *out++ = '"';
    for (size_t i = 0; i < length;) {
        const uint8_t byte = data[i];
        if (byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\') {
            *out++ = (char)byte;
            i++;
            continue;
        }
        const size_t bytes = character_bytes(data + i, length - i);
        if (bytes == 1)
            out = put_json_escape(out, byte);
        else if (bytes == 0)
            out = put(out, "\xef\xbf\xbd", 3); /* U+FFFD stands for a byte that is no text */
        else
            out = put(out, data + i, bytes);
        i += bytes > 0 ? bytes : 1;
    }
    *out++ = '"';
    return out;
}

static char *put_json(const struct gleam_value *value, char *out)
{
    if (value->kind == GLEAM_BYTES)
        return put_json_string(out, (const uint8_t *)value->bytes.data, value->bytes.length);
    if (value->kind == GLEAM_F64 && !isfinite(value->f64))
        return put(out, "null", 4);
    return put_scalar(out, value);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Most bytes that a row can take. */
static size_t most_bytes(const struct gm_write_plan *plan, const struct gm_schema *schema,
                         const struct gleam_value *row)
{
    const size_t growth = plan->format == GM_WRITE_JSONL ? JSON_GROWTH
                        : plan->format == GM_WRITE_CSV   ? 2
                                                         : 1;
    size_t bytes = 4;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        bytes += SCALAR_BYTES_MAX;
        if (row[i].kind == GLEAM_BYTES)
            bytes += growth * row[i].bytes.length;
        if (plan->format == GM_WRITE_JSONL)
            bytes += JSON_GROWTH * GM_FIELD_NAME_BYTES_MAX + 4;
    }
    return bytes;
}

/* Returns where the row ends, or NULL with error. */
static char *put_row(const struct gm_write_plan *plan, const struct gm_schema *schema,
                     const struct gleam_value *row, char *out, struct gm_error *error)
{
    for (uint32_t i = 0; i < schema->field_count && out != NULL; i++) {
        const struct gm_field *field = &schema->fields[i];
        switch (plan->format) {
        case GM_WRITE_CSV:
            if (i > 0)
                *out++ = (char)plan->delimiter;
            out = put_csv(plan, field, &row[i], out, error);
            break;
        case GM_WRITE_JSONL:
            *out++ = i > 0 ? ',' : '{';
            out = put_json_string(out, (const uint8_t *)field->name, strlen(field->name));
            *out++ = ':';
            out = put_json(&row[i], out);
            break;
        default:
            if (i > 0)
                *out++ = '\t';
            if (row[i].kind == GLEAM_BYTES)
                out = put(out, row[i].bytes.data, row[i].bytes.length);
            else
                out = put_scalar(out, &row[i]);
        }
    }
    if (out == NULL)
        return NULL;
    if (plan->format == GM_WRITE_JSONL)
        *out++ = '}';
    *out++ = '\n';
    return out;
}

int gm_write_header(const struct gm_write_plan *plan, const struct gm_schema *schema,
                    struct gm_text *text, struct gm_error *error)
{
    struct gleam_value names[GM_FIELDS_MAX];
    /* Names end in zeros, of which a whole vector is readable. */
    char copies[GM_FIELDS_MAX][GM_FIELD_NAME_BYTES_MAX + GM_BYTES_SLACK];
    if (plan->format != GM_WRITE_CSV || !plan->header)
        return 0;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        memset(copies[i], 0, sizeof copies[i]);
        memcpy(copies[i], schema->fields[i].name, GM_FIELD_NAME_BYTES_MAX);
        names[i] = gleam_bytes(copies[i], strlen(copies[i]));
    }
    char *begin = reserve(text, most_bytes(plan, schema, names));
    if (begin == NULL)
        return GM_ETASK_MEMORY;
    char *end = put_row(plan, schema, names, begin, error);
    if (end == NULL)
        return GM_EJOB_FLOW;
    text->length += (size_t)(end - begin);
    return 0;
}

/* Columns of bytes and i64 without nulls can be written without the boxes. */
static bool is_plain(const struct gm_write_plan *plan, const struct gm_schema *schema,
                     const struct gm_batch *batch)
{
    for (uint32_t i = 0; i < batch->column_count; i++) {
        const struct gm_vector *vector = &batch->columns[i];
        if ((vector->kind != GLEAM_BYTES && vector->kind != GLEAM_I64) || vector->has_nulls ||
            schema->fields[i].nullable || plan->quote_all)
            return false;
    }
    return true;
}

/* Rows of CSV whose columns are plain: the usual case.  Stops in front of a row that needs more
 * than that.  Returns the rows written, or UINT32_MAX when memory is spent. */
static uint32_t put_plain_rows(const struct gm_write_plan *plan, const struct gm_schema *schema,
                               const struct gm_batch *batch, uint32_t first, size_t bytes_max,
                               struct gm_text *text)
{
    const struct marks marks = {plan->delimiter,
                                plan->quote != 0 ? plan->quote : plan->delimiter};
    const uint32_t columns = batch->column_count;
    if (!is_plain(plan, schema, batch))
        return 0;
    uint32_t row = first;
    for (; row < batch->row_count && text->length < bytes_max; row++) {
        size_t most = 0;
        for (uint32_t i = 0; i < columns; i++) {
            const struct gm_vector *vector = &batch->columns[i];
            most += vector->kind == GLEAM_I64
                        ? SCALAR_BYTES_MAX
                        : vector->bytes[vector->constant ? 0 : row].length + 1;
        }
        char *begin = reserve(text, most + 16);
        if (begin == NULL)
            return UINT32_MAX;
        char *out = begin;
        bool plain = true;
        for (uint32_t i = 0; i < columns; i++) {
            const struct gm_vector *vector = &batch->columns[i];
            const uint32_t at = vector->constant ? 0 : row;
            if (vector->kind == GLEAM_I64) {
                out = gm_put_i64(out, vector->i64[at]);
            } else {
                const struct gm_bytes *value = &vector->bytes[at];
                plain &= copy_plain(out, value->data, value->length, marks);
                out += value->length;
            }
            *out++ = (char)plan->delimiter;
        }
        if (!plain)
            break;
        out[-1] = '\n';
        text->length += (size_t)(out - begin);
    }
    return row - first;
}

int gm_write_rows(const struct gm_write_plan *plan, const struct gm_schema *schema,
                  const struct gm_batch *batch, uint32_t first, size_t bytes_max,
                  struct gm_text *text, uint32_t *ret_rows, struct gm_error *error)
{
    uint32_t row = first;
    GM_CHECK(batch->column_count == schema->field_count);
    for (; row < batch->row_count && text->length < bytes_max; row++) {
        struct gleam_value values[GM_FIELDS_MAX];
        if (plan->format == GM_WRITE_CSV) {
            const uint32_t plain = put_plain_rows(plan, schema, batch, row, bytes_max, text);
            if (plain == UINT32_MAX)
                return GM_ETASK_MEMORY;
            row += plain;
            if (row == batch->row_count || text->length >= bytes_max)
                break;
        }
        for (uint32_t i = 0; i < batch->column_count; i++)
            values[i] = gm_vector_get(&batch->columns[i], row);
        char *begin = reserve(text, most_bytes(plan, schema, values));
        if (begin == NULL)
            return GM_ETASK_MEMORY;
        char *end = put_row(plan, schema, values, begin, error);
        if (end == NULL)
            return GM_EJOB_FLOW;
        text->length += (size_t)(end - begin);
    }
    *ret_rows = row - first;
    return 0;
}
