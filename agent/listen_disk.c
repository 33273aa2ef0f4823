/* listen_disk.c - sockets without blocking, tried whenever the executor looks. */
#include "agent/listen_disk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/error.h"

struct gm_listen_disk {
    struct gm_heap *heap;
    _Atomic uint64_t *port;
    int listening;  /* -1: not, or no more */
    int connection; /* -1: nobody has connected */
    /* the request under way */
    bool asked;
    void *buffer;
    uint32_t want;
    void *tag;
};

int gm_listen_disk_create(_Atomic uint64_t *port, struct gm_heap *heap,
                          struct gm_listen_disk **ret_disk)
{
    struct gm_listen_disk *disk = gm_heap_zalloc(heap, sizeof *disk);
    if (disk == NULL)
        return GM_ETASK_MEMORY;
    disk->heap = heap;
    disk->port = port;
    disk->listening = -1;
    disk->connection = -1;
    *ret_disk = disk;
    return 0;
}

static void close_all(struct gm_listen_disk *disk)
{
    if (disk->listening >= 0)
        close(disk->listening);
    if (disk->connection >= 0)
        close(disk->connection);
    disk->listening = disk->connection = -1;
}

void gm_listen_disk_destroy(struct gm_listen_disk *disk)
{
    if (disk == NULL)
        return;
    close_all(disk);
    gm_heap_free(disk->heap, disk, sizeof *disk);
}

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

/* No names are looked up: that would block.  Returns the address's length, or 0. */
static socklen_t parse(const char *text, union address *ret)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host)
        return 0;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    const uint16_t port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    *ret = (union address){0};
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                  &ret->four.sin_addr) == 1) {
        ret->four.sin_family = AF_INET;
        ret->four.sin_port = port;
        return sizeof ret->four;
    }
    const size_t length = strlen(host);
    if (length < 2 || host[0] != '[' || host[length - 1] != ']')
        return 0;
    host[length - 1] = '\0';
    if (inet_pton(AF_INET6, host + 1, &ret->six.sin6_addr) != 1)
        return 0;
    ret->six.sin6_family = AF_INET6;
    ret->six.sin6_port = port;
    return sizeof ret->six;
}

static int start_listening(struct gm_listen_disk *disk, const char *path)
{
    union address address;
    const int yes = 1;
    socklen_t bytes = parse(path, &address);
    if (bytes == 0)
        return GM_EJOB_ADDRESS;
    const int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    disk->listening = fd;
    /* A port whose last connection has just ended is free. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        bind(fd, &address.any, bytes) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, &address.any, &bytes) < 0)
        return -errno;
    const uint16_t port = address.any.sa_family == AF_INET ? address.four.sin_port
                                                           : address.six.sin6_port;
    atomic_store_explicit(disk->port, ntohs(port), memory_order_release);
    return 0;
}

static int listen_open(void *self, const char *path, struct gm_disk_file **ret_file)
{
    struct gm_listen_disk *disk = self;
    GM_CHECK(disk->listening < 0 && disk->connection < 0);
    const int rc = start_listening(disk, path);
    if (rc < 0) {
        close_all(disk);
        return rc;
    }
    *ret_file = (struct gm_disk_file *)disk;
    return 0;
}

static void listen_close(void *self, struct gm_disk_file *file)
{
    (void)file;
    close_all(self);
}

static int listen_read(void *self, struct gm_disk_file *file, uint64_t offset, void *buffer,
                       uint32_t bytes, void *tag)
{
    struct gm_listen_disk *disk = self;
    (void)file;
    (void)offset;
    GM_CHECK(!disk->asked);
    disk->asked = true;
    disk->buffer = buffer;
    disk->want = bytes;
    disk->tag = tag;
    return 0;
}

/* Returns 0, GM_AGAIN while nobody has connected, or -errno. */
static int take_connection(struct gm_listen_disk *disk)
{
    const int yes = 1;
    disk->connection = accept4(disk->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (disk->connection < 0) /* who has gone again was nobody */
        return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? GM_AGAIN : -errno;
    close(disk->listening);
    disk->listening = -1;
    /* A peer that vanished without a word ends the job at last. */
    return setsockopt(disk->connection, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes) < 0 ? -errno
                                                                                        : 0;
}

static uint32_t listen_poll(void *self, struct gm_disk_completion *ret, uint32_t count)
{
    struct gm_listen_disk *disk = self;
    if (!disk->asked || count == 0)
        return 0;
    const int rc = disk->connection < 0 ? take_connection(disk) : 0;
    ssize_t got = rc == 0 ? recv(disk->connection, disk->buffer, disk->want, 0) : 0;
    if (rc == GM_AGAIN || (got < 0 && (errno == EAGAIN || errno == EINTR)))
        return 0;
    if (got < 0)
        got = -errno;
    disk->asked = false;
    *ret = (struct gm_disk_completion){.tag = disk->tag, .result = rc < 0 ? rc : got};
    return 1;
}

static int listen_descriptor(void *self)
{
    const struct gm_listen_disk *disk = self;
    return disk->connection >= 0 ? disk->connection : disk->listening;
}

static const struct gm_disk_ops listen_ops = {.name = "listen",
                                              .open = listen_open,
                                              .close = listen_close,
                                              .read = listen_read,
                                              .poll = listen_poll,
                                              .descriptor = listen_descriptor};

struct gm_disk gm_listen_disk_port(struct gm_listen_disk *disk)
{
    return (struct gm_disk){.ops = &listen_ops, .self = disk};
}
