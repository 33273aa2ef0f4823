#include "dpdk/ring_peer.h"

#include <rte_ring.h>

uint64_t gm_ring_peer_footprint(uint32_t slot_count)
{
    return (uint64_t)rte_ring_get_memsize(slot_count);
}

int gm_ring_peer_new(void *memory, uint32_t slot_count)
{
    return rte_ring_init(memory, "peer", slot_count, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static inline __attribute__((always_inline)) void produce(struct rte_ring *ring, uint64_t total,
                                                          const uint32_t bulk,
                                                          gm_ring_peer_idle_fn *idle)
{
    void *values[32];
    uint32_t idle_count = 0;
    for (uint64_t sent = 0; sent < total;) {
        for (uint32_t i = 0; i < bulk; i++)
            values[i] = (void *)(uintptr_t)(sent + i);
        uint32_t done = 0;
        while (done < bulk) {
            uint32_t now = rte_ring_sp_enqueue_burst(ring, values + done, bulk - done, NULL);
            done += now;
            if (now == 0)
                idle(&idle_count);
        }
        sent += bulk;
    }
}

static inline __attribute__((always_inline)) uint64_t consume(struct rte_ring *ring, uint64_t total,
                                                              const uint32_t bulk,
                                                              gm_ring_peer_idle_fn *idle)
{
    void *values[32];
    uint64_t sum = 0;
    uint32_t idle_count = 0;
    for (uint64_t got = 0; got < total;) {
        uint32_t now = rte_ring_sc_dequeue_burst(ring, values, bulk, NULL);
        for (uint32_t i = 0; i < now; i++)
            sum = sum * 3 + (uintptr_t)values[i];
        got += now;
        if (now == 0)
            idle(&idle_count);
    }
    return sum;
}

void gm_ring_peer_produce(void *memory, uint64_t total, uint32_t bulk, gm_ring_peer_idle_fn *idle)
{
    if (bulk == 1)
        produce(memory, total, 1, idle);
    else if (bulk == 8)
        produce(memory, total, 8, idle);
    else
        produce(memory, total, 32, idle);
}

uint64_t gm_ring_peer_consume(void *memory, uint64_t total, uint32_t bulk,
                              gm_ring_peer_idle_fn *idle)
{
    if (bulk == 1)
        return consume(memory, total, 1, idle);
    if (bulk == 8)
        return consume(memory, total, 8, idle);
    return consume(memory, total, 32, idle);
}
