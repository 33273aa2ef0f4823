/* test_memory.c - goal: --memory is divided so that the parts fit it, and a size that is too small
 * is refused with one that does.
 * Method: plans of one to many exchanges, executors from 1 to 256, every size around the least.
 */
#include "agent/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/blocks.h"
#include "agent/reader.h"

static struct gm_exchange_plan exchanges[GM_EXCHANGES_MAX];
static struct gm_chain_plan text_chains[GM_EXCHANGES_MAX]; /* zeros: they read texts */

static struct gm_plan plan_with(uint32_t exchange_count)
{
    for (uint32_t i = 0; i < exchange_count; i++)
        exchanges[i] = (struct gm_exchange_plan){
            .kind = i + 1 < exchange_count ? GM_EXCHANGE_HASH : GM_EXCHANGE_OUTPUT,
            .partition_count = 4};
    return (struct gm_plan){
        .chains = text_chains, .chain_count = exchange_count,
        .exchanges = exchanges, .exchange_count = exchange_count};
}

static int divide(uint64_t memory, uint32_t executors, uint32_t exchange_count, bool huge,
                  struct gm_memory_split *split, struct gm_error *error)
{
    const struct gm_plan plan = plan_with(exchange_count);
    const struct gm_options options = {.executor_count = executors,
                                       .core_count = executors,
                                       .memory_bytes = memory,
                                       .pages = huge ? GM_PAGES_HUGE : GM_PAGES_AUTO,
                                       .huge_bytes = huge ? UINT64_C(1) << 40 : 0};
    static struct gm_region_spec spec;
    spec = (struct gm_region_spec){0};
    *error = (struct gm_error){0};
    const int rc = gm_job_divide(&plan, &options, NULL, &spec, split, error);
    if (rc == 0) {
        /* Whole huge pages, when the region may lie on them. */
        const uint64_t huge_page = 2 << 20;
        assert_int_equal((gm_region_footprint(&spec) + huge_page - 1) / huge_page * huge_page,
                         split->region_bytes);
        assert_int_equal(spec.frame_bytes, split->frame_bytes);
    }
    return rc;
}

/* The parts of every split that is made stay inside the promise; a refusal names a size that then
 * is enough. */
static void parts_fit_and_the_advice_is_right(void **state)
{
    (void)state;
    static const uint32_t executors[] = {1, 2, 7, 64, 256};
    static const uint32_t counts[] = {1, 3, 12};
    for (size_t e = 0; e < sizeof executors / sizeof *executors; e++)
        for (size_t x = 0; x < sizeof counts / sizeof *counts; x++)
            for (int huge = 0; huge < 2; huge++) {
                struct gm_memory_split split;
                struct gm_error error;
                const uint32_t n = executors[e];
                assert_int_equal(divide(1 << 20, n, counts[x], huge, &split, &error),
                                 GM_EJOB_OPTION);
                const char *advice = strstr(error.text, "give --memory ");
                assert_non_null(advice);
                uint64_t least;
                assert_int_equal(sscanf(advice, "give --memory %" SCNu64 "M", &least), 1);
                for (uint64_t memory = least << 20; memory < (least << 20) * 40;
                     memory += memory / 5) {
                    assert_int_equal(divide(memory, n, counts[x], huge, &split, &error), 0);
                    assert_true(split.region_bytes + split.process_bytes +
                                    n * split.heap_bytes + split.driver_bytes <=
                                memory);
                    assert_true(split.heap_bytes >= 8 << 20);
                    assert_true(split.driver_bytes >= 8 << 20);
                    assert_true(split.heap_bytes >= split.driver_bytes);
                    assert_true(split.frame_bytes >= GM_FRAME_BYTES_MIN);
                }
                assert_int_equal(
                    divide((least - 2) << 20, n, counts[x], huge, &split, &error),
                    GM_EJOB_OPTION);
            }
}

/* Readers of several texts, staging for many partitions, and the batches of chains with several
 * inputs, are part of the least heap. */
