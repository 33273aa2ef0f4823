/* byte_set.c - see byte_set.h.
 *
 * The last bytes of a text are looked at with a load that ends at its end and overlaps what was
 * seen before, so that nothing behind it is read; only texts of less than a vector go byte by
 * byte.
 */
#include "engine/udf/byte_set.h"

#include <errno.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "engine/base/check.h"
#include "engine/base/variant.h"

#define VECTOR_BYTES 32
#define BLOCK_BYTES 64

#define ALWAYS_INLINE static inline __attribute__((always_inline))

void gm_byte_set_invert(struct gm_byte_set *set)
{
    for (size_t i = 0; i < sizeof set->table; i++)
        set->table[i] = (uint8_t)~set->table[i];
}

void gm_byte_set_join(struct gm_byte_set *set, const struct gm_byte_set *other)
{
    for (size_t i = 0; i < sizeof set->table; i++)
        set->table[i] |= other->table[i];
}

bool gm_byte_set_disjoint(const struct gm_byte_set *a, const struct gm_byte_set *b)
{
    for (size_t i = 0; i < sizeof a->table; i++)
        if (a->table[i] & b->table[i])
            return false;
    return true;
}

/* --- runs out of masks ---------------------------------------------------------------------- */

/* Where a walk over blocks stands: the run that is open at the block's beginning, or none. */
struct runs {
    struct gm_byte_run *out;
    uint32_t count;
    uint32_t max;
    uint32_t start; /* of the open run */
    bool open;
};

/* Takes a block's mask, a bit per byte in the set, whose bytes begin at offset `base`.  False when
 * `max` runs are there; the last one's end is then where to go on. */
ALWAYS_INLINE bool runs_take(struct runs *runs, uint64_t mask, uint32_t base)
{
    uint64_t edges = mask ^ (mask << 1 | runs->open);
    if (runs->open && edges) {
        uint32_t end = base + (uint32_t)__builtin_ctzll(edges);
        runs->out[runs->count++] =
            (struct gm_byte_run){(int32_t)runs->start, (int32_t)(end - runs->start)};
        edges &= edges - 1;
        runs->open = false;
        if (runs->count == runs->max)
            return false;
    }
    while (edges) {
        uint32_t start = base + (uint32_t)__builtin_ctzll(edges);
        edges &= edges - 1;
        if (!edges) {
            runs->start = start;
            runs->open = true;
            return true;
        }
        uint32_t end = base + (uint32_t)__builtin_ctzll(edges);
        edges &= edges - 1;
        runs->out[runs->count++] = (struct gm_byte_run){(int32_t)start, (int32_t)(end - start)};
        if (runs->count == runs->max)
            return false;
    }
    return true;
}

/* The run that is open at the end of the text ends there. */
ALWAYS_INLINE uint32_t runs_end(struct runs *runs, uint32_t length)
{
    if (runs->open)
        runs->out[runs->count++] =
            (struct gm_byte_run){(int32_t)runs->start, (int32_t)(length - runs->start)};
    return length;
}

ALWAYS_INLINE uint32_t runs_stopped(const struct runs *runs)
{
    const struct gm_byte_run *last = &runs->out[runs->count - 1];
    return (uint32_t)(last->start + last->length);
}

/* --- plain ---------------------------------------------------------------------------------- */

static const uint8_t *span_scalar(const struct gm_byte_set *set, const uint8_t *begin,
                                  const uint8_t *at, const uint8_t *end)
{
    (void)begin;
    while (at < end && gm_byte_set_has(set, *at))
        at++;
    return at;
}

static const uint8_t *find_scalar(const struct gm_byte_set *set, const uint8_t *begin,
                                  const uint8_t *at, const uint8_t *end)
{
    (void)begin;
    while (at < end && !gm_byte_set_has(set, *at))
        at++;
    return at;
}

static uint32_t runs_scalar(const struct gm_byte_set *set, const uint8_t *text, uint32_t length,
                            uint32_t *at, struct gm_byte_run *ret, uint32_t max)
{
    const uint8_t *place = text + *at, *end = text + length;
    uint32_t count = 0;
    while (count < max) {
        const uint8_t *start = find_scalar(set, text, place, end);
        place = span_scalar(set, text, start, end);
        if (place == start)
            break;
        ret[count++] = (struct gm_byte_run){(int32_t)(start - text), (int32_t)(place - start)};
    }
    *at = (uint32_t)(place - text);
    return count;
}

static const uint8_t *needle_scalar(const uint8_t *at, const uint8_t *end, const uint8_t *needle,
                                    size_t needle_bytes)
{
    return memmem(at, (size_t)(end - at), needle, needle_bytes);
}

