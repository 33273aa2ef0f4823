/* bench_tokenize.c - the tokenizer's variants over a Zipf text in 256 KiB blocks, writing full
 * batches of (pointer, length) pairs.
 *
 *   bench_tokenize          4 MB a round, a smoke test
 *   bench_tokenize --real   1 GB a round, best and median of 7
 *
 * One JSON line per variant; "hash" folds every word's place and length and must be the same in
 * all of them, otherwise the exit status is 1. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "benchmarks/suite/text.h"
#include "engine/base/limits.h"
#include "engine/op/tokenize_kernel.h"

#define BLOCK_BYTES (256u << 10)
#define TEXT_BYTES (4u << 20)
#define REPEATS_REAL 256
#define ROUNDS_MAX 7

struct result {
    uint64_t word_count;
    uint64_t newline_count;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Once over the text.  4 MB are too many blocks for a branch predictor to know by heart. */
static struct result run_text(const uint8_t *text)
{
    static struct gm_bytes words[GM_BATCH_ROWS_MAX];
    struct result result = {0, 0};
    for (uint32_t at = 0; at < TEXT_BYTES; at += BLOCK_BYTES) {
        struct gm_tokenizer tokenizer;
        gm_tokenizer_init(&tokenizer, text + at, BLOCK_BYTES);
        size_t count;
        while ((count = gm_tokenize(&tokenizer, words, GM_BATCH_ROWS_MAX)) > 0)
            result.word_count += count;
        result.newline_count += tokenizer.newline_count;
    }
    return result;
}

static uint64_t hash_text(const uint8_t *text)
{
    static struct gm_bytes words[GM_BATCH_ROWS_MAX];
    struct gm_tokenizer tokenizer;
    uint64_t hash = 0;
    size_t count;
    gm_tokenizer_init(&tokenizer, text, TEXT_BYTES);
    while ((count = gm_tokenize(&tokenizer, words, GM_BATCH_ROWS_MAX)) > 0)
        for (size_t i = 0; i < count; i++)
            hash = hash * UINT64_C(0x9e3779b97f4a7c15) +
                   (uint64_t)(words[i].data - text) * 64 + words[i].length;
    return hash + tokenizer.newline_count;
}

static int compare_ns(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void measure(const char *name, const uint8_t *text, bool real)
{
    uint32_t rounds = real ? ROUNDS_MAX : 1;
    uint32_t repeats = real ? REPEATS_REAL : 1;
    uint64_t elapsed_ns[ROUNDS_MAX];
    struct result result = {0, 0};
    for (uint32_t round = 0; round < rounds; round++) {
        uint64_t start_ns = now_ns();
        result = (struct result){0, 0};
        for (uint32_t i = 0; i < repeats; i++) {
            struct result part = run_text(text);
            result.word_count += part.word_count;
            result.newline_count += part.newline_count;
        }
        elapsed_ns[round] = now_ns() - start_ns;
    }
    qsort(elapsed_ns, rounds, sizeof elapsed_ns[0], compare_ns);
    double bytes = (double)TEXT_BYTES * repeats;
    double median_ns = (double)elapsed_ns[rounds / 2];
    printf("{\"benchmark\":\"tokenize\",\"variant\":\"%s\",\"bytes\":%.0f,\"words\":%llu,"
           "\"gb_per_s\":%.3f,\"gb_per_s_best\":%.3f,\"ns_per_word\":%.3f,\"hash\":\"%016llx\"}\n",
           name, bytes, (unsigned long long)result.word_count, bytes / median_ns,
           bytes / (double)elapsed_ns[0], median_ns / (double)result.word_count,
           (unsigned long long)hash_text(text));
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"scalar", "neon", "avx2", "avx512"};
    bool real = argc > 1 && strcmp(argv[1], "--real") == 0;
    struct gm_bench_text *generator;
    uint8_t *text = calloc(1, TEXT_BYTES + GM_BYTES_SLACK);
    if (!text || gm_bench_text_create(TEXT_BYTES, 50000, 1, &generator) < 0)
        return fputs("bench_tokenize: out of memory\n", stderr), 1;
    gm_bench_text_read(generator, text, TEXT_BYTES);
    gm_bench_text_destroy(generator);

    uint64_t expected = 0;
    bool same = true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (gm_tokenize_select(names[i]) != 0)
            continue;
        measure(names[i], text, real);
        uint64_t hash = hash_text(text);
        expected = i == 0 ? hash : expected;
        same = same && hash == expected;
    }
    free(text);
    return same ? 0 : 1;
}
