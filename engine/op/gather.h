/* gather.h - chosen rows of vectors and of packed rows, as new vectors.
 *
 * `out` has arrays of its own for GM_BATCH_ROWS_MAX values (gm_batch_init) and the kind of the
 * column, or `any`.  Bytes are referred to, not copied.
 */
#ifndef GM_OP_GATHER_H
#define GM_OP_GATHER_H

#include "engine/row/batch.h"
#include "engine/row/schema.h"

/* Values rows[0..count) of a vector. */
void gm_gather(const struct gm_vector *in, const uint32_t *rows, uint32_t count,
               struct gm_vector *out);

/* Field `field` of packed rows of our own; a row that is NULL gives null. */
void gm_gather_packed(const struct gm_layout *layout, uint32_t field, const uint8_t *const *rows,
                      uint32_t count, struct gm_vector *out);

/* Null in every row. */
void gm_gather_nulls(struct gm_vector *out);

/* One value, whose kind is the vector's or null, or any for an `any` vector.  The vector's nulls
 * are up to date afterwards, if has_nulls was false before its first row. */
void gm_gather_put(struct gm_vector *out, uint32_t row, const struct gleam_value *value);

#endif
