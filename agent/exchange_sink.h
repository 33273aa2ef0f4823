/* exchange_sink.h - where a chain's rows leave an executor: packed, partitioned, sent. */
#ifndef GM_AGENT_EXCHANGE_SINK_H
#define GM_AGENT_EXCHANGE_SINK_H

#include "engine/chain/chain.h"
#include "shuffle/exchange.h"

struct gm_exchange_sink;

/* Borrows plan and sender.  The rows come from source_partitions partitions. */
int gm_exchange_sink_create(const struct gm_exchange_plan *plan, uint32_t source_partitions,
                            struct gm_sender *sender, struct gm_heap *heap,
                            struct gm_error *error, struct gm_exchange_sink **ret_sink);
void gm_exchange_sink_destroy(struct gm_exchange_sink *sink);
struct gm_chain_sink gm_exchange_sink_port(struct gm_exchange_sink *sink);

#endif
