/* text.c - see text.h.
 *
 * Drawing from a million weights costs a cache miss for each draw, and the text's position then
 * waits for the word's length.  So ranks are drawn from a small alias table whose last entries
 * stand for ranges of rare words, a batch at a time, and the words are fetched ahead.
 * All arithmetic on weights is in integers: compilers may fuse floating-point operations
 * differently. */
#include "benchmarks/suite/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/suite/write_all.h"

/* A word with a space behind it; the last byte is the number of letters. */
#define SLOT_BYTES 16
#define LETTERS_MAX 14

/* Ranks below HEAD_RANKS have an alias entry of their own, the rest shares RANGES_PER_OCTAVE
 * entries for each doubling, within which 1/k differs by 3 % and is taken as flat. */
#define HEAD_RANKS 4096
#define RANGES_PER_OCTAVE 32
#define ALIAS_BITS 13 /* 4096 + 14 octaves * 32 < 8192 */
#define ALIAS_ENTRIES (1u << ALIAS_BITS)

#define BATCH_WORDS 256
/* The longest batch: each word with a full stop and a space. */
#define BATCH_BYTES_MAX (BATCH_WORDS * (LETTERS_MAX + 2) + SLOT_BYTES)
#define WRITE_BYTES (1u << 20)

struct alias {
    uint32_t threshold; /* of 2^32: below it this entry, otherwise the other one */
    uint32_t other;
};

struct range {
    uint32_t first;
    uint32_t count;
};

struct gm_bench_text {
    uint8_t (*words)[SLOT_BYTES]; /* by rank */
    struct alias *aliases;
    struct range *ranges;
    uint64_t random_state;
    uint64_t bytes;
    uint64_t bytes_made;
    uint32_t distinct_words;
    uint32_t covered_words; /* of the pass over the vocabulary */
    uint32_t line_bytes;
    uint32_t line_bytes_wanted;
    size_t batch_bytes; /* made into `batch` and not handed out: [batch_at, batch_bytes) */
    size_t batch_at;
    uint8_t batch[BATCH_BYTES_MAX + 4 * SLOT_BYTES];
};

