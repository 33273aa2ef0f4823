/* disk.h - the disk port over files in memory.
 *
 * Reads take their time, end in any order, come back short, and may fail.  Like a ring of requests,
 * a read starts only when the disk is polled or asked for its descriptor.  The bytes arrive when
 * the read completes, not before: until then the buffer holds rubbish.
 */
#ifndef GM_TESTS_SIM_DISK_H
#define GM_TESTS_SIM_DISK_H

#include "engine/base/heap.h"
#include "shuffle/port/disk.h"
#include "tests/sim/text.h"
#include "tests/sim/world.h"

struct sim_disk_spec {
    const struct sim_text *text;
    uint32_t depth_max;      /* the queue's depth is random up to this */
    uint64_t delay_ns_max;   /* 0: everything is there at once */
    uint64_t short_odds;     /* one read of this many comes back short; 0: none */
    uint64_t error_odds;     /* one read of this many fails; 0: none */
    uint64_t open_error_odds;
};

/* For one participant; closed by sim_disk_close.  Counts the failures in *failed_count. */
int sim_disk_open(struct sim_participant *participant, const struct sim_disk_spec *spec,
                  uint64_t *failed_count, struct gm_heap *heap, struct gm_disk *ret_disk);
void sim_disk_close(struct gm_disk *disk);

/* What stands first in every disk that the world knows. */
struct sim_device {
    bool (*readable)(const struct sim_world *world, const void *device);
};

/* For the world: any disk. */
bool sim_disk_readable(const struct sim_world *world, const void *disk);

#endif
