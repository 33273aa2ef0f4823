/* fake_streams.h - for tests: streams between nodes of one thread; they split, hold, damage, break.
 *
 * A wire is what is under way from one node to another.  Every poll moves a random number of bytes
 * into and out of it.
 */
#ifndef GM_TESTS_UNIT_SHUFFLE_FAKE_STREAMS_H
#define GM_TESTS_UNIT_SHUFFLE_FAKE_STREAMS_H

#include <errno.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/prng.h"
#include "shuffle/port/stream.h"

#define FAKE_NODES_MAX 4
#define FAKE_WIRE_BYTES 8192

struct fake_weather {
    uint64_t seed;
    uint32_t chunk_max; /* bytes that pass at once */
    uint64_t hold_odds; /* one send of this many holds its memory for a while; 0: none */
    /* From node 0 to node 1, what happens to the byte at this place; UINT64_MAX: nothing. */
    uint64_t damage_at, break_at, close_at;
};

struct fake_wire {
    uint8_t bytes[FAKE_WIRE_BYTES];
    uint32_t first, count;
    uint64_t passed_bytes;
    int32_t broken; /* what both ends get; 1: the reader gets an end */
};

struct fake_request {
    const struct iovec *pieces;
    uint32_t count; /* 0: none */
};

struct fake_peer {
    struct fake_wire *out, *in;
    struct fake_request send, receive;
    uint32_t held_count;
    bool unlucky;
};

struct fake_node {
    struct fake_weather *weather;
    struct gm_prng *prng;
    struct fake_peer peers[FAKE_NODES_MAX];
    uint32_t peer_count;
};

struct fake_net {
    struct fake_weather weather;
    struct gm_prng prng;
    struct fake_wire wires[FAKE_NODES_MAX][FAKE_NODES_MAX]; /* from, to */
    struct fake_node nodes[FAKE_NODES_MAX];
};

static inline void fake_send(void *self, uint16_t peer, const struct iovec *pieces, uint32_t count)
{
    struct fake_node *node = self;
    GM_CHECK(peer < node->peer_count && count > 0 && node->peers[peer].send.count == 0);
    node->peers[peer].send = (struct fake_request){pieces, count};
}

static inline void fake_receive(void *self, uint16_t peer, const struct iovec *pieces,
                                uint32_t count)
{
    struct fake_node *node = self;
    GM_CHECK(peer < node->peer_count && count > 0 && node->peers[peer].receive.count == 0);
    node->peers[peer].receive = (struct fake_request){pieces, count};
}

/* Copies up to `most` bytes between the wire and the pieces. */
static inline uint32_t fake_move(struct fake_wire *wire, const struct fake_request *request,
                                 uint32_t most, bool into)
{
    uint32_t moved = 0;
    for (uint32_t i = 0; i < request->count && moved < most; i++) {
        uint8_t *data = request->pieces[i].iov_base;
        for (size_t b = 0; b < request->pieces[i].iov_len && moved < most; b++, moved++) {
            if (into)
                wire->bytes[(wire->first + wire->count++) % FAKE_WIRE_BYTES] = data[b];
            else
                data[b] = wire->bytes[(wire->first + moved) % FAKE_WIRE_BYTES];
        }
    }
    if (!into) {
        wire->first = (wire->first + moved) % FAKE_WIRE_BYTES;
        wire->count -= moved;
    }
    return moved;
}

/* The bytes just put in may be the ones to which something happens. */
static inline void fake_mishap(const struct fake_weather *weather, struct fake_wire *wire,
                               uint32_t moved)
{
    const uint64_t begin = wire->passed_bytes, end = wire->passed_bytes += moved;
    if (weather->damage_at >= begin && weather->damage_at < end)
        wire->bytes[(wire->first + wire->count - (end - weather->damage_at)) % FAKE_WIRE_BYTES] ^=
            0x10;
    const uint64_t cut_at = weather->break_at < weather->close_at ? weather->break_at
                                                                  : weather->close_at;
    if (cut_at >= begin && cut_at < end) {
        wire->count -= (uint32_t)(end - cut_at);
        wire->broken = weather->break_at < weather->close_at ? -ECONNRESET : 1;
    }
}

static inline uint32_t fake_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline int fake_poll(void *self, struct gm_stream_event *ret_events, uint32_t count)
{
    struct fake_node *node = self;
    uint32_t used = 0;
    for (uint16_t p = 0; p < node->peer_count && used + 3 <= count; p++) {
        struct fake_peer *peer = &node->peers[p];
        const uint32_t most = 1 + (uint32_t)gm_prng_below(node->prng, node->weather->chunk_max);
        if (peer->held_count > 0 && gm_prng_below(node->prng, 3) == 0) {
            peer->held_count--;
            ret_events[used++] = (struct gm_stream_event){.peer = p, .kind = GM_STREAM_RELEASED};
        }
        const uint32_t room = FAKE_WIRE_BYTES - peer->out->count;
        if (peer->send.count > 0 && (room > 0 || peer->out->broken != 0)) {
            int32_t result = -EPIPE;
            if (peer->out->broken == 0) {
                result = (int32_t)fake_move(peer->out, &peer->send, fake_least(most, room), true);
                if (peer->unlucky)
                    fake_mishap(node->weather, peer->out, (uint32_t)result);
            }
            peer->send.count = 0;
            const bool held = result > 0 && node->weather->hold_odds > 0 &&
                              gm_prng_below(node->prng, node->weather->hold_odds) == 0;
            peer->held_count += held;
            ret_events[used++] = (struct gm_stream_event){
                .peer = p, .kind = GM_STREAM_SENT, .held = held, .result = result};
        }
        if (peer->receive.count > 0 && (peer->in->count > 0 || peer->in->broken != 0)) {
            int32_t result = peer->in->broken == 1 ? 0 : peer->in->broken;
            if (peer->in->count > 0)
                result = (int32_t)fake_move(peer->in, &peer->receive,
                                            fake_least(most, peer->in->count), false);
            peer->receive.count = 0;
            ret_events[used++] = (struct gm_stream_event){
                .peer = p, .kind = GM_STREAM_RECEIVED, .result = result};
        }
    }
    return (int)used;
}

static const struct gm_streams_ops fake_streams_ops = {
    .name = "fake", .send = fake_send, .receive = fake_receive, .poll = fake_poll};

/* Peers are numbered by their nodes, without oneself. */
static inline void fake_net_open(struct fake_net *net, const struct fake_weather *weather,
                                 uint32_t node_count)
{
    memset(net, 0, sizeof *net);
    net->weather = *weather;
    gm_prng_init(&net->prng, weather->seed);
    for (uint32_t n = 0; n < node_count; n++) {
        struct fake_node *node = &net->nodes[n];
        node->weather = &net->weather;
        node->prng = &net->prng;
        for (uint32_t other = 0; other < node_count; other++)
            if (other != n)
                node->peers[node->peer_count++] = (struct fake_peer){
                    .out = &net->wires[n][other],
                    .in = &net->wires[other][n],
                    .unlucky = n == 0 && other == 1};
    }
}

static inline struct gm_streams fake_net_port(struct fake_net *net, uint32_t node)
{
    return (struct gm_streams){&fake_streams_ops, &net->nodes[node]};
}

#endif
