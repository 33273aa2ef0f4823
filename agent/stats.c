/* stats.c - every key ends in its unit. */
#include "agent/stats.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/json.h"

static void print_step(FILE *file, bool *first, uint32_t chain, const char *name, const char *kind,
                       uint64_t rows_in, uint64_t rows_out, const struct gm_plan_note *note,
                       uint64_t spilled_bytes)
{
    fprintf(file, "%s\n    {\"chain_index\": %u, \"step_name\": ", *first ? "" : ",", chain);
    gm_json_string(file, name);
    fprintf(file,
            ", \"step_kind\": \"%s\", \"in_rows\": %" PRIu64 ", \"out_rows\": %" PRIu64
            ", \"max_executor_rows\": %" PRIu64 ", \"out_bytes\": %" PRIu64
            ", \"busy_ns\": %" PRIu64 ", \"spilled_bytes\": %" PRIu64 "}",
            kind, rows_in, rows_out, note->rows_max, note->bytes, note->ns,
            spilled_bytes);
    *first = false;
}

static const char *source_kind(const struct gm_source *source)
{
    return source->kind == GM_SOURCE_TEXT      ? "read text"
           : source->kind == GM_SOURCE_CSV     ? "read csv"
           : source->kind == GM_SOURCE_STRINGS ? "strings"
           : source->kind == GM_SOURCE_INTS    ? "ints"
                                               : "exchange";
}

static void print_steps(FILE *file, const struct gm_plan *plan, const struct gm_job_report *report)
{
    /* A fused pair is one position: its numbers stand with the kernel. */
    static const struct gm_plan_note none;
    const struct gm_plan_note *note = report->counts.analysis.notes;
    bool first = true;
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        const struct gm_chain_plan *chain = &plan->chains[c];
        const struct gm_chain_counts *counts = &report->counts.chains[c];
        print_step(file, &first, c, chain->source.name, source_kind(&chain->source), 0,
                   counts->source_rows, chain->source.tokenize ? &none : note, 0);
        uint64_t rows = counts->source_rows;
        if (chain->source.tokenize) {
            print_step(file, &first, c, chain->source.tokenize_name, "tokenize", rows,
                       counts->source_words, note, 0);
            rows = counts->source_words;
        }
        for (uint32_t s = 0; s < chain->step_count; s++) {
            const struct gm_step *step = &chain->steps[s];
            /* These hand on texts of many rows; none is lost or made there. */
            const bool texts = step->kind == GM_STEP_FORMAT || step->kind == GM_STEP_WRITE;
            const uint64_t out = texts ? rows : counts->step_rows[s];
            print_step(file, &first, c, step->name, gm_step_kind_name(step->kind), rows, out,
                       note + 1 + s, counts->step_spilled_bytes[s]);
            rows = out;
        }
        note += chain->step_count + 2; /* the last is the exchange */
    }
}

static void print_exchanges(FILE *file, const struct gm_plan *plan,
                            const struct gm_job_report *report)
{
    static const char *const kinds[] = {
        [GM_EXCHANGE_HASH] = "hash", [GM_EXCHANGE_GATHER] = "gather",
        [GM_EXCHANGE_OUTPUT] = "output",       [GM_EXCHANGE_MERGE] = "merge",
        [GM_EXCHANGE_ROUND_ROBIN] = "round robin", [GM_EXCHANGE_BROADCAST] = "broadcast",
        [GM_EXCHANGE_RANGE] = "range",         [GM_EXCHANGE_SAMPLE] = "sample"};
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

/* The names are the person's own: only here a key has no unit. */
static void print_counters(FILE *file, const struct gm_executor_counts *counts)
{
    const struct gm_counters *counters = &counts->counters;
    fprintf(file, ",\n  \"counters\": {");
    for (uint32_t i = 0; i < counters->count; i++) {
        fprintf(file, "%s\n    ", i > 0 ? "," : "");
        gm_json_string(file, counters->entries[i].name);
        fprintf(file, ": %" PRId64, counters->entries[i].value);
    }
    fprintf(file, "%s}", counters->count > 0 ? "\n  " : "");
}

static void print_report(FILE *file, const struct gm_plan *plan,
                         const struct gm_job_report *report)
{
    static const char *const pages[] = {[GM_PAGES_PLAIN] = "plain",
                                        [GM_PAGES_THP] = "transparent huge",
                                        [GM_PAGES_HUGETLB] = "huge"};
    uint64_t input_bytes = 0, ring_bytes = 0, bad_rows = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        input_bytes += report->counts.chains[c].source_bytes;
        bad_rows += report->counts.chains[c].bad_rows;
    }
    for (uint32_t i = 0; i < plan->exchange_count; i++)
        ring_bytes += report->counts.exchanges[i].payload_bytes;
    fprintf(file, "{\n  \"flow_name\": ");
    gm_json_string(file, plan->name);
    fprintf(file,
            ",\n  \"elapsed_ns\": %" PRIu64 ",\n  \"input_bytes\": %" PRIu64
            ",\n  \"bad_input_rows\": %" PRIu64
            ",\n  \"ring_bytes\": %" PRIu64 ",\n  \"output_bytes\": %" PRIu64
            ",\n  \"spilled_bytes\": %" PRIu64 ",\n  \"spilled_payload_bytes\": %" PRIu64
            ",\n  \"spill_files_buffered_count\": %" PRIu64 ",\n  \"memory_limit_bytes\": %" PRIu64
            ",\n  \"peak_memory_bytes\": %" PRIu64 ",\n  \"region_bytes\": %" PRIu64
            ",\n  \"region_pages\": \"%s\",\n  \"frame_bytes\": %u,\n  \"disk_backend\": \"%s\"",
            report->elapsed_ns + report->before.elapsed_ns,
            input_bytes + report->before.input_bytes, bad_rows, ring_bytes, report->output_bytes,
            report->counts.spilled_bytes + report->before.spilled_bytes,
            report->counts.spilled_payload_bytes, report->counts.spill_buffered_count,
            report->memory_bytes, report->heap_peak_bytes + report->region_bytes,
            report->region_bytes, pages[report->region_pages], report->frame_bytes,
            report->counts.disk_refusal == 0 ? "io_uring" : "pread");
    fprintf(file,
            ",\n  \"cached_memory_bytes\": %" PRIu64 ",\n  \"cached_disk_bytes\": %" PRIu64
            ",\n  \"cache_jobs_count\": %u",
            report->counts.cached_memory_bytes, report->counts.cached_disk_bytes,
            report->before.jobs_count);
    print_counters(file, &report->counts);
    fprintf(file,
            ",\n  \"commands_count\": %" PRIu64 ",\n  \"commands_written_bytes\": %" PRIu64
            ",\n  \"commands_read_bytes\": %" PRIu64,
            report->counts.commands.commands_count, report->counts.commands.written_bytes,
            report->counts.commands.read_bytes);
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
