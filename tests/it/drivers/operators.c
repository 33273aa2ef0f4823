/* operators.c - one operator over rows of files, for comparison with a plain computation.
 *
 *     operators [run options] OPERATOR [ARGUMENTS] INPUT... [then STEP [ARGUMENTS]]...
 *
 * An INPUT is PARTITIONS:COLUMNS:PATH; COLUMNS as gleam_as takes them, one letter of type each:
 * i f b s a.  A line of the file is a row: values with tabs between them, each a letter of its kind
 * and its text: i5, f1.5, bt, stext; n is null.  Rows come out in the same form, in any order.
 *
 *     join KIND LEFT_KEYS RIGHT_KEYS INPUT INPUT      keys: 1 or 1,2
 *     cross INPUT INPUT
 *     union INPUT INPUT...
 *     same INPUT                                      the rows themselves, for `then`
 *
 *     STEP is one of: select COLUMNS, select_kv KEYS VALUES, local_limit COUNT OFFSET, limit COUNT,
 *     round_robin N, partition N KEYS, merge N, merge_sorted N ORDER, tree N FACTOR ORDER,
 *     broadcast N, local_sort ORDER, sort ORDER, top COUNT ORDER, again (joins the dataset with
 *     itself, by column 1), count (rows by column 1).  An order: 1,-2 (descending). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gleam.h"

#define COLUMNS_MAX 64

/* ---- rows in and out ------------------------------------------------------------------------- */

static struct gleam_value parse_value(const char *text, size_t length)
{
    char number[64];
    if (length == 0 || text[0] == 'n')
        return gleam_null();
    if (text[0] == 's')
        return gleam_bytes(text + 1, length - 1);
    if (text[0] == 'b')
        return gleam_bool(text[1] == 't');
    snprintf(number, sizeof number, "%.*s", (int)(length - 1), text + 1);
    return text[0] == 'i' ? gleam_i64(strtoll(number, NULL, 10))
                          : gleam_f64(strtod(number, NULL));
}

GLEAM_MAPPER(parse_row)
{
    struct gleam_value values[COLUMNS_MAX];
    const char *text = row[0].bytes.data, *end = text + row[0].bytes.length;
    uint32_t count = 0;
    (void)column_count;
    while (count < COLUMNS_MAX) {
        const char *tab = memchr(text, '\t', (size_t)(end - text));
        const char *stop = tab != NULL ? tab : end;
        values[count++] = parse_value(text, (size_t)(stop - text));
        if (tab == NULL)
            break;
        text = tab + 1;
    }
    return gleam_emit(call, values, count);
}

static void print_value(const struct gleam_value *value)
{
    switch (value->kind) {
    case GLEAM_I64:
        printf("i%" PRId64, value->i64);
        break;
    case GLEAM_F64:
        printf("f%.17g", value->f64);
        break;
    case GLEAM_BOOL:
        printf("b%c", value->boolean ? 't' : 'f');
        break;
    case GLEAM_BYTES:
        printf("s%.*s", (int)value->bytes.length, value->bytes.data);
        break;
    default:
        printf("n");
    }
}

static int print_row(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    (void)argument;
    for (uint32_t c = 0; c < column_count; c++) {
        if (c > 0)
            putchar('\t');
        print_value(&row[c]);
    }
    putchar('\n');
    return 0;
}

/* ---- arguments ------------------------------------------------------------------------------- */

static char **next_argument;

static const char *take(void)
{
    if (*next_argument == NULL) {
        fprintf(stderr, "operators: an argument is missing\n");
        exit(2);
    }
    return *next_argument++;
}

static uint32_t take_number(void)
{
    return (uint32_t)strtoul(take(), NULL, 10);
}

/* "1,-2" */
static struct gleam_order take_order(void)
{
    struct gleam_order order = {0};
    const char *text = take();
    for (char *end; *text != '\0'; text = *end == ',' ? end + 1 : end) {
        const long column = strtol(text, &end, 10);
        order = gleam_then_by(order, (uint32_t)labs(column), column > 0);
    }
    return order;
}

static struct gleam_dataset *take_input(struct gleam_flow *flow)
{
    char columns[1024] = "";
    char *spec = strdup(take());
    const char *partitions = strtok(spec, ":"), *kinds = strtok(NULL, ":");
    const char *path = strtok(NULL, ":");
    if (path == NULL) {
        fprintf(stderr, "operators: an input is PARTITIONS:KINDS:PATH\n");
        exit(2);
    }
    for (size_t i = 0; kinds[i] != '\0'; i++) {
        const char *name = kinds[i] == 'i'   ? "i64"
                           : kinds[i] == 'f' ? "f64"
                           : kinds[i] == 'b' ? "bool"
                           : kinds[i] == 's' ? "bytes"
                                             : "any";
        snprintf(columns + strlen(columns), sizeof columns - strlen(columns), "%sc%zu %s",
                 i > 0 ? ", " : "", i + 1, name);
    }
    struct gleam_dataset *rows =
        gleam_read_text(flow, path, (uint32_t)strtoul(partitions, NULL, 10));
    rows = gleam_as(gleam_map(rows, "parse", gleam_mapper("parse_row")), columns);
    free(spec);
    return rows;
}

