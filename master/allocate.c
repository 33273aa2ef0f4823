/* allocate.c - the smallest group of agents that has enough, and the largest of it first. */
#include "master/allocate.h"

#include <string.h>

/* Groups of agents, from close to far. */
enum reach { SAME_RACK, SAME_DATA_CENTER, ANYWHERE, REACHES };

static uint64_t share(const struct gm_offer *offer, uint32_t executors)
{
    /* Memory is at most 2^63, cores at most 256: divided first, lest it overflows. */
    return offer->memory_bytes / offer->core_count * executors;
}

/* Executors that fit into what the agent has free. */
static uint32_t room(const struct gm_offer *offer, uint64_t want_bytes)
{
    if (want_bytes > 0)
        return offer->free_bytes >= want_bytes ? offer->free_cores : 0;
    const uint64_t each = share(offer, 1);
    const uint64_t fit = each > 0 ? offer->free_bytes / each : offer->free_cores;
    return fit < offer->free_cores ? (uint32_t)fit : offer->free_cores;
}

static bool together(const struct gm_offer *a, const struct gm_offer *b, enum reach reach)
{
    if (reach == ANYWHERE)
        return true;
    const bool center = strcmp(a->data_center, b->data_center) == 0;
    return center && (reach == SAME_DATA_CENTER || strcmp(a->rack, b->rack) == 0);
}

static uint32_t room_around(const struct gm_offer *offers, uint32_t count, uint32_t center,
                            enum reach reach, uint64_t want_bytes)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        if (together(&offers[i], &offers[center], reach))
            sum += room(&offers[i], want_bytes);
    return sum;
}

static void take(struct gm_offer *offer, uint32_t executors, uint64_t want_bytes)
{
    offer->take_executors = executors;
    offer->take_bytes = want_bytes > 0 ? want_bytes : share(offer, executors);
}

/* Takes from those around `center`, the one with the most room first: so the job has few agents. */
static uint32_t take_around(struct gm_offer *offers, uint32_t count, uint32_t center,
                            enum reach reach, uint32_t executors, uint64_t want_bytes)
{
    uint32_t taken = 0;
    while (executors > 0) {
        struct gm_offer *best = NULL;
        for (uint32_t i = 0; i < count; i++)
            if (offers[i].take_executors == 0 && together(&offers[i], &offers[center], reach) &&
                room(&offers[i], want_bytes) > (best != NULL ? room(best, want_bytes) : 0))
                best = &offers[i];
        if (best == NULL)
            break;
        const uint32_t fit = room(best, want_bytes);
        take(best, fit < executors ? fit : executors, want_bytes);
        executors -= best->take_executors;
        taken++;
    }
    return taken;
}

static const char *why_never(const struct gm_offer *offers, uint32_t count, uint32_t executors,
                             uint64_t want_bytes)
{
    uint64_t cores = 0;
    if (count == 0)
        return NULL; /* agents may come */
    for (uint32_t i = 0; i < count; i++)
        if (want_bytes == 0 || offers[i].memory_bytes >= want_bytes)
            cores += offers[i].core_count;
    if (cores == 0)
        return "no agent has so much memory in all";
    if (cores < executors)
        return "the agents that are there have fewer cores in all";
    return NULL;
}

uint32_t gm_allocate(struct gm_offer *offers, uint32_t count, uint32_t want_executors,
                     uint64_t want_bytes, const char **ret_never)
{
    uint32_t all = 0;
    *ret_never = why_never(offers, count, want_executors, want_bytes);
    for (uint32_t i = 0; i < count; i++) {
        offers[i].take_executors = 0;
        all += room(&offers[i], want_bytes);
    }
    if (want_executors == 0)
        want_executors = all < GM_EXECUTORS_MAX ? all : GM_EXECUTORS_MAX;
    if (want_executors == 0 || all < want_executors)
        return 0;
    /* One agent: the one that fits best, which leaves the larger ones whole. */
    struct gm_offer *tightest = NULL;
    for (uint32_t i = 0; i < count; i++)
        if (room(&offers[i], want_bytes) >= want_executors &&
            (tightest == NULL || room(&offers[i], want_bytes) < room(tightest, want_bytes)))
            tightest = &offers[i];
    if (tightest != NULL) {
        take(tightest, want_executors, want_bytes);
        return 1;
    }
    for (enum reach reach = SAME_RACK; reach < REACHES; reach++)
        for (uint32_t i = 0; i < count; i++)
            if (room_around(offers, count, i, reach, want_bytes) >= want_executors)
                return take_around(offers, count, i, reach, want_executors, want_bytes);
    return 0;
}
