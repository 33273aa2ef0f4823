/* planner.c - walks each output's datasets from the source on, and grows the chains. */
#include "engine/flow/planner.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/splits.h"
#include "engine/sink/format.h"
#include "engine/udf/registry.h"

struct planner {
    struct gleam_flow *flow;
    struct gm_error *error;
    uint32_t executor_count;
    gm_list_files_fn *list_files;
    struct gm_plan plan;
    struct gm_chain_plan *chain; /* the one that grows */
    struct gm_schema schema;     /* at its end */
    /* Of the dataset at its end, as the person counts: a text source may have been cut finer. */
    uint32_t partition_count;
    /* The partitions at its end are the ranges of one that is sorted: taken one after the other,
     * they are that partition. */
    bool ranges;
};

static int refuse(struct planner *planner, const struct gleam_dataset *node, const char *text)
{
    return gm_error_set(planner->error, GM_EJOB_FLOW, "%s: step '%s': %s", node->where, node->name,
                        text);
}

/* Tables are small and grow by one; allocation failure of a few KiB ends the program. */
static struct gm_chain_plan *add_chain(struct planner *planner)
{
    struct gm_plan *plan = &planner->plan;
    plan->chains = realloc(plan->chains, (plan->chain_count + 1) * sizeof *plan->chains);
    GM_CHECK(plan->chains != NULL);
    planner->chain = &plan->chains[plan->chain_count];
    *planner->chain = (struct gm_chain_plan){.claim = plan->chain_count};
    plan->chain_count++;
    return planner->chain;
}

static struct gm_step *add_step(struct planner *planner, enum gm_step_kind kind,
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

/* Ends the chain in an exchange; a new chain starts behind it unless it leads to the driver. */
static int cut(struct planner *planner, const struct gleam_dataset *node,
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
    planner->ranges = exchange.kind == GM_EXCHANGE_RANGE;
    if (exchange.kind == GM_EXCHANGE_OUTPUT)
        return 0;
    struct gm_chain_plan *chain = add_chain(planner);
    chain->source.kind = GM_SOURCE_EXCHANGE;
    chain->source.exchange = plan->exchange_count - 1;
    chain->source.schema = planner->schema;
    chain->source.partition_count = exchange.partition_count;
    snprintf(chain->source.name, sizeof chain->source.name, "exchange %u",
             plan->exchange_count - 1);
    planner->partition_count = exchange.partition_count;
    return 0;
}

static int check_order(struct planner *planner, const struct gleam_dataset *node,
                       const struct gleam_order *order)
{
    if (order->count == 0 || order->count > GLEAM_ORDER_COLUMNS_MAX)
        return refuse(planner, node, "it needs between 1 and 16 columns");
    for (uint32_t i = 0; i < order->count; i++) {
        const uint32_t column = order->columns[i].column;
        if (column == 0 || column > planner->schema.field_count) {
            char text[384], columns[256];
            gm_schema_format(&planner->schema, columns, sizeof columns);
            snprintf(text, sizeof text, "there is no column %u in %s (columns count from 1)",
                     column, columns);
            return refuse(planner, node, text);
        }
    }
    return 0;
}

/* "word bytes, n i64". */
static int parse_columns(struct planner *planner, const struct gleam_dataset *node,
                         struct gm_schema *ret_schema)
{
    struct gm_schema schema = {0};
    const char *cursor = node->columns;
    for (;;) {
        char name[GM_FIELD_NAME_BYTES_MAX] = "", kind[16] = "", rest = '\0';
        int used = 0;
        const int found = sscanf(cursor, " %31[A-Za-z0-9_] %15[a-z0-9] %n", name, kind, &used);
        if (found < 2 || used == 0 || gm_kind_parse(kind) < 0)
            return refuse(planner, node,
                          "columns are declared as \"NAME TYPE, NAME TYPE\", with the types i64, "
                          "f64, bool, bytes and any");
        if (gm_schema_add(&schema, name, (enum gleam_kind)gm_kind_parse(kind), false) < 0)
            return refuse(planner, node, "more than 64 columns are declared");
        rest = cursor[used];
        cursor += used + 1;
        if (rest == '\0')
            break;
        if (rest != ',')
            return refuse(planner, node, "a comma is missing between two declared columns");
    }
    *ret_schema = schema;
    return 0;
}

static int plan_as(struct planner *planner, const struct gleam_dataset *node)
{
    struct gm_schema schema;
    int rc = parse_columns(planner, node, &schema);
    if (rc < 0)
        return rc;
    if (schema.field_count != planner->schema.field_count)
        return refuse(planner, node, "it declares another number of columns than the rows have");
    bool same = true;
    for (uint32_t i = 0; i < schema.field_count; i++) {
        const uint8_t from = planner->schema.fields[i].kind;
        const uint8_t to = schema.fields[i].kind;
        schema.fields[i].nullable = to != GLEAM_ANY && planner->schema.fields[i].nullable;
        same = same && from == to;
        if (from != to && from != GLEAM_ANY && to != GLEAM_ANY &&
            !(from == GLEAM_I64 && to == GLEAM_F64)) {
            char text[160];
            snprintf(text, sizeof text,
                     "column %u is %s and cannot become %s here; convert it in a mapper", i + 1,
                     gm_kind_name(from), gm_kind_name(to));
            return refuse(planner, node, text);
        }
    }
    planner->schema = schema;
    if (!same)
        add_step(planner, GM_STEP_CAST, node);
    else if (planner->chain->step_count > 0)
        planner->chain->steps[planner->chain->step_count - 1].schema = schema;
    else
        planner->chain->source.schema = schema;
    return 0;
}

static void copy_function(struct gm_step *step, const struct gleam_dataset *node)
{
    snprintf(step->function, sizeof step->function, "%s", node->function.name);
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
    if (gm_registry_mapper(node->function.name) == NULL) {
        char text[256];
        snprintf(text, sizeof text,
                 "no mapper '%.60s' is registered; define it with GLEAM_MAPPER, or call "
                 "gleam_register_mapper before gleam_init",
                 node->function.name);
        return refuse(planner, node, text);
    }
    if (as == NULL)
        return refuse(planner, node,
                      "say which columns this mapper emits, with gleam_as(..., \"NAME TYPE, "
                      "...\") right behind it");
    int rc = parse_columns(planner, as, &planner->schema);
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
    if (function->kind == 2) {
        *used_as = next != NULL && next->kind == GM_NODE_AS;
        return plan_mapper(planner, node, *used_as ? next : NULL);
    }
    if (function->kind != 1)
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
    } kernels[] = {{"sum_int64", GM_REDUCE_SUM_I64},
                   {"sum_float64", GM_REDUCE_SUM_F64},
                   {"count", GM_REDUCE_COUNT},
                   {"min", GM_REDUCE_MIN},
                   {"max", GM_REDUCE_MAX}};
    if (node->function.kind == 3) {
        struct gm_registered_reducer reducer;
        if (!gm_registry_reducer(node->function.name, &reducer))
            return refuse(planner, node,
                          "no reducer of that name is registered; define it with GLEAM_REDUCER");
        *ret_kind = GM_REDUCE_FUNCTION;
        return 0;
    }
    if (node->function.kind != 1)
        return refuse(planner, node, "a reduce takes a kernel or a reducer, not a mapper");
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if (strcmp(kernels[i].name, node->function.name) == 0) {
            *ret_kind = kernels[i].kind;
            return 0;
        }
    return refuse(planner, node,
                  "this kernel does not reduce; sum_int64, sum_float64, count, min and max do");
}

