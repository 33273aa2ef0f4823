/* random.h - port: randomness.  Real: getrandom(2).  Simulated: a generator with the run's seed. */
#ifndef GM_PORT_RANDOM_H
#define GM_PORT_RANDOM_H

#include <stdint.h>

#include "engine/base/prng.h"

struct gm_random {
    void *self;
    uint64_t (*next)(void *self); /* 64 independent bits */
};

static inline uint64_t gm_random_next(const struct gm_random *random)
{
    return random->next(random->self);
}

struct gm_random gm_random_system(void);

/* The port over a generator; borrows it. */
static inline uint64_t gm_random_of_prng(void *self)
{
    return gm_prng_next(self);
}

static inline struct gm_random gm_random_prng(struct gm_prng *prng)
{
    return (struct gm_random){.self = prng, .next = gm_random_of_prng};
}

#endif
