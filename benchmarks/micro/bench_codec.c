/* bench_codec.c - packing and unpacking rows, one core, everything in cache.
 *
 * One JSON line per case: rows and bytes per second of encoding (with its sizes) and of decoding,
 * the median of five rounds, and a hash of the packed rows.  Small by default, as a test; --real
 * for numbers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/row/codec.h"

#define ROUNDS 5
#define POOL_BYTES 65536

struct bench {
    const char *name;
    const char *kinds; /* i f b s(hort bytes) l(ong bytes) a(ny) n(ullable i64) */
};

static const struct bench benches[] = {
    {"i64_i64", "ii"}, {"bytes6_i64", "si"}, {"bytes6", "s"},   {"bytes6_bytes6", "ss"},
    {"bytes80", "l"},  {"null_i64", "nn"},   {"any_any", "aa"}, {"wide_mixed", "isfbsnlifb"},
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void make_schema(const char *kinds, struct gm_schema *schema)
{
    static const uint8_t kind_of[128] = {
        ['i'] = GLEAM_I64,   ['f'] = GLEAM_F64, ['b'] = GLEAM_BOOL, ['s'] = GLEAM_BYTES,
        ['l'] = GLEAM_BYTES, ['a'] = GLEAM_ANY, ['n'] = GLEAM_I64};
    *schema = (struct gm_schema){0};
    for (; *kinds != '\0'; kinds++)
        gm_schema_add(schema, NULL, (enum gleam_kind)kind_of[(int)*kinds], *kinds == 'n');
}

static void fill(struct gm_vector *vector, char kind, const uint8_t *pool, uint64_t *random)
{
    for (uint32_t row = 0; row < GM_BATCH_ROWS_MAX; row++) {
        const uint8_t *data = pool + next_random(random) % (POOL_BYTES / 2);
        const size_t length =
            kind == 'l' ? 40 + next_random(random) % 80 : 2 + next_random(random) % 9;
        if (vector->kind == GLEAM_BYTES)
            vector->bytes[row] = (struct gm_bytes){.data = data, .length = length};
        else if (vector->kind == GLEAM_BOOL)
            vector->boolean[row] = next_random(random) & 1;
        else if (vector->kind == GLEAM_ANY)
            vector->any[row] = row & 1 ? gleam_i64(row) : gleam_bytes((const char *)data, length);
        else
            vector->i64[row] = (int64_t)next_random(random);
        vector->nulls[row] = kind == 'n' && next_random(random) % 4 == 0;
    }
    vector->has_nulls = kind == 'n';
}

struct run {
    struct gm_schema schema;
    struct gm_layout layout;
    struct gm_batch batch;
    struct gm_batch decoded;
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    uint64_t bytes;
    uint8_t *out;
};

static double encode_s(struct run *run, uint32_t repeats)
{
    const double begin_s = now_s();
    for (uint32_t i = 0; i < repeats; i++) {
        run->bytes = gm_codec_sizes(&run->layout, &run->batch, 0, GM_BATCH_ROWS_MAX, run->sizes);
        gm_codec_encode(&run->layout, &run->batch, 0, GM_BATCH_ROWS_MAX, run->sizes, run->out);
    }
    return now_s() - begin_s;
}

static double decode_s(struct run *run, uint32_t repeats)
{
    const double begin_s = now_s();
    for (uint32_t i = 0; i < repeats; i++) {
        size_t used_bytes;
        GM_CHECK(gm_codec_decode(&run->layout, run->out, run->bytes, GM_BATCH_ROWS_MAX,
                                 &run->decoded, &used_bytes) == 0);
    }
    return now_s() - begin_s;
}

static int by_number(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *seconds)
{
    qsort(seconds, ROUNDS, sizeof seconds[0], by_number);
    return seconds[ROUNDS / 2];
}

static void bench(const struct bench *bench, struct gm_heap *heap, const uint8_t *pool,
                  uint32_t repeats)
{
    static struct run run;
    uint64_t random = 1;
    double encode[ROUNDS], decode[ROUNDS];
    make_schema(bench->kinds, &run.schema);
    gm_layout_init(&run.layout, &run.schema);
    GM_CHECK(gm_batch_init(&run.batch, &run.schema, heap) == 0);
    GM_CHECK(gm_batch_init(&run.decoded, &run.schema, heap) == 0);
    for (uint32_t i = 0; i < run.schema.field_count; i++)
        fill(&run.batch.columns[i], bench->kinds[i], pool, &random);
    run.out = gm_heap_alloc(heap, 4u << 20);
    GM_CHECK(run.out != NULL);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        encode[round] = encode_s(&run, repeats);
        decode[round] = decode_s(&run, repeats);
    }
    const double rows = (double)repeats * GM_BATCH_ROWS_MAX;
    const double bytes = (double)repeats * (double)run.bytes;
    const double encoded_s = median(encode), decoded_s = median(decode);
    printf("{\"name\": \"codec_%s\", \"rows\": %.0f, \"row_bytes\": %.1f, "
           "\"encode_rows_per_s\": %.4g, \"encode_bytes_per_s\": %.4g, "
           "\"decode_rows_per_s\": %.4g, \"decode_bytes_per_s\": %.4g, \"hash\": \"%016" PRIx64
           "\"}\n",
           bench->name, rows, bytes / rows, rows / encoded_s, bytes / encoded_s, rows / decoded_s,
           bytes / decoded_s, gm_hash_long(run.out, run.bytes));
    gm_heap_free(heap, run.out, 4u << 20);
    gm_batch_fini(&run.batch, heap);
    gm_batch_fini(&run.decoded, heap);
}

int main(int argc, char **argv)
{
    const bool real = argc > 1 && strcmp(argv[1], "--real") == 0;
    struct gm_heap heap;
    GM_CHECK(gm_heap_init(&heap, UINT64_MAX) == 0);
    uint8_t *pool = gm_heap_alloc(&heap, POOL_BYTES);
    GM_CHECK(pool != NULL);
    uint64_t random = 7;
    for (uint32_t i = 0; i < POOL_BYTES; i++)
        pool[i] = (uint8_t)next_random(&random);
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++)
        bench(&benches[i], &heap, pool, real ? 10000 : 20);
    gm_heap_free(&heap, pool, POOL_BYTES);
    GM_CHECK(heap.used_bytes == 0);
    gm_heap_fini(&heap);
    return 0;
}
