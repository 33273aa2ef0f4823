/* op.h - one operator of a chain: batches in, batches out.
 *
 * Threads:   one; an operator belongs to one chain of one executor.
 * Blocking:  never: what does not fit one output batch comes out of the next call, and an
 *            operator that waits for the world (a command's pipe) returns GM_AGAIN.  So a chain
 *            can stop between any two calls and go on later.
 * State:     `op` is shared by all partitions of the chain on this executor; what belongs to one
 *            partition is a state made by begin.  An operator of executor scope (a combiner) has
 *            one state for all partitions, and finishes once, at the end of the chain's input.
 *
 * Memory:    `out` comes in without arrays.  An operator points its vectors at arrays of its own
 *            (made by open) or at those of `in`; they stay as they are until it is called again.
 *
 * Life: open, then for every partition begin, process..., finish..., end; then close.
 * The shape follows the push-based pipelines of DuckDB (Raasveldt and Muehleisen; "push-based
 * execution in DuckDB", 2021): the caller owns the loop, operators own no control flow.
 */
#ifndef GM_OP_OP_H
#define GM_OP_OP_H

#include <stdatomic.h>

#include "engine/base/error.h"
#include "engine/base/heap.h"
#include "engine/base/spill.h"
#include "engine/flow/plan.h"
#include "engine/row/batch.h"

enum {
    GM_OP_NEED_INPUT = 0, /* done with the input; `out` may hold rows */
    /* GM_AGAIN: nothing can be done now, and `out` is empty: call again with the same input. */
    GM_OP_HAVE_MORE = 3,  /* hand on `out`, then call again with the same input */
    /* As NEED_INPUT, and more rows of this partition would be for nothing: what is in front need
     * not make any. */
    GM_OP_ENOUGH = 5,
};

struct gm_op;
struct gm_holding; /* engine/op/holding.h */
struct gm_holdings;
struct gm_processes; /* shuffle/port/process.h */

struct gm_op_ops {
    const char *name;
    bool executor_scope;
    /* Each partition is begun and finished once, also one without rows. */
    bool every_partition;
    /* Allocates what all partitions share.  Returns 0 or < 0 with op->error set. */
    int (*open)(struct gm_op *op);
    void (*close)(struct gm_op *op); /* accepts a half-open op */
    /* NULL when there is no state. */
    int (*begin)(struct gm_op *op, void **ret_state);
    void (*end)(struct gm_op *op, void *state);
    /* Takes `in` (borrowed until it returns NEED_INPUT) and fills `out`, which comes in empty.
     * Returns NEED_INPUT, HAVE_MORE, ENOUGH, GM_AGAIN or < 0. */
    int (*process)(struct gm_op *op, void *state, const struct gm_batch *in, struct gm_batch *out);
    /* Nobody wants more of this partition: process and finish give no rows from now on, and do not
     * wait.  NULL for an operator that cannot run on its own. */
    void (*stop)(struct gm_op *op, void *state);
    /* After HAVE_MORE: what the input at hand would still make is not wanted, and the next call has
     * another one.  NULL for an operator that makes a bounded number of rows of each. */
    void (*abandon)(struct gm_op *op);
    /* Nothing comes in at the moment: fills `out` with what there is, and sends on what is kept
     * back.  Returns 0, or < 0.  NULL when there is nothing to be done then. */
    int (*idle)(struct gm_op *op, void *state, struct gm_batch *out);
    /* The input of the partition has ended: fills `out` with what is left.  HAVE_MORE: call
     * again; GM_AGAIN: later; NEED_INPUT: that was all.  NULL when nothing is ever left. */
    int (*finish)(struct gm_op *op, void *state, struct gm_batch *out);
    /* Writes all that a holding has to its runs and frees the memory, in between two calls of the
     * other functions.  Returns 0; GM_AGAIN: goes on with the next call; or < 0.  NULL for an
     * operator that has no holdings (engine/op/holding.h). */
    int (*give_back)(struct gm_op *op, struct gm_holding *holding);
    /* True when no further input of the partition would change anything.  NULL: never. */
    bool (*satisfied)(const struct gm_op *op, const void *state);
};

