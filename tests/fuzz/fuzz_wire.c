/* fuzz_wire.c - what anybody may send to a gateway.
 *
 * The first byte says how far the bytes are put right (numbers, seals, checksums), so that what is
 * behind those is reached too; the rest is what comes over the stream.  The gateway must not fail
 * in any other way than by its code; what it lets through, receivers may refuse, but must survive.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/checksum.h"
#include "shuffle/wire.h"
#include "tests/fuzz/target.h"
#include "tests/unit/shuffle/fake_streams.h"
#include "tests/unit/shuffle/nodes.h"

#define INPUT_MAX (32u << 10)

enum { RIGHT_HEADS = 1, RIGHT_FRAMES = 2, RIGHT_PLACES = 4, RIGHT_SUMS = 8 };

static void no_ring(void *self, uint16_t seat)
{
    (void)self;
    (void)seat;
}

static const struct gm_bell_ops no_bell_ops = {.name = "none", .ring = no_ring};

/* Numbers that the gateway expects, for the frames of one input. */
struct mender {
    const struct gm_region_spec *spec;
    uint8_t how;
    uint64_t message_sequence;
    uint64_t frame_sequences[2]; /* by destination: executors 0 and 1, exchange 0 */
};

static void mend_frame(struct mender *mender, struct gm_frame_header *header,
                       const uint8_t *payload, size_t bytes)
{
    if (mender->how & RIGHT_PLACES) {
        header->exchange = 0;
        header->source = 2 + header->source % 2;
        header->destination %= 2;
        header->flags = (header->flags & GM_FRAME_END) | GM_FRAME_CHECKSUM;
        header->payload_bytes %= 600;
        header->reserved = 0;
        header->run_count = 1;
        header->row_count %= 20;
        header->sequence = header->source == 2 ? mender->frame_sequences[header->destination]++ : 0;
    }
    header->magic = GM_FRAME_MAGIC;
    header->attempt = mender->spec->attempt;
    if ((mender->how & RIGHT_SUMS) && header->payload_bytes <= bytes)
        header->checksum = gm_checksum(payload, header->payload_bytes);
    header->seal = gm_frame_seal(header, mender->spec->secret);
}

/* Puts the message right that begins at *data; returns how long it is. */
static size_t mend(struct mender *mender, uint8_t *data, size_t bytes)
{
    struct gm_wire_head head;
    if (bytes < sizeof head)
        return bytes;
    memcpy(&head, data, sizeof head);
    head.magic = GM_WIRE_MAGIC;
    head.attempt = mender->spec->attempt;
    head.from = 1;
    head.to = 0;
    head.sequence = mender->message_sequence++;
    head.flags &= GM_WIRE_LAST;
    head.reserved = 0;
    head.frame_count %= GM_WIRE_FRAMES_MAX + 1;
    head.credit_count %= 2;
    size_t used = sizeof head;
    for (uint32_t i = 0; i < head.frame_count && used < bytes; i++) {
        if (mender->how & RIGHT_FRAMES)
            mend_frame(mender, &head.frames[i], data + used, bytes - used);
        used += head.frames[i].payload_bytes < bytes ? head.frames[i].payload_bytes : bytes;
    }
    head.seal = gm_wire_seal(&head, mender->spec->secret);
    memcpy(data, &head, sizeof head);
    return used < bytes ? used : bytes;
}

/* Feeds the stream, and reads what comes out at the other side. */
static void run(struct nodes *world, struct gm_gateway *gateway, struct fake_wire *wire,
                const uint8_t *data, size_t bytes)
{
    size_t fed = 0;
    for (uint32_t idle = 0; idle < 4;) {
        for (; fed < bytes && wire->count < FAKE_WIRE_BYTES; fed++)
            wire->bytes[(wire->first + wire->count++) % FAKE_WIRE_BYTES] = data[fed];
        const int rc = gm_gateway_step(gateway);
        GM_CHECK(rc == 0 || rc == GM_AGAIN || rc == GM_EFRAME_CORRUPT);
        for (uint32_t i = 0; i < 2; i++) {
            struct gm_run got;
            const int got_rc = gm_receiver_next(world->nodes[0].executors[i].receiver, &got);
            GM_CHECK(got_rc == 0 || got_rc == GM_AGAIN || got_rc == GM_END ||
                     got_rc == GM_EFRAME_CORRUPT);
        }
        if (rc < 0) {
            GM_CHECK(gm_gateway_error(gateway)->text[0] != '\0');
            return;
        }
        idle = rc == GM_AGAIN && fed == bytes ? idle + 1 : 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct nodes world;
    static struct fake_net net;
    static uint8_t input[INPUT_MAX];
    static const struct gm_bell bells[NODES_MAX] = {{&no_bell_ops, NULL}, {&no_bell_ops, NULL}};
    static const struct nodes_shape shape = {.node_count = 2, .executors_per_node = 2,
                                             .frame_bytes = 4096, .quota_frames = 4,
                                             .credit_frames = 4};
    const struct fake_weather weather = {.seed = 1, .chunk_max = 1500, .damage_at = UINT64_MAX,
                                         .break_at = UINT64_MAX, .close_at = UINT64_MAX};
    if (bytes < 2 || bytes - 1 > INPUT_MAX)
        return 0;
    const size_t input_bytes = bytes - 1;
    memcpy(input, data + 1, input_bytes);
    nodes_open(&world, &shape, bells);
    fake_net_open(&net, &weather, 2);
    struct gm_gateway_peer peers[NODES_MAX];
    struct gm_gateway *gateway;
    const struct gm_gateway_spec spec = {.region = &world.nodes[0].region,
                                         .bell = bells[0],
                                         .streams = fake_net_port(&net, 0),
                                         .peers = peers,
                                         .peer_count = nodes_peers(&world, 0, peers)};
    GM_CHECK(gm_gateway_create(&spec, &world.nodes[0].heap, &gateway, NULL) == 0);
    struct mender mender = {.spec = &world.nodes[0].region.spec, .how = data[0]};
    for (size_t at = 0; at < input_bytes && (data[0] & RIGHT_HEADS);)
        at += mend(&mender, input + at, input_bytes - at);
    run(&world, gateway, &net.wires[1][0], input, input_bytes);
    gm_gateway_destroy(gateway);
    nodes_close(&world);
    return 0;
}
