/* test_flow_fold.c
 * Goal:   folds with a name leave keys and wanted columns alone, and make a row of no rows when
 *         there are no keys, with zeros for counts and nulls for the rest.
 * Method: golden plans; the schema of every form without keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

static void columns_are_chosen_before_the_fold(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("fold.c", 7);
    assert_plan((gleam_count_of)((gleam_map)((gleam_ints)(flow, 0, 9), "one", GLEAM_APPEND_ONE),
                                 "values", gleam_columns("one"), gleam_columns("n")),
                "flow 'test': 1 region, 2 chains, 2 exchanges, 2 executors\n"
                "chain 0\n"
                "  ints 0..9, 2 partitions -> (n i64)\n"
                "  append one 'one' -> (n i64, one i64)   # fold.c:7\n"
                "  select column 2, 1 -> (one i64, n i64)   # fold.c:7\n"
                "  marks 'values' by column 1 -> (one i64, n i64)   # fold.c:7\n"
                "  combine 'values' by column 1 with sum_int64 -> (one i64, n i64)   # fold.c:7\n"
                "  => exchange 0: hash of column 1 to 2 partitions\n"
                "chain 1\n"
                "  from exchange 0, 2 partitions -> (one i64, n i64)\n"
                "  reduce 'values' by column 1 with sum_int64 -> (one i64, n i64)   # fold.c:7\n"
                "  => exchange 1: gather to output 0 in the driver\n");
}

/* Two columns of kinds that all of them take. */
static struct gleam_dataset *fold(struct gleam_flow *flow, int which)
{
    struct gleam_dataset *rows = rows_with(flow, "a i64, b f64");
    const struct gleam_order none = {0};
    switch (which) {
    case 0:
        return gleam_count_by(rows, "", none);
    case 1:
        return gleam_count_of(rows, "", none, none);
    case 2:
        return gleam_count_distinct_of(rows, "", none, gleam_columns("b"));
    case 3:
        return gleam_sum_of(rows, "", none, none);
    case 4:
        return gleam_min_of(rows, "", none, gleam_columns("b"));
    case 5:
        return gleam_max_of(rows, "", none, gleam_columns("b, a"));
    default:
        return gleam_avg_of(rows, "", none, none);
    }
}

static void folds_of_all_rows_make_a_row_of_none(void **state)
{
    (void)state;
    static const char *const expected[] = {"i64",       "i64 i64",   "i64",      "i64? f64?",
                                           "f64?",      "f64? i64?", "f64? f64?"};
    for (int which = 0; which < 7; which++) {
        char text[80] = "";
        struct gleam_flow *flow = gleam_flow_new("test");
        struct gm_plan plan;
        gleam_output_row(fold(flow, which), plan_rig_row, NULL);
        assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
        const struct gm_chain_plan *chain = &plan.chains[plan.chain_count - 1];
        const struct gm_step *last = &chain->steps[chain->step_count - 1];
        assert_int_equal(last->kind, GM_STEP_DEFAULT);
        assert_int_equal(chain->source.partition_count, 1);
        for (uint32_t i = 0; i < last->schema.field_count; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s", i > 0 ? " " : "",
                     gm_kind_name(last->schema.fields[i].kind),
                     last->schema.fields[i].nullable ? "?" : "");
        assert_string_equal(text, expected[which]);
        gm_plan_fini(&plan);
        gleam_flow_free(flow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_chosen_before_the_fold),
        cmocka_unit_test(folds_of_all_rows_make_a_row_of_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
