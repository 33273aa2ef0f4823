/* main.c - the `gleam` command: finds the subcommand, prints help. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/options.h"
#include "cli/cli.h"
#include "engine/gleam.h"

/* Every help text has this form: usage lines, what it does, sections with indented entries.  The
 * manual pages and the completion of shells are made from them at build (docs/manual.py), and the
 * run options are gm_options_help. */
static const char help[] =
    "usage: gleam COMMAND [ARGUMENTS]\n"
    "\n"
    "Runs data flows on the cores of this machine, or of a cluster.  A flow is a script in Lua,\n"
    "or a C program that links libgleam.  `gleam COMMAND --help` tells more.  The run options\n"
    "below are those of run, of bench group, sort and wordcount, and of every C driver.\n"
    "\n"
    "commands\n"
    "  agent                     be a node of a cluster\n"
    "  bench BENCHMARK           measure gleam on this machine\n"
    "  bench generate FILE       write a text to count, or records to sort\n"
    "  bench group               sum rows of 16 bytes per key and say how fast it went\n"
    "  bench ring                frames and descriptors from core to core, beside DPDK's ring\n"
    "  bench sort IN OUT         sort records of 100 bytes and say how fast it went\n"
    "  bench validate SORTED     say whether records of 100 bytes are in order\n"
    "  bench wordcount PATH...   count words of text files and say how fast it went\n"
    "  doctor                    check this machine, and say what would make gleam faster\n"
    "  help COMMAND              tell more about a command\n"
    "  keygen FILE               make the key of a cluster\n"
    "  kill JOB                  end a job of a cluster\n"
    "  logs JOB                  what a job's steps printed on the agents\n"
    "  master                    be the master of a cluster\n"
    "  plan PROGRAM [ARGS]       show how a flow will run, or what each step did; PROGRAM is a\n"
    "                            script or a C driver\n"
    "  ps                        list agents and jobs of a cluster\n"
    "  run FLOW.lua [ARGS]       run a flow in Lua\n"
    "  version                   print the version\n"
    "\n"
    "run options\n";

static const char examples[] =
    "\n"
    "examples\n"
    "  gleam doctor\n"
    "  gleam run --cores 0-3 flow.lua\n"
    "  gleam bench wordcount /usr/share/common-licenses\n"
    "  gleam plan --svg ./word_count FILE > plan.svg\n"
    "  ./word_count --cores 0-3 --memory 2G --stats stats.json FILE\n";

static const char version_help[] =
    "usage: gleam version\n"
    "\n"
    "Prints the version of this command and of the library that it was built with.\n"
    "\n"
    "examples\n"
    "  gleam version\n";

int gm_cli_mistake(const char *text)
{
    const char *end = strstr(text, "\n\n");
    fprintf(stderr, "%.*s\nAdd --help to learn more.\n",
            end != NULL ? (int)(end - text) : (int)strlen(text), text);
    return 2;
}

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

static int print_version(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        fputs(version_help, stdout);
    else if (argc > 1)
        return gm_cli_mistake(version_help);
    else
        printf("gleam %s\n", GLEAM_VERSION);
    return 0;
}

static int run_command(int argc, char **argv)
{
    const char *command = argv[0];
    if (strcmp(command, "bench") == 0)
        return gm_cli_bench(argc, argv);
    if (strcmp(command, "doctor") == 0)
        return gm_cli_doctor(argc, argv);
    if (strcmp(command, "run") == 0)
        return gm_cli_run(argc, argv);
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0)
        return print_version(argc, argv);
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
        strcmp(command, "help") == 0) {
        printf("%s%s%s", help, gm_options_help, examples);
        return 0;
    }
    fprintf(stderr, "gleam: there is no command '%s'\n\n", command);
    return gm_cli_mistake(help);
}

/* `help COMMAND...` becomes `COMMAND... --help`. */
static void turn_help(int argc, char **argv)
{
    static char option[] = "--help";
    if (argc < 3 || strcmp(argv[1], "help") != 0)
        return;
    memmove(argv + 1, argv + 2, (size_t)(argc - 2) * sizeof *argv);
    argv[argc - 1] = option;
}

/* `gleam plan PROGRAM` passes the run options on, and those of a cluster run nothing: they mean
 * other things by some of them. */
static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} without_run_options[] = {{"plan", gm_cli_plan},     {"agent", gm_cli_agent},
                           {"master", gm_cli_master}, {"keygen", gm_cli_keygen},
                           {"ps", gm_cli_ps},         {"kill", gm_cli_kill},
                           {"logs", gm_cli_logs}};

int main(int argc, char **argv)
{
    turn_help(argc, argv);
    for (size_t i = 0; argc > 1 && i < sizeof without_run_options / sizeof *without_run_options;
         i++)
        if (strcmp(argv[1], without_run_options[i].name) == 0)
            return without_run_options[i].run(argc - 1, argv + 1);
    gleam_init(&argc, &argv);
    if (argc > 1)
        return run_command(argc - 1, argv + 1);
    fprintf(stderr, "%s%s%s", help, gm_options_help, examples);
    return 2;
}
