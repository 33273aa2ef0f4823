#include "shuffle/ring.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "shuffle/port/step.h"

#define RING_MAGIC UINT32_C(0x314e5247) /* "GRN1" */

/* The positions lie on lines of their own: each has one writer, and a look of the peer must not
 * take the other position's line along. */
struct gm_ring {
    _Alignas(GM_LINE_BYTES) uint32_t magic;
    uint32_t slot_count;
    _Alignas(GM_LINE_BYTES) _Atomic uint64_t write;
    _Alignas(GM_LINE_BYTES) _Atomic uint64_t read;
    _Alignas(GM_LINE_BYTES) uint64_t slots[];
};

_Static_assert(sizeof(struct gm_ring) == 3 * GM_LINE_BYTES, "shared by processes");
_Static_assert(offsetof(struct gm_ring, write) == GM_LINE_BYTES, "a line of its own");
_Static_assert(offsetof(struct gm_ring, read) == 2 * GM_LINE_BYTES, "a line of its own");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock in shared memory would be another one");

uint64_t gm_ring_footprint(uint32_t slot_count)
{
    if (slot_count < 2 || slot_count > GM_RING_SLOTS_MAX || (slot_count & (slot_count - 1)) != 0)
        return 0;
    uint64_t bytes = sizeof(struct gm_ring) + (uint64_t)slot_count * sizeof(uint64_t);
    return (bytes + GM_LINE_BYTES - 1) / GM_LINE_BYTES * GM_LINE_BYTES;
}

void gm_ring_new(void *memory, uint32_t slot_count)
{
    GM_CHECK(gm_ring_footprint(slot_count) != 0);
    GM_CHECK((uintptr_t)memory % GM_LINE_BYTES == 0);
    struct gm_ring *ring = memory;
    ring->slot_count = slot_count;
    atomic_store_explicit(&ring->write, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->read, 0, memory_order_relaxed);
    ring->magic = RING_MAGIC;
}

/* Positions are taken over from the ring: an end may be joined anew, after its owner left. */
static int ring_join(void *memory, uint32_t slot_count, uint64_t *ret_write, uint64_t *ret_read)
{
    struct gm_ring *ring = memory;
    GM_CHECK(gm_ring_footprint(slot_count) != 0);
    if (ring->magic != RING_MAGIC || ring->slot_count != slot_count)
        return GM_EFRAME_CORRUPT;
    uint64_t read = atomic_load_explicit(&ring->read, memory_order_acquire);
    uint64_t write = atomic_load_explicit(&ring->write, memory_order_acquire);
    /* Holds also while the peer is at work: our own position stands still until we have joined. */
    if (write - read > slot_count)
        return GM_EFRAME_CORRUPT;
    *ret_write = write;
    *ret_read = read;
    return 0;
}

int gm_ring_join_producer(void *memory, uint32_t slot_count, struct gm_ring_producer *ret)
{
    uint64_t write, read;
    int rc = ring_join(memory, slot_count, &write, &read);
    if (rc < 0)
        return rc;
    *ret = (struct gm_ring_producer){
        .ring = memory, .mask = slot_count - 1, .write = write, .read_known = read};
    return 0;
}

int gm_ring_join_consumer(void *memory, uint32_t slot_count, struct gm_ring_consumer *ret)
{
    uint64_t write, read;
    int rc = ring_join(memory, slot_count, &write, &read);
    if (rc < 0)
        return rc;
    *ret = (struct gm_ring_consumer){
        .ring = memory, .mask = slot_count - 1, .read = read, .write_known = write};
    return 0;
}

/* Two ends that follow each other closely take the same lines from each other for every single
 * descriptor, at some 100 ns each.  So an end whose last look found little looks again only
 * LOOK_TICKS later (0.5 to 1 us; until then the peer has its lines to itself and gets ahead).  An
 * end that did anything else meanwhile, such as work on a frame, never waits here, nor does one
 * that found nothing. */
#define LOOK_TICKS 2000
#define LOOK_ENOUGH 256

static inline uint64_t look_when_due(uint64_t found, uint64_t looked_at)
{
#if defined(__x86_64__)
    uint64_t now = __builtin_ia32_rdtsc();
    if (found == 0 || found >= LOOK_ENOUGH)
        return now;
    while (now - looked_at < LOOK_TICKS) {
        __builtin_ia32_pause();
        now = __builtin_ia32_rdtsc();
    }
    return now;
#else
    /* Counters of other processors tick at rates of their own: no waiting where nothing was
     * measured. */
    (void)found;
    return looked_at;
#endif
}

