/* process.h - the process of a job on an agent: it owns the node's region, starts the executors,
 * runs the transport and tells the agent how it ended.
 *
 * It is the driver's own program, started with GLEAM_NODE in its environment, so that its executors
 * have the driver's functions.  A crash of it, or of an executor, is no affair of the agent's; it
 * dies with the agent, and its executors with it.
 */
#ifndef GM_AGENT_NODE_PROCESS_H
#define GM_AGENT_NODE_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "engine/base/error.h"

#define GM_NODE_VARIABLE "GLEAM_NODE"

/* Never returns when this process is one. */
void gm_node_process(void);

struct gm_node_program {
    const char *path;      /* of the program */
    const char *libraries; /* a folder for the loader to look in; NULL: none */
    int log;               /* descriptor for what it and its executors print */
};

/* Starts one from this thread, with whose end it is killed.  Returns 0 and the socket over which it
 * is told and tells (agent/node/mail.h), or < 0 with error. */
int gm_node_spawn(const struct gm_node_program *program, pid_t *ret_pid, int *ret_socket,
                  struct gm_error *error);

#endif
