/* test_plan_sort.c
 * Goal:   a sort of all rows is cut into ranges behind every kind of source, and what comes behind
 *         it sees one partition, in order.
 * Method: a golden plan; then plans of a sort and one more step, looked at exchange by exchange.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

static void sorts_and_tops_read_well(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("sort.c", 7);
    struct gleam_dataset *rows = (gleam_local_sort)((gleam_ints)(flow, 0, 9), "", gleam_field(1));
    rows = (gleam_sort)(rows, "all", gleam_order_by(1, false));
    rows = (gleam_top)(rows, "few", 3, gleam_field(1));
    assert_plan(rows, "flow 'test': 1 region, 3 chains, 4 exchanges, 2 executors\n"
                      "chain 0\n"
                      "  ints 0..9, 2 partitions -> (n i64)\n"
                      "  sort 'local sort' by column 1 ascending -> (n i64)   # sort.c:7\n"
                      "  => exchange 1: ranges of column 1 descending to 2 partitions, by samples "
                      "in exchange 0\n"
                      "chain 1\n"
                      "  from exchange 1, 2 partitions -> (n i64)\n"
                      "  sort 'all' by column 1 descending -> (n i64)   # sort.c:7\n"
                      "  top 'few' 3 by column 1 ascending -> (n i64)   # sort.c:7\n"
                      "  => exchange 2: gather in order to 1 partition\n"
                      "chain 2\n"
                      "  from exchange 2, 1 partition -> (n i64)\n"
                      "  top 'few' 3 by column 1 ascending -> (n i64)   # sort.c:7\n"
                      "  => exchange 3: gather to output 0 in the driver\n");
}

static struct gm_plan plan_for(struct gleam_dataset *dataset, uint32_t executor_count)
{
    struct gm_plan plan;
    struct gleam_flow *flow = dataset->flow;
    gleam_output_row(dataset, plan_rig_row, NULL);
    if (gm_planner_make(flow, executor_count, plan_rig_files, &plan) != 0)
        fail_msg("%s", gleam_flow_error(flow));
    gleam_flow_free(flow);
    return plan;
}

static struct gleam_dataset *begin(uint32_t kind)
{
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *left = gleam_map(gleam_ints(flow, 0, 9), "one", GLEAM_APPEND_ONE);
    struct gleam_dataset *right = gleam_map(gleam_ints(flow, 5, 9), "one", GLEAM_APPEND_ONE);
    return kind == 0   ? gleam_join_by_key(left, "join", right)
           : kind == 1 ? gleam_union(left, "union", &right, 1)
           : kind == 2 ? gleam_cogroup(left, "cogroup", right, gleam_field(1))
           : kind == 3 ? gleam_group_by_key(left, "group")
           : kind == 4 ? gleam_map(left, "lua", gleam_lua("function(a, b) return b, a end"))
           : kind == 5 ? gleam_as(gleam_pipe(left, "pipe", "cat"), "a i64, b i64")
                       : gleam_read_records(flow, "records", 10, 90, 0);
}

/* Whatever is in front: the chain that ends in ranges is the one before the last, and the driver
 * takes them in order. */
static void everything_is_cut_into_ranges(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 7; kind++)
        for (uint32_t executors = 1; executors < 4; executors++) {
            struct gm_plan plan =
                plan_for(gleam_sort(begin(kind), "sort", gleam_field(1)), executors);
            const struct gm_chain_plan *last = &plan.chains[plan.chain_count - 1];
            assert_int_equal(last->steps[last->step_count - 1].kind, GM_STEP_SORT);
            assert_int_equal(plan.exchanges[last->exchange].ordered, executors > 1);
            assert_int_equal(last->source.partition_count, executors);
            if (executors > 1) {
                assert_int_equal(last->step_count, 1);
                const struct gm_exchange_plan *ranges =
                    &plan.exchanges[plan.chains[plan.chain_count - 2].exchange];
                assert_int_equal(ranges->kind, GM_EXCHANGE_RANGE);
                assert_int_equal(last->source.inputs[0].exchange,
                                 plan.chains[plan.chain_count - 2].exchange);
                assert_int_equal(plan.exchanges[ranges->samples].kind, GM_EXCHANGE_SAMPLE);
                assert_int_equal(plan.exchanges[ranges->samples].partition_count, executors);
            }
            gm_plan_fini(&plan);
        }
}

