/* jsonl.c - one pass over each line; strings end at a quote that memchr finds. */
#include "engine/source/jsonl.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"

/* ---- one line -------------------------------------------------------------------------------- */

void gm_json_line_init(struct gm_json_line *line, uint8_t *data, size_t bytes)
{
    *line = (struct gm_json_line){.at = data, .end = data + bytes};
}

static int wrong(struct gm_json_line *line, const char *why)
{
    line->why = why;
    return -1;
}

/* The next byte that is no space, or 0 at the end. */
static uint8_t peek(struct gm_json_line *line)
{
    while (line->at < line->end && (*line->at == ' ' || *line->at == '\t' || *line->at == '\r'))
        line->at++;
    return line->at < line->end ? *line->at : 0;
}

static int hex4(const uint8_t *data, uint32_t *ret)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        const uint8_t byte = data[i], low = byte | 0x20;
        if (byte >= '0' && byte <= '9')
            code = code * 16 + (byte - '0');
        else if (low >= 'a' && low <= 'f')
            code = code * 16 + (low - 'a' + 10u);
        else
            return -1;
    }
    *ret = code;
    return 0;
}

static uint8_t *put_code(uint8_t *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (uint8_t)code;
    } else if (code < 0x800) {
        *out++ = (uint8_t)(0xc0 | code >> 6);
        *out++ = (uint8_t)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (uint8_t)(0xe0 | code >> 12);
        *out++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        *out++ = (uint8_t)(0x80 | (code & 0x3f));
    } else {
        *out++ = (uint8_t)(0xf0 | code >> 18);
        *out++ = (uint8_t)(0x80 | (code >> 12 & 0x3f));
        *out++ = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        *out++ = (uint8_t)(0x80 | (code & 0x3f));
    }
    return out;
}

/* Behind "\u".  Half a pair of surrogates becomes U+FFFD.  Returns where it ends, or NULL. */
static const uint8_t *take_code(const uint8_t *at, const uint8_t *end, uint8_t **out)
{
    uint32_t code, second;
    if (end - at < 4 || hex4(at, &code) < 0)
        return NULL;
    at += 4;
    if (code >= 0xd800 && code < 0xe000) {
        const bool pair = code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' &&
                          hex4(at + 2, &second) == 0 && second >= 0xdc00 && second < 0xe000;
        code = pair ? 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00) : 0xfffd;
        at += pair ? 6 : 0;
    }
    *out = put_code(*out, code);
    return at;
}

/* The byte that a backslash and this one mean, or 0. */
static uint8_t plain_escape(uint8_t byte)
{
    switch (byte) {
    case '"':
    case '\\':
    case '/':
        return byte;
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    default:
        return 0;
    }
}

/* A string with escapes, from behind its quote on.  In place: an escape is never shorter than what
 * it means. */
static int decode_string(struct gm_json_line *line, struct gm_bytes *ret)
{
    uint8_t *begin = line->at, *out = begin;
    const uint8_t *at = begin;
    while (at < line->end && *at != '"') {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        if (line->end - at < 2)
            break;
        const uint8_t plain = plain_escape(at[1]);
        if (plain != 0) {
            *out++ = plain;
            at += 2;
        } else {
            at = at[1] == 'u' ? take_code(at + 2, line->end, &out) : NULL;
            if (at == NULL)
                return wrong(line, "a string has a \\ with something wrong behind it");
        }
    }
    if (at >= line->end || *at != '"')
        return wrong(line, "a string is not closed");
    *ret = (struct gm_bytes){.data = begin, .length = (size_t)(out - begin)};
    line->at += at + 1 - begin;
    /* So that the span keeps its number of line ends. */
    memset(out, ' ', (size_t)(line->at - out));
    return 0;
}

/* From its quote on. */
static int take_string(struct gm_json_line *line, struct gm_bytes *ret)
{
    uint8_t *begin = ++line->at;
    const size_t left = (size_t)(line->end - begin);
    const uint8_t *quote = left > 0 ? memchr(begin, '"', left) : NULL;
    if (quote == NULL)
        return wrong(line, "a string is not closed");
    const size_t length = (size_t)(quote - begin);
    if (length > 0 && memchr(begin, '\\', length) != NULL)
        return decode_string(line, ret);
    *ret = (struct gm_bytes){.data = begin, .length = length};
    line->at = begin + length + 1;
    return 0;
}

