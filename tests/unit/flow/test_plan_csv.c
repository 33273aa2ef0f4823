/* test_plan_csv.c
 * Goal:   the columns, types and splits of CSV files are planned as their first rows and the
 *         options say; what cannot be is refused with the step and what to do.
 * Method: flows over files in memory.  Covers flow_csv.c.
 */
#include "engine/flow/plan_csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/check.h"

#define FILES_MAX 5000

static struct {
    const char *text; /* the beginning; NULL: it cannot be looked into */
    uint64_t bytes;
} files[FILES_MAX];
static uint32_t file_count;

static int sample(const struct gm_file *file, uint8_t *data, size_t bytes_max, size_t *ret_bytes,
                  bool *ret_whole, struct gm_error *error)
{
    const char *text = files[atoi(file->path)].text;
    if (text == NULL)
        return GM_AGAIN;
    if (strcmp(text, "broken") == 0)
        return gm_error_set(error, GM_EJOB_INPUT, "cannot read it");
    *ret_bytes = strlen(text) < bytes_max ? strlen(text) : bytes_max;
    *ret_whole = *ret_bytes == file->bytes || *ret_bytes == 0;
    memcpy(data, text, *ret_bytes);
    return 0;
}

static int list_files(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    (void)path;
    (void)error;
    list->files = calloc(file_count + 1, sizeof *list->files);
    assert_non_null(list->files);
    for (uint32_t i = 0; i < file_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        list->files[i] = (struct gm_file){.path = strdup(name), .bytes = files[i].bytes};
    }
    list->count = file_count;
    list->sample = sample;
    return 0;
}

static void one_file(const char *text)
{
    file_count = 1;
    files[0].text = text;
    files[0].bytes = text != NULL && text[0] != '\0' ? strlen(text) : UINT64_MAX;
}

/* columns: gleam_as, or NULL. */
static int plan_it(const struct gleam_csv_options *options, const char *columns,
                   uint32_t partitions, struct gm_plan *plan, char *text, size_t text_bytes)
{
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *rows = gleam_read_csv(flow, "files", partitions, options);
    if (columns != NULL)
        rows = gleam_as(rows, columns);
    gleam_output_row(rows, (gleam_row_fn *)(uintptr_t)plan_it, NULL);
    const int rc = gm_planner_make(flow, 2, list_files, plan);
    snprintf(text, text_bytes, "%s", gleam_flow_error(flow));
    gleam_flow_free(flow);
    return rc;
}

static void columns_are(const struct gleam_csv_options *options, const char *columns,
                        const char *wanted)
{
    struct gm_plan plan = {0};
    char text[1024];
    assert_int_equal(plan_it(options, columns, 0, &plan, text, sizeof text), 0);
    gm_schema_format(&plan.chains[0].source.schema, text, sizeof text);
    assert_string_equal(text, wanted);
    gm_plan_fini(&plan);
}

static void refused(const struct gleam_csv_options *options, const char *columns, const char *why)
{
    struct gm_plan plan = {0};
    char text[1024];
    assert_true(plan_it(options, columns, 0, &plan, text, sizeof text) < 0);
    if (strstr(text, why) == NULL || strstr(text, "test_plan_csv.c:") == NULL) {
        print_error("'%s' is not in: %s\n", why, text);
        fail();
    }
}

static void columns_come_from_the_first_row(void **state)
{
    const struct gleam_csv_options header = {.header = true};
    (void)state;
    one_file("First Name,n,n,,\"q\"\"\"\na,b,c,d,e\n");
    columns_are(NULL, NULL, "(c1 bytes, c2 bytes, c3 bytes, c4 bytes, c5 bytes)");
    columns_are(&header, NULL, "(First_Name bytes, n bytes, n_2 bytes, c4 bytes, q_ bytes)");
    columns_are(&header, "q_ f64, First_Name i64", "(q_ f64, First_Name i64)");
    columns_are(NULL, "a i64, b bytes, c bool, d f64, e bytes",
                "(a i64, b bytes, c bool, d f64, e bytes)");
    refused(&header, "n i64", "more than one column 'n'");
    refused(&header, "x i64", "no column 'x' in the header of 0, which has: First_Name, n, n");
    refused(NULL, "a i64", "1 columns are declared, but the first row of 0 has 5 fields");
    refused(NULL, "a any, b any, c any, d any, e any", "not any");
    one_file("\xef\xbb\xbfid\n1\n");
    columns_are(&header, NULL, "(id bytes)");
}

