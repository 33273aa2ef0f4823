/* accumulate.h - folding value columns into the accumulators of table slots.
 *
 * An accumulator is 8 bytes: the number itself for i64, f64 and bool columns; the address of a
 * struct gm_box for bytes and any.  slot->seen has a bit per accumulator that holds a value; sums
 * of columns without nulls and counts do not use it.
 */
#ifndef GM_OP_ACCUMULATE_H
#define GM_OP_ACCUMULATE_H

#include "engine/op/op.h"
#include "engine/op/table.h"
#include "engine/row/row.h"
#include "engine/udf/call.h"
#include "engine/udf/registry.h"

struct gm_box {
    struct gleam_value value;
    size_t capacity; /* of the arena block behind value.bytes.data, so that it can be reused */
};

struct gm_accumulator {
    enum gm_reduce_kind kind;
    enum gm_reduce_kind folds[GM_REDUCE_VALUES_MAX]; /* of each column: a sum's is its kind's */
    uint32_t value_count;
    uint32_t columns[GM_REDUCE_VALUES_MAX]; /* of the input batch, from 0 */
    uint8_t kinds[GM_REDUCE_VALUES_MAX];    /* of those columns */
    bool nullable[GM_REDUCE_VALUES_MAX];
    struct gm_registered_reducer function;
    struct gleam_call call; /* for the function */
    struct gm_arena scratch; /* gleam_call_keep: bytes until the function's result is stored */
    struct gm_lua *lua;      /* GM_REDUCE_LUA */
    struct gm_table *table;  /* of the fold that runs */
    const struct gm_step *step;
    struct gm_heap *heap;
    struct gm_error *error;
};

/* For the step of op.  The value columns are those of its input that are no keys. */
int gm_accumulator_init(struct gm_accumulator *accumulator, const struct gm_op *op);
void gm_accumulator_fini(struct gm_accumulator *accumulator);

/* Folds rows [first, first + count) into their slots; new_slots has a bit per slot made for this
 * block.  table's arena holds boxes.  Returns 0 or < 0 with the error set. */
int gm_accumulator_fold(struct gm_accumulator *accumulator, struct gm_table *table,
                        struct gm_slot **slots, uint64_t new_slots, const struct gm_batch *batch,
                        uint32_t first, uint32_t count);

/* Sets the error of a sum beyond i64 and returns it. */
int gm_accumulator_overflow(const struct gm_accumulator *accumulator);

/* Accumulator `value` of a slot into row `row` of a vector of its kind. */
void gm_accumulator_store(const struct gm_accumulator *accumulator, const struct gm_slot *slot,
                          uint32_t value, struct gm_vector *vector, uint32_t row);

#endif
