/* gateway_internal.h - what the three sources of the gateway share. */
#ifndef GM_SHUFFLE_GATEWAY_INTERNAL_H
#define GM_SHUFFLE_GATEWAY_INTERNAL_H

#include "shuffle/gateway.h"
#include "shuffle/wire.h"

#define GATEWAY_PIECES_MAX (1 + GM_WIRE_FRAMES_MAX)

/* What one source may send to one node in an exchange. */
struct gateway_grant {
    uint32_t credits;
};

/* A ring from a source of this node. */
struct gateway_outlet {
    struct gm_ring_consumer ring;
    struct gateway_grant *grant;
    uint32_t account;
    uint16_t exchange, source, destination;
    bool ended;
    uint64_t sequence;
};

/* A ring to a destination of this node. */
struct gateway_inlet {
    struct gm_ring_producer ring;
    uint64_t sequence;
    bool ended;
};

/* All that comes from one source of another node in an exchange. */
struct gateway_inflow {
    uint32_t account;
    uint32_t quota;
    uint32_t credits; /* granted and not used: out on the account + credits <= quota */
    uint32_t open_count; /* inlets that have not ended */
    uint16_t exchange, source;
    struct gateway_inlet *inlets; /* by destination of this node */
};

/* A message on its way out, until its memory is released. */
struct gateway_message {
    struct gm_wire_head head;
    struct iovec pieces[GATEWAY_PIECES_MAX];
    uint32_t piece_count, piece_at;
    uint32_t frame_count;
    uint32_t held_count; /* sends of it whose memory is still lent */
    bool sent;
    struct {
        uint32_t index, account;
        uint16_t source;
    } frames[GM_WIRE_FRAMES_MAX];
};

/* A frame whose payload is coming in. */
struct gateway_arrival {
    struct gm_frame_header header;
    uint8_t *frame;
    uint32_t index;
    struct gateway_inflow *inflow;
    struct gateway_inlet *inlet;
};

struct gateway_peer {
    struct gm_gateway_peer who;

    struct gateway_outlet *outlets;
    struct gateway_grant *grants;
    uint32_t outlet_count, outlet_at; /* whose turn it is */
    uint32_t outlets_open;
    struct gateway_message messages[GM_WIRE_WINDOW]; /* a ring: [message_first, message_end) */
    uint64_t message_first, message_end;
    uint64_t out_sequence;
    bool sending;
    bool said_last;

    struct gateway_inflow *inflows;
    uint32_t inflow_count, inflow_at;
    uint32_t inlets_open;
    struct gm_wire_head head;
    struct gateway_arrival arrivals[GM_WIRE_FRAMES_MAX];
    uint32_t arrival_count;
    struct iovec pieces[GATEWAY_PIECES_MAX]; /* the payloads still to come, and the next head */
    uint32_t piece_count, piece_at;
    uint64_t in_sequence;
    bool receiving;
    bool heard_last;
};

struct gm_gateway {
    struct gm_gateway_spec spec;
    const struct gm_region *region;
    struct gm_heap *heap;
    struct gm_ledger_entry *ledger; /* of seat 0; the others follow */
    uint32_t seat;
    struct gateway_peer *peers;
    uint32_t peer_at; /* whose turn is first */
    struct gm_gateway_counts counts;
    struct gm_error error;
    size_t bytes; /* of the block that holds this and all tables */
};

/* Starts the next message to the peer where there is something to tell.  1: it did; 0: not; < 0:
 * failed. */
int gm_gateway_send(struct gm_gateway *gateway, uint16_t number);
int gm_gateway_sent(struct gm_gateway *gateway, uint16_t number,
                    const struct gm_stream_event *event);
/* One held send has ended (or none: looks only).  Frames of messages that are done go back. */
void gm_gateway_released(struct gm_gateway *gateway, uint16_t number, bool one);

/* Asks for what comes next of the peer. */
void gm_gateway_receive(struct gm_gateway *gateway, uint16_t number);
int gm_gateway_received(struct gm_gateway *gateway, uint16_t number, int32_t result);
/* Up to GM_WIRE_CREDITS_MAX credits that are due; they count as granted. */
uint32_t gm_gateway_grants(struct gm_gateway *gateway, struct gateway_peer *peer,
                           struct gm_wire_credit *ret_credits);

/* The stream is of no use any more. */
int gm_gateway_broken(struct gm_gateway *gateway, const struct gateway_peer *peer, int32_t result);

/* Moves over `bytes` bytes of the pieces from *at on; then *at is the first one not complete. */
void gm_gateway_advance(struct iovec *pieces, uint32_t count, uint32_t *at, size_t bytes);

#endif
