/* ranges.c - a flow from its arguments, whose rows (k i64, n i64) are sorted somewhere.
 *
 *     ranges [run options] SOURCE [STEP...] OUTPUT
 *
 *     ints N | lua N | join N | union N | pipe N | max N | csv PATH                       sources
 *     sort | sort-back | local-sort | top N | local-top N | limit N | local-limit N OFFSET
 *     distinct | local-distinct | local-group | local-max | merge N | merge-sorted N
 *     through CODE | one-text
 *     print FORMAT | csv PATH | jsonl PATH                                               outputs */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gleam.h"

GLEAM_MAPPER(make_row)
{
    const int64_t n = row[0].i64;
    const struct gleam_value out[2] = {gleam_i64(n * 7919 % 1009), gleam_i64(n)};
    (void)column_count;
    return gleam_emit(call, out, 2);
}

static char **words; /* what is left of the command line */

static char *next(void)
{
    if (*words == NULL) {
        fprintf(stderr, "ranges: an argument is missing\n");
        exit(2);
    }
    return *words++;
}

static uint32_t number(void)
{
    return (uint32_t)strtoul(next(), NULL, 10);
}

static struct gleam_dataset *rows_of(struct gleam_flow *flow, int64_t from, int64_t to)
{
    struct gleam_dataset *rows =
        gleam_map(gleam_ints(flow, from, to), "make row", gleam_mapper("make_row"));
    return gleam_as(rows, "k i64, n i64");
}

static struct gleam_dataset *source(struct gleam_flow *flow, const char *word)
{
    if (strcmp(word, "csv") == 0) {
        const struct gleam_csv_options options = {.header = true};
        return gleam_as(gleam_read_csv(flow, next(), 0, &options), "k i64, n i64");
    }
    const int64_t count = number();
    struct gleam_dataset *rows = rows_of(flow, 0, count);
    if (strcmp(word, "ints") == 0)
        return rows;
    if (strcmp(word, "lua") == 0)
        return gleam_as(gleam_map(gleam_ints(flow, 0, count), "lua",
                                  gleam_lua("function(n) return n * 7919 % 1009, n end")),
                        "k i64, n i64");
    if (strcmp(word, "join") == 0)
        return gleam_join_by_key(rows, "join", gleam_ints(flow, 0, 1009));
    if (strcmp(word, "pipe") == 0)
        return gleam_as(gleam_pipe(rows, "cat", "cat"), "k i64, n i64");
    if (strcmp(word, "max") == 0)
        return gleam_reduce_by_key(rows, "max", GLEAM_MAX);
    struct gleam_dataset *halves[] = {rows_of(flow, 0, count / 2),
                                      rows_of(flow, count / 2, count)};
    return gleam_union(halves[0], "union", halves + 1, 1);
}

static struct gleam_dataset *local_step(struct gleam_dataset *rows, const char *word)
{
    const struct gleam_order key = gleam_field(1);
    if (strcmp(word, "local-sort") == 0)
        return gleam_local_sort(rows, word, gleam_then_by(key, 2, false));
    if (strcmp(word, "local-top") == 0)
        return gleam_local_top(rows, word, number(), key);
    if (strcmp(word, "local-distinct") == 0)
        return gleam_local_distinct(rows, word, key);
    if (strcmp(word, "local-group") == 0)
        return gleam_local_group_by(rows, word, key);
    if (strcmp(word, "local-max") == 0)
        return gleam_local_reduce_by(rows, word, GLEAM_MAX, key);
    const uint32_t count = number();
    return gleam_local_limit(rows, word, count, number());
}

/* All rows as one text; the function is no sum, so their order shows. */
static struct gleam_dataset *one_text(struct gleam_dataset *rows)
{
    rows = gleam_map(rows, "text", gleam_lua("function(k, n) return tostring(tonumber(n)) end"));
    rows = gleam_as(rows, "text bytes");
    return gleam_reduce(rows, "join", gleam_lua("function(a, b) return a .. ',' .. b end"));
}

static struct gleam_dataset *step(struct gleam_dataset *rows, const char *word)
{
    const struct gleam_order key = gleam_field(1);
    if (strncmp(word, "local-", 6) == 0)
        return local_step(rows, word);
    if (strcmp(word, "sort") == 0)
        return gleam_sort(rows, word, gleam_then_by(key, 2, true));
    if (strcmp(word, "sort-back") == 0)
        return gleam_sort(rows, word, gleam_then_by(gleam_order_by(1, false), 2, false));
    if (strcmp(word, "top") == 0)
        return gleam_top(rows, word, number(), key);
    if (strcmp(word, "limit") == 0)
        return gleam_limit(rows, word, number());
    if (strcmp(word, "distinct") == 0)
        return gleam_distinct(rows, word, key);
    if (strcmp(word, "merge") == 0)
        return gleam_merge_to(rows, word, number());
    if (strcmp(word, "merge-sorted") == 0)
        return gleam_merge_sorted_to(rows, word, number(), gleam_then_by(key, 2, true));
    if (strcmp(word, "through") == 0)
        return gleam_pipe(rows, word, next());
    if (strcmp(word, "one-text") == 0)
        return one_text(rows);
    fprintf(stderr, "ranges: no such step: %s\n", word);
    exit(2);
}

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    words = argv + 1;
    struct gleam_flow *flow = gleam_flow_new("ranges");
    struct gleam_dataset *rows = source(flow, next());
    for (;;) {
        const struct gleam_write_options options = {.header = true};
        const char *word = next();
        if (strcmp(word, "print") == 0)
            gleam_printf(rows, next());
        else if (strcmp(word, "csv") == 0)
            gleam_write_csv(rows, next(), &options);
        else if (strcmp(word, "jsonl") == 0)
            gleam_write_jsonl(rows, next());
        else {
            rows = step(rows, word);
            continue;
        }
        const int status = gleam_run(flow);
        gleam_flow_free(flow);
        return status;
    }
}
