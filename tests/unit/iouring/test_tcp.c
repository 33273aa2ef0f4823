/* Goal:   rows cross between nodes over sockets of the loopback, on either backend, with threads
 *         that sleep; an end that goes away is an error; sockets are set up as promised.
 * Method: nodes with a thread for their executors and one for their gateway; then single sends and
 *         receives between the two ends of a connection. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "iouring/bell.h"
#include "iouring/tcp.h"
#include "tests/unit/shuffle/nodes.h"

static const enum gm_tcp_backend backends[] = {GM_TCP_URING, GM_TCP_EPOLL};

/* Two connected sockets over the loopback. */
static void connect_pair(int ret_sockets[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ret_sockets[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(ret_sockets[0], (struct sockaddr *)&address, sizeof address), 0);
    ret_sockets[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(ret_sockets[1] >= 0);
    close(listener);
    for (int i = 0; i < 2; i++)
        gm_tcp_tune(ret_sockets[i]);
}

/* False: this machine forbids io_uring; what epoll does is seen anyway. */
static bool can_use(enum gm_tcp_backend backend)
{
    struct gm_heap heap;
    struct gm_tcp *tcp;
    int sockets[2];
    connect_pair(sockets);
    close(sockets[1]);
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    const int rc = gm_tcp_create(sockets, 1, backend, &heap, &tcp);
    if (rc == 0)
        gm_tcp_destroy(tcp);
    assert_true(rc == 0 || backend == GM_TCP_URING);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
    return rc == 0;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

struct crew {
    struct nodes *world;
    uint32_t number;
    enum gm_tcp_backend backend;
    int sockets[NODES_MAX]; /* by peer */
    uint64_t spin_ns;
    int bells[NODE_EXECUTORS_MAX + 2];
    struct gm_eventfd_bell ringer; /* of the executors' thread */
    struct gm_gateway_counts counts;
    int code;
    struct gm_error error;
};

static void *run_executors(void *argument)
{
    struct crew *crew = argument;
    int rc;
    do {
        rc = nodes_step(crew->world, crew->number);
        GM_CHECK(rc >= 0);
    } while (rc != GM_END);
    return NULL;
}

static void *run_gateway(void *argument)
{
    struct crew *crew = argument;
    struct node *node = &crew->world->nodes[crew->number];
    const struct gm_region_spec *region = &node->region.spec;
    struct gm_gateway_peer peers[NODES_MAX];
    struct gm_eventfd_bell bell;
    struct gm_heap heap;
    struct gm_tcp *tcp;
    struct gm_gateway *gateway;
    const uint32_t peer_count = nodes_peers(crew->world, crew->number, peers);
    GM_CHECK(gm_heap_init(&heap, UINT64_MAX) == 0);
    GM_CHECK(gm_tcp_create(crew->sockets, peer_count, crew->backend, &heap, &tcp) == 0);
    gm_eventfd_bell_init(&bell, crew->bells, gm_region_seat_count(region),
                         (uint16_t)gm_region_seat(region, gm_region_gateway(region)));
    const struct gm_gateway_spec spec = {.region = &node->region,
                                         .bell = gm_eventfd_bell_port(&bell),
                                         .streams = gm_tcp_port(tcp),
                                         .node = (uint16_t)crew->number,
                                         .peers = peers,
                                         .peer_count = peer_count};
    GM_CHECK(gm_gateway_create(&spec, &heap, &gateway, &crew->error) == 0);
    const struct gm_clock clock = gm_clock_system();
    crew->code = gm_gateway_run(gateway, &clock, crew->spin_ns, NULL);
    if (crew->code < 0)
        crew->error = *gm_gateway_error(gateway);
    gm_gateway_counts(gateway, &crew->counts);
    gm_tcp_destroy(tcp);
    gm_gateway_destroy(gateway);
    GM_CHECK(heap.used_bytes == 0);
    gm_heap_fini(&heap);
    return NULL;
}

static void run_nodes(const struct nodes_shape *shape, enum gm_tcp_backend backend,
                      uint64_t spin_ns)
{
    static struct nodes world;
    struct crew crews[NODES_MAX] = {0};
    struct gm_bell bells[NODES_MAX];
    pthread_t threads[2 * NODES_MAX];
    for (uint32_t n = 0; n < NODES_MAX; n++) {
        struct crew *crew = &crews[n];
        crew->world = &world;
        crew->number = n;
        crew->backend = backend;
        crew->spin_ns = spin_ns;
        assert_int_equal(gm_eventfd_bell_open(NODE_EXECUTORS_MAX + 2, crew->bells), 0);
        gm_eventfd_bell_init(&crew->ringer, crew->bells, NODE_EXECUTORS_MAX + 2, 0);
        bells[n] = gm_eventfd_bell_port(&crew->ringer);
    }
    nodes_open(&world, shape, bells);
    for (uint32_t a = 0; a < world.node_count; a++)
        for (uint32_t b = a + 1; b < world.node_count; b++) {
            int pair[2];
            connect_pair(pair);
            crews[a].sockets[b - 1] = pair[0];
            crews[b].sockets[a] = pair[1];
        }
    for (uint32_t n = 0; n < world.node_count; n++) {
        assert_int_equal(pthread_create(&threads[2 * n], NULL, run_gateway, &crews[n]), 0);
        assert_int_equal(pthread_create(&threads[2 * n + 1], NULL, run_executors, &crews[n]), 0);
    }
    for (uint32_t i = 0; i < 2 * world.node_count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    uint64_t sent_frames = 0, received_frames = 0;
    for (uint32_t n = 0; n < world.node_count; n++) {
        if (crews[n].code != 0)
            print_error("%s\n", crews[n].error.text);
        assert_int_equal(crews[n].code, 0);
        sent_frames += crews[n].counts.sent_frames;
        received_frames += crews[n].counts.received_frames;
    }
    assert_true(sent_frames > 0);
    assert_int_equal(sent_frames, received_frames);
    nodes_check(&world);
    nodes_close(&world);
    for (uint32_t n = 0; n < NODES_MAX; n++)
        gm_eventfd_bell_close(NODE_EXECUTORS_MAX + 2, crews[n].bells);
}

static void every_row_crosses_once(void **state)
{
    (void)state;
    static const struct nodes_shape shapes[] = {
        {.node_count = 2, .executors_per_node = 1, .rows_per_source = 200000,
         .frame_bytes = 65536, .quota_frames = 16, .credit_frames = 16},
        {.node_count = 2, .driver_alone = true, .executors_per_node = 2,
         .rows_per_source = 30000, .frame_bytes = 4096, .quota_frames = 6, .credit_frames = 4},
        {.node_count = 3, .driver_alone = true, .executors_per_node = 1,
         .rows_per_source = 30000, .frame_bytes = 16384, .quota_frames = 5, .credit_frames = 2},
    };
    for (uint32_t b = 0; b < 2; b++) {
        if (!can_use(backends[b])) {
            print_message("io_uring is not allowed here: epoll alone\n");
            continue;
        }
        for (uint32_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            run_nodes(&shapes[s], backends[b], 0);
            run_nodes(&shapes[s], backends[b], GM_SPIN_NS);
        }
    }
}

/* ---- one connection -------------------------------------------------------------------------- */

struct line {
    struct gm_heap heap;
    struct gm_tcp *tcp;
    struct gm_streams streams;
    int other; /* the test's end */
};

static void line_open(struct line *line, enum gm_tcp_backend backend)
{
    int sockets[2];
    connect_pair(sockets);
    assert_int_equal(gm_heap_init(&line->heap, UINT64_MAX), 0);
    assert_int_equal(gm_tcp_create(sockets, 1, backend, &line->heap, &line->tcp), 0);
    line->streams = gm_tcp_port(line->tcp);
    line->other = sockets[1];
}

static void line_close(struct line *line)
{
    gm_tcp_destroy(line->tcp);
    if (line->other >= 0)
        close(line->other);
    assert_int_equal(line->heap.used_bytes, 0);
    gm_heap_fini(&line->heap);
}

/* The next event; sleeps for it as a gateway does. */
static struct gm_stream_event line_wait(struct line *line)
{
    const struct gm_streams_ops *ops = line->streams.ops;
    struct gm_stream_event event;
    for (;;) {
        ops->arm(line->streams.self);
        const int count = ops->poll(line->streams.self, &event, 1);
        assert_true(count >= 0);
        if (count == 1)
            return event;
        struct pollfd watched = {.fd = ops->descriptor(line->streams.self), .events = POLLIN};
        assert_int_equal(poll(&watched, 1, 10000), 1); /* else a wake-up was lost */
    }
}

static void a_sleeper_is_woken_by_what_it_waits_for(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 2; b++) {
        if (!can_use(backends[b]))
            continue;
        struct line line;
        char text[16] = "";
        line_open(&line, backends[b]);
        const struct iovec pieces[] = {{text, 2}, {text + 2, 0}, {text + 2, 10}};
        line.streams.ops->receive(line.streams.self, 0, pieces, 3);
        struct gm_stream_event event;
        for (int i = 0; i < 3; i++)
            assert_int_equal(line.streams.ops->poll(line.streams.self, &event, 1), 0);
        line.streams.ops->arm(line.streams.self);
        assert_int_equal(line.streams.ops->poll(line.streams.self, &event, 1), 0);
        struct pollfd watched = {.fd = line.streams.ops->descriptor(line.streams.self),
                                 .events = POLLIN};
        assert_int_equal(poll(&watched, 1, 0), 0);
        assert_int_equal(write(line.other, "hello", 5), 5);
        assert_int_equal(poll(&watched, 1, 10000), 1);
        event = line_wait(&line);
        assert_int_equal(event.kind, GM_STREAM_RECEIVED);
        assert_int_equal(event.result, 5);
        assert_memory_equal(text, "hello", 5);
        line_close(&line);
    }
}

/* More than the sockets hold: the send waits for the reader, and nothing is lost. */
static void a_large_send_waits_for_its_reader(void **state)
{
    (void)state;
    enum { BYTES = 48 << 20 };
    uint8_t *sent = malloc(BYTES), *got = malloc(BYTES);
    for (uint32_t i = 0; i < BYTES; i++)
        sent[i] = (uint8_t)(i * 2654435761u >> 24);
    for (uint32_t b = 0; b < 2; b++) {
        if (!can_use(backends[b]))
            continue;
        struct line line;
        line_open(&line, backends[b]);
        struct iovec pieces[] = {{sent, BYTES / 3}, {sent + BYTES / 3, BYTES - BYTES / 3}};
        size_t sent_bytes = 0, got_bytes = 0;
        bool sending = false;
        while (got_bytes < BYTES) {
            if (!sending && sent_bytes < BYTES) {
                pieces[0] = (struct iovec){sent + sent_bytes, BYTES - sent_bytes};
                line.streams.ops->send(line.streams.self, 0, pieces, 1);
                sending = true;
            }
            struct gm_stream_event event;
            if (line.streams.ops->poll(line.streams.self, &event, 1) == 1) {
                assert_int_equal(event.kind, GM_STREAM_SENT);
                assert_true(event.result > 0 && !event.held);
                sent_bytes += (size_t)event.result;
                sending = false;
            }
            const ssize_t count = recv(line.other, got + got_bytes, 100000, MSG_DONTWAIT);
            if (count > 0)
                got_bytes += (size_t)count;
        }
        assert_memory_equal(got, sent, BYTES);
        line_close(&line);
    }
    free(sent);
    free(got);
}

static void an_end_and_a_break_are_told_apart(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 2; b++) {
        if (!can_use(backends[b]))
            continue;
        for (int breaks = 0; breaks < 2; breaks++) {
            struct line line;
            char text[16];
            const struct iovec piece = {text, sizeof text};
            line_open(&line, backends[b]);
            line.streams.ops->receive(line.streams.self, 0, &piece, 1);
            const struct linger at_once = {.l_onoff = breaks};
            assert_int_equal(setsockopt(line.other, SOL_SOCKET, SO_LINGER, &at_once,
                                        sizeof at_once), 0);
            close(line.other);
            line.other = -1;
            const struct gm_stream_event event = line_wait(&line);
            assert_int_equal(event.result, breaks ? -ECONNRESET : 0);
            line_close(&line);
        }
    }
}

/* A receive that is under way when its owner leaves is over before its memory goes. */
static void leaving_ends_what_is_under_way(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 2; b++) {
        if (!can_use(backends[b]))
            continue;
        struct line line;
        struct gm_stream_event event;
        uint8_t *block = calloc(1, 32 << 20);
        const struct iovec pieces[] = {{block, 100}, {block + 100, (32 << 20) - 100}};
        line_open(&line, backends[b]);
        line.streams.ops->receive(line.streams.self, 0, &pieces[0], 1);
        line.streams.ops->send(line.streams.self, 0, &pieces[1], 1);
        for (int i = 0; i < 10; i++)
            (void)line.streams.ops->poll(line.streams.self, &event, 1);
        gm_tcp_destroy(line.tcp);
        free(block);
        line.tcp = NULL;
        line_close(&line);
    }
}

static void sockets_are_tuned(void **state)
{
    (void)state;
    int sockets[2], value;
    connect_pair(sockets);
    socklen_t length = sizeof value;
    assert_int_equal(getsockopt(sockets[0], IPPROTO_TCP, TCP_NODELAY, &value, &length), 0);
    assert_int_equal(value, 1);
    length = sizeof value;
    assert_int_equal(getsockopt(sockets[0], IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &length), 0);
    assert_int_equal(value, GM_STREAM_SILENCE_S * 1000);
    char name[16] = "";
    length = sizeof name - 1;
    assert_int_equal(getsockopt(sockets[0], IPPROTO_TCP, TCP_CONGESTION, name, &length), 0);
    if (strncmp(name, "bbr", 3) == 0)
        print_message("no other congestion control than %s is allowed here\n", name);
    close(sockets[0]);
    close(sockets[1]);
    /* Any other socket is let be. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    gm_tcp_tune(sockets[0]);
    assert_int_equal(write(sockets[0], "x", 1), 1);
    close(sockets[0]);
    close(sockets[1]);
}

static void the_environment_may_forbid_io_uring(void **state)
{
    (void)state;
    struct line line;
    const char *before = getenv("GLEAM_IO_URING");
    char *saved = before != NULL ? strdup(before) : NULL;
    setenv("GLEAM_IO_URING", "off", 1);
    line_open(&line, GM_TCP_AUTO);
    assert_string_equal(gm_tcp_backend_name(line.tcp), "epoll");
    assert_int_equal(gm_tcp_refusal(line.tcp), 0);
    line_close(&line);
    if (saved != NULL)
        setenv("GLEAM_IO_URING", saved, 1);
    else
        unsetenv("GLEAM_IO_URING");
    free(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sleeper_is_woken_by_what_it_waits_for),
        cmocka_unit_test(a_large_send_waits_for_its_reader),
        cmocka_unit_test(an_end_and_a_break_are_told_apart),
        cmocka_unit_test(leaving_ends_what_is_under_way),
        cmocka_unit_test(sockets_are_tuned),
        cmocka_unit_test(the_environment_may_forbid_io_uring),
        cmocka_unit_test(every_row_crosses_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