static void types_are_guessed_from_the_sample(void **state)
{
    struct gleam_csv_options options = {.header = true, .types = "auto"};
    (void)state;
    one_file("a,b,c,d,e\n1,1,x,,true\n,2.5,1,,false\n");
    columns_are(&options, NULL, "(a i64, b f64, c bytes, d bytes, e bool)");
    options.header = false;
    columns_are(&options, NULL, "(c1 bytes, c2 bytes, c3 bytes, c4 bytes, c5 bytes)");
    one_file("1,NA\nNA,2\n");
    columns_are(&options, NULL, "(c1 bytes, c2 bytes)");
    options.null_text = "NA";
    columns_are(&options, NULL, "(c1 i64, c2 i64)");
    /* The row that the sample cuts is not looked at. */
    one_file("1\n2\n3x");
    files[0].bytes = 100000;
    columns_are(&options, NULL, "(c1 i64)");
}

static void files_without_rows(void **state)
{
    const struct gleam_csv_options header = {.header = true};
    (void)state;
    one_file("");
    columns_are(&header, "x i64, y bytes", "(x i64, y bytes)");
    refused(NULL, NULL, "no row to tell the columns from");
    file_count = 2;
    files[1].text = "a,b\n";
    files[1].bytes = 4;
    columns_are(&header, NULL, "(a bytes, b bytes)");
    one_file(NULL);
    columns_are(&header, "x i64, y bytes", "(x i64, y bytes)");
    refused(&header, NULL, "cannot be looked into");
    one_file("broken");
    refused(NULL, NULL, "cannot read it");
    one_file("a,\"b");
    refused(NULL, NULL, "its quotes are wrong");
}

static void options_are_checked(void **state)
{
    struct gleam_csv_options options = {.delimiter = '"'};
    (void)state;
    one_file("a,b\n");
    refused(&options, NULL, "four different");
    options = (struct gleam_csv_options){.comment = '\r'};
    refused(&options, NULL, "line end");
    options = (struct gleam_csv_options){.types = "all"};
    refused(&options, NULL, "types is \"auto\"");
    options = (struct gleam_csv_options){.on_error = 3};
    refused(&options, NULL, "GLEAM_CSV_SKIP");
    options = (struct gleam_csv_options){.null_text = "12345678901234567890123456789012"};
    refused(&options, NULL, "31 bytes");
    char wide[2 * 65 + 1];
    memset(wide, ',', sizeof wide);
    strcpy(wide + 64, "\n");
    one_file(wide);
    refused(NULL, NULL, "has 65 columns, more than 64 at once");
    static char wider[GM_CSV_FIELDS_MAX + 2];
    memset(wider, ',', GM_CSV_FIELDS_MAX);
    wider[GM_CSV_FIELDS_MAX] = '\n';
    one_file(wider);
    refused(NULL, NULL, "2049 fields, more than 2048");
}

static void an_escaping_quote_is_a_doubled_one(void **state)
{
    const struct gleam_csv_options options = {.escape = '"'};
    struct gm_plan plan = {0};
    char text[512];
    (void)state;
    one_file("\"a\"\"\",b\n");
    assert_int_equal(plan_it(&options, NULL, 0, &plan, text, sizeof text), 0);
    assert_int_equal(plan.chains[0].source.csv->format.dialect.escape, 0);
    gm_plan_fini(&plan);
}

static void nulls_depend_on_the_kind(void **state)
{
    struct gleam_csv_options options = {0};
    struct gm_plan plan = {0};
    char text[512];
    (void)state;
    one_file("a,b\n");
    for (int i = 0; i < 4; i++) {
        options.null_text = i == 1 ? "NA" : NULL;
        options.no_nulls = i == 2;
        options.on_error = i == 3 ? GLEAM_CSV_NULL : GLEAM_CSV_FAIL;
        assert_int_equal(plan_it(&options, "n i64, t bytes", 0, &plan, text, sizeof text), 0);
        const struct gm_schema *schema = &plan.chains[0].source.schema;
        assert_int_equal(schema->fields[0].nullable, i != 2);
        assert_int_equal(schema->fields[1].nullable, i == 1 || i == 3);
        assert_int_equal(plan.chains[0].source.csv->format.columns[1].nullable, i == 1);
        gm_plan_fini(&plan);
    }
}

/* ---- splits ---------------------------------------------------------------------------------- */

