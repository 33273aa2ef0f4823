/* lua_rig.h - a Lua function fed with rows, for the tests of Lua steps; and functions as the bytes
 * that a script makes of them.  Included behind cmocka.h. */
#ifndef GM_TESTS_LUA_RIG_H
#define GM_TESTS_LUA_RIG_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/udf/lua.h"
#include "engine/udf/values.lua.h"
#include "tests/unit/op/rig.h"

/* ---- columns by letters ---------------------------------------------------------------------- */

/* "i f? b s a": i64, nullable f64, bool, bytes, any; blanks are for the reader. */
static inline void columns(struct gm_schema *schema, const char *letters)
{
    static const char known[] = "ifbsa";
    *schema = (struct gm_schema){0};
    for (; *letters != '\0'; letters++) {
        if (*letters == ' ')
            continue;
        const char *letter = strchr(known, *letters);
        assert_non_null(letter);
        const bool nullable = letters[1] == '?';
        assert_int_equal(
            gm_schema_add(schema, NULL, (enum gleam_kind)(GLEAM_I64 + (letter - known)), nullable),
            0);
        letters += nullable;
    }
}

/* ---- one function ---------------------------------------------------------------------------- */

struct lua_rig {
    struct gm_heap heap;
    struct gm_schema input, output;
    struct gm_counters counters;
    struct gm_udf_shared shared;
    struct gm_error error;
    enum gm_lua_mode mode;
    struct gm_lua *lua;
};

static inline int lua_rig_try(struct lua_rig *rig, enum gm_lua_mode mode, const void *function,
                              size_t function_bytes, uint64_t limit_bytes)
{
    assert_int_equal(gm_heap_init(&rig->heap, limit_bytes), 0);
    rig->lua = NULL;
    rig->mode = mode;
    rig->error = (struct gm_error){0};
    rig->counters = (struct gm_counters){0};
    if (rig->shared.lua_init == NULL)
        rig->shared.lua_init = "";
    const struct gm_lua_spec spec = {.mode = mode,
                                     .function = function,
                                     .function_bytes = function_bytes,
                                     .name = "step",
                                     .input = &rig->input,
                                     .output = &rig->output,
                                     .shared = &rig->shared,
                                     .counters = &rig->counters,
                                     .heap = &rig->heap};
    return gm_lua_open(&spec, &rig->lua, &rig->error);
}

static inline void lua_rig_close(struct lua_rig *rig)
{
    gm_lua_close(rig->lua);
    assert_true(rig->heap.used_bytes == 0);
    gm_heap_fini(&rig->heap);
}

static inline void lua_rig_open(struct lua_rig *rig, enum gm_lua_mode mode, const char *input,
                                const char *output, const char *source)
{
    *rig = (struct lua_rig){0};
    columns(&rig->input, input);
    columns(&rig->output, output);
    if (lua_rig_try(rig, mode, source, strlen(source), UINT64_MAX) != 0)
        fail_msg("%s", rig->error.text);
}

/* Rows [first, first + count) as one batch.  Returns 0 or what gm_lua_run returned. */
static inline int lua_rig_push(struct lua_rig *rig, const struct rows *in, uint64_t first,
                               uint32_t count, struct rows *out)
{
    struct input input;
    uint32_t row = 0;
    int rc;
    input_make(&input, &rig->input, in, first, count);
    const bool resumes = rig->mode == GM_LUA_FLAT_MAP || rig->mode == GM_LUA_FOR_EACH;
    uint32_t made_rows;
    do {
        struct gm_batch made = {0};
        rc = gm_lua_run(rig->lua, &input.batch, &row, &made);
        made_rows = made.row_count;
        if (rc == 0)
            rows_take(out, &made);
        assert_true(row <= count);
    } while (rc == 0 && (row < count || (resumes && made_rows == GM_BATCH_ROWS_MAX)));
    input_free(&input);
    return rc;
}

static inline void add_i64(struct rows *rows, int64_t number)
{
    const struct gleam_value value = gleam_i64(number);
    rows_add(rows, &value, 1);
}

static inline void add_value(struct rows *rows, struct gleam_value value)
{
    rows_add(rows, &value, 1);
}

/* ---- functions as bytes ---------------------------------------------------------------------- */

struct dumped {
    char *data;
    size_t bytes;
};

/* A state with values.lua's table as the global `values`. */
static inline lua_State *values_state(void)
{
    lua_State *state = luaL_newstate();
    assert_non_null(state);
    luaL_openlibs(state);
    if (luaL_loadbuffer(state, gm_values_lua, sizeof gm_values_lua, "=gleam/values") != 0 ||
        lua_pcall(state, 0, 1, 0) != 0)
        fail_msg("%s", lua_tostring(state, -1));
    lua_setglobal(state, "values");
    return state;
}

/* What the code returns, as a script would send it: a function with ESC before it, as a step wants
 * it; a broadcast value without. */
static inline struct dumped dump_value(const char *code, bool is_function)
{
    lua_State *state = values_state();
    lua_getglobal(state, "values");
    lua_getfield(state, -1, "dump");
    if (luaL_loadstring(state, code) != 0 || lua_pcall(state, 0, 1, 0) != 0)
        fail_msg("%s", lua_tostring(state, -1));
    lua_pushliteral(state, "the function");
    if (lua_pcall(state, 2, 1, 0) != 0)
        fail_msg("%s", lua_tostring(state, -1));
    struct dumped dumped = {0};
    size_t length;
    const char *data = lua_tolstring(state, -1, &length);
    dumped.bytes = length + is_function;
    dumped.data = malloc(dumped.bytes + 1);
    assert_non_null(dumped.data);
    dumped.data[0] = '\033';
    memcpy(dumped.data + is_function, data, length);
    lua_close(state);
    return dumped;
}

#endif
