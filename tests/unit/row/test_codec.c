/* test_codec.c
 * Goal:   what is encoded decodes to the same values, in any schema, with nulls and constants; and
 *         whatever bytes come, decoding stays inside them.
 * Method: hand-made rows against the layout that schema.h promises; random batches out of seeds,
 *         there and back, then cut and with flipped bits.  Hostile input lies in blocks of its
 *         exact size, so that AddressSanitizer sees one byte too much; what is accepted must
 *         encode to the same bytes again.
 */
#include "engine/row/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/error.h"
#include "tests/unit/row/random_rows.h"

#define SEEDS 150

struct fixture {
    struct gm_schema schema;
    struct gm_layout layout;
    struct gm_heap heap;
    struct gm_batch batch;
};

static void fixture_init(struct fixture *fixture)
{
    gm_layout_init(&fixture->layout, &fixture->schema);
    assert_int_equal(gm_heap_init(&fixture->heap, UINT64_MAX), 0);
    assert_int_equal(gm_batch_init(&fixture->batch, &fixture->schema, &fixture->heap), 0);
}

static void fixture_fini(struct fixture *fixture)
{
    gm_batch_fini(&fixture->batch, &fixture->heap);
    gm_heap_fini(&fixture->heap);
}

/* Encodes to a block of the rows and their slack; the caller frees. */
static uint8_t *encode(const struct gm_layout *layout, const struct gm_batch *batch, uint32_t first,
                       uint32_t count, uint64_t *ret_bytes)
{
    uint32_t sizes[GM_BATCH_ROWS_MAX];
    const uint64_t bytes = gm_codec_sizes(layout, batch, first, count, sizes);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += sizes[i];
    assert_int_equal(sum, bytes);
    uint8_t *out = malloc(bytes + GM_BYTES_SLACK);
    assert_non_null(out);
    memset(out, 0xa5, bytes + GM_BYTES_SLACK);
    gm_codec_encode(layout, batch, first, count, sizes, out);
    *ret_bytes = bytes;
    return out;
}

static void pair_of_i64_is_16_bytes(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    gm_schema_add(&fixture.schema, NULL, GLEAM_I64, false);
    gm_schema_add(&fixture.schema, NULL, GLEAM_I64, false);
    fixture_init(&fixture);
    fixture.batch.row_count = 2;
    memcpy(fixture.batch.columns[0].i64, (int64_t[]){1, 2}, 16);
    memcpy(fixture.batch.columns[1].i64, (int64_t[]){-1, -2}, 16);
    uint64_t bytes;
    uint8_t *out = encode(&fixture.layout, &fixture.batch, 0, 2, &bytes);
    assert_int_equal(bytes, 32);
    assert_memory_equal(out, ((int64_t[]){1, -1, 2, -2}), 32);
    free(out);
    fixture_fini(&fixture);
}

static void layout_is_as_promised(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    gm_schema_add(&fixture.schema, NULL, GLEAM_BYTES, true);
    gm_schema_add(&fixture.schema, NULL, GLEAM_BOOL, true);
    gm_schema_add(&fixture.schema, NULL, GLEAM_ANY, true);
    gm_schema_add(&fixture.schema, NULL, GLEAM_ANY, false);
    fixture_init(&fixture);
    uint8_t text[2 + GM_BYTES_SLACK] = "hi";
    struct gm_vector *columns = fixture.batch.columns;
    fixture.batch.row_count = 2;
    columns[0].bytes[0] = columns[0].bytes[1] = (struct gm_bytes){.data = text, .length = 2};
    columns[0].has_nulls = true;
    memcpy(columns[0].nulls, (uint8_t[]){0, 1}, 2);
    memcpy(columns[1].boolean, (uint8_t[]){1, 0}, 2);
    columns[2].any[0] = gleam_null();
    columns[2].any[1] = gleam_bytes("", 0);
    columns[2].any[1].bytes.data = (const char *)text;
    columns[3].any[0] = gleam_i64(7);
    columns[3].any[1] = gleam_bool(true);
    uint64_t bytes;
    uint8_t *out = encode(&fixture.layout, &fixture.batch, 0, 2, &bytes);
    static const uint8_t expected[] = {
        0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 9, 0, 0, 0, 'h', 'i', GLEAM_I64,   7,          0, 0, 0, 0, 0,
        0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0,   0,   GLEAM_BYTES, GLEAM_BOOL, 1};
    assert_int_equal(bytes, sizeof expected);
    assert_memory_equal(out, expected, sizeof expected);
    free(out);
    fixture_fini(&fixture);
}

