/* rounds.h - how many random rounds a test takes in this build. */
#ifndef GM_TESTS_ROUNDS_H
#define GM_TESTS_ROUNDS_H

#include <stdint.h>

/* Sanitizers make a round several times as slow, and see in a third of them what is wrong. */
static inline uint32_t rounds(uint32_t full)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return (full + 2) / 3;
#else
    return full;
#endif
}

#endif
