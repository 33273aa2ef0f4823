/* test_push.c
 * Goal:   a condition goes to where the rows come from, on every side of a join that may do without
 *         the others, and stays behind everything that it would change.
 * Method: where conditions stand in the plans of small flows, by chain and step.
 */
#include "engine/flow/push.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

/* The conditions of a plan: "chain.step:column", in order. */
static void assert_wheres(struct gleam_dataset *rows, const char *expected)
{
    struct gm_plan plan;
    char text[200] = "";
    struct gleam_flow *flow = rows->flow;
    gleam_output_row(rows, plan_rig_row, NULL);
    if (gm_planner_make(flow, 2, plan_rig_files, &plan) != 0)
        fail_msg("%s", gleam_flow_error(flow));
    for (uint32_t c = 0; c < plan.chain_count; c++)
        for (uint32_t s = 0; s < plan.chains[c].step_count; s++) {
            const struct gm_step *step = &plan.chains[c].steps[s];
            if (step->kind != GM_STEP_WHERE)
                continue;
            assert_int_equal(step->schema.field_count,
                             gm_plan_input_schema(&plan.chains[c], s)->field_count);
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u.%u:%u",
                     text[0] != '\0' ? " " : "", c, s, step->order.columns[0].column);
        }
    assert_string_equal(text, expected);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

static struct gleam_dataset *where(struct gleam_dataset *rows, const char *name)
{
    return gleam_where(rows, "", gleam_column(name), GLEAM_GREATER, gleam_i64(3));
}

/* (w bytes, n i64, x i64) of a mapper at the first step of a chain. */
static struct gleam_dataset *source(void)
{
    return rows_with(gleam_flow_new("test"), "w bytes, n i64, x i64");
}

static struct gleam_dataset *passed(int which)
{
    struct gleam_dataset *rows = source();
    switch (which) {
    case 0:
        return where(gleam_sort(rows, "", gleam_columns("w")), "n");
    case 1:
        return where(gleam_select(rows, "", gleam_columns("x, n")), "n");
    case 2:
        return where(gleam_map(gleam_partition(rows, "", 5, gleam_columns("w")), "",
                               GLEAM_APPEND_ONE),
                     "n");
    case 3:
        return where(gleam_reduce_by(rows, "", gleam_reducer("first"), gleam_columns("x, n")),
                     "n");
    case 4:
        return where(gleam_distinct(rows, "", gleam_columns("w, n")), "n");
    case 5:
        return where(gleam_group_by(rows, "", gleam_columns("x, n")), "n");
    case 6:
        return where(gleam_avg_by(gleam_select(rows, "", gleam_columns("x, n")), "",
                                  gleam_columns("n")),
                     "n");
    case 7:
        return where(gleam_count_distinct_of(rows, "", gleam_columns("n"), gleam_columns("w")),
                     "n");
    case 8:
        return where(gleam_as(rows, "w any, n i64, x f64"), "n");
    default:
        return where(gleam_broadcast(gleam_merge_to(rows, "", 1), "", 3), "n");
    }
}

GLEAM_REDUCER(first)
{
    (void)call;
    return total == next ? (int)value_count : 0;
}

static void conditions_go_to_the_source(void **state)
{
    (void)state;
    for (int which = 0; which < 10; which++)
        assert_wheres(passed(which), "0.1:2");
}

static struct gleam_dataset *not_passed(int which)
{
    struct gleam_dataset *rows = source();
    switch (which) {
    case 0:
        return where(gleam_top(rows, "", 3, gleam_columns("n")), "n");
    case 1:
        return where(gleam_limit(rows, "", 3), "n");
    case 2:
        return where(gleam_local_limit(rows, "", 3, 0), "n");
    case 3: /* the first row of a key may not be one that the condition leaves */
        return where(gleam_distinct(rows, "", gleam_columns("w")), "n");
    case 4: /* the result of a fold */
        return where(gleam_sum_by(gleam_select(rows, "", gleam_columns("n, x")), "",
                                  gleam_columns("n")),
                     "x");
    case 5: /* a number that was none */
        return where(gleam_as(rows, "w bytes, n f64, x i64"), "n");
    case 6:
        return where(gleam_as(gleam_map(rows, "", gleam_mapper("parse")), "n i64, m i64"), "n");
    case 7:
        return where(gleam_map(rows, "", GLEAM_APPEND_ONE), "one");
    case 8:
        return where(gleam_count_by(rows, "", (struct gleam_order){0}), "count");
    default:
        return where(gleam_sample(rows, "", 5, 1), "n");
    }
}