/* Decodes all of a block in pieces of at most `step` rows and compares. */
static void check_decodes(struct random_rows *rows, uint32_t first, uint32_t count,
                          const uint8_t *data, uint64_t bytes, uint32_t step)
{
    struct gm_batch batch;
    assert_int_equal(gm_batch_init(&batch, &rows->schema, &rows->heap), 0);
    uint64_t offset = 0;
    uint32_t done = 0;
    while (done < count) {
        size_t used_bytes;
        assert_int_equal(gm_codec_decode(&rows->layout, data + offset, bytes - offset, step, &batch,
                                         &used_bytes),
                         0);
        assert_int_equal(batch.row_count, count - done < step ? count - done : step);
        assert_true(same_rows(&rows->batch, first + done, &batch));
        done += batch.row_count;
        offset += used_bytes;
    }
    assert_int_equal(offset, bytes);
    gm_batch_fini(&batch, &rows->heap);
}

static void random_batches_come_back_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint64_t random = seed;
        struct random_rows rows;
        const uint32_t row_count = 1 + random_below(&random, seed % 8 ? 100 : GM_BATCH_ROWS_MAX);
        random_rows_init(&rows, &random, row_count);
        const uint32_t first = random_below(&random, row_count);
        const uint32_t count = 1 + random_below(&random, row_count - first);
        uint64_t bytes;
        uint8_t *out = encode(&rows.layout, &rows.batch, first, count, &bytes);
        check_decodes(&rows, first, count, out, bytes, GM_BATCH_ROWS_MAX);
        check_decodes(&rows, first, count, out, bytes, 1 + random_below(&random, count));
        free(out);
        random_rows_fini(&rows);
    }
}

/* Decodes bytes that may be anything.  What is accepted must stay inside, and encode to
 * the same. */
static int decode_hostile(struct random_rows *rows, const uint8_t *data, size_t bytes)
{
    struct gm_batch batch;
    assert_int_equal(gm_batch_init(&batch, &rows->schema, &rows->heap), 0);
    uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
    uint8_t *slack = malloc(bytes + GM_BYTES_SLACK);
    assert_true(exact != NULL && slack != NULL);
    memcpy(exact, data, bytes);
    memcpy(slack, data, bytes);
    size_t used_bytes = 0;
    const int rc = gm_codec_decode(&rows->layout, exact, bytes, UINT32_MAX, &batch, &used_bytes);
    if (rc == 0) {
        assert_true(used_bytes <= bytes);
        assert_int_equal(
            gm_codec_decode(&rows->layout, slack, bytes, UINT32_MAX, &batch, &used_bytes), 0);
        uint64_t again_bytes;
        uint8_t *again = encode(&rows->layout, &batch, 0, batch.row_count, &again_bytes);
        assert_int_equal(again_bytes, used_bytes);
        assert_memory_equal(again, data, used_bytes);
        free(again);
    } else {
        assert_int_equal(rc, GM_EFRAME_CORRUPT);
        assert_int_equal(batch.row_count, 0);
    }
    free(exact);
    free(slack);
    gm_batch_fini(&batch, &rows->heap);
    return rc;
}

