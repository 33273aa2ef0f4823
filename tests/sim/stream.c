#include "tests/sim/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "tests/sim/disk.h"

struct request {
    const struct iovec *pieces;
    uint32_t count; /* 0: none */
};

struct end {
    uint32_t node; /* the other one */
    struct request send, receive;
    uint32_t held_count;
    uint64_t release_ns; /* of the first that is held */
};

struct sim_streams {
    struct sim_device device;
    struct sim_participant *participant;
    struct sim_wires *lines;
    struct gm_heap *heap;
    uint32_t node;
    int descriptor;
    struct end ends[SIM_NODES_MAX];
    uint32_t end_count;
};

void sim_wires_init(struct sim_wires *lines, const struct sim_stream_spec *spec)
{
    *lines = (struct sim_wires){.spec = *spec};
    for (uint32_t from = 0; from < SIM_NODES_MAX; from++)
        for (uint32_t to = 0; to < SIM_NODES_MAX; to++) {
            lines->lines[from][to].bytes = malloc(spec->line_bytes);
            GM_CHECK(lines->lines[from][to].bytes != NULL);
        }
}

void sim_wires_fini(struct sim_wires *lines)
{
    for (uint32_t from = 0; from < SIM_NODES_MAX; from++)
        for (uint32_t to = 0; to < SIM_NODES_MAX; to++)
            free(lines->lines[from][to].bytes);
}

static struct sim_wire *line_to(const struct sim_streams *self, const struct end *end)
{
    return &self->lines->lines[self->node][end->node];
}

static struct sim_wire *line_from(const struct sim_streams *self, const struct end *end)
{
    return &self->lines->lines[end->node][self->node];
}

static bool can_send(const struct sim_streams *self, const struct end *end)
{
    const struct sim_wire *line = line_to(self, end);
    return end->send.count > 0 &&
           (line->broken || (line->count < self->lines->spec.line_bytes &&
                             line->portion_count < SIM_PORTIONS_MAX));
}

static bool can_receive(const struct sim_world *world, const struct sim_streams *self,
                        const struct end *end)
{
    const struct sim_wire *line = line_from(self, end);
    if (end->receive.count == 0)
        return false;
    return line->portion_count > 0 ? line->portions[line->portion_first].due_ns <= world->now_ns
                                   : line->broken || line->closed;
}

static bool streams_readable(const struct sim_world *world, const void *opaque)
{
    const struct sim_streams *self = opaque;
    for (uint32_t i = 0; i < self->end_count; i++) {
        const struct end *end = &self->ends[i];
        if (can_send(self, end) || can_receive(world, self, end) ||
            (end->held_count > 0 && end->release_ns <= world->now_ns))
            return true;
    }
    return false;
}

/* The other node may have something to do at that time. */
static void notify(const struct sim_streams *self, const struct end *end, uint64_t at_ns)
{
    const struct sim_streams *other = self->lines->ends[end->node];
    if (other != NULL)
        sim_world_at(self->participant->world, at_ns, other->participant->number,
                     other->descriptor);
}

static void streams_send(void *opaque, uint16_t peer, const struct iovec *pieces, uint32_t count)
{
    struct sim_streams *self = opaque;
    GM_CHECK(peer < self->end_count && count > 0 && self->ends[peer].send.count == 0);
    self->ends[peer].send = (struct request){pieces, count};
}

static void streams_receive(void *opaque, uint16_t peer, const struct iovec *pieces,
                            uint32_t count)
{
    struct sim_streams *self = opaque;
    GM_CHECK(peer < self->end_count && count > 0 && self->ends[peer].receive.count == 0);
    self->ends[peer].receive = (struct request){pieces, count};
}