static bool in_order(const struct gleam_order *order, uint32_t column)
{
    for (uint32_t i = 0; i < order->count; i++)
        if (order->columns[i].column == column)
            return true;
    return false;
}

static int check_reduced(struct planner *planner, const struct gleam_dataset *node,
                         enum gm_reduce_kind kind, const struct gm_field *field)
{
    const uint8_t want = kind == GM_REDUCE_SUM_I64 ? GLEAM_I64
                       : kind == GM_REDUCE_SUM_F64 ? GLEAM_F64
                                                   : field->kind;
    if (field->kind == want)
        return 0;
    char text[200];
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
    if (kind == GM_REDUCE_FUNCTION && gm_registry_reducer(node->function.name, &reducer) &&
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
    *ret_schema = to;
    return 0;
}

static struct gleam_order leading_columns(uint32_t count)
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
    int rc = check_order(planner, node, &node->order);
    if (rc == 0)
        rc = reduce_kind(planner, node, &kind);
    if (rc == 0)
        rc = reduce_schema(planner, node, kind, &schema);
    if (rc < 0)
        return rc;

    planner->schema = schema;
    struct gm_step *combine = add_step(planner, GM_STEP_COMBINE, node);
    combine->order = node->order;
    combine->reduce = kind;
    copy_function(combine, node);

    const struct gleam_order keys = leading_columns(node->order.count);
    rc = cut(planner, node,
             (struct gm_exchange_plan){.kind = GM_EXCHANGE_HASH,
                                       .keys = keys,
                                       .partition_count = planner->partition_count});
    if (rc < 0)
        return rc;
    struct gm_step *reduce = add_step(planner, GM_STEP_REDUCE, node);
    reduce->order = keys;
    reduce->reduce = kind == GM_REDUCE_COUNT ? GM_REDUCE_SUM_I64 : kind;
    copy_function(reduce, node);
    return 0;
}

