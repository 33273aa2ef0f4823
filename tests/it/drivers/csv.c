/* csv.c - reads and writes files of rows, as the words on the command line say.
 *
 *     csv [run options] read PATH [KEY=VALUE | KEY]...     every row as a line of JSON, an array;
 *                                                          bytes as if they were Latin-1
 *     csv [run options] count COLUMN PATH [...]            rows per value of the column
 *     csv [run options] local COLUMN PATH [...]            rows sorted in each partition by it
 *     csv [run options] write FORMAT TARGET PATH [...]     rows to files: text, csv, tsv or jsonl
 *     csv [run options] make FORMAT TARGET COUNT [...]     so many rows of memory to files
 *
 * Keys: delimiter, quote, escape, comment, null, types, as, partitions, on_error (fail, skip,
 * null); header, unquoted, nonulls, tsv and json stand alone.  Of what is written: wdelimiter,
 * wquote, wnull, parts (partitions by column 1); wheader, wunquoted, wall and sort stand alone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gleam.h"

struct request {
    struct gleam_write_options written;
    uint32_t parts;
    bool sort;
    struct gleam_csv_options options;
    const char *as;
    uint32_t partitions;
    bool tsv, json;
};

static const char *value_of(const char *word, const char *key)
{
    const size_t length = strlen(key);
    return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

/* About 80 bytes in two columns, the same for the same number. */
GLEAM_MAPPER(sentence)
{
    static const char text[] =
        "In the beginning of the year the ships came back with salt and stone, and the people of "
        "the harbour gathered on the old walls to see them pass the narrow river mouth at dawn.";
    const uint64_t number = (uint64_t)row[0].i64 * UINT64_C(0x9e3779b97f4a7c15);
    const struct gleam_value values[] = {
        gleam_bytes(text + (number >> 59), 60 + (number >> 32) % 16),
        gleam_bytes(text + (number >> 58), 8 + number % 4)};
    (void)column_count;
    return gleam_emit(call, values, 2);
}

/* What is written. */
static int take_written(struct request *request, const char *word)
{
    struct gleam_write_options *options = &request->written;
    const char *value;
    if ((value = value_of(word, "wdelimiter")) != NULL)
        options->delimiter = value[0];
    else if ((value = value_of(word, "wquote")) != NULL)
        options->quote = value[0];
    else if ((value = value_of(word, "wnull")) != NULL)
        options->null_text = value;
    else if ((value = value_of(word, "parts")) != NULL)
        request->parts = (uint32_t)atoi(value);
    else if (strcmp(word, "wheader") == 0)
        options->header = true;
    else if (strcmp(word, "wunquoted") == 0)
        options->unquoted = true;
    else if (strcmp(word, "wall") == 0)
        options->quote_all = true;
    else if (strcmp(word, "sort") == 0)
        request->sort = true;
    else
        return -1;
    return 0;
}

static int take_word(struct request *request, const char *word)
{
    struct gleam_csv_options *options = &request->options;
    const char *value;
    if ((value = value_of(word, "delimiter")) != NULL)
        options->delimiter = value[0];
    else if ((value = value_of(word, "quote")) != NULL)
        options->quote = value[0];
    else if ((value = value_of(word, "escape")) != NULL)
        options->escape = value[0];
    else if ((value = value_of(word, "comment")) != NULL)
        options->comment = value[0];
    else if ((value = value_of(word, "null")) != NULL)
        options->null_text = value;
    else if ((value = value_of(word, "types")) != NULL)
        options->types = value;
    else if ((value = value_of(word, "as")) != NULL)
        request->as = value;
    else if ((value = value_of(word, "partitions")) != NULL)
        request->partitions = (uint32_t)atoi(value);
    else if ((value = value_of(word, "on_error")) != NULL)
        options->on_error = strcmp(value, "skip") == 0   ? GLEAM_CSV_SKIP
                            : strcmp(value, "null") == 0 ? GLEAM_CSV_NULL
                            : strcmp(value, "fail") == 0 ? GLEAM_CSV_FAIL
                                                         : 7;
    else if (strcmp(word, "header") == 0)
        options->header = true;
    else if (strcmp(word, "unquoted") == 0)
        options->unquoted = true;
    else if (strcmp(word, "nonulls") == 0)
        options->no_nulls = true;
    else if (strcmp(word, "json") == 0)
        request->json = true;
    else if (strcmp(word, "tsv") == 0)
        request->tsv = true;
    else
        return take_written(request, word);
    return 0;
}

