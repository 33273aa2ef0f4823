/* test_default.c
 * Goal:   rows pass; where none came there is one, of nulls where a null may stand, else of zeros.
 * Method: every kind of column, with and without rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static void no_rows_make_one(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int count = 0; count < 3; count++) {
        struct rows rows = {0}, got = {0}, expected = {0};
        struct rig rig = {.step = {.kind = GM_STEP_DEFAULT}};
        struct gleam_value values[9];
        const struct gleam_value zeros[9] = {
            gleam_i64(0), gleam_null(),       gleam_f64(0), gleam_null(), gleam_bool(false),
            gleam_null(), gleam_bytes("", 0), gleam_null(), gleam_null()};
        for (uint8_t kind = GLEAM_I64; kind <= GLEAM_BYTES; kind++)
            for (int nullable = 0; nullable < 2; nullable++)
                gm_schema_add(&rig.input, "c", (enum gleam_kind)kind, nullable);
        gm_schema_add(&rig.input, "c", GLEAM_ANY, false);
        rig.step.schema = rig.input;
        for (int i = 0; i < count; i++) {
            for (uint32_t c = 0; c < 9; c++)
                values[c] = random_small(&random, rig.input.fields[c].kind,
                                         rig.input.fields[c].nullable);
            rows_add(&rows, values, 9);
            rows_add(&expected, values, 9);
        }
        if (count == 0)
            rows_add(&expected, zeros, 9);
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_true(rig.op.ops->every_partition);
        assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
        assert_int_equal(rig_finish(&rig, &got), 0);
        assert_int_equal(rig_finish(&rig, &got), 0); /* no second one */
        assert_rows_equal(&got, &expected);
        rows_free(&rows);
        rows_free(&got);
        rows_free(&expected);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rows_make_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
