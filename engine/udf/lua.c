/* lua.c - LuaJIT behind lua.h. */
#include "engine/udf/lua.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/row/arena.h"
#include "engine/udf/lua_heap.h"
#include "engine/udf/lua_io.h"
#include "engine/udf/pattern_lua.h"
#include "engine/udf/step.lua.h"
#include "engine/udf/values.lua.h"

/* The part of an arena that a loop fills on its own. */
#define WINDOW_BYTES ((size_t)64 << 10)
#define MESSAGE_BYTES 512

/* What the registry holds, by number: finding it needs no memory. */
enum { REGISTERED_STEP = 1, REGISTERED_LOOP, REGISTERED_HANDLER };

struct gm_lua {
    struct gm_lua_io io; /* first: callbacks get its address */
    struct gm_heap *heap;
    struct gm_lua_heap memory;
    lua_State *state;
    enum gm_lua_mode mode;
    struct gm_batch rows; /* arrays of the output */
    bool has_rows;
    struct gm_arena arena; /* bytes of the output */
    uint8_t *window;       /* of WINDOW_BYTES, made once */
    uint16_t *selected;
    void *expanded[GM_FIELDS_MAX]; /* constant columns, written out */
    uint8_t kinds[GM_FIELDS_MAX];
    const struct gm_udf_shared *shared;
    struct gm_counters *counters;
    struct gm_lua_slots slots;
    uint8_t new_slots[64];
    bool collected;           /* by the loop, which grow has asked to */
    uint64_t collected_bytes; /* that lived after the last full collection of ours */
    char message[MESSAGE_BYTES];
};

static const struct gm_udf_shared nothing_shared = {.lua_init = ""};
static uint8_t no_nulls[GM_BATCH_ROWS_MAX];

/* ---- what loops call ------------------------------------------------------------------------- */

/* The reserve is gone: after a collection of all garbage it is there again, or the step ends. */
static int end_shortage(struct gm_lua *lua)
{
    if (!lua->memory.is_short || gm_lua_heap_take_reserve(&lua->memory))
        return 0;
    snprintf(lua->message, sizeof lua->message, "not enough memory");
    return GM_ETASK_MEMORY;
}

/* Returns 1 where garbage should be collected, and the call be made again. */
static int grow(struct gm_lua_io *io, size_t bytes)
{
    struct gm_lua *lua = (struct gm_lua *)io;
    if (lua->memory.is_short && !lua->collected) {
        lua->collected = true;
        return 1;
    }
    lua->collected = false;
    if (end_shortage(lua) < 0)
        return GM_ETASK_MEMORY;
    const size_t window = bytes > WINDOW_BYTES ? bytes : WINDOW_BYTES;
    uint8_t *block = bytes > GM_VALUE_BYTES_MAX ? NULL : gm_arena_alloc(&lua->arena, window);
    if (block == NULL) {
        snprintf(lua->message, sizeof lua->message,
                 bytes > GM_VALUE_BYTES_MAX ? "a string is longer than 1 GiB"
                                            : "not enough memory");
        return GM_ETASK_MEMORY;
    }
    io->bytes = block;
    io->bytes_left = window;
    return 0;
}

/* Bytes that live as long as the batch that is made. */
static const char *keep(struct gm_lua_io *io, const char *data, size_t length)
{
    struct gm_lua *lua = (struct gm_lua *)io;
    uint8_t *block =
        length > GM_VALUE_BYTES_MAX ? NULL : gm_arena_alloc(&lua->arena, length);
    if (block == NULL)
        snprintf(lua->message, sizeof lua->message, "not enough memory");
    else
        memcpy(block, data, length);
    return (const char *)block;
}

static int store(struct gm_lua_io *io, void *slot, uint32_t value)
{
    struct gm_lua *lua = (struct gm_lua *)io;
    struct gleam_value copy;
    memcpy(&copy, &io->value, sizeof copy);
    int rc = lua->slots.store(lua->slots.context, slot, value, &copy);
    if (rc < 0)
        snprintf(lua->message, sizeof lua->message, "not enough memory");
    return rc;
}

static int count(struct gm_lua_io *io, const char *name, size_t length, int64_t number)
{
    struct gm_lua *lua = (struct gm_lua *)io;
    return lua->counters != NULL ? gm_counters_add(lua->counters, name, length, number) : 0;
}

static const char *broadcast(struct gm_lua_io *io, uint32_t number, size_t *ret_length)
{
    const struct gm_lua *lua = (const struct gm_lua *)io;
    if (number >= lua->shared->broadcast_count)
        return NULL;
    *ret_length = lua->shared->broadcasts[number].bytes;
    return lua->shared->broadcasts[number].data;
}

