/* test_hash.c
 * Goal:   a hash depends on the bytes and on nothing else, and spreads keys evenly over
 *         partitions and table slots.
 * Method: the same key at other places and before other bytes; fixed values, because other nodes
 *         count on them; chi-squared over counters, short words and long keys.
 */
#include "engine/base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SPREAD_KEYS 200000
#define SPREAD_BUCKETS 1000

static uint64_t hash_text(const char *text)
{
    uint8_t room[256] = {0};
    memcpy(room, text, strlen(text));
    return gm_hash_bytes(room, strlen(text));
}

static void bytes_behind_a_key_do_not_count(void **state)
{
    (void)state;
    for (size_t length = 0; length <= 40; length++) {
        uint8_t a[80], b[80];
        memset(a, 0x11, sizeof a);
        memset(b, 0xee, sizeof b);
        memset(a + 3, 'k', length);
        memset(b + 8, 'k', length);
        assert_int_equal(gm_hash_bytes(a + 3, length), gm_hash_bytes(b + 8, length));
    }
}

static void zeros_of_other_lengths_differ(void **state)
{
    (void)state;
    const uint8_t zeros[80] = {0};
    for (size_t a = 0; a < 40; a++) {
        for (size_t b = a + 1; b < 40; b++)
            assert_int_not_equal(gm_hash_bytes(zeros, a), gm_hash_bytes(zeros, b));
    }
}

static void hashes_are_the_same_on_every_node(void **state)
{
    (void)state;
    assert_int_equal(hash_text(""), UINT64_C(0x2afa3043c0fbb4d2));
    assert_int_equal(hash_text("gleam"), UINT64_C(0xd587f89e12004948));
    assert_int_equal(hash_text("sixteen letters!"), UINT64_C(0x4a820512bea6acd5));
    assert_int_equal(hash_text("seventeen letters"), UINT64_C(0x3be2fdb9fa81e0b0));
}

/* Chi-squared of SPREAD_KEYS keys over SPREAD_BUCKETS, which is near SPREAD_BUCKETS with a standard
 * deviation of 45. */
static double chi_squared(const char *format, bool low)
{
    static uint32_t counts[SPREAD_BUCKETS];
    memset(counts, 0, sizeof counts);
    for (int i = 0; i < SPREAD_KEYS; i++) {
        char key[256] = {0};
        snprintf(key, sizeof key - 16, format, i);
        const uint64_t hash = gm_hash_bytes((const uint8_t *)key, strlen(key));
        counts[low ? (hash & UINT32_MAX) % SPREAD_BUCKETS
                   : gm_hash_partition(hash, SPREAD_BUCKETS)]++;
    }
    const double expected = (double)SPREAD_KEYS / SPREAD_BUCKETS;
    double sum = 0;
    for (int i = 0; i < SPREAD_BUCKETS; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
}

static void keys_spread_evenly(void **state)
{
    (void)state;
    const char *const formats[] = {"%d", "user-%08d", "a rather long key, number %d"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(chi_squared(formats[i], false) < SPREAD_BUCKETS + 5 * 45);
        assert_true(chi_squared(formats[i], true) < SPREAD_BUCKETS + 5 * 45);
    }
}

static void partition_is_below_the_count(void **state)
{
    (void)state;
    assert_int_equal(gm_hash_partition(UINT64_MAX, 65536), 65535);
    assert_int_equal(gm_hash_partition(UINT64_MAX, 1), 0);
    assert_int_equal(gm_hash_partition(0, 65536), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_behind_a_key_do_not_count),
        cmocka_unit_test(zeros_of_other_lengths_differ),
        cmocka_unit_test(hashes_are_the_same_on_every_node),
        cmocka_unit_test(keys_spread_evenly),
        cmocka_unit_test(partition_is_below_the_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
