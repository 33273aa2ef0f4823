/* tally_kernel.c - see tally_kernel.h.
 *
 * Most hashes are in the bucket where they belong, at any of its four places: one comparison of
 * them all and a count of trailing zeros finds it without a branch that depends on the data.  In a
 * table beyond the L2 cache the time is that of misses, and what counts is how many of them are
 * under way: each row asks for the bucket of one that is GM_TALLY_AHEAD rows behind it.
 */
#include "engine/op/tally_kernel.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Tables up to this are looked up without asking ahead: half of a usual L2 cache. */
#define NEAR_BYTES (UINT64_C(512) << 10)
#define HASHES_BYTES (8 * GM_TALLY_LANES)
/* Of a bucket with one number a group. */
#define STRIDE_ONE (2 * HASHES_BYTES)

static uint64_t *start(struct gm_tally *tally, uint8_t *bucket, uint32_t lane, uint64_t hash)
{
    uint64_t *values = (uint64_t *)(bucket + HASHES_BYTES) + lane;
    memcpy(bucket + 8 * lane, &hash, sizeof hash);
    for (uint32_t v = 0; v < tally->value_count; v++)
        values[v * GM_TALLY_LANES] = tally->starts[v];
    tally->count++;
    return values;
}

__attribute__((noinline)) uint64_t *gm_tally_place(struct gm_tally *tally, uint64_t hash,
                                                   uint32_t probes)
{
    uint8_t *bucket = tally->buckets + (hash >> tally->shift) * tally->stride;
    for (uint32_t probe = 0; probe < probes && bucket < tally->end; probe++) {
        const uint64_t *hashes = (const uint64_t *)bucket;
        for (uint32_t lane = 0; lane < GM_TALLY_LANES; lane++) {
            if (hashes[lane] == hash)
                return (uint64_t *)(bucket + HASHES_BYTES) + lane;
            if (hashes[lane] == 0) {
                tally->reach = probe > tally->reach ? probe : tally->reach;
                return start(tally, bucket, lane, hash);
            }
        }
        bucket += tally->stride;
    }
    return NULL;
}

/* ---- what the variants share ----------------------------------------------------------------- */

ALWAYS_INLINE bool mix_all(const struct gm_tally_hash *hash, const int64_t *keys, uint32_t count,
                           uint64_t *ret_hashes)
{
    uint64_t zeros = 0;
    for (uint32_t i = 0; i < count; i++) {
        ret_hashes[i] = gm_tally_mix(hash, keys[i]);
        zeros |= ret_hashes[i] == 0;
    }
    return zeros != 0;
}

/* The body of a variant: same_in gives a bit per place of the bucket that holds the hash.  A macro,
 * because its parts must be inlined into a function that has the variant's instructions switched
 * on.  `bytes` and `far` are constants. */
#define FIND_LOOP(same_in, bytes, far)                                                             \
    do {                                                                                           \
        uint8_t *const buckets = tally->buckets;                                                   \
        const uint32_t shift = tally->shift;                                                       \
        for (uint32_t i = 0; (far) && i < GM_TALLY_AHEAD; i++)                                     \
            __builtin_prefetch(buckets + (hashes[i] >> shift) * (bytes), 1);                       \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            if (far)                                                                               \
                __builtin_prefetch(buckets + (hashes[i + GM_TALLY_AHEAD] >> shift) * (bytes), 1);  \
            uint8_t *bucket = buckets + (hashes[i] >> shift) * (bytes);                            \
            const uint64_t same = same_in(bucket, hashes[i]);                                      \
            if (__builtin_expect(same != 0, 1)) {                                                  \
                ret_values[i] =                                                                    \
                    (uint64_t *)(bucket + HASHES_BYTES) + (uint32_t)__builtin_ctzll(same);         \
                continue;                                                                          \
            }                                                                                      \
            ret_values[i] = gm_tally_place(tally, hashes[i], GM_TALLY_PROBES);                     \
            if (ret_values[i] == NULL)                                                             \
                return i;                                                                          \
        }                                                                                          \
        return count;                                                                              \
    } while (0)

#define FIND_BODY(same_in)                                                                         \
    const bool is_far = (uint64_t)(tally->end - tally->buckets) > NEAR_BYTES;                      \
    if (tally->stride != STRIDE_ONE)                                                               \
        FIND_LOOP(same_in, tally->stride, true);                                                   \
    if (is_far)                                                                                    \
        FIND_LOOP(same_in, STRIDE_ONE, true);                                                      \
    FIND_LOOP(same_in, STRIDE_ONE, false)

