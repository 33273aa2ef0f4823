/* tally_kernel.h - the loops of a tally: hashing keys, and looking hashes up.
 *
 * Threads:   any; a tally belongs to one.
 * Variants:  see engine/base/variant.h.  They differ in how a bucket's hashes are compared and keys
 *            multiplied, and all give the same.
 */
#ifndef GM_OP_TALLY_KERNEL_H
#define GM_OP_TALLY_KERNEL_H

#include "engine/base/variant.h"
#include "engine/op/tally.h"

/* Rows ahead of the one looked up whose buckets are on their way to the cache.  Twice as many as a
 * core has misses under way: some wait for each other. */
#define GM_TALLY_AHEAD 32

struct gm_tally_kernel {
    struct gm_variant head;
    /* Returns true when a hash is 0. */
    bool (*mix)(const struct gm_tally_hash *hash, const int64_t *keys, uint32_t count,
                uint64_t *ret_hashes);
    /* The places of hashes that are not 0, made where there were none.  hashes has GM_TALLY_AHEAD
     * more entries.  Returns how many it did: less than count when the table has to grow first. */
    uint32_t (*find)(struct gm_tally *tally, const uint64_t *hashes, uint32_t count,
                     uint64_t **ret_values);
};

const struct gm_tally_kernel *gm_tally_kernel(void);
/* For tests and benchmarks.  Returns 0, -EINVAL (there is none of that name) or -ENOTSUP (it cannot
 * run here). */
int gm_tally_select(const char *name);

/* Buckets looked at before the table has to grow.  At 3/4 of 2^24 places the longest run of full
 * buckets is about 110. */
#define GM_TALLY_PROBES 256

/* The place of a hash that is not 0, one step at a time, in one of `probes` buckets from where it
 * belongs.  NULL: there is none, the table has to grow first. */
uint64_t *gm_tally_place(struct gm_tally *tally, uint64_t hash, uint32_t probes);

#endif
