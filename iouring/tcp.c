/* tcp.c - sockets as they should be, queuing, and the choice of the backend. */
#include "iouring/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "iouring/tcp_internal.h"

/* bbr paces every packet by a timer: on loopback and veth that costs half of the throughput and
 * more CPU per byte.  Between hosts of one data center the others lose nothing.  One that somebody
 * chose on purpose for short ways, such as dctcp, stays. */
static void choose_congestion_control(int socket)
{
    static const char *const better[] = {"cubic", "reno"};
    char name[16] = "";
    socklen_t length = sizeof name - 1;
    if (getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name, &length) < 0 ||
        strncmp(name, "bbr", 3) != 0)
        return;
    for (uint32_t i = 0; i < sizeof better / sizeof *better; i++)
        if (setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, better[i],
                       (socklen_t)strlen(better[i])) == 0)
            return;
}

void gm_tcp_tune(int socket)
{
    static const int yes = 1;
    static const struct {
        int level, name, value;
    } options[] = {
        /* A message is one call: there is nothing to wait for. */
        {IPPROTO_TCP, TCP_NODELAY, yes},
        /* A peer that is cut off sends no end: unanswered bytes and probes end the wait. */
        {SOL_SOCKET, SO_KEEPALIVE, yes},
        {IPPROTO_TCP, TCP_KEEPIDLE, GM_STREAM_SILENCE_S / 3},
        {IPPROTO_TCP, TCP_KEEPINTVL, GM_STREAM_SILENCE_S / 3},
        {IPPROTO_TCP, TCP_KEEPCNT, 2},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, GM_STREAM_SILENCE_S * 1000},
    };
    for (uint32_t i = 0; i < sizeof options / sizeof *options; i++)
        (void)setsockopt(socket, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
    choose_congestion_control(socket);
}

static void queue(struct gm_tcp *tcp, struct tcp_request *request, const struct iovec *pieces,
                  uint32_t count)
{
    GM_CHECK(request->state == TCP_IDLE && count > 0);
    request->message = (struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)pieces,
                                       .msg_iovlen = count};
    request->state = TCP_QUEUED;
    tcp->queued_count++;
}

void gm_tcp_send(void *self, uint16_t peer, const struct iovec *pieces, uint32_t count)
{
    struct gm_tcp *tcp = self;
    GM_CHECK(peer < tcp->peer_count);
    queue(tcp, &tcp->peers[peer].send, pieces, count);
}

void gm_tcp_receive(void *self, uint16_t peer, const struct iovec *pieces, uint32_t count)
{
    struct gm_tcp *tcp = self;
    GM_CHECK(peer < tcp->peer_count);
    queue(tcp, &tcp->peers[peer].receive, pieces, count);
}

static int choose_backend(struct gm_tcp *tcp, enum gm_tcp_backend want)
{
    const char *setting = getenv("GLEAM_IO_URING");
    if (want == GM_TCP_AUTO && setting != NULL && strcmp(setting, "off") == 0)
        want = GM_TCP_EPOLL;
    if (want == GM_TCP_EPOLL)
        return gm_tcp_epoll_init(tcp);
#ifdef GM_HAVE_URING
    int rc = gm_tcp_uring_init(tcp);
#else
    int rc = -ENOSYS;
#endif
    if (rc == 0 || want == GM_TCP_URING)
        return rc;
    tcp->refusal = rc;
    return gm_tcp_epoll_init(tcp);
}

int gm_tcp_create(const int *sockets, uint32_t count, enum gm_tcp_backend want,
                  struct gm_heap *heap, struct gm_tcp **ret_tcp)
{
    GM_CHECK(count <= GM_NODES_MAX);
    struct gm_tcp *tcp = gm_heap_zalloc(heap, sizeof *tcp + count * sizeof *tcp->peers);
    int rc = GM_ETASK_MEMORY;
    if (tcp != NULL) {
        tcp->heap = heap;
        tcp->peer_count = count;
        tcp->descriptor = -1;
        for (uint32_t i = 0; i < count; i++)
            tcp->peers[i].socket = sockets[i];
        rc = choose_backend(tcp, want);
    }
    if (rc < 0) {
        for (uint32_t i = 0; i < count; i++)
            close(sockets[i]);
        if (tcp != NULL)
            gm_heap_free(heap, tcp, sizeof *tcp + count * sizeof *tcp->peers);
        return rc;
    }
    *ret_tcp = tcp;
    return 0;
}

void gm_tcp_destroy(struct gm_tcp *tcp)
{
    if (tcp == NULL)
        return;
    for (uint32_t i = 0; i < tcp->peer_count; i++)
        (void)shutdown(tcp->peers[i].socket, SHUT_RDWR);
#ifdef GM_HAVE_URING
    if (tcp->ops == &gm_tcp_ops_uring)
        gm_tcp_uring_fini(tcp);
#endif
    if (tcp->ops == &gm_tcp_ops_epoll)
        gm_tcp_epoll_fini(tcp);
    for (uint32_t i = 0; i < tcp->peer_count; i++)
        close(tcp->peers[i].socket);
    gm_heap_free(tcp->heap, tcp, sizeof *tcp + tcp->peer_count * sizeof *tcp->peers);
}

struct gm_streams gm_tcp_port(struct gm_tcp *tcp)
{
    return (struct gm_streams){.ops = tcp->ops, .self = tcp};
}

const char *gm_tcp_backend_name(const struct gm_tcp *tcp)
{
    return tcp->ops->name;
}

int gm_tcp_refusal(const struct gm_tcp *tcp)
{
    return tcp->refusal;
}
