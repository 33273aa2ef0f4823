/* test_error.c
 * Goal:   codes keep their scopes apart from the kernel's, and the first cause is the one that
 *         stays.
 * Method: every code by name; texts longer than their room.
 */
#include "engine/base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const int codes[] = {GM_EFRAME_CORRUPT, GM_EPEER_DIED,    GM_EPEER_PROTOCOL, GM_ETASK_MEMORY,
                            GM_ETASK_SPILL,
                            GM_EJOB_UDF,       GM_EJOB_FLOW,     GM_EJOB_INPUT,     GM_EJOB_OUTPUT,
                            GM_EJOB_OPTION,    GM_EJOB_CANCELLED, GM_EJOB_CUT,
                            GM_EJOB_DAMAGED,   GM_EJOB_COMMAND};

static void first_cause_stays(void **state)
{
    (void)state;
    struct gm_error error = {0};
    assert_int_equal(gm_error_set(&error, GM_EJOB_INPUT, "%s: line %d", "a.txt", 3), GM_EJOB_INPUT);
    assert_int_equal(gm_error_set(&error, -EIO, "later"), -EIO);
    assert_int_equal(error.code, GM_EJOB_INPUT);
    assert_string_equal(error.text, "a.txt: line 3");
}

static void no_place_for_the_text_is_fine(void **state)
{
    (void)state;
    assert_int_equal(gm_error_set(NULL, -EIO, "%s", "lost"), -EIO);
}

static void long_text_is_cut_and_terminated(void **state)
{
    (void)state;
    struct gm_error error = {0};
    gm_error_set(&error, -EIO, "%0*d", 2 * GM_ERROR_BYTES_MAX, 0);
    assert_int_equal(strlen(error.text), GM_ERROR_BYTES_MAX - 1);
}

static void our_codes_are_below_the_kernels(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_true(codes[i] < -4095);
}

static void scope_follows_the_code(void **state)
{
    (void)state;
    assert_string_equal(gm_error_scope_name(GM_EFRAME_CORRUPT), "frame");
    assert_string_equal(gm_error_scope_name(GM_ERR(GM_SCOPE_LINK, 4095)), "link");
    assert_string_equal(gm_error_scope_name(GM_EPEER_PROTOCOL), "peer");
    assert_string_equal(gm_error_scope_name(GM_ETASK_MEMORY), "task");
    assert_string_equal(gm_error_scope_name(GM_EJOB_CANCELLED), "job");
    assert_string_equal(gm_error_scope_name(-ENOMEM), "system");
    assert_string_equal(gm_error_scope_name(-4095), "system");
    assert_string_equal(gm_error_scope_name(0), "none");
    assert_string_equal(gm_error_scope_name(GM_END), "none");
    assert_string_equal(gm_error_scope_name(INT32_MIN), "unknown");
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_string_not_equal(gm_error_name(codes[i]), "unknown error");
    assert_string_equal(gm_error_name(-ENOENT), "No such file or directory");
    assert_string_equal(gm_error_name(-4095), "unknown error");
    assert_string_equal(gm_error_name(INT32_MIN), "unknown error");
    assert_string_equal(gm_error_name(0), "no error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_cause_stays),
        cmocka_unit_test(no_place_for_the_text_is_fine),
        cmocka_unit_test(long_text_is_cut_and_terminated),
        cmocka_unit_test(our_codes_are_below_the_kernels),
        cmocka_unit_test(scope_follows_the_code),
        cmocka_unit_test(every_code_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
