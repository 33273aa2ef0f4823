/* test_range.c
 * Goal:   ranges hold their rows in order and are of nearly equal size, whatever the keys are: one
 *         key that is half of all rows, keys longer than a sample, nulls, any kinds, both
 *         directions.
 * Method: rows of several participants, each with its sampler; ranges of all rows are compared with
 *         the order of rows.  Messages are cut and changed byte by byte.
 */
#include "engine/op/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/row/codec.h"
#include "tests/unit/op/rig.h"

#define PARTICIPANTS 3
#define CAPACITY 2000

struct bench {
    struct gm_heap heap;
    struct gm_schema schema;
    struct gleam_order columns;
    struct gm_sort_order order;
    struct gm_range_sampler samplers[PARTICIPANTS];
    struct gm_range_message messages[PARTICIPANTS];
    struct gm_range_splitters splitters;
    uint8_t *memory; /* rows, each behind its position */
    size_t bytes, capacity;
    size_t *offsets;
    uint64_t row_count;
};

static void bench_open(struct bench *bench, const struct gm_schema *schema,
                       const struct gleam_order *columns)
{
    memset(bench, 0, sizeof *bench);
    bench->schema = *schema;
    bench->columns = *columns;
    assert_int_equal(gm_heap_init(&bench->heap, UINT64_MAX), 0);
    gm_sort_order_init(&bench->order, &bench->schema, &bench->columns);
    for (uint32_t p = 0; p < PARTICIPANTS; p++)
        assert_int_equal(gm_range_sampler_init(&bench->samplers[p], &bench->schema,
                                               &bench->columns, CAPACITY, p, &bench->heap),
                         0);
}

static void bench_close(struct bench *bench)
{
    for (uint32_t p = 0; p < PARTICIPANTS; p++) {
        gm_range_sampler_fini(&bench->samplers[p]);
        gm_heap_free(&bench->heap, (void *)(uintptr_t)bench->messages[p].data,
                     bench->messages[p].bytes);
    }
    gm_range_splitters_fini(&bench->splitters);
    assert_int_equal(bench->heap.used_bytes, 0);
    gm_heap_fini(&bench->heap);
    free(bench->memory);
    free(bench->offsets);
}

/* Adds rows as one participant's, with positions behind those that it had. */
static void bench_add(struct bench *bench, uint32_t participant, const struct rows *rows)
{
    bench->offsets =
        realloc(bench->offsets, (bench->row_count + rows->row_count) * sizeof *bench->offsets);
    for (uint64_t first = 0; first < rows->row_count;) {
        struct input input;
        uint32_t sizes[GM_BATCH_ROWS_MAX];
        const uint64_t left = rows->row_count - first;
        const uint32_t count = left < 700 ? (uint32_t)left : 700;
        const uint64_t position =
            (uint64_t)participant << 44 | bench->samplers[participant].rows;
        input_make(&input, &bench->schema, rows, first, count);
        gm_range_sampler_add(&bench->samplers[participant], &input.batch, 0, count, position);
        gm_codec_sizes(&bench->order.layout, &input.batch, 0, count, sizes);
        for (uint32_t i = 0; i < count; i++) {
            while (bench->bytes + sizes[i] + 8 + GM_BYTES_SLACK > bench->capacity) {
                bench->capacity = 2 * bench->capacity + 65536;
                bench->memory = realloc(bench->memory, bench->capacity);
            }
            const uint64_t own = position + i;
            memcpy(bench->memory + bench->bytes, &own, 8);
            gm_codec_encode(&bench->order.layout, &input.batch, i, 1, &sizes[i],
                            bench->memory + bench->bytes + 8);
            bench->offsets[bench->row_count++] = bench->bytes + 8;
            bench->bytes += 8 + sizes[i];
        }
        input_free(&input);
        first += count;
    }
}

static void bench_tell(struct bench *bench)
{
    for (uint32_t p = 0; p < PARTICIPANTS; p++) {
        uint8_t *message;
        assert_int_equal(
            gm_range_sampler_tell(&bench->samplers[p], &message, &bench->messages[p].bytes), 0);
        bench->messages[p].data = message;
    }
}

static int bench_split(struct bench *bench, uint32_t ranges)
{
    return gm_range_splitters_init(&bench->splitters, &bench->schema, &bench->order,
                                   bench->messages, PARTICIPANTS, ranges, &bench->heap);
}

