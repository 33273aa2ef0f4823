/* tcp_internal.h - what both backends of the streams share. */
#ifndef GM_IOURING_TCP_INTERNAL_H
#define GM_IOURING_TCP_INTERNAL_H

#include <sys/socket.h>

#include "iouring/tcp.h"

#ifdef GM_HAVE_URING
#include "iouring/ring.h"
#endif

enum tcp_state { TCP_IDLE, TCP_QUEUED, TCP_UNDER_WAY };

struct tcp_request {
    struct msghdr message;
    uint8_t state; /* enum tcp_state; epoll: never under way */
    bool blocked;  /* epoll: the last try said so, and no event came since */
    bool drained;  /* io_uring, receiving: the last one left nothing in the socket */
};

struct tcp_peer {
    int socket;
    struct tcp_request send, receive;
};

struct gm_tcp {
    const struct gm_streams_ops *ops;
    struct gm_heap *heap;
    int refusal;
    uint32_t peer_count;
    uint32_t peer_at;      /* epoll: whose turn is first */
    uint32_t queued_count; /* requests that poll has not started */
    uint32_t under_way_count;
    bool armed;
    int descriptor; /* epoll's, or the eventfd that the ring rings */
#ifdef GM_HAVE_URING
    struct io_uring ring;
    bool files_are_registered;
#endif
    struct tcp_peer peers[];
};

extern const struct gm_streams_ops gm_tcp_ops_epoll;
int gm_tcp_epoll_init(struct gm_tcp *tcp);
void gm_tcp_epoll_fini(struct gm_tcp *tcp);

#ifdef GM_HAVE_URING
extern const struct gm_streams_ops gm_tcp_ops_uring;
int gm_tcp_uring_init(struct gm_tcp *tcp);
/* The sockets are shut down. */
void gm_tcp_uring_fini(struct gm_tcp *tcp);
#endif

/* For the tables of operations: both backends queue alike. */
void gm_tcp_send(void *self, uint16_t peer, const struct iovec *pieces, uint32_t count);
void gm_tcp_receive(void *self, uint16_t peer, const struct iovec *pieces, uint32_t count);

#endif
