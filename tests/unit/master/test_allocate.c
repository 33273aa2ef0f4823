/* test_allocate.c - goal: a job gets all that it asked for or nothing, never more than is free, and
 * its agents lie close together.
 * Method: chosen clusters; and random ones, of which every result is checked.
 */
#include "master/allocate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "engine/base/prng.h"

#define GIB (UINT64_C(1) << 30)

static struct gm_offer offer(const char *center, const char *rack, uint32_t cores)
{
    return (struct gm_offer){.data_center = center, .rack = rack, .core_count = 8,
                             .memory_bytes = 8 * GIB, .free_cores = cores,
                             .free_bytes = cores * GIB};
}

static uint32_t allocate(struct gm_offer *offers, uint32_t count, uint32_t executors)
{
    const char *never;
    return gm_allocate(offers, count, executors, 0, &never);
}

static void one_agent_if_it_fits_and_the_tightest(void **state)
{
    (void)state;
    struct gm_offer offers[] = {offer("a", "1", 8), offer("a", "1", 4), offer("b", "1", 5)};
    assert_int_equal(allocate(offers, 3, 4), 1);
    assert_int_equal(offers[1].take_executors, 4);
    assert_int_equal(offers[1].take_bytes, 4 * GIB);
    assert_int_equal(allocate(offers, 3, 5), 1);
    assert_int_equal(offers[2].take_executors, 5);
    assert_int_equal(offers[1].take_executors, 0);
}

static void then_a_rack_then_a_data_center_then_anywhere(void **state)
{
    (void)state;
    struct gm_offer offers[] = {offer("a", "1", 4), offer("a", "2", 4), offer("a", "2", 4),
                                offer("b", "2", 4), offer("b", "3", 4)};
    assert_int_equal(allocate(offers, 5, 8), 2);
    assert_int_equal(offers[1].take_executors + offers[2].take_executors, 8);
    assert_int_equal(allocate(offers, 5, 12), 3);
    assert_int_equal(offers[3].take_executors + offers[4].take_executors, 0);
    assert_int_equal(allocate(offers, 5, 17), 5);
    assert_int_equal(allocate(offers, 5, 21), 0);
}

static void all_that_is_free_when_nothing_is_asked_for(void **state)
{
    (void)state;
    struct gm_offer offers[] = {offer("a", "1", 3), offer("a", "1", 0), offer("b", "1", 2)};
    assert_int_equal(allocate(offers, 3, 0), 2);
    assert_int_equal(offers[0].take_executors, 3);
    assert_int_equal(offers[1].take_executors, 0);
    assert_int_equal(offers[2].take_executors, 2);
    struct gm_offer busy[] = {offer("a", "1", 0)};
    assert_int_equal(allocate(busy, 1, 0), 0);
    assert_int_equal(allocate(NULL, 0, 0), 0);
}

static void memory_counts_as_well(void **state)
{
    (void)state;
    const char *never;
    struct gm_offer offers[] = {offer("a", "1", 8), offer("a", "1", 8)};
    offers[0].free_bytes = GIB / 2; /* another job has the rest */
    assert_int_equal(gm_allocate(offers, 2, 2, 2 * GIB, &never), 1);
    assert_int_equal(offers[1].take_bytes, 2 * GIB);
    assert_int_equal(gm_allocate(offers, 2, 9, 2 * GIB, &never), 0);
    assert_null(never); /* it fits when the other job has ended */
    assert_int_equal(gm_allocate(offers, 2, 1, 9 * GIB, &never), 0);
    assert_non_null(strstr(never, "memory"));
    assert_int_equal(gm_allocate(offers, 2, 17, 0, &never), 0);
    assert_non_null(strstr(never, "cores"));
}

static void random_clusters(void **state)
{
    (void)state;
    static const char *const names[] = {"x", "y", "z"};
    struct gm_prng prng;
    gm_prng_init(&prng, 7);
    for (int round = 0; round < 20000; round++) {
        struct gm_offer offers[9];
        const uint32_t count = (uint32_t)gm_prng_below(&prng, 10);
        const uint32_t want = (uint32_t)gm_prng_below(&prng, 20);
        const uint64_t bytes = gm_prng_below(&prng, 3) * GIB;
        const char *never;
        uint32_t free_cores = 0, taken = 0, agents = 0;
        for (uint32_t i = 0; i < count; i++) {
            offers[i] = offer(names[gm_prng_below(&prng, 3)], names[gm_prng_below(&prng, 3)],
                              (uint32_t)gm_prng_below(&prng, 9));
            offers[i].free_bytes = gm_prng_below(&prng, 9) * GIB;
            const uint64_t fit = bytes > 0 ? (offers[i].free_bytes >= bytes ? 8 : 0)
                                           : offers[i].free_bytes / GIB;
            free_cores += fit < offers[i].free_cores ? (uint32_t)fit : offers[i].free_cores;
        }
        const uint32_t got = gm_allocate(offers, count, want, bytes, &never);
        for (uint32_t i = 0; i < count; i++) {
            taken += offers[i].take_executors;
            agents += offers[i].take_executors > 0;
            if (offers[i].take_executors == 0)
                continue;
            assert_true(offers[i].take_executors <= offers[i].free_cores);
            assert_true(offers[i].take_bytes <= offers[i].free_bytes);
        }
        const bool fits = want > 0 ? free_cores >= want : free_cores > 0;
        assert_int_equal(got > 0, fits);
        assert_int_equal(got, fits ? agents : 0);
        assert_int_equal(taken, !fits ? 0 : want > 0 ? want : free_cores);
        assert_false(fits && never != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_agent_if_it_fits_and_the_tightest),
        cmocka_unit_test(then_a_rack_then_a_data_center_then_anywhere),
        cmocka_unit_test(all_that_is_free_when_nothing_is_asked_for),
        cmocka_unit_test(memory_counts_as_well),
        cmocka_unit_test(random_clusters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
