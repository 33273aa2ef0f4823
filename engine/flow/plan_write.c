/* plan_write.c - names of files, and what a file without rows holds. */
#include "engine/flow/plan_write.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

static const char *const endings[] = {
    [GM_WRITE_TEXT] = ".txt", [GM_WRITE_CSV] = ".csv", [GM_WRITE_JSONL] = ".jsonl"};

/* The last part of a path, without the slashes behind it. */
static void base_name(const char *path, char *name, size_t name_bytes)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    snprintf(name, name_bytes, "%.*s", (int)(end - begin), path + begin);
}

/* From the first dot that belongs to an ending: ".csv" of "a.b.csv", ".csv.zst" of "a.csv.zst"; ""
 * when the name has none. */
static const char *extension_of(char *name, size_t compressed)
{
    const size_t length = strlen(name);
    for (size_t i = length - compressed; i-- > 1;)
        if (name[i] == '.' && i + 1 < length - compressed)
            return name + i;
    return name + length - compressed;
}

static int refuse(const struct gleam_dataset *node, struct gm_error *error, const char *text)
{
    return gm_error_set(error, GM_EJOB_FLOW, "%s: step '%s': %s", node->where, node->name, text);
}

/* Where no row comes, a file has what the header gives, compressed as rows would be. */
static int make_empty(const struct gm_write_plan *write, const struct gm_schema *schema,
                      struct gm_output *output, struct gm_error *error)
{
    struct gm_heap heap;
    struct gm_compressor *compressor = NULL;
    free(output->empty);
    output->empty = NULL;
    output->empty_bytes = 0;
    GM_CHECK(gm_heap_init(&heap, UINT64_MAX) == 0);
    struct gm_text text = {.heap = &heap};
    int rc = gm_write_header(write, schema, &text, error);
    if (rc == 0 && write->compression != GM_COMPRESSION_NONE) {
        GM_CHECK(gm_compressor_create(write->compression, &heap, &compressor) == 0);
        const size_t room = gm_compressor_bound(compressor, text.length);
        output->empty = malloc(room);
        GM_CHECK(output->empty != NULL);
        output->empty_bytes = gm_compressor_run(
            compressor, text.data != NULL ? text.data : "", text.length, output->empty, room);
        gm_compressor_destroy(compressor);
    } else if (rc == 0 && text.length > 0) {
        output->empty = malloc(text.length);
        GM_CHECK(output->empty != NULL);
        memcpy(output->empty, text.data, text.length);
        output->empty_bytes = text.length;
    }
    gm_heap_free(&heap, text.data, text.capacity);
    gm_heap_fini(&heap);
    return rc;
}

int gm_plan_write(const struct gleam_dataset *node, const struct gm_schema *schema,
                  uint32_t partition_count, bool ranges, struct gm_output *output,
                  struct gm_write_plan **ret_write, struct gm_parts_plan **ret_parts,
                  struct gm_error *error)
{
    struct gm_write_plan write = *node->write;
    char name[GM_PATH_BYTES_MAX];
    size_t compressed;
    const uint8_t marks[] = {write.delimiter, write.quote};
    for (int i = 0; i < 2; i++)
        if (marks[i] == '\n' || marks[i] == '\r')
            return refuse(node, error, "a line end cannot be delimiter or quote");
    if (write.format == GM_WRITE_CSV && write.delimiter == write.quote)
        return refuse(node, error, "delimiter and quote must be different characters");
    if (strlen(output->path) + 32 >= GM_PATH_BYTES_MAX)
        return refuse(node, error, "the path to write to is longer than 4000 bytes");
    base_name(output->path, name, sizeof name);
    write.compression = gm_compression_of(name, &compressed);
    const char *extension = extension_of(name, compressed);
    const bool one =
        (partition_count == 1 || ranges) && (strlen(extension) > compressed || compressed > 0);
    write.counts = !one;
    output->kind = one ? GM_OUTPUT_PATH : GM_OUTPUT_PARTS;
    output->part_count = partition_count;
    const int length = snprintf(output->suffix, sizeof output->suffix, "%s%s",
                                strlen(extension) > compressed ? "" : endings[write.format],
                                extension);
    if (length >= (int)sizeof output->suffix)
        return refuse(node, error, "the extension of the path is longer than 63 bytes");
    int rc = make_empty(&write, schema, output, error);
    if (rc < 0)
        return rc;
    /* Each range would begin with a header of its own. */
    output->empty_first = one && partition_count > 1;
    if (output->empty_first)
        write.header = false;
    *ret_write = malloc(sizeof write);
    GM_CHECK(*ret_write != NULL);
    **ret_write = write;
    *ret_parts = NULL;
    if (!one) {
        *ret_parts = calloc(1, sizeof **ret_parts);
        GM_CHECK(*ret_parts != NULL);
        snprintf((*ret_parts)->suffix, sizeof (*ret_parts)->suffix, "%s", output->suffix);
        snprintf((*ret_parts)->target, sizeof (*ret_parts)->target, "%s", output->path);
    }
    return 0;
}

