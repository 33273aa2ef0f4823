/* tally.h - a table of i64 keys with a few 8-byte numbers each: groups in the common case.
 *
 * Threads:   one.
 * Memory:    one block in the heap.
 * Layout:    a bucket has four hashes, then four numbers of each column: with one column a bucket
 *            is one cache line, and a group 16 bytes.  Keys are mixed reversibly, so that the hash
 *            stands for the key; 0 is an empty place, and the one key whose hash is 0 lies in a
 *            bucket of its own behind the others.  A bucket fills up from its beginning; what does
 *            not fit is in one of the next.  Grows by doubling at 3/4.
 * Order:     the hash's top bits say where it belongs, so buckets are nearly ascending: growing
 *            reads and writes memory in one direction, and a sort moves groups by little.  The
 *            other side of it: keys that come in the order of their hashes make the table grow at
 *            once to the size that all hashes need if those to come are as dense.  So rows that
 *            come out of one tally should go into the next with another seed.
 */
#ifndef GM_OP_TALLY_H
#define GM_OP_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/heap.h"

/* Rows worked on at a time: their hashes and the places of their numbers stay in the L1 cache. */
#define GM_TALLY_BLOCK 256
/* Numbers of a group at most. */
#define GM_TALLY_VALUES_MAX 32
/* Places of a bucket. */
#define GM_TALLY_LANES 4

/* key -> ((key ^ mask) * factor, its halves folded) * factor, and back. */
struct gm_tally_hash {
    uint64_t mask;
    uint64_t factors[2];
    uint64_t inverses[2];
};

void gm_tally_hash_init(struct gm_tally_hash *hash, uint64_t seed);

static inline uint64_t gm_tally_mix(const struct gm_tally_hash *hash, int64_t key)
{
    const uint64_t spread = ((uint64_t)key ^ hash->mask) * hash->factors[0];
    return (spread ^ spread >> 32) * hash->factors[1];
}

static inline int64_t gm_tally_unmix(const struct gm_tally_hash *hash, uint64_t mixed)
{
    const uint64_t folded = mixed * hash->inverses[1];
    return (int64_t)(((folded ^ folded >> 32) * hash->inverses[0]) ^ hash->mask);
}

struct gm_tally {
    struct gm_heap *heap;
    uint8_t *buckets;
    uint8_t *end;        /* of the buckets; the one of hash 0 lies there */
    uint32_t shift;      /* hash >> shift: the bucket where it belongs */
    uint32_t stride;     /* bytes of a bucket */
    uint32_t value_count;
    uint32_t reach;      /* buckets from where a group belongs to where it is, at most */
    bool has_zero;
    uint64_t count;
    uint64_t count_max;  /* grow before it passes this */
    const uint64_t *starts; /* borrowed: what the numbers of a new group are */
};

/* Returns 0 or GM_ETASK_MEMORY. */
int gm_tally_init(struct gm_tally *tally, uint32_t value_count, const uint64_t *starts,
                  struct gm_heap *heap);
void gm_tally_fini(struct gm_tally *tally);
/* Empties it and keeps its buckets. */
void gm_tally_clear(struct gm_tally *tally);

/* How many of `rows` rows gm_tally_find should be given next: as many as fit without growing, or
 * few when it has to grow anyway. */
uint32_t gm_tally_chunk(const struct gm_tally *tally, uint32_t rows);

/* The places of the keys' numbers, made where there were none: column v's is ret_values[i] +
 * GM_TALLY_LANES * v.  step 1, or 0: all rows have keys[0].  *ret_count, 1 to count, is how many
 * were looked up.  Places stay where they are until the next call.  count <= GM_TALLY_BLOCK.
 * Returns 0, or GM_ETASK_MEMORY before anything changed. */
int gm_tally_find(struct gm_tally *tally, const struct gm_tally_hash *hash, const int64_t *keys,
                  uint32_t step, uint32_t count, uint64_t **ret_values, uint32_t *ret_count);

/* The next groups at or after *position, which moves behind them: their hashes and the places of
 * their numbers.  Returns how many, max at most; 0 at the end. */
uint32_t gm_tally_next(const struct gm_tally *tally, uint64_t *position, uint32_t max,
                       uint64_t *ret_hashes, const uint64_t **ret_values);

/* Puts the groups in the order of their hashes, in place.  The table can only be read, emptied and
 * freed from then on: gm_tally_next gives them in that order. */
void gm_tally_sort(struct gm_tally *tally);

uint64_t gm_tally_bytes(const struct gm_tally *tally); /* held from the heap */
/* The same once there is room for `count` more. */
uint64_t gm_tally_bytes_with(const struct gm_tally *tally, uint32_t count);

#endif
