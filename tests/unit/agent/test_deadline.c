/* test_deadline.c - goal: the handler is called in time, again while nobody stops it, interrupts
 * this thread, and never once it was disarmed.
 * Method: a deadline of milliseconds around a wait that only a signal ends.
 */
#include "agent/deadline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>

static _Atomic int calls;
static _Atomic int programs_own;

static void note(int number)
{
    calls += number == GM_DEADLINE_SIGNAL;
}

static void note_own(int number)
{
    (void)number;
    programs_own++;
}

static void a_wait_is_interrupted_again_and_again(void **state)
{
    (void)state;
    struct gm_deadline deadline;
    struct gm_error error = {0};
    calls = 0;
    assert_int_equal(gm_deadline_arm(&deadline, 2000000, note, &error), 0);
    for (int i = 1; i <= 2; i++) {
        while (calls < i)
            assert_true(poll(NULL, 0, 10000) == -1 && errno == EINTR);
    }
    gm_deadline_disarm(&deadline);
    const int before = calls;
    poll(NULL, 0, 150);
    assert_int_equal(calls, before);
}

static void the_program_gets_its_signal_back(void **state)
{
    (void)state;
    struct gm_deadline deadline;
    struct gm_error error = {0};
    struct sigaction own = {.sa_handler = note_own};
    calls = programs_own = 0;
    sigaction(GM_DEADLINE_SIGNAL, &own, NULL);
    assert_int_equal(gm_deadline_arm(&deadline, UINT64_C(3600000000000), note, &error), 0);
    gm_deadline_disarm(&deadline);
    gm_deadline_disarm(&deadline);
    raise(GM_DEADLINE_SIGNAL);
    assert_int_equal(calls, 0);
    assert_int_equal(programs_own, 1);
}

static void no_time_at_all_is_over_at_once(void **state)
{
    (void)state;
    struct gm_deadline deadline;
    struct gm_error error = {0};
    calls = 0;
    assert_int_equal(gm_deadline_arm(&deadline, 0, note, &error), 0);
    while (calls == 0)
        poll(NULL, 0, 1000);
    gm_deadline_disarm(&deadline);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_is_interrupted_again_and_again),
        cmocka_unit_test(the_program_gets_its_signal_back),
        cmocka_unit_test(no_time_at_all_is_over_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
