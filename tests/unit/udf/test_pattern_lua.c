/* test_pattern_lua.c
 * Goal:   string.find, match and gmatch behave as LuaJIT's own in every case, and loops over them
 *         are compiled.
 * Method: the originals are kept before ours are put in, in the same state, and both are given
 *         the same random patterns and subjects, malformed ones among them; values, types, numbers
 *         of values and messages are compared.  GLEAM_TEST_PATTERNS=N compares N times as many.
 */
#include "engine/udf/pattern_lua.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <cmocka.h>

#include "engine/udf/byte_set.h"
#include "tests/unit/udf/pattern_differential.lua.h"

#define CASES 10000

/* A state with all libraries, and the originals in the global `originals`. */
static lua_State *open_state(void)
{
    lua_State *state = luaL_newstate();
    assert_non_null(state);
    luaL_openlibs(state);
    assert_int_equal(luaL_dostring(state, "originals = {}\n"
                                          "for name, value in pairs(string) do\n"
                                          "    originals[name] = value\n"
                                          "end"), 0);
    return state;
}

static lua_State *open_patterns(void)
{
    lua_State *state = open_state();
    assert_int_equal(gm_pattern_open(state), 0);
    assert_int_equal(lua_gettop(state), 0);
    return state;
}

/* Runs a chunk; where it fails, so does the test, with its message. */
static void run(lua_State *state, const char *chunk)
{
    if (luaL_loadbuffer(state, chunk, strlen(chunk), "=test") || lua_pcall(state, 0, 0, 0))
        fail_msg("%s", lua_tostring(state, -1));
}

static void compare(lua_State *state, double seed, double cases)
{
    if (luaL_loadbuffer(state, gm_pattern_differential_lua, sizeof gm_pattern_differential_lua,
                        "=differential"))
        fail_msg("%s", lua_tostring(state, -1));
    lua_getglobal(state, "originals");
    lua_pushnumber(state, seed);
    lua_pushnumber(state, cases);
    if (lua_pcall(state, 3, 2, 0))
        fail_msg("seed %.0f: %s", seed, lua_tostring(state, -1));
    assert_true(lua_tonumber(state, -2) == cases);
    /* One in ten or so is an error; none would mean that they are not tested. */
    assert_true(lua_tonumber(state, -1) > cases / 50);
    lua_pop(state, 2);
}

static void compare_with_luajit(void **unused)
{
    (void)unused;
    const char *more = getenv("GLEAM_TEST_PATTERNS");
    const double cases = CASES * (more ? atof(more) : 1);
    static const char *const variants[] = {"avx2", "scalar"};
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (gm_byte_set_select(variants[i]) != 0)
            continue;
        lua_State *state = open_patterns();
        compare(state, (double)(i + 1), cases);
        lua_close(state);
    }
    gm_byte_set_select(NULL);
}

/* The same functions without LuaJIT's compiler: its own errors cannot hide ours. */
static void compare_interpreted(void **unused)
{
    (void)unused;
    lua_State *state = open_patterns();
    run(state, "jit.off()");
    compare(state, 3, CASES);
    lua_close(state);
}

static void functions_are_replaced_and_are_functions(void **unused)
{
    (void)unused;
    lua_State *state = open_patterns();
    run(state, "for _, name in ipairs({'find', 'match', 'gmatch'}) do\n"
               "    assert(string[name] ~= originals[name])\n"
               "    assert(type(string[name]) == 'function')\n"
               "    assert((''):find('') and (''):gmatch(''))\n"
               "end\n"
               "assert(string.gsub == originals.gsub)\n"
               "assert(('x').gmatch == string.gmatch)\n"
               "assert(type(string.gmatch('a', 'a')) == 'function')\n"
               "assert(select('#', string.gmatch('a', 'b')()) == 0)");
    lua_close(state);
}