/* Up to `most` bytes between a line and the pieces. */
static uint32_t move(struct sim_wire *line, uint32_t line_bytes, const struct request *request,
                     uint32_t most, bool into)
{
    uint32_t moved = 0;
    for (uint32_t i = 0; i < request->count; i++) {
        uint8_t *data = request->pieces[i].iov_base;
        for (size_t left = request->pieces[i].iov_len; left > 0 && moved < most;) {
            const uint32_t at = (line->first + (into ? line->count : 0)) % line_bytes;
            size_t part = line_bytes - at;
            part = part < left ? part : left;
            part = part < most - moved ? part : most - moved;
            if (into)
                memcpy(line->bytes + at, data, part);
            else
                memcpy(data, line->bytes + at, part);
            line->count += into ? (uint32_t)part : -(uint32_t)part;
            line->first = into ? line->first : (line->first + (uint32_t)part) % line_bytes;
            data += part;
            left -= part;
            moved += (uint32_t)part;
        }
    }
    return moved;
}

static void break_line(struct sim_streams *self, struct end *end)
{
    struct sim_wire *both[] = {line_to(self, end), line_from(self, end)};
    for (uint32_t i = 0; i < 2; i++) {
        both[i]->broken = true;
        both[i]->count = both[i]->portion_count = 0;
    }
    self->lines->broken_count++;
    notify(self, end, self->participant->world->now_ns);
}

/* A portion of the send goes onto the line.  Returns its bytes or < 0. */
static int32_t send_portion(struct sim_streams *self, struct end *end)
{
    struct sim_world *world = self->participant->world;
    const struct sim_stream_spec *spec = &self->lines->spec;
    struct sim_wire *line = line_to(self, end);
    if (!line->broken && sim_world_chance(world, spec->break_odds))
        break_line(self, end);
    if (line->broken)
        return -EPIPE;
    uint32_t most = spec->line_bytes - line->count;
    const uint32_t portion = 1 + (uint32_t)gm_prng_below(&world->prng, spec->portion_bytes_max);
    most = most < portion ? most : portion;
    const uint32_t moved = move(line, spec->line_bytes, &end->send, most, true);
    const uint32_t at = (line->portion_first + line->portion_count) % SIM_PORTIONS_MAX;
    const uint32_t before = (at + SIM_PORTIONS_MAX - 1) % SIM_PORTIONS_MAX;
    uint64_t due_ns = world->now_ns;
    if (spec->delay_ns_max > 0)
        due_ns += gm_prng_below(&world->prng, spec->delay_ns_max);
    if (line->portion_count > 0 && line->portions[before].due_ns > due_ns)
        due_ns = line->portions[before].due_ns;
    line->portions[at] = (struct sim_portion){.bytes = moved, .due_ns = due_ns};
    line->portion_count++;
    notify(self, end, due_ns);
    return (int32_t)moved;
}

/* Returns bytes, 0 at the end, or < 0. */
static int32_t receive_portion(struct sim_streams *self, struct end *end)
{
    struct sim_world *world = self->participant->world;
    struct sim_wire *line = line_from(self, end);
    if (line->portion_count == 0)
        return line->broken ? -ECONNRESET : 0;
    uint32_t due_bytes = 0;
    for (uint32_t i = 0; i < line->portion_count; i++) {
        const struct sim_portion *portion =
            &line->portions[(line->portion_first + i) % SIM_PORTIONS_MAX];
        due_bytes += portion->due_ns <= world->now_ns ? portion->bytes : 0;
    }
    const uint32_t most = 1 + (uint32_t)gm_prng_below(&world->prng, due_bytes);
    const uint32_t moved = move(line, self->lines->spec.line_bytes, &end->receive, most, false);
    for (uint32_t left = moved; left > 0;) {
        struct sim_portion *portion = &line->portions[line->portion_first];
        const uint32_t part = portion->bytes < left ? portion->bytes : left;
        portion->bytes -= part;
        left -= part;
        if (portion->bytes == 0) {
            line->portion_first = (line->portion_first + 1) % SIM_PORTIONS_MAX;
            line->portion_count--;
        }
    }
    notify(self, end, world->now_ns); /* there is room */
    return (int32_t)moved;
}

static bool maybe_hold(struct sim_streams *self, struct end *end)
{
    struct sim_world *world = self->participant->world;
    if (!sim_world_chance(world, self->lines->spec.hold_odds))
        return false;
    if (end->held_count++ == 0)
        end->release_ns = world->now_ns + 1 + gm_prng_below(&world->prng, 100000);
    sim_world_at(world, end->release_ns, self->participant->number, self->descriptor);
    return true;
}

