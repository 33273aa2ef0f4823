/* test_row.c
 * Goal:   fields come out of a packed row as they went in; the order of values is a total order,
 *         exact between i64 and f64, and prefixes never contradict it.
 * Method: random rows through the codec; a ladder of values that ascends; all pairs and triples of
 *         a set of nasty ones.
 */
#include "engine/row/row.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/row/codec.h"
#include "tests/unit/row/random_rows.h"

static void fields_come_out_as_they_went_in(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct random_rows *rows = malloc(sizeof *rows);
    assert_non_null(rows);
    for (uint32_t run = 0; run < 300; run++) {
        uint32_t sizes[64];
        random_rows_init(rows, &random, 1 + random_below(&random, 64));
        const uint32_t count = rows->batch.row_count;
        const uint64_t bytes = gm_codec_sizes(&rows->layout, &rows->batch, 0, count, sizes);
        uint8_t *packed = malloc(bytes + GM_BYTES_SLACK);
        assert_non_null(packed);
        gm_codec_encode(&rows->layout, &rows->batch, 0, count, sizes, packed);
        const uint8_t *at = packed;
        for (uint32_t row = 0; row < count; row++) {
            assert_int_equal(gm_row_bytes(&rows->layout, at), sizes[row]);
            for (uint32_t field = 0; field < rows->schema.field_count; field++)
                assert_true(same_value(gm_row_get(&rows->layout, at, field),
                                       gm_vector_get(&rows->batch.columns[field], row)));
            assert_int_equal(gm_row_compare_whole(&rows->layout, at, at), 0);
            at += sizes[row];
        }
        free(packed);
        random_rows_fini(rows);
    }
    free(rows);
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

/* Each is below the next. */
static const struct gleam_value *ladder(uint32_t *ret_count)
{
    static struct gleam_value steps[40];
    uint32_t count = 0;
    const int64_t big = INT64_C(1) << 53;
    steps[count++] = gleam_null();
    steps[count++] = gleam_bool(false);
    steps[count++] = gleam_bool(true);
    steps[count++] = gleam_f64(-(double)INFINITY);
    steps[count++] = gleam_f64(-DBL_MAX);
    steps[count++] = gleam_f64(-9223372036854777856.0);
    steps[count++] = gleam_i64(INT64_MIN);
    steps[count++] = gleam_i64(INT64_MIN + 1);
    steps[count++] = gleam_i64(-big - 1);
    steps[count++] = gleam_f64(-(double)big);
    steps[count++] = gleam_i64(-2);
    steps[count++] = gleam_f64(-1.5);
    steps[count++] = gleam_i64(-1);
    steps[count++] = gleam_f64(-5e-324);
    steps[count++] = gleam_f64(-0.0);
    steps[count++] = gleam_f64(5e-324);
    steps[count++] = gleam_f64(0.5);
    steps[count++] = gleam_i64(1);
    steps[count++] = gleam_f64(1.5);
    steps[count++] = gleam_i64(2);
    steps[count++] = gleam_f64((double)big);
    steps[count++] = gleam_i64(big + 1);
    steps[count++] = gleam_f64((double)big + 2);
    steps[count++] = gleam_i64(INT64_MAX - 1);
    steps[count++] = gleam_i64(INT64_MAX);
    steps[count++] = gleam_f64(9223372036854775808.0);
    steps[count++] = gleam_f64(DBL_MAX);
    steps[count++] = gleam_f64((double)INFINITY);
    steps[count++] = gleam_f64((double)NAN);
    steps[count++] = gleam_bytes("", 0);
    steps[count++] = gleam_bytes("\0", 1);
    steps[count++] = gleam_bytes("a", 1);
    steps[count++] = gleam_bytes("a\0", 2);
    steps[count++] = gleam_bytes("abcdefgh", 8);
    steps[count++] = gleam_bytes("abcdefghi", 9);
    steps[count++] = gleam_bytes("abcdefgi", 8);
    steps[count++] = gleam_bytes("\x80", 1);
    steps[count++] = gleam_bytes("\xff", 1);
    *ret_count = count;
    return steps;
}

static void values_have_one_order(void **state)
{
    (void)state;
    uint32_t count;
    const struct gleam_value *steps = ladder(&count);
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b < count; b++)
            assert_int_equal(sign(gm_value_compare(&steps[a], &steps[b])), (a > b) - (a < b));
}

static void prefixes_never_contradict_the_order(void **state)
{
    (void)state;
    uint32_t count;
    const struct gleam_value *steps = ladder(&count);
    for (uint32_t a = 0; a + 1 < count; a++)
        assert_true(gm_value_prefix(&steps[a]) <= gm_value_prefix(&steps[a + 1]));
    const struct gleam_value equal[][2] = {{gleam_f64(0.0), gleam_f64(-0.0)},
                                           {gleam_i64(0), gleam_f64(-0.0)},
                                           {gleam_i64(7), gleam_f64(7)},
                                           {gleam_f64((double)NAN), gleam_f64(-(double)NAN)}};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(gm_value_compare(&equal[i][0], &equal[i][1]), 0);
        assert_int_equal(gm_value_prefix(&equal[i][0]), gm_value_prefix(&equal[i][1]));
    }
}

static void random_prefixes_never_contradict_the_order(void **state)
{
    (void)state;
    uint64_t random = 2;
    struct random_rows *rows = calloc(1, sizeof *rows);
    assert_non_null(rows);
    for (uint32_t i = 0; i < 200000; i++) {
        const uint32_t number_kind = GLEAM_I64 + random_below(&random, 2);
        const struct gleam_value a = random_value(rows, &random, number_kind);
        const struct gleam_value b =
            random_value(rows, &random, GLEAM_I64 + random_below(&random, 2));
        const int order = gm_value_compare(&a, &b);
        assert_int_equal(sign(order), -sign(gm_value_compare(&b, &a)));
        if (order < 0)
            assert_true(gm_value_prefix(&a) <= gm_value_prefix(&b));
        if (order == 0)
            assert_int_equal(gm_value_prefix(&a), gm_value_prefix(&b));
    }
    free(rows);
}

/* Rows (number, number): by the second column descending, then the first. */
static void rows_compare_by_the_columns_of_the_order(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    struct gm_layout layout;
    gm_schema_add(&schema, "a", GLEAM_I64, false);
    gm_schema_add(&schema, "b", GLEAM_I64, false);
    gm_layout_init(&layout, &schema);
    const int64_t rows[][2] = {{1, 5}, {2, 5}, {1, 4}};
    const struct gleam_order order = {.count = 2,
                                      .columns = {{.column = 2}, {.column = 1, .ascending = true}}};
    const uint8_t *a = (const uint8_t *)rows[0], *b = (const uint8_t *)rows[1];
    const uint8_t *c = (const uint8_t *)rows[2];
    assert_true(gm_row_compare(&layout, &order, a, b) < 0);
    assert_true(gm_row_compare(&layout, &order, b, a) > 0);
    assert_true(gm_row_compare(&layout, &order, b, c) < 0);
    assert_true(gm_row_compare(&layout, &order, c, a) > 0);
    assert_int_equal(gm_row_compare(&layout, &order, a, a), 0);
    assert_true(gm_row_compare_whole(&layout, a, c) > 0);
    assert_true(gm_row_compare_whole(&layout, a, b) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_out_as_they_went_in),
        cmocka_unit_test(values_have_one_order),
        cmocka_unit_test(prefixes_never_contradict_the_order),
        cmocka_unit_test(random_prefixes_never_contradict_the_order),
        cmocka_unit_test(rows_compare_by_the_columns_of_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
