/* plan_csv.c - looks at a sample of the first file that has a row, and cuts the files. */
#include "engine/flow/plan_csv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/flow/splits.h"
#include "engine/source/csv_convert.h"
#include "engine/source/jsonl.h"

/* The names of a header in a message are cut behind so many bytes. */
#define NAMES_BYTES 320

struct sample {
    uint8_t *data; /* owned */
    size_t bytes;
    size_t used; /* the first record, and what was in front of it */
    bool whole;
    uint32_t field_count; /* 0: no file has a record */
    struct gm_bytes *fields; /* owned; of the first record, pointing into data */
    const char *path;
    bool unseen; /* the first file cannot be looked into */
};

static int refuse(const struct gm_csv_request *request, struct gm_error *error, const char *text)
{
    return gm_error_set(error, GM_EJOB_FLOW, "%s: step '%s': %s", request->node->where,
                        request->node->name, text);
}

/* ---- options --------------------------------------------------------------------------------- */

static bool is_ascii_mark(uint8_t byte)
{
    return byte != '\0' && byte != '\n' && byte != '\r';
}

static int take_options(const struct gm_csv_request *request, struct gm_csv_format *format,
                        struct gm_error *error)
{
    const struct gleam_csv_options *options = request->node->csv;
    struct gm_csv_dialect *dialect = &format->dialect;
    const char *null_text = options->null_text != NULL ? options->null_text : "";
    *dialect = (struct gm_csv_dialect){
        .delimiter = (uint8_t)options->delimiter,
        .quote = options->unquoted ? 0 : (uint8_t)options->quote,
        /* A quote that escapes itself is a doubled one. */
        .escape = options->escape == options->quote ? 0 : (uint8_t)options->escape,
        .comment = (uint8_t)options->comment,
    };
    const uint8_t marks[] = {dialect->delimiter, dialect->quote, dialect->escape,
                             dialect->comment};
    for (int i = 0; i < 4; i++) {
        if (marks[i] != 0 && !is_ascii_mark(marks[i]))
            return refuse(request, error, "a line end cannot be delimiter, quote, escape or "
                                          "comment");
        for (int j = 0; j < i; j++)
            if (marks[i] != 0 && marks[i] == marks[j])
                return refuse(request, error, "delimiter, quote, escape and comment must be four "
                                              "different characters");
    }
    if (options->on_error < GLEAM_CSV_FAIL || options->on_error > GLEAM_CSV_NULL)
        return refuse(request, error, "on_error is one of GLEAM_CSV_FAIL, GLEAM_CSV_SKIP and "
                                      "GLEAM_CSV_NULL");
    if (options->types != NULL && strcmp(options->types, "auto") != 0)
        return refuse(request, error, "types is \"auto\", or left out: declare types with "
                                      "gleam_as");
    if (strlen(null_text) >= GM_CSV_NULL_BYTES_MAX)
        return refuse(request, error, "the text that means null is longer than 31 bytes");
    format->on_error = (uint8_t)options->on_error;
    format->has_nulls = !options->no_nulls;
    format->null_bytes = (uint32_t)strlen(null_text);
    memcpy(format->null_text, null_text, format->null_bytes);
    return 0;
}

/* ---- the sample ------------------------------------------------------------------------------ */

/* Looks into one file.  Returns 0, with field_count 0 when it has no record; GM_AGAIN: it cannot be
 * looked into; < 0. */
