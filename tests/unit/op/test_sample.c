/* test_sample.c
 * Goal:   a sample follows from seed, partition and position alone, however rows come in batches;
 *         every row is as likely as any other, and another seed or partition draws other rows.
 * Method: the same rows in batches of different sizes; counts within five standard deviations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static void sample(struct rig *rig, uint32_t partition, const struct rows *rows, uint64_t *random,
                   struct rows *got)
{
    gm_schema_add(&rig->input, "n", GLEAM_I64, false);
    gm_schema_add(&rig->input, "s", GLEAM_BYTES, true);
    if (rig->step.kind == GM_STEP_SAMPLE_KEYS)
        gm_schema_add(&rig->step.schema, "sample", GLEAM_I64, false);
    for (uint32_t i = 0; i < 2; i++)
        rig->step.schema.fields[rig->step.schema.field_count++] = rig->input.fields[i];
    assert_int_equal(rig_open(rig, UINT64_MAX, 0), 0);
    rig->op.ops->end(&rig->op, rig->state); /* begun again, for this partition */
    rig->op.partition = partition;
    assert_int_equal(rig->op.ops->begin(&rig->op, &rig->state), 0);
    assert_int_equal(rig_push_all(rig, rows, random, got), 0);
    rig_close(rig);
}

static void numbers(struct rows *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct gleam_value values[] = {gleam_i64(i),
                                             i % 7 == 0 ? gleam_null() : gleam_bytes("some", 4)};
        rows_add(rows, values, 2);
    }
}

static void the_seed_decides(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct rows rows = {0}, got[4] = {0};
    numbers(&rows, 20000);
    for (int i = 0; i < 4; i++) { /* twice the same, another seed, another partition */
        struct rig rig = {.step = {.kind = GM_STEP_SAMPLE,
                                   .count = UINT64_C(1) << 30, /* a quarter */
                                   .seed = i == 2 ? 8 : 7}};
        sample(&rig, i == 3, &rows, &random, &got[i]);
    }
    assert_rows_equal(&got[0], &got[1]);
    for (int i = 2; i < 4; i++) {
        uint64_t both = 0;
        for (uint64_t a = 0, b = 0; a < got[0].row_count && b < got[i].row_count;) {
            const int64_t first = rows_at(&got[0], a)->i64, second = rows_at(&got[i], b)->i64;
            both += first == second;
            a += first <= second;
            b += second <= first;
        }
        assert_in_range(both, 1250 - 180, 1250 + 180); /* independent: a sixteenth */
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(got[i].row_count, 5000 - 310, 5000 + 310);
        rows_free(&got[i]);
    }
    rows_free(&rows);
}

static void no_row_and_all_rows(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int all = 0; all < 2; all++) {
        struct rows rows = {0}, got = {0};
        struct rig rig = {.step = {.kind = GM_STEP_SAMPLE, .count = all ? UINT64_C(1) << 32 : 0}};
        numbers(&rows, 3000);
        sample(&rig, 0, &rows, &random, &got);
        assert_int_equal(got.row_count, all ? 3000 : 0);
        rows_free(&rows);
        rows_free(&got);
    }
}

/* The drawn number stands in front; halves of its range have half of the rows each. */
static void keys_stand_in_front(void **state)
{
    (void)state;
    uint64_t random = 1, low = 0;
    struct rows rows = {0}, got = {0};
    struct rig rig = {.step = {.kind = GM_STEP_SAMPLE_KEYS, .seed = 3}};
    numbers(&rows, 10000);
    sample(&rig, 5, &rows, &random, &got);
    assert_int_equal(got.row_count, 10000);
    for (uint64_t i = 0; i < got.row_count; i++) {
        const struct gleam_value *row = rows_at(&got, i);
        assert_int_equal(rows_compare_values(row + 1, rows_at(&rows, i), 2), 0);
        assert_true(row[0].i64 >= 0);
        low += row[0].i64 < INT64_MAX / 2;
    }
    assert_in_range(low, 5000 - 250, 5000 + 250);
    rows_free(&rows);
    rows_free(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(no_row_and_all_rows),
        cmocka_unit_test(keys_stand_in_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
