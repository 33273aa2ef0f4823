/* table.h - open-addressing hash table of keys with a row of 8-byte accumulators each.
 *
 * Threads:   one.
 * Memory:    one block of slots and an arena for keys over 16 bytes, both in the heap.
 * Layout:    a slot is 24 bytes and 8 per accumulator: a key of up to 16 bytes lies in the slot, so
 *            one accumulator makes 32 bytes and a hit touches half a cache line.  Linear probing;
 *            grows by doubling at 3/4.
 */
#ifndef GM_OP_TABLE_H
#define GM_OP_TABLE_H

#include "engine/op/key.h"
#include "engine/row/arena.h"

/* Accumulators of a slot at most; as GM_REDUCE_VALUES_MAX. */
#define GM_TABLE_VALUES_MAX 32

struct gm_slot {
    uint64_t low;  /* the key's first 8 bytes; of a long key, its address */
    uint64_t high; /* the next 8; of a long key, its hash */
    uint32_t used; /* length + 1; 0 = empty */
    uint32_t seen; /* bit i: accumulator i holds a value */
    uint64_t values[]; /* accumulators */
};

struct gm_table {
    struct gm_heap *heap;
    struct gm_arena arena; /* long keys, and what accumulators point at */
    uint8_t *slots;
    uint64_t mask; /* slots - 1 */
    uint64_t count;
    uint64_t count_max; /* grow before it passes this */
    uint32_t stride;
    uint32_t value_count;
};

/* Returns 0 or GM_ETASK_MEMORY. */
int gm_table_init(struct gm_table *table, uint32_t value_count, struct gm_heap *heap);
void gm_table_fini(struct gm_table *table);
/* Empties it and keeps its slots, nothing else. */
void gm_table_clear(struct gm_table *table);

/* The slot of each key, made where there was none: *ret_new has bit i set for those (values and
 * seen are 0 there).  count <= GM_KEY_BLOCK.  Slots stay where they are until the next call.
 * Returns 0, or GM_ETASK_MEMORY before anything changed. */
int gm_table_block(struct gm_table *table, const struct gm_key *keys, uint32_t count,
                   struct gm_slot **ret_slots, uint64_t *ret_new);

/* The slot of each key, or NULL where there is none.  count <= GM_KEY_BLOCK. */
void gm_table_find(const struct gm_table *table, const struct gm_key *keys, uint32_t count,
                   struct gm_slot **ret_slots);

/* The next used slot at or after *position, which moves behind it; NULL at the end. */
struct gm_slot *gm_table_next(const struct gm_table *table, uint64_t *position);

static inline const uint8_t *gm_slot_key(const struct gm_slot *slot, uint32_t *ret_length)
{
    *ret_length = slot->used - 1;
    return *ret_length <= 16 ? (const uint8_t *)&slot->low
                             : (const uint8_t *)(uintptr_t)slot->low;
}

/* The hash that its key was found by. */
uint64_t gm_slot_hash(const struct gm_slot *slot);

/* Moves the used slots to the front, ascending by hash, without any memory.  The table can only be
 * read and freed from then on: gm_table_next gives the slots in that order. */
void gm_table_sort(struct gm_table *table);

uint64_t gm_table_bytes(const struct gm_table *table); /* held from the heap */
/* The same once there are slots for `count` more keys. */
uint64_t gm_table_bytes_with(const struct gm_table *table, uint32_t count);

#endif