static int look_into(const struct gm_csv_request *request, const struct gm_file *file,
                     const struct gm_csv_dialect *dialect, struct sample *sample,
                     struct gm_error *error)
{
    struct gm_error why = {0};
    size_t bom = 0;
    int rc = request->sample == NULL ? GM_AGAIN
                                     : request->sample(file, sample->data, GM_CSV_SAMPLE_BYTES,
                                                       &sample->bytes, &sample->whole, &why);
    if (rc < 0)
        gm_error_set(error, rc, "%s: %s", request->node->where, why.text);
    if (rc != 0)
        return rc;
    sample->path = file->path;
    if (sample->bytes >= 3 && memcmp(sample->data, "\xef\xbb\xbf", 3) == 0)
        bom = 3;
    sample->field_count = gm_csv_split_record(dialect, sample->data + bom, sample->bytes - bom,
                                              sample->whole, sample->fields, NULL,
                                              GM_CSV_FIELDS_MAX, &sample->used);
    sample->used += bom;
    if (sample->field_count > GM_CSV_FIELDS_MAX) {
        char text[200];
        snprintf(text, sizeof text, "%.100s: the first row has %u fields, more than %u",
                 file->path, sample->field_count, GM_CSV_FIELDS_MAX);
        return refuse(request, error, text);
    }
    if (sample->field_count > 0 || (sample->whole && sample->used == sample->bytes))
        return 0;
    char text[256];
    snprintf(text, sizeof text,
             "%.100s: the first row is longer than %u KiB, or its quotes are wrong: are delimiter "
             "and quote those of the file?",
             file->path, GM_CSV_SAMPLE_BYTES >> 10);
    return refuse(request, error, text);
}

static int take_sample(const struct gm_csv_request *request, const struct gm_source *source,
                       const struct gm_csv_dialect *dialect, struct sample *sample,
                       struct gm_error *error)
{
    sample->data = calloc(1, GM_CSV_SAMPLE_BYTES + GM_BYTES_SLACK);
    sample->fields = calloc(GM_CSV_FIELDS_MAX, sizeof *sample->fields);
    GM_CHECK(sample->data != NULL && sample->fields != NULL);
    for (uint32_t i = 0; i < source->file_count && sample->field_count == 0; i++) {
        const int rc = look_into(request, &source->files[i], dialect, sample, error);
        if (rc < 0)
            return rc;
        if (rc == GM_AGAIN) {
            sample->unseen = true;
            break;
        }
    }
    return 0;
}

/* ---- columns --------------------------------------------------------------------------------- */

/* A field's name from a header's: letters, digits and _, cut to fit; "c3" for an empty one. */
static void clean_name(const struct gm_bytes *name, uint32_t field, char *text)
{
    size_t length = name->length < GM_FIELD_NAME_BYTES_MAX - 1 ? name->length
                                                               : GM_FIELD_NAME_BYTES_MAX - 1;
    for (size_t i = 0; i < length; i++)
        text[i] = isalnum(name->data[i]) && name->data[i] < 128 ? (char)name->data[i] : '_';
    text[length] = '\0';
    if (length == 0)
        snprintf(text, GM_FIELD_NAME_BYTES_MAX, "c%u", field + 1);
}

static int refuse_name(const struct gm_csv_request *request, const struct sample *sample,
                       const char *name, bool twice, struct gm_error *error)
{
    char text[NAMES_BYTES + 256], names[NAMES_BYTES] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < sample->field_count && at + GM_FIELD_NAME_BYTES_MAX + 8 < sizeof names;
         i++) {
        char one[GM_FIELD_NAME_BYTES_MAX];
        clean_name(&sample->fields[i], i, one);
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i > 0 ? ", " : "", one);
    }
    snprintf(text, sizeof text, "%s column '%s' in the header of %.100s, which has: %s",
             twice ? "there is more than one" : "there is no", name, sample->path, names);
    return refuse(request, error, text);
}

/* The field of each declared column, by its name in the header. */
static int find_columns(const struct gm_csv_request *request, const struct sample *sample,
                        struct gm_csv_format *format, struct gm_error *error)
{
    for (uint32_t i = 0; i < request->schema.field_count; i++) {
        const char *wanted = request->schema.fields[i].name;
        uint32_t found = 0;
        for (uint32_t f = 0; f < sample->field_count; f++) {
            char name[GM_FIELD_NAME_BYTES_MAX];
            clean_name(&sample->fields[f], f, name);
            if (strcmp(name, wanted) != 0)
                continue;
            format->columns[i].field = (uint16_t)f;
            found++;
        }
        if (found != 1)
            return refuse_name(request, sample, wanted, found > 1, error);
    }
    return 0;
}

