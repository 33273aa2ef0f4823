/* stream.h - the streams port between the simulated nodes.
 *
 * A line goes from one node to another.  Bytes of a line keep their order and take their time, each
 * portion its own, so lines overtake each other; a line holds so much and no more, and on a bad day
 * it breaks: then both ends get errors, and what was under way is gone.
 */
#ifndef GM_TESTS_SIM_STREAM_H
#define GM_TESTS_SIM_STREAM_H

#include "engine/base/heap.h"
#include "shuffle/port/stream.h"
#include "tests/sim/world.h"

#define SIM_PORTIONS_MAX 64

struct sim_stream_spec {
    uint64_t delay_ns_max; /* 0: everything is there at once */
    uint32_t line_bytes;   /* what a line holds */
    uint32_t portion_bytes_max;
    uint64_t hold_odds;  /* one send of this many keeps its memory for a while; 0: none */
    uint64_t break_odds; /* one portion of this many breaks its line; 0: none */
};

struct sim_portion {
    uint32_t bytes;
    uint64_t due_ns;
};

struct sim_wire {
    uint8_t *bytes; /* a ring of line_bytes */
    uint32_t first, count;
    struct sim_portion portions[SIM_PORTIONS_MAX]; /* a ring */
    uint32_t portion_first, portion_count;
    bool broken, closed; /* closed: by its sender */
};

/* Of all nodes. */
struct sim_wires {
    struct sim_stream_spec spec;
    struct sim_wire lines[SIM_NODES_MAX][SIM_NODES_MAX]; /* from, to */
    struct sim_streams *ends[SIM_NODES_MAX];             /* NULL: not there yet, or gone */
    uint64_t broken_count;
};

void sim_wires_init(struct sim_wires *lines, const struct sim_stream_spec *spec);
void sim_wires_fini(struct sim_wires *lines);

/* The ends of one node, for its gateway; peers are the other nodes in their order. */
int sim_streams_open(struct sim_participant *participant, struct sim_wires *lines, uint32_t node,
                     uint32_t node_count, struct gm_heap *heap, struct gm_streams *ret_streams);
void sim_streams_close(struct gm_streams *streams);

#endif
