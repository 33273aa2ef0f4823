/* bench_ring.c - `gleam bench ring`. */
#include <stdio.h>

#include "benchmarks/micro/ring_bench.h"
#include "cli/cli.h"

int gm_cli_bench_ring(int argc, char **argv)
{
    if (gm_cli_flag(&argc, argv, "--help")) {
        printf("usage: gleam bench ring [--json] [--small]\n"
               "8-byte descriptors beside DPDK's rte_ring, and 64 KiB frames between processes\n"
               "beside threads, in turns.  --small takes milliseconds and shows only that it\n"
               "works.\n");
        return 0;
    }
    const struct gm_ring_bench_options options = {
        .json = gm_cli_flag(&argc, argv, "--json"),
        .real = !gm_cli_flag(&argc, argv, "--small"),
    };
    gm_cli_no_more_options(&argc, argv);
    if (argc > 1) {
        fprintf(stderr, "gleam bench ring: what is '%s'? See --help.\n", argv[1]);
        return 2;
    }
    return gm_ring_bench_run(&options, stdout);
}
