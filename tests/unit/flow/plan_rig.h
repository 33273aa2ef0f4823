/* plan_rig.h - flows against golden plans and refusals; for the tests of the planner's families of
 * steps.  Included behind cmocka.h. */
#ifndef GM_TESTS_PLAN_RIG_H
#define GM_TESTS_PLAN_RIG_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/flow/planner.h"

static int plan_rig_row(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    (void)argument;
    (void)row;
    return (int)column_count;
}

/* Every path is a file of 3 MB. */
static int plan_rig_files(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    (void)error;
    list->files = realloc(list->files, (list->count + 1) * sizeof *list->files);
    assert_non_null(list->files);
    list->files[list->count++] = (struct gm_file){.path = strdup(path), .bytes = 3000000};
    return 0;
}

/* The plan up to the dataset, as text for 2 executors, which the caller frees; frees the flow. */
static inline char *plan_text(struct gleam_dataset *dataset)
{
    struct gm_plan plan;
    char *text = NULL;
    size_t bytes = 0;
    struct gleam_flow *flow = dataset->flow;
    (gleam_output_row)(dataset, plan_rig_row, NULL);
    if (gm_planner_make(flow, 2, plan_rig_files, &plan) != 0)
        fail_msg("%s", gleam_flow_error(flow));
    FILE *file = open_memstream(&text, &bytes);
    assert_non_null(file);
    gm_plan_print(&plan, 2, file);
    fclose(file);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
    return text;
}

/* The same, compared with what it should be. */
static inline void assert_plan(struct gleam_dataset *dataset, const char *expected)
{
    char *text = plan_text(dataset);
    assert_string_equal(text, expected);
    free(text);
}

/* Planning fails with a place and these words; frees the flow. */
static inline void assert_refused(struct gleam_flow *flow, struct gleam_dataset *dataset,
                                  const char *text)
{
    struct gm_plan plan;
    (gleam_output_row)(dataset, plan_rig_row, NULL);
    assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), GM_EJOB_FLOW);
    const char *error = gleam_flow_error(flow);
    if (strstr(error, text) == NULL || strstr(error, ".c:") == NULL)
        fail_msg("expected: %s, got: %s", text, error);
    gleam_flow_free(flow);
}

/* Rows with these columns. */
static inline struct gleam_dataset *rows_with(struct gleam_flow *flow, const char *columns)
{
    struct gleam_dataset *rows = (gleam_read_text)(flow, "rows.txt", 3);
    return (gleam_as)((gleam_map)(rows, "parse", gleam_mapper("parse")), columns);
}

GLEAM_MAPPER(parse)
{
    return gleam_emit(call, row, column_count);
}

#endif
