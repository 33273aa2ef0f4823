/* flow.c - building a flow: every call adds one node, mistakes are kept for gleam_run. */
#define GLEAM_NO_PLACES
#include "engine/flow/flow.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/flow_csv.h"
#include "engine/flow/flow_internal.h"

static _Thread_local char here[GM_WHERE_BYTES_MAX] = "?";

void gleam_here(const char *file, int line)
{
    /* The end of a long path tells more than its beginning. */
    const size_t length = strlen(file);
    const size_t room = sizeof here - 16;
    snprintf(here, sizeof here, "%s:%d", length > room ? file + length - room : file, line);
}

struct gleam_function gleam_kernel(const char *name)
{
    return (struct gleam_function){.name = name, .kind = GM_FUNCTION_KERNEL};
}

struct gleam_function gleam_mapper(const char *name)
{
    return gleam_mapper_with(name, NULL, 0);
}

struct gleam_function gleam_mapper_with(const char *name, const void *parameter, size_t length)
{
    return (struct gleam_function){.name = name,
                                   .parameter = parameter,
                                   .parameter_length = length,
                                   .kind = GM_FUNCTION_MAPPER};
}

struct gleam_function gleam_reducer(const char *name)
{
    return gleam_reducer_with(name, NULL, 0);
}

struct gleam_function gleam_reducer_with(const char *name, const void *parameter, size_t length)
{
    return (struct gleam_function){.name = name,
                                   .parameter = parameter,
                                   .parameter_length = length,
                                   .kind = GM_FUNCTION_REDUCER};
}

struct gleam_function gleam_lua(const char *source)
{
    return (struct gleam_function){.name = "lua",
                                   .parameter = source,
                                   .parameter_length = source != NULL ? strlen(source) : 0,
                                   .kind = GM_FUNCTION_LUA};
}

struct gleam_function gleam_library(const char *path, const char *symbol)
{
    return gleam_library_with(path, symbol, NULL, 0);
}

struct gleam_function gleam_library_with(const char *path, const char *symbol,
                                         const void *parameter, size_t length)
{
    return (struct gleam_function){.name = symbol,
                                   .parameter = parameter,
                                   .parameter_length = length,
                                   .kind = GM_FUNCTION_LIBRARY,
                                   .library = path};
}

struct gleam_order gleam_order_by(uint32_t column, bool ascending)
{
    struct gleam_order order = {.count = 1};
    order.columns[0].column = column;
    order.columns[0].ascending = ascending;
    return order;
}

struct gleam_order gleam_then_by(struct gleam_order order, uint32_t column, bool ascending)
{
    /* One past the table is remembered in count, and refused when the plan is made. */
    if (order.count < GLEAM_ORDER_COLUMNS_MAX) {
        order.columns[order.count].column = column;
        order.columns[order.count].ascending = ascending;
    }
    order.count++;
    return order;
}

struct gleam_order gleam_field(uint32_t column)
{
    return gleam_order_by(column, true);
}

struct gleam_flow *gleam_flow_new(const char *name)
{
    struct gleam_flow *flow = calloc(1, sizeof *flow);
    GM_CHECK(flow != NULL);
    snprintf(flow->name, sizeof flow->name, "%s", name != NULL ? name : "flow");
    return flow;
}

static void node_free(struct gleam_dataset *node)
{
    for (size_t i = 0; i < node->path_count; i++)
        free(node->paths[i]);
    for (size_t i = 0; i < node->string_count; i++)
        free(node->strings[i].data);
    free(node->paths);
    free(node->strings);
    free(node->columns);
    free(node->others);
    gm_csv_options_free(node->csv);
    free(node->write);
    gm_flow_free_cached(node);
    free(node->constant);
    free((void *)(uintptr_t)node->function.name);
    free((void *)(uintptr_t)node->function.parameter);
    free((void *)(uintptr_t)node->function.library);
    free(node);
}