static int declared_columns(const struct gm_csv_request *request, const struct sample *sample,
                            struct gm_csv_format *format, struct gm_schema *schema,
                            struct gm_error *error)
{
    char text[256];
    *schema = request->schema;
    format->column_count = schema->field_count;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        format->columns[i].field = (uint16_t)i;
        if (schema->fields[i].kind == GLEAM_ANY)
            return refuse(request, error, "a file's columns are i64, f64, bool or bytes, not any");
    }
    /* Nothing is known of the file: the declaration is all of it. */
    format->field_count = sample->field_count > 0 ? sample->field_count : schema->field_count;
    if (sample->field_count > 0 && request->node->csv->header)
        return find_columns(request, sample, format, error);
    if (format->field_count == schema->field_count)
        return 0;
    snprintf(text, sizeof text,
             "%u columns are declared, but the first row of %.100s has %u fields; without a "
             "header all of them have to be named",
             schema->field_count, sample->path, sample->field_count);
    return refuse(request, error, text);
}

/* A name that the columns before do not have: "n", "n_2". */
static void unlike_others(const struct gm_schema *schema, char *name)
{
    char base[GM_FIELD_NAME_BYTES_MAX - 4];
    snprintf(base, sizeof base, "%s", name);
    for (uint32_t i = 0, number = 2; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0) {
            snprintf(name, GM_FIELD_NAME_BYTES_MAX, "%s_%u", base, number++);
            i = UINT32_MAX; /* from the beginning, with the new name */
        }
}

static int all_columns(const struct gm_csv_request *request, const struct sample *sample,
                       struct gm_csv_format *format, struct gm_schema *schema,
                       struct gm_error *error)
{
    const bool header = request->node->csv->header;
    char text[256];
    if (sample->field_count == 0)
        return refuse(request, error,
                      sample->unseen
                          ? "the input cannot be looked into before it is read: declare all of its "
                            "columns, in their order, with gleam_as"
                          : "there is no row to tell the columns from: declare them with gleam_as");
    if (sample->field_count > GM_FIELDS_MAX) {
        snprintf(text, sizeof text,
                 "%.100s has %u columns, more than %u at once: name the ones to read with "
                 "gleam_as%s",
                 sample->path, sample->field_count, GM_FIELDS_MAX,
                 header ? "" : ", which needs a header");
        return refuse(request, error, text);
    }
    *schema = (struct gm_schema){0};
    format->field_count = format->column_count = sample->field_count;
    for (uint32_t i = 0; i < sample->field_count; i++) {
        char name[GM_FIELD_NAME_BYTES_MAX];
        snprintf(name, sizeof name, "c%u", i + 1);
        if (header)
            clean_name(&sample->fields[i], i, name);
        unlike_others(schema, name);
        gm_schema_add(schema, name, GLEAM_BYTES, false);
        format->columns[i].field = (uint16_t)i;
    }
    return 0;
}

static bool means_null(const struct gm_csv_format *format, const struct gm_bytes *field)
{
    return format->has_nulls && field->length == format->null_bytes &&
           memcmp(field->data, format->null_text, field->length) == 0;
}

/* From the rows of the sample, the first one included where it is no header. */
static void guess_types(const struct gm_csv_request *request, struct sample *sample,
                        const struct gm_csv_format *format, struct gm_schema *schema)
{
    uint8_t kinds[GM_FIELDS_MAX] = {GLEAM_NULL};
    uint32_t count = request->node->csv->header ? 0 : sample->field_count;
    size_t at = sample->used, used;
    for (;;) {
        for (uint32_t i = 0; count == format->field_count && i < format->column_count; i++) {
            const struct gm_bytes *field = &sample->fields[format->columns[i].field];
            if (!means_null(format, field))
                kinds[i] = gm_csv_guess_kind(kinds[i], field->data, field->length);
        }
        count = gm_csv_split_record(&format->dialect, sample->data + at, sample->bytes - at,
                                    sample->whole, sample->fields, NULL, GM_CSV_FIELDS_MAX, &used);
        if (count == 0)
            break;
        at += used;
    }
    for (uint32_t i = 0; i < format->column_count; i++)
        schema->fields[i].kind = kinds[i] == GLEAM_NULL ? GLEAM_BYTES : kinds[i];
}

uint64_t gm_csv_header_hash(const struct gm_bytes *names, uint32_t count)
{
    uint64_t hash = count + 1;
    for (uint32_t i = 0; i < count; i++)
        hash = gm_hash_fold(hash ^ gm_hash_long(names[i].data, names[i].length),
                            UINT64_C(0x9e3779b97f4a7c15) + names[i].length);
    return hash | 1;
}

