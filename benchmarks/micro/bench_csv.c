/* bench_csv.c - the CSV parser's variants over rows of two text columns, about 85 bytes each, some
 * quoted, in blocks of 256 KiB, writing full batches of (pointer, length) pairs.
 *
 *   bench_csv          4 MB a round, a smoke test
 *   bench_csv --real   1 GB a round, best and median of 7
 *
 * Values with doubled quotes are decoded in place, so each block is first copied, as it is when it
 * comes from the page cache; "copy" is that alone.  One JSON line per variant; "hash" folds every
 * value and must be the same in all of them, otherwise the exit status is 1. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "benchmarks/suite/csv_text.h"
#include "engine/base/error.h"
#include "engine/source/csv.h"

#define BLOCK_BYTES (256u << 10)
#define TEXT_BYTES (4u << 20)
#define REPEATS_REAL 256
#define ROUNDS_MAX 7

static uint8_t work[BLOCK_BYTES + 4096 + GM_BYTES_SLACK] __attribute__((aligned(64)));
static struct gm_bytes values[2][GM_BATCH_ROWS_MAX];
static uint8_t nulls[2][GM_BATCH_ROWS_MAX];
static struct gm_csv_parser parser;

struct result {
    uint64_t row_count;
    uint64_t hash;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t fold(uint64_t hash, const struct gm_bytes *value)
{
    for (size_t i = 0; i < value->length; i++)
        hash = (hash ^ value->data[i]) * UINT64_C(0x100000001b3);
    return hash + value->length;
}

/* Once over the text, with the unfinished record of a block in front of the next one. */
static struct result run_text(const uint8_t *text, size_t bytes, bool hash)
{
    struct gm_vector columns[2] = {
        {.kind = GLEAM_BYTES, .bytes = values[0], .nulls = nulls[0]},
        {.kind = GLEAM_BYTES, .bytes = values[1], .nulls = nulls[1]},
    };
    struct result result = {0, 0};
    struct gm_csv_fault fault;
    size_t at = 0;
    while (at < bytes) {
        const size_t take = bytes - at < BLOCK_BYTES ? bytes - at : BLOCK_BYTES;
        memcpy(work, text + at, take);
        gm_csv_parser_span(&parser, work, take, SIZE_MAX, at + take == bytes, false);
        uint32_t rows;
        int rc;
        while ((rc = gm_csv_parse(&parser, columns, &rows, &fault)) == 0) {
            result.row_count += rows;
            for (uint32_t i = 0; hash && i < rows; i++)
                result.hash = fold(fold(result.hash, &values[0][i]), &values[1][i]);
        }
        if (rc < 0 || rc == GM_CSV_BAD_ROW)
            abort();
        at += parser.begin < take ? parser.begin : take;
    }
    return result;
}

static uint64_t copy_text(const uint8_t *text, size_t bytes)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < bytes; at += BLOCK_BYTES) {
        memcpy(work, text + at, bytes - at < BLOCK_BYTES ? bytes - at : BLOCK_BYTES);
        sum += work[at % 64];
    }
    return sum;
}

static int compare_ns(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void measure(const char *name, const uint8_t *text, size_t bytes, bool real)
{
    const uint32_t rounds = real ? ROUNDS_MAX : 1;
    const uint32_t repeats = real ? REPEATS_REAL : 1;
    uint64_t elapsed_ns[ROUNDS_MAX], copy_ns = UINT64_MAX, sum = 0;
    struct result result = {0, 0};
    for (uint32_t round = 0; round < rounds; round++) {
        uint64_t start_ns = now_ns();
        for (uint32_t i = 0; i < repeats; i++)
            sum += copy_text(text, bytes);
        const uint64_t copied_ns = now_ns() - start_ns;
        copy_ns = copied_ns < copy_ns ? copied_ns : copy_ns;
        start_ns = now_ns();
        result.row_count = 0;
        for (uint32_t i = 0; i < repeats; i++)
            result.row_count += run_text(text, bytes, false).row_count;
        elapsed_ns[round] = now_ns() - start_ns;
    }
    qsort(elapsed_ns, rounds, sizeof elapsed_ns[0], compare_ns);
    const double total = (double)bytes * repeats;
    const double median_ns = (double)elapsed_ns[rounds / 2];
    printf("{\"benchmark\":\"csv\",\"variant\":\"%s\",\"bytes\":%.0f,\"rows\":%llu,"
           "\"gb_per_s\":%.3f,\"gb_per_s_best\":%.3f,\"copy_gb_per_s\":%.3f,\"ns_per_row\":%.3f,"
           "\"hash\":\"%016llx\",\"check\":%llu}\n",
           name, total, (unsigned long long)result.row_count, total / median_ns,
           total / (double)elapsed_ns[0], total / (double)copy_ns,
           median_ns / (double)result.row_count,
           (unsigned long long)run_text(text, bytes, true).hash, (unsigned long long)(sum & 1));
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"scalar", "neon", "sse2", "avx2", "avx512"};
    const bool real = argc > 1 && strcmp(argv[1], "--real") == 0;
    const struct gm_csv_format format = {.dialect = {.delimiter = ',', .quote = '"'},
                                         .field_count = 2,
                                         .column_count = 2,
                                         .columns = {{0, false}, {1, false}}};
    struct gm_bench_csv generator;
    uint8_t *text = malloc(TEXT_BYTES + GM_BENCH_CSV_ROW_BYTES_MAX);
    if (text == NULL)
        return fputs("bench_csv: out of memory\n", stderr), 1;
    size_t bytes = 0;
    gm_bench_csv_init(&generator, 1);
    while (bytes < TEXT_BYTES)
        bytes += gm_bench_csv_row(&generator, (char *)text + bytes);

    uint64_t expected = 0;
    bool same = true;
    gm_csv_parser_init(&parser, &format);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (gm_csv_select(names[i]) != 0)
            continue;
        measure(names[i], text, bytes, real);
        const uint64_t hash = run_text(text, bytes, true).hash;
        expected = i == 0 ? hash : expected;
        same = same && hash == expected;
    }
    free(text);
    return same ? 0 : 1;
}
