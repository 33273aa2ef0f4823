/* mail.h - messages between an agent and the process of a job, over a socket pair.
 *
 * One SOCK_SEQPACKET message each: a kind, bytes, and with some a descriptor.
 * Down: the setup (with the driver's order as a descriptor), and connections to other nodes.
 * Up:   that it is ready, how far it is, and how it ended.
 */
#ifndef GM_AGENT_NODE_MAIL_H
#define GM_AGENT_NODE_MAIL_H

#include <stddef.h>
#include <stdint.h>

#include "agent/control.h"
#include "agent/options.h"

/* An outcome, and two numbers for each executor. */
#define GM_MAIL_BYTES_MAX (GM_CONTROL_BYTES_MAX + 16 * GM_EXECUTORS_MAX + 64)

enum gm_mail {
    GM_MAIL_SETUP = 1,
    GM_MAIL_CONNECTION,
    GM_MAIL_READY,
    GM_MAIL_STATUS,
    GM_MAIL_OUTCOME,
};

/* What the agent decides for a job: the driver's order is beside it, as a descriptor. */
struct gm_setup {
    uint32_t node; /* of the order's nodes, which one this is */
    uint32_t core_count;
    uint32_t cores[GM_EXECUTORS_MAX]; /* of the executors */
    uint32_t transport_core;          /* UINT32_MAX: those of the executors */
    uint64_t memory_bytes;
    uint32_t pages; /* enum gm_pages_want */
    uint32_t reserved;
    uint64_t huge_bytes;
    uint64_t order_bytes;
    struct gm_spill_paths spill;
};

/* How far the node is: the sums of its executors' ledgers. */
struct gm_node_status {
    uint64_t input_bytes;
    uint64_t rows[GM_LEDGER_ROWS_MAX];
};

/* fd < 0: none goes with it.  Blocks while the other side's buffer is full.  Returns 0 or -errno.
 */
int gm_mail_send(int socket, enum gm_mail kind, const void *data, size_t bytes, int fd);

/* Waits for a message, or does not (flags MSG_DONTWAIT).  data has room for GM_MAIL_BYTES_MAX.
 * Returns the kind, with *ret_fd >= 0 where one came (the caller closes it); 0: nothing there; < 0:
 * GM_EPEER_DIED at the end, or -errno. */
int gm_mail_receive(int socket, int flags, void *data, size_t *ret_bytes, int *ret_fd);

#endif