void gleam_flow_free(struct gleam_flow *flow)
{
    if (flow == NULL)
        return;
    for (uint32_t i = 0; i < flow->node_count; i++)
        node_free(flow->nodes[i]);
    for (uint32_t i = 0; i < flow->dropped_count; i++)
        node_free(flow->dropped[i]);
    free(flow->dropped);
    for (uint32_t i = 0; i < flow->output_count; i++) {
        free(flow->outputs[i].path);
        free(flow->outputs[i].empty);
        if (flow->outputs[i].saved != NULL)
            free(flow->outputs[i].saved->bytes);
        free(flow->outputs[i].saved);
    }
    for (uint32_t i = 0; i < flow->broadcast_count; i++)
        free(flow->broadcasts[i].data);
    free(flow->broadcasts);
    free(flow->lua_init);
    free(flow);
}

const char *gleam_flow_error(const struct gleam_flow *flow)
{
    return flow->error.code != 0 ? flow->error.text : "";
}

/* Building goes on after a mistake, so that the caller need not check; the flow won't run. */
struct gleam_dataset *gm_flow_mistake(struct gleam_flow *flow, const char *text)
{
    gm_error_set(&flow->error, GM_EJOB_FLOW, "%s: %s", here, text);
    flow->broken = true;
    return NULL;
}

static struct gleam_dataset *mistake(struct gleam_flow *flow, const char *text)
{
    return gm_flow_mistake(flow, text);
}

static struct gleam_dataset *add_node(struct gleam_flow *flow, enum gm_node_kind kind,
                                      const char *name, struct gleam_dataset *input)
{
    if (flow->node_count == GM_STEPS_MAX)
        return mistake(flow, "the flow has more than 256 steps; split it into several");
    if (input != NULL && input->dropped)
        return mistake(flow, "this dataset belongs to a round that is over, or was taken back");
    struct gleam_dataset *node = calloc(1, sizeof *node);
    GM_CHECK(node != NULL);
    node->flow = flow;
    node->index = flow->node_count;
    node->kind = kind;
    node->input = input;
    snprintf(node->name, sizeof node->name, "%s", name);
    snprintf(node->where, sizeof node->where, "%s", here);
    flow->nodes[flow->node_count++] = node;
    return node;
}

struct gleam_dataset *gm_flow_add_step(struct gleam_dataset *input, enum gm_node_kind kind,
                                       const char *name, const char *fallback)
{
    if (input == NULL)
        return NULL;
    return add_node(input->flow, kind, name != NULL && name[0] != '\0' ? name : fallback, input);
}

static struct gleam_dataset *add_step(struct gleam_dataset *input, enum gm_node_kind kind,
                                      const char *name, const char *fallback)
{
    return gm_flow_add_step(input, kind, name, fallback);
}

struct gleam_dataset *gm_flow_add_meeting(struct gleam_dataset *input,
                                          struct gleam_dataset *const *others,
                                          uint32_t other_count, enum gm_node_kind kind,
                                          const char *name, const char *fallback)
{
    for (uint32_t i = 0; i < other_count; i++) {
        if (others[i] == NULL)
            return NULL;
        if (input != NULL && others[i]->flow != input->flow)
            return mistake(input->flow, "its datasets belong to different flows");
        if (others[i]->dropped)
            return mistake(others[i]->flow,
                           "this dataset belongs to a round that is over, or was taken back");
    }
    struct gleam_dataset *node = add_step(input, kind, name, fallback);
    if (node == NULL)
        return NULL;
    node->others = calloc(other_count > 0 ? other_count : 1, sizeof *node->others);
    GM_CHECK(node->others != NULL);
    memcpy(node->others, others, other_count * sizeof *others);
    node->other_count = other_count;
    return node;
}

