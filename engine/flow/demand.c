/* demand.c - looks ahead along the path, and counts verbs and declarations. */
#include "engine/flow/demand.h"

#include <string.h>

#include "engine/udf/lua.h"

/* Verbs of a format: every "%" but "%%".  What else is wrong with it, its parser says. */
static uint32_t count_verbs(const char *format)
{
    uint32_t count = 0;
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at, '%')) {
        if (at[1] != '%')
            count++;
        else
            at++;
        at++;
    }
    return count;
}

static uint32_t count_declared(const char *columns)
{
    uint32_t count = 1;
    for (const char *at = strchr(columns, ','); at != NULL; at = strchr(at + 1, ','))
        count++;
    return count;
}

/* Of a Lua function: its parameters.  0 for any number, and for one that cannot be loaded: its own
 * step will say why. */
static uint32_t count_parameters(const struct gleam_function *function)
{
    struct gm_lua_shape shape;
    if (function->kind != GM_FUNCTION_LUA ||
        gm_lua_inspect(function->parameter, function->parameter_length, "", &shape, NULL) < 0)
        return 0;
    return shape.parameter_count > 0 ? (uint32_t)shape.parameter_count : 0;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

uint32_t gm_demand_columns(struct gleam_dataset *const *path, uint32_t count, uint32_t index)
{
    uint32_t filtered = 0; /* what filters on the way look at: the first columns, perhaps not all */
    for (uint32_t i = index + 1; i < count; i++) {
        switch (path[i]->kind) {
        case GM_NODE_AS:
            return count_declared(path[i]->columns);
        case GM_NODE_FORMAT:
            return larger(filtered, count_verbs(path[i]->columns));
        case GM_NODE_MAP:
            return larger(filtered, count_parameters(&path[i]->function));
        case GM_NODE_FILTER:
            filtered = larger(filtered, count_parameters(&path[i]->function));
            continue;
        case GM_NODE_PARTITION:
        case GM_NODE_LIMIT:
        case GM_NODE_MERGE:
        case GM_NODE_ROUND_ROBIN:
        case GM_NODE_BROADCAST:
        case GM_NODE_SORT:
        case GM_NODE_TOP:
            continue;
        default:
            return filtered;
        }
    }
    return filtered;
}
