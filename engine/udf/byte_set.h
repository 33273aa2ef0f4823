/* byte_set.h - sets of byte values, and fast searches for bytes in and outside of them.
 *
 * A set is 256 bits, laid out for a vector unit: two tables of 16 bytes are looked up by the low
 * half of a byte, the first for bytes below 0x80, and the high half picks the bit.  So any set
 * classifies 32 bytes with two shuffles, as fast as [a-z].
 *
 * Threads:   pure functions; the choice of a variant is shared and atomic.
 * Memory:    none.  No byte outside of the text is read.
 * Variants:  "avx2" and "scalar", chosen at the first call; GLEAM_SIMD=scalar in the environment
 *            asks for the plain one.  All give the same results.
 */
#ifndef GM_UDF_BYTE_SET_H
#define GM_UDF_BYTE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gm_byte_set {
    uint8_t table[32];
};

static inline void gm_byte_set_add(struct gm_byte_set *set, uint8_t byte)
{
    set->table[(byte >> 3 & 16) | (byte & 15)] |= (uint8_t)(1u << (byte >> 4 & 7));
}

static inline bool gm_byte_set_has(const struct gm_byte_set *set, uint8_t byte)
{
    return set->table[(byte >> 3 & 16) | (byte & 15)] >> (byte >> 4 & 7) & 1;
}

/* Turns the set into its complement. */
void gm_byte_set_invert(struct gm_byte_set *set);

/* Adds all of `other`. */
void gm_byte_set_join(struct gm_byte_set *set, const struct gm_byte_set *other);

/* True when no byte is in both. */
bool gm_byte_set_disjoint(const struct gm_byte_set *a, const struct gm_byte_set *b);

/* The first byte from `at` on that is not in the set, or `end`.  `begin` is the beginning of the
 * text that `at` is in: from there on bytes may be read, which makes ends cheap. */
const uint8_t *gm_byte_set_span(const struct gm_byte_set *set, const uint8_t *begin,
                                const uint8_t *at, const uint8_t *end);

/* The first byte from `at` on that is in the set, or `end`. */
const uint8_t *gm_byte_set_find(const struct gm_byte_set *set, const uint8_t *begin,
                                const uint8_t *at, const uint8_t *end);

/* A maximal run of bytes in the set. */
struct gm_byte_run {
    int32_t start; /* offset from the beginning of the text */
    int32_t length;
};

/* Writes the next runs in text[*at, length) to ret[0..max) and returns how many; fewer than max
 * when the text has ended.  *at moves behind the last run, or to `length`.  length is at most
 * INT32_MAX, and a run that was cut off before *at counts from there. */
uint32_t gm_byte_set_runs(const struct gm_byte_set *set, const uint8_t *text, uint32_t length,
                          uint32_t *at, struct gm_byte_run *ret, uint32_t max);

/* The first place of needle[0, needle_bytes) in [at, end), or NULL; 1 <= needle_bytes. */
const uint8_t *gm_bytes_find(const uint8_t *at, const uint8_t *end, const uint8_t *needle,
                             size_t needle_bytes);

/* Forces a variant by name, or with NULL the widest again.  Returns 0, -EINVAL for a name that
 * does not exist or -ENOTSUP for one that this processor cannot run. */
int gm_byte_set_select(const char *name);

/* Name of the variant in use. */
const char *gm_byte_set_variant(void);

#endif
