/* pattern_lua.c - see pattern_lua.h; the functions themselves are in pattern.lua. */
#include "engine/udf/pattern_lua.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include <lauxlib.h>
#include <lua.h>

#include "engine/udf/pattern.h"
#include "engine/udf/pattern.lua.h"

/* What pattern.lua calls; it has a copy of these declarations. */
struct gm_pattern_api {
    int32_t (*compile)(const char *pattern, int32_t length, int32_t use, void *ret);
    int32_t (*find)(const void *program, const char *subject, int32_t length, int32_t from,
                    void *ret);
    int32_t (*walk)(const void *program, const char *subject, int32_t length, void *walk);
    int32_t program_bytes, match_bytes, walk_bytes;
};

/* pattern.lua knows the header of a program, too. */
_Static_assert(offsetof(struct gm_pattern, capture_count) == 5, "read by pattern.lua");
_Static_assert(offsetof(struct gm_pattern, code) == 8, "allocated by pattern.lua");

/* Bytes of the program, or < 0. */
static int32_t compile(const char *pattern, int32_t length, int32_t use, void *ret)
{
    struct gm_pattern *program = ret;
    const char *why;
    const int error = gm_pattern_compile(pattern, (size_t)length, (enum gm_pattern_use)use, program,
                                         &why);
    return error < 0 ? error : (int32_t)program->bytes;
}

/* 1 and the captures, 0 or < 0. */
static int32_t find(const void *program, const char *subject, int32_t length, int32_t from,
                    void *ret)
{
    const int found = gm_pattern_find(program, subject, (size_t)length, (size_t)from, ret);
    return found == 1 ? 1 + ((const struct gm_pattern *)program)->capture_count : found;
}

static int32_t walk(const void *program, const char *subject, int32_t length, void *walk)
{
    return gm_pattern_walk(program, subject, (size_t)length, walk);
}

static const struct gm_pattern_api api = {
    .compile = compile,
    .find = find,
    .walk = walk,
    .program_bytes = sizeof(struct gm_pattern),
    .match_bytes = sizeof(struct gm_pattern_match),
    .walk_bytes = sizeof(struct gm_pattern_walk),
};

/* Is LuaJIT's compiler on?  jit.status() says so. */
static bool compiler_is_on(lua_State *state)
{
    bool on = false;
    lua_getfield(state, LUA_REGISTRYINDEX, "_LOADED");
    lua_getfield(state, -1, "jit");
    if (lua_istable(state, -1)) {
        lua_getfield(state, -1, "status");
        if (lua_pcall(state, 0, 1, 0) == 0)
            on = lua_toboolean(state, -1);
        lua_pop(state, 1);
    }
    lua_pop(state, 2);
    return on;
}

/* Calls upvalue 1 with its own arguments, and returns one value. */
static int call_upvalue(lua_State *state)
{
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_insert(state, 1);
    lua_call(state, lua_gettop(state) - 1, 1);
    return 1;
}

/* A function that does what its argument does, and that LuaJIT's compiler calls instead of looking
 * into it.  It cannot compile the making of a closure, and would give up the loop around that. */
static int uncompiled(lua_State *state)
{
    lua_settop(state, 1);
    lua_pushcclosure(state, call_upvalue, 1);
    return 1;
}

int gm_pattern_open(struct lua_State *state)
{
    if (!luaL_loadbuffer(state, gm_pattern_lua, sizeof gm_pattern_lua, "=gleam/pattern.lua")) {
        if (!compiler_is_on(state)) {
            lua_pop(state, 1);
            return 0;
        }
        lua_pushlightuserdata(state, (void *)&api);
        lua_pushcfunction(state, uncompiled);
        if (!lua_pcall(state, 2, 0, 0))
            return 0;
    }
    return -EINVAL;
}
