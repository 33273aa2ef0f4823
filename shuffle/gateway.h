/* gateway.h - acts at a node for the participants of the others.
 *
 * It consumes the rings from sources of this node to destinations of others, and sends what lies in
 * them; and produces into the rings from sources of other nodes to destinations of this one.  So to
 * an executor a participant of another node looks like one of its own.
 *
 * Credits:   a node grants every source of another node, per exchange, as many frames as its region
 *            has for it (credit_frames), and more as frames come back to the pool.  A frame is sent
 *            only on a credit, so what arrives always finds a frame and a slot in the ring: no
 *            destination that is slow holds up what is for another one of another source.
 * Fairness:  one message of at most GM_WIRE_MESSAGE_BYTES is under way to each node, all nodes are
 *            served in turn, and in a message all rings in turn.
 * Trust:     a descriptor of an executor and all that comes in over a stream is checked.  What does
 *            not fit ends the attempt with words that name node, exchange and executor.
 * End:       a stream that ends before both sides have said that they have sent and received
 *            everything is an error.
 *
 * Threads:   one.  No socket, clock or thread of its own: all through ports.
 * Memory:    the heap's; frames through the region.
 * Blocking:  step never; run sleeps on the bell, and on the streams' descriptor.
 */
#ifndef GM_SHUFFLE_GATEWAY_H
#define GM_SHUFFLE_GATEWAY_H

#include "engine/base/heap.h"
#include "shuffle/port/bell.h"
#include "shuffle/port/clock.h"
#include "shuffle/port/stream.h"
#include "shuffle/region.h"

struct gm_gateway;

/* Another node, as far as this job goes.  Its number among the peers is the stream's. */
struct gm_gateway_peer {
    char name[GM_NODE_NAME_BYTES_MAX]; /* for people: host and port */
    uint16_t node;
    uint16_t first, count; /* its executors */
    bool has_driver;
};

struct gm_gateway_spec {
    const struct gm_region *region; /* borrowed */
    struct gm_bell bell;            /* whose wait listens to the gateway's seat */
    struct gm_streams streams;
    uint16_t node; /* the number of this one */
    const struct gm_gateway_peer *peers; /* copied */
    uint32_t peer_count;
};

/* Payload and frames that passed; messages without frames carry credits. */
struct gm_gateway_counts {
    uint64_t sent_frames, sent_bytes, sent_messages;
    uint64_t received_frames, received_bytes, received_messages;
    uint64_t slept_count;
};

/* The peers must have every participant that this node has not, once.  Returns 0 or < 0 with
 * error. */
int gm_gateway_create(const struct gm_gateway_spec *spec, struct gm_heap *heap,
                      struct gm_gateway **ret_gateway, struct gm_error *error);
/* The streams must be closed before: they may still write into frames.  NULL is allowed. */
void gm_gateway_destroy(struct gm_gateway *gateway);

/* A little work for every peer.  Returns 0: it got on; GM_AGAIN: nothing can be done until the bell
 * rings or the streams' descriptor is readable; GM_END: everything was sent and received; < 0:
 * failed. */
int gm_gateway_step(struct gm_gateway *gateway);

/* Steps until the end, and sleeps when spin_ns passed without work.  Looks at cancel (may be NULL)
 * now and then.  Returns 0 or < 0. */
int gm_gateway_run(struct gm_gateway *gateway, const struct gm_clock *clock, uint64_t spin_ns,
                   const _Atomic bool *cancel);

/* Why it failed. */
const struct gm_error *gm_gateway_error(const struct gm_gateway *gateway);
void gm_gateway_counts(const struct gm_gateway *gateway, struct gm_gateway_counts *ret_counts);

#endif
