/* bench_net.c - frames and rows between two nodes of one core each, over sockets.
 *
 *   frames  frames of 64 KiB from one node to the other, as iperf3 sends one buffer over and over;
 *           every frame is sealed, summed up, checked on arrival and given back
 *   rows    both nodes partition rows by a hash of their first 8 bytes, send each to its node, and
 *           read the first 8 bytes of each that comes; half of the rows stay where they are
 *
 * A node is one thread: executor, gateway and sockets in turns.  By itself the program runs both
 * over the loopback; --listen and --connect are the two halves, for nodes in namespaces of their
 * own.  The listening half prints the result of both.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "engine/base/error.h"
#include "engine/base/hash.h"
#include "iouring/tcp.h"
#include "shuffle/exchange.h"
#include "shuffle/gateway.h"
#include "shuffle/link.h"
#include "shuffle/port/clock.h"

#define HEADER_BYTES ((uint32_t)sizeof(struct gm_frame_header))
#define BATCH_ROWS_MAX 1024
#define BATCH_BYTES (128u << 10) /* a batch is read twice, for its keys and its rows */
#define TABLE_BYTES (64u << 20) /* rows to be sent, over and over: more than the caches hold */

struct options {
    uint32_t row_bytes; /* 0: frames */
    uint64_t mib;       /* sent by each node that sends, rows that stay included */
    uint32_t quota_frames, credit_frames;
    enum gm_tcp_backend backend;
    int core; /* -1: any */
    const char *listen, *connect;
    bool json;
};

struct result {
    uint64_t sent_bytes, received_bytes; /* over the wire: payload */
    uint64_t sent_sum, received_sum;     /* of the first 8 bytes of rows that crossed */
    uint64_t wall_ns;
    double cpu_s;
    uint64_t messages, sleeps;
};

struct node {
    const struct options *options;
    uint32_t number; /* 0 listens; frames go from 1 to 0 */
    struct gm_region region;
    struct gm_heap heap;
    struct gm_bell bell;
    struct gm_link *link, *driver_link;
    struct gm_network network;
    struct gm_tcp *tcp;
    struct gm_streams streams;
    struct gm_gateway *gateway;
    struct gm_clock clock;
    uint64_t idle_since;
    uint64_t sleeps;
    /* frames */
    uint64_t frames_left, sequence;
    bool ended;
    /* rows */
    struct gm_sender *sender;
    struct gm_receiver *receiver;
    uint8_t *table;
    uint32_t table_rows, table_at, taken;
    uint32_t sizes[BATCH_ROWS_MAX], partitions[BATCH_ROWS_MAX];
    uint32_t batch_rows;
    uint64_t rows_left;
    bool has_batch, sent_all, received_all;
    uint64_t sent_sum, received_sum;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_net: %s: %s\n", what, why);
    exit(1);
}

static void check(int rc, const char *what)
{
    if (rc < 0)
        die(what, gm_error_name(rc));
}

static void no_ring(void *self, uint16_t seat)
{
    (void)self;
    (void)seat;
}

static const struct gm_bell_ops no_bell_ops = {.name = "none", .ring = no_ring};

/* ---- frames ---------------------------------------------------------------------------------- */

/* Sends the next frame when there is one.  True: it did. */
static bool send_frame(struct node *node)
{
    const struct gm_region *region = &node->region;
    uint32_t index;
    if (node->ended || gm_pool_take(region->pool, 0, &index) != 0)
        return false;
    uint8_t *frame = gm_region_frame(region, index);
    const uint32_t bytes = region->spec.frame_bytes - GM_BYTES_SLACK;
    const struct gm_run_header run = {.bytes = bytes - HEADER_BYTES - sizeof run,
                                      .flags = GM_RUN_FIRST | GM_RUN_LAST, .row_count = 1};
    memcpy(frame + HEADER_BYTES, &run, sizeof run);
    struct gm_frame_header header = {.magic = GM_FRAME_MAGIC,
                                     .destination = 1, /* the driver */
                                     .attempt = region->spec.attempt,
                                     .sequence = node->sequence++,
                                     .payload_bytes = bytes - HEADER_BYTES,
                                     .row_count = 1,
                                     .run_count = 1};
    node->ended = --node->frames_left == 0;
    if (node->ended)
        header.flags = GM_FRAME_END;
    header.seal = gm_frame_seal(&header, region->spec.secret);
    memcpy(frame, &header, sizeof header);
    const struct gm_descriptor descriptor = {index, bytes};
    if (node->network.ops->send(node->network.self, 0, 1, descriptor) != 0)
        die("send", "a ring has no room for its quota");
    return true;
}

