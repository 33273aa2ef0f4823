/* lending.h - executors use the memory that others do not.
 *
 * Each executor's heap begins with a part that nobody takes away; the rest of --memory lies in a
 * pool, a word of the region.  A heap that grows takes from the pool, and gives back what it does
 * not need any more.  Who finds the pool empty while it has less than an even share asks for more:
 * then whoever has more than that spills down to it, with its next rows, and gives that back.
 * Nobody waits: who asked spills meanwhile what it has itself, as if there were no more.
 *
 * Threads:   one executor's; the two words are shared by all.
 * Invariant: the pool and the limits of all heaps are never more than what the job began with.
 */
#ifndef GM_AGENT_LENDING_H
#define GM_AGENT_LENDING_H

#include <stdatomic.h>

#include "engine/base/heap.h"

/* Shared counters of the region behind those of the chains: the pool's bytes, and how many ask. */
#define GM_LENDING_CLAIMS 2

struct gm_lending {
    _Atomic uint64_t *pool;
    _Atomic uint64_t *asking;
    struct gm_heap *heap;
    uint64_t least_bytes; /* of the heap's limit */
    uint64_t even_bytes;
    uint64_t reserve_bytes; /* of the limit, for what is no state of an operator */
    uint64_t wanted_bytes; /* of the limit, which it asks for until it has them; 0: it does not */
};

/* heap: with least_bytes as its limit; from now on it grows by itself. */
void gm_lending_init(struct gm_lending *lending, _Atomic uint64_t *pool, _Atomic uint64_t *asking,
                     struct gm_heap *heap, uint64_t even_bytes, uint64_t reserve_bytes);
/* The heap is empty, or about to be: it does not grow any more, and asks for nothing. */
void gm_lending_end(struct gm_lending *lending);

/* Takes, asks and gives back, between two turns of an executor.  Returns the heap's used_bytes from
 * which operators spill until the next turn. */
uint64_t gm_lending_settle(struct gm_lending *lending);

#endif