struct gleam_dataset *gleam_read_texts(struct gleam_flow *flow, const char *const *paths,
                                       size_t path_count, uint32_t partition_count)
{
    if (path_count == 0)
        return mistake(flow, "no path to read was given");
    if (partition_count > GM_PARTITIONS_MAX)
        return mistake(flow, "more than 65536 partitions were asked for");
    struct gleam_dataset *node = add_node(flow, GM_NODE_READ_TEXT, "text", NULL);
    if (node == NULL)
        return NULL;
    node->paths = calloc(path_count, sizeof *node->paths);
    GM_CHECK(node->paths != NULL);
    for (size_t i = 0; i < path_count; i++) {
        if (paths[i] == NULL)
            return mistake(flow, "a path to read is NULL");
        node->paths[i] = strdup(paths[i]);
        GM_CHECK(node->paths[i] != NULL);
        node->path_count = i + 1;
    }
    node->partition_count = partition_count;
    return node;
}

struct gleam_dataset *gleam_read_text(struct gleam_flow *flow, const char *path,
                                      uint32_t partition_count)
{
    return gleam_read_texts(flow, &path, 1, partition_count);
}

struct gleam_dataset *gleam_read_records(struct gleam_flow *flow, const char *path,
                                         uint32_t key_bytes, uint32_t value_bytes,
                                         uint32_t partition_count)
{
    if (key_bytes == 0 || key_bytes > GM_RECORD_BYTES_MAX ||
        value_bytes > GM_RECORD_BYTES_MAX - key_bytes)
        return mistake(flow, "a record has a key of one byte at least, and 65536 bytes at most");
    struct gleam_dataset *node = gleam_read_texts(flow, &path, 1, partition_count);
    if (node == NULL)
        return NULL;
    node->kind = GM_NODE_READ_RECORDS;
    node->key_bytes = key_bytes;
    node->value_bytes = value_bytes;
    snprintf(node->name, sizeof node->name, "records");
    return node;
}

struct gleam_dataset *gleam_text_file(struct gleam_flow *flow, const char *path)
{
    return gleam_read_texts(flow, &path, 1, 0);
}

struct gleam_dataset *gleam_byte_strings(struct gleam_flow *flow, const char *const *strings,
                                         const size_t *lengths, size_t count)
{
    struct gleam_dataset *node = add_node(flow, GM_NODE_STRINGS, "strings", NULL);
    if (node == NULL)
        return NULL;
    node->strings = calloc(count > 0 ? count : 1, sizeof *node->strings);
    GM_CHECK(node->strings != NULL);
    for (size_t i = 0; i < count; i++) {
        if (strings[i] == NULL)
            return mistake(flow, "one of the strings is NULL");
        const size_t length = lengths != NULL ? lengths[i] : strlen(strings[i]);
        node->strings[i].data = malloc(length + 1);
        GM_CHECK(node->strings[i].data != NULL);
        memcpy(node->strings[i].data, strings[i], length);
        node->strings[i].data[length] = '\0';
        node->strings[i].bytes = length;
        node->string_count = i + 1;
    }
    return node;
}

struct gleam_dataset *gleam_strings(struct gleam_flow *flow, const char *const *strings,
                                    size_t count)
{
    return gleam_byte_strings(flow, strings, NULL, count);
}

struct gleam_dataset *gleam_ints(struct gleam_flow *flow, int64_t from, int64_t to)
{
    struct gleam_dataset *node = add_node(flow, GM_NODE_INTS, "ints", NULL);
    if (node == NULL)
        return NULL;
    node->from = from;
    node->to = to;
    return node;
}

struct gleam_dataset *gleam_source(struct gleam_flow *flow, const char *name,
                                   struct gleam_function function)
{
    struct gleam_dataset *once = gleam_ints(flow, 0, 1);
    if (once == NULL)
        return NULL;
    once->partition_count = 1;
    return gleam_flat_map(once, name, function);
}

