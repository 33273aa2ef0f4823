/* daemon.h - an agent: one node of a cluster.
 *
 * Threads: those of the HTTP server, one that beats to the master, one per job and per data
 * connection that is greeted; the caller's only starts and stops it.
 */
#ifndef GM_AGENT_NODE_DAEMON_H
#define GM_AGENT_NODE_DAEMON_H

#include "agent/options.h"
#include "control/message.h"

struct gm_daemon_options {
    struct gm_options run;       /* settled: cores, memory, huge pages, spill directories, master */
    struct gm_key key;
    char directory[GM_PATH_BYTES_MAX]; /* absolute */
    /* Where others reach it; "": this machine's name, or the loopback. */
    char host[GM_HOST_BYTES_MAX];
    uint16_t port;
    uint32_t transport_cores;
    char net[GM_LABEL_BYTES_MAX];
    char data_center[GM_LABEL_BYTES_MAX];
    char rack[GM_LABEL_BYTES_MAX];
};

struct gm_daemon;

/* Listens from here on, and says on standard error when the master knows it.  *ret_why (or NULL):
 * why only at the loopback.  Returns 0 or < 0 with error. */
int gm_daemon_start(const struct gm_daemon_options *options, struct gm_daemon **ret_daemon,
                    const char **ret_why, struct gm_error *error);
/* Where it listens, HOST:PORT. */
const char *gm_daemon_address(const struct gm_daemon *daemon);
/* Ends all jobs. */
void gm_daemon_stop(struct gm_daemon *daemon);

#endif
