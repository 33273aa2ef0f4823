/* test_library.c
 * Goal:   functions are found by path and symbol; what is not there is refused with the path, the
 *         symbol and what to do.
 * Method: a shared object made beside this program (functions.c), and wrong paths and names.
 */
#include "engine/udf/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

GLEAM_MAPPER(mine)
{
    return gleam_emit(call, row, column_count);
}

static void functions_are_found(void **state)
{
    (void)state;
    struct gm_error error = {0};
    gleam_map_fn *filter = NULL, *again = NULL;
    gleam_reduce_fn *reduce = NULL;
    assert_int_equal(gm_library_mapper(TEST_LIBRARY, "positive", &filter, &error), 0);
    assert_int_equal(gm_library_reducer(TEST_LIBRARY, "add", &reduce, &error), 0);
    assert_int_equal(gm_library_mapper(TEST_LIBRARY, "positive", &again, &error), 0);
    assert_true(filter == again);
    const struct gleam_value values[] = {gleam_i64(4), gleam_i64(-4)};
    assert_int_equal(filter(NULL, &values[0], 1), 1);
    assert_int_equal(filter(NULL, &values[1], 1), 0);
    struct gleam_value total[] = {gleam_i64(1), gleam_i64(2)};
    assert_int_equal(reduce(NULL, total, values, 2), 0);
    assert_int_equal(total[0].i64, 5);
    assert_int_equal(total[1].i64, -2);
    assert_int_equal(error.code, 0);
}

static void without_a_library_the_registry_is_asked(void **state)
{
    (void)state;
    struct gm_error error = {0};
    gleam_map_fn *function = NULL;
    assert_int_equal(gm_library_mapper(NULL, "mine", &function, &error), 0);
    assert_true(function == gleam_mapper_mine);
    assert_int_equal(gm_library_mapper(NULL, "nobody", &function, &error), GM_EJOB_FLOW);
    assert_non_null(strstr(error.text, "no mapper 'nobody' is registered"));
    assert_non_null(strstr(error.text, "GLEAM_MAPPER"));
}

static void missing_file_is_refused_with_its_path(void **state)
{
    (void)state;
    static const char *const paths[] = {"/nowhere/at_all.so", "no_such_thing.so"};
    for (uint32_t i = 0; i < 2; i++) {
        struct gm_error error = {0};
        gleam_map_fn *mapper = NULL;
        gleam_reduce_fn *reducer = NULL;
        assert_int_equal(gm_library_mapper(paths[i], "positive", &mapper, &error), GM_EJOB_FLOW);
        assert_non_null(strstr(error.text, "cannot open the shared object"));
        assert_non_null(strstr(error.text, paths[i]));
        assert_non_null(strstr(error.text, "No such file"));
        assert_null(mapper);
        error = (struct gm_error){0};
        assert_int_equal(gm_library_reducer(paths[i], "add", &reducer, &error), GM_EJOB_FLOW);
        assert_non_null(strstr(error.text, paths[i]));
        assert_null(reducer);
    }
}

static void missing_symbol_is_refused_with_its_name(void **state)
{
    (void)state;
    struct gm_error error = {0};
    gleam_map_fn *mapper = NULL;
    gleam_reduce_fn *reducer = NULL;
    assert_int_equal(gm_library_mapper(TEST_LIBRARY, "hidden", &mapper, &error), GM_EJOB_FLOW);
    assert_non_null(strstr(error.text, TEST_LIBRARY));
    assert_non_null(strstr(error.text, "has no symbol 'hidden'"));
    assert_non_null(strstr(error.text, "nm -D"));
    error = (struct gm_error){0};
    assert_int_equal(gm_library_reducer(TEST_LIBRARY, "", &reducer, &error), GM_EJOB_FLOW);
    assert_non_null(strstr(error.text, "has no symbol ''"));
    assert_null(mapper);
    assert_null(reducer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_found),
        cmocka_unit_test(without_a_library_the_registry_is_asked),
        cmocka_unit_test(missing_file_is_refused_with_its_path),
        cmocka_unit_test(missing_symbol_is_refused_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
