/* test_demand.c
 * Goal:   the steps behind a pipe say how many columns it makes, and only those that say it.
 * Method: listed flows.
 */
#define GLEAM_NO_PLACES
#include "engine/flow/demand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What is asked of the dataset in front of `last`, the end of a path of one source on. */
static uint32_t demand_of(const struct gleam_dataset *of, struct gleam_flow *flow)
{
    struct gleam_dataset *path[GM_STEPS_MAX];
    uint32_t at = GM_STEPS_MAX;
    for (struct gleam_dataset *node = flow->nodes[flow->node_count - 1]; node != NULL;
         node = node->input)
        path[--at] = node;
    const uint32_t count = GM_STEPS_MAX - at;
    for (uint32_t i = 0; i < count; i++)
        if (path[at + i] == of)
            return gm_demand_columns(path + at, count, i);
    fail_msg("it is not in the path");
    return 0;
}

static struct gleam_dataset *begin(struct gleam_flow **ret_flow)
{
    *ret_flow = gleam_flow_new("demand");
    return gleam_pipe(gleam_ints(*ret_flow, 0, 9), "through", "cat");
}

static void formats_and_declarations_say_it(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        uint32_t count;
    } formats[] = {{"%s\n", 1}, {"%%%s%%%%%5.2f\n", 2}, {"no verb", 0}, {"%v%v%v", 3}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct gleam_flow *flow;
        struct gleam_dataset *pipe = begin(&flow);
        struct gleam_dataset *data = gleam_sort(pipe, "sort", gleam_order_by(1, true));
        data = gleam_partition_by_key(data, "spread", 3);
        data = gleam_local_top(gleam_local_sort(data, "", gleam_order_by(1, true)), "", 3,
                               gleam_order_by(1, true));
        gleam_printf(data, formats[i].format);
        assert_int_equal(demand_of(pipe, flow), formats[i].count);
        gleam_flow_free(flow);
    }
    struct gleam_flow *flow;
    struct gleam_dataset *pipe = begin(&flow);
    gleam_printf(gleam_as(gleam_top(pipe, "", 1, gleam_order_by(1, true)), "a i64, b any, c f64"),
                 "%v");
    assert_int_equal(demand_of(pipe, flow), 3);
    gleam_flow_free(flow);
}

static int take_row(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    (void)argument;
    (void)row;
    (void)column_count;
    return 0;
}

static void other_steps_say_nothing(void **state)
{
    (void)state;
    struct gleam_flow *flow;
    struct gleam_dataset *pipe = begin(&flow);
    gleam_printf(gleam_reduce_by_key(pipe, "sum", GLEAM_COUNT), "%v %v");
    assert_int_equal(demand_of(pipe, flow), 0);
    gleam_flow_free(flow);
    pipe = begin(&flow);
    gleam_printf(gleam_pipe_raw(pipe, "next", "cat", NULL), "%v %v");
    assert_int_equal(demand_of(pipe, flow), 0);
    gleam_flow_free(flow);
    pipe = begin(&flow);
    gleam_output_row(pipe, take_row, NULL);
    assert_int_equal(demand_of(pipe, flow), 0);
    gleam_flow_free(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_and_declarations_say_it),
        cmocka_unit_test(other_steps_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