/* Every byte of every file is in one segment; fine: a cut file's pieces are partitions. */
static void check_splits(const struct gm_source *source, bool fine)
{
    uint64_t next[FILES_MAX] = {0};
    uint32_t begin = 0;
    for (uint32_t p = 0; p < source->partition_count; p++) {
        const uint32_t end = source->partition_ends[p];
        uint64_t bytes = 0;
        assert_true(end >= begin && end <= source->segment_count);
        for (uint32_t i = begin; i < end; i++) {
            const struct gm_segment *segment = &source->segments[i];
            assert_true(segment->begin == next[segment->file]);
            next[segment->file] = segment->end;
            bytes += segment->end - segment->begin;
            if (segment->end != files[segment->file].bytes || segment->begin > 0)
                assert_true(!fine || end - begin == 1);
        }
        if (fine && source->csv->parity == GM_CSV_PARITY_CHAIN && end - begin > 0 &&
            source->segments[begin].end != UINT64_MAX)
            assert_true(bytes <= GM_CSV_SPLIT_BYTES);
        begin = end;
    }
    assert_int_equal(begin, source->segment_count);
    for (uint32_t i = 0; i < file_count; i++)
        assert_true(next[i] == files[i].bytes);
}

static void split_case(const struct gleam_csv_options *options, uint32_t partitions, bool fine,
                       enum gm_csv_parity parity, uint32_t partition_count)
{
    struct gm_plan plan = {0};
    char text[512];
    assert_int_equal(plan_it(options, "a bytes, b bytes", partitions, &plan, text, sizeof text),
                     0);
    const struct gm_source *source = &plan.chains[0].source;
    check_splits(source, fine);
    assert_int_equal(source->csv->parity, parity);
    assert_int_equal(source->partition_count, partition_count);
    assert_int_equal(gm_plan_word_count(&plan),
                     parity == GM_CSV_PARITY_NONE ? 0 : 1 + source->segment_count);
    gm_plan_fini(&plan);
}

static void files_are_cut_so_that_quotes_can_be_counted(void **state)
{
    const struct gleam_csv_options plain = {0}, unquoted = {.unquoted = true},
                                   escape = {.escape = '\\'}, comment = {.comment = '#'};
    (void)state;
    one_file("a,b\n");
    files[0].bytes = UINT64_C(10) << 20;
    split_case(&plain, 0, true, GM_CSV_PARITY_CHAIN, 10);
    split_case(&plain, 10, true, GM_CSV_PARITY_CHAIN, 10);
    split_case(&plain, 3, false, GM_CSV_PARITY_AHEAD, 3);
    split_case(&plain, 1, true, GM_CSV_PARITY_NONE, 1);
    split_case(&unquoted, 0, true, GM_CSV_PARITY_NONE, 10);
    split_case(&escape, 0, true, GM_CSV_PARITY_NONE, 1);
    split_case(&comment, 5, true, GM_CSV_PARITY_NONE, 5);
    files[0].bytes = UINT64_C(1) << 40;
    split_case(&plain, 0, true, GM_CSV_PARITY_AHEAD, GM_PARTITIONS_MAX / 2);
    /* Small files together, pipes alone, a large one in pieces. */
    file_count = 100;
    for (uint32_t i = 0; i < file_count; i++) {
        files[i].text = "a,b\n";
        files[i].bytes = i == 50 ? UINT64_MAX : i == 70 ? 5u << 20 : 100u << 10;
    }
    split_case(&plain, 0, true, GM_CSV_PARITY_CHAIN, 5 + 1 + 2 + 5 + 3);
    split_case(&escape, 7, false, GM_CSV_PARITY_NONE, 7);
    file_count = FILES_MAX;
    for (uint32_t i = 0; i < file_count; i++)
        files[i].bytes = 2000;
    split_case(&plain, 0, true, GM_CSV_PARITY_NONE, 10);
}

static void the_plan_reads_well(void **state)
{
    const struct gleam_csv_options options = {
        .header = true, .types = "auto", .on_error = GLEAM_CSV_SKIP};
    struct gm_plan plan = {0};
    char text[512], *printed = NULL;
    size_t printed_bytes = 0;
    (void)state;
    one_file("a,b\n1,x\n");
    assert_int_equal(plan_it(&options, NULL, 0, &plan, text, sizeof text), 0);
    FILE *file = open_memstream(&printed, &printed_bytes);
    assert_non_null(file);
    gm_plan_print(&plan, 2, file);
    fclose(file);
    assert_non_null(strstr(printed, "read csv 0, 1 file, 8 B, 2 of 2 columns, header, bad rows "
                                    "skipped, 1 partition claimed by free executors -> (a i64, b "
                                    "bytes) (guessed)"));
    free(printed);
    gm_plan_fini(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_come_from_the_first_row),
        cmocka_unit_test(types_are_guessed_from_the_sample),
        cmocka_unit_test(files_without_rows),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(an_escaping_quote_is_a_doubled_one),
        cmocka_unit_test(nulls_depend_on_the_kind),
        cmocka_unit_test(files_are_cut_so_that_quotes_can_be_counted),
        cmocka_unit_test(the_plan_reads_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