/* Messages name the function and the line of the call, as LuaJIT's do. */
static void errors_have_the_place_of_the_call(void **unused)
{
    (void)unused;
    lua_State *state = open_patterns();
    run(state,
        "local calls = {\n"
        "  'local s = {}; local x = string.gmatch(nil, 1) return x',\n"
        "  'local x = string.gmatch(\"a\") return x',\n"
        "  'local x = string.gmatch() return x',\n"
        "  'local x = (\"a\"):gmatch({}) return x',\n"
        "  'local x = (\"a\"):find() return x',\n"
        "  'local x = (\"a\"):find(nil) return x',\n"
        "  'local x = string.find({}, \"a\") return x',\n"
        "  'local x = (\"a\"):match(\"a\", \"x\") return x',\n"
        "  'local x = (\"a\"):match(\"a\", {}) return x',\n"
        "  'local x = (\"a\"):match(\"[a\") return x',\n"
        "  'local x = (\"a\"):find(\"%f\") return x',\n"
        "  'for x in (\"a\"):gmatch(\"(a\") do end',\n"
        "  'for x in (\"a\"):gmatch(\"(a)%3\") do end',\n"
        "  'local i = (\"aa\"):gmatch(\"%\") local x = i() return x',\n"
        "  'return (\"a\"):match((\"a*\"):rep(200))',\n"
        "}\n"
        "local function outcome(code, functions)\n"
        "    local ours = {}\n"
        "    for _, name in ipairs({'find', 'match', 'gmatch'}) do\n"
        "        ours[name], string[name] = string[name], functions[name]\n"
        "    end\n"
        "    local good, message = pcall(assert(loadstring('\\n\\n' .. code, '=call')))\n"
        "    for name, f in pairs(ours) do string[name] = f end\n"
        "    assert(not good, code)\n"
        "    return message\n"
        "end\n"
        "for _, code in ipairs(calls) do\n"
        "    local expected, got = outcome(code, originals), outcome(code, string)\n"
        "    assert(expected == got, expected .. ' / ' .. got)\n"
        "end");
    lua_close(state);
}

static void more_patterns_than_are_kept(void **unused)
{
    (void)unused;
    lua_State *state = open_patterns();
    run(state, "local kept = {}\n"
               "for round = 1, 2 do\n"
               "    for i = 1, 1000 do\n"
               "        local p = '(' .. i .. ')%d?'\n"
               "        assert(('x' .. i):match(p) == tostring(i))\n"
               "        assert(('x' .. i):find(p) == 2)\n"
               "        kept[i] = (i .. ' ' .. i):gmatch(p)\n"
               "        assert(kept[i]() == tostring(i))\n"
               "    end\n"
               "    collectgarbage()\n"
               "    for i = 1, 1000 do\n"
               "        assert(kept[i]() == tostring(i))\n"
               "        assert(kept[i]() == nil and kept[i]() == nil)\n"
               "    end\n"
               "end");
    lua_close(state);
}

/* Iterators of loops that are nested, interleaved or left early do not disturb each other. */
static void loops_are_independent(void **unused)
{
    (void)unused;
    lua_State *state = open_patterns();
    run(state, "local text = ('ab cd '):rep(100)\n"
               "for round = 1, 200 do\n"
               "    local count = 0\n"
               "    for w in text:gmatch('%w+') do\n"
               "        for c in w:gmatch('(.)()') do\n"
               "            count = count + 1\n"
               "            if count % 7 == 0 then break end\n"
               "        end\n"
               "        if count > 300 then break end\n"
               "    end\n"
               "    local a, b = ('1 2 3'):gmatch('%d'), ('x y z'):gmatch('%a')\n"
               "    assert(a() .. b() .. a() .. b() .. a() .. b() == '1x2y3z')\n"
               "    assert(a() == nil)\n"
               "    local c = ('7 8'):gmatch('%d')\n"
               "    assert(c() == '7' and a() == nil and b() == nil and c() == '8')\n"
               "end");
    lua_close(state);
}

/* Strings are made while captures are read; a finalizer that runs then uses patterns itself. */
static void finalizers_may_use_patterns(void **unused)
{
    (void)unused;
    lua_State *state = open_patterns();
    run(state, "collectgarbage('setpause', 1) collectgarbage('setstepmul', 1000)\n"
               "local ran = 0\n"
               "local function litter()\n"
               "    local proxy = newproxy(true)\n"
               "    getmetatable(proxy).__gc = function()\n"
               "        ran = ran + 1\n"
               "        assert(('zz=yy=xx=ww=vv'):match('(%a+)=(%a+)=(%a+)=(%a+)=(%a+)') == 'zz')\n"
               "        for a, b, c, d in ('q w e r'):gmatch('(%a) (%a) (%a) (%a)') do end\n"
               "    end\n"
               "end\n"
               "for i = 1, 5000 do\n"
               "    litter()\n"
               "    local s = ('a%d=b%d=c%d=d%d=e%d'):format(i, i, i, i, i)\n"
               "    local a, b, c, d, e = s:match('(%w+)=(%w+)=(%w+)=(%w+)=(%w+)')\n"
               "    assert(a .. '=' .. b .. '=' .. c .. '=' .. d .. '=' .. e == s)\n"
               "    for a, b, c, d, e in s:gmatch('(%w+)=(%w+)=(%w+)=(%w+)=(%w+)') do\n"
               "        assert(a .. '=' .. b .. '=' .. c .. '=' .. d .. '=' .. e == s)\n"
               "    end\n"
               "end\n"
               "assert(ran > 500)");
    lua_close(state);
}