/* Sorts all rows: their ranges must ascend.  tolerance: of a range's share, in percent. */
static void bench_check(struct bench *bench, uint32_t ranges, uint32_t tolerance)
{
    struct gm_sort_entry *entries = calloc(bench->row_count + 1, sizeof *entries);
    uint64_t counts[64] = {0};
    for (uint64_t i = 0; i < bench->row_count; i++) {
        const uint8_t *row = bench->memory + bench->offsets[i];
        entries[i] = (struct gm_sort_entry){.prefix = gm_sort_prefix(&bench->order, row),
                                            .row = row};
    }
    gm_sort_entries(&bench->order, entries, bench->row_count);
    uint32_t last = 0;
    for (uint64_t i = 0; i < bench->row_count; i++) {
        const uint32_t range =
            gm_range_of(&bench->splitters, entries[i].row, gm_sort_position(entries[i].row));
        assert_true(range >= last && range < ranges);
        counts[range]++;
        last = range;
    }
    for (uint32_t r = 0; r < ranges && tolerance > 0; r++) {
        const double share = (double)counts[r] * ranges / (double)bench->row_count;
        assert_true(share > 1 - tolerance / 100.0 && share < 1 + tolerance / 100.0);
    }
    free(entries);
}

/* shape 0: uniform; 1: half of all rows are one key; 2: one key; 3: ascending; 4: few keys. */
static int64_t number_of(uint32_t shape, uint64_t i, uint64_t *random)
{
    const int64_t any = (int64_t)(random_next(random) >> 20);
    const int64_t numbers[] = {any, i % 2 ? 77 : any, 5, (int64_t)i,
                               (int64_t)random_below(random, 3)};
    return numbers[shape];
}

static void ranges_are_even_whatever_the_keys(void **state)
{
    (void)state;
    for (uint32_t shape = 0; shape < 5; shape++) {
        struct bench bench;
        struct gm_schema schema = {0};
        const struct gleam_order order = {.count = 1, .columns = {{1, shape % 2 == 0}}};
        uint64_t random = shape;
        gm_schema_add(&schema, "n", GLEAM_I64, false);
        bench_open(&bench, &schema, &order);
        /* One participant has most rows: its samples stand for more. */
        for (uint32_t p = 0; p < PARTICIPANTS; p++) {
            struct rows rows = {0};
            for (uint64_t i = 0; i < (p == 0 ? 40000 : 5000); i++) {
                const struct gleam_value value =
                    gleam_i64(number_of(shape, p * 40000 + i, &random));
                rows_add(&rows, &value, 1);
            }
            bench_add(&bench, p, &rows);
            rows_free(&rows);
        }
        bench_tell(&bench);
        for (uint32_t ranges = 1; ranges <= 8; ranges *= 2) {
            assert_int_equal(bench_split(&bench, ranges), 0);
            bench_check(&bench, ranges, 15);
            gm_range_splitters_fini(&bench.splitters);
        }
        bench_close(&bench);
    }
}

static void ranges_keep_the_order_of_every_kind(void **state)
{
    (void)state;
    uint64_t random = 9;
    for (uint32_t run = 0; run < 60; run++) {
        struct bench bench;
        struct gm_schema schema = {0};
        const uint32_t width = 1 + random_below(&random, 3);
        struct gleam_order order = {.count = 1 + random_below(&random, width)};
        for (uint32_t c = 0; c < width; c++)
            gm_schema_add(&schema, "c", GLEAM_I64 + (run + c) % GLEAM_ANY,
                          random_below(&random, 2));
        for (uint32_t i = 0; i < order.count; i++) {
            order.columns[i].column = 1 + (run + i) % width;
            order.columns[i].ascending = random_below(&random, 2);
        }
        bench_open(&bench, &schema, &order);
        for (uint32_t p = 0; p < PARTICIPANTS; p++) {
            struct rows rows = {0};
            const uint32_t count = run % 5 == 0 && p > 0 ? 0 : random_below(&random, 4000);
            for (uint32_t i = 0; i < count; i++) {
                struct gleam_value values[3];
                for (uint32_t c = 0; c < width; c++)
                    values[c] =
                        random_small(&random, schema.fields[c].kind, schema.fields[c].nullable);
                rows_add(&rows, values, width);
            }
            bench_add(&bench, p, &rows);
            rows_free(&rows);
        }
        bench_tell(&bench);
        assert_int_equal(bench_split(&bench, 5), 0);
        bench_check(&bench, 5, 0);
        bench_close(&bench);
    }
}

