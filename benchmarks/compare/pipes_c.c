/* pipes_c.c - flows whose steps are commands, to be compared with the shell's own pipes.
 *
 *     gleam-compare-pipes [run options] cat|sort PARTITIONS FILE OUTPUT
 *
 * cat: the lines through `cat`; sort: through `tr A-Z a-z`, `sort` and `uniq -c`, each partition by
 * itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gleam.h"

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc != 5 || (strcmp(argv[1], "cat") != 0 && strcmp(argv[1], "sort") != 0)) {
        fprintf(stderr, "usage: %s [run options] cat|sort PARTITIONS FILE OUTPUT\n", argv[0]);
        return 2;
    }
    struct gleam_flow *flow = gleam_flow_new("pipes");
    struct gleam_dataset *lines =
        gleam_read_text(flow, argv[3], (uint32_t)strtoul(argv[2], NULL, 10));
    if (strcmp(argv[1], "cat") == 0) {
        lines = gleam_pipe(lines, "cat", "cat");
    } else {
        lines = gleam_pipe(lines, "lower", "tr A-Z a-z");
        lines = gleam_pipe(lines, "sort", "sort");
        lines = gleam_pipe(lines, "count", "uniq -c");
    }
    gleam_write_formatted(lines, argv[4], "%s\n");
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
