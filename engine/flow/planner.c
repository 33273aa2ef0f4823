/* planner.c - walks each output's datasets from the source on, and grows the chains. */
#include "engine/flow/planner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/pipe.h"
#include "engine/flow/plan_csv.h"
#include "engine/flow/plan_write.h"
#include "engine/flow/planner_internal.h"
#include "engine/flow/splits.h"
#include "engine/sink/format.h"
#include "engine/udf/library.h"
#include "engine/udf/registry.h"

int gm_planner_refuse(struct planner *planner, const struct gleam_dataset *node, const char *text)
{
    return gm_error_set(planner->error, GM_EJOB_FLOW, "%s: step '%s': %s", node->where, node->name,
                        text);
}

/* Tables are small and grow by one; allocation failure of a few KiB ends the program. */
struct gm_chain_plan *gm_planner_add_chain(struct planner *planner)
{
    struct gm_plan *plan = &planner->plan;
    plan->chains = realloc(plan->chains, (plan->chain_count + 1) * sizeof *plan->chains);
    GM_CHECK(plan->chains != NULL);
    planner->chain = &plan->chains[plan->chain_count];
    *planner->chain = (struct gm_chain_plan){
        .claim = plan->chain_count,
        .scope = plan->scope_count > 0 ? plan->scope_count - 1 : 0};
    plan->chain_count++;
    return planner->chain;
}

struct gm_step *gm_planner_add_step(struct planner *planner, enum gm_step_kind kind,
                                    const struct gleam_dataset *node)
{
    struct gm_chain_plan *chain = planner->chain;
    chain->steps = realloc(chain->steps, (chain->step_count + 1) * sizeof *chain->steps);
    GM_CHECK(chain->steps != NULL);
    struct gm_step *step = &chain->steps[chain->step_count++];
    *step = (struct gm_step){.kind = kind};
    snprintf(step->name, sizeof step->name, "%s", node->name);
    snprintf(step->where, sizeof step->where, "%s", node->where);
    step->schema = planner->schema;
    return step;
}

int gm_planner_end_chain(struct planner *planner, const struct gleam_dataset *node,
                         struct gm_exchange_plan exchange)
{
    struct gm_plan *plan = &planner->plan;
    if (plan->exchange_count == GM_EXCHANGES_MAX)
        return refuse(planner, node, "the flow needs more than 64 exchanges; split it");
    exchange.schema = planner->schema;
    plan->exchanges =
        realloc(plan->exchanges, (plan->exchange_count + 1) * sizeof *plan->exchanges);
    GM_CHECK(plan->exchanges != NULL);
    plan->exchanges[plan->exchange_count] = exchange;
    planner->chain->exchange = plan->exchange_count++;
    return 0;
}

void gm_planner_begin_chain(struct planner *planner, const uint32_t *exchanges, uint32_t count)
{
    const struct gm_plan *plan = &planner->plan;
    struct gm_source *source = &add_chain(planner)->source;
    source->kind = GM_SOURCE_EXCHANGE;
    source->inputs = calloc(count, sizeof *source->inputs);
    GM_CHECK(source->inputs != NULL);
    source->input_count = count;
    for (uint32_t i = 0; i < count; i++) {
        source->inputs[i].exchange = exchanges[i];
        source->inputs[i].schema = plan->exchanges[exchanges[i]].schema;
    }
    source->schema = source->inputs[0].schema;
    source->partition_count = plan->exchanges[exchanges[0]].partition_count;
    snprintf(source->name, sizeof source->name, "exchange %u", exchanges[0]);
    planner->schema = source->schema;
    planner->partition_count = source->partition_count;
    planner->ranges = count == 1 && plan->exchanges[exchanges[0]].kind == GM_EXCHANGE_RANGE;
    if (count == 1)
        gm_planner_place(planner, &plan->exchanges[exchanges[0]]);
    else
        gm_planner_place_nowhere(planner);
}

int gm_planner_cut(struct planner *planner, const struct gleam_dataset *node,
                   struct gm_exchange_plan exchange)
{
    int rc = gm_planner_end_chain(planner, node, exchange);
    if (rc < 0 || exchange.kind == GM_EXCHANGE_OUTPUT)
        return rc;
    const uint32_t index = planner->chain->exchange;
    gm_planner_begin_chain(planner, &index, 1);
    return 0;
}

/* Pipes from path[*index] on that become one step, with the declaration behind them; *index moves
 * to the last node that was used. */
