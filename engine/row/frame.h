/* frame.h - the one frame format of rings, wires and spill files.
 *
 * A frame is a 64-byte header and runs.  A run is a 16-byte header and packed rows of one
 * partition.  A row longer than a frame's room travels as several runs: FIRST on the first, LAST
 * on the last, neither between; row_count is 1 on the LAST and 0 on the others.  An ordinary run
 * has both.  All integers are little-endian; the frame lies on an 8-byte boundary.
 *
 * The header is sealed: `seal` is a hash of the other fields and a secret of the job attempt, so
 * that a header which somebody wrote over is refused instead of believed.  `checksum` (XXH3 of the
 * payload) is computed only where a frame leaves memory; a frame that never did has 0 there.
 */
#ifndef GM_ROW_FRAME_H
#define GM_ROW_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"

#define GM_FRAME_MAGIC UINT32_C(0x314d4647) /* "GFM1": format version 1 */

enum gm_frame_flags {
    GM_FRAME_END = 1, /* the last frame of this source in this exchange; may have no runs */
    GM_FRAME_CHECKSUM = 2,
    GM_FRAME_PACKED = 4, /* what follows the first run header is compressed */
};

struct gm_frame_header {
    uint32_t magic;
    uint16_t exchange;
    uint16_t source;      /* participant that filled it */
    uint16_t destination; /* participant that it is for */
    uint16_t flags;
    uint32_t attempt;
    uint64_t sequence; /* 0, 1, 2... per (exchange, source, destination) */
    uint32_t partition; /* of the first run, or UINT32_MAX */
    uint32_t payload_bytes;
    uint32_t row_count;
    uint32_t run_count;
    uint64_t checksum;
    uint64_t reserved; /* 0 */
    uint64_t seal;
};

_Static_assert(sizeof(struct gm_frame_header) == 64, "the wire depends on it");

enum gm_run_flags {
    GM_RUN_FIRST = 1,
    GM_RUN_LAST = 2,
};

struct gm_run_header {
    uint32_t partition; /* where the rows go */
    uint32_t origin;    /* the partition that they come from; keeps gathered rows in order */
    uint32_t bytes : 24;
    uint32_t flags : 8;
    uint32_t row_count;
};

_Static_assert(sizeof(struct gm_run_header) == 16, "the wire depends on it");

/* What a receiver expects; a field that differs makes the frame corrupt. */
struct gm_frame_expect {
    uint16_t exchange;
    uint16_t source;
    uint16_t destination;
    uint32_t attempt;
    uint64_t sequence;
    uint64_t secret;
    uint32_t frame_bytes; /* header and payload room */
    bool may_be_packed;
};

uint64_t gm_frame_seal(const struct gm_frame_header *header, uint64_t secret);

/* Checks a header that was copied out of shared memory.  Returns 0, or GM_EFRAME_CORRUPT and in
 * *ret_why which check failed (a static string). */
int gm_frame_check(const struct gm_frame_header *header, const struct gm_frame_expect *expect,
                   const char **ret_why);

/* Reads the run header at offset of a payload and moves offset behind the run.  *ret_rows points
 * into the payload.  Returns 0, GM_END at the end, or GM_EFRAME_CORRUPT when a length does not
 * fit. */
int gm_frame_next_run(const uint8_t *payload, uint32_t payload_bytes, uint32_t *offset,
                      struct gm_run_header *ret_run, const uint8_t **ret_rows);

#endif
