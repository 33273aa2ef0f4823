/* test_port.c - the ports that come with the shuffle: system clock, system randomness, the seeded
 * generator.
 *
 * Goal: time does not run backwards, random numbers differ, a seed gives the same numbers for ever.
 * Method: direct calls; the generator against numbers written down here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shuffle/port/clock.h"
#include "shuffle/port/random.h"

static void clock_never_runs_backwards(void **state)
{
    (void)state;
    const struct gm_clock clock = gm_clock_system();
    uint64_t last = gm_clock_now_ns(&clock);
    for (int i = 0; i < 10000; i++) {
        const uint64_t now = gm_clock_now_ns(&clock);
        assert_true(now >= last);
        last = now;
    }
}

static void system_random_does_not_repeat(void **state)
{
    (void)state;
    const struct gm_random random = gm_random_system();
    uint64_t numbers[64];
    for (int i = 0; i < 64; i++) {
        numbers[i] = gm_random_next(&random);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(numbers[i], numbers[j]);
    }
}

static void same_seed_gives_same_numbers(void **state)
{
    (void)state;
    struct gm_prng a, b, other;
    gm_prng_init(&a, 42);
    gm_prng_init(&b, 42);
    gm_prng_init(&other, 43);
    const struct gm_random port = gm_random_prng(&b);
    int different = 0;
    for (int i = 0; i < 1000; i++) {
        const uint64_t number = gm_prng_next(&a);
        assert_int_equal(number, gm_random_next(&port));
        different += number != gm_prng_next(&other);
    }
    assert_true(different > 990);
}

static void below_stays_below_and_reaches_all(void **state)
{
    (void)state;
    struct gm_prng prng;
    gm_prng_init(&prng, 7);
    int seen[10] = {0};
    for (int i = 0; i < 1000; i++) {
        const uint64_t number = gm_prng_below(&prng, 10);
        assert_true(number < 10);
        seen[number]++;
    }
    for (int i = 0; i < 10; i++)
        assert_true(seen[i] > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_never_runs_backwards),
        cmocka_unit_test(system_random_does_not_repeat),
        cmocka_unit_test(same_seed_gives_same_numbers),
        cmocka_unit_test(below_stays_below_and_reaches_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
