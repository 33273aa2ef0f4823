/* http_server.c - libmicrohttpd behind an accept loop of our own.
 *
 * The loop looks at a connection's first bytes and hands it to libmicrohttpd, which has a thread
 * for each, or to the owner's `data`.  Every connection has a deadline for what it is doing now
 * (saying its first bytes, its headers, its body); the loop ends those that miss it, since
 * libmicrohttpd itself only notices silence.
 */
#include "control/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/auth.h"
#include "engine/base/check.h"

#define CONNECTIONS_MAX 512
#define UNDECIDED_MAX 64 /* connections of which the first bytes have not come */
#define CONNECTION_BYTES (32u << 10) /* request line and headers */
#define THREAD_STACK_BYTES (256u << 10)
#define FIRST_BYTES_NS UINT64_C(5000000000)
#define HEADERS_NS UINT64_C(10000000000)
#define IDLE_NS UINT64_C(60000000000)
/* A body has this time, and a second more per MiB. */
#define BODY_NS UINT64_C(10000000000)
#define BODY_MIB_NS UINT64_C(1000000000)
#define TICK_MS 500
#define LAST_ANSWERS_MS 1000

struct connection {
    int fd;
    bool answering;       /* in `handle`, which may take its time */
    bool served;          /* a whole request has come */
    uint64_t deadline_ns; /* for what it is doing now */
    char peer[64];
    struct connection *next;
};

struct undecided {
    int fd;
    uint64_t deadline_ns;
};

struct gm_http_server {
    struct gm_http_server_spec spec;
    struct MHD_Daemon *daemon;
    struct gm_http_counts counts;
    pthread_t thread;
    int stop; /* eventfd */
    pthread_mutex_t lock; /* connections and nonces */
    struct connection *connections;
    uint32_t connection_count;
    struct gm_nonces *nonces;
    struct undecided undecided[UNDECIDED_MAX];
    uint32_t undecided_count;
    _Atomic uint32_t open_requests; /* of which the answer has not been sent */
};

