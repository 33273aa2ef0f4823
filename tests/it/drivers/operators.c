/* operators.c - one operator over rows of files, for comparison with a plain computation.
 *
 *     operators [run options] OPERATOR [ARGUMENTS] INPUT... [then STEP [ARGUMENTS]]...
 *
 * An INPUT is PARTITIONS:COLUMNS:PATH; COLUMNS as gleam_as takes them, one letter of type each:
 * i f b s a.  A line of the file is a row: values with tabs between them, each a letter of its kind
 * and its text: i5, f1.5, bt, stext; n is null.  Rows come out in the same form, in any order, a
 * list as l[i5,stext].
 *
 *     join KIND LEFT_KEYS RIGHT_KEYS INPUT INPUT      keys: 1 or 1,2
 *     cross INPUT INPUT
 *     hash_join KEYS INPUT INPUT
 *     union INPUT INPUT...
 *     cogroup LEFT_KEYS RIGHT_KEYS INPUT INPUT
 *     same INPUT                                      the rows themselves, for `then`
 *
 *     STEP is one of: select COLUMNS, select_kv KEYS VALUES, local_limit COUNT OFFSET, limit COUNT,
 *     round_robin N, partition N KEYS, merge N, merge_sorted N ORDER, tree N FACTOR ORDER,
 *     broadcast N, local_sort ORDER, sort ORDER, top COUNT ORDER, again (joins the dataset with
 *     itself, by column 1), count (rows by column 1), distinct KEYS, local_distinct KEYS (0: whole
 *     rows), group KEYS, local_group KEYS, reduce KERNEL, local_reduce KERNEL KEYS, pairs (the list
 *     of column 2 inside another one, by a mapper).  as COLUMNS, fold NAME KEYS (count sum min
 *     max avg count_distinct), where COLUMN COMPARISON VALUE (= <> < <= > >= null not_null).  An
 *     order: 1,-2 (descending). */
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

/* Unpacks the list of column 2, packs it again in another list, and emits it. */
GLEAM_MAPPER(repack)
{
    struct gleam_value values[1000], inner, outer[2] = {row[0]};
    char memory[2][100000];
    size_t offset = 0, count = 0;
    while (gleam_list_next(&row[1], &offset, &values[count]))
        count++;
    if (column_count != 2 || count != gleam_list_count(&row[1]) ||
        gleam_list_bytes(values, count) > sizeof memory[0])
        return gleam_fail(call, "a list of %zu values has %zu", gleam_list_count(&row[1]), count);
    inner = gleam_list_pack(values, count, memory[0]);
    outer[1] = gleam_list_pack(&inner, 1, memory[1]);
    return gleam_emit(call, outer, 2);
}

static void print_value(const struct gleam_value *value);

static void print_list(const struct gleam_value *list)
{
    struct gleam_value value;
    size_t offset = 0;
    printf("l[");
    for (bool first = true; gleam_list_next(list, &offset, &value); first = false) {
        if (!first)
            putchar(',');
        print_value(&value);
    }
    putchar(']');
}

static void print_value(const struct gleam_value *value)
{
    switch (value->kind) {
    case GLEAM_LIST:
        print_list(value);
        break;
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
    if (strcmp(text, "0") == 0)
        return order;
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
    if (strcmp(name, "hash_join") == 0) {
        const struct gleam_order keys = take_order();
        struct gleam_dataset *left = take_input(flow);
        return gleam_hash_join(left, "meet", take_input(flow), keys);
    }
    if (strcmp(name, "cogroup") == 0) {
        const struct gleam_order left_keys = take_order();
        const struct gleam_order right_keys = take_order();
        struct gleam_dataset *left = take_input(flow);
        return gleam_cogroup_on(left, "meet", take_input(flow), left_keys, right_keys);
    }
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

static struct gleam_dataset *fold(struct gleam_dataset *rows)
{
    static const struct {
        const char *name;
        struct gleam_dataset *(*function)(struct gleam_dataset *, const char *,
                                          struct gleam_order);
    } folds[] = {{"count", gleam_count_by}, {"sum", gleam_sum_by}, {"min", gleam_min_by},
                 {"max", gleam_max_by},     {"avg", gleam_avg_by},
                 {"count_distinct", gleam_count_distinct_by}};
    const char *name = take();
    for (size_t i = 0; i < sizeof folds / sizeof folds[0]; i++)
        if (strcmp(folds[i].name, name) == 0)
            return folds[i].function(rows, "fold", take_order());
    return NULL;
}

static struct gleam_dataset *where(struct gleam_dataset *rows)
{
    static const char *const names[] = {"=", "<>", "<", "<=", ">", ">=", "null", "not_null"};
    const uint32_t column = take_number();
    const char *name = take(), *text = take();
    int comparison = 0;
    while (comparison < 8 && strcmp(names[comparison], name) != 0)
        comparison++;
    return gleam_where(rows, "some", column, (enum gleam_comparison)comparison,
                       parse_value(text, strlen(text)));
}

/* Steps that bring the rows of a key together, or leave some out.  False for another name. */
static bool gather(struct gleam_dataset *rows, const char *name, struct gleam_dataset **ret)
{
    if (strcmp(name, "distinct") == 0)
        *ret = gleam_distinct(rows, "once", take_order());
    else if (strcmp(name, "local_distinct") == 0)
        *ret = gleam_local_distinct(rows, "once", take_order());
    else if (strcmp(name, "group") == 0)
        *ret = gleam_group_by(rows, "lists", take_order());
    else if (strcmp(name, "local_group") == 0)
        *ret = gleam_local_group_by(rows, "lists", take_order());
    else if (strcmp(name, "reduce") == 0)
        *ret = gleam_reduce(rows, "fold", gleam_kernel(take()));
    else if (strcmp(name, "local_reduce") == 0) {
        const char *kernel = take();
        *ret = gleam_local_reduce_by(rows, "fold", gleam_kernel(kernel), take_order());
    } else if (strcmp(name, "fold") == 0)
        *ret = fold(rows);
    else if (strcmp(name, "where") == 0)
        *ret = where(rows);
    else if (strcmp(name, "as") == 0)
        *ret = gleam_as(rows, take());
    else if (strcmp(name, "pairs") == 0)
        *ret = gleam_as(gleam_map(rows, "repack", gleam_mapper("repack")), "key any, list any");
    else
        return false;
    return true;
}

static struct gleam_dataset *then(struct gleam_dataset *rows)
{
    const char *name = take();
    uint32_t count;
    struct gleam_order order;
    struct gleam_dataset *gathered;
    if (gather(rows, name, &gathered))
        return gathered;
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
