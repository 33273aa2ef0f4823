/* csv_kernel.c - see csv_kernel.h.  The masks follow Langdale and Lemire, "Parsing gigabytes of
 * JSON per second" (2019); the prefix sum modulo 2 is a carry-less multiplication by all ones. */
#include "engine/source/csv_kernel.h"

#include <errno.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "engine/base/check.h"
#include "engine/base/variant.h"

#define BLOCK_BYTES 64
#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef size_t scan_function(struct gm_csv_scanner *scanner, const uint8_t *base, uint32_t *out,
                             size_t room);
typedef uint64_t count_function(const uint8_t *data, size_t bytes, uint8_t byte);

void gm_csv_scanner_init(struct gm_csv_scanner *scanner, const struct gm_csv_dialect *dialect,
                         const uint8_t *data, size_t bytes, bool inside)
{
    *scanner = (struct gm_csv_scanner){.dialect = *dialect,
                                       .at = data,
                                       .end = data + bytes,
                                       .inside = inside ? ~UINT64_C(0) : 0,
                                       .may_open = 1,
                                       .line_begins = true};
}

bool gm_csv_dialect_splits(const struct gm_csv_dialect *dialect)
{
    /* What an escape or a comment hides has to be seen from the file's beginning on. */
    return dialect->escape == 0 && (dialect->comment == 0 || dialect->quote == 0);
}

/* --- byte by byte: escapes and comments --------------------------------------------------- */

/* One byte; true when it ends a field. */
ALWAYS_INLINE bool general_step(struct gm_csv_scanner *scanner, uint8_t byte)
{
    const struct gm_csv_dialect *dialect = &scanner->dialect;
    const bool begins = scanner->line_begins;
    scanner->line_begins = false;
    if (scanner->in_comment) {
        scanner->in_comment = byte != '\n';
        scanner->line_begins = byte == '\n';
        return byte == '\n';
    }
    if (scanner->escaped) {
        scanner->escaped = false;
        return false;
    }
    if (begins && dialect->comment != 0 && byte == dialect->comment) {
        scanner->in_comment = true;
        return false;
    }
    if (dialect->escape != 0 && byte == dialect->escape) {
        scanner->escaped = true;
        return false;
    }
    if (dialect->quote != 0 && byte == dialect->quote) {
        scanner->inside = ~scanner->inside;
        return false;
    }
    if (scanner->inside != 0)
        return false;
    scanner->line_begins = byte == '\n';
    return byte == '\n' || byte == dialect->delimiter;
}

static size_t scan_general(struct gm_csv_scanner *scanner, const uint8_t *base, uint32_t *out,
                           size_t room)
{
    const size_t most = room - GM_CSV_SCAN_ROOM_MIN + BLOCK_BYTES; /* as the others */
    size_t count = 0;
    scanner->suspicious = true;
    for (; scanner->at < scanner->end && count < most; scanner->at++)
        if (general_step(scanner, *scanner->at))
            out[count++] = (uint32_t)(scanner->at - base);
    return count;
}

/* --- what the variants share ---------------------------------------------------------------- */

/* A block, a bit per byte. */
struct block_masks {
    uint64_t delimiters;
    uint64_t newlines;
    uint64_t quotes;
    uint64_t returns; /* '\r' */
};

/* Lives in registers once all is inlined. */
struct walk {
    const uint8_t *at;
    uint64_t inside, may_open, has_closed, has_returned;
    uint64_t odd; /* a quote stood where none may */
};

