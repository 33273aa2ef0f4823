/* test_step.c
 * Goal:   step.lua's loops take every form in which a function may answer, fold totals of every
 *         kind, and refuse what is wrong with the row that was at work.
 * Method: listed functions over listed rows, whose answers cut batches in every place; functions
 *         that are wrong in one row of many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/udf/lua_rig.h"

#define EXACT (INT64_C(1) << 53)

/* ---- filters and flat maps ------------------------------------------------------------------- */

static void filter_keeps_what_is_true(void **state)
{
    (void)state;
    struct lua_rig rig;
    struct rows in = {0}, got = {0};
    lua_rig_open(&rig, GM_LUA_FILTER, "i", "i",
                 "function(n) if n % 3 == 0 then return n end return n % 3 == 1 and nil end");
    for (uint32_t i = 0; i < 2000; i++)
        add_i64(&in, i);
    assert_int_equal(lua_rig_push(&rig, &in, 0, 1000, &got), 0);
    assert_int_equal(lua_rig_push(&rig, &in, 1000, 1000, &got), 0);
    assert_int_equal(got.row_count, 667);
    for (uint32_t i = 0; i < 667; i++)
        assert_int_equal(got.values[i].i64, 3 * i);
    rows_free(&in);
    rows_free(&got);
    lua_rig_close(&rig);
}

/* Every form of an answer makes the rows 0..n-1 for row n. */
static void flat_map_takes_every_form(void **state)
{
    (void)state;
    static const char *const sources[] = {
        "function(n) local i = -1 return function() i = i + 1 if i < n then return i end end end",
        "function(n) return function(s, last) if last + 1 < s then return last + 1 end end, n, -1 "
        "end",
        "function(n) local t = {} for i = 1, n do t[i] = i - 1 end return t end",
        "function(n) local t = {} for i = 1, n do t[i] = {i - 1} end return t end",
        "function(n) local t = {} for i = 1, n do t[i] = i - 1 end return unpack(t) end",
        "function(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i - 1) end "
        "end) end",
        "function(n) if n == 0 then return nil end\n"
        " local t = {} for i = 1, n do t[i] = {i - 1} end return unpack(t) end",
    };
    static const int64_t counts[] = {0, 1, 0, 2, 5000, 1023, 1, 1024, 1025, 0, 7, 2048, 0};
    for (size_t s = 0; s < sizeof sources / sizeof sources[0]; s++) {
        struct lua_rig rig;
        struct rows in = {0}, got = {0};
        lua_rig_open(&rig, GM_LUA_FLAT_MAP, "i", "i", sources[s]);
        for (uint32_t i = 0; i < 13; i++)
            add_i64(&in, counts[i]);
        for (uint32_t i = 0; i < 1500; i++)
            add_i64(&in, i % 4);
        for (uint32_t first = 0; first < 1513; first += 512)
            if (lua_rig_push(&rig, &in, first, first + 512 > 1513 ? 1513 - first : 512, &got) != 0)
                fail_msg("form %zu: %s", s, gm_lua_message(rig.lua));
        uint64_t at = 0;
        for (uint64_t row = 0; row < in.row_count; row++)
            for (int64_t i = 0; i < in.values[row].i64; i++, at++) {
                assert_true(at < got.row_count);
                assert_int_equal(got.values[at].i64, i);
            }
        assert_int_equal(got.row_count, at);
        rows_free(&in);
        rows_free(&got);
        lua_rig_close(&rig);
    }
}

static void for_each_writes_any_number_of_rows(void **state)
{
    (void)state;
    struct lua_rig rig;
    struct rows in = {0}, got = {0};
    lua_rig_open(&rig, GM_LUA_FOR_EACH, "i", "i s?",
                 "function(n) for i = 1, n do writeRow(i, i % 2 == 0 and 'even' or nil) end end");
    add_i64(&in, 0);
    add_i64(&in, 3000);
    add_i64(&in, 1);
    assert_int_equal(lua_rig_push(&rig, &in, 0, 3, &got), 0);
    assert_int_equal(got.row_count, 3001);
    for (uint32_t i = 0; i < 3000; i++) {
        assert_int_equal(rows_at(&got, i)[0].i64, i + 1);
        assert_int_equal(rows_at(&got, i)[1].kind, i % 2 ? GLEAM_BYTES : GLEAM_NULL);
    }
    rows_free(&in);
    rows_free(&got);
    lua_rig_close(&rig);
}

