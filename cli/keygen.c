/* keygen.c - `gleam keygen`. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "control/key.h"

static const char help[] =
    "usage: gleam keygen FILE\n"
    "\n"
    "Makes a new key, of the kernel's random bytes, that the parts of a cluster prove to each\n"
    "other: give the file, copied safely to every machine, to master, agent and run as --key\n"
    "FILE, or name it in GLEAM_KEY_FILE.  Only its owner may read it.\n"
    "\n"
    "examples\n"
    "  gleam keygen cluster.key\n";

int gm_cli_keygen(int argc, char **argv)
{
    struct gm_error error = {0};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    gm_cli_no_more_options(&argc, argv);
    if (argc != 2)
        return gm_cli_mistake(help);
    if (gm_key_generate(argv[1], &error) == 0)
        return 0;
    fprintf(stderr, "gleam keygen: %s\n", error.text);
    return 1;
}
