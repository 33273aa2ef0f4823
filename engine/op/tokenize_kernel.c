/* tokenize_kernel.c - see tokenize_kernel.h.
 *
 * The vector variants take 64 bytes at a time as a mask with a bit per letter or digit.  The bits
 * of mask ^ (mask << 1) are then the places where words start and end, in turn: each pair of
 * them is a word, and nothing in the loop depends on where words are, so there is no branch to
 * mispredict.  A word that reaches the block's end is written as ending there; if the next block
 * begins with a letter, its first word is written over it, longer by open_bytes.
 */
#include "engine/op/tokenize_kernel.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "engine/base/check.h"
#include "engine/base/variant.h"

#define BLOCK_BYTES 64
/* A block may write so many entries: its 32 words, rounded to whole stores. */
#define BLOCK_WORDS_MAX 32

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef size_t tokenize_function(struct gm_tokenizer *tokenizer, struct gm_bytes *out,
                                 uint32_t out_max);

void gm_tokenizer_init(struct gm_tokenizer *tokenizer, const uint8_t *data, size_t bytes)
{
    GM_CHECK(data);
    *tokenizer = (struct gm_tokenizer){.cursor = data, .end = data + bytes};
}

/* --- plain ------------------------------------------------------------------------------ */

ALWAYS_INLINE bool is_letter(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26 || (uint8_t)(byte - '0') < 10;
}

static size_t tokenize_scalar(struct gm_tokenizer *tokenizer, struct gm_bytes *out,
                              uint32_t out_max)
{
    const uint8_t *at = tokenizer->cursor;
    const uint8_t *end = tokenizer->end;
    uint64_t newline_count = 0;
    size_t open_bytes = tokenizer->open_bytes;
    size_t count = 0;

    while (count < out_max) {
        if (!open_bytes)
            while (at < end && !is_letter(*at))
                newline_count += *at++ == '\n';
        const uint8_t *start = at - open_bytes;
        open_bytes = 0;
        while (at < end && is_letter(*at))
            at++;
        if (at == start)
            break;
        out[count++] = (struct gm_bytes){.data = start, .length = (size_t)(at - start)};
    }
    tokenizer->cursor = at;
    tokenizer->open_bytes = 0;
    tokenizer->newline_count += newline_count;
    return count;
}

/* --- what the vector variants share ------------------------------------------------------ */

/* A block as two masks, a bit per byte. */
struct block_masks {
    uint64_t letters;
    uint64_t newlines;
};

/* Where a walk over blocks stands; lives in registers once all is inlined. */
struct walk {
    const uint8_t *at;
    struct gm_bytes *out;
    size_t open_bytes;
    uint64_t newline_count;
};

/* The word that the last call kept back is the first of this one. */
ALWAYS_INLINE struct walk walk_begin(const struct gm_tokenizer *tokenizer, struct gm_bytes *out)
{
    struct walk walk = {tokenizer->cursor, out, tokenizer->open_bytes, tokenizer->newline_count};
    if (walk.open_bytes)
        *walk.out++ = (struct gm_bytes){walk.at - walk.open_bytes, walk.open_bytes};
    return walk;
}

/* Keeps the last word back when bytes to come may be part of it. */
ALWAYS_INLINE size_t walk_end(struct gm_tokenizer *tokenizer, const struct walk *walk,
                              struct gm_bytes *out)
{
    bool keep = walk->at < tokenizer->end && walk->open_bytes;
    tokenizer->cursor = walk->at;
    tokenizer->open_bytes = keep ? walk->open_bytes : 0;
    tokenizer->newline_count = walk->newline_count;
    return (size_t)(walk->out - out) - keep;
}

/* Bytes of the open word that the block's first word continues, or 0. */
ALWAYS_INLINE size_t walk_continued(const struct walk *walk, uint64_t letters)
{
    return walk->open_bytes & (0 - (letters & 1));
}

