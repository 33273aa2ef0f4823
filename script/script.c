/* script.c - a LuaJIT state for the driver, with the module gleam in it. */
#define GLEAM_NO_PLACES
#include "script/script.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/gleam.h"
#include "engine/udf/values.lua.h"
#include "script/api.h"
#include "script/api.lua.h"
#include "script/files.lua.h"
#include "script/gleam.lua.h"
#include "script/orders.h"
#include "script/rounds.lua.h"
#include "script/steps.lua.h"

/* Where the state's registry keeps functions of OutputRow, by number. */
#define ROW_FUNCTIONS "gleam.rows"
#define ROW_ERROR_BYTES 512

struct script {
    lua_State *state;                /* that runs: the first one, or a coroutine that called Run */
    bool is_running;                 /* a flow: functions of OutputRow may not run another */
    int status;                      /* of the last flow that failed; 0: none did */
    char row_error[ROW_ERROR_BYTES]; /* what a function of OutputRow raised, "" for none */
    /* For the handler of a signal, and from it. */
    _Atomic bool is_in_row; /* a function of OutputRow runs */
    _Atomic bool is_stopped;
};

/* One function of OutputRow.  It lives as long as the state, which frees it. */
struct row_output {
    struct script *script;
    int number; /* in ROW_FUNCTIONS */
};

/* ---- rows to the script ---------------------------------------------------------------------- */

static void push_i64(lua_State *state, int64_t number)
{
    const int64_t exact = (INT64_C(1) << 53) - 1;
    if (number >= -exact && number <= exact) {
        lua_pushnumber(state, (lua_Number)number);
        return;
    }
    lua_getfield(state, LUA_REGISTRYINDEX, "gleam.int64");
    lua_pushlstring(state, (const char *)&number, sizeof number);
    lua_call(state, 1, 1);
}

static void push_value(lua_State *state, const struct gleam_value *value);

/* An array with its length in the field n: nulls are holes. */
static void push_list(lua_State *state, const struct gleam_value *list)
{
    const size_t count = gleam_list_count(list);
    struct gleam_value value;
    size_t offset = 0;
    luaL_checkstack(state, 4, "lists in lists too deep");
    lua_createtable(state, (int)count, 1);
    for (int i = 1; gleam_list_next(list, &offset, &value); i++) {
        push_value(state, &value);
        lua_rawseti(state, -2, i);
    }
    lua_pushnumber(state, (lua_Number)count);
    lua_setfield(state, -2, "n");
}

static void push_value(lua_State *state, const struct gleam_value *value)
{
    switch (value->kind) {
    case GLEAM_I64:
        push_i64(state, value->i64);
        return;
    case GLEAM_F64:
        lua_pushnumber(state, value->f64);
        return;
    case GLEAM_BOOL:
        lua_pushboolean(state, value->boolean);
        return;
    case GLEAM_BYTES:
        lua_pushlstring(state, value->bytes.data, value->bytes.length);
        return;
    case GLEAM_LIST:
        push_list(state, value);
        return;
    default:
        lua_pushnil(state);
        return;
    }
}

struct row {
    const struct row_output *output;
    const struct gleam_value *values;
    uint32_t count;
};

/* Runs protected: memory may end while values are pushed. */
static int call_row_function(lua_State *state)
{
    const struct row *row = lua_touserdata(state, 1);
    luaL_checkstack(state, (int)row->count + 4, "too many columns");
    lua_getfield(state, LUA_REGISTRYINDEX, ROW_FUNCTIONS);
    lua_rawgeti(state, -1, row->output->number);
    for (uint32_t c = 0; c < row->count; c++)
        push_value(state, &row->values[c]);
    lua_call(state, (int)row->count, 0);
    return 0;
}

static void raise_stop(lua_State *state, lua_Debug *where)
{
    (void)where;
    luaL_error(state, "stopped");
}

/* In the handler of a signal: the function of OutputRow ends at its next instruction.  The hook
 * stays until all of it has ended, whatever it catches. */
