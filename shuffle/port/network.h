/* network.h - port: how frames travel between participants.
 *
 * shuffle/link: rings in the region; those of participants of other nodes lead to the gateway,
 * which has streams to them (port/stream.h).  Simulated: tests/sim wraps a link and refuses, delays
 * and reorders across sources.
 * One network belongs to one participant and is used by its thread alone.
 *
 * Order is kept per (exchange, source, destination).  Nothing is lost without an error.
 */
#ifndef GM_PORT_NETWORK_H
#define GM_PORT_NETWORK_H

#include <stdint.h>

/* A frame on its way: index of the frame in the region's pool and the bytes that matter. */
struct gm_descriptor {
    uint32_t frame_index;
    uint32_t frame_bytes; /* header and payload */
};

/* As it lies in a ring: the index in the low half, the bytes in the high half. */
static inline uint64_t gm_descriptor_pack(struct gm_descriptor descriptor)
{
    return (uint64_t)descriptor.frame_bytes << 32 | descriptor.frame_index;
}

static inline struct gm_descriptor gm_descriptor_unpack(uint64_t packed)
{
    return (struct gm_descriptor){.frame_index = (uint32_t)packed,
                                  .frame_bytes = (uint32_t)(packed >> 32)};
}

struct gm_network_ops {
    const char *name;
    /* Hands a frame over to `destination`: from 0 on the receiver's.  GM_AGAIN: no room now, the
     * frame stays the caller's. */
    int (*send)(void *self, uint16_t exchange, uint16_t destination,
                struct gm_descriptor descriptor);
    /* Takes the next frame from `source` for this participant.  0, or GM_AGAIN when there is
     * none. */
    int (*receive)(void *self, uint16_t exchange, uint16_t source,
                   struct gm_descriptor *ret_descriptor);
    /* A frame that `source` sent went back to the pool: if it sleeps for want of frames, it
     * wakes. */
    void (*returned)(void *self, uint16_t source);
};

struct gm_network {
    const struct gm_network_ops *ops;
    void *self;
};

#endif