struct gleam_dataset *gleam_as(struct gleam_dataset *dataset, const char *columns)
{
    struct gleam_dataset *node = add_step(dataset, GM_NODE_AS, "as", "as");
    if (node == NULL)
        return NULL;
    node->columns = strdup(columns != NULL ? columns : "");
    GM_CHECK(node->columns != NULL);
    return node;
}

struct gleam_dataset *gm_flow_add_function(struct gleam_dataset *node,
                                           struct gleam_function function)
{
    if (node == NULL)
        return NULL;
    if (function.name == NULL)
        return mistake(node->flow, "the function of this step has no name");
    if (strlen(function.name) >= GM_STEP_NAME_BYTES_MAX)
        return mistake(node->flow, "the function's name is longer than 63 bytes");
    if (function.parameter_length > GM_PARAM_BYTES_MAX)
        return mistake(
            node->flow,
            "the function and what it carries along are larger than 16 MiB; pass a large "
            "value with a broadcast");
    if (function.kind == GM_FUNCTION_LIBRARY &&
        (function.library == NULL || strlen(function.library) >= GM_PATH_BYTES_MAX))
        return mistake(node->flow, "the path of the shared object is missing or too long");
    if (function.kind == GM_FUNCTION_LUA && function.parameter_length == 0)
        return mistake(node->flow, "the Lua function is empty");
    node->function = function;
    node->function.library = NULL;
    if (function.library != NULL) {
        node->function.library = strdup(function.library);
        GM_CHECK(node->function.library != NULL);
    }
    node->function.name = strdup(function.name);
    GM_CHECK(node->function.name != NULL);
    node->function.parameter = NULL;
    if (function.parameter_length > 0) {
        void *copy = malloc(function.parameter_length);
        GM_CHECK(copy != NULL);
        memcpy(copy, function.parameter, function.parameter_length);
        node->function.parameter = copy;
    }
    return node;
}

static struct gleam_dataset *add_function(struct gleam_dataset *node,
                                          struct gleam_function function)
{
    return gm_flow_add_function(node, function);
}

struct gleam_dataset *gleam_map(struct gleam_dataset *dataset, const char *step,
                                struct gleam_function function)
{
    return add_function(add_step(dataset, GM_NODE_MAP, step, function.name), function);
}

static struct gleam_dataset *add_mode(struct gleam_dataset *node, enum gm_lua_mode mode)
{
    if (node != NULL)
        node->lua_mode = mode;
    return node;
}

struct gleam_dataset *gleam_flat_map(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_function function)
{
    return add_mode(gleam_map(dataset, step, function), GM_LUA_FLAT_MAP);
}

struct gleam_dataset *gleam_for_each(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_function function)
{
    if (dataset != NULL && function.kind != GM_FUNCTION_LUA)
        return mistake(dataset->flow, "for each takes a Lua function; a mapper in C emits or not");
    return add_mode(gleam_map(dataset, step, function), GM_LUA_FOR_EACH);
}

struct gleam_dataset *gleam_filter(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_function function)
{
    return add_mode(add_function(add_step(dataset, GM_NODE_FILTER, step, function.name), function),
                    GM_LUA_FILTER);
}

void gleam_init_lua(struct gleam_flow *flow, const char *code)
{
    char *text;
    GM_CHECK(asprintf(&text, "%s%s\n", flow->lua_init != NULL ? flow->lua_init : "",
                      code != NULL ? code : "") >= 0);
    free(flow->lua_init);
    flow->lua_init = text;
}

uint32_t gleam_broadcast_bytes(struct gleam_flow *flow, const void *data, size_t length)
{
    if (flow->broadcast_count == GM_BROADCASTS_MAX || length > GM_BROADCAST_BYTES_MAX) {
        mistake(flow,
                flow->broadcast_count == GM_BROADCASTS_MAX
                    ? "a flow has at most 64 broadcast values"
                    : "a broadcast value has at most 64 MiB; read it as a dataset and join it");
        return UINT32_MAX;
    }
    flow->broadcasts =
        realloc(flow->broadcasts, (flow->broadcast_count + 1) * sizeof *flow->broadcasts);
    GM_CHECK(flow->broadcasts != NULL);
    struct gm_string *copy = &flow->broadcasts[flow->broadcast_count];
    copy->bytes = length;
    copy->data = malloc(length + GM_BYTES_SLACK);
    GM_CHECK(copy->data != NULL);
    if (length > 0)
        memcpy(copy->data, data, length);
    return flow->broadcast_count++;
}

