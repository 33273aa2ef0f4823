/* bell.h - port: how an idle participant sleeps and is woken.
 *
 * Protocol (in shuffle/link): the sleeper announces itself in the region (seq_cst), looks at its
 * rings once more, then waits; a sender publishes its descriptor, then looks at the announcement
 * (seq_cst fence between) and rings.  So no wake-up is lost.
 * Real: one eventfd per participant.  Simulated: a flag per participant.
 */
#ifndef GM_PORT_BELL_H
#define GM_PORT_BELL_H

#include <stdint.h>

struct gm_bell_ops {
    const char *name;
    /* `seat` says who at this node (shuffle/region.h). */
    void (*ring)(void *self, uint16_t seat);
    /* Sleeps until this participant's bell rings, a descriptor in `extra` polls readable, or
     * timeout_ns passed (UINT64_MAX: none).  May return early. */
    void (*wait)(void *self, const int *extra, uint32_t extra_count, uint64_t timeout_ns);
};

struct gm_bell {
    const struct gm_bell_ops *ops;
    void *self;
};

#endif
