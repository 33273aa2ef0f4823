/* test_demand.c
 * Goal:   a step without columns of its own learns how many the steps behind it ask for.
 * Method: listed paths behind one flat map, and what they ask for.
 */
#include "engine/flow/demand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

GLEAM_MAPPER(keep)
{
    (void)call;
    (void)row;
    (void)column_count;
    return 1;
}

static struct gleam_dataset *behind;

static struct gleam_dataset *start(struct gleam_flow *flow)
{
    struct gleam_dataset *source = gleam_ints(flow, 0, 9);
    behind = gleam_flat_map(source, "asked", gleam_lua("function(n) return n end"));
    return behind;
}

/* What path[1], the flat map, is asked for by the path that ends in `last`. */
static uint32_t demand(struct gleam_dataset *last)
{
    struct gleam_dataset *path[32];
    uint32_t count = 0;
    assert_non_null(last);
    for (struct gleam_dataset *node = last; node != NULL; node = node->input)
        count++;
    uint32_t at = count;
    for (struct gleam_dataset *node = last; node != NULL; node = node->input)
        path[--at] = node;
    assert_ptr_equal(path[1], behind);
    return gm_demand_columns(path, count, 1);
}

/* The dataset that a flow's last output reads. */
static struct gleam_dataset *last_output(struct gleam_flow *flow)
{
    return flow->nodes[flow->outputs[flow->output_count - 1].node];
}

static void declarations_are_counted(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    assert_int_equal(demand(gleam_as(start(flow), "a")), 1);
    assert_int_equal(demand(gleam_as(start(flow), "a i64, b bytes?, c any")), 3);
    gleam_flow_free(flow);
}

static void verbs_of_a_format_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        uint32_t count;
    } formats[] = {{"%s\n", 1},     {"%s %5d %-3.2f %v", 4}, {"100%% of %s", 1}, {"%%", 0},
                   {"%%%s%%%d", 2}, {"no verb", 0},          {"%", 1},           {"%d%%", 1}};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        gleam_printf(start(flow), formats[i].format);
        assert_int_equal(demand(last_output(flow)), formats[i].count);
        gleam_flow_free(flow);
    }
}

static void parameters_of_a_function_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        uint32_t count;
    } functions[] = {{"function(a, b, c) return a end", 3},
                     {"function() return 1 end", 0},
                     {"function(...) return 1 end", 0},
                     {"function(a, ...) return 1 end", 0},
                     {"function(a", 0},
                     {"42", 0}};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        const struct gleam_function function = gleam_lua(functions[i].source);
        assert_int_equal(demand(gleam_map(start(flow), "f", function)), functions[i].count);
        assert_int_equal(demand(gleam_flat_map(start(flow), "f", function)), functions[i].count);
        assert_int_equal(demand(gleam_filter(start(flow), "f", function)), functions[i].count);
        gleam_flow_free(flow);
    }
}

static void steps_that_keep_the_columns_are_passed(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    const struct gleam_order order = gleam_order_by(1, true);
    struct gleam_dataset *dataset = gleam_sort(start(flow), "s", order);
    dataset = gleam_top(dataset, "t", 5, order);
    dataset = gleam_partition_by_key(dataset, "p", 3);
    dataset = gleam_filter(dataset, "f", gleam_mapper("keep"));
    dataset = gleam_filter(dataset, "f", gleam_lua("function(...) return true end"));
    assert_int_equal(demand(dataset), 0);
    assert_int_equal(demand(gleam_as(dataset, "a, b")), 2);
    gleam_flow_free(flow);
}

/* A filter may look at the first columns alone. */
static void a_filter_asks_for_its_parameters_at_least(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *dataset =
        gleam_filter(start(flow), "f", gleam_lua("function(a, b) return a < b end"));
    assert_int_equal(demand(dataset), 2);
    gleam_printf(dataset, "%s %s %s\n");
    assert_int_equal(demand(last_output(flow)), 3);

    dataset = gleam_filter(start(flow), "f", gleam_lua("function(a, b) return a < b end"));
    dataset = gleam_filter(dataset, "g", gleam_lua("function(a) return a end"));
    assert_int_equal(demand(gleam_sort(dataset, "s", gleam_order_by(1, true))), 2);

    dataset = gleam_filter(start(flow), "f", gleam_lua("function(a, b) return a < b end"));
    assert_int_equal(demand(gleam_map(dataset, "m", gleam_lua("function(a) return a end"))), 2);
    gleam_flow_free(flow);
}

static void others_ask_for_nothing(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    assert_int_equal(demand(start(flow)), 0);
    assert_int_equal(demand(gleam_map(start(flow), "one", GLEAM_APPEND_ONE)), 0);
    assert_int_equal(demand(gleam_map(start(flow), "m", gleam_mapper("keep"))), 0);
    struct gleam_dataset *reduced = gleam_reduce_by_key(start(flow), "r", GLEAM_SUM_INT64);
    gleam_printf(reduced, "%s %d\n");
    assert_int_equal(demand(last_output(flow)), 0);
    gleam_flow_free(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declarations_are_counted),
        cmocka_unit_test(verbs_of_a_format_are_counted),
        cmocka_unit_test(parameters_of_a_function_are_counted),
        cmocka_unit_test(steps_that_keep_the_columns_are_passed),
        cmocka_unit_test(a_filter_asks_for_its_parameters_at_least),
        cmocka_unit_test(others_ask_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
