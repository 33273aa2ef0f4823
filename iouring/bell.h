/* bell.h - the bell port: one eventfd per participant of this node, by seat (shuffle/region.h).
 *
 * Threads:   ring from any thread or process that has the descriptors; wait by the participant's
 *            own thread alone.
 * Memory:    the caller's struct, and the caller's array of descriptors.
 * Order:     a ring is remembered by the eventfd until the next wait, so one that comes before the
 *            sleep ends it at once.
 */
#ifndef GM_IOURING_BELL_H
#define GM_IOURING_BELL_H

#include <stdint.h>

#include "shuffle/port/bell.h"

struct gm_eventfd_bell {
    const int *descriptors; /* by participant */
    uint32_t participants_count;
    uint16_t participant; /* whose bell wait listens to */
};

/* Makes one eventfd per participant, non-blocking and close-on-exec.  Returns 0 or -errno; on an
 * error none is left open. */
int gm_eventfd_bell_open(uint32_t participants_count, int *ret_descriptors);
void gm_eventfd_bell_close(uint32_t participants_count, int *descriptors);

/* Borrows the descriptors for as long as the bell is used. */
void gm_eventfd_bell_init(struct gm_eventfd_bell *bell, const int *descriptors,
                          uint32_t participants_count, uint16_t participant);
/* The port; borrows the bell.  wait takes at most GM_BELL_EXTRA_MAX extra descriptors; -1 among
 * them is passed over. */
struct gm_bell gm_eventfd_bell_port(struct gm_eventfd_bell *bell);

#endif