static struct request take_words(char **words)
{
    struct request request = {0};
    for (; *words != NULL; words++)
        if (take_word(&request, *words) < 0) {
            fprintf(stderr, "csv: what is '%s'?\n", *words);
            exit(2);
        }
    return request;
}

static struct gleam_dataset *read_rows(struct gleam_flow *flow, const char *path, char **words)
{
    const struct request request = take_words(words);
    struct gleam_dataset *rows =
        request.json  ? gleam_read_jsonl(flow, path, request.partitions, request.options.on_error)
        : request.tsv ? gleam_read_tsv(flow, path, request.partitions, &request.options)
                    : gleam_read_csv(flow, path, request.partitions, &request.options);
    return request.as != NULL ? gleam_as(rows, request.as) : rows;
}

static void write_rows(struct gleam_dataset *rows, const char *format, const char *target,
                       char **words)
{
    const struct request request = take_words(words);
    if (request.parts > 0)
        rows = gleam_partition_by_key(rows, "part", request.parts);
    if (request.sort)
        rows = gleam_sort(rows, "sort", gleam_order_by(1, true));
    if (strcmp(format, "csv") == 0)
        gleam_write_csv(rows, target, &request.written);
    else if (strcmp(format, "tsv") == 0)
        gleam_write_tsv(rows, target, &request.written);
    else if (strcmp(format, "jsonl") == 0)
        gleam_write_jsonl(rows, target);
    else
        gleam_write_text(rows, target);
}

static void print_value(const struct gleam_value *value)
{
    switch (value->kind) {
    case GLEAM_I64:
        printf("%" PRId64, value->i64);
        return;
    case GLEAM_F64:
        printf("%.17g", value->f64);
        return;
    case GLEAM_BOOL:
        printf("%s", value->boolean ? "true" : "false");
        return;
    case GLEAM_NULL:
        printf("null");
        return;
    default:
        putchar('"');
        for (size_t i = 0; i < value->bytes.length; i++) {
            const unsigned char byte = (unsigned char)value->bytes.data[i];
            if (byte < ' ' || byte > '~' || byte == '"' || byte == '\\')
                printf("\\u%04x", byte);
            else
                putchar(byte);
        }
        putchar('"');
    }
}

static int print_row(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    (void)argument;
    for (uint32_t i = 0; i < column_count; i++) {
        putchar(i == 0 ? '[' : ',');
        print_value(&row[i]);
    }
    printf("]\n");
    return 0;
}

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc < 3)
        return fprintf(stderr, "usage: csv COMMAND [COLUMN] PATH [KEY=VALUE]...\n"), 2;
    struct gleam_flow *flow = gleam_flow_new("csv");
    const char *command = argv[1];
    const uint32_t column = (uint32_t)atoi(argv[2]);
    if (strcmp(command, "read") == 0) {
        gleam_output_row(read_rows(flow, argv[2], argv + 3), print_row, NULL);
    } else if (strcmp(command, "count") == 0) {
        struct gleam_dataset *rows = read_rows(flow, argv[3], argv + 4);
        rows = gleam_reduce_by(rows, "count", GLEAM_COUNT, gleam_field(column));
        gleam_output_row(rows, print_row, NULL);
    } else if (strcmp(command, "local") == 0) {
        struct gleam_dataset *rows = read_rows(flow, argv[3], argv + 4);
        rows = gleam_local_sort(rows, "sort", gleam_order_by(column, true));
        gleam_output_row(rows, print_row, NULL);
    } else if (strcmp(command, "write") == 0 && argc > 4) {
        write_rows(read_rows(flow, argv[4], argv + 5), argv[2], argv[3], argv + 5);
    } else if (strcmp(command, "make") == 0 && argc > 4) {
        struct gleam_dataset *rows = gleam_ints(flow, 0, atoll(argv[4]));
        rows = gleam_as(gleam_map(rows, "sentence", gleam_mapper("sentence")),
                        "text bytes, name bytes");
        write_rows(rows, argv[2], argv[3], argv + 5);
    } else {
        return fprintf(stderr, "csv: there is no command '%s'\n", command), 2;
    }
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
