/* gateway_in.c - messages of other nodes into this node's frames and rings, and what they may send.
 */
#include <inttypes.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/checksum.h"
#include "shuffle/gateway_internal.h"
#include "shuffle/port/network.h"
#include "shuffle/wake.h"

#define HEADER_BYTES ((uint32_t)sizeof(struct gm_frame_header))

void gm_gateway_receive(struct gm_gateway *gateway, uint16_t number)
{
    struct gateway_peer *peer = &gateway->peers[number];
    const struct gm_streams *streams = &gateway->spec.streams;
    if (peer->receiving || peer->heard_last)
        return;
    streams->ops->receive(streams->self, number, peer->pieces + peer->piece_at,
                          peer->piece_count - peer->piece_at);
    peer->receiving = true;
}

static int refuse_message(struct gm_gateway *gateway, const struct gateway_peer *peer,
                          const char *why)
{
    return gm_error_set(&gateway->error, GM_EFRAME_CORRUPT,
                        "message %" PRIu64 " from node %s was refused: %s", peer->in_sequence,
                        peer->who.name, why);
}

static int refuse_frame(struct gm_gateway *gateway, const struct gateway_peer *peer,
                        const struct gm_frame_header *header, const char *why)
{
    return gm_error_set(&gateway->error, GM_EFRAME_CORRUPT,
                        "exchange %u: frame %" PRIu64 " from executor %u at node %s was refused: "
                        "%s", (unsigned)header->exchange, header->sequence,
                        (unsigned)header->source, peer->who.name, why);
}

/* ---- credits --------------------------------------------------------------------------------- */

static int take_credit(struct gm_gateway *gateway, struct gateway_peer *peer,
                       const struct gm_wire_credit *credit)
{
    const struct gm_region_spec *spec = &gateway->region->spec;
    if (credit->exchange >= spec->exchange_count ||
        !gm_region_executor_is_local(spec, credit->source))
        return refuse_message(gateway, peer, "credit for a source that is not here");
    struct gateway_grant *grant = &peer->grants[credit->exchange * spec->local_count +
                                                credit->source - spec->first_local];
    if (credit->frame_count > GM_RING_SLOTS_MAX - grant->credits)
        return refuse_message(gateway, peer, "more credit than there are frames");
    grant->credits += credit->frame_count;
    return 0;
}

/* A quarter of the quota at a time, so that most messages carry frames.  What is out comes back
 * without further frames, so the rest is never waited for in vain. */
static uint32_t credit_due(const struct gm_gateway *gateway, const struct gateway_inflow *inflow)
{
    if (inflow->open_count == 0 || inflow->credits == inflow->quota)
        return 0;
    const uint32_t out = gm_pool_out(gateway->region->pool, inflow->account);
    /* Whoever wrote over the pool's counters gets nothing for it. */
    if (out > inflow->quota - inflow->credits)
        return 0;
    const uint32_t due = inflow->quota - inflow->credits - out;
    return due >= (inflow->quota + 3) / 4 ? due : 0;
}

uint32_t gm_gateway_grants(struct gm_gateway *gateway, struct gateway_peer *peer,
                           struct gm_wire_credit *ret_credits)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < peer->inflow_count && count < GM_WIRE_CREDITS_MAX; i++) {
        struct gateway_inflow *inflow = &peer->inflows[peer->inflow_at];
        peer->inflow_at = peer->inflow_at + 1 < peer->inflow_count ? peer->inflow_at + 1 : 0;
        const uint32_t due = credit_due(gateway, inflow);
        if (due == 0)
            continue;
        inflow->credits += due;
        ret_credits[count++] = (struct gm_wire_credit){
            .exchange = inflow->exchange, .source = inflow->source, .frame_count = due};
    }
    return count;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* Checks a frame's header, before its payload is there, and takes the frame that it goes to. */
static int expect_frame(struct gm_gateway *gateway, struct gateway_peer *peer,
                        const struct gm_frame_header *header)
{
    const struct gm_region *region = gateway->region;
    const struct gm_region_spec *spec = &region->spec;
    const uint32_t source = (uint32_t)header->source - peer->who.first;
    if (header->exchange >= spec->exchange_count || source >= peer->who.count)
        return refuse_frame(gateway, peer, header, "its source is not there");
    struct gateway_inflow *inflow = &peer->inflows[header->exchange * peer->who.count + source];
    const bool to_driver = spec->exchanges[header->exchange].to_driver;
    const uint32_t first = to_driver ? spec->executor_count : spec->first_local;
    const uint32_t destination = (uint32_t)header->destination - first;
    const uint32_t here = to_driver ? spec->driver_is_local : spec->local_count;
    if (destination >= here)
        return refuse_frame(gateway, peer, header, "its destination is not here");
    struct gateway_inlet *inlet = &inflow->inlets[destination];
    const struct gm_frame_expect expect = {.exchange = header->exchange,
                                           .source = header->source,
                                           .destination = header->destination,
                                           .attempt = spec->attempt,
                                           .sequence = inlet->sequence,
                                           .secret = spec->secret,
                                           .frame_bytes = spec->frame_bytes};
    const char *why = "";
    if (gm_frame_check(header, &expect, &why) != 0)
        return refuse_frame(gateway, peer, header, why);
    if (!(header->flags & GM_FRAME_CHECKSUM))
        return refuse_frame(gateway, peer, header, "it has no checksum");
    if (inlet->ended)
        return refuse_frame(gateway, peer, header, "it comes behind the last one");
    struct gateway_arrival *arrival = &peer->arrivals[peer->arrival_count];
    if (inflow->credits == 0 ||
        gm_pool_take(region->pool, inflow->account, &arrival->index) != 0)
        return refuse_frame(gateway, peer, header, "it had no credit");
    arrival->frame = gm_region_frame(region, arrival->index);
    if (arrival->frame == NULL)
        return gm_error_set(&gateway->error, GM_EFRAME_CORRUPT, "the pool was written over");
    inflow->credits--;
    inlet->sequence++;
    inlet->ended = (header->flags & GM_FRAME_END) != 0;
    arrival->header = *header;
    arrival->inflow = inflow;
    arrival->inlet = inlet;
    peer->pieces[peer->arrival_count++] =
        (struct iovec){arrival->frame + HEADER_BYTES, header->payload_bytes};
    return 0;
}