static void on_stop(void *argument)
{
    struct script *script = argument;
    script->is_stopped = true;
    if (script->is_in_row)
        lua_sethook(script->state, raise_stop, LUA_MASKCOUNT | LUA_MASKCALL | LUA_MASKRET, 1);
}

static int on_row(void *argument, const struct gleam_value *values, uint32_t column_count)
{
    const struct row_output *output = argument;
    struct script *script = output->script;
    lua_State *state = script->state;
    struct row row = {.output = output, .values = values, .count = column_count};
    script->is_in_row = true;
    const int status = script->is_stopped ? 0 : lua_cpcall(state, call_row_function, &row);
    script->is_in_row = false;
    if (script->is_stopped) {
        lua_sethook(state, NULL, 0, 0);
        lua_pop(state, status != 0 ? 1 : 0);
        return 1; /* the run tells of the signal */
    }
    if (status == 0)
        return 0;
    const char *text = lua_tostring(state, -1);
    snprintf(script->row_error, sizeof script->row_error, "%s (in the function of OutputRow)",
             text != NULL ? text : "an error that is no text was raised");
    lua_pop(state, 1);
    return 1;
}

/* Keeps the function at `index` where rows find it.  Returns its number. */
static int add_row_function(lua_State *state, int index)
{
    lua_getfield(state, LUA_REGISTRYINDEX, ROW_FUNCTIONS);
    const int number = (int)lua_objlen(state, -1) + 1;
    lua_pushvalue(state, index);
    lua_rawseti(state, -2, number);
    lua_pop(state, 1);
    return number;
}

/* core.output_row(dataset, function) */
static int core_output_row(lua_State *state)
{
    struct script *script = lua_touserdata(state, lua_upvalueindex(1));
    struct gleam_dataset *dataset;
    memcpy(&dataset, lua_topointer(state, 1), sizeof dataset);
    const int number = add_row_function(state, 2);
    struct row_output *output = lua_newuserdata(state, sizeof *output);
    *output = (struct row_output){.script = script, .number = number};
    luaL_ref(state, LUA_REGISTRYINDEX); /* never given back: the flow may run at any time */
    gleam_output_row(dataset, on_row, output);
    return 0;
}

/* Rows come back to this state. */
static lua_State *begin_run(struct script *script, lua_State *state)
{
    lua_State *outer = script->state;
    script->state = state;
    script->is_running = true;
    script->is_stopped = false;
    gleam_on_stop(on_stop, script);
    return outer;
}

static void end_run(struct script *script, lua_State *outer)
{
    gleam_on_stop(NULL, NULL);
    script->is_running = false;
    script->state = outer;
}

/* core.run(flow): its status.  Not through LuaJIT's FFI: a call that it has compiled must not come
 * back to Lua, as this one does with every row of OutputRow. */
static int core_run(lua_State *state)
{
    struct script *script = lua_touserdata(state, lua_upvalueindex(1));
    struct gleam_flow *flow;
    memcpy(&flow, lua_topointer(state, 1), sizeof flow);
    lua_State *outer = begin_run(script, state);
    const int status = gleam_try(flow);
    end_run(script, outer);
    lua_pushinteger(state, status);
    return 1;
}

/* core.run_all(flow, ...): their common status. */
static int core_run_all(lua_State *state)
{
    struct script *script = lua_touserdata(state, lua_upvalueindex(1));
    const int count = lua_gettop(state);
    struct gleam_flow **flows = lua_newuserdata(state, (size_t)count * sizeof *flows + 1);
    for (int i = 0; i < count; i++)
        memcpy(&flows[i], lua_topointer(state, i + 1), sizeof flows[i]);
    lua_State *outer = begin_run(script, state);
    const int status = gleam_run_all(flows, (size_t)count);
    end_run(script, outer);
    lua_pushinteger(state, status);
    return 1;
}

