/* test_prune.c
 * Goal:   a file's columns that nobody reads before the first select are not read, the others keep
 *         their meaning, and whatever needs whole rows gets them.
 * Method: plans of small flows, with the columns of source and steps.
 */
#include "engine/flow/prune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

static struct gleam_flow *flow;
static struct gm_plan plan;

static struct gleam_dataset *csv(int on_error)
{
    const struct gleam_csv_options options = {.on_error = on_error};
    flow = gleam_flow_new("test");
    return gleam_as(gleam_read_csv(flow, "rows.csv", 2, &options),
                    "a bytes, b i64, c f64, d bytes, e i64");
}

static struct gleam_order columns(uint32_t first, uint32_t second)
{
    return gleam_then_by(gleam_field(first), second, true);
}

static void make(struct gleam_dataset *dataset)
{
    gleam_output_row(dataset, plan_rig_row, NULL);
    if (gm_planner_make(flow, 2, plan_rig_files, &plan) != 0)
        fail_msg("%s", gleam_flow_error(flow));
}

static void forget(void)
{
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

/* The names of a schema's columns, one letter each. */
static void assert_columns(const struct gm_schema *schema, const char *names)
{
    char text[GM_FIELDS_MAX + 1] = "";
    for (uint32_t i = 0; i < schema->field_count; i++)
        text[i] = schema->fields[i].name[0];
    assert_string_equal(text, names);
}

static void test_only_what_is_named_is_read(void **state)
{
    (void)state;
    make(gleam_select(gleam_where(gleam_local_limit(csv(GLEAM_CSV_FAIL), "few", 9, 0), "some", 5,
                                  GLEAM_LESS, gleam_i64(3)),
                      "two", columns(4, 2)));
    const struct gm_chain_plan *chain = &plan.chains[0];
    assert_columns(&chain->source.schema, "bde");
    assert_int_equal(chain->source.csv->format.column_count, 3);
    assert_int_equal(chain->source.csv->format.field_count, 5);
    assert_int_equal(chain->source.csv->format.columns[0].field, 1);
    assert_int_equal(chain->source.csv->format.columns[1].field, 3);
    assert_int_equal(chain->source.csv->format.columns[2].field, 4);
    assert_columns(&chain->steps[0].schema, "bde");
    assert_columns(&chain->steps[1].schema, "bde");
    assert_int_equal(chain->steps[1].order.columns[0].column, 3);
    assert_columns(&chain->steps[2].schema, "db");
    assert_int_equal(chain->steps[2].order.columns[0].column, 2);
    assert_int_equal(chain->steps[2].order.columns[1].column, 1);
    forget();
}

static void test_whole_rows_stay_whole(void **state)
{
    (void)state;
    make(gleam_where(csv(GLEAM_CSV_FAIL), "some", 5, GLEAM_LESS, gleam_i64(3)));
    assert_columns(&plan.chains[0].source.schema, "abcde");
    forget();
    make(gleam_select(gleam_top(csv(GLEAM_CSV_FAIL), "most", 3, gleam_order_by(3, true)), "two",
                      columns(4, 2)));
    assert_columns(&plan.chains[0].source.schema, "abcde"); /* a tie is cut by the whole row */
    forget();
    flow = gleam_flow_new("test");
    make(gleam_select(gleam_as(gleam_map(gleam_ints(flow, 0, 3), "m", gleam_mapper("parse")),
                               "a i64, b i64"),
                      "one", gleam_field(2)));
    assert_columns(&plan.chains[0].steps[0].schema, "ab");
    forget();
}

/* The select is behind exchanges and a join. */
static void test_joins_carry_what_is_asked_of_them(void **state)
{
    (void)state;
    struct gleam_dataset *left = csv(GLEAM_CSV_FAIL);
    struct gleam_dataset *right = gleam_as(gleam_read_csv(flow, "other.csv", 2, NULL),
                                           "p i64, q bytes, r f64, s bool");
    left = gleam_sort(gleam_round_robin(left, "", 3), "", gleam_columns("c"));
    left = gleam_join_on(left, "meet", right, gleam_columns("b"), gleam_columns("p"),
                         GLEAM_JOIN_LEFT_OUTER); /* b, a, c, d, e, q, r, s */
    make(gleam_select(gleam_local_sort(left, "", gleam_columns("s")), "few",
                      gleam_columns("r, d, b")));
    const struct gm_chain_plan *last = &plan.chains[plan.chain_count - 1];
    assert_columns(&plan.chains[0].source.schema, "bcd");
    assert_columns(&last->source.inputs[0].schema, "bd"); /* c was for the sort */
    assert_columns(&last->source.inputs[1].schema, "prs");
    assert_columns(&last->steps[0].schema, "bdrs");
    assert_int_equal(last->steps[0].order.columns[0].column, 1);
    assert_int_equal(last->steps[1].order.columns[0].column, 4);
    assert_columns(&last->steps[2].schema, "rdb");
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(last->steps[2].order.columns[i].column, 3 - i);
    forget();
}

static void test_counts_need_keys_alone(void **state)
{
    (void)state;
    make(gleam_count_by(csv(GLEAM_CSV_FAIL), "", columns(5, 3)));
    assert_columns(&plan.chains[0].source.schema, "ce");
    assert_int_equal(plan.chains[0].steps[0].order.columns[0].column, 2);
    assert_columns(&plan.chains[0].steps[0].schema, "ecc"); /* the last one is the count */
    forget();
    make(gleam_count_by(gleam_partition(csv(GLEAM_CSV_FAIL), "", 3, gleam_columns("d")), "",
                        (struct gleam_order){0}));
    assert_columns(&plan.chains[0].source.schema, "ad"); /* a row has one column at least */
    forget();
}

/* Both arms of a union have the same columns, and a mapper's are left behind it. */
static void test_arms_of_a_union_agree(void **state)
{
    (void)state;
    struct gleam_dataset *one = csv(GLEAM_CSV_FAIL);
    struct gleam_dataset *two = rows_with(flow, "v bytes, w i64, x f64, y bytes, z i64");
    make(gleam_select(gleam_union(one, "", &two, 1), "", gleam_columns("e, b")));
    assert_columns(&plan.chains[0].source.schema, "be");
    const struct gm_chain_plan *mapped = &plan.chains[1];
    assert_int_equal(mapped->steps[mapped->step_count - 1].kind, GM_STEP_SELECT);
    assert_columns(&mapped->steps[mapped->step_count - 1].schema, "wz");
    assert_columns(&plan.chains[2].source.schema, "be");
    assert_columns(&plan.chains[2].steps[0].schema, "eb");
    forget();
}

/* A bad number leaves its row out, whoever looks at it. */
static void test_columns_that_decide_are_read(void **state)
{
    (void)state;
    make(gleam_select(csv(GLEAM_CSV_SKIP), "one", gleam_field(4)));
    assert_columns(&plan.chains[0].source.schema, "bcde");
    assert_int_equal(plan.chains[0].steps[0].order.columns[0].column, 3);
    forget();
    make(gleam_select(csv(GLEAM_CSV_NULL), "one", gleam_field(4)));
    assert_columns(&plan.chains[0].source.schema, "d");
    forget();
}

static void test_members_of_objects(void **state)
{
    (void)state;
    for (int skip = 0; skip < 2; skip++) {
        flow = gleam_flow_new("test");
        struct gleam_dataset *rows = gleam_read_jsonl(flow, "rows.jsonl", 2,
                                                      skip ? GLEAM_CSV_SKIP : GLEAM_CSV_FAIL);
        make(gleam_select(gleam_as(rows, "a bytes, b i64, c f64"), "two", columns(3, 2)));
        const struct gm_source *source = &plan.chains[0].source;
        assert_columns(&source->schema, skip ? "abc" : "bc");
        assert_int_equal(source->csv->format.field_count, skip ? 3 : 2);
        assert_int_equal(source->csv->format.columns[1].field, 1);
        assert_columns(&plan.chains[0].steps[0].schema, "cb");
        forget();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_is_named_is_read),
        cmocka_unit_test(test_whole_rows_stay_whole),
        cmocka_unit_test(test_joins_carry_what_is_asked_of_them),
        cmocka_unit_test(test_counts_need_keys_alone),
        cmocka_unit_test(test_arms_of_a_union_agree),
        cmocka_unit_test(test_columns_that_decide_are_read),
        cmocka_unit_test(test_members_of_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
