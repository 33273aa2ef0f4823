/* tcp.h - the stream port over connected TCP sockets: io_uring, and epoll where that is forbidden.
 *
 * Threads:   created, used and destroyed by one thread (the ring knows its only submitter).
 * Memory:    the heap's: two requests per socket.  Bytes go from and to the pieces that were lent.
 * Blocking:  never.  io_uring: what is queued is submitted with one system call in poll, which also
 *            takes what has ended; an empty poll is one load.  epoll: one system call a request.
 * Sleeping:  an eventfd that the ring rings, only while armed; or the epoll descriptor.
 */
#ifndef GM_IOURING_TCP_H
#define GM_IOURING_TCP_H

#include <stdint.h>

#include "engine/base/heap.h"
#include "shuffle/port/stream.h"

enum gm_tcp_backend {
    GM_TCP_AUTO,  /* io_uring where the kernel allows it, else epoll; GLEAM_IO_URING=off in the
                   * environment chooses epoll */
    GM_TCP_URING, /* io_uring or an error */
    GM_TCP_EPOLL,
};

struct gm_tcp;

/* Takes over `count` connected sockets, one per peer, also when it fails: destroy closes them.
 * Borrows heap.  Returns 0, GM_ETASK_MEMORY or -errno. */
int gm_tcp_create(const int *sockets, uint32_t count, enum gm_tcp_backend want,
                  struct gm_heap *heap, struct gm_tcp **ret_tcp);
/* Shuts the sockets down and waits until nothing is under way in them any more, so that every
 * buffer is the caller's again.  What was sent before still reaches the peer.  NULL is allowed. */
void gm_tcp_destroy(struct gm_tcp *tcp);

/* The port; borrows tcp. */
struct gm_streams gm_tcp_port(struct gm_tcp *tcp);

/* "io_uring" or "epoll". */
const char *gm_tcp_backend_name(const struct gm_tcp *tcp);
/* Why io_uring is not in use although AUTO looked for it: -errno of its setup, -ENOSYS when the
 * build has none; 0 when it is in use, switched off or was not asked for. */
int gm_tcp_refusal(const struct gm_tcp *tcp);

/* Sets up a socket for frames, best before it is connected or listens: no delay, a congestion
 * control that does not cost, and an end to waiting for a peer that is cut off.  What the system
 * does not allow stays as it is; sockets that are not TCP (tests) likewise. */
void gm_tcp_tune(int socket);

#endif
