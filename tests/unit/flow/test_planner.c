/* test_planner.c
 * Goal:   flows become the right chains; a wrong step is refused with file, line, step and what to
 *         do; the plan reads well.
 * Method: listed flows against golden plans and against the words of each refusal; files are made
 *         up.  Covers plan.c.
 */
#include "engine/flow/planner.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/row/random_rows.h"

GLEAM_MAPPER(shout)
{
    return gleam_emit(call, row, column_count);
}

GLEAM_REDUCER(join)
{
    (void)call;
    (void)total;
    (void)next;
    (void)value_count;
    return 0;
}

GLEAM_REDUCER_I64(add)
{
    return total + next;
}

GLEAM_REDUCER_F64(product)
{
    return total * next;
}

static uint64_t file_bytes = 3000000;

/* A path is a file of file_bytes; "missing" is not there. */
static int list_files(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    if (strcmp(path, "missing") == 0)
        return gm_error_set(error, -ENOENT, "cannot read missing: no such file");
    list->files = realloc(list->files, (list->count + 1) * sizeof *list->files);
    assert_non_null(list->files);
    list->files[list->count++] = (struct gm_file){.path = strdup(path), .bytes = file_bytes};
    return 0;
}

static struct gleam_flow *new_flow(void)
{
    file_bytes = 3000000;
    return gleam_flow_new("test");
}

static void assert_plan(struct gleam_flow *flow, uint32_t executor_count, const char *expected)
{
    struct gm_plan plan;
    char *text = NULL;
    size_t bytes = 0;
    if (gm_planner_make(flow, executor_count, list_files, &plan) != 0)
        fail_msg("%s", gleam_flow_error(flow));
    FILE *file = open_memstream(&text, &bytes);
    assert_non_null(file);
    gm_plan_print(&plan, executor_count, file);
    fclose(file);
    assert_string_equal(text, expected);
    free(text);
    gm_plan_fini(&plan);
    gm_plan_fini(&plan); /* once is enough, twice does no harm */
    gleam_flow_free(flow);
}

static void word_count_reads_well(void **state)
{
    (void)state;
    struct gleam_flow *flow = new_flow();
    gleam_here("wc.c", 4);
    struct gleam_dataset *words = (gleam_text_file)(flow, "big.txt");
    words = (gleam_flat_map)(words, "tokenize", GLEAM_TOKENIZE);
    words = (gleam_map)(words, "one", GLEAM_APPEND_ONE);
    words = (gleam_reduce_by_key)(words, "sum", GLEAM_SUM_INT64);
    (gleam_printf)(words, "%s\t%d\n");
    assert_plan(flow, 2,
                "flow 'test': 1 region, 2 chains, 2 exchanges, 2 executors\n"
                "chain 0\n"
                "  read text big.txt + tokenize (fused), 1 file, 2.9 MiB, 2 partitions claimed by "
                "free executors -> (word bytes)\n"
                "  append one 'one' -> (word bytes, one i64)   # wc.c:4\n"
                "  combine 'sum' by column 1 with sum_int64 -> (word bytes, one i64)   # wc.c:4\n"
                "  => exchange 0: hash of column 1 to 2 partitions\n"
                "chain 1\n"
                "  from exchange 0, 2 partitions -> (word bytes, one i64)\n"
                "  reduce 'sum' by column 1 with sum_int64 -> (word bytes, one i64)   # wc.c:4\n"
                "  format 'print' -> (text bytes)   # wc.c:4\n"
                "  => exchange 1: gather to output 0 in the driver\n");
}