/* ---- folds ----------------------------------------------------------------------------------- */

struct slot {
    uint64_t key;
    uint64_t values[4];
    uint32_t seen;
};

static uint32_t stores;

static int store(void *context, void *slot, uint32_t value, const struct gleam_value *number)
{
    struct gleam_value *boxes = context;
    struct slot *to = slot;
    stores++;
    if (boxes[value].kind == GLEAM_BYTES)
        free((void *)(uintptr_t)boxes[value].bytes.data);
    boxes[value] = value_copy(*number); /* the last is given back by the test */
    to->values[value] = (uint64_t)(uintptr_t)&boxes[value];
    return 0;
}

static void fold_totals_of_every_kind(void **state)
{
    (void)state;
    struct lua_rig rig;
    struct rows in = {0};
    struct input input;
    struct gleam_value boxes[4] = {{0}};
    lua_rig_open(&rig, GM_LUA_FOLD, "i f? b a", "",
                 "function(a, b, c, d, x, y, z, w)\n"
                 "    return a + x, (b and y) and b + y or nil, c and z, d + w end");
    gm_lua_set_slots(rig.lua, &(struct gm_lua_slots){.seen_offset = offsetof(struct slot, seen),
                                                     .values_offset = offsetof(struct slot, values),
                                                     .store = store,
                                                     .context = boxes});
    for (uint32_t i = 0; i < 64; i++) {
        const struct gleam_value values[] = {gleam_i64(i < 63 ? i : EXACT), gleam_f64(0.5),
                                             gleam_bool(i != 5),
                                             i == 0 ? gleam_i64(1) : gleam_f64(0.5)};
        rows_add(&in, values, 4);
    }
    static const uint32_t fields[] = {0, 1, 2, 3};
    struct slot slot = {0};
    void *slots[64];
    for (uint32_t i = 0; i < 64; i++)
        slots[i] = &slot;
    input_make(&input, &rig.input, &in, 0, 64);
    stores = 0;
    assert_int_equal(gm_lua_fold(rig.lua, &input.batch, fields, slots, 1, 0, 63), 0);
    assert_int_equal(slot.seen, 15);
    assert_int_equal(slot.values[0], 62 * 63 / 2);
    double total;
    memcpy(&total, &slot.values[1], sizeof total);
    assert_true(total == 63 * 0.5);
    assert_int_equal(slot.values[2], 0);
    assert_true(boxes[3].kind == GLEAM_I64 && boxes[3].i64 == 32);
    assert_int_equal(stores, 1); /* numbers replace each other in place */
    /* A sum beyond 2^53 needs 64-bit integers, and the row that broke it is named. */
    assert_int_equal(gm_lua_fold(rig.lua, &input.batch, fields, slots, 0, 63, 1), 0);
    assert_true((int64_t)slot.values[0] == EXACT + 62 * 63 / 2);
    input_free(&input);
    rows_free(&in);
    lua_rig_close(&rig);
}

