/* Goal:   rows cross between nodes once each whatever the streams do; what does not belong there is
 *         refused in words, and a stream that breaks is an error, never a wrong row.
 * Method: nodes in one thread over streams that split, hold, damage and break; then a gateway whose
 *         peer is the test itself, with messages made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "engine/base/hash.h"
#include "shuffle/wire.h"
#include "tests/unit/shuffle/fake_streams.h"
#include "tests/unit/shuffle/nodes.h"

static void no_ring(void *self, uint16_t seat)
{
    (void)self;
    (void)seat;
}

static const struct gm_bell_ops no_bell_ops = {.name = "none", .ring = no_ring};
static const struct gm_bell no_bells[NODES_MAX] = {
    {&no_bell_ops, NULL}, {&no_bell_ops, NULL}, {&no_bell_ops, NULL}, {&no_bell_ops, NULL}};

static const struct fake_weather fair = {
    .seed = 1, .chunk_max = 3000, .damage_at = UINT64_MAX, .break_at = UINT64_MAX,
    .close_at = UINT64_MAX};

struct outcome {
    int code;
    uint64_t seen_count;
    uint64_t wire_bytes; /* from node 0 to node 1 */
    char text[GM_ERROR_BYTES_MAX];
};

static struct gm_gateway *gateway_open(struct nodes *world, struct fake_net *net, uint32_t n)
{
    struct gm_gateway_peer peers[NODES_MAX];
    struct gm_gateway *gateway;
    struct gm_error error = {0};
    const struct gm_gateway_spec spec = {.region = &world->nodes[n].region,
                                         .bell = no_bells[n],
                                         .streams = fake_net_port(net, n),
                                         .node = (uint16_t)n,
                                         .peers = peers,
                                         .peer_count = nodes_peers(world, n, peers)};
    assert_int_equal(gm_gateway_create(&spec, &world->nodes[n].heap, &gateway, &error), 0);
    return gateway;
}

/* Turns until all are at their end or somebody failed. */
static struct outcome run(const struct nodes_shape *shape, const struct fake_weather *weather)
{
    static struct nodes world;
    static struct fake_net net;
    struct gm_gateway *gateways[NODES_MAX];
    struct outcome outcome = {0};
    nodes_open(&world, shape, no_bells);
    fake_net_open(&net, weather, world.node_count);
    for (uint32_t n = 0; n < world.node_count; n++)
        gateways[n] = gateway_open(&world, &net, n);
    bool finished = false;
    for (uint64_t turn = 0; !finished && outcome.code == 0; turn++) {
        assert_true(turn < 20000000);
        finished = true;
        for (uint32_t n = 0; n < world.node_count && outcome.code == 0; n++) {
            int rc = nodes_step(&world, n);
            assert_true(rc >= 0);
            finished = finished && rc == GM_END;
            rc = gm_gateway_step(gateways[n]);
            finished = finished && rc == GM_END;
            if (rc < 0) {
                outcome.code = rc;
                snprintf(outcome.text, sizeof outcome.text, "%s",
                         gm_gateway_error(gateways[n])->text);
            }
        }
    }
    outcome.seen_count = world.seen_count;
    outcome.wire_bytes = net.wires[0][1].passed_bytes;
    struct gm_gateway_counts sent, received;
    gm_gateway_counts(gateways[0], &sent);
    gm_gateway_counts(gateways[1], &received);
    if (outcome.code == 0 && world.node_count == 2) {
        assert_int_equal(sent.sent_frames, received.received_frames);
        assert_int_equal(sent.sent_bytes, received.received_bytes);
        assert_int_equal(sent.sent_messages, received.received_messages);
    }
    for (uint32_t n = 0; n < world.node_count; n++)
        gm_gateway_destroy(gateways[n]);
    if (outcome.code == 0)
        nodes_check(&world);
    nodes_close(&world);
    return outcome;
}

static const struct nodes_shape pair = {.node_count = 2, .executors_per_node = 1,
                                        .rows_per_source = 2000, .frame_bytes = 4096,
                                        .quota_frames = 3, .credit_frames = 3};

