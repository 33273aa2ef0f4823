/* gateway.c - the gateway's tables, its turns, and its sleep. */
#include "shuffle/gateway.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "shuffle/gateway_internal.h"
#include "shuffle/wake.h"

#define EVENTS_PER_POLL 16
/* A sleep ends by the bell or a stream; this long at most until `cancel` is looked at. */
#define SLEEP_NS_MAX 100000000

/* ---- tables ---------------------------------------------------------------------------------- */

/* Executors and driver of the peers: each is at one node, and none of them here. */
static const char *check_peers(const struct gm_gateway_spec *spec)
{
    const struct gm_region_spec *region = &spec->region->spec;
    uint32_t driver_count = region->driver_is_local;
    bool known[GM_EXECUTORS_MAX] = {false};
    uint32_t known_count = 0;
    for (uint32_t i = 0; i < spec->peer_count; i++) {
        const struct gm_gateway_peer *peer = &spec->peers[i];
        driver_count += peer->has_driver;
        if (peer->first > region->executor_count ||
            peer->count > region->executor_count - peer->first)
            return "a node has executors that the job has not";
        for (uint32_t e = peer->first; e < peer->first + (uint32_t)peer->count; e++) {
            if (known[e] || gm_region_executor_is_local(region, e))
                return "an executor is at two nodes";
            known[e] = true;
            known_count++;
        }
    }
    if (known_count + region->local_count != region->executor_count)
        return "an executor is at no node";
    return driver_count == 1 ? NULL : "the driver is not at exactly one node";
}

/* Rings from one source of this node to a peer, in an exchange. */
static uint32_t outlets_of(const struct gm_region_spec *spec, const struct gm_gateway_peer *peer,
                           uint32_t exchange)
{
    return spec->exchanges[exchange].to_driver ? peer->has_driver : peer->count;
}

/* Rings from one source of a peer to this node. */
static uint32_t inlets_of(const struct gm_region_spec *spec, uint32_t exchange)
{
    return spec->exchanges[exchange].to_driver ? spec->driver_is_local : spec->local_count;
}

static size_t peer_table_bytes(const struct gm_region_spec *spec,
                               const struct gm_gateway_peer *peer)
{
    size_t outlets = 0, inlets = 0;
    for (uint32_t e = 0; e < spec->exchange_count; e++) {
        outlets += (size_t)spec->local_count * outlets_of(spec, peer, e);
        inlets += (size_t)peer->count * inlets_of(spec, e);
    }
    const size_t grants = (size_t)spec->exchange_count * spec->local_count;
    const size_t inflows = (size_t)spec->exchange_count * peer->count;
    return outlets * sizeof(struct gateway_outlet) + inlets * sizeof(struct gateway_inlet) +
           (grants * sizeof(struct gateway_grant) + 7) / 8 * 8 +
           inflows * sizeof(struct gateway_inflow);
}

