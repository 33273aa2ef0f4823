/* signals.c - a daemon takes the signals that end it in one place. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "cli/cli.h"

static sigset_t held;

void gm_cli_hold_signals(void)
{
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    sigprocmask(SIG_BLOCK, &held, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int gm_cli_wait_for_end(unsigned ms)
{
    const struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    const int number = sigtimedwait(&held, NULL, &timeout);
    return number > 0 ? number : 0;
}
