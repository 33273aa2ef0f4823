/* hello.h - how two nodes begin a data connection: each proves that it belongs to the job.
 *
 * The one that connects sends a hello of fixed size, the other answers with an acknowledgement;
 * both are signed with the job's secret, which is made of the cluster's key and the job's nonce and
 * never travels.  Frames follow.  The hello has room for the key exchange of an encrypted
 * connection; today it is zeros.
 *
 * Threads: any.  Blocking: the exchanges wait for the other side, up to their deadline.
 */
#ifndef GM_AGENT_NODE_HELLO_H
#define GM_AGENT_NODE_HELLO_H

#include <stdint.h>

#include "control/http.h"

#define GM_SECRET_BYTES 32

struct gm_hello {
    char magic[GM_DATA_MAGIC_BYTES];
    uint32_t version; /* GM_PROTOCOL */
    uint64_t job;
    uint32_t attempt;
    uint16_t from, to; /* nodes of the job */
    uint8_t nonce[GM_KEY_BYTES]; /* the job's */
    uint8_t salt[16]; /* of this connection */
    uint8_t exchange[56]; /* zeros: no encryption */
    uint8_t mac[32]; /* of all above, by the job's secret */
};

_Static_assert(sizeof(struct gm_hello) == 160, "it travels as it lies");

/* The job's secret, of the cluster's key (zeros where there is none) and the job's nonce. */
void gm_hello_secret(const struct gm_http_module *http, const struct gm_key *key,
                     const uint8_t nonce[GM_KEY_BYTES], uint8_t ret_secret[GM_SECRET_BYTES]);

/* Connects to HOST:PORT and says hello, whose job, attempt, nodes and nonce are filled in.  Returns
 * a socket for frames, or < 0 with error. */
int gm_hello_connect(const struct gm_http_module *http, const char *host, uint16_t port,
                     struct gm_hello *hello, const uint8_t secret[GM_SECRET_BYTES],
                     struct gm_error *error);

/* Reads a hello from a fresh connection.  Returns 0 or GM_EPEER_PROTOCOL. */
int gm_hello_read(int fd, struct gm_hello *ret_hello);
/* Whether it is signed with the secret. */
bool gm_hello_is_right(const struct gm_http_module *http, const struct gm_hello *hello,
                       const uint8_t secret[GM_SECRET_BYTES]);
/* Says that the connection is taken.  Returns 0 or -errno. */
int gm_hello_acknowledge(const struct gm_http_module *http, int fd, const struct gm_hello *hello,
                         const uint8_t secret[GM_SECRET_BYTES]);

#endif
