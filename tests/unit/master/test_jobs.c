/* test_jobs.c - goal: jobs get agents first come first served, nothing is given out twice, and a
 * job ends whatever becomes of its driver or of the master.
 * Method: a cluster of two agents of four cores, and time as the test says it.
 */
#include "master/jobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/prng.h"

#define S UINT64_C(1000000000)
#define LOST (6 * S)
#define CORES 4
#define GIB (UINT64_C(1) << 30)

static struct gm_registry registry;
static struct gm_jobs jobs;
static struct gm_jobs_time now;
static uint32_t notes;
static enum gm_job_state noted;

static void note(void *self, const struct gm_job_info *job)
{
    (void)self;
    notes++;
    noted = job->state;
}

static void beat_agents(uint64_t runs)
{
    for (uint32_t i = 0; i < 2; i++) {
        static struct gm_agent_info info;
        struct gm_error error = {0};
        info = (struct gm_agent_info){.port = (uint16_t)(i + 1), .core_count = CORES,
                                      .memory_bytes = CORES * GIB, .host = "h"};
        info.job_count = runs != 0;
        info.jobs[0] = runs;
        assert_int_equal(gm_registry_beat(&registry, &info, now.now_ns, &error), 0);
    }
}

static int begin(void **state)
{
    (void)state;
    now = (struct gm_jobs_time){.now_ns = 100 * S, .now_s = 1000};
    notes = 0;
    gm_jobs_init(&jobs, NULL, note);
    beat_agents(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gm_jobs_fini(&jobs);
    gm_registry_fini(&registry);
    return 0;
}

static struct gm_job *submit(uint64_t id, uint32_t executors)
{
    struct gm_error error = {0};
    struct gm_job *job;
    const struct gm_job_info info = {.want_executors = executors, .name = "n"};
    assert_int_equal(gm_jobs_submit(&jobs, &info, id, now, &job, &error), 0);
    gm_jobs_step(&jobs, &registry, LOST, now);
    return job;
}

static void finish(uint64_t id)
{
    struct gm_error error = {0};
    assert_int_equal(gm_jobs_end(&jobs, id, GM_JOB_DONE, "", now, &error), 0);
    gm_jobs_step(&jobs, &registry, LOST, now);
}

static void first_come_first_served(void **state)
{
    (void)state;
    struct gm_job *first = submit(1, 6), *second = submit(2, 4), *third = submit(3, 2);
    assert_int_equal(first->info.state, GM_JOB_RUNNING);
    assert_int_equal(first->info.grant_count, 2);
    assert_int_equal(second->info.state, GM_JOB_WAITING);
    assert_int_equal(second->info.position, 1);
    /* It would fit, and does not overtake. */
    assert_int_equal(third->info.state, GM_JOB_WAITING);
    assert_int_equal(third->info.position, 2);
    finish(1);
    assert_int_equal(second->info.state, GM_JOB_RUNNING);
    assert_int_equal(third->info.state, GM_JOB_RUNNING);
    assert_int_equal(notes, 4);
    finish(2);
    finish(3);
    assert_int_equal(jobs.live_count, 0);
    assert_int_equal(jobs.ended_count, 3);
}

static void a_lost_agent_gives_nothing(void **state)
{
    (void)state;
    now.now_ns += LOST;
    gm_registry_expire(&registry, now.now_ns, LOST);
    struct gm_job *job = submit(1, 1);
    assert_int_equal(job->info.state, GM_JOB_WAITING);
    beat_agents(0);
    gm_jobs_step(&jobs, &registry, LOST, now);
    assert_int_equal(job->info.state, GM_JOB_RUNNING);
}

static void what_never_fits_says_so_and_waits_on(void **state)
{
    (void)state;
    struct gm_job *job = submit(1, 9);
    assert_int_equal(job->info.state, GM_JOB_WAITING);
    assert_non_null(strstr(job->info.error, "cores"));
}

static void cancelling(void **state)
{
    (void)state;
    struct gm_error error = {0};
    struct gm_job *running = submit(1, 8), *waiting = submit(2, 1);
    assert_int_equal(gm_jobs_cancel(&jobs, 2, now, &error), 0);
    assert_int_equal(waiting->info.state, GM_JOB_CANCELLED);
    const uint64_t before = running->changed;
    assert_int_equal(gm_jobs_cancel(&jobs, 1, now, &error), 0);
    assert_int_equal(running->info.state, GM_JOB_CANCELLING);
    assert_true(running->changed > before);
    assert_int_equal(gm_jobs_end(&jobs, 1, GM_JOB_CANCELLED, "stopped", now, &error), 0);
    assert_int_equal(gm_jobs_cancel(&jobs, 1, now, &error), -ESTALE);
    error.code = 0;
    assert_int_equal(gm_jobs_cancel(&jobs, 3, now, &error), -ENOENT);
    error.code = 0;
    assert_int_equal(gm_jobs_end(&jobs, 3, GM_JOB_DONE, "", now, &error), -ENOENT);
    /* The end of one that has ended changes nothing. */
    assert_int_equal(gm_jobs_end(&jobs, 1, GM_JOB_DONE, "", now, &error), 0);
    assert_int_equal(gm_jobs_find(&jobs, 1)->info.state, GM_JOB_CANCELLED);
}

static void a_silent_driver_is_lost_unless_an_agent_runs_the_job(void **state)
{
    (void)state;
    struct gm_job *job = submit(1, 2);
    now.now_ns += LOST;
    beat_agents(1);
    gm_jobs_step(&jobs, &registry, LOST, now);
    assert_int_equal(job->info.state, GM_JOB_RUNNING);
    beat_agents(0);
    gm_jobs_step(&jobs, &registry, LOST, now);
    assert_int_equal(job->info.state, GM_JOB_LOST);
    assert_int_equal(noted, GM_JOB_LOST);
    struct gm_error error = {0};
    struct gm_job_info told = job->info;
    told.state = GM_JOB_RUNNING;
    assert_int_equal(gm_jobs_beat(&jobs, &told, now, &job, &error), -ESTALE);
    assert_non_null(strstr(error.text, "lost"));
}

static void a_new_master_learns_from_a_driver(void **state)
{
    (void)state;
    struct gm_error error = {0};
    struct gm_job *job;
    struct gm_grant grant = {.host = "h", .port = 1, .executor_count = 3, .memory_bytes = GIB};
    struct gm_job_info told = {.id = 77, .state = GM_JOB_RUNNING, .grant_count = 1,
                               .grants = &grant, .name = "n"};
    assert_int_equal(gm_jobs_beat(&jobs, &told, now, &job, &error), 0);
    assert_int_equal(job->info.grant_count, 1);
    /* What it has is not given out again. */
    struct gm_job *all = submit(1, 0);
    uint32_t executors = 0;
    for (uint32_t i = 0; i < all->info.grant_count; i++)
        executors += all->info.grants[i].executor_count;
    assert_int_equal(executors, 2 * CORES - 3);
    told.id = 78;
    told.state = GM_JOB_WAITING;
    assert_int_equal(gm_jobs_beat(&jobs, &told, now, &job, &error), -ENOENT);
}

static void the_history_is_restored(void **state)
{
    (void)state;
    struct gm_grant grant = {.host = "h", .port = 1, .executor_count = CORES};
    struct gm_job_info run = {.id = 5, .state = GM_JOB_RUNNING, .grant_count = 1, .grants = &grant,
                              .name = "n"};
    struct gm_job_info done = {.id = 6, .state = GM_JOB_DONE, .name = "n"};
    assert_int_equal(gm_jobs_restore(&jobs, &run, now), 0);
    assert_int_equal(gm_jobs_restore(&jobs, &done, now), 0);
    assert_int_equal(gm_jobs_find(&jobs, 6)->info.state, GM_JOB_DONE);
    struct gm_job *large = submit(1, 2 * CORES);
    assert_int_equal(large->info.state, GM_JOB_WAITING);
    /* The driver says nothing: what it had is free. */
    now.now_ns += LOST;
    beat_agents(0);
    large->heard_ns = now.now_ns;
    gm_jobs_step(&jobs, &registry, LOST, now);
    assert_int_equal(gm_jobs_find(&jobs, 5)->info.state, GM_JOB_LOST);
    assert_int_equal(large->info.state, GM_JOB_RUNNING);
    run.state = GM_JOB_FAILED;
    run.id = 1;
    assert_int_equal(gm_jobs_restore(&jobs, &run, now), 0); /* its end is in the next line */
    assert_int_equal(gm_jobs_find(&jobs, 1)->info.state, GM_JOB_FAILED);
}

static void the_tables_have_ends(void **state)
{
    (void)state;
    struct gm_error error = {0};
    struct gm_job *job;
    for (uint64_t id = 1; id <= GM_JOBS_ENDED_MAX + 50; id++) {
        submit(id, 1);
        finish(id);
    }
    assert_int_equal(jobs.ended_count, GM_JOBS_ENDED_MAX);
    assert_null(gm_jobs_find(&jobs, 50));
    assert_non_null(gm_jobs_find(&jobs, 51));
    const struct gm_job_info info = {.name = "n"};
    for (uint64_t id = 1; id <= GM_JOBS_LIVE_MAX; id++)
        assert_int_equal(gm_jobs_submit(&jobs, &info, 10000 + id, now, &job, &error), 0);
    assert_int_equal(gm_jobs_submit(&jobs, &info, 9, now, &job, &error), -EBUSY);
}

/* Whatever comes in which order: no core is given out twice, the order of the queue holds, and in
 * the end everybody had his turn. */
static void random_days(void **state)
{
    (void)state;
    struct gm_prng prng;
    uint64_t next = 1, ended = 0;
    gm_prng_init(&prng, 3);
    for (int round = 0; round < 20000; round++) {
        struct gm_error error = {0};
        now.now_ns += S / 10;
        beat_agents(0);
        for (struct gm_job *job = jobs.live; job != NULL; job = job->next)
            job->heard_ns = now.now_ns;
        const struct gm_job *live = jobs.live;
        for (uint64_t skip = gm_prng_below(&prng, 6); skip > 0 && live != NULL; skip--)
            live = live->next;
        switch (gm_prng_below(&prng, 4)) {
        case 0:
            if (jobs.live_count < 50)
                submit(next++, (uint32_t)gm_prng_below(&prng, 2 * CORES + 1));
            break;
        case 1:
            if (live != NULL) {
                ended += live->info.state == GM_JOB_WAITING;
                gm_jobs_cancel(&jobs, live->info.id, now, &error);
            }
            break;
        default:
            if (live != NULL && live->info.state != GM_JOB_WAITING) {
                finish(live->info.id);
                ended++;
            }
        }
        gm_jobs_step(&jobs, &registry, LOST, now);
        uint32_t used[2] = {0}, position = 0;
        for (const struct gm_job *job = jobs.live; job != NULL; job = job->next) {
            for (uint32_t i = 0; i < job->info.grant_count; i++)
                used[job->info.grants[i].port - 1] += job->info.grants[i].executor_count;
            if (job->info.state == GM_JOB_WAITING)
                assert_int_equal(job->info.position, ++position);
            else
                assert_int_equal(job->info.position, 0);
        }
        assert_true(used[0] <= CORES && used[1] <= CORES);
        assert_true(used[0] + used[1] > 0 || jobs.live_count == 0);
    }
    assert_int_equal(ended + jobs.live_count, next - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(first_come_first_served, begin, end),
        cmocka_unit_test_setup_teardown(a_lost_agent_gives_nothing, begin, end),
        cmocka_unit_test_setup_teardown(what_never_fits_says_so_and_waits_on, begin, end),
        cmocka_unit_test_setup_teardown(cancelling, begin, end),
        cmocka_unit_test_setup_teardown(a_silent_driver_is_lost_unless_an_agent_runs_the_job,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_new_master_learns_from_a_driver, begin, end),
        cmocka_unit_test_setup_teardown(the_history_is_restored, begin, end),
        cmocka_unit_test_setup_teardown(the_tables_have_ends, begin, end),
        cmocka_unit_test_setup_teardown(random_days, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
