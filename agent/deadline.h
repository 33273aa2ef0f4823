/* deadline.h - a signal to this thread when a job has had its time.
 *
 * Threads: the driver's, which also gets the signal, so that whatever it waits in is interrupted.
 * A timer of the kernel: nothing is looked at while the job runs.
 */
#ifndef GM_AGENT_DEADLINE_H
#define GM_AGENT_DEADLINE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "engine/base/error.h"

/* What the handler is called with. */
#define GM_DEADLINE_SIGNAL SIGALRM

struct gm_deadline {
    bool armed;
    timer_t timer;
    struct sigaction before; /* what the program itself does with the signal */
};

/* Calls the handler in after_ns, and ten times a second from then on: one that came between a look
 * and a wait is not missed.  Returns 0 or < 0 with error. */
int gm_deadline_arm(struct gm_deadline *deadline, uint64_t after_ns, void (*handler)(int),
                    struct gm_error *error);
/* No call comes any more, and the signal is the program's again.  Accepts a zeroed one. */
void gm_deadline_disarm(struct gm_deadline *deadline);

#endif
