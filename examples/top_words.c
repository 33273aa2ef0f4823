/* top_words.c - the five most frequent words of /etc/passwd, with a mapper and a reducer of its
 * own.
 *
 *     top_words [run options] [PATH]
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <gleam.h>

/* One row (word, 1) per run of letters and digits in the line; words that stand in the parameter
 * are left out. */
GLEAM_MAPPER(words_of_line)
{
    size_t skip_length;
    const char *skip = gleam_parameter(call, &skip_length);
    const char *line = row[0].bytes.data;
    const char *end = line + row[0].bytes.length;
    (void)column_count;
    while (line < end) {
        const char *begin = line;
        while (line < end && isalnum((unsigned char)*line))
            line++;
        const size_t length = (size_t)(line - begin);
        if (length > 0 && (length != skip_length || memcmp(begin, skip, length) != 0)) {
            const struct gleam_value word[] = {gleam_bytes(begin, length), gleam_i64(1)};
            int rc = gleam_emit(call, word, 2);
            if (rc != 0)
                return rc;
        }
        line++;
    }
    return 0;
}

GLEAM_REDUCER(add)
{
    (void)call;
    (void)value_count;
    total[0].i64 += next[0].i64;
    return 0;
}

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        fprintf(stderr, "usage: %s [--cores N] [--memory SIZE] [PATH]\n", argv[0]);
        return 2;
    }
    struct gleam_flow *flow = gleam_flow_new("top 5 words in passwd");
    struct gleam_dataset *words = gleam_text_file(flow, argc > 1 ? argv[1] : "/etc/passwd");
    words = gleam_flat_map(words, "split", gleam_mapper_with("words_of_line", "x", 1));
    words = gleam_as(words, "word bytes, n i64");
    words = gleam_reduce_by_key(words, "add", gleam_reducer("add"));
    words = gleam_top(words, "top 5", 5, gleam_order_by(2, false));
    gleam_printf(words, "%s\t%d\n");
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}
