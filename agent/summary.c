/* summary.c - a job in two lines. */
#include "agent/summary.h"

#include <inttypes.h>

#include "engine/base/readable.h"
#include "engine/base/text.h"

/* What a chain handed on, counted before a format step, which makes texts of many rows. */
static uint64_t chain_rows_out(const struct gm_chain_plan *chain,
                               const struct gm_chain_counts *counts)
{
    uint32_t steps = chain->step_count;
    while (steps > 0 && chain->steps[steps - 1].kind == GM_STEP_FORMAT)
        steps--;
    if (steps > 0)
        return counts->step_rows[steps - 1];
    return chain->source.tokenize ? counts->source_words : counts->source_rows;
}

uint64_t gm_summary_rows_out(const struct gm_plan *plan, const struct gm_executor_counts *counts)
{
    uint64_t rows = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++)
        if (plan->exchanges[plan->chains[c].exchange].kind == GM_EXCHANGE_OUTPUT)
            rows += chain_rows_out(&plan->chains[c], &counts->chains[c]);
    return rows;
}

/* "1 row", "12.3 k rows" */
static void format_rows(uint64_t rows, char *text, size_t text_bytes)
{
    char count[32];
    gm_readable_count(rows, count, sizeof count);
    snprintf(text, text_bytes, "%s row%s", count, rows == 1 ? "" : "s");
}

void gm_summary_print(const struct gm_plan *plan, const struct gm_job_report *report, FILE *file)
{
    uint64_t rows_in = report->before.input_rows, bytes_in = report->before.input_bytes;
    uint64_t moved = 0, frames = 0;
    for (uint32_t c = 0; c < plan->chain_count; c++) {
        if (plan->chains[c].source.kind == GM_SOURCE_EXCHANGE)
            continue;
        rows_in += report->counts.chains[c].source_rows;
        bytes_in += report->counts.chains[c].source_bytes;
    }
    for (uint32_t i = 0; i < plan->exchange_count; i++) {
        moved += report->counts.exchanges[i].payload_bytes;
        frames += report->counts.exchanges[i].frames_count;
    }
    char in_rows[48], in[32], out_rows[48], out[32], time[32], through[32], spilled[32], peak[32],
        limit[32];
    format_rows(rows_in, in_rows, sizeof in_rows);
    gm_text_format_size(bytes_in, in, sizeof in);
    format_rows(gm_summary_rows_out(plan, &report->counts), out_rows, sizeof out_rows);
    gm_text_format_size(report->output_bytes, out, sizeof out);
    gm_readable_time(report->elapsed_ns + report->before.elapsed_ns, time, sizeof time);
    gm_text_format_size(moved, through, sizeof through);
    gm_text_format_size(report->counts.spilled_bytes + report->before.spilled_bytes, spilled,
                        sizeof spilled);
    gm_text_format_size(report->heap_peak_bytes + report->region_bytes, peak, sizeof peak);
    gm_text_format_size(report->memory_bytes, limit, sizeof limit);
    /* Not behind "gleam: ", which stands before what is wrong. */
    fprintf(file, "done in %s on %u executor%s: %s, %s in; %s, %s out\n", time,
            report->executor_count, report->executor_count == 1 ? "" : "s", in_rows, in, out_rows,
            out);
    fprintf(file, "moved %s in %" PRIu64 " frame%s, spilled %s; peak memory %s of %s\n", through,
            frames, frames == 1 ? "" : "s", spilled, peak, limit);
}
