/* test_limit.c
 * Goal:   select gives the columns named; a local limit gives the range of rows wanted, however
 *         they come, says when it has them all, and stops the source when all partitions together
 *         have enough; a limit gives the first rows by (origin, arrival).
 * Method: random rows in random batches against the plain range; counters of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static void make_rows(uint64_t *random, uint64_t count, struct gm_schema *schema,
                      struct rows *rows)
{
    *schema = (struct gm_schema){0};
    gm_schema_add(schema, "n", GLEAM_I64, false);
    gm_schema_add(schema, "s", GLEAM_BYTES, true);
    gm_schema_add(schema, "b", GLEAM_BOOL, true);
    gm_schema_add(schema, "a", GLEAM_ANY, false);
    for (uint64_t i = 0; i < count; i++) {
        const struct gleam_value values[] = {gleam_i64((int64_t)i),
                                             random_small(random, GLEAM_BYTES, true),
                                             random_small(random, GLEAM_BOOL, true),
                                             random_small(random, GLEAM_ANY, true)};
        rows_add(rows, values, 4);
    }
}

static void selected_columns_are_those_named(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct rows rows = {0}, got = {0};
    struct rig rig = {.step = {.kind = GM_STEP_SELECT}};
    make_rows(&random, 2000, &rig.input, &rows);
    rig.step.order = gleam_then_by(gleam_then_by(gleam_field(3), 1, true), 3, true);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
    assert_int_equal(got.row_count, 2000);
    assert_int_equal(got.column_count, 3);
    for (uint64_t i = 0; i < 2000; i++) {
        assert_true(same_value(rows_at(&got, i)[0], rows_at(&rows, i)[2]));
        assert_true(same_value(rows_at(&got, i)[1], rows_at(&rows, i)[0]));
        assert_true(same_value(rows_at(&got, i)[2], rows_at(&rows, i)[2]));
    }
    rows_free(&rows);
    rows_free(&got);
    rig_close(&rig);
}

static void local_limit_gives_a_range(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (uint32_t run = 0; run < 300; run++) {
        struct rows rows = {0}, got = {0};
        struct rig rig = {.step = {.kind = GM_STEP_LOCAL_LIMIT}};
        const uint64_t count = random_below(&random, 3000);
        make_rows(&random, count, &rig.input, &rows);
        rig.step.count = random_below(&random, random_below(&random, 2) ? 10 : 4000);
        rig.step.offset = random_below(&random, random_below(&random, 2) ? 10 : 4000);
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
        const uint64_t behind = count > rig.step.offset ? count - rig.step.offset : 0;
        const uint64_t wanted = behind < rig.step.count ? behind : rig.step.count;
        assert_int_equal(got.row_count, wanted);
        for (uint64_t i = 0; i < wanted; i++)
            assert_int_equal(rows_compare_values(rows_at(&got, i),
                                                 rows_at(&rows, rig.step.offset + i), 4),
                             0);
        assert_int_equal(rig.op.ops->satisfied(&rig.op, rig.state), wanted == rig.step.count);
        rows_free(&rows);
        rows_free(&got);
        rig_close(&rig);
    }
}

static void enough_rows_stop_the_claims(void **state)
{
    (void)state;
    uint64_t random = 3;
    _Atomic uint64_t claim = 2, found = 0;
    struct rows rows = {0}, got = {0};
    struct rig rig = {
        .step = {.kind = GM_STEP_LOCAL_LIMIT, .count = 25, .stops_source = true}};
    make_rows(&random, 10, &rig.input, &rows);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    rig.op.claim = &claim;
    rig.op.found = &found;
    rig.op.claim_end = 99;
    for (uint32_t partition = 0; partition < 3; partition++) {
        assert_int_equal(claim, 2);
        assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
        assert_int_equal(rig_finish(&rig, &got), 0);
        rig.op.ops->end(&rig.op, rig.state);
        assert_int_equal(rig.op.ops->begin(&rig.op, &rig.state), 0);
    }
    assert_int_equal(claim, 99);
    assert_int_equal(found, 30);
    /* One that does not stop the source leaves the counters alone. */
    rig.step.stops_source = false;
    assert_int_equal(rig_finish(&rig, &got), 0);
    assert_int_equal(found, 30);
    rows_free(&rows);
    rows_free(&got);
    rig_close(&rig);
}

/* Origins come mixed; within one, rows come in order. */
static void limit_gives_the_first_by_origin_and_arrival(void **state)
{
    (void)state;
    uint64_t random = 4;
    for (uint32_t run = 0; run < 100; run++) {
        struct rows rows = {0}, got = {0};
        struct rig rig = {.step = {.kind = GM_STEP_LIMIT}};
        const uint64_t count = random_below(&random, 2000);
        uint64_t next[5] = {0};
        make_rows(&random, count, &rig.input, &rows);
        rig.step.schema = rig.input;
        rig.step.order = gleam_field(1);
        rig.step.count = random_below(&random, run % 2 ? 10 : 2500);
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        for (;;) {
            /* Origin o has the rows [o, o + 1) * count / 5. */
            const uint32_t origin = random_below(&random, 5);
            const uint64_t begin = count * origin / 5 + next[origin];
            const uint64_t left = count * (origin + 1) / 5 - begin;
            uint64_t take = 1 + random_below(&random, 100);
            take = take < left ? take : left;
            if (take > 0)
                assert_int_equal(rig_push(&rig, &rows, begin, (uint32_t)take, origin, &got), 0);
            next[origin] += take;
            if (next[0] + next[1] + next[2] + next[3] + next[4] == count)
                break;
        }
        assert_int_equal(got.row_count, 0);
        assert_int_equal(rig_finish(&rig, &got), 0);
        const uint64_t wanted = count < rig.step.count ? count : rig.step.count;
        assert_int_equal(got.row_count, wanted);
        for (uint64_t i = 0; i < wanted; i++)
            assert_int_equal(rows_compare_values(rows_at(&got, i), rows_at(&rows, i), 4), 0);
        rows_free(&rows);
        rows_free(&got);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selected_columns_are_those_named),
        cmocka_unit_test(local_limit_gives_a_range),
        cmocka_unit_test(enough_rows_stop_the_claims),
        cmocka_unit_test(limit_gives_the_first_by_origin_and_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
