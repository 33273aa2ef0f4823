/* test_where.c
 * Goal:   exactly the rows pass whose value compares as wanted with the constant; nulls and values
 *         of another sort never do.
 * Method: random rows of every kind of column, constant and with nulls, every comparison, against a
 *         test of each row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static bool is_number(const struct gleam_value *value)
{
    return value->kind == GLEAM_I64 || value->kind == GLEAM_F64;
}

static bool plain(enum gleam_comparison comparison, const struct gleam_value *value,
                  const struct gleam_value *bound)
{
    if (comparison == GLEAM_IS_NULL)
        return value->kind == GLEAM_NULL;
    if (comparison == GLEAM_IS_NOT_NULL)
        return value->kind != GLEAM_NULL;
    if (value->kind != bound->kind && !(is_number(value) && is_number(bound)))
        return false;
    const int order = gm_value_compare(value, bound);
    const bool less = comparison == GLEAM_LESS || comparison == GLEAM_LESS_OR_EQUAL ||
                      comparison == GLEAM_NOT_EQUAL;
    const bool equal = comparison == GLEAM_EQUAL || comparison == GLEAM_LESS_OR_EQUAL ||
                       comparison == GLEAM_GREATER_OR_EQUAL;
    const bool greater = comparison == GLEAM_GREATER || comparison == GLEAM_GREATER_OR_EQUAL ||
                         comparison == GLEAM_NOT_EQUAL;
    return order < 0 ? less : order > 0 ? greater : equal;
}

static void rows_that_compare_pass(void **state)
{
    (void)state;
    uint64_t random = 1;
    uint64_t passed = 0, left_out = 0;
    for (uint32_t run = 0; run < 800; run++) {
        char memory[200];
        struct rows rows = {0}, got = {0}, expected = {0};
        struct gleam_value bound = gleam_null(), values[3];
        struct rig rig = {.step = {.kind = GM_STEP_WHERE}};
        const uint8_t kind = GLEAM_I64 + random_below(&random, GLEAM_ANY);
        const bool same = random_below(&random, 5) == 0; /* a constant column */
        gm_schema_add(&rig.input, "a", GLEAM_I64, false);
        gm_schema_add(&rig.input, "b", kind, random_below(&random, 2));
        gm_schema_add(&rig.input, "c", GLEAM_BYTES, true);
        while (bound.kind == GLEAM_NULL)
            bound = random_small(&random, random_below(&random, 3) ? kind : GLEAM_ANY, false);
        for (uint32_t i = 0; i < 400; i++) {
            if (i == 0 || !same)
                values[1] = random_small(&random, kind, rig.input.fields[1].nullable);
            values[0] = gleam_i64(i);
            values[2] = random_small(&random, GLEAM_BYTES, true);
            rows_add(&rows, values, 3);
        }
        rig.step.schema = rig.input;
        rig.step.order = gleam_field(2);
        rig.step.comparison = (enum gleam_comparison)(run % 8);
        const struct gleam_value list = gleam_list_pack(&bound, 1, memory);
        rig.step.parameter = memory;
        rig.step.parameter_bytes = (uint32_t)list.bytes.length;
        for (uint64_t i = 0; i < rows.row_count; i++)
            if (plain(rig.step.comparison, &rows_at(&rows, i)[1], &bound))
                rows_add(&expected, rows_at(&rows, i), 3);
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
        assert_rows_equal(&got, &expected);
        passed += got.row_count;
        left_out += rows.row_count - got.row_count;
        rows_free(&rows);
        rows_free(&got);
        rows_free(&expected);
        rig_close(&rig);
    }
    assert_true(passed > 50000 && left_out > 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_compare_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
