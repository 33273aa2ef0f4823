/* test_summary.c - goal: the two lines at the end add up the right counters.
 * Method: a plan and counters by hand.
 */
#include "agent/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

static struct gm_step steps[3] = {
    {.kind = GM_STEP_COMBINE}, {.kind = GM_STEP_REDUCE}, {.kind = GM_STEP_FORMAT}};
static struct gm_chain_plan chains[3] = {
    {.steps = &steps[0], .step_count = 1, .exchange = 0},
    {.source = {.kind = GM_SOURCE_EXCHANGE}, .steps = &steps[1], .step_count = 2, .exchange = 1},
    {.source = {.kind = GM_SOURCE_INTS}, .steps = &steps[2], .step_count = 1, .exchange = 2},
};
static struct gm_exchange_plan exchanges[3] = {
    {.kind = GM_EXCHANGE_HASH}, {.kind = GM_EXCHANGE_OUTPUT}, {.kind = GM_EXCHANGE_OUTPUT}};
static const struct gm_plan plan = {
    .chains = chains, .chain_count = 3, .exchanges = exchanges, .exchange_count = 3};

static void counters_are_added_up(void **state)
{
    (void)state;
    char *text;
    size_t bytes;
    struct gm_job_report report = {.elapsed_ns = 1500000000,
                                   .memory_bytes = UINT64_C(1) << 30,
                                   .region_bytes = 3 << 20,
                                   .heap_peak_bytes = 5 << 20,
                                   .output_bytes = 2048,
                                   .executor_count = 2};
    assert_int_equal(gm_executor_counts_init(&report.counts, &plan), 0);
    struct gm_chain_counts *counts = report.counts.chains;
    counts[0].source_rows = 20000;
    counts[0].source_bytes = 1 << 20;
    counts[1].source_rows = 999; /* from an exchange: not read */
    counts[1].step_rows[0] = 40;
    counts[1].step_rows[1] = 1; /* texts */
    counts[2].source_rows = 7;
    counts[2].step_rows[0] = 1;
    report.counts.spilled_bytes = 4096;
    for (int i = 0; i < 3; i++) {
        report.counts.exchanges[i].payload_bytes = 512;
        report.counts.exchanges[i].frames_count = 2;
    }
    assert_int_equal(gm_summary_rows_out(&plan, &report.counts), 47);
    FILE *file = open_memstream(&text, &bytes);
    gm_summary_print(&plan, &report, file);
    fclose(file);
    assert_string_equal(text,
                        "done in 1.50 s on 2 executors: 20.0 k rows, 1.0 MiB in; 47 rows, 2.0 KiB "
                        "out\n"
                        "moved 1.5 KiB in 6 frames, spilled 4.0 KiB; peak memory 8.0 MiB of 1.0 "
                        "GiB\n");
    free(text);
    chains[2].source.tokenize = true;
    counts[2].source_words = 9;
    assert_int_equal(gm_summary_rows_out(&plan, &report.counts), 49);
    gm_executor_counts_fini(&report.counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_are_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