static void conditions_stay_behind_what_they_would_change(void **state)
{
    (void)state;
    static const char *const expected[] = {"1.1:2", "1.1:2", "0.2:2", "1.1:2", "1.1:2",
                                           "0.2:2", "0.2:1", "0.2:4", "1.2:1", "1.1:3"};
    for (int which = 0; which < 10; which++)
        assert_wheres(not_passed(which), expected[which]);
}

/* Left (k, l), right (k, r), of one kind: inner, left, right, full, semi, anti. */
static void joins_let_conditions_through(void **state)
{
    (void)state;
    static const char *const key[] = {"0.1:1 1.1:1", "0.1:1 1.1:1", "0.1:1 1.1:1",
                                      "0.1:1 1.1:1", "0.1:1 1.1:1", "0.1:1 1.1:1"};
    static const char *const left[] = {"0.1:2", "0.1:2", "2.1:2", "2.1:2", "0.1:2", "0.1:2"};
    static const char *const right[] = {"1.1:2", "2.1:3", "1.1:2", "2.1:3"};
    for (int kind = 0; kind < 6; kind++)
        for (int column = 0; column < (kind < 4 ? 3 : 2); column++) {
            struct gleam_flow *flow = gleam_flow_new("test");
            struct gleam_dataset *rows = rows_with(flow, "k i64, l i64");
            rows = gleam_join_on(rows, "", rows_with(flow, "k i64, r i64"), gleam_field(1),
                                 gleam_field(1), (enum gleam_join_kind)kind);
            const char *expected =
                column == 0 ? key[kind] : column == 1 ? left[kind] : right[kind];
            assert_wheres(where(rows, column == 0 ? "k" : column == 1 ? "l" : "r"), expected);
        }
}

/* A key of another kind on the other side may compare otherwise: its own side alone. */
static void keys_of_two_kinds_stay_with_their_side(void **state)
{
    (void)state;
    static const char *const expected[] = {"0.1:1", "0.1:1", "1.1:1", "2.1:1"};
    for (int kind = 0; kind < 4; kind++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        struct gleam_dataset *rows = rows_with(flow, "k i64, l i64");
        rows = gleam_join_on(rows, "", rows_with(flow, "k f64, r i64"), gleam_field(1),
                             gleam_field(1), (enum gleam_join_kind)kind);
        assert_wheres(where(rows, "k"), expected[kind]);
    }
}

static void unions_cogroups_and_cross_joins(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *one = rows_with(flow, "k i64, l i64");
    struct gleam_dataset *two[] = {rows_with(flow, "a i64, b any"),
                                   rows_with(flow, "a any, b i64")};
    assert_wheres(where(gleam_union(one, "", two, 2), "l"), "0.1:2 1.1:2 2.1:2");

    flow = gleam_flow_new("test");
    one = rows_with(flow, "k i64, l i64");
    assert_wheres(where(gleam_cogroup(one, "", rows_with(flow, "a bytes, k i64"), gleam_field(2)),
                        "l"),
                  "0.1:2 1.1:2");

    flow = gleam_flow_new("test");
    one = rows_with(flow, "k i64, l i64");
    assert_wheres(where(where(gleam_cross_join(one, "", rows_with(flow, "a i64, b i64")), "b"),
                        "l"),
                  "0.1:2 1.1:2");
}

/* From behind two joins and a reduce down to the files; several conditions, each its own way. */
static void conditions_go_all_the_way(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *facts = rows_with(flow, "day i64, item i64, n i64");
    struct gleam_dataset *items = rows_with(flow, "item i64, price i64");
    struct gleam_dataset *days = rows_with(flow, "day i64, week i64");
    facts = gleam_reduce_by(facts, "", GLEAM_SUM, gleam_columns("day, item"));
    facts = gleam_join(facts, "", items, gleam_columns("item"));
    facts = gleam_join(facts, "", days, gleam_columns("day"));
    facts = where(where(where(facts, "day"), "price"), "week");
    /* facts: the mapper, day, combine; items: price; days: day and week. */
    assert_wheres(facts, "0.1:1 2.1:2 4.1:1 4.2:2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_go_to_the_source),
        cmocka_unit_test(conditions_stay_behind_what_they_would_change),
        cmocka_unit_test(joins_let_conditions_through),
        cmocka_unit_test(keys_of_two_kinds_stay_with_their_side),
        cmocka_unit_test(unions_cogroups_and_cross_joins),
        cmocka_unit_test(conditions_go_all_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