ALWAYS_INLINE uint64_t prefix_xor_shifts(uint64_t bits)
{
    for (int shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

/* The places that end a field.  quoted: bit i says that byte i lies inside, an opening quote
 * included. */
ALWAYS_INLINE uint64_t walk_block(struct walk *walk, struct block_masks masks, uint64_t prefix)
{
    const uint64_t quoted = prefix ^ walk->inside;
    const uint64_t ends = (masks.delimiters | masks.newlines) & ~quoted;
    const uint64_t opens = masks.quotes & quoted;
    const uint64_t closes = masks.quotes & ~quoted;
    const uint64_t may_open = ends | closes;
    walk->odd |= opens & ~(may_open << 1 | walk->may_open);
    const uint64_t behind = closes << 1 | walk->has_closed;
    const uint64_t returns = behind & masks.returns;
    walk->odd |= behind & ~(ends | opens | returns);
    walk->odd |= (returns << 1 | walk->has_returned) & ~masks.newlines;
    walk->inside = (uint64_t)((int64_t)quoted >> 63);
    walk->may_open = may_open >> 63;
    walk->has_closed = closes >> 63;
    walk->has_returned = returns >> 63;
    return ends;
}

/* The masks of a span's last block, which ends after `bytes` < 64 bytes. */
ALWAYS_INLINE struct block_masks masks_cut(struct block_masks masks, size_t bytes)
{
    const uint64_t keep = ((uint64_t)1 << bytes) - 1;
    return (struct block_masks){masks.delimiters & keep, masks.newlines & keep,
                                masks.quotes & keep, masks.returns & keep};
}

/* Eight at a time, whether they exist or not: a loop of its own for each would mispredict. */
ALWAYS_INLINE uint32_t *emit_bits(uint32_t *out, uint64_t ends, uint32_t base)
{
    uint32_t *next = out + __builtin_popcountll(ends);
    do {
        for (int i = 0; i < 8; i++) {
            out[i] = base + (uint32_t)(ends != 0 ? __builtin_ctzll(ends) : 0);
            ends &= ends - 1;
        }
        out += 8;
    } while (ends != 0);
    return next;
}

/* The bodies of a variant.  Macros, because their parts must be inlined into a function that has
 * the variant's instructions switched on. */
#define MASKS_BODY(equal)                                                                          \
    const uint64_t use_quotes = dialect->quote != 0 ? ~UINT64_C(0) : 0;                            \
    return (struct block_masks){equal(at, dialect->delimiter), equal(at, '\n'),                    \
                                equal(at, dialect->quote) & use_quotes, equal(at, '\r')}

#define COUNT_BODY(equal)                                                                          \
    uint64_t count = 0;                                                                            \
    size_t i = 0;                                                                                  \
    for (; bytes - i >= BLOCK_BYTES; i += BLOCK_BYTES)                                             \
        count += (uint64_t)__builtin_popcountll(equal(data + i, byte));                            \
    return count + count_scalar(data + i, bytes - i, byte)

#define SCAN_BODY(masks_of, prefix_xor, emit)                                                      \
    struct walk walk = {scanner->at,         scanner->inside,       scanner->may_open,             \
                        scanner->has_closed, scanner->has_returned, 0};                            \
    const struct gm_csv_dialect dialect = scanner->dialect;                                        \
    uint32_t *next = out;                                                                          \
    uint32_t *last = out + room - GM_CSV_SCAN_ROOM_MIN;                                            \
    while (scanner->end - walk.at >= BLOCK_BYTES && next <= last) {                                \
        const struct block_masks masks = masks_of(walk.at, &dialect);                              \
        const uint64_t ends = walk_block(&walk, masks, prefix_xor(masks.quotes));                  \
        next = emit(next, ends, (uint32_t)(walk.at - base));                                       \
        walk.at += BLOCK_BYTES;                                                                    \
    }                                                                                              \
    const size_t left = (size_t)(scanner->end - walk.at);                                          \
    if (left > 0 && left < BLOCK_BYTES && next <= last) {                                          \
        const struct block_masks masks = masks_cut(masks_of(walk.at, &dialect), left);             \
        const uint64_t odd = walk.odd;                                                             \
        const uint64_t ends = walk_block(&walk, masks, prefix_xor(masks.quotes));                  \
        next = emit(next, ends, (uint32_t)(walk.at - base));                                       \
        walk.at = scanner->end;                                                                    \
        /* What was seen as behind the end was not there. */                                       \
        walk.odd = odd | (walk.odd & (((uint64_t)1 << left) - 1));                                 \
    }                                                                                              \
    scanner->at = walk.at;                                                                         \
    scanner->inside = walk.inside;                                                                 \
    scanner->may_open = walk.may_open;                                                             \
    scanner->has_closed = walk.has_closed;                                                         \
    scanner->has_returned = walk.has_returned;                                                     \
    scanner->suspicious = scanner->suspicious || walk.odd != 0;                                    \
    return (size_t)(next - out)

/* --- plain ------------------------------------------------------------------------------------ */

ALWAYS_INLINE struct block_masks masks_scalar(const uint8_t *at,
                                              const struct gm_csv_dialect *dialect)
{
    struct block_masks masks = {0};
    for (unsigned i = 0; i < BLOCK_BYTES; i++) {
        masks.delimiters |= (uint64_t)(at[i] == dialect->delimiter) << i;
        masks.newlines |= (uint64_t)(at[i] == '\n') << i;
        masks.quotes |= (uint64_t)(dialect->quote != 0 && at[i] == dialect->quote) << i;
        masks.returns |= (uint64_t)(at[i] == '\r') << i;
    }
    return masks;
}

static size_t scan_scalar(struct gm_csv_scanner *scanner, const uint8_t *base, uint32_t *out,
                          size_t room)
{
    SCAN_BODY(masks_scalar, prefix_xor_shifts, emit_bits);
}

static uint64_t count_scalar(const uint8_t *data, size_t bytes, uint8_t byte)
{
    uint64_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += data[i] == byte;
    return count;
}

/* --- x86-64 ----------------------------------------------------------------------------------- */

#if defined(__x86_64__)

#define TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt,pclmul")))
#define TARGET_AVX512                                                                              \
    __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,pclmul,avx512f,avx512bw,avx512dq,avx512vl,"  \
                          "avx512vbmi,avx512vbmi2")))

ALWAYS_INLINE uint64_t equal_sse2(const uint8_t *at, uint8_t byte)
{
    const __m128i wanted = _mm_set1_epi8((char)byte);
    uint64_t mask = 0;
    for (int i = 0; i < 4; i++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(at + 16 * i));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, wanted)) << (16 * i);
    }
    return mask;
}

