/* test_text.c
 * Goal:   what a person types is understood or refused with a reason, never guessed.
 * Method: tables of good and bad texts; random garbage, which must be refused or be read as
 *         something in range.
 */
#include "engine/base/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/row/random_rows.h"

#define UNTOUCHED UINT64_C(0x5eed)

static void sizes_are_binary(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"0", 0},
                 {"4096", 4096},
                 {"17B", 17},
                 {"64K", 64u << 10},
                 {"64k", 64u << 10},
                 {"1.5G", UINT64_C(3) << 29},
                 {"2GiB", UINT64_C(2) << 30},
                 {"1T", UINT64_C(1) << 40},
                 {"0.5K", 512},
                 {"1.0009765625K", 1025},
                 {"0.333333333333333333333333K", 341},
                 {"18446744073709551615", UINT64_MAX},
                 {"16777215.999T", UINT64_MAX - 1099511627776 + 1 + 1098412116148}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t bytes = UNTOUCHED;
        assert_int_equal(gm_text_parse_size(cases[i].text, &bytes, NULL), 0);
        assert_int_equal(bytes, cases[i].bytes);
    }
}

static void bad_sizes_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } cases[] = {{"", -EINVAL},
                 {" 1", -EINVAL},
                 {"1 ", -EINVAL},
                 {"-1", -EINVAL},
                 {"+1", -EINVAL},
                 {"K", -EINVAL},
                 {"1Q", -EINVAL},
                 {"1KB", -EINVAL},
                 {"1KiBB", -EINVAL},
                 {"1.", -EINVAL},
                 {".5G", -EINVAL},
                 {"1.G", -EINVAL},
                 {"1.5.5G", -EINVAL},
                 {"1e9", -EINVAL},
                 {"0x10", -EINVAL},
                 {"1,5G", -EINVAL},
                 {"16777216T", -ERANGE},
                 {"18446744073709551616", -ERANGE},
                 {"99999999999999999999999G", -ERANGE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t bytes = UNTOUCHED;
        const char *why = NULL;
        assert_int_equal(gm_text_parse_size(cases[i].text, &bytes, &why), cases[i].code);
        assert_int_equal(bytes, UNTOUCHED);
        assert_true(why != NULL && strlen(why) > 5);
    }
}

static void whole_numbers_have_a_limit(void **state)
{
    (void)state;
    uint64_t number = UNTOUCHED;
    assert_int_equal(gm_text_parse_u64("18446744073709551615", UINT64_MAX, &number, NULL), 0);
    assert_int_equal(number, UINT64_MAX);
    assert_int_equal(gm_text_parse_u64("007", 7, &number, NULL), 0);
    assert_int_equal(number, 7);
    number = UNTOUCHED;
    assert_int_equal(gm_text_parse_u64("8", 7, &number, NULL), -ERANGE);
    assert_int_equal(gm_text_parse_u64("18446744073709551616", UINT64_MAX, &number, NULL), -ERANGE);
    const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1.0", "1K", "a", "0x1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(gm_text_parse_u64(bad[i], UINT64_MAX, &number, NULL), -EINVAL);
    assert_int_equal(number, UNTOUCHED);
}

static void core_lists_keep_their_order(void **state)
{
    (void)state;
    uint32_t cores[8], count;
    assert_int_equal(gm_text_parse_core_list("6,0-3", cores, 8, &count, NULL), 0);
    assert_int_equal(count, 5);
    assert_memory_equal(cores, ((uint32_t[]){6, 0, 1, 2, 3}), 20);
    assert_int_equal(gm_text_parse_core_list("8191", cores, 8, &count, NULL), 0);
    assert_int_equal(cores[0], 8191);
    assert_int_equal(gm_text_parse_core_list("5-5", cores, 8, &count, NULL), 0);
    assert_int_equal(count, 1);
}

static void bad_core_lists_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
    } cases[] = {{"", -EINVAL},     {",", -EINVAL},
                 {"1,", -EINVAL},   {",1", -EINVAL},
                 {"1-", -EINVAL},   {"-1", -EINVAL},
                 {"1--2", -EINVAL}, {"3-1", -EINVAL},
                 {"1,1", -EINVAL},  {"0-3,2", -EINVAL},
                 {"1 ,2", -EINVAL}, {"1-2-3", -EINVAL},
                 {"8192", -ERANGE}, {"0-4294967296", -ERANGE},
                 {"0-8", -ERANGE},  {"a", -EINVAL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t cores[8], count = 77;
        const char *why = NULL;
        assert_int_equal(gm_text_parse_core_list(cases[i].text, cores, 8, &count, &why),
                         cases[i].code);
        assert_int_equal(count, 77);
        assert_true(why != NULL && strlen(why) > 5);
    }
}

static void garbage_is_refused_or_in_range(void **state)
{
    (void)state;
    static const char letters[] = "0123456789,-.KMGTiBkq \n\xff";
    uint64_t random = 1;
    for (uint32_t round = 0; round < 100000; round++) {
        char text[12];
        const uint32_t length = random_below(&random, sizeof text);
        for (uint32_t i = 0; i < length; i++)
            text[i] = letters[random_below(&random, sizeof letters - 1)];
        text[length] = '\0';
        uint64_t number;
        uint32_t cores[16], count;
        if (gm_text_parse_u64(text, 100, &number, NULL) == 0)
            assert_true(number <= 100);
        gm_text_parse_size(text, &number, NULL);
        if (gm_text_parse_core_list(text, cores, 16, &count, NULL) == 0)
            assert_in_range(count, 1, 16);
    }
}

static void sizes_are_shown_with_one_digit(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {64u << 10, "64.0 KiB"},
                 {12897485, "12.3 MiB"},
                 {(1u << 20) - 1, "1.0 MiB"},
                 {UINT64_C(3) << 29, "1.5 GiB"},
                 {UINT64_MAX, "16.0 EiB"}};
    char text[16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gm_text_format_size(cases[i].bytes, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
    gm_text_format_size(12897485, text, 5);
    assert_string_equal(text, "12.3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_binary),
        cmocka_unit_test(bad_sizes_are_refused_with_a_reason),
        cmocka_unit_test(whole_numbers_have_a_limit),
        cmocka_unit_test(core_lists_keep_their_order),
        cmocka_unit_test(bad_core_lists_are_refused_with_a_reason),
        cmocka_unit_test(garbage_is_refused_or_in_range),
        cmocka_unit_test(sizes_are_shown_with_one_digit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
