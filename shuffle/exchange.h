/* exchange.h - rows to partitions and back: the shuffle's two ends.
 *
 * Knows packed rows, partitions and frames; no operator, schema or file.
 * Threads:  each end belongs to one participant's thread.
 * Memory:   per sender (destinations x frame) in the pool, and partitions x staging in the heap.
 * Blocking: never.  GM_AGAIN means: drain inbound, then call again with the same arguments.
 *
 * Partition p lives on executor p % executor_count (with to_driver: on the driver).
 * Rows of one (source, origin) arrive in the order in which they were sent.
 */
#ifndef GM_SHUFFLE_EXCHANGE_H
#define GM_SHUFFLE_EXCHANGE_H

#include "engine/base/heap.h"
#include "engine/row/frame.h"
#include "shuffle/port/network.h"
#include "shuffle/region.h"

struct gm_sender;
struct gm_receiver;

struct gm_exchange_counts {
    uint64_t rows_count;
    uint64_t payload_bytes; /* of frames: run headers and rows */
    uint64_t frames_count;
};

/* Borrows region and network.  partition_count in [1, GM_PARTITIONS_MAX]. */
int gm_sender_create(const struct gm_region *region, uint16_t exchange, uint16_t participant,
                     uint32_t partition_count, const struct gm_network *network,
                     struct gm_heap *heap, struct gm_sender **ret_sender);
void gm_sender_destroy(struct gm_sender *sender); /* NULL allowed; frames it holds go back */

/* Sends rows, packed one behind the other: row i has sizes[i] > 0 bytes and goes to partitions[i]
 * (partitions == NULL: all to partition 0).  All have the given origin.  *taken counts the rows
 * that were taken over so far: the caller sets it to 0 for a new batch and passes it unchanged on a
 * retry. Returns 0 when all are taken, or GM_AGAIN; a row that is larger than a frame may be half
 * sent then, which the sender remembers. */
int gm_sender_rows(struct gm_sender *sender, const uint8_t *rows, const uint32_t *sizes,
                   const uint32_t *partitions, uint32_t count, uint32_t origin, uint32_t *taken);
/* Sends what is staged and an END frame to every destination.  GM_AGAIN until it is done. */
int gm_sender_finish(struct gm_sender *sender);
void gm_sender_counts(const struct gm_sender *sender, struct gm_exchange_counts *ret_counts);

/* A lent run of whole packed rows. */
struct gm_run {
    uint32_t partition;
    uint32_t origin;
    uint32_t source;
    uint32_t row_count;
    uint32_t bytes;
    const uint8_t *rows; /* GM_BYTES_SLACK readable behind */
};

/* Joins fragments of large rows in the heap. */
int gm_receiver_create(const struct gm_region *region, uint16_t exchange, uint16_t participant,
                       uint32_t partition_count, const struct gm_network *network,
                       struct gm_heap *heap, struct gm_receiver **ret_receiver);
/* From now on, before the first run: all runs of source 0, then all of source 1, and so on.  A
 * source behind the one that is read stands still when it has no frames left. */
void gm_receiver_set_ordered(struct gm_receiver *receiver);
void gm_receiver_destroy(struct gm_receiver *receiver); /* frames it holds go back */

/* Lends the next run until the next call.  A row of several runs is joined in the heap, one per
 * source at a time, and lent whole: nobody waits for another source (waiting here could close a
 * cycle of waits through the quotas).  Returns 0; GM_AGAIN: nothing there now; GM_END: every source
 * has ended; GM_EFRAME_CORRUPT: a descriptor or frame was refused (gm_receiver_why);
 * GM_ETASK_MEMORY: a large row does not fit the budget. */
int gm_receiver_next(struct gm_receiver *receiver, struct gm_run *ret_run);
/* What was refused, from whom, in words; "" if nothing was. */
const char *gm_receiver_why(const struct gm_receiver *receiver);
void gm_receiver_counts(const struct gm_receiver *receiver, struct gm_exchange_counts *ret_counts);

#endif
