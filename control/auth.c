/* auth.c - HMAC-SHA256 by libcrypto, and the two headers. */
#include "control/auth.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

/* A method, a target and the digits of the rest. */
#define SIGNED_BYTES_MAX 1024

void gm_auth_hash(const void *data, size_t bytes, uint8_t ret_hash[GM_HASH_BYTES])
{
    GM_CHECK(EVP_Digest(bytes > 0 ? data : "", bytes, ret_hash, NULL, EVP_sha256(), NULL) == 1);
}

void gm_auth_mac(const uint8_t *key, size_t key_bytes, const void *data, size_t bytes,
                 uint8_t ret_mac[GM_MAC_BYTES])
{
    unsigned length = 0;
    GM_CHECK(HMAC(EVP_sha256(), key, (int)key_bytes, data, bytes, ret_mac, &length) != NULL &&
             length == GM_MAC_BYTES);
}

bool gm_auth_equal(const void *a, const void *b, size_t bytes)
{
    return CRYPTO_memcmp(a, b, bytes) == 0;
}

/* False when method and target are too long to be ours. */
static bool mac_of_request(const struct gm_key *key, const char *method, const char *target,
                           const struct gm_auth *auth, uint8_t ret_mac[GM_MAC_BYTES])
{
    char text[SIGNED_BYTES_MAX], nonce[2 * GM_NONCE_BYTES + 1], body[2 * GM_HASH_BYTES + 1];
    gm_hex_format(auth->nonce, sizeof auth->nonce, nonce);
    gm_hex_format(auth->body, sizeof auth->body, body);
    const int length = snprintf(text, sizeof text, "gleam request\n%s\n%s\n%" PRIu64 "\n%s\n%s\n",
                                method, target, auth->time_s, nonce, body);
    if (length < 0 || (size_t)length >= sizeof text)
        return false;
    gm_auth_mac(key->bytes, sizeof key->bytes, text, (size_t)length, ret_mac);
    return true;
}

void gm_auth_sign(const struct gm_key *key, const char *method, const char *target,
                  const void *body, size_t body_bytes, uint64_t now_s, struct gm_auth *ret_auth,
                  char ret_text[GM_AUTH_BYTES_MAX])
{
    uint8_t mac[GM_MAC_BYTES];
    char nonce[2 * GM_NONCE_BYTES + 1], hash[2 * GM_HASH_BYTES + 1], proof[2 * GM_MAC_BYTES + 1];
    ret_auth->time_s = now_s;
    gm_key_random(ret_auth->nonce, sizeof ret_auth->nonce);
    gm_auth_hash(body, body_bytes, ret_auth->body);
    GM_CHECK(mac_of_request(key, method, target, ret_auth, mac));
    gm_hex_format(ret_auth->nonce, sizeof ret_auth->nonce, nonce);
    gm_hex_format(ret_auth->body, sizeof ret_auth->body, hash);
    gm_hex_format(mac, sizeof mac, proof);
    snprintf(ret_text, GM_AUTH_BYTES_MAX, "Gleam %" PRIu64 ":%s:%s:%s", now_s, nonce, hash, proof);
}

static bool parse(const char *header, struct gm_auth *ret_auth, uint8_t ret_mac[GM_MAC_BYTES])
{
    static const char scheme[] = "Gleam ";
    char *at;
    if (header == NULL || strncmp(header, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *digits = header + sizeof scheme - 1;
    if (digits[0] < '0' || digits[0] > '9')
        return false;
    ret_auth->time_s = strtoull(digits, &at, 10);
    if (at - digits > 19 || *at++ != ':')
        return false;
    if (!gm_hex_parse(at, ':', ret_auth->nonce, sizeof ret_auth->nonce))
        return false;
    at += 2 * GM_NONCE_BYTES + 1;
    if (!gm_hex_parse(at, ':', ret_auth->body, sizeof ret_auth->body))
        return false;
    at += 2 * GM_HASH_BYTES + 1;
    return gm_hex_parse(at, '\0', ret_mac, GM_MAC_BYTES);
}

enum gm_auth_verdict gm_auth_check(const struct gm_key *key, const char *header,
                                   const char *method, const char *target, uint64_t now_s,
                                   struct gm_nonces *nonces, struct gm_auth *ret_auth)
{
    struct gm_auth auth;
    uint8_t claimed[GM_MAC_BYTES], right[GM_MAC_BYTES];
    if (!parse(header, &auth, claimed))
        return GM_AUTH_MISSING;
    if (!mac_of_request(key, method, target, &auth, right) ||
        !gm_auth_equal(claimed, right, sizeof right))
        return GM_AUTH_WRONG;
    const uint64_t apart_s = auth.time_s > now_s ? auth.time_s - now_s : now_s - auth.time_s;
    if (apart_s > GM_AUTH_WINDOW_S)
        return GM_AUTH_STALE;
    switch (gm_nonces_add(nonces, auth.nonce, now_s)) {
    case GM_NONCE_NEW:
        *ret_auth = auth;
        return GM_AUTH_GOOD;
    case GM_NONCE_SEEN:
        return GM_AUTH_REPLAY;
    default:
        return GM_AUTH_BUSY;
    }
}

void gm_auth_prove(const struct gm_key *key, const struct gm_auth *auth, int status,
                   const void *body, size_t body_bytes, char ret_text[2 * GM_MAC_BYTES + 1])
{
    char text[SIGNED_BYTES_MAX], nonce[2 * GM_NONCE_BYTES + 1], hex[2 * GM_HASH_BYTES + 1];
    uint8_t hash[GM_HASH_BYTES], mac[GM_MAC_BYTES];
    gm_auth_hash(body, body_bytes, hash);
    gm_hex_format(auth->nonce, sizeof auth->nonce, nonce);
    gm_hex_format(hash, sizeof hash, hex);
    const int length =
        snprintf(text, sizeof text, "gleam reply\n%s\n%d\n%s\n", nonce, status, hex);
    gm_auth_mac(key->bytes, sizeof key->bytes, text, (size_t)length, mac);
    gm_hex_format(mac, sizeof mac, ret_text);
}
