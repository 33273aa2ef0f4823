/* test_plan_place.c
 * Goal:   rows of a key that are together already are not sent again, by any step that brings them
 *         together; whatever may part them is seen.
 * Method: the number of exchanges of small flows; golden plan of a join whose side stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

static struct gleam_dataset *counted(struct gleam_flow *flow)
{
    return gleam_reduce_by(rows_with(flow, "w bytes, n i64, m i64"), "", GLEAM_SUM,
                           gleam_columns("w, n"));
}

/* Behind counted(): (w, n, m) by the hash of (w, n) in one exchange. */
static struct gleam_dataset *stays(struct gleam_dataset *rows, int which)
{
    switch (which) {
    case 0:
        return gleam_reduce_by(rows, "", GLEAM_SUM, gleam_columns("n, w"));
    case 1:
        return gleam_group_by(rows, "", gleam_columns("w, n"));
    case 2:
        return gleam_distinct(rows, "", (struct gleam_order){0}); /* more than the keys */
    case 3:
        return gleam_avg_by(rows, "", gleam_columns("n, w"));
    case 4:
        return gleam_count_distinct_by(rows, "", gleam_columns("w, n"));
    case 5:
        return gleam_distinct(gleam_select(rows, "", gleam_columns("m, n, w")), "",
                              gleam_columns("w, n"));
    case 6:
        rows = gleam_where(rows, "", gleam_column("m"), GLEAM_GREATER, gleam_i64(1));
        rows = gleam_local_sort(gleam_map(rows, "", GLEAM_APPEND_ONE), "", gleam_columns("m"));
        return gleam_distinct(rows, "", gleam_columns("w, n"));
    case 7:
        rows = gleam_as(rows, "word bytes, number i64, sum i64");
        return gleam_group_by(rows, "", gleam_columns("word, number"));
    case 8:
        return gleam_partition(rows, "", 3, gleam_columns("w, n"));
    case 9: /* neighbours become one: who was together is */
        return gleam_count_of(rows, "", gleam_columns("w, n"), gleam_columns("m"));
    default:
        return gleam_group_by(gleam_group_by(rows, "", gleam_columns("w, n")), "",
                              gleam_columns("n, w"));
    }
}