static int open_outlets(struct gm_gateway *gateway, struct gateway_peer *peer, uint32_t exchange,
                        uint32_t source)
{
    const struct gm_region *region = gateway->region;
    const struct gm_region_spec *spec = &region->spec;
    const bool to_driver = spec->exchanges[exchange].to_driver;
    for (uint32_t i = 0; i < outlets_of(spec, &peer->who, exchange); i++) {
        const uint32_t destination = to_driver ? spec->executor_count : peer->who.first + i;
        struct gateway_outlet *outlet = &peer->outlets[peer->outlet_count++];
        *outlet = (struct gateway_outlet){
            .grant = &peer->grants[exchange * spec->local_count + source - spec->first_local],
            .account = gm_region_account(region, exchange, source),
            .exchange = (uint16_t)exchange,
            .source = (uint16_t)source,
            .destination = (uint16_t)destination};
        void *ring = gm_region_ring(region, exchange, source, destination);
        const int rc =
            gm_ring_join_consumer(ring, spec->exchanges[exchange].ring_slots, &outlet->ring);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Takes the inlets from *next on. */
static int open_inflow(struct gm_gateway *gateway, struct gateway_peer *peer, uint32_t exchange,
                       uint32_t source, struct gateway_inlet **next)
{
    const struct gm_region *region = gateway->region;
    const struct gm_region_spec *spec = &region->spec;
    const struct gm_exchange_shape *shape = &spec->exchanges[exchange];
    const uint32_t inlet_count = inlets_of(spec, exchange);
    struct gateway_inflow *inflow = &peer->inflows[peer->inflow_count++];
    *inflow = (struct gateway_inflow){
        .account = gm_region_account(region, exchange, source),
        .quota = inlet_count > 0 ? shape->credit_frames : 0,
        .open_count = inlet_count,
        .exchange = (uint16_t)exchange,
        .source = (uint16_t)source,
        .inlets = *next};
    *next += inlet_count;
    peer->inlets_open += inlet_count;
    for (uint32_t i = 0; i < inlet_count; i++) {
        const uint32_t destination = shape->to_driver ? spec->executor_count
                                                      : spec->first_local + i;
        void *ring = gm_region_ring(region, exchange, source, destination);
        const int rc = gm_ring_join_producer(ring, shape->ring_slots, &inflow->inlets[i].ring);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int open_peer(struct gm_gateway *gateway, struct gateway_peer *peer, uint8_t *tables)
{
    const struct gm_region_spec *spec = &gateway->region->spec;
    const uint32_t first = spec->first_local, end = first + spec->local_count;
    int rc = 0;
    peer->grants = (struct gateway_grant *)tables;
    tables += ((size_t)spec->exchange_count * spec->local_count * sizeof(struct gateway_grant) +
               7) / 8 * 8;
    peer->outlets = (struct gateway_outlet *)tables;
    for (uint32_t e = 0; e < spec->exchange_count; e++)
        for (uint32_t source = first; source < end && rc == 0; source++)
            rc = open_outlets(gateway, peer, e, source);
    peer->outlets_open = peer->outlet_count;
    peer->inflows = (struct gateway_inflow *)(peer->outlets + peer->outlet_count);
    struct gateway_inlet *inlets = (struct gateway_inlet *)(
        peer->inflows + (size_t)spec->exchange_count * peer->who.count);
    const uint32_t peer_end = peer->who.first + (uint32_t)peer->who.count;
    for (uint32_t e = 0; e < spec->exchange_count; e++)
        for (uint32_t source = peer->who.first; source < peer_end && rc == 0; source++)
            rc = open_inflow(gateway, peer, e, source, &inlets);
    peer->pieces[0] = (struct iovec){&peer->head, sizeof peer->head};
    peer->piece_count = 1;
    return rc;
}

int gm_gateway_create(const struct gm_gateway_spec *spec, struct gm_heap *heap,
                      struct gm_gateway **ret_gateway, struct gm_error *error)
{
    const struct gm_region_spec *region = &spec->region->spec;
    GM_CHECK(gm_region_has_gateway(region));
    GM_CHECK(spec->peer_count <= GM_NODES_MAX);
    const char *why = check_peers(spec);
    if (why != NULL)
        return gm_error_set(error, GM_EPEER_PROTOCOL, "the job's nodes make no sense: %s", why);
    size_t bytes = sizeof(struct gm_gateway) + spec->peer_count * sizeof(struct gateway_peer);
    for (uint32_t i = 0; i < spec->peer_count; i++)
        bytes += peer_table_bytes(region, &spec->peers[i]);
    struct gm_gateway *gateway = gm_heap_zalloc(heap, bytes);
    if (gateway == NULL)
        return gm_error_set(error, GM_ETASK_MEMORY, "no memory for the tables of the network; give "
                            "more with --memory");
    gateway->spec = *spec;
    gateway->spec.peers = NULL; /* copied below */
    gateway->region = spec->region;
    gateway->heap = heap;
    gateway->bytes = bytes;
    gateway->seat = gm_region_seat(region, gm_region_gateway(region));
    gateway->ledger = gm_region_ledger(spec->region, gm_region_gateway(region)) - gateway->seat;
    gateway->peers = (struct gateway_peer *)(gateway + 1);
    uint8_t *tables = (uint8_t *)(gateway->peers + spec->peer_count);
    for (uint32_t i = 0; i < spec->peer_count; i++) {
        gateway->peers[i].who = spec->peers[i];
        const int rc = open_peer(gateway, &gateway->peers[i], tables);
        tables += peer_table_bytes(region, &spec->peers[i]);
        if (rc < 0) {
            gm_gateway_destroy(gateway);
            return gm_error_set(error, rc, "the rings to other nodes were written over");
        }
    }
    *ret_gateway = gateway;
    return 0;
}

void gm_gateway_destroy(struct gm_gateway *gateway)
{
    if (gateway != NULL)
        gm_heap_free(gateway->heap, gateway, gateway->bytes);
}

const struct gm_error *gm_gateway_error(const struct gm_gateway *gateway)
{
    return &gateway->error;
}

void gm_gateway_counts(const struct gm_gateway *gateway, struct gm_gateway_counts *ret_counts)
{
    *ret_counts = gateway->counts;
}

/* ---- turns ----------------------------------------------------------------------------------- */

void gm_gateway_advance(struct iovec *pieces, uint32_t count, uint32_t *at, size_t bytes)
{
    while (*at < count && pieces[*at].iov_len <= bytes) {
        bytes -= pieces[*at].iov_len;
        pieces[*at] = (struct iovec){0};
        (*at)++;
    }
    GM_CHECK(*at < count || bytes == 0);
    if (bytes > 0) {
        pieces[*at].iov_base = (uint8_t *)pieces[*at].iov_base + bytes;
        pieces[*at].iov_len -= bytes;
    }
}

int gm_gateway_broken(struct gm_gateway *gateway, const struct gateway_peer *peer, int32_t result)
{
    return gm_error_set(&gateway->error, GM_EPEER_LOST,
                        "node %s %s%s before its rows had all come and gone (%u rings from it and "
                        "%u to it are not at their end); look there for the cause",
                        peer->who.name,
                        result == 0 ? "closed the connection" : "is lost: ",
                        result == 0 ? "" : gm_error_name(result), peer->inlets_open,
                        peer->outlets_open);
}

static int handle(struct gm_gateway *gateway, const struct gm_stream_event *event)
{
    if (event->peer >= gateway->spec.peer_count)
        return gm_error_set(&gateway->error, GM_EPEER_PROTOCOL, "an event of no stream");
    if (event->kind == GM_STREAM_RECEIVED)
        return gm_gateway_received(gateway, event->peer, event->result);
    if (event->kind == GM_STREAM_SENT)
        return gm_gateway_sent(gateway, event->peer, event);
    gm_gateway_released(gateway, event->peer, true);
    return 0;
}

static bool is_finished(const struct gateway_peer *peer)
{
    return peer->said_last && peer->heard_last && peer->message_first == peer->message_end;
}

int gm_gateway_step(struct gm_gateway *gateway)
{
    const uint32_t peer_count = gateway->spec.peer_count;
    bool progressed = false, finished = true;
    if (gateway->error.code != 0)
        return gateway->error.code;
    for (uint32_t i = 0; i < peer_count; i++) {
        const uint16_t number = (uint16_t)((gateway->peer_at + i) % peer_count);
        gm_gateway_receive(gateway, number);
        const int rc = gm_gateway_send(gateway, number);
        if (rc < 0)
            return rc;
        progressed = progressed || rc > 0;
    }
    gateway->peer_at = peer_count > 0 ? (gateway->peer_at + 1) % peer_count : 0;
    struct gm_stream_event events[EVENTS_PER_POLL];
    const struct gm_streams *streams = &gateway->spec.streams;
    const int count = streams->ops->poll(streams->self, events, EVENTS_PER_POLL);
    if (count < 0)
        return gm_error_set(&gateway->error, count, "the connections to other nodes fail: %s",
                            gm_error_name(count));
    for (int i = 0; i < count; i++) {
        const int rc = handle(gateway, &events[i]);
        if (rc < 0)
            return rc;
    }
    for (uint32_t i = 0; i < peer_count; i++)
        finished = finished && is_finished(&gateway->peers[i]);
    return finished ? GM_END : progressed || count > 0 ? 0 : GM_AGAIN;
}

/* As an executor sleeps: what came before the announcement is seen by the step behind it. */
static int sleep_on_bell(struct gm_gateway *gateway)
{
    const struct gm_streams *streams = &gateway->spec.streams;
    const struct gm_bell *bell = &gateway->spec.bell;
    struct gm_ledger_entry *entry = &gateway->ledger[gateway->seat];
    gm_sleep_announce(entry);
    streams->ops->arm(streams->self);
    const int rc = gm_gateway_step(gateway);
    if (rc == GM_AGAIN) {
        const int descriptor = streams->ops->descriptor(streams->self);
        gateway->counts.slept_count++;
        bell->ops->wait(bell->self, &descriptor, 1, SLEEP_NS_MAX);
    }
    gm_sleep_end(entry);
    return rc;
}

int gm_gateway_run(struct gm_gateway *gateway, const struct gm_clock *clock, uint64_t spin_ns,
                   const _Atomic bool *cancel)
{
    uint64_t idle_since = 0; /* 0: it got on last time */
    for (;;) {
        int rc = gm_gateway_step(gateway);
        if (cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed))
            return gm_error_set(&gateway->error, GM_EJOB_CANCELLED, "stopped");
        if (rc == GM_AGAIN) {
            const uint64_t now = gm_clock_now_ns(clock);
            if (idle_since == 0)
                idle_since = now;
            else if (now - idle_since >= spin_ns)
                rc = sleep_on_bell(gateway);
        }
        if (rc == GM_END || rc < 0)
            return rc == GM_END ? 0 : rc;
        if (rc == 0)
            idle_since = 0;
    }
}
