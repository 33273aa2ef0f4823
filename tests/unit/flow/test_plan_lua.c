/* test_plan_lua.c
 * Goal:   Lua functions, filters and functions of shared objects become steps with the columns that
 *         they make; what cannot be is refused with file, line, step and what to do.
 * Method: listed flows against the kinds and columns of their steps, and against the words of each
 *         refusal; what functions share, there and back through the bytes of a plan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/check.h"
#include "engine/flow/flow.h"
#include "engine/flow/plan_codec.h"
#include "engine/flow/planner.h"

GLEAM_MAPPER(keep)
{
    (void)call;
    (void)row;
    (void)column_count;
    return 1;
}

static int no_files(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    (void)path;
    (void)list;
    (void)error;
    return 0;
}

static int on_row(void *argument, const struct gleam_value *values, uint32_t column_count)
{
    (void)argument;
    (void)values;
    (void)column_count;
    return 0;
}

static struct gleam_dataset *strings(const char *name)
{
    static const char *const rows[] = {"a", "b"};
    gleam_here("flow.c", 7);
    return (gleam_strings)(gleam_flow_new(name), rows, 2);
}

/* The plan of a flow that ends here; the flow is freed. */
static struct gm_plan plan_of(struct gleam_dataset *dataset)
{
    struct gm_plan plan;
    assert_non_null(dataset);
    struct gleam_flow *flow = dataset->flow;
    if (flow->output_count == 0)
        gleam_output_row(dataset, on_row, NULL);
    if (gm_planner_make(flow, 2, no_files, &plan) != 0)
        fail_msg("%s", gleam_flow_error(flow));
    gleam_flow_free(flow);
    return plan;
}

static void assert_columns(const struct gm_schema *schema, const char *expected)
{
    char text[2000] = "";
    size_t length = 0;
    for (uint32_t c = 0; c < schema->field_count; c++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%s%s %s%s", c > 0 ? ", " : "",
                             schema->fields[c].name, gm_kind_name(schema->fields[c].kind),
                             schema->fields[c].nullable ? "?" : "");
    assert_string_equal(text, expected);
}

static void assert_first_step(struct gleam_dataset *dataset, enum gm_lua_mode mode,
                              const char *columns)
{
    struct gm_plan plan = plan_of(dataset);
    const struct gm_step *step = &plan.chains[0].steps[0];
    assert_int_equal(step->kind, GM_STEP_LUA);
    assert_int_equal(step->lua_mode, mode);
    assert_columns(&step->schema, columns);
    gm_plan_fini(&plan);
}

static void maps_have_the_columns_of_their_returns(void **state)
{
    (void)state;
    static const struct {
        const char *source, *columns;
    } maps[] = {{"function(a) return a end", "c1 any"},
                {"function(a) return a, 1, nil end", "c1 any, c2 any, c3 any"},
                {"function(a) if a then return a end return a, 2 end", "c1 any, c2 any"}};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++)
        assert_first_step((gleam_map)(strings("t"), "m", gleam_lua(maps[i].source)), GM_LUA_MAP,
                          maps[i].columns);
}

static void maps_have_the_columns_that_are_asked_for(void **state)
{
    (void)state;
    static const char source[] = "function(a) return a:byte(1, 2) end";
    struct gleam_dataset *map = (gleam_map)(strings("t"), "m", gleam_lua(source));
    assert_first_step((gleam_map)(map, "n", gleam_lua("function(x, y) return x + y end")),
                      GM_LUA_MAP, "c1 any, c2 any");
    map = (gleam_map)(strings("t"), "m", gleam_lua(source));
    (gleam_printf)(map, "%v %v %v\n");
    assert_first_step(map, GM_LUA_MAP, "c1 any, c2 any, c3 any");
    map = (gleam_flat_map)(strings("t"), "m", gleam_lua(source));
    (gleam_printf)(map, "%v %v\n");
    assert_first_step(map, GM_LUA_FLAT_MAP, "c1 any, c2 any");
    /* Rows of single values, when nothing says otherwise. */
    assert_first_step((gleam_flat_map)(strings("t"), "m", gleam_lua(source)), GM_LUA_FLAT_MAP,
                      "c1 any");
    assert_first_step((gleam_for_each)(strings("t"), "m", gleam_lua("function(a) end")),
                      GM_LUA_FOR_EACH, "c1 any");
}