static int gather(struct planner *planner, const struct gleam_dataset *node)
{
    if (planner->chain->source.partition_count == 1)
        return 0;
    return cut(planner, node,
               (struct gm_exchange_plan){.kind = GM_EXCHANGE_GATHER, .partition_count = 1});
}

/* An exchange for samples, which no chain feeds or reads. */
static int add_samples(struct planner *planner, const struct gleam_dataset *node,
                       uint32_t *ret_exchange)
{
    struct gm_plan *plan = &planner->plan;
    if (plan->exchange_count + 1 >= GM_EXCHANGES_MAX)
        return refuse(planner, node, "the flow needs more than 64 exchanges; split it");
    plan->exchanges =
        realloc(plan->exchanges, (plan->exchange_count + 1) * sizeof *plan->exchanges);
    GM_CHECK(plan->exchanges != NULL);
    struct gm_exchange_plan *exchange = &plan->exchanges[plan->exchange_count];
    *exchange = (struct gm_exchange_plan){.kind = GM_EXCHANGE_SAMPLE,
                                          .partition_count = planner->executor_count};
    gm_schema_add(&exchange->schema, "sample", GLEAM_BYTES, false);
    *ret_exchange = plan->exchange_count++;
    return 0;
}

/* Rows of many partitions become ranges, one for each executor. */
static int plan_ranges(struct planner *planner, const struct gleam_dataset *node)
{
    uint32_t samples = 0;
    if (planner->executor_count == 1 || planner->chain->source.partition_count == 1)
        return gather(planner, node);
    int rc = add_samples(planner, node, &samples);
    if (rc < 0)
        return rc;
    return cut(planner, node,
               (struct gm_exchange_plan){.kind = GM_EXCHANGE_RANGE,
                                         .keys = node->order,
                                         .partition_count = planner->executor_count,
                                         .samples = samples});
}

static int plan_sort(struct planner *planner, const struct gleam_dataset *node)
{
    int rc = check_order(planner, node, &node->order);
    if (rc == 0 && (!node->local || planner->ranges))
        rc = plan_ranges(planner, node);
    if (rc < 0)
        return rc;
    add_step(planner, GM_STEP_SORT, node)->order = node->order;
    return 0;
}

static void add_top(struct planner *planner, const struct gleam_dataset *node)
{
    struct gm_step *step = add_step(planner, GM_STEP_TOP, node);
    step->order = node->order;
    step->count = node->count;
}

static int plan_top(struct planner *planner, const struct gleam_dataset *node)
{
    int rc = check_order(planner, node, &node->order);
    if (rc < 0)
        return rc;
    const bool local = node->local && !planner->ranges;
    if (local || planner->chain->source.partition_count > 1)
        add_top(planner, node);
    if (local)
        return 0;
    rc = gather(planner, node);
    if (rc < 0)
        return rc;
    add_top(planner, node);
    return 0;
}

static int plan_partition(struct planner *planner, const struct gleam_dataset *node)
{
    int rc = check_order(planner, node, &node->order);
    if (rc < 0)
        return rc;
    return cut(planner, node,
               (struct gm_exchange_plan){.kind = GM_EXCHANGE_HASH,
                                         .keys = node->order,
                                         .partition_count = node->partition_count});
}

static int plan_output(struct planner *planner, const struct gleam_dataset *node)
{
    if (node->kind == GM_NODE_FORMAT) {
        struct gm_format format;
        struct gm_error error = {0};
        int rc = gm_format_parse(node->columns, &planner->schema, &format, &error);
        if (rc < 0)
            return refuse(planner, node, error.text);
        gm_format_fini(&format);
        planner->schema = (struct gm_schema){0};
        gm_schema_add(&planner->schema, "text", GLEAM_BYTES, false);
        struct gm_step *step = add_step(planner, GM_STEP_FORMAT, node);
        step->format = strdup(node->columns);
        GM_CHECK(step->format != NULL);
    }
    return cut(planner, node,
               (struct gm_exchange_plan){
                   .kind = GM_EXCHANGE_OUTPUT,
                   .partition_count = 1,
                   .output = node->output,
                   .ordered = planner->ranges});
}

/* True when a step before the first exchange treats each partition on its own, so that the number
 * of partitions shows. */