static void every_row_crosses_once(void **state)
{
    (void)state;
    static const struct nodes_shape shapes[] = {
        {.node_count = 2, .executors_per_node = 1, .rows_per_source = 3000, .frame_bytes = 4096,
         .quota_frames = 2, .credit_frames = 2},
        {.node_count = 2, .executors_per_node = 3, .rows_per_source = 3000, .frame_bytes = 4096,
         .quota_frames = 9, .credit_frames = 5},
        {.node_count = 3, .driver_alone = true, .executors_per_node = 2, .rows_per_source = 3000,
         .frame_bytes = 8192, .quota_frames = 4, .credit_frames = 7},
        {.node_count = 4, .executors_per_node = 2, .rows_per_source = 4000, .frame_bytes = 65536,
         .quota_frames = 16, .credit_frames = 3},
        {.node_count = 1, .driver_alone = true, .executors_per_node = 3, .rows_per_source = 3000,
         .frame_bytes = 4096, .quota_frames = 4, .credit_frames = 4},
        {.node_count = 3, .executors_per_node = 1, .rows_per_source = 0, .frame_bytes = 4096,
         .quota_frames = 2, .credit_frames = 2},
    };
    static const uint32_t chunks[] = {7, 700, 8192};
    for (uint32_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (uint32_t c = 0; c < 3; c++)
            for (uint32_t hold_odds = 0; hold_odds < 3; hold_odds++) {
                struct fake_weather weather = fair;
                weather.seed = s * 100 + c * 10 + hold_odds;
                weather.chunk_max = chunks[c];
                weather.hold_odds = hold_odds;
                const struct outcome outcome = run(&shapes[s], &weather);
                if (outcome.code != 0)
                    print_error("shape %u: %s\n", s, outcome.text);
                assert_int_equal(outcome.code, 0);
            }
}

/* One byte at a time: every place of a message is a place where it is cut. */
static void a_stream_may_split_at_every_byte(void **state)
{
    (void)state;
    struct fake_weather weather = fair;
    weather.chunk_max = 1;
    assert_int_equal(run(&pair, &weather).code, 0);
}

/* Wherever it breaks, both in heads and in payloads, somebody says so. */
static void a_stream_that_breaks_is_an_error(void **state)
{
    (void)state;
    struct nodes_shape shape = pair;
    shape.rows_per_source = 300;
    const uint64_t bytes = run(&shape, &fair).wire_bytes;
    assert_true(bytes > 4000);
    for (uint64_t at = 0; at < bytes; at += 1 + at / 97) {
        for (int end = 0; end < 2; end++) {
            struct fake_weather weather = fair;
            *(end ? &weather.close_at : &weather.break_at) = at;
            const struct outcome outcome = run(&shape, &weather);
            assert_int_equal(outcome.code, GM_EPEER_LOST);
            assert_non_null(strstr(outcome.text, "node node-"));
        }
    }
}

/* A bit of the stream flips: it is noticed, or it was one that nobody looks at. */
static void damage_is_never_a_wrong_row(void **state)
{
    (void)state;
    struct nodes_shape shape = pair;
    shape.rows_per_source = 300;
    const uint64_t bytes = run(&shape, &fair).wire_bytes;
    uint32_t noticed = 0, tried = 0;
    for (uint64_t at = 0; at < bytes; at += 7, tried++) {
        struct fake_weather weather = fair;
        weather.damage_at = at;
        const struct outcome outcome = run(&shape, &weather);
        assert_true(outcome.code == 0 || outcome.code == GM_EFRAME_CORRUPT);
        noticed += outcome.code != 0;
    }
    /* The places of a head that its message has no use for are the rest. */
    assert_true(noticed > tried / 3);
}

/* ---- the test as the peer -------------------------------------------------------------------- */

/* Node 0 has executors 0 and 1; the test is node 1 with executors 2 and 3 and the driver. */
struct duel {
    struct nodes world;
    struct fake_net net;
    struct gm_gateway *gateway;
    uint64_t sequence; /* of the test's messages */
};

static void duel_open(struct duel *duel, uint32_t quota_frames, uint32_t credit_frames)
{
    const struct nodes_shape shape = {.node_count = 2, .executors_per_node = 2,
                                      .rows_per_source = 5000, .frame_bytes = 4096,
                                      .quota_frames = quota_frames,
                                      .credit_frames = credit_frames};
    struct fake_weather weather = fair;
    weather.chunk_max = FAKE_WIRE_BYTES;
    memset(duel, 0, sizeof *duel);
    nodes_open(&duel->world, &shape, no_bells);
    fake_net_open(&duel->net, &weather, 2);
    duel->gateway = gateway_open(&duel->world, &duel->net, 0);
}

static void duel_close(struct duel *duel)
{
    gm_gateway_destroy(duel->gateway);
    nodes_close(&duel->world);
}

static int duel_settle(struct duel *duel)
{
    int rc = 0, idle = 0;
    while (rc >= 0 && idle < 10) {
        rc = gm_gateway_step(duel->gateway);
        idle = rc == GM_AGAIN ? idle + 1 : 0;
    }
    return rc;
}

/* A frame of exchange 0 with one row from executor 2 to executor 0, in its message. */
struct forgery {
    struct gm_wire_head head;
    uint8_t payload[4096];
    uint32_t payload_bytes;
    uint64_t secret;
    bool keep_seals, keep_checksum;
};

static void forge(struct duel *duel, struct forgery *forgery)
{
    const struct gm_region_spec *spec = &duel->world.nodes[0].region.spec;
    memset(forgery, 0, sizeof *forgery);
    const struct gm_run_header run = {.partition = 0, .origin = 2, .bytes = NODES_ROW_BYTES,
                                      .flags = GM_RUN_FIRST | GM_RUN_LAST, .row_count = 1};
    memcpy(forgery->payload, &run, sizeof run);
    forgery->payload_bytes = sizeof run + NODES_ROW_BYTES;
    forgery->secret = spec->secret;
    forgery->head = (struct gm_wire_head){.magic = GM_WIRE_MAGIC,
                                          .attempt = spec->attempt,
                                          .from = 1,
                                          .to = 0,
                                          .frame_count = 1,
                                          .sequence = duel->sequence};
    forgery->head.frames[0] = (struct gm_frame_header){.magic = GM_FRAME_MAGIC,
                                                       .exchange = 0,
                                                       .source = 2,
                                                       .destination = 0,
                                                       .flags = GM_FRAME_CHECKSUM,
                                                       .attempt = spec->attempt,
                                                       .payload_bytes = forgery->payload_bytes,
                                                       .row_count = 1,
                                                       .run_count = 1};
}

static void put(struct duel *duel, const void *data, uint32_t bytes)
{
    struct fake_wire *wire = &duel->net.wires[1][0];
    assert_true(wire->count + bytes <= FAKE_WIRE_BYTES);
    for (uint32_t i = 0; i < bytes; i++)
        wire->bytes[(wire->first + wire->count++) % FAKE_WIRE_BYTES] = ((const uint8_t *)data)[i];
}

static void duel_send(struct duel *duel, struct forgery *forgery)
{
    for (uint32_t i = 0; i < forgery->head.frame_count && i < GM_WIRE_FRAMES_MAX; i++) {
        struct gm_frame_header *header = &forgery->head.frames[i];
        if (!forgery->keep_checksum)
            header->checksum = gm_hash_long(forgery->payload, forgery->payload_bytes);
        if (!forgery->keep_seals)
            header->seal = gm_frame_seal(header, forgery->secret);
    }
    if (!forgery->keep_seals)
        forgery->head.seal = gm_wire_seal(&forgery->head, forgery->secret);
    put(duel, &forgery->head, sizeof forgery->head);
    for (uint32_t i = 0; i < forgery->head.frame_count && i < GM_WIRE_FRAMES_MAX; i++)
        put(duel, forgery->payload, forgery->payload_bytes);
    duel->sequence++;
}

static void what_does_not_belong_is_refused(void **state)
{
    (void)state;
    static struct duel duel;
    static struct forgery forgery;
#define REFUSED(change, why)                                                                       \
    do {                                                                                           \
        duel_open(&duel, 4, 4);                                                                    \
        assert_int_equal(duel_settle(&duel), GM_AGAIN);                                            \
        forge(&duel, &forgery);                                                                    \
        struct gm_wire_head *head = &forgery.head;                                                 \
        struct gm_frame_header *frame = &head->frames[0];                                          \
        (void)frame;                                                                               \
        change;                                                                                    \
        duel_send(&duel, &forgery);                                                                \
        assert_int_equal(duel_settle(&duel), GM_EFRAME_CORRUPT);                                   \
        if (strstr(gm_gateway_error(duel.gateway)->text, why) == NULL)                             \
            print_error("%s: %s\n", why, gm_gateway_error(duel.gateway)->text);                    \
        assert_non_null(strstr(gm_gateway_error(duel.gateway)->text, why));                        \
        assert_non_null(strstr(gm_gateway_error(duel.gateway)->text, "node-1"));                   \
        assert_int_equal(gm_gateway_step(duel.gateway), GM_EFRAME_CORRUPT); /* for good */         \
        duel_close(&duel);                                                                         \
    } while (0)
    REFUSED(memset(head, 'G', sizeof *head); forgery.keep_seals = true, "magic number");
    REFUSED(forgery.secret++, "seal");
    REFUSED(head->attempt++, "attempt");
    REFUSED(head->from = 0, "nodes");
    REFUSED(head->to = 1, "nodes");
    REFUSED(head->sequence = 1, "sequence");
    REFUSED(head->flags = 2, "unknown flags");
    REFUSED(head->reserved = 1, "unknown flags");
    REFUSED(head->frame_count = GM_WIRE_FRAMES_MAX + 1, "more frames than fit");
    REFUSED(head->credit_count = GM_WIRE_CREDITS_MAX + 1, "more credits than fit");
    REFUSED(head->flags = GM_WIRE_LAST, "frames in the last message");
    REFUSED(head->flags = GM_WIRE_LAST; head->frame_count = 0, "rows are still on their way");
    REFUSED(frame->magic++, "magic number");
    REFUSED(frame->attempt++, "attempt");
    REFUSED(frame->sequence = 1, "sequence");
    REFUSED(frame->exchange = 2, "its source is not there");
    REFUSED(frame->source = 0, "its source is not there");
    REFUSED(frame->source = 5, "its source is not there");
    REFUSED(frame->destination = 2, "its destination is not here");
    REFUSED(frame->exchange = 1; frame->destination = 4, "its destination is not here");
    REFUSED(frame->payload_bytes = 4096 - 63, "payload longer than a frame");
    REFUSED(frame->payload_bytes = UINT32_MAX, "payload longer than a frame");
    REFUSED(frame->flags |= 8, "unknown flags");
    REFUSED(frame->flags = 0; frame->checksum = 0; forgery.keep_checksum = true, "no checksum");
    REFUSED(frame->checksum = 5; forgery.keep_checksum = true, "its checksum does not fit");
    REFUSED(head->frame_count = 2; head->frames[1] = *frame, "sequence"); /* replayed */
    REFUSED(frame->flags |= GM_FRAME_END; head->frame_count = 2; head->frames[1] = *frame;
            head->frames[1].sequence = 1, "behind the last one");
    REFUSED(head->credit_count = 1; head->credits[0].exchange = 2, "a source that is not here");
    REFUSED(head->credit_count = 1; head->credits[0].source = 2, "a source that is not here");
    REFUSED(head->credit_count = 1; head->credits[0].frame_count = UINT32_MAX, "more credit");
#undef REFUSED
}

/* The same message once more, as it was. */
static void a_replayed_message_is_refused(void **state)
{
    (void)state;
    static struct duel duel;
    static struct forgery forgery;
    duel_open(&duel, 4, 4);
    assert_int_equal(duel_settle(&duel), GM_AGAIN);
    forge(&duel, &forgery);
    duel_send(&duel, &forgery);
    assert_int_equal(duel_settle(&duel), GM_AGAIN);
    duel_send(&duel, &forgery);
    assert_int_equal(duel_settle(&duel), GM_EFRAME_CORRUPT);
    duel_close(&duel);
}

/* The gateway granted 4; nobody here reads; a fifth frame has no credit. */
static void a_frame_without_credit_is_refused(void **state)
{
    (void)state;
    static struct duel duel;
    static struct forgery forgery;
    duel_open(&duel, 4, 4);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(duel_settle(&duel), GM_AGAIN);
        forge(&duel, &forgery);
        forgery.head.frames[0].sequence = i;
        duel_send(&duel, &forgery);
    }
    assert_int_equal(duel_settle(&duel), GM_EFRAME_CORRUPT);
    assert_non_null(strstr(gm_gateway_error(duel.gateway)->text, "it had no credit"));
    duel_close(&duel);
}

