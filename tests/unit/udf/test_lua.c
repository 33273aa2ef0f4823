/* test_lua.c
 * Goal:   values of every kind go into a Lua function and come out as they should; a function is
 *         opened with all that its flow shares, or refused; memory that ends is an error that
 *         leaves nothing behind.
 * Method: the same function over random rows of random columns, against the rows themselves; listed
 *         functions and values; limits of memory from none to enough.
 */
#include "engine/udf/lua.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/udf/lua_rig.h"

#define EXACT (INT64_C(1) << 53)

/* ---- values ---------------------------------------------------------------------------------- */

/* A number in an any column is i64 where it is one. */
static struct gleam_value as_lua_gives(struct gleam_value value)
{
    if (value.kind == GLEAM_F64 && value.f64 == floor(value.f64) && fabs(value.f64) < (double)EXACT)
        return gleam_i64((int64_t)value.f64);
    return value;
}

static void assert_same(struct gleam_value got, struct gleam_value want)
{
    if (want.kind == GLEAM_F64 && isnan(want.f64))
        assert_true(got.kind == GLEAM_F64 && isnan(got.f64));
    else if (!same_value(got, want))
        fail_msg("kind %d, %lld instead of kind %d, %lld", got.kind, (long long)got.i64, want.kind,
                 (long long)want.i64);
}

static void random_lua_rows(uint64_t *random, const struct gm_schema *schema, uint32_t count,
                            struct rows *rows)
{
    const bool same = random_below(random, 4) == 0; /* becomes constant columns */
    struct gleam_value values[GM_FIELDS_MAX];
    for (uint32_t row = 0; row < count; row++) {
        for (uint32_t c = 0; c < schema->field_count; c++)
            if (row == 0 || !same)
                values[c] =
                    random_small(random, schema->fields[c].kind, schema->fields[c].nullable);
        rows_add(rows, values, schema->field_count);
    }
}

/* declared: the output has the input's columns; otherwise columns of any kind. */
static void rows_come_back(const char *source, enum gm_lua_mode mode, bool declared)
{
    uint64_t random = 7;
    for (uint32_t run = 0; run < 24; run++) {
        struct lua_rig rig = {0};
        struct rows in = {0}, got = {0};
        random_schema(&random, &rig.input);
        rig.output = rig.input;
        for (uint32_t c = 0; c < rig.output.field_count && !declared; c++)
            rig.output.fields[c] = (struct gm_field){.kind = GLEAM_ANY};
        /* A first value of null ends an iterator. */
        if (mode == GM_LUA_FLAT_MAP) {
            rig.input.fields[0] = (struct gm_field){.kind = GLEAM_I64};
            rig.output.fields[0] = (struct gm_field){.kind = GLEAM_I64};
        }
        if (lua_rig_try(&rig, mode, source, strlen(source), UINT64_MAX) != 0)
            fail_msg("%u columns: %s", rig.input.field_count, rig.error.text);
        for (uint32_t batch = 0; batch < 3; batch++) {
            const uint64_t first = in.row_count;
            const uint32_t count = 1 + random_below(&random, GM_BATCH_ROWS_MAX);
            random_lua_rows(&random, &rig.input, count, &in);
            if (lua_rig_push(&rig, &in, first, count, &got) != 0)
                fail_msg("%s", gm_lua_message(rig.lua));
        }
        assert_int_equal(got.row_count, in.row_count);
        for (uint64_t i = 0; i < got.row_count * got.column_count; i++) {
            const uint8_t kind = rig.output.fields[i % got.column_count].kind;
            assert_same(got.values[i], kind == GLEAM_ANY && mode != GM_LUA_FILTER
                                           ? as_lua_gives(in.values[i])
                                           : in.values[i]);
        }
        rows_free(&in);
        rows_free(&got);
        lua_rig_close(&rig);
    }
}

static void every_kind_goes_through_a_map(void **state)
{
    (void)state;
    rows_come_back("function(...) return ... end", GM_LUA_MAP, true);
    rows_come_back("function(...) return ... end", GM_LUA_MAP, false);
}

