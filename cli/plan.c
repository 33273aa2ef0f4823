/* plan.c - `gleam plan`: the plan of a script, of a C driver, or of the word count of `bench`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "engine/gleam.h"

static const char help[] =
    "usage: gleam plan [--dot|--svg] [--analyze] FLOW.lua [run options] [ARGUMENTS]\n"
    "       gleam plan [--dot|--svg] [--analyze] -e 'CODE'\n"
    "       gleam plan [--dot|--svg] [--analyze] PROGRAM [run options] [ARGUMENTS]\n"
    "       gleam plan [--dot|--svg] [--analyze] wordcount [run options] PATH...\n"
    "\n"
    "Shows chains, exchanges and partitions of a flow without running it.  PROGRAM is a C\n"
    "driver; it is started with --plan.  A chain is what one executor runs without a pause; an\n"
    "exchange moves rows between executors.  The options below may stand anywhere; behind --\n"
    "they are PROGRAM's own.\n"
    "\n"
    "options\n"
    "  --dot                 for Graphviz\n"
    "  --svg                 as a picture\n"
    "  --analyze             run the flow, and print the plan to standard error with the rows,\n"
    "                        bytes, share of time and skew of each step.  Skew is the rows of\n"
    "                        the busiest executor divided by the mean: 1.00 is even\n"
    "\n"
    "examples\n"
    "  gleam plan ./word_count /usr/share/common-licenses\n"
    "  gleam plan --dot ./word_count FILE | dot -Tpdf > plan.pdf\n"
    "  gleam plan --svg ./word_count FILE > plan.svg\n"
    "  gleam plan --analyze ./word_count FILE > /dev/null\n";

#define ADDED_ARGUMENTS 2

static int plan_wordcount(int argc, char **argv, const char *form, int analyze)
{
    gleam_init(&argc, &argv);
    gleam_set_option("plan", form);
    if (analyze)
        gleam_set_option("analyze", NULL);
    argv[1] = argv[0];
    return gm_cli_bench_wordcount(argc - 1, argv + 1);
}

/* It was given a script in Lua, not a program. */
static int names_script(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *ending = strrchr(argv[i], '.');
        if (strcmp(argv[i], "-e") == 0 || (ending != NULL && strcmp(ending, ".lua") == 0))
            return 1;
    }
    return 0;
}

static int plan_script(int argc, char **argv, const char *form, int analyze)
{
    gleam_init(&argc, &argv);
    gleam_set_option("plan", form);
    if (analyze)
        gleam_set_option("analyze", NULL);
    return gm_cli_run(argc, argv);
}

/* PROGRAM --plan=FORM [--analyze] ARGUMENTS */
static int plan_program(int argc, char **argv, const char *form, int analyze)
{
    char plan_option[32];
    static char analyze_option[] = "--analyze";
    char **arguments = calloc((size_t)argc + ADDED_ARGUMENTS + 1, sizeof *arguments);
    if (arguments == NULL)
        return 1;
    int count = 0;
    snprintf(plan_option, sizeof plan_option, "--plan=%s", form);
    arguments[count++] = argv[1];
    arguments[count++] = plan_option;
    if (analyze)
        arguments[count++] = analyze_option;
    memcpy(arguments + count, argv + 2, (size_t)(argc - 2) * sizeof *arguments);
    execvp(argv[1], arguments);
    fprintf(stderr, "gleam plan: cannot start %s: %s\n", argv[1], strerror(errno));
    free(arguments);
    return 1;
}

int gm_cli_plan(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    const int dot = gm_cli_flag(&argc, argv, "--dot");
    const int svg = gm_cli_flag(&argc, argv, "--svg");
    const int analyze = gm_cli_flag(&argc, argv, "--analyze");
    const char *form = dot ? "dot" : svg ? "svg" : "text";
    if (dot && svg) {
        fputs("gleam plan: --dot or --svg, not both\n", stderr);
        return 2;
    }
    if (names_script(argc, argv))
        return plan_script(argc, argv, form, analyze);
    if (argc < 2 || argv[1][0] == '-') {
        if (argc >= 2)
            fprintf(stderr, "gleam plan: there is no option %s in front of the program\n",
                    argv[1]);
        return gm_cli_mistake(help);
    }
    return strcmp(argv[1], "wordcount") == 0 ? plan_wordcount(argc, argv, form, analyze)
                                             : plan_program(argc, argv, form, analyze);
}
