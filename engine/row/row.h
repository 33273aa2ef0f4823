/* row.h - one packed row: its length, its fields, and the order of values.
 *
 * Rows here are our own (they passed gm_codec_decode or came from gm_codec_encode): lengths are
 * believed.
 *
 * Order of values, for sort and top alike: null, then false, true, then numbers (i64 and f64
 * compared exactly, NaN last among them), then bytes (as unsigned, a prefix first), then lists
 * (value by value, a beginning first).
 */
#ifndef GM_ROW_ROW_H
#define GM_ROW_ROW_H

#include "engine/gleam.h"
#include "engine/row/schema.h"

/* Length of a packed row in bytes. */
uint64_t gm_row_bytes(const struct gm_layout *layout, const uint8_t *row);

/* Field `field` (from 0); bytes point into the row. */
struct gleam_value gm_row_get(const struct gm_layout *layout, const uint8_t *row, uint32_t field);

/* < 0, 0, > 0. */
int gm_value_compare(const struct gleam_value *a, const struct gleam_value *b);

/* By the columns of the order (1-based), in their directions. */
int gm_row_compare(const struct gm_layout *layout, const struct gleam_order *order,
                   const uint8_t *a, const uint8_t *b);

/* Whether the order names the column (from 1). */
static inline bool gm_order_names(const struct gleam_order *order, uint32_t column)
{
    for (uint32_t i = 0; i < order->count; i++)
        if (order->columns[i].column == column)
            return true;
    return false;
}

/* By every column, ascending: the last tie-break of Top. */
int gm_row_compare_whole(const struct gm_layout *layout, const uint8_t *a, const uint8_t *b);

/* A number that orders as the value does as far as 64 bits tell: a < b implies
 * prefix(a) <= prefix(b), within one column. */
uint64_t gm_value_prefix(const struct gleam_value *value);

#endif
