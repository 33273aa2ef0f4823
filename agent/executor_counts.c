/* executor_counts.c - the tables of what executors counted, for the size of a plan. */
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