static void every_kind_of_step_reads_well(void **state)
{
    (void)state;
    struct gleam_flow *flow = new_flow();
    static const char *const strings[] = {"a", "b"};
    gleam_here("all.c", 1);
    struct gleam_dataset *a = (gleam_strings)(flow, strings, 2);
    a = (gleam_map)(a, "loud", gleam_mapper("shout"));
    a = (gleam_as)(a, "w any, n i64, x i64");
    a = (gleam_as)(a, "w bytes, n i64, x f64");
    a = (gleam_reduce_by)(a, "by two", gleam_reducer("join"),
                          gleam_then_by(gleam_field(2), 1, true));
    a = (gleam_top)(a, "best", 3, gleam_then_by(gleam_order_by(3, false), 1, true));
    (gleam_output_row)(a, (gleam_row_fn *)(uintptr_t)list_files, NULL);
    a = (gleam_ints)(flow, -5, 5);
    a = (gleam_partition_by_key)(a, "spread", 7);
    a = (gleam_local_sort)(a, "", gleam_order_by(1, true));
    a = (gleam_sort)(a, NULL, gleam_order_by(1, false));
    (gleam_printlnf)(a, "%d");
    assert_plan(
        flow, 3,
        "flow 'test': 1 region, 5 chains, 6 exchanges, 3 executors\n"
        "chain 0\n"
        "  strings, 2 rows, 1 partition -> (line bytes)\n"
        "  map 'loud' with function shout -> (w any, n i64, x i64)   # all.c:1\n"
        "  cast 'as' -> (w bytes, n i64, x f64)   # all.c:1\n"
        "  combine 'by two' by column 2, 1 with function join -> (n i64, w bytes, x f64)   # "
        "all.c:1\n"
        "  => exchange 0: hash of column 1, 2 to 1 partition\n"
        "chain 1\n"
        "  from exchange 0, 1 partition -> (n i64, w bytes, x f64)\n"
        "  reduce 'by two' by column 1, 2 with function join -> (n i64, w bytes, x f64)   # "
        "all.c:1\n"
        "  top 'best' 3 by column 3 descending, 1 ascending -> (n i64, w bytes, x f64)   # "
        "all.c:1\n"
        "  => exchange 1: gather to output 0 in the driver\n"
        "chain 2\n"
        "  ints -5..5, 3 partitions -> (n i64)\n"
        "  => exchange 2: hash of column 1 to 7 partitions\n"
        "chain 3\n"
        "  from exchange 2, 7 partitions -> (n i64)\n"
        "  sort 'local sort' by column 1 ascending -> (n i64)   # all.c:1\n"
        "  => exchange 4: ranges of column 1 descending to 3 partitions, by samples in exchange 3\n"
        "chain 4\n"
        "  from exchange 4, 3 partitions -> (n i64)\n"
        "  sort by column 1 descending -> (n i64)   # all.c:1\n"
        "  format 'print' -> (text bytes)   # all.c:1\n"
        "  => exchange 5: gather in order to output 1 in the driver\n");
}

/* The plan of a text source and one step. */
static struct gm_plan plan_of(struct gleam_dataset *dataset, uint32_t executor_count)
{
    struct gm_plan plan;
    struct gleam_flow *flow = dataset->flow;
    gleam_output_row(dataset, (gleam_row_fn *)(uintptr_t)list_files, NULL);
    if (gm_planner_make(flow, executor_count, list_files, &plan) != 0)
        fail_msg("%s", gleam_flow_error(flow));
    return plan;
}

/* One executor reads many partitions: a sort or top of all rows must gather them; a sort on several
 * executors cuts them into ranges. */
static void global_order_gathers_whatever_the_source_is_cut_into(void **state)
{
    (void)state;
    for (uint32_t executor_count = 1; executor_count < 4; executor_count++)
        for (uint32_t top = 0; top < 2; top++) {
            struct gleam_flow *flow = new_flow();
            struct gleam_dataset *dataset = gleam_text_file(flow, "big.txt");
            file_bytes = 64u << 20;
            const struct gleam_order order = gleam_order_by(1, true);
            dataset = top ? gleam_top(dataset, "t", 3, order) : gleam_sort(dataset, "s", order);
            struct gm_plan plan = plan_of(dataset, executor_count);
            assert_true(plan.chains[0].source.partition_count > 1);
            const bool ranges = !top && executor_count > 1;
            const struct gm_exchange_plan *exchange = &plan.exchanges[plan.chains[0].exchange];
            assert_int_equal(exchange->kind, ranges ? GM_EXCHANGE_RANGE : GM_EXCHANGE_GATHER);
            assert_int_equal(plan.chains[1].source.partition_count, ranges ? executor_count : 1);
            if (ranges)
                assert_int_equal(plan.exchanges[exchange->samples].kind, GM_EXCHANGE_SAMPLE);
            assert_int_equal(plan.exchanges[plan.chains[1].exchange].ordered, ranges);
            assert_int_equal(plan.chains[1].steps[0].kind, top ? GM_STEP_TOP : GM_STEP_SORT);
            assert_int_equal(plan.chains[0].step_count, top);
            gm_plan_fini(&plan);
            gleam_flow_free(flow);
        }
}

