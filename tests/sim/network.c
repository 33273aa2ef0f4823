#include "tests/sim/network.h"

#include "engine/base/check.h"
#include "engine/base/error.h"

#define LEAK_ODDS 4
#define HARM_ODDS 6

/* One more frame is out on the sender's account, and nobody has it. */
static void leak(struct sim_network *self, uint16_t exchange)
{
    const struct gm_region *region = self->participant->region;
    uint32_t index;
    if (sim_world_harm(self->participant->world, SIM_LEAK_FRAME, LEAK_ODDS) &&
        gm_pool_take(region->pool,
                     gm_region_account(region, exchange, self->participant->number),
                     &index) != 0)
        self->participant->world->sabotaged_count--; /* there was none to leak */
}

/* Sends through the inner network; true when sabotage did it in its own way. */
static bool send_badly(struct sim_network *self, uint16_t exchange, uint16_t destination,
                       struct gm_descriptor descriptor)
{
    struct sim_world *world = self->participant->world;
    const struct gm_network *inner = &self->inner;
    struct sim_held *late = &self->late[exchange][destination];
    leak(self, exchange);
    if (sim_world_harm(world, SIM_DROP_FRAME, HARM_ODDS))
        return true;
    if (!late->full && sim_world_harm(world, SIM_REORDER_FRAMES, HARM_ODDS)) {
        *late = (struct sim_held){.full = true, .descriptor = descriptor};
        return true;
    }
    if (sim_world_harm(world, SIM_DUPLICATE_FRAME, HARM_ODDS) &&
        inner->ops->send(inner->self, exchange, destination, descriptor) != 0)
        world->sabotaged_count--; /* no room even for one */
    return false;
}

static int network_send(void *opaque, uint16_t exchange, uint16_t destination,
                        struct gm_descriptor descriptor)
{
    struct sim_network *self = opaque;
    struct sim_world *world = self->participant->world;
    uint64_t *closed_until_ns = &self->closed_until_ns[exchange][destination];
    sim_world_tick(world, "send", (uint64_t)exchange << 16 | destination, descriptor.frame_bytes);
    if (world->now_ns >= *closed_until_ns && sim_world_chance(world, self->spec.refuse_odds)) {
        *closed_until_ns = world->now_ns + gm_prng_below(&world->prng, self->spec.delay_ns_max);
        sim_world_at(world, *closed_until_ns, self->participant->number, -1);
    }
    if (world->now_ns < *closed_until_ns) {
        self->refused_count++;
        return GM_AGAIN;
    }
    if (world->sabotage != SIM_SABOTAGE_NONE && send_badly(self, exchange, destination, descriptor))
        return 0;
    const int rc = self->inner.ops->send(self->inner.self, exchange, destination, descriptor);
    struct sim_held *late = &self->late[exchange][destination];
    if (rc == 0 && late->full) {
        late->full = false;
        (void)self->inner.ops->send(self->inner.self, exchange, destination, late->descriptor);
    }
    return rc;
}

static int network_receive(void *opaque, uint16_t exchange, uint16_t source,
                           struct gm_descriptor *ret_descriptor)
{
    struct sim_network *self = opaque;
    struct sim_world *world = self->participant->world;
    struct sim_held *held = &self->held[exchange][source];
    sim_world_tick(world, "look", exchange, source);
    if (held->full && world->now_ns < held->due_ns)
        return GM_AGAIN;
    if (held->full) {
        held->full = false;
        *ret_descriptor = held->descriptor;
        return 0;
    }
    struct gm_descriptor descriptor;
    const int rc = self->inner.ops->receive(self->inner.self, exchange, source, &descriptor);
    if (rc != 0)
        return rc;
    if (sim_world_chance(world, self->spec.hold_odds)) {
        held->full = true;
        held->descriptor = descriptor;
        held->due_ns = world->now_ns + 1 + gm_prng_below(&world->prng, self->spec.delay_ns_max);
        sim_world_at(world, held->due_ns, self->participant->number, -1);
        self->held_count++;
        return GM_AGAIN;
    }
    *ret_descriptor = descriptor;
    return 0;
}

static void network_returned(void *opaque, uint16_t source)
{
    struct sim_network *self = opaque;
    sim_world_tick(self->participant->world, "back", source, 0);
    self->inner.ops->returned(self->inner.self, source);
}

static const struct gm_network_ops network_ops = {
    .name = "sim",
    .send = network_send,
    .receive = network_receive,
    .returned = network_returned,
};

void sim_network_wrap(struct sim_network *self, struct sim_participant *participant,
                      const struct sim_network_spec *spec, struct gm_network *network)
{
    GM_CHECK(spec->delay_ns_max > 0);
    *self = (struct sim_network){
        .inner = *network, .participant = participant, .spec = *spec};
    *network = (struct gm_network){.ops = &network_ops, .self = self};
}

uint32_t sim_network_holds(const struct sim_network *self)
{
    uint32_t count = 0;
    for (uint32_t e = 0; e < GM_EXCHANGES_MAX; e++)
        for (uint32_t p = 0; p < SIM_PARTICIPANTS_MAX; p++)
            count += self->held[e][p].full;
    return count;
}