/* An array or object: to the bracket that closes it.  What is inside is not looked at closely. */
static int take_nested(struct gm_json_line *line, struct gm_bytes *ret)
{
    uint8_t *begin = line->at;
    uint64_t depth = 0;
    bool in_string = false;
    for (; line->at < line->end; line->at++) {
        const uint8_t byte = *line->at;
        if (in_string && byte == '\\')
            line->at++;
        else if (byte == '"')
            in_string = !in_string;
        else if (!in_string && (byte == '{' || byte == '['))
            depth++;
        else if (!in_string && (byte == '}' || byte == ']') && --depth == 0)
            break;
    }
    if (line->at >= line->end)
        return wrong(line, "an array or object is not closed");
    line->at++;
    *ret = (struct gm_bytes){.data = begin, .length = (size_t)(line->at - begin)};
    return 0;
}

static bool is_word(const struct gm_bytes *value, const char *word)
{
    return value->length == strlen(word) && memcmp(value->data, word, value->length) == 0;
}

/* A number, or true, false, null. */
static int take_scalar(struct gm_json_line *line, struct gm_bytes *ret,
                       enum gm_json_type *ret_type)
{
    uint8_t *begin = line->at;
    while (line->at < line->end && memchr(",}] \t\r", *line->at, 6) == NULL)
        line->at++;
    *ret = (struct gm_bytes){.data = begin, .length = (size_t)(line->at - begin)};
    if (is_word(ret, "null"))
        *ret_type = GM_JSON_NULL;
    else if (is_word(ret, "true") || is_word(ret, "false"))
        *ret_type = GM_JSON_BOOL;
    else if (ret->length > 0 && (*begin == '-' || (*begin >= '0' && *begin <= '9')))
        *ret_type = GM_JSON_NUMBER;
    else
        return wrong(line, "a value is missing, or is no JSON");
    return 0;
}

static int take_value(struct gm_json_line *line, struct gm_bytes *ret,
                      enum gm_json_type *ret_type)
{
    const uint8_t first = peek(line);
    if (first == '"') {
        *ret_type = GM_JSON_STRING;
        return take_string(line, ret);
    }
    if (first == '{' || first == '[') {
        *ret_type = GM_JSON_NESTED;
        return take_nested(line, ret);
    }
    return take_scalar(line, ret, ret_type);
}

int gm_json_line_next(struct gm_json_line *line, struct gm_bytes *ret_name,
                      struct gm_bytes *ret_value, enum gm_json_type *ret_type)
{
    uint8_t byte = peek(line);
    if (!line->begun && byte != '{')
        return wrong(line, "the line is no object");
    if (line->begun && byte != ',' && byte != '}')
        return wrong(line, "a comma is missing between two members");
    const bool first = !line->begun;
    if (byte != '}')
        line->at++;
    line->begun = true;
    byte = peek(line);
    if (byte == '}' && (first || line->at[-1] != ',')) {
        line->at++;
        return peek(line) == 0 && line->at == line->end
                   ? 0
                   : wrong(line, "something follows the object");
    }
    if (byte != '"')
        return wrong(line, "a member has no name in quotes");
    if (take_string(line, ret_name) < 0)
        return -1;
    if (peek(line) != ':')
        return wrong(line, "a colon is missing behind a name");
    line->at++;
    return take_value(line, ret_value, ret_type) < 0 ? -1 : 1;
}

static char clean(uint8_t byte)
{
    const uint8_t low = byte | 0x20;
    return (low >= 'a' && low <= 'z') || (byte >= '0' && byte <= '9') ? (char)byte : '_';
}

void gm_json_clean_name(const struct gm_bytes *name, char *text)
{
    const size_t length = name->length < GM_FIELD_NAME_BYTES_MAX - 1 ? name->length
                                                                     : GM_FIELD_NAME_BYTES_MAX - 1;
    for (size_t i = 0; i < length; i++)
        text[i] = clean(name->data[i]);
    text[length] = '\0';
}

/* ---- spans ----------------------------------------------------------------------------------- */

void gm_jsonl_parser_init(struct gm_jsonl_parser *parser, const struct gm_schema *schema,
                          uint8_t on_error)
{
    *parser = (struct gm_jsonl_parser){.schema = schema, .on_error = on_error};
}

