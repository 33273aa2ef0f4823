/* csv.c - reads and writes files of rows, as the words on the command line say.
 *
 *     csv [run options] read PATH [KEY=VALUE | KEY]...     every row as a line of JSON, an array;
 *                                                          bytes as if they were Latin-1
 *     csv [run options] count COLUMN PATH [...]            rows per value of the column
 *     csv [run options] local COLUMN PATH [...]            rows sorted in each partition by it
 *
 * Keys: delimiter, quote, escape, comment, null, types, as, partitions, on_error (fail, skip,
 * null); header, unquoted, nonulls and tsv stand alone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gleam.h"

struct request {
    struct gleam_csv_options options;
    const char *as;
    uint32_t partitions;
    bool tsv;
};

static const char *value_of(const char *word, const char *key)
{
    const size_t length = strlen(key);
    return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
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
    else if (strcmp(word, "tsv") == 0)
        request->tsv = true;
    else
        return -1;
    return 0;
}

static struct gleam_dataset *read_rows(struct gleam_flow *flow, const char *path, char **words)
{
    struct request request = {0};
    for (; *words != NULL; words++)
        if (take_word(&request, *words) < 0) {
            fprintf(stderr, "csv: what is '%s'?\n", *words);
            exit(2);
        }
    struct gleam_dataset *rows =
        request.tsv ? gleam_read_tsv(flow, path, request.partitions, &request.options)
                    : gleam_read_csv(flow, path, request.partitions, &request.options);
    return request.as != NULL ? gleam_as(rows, request.as) : rows;
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
    } else {
        return fprintf(stderr, "csv: there is no command '%s'\n", command), 2;
    }
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