/* core.each_row(dataset, function): its status. */
static int core_each_row(lua_State *state)
{
    struct script *script = lua_touserdata(state, lua_upvalueindex(1));
    struct gleam_dataset *dataset;
    memcpy(&dataset, lua_topointer(state, 1), sizeof dataset);
    struct row_output output = {.script = script, .number = add_row_function(state, 2)};
    lua_State *outer = begin_run(script, state);
    const int status = gleam_each_row(dataset, on_row, &output);
    end_run(script, outer);
    lua_getfield(state, LUA_REGISTRYINDEX, ROW_FUNCTIONS);
    lua_pushnil(state);
    lua_rawseti(state, -2, output.number);
    lua_pushinteger(state, status);
    return 1;
}

/* core.is_running(): whether a flow runs, and this is the function of its OutputRow. */
static int core_is_running(lua_State *state)
{
    const struct script *script = lua_touserdata(state, lua_upvalueindex(1));
    lua_pushboolean(state, script->is_running);
    return 1;
}

/* core.row_error(): what OutputRow's function raised, or nil; forgets it. */
static int core_row_error(lua_State *state)
{
    struct script *script = lua_touserdata(state, lua_upvalueindex(1));
    if (script->row_error[0] == '\0')
        lua_pushnil(state);
    else
        lua_pushstring(state, script->row_error);
    script->row_error[0] = '\0';
    return 1;
}

/* core.status(n): the exit status, should the error not be caught. */
static int core_status(lua_State *state)
{
    struct script *script = lua_touserdata(state, lua_upvalueindex(1));
    script->status = (int)luaL_checkinteger(state, 1);
    return 0;
}

/* ---- the state ------------------------------------------------------------------------------- */

static void push_core(struct script *script, bool is_from_stdin)
{
    static const luaL_Reg functions[] = {{"output_row", core_output_row},
                                         {"run", core_run},
                                         {"run_all", core_run_all},
                                         {"each_row", core_each_row},
                                         {"is_running", core_is_running},
                                         {"row_error", core_row_error},
                                         {"status", core_status},
                                         {NULL, NULL}};
    lua_State *state = script->state;
    lua_newtable(state);
    for (const luaL_Reg *entry = functions; entry->name != NULL; entry++) {
        lua_pushlightuserdata(state, script);
        lua_pushcclosure(state, entry->func, 1);
        lua_setfield(state, -2, entry->name);
    }
    static const struct {
        const char *name;
        size_t bytes;
    } sizes[] = {{"function_bytes", sizeof(struct gleam_function)},
                 {"order_bytes", sizeof(struct gleam_order)},
                 {"value_bytes", sizeof(struct gleam_value)},
                 {"csv_options_bytes", sizeof(struct gleam_csv_options)},
                 {"write_options_bytes", sizeof(struct gleam_write_options)},
                 {"pipe_options_bytes", sizeof(struct gleam_pipe_options)}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        lua_pushinteger(state, (lua_Integer)sizes[i].bytes);
        lua_setfield(state, -2, sizes[i].name);
    }
    lua_pushstring(state, gm_script_orders);
    lua_setfield(state, -2, "orders");
    lua_pushlightuserdata(state, (void *)(uintptr_t)&gm_order_calls);
    lua_setfield(state, -2, "order_calls");
    lua_pushinteger(state, GLEAM_ORDER_COLUMNS_MAX);
    lua_setfield(state, -2, "order_columns_max");
    lua_pushboolean(state, is_from_stdin);
    lua_setfield(state, -2, "is_from_stdin");
}

static void load(lua_State *state, const char *text, size_t bytes, const char *name)
{
    if (luaL_loadbuffer(state, text, bytes, name) != 0)
        lua_error(state);
}

/* The table `arg`: arg[0] the script, then its arguments. */
static void set_arguments(lua_State *state, int argc, char **argv)
{
    lua_createtable(state, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(state, argv[i]);
        lua_rawseti(state, -2, i);
    }
    lua_setglobal(state, "arg");
}

