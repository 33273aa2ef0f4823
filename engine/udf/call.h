/* call.h - what stands behind struct gleam_call while a user's function runs.
 *
 * A mapper's rows are collected in columns of the declared schema.  Bytes that lie inside the input
 * row are referred to, others are copied to `arena`: both live until the operator has handed on all
 * rows and runs the next input row.
 */
#ifndef GM_UDF_CALL_H
#define GM_UDF_CALL_H

#include "engine/base/error.h"
#include "engine/row/arena.h"
#include "engine/row/batch.h"
#include "engine/udf/lua.h"

struct gleam_call {
    const void *parameter;
    size_t parameter_length;
    struct gm_error *error; /* where gleam_fail and our own refusals go */
    const char *step;
    const char *where; /* file:line of the step in the driver */
    struct gm_arena *arena;
    const struct gm_udf_shared *shared;
    struct gm_counters *counters;

    /* mapper */
    struct gm_batch *out; /* rows emitted so far; NULL in a reducer */
    uint32_t capacity;    /* rows that there is room for */
    const uint8_t *input_begin;   /* bytes of the input row that may be referred to */
    const uint8_t *input_end;
    int (*grow)(struct gleam_call *call); /* makes room for more rows: 0 or < 0 */
};

#endif