static int plan_pipe(struct planner *planner, struct gleam_dataset *const *path, uint32_t count,
                     uint32_t *index)
{
    const struct gleam_dataset *node = path[*index];
    const uint32_t last = gm_pipe_run_end(path, count, *index);
    const bool has_as = last + 1 < count && path[last + 1]->kind == GM_NODE_AS;
    struct gm_schema declared, schema;
    struct gm_pipe_spec spec;
    struct gm_error why = {0};
    int rc = has_as ? gm_planner_parse_columns(planner, path[last + 1], &declared) : 0;
    if (rc < 0)
        return rc;
    rc = gm_pipe_work_out(path, count, *index, last, has_as ? &declared : NULL, &planner->schema,
                          &spec, &schema, &why);
    if (rc < 0)
        return refuse(planner, node, why.text);
    struct gm_source *source = &planner->chain->source;
    if (node->pipe_mode != GM_PIPE_ARGS && planner->chain->step_count == 0 &&
        source->kind == GM_SOURCE_TEXT && !source->tokenize && source->record_bytes == 0 &&
        gm_pipe_spec_plain(&spec))
        source->blocks = spec.blocks_in = true;
    planner->schema = schema;
    struct gm_step *step = add_step(
        planner, node->pipe_mode == GM_PIPE_ARGS ? GM_STEP_PIPE_ARGS : GM_STEP_PIPE, node);
    if (gm_pipe_spec_encode(&spec, step) < 0)
        return refuse(planner, node, "its commands are longer than 1 MiB together");
    *index = last + has_as;
    return 0;
}

void gm_planner_copy_function(struct gm_step *step, const struct gleam_dataset *node)
{
    snprintf(step->function, sizeof step->function, "%s", node->function.name);
    if (node->function.library != NULL) {
        step->library = strdup(node->function.library);
        GM_CHECK(step->library != NULL);
    }
    if (node->function.parameter_length == 0)
        return;
    step->parameter = malloc(node->function.parameter_length);
    GM_CHECK(step->parameter != NULL);
    memcpy(step->parameter, node->function.parameter, node->function.parameter_length);
    step->parameter_bytes = (uint32_t)node->function.parameter_length;
}

static int plan_tokenize(struct planner *planner, const struct gleam_dataset *node)
{
    if (planner->schema.field_count != 1 || planner->schema.fields[0].kind != GLEAM_BYTES)
        return refuse(planner, node, "tokenize reads rows of one bytes column");
    struct gm_source *source = &planner->chain->source;
    snprintf(planner->schema.fields[0].name, GM_FIELD_NAME_BYTES_MAX, "word");
    planner->schema.fields[0].nullable = false;
    /* Line ends are no letters, so the words of a block are the words of its lines. */
    if (planner->chain->step_count == 0 && source->kind == GM_SOURCE_TEXT && !source->tokenize &&
        source->record_bytes == 0) {
        source->tokenize = true;
        source->schema = planner->schema;
        snprintf(source->tokenize_name, sizeof source->tokenize_name, "%s", node->name);
        return 0;
    }
    add_step(planner, GM_STEP_TOKENIZE, node);
    return 0;
}

static int plan_mapper(struct planner *planner, const struct gleam_dataset *node,
                       const struct gleam_dataset *as)
{
    struct gm_error error = {0};
    gleam_map_fn *found;
    if (gm_library_mapper(node->function.library, node->function.name, &found, &error) < 0)
        return refuse(planner, node, error.text);
    if (as == NULL)
        return refuse(planner, node,
                      "say which columns this mapper emits, with gleam_as(..., \"NAME TYPE, "
                      "...\") right behind it");
    int rc = gm_planner_parse_columns(planner, as, &planner->schema);
    if (rc < 0)
        return rc;
    copy_function(add_step(planner, GM_STEP_MAPPER, node), node);
    return 0;
}

