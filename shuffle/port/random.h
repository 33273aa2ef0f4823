/* random.h - port: randomness.  Real: getrandom(2).  Simulated: a generator with the run's seed. */
#ifndef GM_PORT_RANDOM_H
#define GM_PORT_RANDOM_H

#include <stdint.h>

struct gm_random {
    void *self;
    uint64_t (*next)(void *self); /* 64 independent bits */
};

static inline uint64_t gm_random_next(const struct gm_random *random)
{
    return random->next(random->self);
}

struct gm_random gm_random_system(void);

/* xoshiro256** (Blackman and Vigna, public domain), seeded through splitmix64: the same seed gives
 * the same numbers everywhere.  For simulation, generators of data and tests. */
struct gm_prng {
    uint64_t state[4];
};
void gm_prng_init(struct gm_prng *prng, uint64_t seed);
uint64_t gm_prng_next(struct gm_prng *prng);
/* Uniform in [0, bound); bound > 0. */
uint64_t gm_prng_below(struct gm_prng *prng, uint64_t bound);
/* The port over a generator; borrows it. */
struct gm_random gm_random_prng(struct gm_prng *prng);

#endif