static int plan_columns(const struct gm_csv_request *request, struct sample *sample,
                        struct gm_csv_plan *csv, struct gm_schema *schema, struct gm_error *error)
{
    struct gm_csv_format *format = &csv->format;
    int rc = request->declared ? declared_columns(request, sample, format, schema, error)
                               : all_columns(request, sample, format, schema, error);
    if (rc < 0)
        return rc;
    if (csv->header && sample->field_count > 0)
        csv->header_hash = gm_csv_header_hash(sample->fields, sample->field_count);
    csv->guessed = !request->declared && request->node->csv->types != NULL;
    if (csv->guessed)
        guess_types(request, sample, format, schema);
    for (uint32_t i = 0; i < format->column_count; i++) {
        /* An empty text is a text; any other null text means null everywhere. */
        const bool text = schema->fields[i].kind == GLEAM_BYTES && format->null_bytes == 0;
        format->columns[i].nullable = format->has_nulls && !text;
        schema->fields[i].nullable =
            format->columns[i].nullable || format->on_error == GM_CSV_NULL;
    }
    return 0;
}

/* ---- JSON lines ------------------------------------------------------------------------------ */

static uint8_t guess_member(uint8_t so_far, const struct gm_bytes *value, enum gm_json_type type)
{
    if (type == GM_JSON_NULL)
        return so_far;
    if (type == GM_JSON_NUMBER)
        return gm_csv_guess_kind(so_far, value->data, value->length);
    const uint8_t kind = type == GM_JSON_BOOL ? GLEAM_BOOL : GLEAM_BYTES;
    return so_far == GLEAM_NULL || so_far == kind ? kind : GLEAM_BYTES;
}

/* Takes one line of the sample: its members' kinds, and, of the first, their names. */
static void look_at_line(struct gm_schema *schema, uint8_t *kinds, bool first, uint8_t *data,
                         size_t bytes)
{
    struct gm_json_line line;
    struct gm_bytes name, value;
    enum gm_json_type type;
    gm_json_line_init(&line, data, bytes);
    while (gm_json_line_next(&line, &name, &value, &type) == 1) {
        char text[GM_FIELD_NAME_BYTES_MAX];
        uint32_t i = 0;
        gm_json_clean_name(&name, text);
        while (i < schema->field_count && strcmp(schema->fields[i].name, text) != 0)
            i++;
        if (i == schema->field_count &&
            (!first || gm_schema_add(schema, text, GLEAM_BYTES, true) < 0))
            continue;
        kinds[i] = guess_member(kinds[i], &value, type);
    }
}

/* Names and types of the first rows of the first file that can be looked into. */
static int guess_members(const struct gm_csv_request *request, const struct gm_source *source,
                         struct gm_schema *schema, struct gm_error *error)
{
    uint8_t kinds[GM_FIELDS_MAX] = {GLEAM_NULL};
    uint8_t *data = calloc(1, GM_CSV_SAMPLE_BYTES + GM_BYTES_SLACK);
    int rc = 0;
    GM_CHECK(data != NULL);
    for (uint32_t i = 0; i < source->file_count && rc == 0 && schema->field_count == 0; i++) {
        struct gm_error why = {0};
        size_t bytes = 0;
        bool whole = false;
        rc = request->sample == NULL ? GM_AGAIN
                                     : request->sample(&source->files[i], data,
                                                       GM_CSV_SAMPLE_BYTES, &bytes, &whole, &why);
        if (rc < 0)
            gm_error_set(error, rc, "%s: %s", request->node->where, why.text);
        for (size_t at = 0; rc == 0 && at < bytes;) {
            const uint8_t *newline = memchr(data + at, '\n', bytes - at);
            if (newline == NULL && !whole)
                break;
            const size_t end = newline != NULL ? (size_t)(newline - data) : bytes;
            look_at_line(schema, kinds, schema->field_count == 0, data + at, end - at);
            at = end + 1;
        }
    }
    free(data);
    for (uint32_t i = 0; i < schema->field_count; i++)
        schema->fields[i].kind = kinds[i] == GLEAM_NULL ? GLEAM_BYTES : kinds[i];
    if (rc >= 0 && schema->field_count == 0)
        return refuse(request, error, "there is no first row to tell the columns from: declare "
                                      "them with gleam_as");
    return rc < 0 ? rc : 0;
}

