/* transport.h - a thread that moves frames between this node and the others of a job: the gateway
 * over connected sockets.
 *
 * Threads: its own; all functions are the owner's.
 */
#ifndef GM_AGENT_NODE_TRANSPORT_H
#define GM_AGENT_NODE_TRANSPORT_H

#include "agent/node/order.h"
#include "shuffle/region.h"

struct gm_transport;

struct gm_transport_spec {
    const struct gm_region *region; /* borrowed; of this node */
    const struct gm_order *order;   /* borrowed: names and places of the nodes */
    uint32_t node;
    const int *bells;       /* borrowed; by seats */
    const int *connections; /* by node, this one's is passed over; taken over, also on an error */
    int note;               /* an eventfd that is written to when it has ended; borrowed */
};

/* Returns 0 or < 0 with error. */
int gm_transport_start(const struct gm_transport_spec *spec, struct gm_transport **ret_transport,
                       struct gm_error *error);

/* Returns GM_AGAIN while it works; 0: everything was sent and received; < 0: with error, which
 * names the node. */
int gm_transport_state(struct gm_transport *transport, struct gm_error *error);

/* Ends it and closes the connections; waits for that, a tenth of a second at most.  NULL is
 * allowed. */
void gm_transport_stop(struct gm_transport *transport);

#endif