/* Frames that the gateway has put on the wire so far. */
static uint64_t sent_frames(const struct duel *duel)
{
    struct gm_gateway_counts counts;
    gm_gateway_counts(duel->gateway, &counts);
    return counts.sent_frames;
}

static void frames_leave_only_on_credits(void **state)
{
    (void)state;
    static struct duel duel;
    static struct forgery forgery;
    uint64_t granted[2] = {0};
    const uint64_t row[3] = {0};
    const uint32_t size = NODES_ROW_BYTES, partition = 2;
    duel_open(&duel, 8, 4);
    struct node *node = &duel.world.nodes[0];
    for (int i = 0; i < 8000; i++) {
        for (uint32_t e = 0; e < 2; e++) {
            uint32_t taken = 0;
            const int rc = gm_sender_rows(node->executors[e].senders[0], (const uint8_t *)row,
                                          &size, &partition, 1, 0, &taken);
            assert_true(rc == 0 || rc == GM_AGAIN);
        }
        assert_int_equal(duel_settle(&duel), GM_AGAIN);
        duel.net.wires[0][1].count = 0; /* the test does not read what is sent */
        assert_int_equal(sent_frames(&duel), granted[0] + granted[1]);
        if (i % 400 != 399)
            continue;
        const uint16_t source = i % 800 == 399;
        forge(&duel, &forgery);
        forgery.head.frame_count = 0;
        forgery.head.credit_count = 1;
        forgery.head.credits[0] = (struct gm_wire_credit){.source = source, .frame_count = 1};
        duel_send(&duel, &forgery);
        /* Both have frames in their rings by now, and so each credit is used. */
        granted[source]++;
        assert_int_equal(duel_settle(&duel), GM_AGAIN);
    }
    assert_true(sent_frames(&duel) > 10);
    duel_close(&duel);
}

