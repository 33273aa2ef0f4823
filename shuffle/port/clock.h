/* clock.h - port: time.  Real: shuffle/port/system.c.  Simulated: tests/sim. */
#ifndef GM_PORT_CLOCK_H
#define GM_PORT_CLOCK_H

#include <stdint.h>

struct gm_clock {
    void *self;
    uint64_t (*now_ns)(void *self); /* monotonic */
};

static inline uint64_t gm_clock_now_ns(const struct gm_clock *clock)
{
    return clock->now_ns(clock->self);
}

/* CLOCK_MONOTONIC. */
struct gm_clock gm_clock_system(void);

#endif