static void declared_columns_are_part_of_the_step(void **state)
{
    (void)state;
    static const char source[] = "function(a) return a, 1 end";
    struct gleam_dataset *map = (gleam_map)(strings("t"), "m", gleam_lua(source));
    struct gm_plan plan = plan_of((gleam_as)(map, "word bytes?, n i64"));
    assert_int_equal(plan.chains[0].step_count, 1);
    assert_columns(&plan.chains[0].steps[0].schema, "word bytes?, n i64");
    assert_int_equal(plan.chains[0].steps[0].parameter_bytes, strlen(source));
    assert_memory_equal(plan.chains[0].steps[0].parameter, source, strlen(source));
    gm_plan_fini(&plan);
    map = (gleam_for_each)(strings("t"), "m", gleam_lua("function(a) writeRow(a) end"));
    assert_first_step((gleam_as)(map, "x f64"), GM_LUA_FOR_EACH, "x f64");
}

static void filters_keep_the_columns(void **state)
{
    (void)state;
    assert_first_step((gleam_filter)(strings("t"), "f", gleam_lua("function(a) return a end")),
                      GM_LUA_FILTER, "line bytes");
    static const struct {
        const char *library, *name;
    } filters[] = {{NULL, "keep"}, {TEST_LIBRARY, "positive"}};
    for (uint32_t i = 0; i < 2; i++) {
        const struct gleam_function function =
            i == 0 ? gleam_mapper("keep") : gleam_library_with(TEST_LIBRARY, "positive", "xy", 2);
        struct gm_plan plan = plan_of((gleam_filter)(strings("t"), "f", function));
        const struct gm_step *step = &plan.chains[0].steps[0];
        assert_int_equal(step->kind, GM_STEP_FILTER);
        assert_columns(&step->schema, "line bytes");
        assert_string_equal(step->function, filters[i].name);
        assert_int_equal(step->parameter_bytes, 2 * i);
        if (filters[i].library != NULL)
            assert_string_equal(step->library, filters[i].library);
        else
            assert_null(step->library);
        gm_plan_fini(&plan);
    }
}

static void reducers_fold_before_and_behind_the_exchange(void **state)
{
    (void)state;
    for (uint32_t library = 0; library < 2; library++) {
        struct gleam_dataset *map =
            (gleam_map)(strings("t"), "m", gleam_lua("function(a) return a, 1 end"));
        map = (gleam_as)(map, "word bytes, n i64");
        struct gm_plan plan =
            plan_of((gleam_reduce_by_key)(map, "sum",
                                          library ? gleam_library(TEST_LIBRARY, "add")
                                                  : gleam_lua("function(a, b) return a + b end")));
        const struct gm_step *combine = &plan.chains[0].steps[1];
        const struct gm_step *reduce = &plan.chains[1].steps[0];
        assert_int_equal(combine->kind, GM_STEP_COMBINE);
        assert_int_equal(reduce->kind, GM_STEP_REDUCE);
        assert_int_equal(combine->reduce, library ? GM_REDUCE_FUNCTION : GM_REDUCE_LUA);
        assert_int_equal(reduce->reduce, combine->reduce);
        assert_int_equal(combine->parameter_bytes, library ? 0 : 31);
        assert_int_equal(reduce->parameter_bytes, combine->parameter_bytes);
        assert_columns(&reduce->schema, "word bytes, n i64");
        if (library)
            assert_string_equal(reduce->library, TEST_LIBRARY);
        gm_plan_fini(&plan);
    }
}