/* ---- the state ------------------------------------------------------------------------------- */

/* Behind the place that LuaJIT puts in front of a message, where that is in a loop of ours: it says
 * nothing to a person. */
static const char *skip_our_place(const char *text)
{
    static const char ours[] = "gleam/";
    if (strncmp(text, ours, sizeof ours - 1) != 0)
        return text;
    const char *line = strchr(text, ':');
    const char *behind = line != NULL ? line + 1 + strspn(line + 1, "0123456789") : text;
    return strncmp(behind, ": ", 2) == 0 ? behind + 2 : text;
}

/* Takes the error from the stack to lua->message, unless a callback has noted the reason. */
static int take_error(struct gm_lua *lua, int status)
{
    /* Not lua_tostring for any type: making a string of a number needs memory. */
    const int type = lua_type(lua->state, -1);
    if (lua->message[0] != '\0')
        ;
    else if (type == LUA_TNUMBER)
        snprintf(lua->message, sizeof lua->message, "%.14g", lua_tonumber(lua->state, -1));
    else
        snprintf(lua->message, sizeof lua->message, "%s",
                 type == LUA_TSTRING ? skip_our_place(lua_tostring(lua->state, -1))
                 : type == LUA_TNIL  ? "an error without a value was raised"
                                     : "an error that is no text was raised: give the object a "
                                       "__tostring");
    lua_pop(lua->state, 1);
    const bool memory = status == LUA_ERRMEM || strstr(lua->message, "not enough memory") != NULL;
    return memory ? GM_ETASK_MEMORY : GM_EJOB_UDF;
}

/* Whatever may allocate runs protected: an error outside ends the process. */
static int call_c(struct gm_lua *lua, lua_CFunction function, void *argument)
{
    lua->message[0] = '\0';
    const int status = lua_cpcall(lua->state, function, argument);
    return status == 0 ? 0 : take_error(lua, status);
}

/* The handler of errors in loops, where the stack begins: an object says what it is. */
static int error_text(lua_State *state)
{
    if (lua_type(state, 1) != LUA_TSTRING && luaL_callmeta(state, 1, "__tostring"))
        return 1;
    lua_settop(state, 1);
    return 1;
}

static int call_loop(struct gm_lua *lua, int arguments, int results)
{
    lua->message[0] = '\0';
    const int status = lua_pcall(lua->state, arguments, results, 1);
    return status == 0 ? 0 : take_error(lua, status);
}

static void load_chunk(lua_State *state, const char *text, size_t bytes, const char *name)
{
    if (luaL_loadbuffer(state, text, bytes, name) != 0)
        lua_error(state);
}

/* Protected.  Leaves step.lua's table in the registry. */
static int load_modules(lua_State *state)
{
    struct gm_lua *lua = lua_touserdata(state, 1);
    luaL_openlibs(state);
    if (gm_pattern_open(state) < 0) /* string.find, match and gmatch that LuaJIT compiles */
        lua_error(state);
    load_chunk(state, gm_step_lua, sizeof gm_step_lua, "=gleam/step");
    lua_pushlightuserdata(state, &lua->io);
    load_chunk(state, gm_values_lua, sizeof gm_values_lua, "=gleam/values");
    lua_call(state, 0, 1);
    lua_pushstring(state, gm_lua_declarations);
    lua_call(state, 3, 1);
    lua_rawseti(state, LUA_REGISTRYINDEX, REGISTERED_STEP);
    return 0;
}

static void describe_columns(struct gm_lua_column *columns, const struct gm_schema *schema)
{
    for (uint32_t c = 0; c < schema->field_count; c++)
        columns[c] = (struct gm_lua_column){.kind = schema->fields[c].kind,
                                            .nullable = schema->fields[c].nullable};
}

static int make_arrays(struct gm_lua *lua, const struct gm_lua_spec *spec)
{
    lua->window = gm_heap_alloc(lua->heap, WINDOW_BYTES);
    if (lua->window == NULL)
        return GM_ETASK_MEMORY;
    if (spec->mode == GM_LUA_FILTER) {
        lua->selected = gm_heap_alloc(lua->heap, GM_BATCH_ROWS_MAX * sizeof *lua->selected);
        if (lua->selected == NULL)
            return GM_ETASK_MEMORY;
    }
    if (spec->mode == GM_LUA_FOLD)
        return 0;
    lua->has_rows = true;
    return gm_batch_init(&lua->rows, spec->output, lua->heap);
}

