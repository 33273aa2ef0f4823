/* bench_ring.c - `gleam bench ring`. */
#include <stdio.h>

#include "benchmarks/micro/ring_bench.h"
#include "cli/cli.h"

static const char help[] =
    "usage: gleam bench ring [--json] [--small]\n"
    "\n"
    "8-byte descriptors through gleam's ring beside DPDK's rte_ring (where that is built in), and\n"
    "64 KiB frames between processes beside threads, in turns.\n"
    "\n"
    "options\n"
    "  --json                one JSON object\n"
    "  --small               milliseconds instead of seconds: shows only that it works\n"
    "\n"
    "examples\n"
    "  gleam bench ring\n"
    "  taskset -c 2,3 gleam bench ring --json\n";

int gm_cli_bench_ring(int argc, char **argv)
{
    if (gm_cli_flag(&argc, argv, "--help")) {
        fputs(help, stdout);
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
