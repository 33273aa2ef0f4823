/* test_mean.c
 * Goal:   marks, parts of means and means are what their names say, with keys in their order in
 *         front, whatever nulls and constant columns there are.
 * Method: random rows against the plain arithmetic, row by row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

/* Columns: i64, key bytes, f64, key bool; the keys are columns 4 and 2. */
static void make(struct rig *rig, struct rows *rows, uint64_t *random)
{
    const bool same = random_below(random, 4) == 0;
    struct gleam_value values[4];
    rig->input = (struct gm_schema){0};
    gm_schema_add(&rig->input, "i", GLEAM_I64, random_below(random, 2));
    gm_schema_add(&rig->input, "k", GLEAM_BYTES, true);
    gm_schema_add(&rig->input, "f", GLEAM_F64, random_below(random, 2));
    gm_schema_add(&rig->input, "l", GLEAM_BOOL, false);
    for (uint32_t i = 0; i < 500; i++) {
        for (uint32_t c = 0; c < 4 && (i == 0 || !same); c++)
            values[c] = random_small(random, rig->input.fields[c].kind,
                                     rig->input.fields[c].nullable);
        rows_add(rows, values, 4);
    }
    rig->step.order = gleam_then_by(gleam_field(4), 2, true);
    gm_schema_add(&rig->step.schema, "l", GLEAM_BOOL, false);
    gm_schema_add(&rig->step.schema, "k", GLEAM_BYTES, true);
}

static struct gleam_value marked(const struct gleam_value *value)
{
    return gleam_i64(value->kind != GLEAM_NULL);
}

static struct gleam_value number(const struct gleam_value *value)
{
    return gleam_f64(value->kind == GLEAM_I64   ? (double)value->i64
                     : value->kind == GLEAM_F64 ? value->f64
                                                : 0);
}

static void marks_and_parts(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 60; run++) {
        const bool parts = run % 2;
        struct rows rows = {0}, got = {0}, expected = {0};
        struct rig rig = {.step = {.kind = parts ? GM_STEP_MEAN_PARTS : GM_STEP_MARKS}};
        make(&rig, &rows, &random);
        for (uint32_t i = 0; i < 2 && parts; i++)
            gm_schema_add(&rig.step.schema, "f", GLEAM_F64, false);
        for (uint32_t i = 0; i < 2; i++)
            gm_schema_add(&rig.step.schema, "n", GLEAM_I64, false);
        for (uint64_t i = 0; i < rows.row_count; i++) {
            const struct gleam_value *row = rows_at(&rows, i);
            struct gleam_value values[6] = {row[3], row[1]};
            uint32_t count = 2;
            if (parts) {
                values[count++] = number(&row[0]);
                values[count++] = number(&row[2]);
            }
            values[count++] = marked(&row[0]);
            values[count++] = marked(&row[2]);
            rows_add(&expected, values, count);
        }
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
        assert_rows_equal(&got, &expected);
        rows_free(&rows);
        rows_free(&got);
        rows_free(&expected);
        rig_close(&rig);
    }
}

static void means_of_sums(void **state)
{
    (void)state;
    uint64_t random = 2;
    struct rows rows = {0}, got = {0}, expected = {0};
    struct rig rig = {.step = {.kind = GM_STEP_MEAN, .order = gleam_field(1)}};
    static const uint8_t kinds[] = {GLEAM_BYTES, GLEAM_F64, GLEAM_F64, GLEAM_I64, GLEAM_I64};
    for (uint32_t c = 0; c < 5; c++)
        gm_schema_add(&rig.input, "c", kinds[c], false);
    gm_schema_add(&rig.step.schema, "k", GLEAM_BYTES, false);
    gm_schema_add(&rig.step.schema, "a", GLEAM_F64, true);
    gm_schema_add(&rig.step.schema, "b", GLEAM_F64, true);
    for (uint32_t i = 0; i < 3000; i++) {
        const struct gleam_value values[] = {
            random_small(&random, GLEAM_BYTES, false), gleam_f64(random_below(&random, 100)),
            gleam_f64(random_below(&random, 100)), gleam_i64(random_below(&random, 4)),
            gleam_i64(i < 1000 ? 2 : random_below(&random, 4))};
        struct gleam_value means[3] = {values[0]};
        for (uint32_t v = 0; v < 2; v++)
            means[1 + v] = values[3 + v].i64 == 0
                               ? gleam_null()
                               : gleam_f64(values[1 + v].f64 / (double)values[3 + v].i64);
        rows_add(&rows, values, 5);
        rows_add(&expected, means, 3);
    }
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
    assert_rows_equal(&got, &expected);
    rows_free(&rows);
    rows_free(&got);
    rows_free(&expected);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_and_parts),
        cmocka_unit_test(means_of_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
