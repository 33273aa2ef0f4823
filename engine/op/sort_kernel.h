/* sort_kernel.h - sorts packed rows in memory: key prefixes of 64 bits beside row pointers.
 *
 * Prefixes order as the values do (engine/row/row.h), in the column's direction.  Rows whose
 * prefixes are equal get the next piece of the key as their prefix: 7 more bytes of a bytes value,
 * or the next column; in the end their position.  So most rows are moved by radix and never looked
 * at again, and the order is total: (key, position).
 *
 * In the place of a pointer to a row stands its first byte; its position lies in the 8 bytes before
 * it.
 *
 * Threads: one.  Memory: none of its own.
 */
#ifndef GM_OP_SORT_KERNEL_H
#define GM_OP_SORT_KERNEL_H

#include <string.h>

#include "engine/row/batch.h"
#include "engine/row/row.h"

#define GM_SORT_POSITION_BYTES 8

struct gm_sort_entry {
    uint64_t prefix;
    const uint8_t *row;
};

struct gm_sort_order {
    struct gm_layout layout;
    const struct gleam_order *order; /* borrowed */
};

void gm_sort_order_init(struct gm_sort_order *order, const struct gm_schema *schema,
                        const struct gleam_order *columns);

static inline uint64_t gm_sort_position(const uint8_t *row)
{
    uint64_t position;
    memcpy(&position, row - GM_SORT_POSITION_BYTES, sizeof position);
    return position;
}

/* The first prefix of a row, and of `count` rows of a batch from `first` on. */
uint64_t gm_sort_prefix(const struct gm_sort_order *order, const uint8_t *row);
void gm_sort_prefixes(const struct gm_sort_order *order, const struct gm_batch *batch,
                      uint32_t first, uint32_t count, uint64_t *ret_prefixes);

/* By key alone, the prefixes being those of gm_sort_prefix: < 0, 0, > 0. */
int gm_sort_compare_keys(const struct gm_sort_order *order, const struct gm_sort_entry *a,
                         const struct gm_sort_entry *b);

/* By (key, position). */
bool gm_sort_before(const struct gm_sort_order *order, const struct gm_sort_entry *a,
                    const struct gm_sort_entry *b);

/* Sorts by (key, position); where the order has no columns by the prefix alone.  Prefixes are
 * those of gm_sort_prefix before; nobody's after. */
void gm_sort_entries(const struct gm_sort_order *order, struct gm_sort_entry *entries,
                     uint64_t count);

#endif
