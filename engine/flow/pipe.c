/* pipe.c - gleam_pipe and its relatives, and what the planner makes of them. */
#define GLEAM_NO_PLACES
#include "engine/flow/pipe.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/demand.h"

/* ---- building -------------------------------------------------------------------------------- */

static struct gleam_dataset *add_pipe(struct gleam_dataset *dataset, enum gm_pipe_mode mode,
                                      const char *step, const char *code,
                                      const struct gleam_pipe_options *options)
{
    static const char *const names[] = {
        [GM_PIPE_ROWS] = "pipe", [GM_PIPE_ARGS] = "pipe as args", [GM_PIPE_RAW] = "pipe raw"};
    struct gleam_dataset *node = gm_flow_add_step(dataset, GM_NODE_PIPE, step, names[mode]);
    if (node == NULL)
        return NULL;
    struct gleam_flow *flow = node->flow;
    if (code == NULL || code[strspn(code, " \t\n")] == '\0')
        return gm_flow_mistake(flow, "the command of this pipe is empty");
    if (strlen(code) > GM_PARAM_BYTES_MAX / 2)
        return gm_flow_mistake(flow, "the command of this pipe is longer than 512 KiB");
    if (options->format > GLEAM_PIPE_LINES)
        return gm_flow_mistake(flow, "the format of a pipe is tsv, csv, jsonl or lines");
    if (mode != GM_PIPE_RAW && options->format != GLEAM_PIPE_TSV)
        return gm_flow_mistake(flow, "another format than tsv is for gleam_pipe_raw");
    if (options->escape && (mode == GM_PIPE_ARGS || options->format != GLEAM_PIPE_TSV))
        return gm_flow_mistake(flow, "the option escape is for rows as tsv; csv and jsonl have "
                                     "quoting of their own, arguments need none");
    if (mode != GM_PIPE_ARGS && options->parallel != 0)
        return gm_flow_mistake(flow, "the option parallel is for gleam_pipe_as_args; other pipes "
                                     "run one command per partition");
    if (options->parallel > GM_PIPE_PARALLEL_MAX)
        return gm_flow_mistake(flow, "the option parallel is at most 256");
    node->columns = strdup(code);
    GM_CHECK(node->columns != NULL);
    node->pipe_mode = mode;
    node->pipe = *options;
    return node;
}

struct gleam_dataset *gleam_pipe(struct gleam_dataset *dataset, const char *step, const char *code)
{
    return gleam_pipe_with(dataset, step, code, NULL);
}

struct gleam_dataset *gleam_pipe_with(struct gleam_dataset *dataset, const char *step,
                                      const char *code, const struct gleam_pipe_options *options)
{
    const struct gleam_pipe_options none = {0};
    return add_pipe(dataset, GM_PIPE_ROWS, step, code, options != NULL ? options : &none);
}

struct gleam_dataset *gleam_pipe_as_args(struct gleam_dataset *dataset, const char *step,
                                         const char *code)
{
    return gleam_pipe_as_args_with(dataset, step, code, NULL);
}

struct gleam_dataset *gleam_pipe_as_args_with(struct gleam_dataset *dataset, const char *step,
                                              const char *code,
                                              const struct gleam_pipe_options *options)
{
    const struct gleam_pipe_options none = {0};
    return add_pipe(dataset, GM_PIPE_ARGS, step, code, options != NULL ? options : &none);
}

struct gleam_dataset *gleam_pipe_raw(struct gleam_dataset *dataset, const char *step,
                                     const char *code, const struct gleam_pipe_options *options)
{
    const struct gleam_pipe_options none = {0};
    return add_pipe(dataset, GM_PIPE_RAW, step, code, options != NULL ? options : &none);
}

/* ---- planning -------------------------------------------------------------------------------- */

uint32_t gm_pipe_run_end(struct gleam_dataset *const *path, uint32_t count, uint32_t index)
{
    uint32_t last = index;
    /* What the one writes, the other reads: they must agree on the escaping. */
    while (path[index]->pipe_mode == GM_PIPE_ROWS && last + 1 < count &&
           path[last + 1]->kind == GM_NODE_PIPE && path[last + 1]->pipe_mode == GM_PIPE_ROWS &&
           path[last + 1]->pipe.escape == path[index]->pipe.escape &&
           last + 1 - index < GM_PIPE_COMMANDS_MAX)
        last++;
    return last;
}

