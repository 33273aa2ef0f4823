/* test_counters.c
 * Goal:   numbers add up under their names; a full table refuses new names and still takes old
 *         ones.
 * Method: listed names with ends, prefixes and lengths of their own; the table to its brim.
 */
#include "engine/udf/counters.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int add(struct gm_counters *counters, const char *name, int64_t number)
{
    return gm_counters_add(counters, name, strlen(name), number);
}

static void numbers_add_up_by_name(void **state)
{
    (void)state;
    struct gm_counters counters = {0};
    assert_int_equal(add(&counters, "bad rows", 1), 0);
    assert_int_equal(add(&counters, "bad", 10), 0);
    assert_int_equal(add(&counters, "", 5), 0);
    assert_int_equal(add(&counters, "bad rows", 41), 0);
    assert_int_equal(add(&counters, "bad", -30), 0);
    assert_int_equal(gm_counters_add(&counters, "bad rows and more", 8, 100), 0);
    assert_int_equal(gm_counters_add(&counters, "bad\0rows", 8, 1000), 0);
    assert_int_equal(counters.count, 3);
    assert_string_equal(counters.entries[0].name, "bad rows");
    assert_int_equal(counters.entries[0].value, 142);
    assert_string_equal(counters.entries[1].name, "bad");
    assert_int_equal(counters.entries[1].value, 980);
    assert_string_equal(counters.entries[2].name, "");
    assert_int_equal(counters.entries[2].value, 5);
}

static void long_names_are_cut(void **state)
{
    (void)state;
    struct gm_counters counters = {0};
    char name[100];
    memset(name, 'x', sizeof name);
    assert_int_equal(gm_counters_add(&counters, name, 100, 1), 0);
    assert_int_equal(gm_counters_add(&counters, name, 63, 1), 0);
    assert_int_equal(gm_counters_add(&counters, name, 62, 1), 0);
    assert_int_equal(counters.count, 2);
    assert_int_equal(strlen(counters.entries[0].name), GM_COUNTER_NAME_BYTES_MAX - 1);
    assert_int_equal(counters.entries[0].value, 2);
}

static void sums_wrap(void **state)
{
    (void)state;
    struct gm_counters counters = {0};
    assert_int_equal(add(&counters, "n", INT64_MAX), 0);
    assert_int_equal(add(&counters, "n", 1), 0);
    assert_true(counters.entries[0].value == INT64_MIN);
}

static void full_table_takes_its_names_only(void **state)
{
    (void)state;
    struct gm_counters counters = {0}, more = {0};
    char name[16];
    for (uint32_t i = 0; i < GM_COUNTERS_MAX; i++) {
        snprintf(name, sizeof name, "name %u", i);
        assert_int_equal(add(&counters, name, i), 0);
    }
    assert_int_equal(add(&counters, "one more", 1), -E2BIG);
    assert_int_equal(counters.count, GM_COUNTERS_MAX);
    assert_int_equal(add(&counters, "name 63", 1), 0);
    assert_int_equal(counters.entries[63].value, 64);

    assert_int_equal(add(&more, "name 1", 9), 0);
    assert_int_equal(gm_counters_merge(&counters, &more), 0);
    assert_int_equal(counters.entries[1].value, 10);
    assert_int_equal(add(&more, "one more", 1), 0);
    assert_int_equal(gm_counters_merge(&counters, &more), -E2BIG);
}

static void tables_merge(void **state)
{
    (void)state;
    struct gm_counters a = {0}, b = {0};
    add(&a, "both", 1);
    add(&b, "only b", 7);
    add(&b, "both", 2);
    assert_int_equal(gm_counters_merge(&a, &b), 0);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.entries[0].value, 3);
    assert_string_equal(a.entries[1].name, "only b");
    assert_int_equal(a.entries[1].value, 7);
    assert_int_equal(b.entries[1].value, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_add_up_by_name),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(sums_wrap),
        cmocka_unit_test(full_table_takes_its_names_only),
        cmocka_unit_test(tables_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