/* Executor 0 sends to one who never reads; executor 1's rows to another one all arrive. */
static void one_slow_reader_does_not_block_the_others(void **state)
{
    (void)state;
    static struct nodes world;
    static struct fake_net net;
    struct gm_gateway *gateways[2];
    const struct nodes_shape shape = {.node_count = 2, .executors_per_node = 2,
                                      .frame_bytes = 4096, .quota_frames = 4, .credit_frames = 4};
    nodes_open(&world, &shape, no_bells);
    fake_net_open(&net, &fair, 2);
    for (uint32_t n = 0; n < 2; n++)
        gateways[n] = gateway_open(&world, &net, n);
    uint64_t got_count = 0, sent_count = 0, blocked_count = 0;
    const uint64_t row[3] = {0};
    const uint32_t size = NODES_ROW_BYTES;
    for (uint32_t turn = 0; turn < 200000 && got_count < 20000; turn++) {
        for (uint32_t e = 0; e < 2; e++) { /* executor e to executor 2 + e */
            const uint32_t partition = 2 + e;
            uint32_t taken = 0;
            const int rc = gm_sender_rows(world.nodes[0].executors[e].senders[0],
                                          (const uint8_t *)row, &size, &partition, 1, 0, &taken);
            assert_true(rc == 0 || rc == GM_AGAIN);
            blocked_count += e == 0 && rc == GM_AGAIN;
            sent_count += e == 1 && rc == 0;
        }
        struct gm_run run;
        if (gm_receiver_next(world.nodes[1].executors[1].receiver, &run) == 0)
            got_count += run.row_count;
        for (uint32_t n = 0; n < 2; n++)
            assert_true(gm_gateway_step(gateways[n]) >= 0);
    }
    assert_true(got_count >= 20000);
    assert_true(blocked_count > 1000); /* the slow one's sender stood still */
    for (uint32_t n = 0; n < 2; n++)
        gm_gateway_destroy(gateways[n]);
    nodes_close(&world);
}