/* *used_as: the declaration behind a mapper is part of it. */
static int plan_map(struct planner *planner, const struct gleam_dataset *node,
                    const struct gleam_dataset *next, bool *used_as)
{
    const struct gleam_function *function = &node->function;
    if (function->kind != GM_FUNCTION_KERNEL || strcmp(function->name, "append_one") != 0)
        gm_planner_place_nowhere(planner);
    if (function->kind == GM_FUNCTION_LUA)
        return gm_planner_lua_map(planner, node, next, used_as);
    if (function->kind == GM_FUNCTION_MAPPER || function->kind == GM_FUNCTION_LIBRARY) {
        *used_as = next != NULL && next->kind == GM_NODE_AS;
        return plan_mapper(planner, node, *used_as ? next : NULL);
    }
    if (function->kind != GM_FUNCTION_KERNEL)
        return refuse(planner, node, "a map takes a kernel or a mapper, not a reducer");
    if (strcmp(function->name, "tokenize") == 0)
        return plan_tokenize(planner, node);
    if (strcmp(function->name, "append_one") == 0) {
        if (gm_schema_add(&planner->schema, "one", GLEAM_I64, false) < 0)
            return refuse(planner, node, "the rows already have 64 columns");
        add_step(planner, GM_STEP_APPEND_ONE, node);
        return 0;
    }
    return refuse(planner, node, "this kernel does not map rows; tokenize and append_one do");
}

static int reduce_kind(struct planner *planner, const struct gleam_dataset *node,
                       enum gm_reduce_kind *ret_kind)
{
    static const struct {
        const char *name;
        enum gm_reduce_kind kind;
    } kernels[] = {{"sum", GM_REDUCE_SUM},
                   {"sum_int64", GM_REDUCE_SUM_I64},
                   {"sum_float64", GM_REDUCE_SUM_F64},
                   {"count", GM_REDUCE_COUNT},
                   {"min", GM_REDUCE_MIN},
                   {"max", GM_REDUCE_MAX}};
    if (node->function.kind == GM_FUNCTION_LUA) {
        *ret_kind = GM_REDUCE_LUA;
        return 0;
    }
    if (node->function.kind == GM_FUNCTION_LIBRARY) {
        struct gm_error error = {0};
        gleam_reduce_fn *found;
        *ret_kind = GM_REDUCE_FUNCTION;
        return gm_library_reducer(node->function.library, node->function.name, &found, &error) < 0
                   ? refuse(planner, node, error.text)
                   : 0;
    }
    if (node->function.kind == GM_FUNCTION_REDUCER) {
        struct gm_registered_reducer reducer;
        if (!gm_registry_reducer(node->function.name, &reducer))
            return refuse(planner, node,
                          "no reducer of that name is registered; define it with GLEAM_REDUCER");
        *ret_kind = GM_REDUCE_FUNCTION;
        return 0;
    }
    if (node->function.kind != GM_FUNCTION_KERNEL)
        return refuse(planner, node, "a reduce takes a kernel or a reducer, not a mapper");
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (strcmp(kernels[i].name, node->function.name) == 0) {
            *ret_kind = kernels[i].kind;
            return 0;
        }
    return refuse(planner, node,
                  "this kernel does not reduce; sum, sum_int64, sum_float64, count, min and max "
                  "do");
}

static int check_reduced(struct planner *planner, const struct gleam_dataset *node,
                         enum gm_reduce_kind kind, const struct gm_field *field)
{
    const uint8_t want = kind == GM_REDUCE_SUM_I64 ? GLEAM_I64
                       : kind == GM_REDUCE_SUM_F64 ? GLEAM_F64
                                                   : field->kind;
    if (field->kind == want && (kind != GM_REDUCE_SUM || want == GLEAM_I64 || want == GLEAM_F64))
        return 0;
    char text[200];
    if (kind == GM_REDUCE_SUM) {
        snprintf(text, sizeof text, "it sums i64 and f64, but column '%s' is %s%s", field->name,
                 gm_kind_name(field->kind),
                 field->kind == GLEAM_ANY ? ": declare it with gleam_as" : "");
        return refuse(planner, node, text);
    }
    snprintf(text, sizeof text, "it sums %s, but column '%s' is %s%s", gm_kind_name(want),
             field->name, gm_kind_name(field->kind),
             field->kind == GLEAM_ANY ? ": declare it with gleam_as" : "");
    return refuse(planner, node, text);
}

