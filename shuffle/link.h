/* link.h - the network port inside one node: the region's rings, and the bell that wakes a sleeper.
 *
 * Threads: one participant, one thread.
 */
#ifndef GM_SHUFFLE_LINK_H
#define GM_SHUFFLE_LINK_H

#include "engine/base/heap.h"
#include "shuffle/port/bell.h"
#include "shuffle/port/network.h"
#include "shuffle/region.h"

struct gm_link; /* joins every ring that this participant sends to or receives from */

/* Borrows region and bell until destroy.  Returns 0, GM_ETASK_MEMORY or GM_EFRAME_CORRUPT. */
int gm_link_create(const struct gm_region *region, uint16_t participant, const struct gm_bell *bell,
                   struct gm_heap *heap, struct gm_link **ret_link);
void gm_link_destroy(struct gm_link *link); /* NULL is allowed */

/* The port; borrows the link. */
struct gm_network gm_link_network(struct gm_link *link);

/* True when any inbound ring has a descriptor. */
bool gm_link_ready(struct gm_link *link);

/* Bell protocol.  Who may wait for rings alone: gm_link_sleep announces the sleep and looks again;
 * it returns false when there is work and the sleep is called off.  Who may also wait for frames of
 * its quota, or cannot use what is there: gm_link_announce, then one more try at its work, then the
 * wait. After the wait, or when it is called off, gm_link_awake. */
bool gm_link_sleep(struct gm_link *link);
void gm_link_announce(struct gm_link *link);
void gm_link_awake(struct gm_link *link);

/* Rings for every executor of this node but `participant` that sleeps: a word of the region, which
 * some may wait for, has changed. */
void gm_link_wake_sleepers(const struct gm_region *region, const struct gm_bell *bell,
                           uint16_t participant);

#endif
