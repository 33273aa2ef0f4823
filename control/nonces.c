/* nonces.c - two hash tables with open addressing. */
#include "control/nonces.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Half full at most. */
#define SLOTS (2 * GM_NONCES_MAX)

struct entry {
    uint64_t high, low; /* both 0: free; a nonce of zeros is refused as if it were known */
};

struct generation {
    struct entry *slots; /* from calloc: pages appear as they are used */
    uint32_t count;
};

struct gm_nonces {
    uint64_t keep_s;
    uint64_t begin_s; /* of the current generation */
    struct generation current, before;
};

struct gm_nonces *gm_nonces_create(uint64_t keep_s)
{
    struct gm_nonces *nonces = calloc(1, sizeof *nonces);
    if (nonces == NULL)
        return NULL;
    nonces->keep_s = keep_s;
    nonces->current.slots = calloc(SLOTS, sizeof(struct entry));
    nonces->before.slots = calloc(SLOTS, sizeof(struct entry));
    if (nonces->current.slots == NULL || nonces->before.slots == NULL) {
        gm_nonces_destroy(nonces);
        return NULL;
    }
    return nonces;
}

void gm_nonces_destroy(struct gm_nonces *nonces)
{
    if (nonces == NULL)
        return;
    free(nonces->current.slots);
    free(nonces->before.slots);
    free(nonces);
}

/* The slot that holds it, or the free one where it belongs.  The nonces are random, or made by
 * somebody who has the key: no hash is needed. */
static struct entry *find(const struct generation *generation, struct entry wanted)
{
    uint64_t at = wanted.low % SLOTS;
    for (;; at = (at + 1) % SLOTS) {
        struct entry *slot = &generation->slots[at];
        if ((slot->high == wanted.high && slot->low == wanted.low) ||
            (slot->high == 0 && slot->low == 0))
            return slot;
    }
}

static void turn(struct gm_nonces *nonces, uint64_t now_s)
{
    const struct generation oldest = nonces->before;
    if (now_s - nonces->begin_s < nonces->keep_s)
        return;
    nonces->before = nonces->current;
    nonces->current = oldest;
    /* Only what was used: an idle daemon touches no page. */
    if (oldest.count > 0)
        memset(oldest.slots, 0, SLOTS * sizeof(struct entry));
    nonces->current.count = 0;
    nonces->begin_s = now_s;
}

enum gm_nonce gm_nonces_add(struct gm_nonces *nonces, const uint8_t nonce[GM_NONCE_BYTES],
                            uint64_t now_s)
{
    struct entry wanted;
    memcpy(&wanted.high, nonce, sizeof wanted.high);
    memcpy(&wanted.low, nonce + sizeof wanted.high, sizeof wanted.low);
    turn(nonces, now_s);
    const struct entry *old = find(&nonces->before, wanted);
    struct entry *slot = find(&nonces->current, wanted);
    if ((wanted.high == 0 && wanted.low == 0) || old->high != 0 || old->low != 0 ||
        slot->high != 0 || slot->low != 0)
        return GM_NONCE_SEEN;
    if (nonces->current.count == GM_NONCES_MAX)
        return GM_NONCE_FULL;
    *slot = wanted;
    nonces->current.count++;
    return GM_NONCE_NEW;
}
