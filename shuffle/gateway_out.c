/* gateway_out.c - frames of this node's rings as messages, and credits for what came in. */
#include <inttypes.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/checksum.h"
#include "shuffle/gateway_internal.h"
#include "shuffle/port/network.h"
#include "shuffle/wake.h"

#define HEADER_BYTES ((uint32_t)sizeof(struct gm_frame_header))

static int refuse(struct gm_gateway *gateway, const struct gateway_outlet *outlet, const char *why)
{
    return gm_error_set(&gateway->error, GM_EFRAME_CORRUPT,
                        "exchange %u: frame %" PRIu64 " from executor %u to %u: %s",
                        (unsigned)outlet->exchange, outlet->sequence, (unsigned)outlet->source,
                        (unsigned)outlet->destination, why);
}

/* Checks the frame of a descriptor, which an executor wrote, and puts it into the message. */
static int append_frame(struct gm_gateway *gateway, struct gateway_peer *peer,
                        struct gateway_outlet *outlet, struct gm_descriptor descriptor,
                        struct gateway_message *message)
{
    const struct gm_region *region = gateway->region;
    uint8_t *frame = gm_region_frame(region, descriptor.frame_index);
    if (frame == NULL)
        return refuse(gateway, outlet, "its descriptor names no frame");
    if (descriptor.frame_bytes < HEADER_BYTES || descriptor.frame_bytes > region->spec.frame_bytes)
        return refuse(gateway, outlet, "its descriptor gives it a size no frame has");
    const uint32_t i = message->frame_count;
    struct gm_frame_header *header = &message->head.frames[i];
    memcpy(header, frame, sizeof *header);
    const struct gm_frame_expect expect = {.exchange = outlet->exchange,
                                           .source = outlet->source,
                                           .destination = outlet->destination,
                                           .attempt = region->spec.attempt,
                                           .sequence = outlet->sequence,
                                           .secret = region->spec.secret,
                                           .frame_bytes = descriptor.frame_bytes};
    const char *why = "";
    if (gm_frame_check(header, &expect, &why) != 0)
        return refuse(gateway, outlet, why);
    if (header->payload_bytes != descriptor.frame_bytes - HEADER_BYTES)
        return refuse(gateway, outlet, "its descriptor gives another size than it has");
    header->checksum = gm_checksum(frame + HEADER_BYTES, header->payload_bytes);
    header->flags |= GM_FRAME_CHECKSUM;
    header->seal = gm_frame_seal(header, region->spec.secret);
    message->frames[i].index = descriptor.frame_index;
    message->frames[i].account = outlet->account;
    message->frames[i].source = outlet->source;
    message->pieces[1 + i] = (struct iovec){frame + HEADER_BYTES, header->payload_bytes};
    message->frame_count++;
    outlet->sequence++;
    if (header->flags & GM_FRAME_END) {
        outlet->ended = true;
        peer->outlets_open--;
    }
    return 0;
}

/* One frame of each ring in turn, as long as credits and the message's room last. */
static int append_frames(struct gm_gateway *gateway, struct gateway_peer *peer,
                         struct gateway_message *message)
{
    uint32_t looked_count = 0, bytes = 0;
    while (message->frame_count < GM_WIRE_FRAMES_MAX && bytes < GM_WIRE_MESSAGE_BYTES &&
           looked_count < peer->outlet_count) {
        struct gateway_outlet *outlet = &peer->outlets[peer->outlet_at];
        peer->outlet_at = peer->outlet_at + 1 < peer->outlet_count ? peer->outlet_at + 1 : 0;
        looked_count++;
        uint64_t packed;
        if (outlet->ended || outlet->grant->credits == 0 ||
            gm_ring_pop(&outlet->ring, &packed, 1) == 0)
            continue;
        GM_SIM_YIELD();
        const struct gm_descriptor descriptor = gm_descriptor_unpack(packed);
        const int rc = append_frame(gateway, peer, outlet, descriptor, message);
        if (rc < 0)
            return rc;
        outlet->grant->credits--;
        bytes += descriptor.frame_bytes;
        looked_count = 0;
    }
    gateway->counts.sent_frames += message->frame_count;
    gateway->counts.sent_bytes += bytes - message->frame_count * HEADER_BYTES;
    return 0;
}

