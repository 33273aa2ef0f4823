/* range_sink.h - the sending end of a global sort: rows are kept until all are known, then cut into
 * ranges.
 *
 * While rows come it keeps them, on disk when memory is spent, and a sample of them.  At the end it
 * tells its sample to every executor through an exchange of its own, works out the splitters from
 * what all told, and sends each row to its range.  Nobody waits for anybody who waits: samples are
 * taken while they are sent, and need no frame of any other exchange.
 *
 * Threads: the executor's.  Blocking: never.
 */
#ifndef GM_AGENT_RANGE_SINK_H
#define GM_AGENT_RANGE_SINK_H

#include "engine/base/error.h"
#include "engine/base/spill.h"
#include "engine/chain/chain.h"
#include "engine/flow/plan.h"
#include "shuffle/exchange.h"

struct gm_range_sink;

struct gm_range_sink_spec {
    const struct gm_exchange_plan *plan; /* borrowed */
    const struct gm_step *step;          /* the sort behind it, for messages; borrowed */
    struct gm_sender *sender;            /* of rows; borrowed, as the others */
    struct gm_sender *samples_out;
    struct gm_receiver *samples_in;
    uint32_t executor_count;
    uint16_t participant;
    const struct gm_spill *spill; /* NULL: nothing may go to disk */
    uint64_t spill_at_bytes;
    struct gm_heap *heap;
    struct gm_error *error;
};

/* Returns 0 or GM_ETASK_MEMORY. */
int gm_range_sink_create(const struct gm_range_sink_spec *spec, struct gm_range_sink **ret_sink);
void gm_range_sink_destroy(struct gm_range_sink *sink); /* NULL is allowed */
struct gm_chain_sink gm_range_sink_port(struct gm_range_sink *sink);
/* Another spill_at_bytes from now on. */
void gm_range_sink_set_spill_at(struct gm_range_sink *sink, uint64_t bytes);
/* Bytes that it has written to disk. */
uint64_t gm_range_sink_spilled_bytes(const struct gm_range_sink *sink);

#endif