/* Columns of the result: keys in their order, then the reduced values in the old order. */
static int reduce_schema(struct planner *planner, const struct gleam_dataset *node,
                         enum gm_reduce_kind kind, struct gm_schema *ret_schema)
{
    const struct gm_schema *from = &planner->schema;
    struct gm_schema to = {0};
    uint32_t value_count = 0;
    for (uint32_t i = 0; i < node->order.count; i++) {
        const uint32_t column = node->order.columns[i].column;
        for (uint32_t j = 0; j < i; j++)
            if (node->order.columns[j].column == column)
                return refuse(planner, node, "a key column is named twice");
        to.fields[to.field_count++] = from->fields[column - 1];
    }
    for (uint32_t i = 0; i < from->field_count; i++) {
        if (in_order(&node->order, i + 1))
            continue;
        value_count++;
        if (kind == GM_REDUCE_COUNT)
            continue;
        int rc = check_reduced(planner, node, kind, &from->fields[i]);
        if (rc < 0)
            return rc;
        to.fields[to.field_count++] = from->fields[i];
    }
    if (kind == GM_REDUCE_COUNT)
        gm_schema_add(&to, "count", GLEAM_I64, false);
    else if (value_count == 0)
        return refuse(planner, node, "every column is a key: nothing is left to reduce");
    struct gm_registered_reducer reducer;
    if (kind == GM_REDUCE_FUNCTION && node->function.library == NULL &&
        gm_registry_reducer(node->function.name, &reducer) &&
        reducer.function == NULL) {
        const uint8_t want = reducer.i64 != NULL ? GLEAM_I64 : GLEAM_F64;
        const struct gm_field *value = &to.fields[to.field_count - 1];
        if (value_count != 1 || value->kind != want || value->nullable)
            return refuse(planner, node,
                          want == GLEAM_I64
                              ? "a GLEAM_REDUCER_I64 folds exactly one i64 column without nulls"
                              : "a GLEAM_REDUCER_F64 folds exactly one f64 column without nulls");
    }
    if (value_count > GM_REDUCE_VALUES_MAX)
        return refuse(planner, node, "it reduces more than 32 columns");
    if (kind == GM_REDUCE_LUA) {
        int rc = gm_planner_lua_reducer(planner, node, value_count);
        if (rc < 0)
            return rc;
    }
    *ret_schema = to;
    return 0;
}

struct gleam_order gm_planner_leading_columns(uint32_t count)
{
    struct gleam_order order = {.count = count};
    for (uint32_t i = 0; i < count; i++) {
        order.columns[i].column = i + 1;
        order.columns[i].ascending = true;
    }
    return order;
}

static int plan_reduce(struct planner *planner, const struct gleam_dataset *node)
{
    enum gm_reduce_kind kind = GM_REDUCE_COUNT;
    struct gm_schema schema;
    int rc = node->kind == GM_NODE_REDUCE ? 0 : check_order(planner, node, &node->order);
    if (rc == 0)
        rc = reduce_kind(planner, node, &kind);
    if (rc == 0)
        rc = reduce_schema(planner, node, kind, &schema);
    if (rc < 0)
        return rc;

    planner->schema = schema;
    if (node->local) {
        gm_planner_fold_here(planner, node, &node->order, kind);
        return 0;
    }
    rc = gm_planner_fold(planner, node, &node->order, kind);
    if (rc == 0 && node->always)
        gm_planner_default(planner, node, kind != GM_REDUCE_COUNT);
    return rc;
}

static int plan_write(struct planner *planner, const struct gleam_dataset *node)
{
    struct gm_write_plan *write = NULL;
    struct gm_exchange_plan exchange = {
        .kind = GM_EXCHANGE_OUTPUT, .partition_count = 1, .output = node->output};
    const int rc = gm_plan_write(node, &planner->schema, planner->chain->source.partition_count,
                                 planner->ranges, &planner->flow->outputs[node->output], &write,
                                 &exchange.parts, planner->error);
    if (rc < 0)
        return rc;
    exchange.ordered = planner->ranges && exchange.parts == NULL;
    planner->schema = (struct gm_schema){0};
    gm_schema_add(&planner->schema, "text", GLEAM_BYTES, false);
    if (write->counts)
        gm_schema_add(&planner->schema, "rows", GLEAM_I64, false);
    add_step(planner, GM_STEP_WRITE, node)->write = write;
    if (exchange.parts != NULL)
        gm_plan_parts_schema(&planner->schema);
    gm_plan_place(&planner->plan, planner->chain, &planner->flow->outputs[node->output], &exchange);
    const int cut_rc = cut(planner, node, exchange);
    if (cut_rc < 0) {
        free(exchange.parts);
        free(exchange.placed);
    }
    return cut_rc;
}