/* One request on its way. */
struct request {
    char *target;
    struct connection *connection;
    bool begun, refused, authentic;
    struct gm_auth auth;
    uint8_t *body;
    size_t body_bytes, body_capacity;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void set_deadline(struct gm_http_server *server, struct connection *connection,
                         uint64_t time_ns, bool answering)
{
    pthread_mutex_lock(&server->lock);
    connection->deadline_ns = now_ns() + time_ns;
    connection->answering = answering;
    pthread_mutex_unlock(&server->lock);
}

/* ---- requests -------------------------------------------------------------------------------- */

static enum MHD_Result send_reply(struct gm_http_server *server, struct MHD_Connection *to,
                                  const struct request *request, struct gm_http_reply *reply)
{
    char protocol[GM_PROTOCOL_TEXT_MAX];
    struct MHD_Response *response = MHD_create_response_from_buffer(
        reply->body_bytes, reply->body, reply->body != NULL ? MHD_RESPMEM_MUST_FREE
                                                            : MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        free(reply->body);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type",
                            reply->binary ? "application/octet-stream"
                            : reply->text ? "text/plain; charset=utf-8"
                                          : "application/json");
    snprintf(protocol, sizeof protocol, "%d %s", GM_PROTOCOL, GM_VERSION);
    MHD_add_response_header(response, GM_PROTOCOL_HEADER, protocol);
    if (request->authentic) {
        char proof[2 * GM_MAC_BYTES + 1];
        gm_auth_prove(server->spec.key, &request->auth, reply->status, reply->body,
                      reply->body_bytes, proof);
        MHD_add_response_header(response, GM_AUTH_PROOF_HEADER, proof);
    }
    if (reply->status == 401)
        MHD_add_response_header(response, "WWW-Authenticate", "Gleam");
    const enum MHD_Result queued = MHD_queue_response(to, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse(struct gm_http_server *server, struct MHD_Connection *to,
                              struct request *request, _Atomic uint64_t *counter, int status,
                              const char *why)
{
    char text[512];
    struct gm_http_reply reply = {0};
    count(counter);
    request->refused = true;
    snprintf(text, sizeof text, "{\"error\": \"%s\"}\n", why);
    gm_http_reply_text(&reply, status, text);
    return send_reply(server, to, request, &reply);
}

/* Who says nothing of the protocol is a person with curl. */
static bool speaks_ours(const char *protocol)
{
    return protocol == NULL || strtoul(protocol, NULL, 10) == GM_PROTOCOL;
}

/* Returns GM_AUTH_GOOD without a key as well. */
static enum gm_auth_verdict authenticate(struct gm_http_server *server,
                                         struct MHD_Connection *from, const char *method,
                                         struct request *request)
{
    if (!server->spec.key->present || strcmp(request->target, "/healthz") == 0)
        return GM_AUTH_GOOD;
    const char *header =
        MHD_lookup_connection_value(from, MHD_HEADER_KIND, GM_AUTH_HEADER);
    pthread_mutex_lock(&server->lock);
    const enum gm_auth_verdict verdict =
        gm_auth_check(server->spec.key, header, method, request->target, (uint64_t)time(NULL),
                      server->nonces, &request->auth);
    pthread_mutex_unlock(&server->lock);
    request->authentic = verdict == GM_AUTH_GOOD;
    return verdict;
}

/* The headers are there: decides whether a body is read at all.  *ret is what libmicrohttpd gets
 * when it is not. */
static bool admit(struct gm_http_server *server, struct MHD_Connection *from, const char *method,
                  struct request *request, enum MHD_Result *ret)
{
    static const char *const words[] = {
        [GM_AUTH_MISSING] = "this cluster has a key, and the request does not prove that it is "
                            "known: give --key FILE, or set GLEAM_KEY_FILE",
        [GM_AUTH_WRONG] = "the key is not the one of this cluster",
        [GM_AUTH_STALE] = "the request is more than 60 s old or in the future: are the clocks of "
                          "the machines set?",
        [GM_AUTH_REPLAY] = "the request came before",
        [GM_AUTH_BUSY] = "too many requests in two minutes; try again later"};
    struct gm_http_counts *counts = &server->counts;
    char text[256];
    const char *protocol =
        MHD_lookup_connection_value(from, MHD_HEADER_KIND, GM_PROTOCOL_HEADER);
    const char *length = MHD_lookup_connection_value(from, MHD_HEADER_KIND, "Content-Length");
    const uint64_t body_bytes = length != NULL ? strtoull(length, NULL, 10) : 0;
    if (!speaks_ours(protocol)) {
        /* The header is somebody else's text: only its number is repeated. */
        snprintf(text, sizeof text,
                 "this part of the cluster speaks protocol %d (gleam %s), the other protocol %lu: "
                 "install the same version on both",
                 GM_PROTOCOL, GM_VERSION, strtoul(protocol, NULL, 10));
        *ret = refuse(server, from, request, &counts->version_count, 426, text);
        return false;
    }
    const enum gm_auth_verdict verdict = authenticate(server, from, method, request);
    if (verdict != GM_AUTH_GOOD) {
        const bool replay = verdict == GM_AUTH_REPLAY || verdict == GM_AUTH_STALE;
        *ret = refuse(server, from, request,
                      replay                      ? &counts->replay_count
                      : verdict == GM_AUTH_BUSY   ? &counts->crowd_count
                                                  : &counts->key_count,
                      verdict == GM_AUTH_BUSY ? 503 : 401, words[verdict]);
        return false;
    }
    if (body_bytes > server->spec.body_bytes_max) {
        *ret = refuse(server, from, request, &counts->oversize_count, 413,
                      "the body is longer than what is taken here");
        return false;
    }
    set_deadline(server, request->connection, BODY_NS + (body_bytes >> 20) * BODY_MIB_NS, false);
    return true;
}

/* False: too long (chunked bodies do not say so before), or no memory. */
static bool keep_body(struct gm_http_server *server, struct request *request, const char *data,
                      size_t bytes)
{
    const size_t needed = request->body_bytes + bytes;
    if (needed > server->spec.body_bytes_max)
        return false;
    if (needed > request->body_capacity) {
        size_t capacity = request->body_capacity > 0 ? request->body_capacity : 4096;
        while (capacity < needed)
            capacity *= 2;
        uint8_t *larger = realloc(request->body, capacity);
        if (larger == NULL)
            return false;
        request->body = larger;
        request->body_capacity = capacity;
    }
    memcpy(request->body + request->body_bytes, data, bytes);
    request->body_bytes = needed;
    return true;
}

static bool body_is_signed(const struct request *request)
{
    uint8_t hash[GM_HASH_BYTES];
    if (!request->authentic)
        return true;
    gm_auth_hash(request->body, request->body_bytes, hash);
    return gm_auth_equal(hash, request->auth.body, sizeof hash);
}

static enum MHD_Result answer(struct gm_http_server *server, struct MHD_Connection *from,
                              const char *method, struct request *request)
{
    struct gm_http_reply reply = {.status = 500};
    char path[256];
    if (!body_is_signed(request))
        return refuse(server, from, request, &server->counts.key_count, 401,
                      "the body is not the one that was signed");
    const size_t length = strcspn(request->target, "?");
    if (length >= sizeof path)
        return refuse(server, from, request, &server->counts.oversize_count, 414,
                      "there is no such path here");
    memcpy(path, request->target, length);
    path[length] = '\0';
    set_deadline(server, request->connection, 0, true);
    const struct gm_http_request told = {.method = method,
                                         .path = path,
                                         .body = request->body,
                                         .body_bytes = request->body_bytes,
                                         .peer = request->connection->peer};
    server->spec.handle(server->spec.self, &told, &reply);
    set_deadline(server, request->connection, IDLE_NS, false);
    count(&server->counts.served_count);
    return send_reply(server, from, request, &reply);
}

static enum MHD_Result on_request(void *self, struct MHD_Connection *from, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_bytes, void **state)
{
    struct gm_http_server *server = self;
    struct request *request = *state;
    enum MHD_Result result = MHD_YES;
    (void)url;
    (void)version;
    if (request == NULL)
        return MHD_NO;
    if (!request->begun) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(from, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        request->begun = true;
        atomic_fetch_add(&server->open_requests, 1);
        request->connection = info != NULL ? info->socket_context : NULL;
        if (request->connection == NULL)
            return MHD_NO;
        request->connection->served = true;
        admit(server, from, method, request, &result);
        return result;
    }
    if (request->refused) {
        *data_bytes = 0;
        return MHD_YES;
    }
    if (*data_bytes > 0) {
        if (!keep_body(server, request, data, *data_bytes)) {
            count(&server->counts.oversize_count);
            return MHD_NO;
        }
        *data_bytes = 0;
        return MHD_YES;
    }
    return answer(server, from, method, request);
}

/* The target as it came, which is what was signed. */
static void *on_target(void *self, const char *target, struct MHD_Connection *from)
{
    (void)self;
    (void)from;
    struct request *request = calloc(1, sizeof *request);
    if (request != NULL && (request->target = strdup(target)) == NULL) {
        free(request);
        return NULL;
    }
    return request;
}

static void on_completed(void *self, struct MHD_Connection *from, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct gm_http_server *server = self;
    struct request *request = *state;
    (void)from;
    (void)code;
    if (request == NULL)
        return;
    if (request->begun)
        atomic_fetch_sub(&server->open_requests, 1);
    free(request->target);
    free(request->body);
    free(request);
    *state = NULL;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void note_start(struct gm_http_server *server, struct MHD_Connection *of, void **context)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return;
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(of, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *peer =
        MHD_get_connection_info(of, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    connection->fd = fd != NULL ? fd->connect_fd : -1;
    connection->deadline_ns = now_ns() + HEADERS_NS;
    snprintf(connection->peer, sizeof connection->peer, "?");
    if (peer != NULL && peer->client_addr != NULL)
        getnameinfo(peer->client_addr,
                    peer->client_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                            : sizeof(struct sockaddr_in6),
                    connection->peer, sizeof connection->peer, NULL, 0, NI_NUMERICHOST);
    *context = connection;
    pthread_mutex_lock(&server->lock);
    connection->next = server->connections;
    server->connections = connection;
    server->connection_count++;
    pthread_mutex_unlock(&server->lock);
}

static void note_end(struct gm_http_server *server, struct connection *connection)
{
    pthread_mutex_lock(&server->lock);
    for (struct connection **at = &server->connections; *at != NULL; at = &(*at)->next)
        if (*at == connection) {
            *at = connection->next;
            server->connection_count--;
            break;
        }
    pthread_mutex_unlock(&server->lock);
    if (!connection->served)
        count(&server->counts.garbage_count);
    free(connection);
}

static void on_connection(void *self, struct MHD_Connection *of, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        note_start(self, of, context);
    else if (*context != NULL)
        note_end(self, *context);
}

/* ---- the accept loop ------------------------------------------------------------------------- */

static void drop(struct gm_http_server *server, uint32_t index, _Atomic uint64_t *counter)
{
    if (counter != NULL) {
        close(server->undecided[index].fd);
        count(counter);
    }
    server->undecided[index] = server->undecided[--server->undecided_count];
}

/* The first bytes of a connection are there, or its end. */
static void decide(struct gm_http_server *server, uint32_t index)
{
    const int fd = server->undecided[index].fd;
    const int one_byte = 1;
    char first[GM_DATA_MAGIC_BYTES];
    struct sockaddr_storage peer;
    socklen_t peer_bytes = sizeof peer;
    const ssize_t got = recv(fd, first, sizeof first, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < (ssize_t)sizeof first || getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) < 0) {
        drop(server, index, &server->counts.garbage_count);
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one_byte, sizeof one_byte);
    if (memcmp(first, GM_DATA_MAGIC, sizeof first) == 0) {
        if (server->spec.data == NULL) {
            drop(server, index, &server->counts.garbage_count);
            return;
        }
        drop(server, index, NULL);
        server->spec.data(server->spec.self, fd);
        return;
    }
    drop(server, index, NULL);
    /* It closes the descriptor itself when it has no room. */
    if (MHD_add_connection(server->daemon, fd, (struct sockaddr *)&peer, peer_bytes) != MHD_YES)
        count(&server->counts.crowd_count);
}

static void take(struct gm_http_server *server)
{
    const int yes = 1, first_bytes = GM_DATA_MAGIC_BYTES;
    const int fd = accept4(server->spec.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        /* Out of descriptors: the waiting connection would make this loop spin. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            poll(NULL, 0, 10);
        return;
    }
    if (server->undecided_count == UNDECIDED_MAX) /* the oldest had its chance */
        drop(server, 0, &server->counts.crowd_count);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &first_bytes, sizeof first_bytes);
    server->undecided[server->undecided_count++] =
        (struct undecided){.fd = fd, .deadline_ns = now_ns() + FIRST_BYTES_NS};
}

static void end_slow(struct gm_http_server *server)
{
    const uint64_t now = now_ns();
    for (uint32_t i = server->undecided_count; i-- > 0;)
        if (now >= server->undecided[i].deadline_ns)
            drop(server, i, &server->counts.slow_count);
    pthread_mutex_lock(&server->lock);
    for (struct connection *at = server->connections; at != NULL; at = at->next)
        if (!at->answering && now >= at->deadline_ns && at->fd >= 0) {
            shutdown(at->fd, SHUT_RDWR); /* its thread does the rest */
            at->deadline_ns = UINT64_MAX;
            count(&server->counts.slow_count);
        }
    pthread_mutex_unlock(&server->lock);
}

static void *accept_loop(void *opaque)
{
    struct gm_http_server *server = opaque;
    uint64_t tick_ns = now_ns();
    for (;;) {
        struct pollfd watched[2 + UNDECIDED_MAX];
        watched[0] = (struct pollfd){.fd = server->stop, .events = POLLIN};
        watched[1] = (struct pollfd){.fd = server->spec.listener, .events = POLLIN};
        const uint32_t count_before = server->undecided_count;
        for (uint32_t i = 0; i < count_before; i++)
            watched[2 + i] = (struct pollfd){.fd = server->undecided[i].fd, .events = POLLIN};
        poll(watched, 2 + count_before, TICK_MS);
        if (watched[0].revents != 0)
            return NULL;
        /* From the back: the last one takes the place of one that is decided. */
        for (uint32_t i = count_before; i-- > 0;)
            if (watched[2 + i].revents != 0)
                decide(server, i);
        if (watched[1].revents != 0)
            take(server);
        if (now_ns() - tick_ns >= TICK_MS * UINT64_C(1000000)) {
            end_slow(server);
            tick_ns = now_ns();
        }
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void say_nothing(void *self, const char *format, va_list arguments)
{
    (void)self;
    (void)format;
    (void)arguments;
}

static void destroy(struct gm_http_server *server)
{
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    while (server->undecided_count > 0)
        drop(server, 0, &server->counts.crowd_count);
    if (server->stop >= 0)
        close(server->stop);
    close(server->spec.listener);
    gm_nonces_destroy(server->nonces);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

int gm_http_server_start(const struct gm_http_server_spec *spec,
                         struct gm_http_server **ret_server, struct gm_error *error)
{
    struct gm_http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        close(spec->listener);
        return gm_error_set(error, -ENOMEM, "no memory for a server");
    }
    server->spec = *spec;
    pthread_mutex_init(&server->lock, NULL);
    server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->nonces = gm_nonces_create(2 * GM_AUTH_WINDOW_S);
    const int flags = fcntl(spec->listener, F_GETFL);
    fcntl(spec->listener, F_SETFL, flags | O_NONBLOCK);
    if (server->stop >= 0 && server->nonces != NULL)
        server->daemon = MHD_start_daemon(
            MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_USE_POLL | MHD_USE_ERROR_LOG,
            0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
            MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_NOTIFY_COMPLETED,
            on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
            MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK_BYTES, MHD_OPTION_END);
    int rc = server->daemon == NULL ? -ENOMEM : 0;
    if (rc == 0)
        rc = -pthread_create(&server->thread, NULL, accept_loop, server);
    if (rc < 0) {
        destroy(server);
        return gm_error_set(error, rc, "cannot start a server: %s", gm_error_name(rc));
    }
    *ret_server = server;
    return 0;
}

struct gm_http_counts *gm_http_server_counts(struct gm_http_server *server)
{
    return &server->counts;
}

void gm_http_server_stop(struct gm_http_server *server)
{
    const uint64_t one = 1;
    GM_CHECK(write(server->stop, &one, sizeof one) == sizeof one);
    pthread_join(server->thread, NULL);
    /* Answers that are on their way still get there. */
    for (int i = 0; i < LAST_ANSWERS_MS / 10 && atomic_load(&server->open_requests) > 0; i++)
        poll(NULL, 0, 10);
    destroy(server);
}
