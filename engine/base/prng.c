/* prng.c - xoshiro256**.  Threads: one per generator.  No memory. */
#include "engine/base/prng.h"

static uint64_t rotate_left(uint64_t value, int bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static uint64_t splitmix64_next(uint64_t *state)
{
    uint64_t mixed = (*state += UINT64_C(0x9e3779b97f4a7c15));
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

void gm_prng_init(struct gm_prng *prng, uint64_t seed)
{
    /* splitmix64 never gives four zeros in a row, the one state that xoshiro cannot leave. */
    for (int i = 0; i < 4; i++)
        prng->state[i] = splitmix64_next(&seed);
}

uint64_t gm_prng_next(struct gm_prng *prng)
{
    uint64_t *state = prng->state;
    uint64_t result = rotate_left(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

uint64_t gm_prng_below(struct gm_prng *prng, uint64_t bound)
{
    /* Lemire's multiplication; the low product below 2^64 mod bound would favour some values. */
    unsigned __int128 product = (unsigned __int128)gm_prng_next(prng) * bound;
    if ((uint64_t)product < bound) {
        uint64_t unfair = -bound % bound;
        while ((uint64_t)product < unfair)
            product = (unsigned __int128)gm_prng_next(prng) * bound;
    }
    return (uint64_t)(product >> 64);
}
