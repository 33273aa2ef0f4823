/* meter.h - what a chain's calls cost and hand on, counted when somebody asks for it.
 *
 * Threads: the chain's.  A chain without a clock pays one branch per call.
 */
#ifndef GM_CHAIN_METER_H
#define GM_CHAIN_METER_H

#include <stddef.h>
#include <stdint.h>

#include "engine/row/batch.h"

/* A chain's clock: engine/ has none of its own. */
struct gm_meter_clock {
    void *self;
    uint64_t (*now_ns)(void *self); /* NULL: nothing is counted */
};

struct gm_meter {
    uint64_t ns;    /* between begin and end */
    uint64_t bytes; /* of the values handed on */
};

static inline uint64_t gm_meter_begin(const struct gm_meter_clock *clock)
{
    return clock->now_ns != NULL ? clock->now_ns(clock->self) : 0;
}

/* Bytes of the batch's values: 8 for a number, 1 for a bool, the length of bytes, 0 for a null. */
uint64_t gm_meter_batch_bytes(const struct gm_batch *batch);

/* The call that began at begin_ns is over.  out is what it handed on; NULL: nothing. */
static inline void gm_meter_end(const struct gm_meter_clock *clock, struct gm_meter *meter,
                                uint64_t begin_ns, const struct gm_batch *out)
{
    if (clock->now_ns == NULL)
        return;
    meter->ns += clock->now_ns(clock->self) - begin_ns;
    if (out != NULL && out->row_count > 0)
        meter->bytes += gm_meter_batch_bytes(out);
}

#endif
