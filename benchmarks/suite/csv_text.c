/* csv_text.c - words of a fixed list, picked by a multiplicative generator. */
#include "benchmarks/suite/csv_text.h"

#include <string.h>

#define NAMES 5000

static const char *const words[] = {
    "the",   "of",     "river",  "and",   "stone",   "in",      "a",     "morning",
    "ships", "carry",  "salt",   "to",    "harbour", "where",   "old",   "walls",
    "stand", "under",  "light",  "rain",  "gulls",   "circle",  "above", "nets",
    "while", "people", "gather", "wheat", "from",    "distant", "hills", "slowly"};

#define WORDS (sizeof words / sizeof *words)

void gm_bench_csv_init(struct gm_bench_csv *generator, uint64_t seed)
{
    generator->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static uint32_t next(struct gm_bench_csv *generator)
{
    generator->state =
        generator->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(generator->state >> 33);
}

static char *put(char *out, const char *text)
{
    const size_t length = strlen(text);
    memcpy(out, text, length);
    return out + length;
}

/* A number whose small values are frequent: the product of two even ones is. */
static uint32_t skewed(struct gm_bench_csv *generator)
{
    const uint64_t a = next(generator) % NAMES, b = next(generator) % NAMES;
    return (uint32_t)(a * b / NAMES);
}

size_t gm_bench_csv_row(struct gm_bench_csv *generator, char *out)
{
    char *at = out;
    const uint32_t shape = next(generator) % 64;
    const uint32_t bytes = 40 + next(generator) % 60;
    if (shape < 8)
        *at++ = '"';
    char *begin = at;
    if (shape == 0)
        at = put(at, "\"\"quoted\"\"\n");
    while ((size_t)(at - begin) < bytes) {
        at = put(at, words[next(generator) % WORDS]);
        at = put(at, shape < 8 && next(generator) % 4 == 0 ? ", " : " ");
    }
    if (shape < 8)
        *at++ = '"';
    at = put(at, ",name-");
    uint32_t name = skewed(generator);
    char digits[8];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + name % 10);
        name /= 10;
    } while (name > 0);
    while (count > 0)
        *at++ = digits[--count];
    *at++ = '\n';
    return (size_t)(at - out);
}