/* Keys that are equal as far as samples show them. */
static void long_keys_are_cut_and_still_in_order(void **state)
{
    (void)state;
    struct bench bench;
    struct gm_schema schema = {0};
    const struct gleam_order order = {.count = 1, .columns = {{1, true}}};
    uint64_t random = 10;
    gm_schema_add(&schema, "key", GLEAM_BYTES, true);
    bench_open(&bench, &schema, &order);
    for (uint32_t p = 0; p < PARTICIPANTS; p++) {
        struct rows rows = {0};
        for (uint32_t i = 0; i < 3000; i++) {
            char key[200];
            memset(key, 'k', sizeof key);
            key[190] = (char)random_below(&random, 256);
            key[20] = (char)('k' + (random_below(&random, 20) == 0));
            const struct gleam_value value = gleam_bytes(key, 150 + random_below(&random, 50));
            rows_add(&rows, &value, 1);
        }
        bench_add(&bench, p, &rows);
        rows_free(&rows);
    }
    bench_tell(&bench);
    assert_int_equal(bench_split(&bench, 4), 0);
    bench_check(&bench, 4, 0);
    bench_close(&bench);
}

/* Lists longer than a sample, of numbers, of one long text, and of lists: two key columns of them,
 * so that one does not lie where the other does. */
static void long_lists_are_cut_and_still_in_order(void **state)
{
    (void)state;
    struct bench bench;
    struct gm_schema schema = {0};
    const struct gleam_order order = {.count = 2, .columns = {{2, true}, {1, false}}};
    uint64_t random = 12;
    char text[100];
    memset(text, 'l', sizeof text);
    gm_schema_add(&schema, "a", GLEAM_ANY, false);
    gm_schema_add(&schema, "b", GLEAM_ANY, false);
    bench_open(&bench, &schema, &order);
    for (uint32_t p = 0; p < PARTICIPANTS; p++) {
        struct rows rows = {0};
        for (uint32_t i = 0; i < 3000; i++) {
            struct gleam_value values[2], items[20];
            uint8_t memory[2][1024], inner[256];
            for (uint32_t c = 0; c < 2; c++) {
                const uint32_t count = random_below(&random, 20);
                for (uint32_t k = 0; k < count; k++)
                    items[k] = gleam_i64(random_below(&random, 3));
                if (count > 0 && i % 3 == 1)
                    items[0] = gleam_bytes(text, random_below(&random, sizeof text));
                if (count > 0 && i % 3 == 2)
                    items[count - 1] = gleam_list_pack(items, count - 1, inner);
                values[c] = gleam_list_pack(items, count, memory[c]);
            }
            rows_add(&rows, values, 2);
        }
        bench_add(&bench, p, &rows);
        rows_free(&rows);
    }
    bench_tell(&bench);
    assert_int_equal(bench_split(&bench, 4), 0);
    bench_check(&bench, 4, 40);
    bench_close(&bench);
}

/* Nothing that somebody else writes is believed. */
static void messages_that_make_no_sense(void **state)
{
    (void)state;
    struct bench bench;
    struct gm_schema schema = {0};
    struct rows rows = {0};
    const struct gleam_order order = {.count = 1, .columns = {{1, true}}};
    uint64_t random = 11;
    uint32_t refused = 0;
    gm_schema_add(&schema, "key", GLEAM_ANY, false);
    bench_open(&bench, &schema, &order);
    for (uint32_t i = 0; i < 50; i++) {
        const struct gleam_value value = random_small(&random, GLEAM_ANY, false);
        rows_add(&rows, &value, 1);
    }
    bench_add(&bench, 1, &rows);
    bench_tell(&bench);
    const struct gm_range_message whole = bench.messages[1];
    for (size_t i = 0; i < 2 * whole.bytes; i++) {
        const size_t bytes = i < whole.bytes ? i : whole.bytes;
        uint8_t *copy = malloc(bytes + GM_BYTES_SLACK);
        memcpy(copy, whole.data, bytes);
        if (i >= whole.bytes)
            copy[i - whole.bytes] ^= (uint8_t)(1 + random_below(&random, 255));
        bench.messages[1] = (struct gm_range_message){.data = copy, .bytes = bytes};
        const int rc = bench_split(&bench, 3);
        assert_true(rc == 0 || rc == GM_EFRAME_CORRUPT);
        assert_true(i >= whole.bytes || rc == GM_EFRAME_CORRUPT);
        refused += rc != 0;
        gm_range_splitters_fini(&bench.splitters);
        free(copy);
    }
    assert_true(refused > whole.bytes + 20);
    bench.messages[1] = whole;
    rows_free(&rows);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_even_whatever_the_keys),
        cmocka_unit_test(ranges_keep_the_order_of_every_kind),
        cmocka_unit_test(long_keys_are_cut_and_still_in_order),
        cmocka_unit_test(long_lists_are_cut_and_still_in_order),
        cmocka_unit_test(messages_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