/* Takes what came, as a receiver does, but does not look at its rows. */
static bool drain_frames(struct node *node)
{
    const struct gm_region *region = &node->region;
    struct gm_descriptor descriptor;
    bool any = false;
    while (!node->ended &&
           node->network.ops->receive(node->network.self, 0, 0, &descriptor) == 0) {
        struct gm_frame_header header;
        memcpy(&header, gm_region_frame(region, descriptor.frame_index), sizeof header);
        const struct gm_frame_expect expect = {.destination = 1,
                                               .attempt = region->spec.attempt,
                                               .sequence = node->sequence++,
                                               .secret = region->spec.secret,
                                               .frame_bytes = descriptor.frame_bytes};
        const char *why = "";
        if (gm_frame_check(&header, &expect, &why) != 0)
            die("a frame", why);
        node->ended = (header.flags & GM_FRAME_END) != 0;
        gm_pool_give(region->pool, 0, descriptor.frame_index);
        node->network.ops->returned(node->network.self, 0);
        any = true;
    }
    return any;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static uint64_t key_at(const uint8_t *row)
{
    uint64_t key;
    memcpy(&key, row, sizeof key);
    return key;
}

static void next_batch(struct node *node)
{
    const uint32_t row_bytes = node->options->row_bytes;
    if (node->table_at + node->batch_rows > node->table_rows)
        node->table_at = 0;
    const uint8_t *row = node->table + (size_t)node->table_at * row_bytes;
    uint64_t crossing = 0;
    for (uint32_t i = 0; i < node->batch_rows; i++, row += row_bytes) {
        const uint64_t key = key_at(row);
        const uint32_t partition = gm_hash_partition(gm_hash_words(key, 0, 8), 2);
        node->partitions[i] = partition;
        crossing += partition != node->number ? key : 0;
    }
    node->sent_sum += crossing;
    node->taken = 0;
    node->has_batch = true;
}

static bool send_rows(struct node *node)
{
    int rc;
    if (node->sent_all)
        return false;
    if (!node->has_batch && node->rows_left > 0)
        next_batch(node);
    if (node->has_batch) {
        rc = gm_sender_rows(node->sender,
                            node->table + (size_t)node->table_at * node->options->row_bytes,
                            node->sizes, node->partitions, node->batch_rows, node->number,
                            &node->taken);
        if (rc == 0) {
            node->has_batch = false;
            node->table_at += node->batch_rows;
            node->rows_left -= node->batch_rows;
        }
    } else {
        rc = gm_sender_finish(node->sender);
        node->sent_all = rc == 0;
    }
    check(rc, "send rows");
    return rc == 0;
}

static bool drain_rows(struct node *node)
{
    const uint32_t row_bytes = node->options->row_bytes;
    struct gm_run run;
    bool any = false;
    int rc = GM_END;
    while (!node->received_all && (rc = gm_receiver_next(node->receiver, &run)) == 0) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < run.row_count; i++)
            sum += key_at(run.rows + (size_t)i * row_bytes);
        node->received_sum += run.source != node->number ? sum : 0;
        any = true;
    }
    if (rc < 0)
        die("receive rows", gm_receiver_why(node->receiver));
    node->received_all = rc == GM_END;
    return any;
}

static void open_rows(struct node *node)
{
    const uint32_t row_bytes = node->options->row_bytes;
    node->table_rows = TABLE_BYTES / row_bytes;
    node->table = malloc(TABLE_BYTES);
    if (node->table == NULL)
        die("rows", "no memory");
    for (uint32_t i = 0; i < TABLE_BYTES / 8; i++) {
        const uint64_t value = (i + ((uint64_t)node->number << 40)) * 0x9e3779b97f4a7c15u;
        memcpy(node->table + 8 * (size_t)i, &value, sizeof value);
    }
    node->batch_rows = BATCH_BYTES / row_bytes;
    if (node->batch_rows > BATCH_ROWS_MAX)
        node->batch_rows = BATCH_ROWS_MAX;
    for (uint32_t i = 0; i < node->batch_rows; i++)
        node->sizes[i] = row_bytes;
    const uint64_t batches = (node->options->mib << 20) / row_bytes / node->batch_rows + 1;
    node->rows_left = batches * node->batch_rows;
    check(gm_sender_create(&node->region, 0, (uint16_t)node->number, 2, &node->network,
                           &node->heap, &node->sender), "sender");
    check(gm_receiver_create(&node->region, 0, (uint16_t)node->number, 2, &node->network,
                             &node->heap, &node->receiver), "receiver");
}

