/* word_count.c - counts the words of text files.
 *
 *     word_count [run options] PATH...
 *
 * Prints "word<TAB>count", most frequent first. */
#include <stdio.h>

#include <gleam.h>

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc < 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: %s [--cores N] [--memory SIZE] PATH...\n", argv[0]);
        return 2;
    }
    struct gleam_flow *flow = gleam_flow_new("word count");
    struct gleam_dataset *words =
        gleam_read_texts(flow, (const char *const *)&argv[1], (size_t)argc - 1, 0);
    words = gleam_flat_map(words, "tokenize", GLEAM_TOKENIZE);
    words = gleam_map(words, "append one", GLEAM_APPEND_ONE);
    words = gleam_reduce_by_key(words, "sum", GLEAM_SUM_INT64);
    words = gleam_sort(words, "sort", gleam_then_by(gleam_order_by(2, false), 1, true));
    gleam_printf(words, "%s\t%d\n");
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
