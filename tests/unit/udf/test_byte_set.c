/* test_byte_set.c
 * Goal:   every variant finds the same bytes, runs and needles as a loop over bytes, at any length
 *         and alignment, and reads nothing outside of the text.
 * Method: random sets and texts, each text in a block of its exact size, so that AddressSanitizer
 *         sees a byte too much; all variants of this processor against the reference.
 */
#include "engine/udf/byte_set.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/row/random_rows.h"

#define TEXT_BYTES_MAX 400
#define ROUNDS 4000

static const char *const variant_names[] = {"avx2", "scalar"};

/* Texts with runs of the same byte, of many lengths. */
static void fill_text(uint64_t *random, uint8_t *text, size_t bytes)
{
    const uint32_t changes = 1 + random_below(random, 20);
    uint8_t byte = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (random_below(random, changes) == 0)
            byte = (uint8_t)random_next(random);
        text[i] = byte;
    }
}

static struct gm_byte_set random_members(uint64_t *random, bool member[256])
{
    struct gm_byte_set set = {{0}};
    const uint32_t of_16 = random_below(random, 17);
    for (uint32_t byte = 0; byte < 256; byte++) {
        member[byte] = random_below(random, 16) < of_16;
        if (member[byte])
            gm_byte_set_add(&set, (uint8_t)byte);
    }
    return set;
}

static void check_scans(const struct gm_byte_set *set, const bool member[256], const uint8_t *text,
                        size_t bytes, size_t from)
{
    size_t span = from, find = from;
    while (span < bytes && member[text[span]])
        span++;
    while (find < bytes && !member[text[find]])
        find++;
    assert_ptr_equal(gm_byte_set_span(set, text, text + from, text + bytes), text + span);
    assert_ptr_equal(gm_byte_set_find(set, text, text + from, text + bytes), text + find);
}

static void check_runs(const struct gm_byte_set *set, const bool member[256], const uint8_t *text,
                       uint32_t bytes, uint32_t from, uint32_t max)
{
    struct gm_byte_run runs[TEXT_BYTES_MAX];
    uint32_t place = from, at = from;
    for (;;) {
        const uint32_t count = gm_byte_set_runs(set, text, bytes, &at, runs, max);
        assert_true(count <= max);
        for (uint32_t i = 0; i < count; i++) {
            while (!member[text[place]])
                place++;
            assert_int_equal(runs[i].start, place);
            while (place < bytes && member[text[place]])
                place++;
            assert_int_equal(runs[i].start + runs[i].length, place);
        }
        if (count < max)
            break;
        assert_int_equal(at, place);
    }
    while (place < bytes && !member[text[place]])
        place++;
    assert_int_equal(place, bytes);
    assert_int_equal(at, bytes);
}

static void all_scans_equal_a_loop(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof variant_names / sizeof variant_names[0]; v++) {
        if (gm_byte_set_select(variant_names[v]) != 0)
            continue;
        assert_string_equal(gm_byte_set_variant(), variant_names[v]);
        uint64_t random = 1;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            bool member[256];
            const struct gm_byte_set set = random_members(&random, member);
            const uint32_t bytes = random_below(&random, round % 4 ? 100 : TEXT_BYTES_MAX);
            uint8_t *text = malloc(bytes + 1);
            uint8_t *exact = text + 1;
            assert_non_null(text);
            fill_text(&random, exact, bytes);
            const uint32_t from = random_below(&random, bytes + 1);
            check_scans(&set, member, exact, bytes, from);
            check_runs(&set, member, exact, bytes, from, 1 + random_below(&random, 70));
            free(text);
        }
    }
    gm_byte_set_select(NULL);
}

static void needles_equal_a_loop(void **state)
{
    (void)state;
    for (size_t v = 0; v < sizeof variant_names / sizeof variant_names[0]; v++) {
        if (gm_byte_set_select(variant_names[v]) != 0)
            continue;
        uint64_t random = 2;
        for (uint32_t round = 0; round < ROUNDS * 4; round++) {
            const size_t bytes = random_below(&random, round % 4 ? 90 : TEXT_BYTES_MAX);
            const size_t length = 1 + random_below(&random, round % 3 ? 5 : 40);
            uint8_t *text = malloc(bytes + 1), needle[40];
            assert_non_null(text);
            uint8_t *exact = text + 1;
            for (size_t i = 0; i < bytes; i++)
                exact[i] = (uint8_t)('a' + random_below(&random, 2));
            for (size_t i = 0; i < length; i++)
                needle[i] = (uint8_t)('a' + random_below(&random, 2));
            if (bytes > length && round % 2)
                memcpy(exact + random_below(&random, (uint32_t)(bytes - length) + 1), needle,
                       length);
            const uint8_t *expected = NULL;
            for (size_t i = 0; !expected && i + length <= bytes; i++)
                if (memcmp(exact + i, needle, length) == 0)
                    expected = exact + i;
            assert_ptr_equal(gm_bytes_find(exact, exact + bytes, needle, length), expected);
            free(text);
        }
    }
    gm_byte_set_select(NULL);
}

static void sets_are_joined_inverted_and_compared(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (uint32_t round = 0; round < 500; round++) {
        bool in_a[256], in_b[256], common = false;
        struct gm_byte_set a = random_members(&random, in_a), b = random_members(&random, in_b);
        for (uint32_t byte = 0; byte < 256; byte++)
            common = common || (in_a[byte] && in_b[byte]);
        assert_int_equal(gm_byte_set_disjoint(&a, &b), !common);
        struct gm_byte_set both = a;
        gm_byte_set_join(&both, &b);
        gm_byte_set_invert(&b);
        for (uint32_t byte = 0; byte < 256; byte++) {
            assert_int_equal(gm_byte_set_has(&a, (uint8_t)byte), in_a[byte]);
            assert_int_equal(gm_byte_set_has(&b, (uint8_t)byte), !in_b[byte]);
            assert_int_equal(gm_byte_set_has(&both, (uint8_t)byte), in_a[byte] || in_b[byte]);
        }
    }
}

static void unknown_variant_is_refused(void **state)
{
    (void)state;
    assert_int_equal(gm_byte_set_select("abacus"), -EINVAL);
    assert_int_equal(gm_byte_set_select("scalar"), 0);
    assert_int_equal(gm_byte_set_select(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_scans_equal_a_loop),
        cmocka_unit_test(needles_equal_a_loop),
        cmocka_unit_test(sets_are_joined_inverted_and_compared),
        cmocka_unit_test(unknown_variant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