/* Free slots as of a fresh look at the consumer's line.  A position that cannot be is "full": the
 * producer then waits for ever, which its executor's owner notices, and writes over nothing. */
static __attribute__((noinline)) uint64_t look_for_room(struct gm_ring_producer *producer)
{
    producer->looked_at = look_when_due(producer->found, producer->looked_at);
    /* Pairs with the release store in gm_ring_pop: slots that it freed are read out. */
    uint64_t read = atomic_load_explicit(&producer->ring->read, memory_order_acquire);
    uint64_t used = producer->write - read;
    if (used > producer->mask + 1)
        return 0;
    producer->read_known = read;
    producer->found = producer->mask + 1 - used;
    return producer->mask + 1 - used;
}

uint32_t gm_ring_push(struct gm_ring_producer *producer, const uint64_t *values, uint32_t count)
{
    struct gm_ring *ring = producer->ring;
    uint64_t slot_count = producer->mask + 1;
    uint64_t write = producer->write;
    uint64_t room = slot_count - (write - producer->read_known);
    if (room < count) {
        room = look_for_room(producer);
        if (room < count)
            count = (uint32_t)room;
        if (count == 0)
            return 0;
    }
    uint64_t first = write & producer->mask;
    if (count == 1) {
        ring->slots[first] = values[0];
    } else {
        uint64_t until_end = slot_count - first;
        uint64_t ahead = count < until_end ? count : until_end;
        memcpy(&ring->slots[first], values, ahead * sizeof(uint64_t));
        memcpy(&ring->slots[0], values + ahead, (count - ahead) * sizeof(uint64_t));
    }
    producer->write = write + count;
    GM_SIM_YIELD();
    /* Pairs with the acquire load in look_for_work: whoever sees the position sees the slots, and
     * all that was written before this push. */
    atomic_store_explicit(&ring->write, write + count, memory_order_release);
    GM_SIM_YIELD();
    return count;
}

/* Filled slots as of a fresh look at the producer's line.  A position that cannot be counts as a
 * full ring: the slots hold nonsense then, which the checks of frames refuse; the mask keeps every
 * read inside the ring. */
static __attribute__((noinline)) uint64_t look_for_work(struct gm_ring_consumer *consumer)
{
    consumer->looked_at = look_when_due(consumer->found, consumer->looked_at);
    uint64_t write = atomic_load_explicit(&consumer->ring->write, memory_order_acquire);
    uint64_t filled = write - consumer->read;
    if (filled > consumer->mask + 1) {
        filled = consumer->mask + 1;
        write = consumer->read + filled;
    }
    consumer->write_known = write;
    consumer->found = filled;
    return filled;
}

uint32_t gm_ring_pop(struct gm_ring_consumer *consumer, uint64_t *ret_values, uint32_t count)
{
    struct gm_ring *ring = consumer->ring;
    uint64_t read = consumer->read;
    uint64_t filled = consumer->write_known - read;
    if (filled < count) {
        filled = look_for_work(consumer);
        if (filled < count)
            count = (uint32_t)filled;
        if (count == 0)
            return 0;
    }
    uint64_t first = read & consumer->mask;
    if (count == 1) {
        ret_values[0] = ring->slots[first];
    } else {
        uint64_t until_end = consumer->mask + 1 - first;
        uint64_t ahead = count < until_end ? count : until_end;
        memcpy(ret_values, &ring->slots[first], ahead * sizeof(uint64_t));
        memcpy(ret_values + ahead, &ring->slots[0], (count - ahead) * sizeof(uint64_t));
    }
    consumer->read = read + count;
    GM_SIM_YIELD();
    /* Pairs with the acquire load in look_for_room: the slots are read before they are free. */
    atomic_store_explicit(&ring->read, read + count, memory_order_release);
    return count;
}

uint32_t gm_ring_ready(struct gm_ring_consumer *consumer)
{
    return (uint32_t)look_for_work(consumer);
}

bool gm_ring_is_sound(const void *memory, uint32_t slot_count)
{
    const struct gm_ring *ring = memory;
    if (ring->magic != RING_MAGIC || ring->slot_count != slot_count)
        return false;
    uint64_t read = atomic_load_explicit(&ring->read, memory_order_acquire);
    uint64_t write = atomic_load_explicit(&ring->write, memory_order_acquire);
    /* With a consumer at work the two loads are of different times. */
    return write - read <= slot_count ||
           atomic_load_explicit(&ring->read, memory_order_relaxed) != read;
}