static void send_pieces(struct gm_gateway *gateway, uint16_t number,
                        const struct gateway_message *message)
{
    const struct gm_streams *streams = &gateway->spec.streams;
    streams->ops->send(streams->self, number, message->pieces + message->piece_at,
                       message->piece_count - message->piece_at);
    gateway->peers[number].sending = true;
}

int gm_gateway_send(struct gm_gateway *gateway, uint16_t number)
{
    const struct gm_region_spec *spec = &gateway->region->spec;
    struct gateway_peer *peer = &gateway->peers[number];
    if (peer->sending || peer->said_last ||
        peer->message_end - peer->message_first == GM_WIRE_WINDOW)
        return 0;
    struct gateway_message *message = &peer->messages[peer->message_end % GM_WIRE_WINDOW];
    *message = (struct gateway_message){
        .head = {.magic = GM_WIRE_MAGIC,
                 .attempt = spec->attempt,
                 .from = gateway->spec.node,
                 .to = peer->who.node,
                 .sequence = peer->out_sequence}};
    const int rc = append_frames(gateway, peer, message);
    if (rc < 0)
        return rc;
    struct gm_wire_head *head = &message->head;
    head->frame_count = (uint16_t)message->frame_count;
    head->credit_count = (uint16_t)gm_gateway_grants(gateway, peer, head->credits);
    if (head->frame_count == 0 && peer->outlets_open == 0 && peer->inlets_open == 0)
        head->flags = GM_WIRE_LAST;
    if (head->frame_count == 0 && head->credit_count == 0 && head->flags == 0)
        return 0;
    head->seal = gm_wire_seal(head, spec->secret);
    message->pieces[0] = (struct iovec){head, sizeof *head};
    message->piece_count = 1 + message->frame_count;
    peer->message_end++;
    peer->out_sequence++;
    peer->said_last = head->flags == GM_WIRE_LAST;
    gateway->counts.sent_messages++;
    send_pieces(gateway, number, message);
    return 1;
}

/* The frames of a message go back to the pool. */
static void message_release(struct gm_gateway *gateway, struct gateway_message *message)
{
    for (uint32_t i = 0; i < message->frame_count; i++)
        gm_pool_give(gateway->region->pool, message->frames[i].account, message->frames[i].index);
    for (uint32_t i = 0; i < message->frame_count; i++) {
        const uint16_t source = message->frames[i].source;
        if (i == 0 || source != message->frames[i - 1].source)
            gm_wake(gateway->ledger, &gateway->spec.bell,
                    gm_region_seat(&gateway->region->spec, source));
    }
}

int gm_gateway_sent(struct gm_gateway *gateway, uint16_t number,
                    const struct gm_stream_event *event)
{
    struct gateway_peer *peer = &gateway->peers[number];
    GM_CHECK(peer->sending);
    peer->sending = false;
    if (event->result < 0)
        return gm_gateway_broken(gateway, peer, event->result);
    struct gateway_message *message = &peer->messages[(peer->message_end - 1) % GM_WIRE_WINDOW];
    message->held_count += event->held;
    gm_gateway_advance(message->pieces, message->piece_count, &message->piece_at,
                       (size_t)event->result);
    if (message->piece_at < message->piece_count) {
        send_pieces(gateway, number, message);
        return 0;
    }
    message->sent = true;
    gm_gateway_released(gateway, number, false);
    return 0;
}

void gm_gateway_released(struct gm_gateway *gateway, uint16_t number, bool one)
{
    struct gateway_peer *peer = &gateway->peers[number];
    if (one) {
        struct gateway_message *message =
            &peer->messages[peer->message_first % GM_WIRE_WINDOW];
        GM_CHECK(peer->message_first < peer->message_end && message->held_count > 0);
        message->held_count--;
    }
    while (peer->message_first < peer->message_end) {
        struct gateway_message *message =
            &peer->messages[peer->message_first % GM_WIRE_WINDOW];
        if (!message->sent || message->held_count > 0)
            break;
        message_release(gateway, message);
        peer->message_first++;
    }
}