/* Bookkeeping after a block's words were written from `first` on. */
ALWAYS_INLINE void walk_advance(struct walk *walk, struct gm_bytes *first,
                                struct block_masks masks)
{
    uint64_t letters = masks.letters;
    size_t trailing = ~letters ? (size_t)__builtin_clzll(~letters) : BLOCK_BYTES;
    walk->out = first + __builtin_popcountll(letters & ~(letters << 1));
    walk->open_bytes = trailing + (~letters ? 0 : walk->open_bytes);
    walk->newline_count += (uint64_t)__builtin_popcountll(masks.newlines);
    walk->at += BLOCK_BYTES;
}

ALWAYS_INLINE unsigned bit_first(uint64_t mask)
{
    return mask ? (unsigned)__builtin_ctzll(mask) : BLOCK_BYTES;
}

/* Writes a block's words with scalar instructions, eight at a time whether they exist or not:
 * an average block of English has ten, and a loop of its own for each would mispredict. */
ALWAYS_INLINE void emit_words(struct walk *walk, struct block_masks masks)
{
    size_t continued = walk_continued(walk, masks.letters);
    struct gm_bytes *first = walk->out - (continued != 0);
    struct gm_bytes *out = first;
    uint64_t edges = masks.letters ^ (masks.letters << 1);

    do {
        for (int i = 0; i < 8; i++) {
            unsigned start = bit_first(edges);
            edges &= edges - 1;
            unsigned end = bit_first(edges);
            edges &= edges - 1;
            out[i] = (struct gm_bytes){.data = walk->at + start, .length = end - start};
        }
        out += 8;
    } while (edges);
    first->data -= continued;
    first->length += continued;
    walk_advance(walk, first, masks);
}

/* The masks of the last block of a span, which ends after `bytes` < 64 bytes. */
ALWAYS_INLINE struct block_masks masks_cut(struct block_masks masks, size_t bytes)
{
    uint64_t keep = ((uint64_t)1 << bytes) - 1;
    return (struct block_masks){masks.letters & keep, masks.newlines & keep};
}

/* The body of a variant.  A macro, because its parts must be inlined into a function that has
 * the variant's instructions switched on.  One block may write BLOCK_WORDS_MAX entries. */
#define TOKENIZE_BODY(masks_of, emit)                                                              \
    struct walk walk = walk_begin(tokenizer, out);                                                 \
    const struct gm_bytes *out_last = out + out_max - BLOCK_WORDS_MAX;                             \
    while (tokenizer->end - walk.at >= BLOCK_BYTES && walk.out <= out_last)                        \
        emit(&walk, masks_of(walk.at));                                                            \
    if (walk.at < tokenizer->end && walk.out <= out_last) {                                        \
        emit(&walk, masks_cut(masks_of(walk.at), (size_t)(tokenizer->end - walk.at)));             \
        walk.at = tokenizer->end;                                                                  \
    }                                                                                              \
    return walk_end(tokenizer, &walk, out)

/* --- x86-64 ------------------------------------------------------------------------------- */

#if defined(__x86_64__)

#define TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define TARGET_AVX512                                                                              \
    __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl,"        \
                          "avx512vbmi,avx512vbmi2")))

TARGET_AVX2 ALWAYS_INLINE uint32_t letters_avx2(__m256i bytes)
{
    /* Signed compares after a shift of the range to the bottom: unsigned ones do not exist. */
    __m256i folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
    __m256i alpha = _mm256_add_epi8(folded, _mm256_set1_epi8((char)(0x80 - 'a')));
    __m256i digit = _mm256_add_epi8(bytes, _mm256_set1_epi8((char)(0x80 - '0')));
    __m256i is_alpha = _mm256_cmpgt_epi8(_mm256_set1_epi8((char)(0x80 + 26)), alpha);
    __m256i is_digit = _mm256_cmpgt_epi8(_mm256_set1_epi8((char)(0x80 + 10)), digit);
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(is_alpha, is_digit));
}

TARGET_AVX2 ALWAYS_INLINE uint32_t newlines_avx2(__m256i bytes)
{
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\n')));
}