static int open_state(struct gm_lua *lua)
{
    gm_lua_heap_init(&lua->memory, lua->heap);
    /* LuaJIT crashes when memory ends in the middle of a new state: it gets what it wants, and the
     * limit is looked at afterwards. */
    const uint64_t limit_bytes = lua->heap->limit_bytes;
    lua->heap->limit_bytes = UINT64_MAX;
    lua->state = lua_newstate(gm_lua_heap_alloc, &lua->memory);
    lua->heap->limit_bytes = limit_bytes;
    if (lua->state == NULL || lua->heap->used_bytes > limit_bytes) {
        snprintf(lua->message, sizeof lua->message, "not enough memory for a Lua state");
        return GM_ETASK_MEMORY;
    }
    int rc = call_c(lua, load_modules, lua);
    if (rc == 0 && lua->heap->limit_bytes != UINT64_MAX &&
        !gm_lua_heap_take_reserve(&lua->memory)) {
        snprintf(lua->message, sizeof lua->message, "not enough memory for a Lua state");
        return GM_ETASK_MEMORY;
    }
    return rc;
}

const char *gm_lua_mode_name(enum gm_lua_mode mode)
{
    static const char *const names[] = {[GM_LUA_MAP] = "map",
                                        [GM_LUA_FILTER] = "filter",
                                        [GM_LUA_FLAT_MAP] = "flat map",
                                        [GM_LUA_FOLD] = "fold",
                                        [GM_LUA_FOR_EACH] = "for each"};
    return names[mode];
}

/* Protected.  Leaves the loop in the registry. */
static int open_step(lua_State *state)
{
    const struct gm_lua_spec *spec = lua_touserdata(state, 1);
    lua_rawgeti(state, LUA_REGISTRYINDEX, REGISTERED_STEP);
    lua_getfield(state, -1, "open");
    lua_pushstring(state, gm_lua_mode_name(spec->mode));
    lua_pushlstring(state, spec->function, spec->function_bytes);
    lua_pushstring(state, spec->shared != NULL ? spec->shared->lua_init : "");
    lua_pushstring(state, spec->name);
    lua_call(state, 4, 1);
    lua_rawseti(state, LUA_REGISTRYINDEX, REGISTERED_LOOP);
    lua_pushcfunction(state, error_text);
    lua_rawseti(state, LUA_REGISTRYINDEX, REGISTERED_HANDLER);
    return 0;
}

int gm_lua_open(const struct gm_lua_spec *spec, struct gm_lua **ret_lua, struct gm_error *error)
{
    struct gm_lua *lua = gm_heap_zalloc(spec->heap, sizeof *lua);
    if (lua == NULL)
        return gm_error_set(error, GM_ETASK_MEMORY, "not enough memory for a Lua step");
    lua->heap = spec->heap;
    lua->mode = spec->mode;
    lua->shared = spec->shared != NULL ? spec->shared : &nothing_shared;
    lua->counters = spec->counters;
    lua->io.batch_rows = GM_BATCH_ROWS_MAX;
    lua->io.counters_max = GM_COUNTERS_MAX;
    lua->io.grow = grow;
    lua->io.keep = keep;
    lua->io.store = store;
    lua->io.count = count;
    lua->io.broadcast = broadcast;
    lua->io.input_count = spec->input->field_count;
    describe_columns(lua->io.input, spec->input);
    for (uint32_t c = 0; c < spec->input->field_count; c++)
        lua->kinds[c] = spec->input->fields[c].kind;
    if (spec->mode != GM_LUA_FOLD) {
        lua->io.output_count = spec->output->field_count;
        describe_columns(lua->io.output, spec->output);
    }
    gm_arena_init(&lua->arena, lua->heap);
    int rc = make_arrays(lua, spec);
    if (rc == 0)
        rc = open_state(lua);
    if (rc == 0)
        rc = call_c(lua, open_step, (void *)(uintptr_t)spec);
    if (rc < 0) {
        gm_error_set(error, rc, "%s",
                     lua->message[0] != '\0' ? lua->message : "not enough memory for a Lua step");
        gm_lua_close(lua);
        return rc;
    }
    /* Both stay on the stack, where every call finds them. */
    lua_rawgeti(lua->state, LUA_REGISTRYINDEX, REGISTERED_HANDLER);
    lua_rawgeti(lua->state, LUA_REGISTRYINDEX, REGISTERED_LOOP);
    lua->io.selected = lua->selected;
    *ret_lua = lua;
    return 0;
}

/* Values and null marks. */
static size_t expanded_bytes(uint8_t kind)
{
    return (size_t)GM_BATCH_ROWS_MAX * (gm_vector_stride(kind) + 1);
}

