/* test_plan_write.c
 * Goal:   a path becomes a file or a directory as its extension and the partitions say, with the
 *         right names, and knows what a file without rows holds; mistakes are told.
 * Method: flows of strings and ints.  Covers flow_write.c.
 */
#include "engine/flow/plan_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/flow/planner.h"

enum how { TEXT, CSV, TSV, JSONL };

static struct gleam_flow *flow;
static struct gm_plan plan;

static int no_files(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    (void)path;
    (void)list;
    (void)error;
    return -1;
}

static int plan_it(enum how how, const char *path, uint32_t partitions,
                   const struct gleam_write_options *options)
{
    flow = gleam_flow_new("test");
    struct gleam_dataset *rows = gleam_as(gleam_ints(flow, 0, 10), "n i64");
    if (partitions > 0)
        rows = gleam_partition_by_key(rows, "part", partitions);
    if (how == TEXT)
        gleam_write_text(rows, path);
    else if (how == CSV)
        gleam_write_csv(rows, path, options);
    else if (how == TSV)
        gleam_write_tsv(rows, path, options);
    else
        gleam_write_jsonl(rows, path);
    return gm_planner_make(flow, 2, no_files, &plan);
}

static void forget(void)
{
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

/* suffix: of a directory's parts; NULL: one file. */
static void becomes(enum how how, const char *path, uint32_t partitions, const char *suffix,
                    enum gm_compression compression)
{
    assert_int_equal(plan_it(how, path, partitions, NULL), 0);
    const struct gm_output *output = &flow->outputs[0];
    const struct gm_chain_plan *chain = &plan.chains[plan.chain_count - 1];
    const struct gm_step *step = &chain->steps[chain->step_count - 1];
    const struct gm_exchange_plan *exchange = &plan.exchanges[chain->exchange];
    assert_int_equal(step->kind, GM_STEP_WRITE);
    assert_int_equal(step->write->compression, compression);
    assert_int_equal(step->write->counts, suffix != NULL);
    assert_int_equal(step->schema.field_count, suffix != NULL ? 2 : 1);
    if (suffix == NULL) {
        assert_int_equal(output->kind, GM_OUTPUT_PATH);
        assert_null(exchange->parts);
        assert_int_equal(exchange->schema.field_count, 1);
    } else {
        assert_int_equal(output->kind, GM_OUTPUT_PARTS);
        assert_string_equal(output->suffix, suffix);
        assert_int_equal(output->part_count, partitions > 0 ? partitions : 2);
        assert_string_equal(exchange->parts->suffix, suffix);
        assert_string_equal(exchange->parts->target, path);
        assert_int_equal(exchange->schema.field_count, 3);
    }
    forget();
}

static void paths_become_files_or_directories(void **state)
{
    (void)state;
    becomes(CSV, "out.csv", 1, NULL, GM_COMPRESSION_NONE);
    becomes(CSV, "a.b/out.dat", 1, NULL, GM_COMPRESSION_NONE);
    becomes(CSV, "out.csv.gz", 1, NULL, GM_COMPRESSION_GZIP);
    becomes(CSV, "out.zst", 1, NULL, GM_COMPRESSION_ZSTD);
    becomes(CSV, "a.b/out", 1, ".csv", GM_COMPRESSION_NONE);
    becomes(CSV, ".out", 1, ".csv", GM_COMPRESSION_NONE);
    becomes(CSV, "out.", 1, ".csv", GM_COMPRESSION_NONE);
    becomes(CSV, "out.csv", 3, ".csv", GM_COMPRESSION_NONE);
    becomes(CSV, "out.csv/", 0, ".csv", GM_COMPRESSION_NONE);
    becomes(TSV, "out.tab.gz", 4, ".tab.gz", GM_COMPRESSION_GZIP);
    becomes(TSV, "out.gz", 4, ".csv.gz", GM_COMPRESSION_GZIP);
    becomes(TEXT, "out", 2, ".txt", GM_COMPRESSION_NONE);
    becomes(JSONL, "out.bz2", 2, ".jsonl.bz2", GM_COMPRESSION_BZIP2);
}

static void a_file_without_rows_has_a_header(void **state)
{
    const struct gleam_write_options options = {.header = true};
    (void)state;
    assert_int_equal(plan_it(CSV, "out.csv", 1, &options), 0);
    assert_int_equal(flow->outputs[0].empty_bytes, 2);
    assert_memory_equal(flow->outputs[0].empty, "n\n", 2);
    forget();
    assert_int_equal(plan_it(CSV, "out.csv", 1, NULL), 0);
    assert_int_equal(flow->outputs[0].empty_bytes, 0);
    forget();
    assert_int_equal(plan_it(JSONL, "out.gz", 1, NULL), 0);
    assert_true(flow->outputs[0].empty_bytes >= 18);
    assert_memory_equal(flow->outputs[0].empty, "\x1f\x8b", 2);
    forget();
}

/* Ranges of a sort that are printed at once go to their places in the file; with anything between,
 * compressed, or to a directory, they don't. */
static void sorted_rows_go_to_their_places(void **state)
{
    static const struct {
        const char *path;
        bool limit, placed;
        uint32_t executors;
    } cases[] = {{"out.csv", false, true, 2},   {"out.csv", true, false, 2},
                 {"out.csv", false, false, 1},  {"out.csv.gz", false, false, 2},
                 {"out", false, false, 2}};
    const struct gleam_write_options options = {.header = true};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        flow = gleam_flow_new("test");
        struct gleam_dataset *rows = gleam_as(gleam_ints(flow, 0, 10), "n i64");
        rows = gleam_sort(rows, "sort", gleam_field(1));
        if (cases[i].limit)
            rows = gleam_local_limit(rows, "some", 5, 0);
        gleam_write_csv(rows, cases[i].path, &options);
        assert_int_equal(gm_planner_make(flow, cases[i].executors, no_files, &plan), 0);
        const struct gm_chain_plan *chain = &plan.chains[plan.chain_count - 1];
        const struct gm_placed_plan *placed = plan.exchanges[chain->exchange].placed;
        assert_int_equal(placed != NULL, cases[i].placed);
        assert_int_equal(chain->steps[0].kind == GM_STEP_MEASURE, cases[i].placed);
        assert_int_equal(gm_plan_word_count(&plan), cases[i].placed ? 2 : 0);
        if (placed != NULL) {
            assert_string_equal(placed->target, cases[i].path);
            assert_string_equal(placed->path, "");
            assert_true(placed->begin_bytes == 2);
            assert_int_equal(placed->words_begin, 0);
            assert_int_equal(placed->range_count, 2);
            assert_int_equal(chain->steps[1].kind, GM_STEP_SORT);
            assert_int_equal(chain->steps[2].kind, GM_STEP_WRITE);
            assert_memory_equal(chain->steps[0].write, chain->steps[2].write,
                                sizeof(struct gm_write_plan));
        }
        forget();
    }
}