/* A frame that an executor of this node spoiled does not leave it. */
static void a_spoiled_frame_does_not_leave(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 3; kind++) {
        static struct duel duel;
        static struct forgery forgery;
        duel_open(&duel, 4, 4);
        struct node *node = &duel.world.nodes[0];
        forge(&duel, &forgery);
        forgery.head.frame_count = 0;
        forgery.head.credit_count = 1;
        forgery.head.credits[0] = (struct gm_wire_credit){.source = 0, .frame_count = 3};
        duel_send(&duel, &forgery);
        uint32_t index;
        assert_int_equal(gm_pool_take(node->region.pool, 0, &index), 0);
        memset(gm_region_frame(&node->region, index), 0, 64);
        const struct gm_descriptor spoiled[] = {{index, 64}, {1000, 64}, {index, 5000}};
        static const char *const whys[] = {"magic", "names no frame", "a size no frame has"};
        const struct gm_network *network = &node->executors[0].network;
        assert_int_equal(network->ops->send(network->self, 0, 3, spoiled[kind]), 0);
        assert_int_equal(duel_settle(&duel), GM_EFRAME_CORRUPT);
        assert_non_null(strstr(gm_gateway_error(duel.gateway)->text, whys[kind]));
        assert_non_null(strstr(gm_gateway_error(duel.gateway)->text, "from executor 0 to 3"));
        duel_close(&duel);
    }
}