static bool shows_partitions(struct gleam_dataset *const *path, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const enum gm_node_kind kind = path[i]->kind;
        if ((kind == GM_NODE_SORT || kind == GM_NODE_TOP) && path[i]->local)
            return true;
        if (kind == GM_NODE_REDUCE_BY || kind == GM_NODE_PARTITION || kind == GM_NODE_SORT ||
            kind == GM_NODE_TOP)
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

static int plan_text(struct planner *planner, struct gleam_dataset *node, bool fine)
{
    struct gm_file_list list = {0};
    int rc = 0;
    for (size_t i = 0; i < node->path_count && rc == 0; i++) {
        struct gm_error error = {0};
        rc = planner->list_files(node->paths[i], &list, &error);
        if (rc < 0)
            gm_error_set(planner->error, rc, "%s: %s", node->where, error.text);
    }
    struct gm_source *source = &planner->chain->source;
    source->kind = GM_SOURCE_TEXT;
    source->files = list.files;
    source->file_count = list.count;
    if (rc < 0)
        return rc;
    if (node->kind == GM_NODE_READ_RECORDS) {
        rc = records_schema(planner, node, source);
        if (rc < 0)
            return rc;
    } else {
        gm_schema_add(&source->schema, "line", GLEAM_BYTES, false);
    }
    uint32_t partition_count = node->partition_count;
    if (partition_count == 0)
        partition_count = fine ? gm_splits_count(source, planner->executor_count)
                               : planner->executor_count;
    planner->partition_count =
        node->partition_count > 0 ? node->partition_count : planner->executor_count;
    planner->plan.input_bytes += gm_splits_make(source, partition_count);
    return 0;
}

static int plan_source(struct planner *planner, struct gleam_dataset *node, bool fine)
{
    planner->ranges = false;
    struct gm_source *source = &add_chain(planner)->source;
    snprintf(source->name, sizeof source->name, "%s", node->name);
    if (node->kind == GM_NODE_READ_TEXT || node->kind == GM_NODE_READ_RECORDS) {
        int rc = plan_text(planner, node, fine);
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
        source->partition_count = planner->executor_count;
        planner->partition_count = planner->executor_count;
    }
    planner->schema = source->schema;
    return 0;
}

static int plan_step(struct planner *planner, const struct gleam_dataset *node,
                     const struct gleam_dataset *next, bool *used_next)
{
    switch (node->kind) {
    case GM_NODE_AS:
        return plan_as(planner, node);
    case GM_NODE_MAP:
        return plan_map(planner, node, next, used_next);
    case GM_NODE_REDUCE_BY:
        return plan_reduce(planner, node);
    case GM_NODE_PARTITION:
        return plan_partition(planner, node);
    case GM_NODE_SORT:
        return plan_sort(planner, node);
    case GM_NODE_TOP:
        return plan_top(planner, node);
    default:
        return plan_output(planner, node);
    }
}

/* From the source of one output to the output. */
static int plan_path(struct planner *planner, struct gleam_dataset *output)
{
    struct gleam_dataset *path[GM_STEPS_MAX];
    uint32_t count = 0;
    for (struct gleam_dataset *node = output; node != NULL; node = node->input)
        count++;
    uint32_t at = count;
    for (struct gleam_dataset *node = output; node != NULL; node = node->input)
        path[--at] = node;
    int rc = plan_source(planner, path[0], !shows_partitions(path, count));
    for (uint32_t i = 1; i < count && rc == 0; i++) {
        bool used_next = false;
        rc = plan_step(planner, path[i], i + 1 < count ? path[i + 1] : NULL, &used_next);
        i += used_next;
    }
    return rc;
}

int gm_planner_make(struct gleam_flow *flow, uint32_t executor_count, gm_list_files_fn *list_files,
                    struct gm_plan *ret_plan)
{
    struct planner planner = {.flow = flow,
                              .error = &flow->error,
                              .executor_count = executor_count,
                              .list_files = list_files};
    if (flow->broken)
        return flow->error.code;
    flow->error.code = 0;
    if (gm_registry_problem() != NULL)
        return gm_error_set(&flow->error, GM_EJOB_FLOW, "%s", gm_registry_problem());
    if (flow->output_count == 0)
        return gm_error_set(&flow->error, GM_EJOB_FLOW,
                            "flow '%s' has no output: end it with gleam_printf or another output",
                            flow->name);
    snprintf(planner.plan.name, sizeof planner.plan.name, "%s", flow->name);
    for (uint32_t i = 0; i < flow->output_count; i++) {
        int rc = plan_path(&planner, flow->nodes[flow->outputs[i].node]);
        if (rc < 0) {
            gm_plan_fini(&planner.plan);
            return rc;
        }
    }
    *ret_plan = planner.plan;
    return 0;
}
