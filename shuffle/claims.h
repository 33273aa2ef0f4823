/* claims.h - the partitions of a source, claimed from a counter of the region.
 *
 * Every node has a counter of its own and a share of the partitions by its share of the executors:
 * of every executor_count partitions those that an exchange would give to its executors.  So claims
 * go upwards on every node, and where all executors are at one node, claim c is partition c.
 */
#ifndef GM_SHUFFLE_CLAIMS_H
#define GM_SHUFFLE_CLAIMS_H

#include "shuffle/region.h"

struct gm_claims {
    _Atomic uint64_t *counter;
    uint32_t first, here, all; /* executors of this node, and of the job */
};

static inline struct gm_claims gm_claims_of(const struct gm_region *region, uint32_t claim)
{
    return (struct gm_claims){.counter = gm_region_claim(region, claim),
                              .first = region->spec.first_local,
                              .here = region->spec.local_count,
                              .all = region->spec.executor_count};
}

/* The next partition, of which the caller has nothing but the number: it may be none. */
static inline uint64_t gm_claims_take(const struct gm_claims *claims)
{
    const uint64_t claim = atomic_fetch_add_explicit(claims->counter, 1, memory_order_relaxed);
    return claim / claims->here * claims->all + claims->first + claim % claims->here;
}

#endif