/* To the person the result of a sort is one partition: what is local to it is of all ranges. */
static void ranges_are_one_partition_to_the_person(void **state)
{
    (void)state;
    const struct gleam_order order = gleam_order_by(1, true);
    for (uint32_t kind = 0; kind < 4; kind++) {
        struct gleam_flow *flow = new_flow();
        struct gleam_dataset *sorted = gleam_sort(gleam_ints(flow, 0, 100), "s", order);
        struct gleam_dataset *last = kind == 0   ? gleam_local_sort(sorted, "l", order)
                                     : kind == 1 ? gleam_local_top(sorted, "l", 3, order)
                                     : kind == 2 ? gleam_partition_by_key(sorted, "p", 5)
                                                 : gleam_map(sorted, "m", GLEAM_APPEND_ONE);
        struct gm_plan plan = plan_of(last, 3);
        const struct gm_chain_plan *end = &plan.chains[plan.chain_count - 1];
        assert_int_equal(end->source.partition_count, kind == 1 ? 1 : kind == 2 ? 5 : 3);
        assert_int_equal(plan.exchanges[end->exchange].ordered, kind == 0 || kind == 3);
        gm_plan_fini(&plan);
        gleam_flow_free(flow);
    }
}

static void one_partition_is_not_gathered(void **state)
{
    (void)state;
    struct gleam_flow *flow = new_flow();
    struct gleam_dataset *dataset = gleam_read_text(flow, "big.txt", 1);
    struct gm_plan plan = plan_of(gleam_sort(dataset, "s", gleam_order_by(1, true)), 4);
    assert_int_equal(plan.chain_count, 1);
    assert_int_equal(plan.chains[0].source.partition_count, 1);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

/* Where partitions show (local sort), there is one per executor; where they don't, finer ones. */
static void local_steps_see_the_partitions_of_the_person(void **state)
{
    (void)state;
    for (uint32_t asked = 0; asked < 10; asked += 5) {
        struct gleam_flow *flow = new_flow();
        struct gleam_dataset *dataset = gleam_read_text(flow, "big.txt", asked);
        file_bytes = 64u << 20;
        struct gm_plan plan = plan_of(gleam_local_sort(dataset, "s", gleam_order_by(1, true)), 3);
        assert_int_equal(plan.chains[0].source.partition_count, asked > 0 ? asked : 3);
        assert_int_equal(plan.input_bytes, 64u << 20);
        gm_plan_fini(&plan);
        gleam_flow_free(flow);
    }
}

static void tokenize_is_fused_only_into_a_text_source(void **state)
{
    (void)state;
    static const char *const strings[] = {"a b"};
    struct gleam_flow *flow = new_flow();
    struct gm_plan plan =
        plan_of(gleam_map(gleam_strings(flow, strings, 1), "words", GLEAM_TOKENIZE), 2);
    assert_false(plan.chains[0].source.tokenize);
    assert_int_equal(plan.chains[0].steps[0].kind, GM_STEP_TOKENIZE);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);

    flow = new_flow();
    struct gleam_dataset *words = gleam_map(gleam_text_file(flow, "a"), "words", GLEAM_TOKENIZE);
    plan = plan_of(gleam_map(words, "again", GLEAM_TOKENIZE), 2);
    assert_true(plan.chains[0].source.tokenize);
    assert_string_equal(plan.chains[0].source.tokenize_name, "words");
    assert_int_equal(plan.chains[0].step_count, 1);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

static void as_renames_without_a_step(void **state)
{
    (void)state;
    struct gleam_flow *flow = new_flow();
    struct gleam_dataset *dataset = gleam_as(gleam_ints(flow, 0, 9), "number i64");
    dataset = gleam_as(gleam_map(dataset, "one", GLEAM_APPEND_ONE), "number i64 , _b9 i64");
    struct gm_plan plan = plan_of(dataset, 1);
    assert_int_equal(plan.chains[0].step_count, 1);
    assert_string_equal(plan.chains[0].source.schema.fields[0].name, "number");
    assert_string_equal(plan.chains[0].steps[0].schema.fields[1].name, "_b9");
    assert_string_equal(plan.exchanges[0].schema.fields[1].name, "_b9");
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

static void count_is_summed_behind_the_exchange(void **state)
{
    (void)state;
    struct gleam_flow *flow = new_flow();
    struct gm_plan plan = plan_of(gleam_reduce_by_key(gleam_ints(flow, 0, 9), "c", GLEAM_COUNT), 2);
    assert_int_equal(plan.chains[0].steps[0].reduce, GM_REDUCE_COUNT);
    assert_int_equal(plan.chains[1].steps[0].reduce, GM_REDUCE_SUM_I64);
    assert_string_equal(plan.chains[1].steps[0].schema.fields[1].name, "count");
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static struct gleam_dataset *wide(struct gleam_flow *flow, uint32_t columns)
{
    struct gleam_dataset *dataset = gleam_ints(flow, 0, 9);
    for (uint32_t i = 1; i < columns; i++)
        dataset = gleam_map(dataset, "one", GLEAM_APPEND_ONE);
    return dataset;
}

static struct gleam_dataset *pairs(struct gleam_flow *flow, const char *columns)
{
    return gleam_as(gleam_map(gleam_ints(flow, 0, 9), "m", gleam_mapper("shout")), columns);
}

/* Each builds one wrong step, named "wrong" where it has a name. */
static struct gleam_dataset *wrong_map(struct gleam_flow *flow, int which)
{
    struct gleam_dataset *ints = gleam_ints(flow, 0, 9);
    switch (which) {
    case 0:
        return gleam_map(ints, "wrong", gleam_mapper("nobody"));
    case 1:
        return gleam_map(ints, "wrong", gleam_mapper("shout"));
    case 2:
        return gleam_map(ints, "wrong", gleam_reducer("join"));
    case 3:
        return gleam_map(ints, "wrong", GLEAM_COUNT);
    case 4:
        return gleam_map(ints, "wrong", GLEAM_TOKENIZE);
    case 5:
        return gleam_map(wide(flow, 64), "wrong", GLEAM_APPEND_ONE);
    case 6:
        return gleam_as(ints, "a i64, b i64");
    case 7:
        return gleam_as(ints, "a bytes");
    case 8:
        return gleam_as(ints, "a");
    case 9:
        return gleam_as(ints, "");
    case 10:
        return gleam_as(ints, "a i32");
    case 11:
        return gleam_as(ints, "a i64 b i64");
    case 12:
        return gleam_as(ints, "a i64,");
    default:
        return gleam_as(ints, NULL);
    }
}

static struct gleam_dataset *wrong_reduce(struct gleam_flow *flow, int which)
{
    struct gleam_dataset *two = wide(flow, 2);
    struct gleam_order order = gleam_field(1);
    switch (which) {
    case 0:
        return gleam_reduce_by_key(two, "wrong", gleam_reducer("nobody"));
    case 1:
        return gleam_reduce_by_key(two, "wrong", GLEAM_TOKENIZE);
    case 2:
        return gleam_reduce_by_key(two, "wrong", gleam_mapper("count"));
    case 3:
        return gleam_reduce_by_key(gleam_ints(flow, 0, 1), "wrong", GLEAM_MIN);
    case 4:
        return gleam_reduce_by_key(two, "wrong", GLEAM_SUM_FLOAT64);
    case 5:
        return gleam_reduce_by_key(pairs(flow, "a i64, b any"), "wrong", GLEAM_SUM_INT64);
    case 6:
        return gleam_reduce_by(two, "wrong", GLEAM_COUNT, gleam_field(3));
    case 7:
        return gleam_reduce_by(two, "wrong", GLEAM_COUNT, gleam_field(0));
    case 8:
        return gleam_reduce_by(two, "wrong", GLEAM_COUNT, gleam_then_by(order, 1, true));
    case 9:
        return gleam_reduce_by_key(wide(flow, 34), "wrong", GLEAM_MAX);
    case 10:
        return gleam_reduce_by_key(wide(flow, 3), "wrong", gleam_reducer("add"));
    case 11:
        return gleam_reduce_by_key(two, "wrong", gleam_reducer("product"));
    case 12:
        for (uint32_t i = 0; i < 64; i++)
            order = gleam_then_by(order, 1, true);
        return gleam_sort(two, "wrong", order);
    case 13:
        return gleam_top(two, "wrong", 1, gleam_order_by(9, true));
    default:
        return gleam_local_sort(two, "wrong", (struct gleam_order){0});
    }
}

static void assert_refused(struct gleam_flow *flow, struct gleam_dataset *dataset,
                           const char *text, const char *step)
{
    struct gm_plan plan;
    gleam_output_row(dataset, (gleam_row_fn *)(uintptr_t)list_files, NULL);
    assert_int_equal(gm_planner_make(flow, 2, list_files, &plan), GM_EJOB_FLOW);
    const char *error = gleam_flow_error(flow);
    if (strstr(error, text) == NULL || strstr(error, "test_planner.c:") == NULL ||
        strstr(error, step) == NULL)
        fail_msg("expected %s: %s, got: %s", step, text, error);
    gleam_flow_free(flow);
}

static void wrong_maps_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "no mapper 'nobody' is registered", "with gleam_as(...", "not a reducer",
        "does not map rows", "reads rows of one bytes column", "already have 64 columns",
        "another number of columns", "column 1 is i64 and cannot become bytes",
        "NAME TYPE, NAME TYPE", "NAME TYPE, NAME TYPE", "NAME TYPE, NAME TYPE",
        "a comma is missing", "NAME TYPE, NAME TYPE", "NAME TYPE, NAME TYPE"};
    for (int i = 0; i < 14; i++) {
        struct gleam_flow *flow = new_flow();
        assert_refused(flow, wrong_map(flow, i), texts[i], i < 6 ? "step 'wrong'" : "step 'as'");
    }
}

static void wrong_reduces_and_orders_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "no reducer of that name", "does not reduce", "not a mapper", "nothing is left to reduce",
        "it sums f64, but column 'one' is i64",
        "it sums i64, but column 'b' is any: declare it with gleam_as",
        "there is no column 3 in (n i64, one i64) (columns count from 1)", "there is no column 0",
        "named twice", "more than 32 columns", "exactly one i64 column", "exactly one f64 column",
        "between 1 and 64 columns", "there is no column 9", "between 1 and 64 columns"};
    for (int i = 0; i < 15; i++) {
        struct gleam_flow *flow = new_flow();
        assert_refused(flow, wrong_reduce(flow, i), texts[i], "step 'wrong'");
    }
}

