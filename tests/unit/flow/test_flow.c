/* test_flow.c
 * Goal:   building never fails at once: the first mistake is kept with its file and line, later
 *         calls pass NULL on quietly, and strings and parameters are copies.
 * Method: every mistake that a call can see, one flow each.
 */
#include "engine/flow/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int row(void *argument, const struct gleam_value *values, uint32_t column_count)
{
    (void)argument;
    (void)values;
    return (int)column_count;
}

static struct gleam_dataset *numbers(struct gleam_flow *flow)
{
    return gleam_ints(flow, 0, 10);
}

static struct gleam_dataset *steps_257(struct gleam_flow *flow)
{
    struct gleam_dataset *dataset = numbers(flow);
    for (int i = 0; i < 256; i++)
        dataset = gleam_as(dataset, "n i64");
    return dataset;
}

static struct gleam_dataset *mistake(struct gleam_flow *flow, int which)
{
    static const char *const paths[] = {"a", NULL};
    static char long_name[100];
    memset(long_name, 'n', sizeof long_name - 1);
    struct gleam_dataset *dataset = NULL;
    struct gleam_flow *other;
    switch (which) {
    case 0:
        return gleam_read_texts(flow, paths, 0, 1);
    case 1:
        return gleam_read_texts(flow, paths, 2, 1);
    case 2:
        return gleam_read_text(flow, "a", GM_PARTITIONS_MAX + 1);
    case 3:
        return gleam_strings(flow, paths, 2);
    case 4:
        return gleam_map(numbers(flow), "m", gleam_mapper(NULL));
    case 5:
        return gleam_map(numbers(flow), "m", gleam_mapper(long_name));
    case 6:
        return gleam_map(numbers(flow), "m",
                         gleam_mapper_with("f", long_name, GM_PARAM_BYTES_MAX + 1));
    case 7:
        return gleam_partition_by_key(numbers(flow), "p", 0);
    case 8:
        return gleam_partition_by_key(numbers(flow), "p", GM_PARTITIONS_MAX + 1);
    case 9:
        other = gleam_flow_new("other");
        dataset = numbers(other);
        dataset = gleam_join_by_key(numbers(flow), "j", dataset);
        gleam_flow_free(other);
        return dataset;
    case 10:
        return steps_257(flow);
    case 11:
        gleam_printf(numbers(flow), NULL);
        return NULL;
    case 12:
        gleam_fprintf(numbers(flow), NULL, "%d");
        return NULL;
    case 13:
        gleam_write_formatted(numbers(flow), "", "%d");
        return NULL;
    case 14:
        gleam_output_row(numbers(flow), NULL, NULL);
        return NULL;
    default:
        return numbers(flow);
    }
}

static void first_mistake_is_kept_with_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "no path to read",       "a path to read is NULL", "more than 65536 partitions",
        "strings is NULL",       "has no name",            "longer than 63 bytes",
        "larger than 16 MiB",     "between 1 and 65536",    "between 1 and 65536",
        "different flows",       "more than 256 steps",    "the format is NULL",
        "the file to print to",  "path to write to is empty", "function for the rows is NULL"};
    for (int i = 0; i < 15; i++) {
        struct gleam_flow *flow = gleam_flow_new("f");
        assert_string_equal(gleam_flow_error(flow), "");
        struct gleam_dataset *dataset = mistake(flow, i);
        assert_null(dataset);
        assert_true(flow->broken);
        assert_int_equal(flow->error.code, GM_EJOB_FLOW);
        assert_non_null(strstr(gleam_flow_error(flow), "test_flow.c:"));
        if (strstr(gleam_flow_error(flow), texts[i]) == NULL)
            fail_msg("%d: %s", i, gleam_flow_error(flow));
        /* A later mistake doesn't hide it. */
        mistake(flow, (i + 1) % 15);
        assert_non_null(strstr(gleam_flow_error(flow), texts[i]));
        gleam_flow_free(flow);
    }
    gleam_flow_free(NULL);
}

static void null_datasets_are_passed_on(void **state)
{
    (void)state;
    const struct gleam_order order = gleam_order_by(1, true);
    assert_null(gleam_map(NULL, "m", GLEAM_TOKENIZE));
    assert_null(gleam_flat_map(NULL, "m", GLEAM_TOKENIZE));
    assert_null(gleam_reduce_by_key(NULL, "r", GLEAM_COUNT));
    assert_null(gleam_reduce_by(NULL, "r", GLEAM_COUNT, order));
    assert_null(gleam_partition_by_key(NULL, "p", 3));
    assert_null(gleam_local_sort(NULL, "s", order));
    assert_null(gleam_sort(NULL, "s", order));
    assert_null(gleam_local_top(NULL, "t", 3, order));
    assert_null(gleam_top(NULL, "t", 3, order));
    assert_null(gleam_as(NULL, "n i64"));
    gleam_printf(NULL, "%d");
    gleam_printlnf(NULL, "%d");
    gleam_fprintf(NULL, stdout, "%d");
    gleam_fprintlnf(NULL, stdout, "%d");
    gleam_write_formatted(NULL, "path", "%d");
    gleam_output_row(NULL, row, NULL);
    gleam_output_row(NULL, NULL, NULL);
}

