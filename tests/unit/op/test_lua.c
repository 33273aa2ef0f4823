/* test_lua.c
 * Goal:   a Lua step hands on what its function makes, in order and whole, wherever batches end; an
 *         error says where the step stands, what is wrong and at which row.
 * Method: random rows in batches of random sizes against the same in C; functions that make from
 *         none to thousands of rows; listed mistakes; limits of memory from none to enough.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static struct rig lua_rig(enum gm_lua_mode mode, const char *source)
{
    struct rig rig = {.step = {.kind = GM_STEP_LUA,
                               .name = "words",
                               .where = "test.lua:5",
                               .lua_mode = mode,
                               .parameter = (void *)(uintptr_t)source,
                               .parameter_bytes = (uint32_t)strlen(source)}};
    gm_schema_add(&rig.input, "text", GLEAM_BYTES, false);
    gm_schema_add(&rig.input, "n", GLEAM_I64, false);
    rig.step.schema = rig.input;
    return rig;
}

static void add_row(struct rows *rows, const char *text, int64_t number)
{
    const struct gleam_value values[] = {text_value(text), gleam_i64(number)};
    rows_add(rows, values, 2);
}

/* Texts "row i", and how many rows each shall make. */
static void add_rows(struct rows *rows, uint64_t *random)
{
    static const int64_t counts[] = {0, 1, 5000, 0, 0, 2, 1023, 1, 1024, 1025, 3, 7000};
    for (uint32_t i = 0; i < 2500; i++) {
        char text[16];
        snprintf(text, sizeof text, "row %u", i);
        add_row(rows, text, i < 12 ? counts[i] : random_below(random, 3));
    }
}

static void check_steps(const char *source, enum gm_lua_mode mode)
{
    uint64_t random = 1;
    struct rig rig = lua_rig(mode, source);
    struct rows in = {0}, got = {0};
    add_rows(&in, &random);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    if (rig_push_all(&rig, &in, &random, &got) != 0)
        fail_msg("%s", rig.error.text);
    assert_int_equal(rig_finish(&rig, &got), 0);
    uint64_t at = 0;
    for (uint64_t row = 0; row < in.row_count; row++) {
        const int64_t number = rows_at(&in, row)[1].i64;
        const int64_t count = mode == GM_LUA_MAP ? 1 : mode == GM_LUA_FILTER ? number > 0 : number;
        for (int64_t i = 0; i < count; i++, at++) {
            assert_true(at < got.row_count);
            assert_true(same_value(rows_at(&got, at)[0], rows_at(&in, row)[0]));
            assert_int_equal(rows_at(&got, at)[1].i64, mode == GM_LUA_MAP      ? -number
                                                       : mode == GM_LUA_FILTER ? number
                                                                               : i);
        }
    }
    assert_int_equal(got.row_count, at);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void rows_come_out_once_and_in_order(void **state)
{
    (void)state;
    check_steps("function(text, n) return text, -n end", GM_LUA_MAP);
    check_steps("function(text, n) return text .. '', -n end", GM_LUA_MAP);
    check_steps("function(text, n) return n > 0 end", GM_LUA_FILTER);
    check_steps("function(text, n) local i = -1\n"
                "return function() i = i + 1 if i < n then return text, i end end end",
                GM_LUA_FLAT_MAP);
    check_steps("function(text, n) local t = {} for i = 1, n do t[i] = {text, i - 1} end\n"
                "return t end",
                GM_LUA_FLAT_MAP);
    check_steps("function(text, n) for i = 0, n - 1 do writeRow(text, i) end end", GM_LUA_FOR_EACH);
}

static void rows_of_a_filter_are_not_copied_when_all_pass(void **state)
{
    (void)state;
    struct rig rig = lua_rig(GM_LUA_FILTER, "function() return true end");
    struct rows in = {0};
    struct input input;
    add_row(&in, "a", 1);
    add_row(&in, "b", 2);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    input_make(&input, &rig.input, &in, 0, 2);
    assert_int_equal(rig_process(&rig, &input.batch), GM_OP_NEED_INPUT);
    assert_int_equal(rig.out.row_count, 2);
    assert_ptr_equal(rig.out.columns[0].data, input.batch.columns[0].data);
    input_free(&input);
    rows_free(&in);
    rig_close(&rig);
}

static void steps_share_init_broadcasts_and_counters(void **state)
{
    (void)state;
    struct rig rig = lua_rig(GM_LUA_MAP, "function(text, n)\n"
                                         "    gleam.Count('rows', n) return text .. suffix, n end");
    struct rows in = {0}, got = {0};
    rig.shared.lua_init = "suffix = '!'";
    add_row(&in, "a", 40);
    add_row(&in, "b", 2);
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push(&rig, &in, 0, 2, 0, &got), 0);
    assert_true(same_value(rows_at(&got, 1)[0], text_value("b!")));
    assert_int_equal(rig.counters.count, 1);
    assert_int_equal(rig.counters.entries[0].value, 42);
    rows_free(&in);
    rows_free(&got);
    rig_close(&rig);
}

