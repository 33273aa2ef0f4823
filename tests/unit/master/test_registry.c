/* test_registry.c - goal: agents are known by host and port, lost after a silence, back with a
 * heartbeat, and forgotten much later.
 * Method: heartbeats at chosen times.
 */
#include "master/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#define S UINT64_C(1000000000)

static void beat(struct gm_registry *registry, uint32_t number, uint32_t cores, uint64_t now_ns)
{
    static struct gm_agent_info info;
    struct gm_error error = {0};
    info = (struct gm_agent_info){.port = (uint16_t)(1 + number / 2), .core_count = cores};
    snprintf(info.host, sizeof info.host, "host%u", number % 2);
    info.job_count = 1;
    info.jobs[0] = 100 + number;
    assert_int_equal(gm_registry_beat(registry, &info, now_ns, &error), 0);
}

static void an_agent_is_lost_and_comes_back(void **state)
{
    (void)state;
    struct gm_registry registry = {0};
    beat(&registry, 0, 4, 10 * S);
    beat(&registry, 1, 4, 11 * S);
    beat(&registry, 2, 4, 12 * S);
    assert_int_equal(registry.count, 3);
    assert_int_equal(gm_registry_expire(&registry, 16 * S - 1, 6 * S), 0);
    assert_true(gm_registry_runs(&registry, 100));
    assert_int_equal(gm_registry_expire(&registry, 16 * S, 6 * S), 1);
    assert_int_equal(gm_registry_expire(&registry, 16 * S, 6 * S), 0);
    assert_true(gm_registry_find(&registry, "host0", 1)->lost);
    assert_false(gm_registry_runs(&registry, 100));
    assert_true(gm_registry_runs(&registry, 101));
    beat(&registry, 0, 8, 17 * S);
    assert_int_equal(registry.count, 3);
    assert_false(gm_registry_find(&registry, "host0", 1)->lost);
    assert_int_equal(gm_registry_find(&registry, "host0", 1)->info.core_count, 8);
    assert_null(gm_registry_find(&registry, "host0", 7));
    gm_registry_fini(&registry);
}

static void one_that_is_gone_for_long_is_forgotten(void **state)
{
    (void)state;
    struct gm_registry registry = {0};
    beat(&registry, 0, 4, S);
    beat(&registry, 1, 4, S);
    beat(&registry, 1, 4, GM_AGENT_FORGET_NS);
    gm_registry_expire(&registry, GM_AGENT_FORGET_NS, 6 * S);
    assert_int_equal(registry.count, 2);
    gm_registry_expire(&registry, GM_AGENT_FORGET_NS + S, 6 * S);
    assert_int_equal(registry.count, 1);
    assert_string_equal(registry.agents[0]->info.host, "host1");
    gm_registry_fini(&registry);
}

static void there_is_a_limit(void **state)
{
    (void)state;
    struct gm_registry registry = {0};
    static struct gm_agent_info one_more = {.host = "more", .port = 1};
    struct gm_error error = {0};
    for (uint32_t i = 0; i < GM_AGENTS_MAX; i++)
        beat(&registry, i, 1, S);
    assert_int_equal(gm_registry_beat(&registry, &one_more, S, &error), -ENOSPC);
    beat(&registry, 7, 2, S); /* those who are there go on */
    assert_int_equal(registry.count, GM_AGENTS_MAX);
    gm_registry_fini(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_is_lost_and_comes_back),
        cmocka_unit_test(one_that_is_gone_for_long_is_forgotten),
        cmocka_unit_test(there_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