static void peers_must_have_everybody_once(void **state)
{
    (void)state;
    static struct nodes world;
    static struct fake_net net;
    const struct nodes_shape shape = {.node_count = 3, .executors_per_node = 1,
                                      .frame_bytes = 4096, .quota_frames = 4, .credit_frames = 4};
    nodes_open(&world, &shape, no_bells);
    fake_net_open(&net, &fair, 3);
    struct gm_gateway_peer peers[NODES_MAX];
    struct gm_gateway *gateway;
    struct gm_gateway_spec spec = {.region = &world.nodes[0].region,
                                   .bell = no_bells[0],
                                   .streams = fake_net_port(&net, 0),
                                   .peers = peers};
#define REFUSED(change, why)                                                                       \
    do {                                                                                           \
        struct gm_error error = {0};                                                               \
        spec.peer_count = nodes_peers(&world, 0, peers);                                           \
        change;                                                                                    \
        assert_int_equal(gm_gateway_create(&spec, &world.nodes[0].heap, &gateway, &error),         \
                         GM_EPEER_PROTOCOL);                                                       \
        assert_non_null(strstr(error.text, why));                                                  \
    } while (0)
    REFUSED(spec.peer_count = 1, "at no node");
    REFUSED(peers[0].first = 0, "two nodes");
    REFUSED(peers[0].first = 2, "two nodes");
    REFUSED(peers[1].count = 2, "that the job has not");
    REFUSED(peers[1].first = 9, "that the job has not");
    REFUSED(peers[1].has_driver = false, "driver");
    REFUSED(peers[0].has_driver = true, "driver");
#undef REFUSED
    nodes_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_crosses_once),
        cmocka_unit_test(a_stream_may_split_at_every_byte),
        cmocka_unit_test(a_stream_that_breaks_is_an_error),
        cmocka_unit_test(damage_is_never_a_wrong_row),
        cmocka_unit_test(what_does_not_belong_is_refused),
        cmocka_unit_test(a_replayed_message_is_refused),
        cmocka_unit_test(a_frame_without_credit_is_refused),
        cmocka_unit_test(frames_leave_only_on_credits),
        cmocka_unit_test(one_slow_reader_does_not_block_the_others),
        cmocka_unit_test(a_spoiled_frame_does_not_leave),
        cmocka_unit_test(peers_must_have_everybody_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