static void plan_prints_lua_steps(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    struct gleam_dataset *map =
        (gleam_map)(strings("t"), "m", gleam_lua("function(a) return a end"));
    map = (gleam_filter)(map, "few", gleam_lua("function(a) return true end"));
    struct gm_plan plan = plan_of((gleam_filter)(map, "mine", gleam_mapper("keep")));
    FILE *file = open_memstream(&text, &bytes);
    assert_non_null(file);
    gm_plan_print(&plan, 2, file);
    fclose(file);
    assert_non_null(strstr(text, "lua 'm' (map) -> (c1 any)   # flow.c:7\n"));
    assert_non_null(strstr(text, "lua 'few' (filter) -> (c1 any)   # flow.c:7\n"));
    assert_non_null(strstr(text, "filter 'mine' with function keep"));
    free(text);
    gm_plan_fini(&plan);
}

/* ---- what is wrong -------------------------------------------------------------------------- */

static void assert_refused(struct gleam_dataset *dataset, const char *text)
{
    struct gm_plan plan;
    assert_non_null(dataset);
    struct gleam_flow *flow = dataset->flow;
    gleam_output_row(dataset, on_row, NULL);
    assert_int_equal(gm_planner_make(flow, 2, no_files, &plan), GM_EJOB_FLOW);
    assert_non_null(strstr(gleam_flow_error(flow), "flow.c:7: step 'm': "));
    if (strstr(gleam_flow_error(flow), text) == NULL)
        fail_msg("%s", gleam_flow_error(flow));
    gleam_flow_free(flow);
}

static struct gleam_dataset *map(const char *source)
{
    return (gleam_map)(strings("t"), "m", gleam_lua(source));
}

static struct gleam_dataset *filter(struct gleam_function function)
{
    return (gleam_filter)(strings("t"), "m", function);
}

static void wrong_functions_are_refused(void **state)
{
    (void)state;
    assert_refused(map("function(a) return a"), "m:1: 'end' expected near '<eof>'");
    assert_refused(map("'%s%n'"), "this source is no function");
    assert_refused(map("error('%s 100%', 0)"), "step 'm': %s 100%");
    assert_refused(map("function(a) print(a) end"), "the function of a Map returns nothing");
    assert_refused(map("function(a) return a:byte(1, 9) end"),
                   "how many columns the function returns cannot be seen from its code: declare "
                   "them with :As(\"NAME TYPE, ...\")");
    assert_refused(filter(gleam_lua("function(a) retrun a end")), "m:1:");
    assert_refused(filter(gleam_reducer("none")), "a filter takes a Lua function or a mapper");
    assert_refused(filter(GLEAM_TOKENIZE), "a filter takes a Lua function or a mapper");
    assert_refused(filter(gleam_mapper("nobody")), "no mapper 'nobody' is registered");
    assert_refused(filter(gleam_library("/nowhere.so", "f")),
                   "cannot open the shared object /nowhere.so");
    assert_refused(filter(gleam_library(TEST_LIBRARY, "nothing")), "has no symbol 'nothing'");
}

static void more_than_64_columns_are_refused(void **state)
{
    (void)state;
    char source[400];
    size_t length = (size_t)snprintf(source, sizeof source, "function(a) return a");
    for (uint32_t i = 1; i < 65; i++)
        length += (size_t)snprintf(source + length, sizeof source - length, ", a");
    snprintf(source + length, sizeof source - length, " end");
    assert_refused(map(source), "it makes more than 64 columns");
}