ALWAYS_INLINE struct block_masks masks_sse2(const uint8_t *at,
                                            const struct gm_csv_dialect *dialect)
{
    MASKS_BODY(equal_sse2);
}

static size_t scan_sse2(struct gm_csv_scanner *scanner, const uint8_t *base, uint32_t *out,
                        size_t room)
{
    SCAN_BODY(masks_sse2, prefix_xor_shifts, emit_bits);
}

static uint64_t count_sse2(const uint8_t *data, size_t bytes, uint8_t byte)
{
    COUNT_BODY(equal_sse2);
}

TARGET_AVX2 ALWAYS_INLINE uint64_t equal_avx2(const uint8_t *at, uint8_t byte)
{
    const __m256i wanted = _mm256_set1_epi8((char)byte);
    const __m256i low = _mm256_loadu_si256((const __m256i *)at);
    const __m256i high = _mm256_loadu_si256((const __m256i *)(at + 32));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) << 32;
}

TARGET_AVX2 ALWAYS_INLINE struct block_masks masks_avx2(const uint8_t *at,
                                                        const struct gm_csv_dialect *dialect)
{
    MASKS_BODY(equal_avx2);
}

TARGET_AVX2 ALWAYS_INLINE uint64_t prefix_xor_clmul(uint64_t bits)
{
    const __m128i product = _mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)bits),
                                                 _mm_set1_epi8((char)0xff), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

TARGET_AVX2 static size_t scan_avx2(struct gm_csv_scanner *scanner, const uint8_t *base,
                                    uint32_t *out, size_t room)
{
    SCAN_BODY(masks_avx2, prefix_xor_clmul, emit_bits);
}

TARGET_AVX2 static uint64_t count_avx2(const uint8_t *data, size_t bytes, uint8_t byte)
{
    COUNT_BODY(equal_avx2);
}

TARGET_AVX512 ALWAYS_INLINE uint64_t equal_avx512(const uint8_t *at, uint8_t byte)
{
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(at), _mm512_set1_epi8((char)byte));
}

TARGET_AVX512 ALWAYS_INLINE struct block_masks masks_avx512(const uint8_t *at,
                                                            const struct gm_csv_dialect *dialect)
{
    MASKS_BODY(equal_avx512);
}

static const uint8_t byte_indices[64] __attribute__((aligned(64))) = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