/* ---- a node ---------------------------------------------------------------------------------- */

static void open_node(struct node *node, int socket)
{
    const struct options *options = node->options;
    const bool rows = options->row_bytes > 0;
    uint32_t slots = 2;
    while (slots < options->quota_frames || slots < options->credit_frames)
        slots *= 2;
    struct gm_region_spec spec = {.executor_count = rows ? 2 : 1,
                                  .exchange_count = 1,
                                  .frame_bytes = GM_FRAME_BYTES_DEFAULT,
                                  .attempt = 1,
                                  .secret = UINT64_C(0x5ec7e7),
                                  .first_local = rows ? node->number : 0,
                                  .local_count = rows ? 1 : node->number,
                                  .driver_is_local = node->number == 0};
    spec.exchanges[0] = (struct gm_exchange_shape){.to_driver = !rows,
                                                   .quota_frames = options->quota_frames,
                                                   .ring_slots = slots,
                                                   .credit_frames = options->credit_frames};
    struct gm_error error = {0};
    node->bell = (struct gm_bell){&no_bell_ops, NULL};
    node->clock = gm_clock_system();
    check(gm_heap_init(&node->heap, UINT64_MAX), "heap");
    if (gm_region_create(&spec, GM_PAGES_AUTO, &node->region, &error) < 0)
        die("region", error.text);
    const uint16_t self = rows ? (uint16_t)node->number : (uint16_t)(1 - node->number);
    check(gm_link_create(&node->region, self, &node->bell, &node->heap, &node->link), "link");
    node->network = gm_link_network(node->link);
    const struct gm_gateway_peer peer = {.name = "the other",
                                         .node = (uint16_t)(1 - node->number),
                                         .first = rows ? (uint16_t)(1 - node->number) : 0,
                                         .count = rows ? 1 : (uint16_t)(1 - node->number),
                                         .has_driver = node->number == 1};
    check(gm_tcp_create(&socket, 1, options->backend, &node->heap, &node->tcp), "streams");
    node->streams = gm_tcp_port(node->tcp);
    const struct gm_gateway_spec gateway = {.region = &node->region,
                                            .bell = node->bell,
                                            .streams = node->streams,
                                            .node = (uint16_t)node->number,
                                            .peers = &peer,
                                            .peer_count = 1};
    if (gm_gateway_create(&gateway, &node->heap, &node->gateway, &error) < 0)
        die("gateway", error.text);
    if (rows)
        open_rows(node);
    else if (node->number == 1)
        node->frames_left = (options->mib << 20) / GM_FRAME_BYTES_DEFAULT;
}

/* One turn of the executor.  True: it got on. */
static bool work(struct node *node)
{
    if (node->options->row_bytes > 0) {
        const bool received = drain_rows(node);
        return send_rows(node) || received;
    }
    if (node->number == 0)
        return drain_frames(node);
    bool any = false;
    while (send_frame(node))
        any = true;
    return any;
}

/* Executor and gateway are one thread, so nobody rings: it sleeps on the sockets alone. */
static int sleep_on_streams(struct node *node)
{
    const struct gm_streams_ops *ops = node->streams.ops;
    ops->arm(node->streams.self);
    const int rc = gm_gateway_step(node->gateway);
    if (rc == GM_AGAIN && !work(node)) {
        struct pollfd watched = {.fd = ops->descriptor(node->streams.self), .events = POLLIN};
        node->sleeps++;
        poll(&watched, 1, 1000);
    }
    return rc;
}

static void run_node(struct node *node)
{
    for (;;) {
        const bool worked = work(node);
        int rc = gm_gateway_step(node->gateway);
        if (rc == GM_AGAIN && !worked) {
            const uint64_t now = gm_clock_now_ns(&node->clock);
            if (node->idle_since == 0)
                node->idle_since = now;
            else if (now - node->idle_since > GM_SPIN_NS)
                rc = sleep_on_streams(node);
        }
        if (rc < 0)
            die("gateway", gm_gateway_error(node->gateway)->text);
        if (rc == 0 || worked)
            node->idle_since = 0;
        const bool done = node->options->row_bytes > 0 ? node->sent_all && node->received_all
                                                       : node->ended;
        if (rc == GM_END && done)
            return;
    }
}