/* ---- plain ----------------------------------------------------------------------------------- */

ALWAYS_INLINE uint32_t same_scalar(const uint8_t *bucket, uint64_t hash)
{
    uint64_t hashes[GM_TALLY_LANES];
    memcpy(hashes, bucket, sizeof hashes);
    return (uint32_t)(hashes[0] == hash) | (uint32_t)(hashes[1] == hash) << 1 |
           (uint32_t)(hashes[2] == hash) << 2 | (uint32_t)(hashes[3] == hash) << 3;
}

static bool mix_scalar(const struct gm_tally_hash *hash, const int64_t *keys, uint32_t count,
                       uint64_t *ret_hashes)
{
    return mix_all(hash, keys, count, ret_hashes);
}

static uint32_t find_scalar(struct gm_tally *tally, const uint64_t *hashes, uint32_t count,
                            uint64_t **ret_values)
{
    FIND_BODY(same_scalar);
}

/* ---- x86-64 ---------------------------------------------------------------------------------- */

#if defined(__x86_64__)

#define TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define TARGET_AVX512 __attribute__((target("avx2,bmi,bmi2,avx512f,avx512dq,avx512vl")))

TARGET_AVX2 ALWAYS_INLINE uint32_t same_avx2(const uint8_t *bucket, uint64_t hash)
{
    const __m256i hashes = _mm256_loadu_si256((const __m256i *)bucket);
    const __m256i same = _mm256_cmpeq_epi64(hashes, _mm256_set1_epi64x((long long)hash));
    return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(same));
}

TARGET_AVX2 static bool mix_avx2(const struct gm_tally_hash *hash, const int64_t *keys,
                                 uint32_t count, uint64_t *ret_hashes)
{
    return mix_all(hash, keys, count, ret_hashes);
}

TARGET_AVX2 static uint32_t find_avx2(struct gm_tally *tally, const uint64_t *hashes,
                                      uint32_t count, uint64_t **ret_values)
{
    FIND_BODY(same_avx2);
}

TARGET_AVX512 ALWAYS_INLINE uint32_t same_avx512(const uint8_t *bucket, uint64_t hash)
{
    const __m256i hashes = _mm256_loadu_si256((const __m256i *)bucket);
    return _mm256_cmpeq_epi64_mask(hashes, _mm256_set1_epi64x((long long)hash));
}

/* The compiler makes multiplications of whole vectors of it. */
TARGET_AVX512 static bool mix_avx512(const struct gm_tally_hash *hash, const int64_t *keys,
                                     uint32_t count, uint64_t *ret_hashes)
{
    return mix_all(hash, keys, count, ret_hashes);
}

TARGET_AVX512 static uint32_t find_avx512(struct gm_tally *tally, const uint64_t *hashes,
                                          uint32_t count, uint64_t **ret_values)
{
    FIND_BODY(same_avx512);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

#elif defined(__aarch64__)

/* ---- arm64 ----------------------------------------------------------------------------------- */

ALWAYS_INLINE uint32_t same_neon(const uint8_t *bucket, uint64_t hash)
{
    const uint64x2_t wanted = vdupq_n_u64(hash);
    const uint64x2_t low = vceqq_u64(vld1q_u64((const uint64_t *)bucket), wanted);
    const uint64x2_t high = vceqq_u64(vld1q_u64((const uint64_t *)bucket + 2), wanted);
    const uint32x4_t bits = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vcombine_u32(vmovn_u64(low), vmovn_u64(high)), bits));
}

static uint32_t find_neon(struct gm_tally *tally, const uint64_t *hashes, uint32_t count,
                          uint64_t **ret_values)
{
    FIND_BODY(same_neon);
}

#endif

/* ---- the choice ------------------------------------------------------------------------------ */

static bool has_always(void)
{
    return true;
}

/* Widest first. */
static const struct gm_tally_kernel kernels[] = {
#if defined(__x86_64__)
    {{"avx512", has_avx512}, mix_avx512, find_avx512},
    {{"avx2", has_avx2}, mix_avx2, find_avx2},
#elif defined(__aarch64__)
    {{"neon", has_always}, mix_scalar, find_neon},
#endif
    {{"scalar", has_always}, mix_scalar, find_scalar},
};

static gm_variant_choice chosen;

const struct gm_tally_kernel *gm_tally_kernel(void)
{
    return gm_variant_current(&chosen, GM_VARIANTS(kernels));
}

int gm_tally_select(const char *name)
{
    return gm_variant_set(&chosen, GM_VARIANTS(kernels), name);
}