void gm_plan_place(struct gm_plan *plan, struct gm_chain_plan *chain,
                   const struct gm_output *output, struct gm_exchange_plan *exchange)
{
    if (!exchange->ordered || output->kind != GM_OUTPUT_PATH || chain->step_count != 2 ||
        chain->steps[0].kind != GM_STEP_SORT)
        return;
    const struct gm_step *printer = &chain->steps[1];
    if (printer->kind != GM_STEP_FORMAT &&
        (printer->kind != GM_STEP_WRITE || printer->write->compression != GM_COMPRESSION_NONE))
        return;
    chain->steps = realloc(chain->steps, 3 * sizeof *chain->steps);
    GM_CHECK(chain->steps != NULL);
    printer = &chain->steps[1];
    struct gm_step measure = {.kind = GM_STEP_MEASURE, .schema = chain->source.schema};
    snprintf(measure.name, sizeof measure.name, "%s", printer->name);
    snprintf(measure.where, sizeof measure.where, "%s", printer->where);
    if (printer->format != NULL) {
        measure.format = strdup(printer->format);
        GM_CHECK(measure.format != NULL);
    } else {
        measure.write = malloc(sizeof *measure.write);
        GM_CHECK(measure.write != NULL);
        *measure.write = *printer->write;
    }
    memmove(chain->steps + 1, chain->steps, 2 * sizeof *chain->steps);
    chain->steps[0] = measure;
    chain->step_count = 3;
    exchange->placed = calloc(1, sizeof *exchange->placed);
    GM_CHECK(exchange->placed != NULL);
    snprintf(exchange->placed->target, sizeof exchange->placed->target, "%s", output->path);
    exchange->placed->begin_bytes = output->empty_first ? output->empty_bytes : 0;
    exchange->placed->words_begin = gm_plan_word_count(plan);
    exchange->placed->range_count = chain->source.partition_count;
}

void gm_plan_parts_schema(struct gm_schema *ret_schema)
{
    *ret_schema = (struct gm_schema){0};
    gm_schema_add(ret_schema, "part", GLEAM_I64, false);
    gm_schema_add(ret_schema, "rows", GLEAM_I64, false);
    gm_schema_add(ret_schema, "bytes", GLEAM_I64, false);
}

