/* rows.c - splitting a line, decoding its fields in place, parsing them to the columns' types. */
#include "engine/source/rows.h"

#include <stdlib.h>
#include <string.h>

/* Longest text of a number: 17 digits and an exponent, with zeros to spare. */
#define NUMBER_BYTES_MAX 400

const uint8_t *gm_row_end(const struct gm_row_reader *reader, const uint8_t *from,
                          const uint8_t *end, bool *quoted)
{
    if (!reader->csv)
        return from < end ? memchr(from, '\n', (size_t)(end - from)) : NULL;
    /* Inside quotes, "" closes and opens again: the parity is what counts. */
    for (; from < end; from++) {
        if (*from == '"')
            *quoted = !*quoted;
        else if (*from == '\n' && !*quoted)
            return from;
    }
    return NULL;
}

/* ---- fields ---------------------------------------------------------------------------------- */

struct field {
    uint8_t *data;
    size_t length;
    bool null;
};

/* \t, \n and \\; a backslash before anything else stays. */
static void unescape(struct field *field)
{
    uint8_t *in = memchr(field->data, '\\', field->length);
    const uint8_t *end = field->data + field->length;
    field->null = field->length == 2 && memcmp(field->data, "\\N", 2) == 0;
    if (in == NULL || field->null)
        return;
    uint8_t *out = in;
    while (in < end) {
        if (*in == '\\' && in + 1 < end && (in[1] == 't' || in[1] == 'n' || in[1] == '\\')) {
            *out++ = in[1] == 't' ? '\t' : in[1] == 'n' ? '\n' : '\\';
            in += 2;
        } else {
            *out++ = *in++;
        }
    }
    field->length = (size_t)(out - field->data);
}

/* Takes the field at *at, up to a TAB or the end.  *ret_more: a TAB stood behind it. */
static void take_tsv(const struct gm_row_reader *reader, uint8_t **at, uint8_t *end,
                     struct field *ret, bool *ret_more)
{
    uint8_t *tab = reader->schema->field_count > 1 && *at < end
                       ? memchr(*at, '\t', (size_t)(end - *at))
                       : NULL;
    uint8_t *stop = tab != NULL ? tab : end;
    *ret = (struct field){.data = *at, .length = (size_t)(stop - *at)};
    *ret_more = tab != NULL;
    *at = tab != NULL ? tab + 1 : end;
    if (reader->escape)
        unescape(ret);
}

static int take_csv(uint8_t **at, uint8_t *end, struct field *ret, bool *ret_more,
                    struct gm_error *why)
{
    uint8_t *in = *at;
    const bool quoted = in < end && *in == '"';
    *ret = (struct field){.data = in};
    if (quoted) {
        uint8_t *out = ++in;
        ret->data = out;
        while (in < end && (*in != '"' || (in + 1 < end && in[1] == '"'))) {
            in += *in == '"';
            *out++ = *in++;
        }
        if (in == end)
            return gm_error_set(why, GM_EJOB_FLOW, "a quote is opened and not closed");
        ret->length = (size_t)(out - ret->data);
        in++;
    } else {
        while (in < end && *in != ',' && *in != '"')
            in++;
        ret->length = (size_t)(in - ret->data);
        ret->null = ret->length == 0;
    }
    if (in < end && *in != ',')
        return gm_error_set(why, GM_EJOB_FLOW,
                            quoted ? "text stands behind a closing quote"
                                   : "a quote stands inside a field that does not begin with one");
    *ret_more = in < end;
    *at = in < end ? in + 1 : in;
    return 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool parse_i64(const struct field *field, int64_t *ret)
{
    const bool negative = field->length > 0 && field->data[0] == '-';
    const uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t number = 0;
    if (field->length == negative)
        return false;
    for (size_t i = negative; i < field->length; i++) {
        const uint32_t digit = (uint32_t)field->data[i] - '0';
        if (digit > 9 || number > (limit - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret = (int64_t)(negative ? 0 - number : number);
    return true;
}

static bool parse_f64(const struct field *field, double *ret)
{
    char text[NUMBER_BYTES_MAX];
    char *end;
    if (field->length == 0 || field->length >= sizeof text || field->data[0] <= ' ')
        return false;
    memcpy(text, field->data, field->length);
    text[field->length] = '\0';
    *ret = strtod(text, &end);
    return end == text + field->length;
}

static bool parse_bool(const struct field *field, uint8_t *ret)
{
    *ret = field->length == 4 && memcmp(field->data, "true", 4) == 0;
    return *ret || (field->length == 5 && memcmp(field->data, "false", 5) == 0);
}

static void set_null(struct gm_vector *vector, uint32_t row, const struct field *field)
{
    const uint32_t stride = gm_vector_stride(vector->kind);
    vector->nulls[row] = 1;
    vector->has_nulls = true;
    memset((uint8_t *)vector->data + (size_t)row * stride, 0, stride);
    if (vector->kind == GLEAM_BYTES)
        vector->bytes[row].data = field->data;
}

static bool store(struct gm_vector *vector, uint32_t row, bool nullable, const struct field *field)
{
    if (vector->kind == GLEAM_ANY) {
        vector->any[row] =
            field->null ? gleam_null() : gleam_bytes((const char *)field->data, field->length);
        return true;
    }
    vector->nulls[row] = 0;
    if (field->null && nullable) {
        set_null(vector, row, field);
        return true;
    }
    switch (vector->kind) {
    case GLEAM_BYTES:
        vector->bytes[row] = (struct gm_bytes){.data = field->data, .length = field->length};
        return true;
    case GLEAM_I64:
        return parse_i64(field, &vector->i64[row]);
    case GLEAM_F64:
        return parse_f64(field, &vector->f64[row]);
    default:
        return parse_bool(field, &vector->boolean[row]);
    }
}

static int refuse_field(const struct gm_row_reader *reader, uint32_t column,
                        const struct field *field, struct gm_error *why)
{
    const struct gm_field *to = &reader->schema->fields[column];
    return gm_error_set(why, GM_EJOB_FLOW, "its field %u ('%s') is no %s: '%.*s'", column + 1,
                        to->name, gm_kind_name(to->kind),
                        field->length < 80 ? (int)field->length : 80, (const char *)field->data);
}

int gm_row_read(const struct gm_row_reader *reader, uint8_t *line, size_t bytes,
                struct gm_batch *batch, uint32_t row, struct gm_error *why)
{
    const struct gm_schema *schema = reader->schema;
    uint8_t *at = line;
    uint8_t *end = line + bytes;
    uint32_t column = 0;
    bool more = true;
    if (reader->csv && bytes > 0 && end[-1] == '\r')
        end--;
    while (more) {
        struct field field;
        int rc = 0;
        if (reader->csv)
            rc = take_csv(&at, end, &field, &more, why);
        else
            take_tsv(reader, &at, end, &field, &more);
        if (rc < 0)
            return rc;
        if (column < schema->field_count &&
            !store(&batch->columns[column], row, schema->fields[column].nullable, &field))
            return refuse_field(reader, column, &field, why);
        column++;
    }
    if (column != schema->field_count)
        return gm_error_set(why, GM_EJOB_FLOW,
                            "it has %u field%s, but %u column%s wanted: say how many with "
                            "gleam_as(..., \"NAME TYPE, ...\") right behind the pipe",
                            column, column == 1 ? "" : "s", schema->field_count,
                            schema->field_count == 1 ? " is" : "s are");
    return 0;
}