static void fold_keeps_strings_and_nulls(void **state)
{
    (void)state;
    struct lua_rig rig;
    struct rows in = {0};
    struct input input;
    struct gleam_value boxes[4] = {{0}};
    lua_rig_open(&rig, GM_LUA_FOLD, "s? a", "",
                 "function(a, b, x, y) if y == 0 then return nil, nil end\n"
                 "return (a or '-') .. (x or '?'), y end");
    gm_lua_set_slots(rig.lua, &(struct gm_lua_slots){.seen_offset = offsetof(struct slot, seen),
                                                     .values_offset = offsetof(struct slot, values),
                                                     .store = store,
                                                     .context = boxes});
    const struct gleam_value values[][2] = {{text_value("a"), gleam_bool(true)},
                                            {gleam_null(), gleam_null()},
                                            {text_value("c"), text_value("text")},
                                            {text_value("d"), gleam_i64(0)},
                                            {text_value("e"), gleam_i64(INT64_MAX)}};
    static const uint32_t fields[] = {0, 1};
    struct slot slot = {0};
    void *slots[] = {&slot};
    static const char *const texts[] = {"a", "a?", "a?c", NULL, "-e"};
    static const uint32_t seen[] = {3, 1, 3, 0, 3};
    for (uint32_t i = 0; i < 5; i++)
        rows_add(&in, values[i], 2);
    input_make(&input, &rig.input, &in, 0, 5);
    for (uint32_t i = 0; i < 5; i++) {
        if (gm_lua_fold(rig.lua, &input.batch, fields, slots, i == 0, i, 1) != 0)
            fail_msg("row %u: %s", i, gm_lua_message(rig.lua));
        assert_int_equal(slot.seen, seen[i]);
        if (texts[i] != NULL)
            assert_true(same_value(boxes[0], text_value(texts[i])));
        if (seen[i] & 2)
            assert_true(same_value(boxes[1], values[i][1]));
    }
    free((void *)(uintptr_t)boxes[0].bytes.data);
    input_free(&input);
    rows_free(&in);
    lua_rig_close(&rig);
}

struct wide_slot {
    uint32_t seen;
    uint64_t values[32];
};

/* 32 columns are the most that a reduce has. */
static void widest_fold_takes_the_last_row(void **state)
{
    (void)state;
    static const uint8_t kinds[] = {GLEAM_I64, GLEAM_F64, GLEAM_BOOL};
    static const char source[] = "function(...) return unpack({...}, 33, 64) end";
    for (uint32_t k = 0; k < 3; k++) {
        struct lua_rig rig = {0};
        struct rows in = {0};
        struct input input;
        uint32_t fields[32];
        struct wide_slot slot = {0};
        void *slots[] = {&slot, &slot};
        struct gleam_value values[32];
        for (uint32_t c = 0; c < 32; c++) {
            gm_schema_add(&rig.input, NULL, (enum gleam_kind)kinds[k], true);
            fields[c] = c;
        }
        if (lua_rig_try(&rig, GM_LUA_FOLD, source, strlen(source), UINT64_MAX) != 0)
            fail_msg("%s", rig.error.text);
        gm_lua_set_slots(
            rig.lua, &(struct gm_lua_slots){.seen_offset = offsetof(struct wide_slot, seen),
                                            .values_offset = offsetof(struct wide_slot, values)});
        for (uint32_t row = 0; row < 2; row++) {
            for (uint32_t c = 0; c < 32; c++)
                values[c] = row == 1 && c % 5 == 0 ? gleam_null()
                            : k == 0               ? gleam_i64(row * 100 + c)
                            : k == 1               ? gleam_f64(row * 100 + c)
                                                   : gleam_bool(row == 1 && c % 2 == 0);
            rows_add(&in, values, 32);
        }
        input_make(&input, &rig.input, &in, 0, 2);
        if (gm_lua_fold(rig.lua, &input.batch, fields, slots, 1, 0, 2) != 0)
            fail_msg("%s", gm_lua_message(rig.lua));
        for (uint32_t c = 0; c < 32; c++) {
            assert_int_equal(slot.seen >> c & 1, c % 5 != 0);
            if (c % 5 != 0 && kinds[k] != GLEAM_BOOL)
                assert_true((int64_t)slot.values[c] == values[c].i64);
            if (c % 5 != 0 && kinds[k] == GLEAM_BOOL)
                assert_int_equal(slot.values[c], c % 2 == 0);
        }
        input_free(&input);
        rows_free(&in);
        lua_rig_close(&rig);
    }
}

