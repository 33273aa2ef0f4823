/* world.h - time, turns and bells of one simulated run.
 *
 * Participants are fibers.  Every call of a port is a tick: virtual time passes, the trace grows,
 * and the participant may lose its turn.  So it may at every mark of shuffle/port/step.h, between
 * two steps of a lock-free operation.  Nothing ends a sleep but a bell or a readable disk: there
 * are no timeouts here, so a wake-up that is lost is a run that stands still, and that is noticed.
 *
 * Threads: one.  Every decision comes from the seed, so the same seed gives the same trace.
 */
#ifndef GM_TESTS_SIM_WORLD_H
#define GM_TESTS_SIM_WORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shuffle/port/bell.h"
#include "shuffle/port/clock.h"
#include "shuffle/port/random.h"
#include "shuffle/region.h"
#include "tests/sim/fiber.h"

#define SIM_EXECUTORS_MAX 8
#define SIM_NODES_MAX 5 /* of which one may have the driver alone */
/* Executors, the driver, and a gateway for each node. */
#define SIM_PARTICIPANTS_MAX (SIM_EXECUTORS_MAX + 1 + SIM_NODES_MAX)
#define SIM_DISKS_MAX 64
#define SIM_WATCHED_MAX 64

enum sim_sabotage {
    SIM_SABOTAGE_NONE,
    SIM_LOST_WAKEUP,
    SIM_DROP_FRAME,
    SIM_DUPLICATE_FRAME,
    SIM_REORDER_FRAMES,
    SIM_LEAK_FRAME,
    SIM_SABOTAGES,
};

enum sim_state { SIM_READY, SIM_ASLEEP, SIM_DONE };

struct sim_world;

struct sim_participant {
    struct sim_world *world;
    uint16_t number;
    const struct gm_region *region; /* of its node */
    uint16_t role;                  /* its number there: a gateway's is that of every gateway */
    const uint16_t *seats;          /* who sits at its node */
    enum sim_state state;
    bool rung; /* as an eventfd: kept until the next wait takes it */
    struct sim_fiber *fiber;
    uint32_t weight; /* how often it gets its turn, beside the others */
    int watched[SIM_WATCHED_MAX];
    uint32_t watched_count;
    uint32_t vain_waits; /* ended by a readable disk that was then not polled */
};

/* Something that happens at a time: a bell rings, or a descriptor may have become readable. */
struct sim_event {
    uint64_t at_ns;
    uint64_t sequence; /* events of one time happen in the order in which they were made */
    uint16_t participant;
    int descriptor; /* -1: the bell */
};

struct sim_world {
    struct gm_prng prng;
    const struct gm_region *regions; /* of all nodes */
    uint32_t region_count;
    uint64_t now_ns;
    uint64_t trace;       /* a hash of all that happened */
    uint64_t ticks_count;
    bool print_trace;

    struct sim_participant participants[SIM_PARTICIPANTS_MAX];
    uint32_t participant_count;

    struct sim_event *events; /* a heap, the next one first */
    uint32_t event_count, event_capacity;
    uint64_t event_sequence;

    /* how turns are given */
    uint64_t turn_ticks;       /* one tick of this many ends a turn */
    uint64_t step_turns;       /* one step of this many ends a turn; 0: never */
    uint64_t stay_turns;       /* one turn of this many is another's; 1: always chosen anew */
    uint64_t starve_turns;     /* one turn of this many starts to starve somebody; 0: never */
    uint32_t starved;          /* participant_count: nobody */
    uint64_t starved_until_ns;
    uint32_t last;

    _Atomic bool stopping; /* the run is over: everybody is to come home */
    const char *failure;   /* of the world itself: everybody sleeps, or it never ends */

    void *disks[SIM_DISKS_MAX]; /* by descriptor; NULL: closed */
    uint32_t disk_count;
    bool (*disk_readable)(const struct sim_world *world, const void *disk);

    enum sim_sabotage sabotage;
    struct gm_prng sabotage_prng; /* of its own, so that the run is the same up to the first one */
    uint64_t sabotaged_count;
    uint64_t slept_count;
};

void sim_world_init(struct sim_world *world, uint64_t seed, uint32_t participant_count);
void sim_world_fini(struct sim_world *world);

/* Adds a participant's fiber. */
void sim_world_start(struct sim_world *world, uint16_t participant, void (*function)(void *),
                     void *argument);
/* Gives turns until all have ended. */
void sim_world_run(struct sim_world *world);
/* From inside or outside: sleepers wake up, and those who look at `stopping` come home. */
void sim_world_stop(struct sim_world *world);

/* A call of a port by the participant whose turn it is. */
void sim_world_tick(struct sim_world *world, const char *what, uint64_t a, uint64_t b);
/* The bell of `participant` rings at a time; descriptor -1, or which one may be readable then. */
void sim_world_at(struct sim_world *world, uint64_t at_ns, uint16_t participant, int descriptor);

/* True once in `odds` times; never with 0. */
bool sim_world_chance(struct sim_world *world, uint64_t odds);
/* True when this is the time to do harm. */
bool sim_world_harm(struct sim_world *world, enum sim_sabotage kind, uint64_t odds);

struct gm_clock sim_world_clock(struct sim_world *world);
struct gm_bell sim_world_bell(struct sim_participant *participant);

#endif