static void strings_and_parameters_are_copies(void **state)
{
    (void)state;
    char text[] = "text", path[] = "path", name[] = "name", columns[] = "a i64", parameter[] = "pp";
    const char *const strings[] = {text, text};
    struct gleam_flow *flow = gleam_flow_new(name);
    struct gleam_dataset *source = gleam_strings(flow, strings, 2);
    struct gleam_dataset *lines = gleam_text_file(flow, path);
    struct gleam_dataset *mapped = gleam_map(source, name, gleam_mapper_with(name, parameter, 2));
    struct gleam_dataset *typed = gleam_as(mapped, columns);
    gleam_printlnf(typed, text);
    memset(text, '?', 4);
    memset(path, '?', 4);
    memset(name, '?', 4);
    memset(columns, '?', 5);
    memset(parameter, '?', 2);
    assert_string_equal(flow->name, "name");
    assert_string_equal(source->strings[1].data, "text");
    assert_int_equal(source->strings[1].bytes, 4);
    assert_string_equal(lines->paths[0], "path");
    assert_string_equal(mapped->name, "name");
    assert_string_equal(mapped->function.name, "name");
    assert_memory_equal(mapped->function.parameter, "pp", 2);
    assert_string_equal(typed->columns, "a i64");
    assert_string_equal(flow->nodes[flow->outputs[0].node]->columns, "text\n");
    gleam_flow_free(flow);
}

static void orders_grow_by_column(void **state)
{
    (void)state;
    struct gleam_order order = gleam_then_by(gleam_order_by(3, false), 1, true);
    assert_int_equal(order.count, 2);
    assert_int_equal(order.columns[0].column, 3);
    assert_false(order.columns[0].ascending);
    assert_int_equal(order.columns[1].column, 1);
    assert_true(order.columns[1].ascending);
    for (uint32_t i = 2; i < 100; i++)
        order = gleam_then_by(order, i, true);
    assert_int_equal(order.count, 100); /* the planner refuses it */
    assert_int_equal(order.columns[GLEAM_ORDER_COLUMNS_MAX - 1].column,
                     GLEAM_ORDER_COLUMNS_MAX - 1);
}

/* The end of a long path tells more than its beginning. */
static void long_place_is_cut_in_front(void **state)
{
    (void)state;
    char path[600];
    memset(path, 'd', sizeof path);
    strcpy(path + sizeof path - 8, "/flow.c");
    struct gleam_flow *flow = gleam_flow_new(NULL);
    gleam_here(path, 123456789);
    struct gleam_dataset *dataset = (gleam_ints)(flow, 0, 1);
    assert_non_null(strstr(dataset->where, "/flow.c:123456789"));
    gleam_flow_free(flow);
}

static void outputs_remember_where_rows_go(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("f");
    int argument = 0;
    gleam_printf(numbers(flow), "%d");
    gleam_fprintlnf(numbers(flow), stderr, "%d");
    gleam_write_formatted(numbers(flow), "out.txt", "%d");
    gleam_output_row(numbers(flow), row, &argument);
    assert_int_equal(flow->output_count, 4);
    assert_false(flow->broken);
    assert_ptr_equal(flow->outputs[0].stream, stdout);
    assert_ptr_equal(flow->outputs[1].stream, stderr);
    assert_int_equal(flow->outputs[2].kind, GM_OUTPUT_PATH);
    assert_string_equal(flow->outputs[2].path, "out.txt");
    assert_int_equal(flow->outputs[3].kind, GM_OUTPUT_ROW);
    assert_ptr_equal(flow->outputs[3].argument, &argument);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(flow->nodes[flow->outputs[i].node]->output, i);
    gleam_flow_free(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_mistake_is_kept_with_its_place),
        cmocka_unit_test(null_datasets_are_passed_on),
        cmocka_unit_test(strings_and_parameters_are_copies),
        cmocka_unit_test(orders_grow_by_column),
        cmocka_unit_test(long_place_is_cut_in_front),
        cmocka_unit_test(outputs_remember_where_rows_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
