/* test_registry.c
 * Goal:   functions are found by name and kind; a name twice, or one too many, is a problem that is
 *         told and changes nothing.
 * Method: the table is filled to its brim, in the order of the tests.
 */
#include "engine/udf/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

GLEAM_MAPPER(same)
{
    return gleam_emit(call, row, column_count);
}

GLEAM_REDUCER(same)
{
    (void)call;
    (void)total;
    (void)next;
    return (int)value_count;
}

GLEAM_REDUCER_I64(add)
{
    return total + next;
}

GLEAM_REDUCER_F64(multiply)
{
    return total * next;
}

static int other(struct gleam_call *call, const struct gleam_value *row, uint32_t column_count)
{
    (void)call;
    (void)row;
    return (int)column_count;
}

static void names_are_found_by_kind(void **state)
{
    (void)state;
    struct gm_registered_reducer reducer;
    assert_ptr_equal(gm_registry_mapper("same"), gleam_mapper_same);
    assert_true(gm_registry_reducer("same", &reducer));
    assert_ptr_equal(reducer.function, gleam_reducer_same);
    assert_true(gm_registry_reducer("add", &reducer));
    assert_null(reducer.function);
    assert_int_equal(reducer.i64(2, 3), 5);
    assert_true(gm_registry_reducer("multiply", &reducer));
    assert_null(reducer.i64);
    assert_true(reducer.f64(2, 4) == 8);
    assert_null(gm_registry_mapper("add"));
    assert_null(gm_registry_mapper("nobody"));
    assert_false(gm_registry_reducer("nobody", &reducer));
    assert_null(gm_registry_problem());
}

static void name_twice_is_a_problem(void **state)
{
    (void)state;
    gleam_register_mapper("same", other);
    assert_string_equal(gm_registry_problem(), "mapper 'same' is registered twice");
    assert_ptr_equal(gm_registry_mapper("same"), gleam_mapper_same);
    gleam_register_reducer_i64("same", gleam_reducer_add);
    assert_string_equal(gm_registry_problem(), "reducer 'same' is registered twice");
}

static void one_too_many_is_a_problem(void **state)
{
    (void)state;
    static char names[GM_FUNCTIONS_MAX][16];
    for (uint32_t i = 0; i < GM_FUNCTIONS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "function %u", i);
        gleam_register_mapper(names[i], other);
    }
    assert_non_null(strstr(gm_registry_problem(), "more than 1024 functions"));
    assert_ptr_equal(gm_registry_mapper("function 0"), other);
    assert_ptr_equal(gm_registry_mapper("function 1019"), other);
    assert_null(gm_registry_mapper("function 1020"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_by_kind),
        cmocka_unit_test(name_twice_is_a_problem),
        cmocka_unit_test(one_too_many_is_a_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
