/* csv_count.c - the five most frequent values of a column of CSV files.
 *
 *     csv_count [run options] COLUMN PATH
 *
 * COLUMN is a number, from 1, or a name in the files' header.
 */
#include <stdio.h>
#include <stdlib.h>

#include <gleam.h>

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc != 3 || argv[1][0] == '-') {
        fprintf(stderr, "usage: %s [--cores N] [--memory SIZE] COLUMN PATH\n", argv[0]);
        return 2;
    }
    char columns[128];
    const unsigned long number = strtoul(argv[1], NULL, 10);
    const struct gleam_csv_options options = {.header = number == 0};
    struct gleam_flow *flow = gleam_flow_new("top 5 values");
    struct gleam_dataset *rows = gleam_read_csv(flow, argv[2], 0, &options);
    if (number == 0) { /* only this one is read */
        snprintf(columns, sizeof columns, "%s bytes", argv[1]);
        rows = gleam_as(rows, columns);
    }
    rows = gleam_reduce_by(rows, "count", GLEAM_COUNT,
                           gleam_field(number > 0 ? (uint32_t)number : 1));
    rows = gleam_top(rows, "top 5", 5, gleam_order_by(2, false));
    gleam_printf(rows, "%s\t%d\n");
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
