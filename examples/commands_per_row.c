/* commands_per_row.c - the sizes of a folder's files, by a command for each of them.
 *
 *     commands_per_row [run options] FOLDER
 *
 * Prints "path<TAB>bytes", largest first.
 *
 * A command gets its row's columns as $1, $2, ..., as real arguments: a name with blanks, quotes or
 * $(...) in it is a name.  Each executor keeps four commands running.  Output is read line by line,
 * so names with a newline or a TAB in them have no place here.
 */
#include <stdio.h>

#include <gleam.h>

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: %s [--cores N] [--memory SIZE] FOLDER\n", argv[0]);
        return 2;
    }
    const struct gleam_pipe_options four = {.parallel = 4};
    const char *const folders[] = {argv[1]};
    struct gleam_flow *flow = gleam_flow_new("sizes of files");
    struct gleam_dataset *files = gleam_strings(flow, folders, 1);
    files = gleam_pipe_as_args(files, "list", "find -L \"$1\" -maxdepth 1 -type f");
    files = gleam_round_robin(files, "spread", 2);
    files = gleam_pipe_as_args_with(files, "measure",
                                    "printf '%s\\t%d\\n' \"$1\" \"$(wc -c < \"$1\")\"", &four);
    files = gleam_as(files, "path bytes, bytes i64");
    files = gleam_sort(files, "largest first", gleam_then_by(gleam_order_by(2, false), 1, true));
    gleam_printlnf(files, "%s\t%d");
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
