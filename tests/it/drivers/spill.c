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

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc != 4) {
        fprintf(stderr, "usage: spill sort|reverse|local|count|both IN OUT\n");
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