/* --- x86-64 --------------------------------------------------------------------------------- */

#if defined(__x86_64__)

#define TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt,lzcnt")))

struct tables {
    __m256i low;  /* bytes below 0x80 */
    __m256i high; /* the others */
};

TARGET_AVX2 ALWAYS_INLINE struct tables tables_load(const struct gm_byte_set *set)
{
    return (struct tables){
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)set->table)),
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(set->table + 16))),
    };
}

/* A bit for each of the 32 bytes at `at` that is in the set. */
TARGET_AVX2 ALWAYS_INLINE uint32_t mask_avx2(const struct tables *tables, const uint8_t *at)
{
    const __m256i bits = _mm256_set1_epi64x((long long)UINT64_C(0x8040201008040201));
    __m256i bytes = _mm256_loadu_si256((const __m256i *)at);
    /* A shuffle gives 0 where bit 7 of the index is set, so each table sees only its bytes. */
    __m256i from_low = _mm256_shuffle_epi8(
        tables->low, _mm256_and_si256(bytes, _mm256_set1_epi8((char)0x8f)));
    __m256i from_high = _mm256_shuffle_epi8(
        tables->high, _mm256_and_si256(_mm256_xor_si256(bytes, _mm256_set1_epi8((char)0x80)),
                                       _mm256_set1_epi8((char)0x8f)));
    __m256i row = _mm256_or_si256(from_low, from_high);
    __m256i half = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x07));
    __m256i bit = _mm256_shuffle_epi8(bits, half);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_and_si256(row, bit), bit));
}

/* The first byte whose membership differs from `member`, which is 0 or ~0. */
TARGET_AVX2 ALWAYS_INLINE const uint8_t *until_avx2(const struct gm_byte_set *set,
                                                    const uint8_t *begin, const uint8_t *at,
                                                    const uint8_t *end, uint32_t member)
{
    if (end - begin < VECTOR_BYTES) {
        while (at < end && gm_byte_set_has(set, *at) == (member != 0))
            at++;
        return at;
    }
    const struct tables tables = tables_load(set);
    for (; end - at >= VECTOR_BYTES; at += VECTOR_BYTES) {
        uint32_t differs = mask_avx2(&tables, at) ^ member;
        if (differs)
            return at + __builtin_ctz(differs);
    }
    if (at == end)
        return end;
    uint32_t differs = mask_avx2(&tables, end - VECTOR_BYTES) ^ member;
    differs &= ~UINT32_C(0) << (VECTOR_BYTES - (end - at));
    return differs ? end - VECTOR_BYTES + __builtin_ctz(differs) : end;
}

TARGET_AVX2 static const uint8_t *span_avx2(const struct gm_byte_set *set, const uint8_t *begin,
                                            const uint8_t *at, const uint8_t *end)
{
    return until_avx2(set, begin, at, end, ~UINT32_C(0));
}

TARGET_AVX2 static const uint8_t *find_avx2(const struct gm_byte_set *set, const uint8_t *begin,
                                            const uint8_t *at, const uint8_t *end)
{
    return until_avx2(set, begin, at, end, 0);
}

/* The mask of the last block, 1 to 63 bytes before the end of a text of `length` bytes. */
TARGET_AVX2 ALWAYS_INLINE uint64_t mask_last_avx2(const struct gm_byte_set *set,
                                                  const struct tables *tables,
                                                  const uint8_t *text, uint32_t length,
                                                  uint32_t bytes)
{
    const uint8_t *end = text + length;
    if (length >= BLOCK_BYTES) {
        uint64_t mask = mask_avx2(tables, end - BLOCK_BYTES) |
                        (uint64_t)mask_avx2(tables, end - VECTOR_BYTES) << VECTOR_BYTES;
        return mask >> (BLOCK_BYTES - bytes);
    }
    if (length >= VECTOR_BYTES) {
        uint64_t last = mask_avx2(tables, end - VECTOR_BYTES);
        if (bytes <= VECTOR_BYTES)
            return last >> (VECTOR_BYTES - bytes);
        return mask_avx2(tables, end - bytes) | last << (bytes - VECTOR_BYTES);
    }
    uint64_t mask = 0;
    for (uint32_t i = 0; i < bytes; i++)
        mask |= (uint64_t)gm_byte_set_has(set, end[(int32_t)i - (int32_t)bytes]) << i;
    return mask;
}

