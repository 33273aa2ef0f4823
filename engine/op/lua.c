/* lua.c - a person's Lua function over rows: map, flat map, filter and for each. */
#include "engine/udf/lua.h"

#include <string.h>

#include "engine/op/op.h"
#include "engine/op/row_text.h"

struct lua_op {
    struct gm_lua *lua;
    uint32_t next_row;
};

static int lua_op_open(struct gm_op *op)
{
    struct lua_op *self = gm_heap_zalloc(op->heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    op->self = self;
    const struct gm_step *step = op->step;
    const struct gm_lua_spec spec = {
        .mode = step->lua_mode,
        .function = step->parameter,
        .function_bytes = step->parameter_bytes,
        .name = step->name,
        .input = op->input_schema,
        .output = &step->schema,
        .shared = op->shared,
        .counters = op->counters,
        .heap = op->heap,
    };
    struct gm_error error = {0};
    int rc = gm_lua_open(&spec, &self->lua, &error);
    if (rc < 0)
        return gm_error_set(op->error, rc, "%s: step '%s': %s%s", step->where, step->name,
                            error.text, rc == GM_ETASK_MEMORY ? ": give more with --memory" : "");
    return 0;
}

static void lua_op_close(struct gm_op *op)
{
    struct lua_op *self = op->self;
    if (self == NULL)
        return;
    gm_lua_close(self->lua);
    gm_heap_free(op->heap, self, sizeof *self);
    op->self = NULL;
}

static int lua_op_process(struct gm_op *op, void *state, const struct gm_batch *in,
                          struct gm_batch *out)
{
    struct lua_op *self = op->self;
    (void)state;
    int rc = gm_lua_run(self->lua, in, &self->next_row, out);
    if (rc < 0)
        return gm_op_refuse_lua(op->step, op->heap, self->lua, in, rc, op->error);
    /* A full batch may have cut an iterator short. */
    if (op->step->lua_mode != GM_LUA_MAP && op->step->lua_mode != GM_LUA_FILTER &&
        out->row_count == GM_BATCH_ROWS_MAX)
        return GM_OP_HAVE_MORE;
    self->next_row = 0;
    return GM_OP_NEED_INPUT;
}

static void lua_op_abandon(struct gm_op *op)
{
    struct lua_op *self = op->self;
    gm_lua_abandon(self->lua);
    self->next_row = 0;
}

const struct gm_op_ops gm_op_lua = {
    .name = "lua",
    .open = lua_op_open,
    .close = lua_op_close,
    .process = lua_op_process,
    .abandon = lua_op_abandon,
};
