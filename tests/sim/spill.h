/* spill.h - the spill disk over files in memory: slow, short, interrupted, full, broken, forgetful.
 *
 * Transfers end in any order.  What is written is on the disk when its transfer ends, not before;
 * what is read is rubbish until then.
 */
#ifndef GM_TESTS_SIM_SPILL_H
#define GM_TESTS_SIM_SPILL_H

#include "engine/base/heap.h"
#include "shuffle/port/spill_disk.h"
#include "tests/sim/world.h"

struct sim_spill_spec {
    uint64_t delay_ns_max;    /* 0: everything is done at once */
    uint64_t short_odds;      /* one transfer of this many moves less; 0: none */
    uint64_t interrupt_odds;
    uint64_t error_odds;      /* one of this many fails */
    uint64_t damage_odds;     /* one write of this many is wrong, or lost */
    uint64_t directory_bytes; /* room in each; 0: no end */
    bool no_reserve;          /* a full directory shows only in the write */
};

struct sim_spill_counts {
    uint64_t written_bytes;
    uint64_t failed_count; /* transfers that failed or went wrong unseen, files that were full */
};

int sim_spill_open(struct sim_participant *participant, const struct sim_spill_spec *spec,
                   struct sim_spill_counts *counts, struct gm_heap *heap, uint32_t depth,
                   struct gm_spill_disk *ret_disk);
void sim_spill_close(struct gm_spill_disk *disk);

#endif