TARGET_AVX2 static uint32_t runs_avx2(const struct gm_byte_set *set, const uint8_t *text,
                                      uint32_t length, uint32_t *at, struct gm_byte_run *ret,
                                      uint32_t max)
{
    const struct tables tables = tables_load(set);
    struct runs runs = {.out = ret, .max = max};
    uint32_t base = *at;
    for (; length - base >= BLOCK_BYTES; base += BLOCK_BYTES) {
        const uint8_t *block = text + base;
        uint64_t mask = mask_avx2(&tables, block) |
                        (uint64_t)mask_avx2(&tables, block + VECTOR_BYTES) << VECTOR_BYTES;
        if (!runs_take(&runs, mask, base)) {
            *at = runs_stopped(&runs);
            return runs.count;
        }
    }
    if (base < length) {
        uint64_t mask = mask_last_avx2(set, &tables, text, length, length - base);
        if (!runs_take(&runs, mask, base)) {
            *at = runs_stopped(&runs);
            return runs.count;
        }
    }
    *at = runs_end(&runs, length);
    return runs.count;
}

/* Places where the first and the last byte fit are compared whole. */
TARGET_AVX2 static const uint8_t *needle_avx2(const uint8_t *at, const uint8_t *end,
                                              const uint8_t *needle, size_t needle_bytes)
{
    size_t last = needle_bytes - 1;
    __m256i first_byte = _mm256_set1_epi8((char)needle[0]);
    __m256i last_byte = _mm256_set1_epi8((char)needle[last]);
    for (; (size_t)(end - at) >= last + VECTOR_BYTES; at += VECTOR_BYTES) {
        __m256i firsts = _mm256_loadu_si256((const __m256i *)at);
        __m256i lasts = _mm256_loadu_si256((const __m256i *)(at + last));
        uint32_t mask = (uint32_t)_mm256_movemask_epi8(
            _mm256_and_si256(_mm256_cmpeq_epi8(firsts, first_byte),
                             _mm256_cmpeq_epi8(lasts, last_byte)));
        for (; mask; mask &= mask - 1) {
            const uint8_t *place = at + __builtin_ctz(mask);
            if (memcmp(place, needle, needle_bytes) == 0)
                return place;
        }
    }
    return needle_scalar(at, end, needle, needle_bytes);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("lzcnt");
}

#endif

/* --- the choice ----------------------------------------------------------------------------- */

static bool has_always(void)
{
    return true;
}

typedef const uint8_t *scan_function(const struct gm_byte_set *set, const uint8_t *begin,
                                     const uint8_t *at, const uint8_t *end);

struct variant {
    struct gm_variant head;
    scan_function *span;
    scan_function *find;
    uint32_t (*runs)(const struct gm_byte_set *set, const uint8_t *text, uint32_t length,
                     uint32_t *at, struct gm_byte_run *ret, uint32_t max);
    const uint8_t *(*needle)(const uint8_t *at, const uint8_t *end, const uint8_t *needle,
                             size_t needle_bytes);
};

/* Widest first. */
static const struct variant variants[] = {
#if defined(__x86_64__)
    {{"avx2", has_avx2}, span_avx2, find_avx2, runs_avx2, needle_avx2},
#endif
    {{"scalar", has_always}, span_scalar, find_scalar, runs_scalar, needle_scalar},
};

static gm_variant_choice chosen;

ALWAYS_INLINE const struct variant *variant_chosen(void)
{
    return gm_variant_current(&chosen, GM_VARIANTS(variants));
}

const uint8_t *gm_byte_set_span(const struct gm_byte_set *set, const uint8_t *begin,
                                const uint8_t *at, const uint8_t *end)
{
    GM_DCHECK(begin <= at && at <= end);
    return variant_chosen()->span(set, begin, at, end);
}

const uint8_t *gm_byte_set_find(const struct gm_byte_set *set, const uint8_t *begin,
                                const uint8_t *at, const uint8_t *end)
{
    GM_DCHECK(begin <= at && at <= end);
    return variant_chosen()->find(set, begin, at, end);
}

uint32_t gm_byte_set_runs(const struct gm_byte_set *set, const uint8_t *text, uint32_t length,
                          uint32_t *at, struct gm_byte_run *ret, uint32_t max)
{
    GM_CHECK(*at <= length && length <= INT32_MAX && max >= 1);
    return variant_chosen()->runs(set, text, length, at, ret, max);
}

const uint8_t *gm_bytes_find(const uint8_t *at, const uint8_t *end, const uint8_t *needle,
                             size_t needle_bytes)
{
    GM_DCHECK(at <= end && needle_bytes >= 1);
    if (needle_bytes == 1)
        return memchr(at, needle[0], (size_t)(end - at));
    return variant_chosen()->needle(at, end, needle, needle_bytes);
}

int gm_byte_set_select(const char *name)
{
    return gm_variant_set(&chosen, GM_VARIANTS(variants), name);
}

const char *gm_byte_set_variant(void)
{
    return variant_chosen()->head.name;
}
