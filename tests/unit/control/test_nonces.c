/* test_nonces.c - goal: a number is new once, for as long as it is to be remembered, and a full
 * table lets nobody in.
 * Method: numbers at chosen seconds, and as many as the table holds.
 */
#include "control/nonces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define KEEP_S 120

static void number(uint64_t value, uint8_t ret_nonce[GM_NONCE_BYTES])
{
    const uint64_t spread = value * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(ret_nonce, &value, sizeof value);
    memcpy(ret_nonce + sizeof value, &spread, sizeof spread);
}

static enum gm_nonce add(struct gm_nonces *nonces, uint64_t value, uint64_t now_s)
{
    uint8_t nonce[GM_NONCE_BYTES];
    number(value, nonce);
    return gm_nonces_add(nonces, nonce, now_s);
}

static void a_number_is_new_once(void **state)
{
    (void)state;
    struct gm_nonces *nonces = gm_nonces_create(KEEP_S);
    assert_non_null(nonces);
    for (uint64_t i = 1; i < 1000; i++)
        assert_int_equal(add(nonces, i, 1000 + i / 10), GM_NONCE_NEW);
    for (uint64_t i = 1; i < 1000; i++)
        assert_int_equal(add(nonces, i, 1100), GM_NONCE_SEEN);
    gm_nonces_destroy(nonces);
}

static void it_is_remembered_long_enough_and_not_for_ever(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 3 * KEEP_S; at += 7) {
        struct gm_nonces *nonces = gm_nonces_create(KEEP_S);
        /* Others come all the time, so generations begin at any moment. */
        for (uint64_t s = 1; s <= 6 * KEEP_S; s++) {
            assert_int_equal(add(nonces, 1000 + s, s), GM_NONCE_NEW);
            if (s == at + 1)
                assert_int_equal(add(nonces, 1, s), GM_NONCE_NEW);
            if (s == at + KEEP_S)
                assert_int_equal(add(nonces, 1, s), GM_NONCE_SEEN);
        }
        assert_int_equal(add(nonces, 1, 6 * KEEP_S + 1), GM_NONCE_NEW);
        gm_nonces_destroy(nonces);
    }
}

static void a_full_table_lets_nobody_in_until_it_turns(void **state)
{
    (void)state;
    struct gm_nonces *nonces = gm_nonces_create(KEEP_S);
    /* The first turn is at KEEP_S: the generation that fills begins there. */
    for (uint64_t i = 1; i <= GM_NONCES_MAX; i++)
        assert_int_equal(add(nonces, i, KEEP_S), GM_NONCE_NEW);
    assert_int_equal(add(nonces, GM_NONCES_MAX + 1, KEEP_S), GM_NONCE_FULL);
    assert_int_equal(add(nonces, 1, KEEP_S), GM_NONCE_SEEN);
    assert_int_equal(add(nonces, GM_NONCES_MAX + 1, 2 * KEEP_S), GM_NONCE_NEW);
    assert_int_equal(add(nonces, 1, 2 * KEEP_S), GM_NONCE_SEEN);
    gm_nonces_destroy(nonces);
}

static void zeros_are_no_number(void **state)
{
    (void)state;
    static const uint8_t zeros[GM_NONCE_BYTES];
    struct gm_nonces *nonces = gm_nonces_create(KEEP_S);
    assert_int_equal(gm_nonces_add(nonces, zeros, 1), GM_NONCE_SEEN);
    gm_nonces_destroy(nonces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_new_once),
        cmocka_unit_test(it_is_remembered_long_enough_and_not_for_ever),
        cmocka_unit_test(a_full_table_lets_nobody_in_until_it_turns),
        cmocka_unit_test(zeros_are_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
