/* bench_wordcount.c - `gleam bench wordcount`, and `gleam plan wordcount`.
 *
 * The flow is written against the public header, as a person would. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/driver.h"
#include "cli/cli.h"
#include "engine/base/text.h"
#include "engine/gleam.h"

static const char help[] =
    "usage: gleam bench wordcount [--top N] [--functions] [run options] PATH...\n"
    "\n"
    "Counts the words, runs of letters and digits, of text files, globs and directories; prints\n"
    "the most frequent to standard output, and how fast it went to standard error.\n"
    "`gleam --help` lists the run options.\n"
    "\n"
    "options\n"
    "  --top N               print so many words (default: 10)\n"
    "  --functions           a registered C mapper and reducer in the place of the native\n"
    "                        kernels\n"
    "\n"
    "examples\n"
    "  gleam bench wordcount --top 3 /usr/share/common-licenses\n"
    "  gleam bench wordcount --cores 1 --memory 200M --stats - words.txt\n";

#define WORDS_AT_ONCE 128

GLEAM_MAPPER(split_words)
{
    struct gleam_value words[WORDS_AT_ONCE];
    const struct gleam_value one = gleam_i64(1);
    const struct gleam_column columns[] = {{words, false}, {&one, true}};
    size_t offset = 0, count;
    (void)column_count;
    while ((count = gleam_words(&row[0], &offset, words, WORDS_AT_ONCE)) > 0) {
        int rc = gleam_emit_columns(call, columns, 2, count);
        if (rc != 0)
            return rc;
    }
    return 0;
}

GLEAM_REDUCER_I64(add_counts)
{
    return total + next;
}

static struct gleam_flow *make_flow(const char *const *paths, size_t path_count, uint32_t top,
                                    bool functions)
{
    struct gleam_flow *flow = gleam_flow_new("word count");
    struct gleam_dataset *words = gleam_read_texts(flow, paths, path_count, 0);
    if (functions) {
        words = gleam_flat_map(words, "split words", gleam_mapper("split_words"));
        words = gleam_as(words, "word bytes, n i64");
        words = gleam_reduce_by_key(words, "add counts", gleam_reducer("add_counts"));
    } else {
        words = gleam_flat_map(words, "tokenize", GLEAM_TOKENIZE);
        words = gleam_map(words, "append one", GLEAM_APPEND_ONE);
        words = gleam_reduce_by_key(words, "sum", GLEAM_SUM_INT64);
    }
    words = gleam_top(words, "top", top, gleam_order_by(2, false));
    gleam_printf(words, "%s\t%d\n");
    return flow;
}

static void print_speed(const struct gm_plan *plan, const struct gm_job_report *report)
{
    const struct gm_chain_counts *read = &report->counts.chains[0];
    const struct gm_chain_counts *reduced = &report->counts.chains[1];
    const double seconds = (double)report->elapsed_ns / 1e9;
    const uint64_t words = plan->chains[0].source.tokenize ? read->source_words
                                                           : read->step_rows[0];
    uint64_t ring_bytes = 0;
    for (uint32_t i = 0; i < plan->exchange_count; i++)
        ring_bytes += report->counts.exchanges[i].payload_bytes;
    char input[32], rings[32], memory[32];
    gm_text_format_size(read->source_bytes, input, sizeof input);
    gm_text_format_size(ring_bytes, rings, sizeof rings);
    gm_text_format_size(report->heap_peak_bytes + report->region_bytes, memory, sizeof memory);
    fprintf(stderr,
            "%s in %.3f s: %.0f MB/s on %u executor%s; %" PRIu64 " lines, %" PRIu64
            " words, %" PRIu64 " distinct; %s through the rings, %s of memory\n",
            input, seconds, (double)read->source_bytes / 1e6 / seconds, report->executor_count,
            report->executor_count == 1 ? "" : "s",
            read->source_rows, words, reduced->step_rows[0], rings, memory);
}

int gm_cli_bench_wordcount(int argc, char **argv)
{
    const char *why = "";
    uint64_t top = 10;
    if (gm_cli_flag(&argc, argv, "--help")) {
        fputs(help, stdout);
        return 0;
    }
    const char *value = gm_cli_option(&argc, argv, "--top");
    if (value != NULL && gm_text_parse_u64(value, UINT32_MAX, &top, &why) < 0) {
        fprintf(stderr, "gleam bench wordcount: --top: %s\n", why);
        return 2;
    }
    const bool functions = gm_cli_flag(&argc, argv, "--functions");
    gm_cli_no_more_options(&argc, argv);
    if (argc < 2)
        return gm_cli_mistake(help);
    struct gleam_flow *flow = make_flow((const char *const *)argv + 1, (size_t)argc - 1,
                                        (uint32_t)top, functions);
    return gm_cli_measure(flow, print_speed);
}
