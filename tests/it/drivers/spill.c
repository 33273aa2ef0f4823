/* spill.c - flows whose rows may be more than memory: `spill FLOW IN OUT`, lines to lines. */
#include <stdio.h>
#include <string.h>

#include "engine/gleam.h"

/* The line is its own key, and a row counts once. */
static struct gleam_dataset *counted(struct gleam_dataset *lines)
{
    struct gleam_dataset *pairs = gleam_map(lines, "one", gleam_kernel("append_one"));
    return gleam_reduce_by_key(pairs, "count", gleam_kernel("sum_int64"));
}

/* The line, and its first ten bytes. */
GLEAM_MAPPER(with_key)
{
    const size_t length = row[0].bytes.length < 10 ? row[0].bytes.length : 10;
    const struct gleam_value values[] = {row[0], gleam_bytes(row[0].bytes.data, length)};
    (void)column_count;
    return gleam_emit(call, values, 2);
}

static struct gleam_dataset *keyed(struct gleam_dataset *lines)
{
    return gleam_as(gleam_map(lines, "key", gleam_mapper("with_key")), "line bytes, key bytes");
}

/* One, and the line's first ten bytes. */
GLEAM_MAPPER(one_with_key)
{
    const size_t length = row[0].bytes.length < 10 ? row[0].bytes.length : 10;
    const struct gleam_value values[] = {gleam_i64(1), gleam_bytes(row[0].bytes.data, length)};
    (void)column_count;
    return gleam_emit(call, values, 2);
}

GLEAM_MAPPER(list_length)
{
    const struct gleam_value values[] = {row[0],
                                         gleam_i64((int64_t)gleam_list_count(&row[1]))};
    (void)column_count;
    return gleam_emit(call, values, 2);
}

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc != 4) {
        fprintf(stderr, "usage: spill FLOW IN OUT, FLOW being sort, reverse, local, count, both, "
                        "distinct, group, join or local_count\n");
        return 2;
    }
    struct gleam_flow *flow = gleam_flow_new("spill");
    struct gleam_dataset *rows = gleam_text_file(flow, argv[2]);
    const char *format = "%s\n";
    if (strcmp(argv[1], "sort") == 0) {
        rows = gleam_sort(rows, "sort", gleam_order_by(1, true));
    } else if (strcmp(argv[1], "reverse") == 0) {
        rows = gleam_sort(rows, "sort", gleam_order_by(1, false));
    } else if (strcmp(argv[1], "local") == 0) {
        rows = gleam_local_sort(gleam_partition_by_key(rows, "spread", 7), "sort",
                                gleam_order_by(1, true));
    } else if (strcmp(argv[1], "count") == 0) {
        rows = counted(rows);
        format = "%s\t%d\n";
    } else if (strcmp(argv[1], "distinct") == 0) {
        rows = gleam_distinct(rows, "once", (struct gleam_order){0});
    } else if (strcmp(argv[1], "group") == 0) {
        rows = gleam_group_by(keyed(rows), "lists", gleam_field(2));
        rows = gleam_as(gleam_map(rows, "lengths", gleam_mapper("list_length")),
                        "key bytes, n i64");
        format = "%s\t%d\n";
    } else if (strcmp(argv[1], "local_count") == 0) {
        rows = gleam_as(gleam_map(gleam_merge_to(rows, "one", 1), "ones",
                                  gleam_mapper("one_with_key")),
                        "n i64, key bytes");
        rows = gleam_local_reduce_by(rows, "count", gleam_kernel("sum_int64"), gleam_field(2));
        format = "%s\t%d\n";
    } else if (strcmp(argv[1], "join") == 0) {
        rows = gleam_join(keyed(rows), "join", keyed(gleam_text_file(flow, argv[2])),
                          gleam_field(2));
        format = "%s %s %s\n";
    } else {
        rows = gleam_sort(counted(rows), "sort",
                          gleam_then_by(gleam_order_by(2, false), 1, true));
        format = "%s\t%d\n";
    }
    gleam_write_formatted(rows, argv[3], format);
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
