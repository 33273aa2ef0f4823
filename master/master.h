/* master.h - the daemon: agents, jobs and the API (docs/cluster.md).
 *
 * Threads: those of the HTTP server, and the caller's, which ticks.  All state is behind one lock;
 * nothing waits for the network while it holds it.
 */
#ifndef GM_MASTER_MASTER_H
#define GM_MASTER_MASTER_H

#include "control/http.h"

struct gm_master_options {
    char host[GM_HOST_BYTES_MAX];
    uint16_t port;
    const char *directory; /* of the history; NULL: none is kept */
    struct gm_key key;
    uint64_t beat_ns; /* how often agents and drivers say that they live */
    uint64_t lost_ns; /* after which silence they are lost */
};

struct gm_master;

/* Listens and answers from here on.  *ret_port is where, *ret_why (or NULL) why only at the
 * loopback.  Returns 0 or < 0 with error. */
int gm_master_start(const struct gm_master_options *options, struct gm_master **ret_master,
                    uint16_t *ret_port, const char **ret_why, struct gm_error *error);

/* What time brings about; to be called every 0.1 s or so. */
void gm_master_tick(struct gm_master *master);

void gm_master_stop(struct gm_master *master);

#endif
