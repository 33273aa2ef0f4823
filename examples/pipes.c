/* pipes.c - counts the words of a file with the commands of Unix, several of each at a time.
 *
 *     pipes [run options] [PATH]
 *
 * The file is /etc/passwd, unless told otherwise.  Prints "word<TAB>count", most frequent first.
 *
 * Every command runs once for each partition and sees its rows alone.  That is right for tr, but
 * `uniq -c` counts right only where all rows of a word are: so gleam_partition_by_key brings equal
 * words together before they are sorted and counted.
 */
#include <stdio.h>

#include <gleam.h>

#define PARTITIONS 4

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        fprintf(stderr, "usage: %s [--cores N] [--memory SIZE] [PATH]\n", argv[0]);
        return 2;
    }
    struct gleam_flow *flow = gleam_flow_new("word count by pipes");
    struct gleam_dataset *words =
        gleam_read_text(flow, argc > 1 ? argv[1] : "/etc/passwd", PARTITIONS);
    words = gleam_pipe(words, "lower case", "tr A-Z a-z");
    words = gleam_pipe(words, "a word per line", "tr -cs a-z0-9 '\\n' | sed '/^$/d'");
    words = gleam_partition_by_key(words, "equal words together", PARTITIONS);
    words = gleam_pipe(words, "sort", "LC_ALL=C sort");
    words = gleam_pipe(words, "count", "LC_ALL=C uniq -c");
    words = gleam_pipe(words, "columns", "awk '{ print $2 \"\\t\" $1 }'");
    words = gleam_as(words, "word bytes, n i64");
    words = gleam_sort(words, "sort", gleam_then_by(gleam_order_by(2, false), 1, true));
    gleam_printlnf(words, "%s\t%d");
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
