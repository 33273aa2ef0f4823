/* csv_reference.h - CSV read byte by byte, in the plainest way: what the parser must equal. */
#ifndef GM_TESTS_CSV_REFERENCE_H
#define GM_TESTS_CSV_REFERENCE_H

#include <stdlib.h>
#include <string.h>

#include "engine/source/csv.h"

#define REFERENCE_FIELDS_MAX 64

struct reference_row {
    size_t begin; /* in the text */
    bool bad;
    uint32_t field_count;
    char *fields[REFERENCE_FIELDS_MAX]; /* "=" + value, NULL: null; owned */
    size_t lengths[REFERENCE_FIELDS_MAX];
};

struct reference {
    struct reference_row *rows;
    size_t row_count;
};

static inline void reference_free(struct reference *reference)
{
    for (size_t i = 0; i < reference->row_count; i++)
        for (uint32_t f = 0; f < REFERENCE_FIELDS_MAX; f++)
            free(reference->rows[i].fields[f]);
    free(reference->rows);
    *reference = (struct reference){0};
}

/* The record that begins at `at`: where its line ends, by the flips of quotes alone. */
static inline size_t reference_record_end(const struct gm_csv_dialect *dialect,
                                          const uint8_t *text, size_t bytes, size_t at,
                                          bool *ret_inside)
{
    bool inside = false;
    if (dialect->comment != 0 && at < bytes && text[at] == dialect->comment) {
        while (at < bytes && text[at] != '\n')
            at++;
        *ret_inside = false;
        return at;
    }
    for (; at < bytes; at++) {
        if (dialect->escape != 0 && text[at] == dialect->escape)
            at++;
        else if (dialect->quote != 0 && text[at] == dialect->quote)
            inside = !inside;
        else if (text[at] == '\n' && !inside)
            break;
    }
    *ret_inside = inside;
    return at < bytes ? at : bytes;
}

/* One field from *at; false when it is bad. */
static inline bool reference_field(const struct gm_csv_format *format, const uint8_t *text,
                                   size_t end, size_t *at, struct reference_row *row)
{
    const struct gm_csv_dialect *dialect = &format->dialect;
    char *value = malloc(end - *at + 1);
    size_t length = 0, i = *at;
    bool good = true;
    const bool quoted = dialect->quote != 0 && i < end && text[i] == dialect->quote;
    bool inside = quoted, closed = false;
    for (i += quoted; i < end; i++) {
        if (dialect->escape != 0 && text[i] == dialect->escape) {
            good = good && !closed;
            if (i + 1 < end)
                i++;
            value[length++] = (char)text[i];
        } else if (dialect->quote != 0 && text[i] == dialect->quote) {
            const bool twice = dialect->escape == 0 && i + 1 < end && text[i + 1] == text[i];
            if (inside && quoted && twice && !closed) {
                value[length++] = (char)text[i++];
                continue;
            }
            good = good && quoted && !closed;
            closed = true;
            inside = !inside;
        } else if (!inside && text[i] == dialect->delimiter) {
            break;
        } else {
            good = good && !closed;
            value[length++] = (char)text[i];
        }
    }
    good = good && !inside;
    *at = i;
    if (row->field_count < REFERENCE_FIELDS_MAX) {
        bool null = !quoted && format->has_nulls && length == format->null_bytes &&
                    memcmp(value, format->null_text, length) == 0;
        row->fields[row->field_count] = null || !good ? NULL : value;
        row->lengths[row->field_count] = length;
        if (null || !good)
            free(value);
    } else {
        free(value);
    }
    row->field_count++;
    return good;
}

static inline void reference_parse(const struct gm_csv_format *format, const uint8_t *text,
                                   size_t bytes, struct reference *ret)
{
    *ret = (struct reference){0};
    size_t at = 0;
    while (at < bytes) {
        bool inside;
        const size_t stop =
            reference_record_end(&format->dialect, text, bytes, at, &inside);
        const size_t end = stop - (stop > at && text[stop - 1] == '\r');
        const bool comment = format->dialect.comment != 0 && text[at] == format->dialect.comment;
        if (!comment && (end > at || format->field_count == 1)) {
            if ((ret->row_count & (ret->row_count - 1)) == 0) /* doubles at every power of two */
                ret->rows = realloc(ret->rows, (2 * ret->row_count + 1) * sizeof *ret->rows);
            struct reference_row *row = &ret->rows[ret->row_count++];
            *row = (struct reference_row){0};
            row->begin = at;
            row->bad = inside;
            for (size_t from = at;; from++) {
                if (!reference_field(format, text, end, &from, row))
                    row->bad = true;
                if (from >= end)
                    break;
            }
            row->bad = row->bad || row->field_count != format->field_count;
        }
        at = stop + 1;
    }
}

#endif