static enum gleam_join_kind take_kind(void)
{
    static const char *const names[] = {"inner", "left", "right", "full", "semi", "anti"};
    const char *name = take();
    for (int i = 0; i < 6; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum gleam_join_kind)i;
    return (enum gleam_join_kind)99;
}

/* ---- operators ------------------------------------------------------------------------------- */

static struct gleam_dataset *build_join(struct gleam_flow *flow)
{
    const enum gleam_join_kind kind = take_kind();
    const struct gleam_order left_keys = take_order();
    const struct gleam_order right_keys = take_order();
    struct gleam_dataset *left = take_input(flow);
    struct gleam_dataset *right = take_input(flow);
    return gleam_join_on(left, "meet", right, left_keys, right_keys, kind);
}

static struct gleam_dataset *build_union(struct gleam_flow *flow)
{
    struct gleam_dataset *first = take_input(flow), *others[64];
    size_t count = 0;
    while (*next_argument != NULL && strcmp(*next_argument, "then") != 0)
        others[count++] = take_input(flow);
    return gleam_union(first, "all", others, count);
}

static struct gleam_dataset *build(struct gleam_flow *flow)
{
    const char *name = take();
    if (strcmp(name, "join") == 0)
        return build_join(flow);
    if (strcmp(name, "union") == 0)
        return build_union(flow);
    if (strcmp(name, "cross") == 0) {
        struct gleam_dataset *left = take_input(flow);
        return gleam_cross_join(left, "meet", take_input(flow));
    }
    if (strcmp(name, "same") == 0)
        return take_input(flow);
    fprintf(stderr, "operators: no operator %s\n", name);
    exit(2);
}

static struct gleam_dataset *spread(struct gleam_dataset *rows, const char *name)
{
    if (strcmp(name, "round_robin") == 0)
        return gleam_round_robin(rows, "spread", take_number());
    if (strcmp(name, "merge") == 0)
        return gleam_merge_to(rows, "merge", take_number());
    if (strcmp(name, "broadcast") == 0)
        return gleam_broadcast(rows, "copies", take_number());
    const uint32_t partitions = take_number();
    if (strcmp(name, "partition") == 0)
        return gleam_partition(rows, "spread", partitions, take_order());
    if (strcmp(name, "merge_sorted") == 0)
        return gleam_merge_sorted_to(rows, "merge", partitions, take_order());
    const uint32_t factor = take_number();
    return gleam_tree_merge_sorted_to(rows, "merge", partitions, factor, take_order());
}

static struct gleam_dataset *then(struct gleam_dataset *rows)
{
    const char *name = take();
    uint32_t count;
    struct gleam_order order;
    if (strcmp(name, "select") == 0)
        return gleam_select(rows, "columns", take_order());
    if (strcmp(name, "select_kv") == 0) {
        order = take_order();
        return gleam_select_kv(rows, "columns", order, take_order());
    }
    if (strcmp(name, "local_limit") == 0) {
        count = take_number();
        return gleam_local_limit(rows, "some", count, take_number());
    }
    if (strcmp(name, "limit") == 0)
        return gleam_limit(rows, "some", take_number());
    if (strcmp(name, "local_sort") == 0)
        return gleam_local_sort(rows, "sort", take_order());
    if (strcmp(name, "sort") == 0)
        return gleam_sort(rows, "sort", take_order());
    if (strcmp(name, "top") == 0) {
        count = take_number();
        return gleam_top(rows, "top", count, take_order());
    }
    if (strcmp(name, "again") == 0)
        return gleam_join_by_key(rows, "again", rows);
    if (strcmp(name, "count") == 0)
        return gleam_reduce_by_key(rows, "count", GLEAM_COUNT);
    return spread(rows, name);
}

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    next_argument = argv + 1;
    struct gleam_flow *flow = gleam_flow_new("operators");
    struct gleam_dataset *rows = build(flow);
    while (*next_argument != NULL && strcmp(*next_argument, "then") == 0) {
        next_argument++;
        rows = then(rows);
    }
    gleam_output_row(rows, print_row, NULL);
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