static void what_a_plan_holds_is_counted(void **state)
{
    (void)state;
    static struct gm_chain_plan chains[12];
    static struct gm_region_spec spec;
    struct gm_plan plan = plan_with(12);
    const struct gm_options options = {
        .executor_count = 2, .core_count = 2, .memory_bytes = 1 << 20, .pages = GM_PAGES_OFF};
    const uint32_t partitions = 40000;
    static struct gm_input inputs[3];
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t c = 0; c < GM_FIELDS_MAX; c++)
            gm_schema_add(&inputs[i].schema, "c", GLEAM_ANY, false);
    for (int many = 0; many < 4; many++) {
        for (uint32_t i = 0; i < 12; i++)
            chains[i].source = (struct gm_source){
                .kind = many == 1 ? GM_SOURCE_TEXT : GM_SOURCE_EXCHANGE,
                .inputs = inputs,
                .input_count = many == 3 && i < 4 ? 3 : 1};
        exchanges[0].partition_count = many == 2 ? partitions : 4;
        plan.chains = chains;
        struct gm_options enough = options;
        struct gm_memory_split split;
        struct gm_error error = {0};
        assert_int_equal(gm_job_divide(&plan, &options, NULL, &spec, &split, &error),
                         GM_EJOB_OPTION);
        uint64_t least;
        assert_int_equal(sscanf(strstr(error.text, "give --memory "),
                                "give --memory %" SCNu64 "M", &least),
                         1);
        enough.memory_bytes = least << 20;
        assert_int_equal(gm_job_divide(&plan, &enough, NULL, &spec, &split, &error), 0);
        assert_int_equal(gm_region_footprint(&spec), split.region_bytes);
        if (many == 1)
            assert_true(split.heap_bytes >= 12 * GM_READER_BYTES);
        if (many == 3)
            assert_true(split.heap_bytes >=
                        24 * (uint64_t)GM_FIELDS_MAX * sizeof(struct gleam_value) *
                            GM_BATCH_ROWS_MAX);
        if (many == 2)
            assert_true(split.heap_bytes >= (uint64_t)partitions * 448);
    }
}

/* What one chain adds to the least heap, in MiB, for a source and a last step of these kinds. */
static uint64_t least_of(struct gm_source source, struct gm_write_plan *write)
{
    static struct gm_region_spec spec;
    struct gm_step step = {.kind = GM_STEP_WRITE, .write = write};
    struct gm_chain_plan chain = {
        .source = source, .steps = &step, .step_count = write != NULL ? 1 : 0};
    struct gm_plan plan = plan_with(1);
    const struct gm_options options = {
        .executor_count = 1, .core_count = 1, .memory_bytes = 1 << 20, .pages = GM_PAGES_OFF};
    struct gm_memory_split split;
    struct gm_error error = {0};
    uint64_t least = 0;
    plan.chains = &chain;
    plan.chain_count = 1;
    exchanges[0].partition_count = 1;
    assert_int_equal(gm_job_divide(&plan, &options, NULL, &spec, &split, &error), GM_EJOB_OPTION);
    assert_int_equal(
        sscanf(strstr(error.text, "give --memory "), "give --memory %" SCNu64 "M", &least), 1);
    return least;
}

static void what_reads_and_writes_files_is_counted(void **state)
{
    char plain[] = "a.csv", packed[] = "a.csv.gz";
    struct gm_file file = {.path = plain};
    struct gm_source source = {
        .kind = GM_SOURCE_TEXT, .files = &file, .file_count = 1, .partition_count = 4};
    struct gm_write_plan write = {.compression = GM_COMPRESSION_NONE};
    (void)state;
    const uint64_t text = least_of(source, NULL);
    file.path = packed;
    assert_true(least_of(source, NULL) >= text + 2 * 8);
    file.path = plain;
    source.kind = GM_SOURCE_CSV;
    const uint64_t csv = least_of(source, NULL);
    assert_true(csv >= text + 2 * (GM_BLOCKS_BYTES >> 20));
    assert_true(least_of(source, &write) > csv);
    write.compression = GM_COMPRESSION_ZSTD;
    assert_true(least_of(source, &write) >= csv + 2 * 8);
}

static void frames_are_large_when_memory_is(void **state)
{
    (void)state;
    struct gm_memory_split split;
    struct gm_error error;
    assert_int_equal(divide(UINT64_C(1) << 30, 2, 3, false, &split, &error), 0);
    assert_int_equal(split.frame_bytes, GM_FRAME_BYTES_DEFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_fit_and_the_advice_is_right),
        cmocka_unit_test(what_a_plan_holds_is_counted),
        cmocka_unit_test(what_reads_and_writes_files_is_counted),
        cmocka_unit_test(frames_are_large_when_memory_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
