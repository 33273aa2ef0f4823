/* wire.h - what travels between the gateways of two nodes.
 *
 * A stream is messages, one behind the other.  A message is a head of fixed size and the payloads
 * of its frames.  The head holds the headers of the frames, so that their payloads can be received
 * where they are to lie; and credits: how many more frames its sender takes of a source.
 *
 * Integrity: the head is sealed with the attempt's secret and numbered, each frame header is sealed
 *            and numbered for itself and has the checksum of its payload.
 * All integers are little-endian, as in frames.
 */
#ifndef GM_SHUFFLE_WIRE_H
#define GM_SHUFFLE_WIRE_H

#include "engine/row/frame.h"

#define GM_WIRE_MAGIC UINT32_C(0x31574d47) /* "GMW1": version 1 */

enum gm_wire_flags {
    GM_WIRE_LAST = 1, /* the sender has sent and received all; nothing comes behind */
};

struct gm_wire_credit {
    uint16_t exchange;
    uint16_t source;
    uint32_t frame_count;
};

struct gm_wire_head {
    uint32_t magic;
    uint32_t attempt;
    uint16_t from; /* numbers of nodes */
    uint16_t to;
    uint16_t frame_count;
    uint16_t credit_count;
    uint64_t sequence; /* 0, 1, 2... per direction of a stream */
    uint32_t flags;
    uint32_t reserved; /* 0 */
    uint64_t seal;     /* of what is above, and of the credits */
    struct gm_wire_credit credits[GM_WIRE_CREDITS_MAX];
    struct gm_frame_header frames[GM_WIRE_FRAMES_MAX];
};

_Static_assert(sizeof(struct gm_wire_head) == 640, "the wire depends on it");
_Static_assert(offsetof(struct gm_wire_head, frames) == 128, "the wire depends on it");

struct gm_wire_expect {
    uint32_t attempt;
    uint16_t from;
    uint16_t to;
    uint64_t sequence;
    uint64_t secret;
};

uint64_t gm_wire_seal(const struct gm_wire_head *head, uint64_t secret);
/* Checks all but the frames' own headers.  Returns 0, or GM_EFRAME_CORRUPT and in *ret_why which
 * check failed (a static string). */
int gm_wire_check(const struct gm_wire_head *head, const struct gm_wire_expect *expect,
                  const char **ret_why);

#endif