static void close_node(struct node *node)
{
    gm_sender_destroy(node->sender);
    gm_receiver_destroy(node->receiver);
    gm_tcp_destroy(node->tcp);
    gm_gateway_destroy(node->gateway);
    gm_link_destroy(node->link);
    gm_region_leave(&node->region);
    gm_heap_fini(&node->heap);
    free(node->table);
}

static double cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* ---- both ------------------------------------------------------------------------------------ */

static void exchange(int control, const void *ours, void *theirs, size_t bytes)
{
    if (send(control, ours, bytes, MSG_NOSIGNAL) != (ssize_t)bytes ||
        recv(control, theirs, bytes, MSG_WAITALL) != (ssize_t)bytes)
        die("control", "the other node is gone");
}

static void print_results(const struct options *options, const struct result *a,
                          const struct result *b, const char *backend)
{
    const uint64_t wall_ns = a->wall_ns > b->wall_ns ? a->wall_ns : b->wall_ns;
    const double wall_s = (double)wall_ns / 1e9;
    const uint64_t bytes = a->sent_bytes + b->sent_bytes;
    const uint32_t senders = options->row_bytes > 0 ? 2 : 1;
    const double gib_per_s = (double)bytes / senders / wall_s / (1u << 30);
    const double cpu_per_gb = (a->cpu_s + b->cpu_s) / ((double)bytes / 1e9);
    if (options->json)
        printf("{\"backend\": \"%s\", \"row_bytes\": %u, \"sent_bytes\": %" PRIu64
               ", \"wall_s\": %.4f, \"gib_per_s_per_node\": %.3f, \"gbit_per_s\": %.2f, "
               "\"cpu_s_per_gb\": %.4f, \"messages\": %" PRIu64 ", \"sleeps\": %" PRIu64 "}\n",
               backend, options->row_bytes, bytes, wall_s, gib_per_s,
               (double)bytes * 8 / wall_s / 1e9, cpu_per_gb, a->messages + b->messages,
               a->sleeps + b->sleeps);
    else
        printf("%-8s %s %5u: %6.2f GiB/s sent per node, %5.3f CPU s per GB (both ends), %" PRIu64
               " messages, %" PRIu64 " sleeps\n",
               backend, options->row_bytes > 0 ? "rows of" : "frames", options->row_bytes,
               gib_per_s, cpu_per_gb, a->messages + b->messages, a->sleeps + b->sleeps);
}

static void run(const struct options *options, uint32_t number, int data, int control)
{
    static struct node node;
    struct result ours = {0}, theirs;
    node = (struct node){.options = options, .number = number};
    if (options->core >= 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET((size_t)options->core, &cores);
        (void)sched_setaffinity(0, sizeof cores, &cores);
    }
    open_node(&node, data);
    exchange(control, &ours, &theirs, sizeof ours); /* both are ready */
    const uint64_t begin = gm_clock_now_ns(&node.clock);
    const double cpu_begin = cpu_s();
    run_node(&node);
    struct gm_gateway_counts counts;
    gm_gateway_counts(node.gateway, &counts);
    ours = (struct result){.sent_bytes = counts.sent_bytes,
                           .received_bytes = counts.received_bytes,
                           .sent_sum = node.sent_sum,
                           .received_sum = node.received_sum,
                           .wall_ns = gm_clock_now_ns(&node.clock) - begin,
                           .cpu_s = cpu_s() - cpu_begin,
                           .messages = counts.sent_messages,
                           .sleeps = node.sleeps};
    exchange(control, &ours, &theirs, sizeof ours);
    if (ours.received_bytes != theirs.sent_bytes || ours.received_sum != theirs.sent_sum ||
        ours.sent_sum != theirs.received_sum)
        die("rows", "what came is not what was sent");
    if (number == 0)
        print_results(options, &ours, &theirs, gm_tcp_backend_name(node.tcp));
    close_node(&node);
}

static struct sockaddr_in parse_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strchr(text, ':');
    const size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);
    if (length >= sizeof host)
        die(text, "no address");
    memcpy(host, text, length);
    host[length] = '\0';
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die(text, "no address");
    address.sin_port = htons((uint16_t)(colon != NULL ? strtoul(colon + 1, NULL, 10) : 0));
    return address;
}

static int open_listener(const char *text, uint16_t *ret_port)
{
    struct sockaddr_in address = parse_address(text);
    socklen_t length = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    gm_tcp_tune(listener);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 2) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        die(text, gm_error_name(-errno));
    *ret_port = ntohs(address.sin_port);
    return listener;
}