static int plan_output(struct planner *planner, const struct gleam_dataset *node)
{
    if (node->kind == GM_NODE_WRITE)
        return plan_write(planner, node);
    if (node->kind == GM_NODE_WRITE_TO)
        return gm_planner_write_to(planner, node);
    struct gm_exchange_plan exchange = {.kind = GM_EXCHANGE_OUTPUT,
                                        .partition_count = 1,
                                        .output = node->output,
                                        .ordered = planner->ranges};
    if (node->kind == GM_NODE_FORMAT) {
        struct gm_format format;
        struct gm_error error = {0};
        int rc = gm_format_parse(node->columns, &planner->schema, &format, &error);
        if (rc < 0)
            return refuse(planner, node, error.text);
        gm_format_fini(&format);
        struct gm_chain_plan *chain = planner->chain;
        const bool printed = chain->step_count > 0 &&
                             gm_pipe_prints(&chain->steps[chain->step_count - 1], node->columns);
        planner->schema = (struct gm_schema){0};
        gm_schema_add(&planner->schema, "text", GLEAM_BYTES, false);
        if (printed) {
            chain->steps[chain->step_count - 1].schema = planner->schema;
            return cut(planner, node, exchange);
        }
        struct gm_step *step = add_step(planner, GM_STEP_FORMAT, node);
        step->format = strdup(node->columns);
        GM_CHECK(step->format != NULL);
        gm_plan_place(&planner->plan, chain, &planner->flow->outputs[node->output], &exchange);
    }
    const int rc = cut(planner, node, exchange);
    if (rc < 0)
        free(exchange.placed);
    return rc;
}

/* True when a step before the first exchange treats each partition on its own, so that the number
 * of partitions shows. */
static bool shows_partitions(struct gleam_dataset *const *path, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const enum gm_node_kind kind = path[i]->kind;
        if (path[i]->local || kind == GM_NODE_WRITE || kind == GM_NODE_SAMPLE ||
            kind == GM_NODE_CACHE)
            return true;
        if (kind == GM_NODE_PIPE && path[i]->pipe_mode != GM_PIPE_ARGS)
            return true;
        if (kind != GM_NODE_AS && kind != GM_NODE_MAP && kind != GM_NODE_SELECT &&
            kind != GM_NODE_FILTER && kind != GM_NODE_WHERE && kind != GM_NODE_PIPE)
            return false;
    }
    return false;
}

static int records_schema(struct planner *planner, const struct gleam_dataset *node,
                          struct gm_source *source)
{
    source->key_bytes = node->key_bytes;
    source->record_bytes = node->key_bytes + node->value_bytes;
    gm_schema_add(&source->schema, "key", GLEAM_BYTES, false);
    if (node->value_bytes > 0)
        gm_schema_add(&source->schema, "value", GLEAM_BYTES, false);
    for (uint32_t i = 0; i < source->file_count; i++) {
        const struct gm_file *file = &source->files[i];
        if (file->bytes == UINT64_MAX || file->bytes % source->record_bytes != 0)
            return gm_error_set(planner->error, GM_EJOB_INPUT,
                                "%s: %s does not hold whole records of %u bytes", node->where,
                                file->path, source->record_bytes);
    }
    return 0;
}

/* The source's files, of all paths of the node. */
static int find_files(struct planner *planner, const struct gleam_dataset *node,
                      struct gm_file_list *list)
{
    const bool looked_up = !node->command && !node->listen;
    int rc = 0;
    if (!looked_up) {
        list->files = calloc(1, sizeof *list->files);
        GM_CHECK(list->files != NULL);
        list->files[0] = (struct gm_file){
            .path = strdup(node->paths[0]),
            .bytes = UINT64_MAX,
            .command = node->command,
            .listen = node->listen};
        GM_CHECK(list->files[0].path != NULL);
        list->count = 1;
    }
    for (size_t i = 0; i < node->path_count && rc == 0 && looked_up; i++) {
        struct gm_error error = {0};
        rc = planner->list_files(node->paths[i], list, &error);
        if (rc < 0)
            gm_error_set(planner->error, rc, "%s: %s", node->where, error.text);
    }
    planner->chain->source.files = list->files;
    planner->chain->source.file_count = list->count;
    return rc;
}

