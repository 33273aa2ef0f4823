/* test_plan_exchange.c
 * Goal:   steps that move, choose or count rows become the right exchanges and steps.
 * Method: golden plans of one flow each, and the words of each refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

static void moves_read_well(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("move.c", 7);
    struct gleam_dataset *rows = (gleam_map)((gleam_ints)(flow, 0, 9), "one", GLEAM_APPEND_ONE);
    rows = (gleam_round_robin)(rows, "", 5);
    rows = (gleam_partition)(rows, "", 6, gleam_then_by(gleam_field(2), 1, true));
    rows = (gleam_merge_to)(rows, "", 4);
    rows = (gleam_broadcast)(rows, "", 3);
    rows = (gleam_where)(rows, "", 1, GLEAM_LESS_OR_EQUAL, gleam_f64(2.5));
    rows = (gleam_where)(rows, "there", 1, GLEAM_IS_NOT_NULL, gleam_null());
    rows = (gleam_select_kv)(rows, "pick", gleam_field(2), gleam_field(1));
    assert_plan(rows, "flow 'test': 1 region, 5 chains, 5 exchanges, 2 executors\n"
                      "chain 0\n"
                      "  ints 0..9, 2 partitions -> (n i64)\n"
                      "  where column 1 <= 2.5 -> (n i64)   # move.c:7\n"
                      "  where 'there' column 1 is not null -> (n i64)   # move.c:7\n"
                      "  append one 'one' -> (n i64, one i64)   # move.c:7\n"
                      "  => exchange 0: round robin to 5 partitions\n"
                      "chain 1\n"
                      "  from exchange 0, 5 partitions -> (n i64, one i64)\n"
                      "  => exchange 1: hash of column 2, 1 to 6 partitions\n"
                      "chain 2\n"
                      "  from exchange 1, 6 partitions -> (n i64, one i64)\n"
                      "  => exchange 2: merge to 4 partitions\n"
                      "chain 3\n"
                      "  from exchange 2, 4 partitions -> (n i64, one i64)\n"
                      "  => exchange 3: broadcast to 3 partitions\n"
                      "chain 4\n"
                      "  from exchange 3, 3 partitions -> (n i64, one i64)\n"
                      "  select 'pick' column 2, 1 -> (one i64, n i64)   # move.c:7\n"
                      "  => exchange 4: gather to output 0 in the driver\n");
}

static void limits_read_well(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("limit.c", 7);
    struct gleam_dataset *rows = (gleam_local_limit)((gleam_ints)(flow, 0, 9), "", 3, 1);
    rows = (gleam_limit)((gleam_limit)(rows, "some", 5), "fewer", 2);
    assert_plan(rows, "flow 'test': 1 region, 2 chains, 2 exchanges, 2 executors\n"
                      "chain 0\n"
                      "  ints 0..9, 2 partitions -> (n i64)\n"
                      "  local limit 3 behind 1 -> (n i64)   # limit.c:7\n"
                      "  local limit 'some' 5, then stop reading -> (n i64)   # limit.c:7\n"
                      "  => exchange 0: gather to 1 partition\n"
                      "chain 1\n"
                      "  from exchange 0, 1 partition -> (n i64)\n"
                      "  limit 'some' 5 -> (n i64)   # limit.c:7\n"
                      "  local limit 'fewer' 2 -> (n i64)   # limit.c:7\n"
                      "  => exchange 1: gather to output 0 in the driver\n");
}

/* The partitions of each level of a tree merge. */
static void trees_merge_level_by_level(void **state)
{
    (void)state;
    static const uint32_t expected[] = {25, 9, 3, 2};
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gm_plan plan;
    struct gleam_dataset *rows = gleam_round_robin(gleam_ints(flow, 0, 9), "", 25);
    rows = gleam_tree_merge_sorted_to(rows, "", 2, 3, gleam_field(1));
    gleam_output_row(rows, plan_rig_row, NULL);
    assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
    assert_int_equal(plan.exchange_count, 5);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(plan.exchanges[i].partition_count, expected[i]);
        if (i > 0)
            assert_int_equal(plan.chains[i + 1].steps[0].kind, GM_STEP_SORT);
    }
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

/* A step that sees partitions gets those of the person; one behind an exchange does not care. */
static void local_limits_see_partitions(void **state)
{
    (void)state;
    for (int local = 0; local < 2; local++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        struct gm_plan plan;
        struct gleam_dataset *rows = gleam_text_file(flow, "a");
        rows = local ? gleam_local_limit(rows, "", 3, 0) : gleam_limit(rows, "", 3);
        gleam_output_row(rows, plan_rig_row, NULL);
        assert_int_equal(gm_planner_make(flow, 1, plan_rig_files, &plan), 0);
        assert_int_equal(plan.chains[0].source.partition_count == 1, local);
        gm_plan_fini(&plan);
        gleam_flow_free(flow);
    }
}

static void wrong_columns_are_refused(void **state)
{
    (void)state;
    for (int which = 0; which < 6; which++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        struct gleam_dataset *rows = gleam_ints(flow, 0, 9);
        rows = which == 0   ? gleam_select(rows, "wrong", gleam_field(2))
               : which == 1 ? gleam_select(rows, "wrong", (struct gleam_order){0})
               : which == 2 ? gleam_partition(rows, "wrong", 3, gleam_field(2))
               : which == 3 ? gleam_merge_sorted_to(rows, "wrong", 3, gleam_field(2))
               : which == 4 ? gleam_where(rows, "wrong", 2, GLEAM_EQUAL, gleam_i64(1))
                            : gleam_where(rows, "wrong", 1, GLEAM_EQUAL, gleam_bytes("1", 1));
        assert_refused(flow, rows,
                       which == 1   ? "between 1 and 64 columns"
                       : which == 5 ? "column 'n' is i64 and never compares with a value of bytes"
                                    : "no column 2");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_read_well),
        cmocka_unit_test(limits_read_well),
        cmocka_unit_test(trees_merge_level_by_level),
        cmocka_unit_test(local_limits_see_partitions),
        cmocka_unit_test(wrong_columns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
