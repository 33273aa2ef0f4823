/* world.c - who is next, what time it is, who sleeps. */
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "shuffle/port/step.h"

/* The largest run takes some hundred thousand ticks. */
#define TICKS_MAX UINT64_C(40000000)
/* Turns after the end of a run until everybody is home. */
#define TICKS_STOPPING_MAX UINT64_C(4000000)
#define STARVE_NS_MAX 3000000
/* One wait may end by a read that the chains, busy with other things, do not look at yet. */
#define VAIN_WAITS_MAX 8

/* One step of this many that end a turn keeps its participant away for long: time for the others to
 * look, find nothing, and fall asleep. */
#define STEP_STARVE_ODDS 4

static struct sim_world *running; /* gm_sim_yield has no argument; NULL: none runs */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

bool sim_world_chance(struct sim_world *world, uint64_t odds)
{
    return odds > 0 && gm_prng_below(&world->prng, odds) == 0;
}

bool sim_world_harm(struct sim_world *world, enum sim_sabotage kind, uint64_t odds)
{
    if (world->sabotage != kind || world->stopping)
        return false;
    if (gm_prng_below(&world->sabotage_prng, odds) != 0)
        return false;
    world->sabotaged_count++;
    return true;
}

void sim_world_init(struct sim_world *world, uint64_t seed, uint32_t participant_count)
{
    GM_CHECK(participant_count <= SIM_PARTICIPANTS_MAX);
    *world = (struct sim_world){.participant_count = participant_count};
    gm_prng_init(&world->prng, seed);
    gm_prng_init(&world->sabotage_prng, ~seed);
    static const uint64_t turn_ticks[] = {1, 3, 20, 200, 2000};
    static const uint64_t step_turns[] = {0, 3, 20, 200};
    static const uint64_t stay_turns[] = {1, 1, 4, 40};
    world->turn_ticks = turn_ticks[gm_prng_below(&world->prng, 5)];
    world->step_turns = step_turns[gm_prng_below(&world->prng, 4)];
    world->stay_turns = stay_turns[gm_prng_below(&world->prng, 4)];
    world->starve_turns = sim_world_chance(world, 2) ? 100 : 0;
    world->starved = participant_count;
    for (uint32_t i = 0; i < participant_count; i++)
        world->participants[i] = (struct sim_participant){
            .world = world,
            .number = (uint16_t)i,
            .state = SIM_DONE,
            .weight = sim_world_chance(world, 4) ? 1 : 10,
        };
}

void sim_world_fini(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->participant_count; i++)
        sim_fiber_destroy(world->participants[i].fiber);
    free(world->events);
}

void sim_world_start(struct sim_world *world, uint16_t participant, void (*function)(void *),
                     void *argument)
{
    struct sim_participant *self = &world->participants[participant];
    self->fiber = sim_fiber_create(function, argument);
    self->state = SIM_READY;
}

/* ---- events ---------------------------------------------------------------------------------- */

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

void sim_world_at(struct sim_world *world, uint64_t at_ns, uint16_t participant, int descriptor)
{
    if (world->event_count == world->event_capacity) {
        world->event_capacity = world->event_capacity > 0 ? 2 * world->event_capacity : 64;
        world->events = realloc(world->events, world->event_capacity * sizeof *world->events);
        GM_CHECK(world->events != NULL);
    }
    const struct sim_event event = {.at_ns = at_ns,
                                    .sequence = world->event_sequence++,
                                    .participant = participant,
                                    .descriptor = descriptor};
    uint32_t at = world->event_count++;
    for (; at > 0 && earlier(&event, &world->events[(at - 1) / 2]); at = (at - 1) / 2)
        world->events[at] = world->events[(at - 1) / 2];
    world->events[at] = event;
}

static struct sim_event take_event(struct sim_world *world)
{
    struct sim_event *events = world->events;
    const struct sim_event first = events[0], last = events[--world->event_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= world->event_count)
            break;
        if (child + 1 < world->event_count && earlier(&events[child + 1], &events[child]))
            child++;
        if (!earlier(&events[child], &last))
            break;
        events[at] = events[child];
        at = child;
    }
    events[at] = last;
    return first;
}

static bool is_readable(const struct sim_world *world, int descriptor)
{
    GM_CHECK(descriptor >= 0 && (uint32_t)descriptor < world->disk_count);
    const void *disk = world->disks[descriptor];
    return disk != NULL && world->disk_readable(world, disk);
}

static void wake(struct sim_participant *participant)
{
    if (participant->state == SIM_ASLEEP)
        participant->state = SIM_READY;
}

