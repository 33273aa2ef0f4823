/* bench_ring.c - the ring benchmark as a program: bench_ring [--real] [--json]. */
#include <stdio.h>
#include <string.h>

#include "benchmarks/micro/ring_bench.h"

int main(int argc, char **argv)
{
    struct gm_ring_bench_options options = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--real") == 0) {
            options.real = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            options.json = true;
        } else {
            fprintf(stderr, "usage: bench_ring [--real] [--json]\n");
            return 2;
        }
    }
    return gm_ring_bench_run(&options, stdout);
}