static int plan_members(const struct gm_csv_request *request, struct gm_source *source,
                        struct gm_csv_plan *csv, struct gm_error *error)
{
    struct gm_schema *schema = &source->schema;
    csv->guessed = !request->declared;
    if (request->declared)
        *schema = request->schema;
    const int rc = request->declared ? 0 : guess_members(request, source, schema, error);
    if (rc < 0)
        return rc;
    csv->format.field_count = csv->format.column_count = schema->field_count;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].kind == GLEAM_ANY)
            return refuse(request, error, "members are i64, f64, bool or bytes, not any");
        schema->fields[i].nullable = true;
        csv->format.columns[i].field = (uint16_t)i;
        csv->format.columns[i].nullable = true;
    }
    return 0;
}

/* ---- splits ---------------------------------------------------------------------------------- */

static void add_segment(struct gm_source *source, uint32_t file, uint64_t begin, uint64_t end)
{
    if (begin < end)
        source->segments[source->segment_count++] =
            (struct gm_segment){.file = file, .begin = begin, .end = end};
}

static uint64_t pieces_of(const struct gm_file *file, bool splits, uint64_t split_bytes)
{
    if (!splits || file->bytes == UINT64_MAX || file->bytes <= split_bytes)
        return 1;
    return (file->bytes + split_bytes - 1) / split_bytes;
}

/* Large files in equal pieces, each a partition; small ones together up to a piece's size, as long
 * as they are whole. */
static void make_fine_splits(struct gm_source *source, bool splits, uint64_t split_bytes)
{
    uint64_t piece_count = 0;
    for (uint32_t i = 0; i < source->file_count; i++)
        piece_count += pieces_of(&source->files[i], splits, split_bytes);
    source->segments = calloc(piece_count + 1, sizeof *source->segments);
    source->partition_ends = calloc(piece_count + 1, sizeof *source->partition_ends);
    GM_CHECK(source->segments != NULL && source->partition_ends != NULL);
    uint64_t together = UINT64_MAX; /* bytes of the partition that is open for small files */
    for (uint32_t i = 0; i < source->file_count; i++) {
        const struct gm_file *file = &source->files[i];
        const uint64_t pieces = pieces_of(file, splits, split_bytes);
        const bool joins = pieces == 1 && together <= split_bytes && file->bytes != UINT64_MAX &&
                           file->bytes <= split_bytes - together;
        if (!joins)
            source->partition_count++;
        for (uint64_t piece = 0; piece < pieces; piece++) {
            const __uint128_t bytes = file->bytes;
            if (pieces == 1)
                add_segment(source, i, 0, file->bytes);
            else
                add_segment(source, i, (uint64_t)(bytes * piece / pieces),
                            (uint64_t)(bytes * (piece + 1) / pieces));
            source->partition_ends[source->partition_count - 1] = source->segment_count;
            source->partition_count += piece + 1 < pieces;
        }
        together = pieces > 1 ? UINT64_MAX : file->bytes + (joins ? together : 0);
    }
}

/* So many partitions as asked for, of whole files. */
static void deal_files(struct gm_source *source, uint32_t partition_count)
{
    source->segments = calloc((size_t)source->file_count + 1, sizeof *source->segments);
    source->partition_ends = calloc(partition_count, sizeof *source->partition_ends);
    GM_CHECK(source->segments != NULL && source->partition_ends != NULL);
    source->partition_count = partition_count;
    for (uint32_t p = 0, file = 0; p < partition_count; p++) {
        const uint32_t end = (uint32_t)((uint64_t)source->file_count * (p + 1) / partition_count);
        for (; file < end; file++)
            add_segment(source, file, 0, source->files[file].bytes);
        source->partition_ends[p] = source->segment_count;
    }
}

