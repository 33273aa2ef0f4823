/* transport.c - a gateway and its streams in a thread of their own. */
#include "agent/node/transport.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "iouring/bell.h"
#include "iouring/tcp.h"
#include "shuffle/gateway.h"
#include "shuffle/port/clock.h"

/* The gateway's tables and two requests per socket: 256 nodes, 64 exchanges and 256 executors are
 * 6 MiB. */
#define HEAP_BYTES (32u << 20)

struct gm_transport {
    struct gm_region region; /* a view of its own */
    struct gm_eventfd_bell bell;
    uint32_t node, peer_count;
    int note;
    int sockets[GM_NODES_MAX]; /* by peer */
    struct gm_gateway_peer peers[GM_NODES_MAX];
    pthread_t thread;
    _Atomic bool cancel;
    _Atomic bool ended;
    struct gm_error error; /* of the thread; to be read when it has ended */
};

/* ---- the thread ------------------------------------------------------------------------------ */

static int work(struct gm_transport *transport, struct gm_heap *heap)
{
    const struct gm_clock clock = gm_clock_system();
    struct gm_gateway *gateway = NULL;
    struct gm_tcp *tcp;
    struct gm_error *error = &transport->error;
    int rc = gm_tcp_create(transport->sockets, transport->peer_count, GM_TCP_AUTO, heap, &tcp);
    if (rc < 0)
        return gm_error_set(error, rc, "cannot use the data connections: %s", gm_error_name(rc));
    const struct gm_gateway_spec spec = {.region = &transport->region,
                                         .bell = gm_eventfd_bell_port(&transport->bell),
                                         .streams = gm_tcp_port(tcp),
                                         .node = (uint16_t)transport->node,
                                         .peers = transport->peers,
                                         .peer_count = transport->peer_count};
    rc = gm_gateway_create(&spec, heap, &gateway, error);
    if (rc == 0)
        rc = gm_gateway_run(gateway, &clock, GM_SPIN_NS, &transport->cancel);
    if (rc < 0 && gateway != NULL)
        *error = *gm_gateway_error(gateway);
    if (rc < 0)
        gm_error_set(error, rc, "the transport between the nodes failed: %s", gm_error_name(rc));
    gm_tcp_destroy(tcp); /* before the gateway, into whose frames it may still write */
    gm_gateway_destroy(gateway);
    return rc;
}

static void *run_thread(void *opaque)
{
    struct gm_transport *transport = opaque;
    const uint64_t one = 1;
    struct gm_heap heap;
    int rc = gm_heap_init(&heap, HEAP_BYTES);
    if (rc < 0) {
        gm_error_set(&transport->error, rc, "no memory for the transport");
    } else {
        work(transport, &heap);
        gm_heap_fini(&heap);
    }
    atomic_store_explicit(&transport->ended, true, memory_order_release);
    if (write(transport->note, &one, sizeof one) < 0)
        return NULL; /* only a full counter: it is readable anyway */
    return NULL;
}

/* ---- the owner's side ------------------------------------------------------------------------ */

static void fill_peers(struct gm_transport *transport, const struct gm_transport_spec *spec)
{
    const struct gm_order *order = spec->order;
    for (uint32_t i = 0; i < order->node_count; i++) {
        if (i == spec->node)
            continue;
        const struct gm_job_place place = gm_order_place(order, i);
        const uint32_t at = transport->peer_count++;
        struct gm_gateway_peer *peer = &transport->peers[at];
        memcpy(peer->name, order->nodes[i].name, sizeof peer->name);
        peer->node = (uint16_t)i;
        peer->first = (uint16_t)place.first_local;
        peer->count = (uint16_t)place.local_count;
        peer->has_driver = place.driver_is_local;
        transport->sockets[at] = spec->connections[i];
        gm_tcp_tune(spec->connections[i]);
    }
}

int gm_transport_start(const struct gm_transport_spec *spec, struct gm_transport **ret_transport,
                       struct gm_error *error)
{
    struct gm_transport *transport = calloc(1, sizeof *transport);
    int rc = transport != NULL ? 0 : -ENOMEM;
    if (rc == 0) {
        const struct gm_region_spec *region = &spec->region->spec;
        gm_region_share(spec->region, &transport->region);
        gm_eventfd_bell_init(&transport->bell, spec->bells, gm_region_seat_count(region),
                             (uint16_t)gm_region_seat(region, gm_region_gateway(region)));
        transport->node = spec->node;
        transport->note = spec->note;
        fill_peers(transport, spec);
        rc = -pthread_create(&transport->thread, NULL, run_thread, transport);
    }
    if (rc == 0) {
        *ret_transport = transport;
        return 0;
    }
    for (uint32_t i = 0; i < spec->order->node_count; i++)
        if (i != spec->node)
            close(spec->connections[i]);
    free(transport);
    return gm_error_set(error, rc, "cannot start the transport: %s", gm_error_name(rc));
}

int gm_transport_state(struct gm_transport *transport, struct gm_error *error)
{
    if (!atomic_load_explicit(&transport->ended, memory_order_acquire))
        return GM_AGAIN;
    if (transport->error.code == 0)
        return 0;
    return gm_error_set(error, transport->error.code, "%s", transport->error.text);
}

void gm_transport_stop(struct gm_transport *transport)
{
    if (transport == NULL)
        return;
    atomic_store(&transport->cancel, true);
    const struct gm_bell bell = gm_eventfd_bell_port(&transport->bell);
    bell.ops->ring(bell.self, transport->bell.participant);
    pthread_join(transport->thread, NULL);
    gm_region_leave(&transport->region);
    free(transport);
}