static uint32_t poll_end(struct sim_streams *self, uint16_t number,
                         struct gm_stream_event *ret_events)
{
    struct sim_world *world = self->participant->world;
    struct end *end = &self->ends[number];
    uint32_t used = 0;
    if (end->held_count > 0 && end->release_ns <= world->now_ns) {
        end->held_count--;
        ret_events[used++] = (struct gm_stream_event){.peer = number, .kind = GM_STREAM_RELEASED};
        if (end->held_count > 0)
            sim_world_at(world, world->now_ns, self->participant->number, self->descriptor);
    }
    if (can_send(self, end)) {
        const int32_t result = send_portion(self, end);
        end->send.count = 0;
        ret_events[used++] = (struct gm_stream_event){.peer = number,
                                                      .kind = GM_STREAM_SENT,
                                                      .held = result > 0 && maybe_hold(self, end),
                                                      .result = result};
    }
    if (can_receive(world, self, end)) {
        const int32_t result = receive_portion(self, end);
        end->receive.count = 0;
        ret_events[used++] = (struct gm_stream_event){
            .peer = number, .kind = GM_STREAM_RECEIVED, .result = result};
    }
    return used;
}

static int streams_poll(void *opaque, struct gm_stream_event *ret_events, uint32_t count)
{
    struct sim_streams *self = opaque;
    struct sim_world *world = self->participant->world;
    uint32_t used = 0;
    sim_world_tick(world, "wire", self->node, 0);
    self->participant->vain_waits = 0;
    const uint32_t first =
        self->end_count > 0 ? (uint32_t)gm_prng_below(&world->prng, self->end_count) : 0;
    for (uint32_t i = 0; i < self->end_count && used + 3 <= count; i++)
        used += poll_end(self, (uint16_t)((first + i) % self->end_count), ret_events + used);
    return (int)used;
}

static void streams_arm(void *opaque)
{
    (void)opaque; /* who watches the descriptor is woken in any case */
}

static int streams_descriptor(void *opaque)
{
    return ((struct sim_streams *)opaque)->descriptor;
}

static const struct gm_streams_ops streams_ops = {.name = "sim",
                                                  .send = streams_send,
                                                  .receive = streams_receive,
                                                  .poll = streams_poll,
                                                  .arm = streams_arm,
                                                  .descriptor = streams_descriptor};

int sim_streams_open(struct sim_participant *participant, struct sim_wires *lines, uint32_t node,
                     uint32_t node_count, struct gm_heap *heap, struct gm_streams *ret_streams)
{
    struct sim_world *world = participant->world;
    struct sim_streams *self = gm_heap_zalloc(heap, sizeof *self);
    if (self == NULL)
        return GM_ETASK_MEMORY;
    GM_CHECK(world->disk_count < SIM_DISKS_MAX);
    self->device.readable = streams_readable;
    self->participant = participant;
    self->lines = lines;
    self->heap = heap;
    self->node = node;
    for (uint32_t other = 0; other < node_count; other++)
        if (other != node)
            self->ends[self->end_count++].node = other;
    self->descriptor = (int)world->disk_count++;
    world->disks[self->descriptor] = self;
    lines->ends[node] = self;
    /* Of what was sent before, nobody could be told. */
    for (uint32_t i = 0; i < self->end_count; i++) {
        const struct sim_wire *line = line_from(self, &self->ends[i]);
        for (uint32_t p = 0; p < line->portion_count; p++)
            sim_world_at(world,
                         line->portions[(line->portion_first + p) % SIM_PORTIONS_MAX].due_ns,
                         participant->number, self->descriptor);
    }
    *ret_streams = (struct gm_streams){.ops = &streams_ops, .self = self};
    return 0;
}

void sim_streams_close(struct gm_streams *streams)
{
    struct sim_streams *self = streams->self;
    struct sim_world *world = self->participant->world;
    for (uint32_t i = 0; i < self->end_count; i++) {
        line_to(self, &self->ends[i])->closed = true;
        notify(self, &self->ends[i], world->now_ns);
    }
    world->disks[self->descriptor] = NULL;
    self->lines->ends[self->node] = NULL;
    gm_heap_free(self->heap, self, sizeof *self);
}