/* Modules beside the script are found where those of LuaJIT's own path are not. */
static void add_folder(lua_State *state, const char *name)
{
    const char *slash = strrchr(name, '/');
    if (slash == NULL)
        return;
    lua_getglobal(state, "package");
    lua_getfield(state, -1, "path");
    lua_pushliteral(state, ";");
    lua_pushlstring(state, name, (size_t)(slash - name));
    lua_pushliteral(state, "/?.lua");
    lua_concat(state, 4);
    lua_setfield(state, -2, "path");
    lua_pop(state, 1);
}

/* An error's value becomes text, where it can. */
static int error_text(lua_State *state)
{
    if (lua_type(state, 1) != LUA_TSTRING && luaL_callmeta(state, 1, "__tostring"))
        return 1;
    lua_settop(state, 1);
    return 1;
}

struct start {
    struct script *script;
    const char *name;
    const char *code;
    size_t code_bytes;
    int argc;
    char **argv;
};

/* Protected: libraries, the module, the script. */
static int start(lua_State *state)
{
    const struct start *start = lua_touserdata(state, 1);
    char chunk_name[4096];
    luaL_openlibs(state);
    lua_newtable(state);
    lua_setfield(state, LUA_REGISTRYINDEX, ROW_FUNCTIONS);
    load(state, gm_gleam_lua, sizeof gm_gleam_lua, "=gleam/gleam");
    push_core(start->script, strcmp(start->argv[0], "-") == 0);
    load(state, gm_values_lua, sizeof gm_values_lua, "=gleam/values");
    lua_call(state, 0, 1);
    lua_pushlstring(state, gm_api_lua, sizeof gm_api_lua);
    load(state, gm_steps_lua, sizeof gm_steps_lua, "=gleam/steps");
    load(state, gm_files_lua, sizeof gm_files_lua, "=gleam/files");
    load(state, gm_rounds_lua, sizeof gm_rounds_lua, "=gleam/rounds");
    lua_call(state, 6, 2);
    lua_setfield(state, LUA_REGISTRYINDEX, "gleam.int64");
    lua_getglobal(state, "package");
    lua_getfield(state, -1, "loaded");
    lua_pushvalue(state, -3);
    lua_setfield(state, -2, "gleam");
    lua_settop(state, 1);
    set_arguments(state, start->argc, start->argv);
    add_folder(state, start->name);
    lua_pushcfunction(state, error_text);
    snprintf(chunk_name, sizeof chunk_name, "@%s", start->name);
    load(state, start->code, start->code_bytes, chunk_name);
    for (int i = 1; i < start->argc; i++)
        lua_pushstring(state, start->argv[i]);
    if (lua_pcall(state, start->argc > 1 ? start->argc - 1 : 0, 0, 2) != 0)
        lua_error(state);
    return 0;
}

/* What the script printed must have gone out, or to a pipe that nobody reads any more. */
static int flush_stdout(int status)
{
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || status != 0)
        return status;
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    const int rc = errno;
    if (rc == EPIPE || (rc == 0 && poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0))
        return status;
    fprintf(stderr, "gleam: cannot write to standard output%s%s\n", rc != 0 ? ": " : "",
            rc != 0 ? strerror(rc) : "");
    return 1;
}

int gm_script_run(const char *name, const char *code, size_t code_bytes, int argc, char **argv)
{
    struct script script = {.state = luaL_newstate()};
    if (script.state == NULL) {
        fprintf(stderr, "gleam: no memory for a Lua state\n");
        return 1;
    }
    struct start parameters = {.script = &script,
                               .name = name,
                               .code = code,
                               .code_bytes = code_bytes,
                               .argc = argc,
                               .argv = argv};
    int status = 0;
    if (lua_cpcall(script.state, start, &parameters) != 0) {
        const char *text = lua_tostring(script.state, -1);
        fprintf(stderr, "gleam: %s\n",
                text != NULL ? text : "the script raised an error without a text");
        status = script.status != 0 ? script.status : 1;
    }
    lua_close(script.state);
    return flush_stdout(status);
}
