/* lua.h - a Lua function as a step: a LuaJIT state, and the loop around the function.
 *
 * Threads: one; every step has a state of its own, so steps share no globals.
 * Memory:  the state's blocks come from the executor's heap (lua_heap.h), bytes of results from an
 *          arena: all of it counts.  LuaJIT's machine code (at most 512 KiB) does not.
 * Errors:  a call returns GM_EJOB_UDF with gm_lua_message, or GM_ETASK_MEMORY; the caller adds
 *          step, place and row.
 *
 * The loops are Lua text made for the kinds of the columns (step.lua); C sets up where the columns
 * lie (lua_io.h) and calls once per batch.
 */
#ifndef GM_UDF_LUA_H
#define GM_UDF_LUA_H

#include "engine/base/error.h"
#include "engine/row/batch.h"
#include "engine/row/schema.h"
#include "engine/udf/counters.h"

struct gm_lua;

enum gm_lua_mode {
    GM_LUA_MAP,      /* one row in, one out */
    GM_LUA_FLAT_MAP, /* an iterator, a table of rows, or values, a row each */
    GM_LUA_FILTER,   /* true: the row stays */
    GM_LUA_FOR_EACH, /* rows come out by writeRow */
    GM_LUA_FOLD,     /* totals and a row's values in, new totals out */
};

/* "map", "flat map", ... */
const char *gm_lua_mode_name(enum gm_lua_mode mode);

/* A blob of a plan, borrowed. */
struct gm_blob {
    const void *data;
    uint64_t bytes;
};

/* What all functions of a flow share. */
struct gm_udf_shared {
    const char *lua_init; /* Lua code that sets globals, "" for none */
    const struct gm_blob *broadcasts;
    uint32_t broadcast_count; /* at most GM_BROADCASTS_MAX */
};

struct gm_lua_spec {
    enum gm_lua_mode mode;
    const void *function; /* source text, or ESC and the bytes that values.lua makes */
    size_t function_bytes;
    const char *name;              /* of the source text, in messages */
    const struct gm_schema *input; /* of a fold: the value columns */
    const struct gm_schema *output;
    const struct gm_udf_shared *shared; /* borrowed */
    struct gm_counters *counters;       /* borrowed */
    struct gm_heap *heap;
};

/* Makes the state, runs the init code, and loads the function.  Returns 0 or < 0 with error. */
int gm_lua_open(const struct gm_lua_spec *spec, struct gm_lua **ret_lua, struct gm_error *error);
void gm_lua_close(struct gm_lua *lua); /* NULL is allowed */

/* Runs the function over rows [*row, in->row_count), until the output is full.  *row is where to go
 * on; `out` gets the rows made, which live until the next call.  Finished with `in` when *row is
 * its row_count and out has less than GM_BATCH_ROWS_MAX rows. */
int gm_lua_run(struct gm_lua *lua, const struct gm_batch *in, uint32_t *row, struct gm_batch *out);

/* After a full output: the rows that the function would still make of this batch are not wanted,
 * and the next run has another batch. */
void gm_lua_abandon(struct gm_lua *lua);

/* Where a fold finds the accumulators of a slot, and how it stores what is no number. */
struct gm_lua_slots {
    uint32_t seen_offset;
    uint32_t values_offset;
    /* Keeps a value in accumulator `value` of a slot.  Returns 0 or < 0. */
    int (*store)(void *context, void *slot, uint32_t value, const struct gleam_value *number);
    void *context;
};
void gm_lua_set_slots(struct gm_lua *lua, const struct gm_lua_slots *slots);

/* Folds rows [first, first + count) of the columns (those of spec.input, in its order) into their
 * slots; bit i of new_slots: slot i is new, and starts as the row's values. */
int gm_lua_fold(struct gm_lua *lua, const struct gm_batch *in, const uint32_t *columns,
                void **slots, uint64_t new_slots, uint32_t first, uint32_t count);

/* The message of the last error, without step and row; "" when the reason was noted elsewhere. */
const char *gm_lua_message(const struct gm_lua *lua);
/* The input row that was at work. */
uint32_t gm_lua_row(const struct gm_lua *lua);

/* What a function's code tells without running it. */
struct gm_lua_shape {
    int parameter_count; /* -1: any number */
    int result_count;    /* the most of its returns; -1: cannot be seen (return f(...)) */
};

/* Loads a function as an executor would, without running it.  Returns 0 or GM_EJOB_FLOW with
 * error. */
int gm_lua_inspect(const void *function, size_t function_bytes, const char *name,
                   struct gm_lua_shape *ret_shape, struct gm_error *error);

#endif
