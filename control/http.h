/* http.h - HTTP/1.1 between the parts of a cluster, as a table of functions.
 *
 * The libraries behind it (libmicrohttpd, libcurl, OpenSSL's libcrypto) are linked to a module of
 * their own, gleam-control.so, which is opened when it is first needed: a job on this machine, and
 * every executor, starts without them.
 *
 * Threads:  a server has threads of its own and calls `handle` from many at once; a client belongs
 *           to one thread, and another may interrupt it.
 */
#ifndef GM_CONTROL_HTTP_H
#define GM_CONTROL_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/key.h"

/* Of the messages between driver, master and agents; parts of different ones refuse each other. */
#define GM_PROTOCOL 1
#define GM_PROTOCOL_HEADER "Gleam-Protocol"
/* The protocol's number and the version of the program, as that header's value. */
#define GM_PROTOCOL_TEXT_MAX 64

#define GM_ADDRESS_BYTES_MAX 272 /* a host name of 255 bytes, a colon and a port */
#define GM_HOST_BYTES_MAX 256

/* What a data connection begins with; anything else is HTTP. */
#define GM_DATA_MAGIC "GLMD"
#define GM_DATA_MAGIC_BYTES 4

struct gm_http_request {
    const char *method;
    const char *path; /* as it came, without a query */
    const uint8_t *body;
    size_t body_bytes;
    const char *peer; /* its address, as text */
};

struct gm_http_reply {
    int status;
    bool binary;   /* the body is no JSON */
    bool text;     /* ... but plain text */
    uint8_t *body; /* from malloc; taken over */
    size_t body_bytes;
};

/* How often something was turned away, and why; anyone may read them at any time. */
struct gm_http_counts {
    _Atomic uint64_t served_count;
    _Atomic uint64_t garbage_count;  /* no HTTP, or no data connection of ours */
    _Atomic uint64_t key_count;      /* no proof of the key, or a wrong one */
    _Atomic uint64_t replay_count;   /* seen before, or too old */
    _Atomic uint64_t oversize_count; /* longer than what is taken */
    _Atomic uint64_t slow_count;     /* not done in its time */
    _Atomic uint64_t crowd_count;    /* more at once than there is room for */
    _Atomic uint64_t version_count;  /* another protocol */
};

struct gm_http_server_spec {
    int listener;             /* taken over */
    const struct gm_key *key; /* borrowed */
    uint64_t body_bytes_max;
    void *self;
    /* Answers; may block.  The reply comes in as 500 without a body. */
    void (*handle)(void *self, const struct gm_http_request *request, struct gm_http_reply *reply);
    /* Takes over a connection that begins with GM_DATA_MAGIC, of which no byte was read; called on
     * the thread that accepts: must not block.  NULL: there are none. */
    void (*data)(void *self, int fd);
};

struct gm_http_server;
struct gm_http_client;

struct gm_http_module {
    const char *version; /* GM_VERSION of its build */

    /* Returns 0 or < 0 with error; the listener is closed then as well. */
    int (*server_start)(const struct gm_http_server_spec *spec, struct gm_http_server **ret_server,
                        struct gm_error *error);
    struct gm_http_counts *(*server_counts)(struct gm_http_server *server);
    /* Ends every connection and waits for the calls of `handle`: who lets them wait for something
     * ends that wait first. */
    void (*server_stop)(struct gm_http_server *server);

    /* For HOST:PORT.  key is borrowed.  NULL without memory. */
    struct gm_http_client *(*client_create)(const char *address, const struct gm_key *key);
    /* Sends and waits for the answer, of body_bytes_max at most; the caller frees
     * ret_reply->body, which has a NUL behind it.  Returns 0 with an answer of whatever status;
     * < 0 with error, which names the address: nobody answered, -ETIMEDOUT, -ECANCELED
     * (interrupted), GM_EPEER_PROTOCOL (no proof of the key, or too long). */
    int (*client_call)(struct gm_http_client *client, const char *method, const char *target,
                       const void *body, size_t body_bytes, uint64_t timeout_ms,
                       uint64_t body_bytes_max, struct gm_http_reply *ret_reply,
                       struct gm_error *error);
    /* From any thread: the current call, and every later one, ends at once. */
    void (*client_interrupt)(struct gm_http_client *client);
    void (*client_destroy)(struct gm_http_client *client); /* NULL is allowed */

    /* SHA-256, HMAC-SHA256 and a comparison in constant time (control/auth.h). */
    void (*hash)(const void *data, size_t bytes, uint8_t *ret_hash);
    void (*mac)(const uint8_t *key, size_t key_bytes, const void *data, size_t bytes,
                uint8_t *ret_mac);
    bool (*equal)(const void *a, const void *b, size_t bytes);
};

#define GM_HTTP_MODULE_FILE "gleam-control.so"
#define GM_HTTP_MODULE_SYMBOL "gm_http_module"

/* Opens the module, once per process.  Returns NULL with error. */
const struct gm_http_module *gm_http_open(struct gm_error *error);

/* Sets *ret to a copy of the text as body. */
void gm_http_reply_text(struct gm_http_reply *ret_reply, int status, const char *text);

/* HOST:PORT or :PORT, the host in brackets where it is an IPv6 address.  Returns 0, or
 * GM_EJOB_OPTION with error, which names the option. */
int gm_address_parse(const char *option, const char *text, char ret_host[GM_HOST_BYTES_MAX],
                     uint16_t *ret_port, struct gm_error *error);

/* HOST:PORT as gm_address_parse reads it. */
void gm_address_format(const char *host, uint16_t port, char *ret_text, size_t text_bytes);

/* A listening TCP socket.  host "": every address with a key, the loopback without (*ret_why says
 * so then, else it is NULL).  A host that is no loopback is refused without a key.  port 0: any;
 * *ret_port is what it became.  Returns the descriptor or < 0 with error. */
int gm_address_listen(const char *host, uint16_t port, bool has_key, uint16_t *ret_port,
                      const char **ret_why, struct gm_error *error);

#endif
