/* test_plan_group.c
 * Goal:   distinct, group, cogroup and the reduce of all rows become the right chains; what leaves
 *         nothing to gather is refused.
 * Method: golden plans, and the words of each refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

static void distinct_and_group_read_well(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("keys.c", 7);
    struct gleam_dataset *rows = rows_with(flow, "w bytes, n i64, x f64");
    rows = (gleam_distinct)(rows, "once", gleam_field(2));
    rows = (gleam_local_distinct)(rows, "", (struct gleam_order){0});
    rows = (gleam_group_by)(rows, "lists", gleam_then_by(gleam_field(3), 1, true));
    assert_plan(rows,
                "flow 'test': 1 region, 3 chains, 3 exchanges, 2 executors\n"
                "chain 0\n"
                "  read text rows.txt, 1 file, 2.9 MiB, 3 partitions claimed by free executors -> "
                "(line bytes)\n"
                "  map 'parse' with function parse -> (w bytes, n i64, x f64)   # keys.c:7\n"
                "  partial distinct 'once' by column 2 -> (w bytes, n i64, x f64)   # keys.c:7\n"
                "  => exchange 0: hash of column 2 to 3 partitions\n"
                "chain 1\n"
                "  from exchange 0, 3 partitions -> (w bytes, n i64, x f64)\n"
                "  distinct 'once' by column 2 -> (w bytes, n i64, x f64)   # keys.c:7\n"
                "  distinct 'local distinct' by column 1, 2, 3 -> (w bytes, n i64, x f64)   # "
                "keys.c:7\n"
                "  => exchange 1: hash of column 3, 1 to 3 partitions\n"
                "chain 2\n"
                "  from exchange 1, 3 partitions -> (w bytes, n i64, x f64)\n"
                "  group 'lists' by column 3, 1 -> (x f64, w bytes, n any)   # keys.c:7\n"
                "  => exchange 2: gather to output 0 in the driver\n");
}

static void cogroup_and_reduce_read_well(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("keys.c", 7);
    struct gleam_dataset *left = (gleam_map)((gleam_ints)(flow, 0, 9), "one", GLEAM_APPEND_ONE);
    struct gleam_dataset *right = rows_with(flow, "w bytes, n f64, b bool");
    struct gleam_dataset *rows =
        (gleam_cogroup_on)(left, "", right, gleam_field(1), gleam_field(2));
    rows = (gleam_reduce)(rows, "all", GLEAM_COUNT);
    assert_plan(rows,
                "flow 'test': 1 region, 4 chains, 4 exchanges, 2 executors\n"
                "chain 0\n"
                "  ints 0..9, 2 partitions -> (n i64)\n"
                "  append one 'one' -> (n i64, one i64)   # keys.c:7\n"
                "  => exchange 0: hash of column 1 to 3 partitions\n"
                "chain 1\n"
                "  read text rows.txt, 1 file, 2.9 MiB, 3 partitions claimed by free executors -> "
                "(line bytes)\n"
                "  map 'parse' with function parse -> (w bytes, n f64, b bool)   # keys.c:7\n"
                "  => exchange 1: hash of column 2 to 3 partitions\n"
                "chain 2\n"
                "  from exchange 0, 1, 3 partitions -> (n i64, one i64) and (w bytes, n f64, b "
                "bool)\n"
                "  cogroup left column 1 with right column 2 -> (n any, left any, right any)   # "
                "keys.c:7\n"
                "  combine 'all' all rows with count -> (count i64)   # keys.c:7\n"
                "  => exchange 2: gather to 1 partition\n"
                "chain 3\n"
                "  from exchange 2, 1 partition -> (count i64)\n"
                "  reduce 'all' all rows with sum_int64 -> (count i64)   # keys.c:7\n"
                "  => exchange 3: gather to output 0 in the driver\n");
}

static void folds_of_several_steps_read_well(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("fold.c", 7);
    struct gleam_dataset *rows = (gleam_map)((gleam_ints)(flow, 0, 9), "one", GLEAM_APPEND_ONE);
    rows = (gleam_avg_by)(rows, "", gleam_field(2));
    rows = (gleam_count_distinct_by)(rows, "values", gleam_field(1));
    assert_plan(rows,
                "flow 'test': 1 region, 2 chains, 2 exchanges, 2 executors\n"
                "chain 0\n"
                "  ints 0..9, 2 partitions -> (n i64)\n"
                "  append one 'one' -> (n i64, one i64)   # fold.c:7\n"
                "  mean parts 'avg' by column 2 -> (one i64, n f64, count i64)   # fold.c:7\n"
                "  combine 'avg' by column 1 with sum -> (one i64, n f64, count i64)   # fold.c:7\n"
                "  => exchange 0: hash of column 1 to 2 partitions\n"
                "chain 1\n"
                "  from exchange 0, 2 partitions -> (one i64, n f64, count i64)\n"
                "  reduce 'avg' by column 1 with sum -> (one i64, n f64, count i64)   # fold.c:7\n"
                "  mean 'avg' by column 1 -> (one i64, n f64)   # fold.c:7\n"
                "  select 'values' column 1, 2 -> (one i64, n f64)   # fold.c:7\n"
                "  distinct 'values' by column 1, 2 -> (one i64, n f64)   # fold.c:7\n"
                "  marks 'values' by column 1 -> (one i64, count i64)   # fold.c:7\n"
                "  reduce 'values' by column 1 with sum_int64 -> (one i64, count i64)   # "
                "fold.c:7\n"
                "  => exchange 1: gather to output 0 in the driver\n");
}

/* Without a key the values are spread, and counted together at the end. */
static void folds_of_all_rows_end_in_one_partition(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        struct gm_plan plan;
        struct gleam_dataset *rows = gleam_ints(flow, 0, 9);
        const struct gleam_order none = {0};
        rows = which == 0   ? gleam_avg_by(rows, "", none)
               : which == 1 ? gleam_count_distinct_by(rows, "", none)
                            : gleam_sum_by(rows, "", none);
        gleam_output_row(rows, plan_rig_row, NULL);
        assert_int_equal(gm_planner_make(flow, 3, plan_rig_files, &plan), 0);
        const struct gm_chain_plan *last = &plan.chains[plan.chain_count - 1];
        assert_int_equal(plan.chain_count, which == 1 ? 3 : 2);
        assert_int_equal(last->source.partition_count, 1);
        assert_int_equal(last->steps[0].kind, GM_STEP_REDUCE);
        assert_int_equal(last->steps[0].order.count, 0);
        assert_int_equal(last->steps[last->step_count - 1].schema.field_count, 1);
        gm_plan_fini(&plan);
        gleam_flow_free(flow);
    }
}

