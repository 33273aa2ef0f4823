/* test_plan_cache.c
 * Goal:   a cached dataset is planned by itself, and read where it lies; what it is spread by is
 *         known; datasets of a round that is over are refused; several flows make one plan.
 * Method: golden plans, with a number that stands for what executors would keep.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

/* Plans what fills the node, and pretends that it was run.  Returns the plan's text. */
static char *fill(struct gleam_dataset *node, uint64_t id)
{
    const struct gm_plan_part part = {.flow = node->flow, .fill = node, .fill_id = id};
    struct gm_plan plan;
    uint32_t failed;
    char *text = NULL;
    size_t bytes = 0;
    if (gm_planner_make_parts(&part, 1, 2, plan_rig_files, &plan, &failed) != 0)
        fail_msg("%s", gleam_flow_error(node->flow));
    FILE *file = open_memstream(&text, &bytes);
    assert_non_null(file);
    gm_plan_print(&plan, 2, file);
    fclose(file);
    gm_plan_fini(&plan);
    node->cached->id = id;
    node->cached->bytes = UINT64_C(1) << 30;
    return text;
}

static void assert_filled(struct gleam_dataset *node, uint64_t id, const char *expected)
{
    char *text = fill(node, id);
    assert_string_equal(text, expected);
    free(text);
}

static void a_source_is_put_where_its_partitions_belong(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *kept = (gleam_cache)((gleam_ints)(flow, 0, 9), "numbers");
    assert_filled(kept, 7,
                  "flow 'test': 1 region, 2 chains, 2 exchanges, 2 executors\n"
                  "chain 0\n"
                  "  ints 0..9, 2 partitions -> (n i64)\n"
                  "  => exchange 0: merge to 2 partitions\n"
                  "chain 1\n"
                  "  from exchange 0, 2 partitions -> (n i64)\n"
                  "  => exchange 1: kept in memory, on disk when that is spent; counts to the "
                  "driver\n");
    assert_plan(kept, "flow 'test': 1 region, 1 chain, 1 exchange, 2 executors\n"
                      "chain 0\n"
                      "  cached 'numbers', 2 partitions where they are kept -> (n i64)\n"
                      "  => exchange 0: gather to output 0 in the driver\n");
}

static void what_is_spread_by_its_keys_is_not_spread_again(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *pairs =
        (gleam_map)((gleam_ints)(flow, 0, 9), "one", GLEAM_APPEND_ONE);
    struct gleam_dataset *kept = (gleam_on_disk)(
        (gleam_partition_by_key)(pairs, "spread", 5), "pairs");
    gleam_here("c.c", 1);
    assert_filled(kept, 7,
                  "flow 'test': 1 region, 2 chains, 2 exchanges, 2 executors\n"
                  "chain 0\n"
                  "  ints 0..9, 2 partitions -> (n i64)\n"
                  "  append one 'one' -> (n i64, one i64)   # ?\n"
                  "  => exchange 0: hash of column 1 to 5 partitions\n"
                  "chain 1\n"
                  "  from exchange 0, 5 partitions -> (n i64, one i64)\n"
                  "  => exchange 1: kept on disk; counts to the driver\n");
    struct gleam_dataset *sums = (gleam_reduce_by_key)(kept, "sum", GLEAM_SUM_INT64);
    assert_plan((gleam_join_by_key)(kept, "meet", (gleam_partition_by_key)(sums, "same", 5)),
                "flow 'test': 1 region, 3 chains, 3 exchanges, 2 executors\n"
                "chain 0, which lets chain 1 go first\n"
                "  cached 'pairs', 5 partitions where they are kept -> (n i64, one i64)\n"
                "  => exchange 0: stays in its 5 partitions, by the hash of column 1\n"
                "chain 1\n"
                "  cached 'pairs', 5 partitions where they are kept -> (n i64, one i64)\n"
                "  reduce 'sum' by column 1 with sum_int64 -> (n i64, one i64)   # c.c:1\n"
                "  => exchange 1: stays in its 5 partitions, by the hash of column 1\n"
                "chain 2\n"
                "  from exchange 0, 1, 5 partitions -> (n i64, one i64) and (n i64, one i64)\n"
                "  join 'meet' (inner) left column 1 with right column 1 -> (n i64, one i64, one "
                "i64)   # c.c:1\n"
                "  => exchange 2: gather to output 0 in the driver\n");
}