static void flipped_bits_are_refused_or_another_value(void **state)
{
    (void)state;
    uint32_t refused = 0, accepted = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint64_t random = ~seed;
        struct random_rows rows;
        const uint32_t row_count = 1 + random_below(&random, 20);
        random_rows_init(&rows, &random, row_count);
        uint64_t bytes;
        uint8_t *out = encode(&rows.layout, &rows.batch, 0, row_count, &bytes);
        for (uint32_t flip = 0; flip < 16; flip++) {
            const uint32_t bit = random_below(&random, (uint32_t)bytes * 8);
            out[bit / 8] ^= (uint8_t)(1 << (bit % 8));
            const int rc = decode_hostile(&rows, out, bytes);
            refused += rc != 0;
            accepted += rc == 0;
            if (flip % 4 != 3)
                out[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        }
        free(out);
        random_rows_fini(&rows);
    }
    assert_true(refused > SEEDS);
    assert_true(accepted > SEEDS);
}

static void cut_rows_are_refused(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint64_t random = seed << 32;
        struct random_rows rows;
        random_rows_init(&rows, &random, 2);
        uint64_t bytes, head_bytes;
        free(encode(&rows.layout, &rows.batch, 0, 1, &head_bytes));
        uint8_t *out = encode(&rows.layout, &rows.batch, 0, 2, &bytes);
        for (uint64_t length = 0; length <= bytes; length += 1 + length / 50)
            assert_int_equal(
                decode_hostile(&rows, out, length),
                length == 0 || length == head_bytes || length == bytes ? 0 : GM_EFRAME_CORRUPT);
        free(out);
        random_rows_fini(&rows);
    }
}

static void random_bytes_stay_inside(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint64_t random = seed * 31 + 7;
        struct random_rows rows;
        random_rows_init(&rows, &random, 1);
        uint8_t data[512];
        for (uint32_t i = 0; i < sizeof data; i++)
            data[i] = random_below(&random, 3) ? (uint8_t)random_below(&random, 5)
                                               : (uint8_t)random_next(&random);
        for (uint32_t round = 0; round < 8; round++)
            decode_hostile(&rows, data, random_below(&random, sizeof data));
        random_rows_fini(&rows);
    }
}

/* One row of one field, given as bytes. */
static int decode_row(enum gleam_kind kind, bool nullable, const uint8_t *data, size_t bytes)
{
    struct fixture fixture = {0};
    gm_schema_add(&fixture.schema, NULL, kind, nullable);
    fixture_init(&fixture);
    size_t used_bytes;
    const int rc = gm_codec_decode(&fixture.layout, data, bytes, 1, &fixture.batch, &used_bytes);
    fixture_fini(&fixture);
    return rc;
}

#define DECODE(kind, nullable, ...)                                                                \
    decode_row(kind, nullable, (const uint8_t[]){__VA_ARGS__},                                     \
               sizeof((const uint8_t[]){__VA_ARGS__}))

static void bool_is_0_or_1(void **state)
{
    (void)state;
    assert_int_equal(DECODE(GLEAM_BOOL, false, 0), 0);
    assert_int_equal(DECODE(GLEAM_BOOL, false, 1), 0);
    assert_int_equal(DECODE(GLEAM_BOOL, false, 2), GM_EFRAME_CORRUPT);
    assert_int_equal(DECODE(GLEAM_ANY, false, 2, 0, 0, 0, GLEAM_BOOL, 1), 0);
    assert_int_equal(DECODE(GLEAM_ANY, false, 2, 0, 0, 0, GLEAM_BOOL, 2), GM_EFRAME_CORRUPT);
}

static void null_has_no_value(void **state)
{
    (void)state;
    assert_int_equal(DECODE(GLEAM_BOOL, true, 1, 0), 0);
    assert_int_equal(DECODE(GLEAM_BOOL, true, 1, 1), GM_EFRAME_CORRUPT);
    assert_int_equal(DECODE(GLEAM_BYTES, true, 1, 1, 0, 0, 0, 'x'), GM_EFRAME_CORRUPT);
}

static void bits_of_no_field_are_refused(void **state)
{
    (void)state;
    assert_int_equal(DECODE(GLEAM_BOOL, true, 2, 0), GM_EFRAME_CORRUPT);
    assert_int_equal(DECODE(GLEAM_BOOL, true, 0x80, 0), GM_EFRAME_CORRUPT);
}

