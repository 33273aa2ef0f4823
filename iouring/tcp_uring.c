/* tcp_uring.c - streams over io_uring.
 *
 * With IORING_SETUP_DEFER_TASKRUN what has become ready is worked off by this thread when it asks
 * for it, not by an interruption: copies happen when their bytes are wanted.  A thread that sleeps
 * in poll(2) on such a ring is not woken (ring.c), but the ring can ring an eventfd.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "iouring/tcp_internal.h"

enum { DATA_SEND, DATA_RECEIVE }; /* the low bit of a request's number; the peer is above */

static int make_ready(struct gm_tcp *tcp)
{
    for (uint32_t i = 0; i < tcp->peer_count; i++) {
        /* The ring waits by itself; a socket that does not wait makes it answer EAGAIN. */
        const int flags = fcntl(tcp->peers[i].socket, F_GETFL);
        if (flags < 0 || fcntl(tcp->peers[i].socket, F_SETFL, flags & ~O_NONBLOCK) < 0)
            return -errno;
    }
    tcp->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (tcp->descriptor < 0)
        return -errno;
    int rc = io_uring_register_eventfd(&tcp->ring, tcp->descriptor);
    if (rc == 0)
        rc = io_uring_cq_eventfd_toggle(&tcp->ring, false);
    if (rc < 0) {
        close(tcp->descriptor);
        return rc;
    }
    /* Both save a look-up per call, and can be done without. */
    int sockets[GM_NODES_MAX];
    for (uint32_t i = 0; i < tcp->peer_count; i++)
        sockets[i] = tcp->peers[i].socket;
    tcp->files_are_registered =
        tcp->peer_count > 0 &&
        io_uring_register_files(&tcp->ring, sockets, tcp->peer_count) == 0;
    (void)io_uring_register_ring_fd(&tcp->ring);
    return 0;
}

int gm_tcp_uring_init(struct gm_tcp *tcp)
{
    static const int needs[] = {IORING_OP_SENDMSG, IORING_OP_RECVMSG, IORING_OP_LAST};
    uint32_t depth = 2;
    while (depth < 2 * tcp->peer_count)
        depth *= 2;
    int rc = gm_ring_open(&tcp->ring, depth,
                          IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG, needs);
    if (rc < 0)
        return rc;
    rc = make_ready(tcp);
    if (rc < 0) {
        io_uring_queue_exit(&tcp->ring);
        return rc;
    }
    tcp->ops = &gm_tcp_ops_uring;
    return 0;
}

static void prepare(struct gm_tcp *tcp, uint32_t number, struct tcp_request *request, bool sends)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&tcp->ring);
    GM_CHECK(sqe != NULL); /* as deep as there are requests */
    const int file = tcp->files_are_registered ? (int)number : tcp->peers[number].socket;
    if (sends) {
        /* WAITALL: the ring goes on with the rest when the socket is full in between. */
        io_uring_prep_sendmsg(sqe, file, &request->message, MSG_NOSIGNAL | MSG_WAITALL);
    } else {
        io_uring_prep_recvmsg(sqe, file, &request->message, 0);
        if (request->drained)
            sqe->ioprio = IORING_RECVSEND_POLL_FIRST; /* saves a try in vain */
    }
    if (tcp->files_are_registered)
        sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, (uint64_t)number << 1 | (sends ? DATA_SEND : DATA_RECEIVE));
    request->state = TCP_UNDER_WAY;
    tcp->queued_count--;
    tcp->under_way_count++;
}

/* Hands over what is queued, and lets the kernel work off what became ready. */
static int submit(struct gm_tcp *tcp)
{
    const unsigned flags = IO_URING_READ_ONCE(*tcp->ring.sq.kflags);
    if (tcp->queued_count == 0 && io_uring_sq_ready(&tcp->ring) == 0 &&
        (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0)
        return 0;
    for (uint32_t i = 0; i < tcp->peer_count && tcp->queued_count > 0; i++) {
        struct tcp_peer *peer = &tcp->peers[i];
        if (peer->send.state == TCP_QUEUED)
            prepare(tcp, i, &peer->send, true);
        if (peer->receive.state == TCP_QUEUED)
            prepare(tcp, i, &peer->receive, false);
    }
    const int rc = io_uring_submit_and_get_events(&tcp->ring);
    /* Short of memory for a moment, or a signal: what was not taken stays in the ring. */
    return rc < 0 && rc != -EAGAIN && rc != -EBUSY && rc != -EINTR ? rc : 0;
}

static void disarm(struct gm_tcp *tcp)
{
    uint64_t rings;
    (void)io_uring_cq_eventfd_toggle(&tcp->ring, false);
    while (read(tcp->descriptor, &rings, sizeof rings) < 0 && errno == EINTR) {
    }
    tcp->armed = false;
}

static int uring_poll(void *self, struct gm_stream_event *ret_events, uint32_t count)
{
    struct gm_tcp *tcp = self;
    const int rc = submit(tcp);
    if (rc < 0)
        return rc;
    uint32_t used = 0;
    struct io_uring_cqe *cqe;
    while (used < count && io_uring_peek_cqe(&tcp->ring, &cqe) == 0) {
        const bool sends = (cqe->user_data & 1) == DATA_SEND;
        struct tcp_peer *peer = &tcp->peers[cqe->user_data >> 1];
        struct tcp_request *request = sends ? &peer->send : &peer->receive;
        request->state = TCP_IDLE;
        request->drained = !sends && (cqe->flags & IORING_CQE_F_SOCK_NONEMPTY) == 0;
        tcp->under_way_count--;
        ret_events[used++] = (struct gm_stream_event){
            .peer = (uint16_t)(cqe->user_data >> 1),
            .kind = sends ? GM_STREAM_SENT : GM_STREAM_RECEIVED,
            .result = cqe->res};
        io_uring_cqe_seen(&tcp->ring, cqe);
    }
    if (tcp->armed && used > 0)
        disarm(tcp);
    return (int)used;
}

static void uring_arm(void *self)
{
    struct gm_tcp *tcp = self;
    if (tcp->armed)
        disarm(tcp); /* forgets what rang so far */
    (void)io_uring_cq_eventfd_toggle(&tcp->ring, true);
    tcp->armed = true;
}

static int uring_descriptor(void *self)
{
    return ((struct gm_tcp *)self)->descriptor;
}

void gm_tcp_uring_fini(struct gm_tcp *tcp)
{
    struct gm_stream_event events[16];
    while (tcp->under_way_count > 0) {
        const int rc = io_uring_submit_and_wait(&tcp->ring, 1);
        GM_CHECK(rc >= 0 || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY);
        (void)uring_poll(tcp, events, 16);
    }
    io_uring_queue_exit(&tcp->ring);
    close(tcp->descriptor);
}

const struct gm_streams_ops gm_tcp_ops_uring = {.name = "io_uring",
                                                .send = gm_tcp_send,
                                                .receive = gm_tcp_receive,
                                                .poll = uring_poll,
                                                .arm = uring_arm,
                                                .descriptor = uring_descriptor};
