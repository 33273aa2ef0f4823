/* hash.h - the one hash of bytes: it picks partitions and table slots alike.
 *
 * The same value gives the same hash on every node and in every version of a job, so it has no
 * per-process seed.  High and low halves are both good: partitions use the high 32 bits
 * (gm_hash_partition), tables the low ones.
 *
 * Up to 16 bytes: two overlapping-free 8-byte halves folded by a 64x64->128 multiplication, twice,
 * as in wyhash (Wang Yi, public domain).  Longer: XXH3 (xxHash, Yann Collet, BSD-2).
 */
#ifndef GM_BASE_HASH_H
#define GM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* XXH3_64bits of the bytes; any length, no slack needed. */
uint64_t gm_hash_long(const void *data, size_t bytes);

static inline uint64_t gm_hash_fold(uint64_t a, uint64_t b)
{
    const __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The hash of two words that hold `bytes` <= 16 bytes of a key, zero filled. */
static inline uint64_t gm_hash_words(uint64_t low, uint64_t high, uint64_t bytes)
{
    /* A factor that is 0 would hide the other word: the sum keeps it. */
    const uint64_t mixed = gm_hash_fold(low ^ UINT64_C(0xa0761d6478bd642f),
                                        high ^ UINT64_C(0xe7037ed1a0b428db) ^ (bytes << 56)) ^
                           (low + high);
    return gm_hash_fold(mixed ^ UINT64_C(0x8ebc6af09c88c6e3), UINT64_C(0x589965cc75374cc3));
}

/* Masks for the two words of a key of 0 to 16 bytes. */
extern const uint64_t gm_hash_masks[17][2] __attribute__((visibility("hidden")));

/* The first min(bytes, 16) bytes of data as two zero-filled words.  data must have 16 readable
 * bytes (GM_BYTES_SLACK gives them). */
static inline void gm_hash_load16(const uint8_t *data, size_t bytes, uint64_t ret_words[2])
{
    const uint64_t *masks = gm_hash_masks[bytes < 16 ? bytes : 16];
    memcpy(ret_words, data, 16);
    ret_words[0] &= masks[0];
    ret_words[1] &= masks[1];
}

/* data must have 16 readable bytes, whatever `bytes` is. */
static inline uint64_t gm_hash_bytes(const uint8_t *data, size_t bytes)
{
    if (bytes > 16)
        return gm_hash_long(data, bytes);
    uint64_t words[2];
    gm_hash_load16(data, bytes, words);
    return gm_hash_words(words[0], words[1], bytes);
}

/* The partition of a hash: Lemire's multiply-shift on the high half; partition_count in
 * [1, GM_PARTITIONS_MAX]. */
static inline uint32_t gm_hash_partition(uint64_t hash, uint32_t partition_count)
{
    return (uint32_t)(((hash >> 32) * partition_count) >> 32);
}

#endif
