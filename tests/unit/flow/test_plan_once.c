/* test_plan_once.c
 * Goal:   a listener is a source of lines, or of rows where columns are declared right behind, and
 *         has one reader; a command as output gets its format; wrong addresses are told.
 * Method: plans of small flows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

static struct gleam_flow *flow;

static struct gleam_dataset *listener(const char *address)
{
    flow = gleam_flow_new("test");
    return gleam_listen(flow, "tcp", address);
}

static void test_lines_and_rows(void **state)
{
    (void)state;
    struct gm_plan plan;
    struct gleam_dataset *lines = listener("127.0.0.1:9000");
    gleam_write_to(lines, "wc -l", GLEAM_PIPE_TSV);
    assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
    const struct gm_source *source = &plan.chains[0].source;
    assert_int_equal(source->kind, GM_SOURCE_TEXT);
    assert_true(gm_source_listens(source) && !gm_source_is_command(source));
    assert_int_equal(source->partition_count, 1);
    assert_int_equal(gm_plan_word_count(&plan), 1);
    assert_int_equal(plan.chains[0].steps[0].kind, GM_STEP_WRITE);
    assert_int_equal(plan.chains[0].steps[0].write->format, GM_WRITE_TEXT);
    assert_int_equal(flow->outputs[0].kind, GM_OUTPUT_COMMAND);
    assert_string_equal(flow->outputs[0].path, "wc -l");
    gm_plan_fini(&plan);
    gleam_flow_free(flow);

    struct gleam_dataset *rows = gleam_as(listener("[::1]:0"), "word bytes, n i64");
    gleam_write_to(gleam_where(rows, "some", 2, GLEAM_LESS, gleam_i64(5)), "cat", GLEAM_PIPE_CSV);
    assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
    source = &plan.chains[0].source;
    assert_int_equal(source->kind, GM_SOURCE_CSV);
    assert_true(gm_source_listens(source));
    assert_int_equal(source->csv->format.dialect.delimiter, '\t');
    assert_int_equal(source->schema.fields[1].kind, GLEAM_I64);
    assert_int_equal(plan.chains[0].steps[1].write->format, GM_WRITE_CSV);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

static void test_one_reader(void **state)
{
    (void)state;
    struct gleam_dataset *lines = listener("localhost:0");
    assert_refused(flow, gleam_union(lines, "both", &lines, 1), "it comes once");
}

/* The ranges of a sort come to a command one after the other. */
static void test_sorted_rows_keep_their_order(void **state)
{
    (void)state;
    struct gm_plan plan;
    for (uint32_t sorted = 0; sorted < 2; sorted++) {
        flow = gleam_flow_new("test");
        struct gleam_dataset *rows = gleam_ints(flow, 0, 100);
        gleam_write_to(sorted ? gleam_sort(rows, "sorted", gleam_order_by(1, true)) : rows, "cat",
                       GLEAM_PIPE_TSV);
        assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
        const struct gm_exchange_plan *last = &plan.exchanges[plan.exchange_count - 1];
        assert_int_equal(last->kind, GM_EXCHANGE_OUTPUT);
        assert_int_equal(last->ordered, sorted);
        gm_plan_fini(&plan);
        gleam_flow_free(flow);
    }
}

static void refused(const char *network, const char *address, const char *text)
{
    flow = gleam_flow_new("test");
    assert_null(gleam_listen(flow, network, address));
    assert_non_null(strstr(gleam_flow_error(flow), text));
    gleam_flow_free(flow);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const char *const addresses[] = {"", ":", "9000", ":9000", "a:", "a:x", "a:65536",
                                            "a:-1", "a:000001"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        refused("tcp", addresses[i], "HOST:PORT");
    refused("tcp", NULL, "HOST:PORT");
    refused("udp", "127.0.0.1:0", "must be \"tcp\"");
    refused(NULL, "127.0.0.1:0", "must be \"tcp\"");
    gleam_write_to(listener("a:1"), "", GLEAM_PIPE_TSV);
    assert_non_null(strstr(gleam_flow_error(flow), "command to write to is empty"));
    gleam_flow_free(flow);
    gleam_write_to(listener("a:1"), "cat", (enum gleam_pipe_format)17);
    assert_non_null(strstr(gleam_flow_error(flow), "no such format"));
    gleam_flow_free(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_and_rows),
        cmocka_unit_test(test_one_reader),
        cmocka_unit_test(test_sorted_rows_keep_their_order),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
