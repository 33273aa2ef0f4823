/* test_row_text.c
 * Goal:   a row reads well in an error message, and never leaves the room that it has.
 * Method: values of every kind; rows too long for every size of the room; the error of a Lua step.
 */
#include "engine/op/row_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static void values_of_every_kind_read_well(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    struct rows rows = {0};
    struct input input;
    char text[256];
    for (uint32_t kind = GLEAM_I64; kind <= GLEAM_ANY; kind++)
        gm_schema_add(&schema, NULL, (enum gleam_kind)kind, true);
    const struct gleam_value first[] = {gleam_i64(-7), gleam_f64(0.5), gleam_bool(true),
                                        text_value("a b"), gleam_null()};
    const struct gleam_value second[] = {gleam_null(), gleam_null(), gleam_null(), gleam_null(),
                                         text_value("any")};
    rows_add(&rows, first, 5);
    rows_add(&rows, second, 5);
    input_make(&input, &schema, &rows, 0, 2);
    gm_row_text(&input.batch, 0, text, sizeof text);
    assert_string_equal(text, "(-7, 0.5, true, a b, null)");
    gm_row_text(&input.batch, 1, text, sizeof text);
    assert_string_equal(text, "(null, null, null, null, any)");
    input_free(&input);
    rows_free(&rows);
}

static void constant_columns_have_every_row(void **state)
{
    (void)state;
    int64_t one = 1;
    struct gm_batch batch = {.row_count = 9, .column_count = 1};
    char text[64];
    batch.columns[0] = (struct gm_vector){.kind = GLEAM_I64, .constant = true, .i64 = &one};
    gm_row_text(&batch, 8, text, sizeof text);
    assert_string_equal(text, "(1)");
}

static void long_rows_are_cut_and_closed(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    struct rows rows = {0};
    struct input input;
    struct gleam_value values[20];
    char long_text[500];
    memset(long_text, 'x', sizeof long_text);
    for (uint32_t c = 0; c < 20; c++) {
        gm_schema_add(&schema, NULL, GLEAM_BYTES, false);
        values[c] = gleam_bytes(long_text, c % 3 ? 10 + c : sizeof long_text);
    }
    rows_add(&rows, values, 20);
    input_make(&input, &schema, &rows, 0, 1);
    for (size_t bytes = 16; bytes < 1500; bytes++) {
        char *text = malloc(bytes);
        assert_non_null(text);
        gm_row_text(&input.batch, 0, text, bytes);
        const size_t length = strnlen(text, bytes);
        assert_true(length < bytes);
        assert_true(text[0] == '(' && text[length - 1] == ')');
        free(text);
    }
    input_free(&input);
    rows_free(&rows);
}

static void error_of_a_lua_step_has_place_and_row(void **state)
{
    (void)state;
    static const struct {
        int rc;
        const char *source, *text;
    } steps[] = {
        {GM_EJOB_UDF, "function(n) error('bad ' .. n, 0) end",
         "a.lua:3: step 'mine': bad 2; at the row (2)"},
        {GM_EJOB_UDF, "function(n) return table.x.y end", "; at the row (2)"},
        {GM_EJOB_UDF, "function(n) return other() end",
         "the global 'other' is not set: a step sees"},
        {GM_ETASK_MEMORY, "function(n) local t = {} while true do t[#t + 1] = {} end end",
         "not enough memory: Lua's memory and the step's rows do not fit this executor's share of "
         "the memory (8 MiB), at the row (2): give more with --memory"}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct rig rig = {.step = {.kind = GM_STEP_LUA,
                                   .name = "mine",
                                   .where = "a.lua:3",
                                   .lua_mode = GM_LUA_MAP,
                                   .parameter = (void *)(uintptr_t)steps[i].source,
                                   .parameter_bytes = (uint32_t)strlen(steps[i].source)}};
        struct rows in = {0}, got = {0};
        const struct gleam_value value = gleam_i64(2);
        gm_schema_add(&rig.input, "n", GLEAM_I64, false);
        rig.step.schema = rig.input;
        rows_add(&in, &value, 1);
        assert_int_equal(rig_open(&rig, 8 << 20, 0), 0);
        assert_int_equal(rig_push(&rig, &in, 0, 1, 0, &got), steps[i].rc);
        assert_int_equal(rig.error.code, steps[i].rc);
        if (strstr(rig.error.text, steps[i].text) == NULL)
            fail_msg("%s", rig.error.text);
        rows_free(&in);
        rows_free(&got);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_kind_read_well),
        cmocka_unit_test(constant_columns_have_every_row),
        cmocka_unit_test(long_rows_are_cut_and_closed),
        cmocka_unit_test(error_of_a_lua_step_has_place_and_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