struct gleam_dataset *gleam_reduce_by(struct gleam_dataset *dataset, const char *step,
                                      struct gleam_function function, struct gleam_order keys)
{
    struct gleam_dataset *node =
        add_function(add_step(dataset, GM_NODE_REDUCE_BY, step, function.name), function);
    if (node != NULL)
        node->order = keys;
    return node;
}

struct gleam_dataset *gleam_reduce_by_key(struct gleam_dataset *dataset, const char *step,
                                          struct gleam_function function)
{
    return gleam_reduce_by(dataset, step, function, gleam_field(1));
}

struct gleam_dataset *gleam_partition_by_key(struct gleam_dataset *dataset, const char *step,
                                             uint32_t partition_count)
{
    struct gleam_dataset *node = add_step(dataset, GM_NODE_PARTITION, step, "partition");
    if (node == NULL)
        return NULL;
    if (partition_count == 0 || partition_count > GM_PARTITIONS_MAX)
        return mistake(node->flow, "the number of partitions must be between 1 and 65536");
    node->partition_count = partition_count;
    node->order = gleam_field(1);
    return node;
}

static struct gleam_dataset *add_order(struct gleam_dataset *node, struct gleam_order order,
                                       bool local)
{
    if (node == NULL)
        return NULL;
    node->order = order;
    node->local = local;
    return node;
}

struct gleam_dataset *gleam_local_sort(struct gleam_dataset *dataset, const char *step,
                                       struct gleam_order order)
{
    return add_order(add_step(dataset, GM_NODE_SORT, step, "local sort"), order, true);
}

struct gleam_dataset *gleam_sort(struct gleam_dataset *dataset, const char *step,
                                 struct gleam_order order)
{
    return add_order(add_step(dataset, GM_NODE_SORT, step, "sort"), order, false);
}

static struct gleam_dataset *add_top(struct gleam_dataset *node, uint32_t count)
{
    if (node != NULL)
        node->count = count;
    return node;
}

struct gleam_dataset *gleam_local_top(struct gleam_dataset *dataset, const char *step,
                                      uint32_t count, struct gleam_order order)
{
    return add_top(add_order(add_step(dataset, GM_NODE_TOP, step, "local top"), order, true),
                   count);
}

struct gleam_dataset *gleam_top(struct gleam_dataset *dataset, const char *step, uint32_t count,
                                struct gleam_order order)
{
    return add_top(add_order(add_step(dataset, GM_NODE_TOP, step, "top"), order, false), count);
}

static struct gm_output *add_output(struct gleam_dataset *dataset, enum gm_node_kind kind,
                                    const char *name)
{
    struct gleam_dataset *node = add_step(dataset, kind, name, name);
    if (node == NULL)
        return NULL;
    struct gleam_flow *flow = node->flow;
    GM_CHECK(flow->output_count < GM_STEPS_MAX);
    node->output = flow->output_count;
    struct gm_output *output = &flow->outputs[flow->output_count++];
    output->node = node->index;
    return output;
}

static struct gm_output *add_format(struct gleam_dataset *dataset, const char *name,
                                    const char *format, const char *ending)
{
    struct gm_output *output = add_output(dataset, GM_NODE_FORMAT, name);
    if (output == NULL)
        return NULL;
    if (format == NULL) {
        mistake(dataset->flow, "the format is NULL");
        return NULL;
    }
    char *text;
    GM_CHECK(asprintf(&text, "%s%s", format, ending) >= 0);
    dataset->flow->nodes[output->node]->columns = text;
    return output;
}