void gm_jsonl_parser_span(struct gm_jsonl_parser *parser, uint8_t *data, size_t bytes,
                          size_t limit, bool last)
{
    parser->data = data;
    parser->bytes = bytes;
    parser->limit = limit;
    parser->last = last;
    parser->begin = 0;
}

static bool same_name(const char *column, const struct gm_bytes *name)
{
    const size_t length = name->length < GM_FIELD_NAME_BYTES_MAX - 1 ? name->length
                                                                     : GM_FIELD_NAME_BYTES_MAX - 1;
    for (size_t i = 0; i < length; i++)
        if (column[i] != clean(name->data[i]))
            return false;
    return column[length] == '\0';
}

/* The column of a name, or field_count.  Members mostly come in one order: the guess is tried
 * first. */
static uint32_t find_column(const struct gm_schema *schema, const struct gm_bytes *name,
                            uint32_t guess)
{
    for (uint32_t i = 0; i < schema->field_count; i++) {
        const uint32_t column = (guess + i) % schema->field_count;
        if (same_name(schema->fields[column].name, name))
            return column;
    }
    return schema->field_count;
}

/* Returns false, with why, when the line is bad; what was read of it stands. */
static bool take_line(const struct gm_jsonl_parser *parser, uint8_t *data, size_t bytes,
                      struct gm_vector *columns, uint32_t row, const char **ret_why)
{
    const struct gm_schema *schema = parser->schema;
    struct gm_json_line line;
    struct gm_bytes name, value;
    enum gm_json_type type;
    uint32_t guess = 0;
    int rc;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        columns[i].bytes[row] = (struct gm_bytes){.data = data, .length = 0};
        columns[i].nulls[row] = 1;
    }
    gm_json_line_init(&line, data, bytes);
    while ((rc = gm_json_line_next(&line, &name, &value, &type)) == 1) {
        const uint32_t column = find_column(schema, &name, guess);
        if (column == schema->field_count)
            continue;
        guess = column + 1;
        columns[column].bytes[row] = value;
        columns[column].nulls[row] = type == GM_JSON_NULL;
    }
    *ret_why = line.why;
    return rc == 0;
}

static bool is_empty(const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (data[i] != ' ' && data[i] != '\t' && data[i] != '\r')
            return false;
    return true;
}

int gm_jsonl_parse(struct gm_jsonl_parser *parser, struct gm_vector *columns, uint32_t *ret_rows,
                   struct gm_csv_fault *ret_fault)
{
    uint32_t rows = 0;
    int rc = 0;
    while (rows < GM_BATCH_ROWS_MAX && rc == 0 && !parser->has_fault) {
        uint8_t *data = parser->data + parser->begin;
        const size_t left = parser->bytes - parser->begin;
        if (parser->begin >= parser->limit || (left == 0 && parser->last)) {
            rc = GM_END;
            break;
        }
        const uint8_t *newline = left > 0 ? memchr(data, '\n', left) : NULL;
        if (newline == NULL && !parser->last) {
            rc = GM_AGAIN;
            break;
        }
        const size_t bytes = newline != NULL ? (size_t)(newline - data) : left;
        const size_t next = parser->begin + bytes + (newline != NULL);
        struct gm_csv_fault fault = {
            .kind = GM_CSV_FAULT_JSON, .begin = parser->begin, .end = parser->begin + bytes};
        if (is_empty(data, bytes)) {
            parser->begin = next;
        } else if (take_line(parser, data, bytes, columns, rows, &fault.why)) {
            parser->begin = next;
            rows++;
        } else if (parser->on_error == GM_CSV_FAIL) {
            parser->fault = fault;
            parser->has_fault = true;
        } else {
            parser->bad_rows++;
            parser->begin = next;
            rows += parser->on_error == GM_CSV_NULL;
        }
    }
    for (uint32_t i = 0; i < parser->schema->field_count; i++)
        columns[i].has_nulls = rows > 0 && memchr(columns[i].nulls, 1, rows) != NULL;
    if (rows == 0 && parser->has_fault) {
        *ret_fault = parser->fault;
        rc = GM_CSV_BAD_ROW;
    }
    *ret_rows = rows;
    return rows > 0 ? 0 : rc;
}