static void every_kind_goes_through_a_flat_map(void **state)
{
    (void)state;
    rows_come_back("function(...)\n"
                   "    local row, count = {...}, select('#', ...)\n"
                   "    return function(_, last)\n"
                   "        if row then local r = row row = nil return unpack(r, 1, count) end\n"
                   "    end\n"
                   "end",
                   GM_LUA_FLAT_MAP, true);
    rows_come_back("function(...) return {{...}} end", GM_LUA_FLAT_MAP, false);
}

static void every_kind_goes_through_a_for_each(void **state)
{
    (void)state;
    rows_come_back("function(...) writeRow(...) end", GM_LUA_FOR_EACH, true);
}

static void every_kind_goes_through_a_filter(void **state)
{
    (void)state;
    rows_come_back("function(...) return select('#', ...) > 0 end", GM_LUA_FILTER, true);
}

/* One column in, one out: input and what the function makes of it. */
static void check_map(const char *in_columns, const char *out_columns, const char *source,
                      const struct gleam_value *values, const struct gleam_value *want,
                      uint32_t count)
{
    struct lua_rig rig;
    struct rows in = {0}, got = {0};
    lua_rig_open(&rig, GM_LUA_MAP, in_columns, out_columns, source);
    for (uint32_t i = 0; i < count; i++)
        add_value(&in, values[i]);
    if (lua_rig_push(&rig, &in, 0, count, &got) != 0)
        fail_msg("%s", gm_lua_message(rig.lua));
    assert_int_equal(got.row_count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_same(got.values[i], want[i]);
    rows_free(&in);
    rows_free(&got);
    lua_rig_close(&rig);
}

static void whole_numbers_are_exact_beyond_2_53(void **state)
{
    (void)state;
    const struct gleam_value numbers[] = {
        gleam_i64(0),         gleam_i64(EXACT - 1), gleam_i64(1 - EXACT), gleam_i64(EXACT),
        gleam_i64(EXACT + 1), gleam_i64(-EXACT),    gleam_i64(INT64_MAX), gleam_i64(INT64_MIN)};
    const struct gleam_value kinds[] = {
        text_value("number"), text_value("number"), text_value("number"), text_value("cdata"),
        text_value("cdata"),  text_value("cdata"),  text_value("cdata"),  text_value("cdata")};
    static const char *const columns[] = {"i", "i?", "a"};
    for (uint32_t c = 0; c < 3; c++) {
        check_map(columns[c], "s", "function(n) return type(n) end", numbers, kinds, 8);
        for (uint32_t to = 0; to < 3; to++)
            check_map(columns[c], columns[to], "function(n) return n end", numbers, numbers, 8);
    }
    /* As 64-bit integers throughout, also where a number would do. */
    check_map("i", "i", "function(n) return n + 0LL end", numbers, numbers, 8);
    check_map("i", "a", "function(n) return n + 0LL end", numbers, numbers, 8);
    const struct gleam_value unsigned_number = gleam_i64(INT64_MAX);
    check_map("i", "a", "function(n) return 0x7fffffffffffffffULL end", numbers, &unsigned_number,
              1);
    const struct gleam_value as_f64 = gleam_f64(9007199254740992.0);
    check_map("i", "f", "function(n) return n end", &numbers[4], &as_f64, 1);
}

static void strange_numbers_pass(void **state)
{
    (void)state;
    const struct gleam_value numbers[] = {
        gleam_f64(-0.0),   gleam_f64((double)INFINITY), gleam_f64(-(double)INFINITY),
        gleam_f64(5e-324), gleam_f64((double)NAN),      gleam_f64(1.5),
        gleam_f64(-1e308)};
    check_map("f", "f", "function(x) return x end", numbers, numbers, 7);
    check_map("f?", "f?", "function(x) return x end", numbers, numbers, 7);
    check_map("a", "f", "function(x) return x end", numbers, numbers, 7);
    struct gleam_value as_any[7];
    for (uint32_t i = 0; i < 7; i++)
        as_any[i] = as_lua_gives(numbers[i]);
    check_map("f", "a", "function(x) return x end", numbers, as_any, 7);
    check_map("a", "a", "function(x) return x end", numbers, as_any, 7);
}

/* LuaJIT keeps types in the bits of NaNs: a column's must not be taken for one of its own. */
static void bits_of_a_nan_are_no_value_of_lua(void **state)
{
    (void)state;
    static const uint64_t bits[] = {UINT64_C(0xffffffffffffffff), UINT64_C(0xfffffffffffffffe),
                                    UINT64_C(0xfffd800000000041), UINT64_C(0xfffa000000001000),
                                    UINT64_C(0xfff8000000000001), UINT64_C(0x7fffffffffffffff),
                                    UINT64_C(0xfff0000000000001), UINT64_C(0xfff7ffffffffffff),
                                    UINT64_C(0xffffffff00000000), UINT64_C(0xfffeffff00000010)};
    struct gleam_value numbers[10], kinds[10], nans[10];
    for (uint32_t i = 0; i < 10; i++) {
        double number;
        memcpy(&number, &bits[i], sizeof number);
        numbers[i] = gleam_f64(number);
        kinds[i] = text_value("number nan");
        nans[i] = gleam_f64((double)NAN);
    }
    static const char *const columns[] = {"f", "f?", "a"};
    for (uint32_t c = 0; c < 3; c++) {
        check_map(columns[c], "s",
                  "function(x) return type(x) .. (x ~= x and ' nan' or ' ' .. tostring(x)) end",
                  numbers, kinds, 10);
        check_map(columns[c], columns[c], "function(x) return x end", numbers, nans, 10);
    }
}

static void strings_keep_every_byte(void **state)
{
    (void)state;
    static char large[200000];
    memset(large, 'x', sizeof large);
    large[100] = '\0';
    large[sizeof large - 1] = '\0';
    const struct gleam_value texts[] = {gleam_bytes("", 0), gleam_bytes("\0", 1),
                                        gleam_bytes("a\0b", 3), gleam_bytes(large, sizeof large),
                                        gleam_bytes("\xff\xfe\n", 3)};
    static const char *const sources[] = {
        "function(s) return s end",
        "function(s) return (s .. '!'):sub(1, -2) end" /* a string of its own */};
    static const char *const columns[] = {"s", "s?", "a"};
    for (uint32_t source = 0; source < 2; source++)
        for (uint32_t from = 0; from < 3; from++)
            for (uint32_t to = 0; to < 3; to++)
                check_map(columns[from], columns[to], sources[source], texts, texts, 5);
}

/* More bytes in one batch than the window holds, cut anywhere. */
static void many_strings_do_not_overlap(void **state)
{
    (void)state;
    struct lua_rig rig;
    struct rows in = {0}, got = {0};
    lua_rig_open(&rig, GM_LUA_MAP, "i", "s s",
                 "function(n) return tostring(n):rep(n % 300 + 1), ('<%d>'):format(n) end");
    for (uint32_t i = 0; i < 3000; i++)
        add_i64(&in, i);
    for (uint32_t first = 0; first < 3000; first += 1000)
        assert_int_equal(lua_rig_push(&rig, &in, first, 1000, &got), 0);
    for (uint32_t i = 0; i < 3000; i++) {
        char number[16];
        const int length = snprintf(number, sizeof number, "%u", i);
        const struct gleam_value text = rows_at(&got, i)[0];
        assert_int_equal(text.bytes.length, (size_t)length * (i % 300 + 1));
        for (size_t at = 0; at < text.bytes.length; at += (size_t)length)
            assert_memory_equal(text.bytes.data + at, number, length);
        snprintf(number, sizeof number, "<%u>", i);
        assert_true(same_value(rows_at(&got, i)[1], text_value(number)));
    }
    rows_free(&in);
    rows_free(&got);
    lua_rig_close(&rig);
}

/* The widest rows, every column with null marks: more names than Lua allows locals. */
static void widest_rows_pass(void **state)
{
    (void)state;
    static const struct {
        enum gm_lua_mode mode;
        const char *source;
    } steps[] = {{GM_LUA_MAP, "function(...) return ... end"},
                 {GM_LUA_FILTER, "function(...) return true end"},
                 {GM_LUA_FOR_EACH, "function(...) writeRow(...) end"},
                 {GM_LUA_FLAT_MAP, "function(...) return {{...}} end"}};
    uint64_t random = 3;
    for (uint32_t s = 0; s < 4; s++)
        for (uint32_t kind = GLEAM_I64; kind <= GLEAM_ANY; kind++) {
            struct lua_rig rig = {0};
            struct rows in = {0}, got = {0};
            for (uint32_t c = 0; c < GM_FIELDS_MAX; c++)
                gm_schema_add(&rig.input, NULL, (enum gleam_kind)kind, true);
            rig.output = rig.input;
            const size_t length = strlen(steps[s].source);
            if (lua_rig_try(&rig, steps[s].mode, steps[s].source, length, UINT64_MAX) != 0)
                fail_msg("%s", rig.error.text);
            random_lua_rows(&random, &rig.input, 50, &in);
            if (lua_rig_push(&rig, &in, 0, 50, &got) != 0)
                fail_msg("%s", gm_lua_message(rig.lua));
            assert_int_equal(got.row_count, 50);
            for (uint32_t i = 0; i < 50 * GM_FIELDS_MAX; i++)
                assert_same(got.values[i], kind == GLEAM_ANY && s != 1 ? as_lua_gives(in.values[i])
                                                                       : in.values[i]);
            rows_free(&in);
            rows_free(&got);
            lua_rig_close(&rig);
        }
}

/* ---- opening --------------------------------------------------------------------------------- */

static void what_is_no_function_is_refused_when_opened(void **state)
{
    (void)state;
    static const struct {
        const char *source, *init, *text;
    } wrong[] = {{"function(n) return n", "", "near '<eof>'"},
                 {"42", "", "this source is no function"},
                 {"error('at once')", "", "at once"},
                 {"function(n) return n end", "x = = 1", "Init:1:"},
                 {"function(n) return n end", "error('in init')", "in init"},
                 {"\033Zoo", "", "make no sense"},
                 {"\033F", "", "end too early"},
                 {"\033gs\377\377\377\177", "", "end too early"},
                 {"\033gs\004\1\1\1none", "", "end too early"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct lua_rig rig = {.shared = {.lua_init = wrong[i].init}};
        columns(&rig.input, "i");
        columns(&rig.output, "i");
        assert_int_equal(
            lua_rig_try(&rig, GM_LUA_MAP, wrong[i].source, strlen(wrong[i].source), UINT64_MAX),
            GM_EJOB_UDF);
        if (strstr(rig.error.text, wrong[i].text) == NULL)
            fail_msg("%s: %s", wrong[i].source, rig.error.text);
        assert_null(rig.lua);
        lua_rig_close(&rig);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Memory ends while the state opens, while it loads, in the function, and where its rows go. */
static void memory_that_ends_leaves_nothing(void **state)
{
    (void)state;
    static const char *const sources[] = {
        "function(n) local t = {} for i = 1, 20000 do t[i] = {i} end return #t end",
        "function(n) return ('x'):rep(200000 + n) end",
        "function(n) local s = '' for i = 1, 300 do s = s .. i .. s:sub(1, 3000) end return #s "
        "end"};
    struct rows in = {0};
    for (uint32_t i = 0; i < 30; i++)
        add_i64(&in, i);
    uint32_t refused_open = 0, refused_run = 0, fine = 0;
    for (uint32_t s = 0; s < 3; s++)
        for (uint64_t limit = 1000; limit < 32000000; limit = limit * 6 / 5) {
            struct lua_rig rig = {0};
            struct rows got = {0};
            columns(&rig.input, "i");
            columns(&rig.output, "a");
            int rc = lua_rig_try(&rig, GM_LUA_MAP, sources[s], strlen(sources[s]), limit);
            refused_open += rc < 0;
            if (rc == 0) {
                rc = lua_rig_push(&rig, &in, 0, 30, &got);
                refused_run += rc < 0;
                fine += rc == 0;
                if (rc < 0)
                    assert_non_null(strstr(gm_lua_message(rig.lua), "not enough memory"));
                assert_true(rc == 0 || gm_lua_row(rig.lua) < 30);
            } else {
                assert_non_null(strstr(rig.error.text, "not enough memory"));
            }
            assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
            rows_free(&got);
            lua_rig_close(&rig);
        }
    assert_true(refused_open > 20 && refused_run > 5 && fine > 5);
    rows_free(&in);
}

/* A function whose bytes alone are more than there is. */
static void large_function_needs_memory(void **state)
{
    (void)state;
    const size_t bytes = 4000000;
    char *source = malloc(bytes + 1);
    assert_non_null(source);
    memset(source, ' ', bytes);
    memcpy(source, "function(n) return n", 20);
    memcpy(source + bytes - 3, "end", 4);
    uint32_t refused = 0, fine = 0;
    for (uint64_t limit = 100000; limit < 40000000; limit = limit * 4 / 3) {
        struct lua_rig rig = {0};
        columns(&rig.input, "i");
        columns(&rig.output, "i");
        const int rc = lua_rig_try(&rig, GM_LUA_MAP, source, bytes, limit);
        assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
        refused += rc != 0;
        fine += rc == 0;
        lua_rig_close(&rig);
    }
    assert_true(refused > 5 && fine > 1);
    free(source);
}

/* Constant columns are written out, which needs memory in a batch, long after others went well. */
static void memory_that_ends_before_the_first_row_names_a_row_of_the_batch(void **state)
{
    (void)state;
    struct lua_rig rig;
    struct rows in = {0}, got = {0};
    lua_rig_open(&rig, GM_LUA_MAP, "s", "i", "function(s) return #s end");
    for (uint32_t i = 0; i < 1003; i++)
        add_value(&in, text_value(i >= 1000 ? "same" : i % 2 ? "a" : "b"));
    assert_int_equal(lua_rig_push(&rig, &in, 0, 1000, &got), 0);
    rig.heap.limit_bytes = 1;
    assert_int_equal(lua_rig_push(&rig, &in, 1000, 3, &got), GM_ETASK_MEMORY);
    assert_true(gm_lua_row(rig.lua) < 3);
    assert_non_null(strstr(gm_lua_message(rig.lua), "not enough memory"));
    rows_free(&in);
    rows_free(&got);
    lua_rig_close(&rig);
}

/* Garbage beyond half of the room is collected before Lua gives up. */
static void garbage_makes_room(void **state)
{
    (void)state;
    struct lua_rig rig = {0};
    struct rows in = {0}, got = {0};
    const char *source = "function(n) return #(('x'):rep(1000) .. n) end";
    columns(&rig.input, "i");
    columns(&rig.output, "i");
    assert_int_equal(lua_rig_try(&rig, GM_LUA_MAP, source, strlen(source), 8 << 20), 0);
    for (uint32_t i = 0; i < 1000; i++)
        add_i64(&in, i % 10);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(lua_rig_push(&rig, &in, 0, 1000, &got), 0);
    rows_free(&in);
    rows_free(&got);
    lua_rig_close(&rig);
}

/* A collection of ours calls finalizers.  One that fails is an error of the step, or none: that is
 * LuaJIT's version to say; the executor lives on. */
static void finalizer_that_fails_ends_no_process(void **state)
{
    (void)state;
    struct lua_rig rig = {0};
    struct rows in = {0}, got = {0};
    const char *source = "function(n)\n"
                         "    keep = {} for i = 1, 2000 do keep[i] = ('x'):rep(1000) .. i end\n"
                         "    local p = newproxy(true)\n"
                         "    getmetatable(p).__gc = function()\n"
                         "        gleam.Count('died') error('while dying') end\n"
                         "    return n end";
    columns(&rig.input, "i");
    columns(&rig.output, "i");
    assert_int_equal(lua_rig_try(&rig, GM_LUA_MAP, source, strlen(source), 4 << 20), 0);
    add_i64(&in, 1);
    add_i64(&in, 2);
    int rc = 0;
    for (uint32_t i = 0; i < 10 && rc == 0; i++)
        rc = lua_rig_push(&rig, &in, 0, 2, &got);
    assert_int_equal(rig.counters.count, 1);
    assert_true(rig.counters.entries[0].value > 0);
    if (rc != 0)
        assert_true(rc == GM_EJOB_UDF && strstr(gm_lua_message(rig.lua), "while dying") != NULL);
    rows_free(&in);
    rows_free(&got);
    lua_rig_close(&rig);
}

/* ---- what functions share -------------------------------------------------------------------- */

static void init_sets_globals(void **state)
{
    (void)state;
    struct lua_rig rig = {
        .shared = {.lua_init = "limit = 40\nfunction more(n) return n + limit end\n"}};
    struct rows in = {0}, got = {0};
    const char *source = "function(n) return more(n) end";
    columns(&rig.input, "i");
    columns(&rig.output, "i");
    assert_int_equal(lua_rig_try(&rig, GM_LUA_MAP, source, strlen(source), UINT64_MAX), 0);
    add_i64(&in, 2);
    assert_int_equal(lua_rig_push(&rig, &in, 0, 1, &got), 0);
    assert_int_equal(got.values[0].i64, 42);
    rows_free(&in);
    rows_free(&got);
    lua_rig_close(&rig);
}

static void counters_count(void **state)
{
    (void)state;
    struct lua_rig rig;
    struct rows in = {0}, got = {0};
    lua_rig_open(&rig, GM_LUA_MAP, "i", "i",
                 "function(n) gleam.Count('rows') gleam.Count('sum', n)\n"
                 "if n == 100 then for i = 1, 100 do gleam.Count('name ' .. i) end end\n"
                 "if n == 101 then gleam.Count(1) end return n end");
    for (uint32_t i = 0; i < 102; i++)
        add_i64(&in, i);
    assert_int_equal(lua_rig_push(&rig, &in, 0, 100, &got), 0);
    assert_int_equal(rig.counters.count, 2);
    assert_string_equal(rig.counters.entries[0].name, "rows");
    assert_int_equal(rig.counters.entries[0].value, 100);
    assert_int_equal(rig.counters.entries[1].value, 99 * 100 / 2);
    assert_int_equal(lua_rig_push(&rig, &in, 101, 1, &got), GM_EJOB_UDF);
    assert_non_null(strstr(gm_lua_message(rig.lua), "takes a name and a number"));
    assert_int_equal(lua_rig_push(&rig, &in, 100, 1, &got), GM_EJOB_UDF);
    assert_non_null(strstr(gm_lua_message(rig.lua), "more than 64 different counters"));
    rows_free(&in);
    rows_free(&got);
    lua_rig_close(&rig);
}

/* Two functions of one step see one table; a value that is not there is told. */
static void broadcast_values_are_there(void **state)
{
    (void)state;
    struct dumped table = dump_value("return {name = 'x', [5] = {6}}", false);
    struct dumped function =
        dump_value("local b = setmetatable({}, {__gleam_broadcast = 0})\n"
                   "local function other() return b end\n"
                   "return function(n) return b == other() and b[5][1] + n .. b.name end",
                   true);
    struct gm_blob blob = {.data = table.data, .bytes = table.bytes};
    struct lua_rig rig = {.shared = {.broadcasts = &blob, .broadcast_count = 1}};
    struct rows in = {0}, got = {0};
    columns(&rig.input, "i");
    columns(&rig.output, "s");
    if (lua_rig_try(&rig, GM_LUA_MAP, function.data, function.bytes, UINT64_MAX) != 0)
        fail_msg("%s", rig.error.text);
    add_i64(&in, 1);
    assert_int_equal(lua_rig_push(&rig, &in, 0, 1, &got), 0);
    assert_true(same_value(got.values[0], text_value("7x")));
    lua_rig_close(&rig);
    rig.shared.broadcast_count = 0;
    assert_int_equal(lua_rig_try(&rig, GM_LUA_MAP, function.data, function.bytes, UINT64_MAX),
                     GM_EJOB_UDF);
    assert_non_null(strstr(rig.error.text, "no broadcast value 0"));
    lua_rig_close(&rig);
    rows_free(&in);
    rows_free(&got);
    free(table.data);
    free(function.data);
}

/* ---- looking --------------------------------------------------------------------------------- */

static void shape_is_seen_in_the_code(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int parameters, results;
    } shapes[] = {
        {"function() end", 0, 0},
        {"function(a) return a end", 1, 1},
        {"function(a, b) return a, b, 3 end", 2, 3},
        {"function(a, b) if a then return a end return a, b end", 2, 2},
        {"function(...) return ... end", -1, -1},
        {"function(a) return a:lower() end", 1, -1},
        {"function(a) return (a:lower()) end", 1, 1},
        {"function(a) return a, a:lower() end", 1, -1},
        {"function(a, ...) return a end", -1, 1},
        {"function(a) local function g() return 1, 2, 3 end return g end", 1, 1},
        {"function(a) for i = 1, 9 do local f = function() return i end\n"
         "if f() == a then return a, f end end end",
         1, 2},
        {"print", -1, 0},
        {"tostring", -1, -1},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct gm_lua_shape shape = {0};
        struct gm_error error = {0};
        if (gm_lua_inspect(shapes[i].source, strlen(shapes[i].source), "s", &shape, &error) != 0)
            fail_msg("%s", error.text);
        if (shape.parameter_count != shapes[i].parameters ||
            shape.result_count != shapes[i].results)
            fail_msg("%s: %d, %d", shapes[i].source, shape.parameter_count, shape.result_count);
    }
    struct gm_lua_shape shape = {.parameter_count = 77};
    struct gm_error error = {0};
    assert_int_equal(gm_lua_inspect("function(", 9, "step", &shape, &error), GM_EJOB_FLOW);
    assert_non_null(strstr(error.text, "step:1:"));
    assert_int_equal(shape.parameter_count, 77);
}

static void dumped_functions_are_inspected_and_run(void **state)
{
    (void)state;
    struct dumped function =
        dump_value("local add = 40 return function(n) return n + add, add end", true);
    struct gm_lua_shape shape = {0};
    struct gm_error error = {0};
    assert_int_equal(gm_lua_inspect(function.data, function.bytes, "f", &shape, &error), 0);
    assert_int_equal(shape.parameter_count, 1);
    assert_int_equal(shape.result_count, 2);
    free(function.data);
}

static void modes_have_names(void **state)
{
    (void)state;
    assert_string_equal(gm_lua_mode_name(GM_LUA_MAP), "map");
    assert_string_equal(gm_lua_mode_name(GM_LUA_FLAT_MAP), "flat map");
    assert_string_equal(gm_lua_mode_name(GM_LUA_FILTER), "filter");
    assert_string_equal(gm_lua_mode_name(GM_LUA_FOR_EACH), "for each");
    assert_string_equal(gm_lua_mode_name(GM_LUA_FOLD), "fold");
    gm_lua_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_goes_through_a_map),
        cmocka_unit_test(every_kind_goes_through_a_flat_map),
        cmocka_unit_test(every_kind_goes_through_a_for_each),
        cmocka_unit_test(every_kind_goes_through_a_filter),
        cmocka_unit_test(whole_numbers_are_exact_beyond_2_53),
        cmocka_unit_test(strange_numbers_pass),
        cmocka_unit_test(bits_of_a_nan_are_no_value_of_lua),
        cmocka_unit_test(strings_keep_every_byte),
        cmocka_unit_test(many_strings_do_not_overlap),
        cmocka_unit_test(widest_rows_pass),
        cmocka_unit_test(what_is_no_function_is_refused_when_opened),
        cmocka_unit_test(memory_that_ends_leaves_nothing),
        cmocka_unit_test(large_function_needs_memory),
        cmocka_unit_test(memory_that_ends_before_the_first_row_names_a_row_of_the_batch),
        cmocka_unit_test(garbage_makes_room),
        cmocka_unit_test(finalizer_that_fails_ends_no_process),
        cmocka_unit_test(init_sets_globals),
        cmocka_unit_test(counters_count),
        cmocka_unit_test(broadcast_values_are_there),
        cmocka_unit_test(shape_is_seen_in_the_code),
        cmocka_unit_test(dumped_functions_are_inspected_and_run),
        cmocka_unit_test(modes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
