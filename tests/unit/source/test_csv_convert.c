/* Goal: texts become the numbers that the C library reads, and nothing else does.
 * Method: listed texts, and random decimals against strtod. */
#include "engine/source/csv_convert.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t *bytes_of(const char *text)
{
    return (const uint8_t *)text;
}

static void test_i64(void **state)
{
    static const char *const bad[] = {"", " ", "-", "+", "1.0", "1e3", "0x1", "1 2", "--1",
                                      "9223372036854775808", "-9223372036854775809",
                                      "18446744073709551617", "99999999999999999999999"};
    static const struct {
        const char *text;
        int64_t number;
    } good[] = {{"0", 0},         {"-0", 0},  {"007", 7}, {" 12 ", 12},
                {"+5", 5},        {"-17", -17}, {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    int64_t number = 77;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(gm_csv_to_i64(bytes_of(bad[i]), strlen(bad[i]), &number));
    assert_int_equal(number, 77);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(gm_csv_to_i64(bytes_of(good[i].text), strlen(good[i].text), &number));
        assert_true(number == good[i].number);
    }
    /* The text ends where its length says. */
    assert_true(gm_csv_to_i64(bytes_of("123"), 2, &number));
    assert_int_equal(number, 12);
}

static void f64_is(const char *text)
{
    double number = 77;
    assert_true(gm_csv_to_f64(bytes_of(text), strlen(text), &number));
    const double wanted = strtod(text, NULL);
    if (memcmp(&number, &wanted, sizeof number) != 0) {
        print_error("%s: %a is not %a\n", text, number, wanted);
        fail();
    }
}

static void test_f64(void **state)
{
    static const char *const bad[] = {"", ".", "-", "e5", "1e", "1e+", "0x10", "nan(1)", "1,5",
                                      "1.2.3", "1 e5", "one", "infinit", "1e5x"};
    static const char *const good[] = {
        "0", "-0.0", "1", "1.5", ".5", "5.", "1e22", "1e23", "-1e-22", "1E5", "9007199254740993",
        "0.1", "123456789012345678901234567890", "4.9e-324", "1.7976931348623157e308",
        "2.2250738585072011e-308", "1e-400", "0.00000000000000000000000000000000000001", "inf",
        "-Infinity", "1e999", "0000000000000000000000000000000000000000000000000000000000001.5"};
    double number = 77;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(gm_csv_to_f64(bytes_of(bad[i]), strlen(bad[i]), &number));
    assert_true(number == 77);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        f64_is(good[i]);
    assert_true(gm_csv_to_f64(bytes_of(" 2.5 "), 5, &number) && number == 2.5);
    assert_true(gm_csv_to_f64(bytes_of("NaN"), 3, &number) && isnan(number));
}

static void test_random_decimals(void **state)
{
    uint64_t random = 1;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[80];
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const uint64_t a = random >> (random >> 58), point = random % 1000;
        if (i % 3 == 0)
            snprintf(text, sizeof text, "%" PRIu64 ".%03" PRIu64, a >> 20, point);
        else if (i % 3 == 1)
            snprintf(text, sizeof text, "-%" PRIu64 "e%d", a, (int)(point % 60) - 30);
        else
            snprintf(text, sizeof text, "0.%020" PRIu64, a);
        f64_is(text);
    }
}

static void test_bool(void **state)
{
    bool truth = false;
    (void)state;
    assert_true(gm_csv_to_bool(bytes_of("TRUE"), 4, &truth) && truth);
    assert_true(gm_csv_to_bool(bytes_of("false"), 5, &truth) && !truth);
    assert_true(gm_csv_to_bool(bytes_of("1"), 1, &truth) && truth);
    assert_true(gm_csv_to_bool(bytes_of("0"), 1, &truth) && !truth);
    assert_false(gm_csv_to_bool(bytes_of("yes"), 3, &truth));
    assert_false(gm_csv_to_bool(bytes_of(""), 0, &truth));
}

static void test_columns(void **state)
{
    struct gm_bytes texts[4] = {{bytes_of("1"), 1}, {bytes_of(""), 0}, {bytes_of("x"), 1},
                                {bytes_of("-3"), 2}};
    uint8_t nulls[4] = {0, 1, 0, 0}, to_nulls[4] = {9, 9, 9, 9};
    int64_t numbers[4] = {7, 7, 7, 7};
    struct gm_vector from = {
        .kind = GLEAM_BYTES, .has_nulls = true, .bytes = texts, .nulls = nulls};
    struct gm_vector to = {.kind = GLEAM_I64, .i64 = numbers, .nulls = to_nulls};
    (void)state;
    assert_int_equal(gm_csv_convert(&from, 0, 4, &to), 2);
    assert_int_equal(gm_csv_convert(&from, 3, 4, &to), 4);
    assert_true(to.has_nulls && to_nulls[1] == 1 && to_nulls[0] == 0 && to_nulls[3] == 0);
    assert_true(numbers[0] == 1 && numbers[1] == 0 && numbers[3] == -3);
}

static uint8_t guess(const char *const *texts)
{
    uint8_t kind = GLEAM_NULL;
    for (; *texts != NULL; texts++)
        kind = gm_csv_guess_kind(kind, bytes_of(*texts), strlen(*texts));
    return kind;
}

static void test_guesses(void **state)
{
    (void)state;
    assert_int_equal(guess((const char *[]){NULL}), GLEAM_NULL);
    assert_int_equal(guess((const char *[]){"1", "-2", "0", NULL}), GLEAM_I64);
    assert_int_equal(guess((const char *[]){"1", "2.5", "3", NULL}), GLEAM_F64);
    assert_int_equal(guess((const char *[]){"true", "False", NULL}), GLEAM_BOOL);
    assert_int_equal(guess((const char *[]){"1", "true", NULL}), GLEAM_BYTES);
    assert_int_equal(guess((const char *[]){"1", "007", NULL}), GLEAM_BYTES);
    assert_int_equal(guess((const char *[]){"0.5", "-00", "1", NULL}), GLEAM_BYTES);
    assert_int_equal(guess((const char *[]){"x", "1", NULL}), GLEAM_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_i64),     cmocka_unit_test(test_f64),
        cmocka_unit_test(test_random_decimals), cmocka_unit_test(test_bool),
        cmocka_unit_test(test_columns), cmocka_unit_test(test_guesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