static void declaration_behind_a_mapper_may_have_64_columns(void **state)
{
    (void)state;
    char columns[2000] = "";
    for (uint32_t i = 0; i < 65; i++)
        strcat(columns, i == 0 ? "a i64" : ",a i64");
    struct gleam_flow *flow = new_flow();
    assert_refused(flow, pairs(flow, columns), "more than 64 columns", "step 'as'");
    columns[64 * 6 - 1] = '\0';
    flow = new_flow();
    struct gm_plan plan = plan_of(pairs(flow, columns), 1);
    assert_int_equal(plan.chains[0].steps[0].schema.field_count, 64);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

static void wrong_format_and_missing_file_name_their_line(void **state)
{
    (void)state;
    struct gm_plan plan;
    struct gleam_flow *flow = new_flow();
    gleam_printf(gleam_ints(flow, 0, 9), "%s\n");
    assert_int_equal(gm_planner_make(flow, 2, list_files, &plan), GM_EJOB_FLOW);
    assert_non_null(strstr(gleam_flow_error(flow), "test_planner.c:"));
    assert_non_null(strstr(gleam_flow_error(flow), "step 'print': the format prints column 1"));
    gleam_flow_free(flow);

    flow = new_flow();
    static const char *const paths[] = {"here", "missing"};
    gleam_printf(gleam_read_texts(flow, paths, 2, 0), "%s\n");
    assert_int_equal(gm_planner_make(flow, 2, list_files, &plan), -ENOENT);
    assert_non_null(strstr(gleam_flow_error(flow), "test_planner.c:"));
    assert_non_null(strstr(gleam_flow_error(flow), "cannot read missing"));
    gleam_flow_free(flow);
}

static void flow_without_output_or_with_a_mistake_is_refused(void **state)
{
    (void)state;
    struct gm_plan plan;
    struct gleam_flow *flow = new_flow();
    gleam_ints(flow, 0, 9);
    assert_int_equal(gm_planner_make(flow, 2, list_files, &plan), GM_EJOB_FLOW);
    assert_non_null(strstr(gleam_flow_error(flow), "flow 'test' has no output"));
    gleam_partition_by_key(gleam_ints(flow, 0, 9), "p", 0);
    gleam_flow_free(flow);
    flow = new_flow();
    gleam_partition_by_key(gleam_ints(flow, 0, 9), "p", 0);
    gleam_printf(gleam_ints(flow, 0, 9), "%d");
    assert_int_equal(gm_planner_make(flow, 2, list_files, &plan), GM_EJOB_FLOW);
    assert_non_null(strstr(gleam_flow_error(flow), "number of partitions"));
    gleam_flow_free(flow);
}

/* A flow may be planned again after it failed: the error is of the last time. */
static void more_than_64_exchanges_are_refused(void **state)
{
    (void)state;
    struct gm_plan plan;
    struct gleam_flow *flow = new_flow();
    struct gleam_dataset *dataset = gleam_ints(flow, 0, 9);
    for (uint32_t i = 0; i < 64; i++)
        dataset = gleam_partition_by_key(dataset, "spread", 2 + i % 2);
    gleam_printf(dataset, "%d\n");
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(gm_planner_make(flow, 2, list_files, &plan), GM_EJOB_FLOW);
        assert_non_null(strstr(gleam_flow_error(flow), "more than 64 exchanges"));
    }
    gleam_flow_free(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(word_count_reads_well),
        cmocka_unit_test(every_kind_of_step_reads_well),
        cmocka_unit_test(global_order_gathers_whatever_the_source_is_cut_into),
        cmocka_unit_test(ranges_are_one_partition_to_the_person),
        cmocka_unit_test(one_partition_is_not_gathered),
        cmocka_unit_test(local_steps_see_the_partitions_of_the_person),
        cmocka_unit_test(tokenize_is_fused_only_into_a_text_source),
        cmocka_unit_test(as_renames_without_a_step),
        cmocka_unit_test(count_is_summed_behind_the_exchange),
        cmocka_unit_test(wrong_maps_are_refused),
        cmocka_unit_test(wrong_reduces_and_orders_are_refused),
        cmocka_unit_test(declaration_behind_a_mapper_may_have_64_columns),
        cmocka_unit_test(wrong_format_and_missing_file_name_their_line),
        cmocka_unit_test(flow_without_output_or_with_a_mistake_is_refused),
        cmocka_unit_test(more_than_64_exchanges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
