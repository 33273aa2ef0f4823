/* test_http.c - goal: a request reaches its server and its answer comes back, proved on both sides;
 * what is no request is turned away and counted; a connection for data is handed over.
 * Method: a server on the loopback and clients in one process.
 */
#include "control/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/http_server.h"

#define BODY_BYTES_MAX (1 << 20)

static const struct gm_key no_key, key = {.present = true, .bytes = "one"},
                                   other = {.present = true, .bytes = "another"};
static struct gm_http_server *server;
static char address[64];
static uint16_t port;
static _Atomic int data_fd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static bool someone_waits, may_go;

/* Echoes; /wait answers when it may. */
static void handle(void *self, const struct gm_http_request *request, struct gm_http_reply *reply)
{
    (void)self;
    if (strcmp(request->path, "/wait") == 0) {
        pthread_mutex_lock(&lock);
        someone_waits = true;
        pthread_cond_broadcast(&arrived);
        while (!may_go)
            pthread_cond_wait(&arrived, &lock);
        pthread_mutex_unlock(&lock);
    }
    reply->status = 200;
    reply->binary = true;
    reply->body = malloc(request->body_bytes + 1);
    assert_non_null(reply->body);
    memcpy(reply->body, request->body_bytes > 0 ? (const void *)request->body : "",
           request->body_bytes);
    reply->body_bytes = request->body_bytes;
}

static void take_data(void *self, int fd)
{
    (void)self;
    data_fd = fd;
}

static void start(const struct gm_key *with)
{
    struct gm_error error = {0};
    const char *why;
    const int listener = gm_address_listen("127.0.0.1", 0, with->present, &port, &why, &error);
    assert_true(listener >= 0);
    assert_null(why);
    const struct gm_http_server_spec spec = {.listener = listener, .key = with,
                                             .body_bytes_max = BODY_BYTES_MAX, .handle = handle,
                                             .data = take_data};
    assert_int_equal(gm_http_server_start(&spec, &server, &error), 0);
    gm_address_format("127.0.0.1", port, address, sizeof address);
}

static int call(const struct gm_key *with, const void *body, size_t bytes,
                struct gm_http_reply *reply, struct gm_error *error)
{
    struct gm_http_client *client = gm_http_client_create(address, with);
    assert_non_null(client);
    const int rc = gm_http_client_call(client, "POST", "/echo", body, bytes, 10000,
                                       2 * BODY_BYTES_MAX, reply, error);
    gm_http_client_destroy(client);
    return rc;
}

static void bodies_come_back_with_and_without_a_key(void **state)
{
    (void)state;
    static char large[BODY_BYTES_MAX];
    memset(large, 'x', sizeof large);
    const struct gm_key *const keys[] = {&no_key, &key};
    for (int k = 0; k < 2; k++) {
        start(keys[k]);
        const size_t sizes[] = {0, 1, 100000, sizeof large};
        for (int i = 0; i < 4; i++) {
            struct gm_error error = {0};
            struct gm_http_reply reply;
            assert_int_equal(call(keys[k], large, sizes[i], &reply, &error), 0);
            assert_int_equal(reply.status, 200);
            assert_int_equal(reply.body_bytes, sizes[i]);
            free(reply.body);
        }
        gm_http_server_stop(server);
    }
}

static void others_are_refused_and_counted(void **state)
{
    (void)state;
    struct gm_error error = {0};
    struct gm_http_reply reply;
    static char large[BODY_BYTES_MAX + 1];
    start(&key);
    struct gm_http_counts *counts = gm_http_server_counts(server);
    assert_int_equal(call(&no_key, "x", 1, &reply, &error), 0);
    assert_int_equal(reply.status, 401);
    free(reply.body);
    assert_int_equal(call(&other, "x", 1, &reply, &error), 0);
    assert_int_equal(reply.status, 401);
    free(reply.body);
    assert_int_equal(counts->key_count, 2);
    assert_int_equal(call(&key, large, sizeof large, &reply, &error), 0);
    assert_int_equal(reply.status, 413);
    free(reply.body);
    assert_int_equal(counts->oversize_count, 1);
    assert_int_equal(counts->served_count, 0);
    gm_http_server_stop(server);
    /* A server that has not the key proves nothing. */
    start(&no_key);
    assert_int_equal(call(&key, "x", 1, &reply, &error), GM_EPEER_PROTOCOL);
    assert_non_null(strstr(error.text, "does not prove"));
    gm_http_server_stop(server);
    error.code = 0;
    assert_int_equal(call(&key, "x", 1, &reply, &error), -ECONNREFUSED);
    assert_non_null(strstr(error.text, address));
}

