/* bench_group.c - `gleam bench group`: rows of two numbers, summed per key.
 *
 * The flow is written against the public header, as a person would. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "agent/driver.h"
#include "cli/cli.h"
#include "engine/base/text.h"
#include "engine/gleam.h"

static const char help[] =
    "usage: gleam bench group [--keys N] [--rows N] [run options]\n"
    "\n"
    "Makes rows of a key and a value, 16 bytes, and sums the values of each key; prints the three\n"
    "largest sums to standard output, and how fast it went to standard error.  Keys are spread\n"
    "evenly.  `gleam --help` lists the run options.\n"
    "\n"
    "options\n"
    "  --keys N              so many keys (default: 10000)\n"
    "  --rows N              so many rows, up to the next multiple of 1024 (default:\n"
    "                        100000000)\n"
    "\n"
    "examples\n"
    "  gleam bench group --keys 400\n"
    "  gleam bench group --keys 10000000 --rows 200000000 --cores 1 --stats -\n";

#define ROWS_AT_ONCE 1024
#define ROWS_MAX (UINT64_C(1) << 50)

/* Rows number * ROWS_AT_ONCE and on. */
GLEAM_MAPPER(number_rows)
{
    struct gleam_value keys[ROWS_AT_ONCE], values[ROWS_AT_ONCE];
    const struct gleam_column columns[] = {{keys, false}, {values, false}};
    const uint64_t key_count = *(const uint64_t *)gleam_parameter(call, NULL);
    const uint64_t first = (uint64_t)row[0].i64 * ROWS_AT_ONCE;
    (void)column_count;
    for (uint64_t i = 0; i < ROWS_AT_ONCE; i++) {
        /* The high half of an even spread over all 64-bit numbers, times the number of keys. */
        const uint64_t spread = (first + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        const uint64_t mixed = (spread ^ spread >> 32) * UINT64_C(0xd6e8feb86659fd93);
        keys[i] = gleam_i64((int64_t)(((mixed >> 32) * key_count) >> 32));
        values[i] = gleam_i64((int64_t)(mixed & 0xffff));
    }
    return gleam_emit_columns(call, columns, 2, ROWS_AT_ONCE);
}

static void print_speed(const struct gm_plan *plan, const struct gm_job_report *report)
{
    (void)plan;
    const uint64_t rows = report->counts.chains[0].source_rows * ROWS_AT_ONCE;
    const double seconds = (double)report->elapsed_ns / 1e9;
    const double speed = (double)rows / 1e6 / seconds;
    char spilled[32], memory[32];
    gm_text_format_size(report->counts.spilled_bytes, spilled, sizeof spilled);
    gm_text_format_size(report->heap_peak_bytes + report->region_bytes, memory, sizeof memory);
    fprintf(stderr,
            "%" PRIu64 " rows in %.3f s: %.1f M rows/s, %.1f M rows/s per executor; %" PRIu64
            " keys; %s spilled, %s of memory\n",
            rows, seconds, speed, speed / report->executor_count,
            report->counts.chains[1].step_rows[0], spilled, memory);
}

/* An option that is a number in [1, max], if it is there.  Returns false when it is none. */
static bool take_number(int *argc, char **argv, const char *name, uint64_t max, uint64_t *number)
{
    const char *why = "";
    const char *value = gm_cli_option(argc, argv, name);
    if (value == NULL)
        return true;
    if (gm_text_parse_u64(value, max, number, &why) == 0 && *number > 0)
        return true;
    fprintf(stderr, "gleam bench group: %s: %s\n", name, *why != '\0' ? why : "0 is too few");
    return false;
}

int gm_cli_bench_group(int argc, char **argv)
{
    uint64_t keys = 10000, row_count = 100000000;
    if (gm_cli_flag(&argc, argv, "--help")) {
        fputs(help, stdout);
        return 0;
    }
    if (!take_number(&argc, argv, "--keys", UINT32_MAX, &keys) ||
        !take_number(&argc, argv, "--rows", ROWS_MAX, &row_count))
        return 2;
    gm_cli_no_more_options(&argc, argv);
    if (argc != 1)
        return gm_cli_mistake(help);
    struct gleam_flow *flow = gleam_flow_new("group");
    const uint64_t block_count = (row_count + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    struct gleam_dataset *rows = gleam_ints(flow, 0, (int64_t)block_count);
    rows = gleam_flat_map(rows, "number rows",
                          gleam_mapper_with("number_rows", &keys, sizeof keys));
    rows = gleam_as(rows, "key i64, value i64");
    rows = gleam_reduce_by_key(rows, "sum", GLEAM_SUM_INT64);
    rows = gleam_top(rows, "top", 3, gleam_order_by(2, false));
    gleam_printf(rows, "%d\t%d\n");
    return gm_cli_measure(flow, print_speed);
}
