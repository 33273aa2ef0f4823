/* test_pipe.c
 * Goal:   pipes become the right steps: fused where they are adjacent and alike, with columns from
 *         what is declared, wanted or went in; wrong options and columns are refused.
 * Method: listed flows against golden plans and words of refusals; files are made up.
 */
#define GLEAM_NO_PLACES
#include "engine/flow/pipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/flow/planner.h"

static int list_files(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    (void)error;
    list->files = realloc(list->files, (list->count + 1) * sizeof *list->files);
    assert_non_null(list->files);
    list->files[list->count++] = (struct gm_file){.path = strdup(path), .bytes = 90u << 20};
    return 0;
}

static struct gleam_flow *new_flow(void)
{
    gleam_here("p.c", 1);
    return gleam_flow_new("test");
}

/* The plan's text holds each of the words, up to NULL. */
static void expect_plan(struct gleam_flow *flow, const char *const *words)
{
    struct gm_plan plan;
    char *text = NULL;
    size_t bytes = 0;
    if (gm_planner_make(flow, 2, list_files, &plan) != 0)
        fail_msg("%s", gleam_flow_error(flow));
    FILE *file = open_memstream(&text, &bytes);
    assert_non_null(file);
    gm_plan_print(&plan, 2, file);
    fclose(file);
    for (; *words != NULL; words++)
        if (strstr(text, *words) == NULL)
            fail_msg("'%s' is not in:\n%s", *words, text);
    free(text);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

#define EXPECT_PLAN(flow, ...) expect_plan(flow, (const char *const[]){__VA_ARGS__, NULL})

static void expect_refusal(struct gleam_flow *flow, const char *words)
{
    struct gm_plan plan;
    assert_int_equal(gm_planner_make(flow, 2, list_files, &plan), GM_EJOB_FLOW);
    if (strstr(gleam_flow_error(flow), words) == NULL)
        fail_msg("'%s' is not in: %s", words, gleam_flow_error(flow));
    assert_non_null(strstr(gleam_flow_error(flow), "p.c:1"));
    gleam_flow_free(flow);
}

static void adjacent_pipes_are_one_step(void **state)
{
    (void)state;
    struct gleam_flow *flow = new_flow();
    struct gleam_dataset *data = gleam_text_file(flow, "big.txt");
    data = gleam_pipe(gleam_pipe(data, "up", "tr a-z A-Z"), "sorted", "sort");
    gleam_printf(data, "%s\n");
    /* The number of partitions shows, lines go in as blocks and come out as text. */
    EXPECT_PLAN(flow, "90.0 MiB, 2 partitions", "big.txt in blocks",
                "  pipe 'up' through tr a-z A-Z | sort, printed -> (text bytes)   # p.c:1\n"
                "  => exchange 0: gather to output 0 in the driver\n");
}

static void pipes_that_differ_are_steps_of_their_own(void **state)
{
    (void)state;
    const struct gleam_pipe_options escape = {.escape = true};
    const struct gleam_pipe_options csv = {.format = GLEAM_PIPE_CSV};
    struct gleam_flow *flow = new_flow();
    struct gleam_dataset *data = gleam_ints(flow, 0, 9);
    data = gleam_pipe(data, "a", "one");
    data = gleam_pipe_with(data, "b", "two", &escape);
    data = gleam_pipe_raw(data, "c", "three", &csv);
    data = gleam_pipe_raw(data, "d", "four", &csv);
    gleam_printf(data, "%s %s\n");
    EXPECT_PLAN(flow, "pipe 'a' through one -> (n bytes)", "pipe 'b' through two, escaped -> (n ",
                "pipe 'c' through three as csv -> (n bytes)",
                "pipe 'd' through four as csv -> (column1 bytes, column2 bytes)");
}

static void declaration_between_pipes_parts_them(void **state)
{
    (void)state;
    struct gleam_flow *flow = new_flow();
    struct gleam_dataset *data = gleam_pipe(gleam_ints(flow, 0, 9), "a", "one");
    data = gleam_as(data, "x i64, y bytes");
    data = gleam_pipe(data, "b", "two");
    gleam_printf(gleam_sort(data, "s", gleam_order_by(1, true)), "%s %s %s\n");
    EXPECT_PLAN(flow, "pipe 'a' through one -> (x i64, y bytes)",
                "pipe 'b' through two -> (column1 bytes, column2 bytes, column3 bytes)",
                "sort 's'");
}

static void chains_of_more_than_32_are_parted(void **state)
{
    (void)state;
    struct gm_plan plan;
    struct gleam_flow *flow = new_flow();
    struct gleam_dataset *data = gleam_ints(flow, 0, 9);
    for (uint32_t i = 0; i < GM_PIPE_COMMANDS_MAX + 1; i++)
        data = gleam_pipe(data, "", "cat");
    gleam_printf(data, "%s\n");
    assert_int_equal(gm_planner_make(flow, 2, list_files, &plan), 0);
    assert_int_equal(plan.chains[0].step_count, 2);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

static void args_run_by_the_row(void **state)
{
    (void)state;
    const struct gleam_pipe_options three = {.parallel = 3};
    struct gleam_flow *flow = new_flow();
    struct gleam_dataset *data = gleam_text_file(flow, "big.txt");
    data = gleam_pipe_as_args(data, "", "echo $1");
    data = gleam_pipe_as_args_with(data, "b", "echo $1", &three);
    gleam_printf(data, "%s\n");
    EXPECT_PLAN(flow, "90.0 MiB, 90 partitions", /* fine ones: they do not show */
                "  pipe as args through echo $1, 8 rows at a time -> (line bytes)",
                "  pipe as args 'b' through echo $1, 3 rows at a time -> (line bytes)",
                "  format 'print'");
}

static void columns_that_may_be_null_are_those_that_can_say_it(void **state)
{
    (void)state;
    struct gm_plan plan;
    for (uint32_t format = 0; format < 4; format++) {
        const struct gleam_pipe_options options = {.format = (enum gleam_pipe_format)(format % 3),
                                                   .escape = format == 3};
        struct gleam_flow *flow = new_flow();
        struct gleam_dataset *data =
            gleam_pipe_raw(gleam_ints(flow, 0, 9), "", "cat", &options);
        gleam_printf(gleam_as(data, "x i64, y bytes"), "%v%v\n");
        assert_int_equal(gm_planner_make(flow, 2, list_files, &plan), 0);
        const struct gm_schema *schema = &plan.chains[0].steps[0].schema;
        assert_int_equal(schema->fields[0].nullable, format != 0);
        assert_int_equal(schema->fields[1].nullable, format >= 2);
        gm_plan_fini(&plan);
        gleam_flow_free(flow);
    }
}

static void wrong_pipes_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct gleam_pipe_options options;
        int call; /* 0 pipe, 1 as args, 2 raw */
        const char *code, *words;
    } wrong[] = {
        {{0}, 0, " \n", "the command of this pipe is empty"},
        {{0}, 0, NULL, "the command of this pipe is empty"},
        {{.format = GLEAM_PIPE_CSV}, 0, "cat", "is for gleam_pipe_raw"},
        {{.format = (enum gleam_pipe_format)9}, 2, "cat", "tsv, csv, jsonl or lines"},
        {{.escape = true}, 1, "cat", "the option escape is for rows as tsv"},
        {{.escape = true, .format = GLEAM_PIPE_CSV}, 2, "cat", "the option escape is for"},
        {{.parallel = 2}, 0, "cat", "the option parallel is for gleam_pipe_as_args"},
        {{.parallel = 257}, 1, "cat", "at most 256"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct gleam_flow *flow = new_flow();
        struct gleam_dataset *data = gleam_ints(flow, 0, 9);
        const struct gleam_pipe_options *options = &wrong[i].options;
        if (wrong[i].call == 0)
            data = gleam_pipe_with(data, "p", wrong[i].code, options);
        else if (wrong[i].call == 1)
            data = gleam_pipe_as_args_with(data, "p", wrong[i].code, options);
        else
            data = gleam_pipe_raw(data, "p", wrong[i].code, options);
        assert_null(data);
        expect_refusal(flow, wrong[i].words);
    }
    assert_null(gleam_pipe(NULL, "p", "cat"));
}

static void wrong_columns_are_refused(void **state)
{
    (void)state;
    const struct gleam_pipe_options lines = {.format = GLEAM_PIPE_LINES};
    const struct gleam_pipe_options jsonl = {.format = GLEAM_PIPE_JSONL};
    struct gleam_flow *flow = new_flow();
    gleam_printf(gleam_pipe_raw(gleam_ints(flow, 0, 9), "p", "cat", &lines), "%s\n");
    expect_refusal(flow, "step 'p': the format lines takes and makes one bytes column");

    flow = new_flow();
    gleam_printf(gleam_pipe_raw(gleam_ints(flow, 0, 9), "p", "cat", &jsonl), "%s%s\n");
    expect_refusal(flow, "2 columns are wanted behind it, but 1 go in");

    flow = new_flow();
    gleam_printf(gleam_as(gleam_pipe(gleam_ints(flow, 0, 9), "p", "cat"), "x"), "%s\n");
    expect_refusal(flow, "columns are declared as");

    flow = new_flow();
    char format[200] = "";
    for (int i = 0; i < 65; i++)
        strcat(format, "%v");
    gleam_printf(gleam_pipe(gleam_ints(flow, 0, 9), "p", "cat"), format);
    expect_refusal(flow, "more than 64 columns are wanted");

    flow = new_flow();
    gleam_printf(gleam_pipe(gleam_ints(flow, 0, 9), "p", "cat"), "%d\n");
    expect_refusal(flow, "it is bytes");

    flow = new_flow();
    char *code = malloc(GM_PARAM_BYTES_MAX);
    assert_non_null(code);
    memset(code, 'x', GM_PARAM_BYTES_MAX / 2 - 1);
    code[GM_PARAM_BYTES_MAX / 2 - 1] = '\0';
    struct gleam_dataset *data = gleam_ints(flow, 0, 9);
    for (int i = 0; i < 3; i++)
        data = gleam_pipe(data, "p", code);
    gleam_printf(data, "%s\n");
    expect_refusal(flow, "longer than 1 MiB together");
    memset(code, 'x', GM_PARAM_BYTES_MAX / 2 + 1);
    code[GM_PARAM_BYTES_MAX / 2 + 1] = '\0';
    flow = new_flow();
    assert_null(gleam_pipe(gleam_ints(flow, 0, 9), "p", code));
    expect_refusal(flow, "longer than 512 KiB");
    free(code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adjacent_pipes_are_one_step),
        cmocka_unit_test(pipes_that_differ_are_steps_of_their_own),
        cmocka_unit_test(declaration_between_pipes_parts_them),
        cmocka_unit_test(chains_of_more_than_32_are_parted),
        cmocka_unit_test(args_run_by_the_row),
        cmocka_unit_test(columns_that_may_be_null_are_those_that_can_say_it),
        cmocka_unit_test(wrong_pipes_are_refused),
        cmocka_unit_test(wrong_columns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
