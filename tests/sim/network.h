/* network.h - a network port over another one, with bad days.
 *
 * It refuses a destination for a while, and holds a frame back before the receiver may see it; like
 * any network it rings when there is room again, and when the frame is there.  On request it does
 * what no network may do, so that a run shows whether that is noticed.
 */
#ifndef GM_TESTS_SIM_NETWORK_H
#define GM_TESTS_SIM_NETWORK_H

#include "shuffle/port/network.h"
#include "tests/sim/world.h"

struct sim_network_spec {
    uint64_t refuse_odds; /* one send of this many finds the way closed for a while; 0: never */
    uint64_t hold_odds;   /* one frame of this many is held back; 0: none */
    uint64_t delay_ns_max;
};

struct sim_held {
    bool full;
    struct gm_descriptor descriptor;
    uint64_t due_ns;
};

/* One participant's. */
struct sim_network {
    struct gm_network inner;
    struct sim_participant *participant;
    struct sim_network_spec spec;
    uint64_t closed_until_ns[GM_EXCHANGES_MAX][SIM_PARTICIPANTS_MAX];
    struct sim_held held[GM_EXCHANGES_MAX][SIM_PARTICIPANTS_MAX]; /* by source */
    struct sim_held late[GM_EXCHANGES_MAX][SIM_PARTICIPANTS_MAX]; /* sabotage; by destination */
    uint64_t refused_count, held_count;
};

/* Wraps *network, which self keeps. */
void sim_network_wrap(struct sim_network *self, struct sim_participant *participant,
                      const struct sim_network_spec *spec, struct gm_network *network);
/* Frames that are held back. */
uint32_t sim_network_holds(const struct sim_network *self);

#endif