/* What looks at a partition by itself, or keeps the order of its rows, gets them all in order. */
static void one_partition_stays_one(void **state)
{
    (void)state;
    const struct gleam_order by = gleam_field(1);
    for (uint32_t kind = 0; kind < 8; kind++) {
        struct gleam_dataset *rows = gleam_sort(begin(0), "sort", by);
        rows = kind == 0   ? gleam_pipe(rows, "p", "uniq")
               : kind == 1 ? gleam_local_limit(rows, "l", 3, 2)
               : kind == 2 ? gleam_local_distinct(rows, "d", by)
               : kind == 3 ? gleam_local_group_by(rows, "g", by)
               : kind == 4 ? gleam_local_reduce_by(rows, "r", GLEAM_MAX, by)
               : kind == 5 ? gleam_merge_to(rows, "m", 1)
               : kind == 6 ? gleam_limit(rows, "l", 3)
                           : gleam_reduce(rows, "r", GLEAM_MAX);
        struct gm_plan plan = plan_for(rows, 3);
        uint32_t gathers = 0;
        for (uint32_t e = 0; e < plan.exchange_count; e++)
            if (plan.exchanges[e].kind == GM_EXCHANGE_GATHER) {
                assert_true(plan.exchanges[e].ordered);
                assert_int_equal(plan.exchanges[e].partition_count, 1);
                gathers++;
            }
        assert_int_equal(gathers, 1);
        assert_int_equal(plan.chains[plan.chain_count - 1].source.partition_count, 1);
        gm_plan_fini(&plan);
    }
}

/* Commands per row, and rows that are dropped or made anew, stay where the ranges are. */
static void rows_by_themselves_stay_in_their_ranges(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 3; kind++) {
        struct gleam_dataset *rows = gleam_sort(begin(0), "sort", gleam_field(1));
        rows = kind == 0   ? gleam_pipe_as_args(rows, "p", "echo $1")
               : kind == 1 ? gleam_where(rows, "w", 1, GLEAM_LESS, gleam_i64(7))
                           : gleam_select(rows, "s", gleam_field(2));
        struct gm_plan plan = plan_for(rows, 3);
        const struct gm_chain_plan *last = &plan.chains[plan.chain_count - 1];
        assert_int_equal(last->source.partition_count, 3);
        assert_true(plan.exchanges[last->exchange].ordered);
        gm_plan_fini(&plan);
    }
}

static void wrong_columns_are_refused(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        struct gleam_dataset *rows = gleam_ints(flow, 0, 9);
        rows = kind == 0 ? gleam_sort(rows, "wrong", gleam_field(2))
                         : gleam_top(rows, "wrong", 3, gleam_field(2));
        assert_refused(flow, rows, "no column 2");
    }
}

/* The samples need an exchange as well. */
static void too_many_exchanges_are_refused(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *rows = gleam_ints(flow, 0, 9);
    for (uint32_t i = 0; i < 63; i++)
        rows = gleam_round_robin(rows, "", 2);
    assert_refused(flow, gleam_sort(rows, "sort", gleam_field(1)), "more than 64 exchanges");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_and_tops_read_well),
        cmocka_unit_test(everything_is_cut_into_ranges),
        cmocka_unit_test(one_partition_stays_one),
        cmocka_unit_test(rows_by_themselves_stay_in_their_ranges),
        cmocka_unit_test(wrong_columns_are_refused),
        cmocka_unit_test(too_many_exchanges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
