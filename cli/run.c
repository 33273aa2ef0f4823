/* run.c - `gleam run`: a flow in Lua, from a file, standard input or the command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "script/script.h"

/* A script is written by hand: more is a mistake, such as the data instead of the flow. */
#define SCRIPT_BYTES_MAX ((size_t)64 << 20)

static const char help[] =
    "usage: gleam run [run options] FLOW.lua [ARGUMENTS]\n"
    "       gleam run [run options] - [ARGUMENTS]\n"
    "       gleam run [run options] -e 'CODE' [ARGUMENTS]\n"
    "\n"
    "Runs a Lua script that builds and runs flows: from a file, from standard input (-), or from\n"
    "the command line (-e).  It finds the module by require \"gleam\", and its arguments in the\n"
    "table `arg`; -e has `gleam` already.  What stands behind -- is the script's alone.\n"
    "`gleam --help` lists the run options; docs/lua-guide.md has every method with an example.\n"
    "\n"
    "examples\n"
    "  gleam run top_words.lua /usr/share/common-licenses\n"
    "  gleam run --cores 2 --memory 1G top_words.lua FILE\n"
    "  gleam run -e 'gleam.New():Ints(1, 11):Filter(function(n) return n % 2 == 0 end)\n"
    "                :Printlnf(\"%v\"):Run()'\n";

/* All of a stream; the caller frees *ret_code.  Returns 0 or -errno. */
static int read_all(FILE *file, char **ret_code, size_t *ret_bytes)
{
    size_t capacity = 64 << 10, bytes = 0;
    char *code = malloc(capacity);
    while (code != NULL) {
        bytes += fread(code + bytes, 1, capacity - bytes, file);
        if (ferror(file)) {
            const int rc = errno != 0 ? -errno : -EIO;
            free(code);
            return rc;
        }
        if (bytes < capacity)
            break;
        capacity *= 2;
        if (capacity > SCRIPT_BYTES_MAX) {
            free(code);
            return -EFBIG;
        }
        char *larger = realloc(code, capacity);
        if (larger == NULL)
            free(code);
        code = larger;
    }
    if (code == NULL)
        return -ENOMEM;
    *ret_code = code;
    *ret_bytes = bytes;
    return 0;
}

/* A first line for the shell (#!...) is passed over, and its line end kept: lines count from 1. */
static size_t shebang_bytes(const char *code, size_t bytes)
{
    if (bytes == 0 || code[0] != '#')
        return 0;
    const char *end = memchr(code, '\n', bytes);
    return end != NULL ? (size_t)(end - code) : bytes;
}

static int run_file(int argc, char **argv)
{
    const char *path = argv[0];
    const int from_stdin = strcmp(path, "-") == 0;
    char *code = NULL;
    size_t bytes = 0;
    errno = 0;
    FILE *file = from_stdin ? stdin : fopen(path, "re");
    int rc = file != NULL ? read_all(file, &code, &bytes) : -errno;
    if (file != NULL && !from_stdin)
        fclose(file);
    if (rc < 0) {
        fprintf(stderr, "gleam run: cannot read the script %s: %s\n", path, strerror(-rc));
        return 1;
    }
    const size_t skip = shebang_bytes(code, bytes);
    const int status =
        gm_script_run(from_stdin ? "stdin" : path, code + skip, bytes - skip, argc, argv);
    free(code);
    return status;
}

static int run_code(const char *code, int argc, char **argv)
{
    static const char prefix[] = "local gleam = require \"gleam\" ";
    char *text;
    const int length = asprintf(&text, "%s%s", prefix, code);
    if (length < 0)
        return 1;
    static char name[] = "-e";
    argv[0] = name;
    const int status = gm_script_run(name, text, (size_t)length, argc, argv);
    free(text);
    return status;
}

/* The first "--" ended the run options, and is nobody's argument. */
static void drop_dashes(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof *argv);
        (*argc)--;
        return;
    }
}

int gm_cli_run(int argc, char **argv)
{
    drop_dashes(&argc, argv);
    if (argc < 2)
        return gm_cli_mistake(help);
    if (strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (strcmp(argv[1], "-e") == 0) {
        if (argc < 3) {
            fprintf(stderr, "gleam run: -e needs the code\n");
            return 2;
        }
        return run_code(argv[2], argc - 2, argv + 2);
    }
    /* The script's own arguments may begin with "-"; before it, nothing is left to take. */
    if (argv[1][0] == '-' && argv[1][1] != '\0') {
        fprintf(stderr, "gleam run: there is no option %s; --help lists them\n", argv[1]);
        return 2;
    }
    return run_file(argc - 1, argv + 1);
}
