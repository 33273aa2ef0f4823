/* tcp_epoll.c - streams by plain calls: a request is tried, and tried again when epoll says so. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "iouring/tcp_internal.h"

#define EVENTS_PER_LOOK 32

int gm_tcp_epoll_init(struct gm_tcp *tcp)
{
    tcp->descriptor = epoll_create1(EPOLL_CLOEXEC);
    if (tcp->descriptor < 0)
        return -errno;
    for (uint32_t i = 0; i < tcp->peer_count; i++) {
        /* Edges: one registration for both directions, and no call to change it. */
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.u32 = i};
        if (epoll_ctl(tcp->descriptor, EPOLL_CTL_ADD, tcp->peers[i].socket, &event) < 0) {
            const int rc = -errno;
            close(tcp->descriptor);
            return rc;
        }
    }
    tcp->ops = &gm_tcp_ops_epoll;
    return 0;
}

void gm_tcp_epoll_fini(struct gm_tcp *tcp)
{
    close(tcp->descriptor);
}

/* Takes edges that have come: what was blocked may be tried again. */
static int look(struct gm_tcp *tcp)
{
    struct epoll_event events[EVENTS_PER_LOOK];
    int count;
    do {
        count = epoll_wait(tcp->descriptor, events, EVENTS_PER_LOOK, 0);
        if (count < 0)
            return errno == EINTR ? 0 : -errno;
        for (int i = 0; i < count; i++) {
            struct tcp_peer *peer = &tcp->peers[events[i].data.u32];
            if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                peer->receive.blocked = false;
            if (events[i].events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
                peer->send.blocked = false;
        }
    } while (count == EVENTS_PER_LOOK);
    return 0;
}

/* True: the request has ended, with *ret_result. */
static bool try_request(struct gm_tcp *tcp, int socket, struct tcp_request *request, bool sends,
                        int32_t *ret_result)
{
    if (request->state != TCP_QUEUED || request->blocked)
        return false;
    ssize_t done;
    do {
        done = sends ? sendmsg(socket, &request->message, MSG_DONTWAIT | MSG_NOSIGNAL)
                     : recvmsg(socket, &request->message, MSG_DONTWAIT);
    } while (done < 0 && errno == EINTR);
    if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        request->blocked = true;
        return false;
    }
    *ret_result = done < 0 ? -errno : (int32_t)done;
    request->state = TCP_IDLE;
    tcp->queued_count--;
    return true;
}

static int epoll_poll(void *self, struct gm_stream_event *ret_events, uint32_t count)
{
    struct gm_tcp *tcp = self;
    uint32_t used = 0;
    const int rc = look(tcp);
    if (rc < 0)
        return rc;
    tcp->armed = false;
    for (uint32_t i = 0; i < tcp->peer_count && used < count; i++) {
        const uint32_t number = (tcp->peer_at + i) % tcp->peer_count;
        struct tcp_peer *peer = &tcp->peers[number];
        int32_t result;
        if (try_request(tcp, peer->socket, &peer->send, true, &result))
            ret_events[used++] = (struct gm_stream_event){
                .peer = (uint16_t)number, .kind = GM_STREAM_SENT, .result = result};
        if (used < count &&
            try_request(tcp, peer->socket, &peer->receive, false, &result))
            ret_events[used++] = (struct gm_stream_event){
                .peer = (uint16_t)number, .kind = GM_STREAM_RECEIVED, .result = result};
    }
    if (tcp->peer_count > 0)
        tcp->peer_at = (tcp->peer_at + 1) % tcp->peer_count;
    return (int)used;
}

static void epoll_arm(void *self)
{
    ((struct gm_tcp *)self)->armed = true;
}

static int epoll_descriptor(void *self)
{
    return ((struct gm_tcp *)self)->descriptor;
}

const struct gm_streams_ops gm_tcp_ops_epoll = {.name = "epoll",
                                                .send = gm_tcp_send,
                                                .receive = gm_tcp_receive,
                                                .poll = epoll_poll,
                                                .arm = epoll_arm,
                                                .descriptor = epoll_descriptor};