static void *call_wait(void *client)
{
    struct gm_error *error = calloc(1, sizeof *error);
    struct gm_http_reply reply;
    gm_http_client_call(client, "GET", "/wait", NULL, 0, 60000, 1024, &reply, error);
    return error;
}

static void a_call_is_interrupted(void **state)
{
    (void)state;
    pthread_t thread;
    void *error;
    start(&no_key);
    struct gm_http_client *client = gm_http_client_create(address, &no_key);
    pthread_create(&thread, NULL, call_wait, client);
    pthread_mutex_lock(&lock);
    while (!someone_waits)
        pthread_cond_wait(&arrived, &lock);
    pthread_mutex_unlock(&lock);
    gm_http_client_interrupt(client);
    pthread_join(thread, &error);
    assert_int_equal(((struct gm_error *)error)->code, -ECANCELED);
    free(error);
    gm_http_client_destroy(client);
    pthread_mutex_lock(&lock);
    may_go = true;
    pthread_cond_broadcast(&arrived);
    pthread_mutex_unlock(&lock);
    gm_http_server_stop(server);
}

static void a_connection_for_data_is_handed_over_whole(void **state)
{
    (void)state;
    char text[9] = "";
    start(&key);
    data_fd = -1;
    const struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port),
                                      .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&there, sizeof there), 0);
    assert_int_equal(send(fd, GM_DATA_MAGIC "more", 8, 0), 8);
    /* Its own request is behind it in the accept loop, so this one was seen. */
    while (data_fd < 0) {
        struct gm_error error = {0};
        struct gm_http_reply reply;
        assert_int_equal(call(&key, "", 0, &reply, &error), 0);
        free(reply.body);
    }
    assert_int_equal(recv(data_fd, text, 8, MSG_WAITALL), 8);
    assert_string_equal(text, GM_DATA_MAGIC "more");
    close(fd);
    close(data_fd);
    gm_http_server_stop(server);
}

static void addresses(void **state)
{
    (void)state;
    char host[GM_HOST_BYTES_MAX], text[64];
    uint16_t number;
    const char *why;
    struct gm_error error = {0};
    assert_int_equal(gm_address_parse("a", "h:1", host, &number, &error), 0);
    assert_string_equal(host, "h");
    assert_int_equal(gm_address_parse("a", ":45326", host, &number, &error), 0);
    assert_string_equal(host, "");
    assert_int_equal(number, 45326);
    assert_int_equal(gm_address_parse("a", "[::1]:7", host, &number, &error), 0);
    assert_string_equal(host, "::1");
    gm_address_format(host, number, text, sizeof text);
    assert_string_equal(text, "[::1]:7");
    static const char *const wrong[] = {"", "h", "h:", "h:x", "h:65536", "h:-1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        error.code = 0;
        assert_int_equal(gm_address_parse("a", wrong[i], host, &number, &error), GM_EJOB_OPTION);
    }
    /* Without a key, nobody from elsewhere. */
    error.code = 0;
    assert_int_equal(gm_address_listen("0.0.0.0", 0, false, &number, &why, &error),
                     GM_EJOB_OPTION);
    assert_non_null(strstr(error.text, "keygen"));
    error.code = 0;
    const int fd = gm_address_listen("", 0, false, &number, &why, &error);
    struct sockaddr_in bound;
    socklen_t bound_bytes = sizeof bound;
    assert_true(fd >= 0);
    assert_non_null(why);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &bound_bytes), 0);
    assert_int_equal(bound.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_come_back_with_and_without_a_key),
        cmocka_unit_test(others_are_refused_and_counted),
        cmocka_unit_test(a_call_is_interrupted),
        cmocka_unit_test(a_connection_for_data_is_handed_over_whole),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