struct gm_op {
    const struct gm_op_ops *ops;
    const struct gm_step *step;           /* borrowed from the plan */
    const struct gm_schema *input_schema; /* borrowed; of the first input, if there are several */
    const struct gm_input *inputs;        /* borrowed; what a chain's first operator reads */
    uint32_t input_count;                 /* 0 where the chain's source is no exchange */
    struct gm_heap *heap;                 /* borrowed */
    struct gm_error *error;               /* borrowed; the executor's */
    uint64_t budget_bytes;                /* what its states may hold before they give back */
    const struct gm_spill *spill;         /* borrowed; NULL: nothing may go to disk */
    uint64_t spill_at_bytes;              /* the heap's used_bytes from which something should */
    struct gm_holdings *holdings;         /* borrowed; the executor's; NULL without spill */
    uint64_t *spilled_bytes;              /* what went there is added to; NULL without spill */
    uint32_t chain_index;
    const struct gm_udf_shared *shared;   /* borrowed; what Lua and C functions of a flow share */
    struct gm_counters *counters;         /* borrowed; the executor's */
    /* Where partitions [0, claim_end) of the chain's source are claimed, and the rows that a limit
     * has found are added up, both for all executors.  NULL: it is an exchange. */
    _Atomic uint64_t *claim;
    _Atomic uint64_t *found;
    uint64_t claim_end;
    uint32_t partition;                   /* whose state is begun, worked on or finished */
    struct gm_processes *processes;       /* borrowed; NULL where no step runs commands */
    uint64_t hidden_rows; /* of the `out` just filled: rows beyond one per value, where a value
                           * holds several; the chain takes and clears it */
    /* Tells who takes the chain's rows how many bytes of text a partition will be, before the first
     * of them is made.  NULL: nobody asks. */
    void (*measured)(void *sink, uint32_t partition, uint64_t bytes);
    void *sink;
    void *self;                           /* made by open */
};

/* Orders rows by where they come from: by origin (20 bits; GM_PARTITIONS_MAX needs 17), then by
 * arrival (44 bits).  Rows of one origin arrive in its order. */
static inline uint64_t gm_op_position(uint32_t origin, uint64_t arrival)
{
    return (uint64_t)origin << 44 | arrival;
}

/* The operator of a step's kind. */
const struct gm_op_ops *gm_op_find(enum gm_step_kind kind);

extern const struct gm_op_ops gm_op_tokenize;
extern const struct gm_op_ops gm_op_append_one;
extern const struct gm_op_ops gm_op_cast;
extern const struct gm_op_ops gm_op_mapper;
extern const struct gm_op_ops gm_op_combine;
extern const struct gm_op_ops gm_op_reduce;
extern const struct gm_op_ops gm_op_sort;
extern const struct gm_op_ops gm_op_top;
extern const struct gm_op_ops gm_op_format;
extern const struct gm_op_ops gm_op_lua;
extern const struct gm_op_ops gm_op_filter;
extern const struct gm_op_ops gm_op_join;
extern const struct gm_op_ops gm_op_select;
extern const struct gm_op_ops gm_op_local_limit;
extern const struct gm_op_ops gm_op_limit;
extern const struct gm_op_ops gm_op_partial_distinct;
extern const struct gm_op_ops gm_op_distinct;
extern const struct gm_op_ops gm_op_group;
extern const struct gm_op_ops gm_op_pipe;
extern const struct gm_op_ops gm_op_pipe_args;
extern const struct gm_op_ops gm_op_write;
extern const struct gm_op_ops gm_op_measure;
extern const struct gm_op_ops gm_op_where;
extern const struct gm_op_ops gm_op_marks;
extern const struct gm_op_ops gm_op_mean_parts;
extern const struct gm_op_ops gm_op_mean;
extern const struct gm_op_ops gm_op_sample;
extern const struct gm_op_ops gm_op_sample_keys;
extern const struct gm_op_ops gm_op_default;

#endif