void gm_lua_close(struct gm_lua *lua)
{
    if (lua == NULL)
        return;
    struct gm_heap *heap = lua->heap;
    if (lua->state != NULL)
        lua_close(lua->state);
    if (lua->memory.heap != NULL)
        gm_lua_heap_fini(&lua->memory);
    for (uint32_t c = 0; c < GM_FIELDS_MAX; c++)
        if (lua->expanded[c] != NULL)
            gm_heap_free(heap, lua->expanded[c], expanded_bytes(lua->kinds[c]));
    if (lua->has_rows)
        gm_batch_fini(&lua->rows, heap);
    gm_arena_fini(&lua->arena);
    gm_heap_free(heap, lua->window, WINDOW_BYTES);
    gm_heap_free(heap, lua->selected, GM_BATCH_ROWS_MAX * sizeof *lua->selected);
    gm_heap_free(heap, lua, sizeof *lua);
}

const char *gm_lua_message(const struct gm_lua *lua)
{
    return lua->message;
}

uint32_t gm_lua_row(const struct gm_lua *lua)
{
    return lua->io.row;
}

/* ---- batches --------------------------------------------------------------------------------- */

/* The loops read every column by row, in the kind of its schema: a constant column is written out,
 * and so is one of a kind of its own that stands in an `any` column. */
static int expand(struct gm_lua *lua, uint32_t c, const struct gm_vector *vector, uint32_t rows)
{
    const size_t stride = gm_vector_stride(lua->kinds[c]);
    if (lua->expanded[c] == NULL)
        lua->expanded[c] = gm_heap_alloc(lua->heap, expanded_bytes(lua->kinds[c]));
    if (lua->expanded[c] == NULL) {
        snprintf(lua->message, sizeof lua->message, "not enough memory");
        return GM_ETASK_MEMORY;
    }
    uint8_t *to = lua->expanded[c];
    for (uint32_t row = 0; row < rows; row++) {
        if (lua->kinds[c] == GLEAM_ANY)
            ((struct gleam_value *)(void *)to)[row] = gm_vector_get(vector, row);
        else
            memcpy(to + row * stride, vector->data, stride);
    }
    lua->io.input[c].data = to;
    lua->io.input[c].nulls = to + GM_BATCH_ROWS_MAX * stride;
    memset(lua->io.input[c].nulls, vector->has_nulls && vector->nulls[0] != 0, rows);
    return 0;
}

static int point_at(struct gm_lua *lua, uint32_t c, const struct gm_vector *vector, uint32_t rows)
{
    struct gm_lua_column *column = &lua->io.input[c];
    GM_CHECK(vector->kind == lua->kinds[c] || lua->kinds[c] == GLEAM_ANY);
    if (vector->constant || vector->kind != lua->kinds[c])
        return expand(lua, c, vector, rows);
    column->data = vector->data;
    column->nulls = vector->has_nulls ? vector->nulls : no_nulls;
    return 0;
}

/* Protected: finalizers are a person's functions. */
static int collect_all(lua_State *state)
{
    lua_gc(state, LUA_GCCOLLECT, 0);
    return 0;
}

/* LuaJIT does not collect when memory ends, it gives up: so it is pushed before; again only when
 * the state has grown by an eighth of the room, because a full collection walks all that lives. */
static int collect(struct gm_lua *lua)
{
    const struct gm_heap *heap = lua->heap;
    const uint64_t others = heap->used_bytes - lua->memory.held_bytes;
    const uint64_t room = heap->limit_bytes > others ? heap->limit_bytes - others : 0;
    if (!lua->memory.is_short &&
        (lua->memory.live_bytes <= room / 2 ||
         lua->memory.live_bytes < lua->collected_bytes + room / 8))
        return 0;
    int rc = call_c(lua, collect_all, NULL);
    lua->collected_bytes = lua->memory.live_bytes;
    /* Where memory ended meanwhile the function may still have enough. */
    return rc == GM_ETASK_MEMORY || rc == 0 ? end_shortage(lua) : rc;
}

static void begin_output(struct gm_lua *lua)
{
    gm_arena_reset(&lua->arena);
    lua->io.bytes = lua->window;
    lua->io.bytes_left = WINDOW_BYTES - GM_BYTES_SLACK;
    for (uint32_t c = 0; c < lua->io.output_count; c++) {
        lua->io.output[c].has_nulls = 0;
        lua->io.output[c].data = lua->rows.columns[c].data;
        lua->io.output[c].nulls = lua->rows.columns[c].nulls;
    }
}

