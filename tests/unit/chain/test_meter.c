/* test_meter.c - goal: bytes are those of the values, time that of a clock that was given, and
 * without a clock nothing is counted.
 * Method: batches by hand and a clock that the test moves.
 */
#include "engine/chain/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t now;

static uint64_t read_now(void *self)
{
    (void)self;
    return now;
}

static void bytes_are_those_of_the_values(void **state)
{
    (void)state;
    int64_t numbers[3] = {1, 2, 3};
    uint8_t truths[3] = {0, 1, 0}, nulls[3] = {0, 1, 0};
    struct gm_bytes texts[3] = {{(const uint8_t *)"ab", 2}, {(const uint8_t *)"cdef", 4},
                                {(const uint8_t *)"", 0}};
    struct gleam_value anything[3] = {gleam_bytes("xyz", 3), gleam_i64(1), gleam_null()};
    struct gm_batch batch = {.row_count = 3, .column_count = 1};
    batch.columns[0] = (struct gm_vector){.kind = GLEAM_I64, .i64 = numbers};
    assert_int_equal(gm_meter_batch_bytes(&batch), 24);
    batch.columns[0] = (struct gm_vector){.kind = GLEAM_BOOL, .boolean = truths};
    assert_int_equal(gm_meter_batch_bytes(&batch), 3);
    batch.columns[0] = (struct gm_vector){.kind = GLEAM_BYTES, .bytes = texts};
    assert_int_equal(gm_meter_batch_bytes(&batch), 6);
    batch.columns[0].has_nulls = true;
    batch.columns[0].nulls = nulls;
    assert_int_equal(gm_meter_batch_bytes(&batch), 2);
    batch.columns[0] = (struct gm_vector){.kind = GLEAM_ANY, .any = anything};
    assert_int_equal(gm_meter_batch_bytes(&batch), 11);
    batch.columns[1] = (struct gm_vector){.kind = GLEAM_BYTES, .constant = true, .bytes = texts};
    batch.column_count = 2;
    assert_int_equal(gm_meter_batch_bytes(&batch), 11 + 3 * 2);
}

static void time_adds_up(void **state)
{
    (void)state;
    const struct gm_meter_clock clock = {.now_ns = read_now};
    int64_t numbers[1] = {1};
    struct gm_batch batch = {.row_count = 1, .column_count = 1};
    batch.columns[0] = (struct gm_vector){.kind = GLEAM_I64, .i64 = numbers};
    struct gm_meter meter = {0};
    for (int i = 0; i < 2; i++) {
        now = 100;
        const uint64_t begin = gm_meter_begin(&clock);
        now = 107;
        gm_meter_end(&clock, &meter, begin, i == 0 ? &batch : NULL);
    }
    assert_int_equal(meter.ns, 14);
    assert_int_equal(meter.bytes, 8);
}

static void without_a_clock_nothing_is_counted(void **state)
{
    (void)state;
    const struct gm_meter_clock clock = {0};
    const struct gm_batch batch = {.row_count = 1};
    struct gm_meter meter = {0};
    gm_meter_end(&clock, &meter, gm_meter_begin(&clock), &batch);
    assert_int_equal(meter.ns, 0);
    assert_int_equal(meter.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_the_values),
        cmocka_unit_test(time_adds_up),
        cmocka_unit_test(without_a_clock_nothing_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