static int default_columns(const struct gm_pipe_spec *spec, uint32_t demand,
                           const struct gm_schema *input, struct gm_schema *schema,
                           struct gm_error *why)
{
    uint32_t columns = demand > 0 ? demand : input->field_count;
    if (spec->format == GLEAM_PIPE_LINES)
        columns = 1;
    if (spec->format == GLEAM_PIPE_JSONL && columns != input->field_count)
        return gm_error_set(why, GM_EJOB_FLOW,
                            "%u columns are wanted behind it, but %u go in: say the names of its "
                            "objects' members, with gleam_as(..., \"NAME TYPE, ...\") right "
                            "behind it",
                            columns, input->field_count);
    if (columns > GM_FIELDS_MAX)
        return gm_error_set(why, GM_EJOB_FLOW, "more than %u columns are wanted behind it",
                            GM_FIELDS_MAX);
    for (uint32_t i = 0; i < columns; i++) {
        char name[GM_FIELD_NAME_BYTES_MAX];
        /* The columns keep their names where there are as many. */
        if (columns == input->field_count)
            snprintf(name, sizeof name, "%s", input->fields[i].name);
        else
            snprintf(name, sizeof name, columns == 1 ? "line" : "column%u", i + 1);
        gm_schema_add(schema, name, GLEAM_BYTES, false);
    }
    return 0;
}

/* Which columns may hold null: where the text can say it. */
static void mark_nullable(const struct gm_pipe_spec *spec, struct gm_schema *schema)
{
    for (uint32_t i = 0; i < schema->field_count; i++) {
        struct gm_field *field = &schema->fields[i];
        if (field->kind != GLEAM_ANY)
            field->nullable = spec->escape || spec->format == GLEAM_PIPE_JSONL ||
                              (spec->format == GLEAM_PIPE_CSV && field->kind != GLEAM_BYTES);
    }
}

static bool one_bytes_column(const struct gm_schema *schema)
{
    return schema->field_count == 1 && schema->fields[0].kind == GLEAM_BYTES;
}

int gm_pipe_work_out(struct gleam_dataset *const *path, uint32_t count, uint32_t first,
                     uint32_t last, const struct gm_schema *declared,
                     const struct gm_schema *input, struct gm_pipe_spec *ret_spec,
                     struct gm_schema *ret_schema, struct gm_error *why)
{
    const struct gleam_dataset *node = path[first];
    struct gm_pipe_spec spec = {.format = (uint8_t)node->pipe.format,
                                .escape = node->pipe.escape,
                                .parallel = node->pipe.parallel > 0 ? node->pipe.parallel
                                                                    : GM_PIPE_PARALLEL_DEFAULT};
    for (uint32_t i = first; i <= last; i++)
        spec.commands[spec.command_count++] = (struct gm_pipe_command){
            .code = path[i]->columns, .name = path[i]->name, .where = path[i]->where};
    struct gm_schema schema = {0};
    int rc = 0;
    if (declared != NULL)
        schema = *declared;
    else
        rc = default_columns(&spec, gm_demand_columns(path, count, last), input, &schema,
                             why);
    if (rc < 0)
        return rc;
    if (spec.format == GLEAM_PIPE_LINES && !(one_bytes_column(input) && one_bytes_column(&schema)))
        return gm_error_set(why, GM_EJOB_FLOW,
                            "the format lines takes and makes one bytes column: use tsv for more");
    mark_nullable(&spec, &schema);
    *ret_spec = spec;
    *ret_schema = schema;
    return 0;
}

bool gm_pipe_prints(struct gm_step *step, const char *format)
{
    struct gm_pipe_spec spec;
    if (step->kind != GM_STEP_PIPE || strcmp(format, "%s\n") != 0 ||
        !one_bytes_column(&step->schema) ||
        gm_pipe_spec_decode(step->parameter, step->parameter_bytes, &spec) < 0 ||
        !gm_pipe_spec_plain(&spec))
        return false;
    spec.texts_out = true;
    /* The spec's texts lie in the old parameter, which encode frees when it has the new one. */
    return gm_pipe_spec_encode(&spec, step) == 0;
}