/* One partition has every key together: nothing is sent. */
static void one_partition_needs_no_exchange(void **state)
{
    (void)state;
    static const char *const strings[] = {"a", "b"};
    for (int which = 0; which < 3; which++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        struct gm_plan plan;
        struct gleam_dataset *rows =
            gleam_map(gleam_strings(flow, strings, 2), "", GLEAM_APPEND_ONE);
        rows = which == 0   ? gleam_distinct(rows, "", gleam_field(1))
               : which == 1 ? gleam_group_by_key(rows, "")
                            : gleam_local_group_by(rows, "", gleam_field(1));
        gleam_output_row(rows, plan_rig_row, NULL);
        assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
        assert_int_equal(plan.chain_count, 1);
        assert_int_equal(plan.chains[0].step_count, 2);
        assert_int_equal(plan.chains[0].steps[1].kind,
                         which == 0 ? GM_STEP_DISTINCT : GM_STEP_GROUP);
        assert_false(plan.chains[0].steps[1].seeks_first);
        gm_plan_fini(&plan);
        gleam_flow_free(flow);
    }
}

/* The first row of a key is sought where rows of several partitions come mixed. */
static void first_rows_are_sought_behind_an_exchange(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gm_plan plan;
    struct gleam_dataset *rows = rows_with(flow, "w bytes, n i64");
    gleam_output_row(gleam_distinct(rows, "", gleam_field(1)), plan_rig_row, NULL);
    gleam_output_row(gleam_distinct(rows, "", (struct gleam_order){0}), plan_rig_row, NULL);
    assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
    assert_int_equal(plan.chains[0].steps[1].kind, GM_STEP_PARTIAL_DISTINCT);
    assert_int_equal(plan.chains[1].steps[0].kind, GM_STEP_DISTINCT);
    assert_true(plan.chains[1].steps[0].seeks_first);
    assert_false(plan.chains[3].steps[0].seeks_first);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

static struct gleam_dataset *wrong(struct gleam_flow *flow, int which)
{
    struct gleam_dataset *rows = rows_with(flow, "s bytes, n i64");
    const struct gleam_order two = gleam_then_by(gleam_field(1), 2, true);
    const struct gleam_order twice = gleam_then_by(gleam_field(1), 1, true);
    switch (which) {
    case 0:
        return gleam_group_by(rows, "wrong", two);
    case 1:
        return gleam_group_by(rows, "wrong", twice);
    case 2:
        return gleam_group_by(rows, "wrong", (struct gleam_order){0});
    case 3:
        return gleam_distinct(rows, "wrong", gleam_field(3));
    case 4:
        return gleam_local_distinct(rows, "wrong", twice);
    case 5:
        return gleam_cogroup(rows, "wrong", rows, two);
    case 6:
        return gleam_cogroup_on(rows, "wrong", rows, gleam_field(1), gleam_field(2));
    case 7:
        return gleam_reduce(rows, "wrong", GLEAM_SUM_INT64);
    case 8:
        return gleam_local_reduce_by(rows, "wrong", GLEAM_SUM_INT64, gleam_field(2));
    case 9:
        return gleam_avg_by(rows, "wrong", gleam_field(2));
    case 10:
        return gleam_avg_by(rows, "wrong", two);
    case 11:
        return gleam_sum_by(rows, "wrong", gleam_field(2));
    case 12:
        return gleam_sum_by(rows_with(flow, "k i64, a any"), "wrong", gleam_field(1));
    case 13:
        return gleam_count_distinct_by(rows, "wrong", (struct gleam_order){0});
    case 14:
        return gleam_count_distinct_by(rows, "wrong", gleam_field(7));
    default:
        for (int i = 0; i < 17; i++)
            rows = gleam_map(i == 0 ? gleam_ints(flow, 0, 1) : rows, "", GLEAM_APPEND_ONE);
        return gleam_avg_by(rows, "wrong", gleam_field(1));
    }
}

static void wrong_keys_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "nothing is left to make a list of", "named twice",  "between 1 and 64 columns",
        "no column 3",                       "named twice",  "nothing is left to make a list of",
        "they are never equal", "it sums i64, but column 's' is bytes",
        "it sums i64, but column 's' is bytes", "averages i64 and f64, but column 's' is bytes",
        "nothing is left to fold", "it sums i64 and f64, but column 's' is bytes",
        "column 'a' is any: declare it with gleam_as", "values of one column", "no column 7",
        "averages more than 16 columns"};
    for (int i = 0; i < 16; i++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        assert_refused(flow, wrong(flow, i), texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distinct_and_group_read_well),
        cmocka_unit_test(cogroup_and_reduce_read_well),
        cmocka_unit_test(folds_of_several_steps_read_well),
        cmocka_unit_test(folds_of_all_rows_end_in_one_partition),
        cmocka_unit_test(one_partition_needs_no_exchange),
        cmocka_unit_test(first_rows_are_sought_behind_an_exchange),
        cmocka_unit_test(wrong_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
