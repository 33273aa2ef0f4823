/* bench.c - `gleam bench`: finds the benchmark. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

int gm_cli_bench(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } benchmarks[] = {
        {"generate", gm_cli_bench_generate},
        {"ring", gm_cli_bench_ring},
        {"sort", gm_cli_bench_sort},
        {"validate", gm_cli_bench_validate},
        {"wordcount", gm_cli_bench_wordcount},
    };
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof benchmarks / sizeof *benchmarks; i++)
        if (strcmp(name, benchmarks[i].name) == 0)
            return benchmarks[i].run(argc - 1, argv + 1);
    const int asked = strcmp(name, "--help") == 0;
    fprintf(asked ? stdout : stderr,
            "usage: gleam bench wordcount|sort|ring|generate|validate [--help]\n");
    return asked ? 0 : 2;
}