/* Sixteen places a store. */
TARGET_AVX512 ALWAYS_INLINE uint32_t *emit_avx512(uint32_t *out, uint64_t ends, uint32_t base)
{
    const __m512i places = _mm512_maskz_compress_epi8(ends, _mm512_load_si512(byte_indices));
    const __m512i bases = _mm512_set1_epi32((int)base);
    const int count = __builtin_popcountll(ends);
    __m128i quarter = _mm512_castsi512_si128(places);
    _mm512_storeu_si512(out, _mm512_add_epi32(_mm512_cvtepu8_epi32(quarter), bases));
    if (count > 16) {
        quarter = _mm512_extracti32x4_epi32(places, 1);
        _mm512_storeu_si512(out + 16, _mm512_add_epi32(_mm512_cvtepu8_epi32(quarter), bases));
        quarter = _mm512_extracti32x4_epi32(places, 2);
        _mm512_storeu_si512(out + 32, _mm512_add_epi32(_mm512_cvtepu8_epi32(quarter), bases));
        quarter = _mm512_extracti32x4_epi32(places, 3);
        _mm512_storeu_si512(out + 48, _mm512_add_epi32(_mm512_cvtepu8_epi32(quarter), bases));
    }
    return out + count;
}

TARGET_AVX512 static size_t scan_avx512(struct gm_csv_scanner *scanner, const uint8_t *base,
                                        uint32_t *out, size_t room)
{
    SCAN_BODY(masks_avx512, prefix_xor_clmul, emit_avx512);
}

TARGET_AVX512 static uint64_t count_avx512(const uint8_t *data, size_t bytes, uint8_t byte)
{
    COUNT_BODY(equal_avx512);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("pclmul");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
}

#elif defined(__aarch64__)

/* --- arm64 ------------------------------------------------------------------------------------ */

ALWAYS_INLINE uint64_t equal_neon(const uint8_t *at, uint8_t byte)
{
    const uint8x16_t bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t flags[4];
    for (int i = 0; i < 4; i++)
        flags[i] = vandq_u8(vceqq_u8(vld1q_u8(at + 16 * i), vdupq_n_u8(byte)), bits);
    const uint8x16_t sum =
        vpaddq_u8(vpaddq_u8(flags[0], flags[1]), vpaddq_u8(flags[2], flags[3]));
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

ALWAYS_INLINE struct block_masks masks_neon(const uint8_t *at,
                                            const struct gm_csv_dialect *dialect)
{
    MASKS_BODY(equal_neon);
}

static size_t scan_neon(struct gm_csv_scanner *scanner, const uint8_t *base, uint32_t *out,
                        size_t room)
{
    SCAN_BODY(masks_neon, prefix_xor_shifts, emit_bits);
}

static uint64_t count_neon(const uint8_t *data, size_t bytes, uint8_t byte)
{
    COUNT_BODY(equal_neon);
}

#endif

/* --- the choice ------------------------------------------------------------------------------- */

static bool has_always(void)
{
    return true;
}

struct variant {
    struct gm_variant head;
    scan_function *scan;
    count_function *count;
};

/* Widest first. */
static const struct variant variants[] = {
#if defined(__x86_64__)
    {{"avx512", has_avx512}, scan_avx512, count_avx512},
    {{"avx2", has_avx2}, scan_avx2, count_avx2},
    {{"sse2", has_always}, scan_sse2, count_sse2},
#elif defined(__aarch64__)
    {{"neon", has_always}, scan_neon, count_neon},
#endif
    {{"scalar", has_always}, scan_scalar, count_scalar},
};

static gm_variant_choice chosen;

static const struct variant *variant_chosen(void)
{
    return gm_variant_current(&chosen, GM_VARIANTS(variants));
}

size_t gm_csv_scan(struct gm_csv_scanner *scanner, const uint8_t *base, uint32_t *out,
                   size_t room)
{
    GM_CHECK(scanner->at <= scanner->end);
    if (room < GM_CSV_SCAN_ROOM_MIN)
        return 0;
    if (scanner->dialect.escape != 0 || scanner->dialect.comment != 0)
        return scan_general(scanner, base, out, room);
    return variant_chosen()->scan(scanner, base, out, room);
}

uint64_t gm_csv_count(const uint8_t *data, size_t bytes, uint8_t byte)
{
    return variant_chosen()->count(data, bytes, byte);
}

int gm_csv_select(const char *name)
{
    return gm_variant_set(&chosen, GM_VARIANTS(variants), name);
}

const char *gm_csv_variant(void)
{
    return variant_chosen()->head.name;
}