/* The head is there: what comes next is known. */
static int open_message(struct gm_gateway *gateway, struct gateway_peer *peer)
{
    const struct gm_region_spec *spec = &gateway->region->spec;
    const struct gm_wire_head *head = &peer->head;
    const struct gm_wire_expect expect = {.attempt = spec->attempt,
                                          .from = peer->who.node,
                                          .to = gateway->spec.node,
                                          .sequence = peer->in_sequence,
                                          .secret = spec->secret};
    const char *why = "";
    if (gm_wire_check(head, &expect, &why) != 0)
        return refuse_message(gateway, peer, why);
    int rc = 0;
    for (uint32_t i = 0; i < head->credit_count && rc == 0; i++)
        rc = take_credit(gateway, peer, &head->credits[i]);
    peer->arrival_count = 0;
    for (uint32_t i = 0; i < head->frame_count && rc == 0; i++)
        rc = expect_frame(gateway, peer, &head->frames[i]);
    if (rc < 0)
        return rc;
    if ((head->flags & GM_WIRE_LAST) != 0) {
        if (peer->inlets_open > 0 || peer->outlets_open > 0)
            return refuse_message(gateway, peer, "it is the last, but rows are still on their way");
        peer->heard_last = true;
    }
    peer->in_sequence++;
    gateway->counts.received_messages++;
    peer->pieces[peer->arrival_count] = (struct iovec){&peer->head, sizeof peer->head};
    peer->piece_count = peer->arrival_count + 1;
    peer->piece_at = 0;
    return 0;
}

/* A payload is complete: it goes to the ring of its destination. */
static int deliver(struct gm_gateway *gateway, struct gateway_peer *peer,
                   struct gateway_arrival *arrival)
{
    const struct gm_frame_header *header = &arrival->header;
    if (gm_checksum(arrival->frame + HEADER_BYTES, header->payload_bytes) != header->checksum)
        return refuse_frame(gateway, peer, header,
                            "its checksum does not fit: it was damaged on its way");
    memcpy(arrival->frame, header, sizeof *header);
    const uint64_t packed = gm_descriptor_pack((struct gm_descriptor){
        .frame_index = arrival->index, .frame_bytes = HEADER_BYTES + header->payload_bytes});
    if (gm_ring_push(&arrival->inlet->ring, &packed, 1) == 0)
        return gm_error_set(&gateway->error, GM_EFRAME_CORRUPT, "exchange %u: the ring to executor "
                            "%u was written over", (unsigned)header->exchange,
                            (unsigned)header->destination);
    gm_wake(gateway->ledger, &gateway->spec.bell,
            gm_region_seat(&gateway->region->spec, header->destination));
    if (header->flags & GM_FRAME_END) {
        arrival->inflow->open_count--;
        peer->inlets_open--;
    }
    gateway->counts.received_frames++;
    gateway->counts.received_bytes += header->payload_bytes;
    return 0;
}

static int arrived(struct gm_gateway *gateway, struct gateway_peer *peer, size_t bytes)
{
    uint32_t at = peer->piece_at;
    int rc = 0;
    gm_gateway_advance(peer->pieces, peer->piece_count, &peer->piece_at, bytes);
    for (; at < peer->piece_at && at < peer->arrival_count && rc == 0; at++)
        rc = deliver(gateway, peer, &peer->arrivals[at]);
    return rc;
}

int gm_gateway_received(struct gm_gateway *gateway, uint16_t number, int32_t result)
{
    struct gateway_peer *peer = &gateway->peers[number];
    GM_CHECK(peer->receiving);
    peer->receiving = false;
    if (result <= 0)
        return gm_gateway_broken(gateway, peer, result);
    int rc = arrived(gateway, peer, (size_t)result);
    /* The head is the last piece, so nothing was received behind it. */
    if (rc == 0 && peer->piece_at == peer->piece_count) {
        rc = open_message(gateway, peer);
        /* Frames without a payload are there with their header. */
        if (rc == 0)
            rc = arrived(gateway, peer, 0);
    }
    return rc;
}
