/* test_variant.c - one of several implementations.
 *
 * Goal:   the widest that can run is chosen, a wish is followed where it can be, and no other.
 * Method: a table whose members can run or not, and the environment variable.
 */
#include "engine/base/variant.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static bool never(void)
{
    return false;
}

static bool always(void)
{
    return true;
}

struct kernel {
    struct gm_variant head;
    int value;
};

static const struct kernel kernels[] = {
    {{"widest", never}, 1}, {{"wide", always}, 2}, {{"narrow", always}, 3}};

static int value_of(const void *variant)
{
    return variant == NULL ? 0 : ((const struct kernel *)variant)->value;
}

static void widest_that_runs(void **state)
{
    (void)state;
    const struct gm_variants all = GM_VARIANTS(kernels);
    assert_int_equal(all.count, 3);
    assert_int_equal(value_of(gm_variant_widest(all)), 2);
    assert_int_equal(value_of(gm_variant_named(all, "widest")), 1);
    assert_null(gm_variant_named(all, "wid"));
}

static void select_says_why_not(void **state)
{
    (void)state;
    const struct gm_variants all = GM_VARIANTS(kernels);
    int error = 0;
    assert_int_equal(value_of(gm_variant_select(all, NULL, &error)), 2);
    assert_int_equal(value_of(gm_variant_select(all, "narrow", &error)), 3);
    assert_int_equal(error, 0);
    assert_null(gm_variant_select(all, "nothing", &error));
    assert_int_equal(error, -EINVAL);
    assert_null(gm_variant_select(all, "widest", &error));
    assert_int_equal(error, -ENOTSUP);
}

static void wishes_are_followed_where_they_can_be(void **state)
{
    (void)state;
    const struct gm_variants all = GM_VARIANTS(kernels);
    static const struct {
        const char *wish;
        int value;
    } wishes[] = {{"narrow", 3}, {"wide", 2}, {"widest", 2}, {"nothing", 2}, {"", 2}};
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        assert_int_equal(setenv("GLEAM_SIMD", wishes[i].wish, 1), 0);
        assert_int_equal(value_of(gm_variant_choose(all)), wishes[i].value);
    }
    assert_int_equal(unsetenv("GLEAM_SIMD"), 0);
    assert_int_equal(value_of(gm_variant_choose(all)), 2);
}

static void a_choice_is_made_once_and_can_be_changed(void **state)
{
    (void)state;
    const struct gm_variants all = GM_VARIANTS(kernels);
    gm_variant_choice choice = NULL;
    assert_int_equal(value_of(gm_variant_current(&choice, all)), 2);
    assert_int_equal(gm_variant_set(&choice, all, "widest"), -ENOTSUP);
    assert_int_equal(gm_variant_set(&choice, all, "nothing"), -EINVAL);
    assert_int_equal(value_of(gm_variant_current(&choice, all)), 2);
    assert_int_equal(gm_variant_set(&choice, all, "narrow"), 0);
    assert_int_equal(value_of(gm_variant_current(&choice, all)), 3);
    assert_int_equal(gm_variant_set(&choice, all, NULL), 0);
    assert_int_equal(value_of(gm_variant_current(&choice, all)), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widest_that_runs),
        cmocka_unit_test(select_says_why_not),
        cmocka_unit_test(wishes_are_followed_where_they_can_be),
        cmocka_unit_test(a_choice_is_made_once_and_can_be_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