static void to_stream(struct gleam_dataset *dataset, FILE *file, const char *format,
                      const char *ending)
{
    struct gm_output *output = add_format(dataset, "print", format, ending);
    if (output == NULL)
        return;
    if (file == NULL) {
        mistake(dataset->flow, "the file to print to is NULL");
        return;
    }
    output->kind = GM_OUTPUT_STREAM;
    output->stream = file;
}

void gleam_printf(struct gleam_dataset *dataset, const char *format)
{
    to_stream(dataset, stdout, format, "");
}

void gleam_printlnf(struct gleam_dataset *dataset, const char *format)
{
    to_stream(dataset, stdout, format, "\n");
}

void gleam_fprintf(struct gleam_dataset *dataset, FILE *file, const char *format)
{
    to_stream(dataset, file, format, "");
}

void gleam_fprintlnf(struct gleam_dataset *dataset, FILE *file, const char *format)
{
    to_stream(dataset, file, format, "\n");
}

void gleam_write_formatted(struct gleam_dataset *dataset, const char *path, const char *format)
{
    struct gm_output *output = add_format(dataset, "write", format, "");
    if (output == NULL)
        return;
    if (path == NULL || path[0] == '\0') {
        mistake(dataset->flow, "the path to write to is empty");
        return;
    }
    output->kind = GM_OUTPUT_PATH;
    output->path = strdup(path);
    GM_CHECK(output->path != NULL);
}

void gleam_output_row(struct gleam_dataset *dataset, gleam_row_fn *function, void *argument)
{
    if (dataset != NULL && function == NULL) {
        mistake(dataset->flow, "the function for the rows is NULL");
        return;
    }
    struct gm_output *output = add_output(dataset, GM_NODE_OUTPUT_ROW, "rows");
    if (output == NULL)
        return;
    output->kind = GM_OUTPUT_ROW;
    output->function = function;
    output->argument = argument;
}

/* Keeps the one row that comes. */
static int save_row(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    struct gm_saved_row *saved = argument;
    size_t bytes = 0, at = 0;
    for (uint32_t i = 0; i < column_count; i++)
        bytes += row[i].kind == GLEAM_BYTES || row[i].kind == GLEAM_LIST ? row[i].bytes.length : 0;
    free(saved->bytes);
    saved->bytes = malloc(bytes + 1);
    GM_CHECK(saved->bytes != NULL);
    for (uint32_t i = 0; i < column_count && i < saved->count; i++) {
        saved->values[i] = row[i];
        if (row[i].kind != GLEAM_BYTES && row[i].kind != GLEAM_LIST)
            continue;
        memcpy(saved->bytes + at, row[i].bytes.data, row[i].bytes.length);
        saved->values[i].bytes.data = saved->bytes + at;
        at += row[i].bytes.length;
    }
    return 0;
}

void gleam_save_first_row_to(struct gleam_dataset *dataset, struct gleam_value *values,
                             uint32_t count)
{
    if (dataset != NULL && values == NULL) {
        mistake(dataset->flow, "the values to save the row to are NULL");
        return;
    }
    dataset = gleam_limit(dataset, "first row", 1);
    struct gm_output *output = add_output(dataset, GM_NODE_OUTPUT_ROW, "rows");
    if (output == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        values[i] = gleam_null();
    output->saved = calloc(1, sizeof *output->saved);
    GM_CHECK(output->saved != NULL);
    output->saved->values = values;
    output->saved->count = count;
    output->kind = GM_OUTPUT_ROW;
    output->function = save_row;
    output->argument = output->saved;
}

/* ---- for the other files --------------------------------------------------------------------- */

struct gm_output *gm_flow_add_output(struct gleam_dataset *dataset, enum gm_node_kind kind,
                                     const char *name)
{
    return add_output(dataset, kind, name);
}
