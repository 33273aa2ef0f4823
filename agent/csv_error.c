/* csv_error.c - messages, and lines counted late. */
#include "agent/csv_error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* Of a row in a message. */
#define SHOWN_BYTES 120

uint64_t gm_csv_line_at(const char *path, uint64_t offset)
{
    uint8_t buffer[16384];
    uint64_t line = 1;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return 0;
    while (offset > 0) {
        const size_t want = offset < sizeof buffer ? (size_t)offset : sizeof buffer;
        const ssize_t got = read(fd, buffer, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            line = 0;
            break;
        }
        line += gm_csv_count(buffer, (size_t)got, '\n');
        offset -= (uint64_t)got;
    }
    close(fd);
    return line;
}

/* "PATH:LINE", and the text as a person can read it in one line. */
static void describe(const struct gm_csv_place *place, char *where, size_t where_bytes, char *text)
{
    if (place->line > 0)
        snprintf(where, where_bytes, "%.300s:%" PRIu64, place->path, place->line);
    else
        snprintf(where, where_bytes, "%.300s", place->path);
    const size_t shown = place->bytes < SHOWN_BYTES ? place->bytes : SHOWN_BYTES;
    for (size_t i = 0; i < shown; i++)
        text[i] = place->text[i] < ' ' || place->text[i] == 127 ? '?' : (char)place->text[i];
    snprintf(text + shown, 4, "%s", shown < place->bytes ? "..." : "");
}

static const char advice[] =
    "correct it, or let on_error be GLEAM_CSV_SKIP or GLEAM_CSV_NULL";

int gm_csv_refuse_row(const struct gm_csv_place *place, const struct gm_csv_fault *fault,
                      struct gm_error *error)
{
    const struct gm_csv_plan *csv = place->source->csv;
    char where[340], text[SHOWN_BYTES + 4];
    describe(place, where, sizeof where, text);
    switch (fault->kind) {
    case GM_CSV_FAULT_FIELDS:
        return gm_error_set(error, GM_EJOB_INPUT,
                            "%s: step '%s': %s: the row has %u field%s, the file's have %u: %s; %s",
                            csv->where, place->source->name, where, fault->field_count,
                            fault->field_count == 1 ? "" : "s", csv->format.field_count, text,
                            advice);
    case GM_CSV_FAULT_STRAY:
        return gm_error_set(error, GM_EJOB_INPUT,
                            "%s: step '%s': %s: field %u has text behind its closing quote: %s; %s",
                            csv->where, place->source->name, where, fault->field + 1, text,
                            advice);
    case GM_CSV_FAULT_QUOTE:
        return gm_error_set(error, GM_EJOB_INPUT,
                            "%s: step '%s': %s: field %u has a quote in it, but does not begin "
                            "with one: %s; %s, or, if quotes mean nothing in this file, set "
                            "unquoted",
                            csv->where, place->source->name, where, fault->field + 1, text,
                            advice);
    case GM_CSV_FAULT_JSON:
        return gm_error_set(error, GM_EJOB_INPUT, "%s: step '%s': %s: %s: %s; %s", csv->where,
                            place->source->name, where, fault->why, text, advice);
    default:
        return gm_error_set(error, GM_EJOB_INPUT,
                            "%s: step '%s': %s: a quote in the row that begins here is not closed "
                            "before the file ends: %s; %s",
                            csv->where, place->source->name, where, text, advice);
    }
}

int gm_csv_refuse_value(const struct gm_csv_place *place, uint32_t column, struct gm_error *error)
{
    const struct gm_csv_plan *csv = place->source->csv;
    const struct gm_field *field = &place->source->schema.fields[column];
    char where[340], text[SHOWN_BYTES + 4];
    describe(place, where, sizeof where, text);
    return gm_error_set(error, GM_EJOB_INPUT,
                        "%s: step '%s': %s: column '%s' is %s%s, but has: '%s'; %s%s", csv->where,
                        place->source->name, where, field->name, gm_kind_name(field->kind),
                        csv->guessed ? " by a guess from the first rows" : "", text,
                        csv->guessed ? "declare its type with gleam_as, or " : "", advice);
}

int gm_csv_refuse_header(const struct gm_csv_place *place, struct gm_error *error)
{
    char where[340], text[SHOWN_BYTES + 4];
    describe(place, where, sizeof where, text);
    return gm_error_set(error, GM_EJOB_INPUT,
                        "%s: step '%s': %s: the header is not that of %.200s: %s; read files of "
                        "other columns in a flow of their own",
                        place->source->csv->where, place->source->name, where,
                        place->source->files[0].path, text);
}