void gm_plan_write_print(const struct gm_write_plan *write, FILE *file)
{
    static const char *const formats[] = {
        [GM_WRITE_TEXT] = "lines", [GM_WRITE_CSV] = "csv", [GM_WRITE_JSONL] = "json lines"};
    static const char *const compressions[] = {[GM_COMPRESSION_NONE] = "",
                                               [GM_COMPRESSION_GZIP] = ", gzip",
                                               [GM_COMPRESSION_ZSTD] = ", zstd",
                                               [GM_COMPRESSION_BZIP2] = ", bzip2"};
    fprintf(file, " as %s%s", formats[write->format], compressions[write->compression]);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

void gm_plan_write_write(struct gm_writer *writer, const struct gm_write_plan *write)
{
    gm_writer_u8(writer, (uint8_t)write->format);
    gm_writer_u8(writer, (uint8_t)write->compression);
    gm_writer_bool(writer, write->counts);
    gm_writer_u8(writer, write->delimiter);
    gm_writer_u8(writer, write->quote);
    gm_writer_bool(writer, write->quote_all);
    gm_writer_bool(writer, write->header);
    gm_writer_blob(writer, write->null_text, write->null_bytes);
}

bool gm_plan_write_makes(const struct gm_write_plan *write, const struct gm_schema *schema)
{
    return schema->field_count == 1u + write->counts && schema->fields[0].kind == GLEAM_BYTES &&
           (!write->counts || schema->fields[1].kind == GLEAM_I64);
}

struct gm_write_plan *gm_plan_write_read(struct gm_cursor *cursor)
{
    struct gm_write_plan *write = calloc(1, sizeof *write);
    GM_CHECK(write != NULL);
    write->format = gm_cursor_u8(cursor);
    write->compression = gm_cursor_u8(cursor);
    write->counts = gm_cursor_bool(cursor);
    write->delimiter = gm_cursor_u8(cursor);
    write->quote = gm_cursor_u8(cursor);
    write->quote_all = gm_cursor_bool(cursor);
    write->header = gm_cursor_bool(cursor);
    const uint8_t *null_text =
        gm_cursor_blob(cursor, GM_WRITE_NULL_BYTES_MAX, &write->null_bytes);
    if (null_text != NULL)
        memcpy(write->null_text, null_text, write->null_bytes);
    if (write->format >= GM_WRITE_FORMATS || write->compression >= GM_COMPRESSIONS)
        gm_cursor_fail(cursor);
    if (!cursor->failed)
        return write;
    free(write);
    return NULL;
}

void gm_plan_parts_write(struct gm_writer *writer, const struct gm_parts_plan *parts)
{
    gm_writer_bool(writer, parts != NULL);
    if (parts == NULL)
        return;
    gm_writer_string(writer, parts->suffix);
    gm_writer_string(writer, parts->target);
    gm_writer_string(writer, parts->directory);
}

struct gm_parts_plan *gm_plan_parts_read(struct gm_cursor *cursor)
{
    if (!gm_cursor_bool(cursor))
        return NULL;
    struct gm_parts_plan *parts = calloc(1, sizeof *parts);
    GM_CHECK(parts != NULL);
    gm_cursor_string(cursor, parts->suffix, sizeof parts->suffix);
    gm_cursor_string(cursor, parts->target, sizeof parts->target);
    gm_cursor_string(cursor, parts->directory, sizeof parts->directory);
    if (!cursor->failed)
        return parts;
    free(parts);
    return NULL;
}

void gm_plan_placed_write(struct gm_writer *writer, const struct gm_placed_plan *placed)
{
    gm_writer_bool(writer, placed != NULL);
    if (placed == NULL)
        return;
    gm_writer_string(writer, placed->target);
    gm_writer_string(writer, placed->path);
    gm_writer_u64(writer, placed->begin_bytes);
    gm_writer_u32(writer, placed->words_begin);
    gm_writer_u32(writer, placed->range_count);
}

struct gm_placed_plan *gm_plan_placed_read(struct gm_cursor *cursor)
{
    if (!gm_cursor_bool(cursor))
        return NULL;
    struct gm_placed_plan *placed = calloc(1, sizeof *placed);
    GM_CHECK(placed != NULL);
    gm_cursor_string(cursor, placed->target, sizeof placed->target);
    gm_cursor_string(cursor, placed->path, sizeof placed->path);
    placed->begin_bytes = gm_cursor_u64(cursor);
    placed->words_begin = gm_cursor_u32(cursor);
    placed->range_count = gm_cursor_u32(cursor);
    if (placed->range_count > GM_EXECUTORS_MAX)
        gm_cursor_fail(cursor);
    if (!cursor->failed)
        return placed;
    free(placed);
    return NULL;
}
