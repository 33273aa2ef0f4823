/* deadline.c - a timer of the kernel that interrupts one thread. */
#include "agent/deadline.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define AGAIN_NS 100000000
#define S_NS UINT64_C(1000000000)

/* glibc before 2.36 does not name this member. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

int gm_deadline_arm(struct gm_deadline *deadline, uint64_t after_ns, void (*handler)(int),
                    struct gm_error *error)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = GM_DEADLINE_SIGNAL};
    struct sigaction action = {.sa_handler = handler};
    event.sigev_notify_thread_id = gettid();
    *deadline = (struct gm_deadline){0};
    if (timer_create(CLOCK_MONOTONIC, &event, &deadline->timer) < 0)
        return gm_error_set(error, -errno, "--timeout: cannot make a timer: %s",
                            gm_error_name(-errno));
    sigemptyset(&action.sa_mask);
    sigaction(GM_DEADLINE_SIGNAL, &action, &deadline->before);
    deadline->armed = true;
    after_ns = after_ns > 0 ? after_ns : 1; /* 0 would stop the timer */
    const struct itimerspec times = {
        .it_value = {.tv_sec = (time_t)(after_ns / S_NS), .tv_nsec = (long)(after_ns % S_NS)},
        .it_interval = {.tv_nsec = AGAIN_NS}};
    if (timer_settime(deadline->timer, 0, &times, NULL) == 0)
        return 0;
    const int rc = -errno;
    gm_deadline_disarm(deadline);
    return gm_error_set(error, rc, "--timeout: cannot start a timer: %s", gm_error_name(rc));
}

void gm_deadline_disarm(struct gm_deadline *deadline)
{
    if (!deadline->armed)
        return;
    timer_delete(deadline->timer);
    sigaction(GM_DEADLINE_SIGNAL, &deadline->before, NULL);
    deadline->armed = false;
}
