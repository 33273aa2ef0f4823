/* test_sort_kernel.c
 * Goal:   entries come out by (key, position), for keys that differ late, early, never or in
 *         length.
 * Method: packed rows of every kind in numbers around the kernel's thresholds, against qsort with
 *         the order of values; and prefixes against that order, pair by pair.
 */
#include "engine/op/sort_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/row/codec.h"
#include "tests/unit/op/rig.h"

static const struct gm_sort_order *now;

static int reference(const void *a, const void *b)
{
    const struct gm_sort_entry *left = a, *right = b;
    const int order = gm_row_compare(&now->layout, now->order, left->row, right->row);
    if (order != 0)
        return order;
    return gm_sort_position(left->row) < gm_sort_position(right->row) ? -1 : 1;
}

struct packed {
    uint8_t *memory;
    struct gm_sort_entry *entries;
};

/* Positions are a permutation, so that they differ from the places in memory. */
static struct packed pack_rows(const struct gm_sort_order *order, const struct gm_schema *schema,
                               const struct rows *rows)
{
    struct packed packed = {.entries = calloc(rows->row_count, sizeof *packed.entries)};
    size_t bytes = 0, capacity = 1 << 16;
    uint64_t *offsets = calloc(rows->row_count, sizeof *offsets);
    packed.memory = malloc(capacity);
    for (uint64_t first = 0; first < rows->row_count; first += GM_BATCH_ROWS_MAX) {
        struct input input;
        uint32_t sizes[GM_BATCH_ROWS_MAX];
        const uint64_t left = rows->row_count - first;
        const uint32_t count = left < GM_BATCH_ROWS_MAX ? (uint32_t)left : GM_BATCH_ROWS_MAX;
        input_make(&input, schema, rows, first, count);
        gm_codec_sizes(&order->layout, &input.batch, 0, count, sizes);
        for (uint32_t j = 0; j < count; j++) {
            const uint64_t i = first + j;
            while (bytes + sizes[j] + 8 + GM_BYTES_SLACK > capacity)
                packed.memory = realloc(packed.memory, capacity *= 2);
            const uint64_t position = (i * 7919) % (rows->row_count * 7919 + 1) ^ 0x5555;
            memcpy(packed.memory + bytes, &position, 8);
            offsets[i] = bytes + 8;
            gm_codec_encode(&order->layout, &input.batch, j, 1, &sizes[j],
                            packed.memory + bytes + 8);
            bytes += 8 + sizes[j];
        }
        uint64_t prefixes[GM_BATCH_ROWS_MAX];
        gm_sort_prefixes(order, &input.batch, 0, count, prefixes);
        for (uint32_t j = 0; j < count; j++)
            packed.entries[first + j].prefix = prefixes[j];
        input_free(&input);
    }
    for (uint64_t i = 0; i < rows->row_count; i++) {
        packed.entries[i].row = packed.memory + offsets[i];
        assert_int_equal(packed.entries[i].prefix, gm_sort_prefix(order, packed.entries[i].row));
    }
    free(offsets);
    return packed;
}

static void sort_and_compare(const struct gm_schema *schema, const struct gleam_order *columns,
                             const struct rows *rows)
{
    struct gm_sort_order order;
    gm_sort_order_init(&order, schema, columns);
    struct packed packed = pack_rows(&order, schema, rows);
    struct gm_sort_entry *expected = calloc(rows->row_count, sizeof *expected);
    memcpy(expected, packed.entries, rows->row_count * sizeof *expected);
    now = &order;
    qsort(expected, rows->row_count, sizeof *expected, reference);
    for (uint64_t i = 1; i < rows->row_count; i++)
        assert_true(gm_sort_before(&order, &expected[i - 1], &expected[i]));
    gm_sort_entries(&order, packed.entries, rows->row_count);
    for (uint64_t i = 0; i < rows->row_count; i++)
        assert_ptr_equal(packed.entries[i].row, expected[i].row);
    free(expected);
    free(packed.entries);
    free(packed.memory);
}

static void random_columns(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 2, 12, 13, 20, 21, 22, 100, 1024, 1025, 5000};
    uint64_t random = 1;
    for (uint32_t run = 0; run < 88; run++) {
        struct gm_schema schema = {0};
        struct rows rows = {0};
        const uint32_t width = 1 + random_below(&random, 3);
        struct gleam_order order = {.count = 1 + random_below(&random, width)};
        for (uint32_t c = 0; c < width; c++)
            gm_schema_add(&schema, "c", GLEAM_I64 + (run + c) % GLEAM_ANY,
                          random_below(&random, 2));
        for (uint32_t i = 0; i < order.count; i++) {
            order.columns[i].column = 1 + (run + i) % width;
            order.columns[i].ascending = random_below(&random, 2);
        }
        const uint32_t count = counts[run % (sizeof counts / sizeof *counts)];
        for (uint32_t i = 0; i < count; i++) {
            struct gleam_value values[3];
            for (uint32_t c = 0; c < width; c++)
                values[c] = random_small(&random, schema.fields[c].kind, schema.fields[c].nullable);
            rows_add(&rows, values, width);
        }
        sort_and_compare(&schema, &order, &rows);
        rows_free(&rows);
    }
}

/* Texts that share their first 0 to 100 bytes, end there, or go on with zero bytes. */
static void texts_that_differ_late(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (uint32_t shared = 0; shared <= 100; shared += 1 + shared / 9) {
        struct gm_schema schema = {0};
        struct rows rows = {0};
        struct gleam_order order = {.count = 1, .columns = {{1, shared % 2 == 0}}};
        gm_schema_add(&schema, "c", GLEAM_BYTES, shared % 3 == 0);
        for (uint32_t i = 0; i < 3000; i++) {
            char text[128];
            memset(text, 'x', sizeof text);
            const uint32_t tail = random_below(&random, 20);
            for (uint32_t b = 0; b < tail; b++)
                text[shared + b] = (char)random_below(&random, 2);
            const struct gleam_value value = gleam_bytes(text, shared + tail);
            rows_add(&rows, &value, 1);
        }
        sort_and_compare(&schema, &order, &rows);
        rows_free(&rows);
    }
}

/* Half of the keys are one, and keys that come sorted, backwards, or as a saw. */
static void shapes_that_hurt_quicksort(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (uint32_t shape = 0; shape < 5; shape++) {
        struct gm_schema schema = {0};
        struct rows rows = {0};
        struct gleam_order order = {.count = 1, .columns = {{1, true}}};
        gm_schema_add(&schema, "c", GLEAM_I64, false);
        for (int64_t i = 0; i < 20000; i++) {
            const int64_t numbers[] = {i, -i, i % 100, i % 2 ? 7 : i,
                                       (int64_t)random_below(&random, 3)};
            const struct gleam_value value = gleam_i64(numbers[shape]);
            rows_add(&rows, &value, 1);
        }
        sort_and_compare(&schema, &order, &rows);
        rows_free(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_columns),
        cmocka_unit_test(texts_that_differ_late),
        cmocka_unit_test(shapes_that_hurt_quicksort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
