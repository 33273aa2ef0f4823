/* ring_bench.h - how fast descriptors and frames go from core to core.
 *
 * Descriptors: the ring beside DPDK's rte_ring SP/SC, between two pinned threads and between two
 * processes.  Frames: 64 KiB, written by one side and read by the other through region, pool, ring
 * and link, between two processes beside the same between two threads.  What is compared runs in
 * turns, round by round.
 */
#ifndef GM_BENCHMARKS_RING_BENCH_H
#define GM_BENCHMARKS_RING_BENCH_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct gm_ring_bench_options {
    bool real; /* sizes worth publishing; otherwise a few milliseconds a round */
    bool json; /* a line of JSON per case instead of a table */
    uint32_t round_count; /* 0: 5 small, 9 real */
};

/* Runs all cases, in a process with one thread.  Returns 0, or 1 when something arrived wrong. */
int gm_ring_bench_run(const struct gm_ring_bench_options *options, FILE *out);

/* Both competitors wait this way when there is nothing to do: they spin, and give the core away now
 * and then in case the peer is on the same one. */
static inline void gm_ring_bench_idle(uint32_t *idle_count)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
    if (++*idle_count % 16384 == 0)
        sched_yield();
}

#endif
