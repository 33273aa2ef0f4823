/* bench.c - `gleam bench`: finds the benchmark, and what those that run flows share. */
#include <stdio.h>
#include <string.h>

#include "agent/driver.h"
#include "cli/cli.h"
#include "engine/gleam.h"

static const char help[] =
    "usage: gleam bench BENCHMARK [ARGUMENTS]\n"
    "\n"
    "Measures what gleam does on this machine.  `gleam bench BENCHMARK --help` tells more.\n"
    "\n"
    "benchmarks\n"
    "  generate FILE         write a text to count, or records to sort\n"
    "  group                 sum rows of 16 bytes per key and say how fast it went\n"
    "  ring                  frames and descriptors from core to core, beside DPDK's ring\n"
    "  sort IN OUT           sort records of 100 bytes and say how fast it went\n"
    "  validate SORTED       say whether records of 100 bytes are in order\n"
    "  wordcount PATH...     count words of text files and say how fast it went\n"
    "\n"
    "examples\n"
    "  gleam bench generate --text 1G words.txt\n"
    "  gleam bench wordcount words.txt\n";

int gm_cli_bench(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } benchmarks[] = {
        {"generate", gm_cli_bench_generate},
        {"group", gm_cli_bench_group},
        {"ring", gm_cli_bench_ring},
        {"sort", gm_cli_bench_sort},
        {"validate", gm_cli_bench_validate},
        {"wordcount", gm_cli_bench_wordcount},
    };
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof benchmarks / sizeof *benchmarks; i++)
        if (strcmp(name, benchmarks[i].name) == 0)
            return benchmarks[i].run(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (name[0] != '\0')
        fprintf(stderr, "gleam bench: there is no benchmark '%s'\n", name);
    return gm_cli_mistake(help);
}

int gm_cli_measure(struct gleam_flow *flow,
                   void (*print_speed)(const struct gm_plan *plan,
                                       const struct gm_job_report *report))
{
    struct gm_plan plan = {0};
    struct gm_job_report report = {0};
    int status;
    if (gm_driver_shows_plan()) {
        status = gleam_run(flow);
    } else {
        status = gm_driver_run(flow, &plan, &report);
        if (status == 0 && !gm_driver_draws())
            print_speed(&plan, &report);
    }
    gm_executor_counts_fini(&report.counts);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
    return status;
}