TARGET_AVX2 ALWAYS_INLINE struct block_masks masks_avx2(const uint8_t *at)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)at);
    __m256i high = _mm256_loadu_si256((const __m256i *)(at + 32));
    return (struct block_masks){
        .letters = letters_avx2(low) | (uint64_t)letters_avx2(high) << 32,
        .newlines = newlines_avx2(low) | (uint64_t)newlines_avx2(high) << 32,
    };
}

TARGET_AVX2 static size_t tokenize_avx2(struct gm_tokenizer *tokenizer, struct gm_bytes *out,
                                        uint32_t out_max)
{
    TOKENIZE_BODY(masks_avx2, emit_words);
}

/* 0x80 for each of the 128 ASCII codes that is a letter or digit. */
#define Z8 0, 0, 0, 0, 0, 0, 0, 0
#define L8 128, 128, 128, 128, 128, 128, 128, 128
static const uint8_t letter_table[128] __attribute__((aligned(64))) = {
    Z8, Z8, Z8, Z8, Z8, Z8, /* control and space */
    L8, 128, 128, 0, 0, 0, 0, 0, 0, /* 0 to 9 */
    0, 128, 128, 128, 128, 128, 128, 128, L8, L8, 128, 128, 128, 0, 0, 0, 0, 0, /* @, A to Z */
    0, 128, 128, 128, 128, 128, 128, 128, L8, L8, 128, 128, 128, 0, 0, 0, 0, 0, /* `, a to z */
};

TARGET_AVX512 ALWAYS_INLINE struct block_masks masks_avx512(const uint8_t *at)
{
    __m512i bytes = _mm512_loadu_si512(at);
    __m512i low = _mm512_load_si512(letter_table);
    __m512i high = _mm512_load_si512(letter_table + 64);
    __m512i class = _mm512_permutex2var_epi8(low, bytes, high);
    /* The permutation looks at seven bits: bytes from 0x80 on are no letters. */
    return (struct block_masks){
        .letters = _mm512_movepi8_mask(_mm512_andnot_si512(bytes, class)),
        .newlines = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n')),
    };
}

static const uint8_t byte_indices[64] __attribute__((aligned(64))) = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

/* Eight (start, length) bytes, four words, to four entries. */
TARGET_AVX512 ALWAYS_INLINE void store_words(struct gm_bytes *out, __m128i pairs, __m512i base)
{
    _mm512_storeu_si512(out, _mm512_add_epi64(_mm512_cvtepu8_epi64(pairs), base));
}

TARGET_AVX512 ALWAYS_INLINE void emit_avx512(struct walk *walk, struct block_masks masks)
{
    size_t continued = walk_continued(walk, masks.letters);
    struct gm_bytes *first = walk->out - (continued != 0);
    uint64_t edges = masks.letters ^ (masks.letters << 1);

    /* start, end, start, end, ... and 64 where there is no edge: a word open at the end. */
    __m512i places = _mm512_mask_compress_epi8(_mm512_set1_epi8(BLOCK_BYTES), edges,
                                               _mm512_load_si512(byte_indices));
    /* start, length, start, length, ... */
    __m512i pairs = _mm512_sub_epi8(places, _mm512_slli_epi16(places, 8));
    __m512i base = _mm512_maskz_set1_epi64(0x55, (long long)(uintptr_t)walk->at);
    __m512i longer = _mm512_set1_epi64((long long)continued);
    __m512i base_first = _mm512_mask_sub_epi64(base, 1, base, longer);
    base_first = _mm512_mask_mov_epi64(base_first, 2, longer);

    __m256i low = _mm512_castsi512_si256(pairs);
    __m128i quarter = _mm256_castsi256_si128(low);
    store_words(first, quarter, base_first);
    store_words(first + 4, _mm_srli_si128(quarter, 8), base);
    quarter = _mm256_extracti128_si256(low, 1);
    store_words(first + 8, quarter, base);
    store_words(first + 12, _mm_srli_si128(quarter, 8), base);
    /* More than 16 words in 64 bytes are rare in any language. */
    if (__builtin_popcountll(edges) > 32) {
        __m256i high = _mm512_extracti64x4_epi64(pairs, 1);
        quarter = _mm256_castsi256_si128(high);
        store_words(first + 16, quarter, base);
        store_words(first + 20, _mm_srli_si128(quarter, 8), base);
        quarter = _mm256_extracti128_si256(high, 1);
        store_words(first + 24, quarter, base);
        store_words(first + 28, _mm_srli_si128(quarter, 8), base);
    }
    walk_advance(walk, first, masks);
}