static void refused(const struct gleam_write_options *options, const char *path, const char *why)
{
    assert_true(plan_it(CSV, path, 1, options) < 0);
    if (strstr(gleam_flow_error(flow), why) == NULL ||
        strstr(gleam_flow_error(flow), "test_plan_write.c:") == NULL) {
        print_error("'%s' is not in: %s\n", why, gleam_flow_error(flow));
        fail();
    }
    gleam_flow_free(flow);
}

static void mistakes_are_told(void **state)
{
    struct gleam_write_options options = {.delimiter = '\n'};
    static char longest[GM_PATH_BYTES_MAX + 1];
    (void)state;
    memset(longest, 'x', GM_PATH_BYTES_MAX);
    refused(&options, "out.csv", "line end");
    options = (struct gleam_write_options){.delimiter = '"'};
    refused(&options, "out.csv", "different");
    options = (struct gleam_write_options){.null_text = "12345678901234567890123456789012"};
    refused(&options, "out.csv", "31 bytes");
    refused(NULL, "", "path to write to is empty");
    refused(NULL, NULL, "path to write to is empty");
    refused(NULL, longest, "longer than 4000 bytes");
    longest[70] = '\0';
    longest[1] = '.';
    refused(NULL, longest, "extension of the path is longer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_become_files_or_directories),
        cmocka_unit_test(a_file_without_rows_has_a_header),
        cmocka_unit_test(sorted_rows_go_to_their_places),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
