/* splits.h - files to partitions of byte ranges; fixed and deterministic. */
#ifndef GM_FLOW_SPLITS_H
#define GM_FLOW_SPLITS_H

#include "engine/flow/plan.h"

/* How many partitions a text source gets when nobody can see them: enough to balance the executors,
 * not so many that each costs more than its work. */
uint32_t gm_splits_count(const struct gm_source *source, uint32_t executor_count);

/* Fills segments and partition_ends: partition k of n has the bytes [k T / n, (k + 1) T / n) of all
 * files laid end to end, T in all.  Files of unknown size are whole, dealt out
 * evenly.  Returns T. */
uint64_t gm_splits_make(struct gm_source *source, uint32_t partition_count);

#endif
