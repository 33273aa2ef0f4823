/* main.c - the `gleam` command: finds the subcommand, prints help. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/options.h"
#include "cli/cli.h"
#include "engine/gleam.h"

static const char usage[] =
    "usage: gleam COMMAND [ARGUMENTS]\n"
    "\n"
    "commands\n"
    "  bench wordcount PATH...   count words of text files and say how fast it went\n"
    "  bench ring                frames and descriptors from core to core, beside DPDK's ring\n"
    "  bench generate FILE       write a text to count\n"
    "  run FLOW.lua [ARGS]       run a flow in Lua\n"
    "  run -e 'CODE'             the same from the command line; run - reads standard input\n"
    "  plan FLOW.lua [ARGS]      show how a flow will run, without running it\n"
    "  doctor                    check this machine, and say what would make gleam faster\n"
    "  plan PROGRAM [ARGS]       show how a C driver's flow will run, without running it\n"
    "  plan wordcount PATH...    the same for the word count of `bench`\n"
    "  version\n"
    "\n"
    "`gleam bench COMMAND --help` tells more.\n"
    "\n"
    "run options, for bench wordcount and for every C driver\n";

const char *gm_cli_option(int *argc, char **argv, const char *name)
{
    const size_t length = strlen(name);
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            break;
        if (strncmp(argv[i], name, length) != 0 ||
            (argv[i][length] != '=' && argv[i][length] != '\0'))
            continue;
        const int used = argv[i][length] == '=' ? 1 : 2;
        const char *value = used == 1 ? argv[i] + length + 1 : argv[i + 1];
        if (value == NULL) {
            fprintf(stderr, "gleam: %s needs a value\n", name);
            exit(2);
        }
        memmove(argv + i, argv + i + used, (size_t)(*argc - i - used + 1) * sizeof *argv);
        *argc -= used;
        return value;
    }
    return NULL;
}

static void remove_argument(int *argc, char **argv, int at)
{
    memmove(argv + at, argv + at + 1, (size_t)(*argc - at) * sizeof *argv);
    (*argc)--;
}

int gm_cli_flag(int *argc, char **argv, const char *name)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            break;
        if (strcmp(argv[i], name) != 0)
            continue;
        remove_argument(argc, argv, i);
        return 1;
    }
    return 0;
}

void gm_cli_no_more_options(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            remove_argument(argc, argv, i);
            return;
        }
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            fprintf(stderr, "gleam: there is no option %s; --help lists them\n", argv[i]);
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    /* `gleam plan PROGRAM` passes the run options on; everything else takes them itself. */
    if (strcmp(command, "plan") == 0)
        return gm_cli_plan(argc - 1, argv + 1);
    gleam_init(&argc, &argv);
    command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "bench") == 0)
        return gm_cli_bench(argc - 1, argv + 1);
    if (strcmp(command, "run") == 0)
        return gm_cli_run(argc - 1, argv + 1);
    if (strcmp(command, "doctor") == 0)
        return gm_cli_doctor(argc - 1, argv + 1);
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
        printf("gleam %s\n", GLEAM_VERSION);
        return 0;
    }
    const int asked = strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
                      strcmp(command, "help") == 0;
    if (!asked && command[0] != '\0')
        fprintf(stderr, "gleam: there is no command '%s'\n\n", command);
    fprintf(asked ? stdout : stderr, "%s%s", usage, gm_options_help);
    return asked ? 0 : 2;
}
