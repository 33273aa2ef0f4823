/* keyed.h - what a table of keys holds as records of runs: a key and bytes, by the key's hash.
 *
 * The hash stands in the place of a position, so that a merge brings the records of one key
 * together; among them they come in any order.
 *
 * Threads: one.  Memory: none.
 */
#ifndef GM_OP_KEYED_H
#define GM_OP_KEYED_H

#include "engine/op/run_set.h"
#include "engine/op/table.h"

struct gm_keyed {
    struct gm_key key;
    uint64_t position;
    uint8_t tag;
    const uint8_t *data;
    uint32_t bytes;
};

/* The order of such runs. */
void gm_keyed_order_init(struct gm_sort_order *order);

/* Adds a record with the slot's key.  Returns as gm_run_set_put. */
int gm_keyed_put(struct gm_run_set *set, struct gm_op *op, uint32_t partition,
                 const struct gm_slot *slot, uint64_t position, uint8_t tag, const uint8_t *data,
                 uint32_t bytes);

/* A record as a merge lends it: what it points at lies there. */
void gm_keyed_read(const uint8_t *row, uint64_t row_bytes, struct gm_keyed *ret_record);

#endif
