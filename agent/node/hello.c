/* hello.c - hello and acknowledgement over a socket. */
#include "agent/node/hello.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The other side may still be starting the job. */
#define PATIENCE_MS 6000
#define MAC_BYTES 32
#define ACK_BYTES MAC_BYTES
#define SIGNED_BYTES offsetof(struct gm_hello, mac)

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until fd can be read or written (events).  Returns 0 or -ETIMEDOUT. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        const int64_t left = deadline_ms - now_ms();
        struct pollfd watched = {.fd = fd, .events = events};
        if (left <= 0)
            return -ETIMEDOUT;
        if (poll(&watched, 1, (int)left) > 0)
            return 0;
    }
}

static int read_all(int fd, void *data, size_t bytes, int64_t deadline_ms)
{
    for (size_t done = 0; done < bytes;) {
        int rc = wait_for(fd, POLLIN, deadline_ms);
        if (rc < 0)
            return rc;
        const ssize_t got = recv(fd, (uint8_t *)data + done, bytes - done, MSG_DONTWAIT);
        if (got == 0)
            return -ECONNRESET;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* So little fits any socket's buffer at once. */
static int write_all(int fd, const void *data, size_t bytes)
{
    const ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);
    return sent < 0 ? -errno : (size_t)sent < bytes ? -EPIPE : 0;
}

void gm_hello_secret(const struct gm_http_module *http, const struct gm_key *key,
                     const uint8_t nonce[GM_KEY_BYTES], uint8_t ret_secret[GM_SECRET_BYTES])
{
    static const char purpose[] = "gleam job\n";
    uint8_t text[sizeof purpose - 1 + GM_KEY_BYTES];
    memcpy(text, purpose, sizeof purpose - 1);
    memcpy(text + sizeof purpose - 1, nonce, GM_KEY_BYTES);
    http->mac(key->bytes, sizeof key->bytes, text, sizeof text, ret_secret);
}

static void sign(const struct gm_http_module *http, const struct gm_hello *hello,
                 const uint8_t secret[GM_SECRET_BYTES], uint8_t *ret_mac)
{
    http->mac(secret, GM_SECRET_BYTES, hello, SIGNED_BYTES, ret_mac);
}

/* Of the hello's own signature: so it is an answer to that very hello. */
static void sign_ack(const struct gm_http_module *http, const struct gm_hello *hello,
                     const uint8_t secret[GM_SECRET_BYTES], uint8_t *ret_mac)
{
    static const char purpose[] = "gleam taken\n";
    uint8_t text[sizeof purpose - 1 + MAC_BYTES];
    memcpy(text, purpose, sizeof purpose - 1);
    memcpy(text + sizeof purpose - 1, hello->mac, sizeof hello->mac);
    http->mac(secret, GM_SECRET_BYTES, text, sizeof text, ret_mac);
}

/* Returns a connected socket or -errno. */
static int connect_to(const char *host, uint16_t port, int64_t deadline_ms)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *places;
    char service[8];
    int rc = -EHOSTUNREACH;
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &places) != 0)
        return rc;
    for (const struct addrinfo *place = places; place != NULL && rc < 0; place = place->ai_next) {
        const int yes = 1;
        int trouble = 0;
        socklen_t trouble_bytes = sizeof trouble;
        const int fd = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        rc = connect(fd, place->ai_addr, place->ai_addrlen) < 0 ? -errno : 0;
        if (rc == -EINPROGRESS) {
            rc = wait_for(fd, POLLOUT, deadline_ms);
            if (rc == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &trouble, &trouble_bytes) == 0)
                rc = -trouble;
        }
        if (rc == 0)
            rc = fd;
        else
            close(fd);
    }
    freeaddrinfo(places);
    return rc;
}

int gm_hello_connect(const struct gm_http_module *http, const char *host, uint16_t port,
                     struct gm_hello *hello, const uint8_t secret[GM_SECRET_BYTES],
                     struct gm_error *error)
{
    uint8_t got[ACK_BYTES], right[ACK_BYTES];
    const int64_t deadline_ms = now_ms() + PATIENCE_MS;
    memcpy(hello->magic, GM_DATA_MAGIC, sizeof hello->magic);
    hello->version = GM_PROTOCOL;
    gm_key_random(hello->salt, sizeof hello->salt);
    memset(hello->exchange, 0, sizeof hello->exchange);
    sign(http, hello, secret, hello->mac);
    const int fd = connect_to(host, port, deadline_ms);
    if (fd < 0)
        return gm_error_set(error, fd, "cannot make a data connection to %s:%u: %s", host, port,
                            gm_error_name(fd));
    int rc = write_all(fd, hello, sizeof *hello);
    if (rc == 0)
        rc = read_all(fd, got, sizeof got, deadline_ms);
    if (rc == 0) {
        sign_ack(http, hello, secret, right);
        rc = http->equal(got, right, sizeof right) ? 0 : GM_EPEER_PROTOCOL;
    }
    if (rc == 0)
        return fd;
    close(fd);
    return gm_error_set(error, rc, "%s:%u did not take a data connection of the job: %s", host,
                        port,
                        rc == -ECONNRESET ? "it does not know the job, or has another key"
                                          : gm_error_name(rc));
}

int gm_hello_read(int fd, struct gm_hello *ret_hello)
{
    int rc = read_all(fd, ret_hello, sizeof *ret_hello, now_ms() + PATIENCE_MS / 2);
    if (rc < 0)
        return GM_EPEER_PROTOCOL;
    return memcmp(ret_hello->magic, GM_DATA_MAGIC, sizeof ret_hello->magic) == 0 &&
                   ret_hello->version == GM_PROTOCOL
               ? 0
               : GM_EPEER_PROTOCOL;
}

bool gm_hello_is_right(const struct gm_http_module *http, const struct gm_hello *hello,
                       const uint8_t secret[GM_SECRET_BYTES])
{
    uint8_t right[MAC_BYTES];
    sign(http, hello, secret, right);
    return http->equal(right, hello->mac, sizeof right);
}

int gm_hello_acknowledge(const struct gm_http_module *http, int fd, const struct gm_hello *hello,
                         const uint8_t secret[GM_SECRET_BYTES])
{
    uint8_t mac[ACK_BYTES];
    sign_ack(http, hello, secret, mac);
    return write_all(fd, mac, sizeof mac);
}