static void missing_ones_come_in_their_order(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *first = (gleam_cache)((gleam_ints)(flow, 0, 9), "first");
    struct gleam_dataset *unread = (gleam_cache)(first, "unread");
    struct gleam_dataset *second =
        (gleam_cache)((gleam_map)(first, "one", GLEAM_APPEND_ONE), "second");
    (gleam_output_row)(second, plan_rig_row, NULL);
    assert_ptr_equal(gm_planner_next_cached(flow, 0), first);
    assert_ptr_equal(gm_planner_next_cached_of(unread), first);
    first->cached->id = 1;
    assert_ptr_equal(gm_planner_next_cached(flow, 0), second);
    assert_ptr_equal(gm_planner_next_cached_of(unread), unread);
    second->cached->id = 2;
    assert_null(gm_planner_next_cached(flow, 0));
    first->cached->id = 0; /* nobody needs it any more */
    assert_null(gm_planner_next_cached(flow, 0));
    gleam_flow_free(flow);
}

static uint64_t given_up[4];
static uint32_t given_up_count;

static void note_given_up(uint64_t id)
{
    given_up[given_up_count++] = id;
}

static void what_is_kept_is_given_up_once(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *numbers = (gleam_ints)(flow, 0, 9);
    struct gleam_dataset *kept[3];
    flow->uncache = note_given_up;
    given_up_count = 0;
    for (uint32_t i = 0; i < 3; i++) {
        kept[i] = (gleam_cache)(numbers, NULL);
        kept[i]->cached->id = i + 1;
    }
    (gleam_uncache)(kept[1]);
    (gleam_uncache)(kept[1]);
    (gleam_uncache)(NULL);
    assert_int_equal(given_up_count, 1);
    assert_true(given_up[0] == 2);
    (gleam_uncache)(numbers);
    assert_non_null(strstr(gleam_flow_error(flow), "no cached dataset"));
    gleam_flow_free(flow);
    assert_int_equal(given_up_count, 3);
}

static void a_round_that_is_over_gives_nothing(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *numbers = (gleam_ints)(flow, 0, 9);
    const struct gm_flow_mark mark = gm_flow_mark(flow);
    for (uint32_t round = 0; round < 300; round++) {
        struct gleam_dataset *rows = (gleam_map)(numbers, "one", GLEAM_APPEND_ONE);
        assert_int_equal((gleam_broadcast_bytes)(flow, "x", 1), 0);
        (gleam_output_row)(rows, plan_rig_row, NULL);
        gm_flow_drop(flow, mark);
        assert_int_equal(flow->node_count, 1);
        assert_int_equal(flow->output_count, 0);
        if (round < 299)
            continue;
        assert_null((gleam_map)(rows, "again", GLEAM_APPEND_ONE));
        assert_non_null(strstr(gleam_flow_error(flow), "a round that is over"));
    }
    gleam_flow_free(flow);
}

static void flows_make_one_plan(void **state)
{
    (void)state;
    struct gleam_flow *flows[] = {gleam_flow_new("one"), gleam_flow_new("two")};
    struct gm_plan plan;
    uint32_t failed = 9;
    for (uint32_t i = 0; i < 2; i++) {
        (gleam_output_row)((gleam_ints)(flows[i], 0, 9), plan_rig_row, NULL);
        (gleam_output_row)((gleam_ints)(flows[i], 0, 9), plan_rig_row, NULL);
        (gleam_broadcast_bytes)(flows[i], i == 0 ? "a" : "b", 1);
    }
    const struct gm_plan_part parts[] = {{.flow = flows[0]}, {.flow = flows[1], .first_output = 1}};
    assert_int_equal(gm_planner_make_parts(parts, 2, 2, plan_rig_files, &plan, &failed), 0);
    assert_string_equal(plan.name, "one, two");
    assert_int_equal(plan.chain_count, 3);
    assert_int_equal(plan.scope_count, 2);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(plan.exchanges[plan.chains[i].exchange].output, i);
        assert_int_equal(plan.chains[i].scope, i / 2);
    }
    assert_string_equal(plan.scopes[1].name, "two");
    assert_memory_equal(plan.scopes[1].broadcasts[0].data, "b", 1);
    gm_plan_fini(&plan);
    (gleam_join_by_key)((gleam_ints)(flows[1], 0, 9), "meet", (gleam_ints)(flows[0], 0, 9));
    assert_int_equal(gm_planner_make_parts(parts, 2, 2, plan_rig_files, &plan, &failed),
                     GM_EJOB_FLOW);
    assert_int_equal(failed, 1);
    gleam_flow_free(flows[0]);
    gleam_flow_free(flows[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_is_put_where_its_partitions_belong),
        cmocka_unit_test(what_is_spread_by_its_keys_is_not_spread_again),
        cmocka_unit_test(missing_ones_come_in_their_order),
        cmocka_unit_test(what_is_kept_is_given_up_once),
        cmocka_unit_test(a_round_that_is_over_gives_nothing),
        cmocka_unit_test(flows_make_one_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
