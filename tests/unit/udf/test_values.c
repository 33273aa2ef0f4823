/* test_values.c
 * Goal:   what a script hands to a step (values.lua) is the same on the other side, with identity,
 *         cycles and shared upvalues; what cannot travel is refused with the way to it.
 * Method: the cases of values_cases.lua, each in a state of its own; a function made in one state
 *         runs in another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/udf/lua_rig.h"

#define CASES_MAX 64

/* Leaves the list of cases on the stack of a new state. */
static lua_State *load_cases(void)
{
    lua_State *state = values_state();
    if (luaL_loadfile(state, TEST_VALUES_CASES) != 0)
        fail_msg("%s", lua_tostring(state, -1));
    lua_getglobal(state, "values");
    if (lua_pcall(state, 1, 1, 0) != 0)
        fail_msg("%s", lua_tostring(state, -1));
    return state;
}

static void run_case(void **number)
{
    lua_State *state = load_cases();
    lua_rawgeti(state, -1, *(const int *)*number);
    lua_getfield(state, -1, "fn");
    if (lua_pcall(state, 0, 0, 0) != 0)
        fail_msg("%s", lua_tostring(state, -1));
    lua_close(state);
}

static void function_of_one_state_runs_in_another(void **unused)
{
    (void)unused;
    struct dumped function = dump_value("local names, calls = {'zero', 'one'}, 0\n"
                                        "local function name(i) return names[i + 1] end\n"
                                        "return function(i)\n"
                                        "    calls = calls + 1\n"
                                        "    return (name(i) or tostring(i)) .. calls\n"
                                        "end",
                                        true);
    lua_State *state = values_state();
    lua_getglobal(state, "values");
    lua_getfield(state, -1, "load");
    lua_pushlstring(state, function.data + 1, function.bytes - 1);
    if (lua_pcall(state, 1, 1, 0) != 0)
        fail_msg("%s", lua_tostring(state, -1));
    static const char *const want[] = {"zero1", "one2", "23"};
    for (int i = 0; i < 3; i++) {
        lua_pushvalue(state, -1);
        lua_pushinteger(state, i);
        if (lua_pcall(state, 1, 1, 0) != 0)
            fail_msg("%s", lua_tostring(state, -1));
        assert_string_equal(lua_tostring(state, -1), want[i]);
        lua_pop(state, 1);
    }
    lua_close(state);
    free(function.data);
}

int main(void)
{
    static struct CMUnitTest tests[CASES_MAX + 1] = {
        cmocka_unit_test(function_of_one_state_runs_in_another)};
    static char names[CASES_MAX][100];
    static int numbers[CASES_MAX];
    lua_State *state = load_cases();
    const int count = (int)lua_objlen(state, -1);
    if (count < 10 || count > CASES_MAX)
        return 1;
    for (int i = 0; i < count; i++) {
        lua_rawgeti(state, -1, i + 1);
        lua_getfield(state, -1, "name");
        snprintf(names[i], sizeof names[i], "%s", lua_tostring(state, -1));
        lua_pop(state, 2);
        numbers[i] = i + 1;
        tests[i + 1] = (struct CMUnitTest){
            .name = names[i], .test_func = run_case, .initial_state = &numbers[i]};
    }
    lua_close(state);
    return _cmocka_run_group_tests("values", tests, (size_t)count + 1, NULL, NULL);
}