static void happen(struct sim_world *world, const struct sim_event *event)
{
    struct sim_participant *participant = &world->participants[event->participant];
    world->trace = mix(world->trace, event->at_ns ^ event->participant);
    if (event->descriptor < 0) {
        participant->rung = true;
        wake(participant);
        return;
    }
    /* Only who watches the descriptor is woken by it. */
    for (uint32_t i = 0; i < participant->watched_count; i++)
        if (participant->watched[i] == event->descriptor && is_readable(world, event->descriptor))
            wake(participant);
}

static void happen_due(struct sim_world *world)
{
    while (world->event_count > 0 && world->events[0].at_ns <= world->now_ns) {
        const struct sim_event event = take_event(world);
        happen(world, &event);
    }
}

/* ---- turns ----------------------------------------------------------------------------------- */

void sim_world_tick(struct sim_world *world, const char *what, uint64_t a, uint64_t b)
{
    GM_CHECK(sim_fiber_inside());
    world->now_ns += 20 + gm_prng_below(&world->prng, 400);
    world->ticks_count++;
    world->trace = mix(world->trace, (uint64_t)(uint8_t)what[0] << 32 | world->last);
    world->trace = mix(mix(world->trace, a), b ^ world->now_ns);
    if (world->print_trace)
        printf("%12" PRIu64 " ns  %u %s %" PRIu64 " %" PRIu64 "\n", world->now_ns, world->last,
               what, a, b);
    if (sim_world_chance(world, world->turn_ticks))
        sim_fiber_yield();
}

void sim_world_stop(struct sim_world *world)
{
    world->stopping = true;
    for (uint32_t i = 0; i < world->participant_count; i++)
        wake(&world->participants[i]);
}

static void maybe_starve(struct sim_world *world)
{
    if (world->starved < world->participant_count) {
        if (world->now_ns >= world->starved_until_ns)
            world->starved = world->participant_count;
    } else if (sim_world_chance(world, world->starve_turns)) {
        world->starved = (uint32_t)gm_prng_below(&world->prng, world->participant_count);
        world->starved_until_ns = world->now_ns + gm_prng_below(&world->prng, STARVE_NS_MAX);
    }
}

/* The weights of those who are ready; 0 when none is. */
static uint64_t ready_weight(const struct sim_world *world)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world->participant_count; i++)
        if (world->participants[i].state == SIM_READY && i != world->starved)
            sum += world->participants[i].weight;
    return sum;
}

/* Whose turn it is; NULL when nobody can do anything. */
static struct sim_participant *choose(struct sim_world *world)
{
    struct sim_participant *last = &world->participants[world->last];
    if (last->state == SIM_READY && world->last != world->starved && world->stay_turns > 1 &&
        !sim_world_chance(world, world->stay_turns))
        return last;
    uint64_t sum = ready_weight(world);
    if (sum == 0) {
        world->starved = world->participant_count;
        sum = ready_weight(world);
        if (sum == 0)
            return NULL;
    }
    uint64_t ticket = gm_prng_below(&world->prng, sum);
    for (uint32_t i = 0; i < world->participant_count; i++) {
        struct sim_participant *participant = &world->participants[i];
        if (participant->state != SIM_READY || i == world->starved)
            continue;
        if (ticket < participant->weight)
            return participant;
        ticket -= participant->weight;
    }
    return NULL;
}

static bool all_done(const struct sim_world *world)
{
    for (uint32_t i = 0; i < world->participant_count; i++)
        if (world->participants[i].state != SIM_DONE)
            return false;
    return true;
}

static void give_up(struct sim_world *world, const char *why)
{
    GM_CHECK(!world->stopping); /* a participant that does not even come home is beyond help */
    world->failure = why;
    sim_world_stop(world);
}

/* What pool.c promises at any time: out_count never says less than what is missing from the list.
 * Otherwise a take within its quota finds no frame, and nobody wakes who waits for that. */
static bool pool_keeps_its_promise(const struct gm_region *region)
{
    uint64_t sum = gm_pool_free_count(region->pool);
    const uint32_t account_count = region->spec.exchange_count * region->spec.executor_count;
    for (uint32_t i = 0; i < account_count; i++)
        sum += gm_pool_out(region->pool, i);
    return sum >= region->frame_count;
}

static bool pools_keep_their_promise(const struct sim_world *world)
{
    for (uint32_t i = 0; i < world->region_count; i++)
        if (!pool_keeps_its_promise(&world->regions[i]))
            return false;
    return true;
}

