/* system.c - the clock and random ports of a real machine.  Threads: any.  No memory. */
#include <sys/random.h>
#include <time.h>

#include "engine/base/check.h"
#include "shuffle/port/clock.h"
#include "shuffle/port/random.h"

static uint64_t system_now_ns(void *self)
{
    (void)self;
    struct timespec now;
    GM_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

struct gm_clock gm_clock_system(void)
{
    return (struct gm_clock){.self = NULL, .now_ns = system_now_ns};
}

static uint64_t system_random_next(void *self)
{
    (void)self;
    uint64_t value;
    /* Up to 256 bytes come whole or not at all; only an early boot or a signal makes it fail. */
    while (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
        ;
    return value;
}

struct gm_random gm_random_system(void)
{
    return (struct gm_random){.self = NULL, .next = system_random_next};
}