static int accept_one(int listener)
{
    const int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket < 0)
        die("accept", gm_error_name(-errno));
    gm_tcp_tune(socket);
    return socket;
}

static int connect_one(const char *text)
{
    const struct sockaddr_in address = parse_address(text);
    const int end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    gm_tcp_tune(end);
    if (end < 0 || connect(end, (const struct sockaddr *)&address, sizeof address) < 0)
        die(text, gm_error_name(-errno));
    return end;
}

/* The connecting half of this program, on another core. */
static pid_t spawn_other(const char *program, const struct options *options, uint16_t port)
{
    extern char **environ;
    char address[32], rows[16], mib[24], quota[16], credit[16], core[16];
    const char *backends[] = {"auto", "io_uring", "epoll"};
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)port);
    snprintf(rows, sizeof rows, "%u", options->row_bytes);
    snprintf(mib, sizeof mib, "%" PRIu64, options->mib);
    snprintf(quota, sizeof quota, "%u", options->quota_frames);
    snprintf(credit, sizeof credit, "%u", options->credit_frames);
    snprintf(core, sizeof core, "%d", options->core >= 0 ? options->core + 1 : -1);
    const char *arguments[] = {program,   "--connect", address,    "--rows",   rows,
                               "--mib",   mib,         "--quota",  quota,      "--credit",
                               credit,    "--core",    core,       "--backend",
                               backends[options->backend], NULL};
    pid_t pid;
    if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, (char **)(uintptr_t)arguments,
                    environ) != 0)
        die("spawn", gm_error_name(-errno));
    return pid;
}

static void run_alone(const char *program, const struct options *options)
{
    uint16_t port;
    const int listener = open_listener("127.0.0.1", &port);
    const pid_t other = spawn_other(program, options, port);
    const int data = accept_one(listener), control = accept_one(listener);
    close(listener);
    run(options, 0, data, control);
    close(control);
    int status;
    if (waitpid(other, &status, 0) != other || status != 0)
        die("the other node", "failed");
}

static void run_half(const struct options *options)
{
    if (options->connect != NULL) {
        const int data = connect_one(options->connect);
        run(options, 1, data, connect_one(options->connect));
        return;
    }
    uint16_t port;
    const int listener = open_listener(options->listen, &port);
    printf("port %u\n", (unsigned)port);
    fflush(stdout);
    const int data = accept_one(listener);
    run(options, 0, data, accept_one(listener));
}

static bool set_option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--rows") == 0)
        options->row_bytes = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--mib") == 0)
        options->mib = strtoull(value, NULL, 10);
    else if (strcmp(name, "--quota") == 0)
        options->quota_frames = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--credit") == 0)
        options->credit_frames = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--core") == 0)
        options->core = (int)strtol(value, NULL, 10);
    else if (strcmp(name, "--backend") == 0)
        options->backend = strcmp(value, "epoll") == 0      ? GM_TCP_EPOLL
                           : strcmp(value, "io_uring") == 0 ? GM_TCP_URING
                                                            : GM_TCP_AUTO;
    else if (strcmp(name, "--listen") == 0)
        options->listen = value;
    else if (strcmp(name, "--connect") == 0)
        options->connect = value;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {.mib = 64, .quota_frames = 16, .credit_frames = 16, .core = -1};
    bool all = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options.json = true;
        } else if (strcmp(argv[i], "--real") == 0) {
            options.mib = 8192;
            options.core = 0;
        } else if (i + 1 < argc && set_option(&options, argv[i], argv[i + 1])) {
            all = all && strcmp(argv[i], "--rows") != 0 && strcmp(argv[i], "--listen") != 0 &&
                  strcmp(argv[i], "--connect") != 0;
            i++;
        } else {
            die(argv[i], "no such option");
        }
    }
    if (options.row_bytes % 8 != 0 || options.row_bytes > 32768 || options.mib == 0)
        die("--rows", "a multiple of 8, up to 32768; and --mib at least 1");
    if (options.listen != NULL || options.connect != NULL) {
        run_half(&options);
        return 0;
    }
    static const uint32_t sizes[] = {0, 16, 64, 1024};
    for (uint32_t i = 0; i < (all ? 4 : 1); i++) {
        if (all)
            options.row_bytes = sizes[i];
        run_alone(argv[0], &options);
    }
    return 0;
}