static enum gm_csv_parity choose_parity(const struct gm_source *source,
                                        const struct gm_csv_dialect *dialect)
{
    bool cut = false, small = true;
    uint32_t begin = 0;
    for (uint32_t p = 0; p < source->partition_count; p++) {
        const uint32_t end = source->partition_ends[p];
        for (uint32_t i = begin; i < end; i++) {
            const struct gm_segment *segment = &source->segments[i];
            const uint64_t file_bytes = source->files[segment->file].bytes;
            const bool whole = segment->begin == 0 && segment->end == file_bytes;
            cut = cut || !whole;
            small = small && (whole || (end - begin == 1 &&
                                        segment->end - segment->begin <= GM_CSV_SPLIT_BYTES));
        }
        begin = end;
    }
    if (!cut || dialect->quote == 0)
        return GM_CSV_PARITY_NONE;
    return small ? GM_CSV_PARITY_CHAIN : GM_CSV_PARITY_AHEAD;
}

static void make_splits(const struct gm_csv_request *request, struct gm_source *source)
{
    const bool splits = gm_csv_dialect_splits(&source->csv->format.dialect);
    uint32_t count = request->node->partition_count;
    if (count == 0 && !request->fine)
        count = request->executor_count;
    if (count == 0) {
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < source->file_count; i++)
            bytes += source->files[i].bytes != UINT64_MAX ? source->files[i].bytes : 0;
        /* Fewer partitions than files are only possible where files are dealt out. */
        const uint64_t most = GM_PARTITIONS_MAX / 2;
        const uint64_t split =
            bytes / most > GM_CSV_SPLIT_BYTES ? bytes / most : GM_CSV_SPLIT_BYTES;
        if (source->file_count < most)
            make_fine_splits(source, splits, split);
        else
            count = GM_PARTITIONS_MAX;
    }
    if (count > 0 && splits)
        gm_splits_make(source, count);
    else if (count > 0)
        deal_files(source, count);
    source->csv->parity = choose_parity(source, &source->csv->format.dialect);
}

int gm_plan_csv(const struct gm_csv_request *request, struct gm_source *source,
                uint64_t *input_bytes, struct gm_error *error)
{
    struct sample sample = {0};
    struct gm_csv_plan *csv = calloc(1, sizeof *csv);
    GM_CHECK(csv != NULL);
    source->csv = csv;
    csv->header = request->node->csv->header;
    csv->words_begin = request->words_begin;
    snprintf(csv->where, sizeof csv->where, "%s", request->node->where);
    int rc = take_options(request, &csv->format, error);
    csv->json = request->node->json;
    if (rc == 0 && csv->json)
        rc = plan_members(request, source, csv, error);
    else if (rc == 0)
        rc = take_sample(request, source, &csv->format.dialect, &sample, error);
    if (rc == 0 && !csv->json)
        rc = plan_columns(request, &sample, csv, &source->schema, error);
    free(sample.data);
    free(sample.fields);
    if (rc < 0)
        return rc;
    make_splits(request, source);
    for (uint32_t i = 0; i < source->file_count; i++)
        *input_bytes += source->files[i].bytes != UINT64_MAX ? source->files[i].bytes : 0;
    return 0;
}

/* ---- the plan's text and bytes --------------------------------------------------------------- */

void gm_plan_csv_print(const struct gm_source *source, const char *size, FILE *file)
{
    static const char *const on_errors[] = {
        [GM_CSV_FAIL] = "", [GM_CSV_SKIP] = ", bad rows skipped", [GM_CSV_NULL] = ", bad is null"};
    static const char *const parities[] = {
        [GM_CSV_PARITY_NONE] = "", [GM_CSV_PARITY_CHAIN] = ", quotes counted in order",
        [GM_CSV_PARITY_AHEAD] = ", quotes counted ahead"};
    const struct gm_csv_plan *csv = source->csv;
    if (csv->json) {
        fprintf(file, "  read json lines %s%s, %u file%s, %s%s, %u partition%s claimed by free "
                      "executors",
                source->file_count > 0 ? source->files[0].path : "(no file)",
                source->file_count > 1 ? " ..." : "", source->file_count,
                source->file_count == 1 ? "" : "s", size, on_errors[csv->format.on_error],
                source->partition_count, source->partition_count == 1 ? "" : "s");
        return;
    }
    fprintf(file, "  read csv %s%s, %u file%s, %s, %u of %u columns%s%s, %u partition%s%s claimed "
                  "by free executors",
            source->file_count > 0 ? source->files[0].path : "(no file)",
            source->file_count > 1 ? " ..." : "", source->file_count,
            source->file_count == 1 ? "" : "s", size, csv->format.column_count,
            csv->format.field_count, csv->header ? ", header" : "",
            on_errors[csv->format.on_error], source->partition_count,
            source->partition_count == 1 ? "" : "s", parities[csv->parity]);
}

