/* rows.c - one value at a time; bytes are looked through for what would end a field. */
#include "engine/sink/rows.h"

#include <string.h>

static int refuse(const struct gm_row_writer *writer, uint32_t column, const char *what,
                  const char *hint, struct gm_error *why)
{
    return gm_error_set(why, GM_EJOB_FLOW, "column %u ('%s') holds a %s: %s", column + 1,
                        writer->schema->fields[column].name, what, hint);
}

static int write_plain(const struct gm_row_writer *writer, uint32_t column,
                       const struct gleam_value *value, struct gm_text *text,
                       struct gm_error *why)
{
    const char *data = value->bytes.data;
    const size_t length = value->bytes.length;
    if (length > 0 && memchr(data, '\n', length) != NULL)
        return refuse(writer, column, "newline, which would end the row",
                      "set the option escape of gleam_pipe_with, or send csv or jsonl with "
                      "gleam_pipe_raw",
                      why);
    if (length > 0 && writer->schema->field_count > 1 && memchr(data, '\t', length) != NULL)
        return refuse(writer, column, "TAB, which would end the column",
                      "set the option escape of gleam_pipe_with, or send csv or jsonl with "
                      "gleam_pipe_raw",
                      why);
    return gm_text_append(text, data, length);
}

static int write_escaped(const struct gleam_value *value, struct gm_text *text)
{
    const char *data = value->bytes.data;
    if (!gm_text_reserve(text, 2 * value->bytes.length))
        return GM_ETASK_MEMORY;
    char *out = text->data + text->length;
    for (size_t i = 0; i < value->bytes.length; i++) {
        const char letter = data[i];
        if (letter != '\t' && letter != '\n' && letter != '\\') {
            *out++ = letter;
            continue;
        }
        *out++ = '\\';
        *out++ = letter == '\t' ? 't' : letter == '\n' ? 'n' : '\\';
    }
    text->length = (size_t)(out - text->data);
    return 0;
}

/* RFC 4180.  Empty bytes get quotes, so that they are not null. */
static int write_quoted(const struct gleam_value *value, struct gm_text *text)
{
    const char *data = value->bytes.data;
    const size_t length = value->bytes.length;
    bool quote = length == 0;
    for (size_t i = 0; i < length && !quote; i++)
        quote = data[i] == ',' || data[i] == '"' || data[i] == '\n' || data[i] == '\r';
    if (!quote)
        return gm_text_append(text, data, length);
    if (!gm_text_reserve(text, 2 * length + 2))
        return GM_ETASK_MEMORY;
    char *out = text->data + text->length;
    *out++ = '"';
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '"')
            *out++ = '"';
        *out++ = data[i];
    }
    *out++ = '"';
    text->length = (size_t)(out - text->data);
    return 0;
}

int gm_row_write(const struct gm_row_writer *writer, const struct gm_batch *batch, uint32_t row,
                 struct gm_text *text, struct gm_error *why)
{
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const struct gleam_value value = gm_vector_get(&batch->columns[c], row);
        int rc = c > 0 ? gm_text_append(text, writer->csv ? "," : "\t", 1) : 0;
        if (rc < 0)
            return rc;
        if (value.kind == GLEAM_NULL) {
            rc = writer->escape ? gm_text_append(text, "\\N", 2) : 0;
        } else if (value.kind != GLEAM_BYTES) {
            char number[GM_VALUE_TEXT_BYTES];
            size_t length;
            const char *data = gm_value_text(&value, number, &length);
            rc = gm_text_append(text, data, length);
        } else if (writer->csv) {
            rc = write_quoted(&value, text);
        } else if (writer->escape) {
            rc = write_escaped(&value, text);
        } else {
            rc = write_plain(writer, c, &value, text, why);
        }
        if (rc < 0)
            return rc;
    }
    return gm_text_append(text, "\n", 1);
}
