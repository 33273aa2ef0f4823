/* test_bell.c - goal: no ring is lost and no wait outlasts its reason.
 * Method: real eventfds in one process, rung before the wait and from a second thread that starts
 * when the wait is about to begin; a wait without timeout that returns is the proof of the ring.
 */
#include "iouring/bell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/base/limits.h"

#define PARTICIPANTS 3

struct bells {
    int descriptors[PARTICIPANTS];
    struct gm_eventfd_bell own[PARTICIPANTS];
    struct gm_bell port[PARTICIPANTS];
};

static void bells_open(struct bells *bells)
{
    assert_int_equal(gm_eventfd_bell_open(PARTICIPANTS, bells->descriptors), 0);
    for (uint16_t i = 0; i < PARTICIPANTS; i++) {
        gm_eventfd_bell_init(&bells->own[i], bells->descriptors, PARTICIPANTS, i);
        bells->port[i] = gm_eventfd_bell_port(&bells->own[i]);
    }
}

static void bells_close(struct bells *bells)
{
    gm_eventfd_bell_close(PARTICIPANTS, bells->descriptors);
}

static bool ringing(const struct bells *bells, uint16_t participant)
{
    struct pollfd watched = {.fd = bells->descriptors[participant], .events = POLLIN};
    return poll(&watched, 1, 0) == 1;
}

static void ring(struct bells *bells, uint16_t from, uint16_t to)
{
    bells->port[from].ops->ring(bells->port[from].self, to);
}

static void wait_on(struct bells *bells, uint16_t participant, const int *extra, uint32_t count,
                    uint64_t timeout_ns)
{
    bells->port[participant].ops->wait(bells->port[participant].self, extra, count, timeout_ns);
}

static void ring_before_wait_is_not_lost(void **state)
{
    (void)state;
    struct bells bells;
    bells_open(&bells);
    ring(&bells, 0, 1);
    ring(&bells, 2, 1);
    assert_false(ringing(&bells, 0));
    assert_false(ringing(&bells, 2));
    wait_on(&bells, 1, NULL, 0, UINT64_MAX);
    assert_false(ringing(&bells, 1)); /* both rings were taken by one wait */
    bells_close(&bells);
}

static void timeout_ends_the_wait(void **state)
{
    (void)state;
    struct bells bells;
    bells_open(&bells);
    wait_on(&bells, 0, NULL, 0, 0);
    wait_on(&bells, 0, NULL, 0, 1000);
    assert_false(ringing(&bells, 0));
    bells_close(&bells);
}

static void extra_descriptor_ends_the_wait_and_is_left_alone(void **state)
{
    (void)state;
    struct bells bells;
    bells_open(&bells);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    const int extra[] = {-1, ends[0]};
    wait_on(&bells, 0, extra, 2, UINT64_MAX);
    char byte = 0;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(ends[0]);
    close(ends[1]);
    bells_close(&bells);
}

static void saturated_bell_still_rings(void **state)
{
    (void)state;
    struct bells bells;
    bells_open(&bells);
    uint64_t most = UINT64_MAX - 1;
    assert_int_equal(write(bells.descriptors[0], &most, sizeof(most)), sizeof(most));
    ring(&bells, 1, 0);
    wait_on(&bells, 0, NULL, 0, UINT64_MAX);
    assert_false(ringing(&bells, 0));
    bells_close(&bells);
}

static void too_few_descriptors_leave_none_open(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = dup(0);
    assert_true(lowest >= 0);
    close(lowest);
    struct rlimit tight = {.rlim_cur = (rlim_t)lowest + 2, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    int descriptors[8];
    int rc = gm_eventfd_bell_open(8, descriptors);
    int again = dup(0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rc, -EMFILE);
    assert_int_equal(again, lowest);
    close(again);
}

/* Two threads hand a counter back and forth; each sleeps until the other has moved it. */
struct rally {
    struct bells bells;
    _Atomic uint32_t turn;
};
#define TURNS 2000

static void play(struct rally *rally, uint16_t self)
{
    for (;;) {
        uint32_t turn = atomic_load(&rally->turn);
        if (turn >= TURNS)
            return;
        if (turn % 2 != self) {
            wait_on(&rally->bells, self, NULL, 0, UINT64_MAX);
            continue;
        }
        atomic_store(&rally->turn, turn + 1);
        ring(&rally->bells, self, (uint16_t)(1 - self));
    }
}

static void *second_player(void *argument)
{
    play(argument, 1);
    return NULL;
}

static void rings_from_another_thread_wake(void **state)
{
    (void)state;
    struct rally rally = {.turn = 0};
    bells_open(&rally.bells);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, second_player, &rally), 0);
    play(&rally, 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&rally.turn), TURNS);
    bells_close(&rally.bells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_before_wait_is_not_lost),
        cmocka_unit_test(timeout_ends_the_wait),
        cmocka_unit_test(extra_descriptor_ends_the_wait_and_is_left_alone),
        cmocka_unit_test(saturated_bell_still_rings),
        cmocka_unit_test(too_few_descriptors_leave_none_open),
        cmocka_unit_test(rings_from_another_thread_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