/* splitmix64 (Steele, Lea and Flood): fast, and good from any seed. */
static inline uint64_t random_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static inline uint64_t random_next(uint64_t *state)
{
    return random_mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint32_t scale(uint32_t random, uint32_t limit)
{
    return (uint32_t)((uint64_t)random * limit >> 32);
}

/* --- the vocabulary ----------------------------------------------------------------------- */

/* Frequent words are short, as in English: from 2.5 letters for the first to 8.5 for the last,
 * give or take two. */
static uint32_t word_letters(uint32_t rank, uint32_t distinct_words, uint64_t random)
{
    uint32_t octave = 31 - (uint32_t)__builtin_clz(rank + 1);
    uint32_t octaves = 32 - (uint32_t)__builtin_clz(distinct_words);
    uint32_t tenths = 25 + 60 * octave / octaves + scale((uint32_t)random, 41);
    uint32_t letters = tenths < 30 ? 1 : (tenths - 20 + 5) / 10;
    return letters < LETTERS_MAX ? letters : LETTERS_MAX;
}

static void word_make(uint8_t *slot, uint32_t letters, uint64_t random)
{
    static const char consonants[] = "ttttnnnnsssrrrhhhlldddccmmffppggwybbvk";
    static const char vowels[] = "eeeeeaaaaiiioooouu";
    memset(slot, 0, SLOT_BYTES);
    bool number = (random & 63) == 0;
    bool vowel = random >> 6 & 1;
    for (uint32_t i = 0; i < letters; i++) {
        uint32_t pick = (uint32_t)(random_next(&random) >> 32);
        if (number)
            slot[i] = (uint8_t)('0' + scale(pick, 10));
        else if (vowel)
            slot[i] = (uint8_t)vowels[scale(pick, sizeof vowels - 1)];
        else
            slot[i] = (uint8_t)consonants[scale(pick, sizeof consonants - 1)];
        vowel = !vowel;
    }
    slot[letters] = ' ';
    slot[SLOT_BYTES - 1] = (uint8_t)letters;
}

static uint64_t word_hash(const uint8_t *slot)
{
    uint64_t low, high;
    memcpy(&low, slot, 8);
    memcpy(&high, slot + 8, 8);
    return random_mix(low ^ random_mix(high));
}

/* Fills text->words with distinct words; `seen` is an open-addressing table of 1 + rank. */
static void vocabulary_fill(struct gm_bench_text *text, uint32_t *seen, uint32_t seen_mask,
                            uint64_t seed)
{
    uint64_t state = seed;
    for (uint32_t rank = 0; rank < text->distinct_words; rank++) {
        uint8_t *slot = text->words[rank];
        uint64_t random = random_next(&state);
        uint32_t letters = word_letters(rank, text->distinct_words, random >> 32);
        for (uint32_t attempt = 1;; attempt++) {
            word_make(slot, letters, random);
            uint32_t at = (uint32_t)word_hash(slot) & seen_mask;
            while (seen[at] && memcmp(text->words[seen[at] - 1], slot, SLOT_BYTES) != 0)
                at = (at + 1) & seen_mask;
            if (!seen[at]) {
                seen[at] = rank + 1;
                break;
            }
            /* Short words run out: one letter more after every eight collisions. */
            letters += attempt % 8 == 0 && letters < LETTERS_MAX;
            random = random_next(&state);
        }
    }
}

static int vocabulary_make(struct gm_bench_text *text, uint64_t seed)
{
    uint32_t seen_mask = 15;
    while (seen_mask < text->distinct_words * 2)
        seen_mask = seen_mask * 2 + 1;
    uint32_t *seen = calloc((size_t)seen_mask + 1, sizeof *seen);
    text->words = malloc((size_t)text->distinct_words * SLOT_BYTES);
    if (seen && text->words)
        vocabulary_fill(text, seen, seen_mask, seed);
    int rc = seen && text->words ? 0 : -ENOMEM;
    free(seen);
    return rc;
}

/* --- Zipf's law ---------------------------------------------------------------------------- */

/* The ranks that an entry stands for, and their weight: 2^40 / k each, so that the sum over 2^26
 * ranks times ALIAS_ENTRIES stays below 2^58. */
static uint32_t ranges_make(struct range *ranges, uint64_t *weights, uint32_t distinct_words)
{
    uint32_t entry = 0;
    for (uint32_t rank = 0; rank < distinct_words; entry++) {
        uint32_t count = 1;
        if (rank >= HEAD_RANKS)
            count = (1u << (31 - __builtin_clz(rank))) / RANGES_PER_OCTAVE;
        if (count > distinct_words - rank)
            count = distinct_words - rank;
        ranges[entry] = (struct range){rank, count};
        for (uint32_t i = 0; i < count; i++)
            weights[entry] += (UINT64_C(1) << 40) / (rank + i + 1);
        rank += count;
    }
    return entry;
}

/* Vose's method: every entry keeps its own share of 1/ALIAS_ENTRIES and fills up from a heavier
 * one.  Entries beyond the used ones have weight 0 and always give the other. */
static int alias_make(struct gm_bench_text *text)
{
    uint64_t *weights = calloc(ALIAS_ENTRIES, sizeof *weights);
    uint32_t *stack = malloc(ALIAS_ENTRIES * sizeof *stack);
    text->aliases = malloc(ALIAS_ENTRIES * sizeof *text->aliases);
    text->ranges = calloc(ALIAS_ENTRIES, sizeof *text->ranges);
    int rc = weights && stack && text->aliases && text->ranges ? 0 : -ENOMEM;
    if (rc < 0)
        goto free_scratch;

    ranges_make(text->ranges, weights, text->distinct_words);
    uint64_t total = 0;
    for (uint32_t i = 0; i < ALIAS_ENTRIES; i++)
        total += weights[i];
    /* Light entries are stacked from the bottom, heavy ones from the top. */
    uint32_t light = 0, heavy = ALIAS_ENTRIES;
    for (uint32_t i = 0; i < ALIAS_ENTRIES; i++) {
        weights[i] *= ALIAS_ENTRIES; /* now the mean is `total` */
        text->aliases[i] = (struct alias){UINT32_MAX, i};
        if (weights[i] < total)
            stack[light++] = i;
        else
            stack[--heavy] = i;
    }
    while (light > 0 && heavy < ALIAS_ENTRIES) {
        uint32_t small = stack[--light];
        uint32_t large = stack[heavy];
        text->aliases[small] = (struct alias){
            (uint32_t)(((unsigned __int128)weights[small] << 32) / total), large};
        weights[large] -= total - weights[small];
        if (weights[large] < total) {
            heavy++;
            stack[light++] = large;
        }
    }

free_scratch:
    free(stack);
    free(weights);
    return rc;
}

/* --- the text ------------------------------------------------------------------------------ */

static inline uint32_t draw_rank(struct gm_bench_text *text)
{
    uint64_t first = random_next(&text->random_state);
    uint64_t second = random_next(&text->random_state);
    uint32_t entry = (uint32_t)(first >> (64 - ALIAS_BITS));
    const struct alias *alias = &text->aliases[entry];
    entry = (uint32_t)first < alias->threshold ? entry : alias->other;
    const struct range *range = &text->ranges[entry];
    return range->first + scale((uint32_t)second, range->count);
}

/* Draws a batch of ranks, some of them replaced by what the pass over the vocabulary is due. */
static void batch_draw(struct gm_bench_text *text, uint32_t ranks[BATCH_WORDS])
{
    for (uint32_t i = 0; i < BATCH_WORDS; i++)
        ranks[i] = draw_rank(text);

    /* The pass is through after 15/16 of the text, so its last words are not cut off. */
    unsigned __int128 made = (unsigned __int128)text->bytes_made * text->distinct_words * 16;
    uint64_t due = (uint64_t)(made / ((unsigned __int128)text->bytes * 15)) + 1;
    if (due > text->distinct_words)
        due = text->distinct_words;
    if (due <= text->covered_words)
        return;
    due -= text->covered_words;
    uint32_t stride = due < BATCH_WORDS ? BATCH_WORDS / (uint32_t)due : 1;
    for (uint32_t i = 0; i < BATCH_WORDS && due > 0; i += stride, due--)
        ranks[i] = text->covered_words++;
}

/* What stands behind a word: a space, a comma, a full stop, or the line's end. */
static inline uint8_t *separator_put(struct gm_bench_text *text, uint8_t *at, uint32_t letters,
                                     uint64_t random)
{
    text->line_bytes += letters + 1;
    if ((random & 15) == 0) {
        *at++ = random & 16 ? ',' : '.';
        *at = ' ';
        text->line_bytes++;
    }
    if (text->line_bytes >= text->line_bytes_wanted) {
        *at = '\n';
        text->line_bytes = 0;
        text->line_bytes_wanted = 60 + scale((uint32_t)(random >> 32), 36);
    }
    return at + 1;
}

/* The end of the text: dots where no whole word fits, then a newline. */
static size_t batch_cut(uint8_t *batch, const uint8_t *word_start, size_t bytes)
{
    size_t start = (size_t)(word_start - batch);
    memset(batch + start, '.', bytes - start);
    batch[bytes - 1] = '\n';
    return bytes;
}

static void batch_make(struct gm_bench_text *text)
{
    uint32_t ranks[BATCH_WORDS];
    batch_draw(text, ranks);
    for (uint32_t i = 0; i < BATCH_WORDS; i++)
        __builtin_prefetch(text->words[ranks[i]]);

    uint64_t left = text->bytes - text->bytes_made;
    const uint8_t *stop = text->batch + (left < BATCH_BYTES_MAX ? left : BATCH_BYTES_MAX);
    uint8_t *at = text->batch;
    text->batch_at = 0;
    for (uint32_t i = 0; i < BATCH_WORDS; i++) {
        const uint8_t *word = text->words[ranks[i]];
        uint32_t letters = word[SLOT_BYTES - 1];
        /* Two bytes of separator, and one for the last newline. */
        if (stop - at < letters + 3) {
            text->batch_bytes = batch_cut(text->batch, at, (size_t)left);
            text->bytes_made = text->bytes;
            return;
        }
        memcpy(at, word, SLOT_BYTES);
        at = separator_put(text, at + letters, letters, random_next(&text->random_state));
    }
    text->batch_bytes = (size_t)(at - text->batch);
    text->bytes_made += text->batch_bytes;
}

int gm_bench_text_create(uint64_t bytes, uint32_t distinct_words, uint64_t seed,
                         struct gm_bench_text **ret_text)
{
    if (distinct_words == 0 || distinct_words > GM_BENCH_WORDS_MAX)
        return -EINVAL;
    struct gm_bench_text *text = calloc(1, sizeof *text);
    if (!text)
        return -ENOMEM;
    text->bytes = bytes;
    text->distinct_words = distinct_words;
    text->random_state = random_mix(seed);
    text->line_bytes_wanted = 80;
    int rc = vocabulary_make(text, seed);
    if (rc == 0)
        rc = alias_make(text);
    if (rc < 0) {
        gm_bench_text_destroy(text);
        return rc;
    }
    *ret_text = text;
    return 0;
}

void gm_bench_text_destroy(struct gm_bench_text *text)
{
    if (!text)
        return;
    free(text->words);
    free(text->aliases);
    free(text->ranges);
    free(text);
}

size_t gm_bench_text_read(struct gm_bench_text *text, uint8_t *target, size_t capacity)
{
    size_t count = 0;
    while (count < capacity) {
        if (text->batch_at == text->batch_bytes) {
            if (text->bytes_made == text->bytes)
                break;
            batch_make(text);
        }
        size_t part = text->batch_bytes - text->batch_at;
        if (part > capacity - count)
            part = capacity - count;
        memcpy(target + count, text->batch + text->batch_at, part);
        text->batch_at += part;
        count += part;
    }
    return count;
}

int gm_bench_text(int fd, uint64_t bytes, uint32_t distinct_words, uint64_t seed)
{
    struct gm_bench_text *text;
    int rc = gm_bench_text_create(bytes, distinct_words, seed, &text);
    if (rc < 0)
        return rc;
    uint8_t *buffer = malloc(WRITE_BYTES);
    rc = buffer ? 0 : -ENOMEM;
    while (rc == 0) {
        size_t count = gm_bench_text_read(text, buffer, WRITE_BYTES);
        if (count == 0)
            break;
        rc = gm_write_all(fd, buffer, count);
    }
    free(buffer);
    gm_bench_text_destroy(text);
    return rc;
}