static int plan_csv(struct planner *planner, const struct gleam_dataset *node,
                    const struct gleam_dataset *as, bool fine)
{
    struct gm_csv_request request = {.node = node,
                                     .executor_count = planner->executor_count,
                                     .fine = fine,
                                     .declared = as != NULL,
                                     .words_begin = gm_plan_word_count(&planner->plan)};
    struct gm_file_list list = {0};
    planner->chain->source.kind = GM_SOURCE_CSV;
    planner->chain->source.command_word = node->listen ? request.words_begin : 0;
    int rc = find_files(planner, node, &list);
    if (rc == 0 && as != NULL)
        rc = gm_planner_parse_columns(planner, as, &request.schema);
    if (rc < 0)
        return rc;
    request.sample = list.sample;
    gm_planner_size_source(planner, node);
    struct gleam_dataset sized = *node;
    sized.partition_count = gm_planner_partitions(planner, node, node->partition_count);
    request.node = &sized;
    planner->partition_count =
        sized.partition_count > 0 ? sized.partition_count : planner->executor_count;
    return gm_plan_csv(&request, &planner->chain->source, &planner->plan.input_bytes,
                       planner->error);
}

static int plan_text(struct planner *planner, struct gleam_dataset *node, bool fine)
{
    struct gm_file_list list = {0};
    struct gm_source *source = &planner->chain->source;
    source->kind = GM_SOURCE_TEXT;
    source->command_word =
        node->command || node->listen ? gm_plan_word_count(&planner->plan) : 0;
    int rc = find_files(planner, node, &list);
    if (rc < 0)
        return rc;
    if (node->kind == GM_NODE_READ_RECORDS) {
        rc = records_schema(planner, node, source);
        if (rc < 0)
            return rc;
    } else {
        gm_schema_add(&source->schema, "line", GLEAM_BYTES, false);
    }
    gm_planner_size_source(planner, node);
    const uint32_t wanted = gm_planner_partitions(planner, node, node->partition_count);
    uint32_t partition_count = wanted;
    if (partition_count == 0)
        partition_count = fine ? gm_splits_count(source, planner->executor_count)
                               : planner->executor_count;
    planner->partition_count = wanted > 0 ? wanted : planner->executor_count;
    planner->plan.input_bytes += gm_splits_make(source, partition_count);
    return 0;
}

/* as: the declaration right behind the source, or NULL. */
static int plan_source(struct planner *planner, struct gleam_dataset *node,
                       const struct gleam_dataset *as, bool fine)
{
    planner->ranges = false;
    gm_planner_place_nowhere(planner);
    struct gm_source *source = &add_chain(planner)->source;
    snprintf(source->name, sizeof source->name, "%s", node->name);
    if (gm_planner_check_listener(planner, node) < 0)
        return planner->error->code;
    if (node->kind == GM_NODE_READ_RECORDS ||
        (node->kind == GM_NODE_READ_TEXT && !gm_planner_reads_declared(node, as))) {
        int rc = plan_text(planner, node, fine);
        if (rc < 0)
            return rc;
    } else if (node->kind == GM_NODE_READ_CSV || node->listen) {
        int rc = plan_csv(planner, node, as, fine);
        if (rc < 0)
            return rc;
    } else if (node->kind == GM_NODE_STRINGS) {
        source->kind = GM_SOURCE_STRINGS;
        gm_schema_add(&source->schema, "line", GLEAM_BYTES, false);
        source->partition_count = 1;
        source->string_count = (uint32_t)node->string_count;
        source->strings = calloc(node->string_count + 1, sizeof *source->strings);
        GM_CHECK(source->strings != NULL);
        for (size_t i = 0; i < node->string_count; i++) {
            source->strings[i].bytes = node->strings[i].bytes;
            /* Hashes load whole vectors: the slack behind a value is readable. */
            source->strings[i].data = calloc(1, node->strings[i].bytes + GM_BYTES_SLACK);
            GM_CHECK(source->strings[i].data != NULL);
            memcpy(source->strings[i].data, node->strings[i].data, node->strings[i].bytes);
        }
        planner->partition_count = 1;
    } else {
        source->kind = GM_SOURCE_INTS;
        source->from = node->from;
        source->to = node->to;
        gm_schema_add(&source->schema, "n", GLEAM_I64, false);
        source->partition_count =
            node->partition_count > 0 ? node->partition_count : planner->executor_count;
        planner->partition_count = source->partition_count;
    }
    if (!gm_source_has_files(source))
        gm_planner_size_source(planner, node);
    planner->schema = source->schema;
    return 0;
}

