/* plan_lua.c - planning steps of Lua functions: loads each, and works out the columns it makes. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/demand.h"
#include "engine/flow/planner_internal.h"
#include "engine/udf/library.h"

static int inspect(struct planner *planner, const struct gleam_dataset *node,
                   struct gm_lua_shape *ret_shape)
{
    struct gm_error error = {0};
    if (gm_lua_inspect(node->function.parameter, node->function.parameter_length, node->name,
                       ret_shape, &error) < 0)
        return refuse(planner, node, error.text);
    return 0;
}

/* Columns of any kind, named c1, c2, ... */
static int any_columns(struct planner *planner, const struct gleam_dataset *node, uint32_t count)
{
    if (count > GM_FIELDS_MAX)
        return refuse(planner, node, "it makes more than 64 columns");
    planner->schema = (struct gm_schema){0};
    for (uint32_t c = 0; c < count; c++) {
        char name[16];
        snprintf(name, sizeof name, "c%u", c + 1);
        gm_schema_add(&planner->schema, name, GLEAM_ANY, false);
    }
    return 0;
}

/* What :As declares counts; then what the function's returns show (a map), what the steps behind it
 * want, and, for steps that make rows of single values, one. */
static int output_columns(struct planner *planner, const struct gleam_dataset *node,
                          const struct gleam_dataset *as, const struct gm_lua_shape *shape)
{
    if (as != NULL)
        return gm_planner_parse_columns(planner, as, &planner->schema);
    if (node->lua_mode == GM_LUA_MAP && shape->result_count == 0)
        return refuse(
            planner, node,
            "the function of a Map returns nothing: return the columns of the row, or use "
            "ForEach or Filter");
    if (node->lua_mode == GM_LUA_MAP && shape->result_count > 0)
        return any_columns(planner, node, (uint32_t)shape->result_count);
    uint32_t count = gm_demand_columns(planner->path, planner->path_count, planner->path_index);
    if (count == 0 && node->lua_mode == GM_LUA_MAP)
        return refuse(planner, node,
                      "how many columns the function returns cannot be seen from its code: declare "
                      "them with :As(\"NAME TYPE, ...\") behind the step (gleam_as in C)");
    return any_columns(planner, node, count > 0 ? count : 1);
}

int gm_planner_lua_map(struct planner *planner, const struct gleam_dataset *node,
                       const struct gleam_dataset *next, bool *used_next)
{
    struct gm_lua_shape shape = {0};
    int rc = inspect(planner, node, &shape);
    if (rc < 0)
        return rc;
    *used_next = next != NULL && next->kind == GM_NODE_AS;
    rc = output_columns(planner, node, *used_next ? next : NULL, &shape);
    if (rc < 0)
        return rc;
    struct gm_step *step = add_step(planner, GM_STEP_LUA, node);
    step->lua_mode = node->lua_mode;
    copy_function(step, node);
    return 0;
}

int gm_planner_filter(struct planner *planner, const struct gleam_dataset *node)
{
    struct gm_error error = {0};
    const struct gleam_function *function = &node->function;
    struct gm_lua_shape shape;
    gleam_map_fn *found;
    int rc = 0;
    if (function->kind == GM_FUNCTION_LUA)
        rc = inspect(planner, node, &shape);
    else if (function->kind != GM_FUNCTION_MAPPER && function->kind != GM_FUNCTION_LIBRARY)
        rc = refuse(planner, node, "a filter takes a Lua function or a mapper");
    else if (gm_library_mapper(function->library, function->name, &found, &error) < 0)
        rc = refuse(planner, node, error.text);
    if (rc < 0)
        return rc;
    struct gm_step *step =
        add_step(planner, function->kind == GM_FUNCTION_LUA ? GM_STEP_LUA : GM_STEP_FILTER, node);
    step->lua_mode = GM_LUA_FILTER;
    copy_function(step, node);
    return 0;
}

int gm_planner_lua_reducer(struct planner *planner, const struct gleam_dataset *node,
                           uint32_t value_count)
{
    struct gm_lua_shape shape = {0};
    char text[256];
    int rc = inspect(planner, node, &shape);
    if (rc < 0)
        return rc;
    if (shape.parameter_count >= 0 && (uint32_t)shape.parameter_count != 2 * value_count) {
        snprintf(text, sizeof text,
                 "the rows have %u value column%s beside the key, so the reducer takes %u "
                 "parameters (the totals, then a row's values) and returns %u; this one takes %d",
                 value_count, value_count == 1 ? "" : "s", 2 * value_count, value_count,
                 shape.parameter_count);
        return refuse(planner, node, text);
    }
    if (shape.result_count >= 0 && (uint32_t)shape.result_count != value_count) {
        snprintf(text, sizeof text, "the reducer returns %d value%s, but there %s %u to fold",
                 shape.result_count, shape.result_count == 1 ? "" : "s",
                 value_count == 1 ? "is" : "are", value_count);
        return refuse(planner, node, text);
    }
    return 0;
}

void gm_planner_share(struct planner *planner)
{
    struct gm_plan *plan = &planner->plan;
    const struct gleam_flow *flow = planner->flow;
    plan->scopes = realloc(plan->scopes, (plan->scope_count + 1) * sizeof *plan->scopes);
    GM_CHECK(plan->scopes != NULL);
    struct gm_plan_scope *scope = &plan->scopes[plan->scope_count++];
    *scope = (struct gm_plan_scope){0};
    snprintf(scope->name, sizeof scope->name, "%s", flow->name);
    if (flow->lua_init != NULL) {
        scope->lua_init = strdup(flow->lua_init);
        GM_CHECK(scope->lua_init != NULL);
    }
    scope->broadcasts = calloc(flow->broadcast_count + 1, sizeof *scope->broadcasts);
    GM_CHECK(scope->broadcasts != NULL);
    for (uint32_t i = 0; i < flow->broadcast_count; i++) {
        const struct gm_string *from = &flow->broadcasts[i];
        struct gm_string *to = &scope->broadcasts[i];
        to->bytes = from->bytes;
        to->data = calloc(1, from->bytes + GM_BYTES_SLACK);
        GM_CHECK(to->data != NULL);
        memcpy(to->data, from->data, from->bytes);
    }
    scope->broadcast_count = flow->broadcast_count;
}
