/* executor_counts.c - what executors counted: its tables, for the size of a plan, and sums. */
#include <errno.h>
#include <stdlib.h>

#include "agent/executor.h"

int gm_executor_counts_init(struct gm_executor_counts *counts, const struct gm_plan *plan)
{
    *counts = (struct gm_executor_counts){.chain_count = plan->chain_count};
    counts->chains = calloc(plan->chain_count + 1, sizeof *counts->chains);
    counts->exchanges = calloc(plan->exchange_count + 1,
                               sizeof *counts->exchanges + sizeof *counts->exchange_spilled_bytes);
    if (gm_analysis_init(&counts->analysis, plan) < 0 || counts->chains == NULL ||
        counts->exchanges == NULL)
        goto free_tables;
    counts->exchange_spilled_bytes = (uint64_t *)(counts->exchanges + plan->exchange_count + 1);
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        const size_t step_count = plan->chains[i].step_count;
        counts->chains[i].step_rows = calloc(2 * step_count + 1, sizeof(uint64_t));
        if (counts->chains[i].step_rows == NULL)
            goto free_tables;
        counts->chains[i].step_spilled_bytes = counts->chains[i].step_rows + step_count;
    }
    return 0;

free_tables:
    gm_executor_counts_fini(counts);
    return -ENOMEM;
}

void gm_executor_counts_fini(struct gm_executor_counts *counts)
{
    for (uint32_t i = 0; counts->chains != NULL && i < counts->chain_count; i++)
        free(counts->chains[i].step_rows);
    free(counts->chains);
    free(counts->exchanges);
    gm_analysis_fini(&counts->analysis);
    *counts = (struct gm_executor_counts){0};
}

void gm_executor_counts_merge(struct gm_executor_counts *total,
                              const struct gm_executor_counts *one, const struct gm_plan *plan)
{
    total->disk_refusal = one->disk_refusal != 0 ? one->disk_refusal : total->disk_refusal;
    total->busy_ns += one->busy_ns;
    total->counters_lost = gm_counters_merge(&total->counters, &one->counters) < 0 ||
                           one->counters_lost || total->counters_lost;
    total->heap_peak_bytes += one->heap_peak_bytes;
    total->spilled_bytes += one->spilled_bytes;
    total->spilled_payload_bytes += one->spilled_payload_bytes;
    total->spill_buffered_count += one->spill_buffered_count;
    total->cached_memory_bytes += one->cached_memory_bytes;
    total->cached_disk_bytes += one->cached_disk_bytes;
    total->commands.commands_count += one->commands.commands_count;
    total->commands.written_bytes += one->commands.written_bytes;
    total->commands.read_bytes += one->commands.read_bytes;
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        total->chains[i].source_rows += one->chains[i].source_rows;
        total->chains[i].source_words += one->chains[i].source_words;
        total->chains[i].source_bytes += one->chains[i].source_bytes;
        total->chains[i].bad_rows += one->chains[i].bad_rows;
        for (uint32_t s = 0; s < plan->chains[i].step_count; s++) {
            total->chains[i].step_rows[s] += one->chains[i].step_rows[s];
            total->chains[i].step_spilled_bytes[s] += one->chains[i].step_spilled_bytes[s];
        }
    }
    for (uint32_t i = 0; i < plan->exchange_count; i++) {
        total->exchanges[i].rows_count += one->exchanges[i].rows_count;
        total->exchanges[i].payload_bytes += one->exchanges[i].payload_bytes;
        total->exchanges[i].frames_count += one->exchanges[i].frames_count;
        total->exchange_spilled_bytes[i] += one->exchange_spilled_bytes[i];
    }
    gm_analysis_merge(&total->analysis, &one->analysis);
}