static void wrong_reducers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *columns, *source, *text;
    } wrong[] = {
        {"k bytes, n i64", "function(a) return a end",
         "the rows have 1 value column beside the key, so the reducer takes 2 parameters (the "
         "totals, then a row's values) and returns 1; this one takes 1"},
        {"k bytes, n i64, x f64", "function(a, b) return a + b end",
         "the rows have 2 value columns beside the key, so the reducer takes 4 parameters"},
        {"k bytes, n i64", "function(a, b) return a, b end",
         "the reducer returns 2 values, but there is 1 to fold"},
        {"k bytes, n i64, x f64", "function(a, b, c, d) return a end",
         "the reducer returns 1 value, but there are 2 to fold"},
        {"k bytes, n i64", "function(a, b) end",
         "the reducer returns 0 values, but there is 1 to fold"},
        {"k bytes, n i64", "function(a, b", "m:1:"},
        {"k bytes", "function(a, b) return a end", "every column is a key"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct gleam_dataset *rows =
            (gleam_map)(strings("t"), "rows", gleam_lua("function(...) return ... end"));
        rows = (gleam_as)(rows, wrong[i].columns);
        assert_refused((gleam_reduce_by_key)(rows, "m", gleam_lua(wrong[i].source)), wrong[i].text);
    }
    /* What cannot be seen is for the executors to say. */
    struct gleam_dataset *rows =
        (gleam_map)(strings("t"), "rows", gleam_lua("function(a) return a, 1 end"));
    struct gm_plan plan = plan_of(
        (gleam_reduce_by_key)(rows, "m", gleam_lua("function(...) return math.max(...) end")));
    gm_plan_fini(&plan);
}

/* ---- what functions share -------------------------------------------------------------------- */

static void shared_things_are_in_the_plan_and_its_bytes(void **state)
{
    (void)state;
    struct gleam_dataset *dataset = map("function(a) return a end");
    struct gleam_flow *flow = dataset->flow;
    gleam_init_lua(flow, "x = 1");
    gleam_init_lua(flow, "y = 2");
    assert_int_equal(gleam_broadcast_bytes(flow, "a\0b", 3), 0);
    assert_int_equal(gleam_broadcast_bytes(flow, "", 0), 1);
    struct gm_plan plan = plan_of(dataset), back;
    struct gm_error error = {0};
    uint8_t *data;
    size_t bytes;
    assert_int_equal(gm_plan_encode(&plan, &data, &bytes), 0);
    if (gm_plan_decode(data, bytes, &back, &error) != 0)
        fail_msg("%s", error.text);
    const struct gm_plan *plans[] = {&plan, &back};
    for (uint32_t i = 0; i < 2; i++) {
        assert_string_equal(plans[i]->scopes[0].lua_init, "x = 1\ny = 2\n");
        assert_int_equal(plans[i]->scopes[0].broadcast_count, 2);
        assert_int_equal(plans[i]->scopes[0].broadcasts[0].bytes, 3);
        assert_memory_equal(plans[i]->scopes[0].broadcasts[0].data, "a\0b", 3);
        assert_int_equal(plans[i]->scopes[0].broadcasts[1].bytes, 0);
        assert_int_equal(plans[i]->chains[0].steps[0].lua_mode, GM_LUA_MAP);
    }
    free(data);
    gm_plan_fini(&plan);
    gm_plan_fini(&back);
}

static void too_many_broadcasts_are_a_mistake(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("t");
    for (uint32_t i = 0; i < GM_BROADCASTS_MAX; i++)
        assert_int_equal(gleam_broadcast_bytes(flow, "x", 1), i);
    assert_int_equal(gleam_broadcast_bytes(flow, "x", 1), UINT32_MAX);
    assert_non_null(strstr(gleam_flow_error(flow), "at most 64 broadcast values"));
    gleam_flow_free(flow);
    flow = gleam_flow_new("t");
    assert_int_equal(gleam_broadcast_bytes(flow, "x", GM_BROADCAST_BYTES_MAX + 1), UINT32_MAX);
    assert_non_null(strstr(gleam_flow_error(flow), "at most 64 MiB"));
    gleam_flow_free(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_have_the_columns_of_their_returns),
        cmocka_unit_test(maps_have_the_columns_that_are_asked_for),
        cmocka_unit_test(declared_columns_are_part_of_the_step),
        cmocka_unit_test(filters_keep_the_columns),
        cmocka_unit_test(reducers_fold_before_and_behind_the_exchange),
        cmocka_unit_test(plan_prints_lua_steps),
        cmocka_unit_test(wrong_functions_are_refused),
        cmocka_unit_test(more_than_64_columns_are_refused),
        cmocka_unit_test(wrong_reducers_are_refused),
        cmocka_unit_test(shared_things_are_in_the_plan_and_its_bytes),
        cmocka_unit_test(too_many_broadcasts_are_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