static void any_of_unknown_kind_is_refused(void **state)
{
    (void)state;
    assert_int_equal(DECODE(GLEAM_ANY, false, 0, 0, 0, 0), 0);
    assert_int_equal(DECODE(GLEAM_ANY, false, 1, 0, 0, 0, GLEAM_BYTES), 0);
    assert_int_equal(DECODE(GLEAM_ANY, false, 1, 0, 0, 0, GLEAM_NULL), GM_EFRAME_CORRUPT);
    assert_int_equal(DECODE(GLEAM_ANY, false, 1, 0, 0, 0, GLEAM_ANY), GM_EFRAME_CORRUPT);
    assert_int_equal(DECODE(GLEAM_ANY, false, 1, 0, 0, 0, GLEAM_I64), GM_EFRAME_CORRUPT);
}

static void lengths_that_wrap_are_refused(void **state)
{
    (void)state;
    assert_int_equal(DECODE(GLEAM_BYTES, false, 255, 255, 255, 255), GM_EFRAME_CORRUPT);
    assert_int_equal(DECODE(GLEAM_BYTES, false, 252, 255, 255, 255, 0, 0, 0), GM_EFRAME_CORRUPT);
    struct fixture fixture = {0};
    gm_schema_add(&fixture.schema, NULL, GLEAM_BYTES, false);
    gm_schema_add(&fixture.schema, NULL, GLEAM_BYTES, false);
    fixture_init(&fixture);
    /* The sum is 2^32. */
    const uint8_t row[] = {1, 0, 0, 0, 255, 255, 255, 255};
    size_t used_bytes;
    assert_int_equal(
        gm_codec_decode(&fixture.layout, row, sizeof row, 1, &fixture.batch, &used_bytes),
        GM_EFRAME_CORRUPT);
    fixture_fini(&fixture);
}

static void row_above_4_gib_has_the_largest_size(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    for (uint32_t i = 0; i < 5; i++)
        gm_schema_add(&fixture.schema, NULL, GLEAM_BYTES, false);
    fixture_init(&fixture);
    /* Sizes never look at the bytes. */
    for (uint32_t i = 0; i < 5; i++) {
        fixture.batch.columns[i].bytes[0] =
            (struct gm_bytes){.data = (const uint8_t *)"", .length = GM_VALUE_BYTES_MAX};
        fixture.batch.columns[i].bytes[1] = (struct gm_bytes){.data = (const uint8_t *)""};
    }
    fixture.batch.row_count = 2;
    uint32_t sizes[2];
    const uint64_t sum = gm_codec_sizes(&fixture.layout, &fixture.batch, 0, 2, sizes);
    assert_int_equal(sum, 40 + 5 * (uint64_t)GM_VALUE_BYTES_MAX);
    assert_int_equal(sizes[0], UINT32_MAX);
    assert_int_equal(sizes[1], 20);
    fixture_fini(&fixture);
}

static void no_bytes_are_no_rows(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    gm_schema_add(&fixture.schema, NULL, GLEAM_BYTES, false);
    fixture_init(&fixture);
    size_t used_bytes = 1;
    assert_int_equal(
        gm_codec_decode(&fixture.layout, (const uint8_t *)"", 0, 5, &fixture.batch, &used_bytes),
        0);
    assert_int_equal(used_bytes, 0);
    assert_int_equal(fixture.batch.row_count, 0);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pair_of_i64_is_16_bytes),
        cmocka_unit_test(layout_is_as_promised),
        cmocka_unit_test(random_batches_come_back_the_same),
        cmocka_unit_test(flipped_bits_are_refused_or_another_value),
        cmocka_unit_test(cut_rows_are_refused),
        cmocka_unit_test(random_bytes_stay_inside),
        cmocka_unit_test(bool_is_0_or_1),
        cmocka_unit_test(null_has_no_value),
        cmocka_unit_test(bits_of_no_field_are_refused),
        cmocka_unit_test(any_of_unknown_kind_is_refused),
        cmocka_unit_test(lengths_that_wrap_are_refused),
        cmocka_unit_test(row_above_4_gib_has_the_largest_size),
        cmocka_unit_test(no_bytes_are_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
