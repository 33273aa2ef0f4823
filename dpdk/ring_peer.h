/* ring_peer.h - rte_ring SP/SC, for the ring benchmark to measure itself against.
 *
 * Threads: one producer, one consumer, in any two processes that map the memory.
 * The loops are here, not only the calls, so that rte_ring is inlined into them as its users have
 * it.
 */
#ifndef GM_DPDK_RING_PEER_H
#define GM_DPDK_RING_PEER_H

#include <stdint.h>

/* Bytes for a ring that holds slot_count descriptors (a power of two). */
uint64_t gm_ring_peer_footprint(uint32_t slot_count);
/* Formats GM_LINE_BYTES-aligned memory; no EAL is needed.  Returns 0 or -errno. */
int gm_ring_peer_new(void *memory, uint32_t slot_count);

/* What to do when there was no room or nothing there; counts its calls. */
typedef void gm_ring_peer_idle_fn(uint32_t *idle_count);

/* Pushes 0, 1, ... total-1, `bulk` (1, 8 or 32) at a time; total is a multiple of bulk. */
void gm_ring_peer_produce(void *memory, uint64_t total, uint32_t bulk, gm_ring_peer_idle_fn *idle);
/* Pops as many and returns a sum that depends on values and order. */
uint64_t gm_ring_peer_consume(void *memory, uint64_t total, uint32_t bulk,
                              gm_ring_peer_idle_fn *idle);

#endif