TARGET_AVX512 static size_t tokenize_avx512(struct gm_tokenizer *tokenizer, struct gm_bytes *out,
                                            uint32_t out_max)
{
    TOKENIZE_BODY(masks_avx512, emit_avx512);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
}

#elif defined(__aarch64__)

/* --- arm64 -------------------------------------------------------------------------------- */

/* A bit per byte of four vectors whose bytes are 0 or 0xff. */
ALWAYS_INLINE uint64_t mask_neon(const uint8x16_t flags[4])
{
    const uint8x16_t bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t sum01 = vpaddq_u8(vandq_u8(flags[0], bits), vandq_u8(flags[1], bits));
    uint8x16_t sum23 = vpaddq_u8(vandq_u8(flags[2], bits), vandq_u8(flags[3], bits));
    uint8x16_t sum = vpaddq_u8(sum01, sum23);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

ALWAYS_INLINE struct block_masks masks_neon(const uint8_t *at)
{
    uint8x16_t letters[4], newlines[4];
    for (int i = 0; i < 4; i++) {
        uint8x16_t bytes = vld1q_u8(at + 16 * i);
        uint8x16_t folded = vorrq_u8(bytes, vdupq_n_u8(0x20));
        uint8x16_t alpha = vcltq_u8(vsubq_u8(folded, vdupq_n_u8('a')), vdupq_n_u8(26));
        uint8x16_t digit = vcltq_u8(vsubq_u8(bytes, vdupq_n_u8('0')), vdupq_n_u8(10));
        letters[i] = vorrq_u8(alpha, digit);
        newlines[i] = vceqq_u8(bytes, vdupq_n_u8('\n'));
    }
    return (struct block_masks){mask_neon(letters), mask_neon(newlines)};
}

static size_t tokenize_neon(struct gm_tokenizer *tokenizer, struct gm_bytes *out,
                            uint32_t out_max)
{
    TOKENIZE_BODY(masks_neon, emit_words);
}

#endif

/* --- the choice --------------------------------------------------------------------------- */

static bool has_always(void)
{
    return true;
}

struct variant {
    struct gm_variant head;
    tokenize_function *run;
};

/* Widest first. */
static const struct variant variants[] = {
#if defined(__x86_64__)
    {{"avx512", has_avx512}, tokenize_avx512},
    {{"avx2", has_avx2}, tokenize_avx2},
#elif defined(__aarch64__)
    {{"neon", has_always}, tokenize_neon},
#endif
    {{"scalar", has_always}, tokenize_scalar},
};

static gm_variant_choice chosen;

static const struct variant *variant_chosen(void)
{
    return gm_variant_current(&chosen, GM_VARIANTS(variants));
}

size_t gm_tokenize(struct gm_tokenizer *tokenizer, struct gm_bytes *out, uint32_t out_max)
{
    GM_CHECK(out_max >= 1);
    GM_CHECK(tokenizer->cursor <= tokenizer->end);
    if (out_max < GM_TOKENIZE_ROOM_MIN)
        return tokenize_scalar(tokenizer, out, out_max);
    return variant_chosen()->run(tokenizer, out, out_max);
}

int gm_tokenize_select(const char *name)
{
    return gm_variant_set(&chosen, GM_VARIANTS(variants), name);
}

const char *gm_tokenize_variant(void)
{
    return variant_chosen()->head.name;
}
