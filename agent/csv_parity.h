/* csv_parity.h - how executors tell each other whether a segment of a file begins inside quotes.
 *
 * It does when the file has an odd number of quotes in front of it.  So each segment has a word in
 * the region with the parity of its own quotes and the number of its bytes that are counted, and
 * who wants to know adds up the words in front of his own.
 *
 * CHAIN: who claims a partition reads it, counts it as its blocks arrive (at memory speed), and
 * only then parses.  Partitions are claimed in order, so the wait is for a count that is under way.
 * AHEAD: partitions are too large for that.  Who cannot begin yet claims a piece that nobody has
 * counted, in the order of the files, and counts it: the input is read twice.
 *
 * Threads:   one executor's thread; the words are shared.
 * Wake-up:   who completes a word rings for those that sleep, as a sender of frames does.
 */
#ifndef GM_AGENT_CSV_PARITY_H
#define GM_AGENT_CSV_PARITY_H

#include <stdbool.h>

#include "engine/flow/plan.h"
#include "shuffle/port/bell.h"
#include "shuffle/region.h"

/* Bytes that one claim of AHEAD counts. */
#define GM_CSV_PIECE_BYTES (1u << 20)

struct gm_csv_parity_view {
    const struct gm_source *source; /* borrowed, as the rest */
    const struct gm_region *region;
    const struct gm_bell *bell;
    uint16_t participant;
    /* What is added up already: the segments of `file` in front of `segment`. */
    uint32_t file, segment;
    bool inside;
    /* AHEAD: piece `piece` begins with the first byte of segment `piece_segment`. */
    uint64_t piece;
    uint32_t piece_segment;
};

void gm_csv_parity_init(struct gm_csv_parity_view *view, const struct gm_source *source,
                        const struct gm_region *region, const struct gm_bell *bell,
                        uint16_t participant);

/* True when somebody needs the count of this segment: the file goes on behind it. */
bool gm_csv_parity_wanted(const struct gm_csv_parity_view *view, uint32_t segment);

/* Tells of `bytes` more bytes of the segment, with so many quotes in them.  Each byte once. */
void gm_csv_parity_add(const struct gm_csv_parity_view *view, uint32_t segment, uint64_t bytes,
                       uint64_t quotes);

/* Whether the segment begins inside quotes.  False while that is not known. */
bool gm_csv_parity_at(struct gm_csv_parity_view *view, uint32_t segment, bool *ret_inside);

/* AHEAD: claims [*ret_begin, *ret_end) of a segment for counting.  False: all are claimed. */
bool gm_csv_parity_claim(struct gm_csv_parity_view *view, uint32_t *ret_segment,
                         uint64_t *ret_begin, uint64_t *ret_end);

#endif