static void errors_name_place_step_and_row(void **state)
{
    (void)state;
    static const struct {
        const char *source, *text;
    } wrong[] = {{"function(text, n) if n == 7 then error('seven', 0) end return text, n end",
                  "test.lua:5: step 'words': seven; at the row (row 7, 7)"},
                 {"function(text, n) if n == 7 then return n, n end return text, n end",
                  "column 1 is the number 7, but it is declared bytes; at the row (row 7, 7)"},
                 {"function(text, n) if n == 7 then return limit.x end return text, n end",
                  "the global 'limit' is not set: a step sees its upvalues and what f:Init sets"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct rig rig = lua_rig(GM_LUA_MAP, wrong[i].source);
        struct rows in = {0}, got = {0};
        for (uint32_t row = 0; row < 20; row++) {
            char text[16];
            snprintf(text, sizeof text, "row %u", row);
            add_row(&in, text, row);
        }
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_int_equal(rig_push(&rig, &in, 0, 5, 0, &got), 0);
        assert_int_equal(rig_push(&rig, &in, 5, 15, 0, &got), GM_EJOB_UDF);
        assert_int_equal(rig.error.code, GM_EJOB_UDF);
        if (strstr(rig.error.text, wrong[i].text) == NULL)
            fail_msg("%s", rig.error.text);
        rows_free(&in);
        rows_free(&got);
        rig_close(&rig);
    }
}

static void step_that_does_not_open_says_why(void **state)
{
    (void)state;
    struct rig rig = lua_rig(GM_LUA_MAP, "function(text, n) return text, end");
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), GM_EJOB_UDF);
    assert_non_null(strstr(rig.error.text, "test.lua:5: step 'words': words:1:"));
    rig_close(&rig);
}

static void too_little_memory_names_step_and_option(void **state)
{
    (void)state;
    uint32_t refused_open = 0, refused_push = 0, fine = 0;
    struct rows in = {0};
    for (uint32_t i = 0; i < 40; i++)
        add_row(&in, "some text of a row", 20000);
    for (uint64_t limit = 1000; limit < 60000000; limit = limit * 7 / 6) {
        struct rig rig = lua_rig(GM_LUA_MAP, "function(text, n) return text:rep(n), n end");
        struct rows got = {0};
        int rc = rig_open(&rig, limit, 0);
        const bool opened = rc == 0;
        if (opened)
            rc = rig_push(&rig, &in, 0, 40, 0, &got);
        refused_open += !opened;
        refused_push += opened && rc < 0;
        fine += rc == 0;
        if (rc < 0)
            assert_int_equal(rc, GM_ETASK_MEMORY);
        /* Where the step itself has no room, the chain says so. */
        if (rc < 0 && rig.error.code != 0) {
            assert_int_equal(rig.error.code, GM_ETASK_MEMORY);
            assert_non_null(strstr(rig.error.text, "test.lua:5: step 'words'"));
            assert_non_null(strstr(rig.error.text, "give more with --memory"));
            if (opened)
                assert_non_null(strstr(rig.error.text, "at the row (some text of a row, 20000)"));
        }
        rows_free(&got);
        rig_close(&rig);
    }
    assert_true(refused_open > 10 && refused_push > 10 && fine > 3);
    rows_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_out_once_and_in_order),
        cmocka_unit_test(rows_of_a_filter_are_not_copied_when_all_pass),
        cmocka_unit_test(steps_share_init_broadcasts_and_counters),
        cmocka_unit_test(errors_name_place_step_and_row),
        cmocka_unit_test(step_that_does_not_open_says_why),
        cmocka_unit_test(too_little_memory_names_step_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
