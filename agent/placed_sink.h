/* placed_sink.h - the end of a chain that writes its range of a sorted output into the one file
 * that all executors share.
 *
 * How long a range's text is, is known when its rows are there, before they are in order
 * (engine/op/measure.c).  Each executor tells it in a word of the region; where a range begins is
 * the sum of those before.  Nobody waits in a circle: a length is told by who has its rows, which
 * needs nothing of any output.
 *
 * Threads: the executor's.  Blocking: pwrite(2) into the page cache, or past it where a range is
 * larger than the executor's memory.
 */
#ifndef GM_AGENT_PLACED_SINK_H
#define GM_AGENT_PLACED_SINK_H

#include "engine/base/error.h"
#include "engine/chain/chain.h"
#include "engine/flow/plan.h"
#include "shuffle/exchange.h"
#include "shuffle/port/bell.h"

struct gm_placed_sink;

struct gm_placed_sink_spec {
    const struct gm_placed_plan *plan; /* borrowed, as the others */
    const struct gm_region *region;
    const struct gm_bell *bell;
    struct gm_sender *sender; /* takes the end, and no rows */
    uint16_t participant;
    struct gm_heap *heap;
    struct gm_error *error;
};

/* Returns 0, GM_ETASK_MEMORY, or < 0 with error. */
int gm_placed_sink_create(const struct gm_placed_sink_spec *spec,
                          struct gm_placed_sink **ret_sink);
void gm_placed_sink_destroy(struct gm_placed_sink *sink); /* NULL is allowed */
struct gm_chain_sink gm_placed_sink_port(struct gm_placed_sink *sink);

/* The driver's question: bytes of all ranges, once the executors are done.  False: some executor
 * told nothing. */
bool gm_placed_bytes(const struct gm_placed_plan *plan, const struct gm_region *region,
                     uint64_t *ret_bytes);

#endif