void gm_plan_csv_write(struct gm_writer *writer, const struct gm_csv_plan *csv)
{
    const struct gm_csv_format *format = &csv->format;
    gm_writer_u8(writer, format->dialect.delimiter);
    gm_writer_u8(writer, format->dialect.quote);
    gm_writer_u8(writer, format->dialect.escape);
    gm_writer_u8(writer, format->dialect.comment);
    gm_writer_u8(writer, format->on_error);
    gm_writer_bool(writer, format->has_nulls);
    gm_writer_blob(writer, format->null_text, format->null_bytes);
    gm_writer_u32(writer, format->field_count);
    gm_writer_u32(writer, format->column_count);
    for (uint32_t i = 0; i < format->column_count; i++) {
        gm_writer_u16(writer, format->columns[i].field);
        gm_writer_bool(writer, format->columns[i].nullable);
    }
    gm_writer_u8(writer, (uint8_t)csv->parity);
    gm_writer_u32(writer, csv->words_begin);
    gm_writer_bool(writer, csv->json);
    gm_writer_bool(writer, csv->header);
    gm_writer_bool(writer, csv->guessed);
    gm_writer_u64(writer, csv->header_hash);
    gm_writer_string(writer, csv->where);
}

static void expect(struct gm_cursor *cursor, bool condition)
{
    if (!condition)
        gm_cursor_fail(cursor);
}

struct gm_csv_plan *gm_plan_csv_read(struct gm_cursor *cursor, const struct gm_schema *schema)
{
    struct gm_csv_plan *csv = calloc(1, sizeof *csv);
    GM_CHECK(csv != NULL);
    struct gm_csv_format *format = &csv->format;
    format->dialect.delimiter = gm_cursor_u8(cursor);
    format->dialect.quote = gm_cursor_u8(cursor);
    format->dialect.escape = gm_cursor_u8(cursor);
    format->dialect.comment = gm_cursor_u8(cursor);
    format->on_error = gm_cursor_u8(cursor);
    expect(cursor, format->on_error <= GM_CSV_NULL);
    format->has_nulls = gm_cursor_bool(cursor);
    const uint8_t *null_text =
        gm_cursor_blob(cursor, GM_CSV_NULL_BYTES_MAX, &format->null_bytes);
    if (null_text != NULL)
        memcpy(format->null_text, null_text, format->null_bytes);
    format->field_count = gm_cursor_u32(cursor);
    expect(cursor, format->field_count >= 1 && format->field_count <= GM_CSV_FIELDS_MAX);
    format->column_count = gm_cursor_count(cursor, GM_FIELDS_MAX, 3);
    expect(cursor, format->column_count == schema->field_count);
    for (uint32_t i = 0; i < format->column_count && !cursor->failed; i++) {
        format->columns[i].field = gm_cursor_u16(cursor);
        format->columns[i].nullable = gm_cursor_bool(cursor);
        expect(cursor, format->columns[i].field < format->field_count &&
                           schema->fields[i].kind != GLEAM_ANY &&
                           (schema->fields[i].nullable ||
                            (!format->columns[i].nullable && format->on_error != GM_CSV_NULL)));
    }
    csv->parity = gm_cursor_u8(cursor);
    expect(cursor, csv->parity <= GM_CSV_PARITY_AHEAD);
    csv->words_begin = gm_cursor_u32(cursor);
    csv->json = gm_cursor_bool(cursor);
    csv->header = gm_cursor_bool(cursor);
    csv->guessed = gm_cursor_bool(cursor);
    csv->header_hash = gm_cursor_u64(cursor);
    gm_cursor_string(cursor, csv->where, sizeof csv->where);
    if (!cursor->failed)
        return csv;
    free(csv);
    return NULL;
}