void gm_sim_yield(void)
{
    struct sim_world *world = running;
    if (world == NULL || !sim_fiber_inside() || !sim_world_chance(world, world->step_turns))
        return;
    world->now_ns += gm_prng_below(&world->prng, 40);
    world->ticks_count++;
    world->trace = mix(mix(world->trace, (uint64_t)'s' << 32 | world->last), world->now_ns);
    if (world->print_trace)
        printf("%12" PRIu64 " ns  %u step\n", world->now_ns, world->last);
    if (world->sabotage == SIM_SABOTAGE_NONE && !world->stopping &&
        !pools_keep_their_promise(world))
        give_up(world, "frames are missing from the pool and out on no account");
    if (world->starved == world->participant_count && sim_world_chance(world, STEP_STARVE_ODDS)) {
        world->starved = world->last;
        world->starved_until_ns = world->now_ns + gm_prng_below(&world->prng, STARVE_NS_MAX);
    }
    sim_fiber_yield();
}

void sim_world_run(struct sim_world *world)
{
    uint64_t ticks_max = TICKS_MAX;
    running = world;
    while (!all_done(world)) {
        happen_due(world);
        maybe_starve(world);
        struct sim_participant *participant = choose(world);
        if (participant == NULL && world->event_count > 0) {
            world->now_ns = world->events[0].at_ns;
            continue;
        }
        if (participant == NULL || world->ticks_count > ticks_max) {
            give_up(world, participant == NULL ? "everybody sleeps: a wake-up was lost"
                                               : "it never ends");
            ticks_max = world->ticks_count + TICKS_STOPPING_MAX;
            continue;
        }
        world->last = participant->number;
        world->trace = mix(world->trace, participant->number);
        sim_fiber_resume(participant->fiber);
        if (sim_fiber_ended(participant->fiber))
            participant->state = SIM_DONE;
    }
    running = NULL;
}

/* ---- clock and bell -------------------------------------------------------------------------- */

static uint64_t clock_now(void *self)
{
    struct sim_world *world = self;
    sim_world_tick(world, "clock", 0, 0);
    return world->now_ns;
}

struct gm_clock sim_world_clock(struct sim_world *world)
{
    return (struct gm_clock){.self = world, .now_ns = clock_now};
}

static void bell_ring(void *self, uint16_t seat)
{
    struct sim_participant *ringer = self;
    struct sim_world *world = ringer->world;
    GM_CHECK(seat < gm_region_seat_count(&ringer->region->spec));
    const uint16_t participant = ringer->seats[seat];
    sim_world_tick(world, "ring", participant, 0);
    if (sim_world_harm(world, SIM_LOST_WAKEUP, 2))
        return;
    world->participants[participant].rung = true;
    wake(&world->participants[participant]);
    gm_sim_yield(); /* the one that was woken may be faster than the ringer's next step */
}

static bool has_reason_to_wake(struct sim_participant *self)
{
    if (self->rung || self->world->stopping)
        return true;
    for (uint32_t i = 0; i < self->watched_count; i++)
        if (is_readable(self->world, self->watched[i])) {
            if (++self->vain_waits > VAIN_WAITS_MAX && self->world->failure == NULL)
                give_up(self->world, "somebody spins: it watches a disk that it does not poll");
            return true;
        }
    return false;
}

static void bell_wait(void *self, const int *extra, uint32_t extra_count, uint64_t timeout_ns)
{
    struct sim_participant *sleeper = self;
    struct sim_world *world = sleeper->world;
    const struct gm_ledger_entry *ledger = gm_region_ledger(sleeper->region, sleeper->role);
    (void)timeout_ns; /* see world.h */
    GM_CHECK(atomic_load_explicit(&ledger->sleeping, memory_order_relaxed) == 1);
    GM_CHECK(extra_count <= SIM_WATCHED_MAX);
    if (extra_count > 0)
        memcpy(sleeper->watched, extra, extra_count * sizeof *extra);
    sleeper->watched_count = extra_count;
    sim_world_tick(world, "wait", extra_count, 0);
    if (!has_reason_to_wake(sleeper) && !sim_world_chance(world, 50)) {
        sleeper->state = SIM_ASLEEP;
        world->slept_count++;
        sim_fiber_yield();
    }
    sleeper->rung = false;
    sleeper->watched_count = 0;
}

static const struct gm_bell_ops bell_ops = {.name = "sim", .ring = bell_ring, .wait = bell_wait};

struct gm_bell sim_world_bell(struct sim_participant *participant)
{
    return (struct gm_bell){.ops = &bell_ops, .self = participant};
}