static void take_rows(struct gm_lua *lua, uint32_t rows, struct gm_batch *out)
{
    out->column_count = lua->rows.column_count;
    out->row_count = rows;
    for (uint32_t c = 0; c < out->column_count; c++) {
        lua->rows.columns[c].has_nulls = lua->io.output[c].has_nulls != 0;
        out->columns[c] = lua->rows.columns[c];
    }
}

int gm_lua_run(struct gm_lua *lua, const struct gm_batch *in, uint32_t *row, struct gm_batch *out)
{
    lua->io.row = *row < in->row_count ? *row : lua->io.row;
    int rc = collect(lua);
    for (uint32_t c = 0; c < in->column_count && rc == 0; c++)
        rc = point_at(lua, c, &in->columns[c], in->row_count);
    if (rc < 0)
        return rc;
    begin_output(lua);
    lua->io.input_rows = in->row_count;
    lua_pushvalue(lua->state, -1);
    lua_pushinteger(lua->state, *row);
    rc = call_loop(lua, 1, 2);
    if (rc < 0)
        return rc;
    const uint32_t rows = (uint32_t)lua_tointeger(lua->state, -1);
    *row = (uint32_t)lua_tointeger(lua->state, -2);
    lua_pop(lua->state, 2);
    if (lua->mode == GM_LUA_FILTER)
        gm_batch_select(in, lua->selected, rows, &lua->rows, out);
    else
        take_rows(lua, rows, out);
    return 0;
}

void gm_lua_abandon(struct gm_lua *lua)
{
    lua->io.abandoned = 1; /* the loop looks at it when it is called again */
}

/* ---- folding --------------------------------------------------------------------------------- */

void gm_lua_set_slots(struct gm_lua *lua, const struct gm_lua_slots *slots)
{
    lua->slots = *slots;
    lua->io.seen_offset = slots->seen_offset;
    lua->io.values_offset = slots->values_offset;
}

int gm_lua_fold(struct gm_lua *lua, const struct gm_batch *in, const uint32_t *columns,
                void **slots, uint64_t new_slots, uint32_t first, uint32_t row_count)
{
    lua->io.row = first;
    int rc = first == 0 ? collect(lua) : 0;
    for (uint32_t c = 0; c < lua->io.input_count && rc == 0; c++) {
        const struct gm_vector *vector = &in->columns[columns[c]];
        /* A constant is written out once for the batch. */
        if (first == 0 || lua->expanded[c] == NULL ||
            lua->io.input[c].data != lua->expanded[c])
            rc = point_at(lua, c, vector, in->row_count);
    }
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < row_count; i++)
        lua->new_slots[i] = new_slots >> i & 1;
    lua->io.slots = (uint8_t **)slots;
    lua->io.new_slots = lua->new_slots;
    lua_pushvalue(lua->state, -1);
    lua_pushinteger(lua->state, first);
    lua_pushinteger(lua->state, row_count);
    return call_loop(lua, 2, 0);
}

/* ---- looking --------------------------------------------------------------------------------- */

struct looking {
    const void *function;
    size_t function_bytes;
    const char *name;
    struct gm_lua_shape *ret_shape;
};

/* Protected. */
static int look(lua_State *state)
{
    const struct looking *looking = lua_touserdata(state, 1);
    lua_rawgeti(state, LUA_REGISTRYINDEX, REGISTERED_STEP);
    lua_getfield(state, -1, "inspect");
    lua_pushlstring(state, looking->function, looking->function_bytes);
    lua_pushstring(state, looking->name);
    lua_call(state, 2, 2);
    looking->ret_shape->parameter_count = (int)lua_tointeger(state, -2);
    looking->ret_shape->result_count = (int)lua_tointeger(state, -1);
    return 0;
}

int gm_lua_inspect(const void *function, size_t function_bytes, const char *name,
                   struct gm_lua_shape *ret_shape, struct gm_error *error)
{
    struct gm_heap heap;
    struct looking looking = {function, function_bytes, name, ret_shape};
    int rc = gm_heap_init(&heap, UINT64_MAX);
    if (rc < 0)
        return gm_error_set(error, rc, "no memory to look at a Lua function");
    struct gm_lua *lua = gm_heap_zalloc(&heap, sizeof *lua);
    GM_CHECK(lua != NULL);
    lua->heap = &heap;
    lua->shared = &nothing_shared;
    lua->io.broadcast = broadcast;
    gm_arena_init(&lua->arena, &heap);
    rc = open_state(lua);
    if (rc == 0)
        rc = call_c(lua, look, &looking);
    if (rc < 0)
        gm_error_set(error, GM_EJOB_FLOW, "%s", lua->message);
    gm_lua_close(lua);
    gm_heap_fini(&heap);
    return rc == 0 ? 0 : GM_EJOB_FLOW;
}
