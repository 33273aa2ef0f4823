/* http_client.c - libcurl; one connection, kept between calls. */
#include "control/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "control/auth.h"

/* Nobody in a cluster is further away than this. */
#define CONNECT_TIMEOUT_MS 5000L
#define POLL_MS 1000

struct gm_http_client {
    char address[GM_ADDRESS_BYTES_MAX];
    const struct gm_key *key;
    CURLM *multi; /* can be woken, which an easy handle alone cannot */
    CURL *easy;
    _Atomic bool interrupted;
    /* of the current call */
    uint8_t *body;
    size_t body_bytes, body_capacity, body_bytes_max;
    bool too_long;
    char proof[2 * GM_MAC_BYTES + 1];
    unsigned long peer_protocol;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_NOTHING); /* no TLS is used */
}

struct gm_http_client *gm_http_client_create(const char *address, const struct gm_key *key)
{
    pthread_once(&once, init_curl);
    struct gm_http_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    snprintf(client->address, sizeof client->address, "%s", address);
    client->key = key;
    client->multi = curl_multi_init();
    client->easy = curl_easy_init();
    if (client->multi == NULL || client->easy == NULL) {
        gm_http_client_destroy(client);
        return NULL;
    }
    return client;
}

void gm_http_client_destroy(struct gm_http_client *client)
{
    if (client == NULL)
        return;
    if (client->easy != NULL)
        curl_easy_cleanup(client->easy);
    if (client->multi != NULL)
        curl_multi_cleanup(client->multi);
    free(client->body);
    free(client);
}

void gm_http_client_interrupt(struct gm_http_client *client)
{
    atomic_store(&client->interrupted, true);
    curl_multi_wakeup(client->multi);
}

static size_t take_body(char *data, size_t size, size_t count, void *opaque)
{
    struct gm_http_client *client = opaque;
    const size_t bytes = size * count, needed = client->body_bytes + bytes;
    client->too_long = client->too_long || needed > client->body_bytes_max;
    if (client->too_long)
        return 0;
    if (needed + 1 > client->body_capacity) {
        size_t capacity = client->body_capacity > 0 ? client->body_capacity : 4096;
        while (capacity < needed + 1)
            capacity *= 2;
        uint8_t *larger = realloc(client->body, capacity);
        if (larger == NULL)
            return 0;
        client->body = larger;
        client->body_capacity = capacity;
    }
    memcpy(client->body + client->body_bytes, data, bytes);
    client->body_bytes = needed;
    client->body[needed] = '\0';
    return bytes;
}

static size_t take_header(char *data, size_t size, size_t count, void *opaque)
{
    struct gm_http_client *client = opaque;
    const size_t bytes = size * count;
    static const char proof[] = GM_AUTH_PROOF_HEADER ": ", protocol[] = GM_PROTOCOL_HEADER ": ";
    if (bytes >= sizeof proof - 1 + 2 * GM_MAC_BYTES &&
        strncasecmp(data, proof, sizeof proof - 1) == 0)
        memcpy(client->proof, data + sizeof proof - 1, 2 * GM_MAC_BYTES);
    if (bytes >= sizeof protocol && strncasecmp(data, protocol, sizeof protocol - 1) == 0)
        client->peer_protocol = strtoul(data + sizeof protocol - 1, NULL, 10);
    return bytes;
}

/* The request as libcurl wants it; the caller frees *ret_headers. */
static int prepare(struct gm_http_client *client, const char *method, const char *target,
                   const void *body, size_t body_bytes, uint64_t timeout_ms,
                   struct gm_auth *ret_auth, struct curl_slist **ret_headers)
{
    char url[GM_ADDRESS_BYTES_MAX + 512], header[GM_AUTH_BYTES_MAX + 32], value[GM_AUTH_BYTES_MAX];
    CURL *easy = client->easy;
    snprintf(url, sizeof url, "http://%s%s", client->address, target);
    snprintf(header, sizeof header, "%s: %d %s", GM_PROTOCOL_HEADER, GM_PROTOCOL, GM_VERSION);
    struct curl_slist *headers = curl_slist_append(NULL, header);
    headers = curl_slist_append(headers, "Expect:"); /* a round trip less */
    headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
    if (client->key->present) {
        gm_auth_sign(client->key, method, target, body, body_bytes, (uint64_t)time(NULL), ret_auth,
                     value);
        snprintf(header, sizeof header, "%s: %s", GM_AUTH_HEADER, value);
        headers = curl_slist_append(headers, header);
    }
    *ret_headers = headers;
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, client);
    if (strcmp(method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body_bytes > 0 ? body : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_bytes);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
    return headers == NULL ? -ENOMEM : 0;
}

