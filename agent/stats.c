/* stats.c - every key ends in its unit. */
#include "agent/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Bytes of the UTF-8 character that text begins with; 0 when it is none.  A text ends with a NUL,
 * which continues nothing: no byte behind it is looked at. */
static size_t character_bytes(const unsigned char *text)
{
    const unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    const size_t bytes = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < bytes; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    /* Longer forms than needed, halves of UTF-16 pairs, and what lies beyond U+10FFFF. */
    if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f) ||
        (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
        return 0;
    return bytes;
}

static void print_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (size_t bytes; *text != '\0'; text += bytes) {
        const unsigned char byte = (unsigned char)*text;
        bytes = character_bytes((const unsigned char *)text);
        if (bytes == 0) {
            fputs("\xef\xbf\xbd", file); /* U+FFFD stands for a byte that is no text */
            bytes = 1;
        } else if (byte == '"' || byte == '\\')
            fprintf(file, "\\%c", byte);
        else if (byte < 0x20)
            fprintf(file, "\\u%04x", byte);
        else
            fwrite(text, 1, bytes, file);
    }
    fputc('"', file);
}

static void print_step(FILE *file, bool *first, uint32_t chain, const char *name, const char *kind,
                       uint64_t rows_in, uint64_t rows_out, uint64_t spilled_bytes)
{
    fprintf(file, "%s\n    {\"chain_index\": %u, \"step_name\": ", *first ? "" : ",", chain);
    print_string(file, name);
    fprintf(file,
            ", \"step_kind\": \"%s\", \"in_rows\": %" PRIu64 ", \"out_rows\": %" PRIu64
            ", \"spilled_bytes\": %" PRIu64 "}",
            kind, rows_in, rows_out, spilled_bytes);
    *first = false;
}

static const char *source_kind(const struct gm_source *source)
{
    return source->kind == GM_SOURCE_TEXT      ? "read text"
           : source->kind == GM_SOURCE_STRINGS ? "strings"
           : source->kind == GM_SOURCE_INTS    ? "ints"
                                               : "exchange";
}

static void print_steps(FILE *file, const struct gm_plan *plan, const struct gm_job_report *report)
{
    bool first = true;
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        const struct gm_chain_plan *chain = &plan->chains[c];
        const struct gm_chain_counts *counts = &report->counts.chains[c];
        print_step(file, &first, c, chain->source.name, source_kind(&chain->source), 0,
                   counts->source_rows, 0);
        uint64_t rows = counts->source_rows;
        if (chain->source.tokenize) {
            print_step(file, &first, c, chain->source.tokenize_name, "tokenize", rows,
                       counts->source_words, 0);
            rows = counts->source_words;
        }
        for (uint32_t s = 0; s < chain->step_count; s++) {
            const struct gm_step *step = &chain->steps[s];
            /* Format hands on texts of many rows; none is lost or made there. */
            const uint64_t out = step->kind == GM_STEP_FORMAT ? rows : counts->step_rows[s];
            print_step(file, &first, c, step->name, gm_step_kind_name(step->kind), rows, out,
                       counts->step_spilled_bytes[s]);
            rows = out;
        }
    }
}

static void print_exchanges(FILE *file, const struct gm_plan *plan,
                            const struct gm_job_report *report)
{
    static const char *const kinds[] = {
        [GM_EXCHANGE_HASH] = "hash", [GM_EXCHANGE_GATHER] = "gather",
        [GM_EXCHANGE_OUTPUT] = "output", [GM_EXCHANGE_RANGE] = "range",
        [GM_EXCHANGE_SAMPLE] = "sample"};
    for (uint32_t i = 0; i < plan->exchange_count; i++) {
        const struct gm_exchange_counts *counts = &report->counts.exchanges[i];
        fprintf(file,
                "%s\n    {\"exchange_index\": %u, \"exchange_kind\": \"%s\", "
                "\"partitions_count\": %u, \"moved_rows\": %" PRIu64 ", \"moved_bytes\": %" PRIu64
                ", \"frames_count\": %" PRIu64 ", \"spilled_bytes\": %" PRIu64 "}",
                i > 0 ? "," : "", i, kinds[plan->exchanges[i].kind],
                plan->exchanges[i].partition_count, counts->rows_count, counts->payload_bytes,
                counts->frames_count, report->counts.exchange_spilled_bytes[i]);
    }
}

static void print_report(FILE *file, const struct gm_plan *plan,
                         const struct gm_job_report *report)
{
    static const char *const pages[] = {[GM_PAGES_PLAIN] = "plain",
                                        [GM_PAGES_THP] = "transparent huge",
                                        [GM_PAGES_HUGETLB] = "huge"};
    uint64_t input_bytes = 0, ring_bytes = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++)
        input_bytes += report->counts.chains[c].source_bytes;
    for (uint32_t i = 0; i < plan->exchange_count; i++)
        ring_bytes += report->counts.exchanges[i].payload_bytes;
    fprintf(file, "{\n  \"flow_name\": ");
    print_string(file, plan->name);
    fprintf(file,
            ",\n  \"elapsed_ns\": %" PRIu64 ",\n  \"input_bytes\": %" PRIu64
            ",\n  \"ring_bytes\": %" PRIu64 ",\n  \"output_bytes\": %" PRIu64
            ",\n  \"spilled_bytes\": %" PRIu64
            ",\n  \"spill_files_buffered_count\": %" PRIu64 ",\n  \"memory_limit_bytes\": %" PRIu64
            ",\n  \"peak_memory_bytes\": %" PRIu64 ",\n  \"region_bytes\": %" PRIu64
            ",\n  \"region_pages\": \"%s\",\n  \"frame_bytes\": %u,\n  \"disk_backend\": \"%s\"",
            report->elapsed_ns, input_bytes, ring_bytes, report->output_bytes,
            report->counts.spilled_bytes, report->counts.spill_buffered_count,
            report->memory_bytes, report->heap_peak_bytes + report->region_bytes,
            report->region_bytes, pages[report->region_pages], report->frame_bytes,
            report->counts.disk_refusal == 0 ? "io_uring" : "pread");
    fprintf(file, ",\n  \"steps\": [");
    print_steps(file, plan, report);
    fprintf(file, "\n  ],\n  \"exchanges\": [");
    print_exchanges(file, plan, report);
    fprintf(file, "\n  ],\n  \"executors\": [");
    for (uint32_t i = 0; i < report->executor_count; i++)
        fprintf(file,
                "%s\n    {\"executor_index\": %u, \"busy_ns\": %" PRIu64
                ", \"heap_peak_bytes\": %" PRIu64 "}",
                i > 0 ? "," : "", i, report->executor_busy_ns[i], report->executor_peak_bytes[i]);
    fprintf(file, "\n  ]\n}\n");
}

int gm_stats_write(const char *path, const struct gm_plan *plan,
                   const struct gm_job_report *report, struct gm_error *error)
{
    const bool to_stdout = strcmp(path, "-") == 0;
    FILE *file = to_stdout ? stdout : fopen(path, "we");
    if (file == NULL)
        return gm_error_set(error, GM_EJOB_OUTPUT, "--stats: cannot write %s: %s", path,
                            gm_error_name(-errno));
    print_report(file, plan, report);
    const bool failed = (to_stdout ? fflush(file) : fclose(file)) != 0;
    if (failed && errno != EPIPE)
        return gm_error_set(error, GM_EJOB_OUTPUT, "--stats: cannot write %s: %s", path,
                            gm_error_name(-errno));
    return 0;
}
