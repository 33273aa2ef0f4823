/* auth.h - how the parts of a cluster prove to each other that they have the key.
 *
 * A request carries   Authorization: Gleam TIME:NONCE:BODY:MAC
 * TIME in seconds since 1970, NONCE 16 random bytes, BODY the SHA-256 of the body, and MAC the
 * HMAC-SHA256 by the cluster's key over
 *     "gleam request\n" METHOD "\n" TARGET "\n" TIME "\n" NONCE "\n" BODY "\n"
 * all but TIME as lower-case hexadecimal digits.  So the body is known before a byte of it is read.
 * The answer carries  Gleam-Proof: MAC
 * over "gleam reply\n" NONCE "\n" STATUS "\n" SHA-256(body) "\n": it is an answer to this request.
 *
 * Pure, but for OpenSSL's libcrypto.  Comparison takes the same time wherever texts differ.
 */
#ifndef GM_CONTROL_AUTH_H
#define GM_CONTROL_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/key.h"
#include "control/nonces.h"

#define GM_MAC_BYTES 32
#define GM_HASH_BYTES 32

/* How far the clocks of two machines may be apart, and how old a request may be. */
#define GM_AUTH_WINDOW_S 60

#define GM_AUTH_HEADER "Authorization"
#define GM_AUTH_PROOF_HEADER "Gleam-Proof"
#define GM_AUTH_BYTES_MAX 256

void gm_auth_hash(const void *data, size_t bytes, uint8_t ret_hash[GM_HASH_BYTES]);
void gm_auth_mac(const uint8_t *key, size_t key_bytes, const void *data, size_t bytes,
                 uint8_t ret_mac[GM_MAC_BYTES]);
bool gm_auth_equal(const void *a, const void *b, size_t bytes);

/* What a request says of itself. */
struct gm_auth {
    uint64_t time_s;
    uint8_t nonce[GM_NONCE_BYTES];
    uint8_t body[GM_HASH_BYTES];
};

/* The value of the header, with a fresh nonce. */
void gm_auth_sign(const struct gm_key *key, const char *method, const char *target,
                  const void *body, size_t body_bytes, uint64_t now_s, struct gm_auth *ret_auth,
                  char ret_text[GM_AUTH_BYTES_MAX]);

enum gm_auth_verdict {
    GM_AUTH_GOOD,
    GM_AUTH_MISSING, /* no header, or none of ours */
    GM_AUTH_WRONG,   /* another key, or another request */
    GM_AUTH_STALE,   /* outside the window: the clocks differ, or somebody kept it */
    GM_AUTH_REPLAY,
    GM_AUTH_BUSY, /* no room to remember it */
};

/* Only a request with a good MAC is remembered in nonces. */
enum gm_auth_verdict gm_auth_check(const struct gm_key *key, const char *header,
                                   const char *method, const char *target, uint64_t now_s,
                                   struct gm_nonces *nonces, struct gm_auth *ret_auth);

/* The value of the answer's header, 2 * GM_MAC_BYTES digits. */
void gm_auth_prove(const struct gm_key *key, const struct gm_auth *auth, int status,
                   const void *body, size_t body_bytes, char ret_text[2 * GM_MAC_BYTES + 1]);

#endif
