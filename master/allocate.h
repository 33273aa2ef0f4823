/* allocate.h - which agents a job gets: all that it asked for, or nothing.
 *
 * Pure.  The agents of a job lie as close together as they can: one agent if it has enough, else
 * one rack, else one data center, else wherever there is room.
 */
#ifndef GM_MASTER_ALLOCATE_H
#define GM_MASTER_ALLOCATE_H

#include "control/message.h"

/* What an agent has left. */
struct gm_offer {
    const char *data_center, *rack; /* borrowed */
    uint32_t core_count; /* all of its cores */
    uint64_t memory_bytes; /* all of its memory */
    uint32_t free_cores;
    uint64_t free_bytes;
    /* The result: what of it the job gets. */
    uint32_t take_executors;
    uint64_t take_bytes;
};

/* want_executors 0: every free core.  want_bytes: memory on each agent of the job; 0: the agent's
 * memory in the measure of its cores.  Returns the agents that are taken from, 0 when it does not
 * fit now.  Where it could never fit, *ret_never says why, else it is NULL. */
uint32_t gm_allocate(struct gm_offer *offers, uint32_t count, uint32_t want_executors,
                     uint64_t want_bytes, const char **ret_never);

#endif
