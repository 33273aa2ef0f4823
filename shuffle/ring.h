/* ring.h - single-producer single-consumer ring of 8-byte descriptors in shared memory.
 *
 * Threads:   one producer, one consumer, in any two processes that map the region.
 * Memory:    the caller's region; positions only, no pointers.  No allocation.
 * Blocking:  never.  Full and empty are counts of 0: that is the back-pressure.
 * Order:     a descriptor is visible whole or not at all, and so is all that was written before its
 *            push (release on push, acquire on pop).
 *
 * An end that found little at its last look, less than a microsecond ago, waits for the rest of
 * that microsecond before it looks again (ring.c says why); otherwise nothing waits here.
 *
 * Positions run freely in 64 bits, so every slot is usable.  Each side keeps its own position and a
 * copy of the peer's in its private handle, and reads the peer's line only when the copy says full
 * or empty (FastForward/MCRingBuffer; Lee et al., "A lock-free, cache-efficient multi-core
 * synchronization mechanism", 2010).
 */
#ifndef GM_SHUFFLE_RING_H
#define GM_SHUFFLE_RING_H

#include <stdbool.h>
#include <stdint.h>

struct gm_ring; /* lives in the region; opaque */

struct gm_ring_producer {
    struct gm_ring *ring;
    uint64_t mask;
    uint64_t write;      /* ours, published in the ring */
    uint64_t read_known; /* the consumer's, as of the last look */
    uint64_t found;      /* slots that the last look found free */
    uint64_t looked_at;  /* when, in ticks of the processor */
};

struct gm_ring_consumer {
    struct gm_ring *ring;
    uint64_t mask;
    uint64_t read;
    uint64_t write_known;
    uint64_t found; /* descriptors that the last look found */
    uint64_t looked_at;
};

/* Bytes that a ring of slot_count slots needs (a multiple of GM_LINE_BYTES); 0 unless slot_count is
 * a power of two in [2, GM_RING_SLOTS_MAX]. */
uint64_t gm_ring_footprint(uint32_t slot_count);
/* Formats GM_LINE_BYTES-aligned memory of gm_ring_footprint bytes. */
void gm_ring_new(void *memory, uint32_t slot_count);
/* Joins.  Each may be called once per ring at a time.  Returns 0 or GM_EFRAME_CORRUPT when the
 * memory is no ring of at most slot_count_max slots. */
int gm_ring_join_producer(void *memory, uint32_t slot_count, struct gm_ring_producer *ret);
int gm_ring_join_consumer(void *memory, uint32_t slot_count, struct gm_ring_consumer *ret);

/* Pushes up to count descriptors in order; returns how many there was room for. */
uint32_t gm_ring_push(struct gm_ring_producer *producer, const uint64_t *values, uint32_t count);
/* Takes up to count; returns how many there were. */
uint32_t gm_ring_pop(struct gm_ring_consumer *consumer, uint64_t *ret_values, uint32_t count);
/* What a consumer could take now, as far as one look tells. */
uint32_t gm_ring_ready(struct gm_ring_consumer *consumer);
/* False when the ring holds what its two ends cannot have written.  For anybody, at any time. */
bool gm_ring_is_sound(const void *memory, uint32_t slot_count);

#endif
