/* prng.h - numbers that look random and follow from a seed. */
#ifndef GM_BASE_PRNG_H
#define GM_BASE_PRNG_H

#include <stdint.h>

/* xoshiro256** (Blackman and Vigna, public domain), seeded through splitmix64: the same seed gives
 * the same numbers everywhere.  For sampling, simulation, generators of data and tests. */
struct gm_prng {
    uint64_t state[4];
};
void gm_prng_init(struct gm_prng *prng, uint64_t seed);
uint64_t gm_prng_next(struct gm_prng *prng);
/* Uniform in [0, bound); bound > 0. */
uint64_t gm_prng_below(struct gm_prng *prng, uint64_t bound);

#endif
