/* plan.c - `gleam plan`: the plan of a C driver, or of the word count of `bench`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const char usage[] =
    "usage: gleam plan PROGRAM [ARGUMENTS]\n"
    "       gleam plan wordcount PATH...\n"
    "Shows chains, exchanges and partitions of a flow without running it.  PROGRAM is a C\n"
    "driver; it is started with --plan.\n";

int gm_cli_plan(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "wordcount") == 0) {
        argv[1] = argv[0];
        return gm_cli_bench_wordcount(argc - 1, argv + 1);
    }
    /* PROGRAM --plan ARGUMENTS */
    char **arguments = calloc((size_t)argc + 2, sizeof *arguments);
    if (arguments == NULL)
        return 1;
    static char option[] = "--plan";
    arguments[0] = argv[1];
    arguments[1] = option;
    memcpy(arguments + 2, argv + 2, (size_t)(argc - 2) * sizeof *arguments);
    execvp(argv[1], arguments);
    fprintf(stderr, "gleam plan: cannot start %s: %s\n", argv[1], strerror(errno));
    free(arguments);
    return 1;
}