static void assert_exchanges(struct gleam_flow *flow, struct gleam_dataset *rows, uint32_t count,
                             int which)
{
    struct gm_plan plan;
    gleam_output_row(rows, plan_rig_row, NULL);
    if (gm_planner_make(flow, 2, plan_rig_files, &plan) != 0)
        fail_msg("%d: %s", which, gleam_flow_error(flow));
    if (plan.exchange_count != count)
        fail_msg("%d: %u exchanges, not %u", which, plan.exchange_count, count);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

static void rows_of_a_key_are_not_sent_again(void **state)
{
    (void)state;
    for (int which = 0; which < 11; which++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        assert_exchanges(flow, stays(counted(flow), which), 2, which);
    }
}

static struct gleam_dataset *moves(struct gleam_dataset *rows, int which)
{
    switch (which) {
    case 0: /* rows of one w are in several partitions */
        return gleam_distinct(rows, "", gleam_columns("w"));
    case 1:
        return gleam_distinct(gleam_select(rows, "", gleam_columns("w, m")), "",
                              (struct gleam_order){0});
    case 2:
        return gleam_group_by(gleam_as(gleam_map(rows, "", gleam_mapper("parse")),
                                       "w bytes, n i64, m i64"),
                              "", gleam_columns("w, n"));
    case 3: /* two numbers may become equal */
        return gleam_distinct(gleam_as(rows, "w bytes, n f64, m i64"), "",
                              gleam_columns("w, n"));
    case 4:
        return gleam_partition(rows, "", 4, gleam_columns("w, n"));
    case 5:
        return gleam_partition(rows, "", 3, gleam_columns("n, w")); /* another hash */
    case 6:
        return gleam_distinct(gleam_as(gleam_pipe(rows, "", "cat"), "w bytes, n i64, m i64"), "",
                              gleam_columns("w, n"));
    default:
        return gleam_group_by(gleam_select(rows, "", gleam_columns("m, n, w")), "",
                              gleam_columns("m, n"));
    }
}

static void rows_that_may_be_apart_are_sent(void **state)
{
    (void)state;
    for (int which = 0; which < 8; which++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        assert_exchanges(flow, moves(counted(flow), which), 3, which);
    }
    /* Spread by turns, a key's rows are anywhere; ranges cut a key. */
    struct gleam_flow *flow = gleam_flow_new("test");
    assert_exchanges(flow, gleam_distinct(gleam_round_robin(counted(flow), "", 3), "",
                                          gleam_columns("w, n")), 4, 100);
    flow = gleam_flow_new("test");
    assert_exchanges(flow, gleam_distinct(gleam_sort(counted(flow), "", gleam_columns("w, n")), "",
                                          gleam_columns("w, n")), 5, 101);
}

static void a_placed_side_of_a_join_stays(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("join.c", 7);
    struct gleam_dataset *left = (gleam_partition)((gleam_ints)(flow, 0, 9), "", 5, gleam_field(1));
    struct gleam_dataset *right = (gleam_reduce_by_key)(
        (gleam_map)((gleam_ints)(flow, 0, 9), "one", GLEAM_APPEND_ONE), "sum", GLEAM_SUM);
    struct gleam_dataset *both = (gleam_join_by_key)(left, "", right);
    assert_plan((gleam_reduce_by_key)(both, "again", GLEAM_SUM),
                "flow 'test': 1 region, 5 chains, 5 exchanges, 2 executors\n"
                "chain 0\n"
                "  ints 0..9, 2 partitions -> (n i64)\n"
                "  => exchange 0: hash of column 1 to 5 partitions\n"
                "chain 1, which lets chain 3 go first\n"
                "  from exchange 0, 5 partitions -> (n i64)\n"
                "  => exchange 1: stays in its 5 partitions, by the hash of column 1\n"
                "chain 2\n"
                "  ints 0..9, 2 partitions -> (n i64)\n"
                "  append one 'one' -> (n i64, one i64)   # join.c:7\n"
                "  combine 'sum' by column 1 with sum -> (n i64, one i64)   # join.c:7\n"
                "  => exchange 2: hash of column 1 to 2 partitions\n"
                "chain 3\n"
                "  from exchange 2, 2 partitions -> (n i64, one i64)\n"
                "  reduce 'sum' by column 1 with sum -> (n i64, one i64)   # join.c:7\n"
                "  => exchange 3: hash of column 1 to 5 partitions\n"
                "chain 4\n"
                "  from exchange 1, 3, 5 partitions -> (n i64) and (n i64, one i64)\n"
                "  join (inner) left column 1 with right column 1 -> (n i64, one i64)   # "
                "join.c:7\n"
                "  reduce 'again' by column 1 with sum -> (n i64, one i64)   # join.c:7\n"
                "  => exchange 4: gather to output 0 in the driver\n");
}

/* A side hashed in its plain form is elsewhere than one that meets another kind. */
static void a_side_in_another_form_moves(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gm_plan plan;
    struct gleam_dataset *left =
        gleam_partition(gleam_ints(flow, 0, 1000000), "", 5, gleam_field(1));
    gleam_output_row(gleam_join_by_key(left, "", rows_with(flow, "x f64, y i64")), plan_rig_row,
                     NULL);
    assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
    assert_int_equal(plan.exchanges[1].kind, GM_EXCHANGE_HASH);
    assert_true(plan.exchanges[1].tagged);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

/* Partitions that were merged hold whole groups, but not those that a hash of 7 would put there. */
static void merged_partitions_are_where_no_hash_says(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct gleam_flow *flow = gleam_flow_new("place");
        struct gleam_dataset *rows = gleam_merge_to(counted(flow), "", 7);
        /* The reduce's, the merge's, that of the step, the output's. */
        rows = which == 0 ? gleam_partition(rows, "", 7, gleam_columns("w, n"))
                          : gleam_group_by(gleam_partition(rows, "", 7, gleam_columns("w, n")), "",
                                           gleam_columns("w, n"));
        assert_exchanges(flow, rows, 4, which);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_a_key_are_not_sent_again),
        cmocka_unit_test(rows_that_may_be_apart_are_sent),
        cmocka_unit_test(a_placed_side_of_a_join_stays),
        cmocka_unit_test(a_side_in_another_form_moves),
        cmocka_unit_test(merged_partitions_are_where_no_hash_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
