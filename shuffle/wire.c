#include "shuffle/wire.h"

#include <string.h>

#include "engine/base/error.h"
#include "engine/base/hash.h"

#define SEALED_BYTES 128
_Static_assert(SEALED_BYTES == offsetof(struct gm_wire_head, frames), "frames have their own");

/* Against accidents and mix-ups, as a frame's seal: who may speak at all was settled when the
 * stream was connected. */
uint64_t gm_wire_seal(const struct gm_wire_head *head, uint64_t secret)
{
    uint8_t sealed[SEALED_BYTES];
    memcpy(sealed, head, sizeof sealed);
    memset(sealed + offsetof(struct gm_wire_head, seal), 0, sizeof head->seal);
    return gm_hash_fold(gm_hash_long(sealed, sizeof sealed) ^ secret,
                        secret ^ UINT64_C(0x9e3779b97f4a7c15));
}

static const char *check_head(const struct gm_wire_head *head, const struct gm_wire_expect *expect)
{
    if (head->magic != GM_WIRE_MAGIC)
        return "magic number";
    if (head->seal != gm_wire_seal(head, expect->secret))
        return "seal";
    if (head->attempt != expect->attempt)
        return "attempt";
    if (head->from != expect->from || head->to != expect->to)
        return "nodes";
    if (head->sequence != expect->sequence)
        return "sequence";
    if (head->reserved != 0 || (head->flags & ~(uint32_t)GM_WIRE_LAST) != 0)
        return "unknown flags";
    if (head->frame_count > GM_WIRE_FRAMES_MAX)
        return "more frames than fit";
    if (head->credit_count > GM_WIRE_CREDITS_MAX)
        return "more credits than fit";
    if ((head->flags & GM_WIRE_LAST) != 0 && head->frame_count > 0)
        return "frames in the last message";
    return NULL;
}

int gm_wire_check(const struct gm_wire_head *head, const struct gm_wire_expect *expect,
                  const char **ret_why)
{
    const char *why = check_head(head, expect);
    if (why == NULL)
        return 0;
    *ret_why = why;
    return GM_EFRAME_CORRUPT;
}