static bool is_kept(const struct gleam_dataset *node)
{
    return node->kind == GM_NODE_CACHE && node->cached->id != 0;
}

/* The dataset before, on the same path: a path begins at a source, at a cached dataset that is
 * there, or where several meet. */
static struct gleam_dataset *next_back(struct gleam_dataset *node)
{
    return node->other_count > 0 || is_kept(node) ? NULL : node->input;
}

static int plan_step(struct planner *planner, const struct gleam_dataset *node,
                     const struct gleam_dataset *next, bool *used_next)
{
    switch (node->kind) {
    case GM_NODE_AS:
        return gm_planner_as(planner, node);
    case GM_NODE_MAP:
        return plan_map(planner, node, next, used_next);
    case GM_NODE_FILTER:
        return gm_planner_filter(planner, node);
    case GM_NODE_DISTINCT:
    case GM_NODE_GROUP:
    case GM_NODE_AVG:
    case GM_NODE_COUNT_DISTINCT:
    case GM_NODE_COUNT_VALUES:
        return gm_planner_group_step(planner, node);
    case GM_NODE_REDUCE:
    case GM_NODE_REDUCE_BY:
        return plan_reduce(planner, node);
    case GM_NODE_SORT:
    case GM_NODE_TOP:
        return gm_planner_sort_step(planner, node);
    case GM_NODE_FORMAT:
    case GM_NODE_WRITE:
    case GM_NODE_WRITE_TO:
    case GM_NODE_OUTPUT_ROW:
        return plan_output(planner, node);
    case GM_NODE_CACHE:
        return gm_planner_fill(planner, planner->fill);
    default:
        return gm_planner_exchange_step(planner, node);
    }
}

/* A sort makes one partition.  What looks at partitions by themselves, or keeps the order of their
 * rows, gets the ranges as that partition; sorts and tops know them. */
static bool wants_whole(const struct gleam_dataset *node)
{
    switch (node->kind) {
    case GM_NODE_SORT:
    case GM_NODE_TOP:
        return false;
    case GM_NODE_PIPE:
        return node->pipe_mode != GM_PIPE_ARGS;
    case GM_NODE_MERGE:
        return true;
    default:
        return node->local;
    }
}

int gm_planner_path(struct planner *planner, struct gleam_dataset *end)
{
    struct gleam_dataset *path[GM_STEPS_MAX];
    uint32_t count = 0;
    for (struct gleam_dataset *node = end; node != NULL; node = next_back(node))
        count++;
    uint32_t at = count;
    for (struct gleam_dataset *node = end; node != NULL; node = next_back(node))
        path[--at] = node;
    GM_CHECK(count > 0);
    const struct gleam_dataset *as =
        count > 1 && path[1]->kind == GM_NODE_AS ? path[1] : NULL;
    int rc = 0;
    if (is_kept(path[0]))
        gm_planner_read_cached(planner, path[0]);
    else if (path[0]->other_count > 0)
        rc = gm_planner_meeting(planner, path[0]);
    else
        rc = plan_source(planner, path[0], as, !shows_partitions(path, count));
    if (rc == 0)
        gm_planner_size_hinted(planner, gm_planner_reads_declared(path[0], as) ? as : path[0]);
    /* CSV's declaration is part of reading it. */
    for (uint32_t i = gm_planner_reads_declared(path[0], as) ? 2 : 1;
         i < count && rc == 0; i++) {
        bool used_next = false;
        planner->path = path; /* a meeting has planned other paths */
        planner->path_count = count;
        planner->path_index = i;
        if (planner->ranges && wants_whole(path[i]))
            rc = gather(planner, path[i]);
        if (rc < 0)
            break;
        if (path[i]->kind == GM_NODE_PIPE) {
            gm_planner_size_after(planner, path[i]);
            rc = plan_pipe(planner, path, count, &i);
            gm_planner_place_nowhere(planner);
            gm_planner_size_hinted(planner, path[i]);
            continue;
        }
        struct gleam_dataset resolved = *path[i]; /* by the columns that there are here */
        rc = gm_planner_resolve(planner, &resolved, &resolved.order);
        if (rc == 0)
            rc = plan_step(planner, &resolved, i + 1 < count ? path[i + 1] : NULL, &used_next);
        gm_planner_size_after(planner, path[i]);
        i += used_next;
        if (used_next)
            gm_planner_size_hinted(planner, path[i]);
    }
    return rc;
}
