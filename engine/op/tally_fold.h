/* tally_fold.h - folding columns of numbers without nulls into the groups of a tally.
 *
 * Threads:   any; what they write to belongs to one.
 */
#ifndef GM_OP_TALLY_FOLD_H
#define GM_OP_TALLY_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/flow/plan.h"
#include "engine/row/batch.h"

/* Whether gm_tally_fold knows this fold of a column of this kind. */
bool gm_tally_folds(enum gm_reduce_kind fold, uint8_t kind);

/* What the number of a group without rows is: folding any number into it gives that number. */
uint64_t gm_tally_start(enum gm_reduce_kind fold, uint8_t kind);

/* Folds rows [first, first + count) of the column, which a count does not look at, into column
 * `value` of their groups.  Returns false when a sum of i64 left its range. */
bool gm_tally_fold(enum gm_reduce_kind fold, const struct gm_vector *vector, uint32_t first,
                   uint32_t count, uint64_t *const *values, uint32_t value);

#endif