static void wrong_totals_are_refused_with_their_row(void **state)
{
    (void)state;
    static const struct {
        const char *columns, *source, *text;
    } wrong[] = {
        {"i", "function(a, x) return 'text' end", "column 1 is a string, but it is declared i64"},
        {"i", "function(a, x) return a + 0.5 end", "but it is declared i64"},
        {"i", "function(a, x) return a, x end", "it returned more than 1 value"},
        {"i", "function(a, x) return nil end", "column 1 is nil, but it is declared i64"},
        {"i", "function(a, x) error('at ' .. x) end", "at 4"},
        {"a", "function(a, x) return {x = 1} end", "a table with the key 'x'"},
        {"s", "function(a, x) return #a end", "the number 1, but it is declared bytes"},
        {"b", "function(a, x) return 1 end", "but it is declared bool"},
        {"f", "function(a, x) return {} end", "but it is declared f64"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct lua_rig rig;
        struct rows in = {0};
        struct input input;
        struct gleam_value boxes[4] = {{0}};
        static const uint32_t fields[] = {0};
        struct slot all[8] = {{0}};
        void *slots[8];
        lua_rig_open(&rig, GM_LUA_FOLD, wrong[i].columns, "", wrong[i].source);
        gm_lua_set_slots(rig.lua,
                         &(struct gm_lua_slots){.seen_offset = offsetof(struct slot, seen),
                                                .values_offset = offsetof(struct slot, values),
                                                .store = store,
                                                .context = boxes});
        for (uint32_t row = 0; row < 8; row++) {
            const uint8_t kind = rig.input.fields[0].kind;
            add_value(&in, kind == GLEAM_BYTES  ? text_value("x")
                           : kind == GLEAM_BOOL ? gleam_bool(true)
                           : kind == GLEAM_F64  ? gleam_f64(row)
                                                : gleam_i64(row));
            /* Only row 4 meets a slot that is not new. */
            slots[row] = &all[row == 4 ? 3 : row];
        }
        input_make(&input, &rig.input, &in, 0, 8);
        assert_int_equal(gm_lua_fold(rig.lua, &input.batch, fields, slots + 2, 3, 2, 3),
                         GM_EJOB_UDF);
        if (strstr(gm_lua_message(rig.lua), wrong[i].text) == NULL)
            fail_msg("%s: %s", wrong[i].source, gm_lua_message(rig.lua));
        assert_int_equal(gm_lua_row(rig.lua), 4);
        if (boxes[0].kind == GLEAM_BYTES)
            free((void *)(uintptr_t)boxes[0].bytes.data);
        input_free(&input);
        rows_free(&in);
        lua_rig_close(&rig);
    }
}

/* ---- what is wrong --------------------------------------------------------------------------- */

struct refusal {
    enum gm_lua_mode mode;
    const char *output;
    const char *source;
    const char *text;
};

static const struct refusal refusals[] = {
    {GM_LUA_MAP, "a", "function(n) return {x = n} end",
     "a table with the key 'x', and only lists"},
    {GM_LUA_MAP, "a", "function(n) local t = {} t[1] = t return t end", "more than 32 deep"},
    {GM_LUA_MAP, "a", "function(n) return {1, {print}} end", "a function, which is no value"},
    {GM_LUA_MAP, "i", "function(n) return {n} end", "column 1 is a table, but it is declared i64"},
    {GM_LUA_MAP, "a", "function(n) return print end", "only a FlatMap may return an iterator"},
    {GM_LUA_MAP, "i", "function(n) return 'x' end", "column 1 is a string, but it is declared i64"},
    {GM_LUA_MAP, "i", "function(n) return 1.5 end", "the number 1.5, but it is declared i64"},
    {GM_LUA_MAP, "i", "function(n) return 2^53 end", "compute with int64 values"},
    {GM_LUA_MAP, "i", "function(n) return 0/0 end", "the number"},
    {GM_LUA_MAP, "i", "function(n) return 0x8000000000000000ULL end", "uint64_t"},
    {GM_LUA_MAP, "a", "function(n) return 0x8000000000000000ULL end", "uint64_t"},
    {GM_LUA_MAP, "f", "function(n) return true end",
     "column 1 is a boolean, but it is declared f64"},
    {GM_LUA_MAP, "b", "function(n) return 1 end", "the number 1, but it is declared bool"},
    {GM_LUA_MAP, "s", "function(n) return n end", "but it is declared bytes"},
    {GM_LUA_MAP, "i s", "function(n) return n end",
     "column 2 is nil, but it is declared bytes, declare the column as 'bytes?'"},
    {GM_LUA_MAP, "i", "function(n) return n, n end", "it returned more than 1 value: declare"},
    {GM_LUA_MAP, "i i", "function(n) return n, n, n end",
     "it returned more than 2 values: declare"},
    {GM_LUA_MAP, "a", "function(n) return coroutine.create(print) end", "wrap a coroutine"},
    {GM_LUA_MAP, "a", "function(n) return io.stderr end", "a userdata, which is no value of a row"},
    {GM_LUA_FLAT_MAP, "i", "function(n) return coroutine.create(print) end", "wrap a coroutine"},
    {GM_LUA_FLAT_MAP, "i", "function(n) return {{1, 2}} end", "it returned more than 1 value"},
    {GM_LUA_FLAT_MAP, "i", "function(n) return {'x'} end", "column 1 is a string"},
    {GM_LUA_FLAT_MAP, "i", "function(n) return function() return 1, 2 end end",
     "it returned more than 1 value"},
    {GM_LUA_FLAT_MAP, "i", "function(n) return function() error('inside') end end", "inside"},
    {GM_LUA_FOR_EACH, "i", "function(n) writeRow(1, 2) end", "it returned more than 1 value"},
    {GM_LUA_MAP, "i", "function(n) writeRow(n) return n end", "writeRow works in ForEach alone"},
    {GM_LUA_FILTER, "i", "function(n) return nothing.x end", "global 'nothing'"},
    {GM_LUA_MAP, "i", "function(n) error({}) end", "an error that is no text was raised"},
    {GM_LUA_MAP, "i", "function(n) error('stopped at ' .. n) end", "stopped at 41"},
};

/* Every row before 41 is well; 41 is what is refused, and named. */
static void wrong_answers_are_refused_with_their_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *refusal = &refusals[i];
        struct lua_rig rig;
        struct rows in = {0}, got = {0};
        char source[512];
        const bool iterates = refusal->mode == GM_LUA_FLAT_MAP || refusal->mode == GM_LUA_FOR_EACH;
        static const char *const fine[] = {"return 1",   "return 1.5",  "return true",
                                           "return 'x'", "return 1, 1", "return 1, 'x'"};
        const char *good = iterates                              ? "return"
                           : strcmp(refusal->output, "i i") == 0 ? fine[4]
                           : strcmp(refusal->output, "i s") == 0 ? fine[5]
                           : refusal->output[0] == 'f'           ? fine[1]
                           : refusal->output[0] == 'b'           ? fine[2]
                           : refusal->output[0] == 's'           ? fine[3]
                                                                 : fine[0];
        snprintf(source, sizeof source,
                 "function(n) local f = %s\nif n == 41 then return f(n) end %s end",
                 refusal->source, good);
        lua_rig_open(&rig, refusal->mode, "i", refusal->output, source);
        for (uint32_t row = 0; row < 80; row++)
            add_i64(&in, row);
        assert_int_equal(lua_rig_push(&rig, &in, 0, 20, &got), 0);
        assert_int_equal(lua_rig_push(&rig, &in, 20, 60, &got), GM_EJOB_UDF);
        if (strstr(gm_lua_message(rig.lua), refusal->text) == NULL)
            fail_msg("%s: %s", refusal->source, gm_lua_message(rig.lua));
        assert_int_equal(gm_lua_row(rig.lua), 21);
        rows_free(&in);
        rows_free(&got);
        lua_rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter_keeps_what_is_true),
        cmocka_unit_test(flat_map_takes_every_form),
        cmocka_unit_test(for_each_writes_any_number_of_rows),
        cmocka_unit_test(fold_totals_of_every_kind),
        cmocka_unit_test(fold_keeps_strings_and_nulls),
        cmocka_unit_test(widest_fold_takes_the_last_row),
        cmocka_unit_test(wrong_totals_are_refused_with_their_row),
        cmocka_unit_test(wrong_answers_are_refused_with_their_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
