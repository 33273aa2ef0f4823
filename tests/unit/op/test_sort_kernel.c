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

/* Rows of one input: making one for each row would be a megabyte of fresh pages for each row. */
#define INPUT_ROWS 1000

static size_t pack_input(const struct gm_sort_order *order, const struct gm_batch *batch,
                         uint32_t row_count, uint64_t first, uint8_t *out,
                         struct gm_sort_entry *entries)
{
    static uint32_t sizes[GM_BATCH_ROWS_MAX];
    static uint64_t prefixes[GM_BATCH_ROWS_MAX];
    const uint8_t *begin = out;
    gm_codec_sizes(&order->layout, batch, 0, row_count, sizes);
    gm_sort_prefixes(order, batch, 0, row_count, prefixes);
    for (uint32_t i = 0; i < row_count; i++) {
        /* Differs from the place in memory. */
        const uint64_t position = (first + i) * 7919 ^ 0x5555;
        memcpy(out, &position, 8);
        gm_codec_encode(&order->layout, batch, i, 1, &sizes[i], out + 8);
        entries[i] = (struct gm_sort_entry){.prefix = prefixes[i], .row = out + 8};
        assert_int_equal(prefixes[i], gm_sort_prefix(order, out + 8));
        out += 8 + sizes[i];
    }
    return (size_t)(out - begin);
}

static struct packed pack_rows(const struct gm_sort_order *order, const struct gm_schema *schema,
                               const struct rows *rows)
{
    /* Rows of up to three values of up to 128 bytes each. */
    struct packed packed = {.entries = calloc(rows->row_count, sizeof *packed.entries),
                            .memory = malloc(rows->row_count * 512 + GM_BYTES_SLACK)};
    size_t bytes = 0;
    assert_true(packed.entries != NULL && packed.memory != NULL);
    for (uint64_t i = 0; i < rows->row_count; i += INPUT_ROWS) {
        struct input input;
        const uint64_t left = rows->row_count - i;
        const uint32_t count = left < INPUT_ROWS ? (uint32_t)left : INPUT_ROWS;
        input_make(&input, schema, rows, i, count);
        bytes += pack_input(order, &input.batch, count, i, packed.memory + bytes,
                            packed.entries + i);
        assert_true(bytes <= rows->row_count * 512);
        input_free(&input);
    }
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