/* Once a loop is hot it must be compiled: then no bytecode of it is interpreted any more.  Many
 * calls come first, as of steps that ran before: they must not spoil it. */
static void hot_loops_are_compiled(void **unused)
{
    (void)unused;
    lua_State *state = open_patterns();
    run(state,
        "local function fresh(body)\n"
        "    return assert(loadstring('local lines, n = ...; local c = 0; for r = 1, n do '\n"
        "        .. 'for i = 1, #lines do ' .. body .. ' end end return c'))\n"
        "end\n"
        "local lines = {}\n"
        "for i = 1, 100 do lines[i] = ('the quick brown fox %d '):format(i):rep(1 + i % 3) end\n"
        "local bodies = {\n"
        "  'for w in lines[i]:gmatch(\"%w+\") do c = c + #w end',\n"
        "  'for k, v in lines[i]:gmatch(\"(%a+) (%a+)\") do c = c + #k + #v end',\n"
        "  'local a, b = lines[i]:match(\"(%w+)%s+(%w+)\") c = c + #a + #b',\n"
        "  'local a, b = lines[i]:find(\"q%w+\") c = c + a + b',\n"
        "  'if lines[i]:find(\"%d%d\") then c = c + 1 end',\n"
        "}\n"
        "for round = 1, 3 do\n"
        "    jit.off() for _, body in ipairs(bodies) do fresh(body)(lines, 1000) end jit.on()\n"
        "    for _, body in ipairs(bodies) do\n"
        "        local loop = fresh(body)\n"
        "        local expected = loop(lines, 100)\n"
        "        assert(expected > 0)\n"
        "        local made, dropped = 0, 0\n"
        "        local function watch(what)\n"
        "            if what == 'stop' then made = made + 1 end\n"
        "            if what == 'abort' then dropped = dropped + 1 end\n"
        "        end\n"
        "        jit.attach(watch, 'trace')\n"
        "        local same = fresh(body)\n"
        "        for i = 1, 3 do assert(same(lines, 100) == expected) end\n"
        "        jit.attach(watch)\n"
        "        assert(made > 0, body .. ': not compiled')\n"
        "        assert(dropped <= 4, body .. ': ' .. dropped .. ' traces given up')\n"
        "    end\n"
        "end");
    lua_close(state);
}

static void without_the_compiler_nothing_is_replaced(void **unused)
{
    (void)unused;
    lua_State *state = open_state();
    run(state, "jit.off()");
    assert_int_equal(gm_pattern_open(state), 0);
    assert_int_equal(lua_gettop(state), 0);
    run(state, "assert(string.find == originals.find and string.gmatch == originals.gmatch)");
    lua_close(state);
}

static void without_ffi_it_says_so(void **unused)
{
    (void)unused;
    lua_State *state = open_state();
    run(state, "package.loaded.ffi = nil package.preload.ffi = nil");
    assert_int_equal(gm_pattern_open(state), -EINVAL);
    assert_int_equal(lua_gettop(state), 1);
    assert_non_null(strstr(lua_tostring(state, -1), "ffi"));
    run(state, "assert(string.find == originals.find)");
    lua_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compare_with_luajit),
        cmocka_unit_test(compare_interpreted),
        cmocka_unit_test(functions_are_replaced_and_are_functions),
        cmocka_unit_test(errors_have_the_place_of_the_call),
        cmocka_unit_test(more_patterns_than_are_kept),
        cmocka_unit_test(loops_are_independent),
        cmocka_unit_test(finalizers_may_use_patterns),
        cmocka_unit_test(hot_loops_are_compiled),
        cmocka_unit_test(without_the_compiler_nothing_is_replaced),
        cmocka_unit_test(without_ffi_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
