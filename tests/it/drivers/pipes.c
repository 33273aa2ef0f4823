/* pipes.c - a flow from its arguments: a source, steps that run commands, an output.
 *
 *     pipes [run options] SOURCE [STEP...] OUTPUT
 *
 *     text PARTITIONS PATH | ints COUNT | values       sources; values: rows of every type
 *     pipe CODE | escape CODE | csv CODE | jsonl CODE | lines CODE     a command per partition
 *     args CODE | args-by N CODE                       a command per row, N at a time
 *     as COLUMNS | part N | sort COLUMN | words | count
 *     print FORMAT | write PATH FORMAT                 outputs
 *     plan FORMAT                                      prints the plan instead of running it */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gleam.h"

/* ---- rows of every type ---------------------------------------------------------------------- */

GLEAM_MAPPER(every_type)
{
    static const char *const texts[] = {"plain", "", "tab\there", "line\nbreak",
                                        "back\\slash, \"q\""};
    static const double numbers[] = {0.1, 1, -2.5e300, 1e-7, 3};
    const int64_t n = row[0].i64;
    struct gleam_value out[5];
    (void)column_count;
    out[0] = gleam_i64(n == 0 ? INT64_MIN : n == 1 ? INT64_MAX : n);
    out[1] = gleam_f64(numbers[n % 5]);
    out[2] = gleam_bool(n % 2 == 0);
    out[3] = n % 7 == 6 ? gleam_null() : gleam_bytes(texts[n % 5], strlen(texts[n % 5]));
    out[4] = n % 3 == 2 ? gleam_null() : gleam_i64(n);
    return gleam_emit(call, out, 5);
}

/* Rows that every form can tell. */
GLEAM_MAPPER(plain_types)
{
    char text[32];
    struct gleam_value out[4];
    (void)column_count;
    snprintf(text, sizeof text, "row %d", (int)row[0].i64);
    out[0] = gleam_bytes(text, strlen(text));
    out[1] = gleam_i64(row[0].i64 - 5);
    out[2] = gleam_f64((double)row[0].i64 / 8);
    out[3] = gleam_bool(row[0].i64 % 2 == 0);
    return gleam_emit(call, out, 4);
}

/* ---- the words of the command line ----------------------------------------------------------- */

static char **words; /* what is left of them */

static char *next(void)
{
    if (*words == NULL) {
        fprintf(stderr, "pipes: an argument is missing\n");
        exit(2);
    }
    return *words++;
}

static uint32_t number(void)
{
    return (uint32_t)strtoul(next(), NULL, 10);
}

static struct gleam_dataset *source(struct gleam_flow *flow, const char *word)
{
    if (strcmp(word, "text") == 0) {
        const uint32_t partitions = number();
        return gleam_read_text(flow, next(), partitions);
    }
    if (strcmp(word, "ints") == 0)
        return gleam_ints(flow, 0, (int64_t)number());
    struct gleam_dataset *data = gleam_ints(flow, 0, 21);
    if (strcmp(word, "plain") == 0)
        return gleam_as(gleam_map(data, "plain types", gleam_mapper("plain_types")),
                        "text bytes, n i64, x f64, even bool");
    return gleam_as(gleam_map(data, "every type", gleam_mapper("every_type")),
                    "n any, x any, even any, text any, maybe any");
}

static struct gleam_dataset *raw(struct gleam_dataset *data, enum gleam_pipe_format format)
{
    const struct gleam_pipe_options options = {.format = format};
    return gleam_pipe_raw(data, "raw", next(), &options);
}

static struct gleam_dataset *step(struct gleam_dataset *data, const char *word)
{
    if (strcmp(word, "pipe") == 0)
        return gleam_pipe(data, "through", next());
    if (strcmp(word, "csv") == 0)
        return raw(data, GLEAM_PIPE_CSV);
    if (strcmp(word, "jsonl") == 0)
        return raw(data, GLEAM_PIPE_JSONL);
    if (strcmp(word, "lines") == 0)
        return raw(data, GLEAM_PIPE_LINES);
    if (strcmp(word, "escape") == 0) {
        const struct gleam_pipe_options options = {.escape = true};
        return gleam_pipe_with(data, "escaped", next(), &options);
    }
    if (strcmp(word, "args") == 0)
        return gleam_pipe_as_args(data, "per row", next());
    if (strcmp(word, "args-by") == 0) {
        const struct gleam_pipe_options options = {.parallel = number()};
        return gleam_pipe_as_args_with(data, "per row", next(), &options);
    }
    if (strcmp(word, "as") == 0)
        return gleam_as(data, next());
    if (strcmp(word, "part") == 0)
        return gleam_partition_by_key(data, "spread", number());
    if (strcmp(word, "sort") == 0)
        return gleam_sort(data, "sort", gleam_order_by(number(), true));
    if (strcmp(word, "words") == 0)
        return gleam_flat_map(data, "tokenize", GLEAM_TOKENIZE);
    if (strcmp(word, "count") == 0)
        return gleam_reduce_by_key(data, "count", GLEAM_COUNT);
    fprintf(stderr, "pipes: no such step: %s\n", word);
    exit(2);
}

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    words = argv + 1;
    struct gleam_flow *flow = gleam_flow_new("pipes");
    struct gleam_dataset *data = source(flow, next());
    for (;;) {
        const char *word = next();
        if (strcmp(word, "print") == 0 || strcmp(word, "plan") == 0) {
            gleam_printf(data, next());
            const int status =
                strcmp(word, "plan") == 0 ? gleam_plan(flow, stdout) : gleam_run(flow);
            gleam_flow_free(flow);
            return status;
        }
        if (strcmp(word, "write") == 0) {
            const char *path = next();
            gleam_write_formatted(data, path, next());
            const int status = gleam_run(flow);
            gleam_flow_free(flow);
            return status;
        }
        data = step(data, word);
    }
}