/* Until the transfer has ended.  Returns libcurl's result, or -ECANCELED. */
static int perform(struct gm_http_client *client)
{
    int rc = -EIO, running = 1;
    curl_multi_add_handle(client->multi, client->easy);
    while (running > 0 && !atomic_load(&client->interrupted))
        if (curl_multi_perform(client->multi, &running) != CURLM_OK ||
            (running > 0 && curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK))
            break;
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left)) != NULL;)
        if (message->msg == CURLMSG_DONE)
            rc = (int)message->data.result;
    curl_multi_remove_handle(client->multi, client->easy);
    return rc < 0 && atomic_load(&client->interrupted) ? -ECANCELED : rc;
}

static int tell(const struct gm_http_client *client, int result, struct gm_error *error)
{
    if (result == -ECANCELED)
        return gm_error_set(error, -ECANCELED, "the request to %s was called off",
                            client->address);
    if (client->too_long)
        return gm_error_set(error, GM_EPEER_PROTOCOL,
                            "%s answered with more than makes sense; is it gleam?",
                            client->address);
    if (result == CURLE_OPERATION_TIMEDOUT)
        return gm_error_set(error, -ETIMEDOUT, "%s does not answer", client->address);
    if (result == CURLE_COULDNT_CONNECT) {
        long number = 0;
        curl_easy_getinfo(client->easy, CURLINFO_OS_ERRNO, &number);
        return gm_error_set(error, number > 0 ? -(int)number : -ECONNREFUSED,
                            "cannot reach %s: %s", client->address,
                            gm_error_name(number > 0 ? -(int)number : -ECONNREFUSED));
    }
    return gm_error_set(error, -EIO, "cannot talk to %s: %s", client->address,
                        result > 0 ? curl_easy_strerror((CURLcode)result) : "no memory");
}

/* The answer must be from somebody who has the key, and to this request. */
static int check_proof(const struct gm_http_client *client, const struct gm_auth *auth, int status,
                       struct gm_error *error)
{
    char right[2 * GM_MAC_BYTES + 1];
    if (client->peer_protocol != 0 && client->peer_protocol != GM_PROTOCOL)
        return gm_error_set(error, GM_EPEER_PROTOCOL,
                            "%s speaks protocol %lu, this program protocol %d (gleam %s): install "
                            "the same version on both",
                            client->address, client->peer_protocol, GM_PROTOCOL, GM_VERSION);
    /* Who refused the request had nothing to prove itself with. */
    if (!client->key->present || status == 401 || status == 426 || status == 503)
        return 0;
    gm_auth_prove(client->key, auth, status, client->body, client->body_bytes, right);
    if (gm_auth_equal(right, client->proof, sizeof right - 1))
        return 0;
    return gm_error_set(error, GM_EPEER_PROTOCOL,
                        "%s does not prove that it has the key of this cluster: was it started "
                        "with --key?",
                        client->address);
}

int gm_http_client_call(struct gm_http_client *client, const char *method, const char *target,
                        const void *body, size_t body_bytes, uint64_t timeout_ms,
                        uint64_t body_bytes_max, struct gm_http_reply *ret_reply,
                        struct gm_error *error)
{
    struct gm_auth auth;
    struct curl_slist *headers = NULL;
    long status = 0;
    client->body = NULL;
    client->body_bytes = client->body_capacity = 0;
    client->body_bytes_max = body_bytes_max;
    client->too_long = false;
    client->peer_protocol = 0;
    memset(client->proof, 0, sizeof client->proof);
    int rc = prepare(client, method, target, body, body_bytes, timeout_ms, &auth, &headers);
    if (rc == 0)
        rc = perform(client);
    if (rc != 0) {
        rc = tell(client, rc, error);
    } else {
        curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
        rc = check_proof(client, &auth, (int)status, error);
    }
    curl_slist_free_all(headers);
    if (rc == 0 && client->body == NULL) {
        client->body = calloc(1, 1);
        rc = client->body == NULL ? gm_error_set(error, -ENOMEM, "no memory for an answer") : 0;
    }
    if (rc == 0)
        *ret_reply = (struct gm_http_reply){
            .status = (int)status, .body = client->body, .body_bytes = client->body_bytes};
    else
        free(client->body);
    client->body = NULL;
    return rc;
}
