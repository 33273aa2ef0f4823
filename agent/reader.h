/* reader.h - text files to spans of whole lines, read ahead through the disk port.
 *
 * Threads:   one executor's thread.
 * Memory:    GM_READER_BLOCKS blocks of the heap; a line longer than a block is put together in a
 *            buffer of its own, which grows within the heap's budget.
 * Blocking:  never.
 * Work:      partitions are claimed one by one from a counter that all executors share, and the
 *            reads of the next one start before the last one is used up.
 *
 * Which lines are a segment's: those whose first byte lies in [begin, end).  So a reader of a
 * segment that does not begin a file looks at the byte before it, skips to the first line that
 * begins inside, and reads on behind `end` until its last line is whole.
 */
#ifndef GM_AGENT_READER_H
#define GM_AGENT_READER_H

#include <stdatomic.h>

#include "engine/base/error.h"
#include "engine/base/heap.h"
#include "engine/base/limits.h"
#include "engine/flow/plan.h"
#include "shuffle/claims.h"
#include "shuffle/port/disk.h"

/* 256 KiB is read in about 20 us from the page cache and stays in a 1 MiB L2; four in flight keep a
 * disk busy while one is worked on. */
#define GM_READER_BLOCK_BYTES GM_DISK_BLOCK_BYTES_DEFAULT
#define GM_READER_BLOCKS GM_DISK_DEPTH_DEFAULT
/* A reader's memory: its blocks, and one more for the ends of lines, with their surroundings. */
#define GM_READER_BYTES ((GM_READER_BLOCKS + 1) * (GM_READER_BLOCK_BYTES + (72u << 10)))

struct gm_reader;

/* Borrows all but claims and error's text.  Returns 0 or GM_ETASK_MEMORY. */
int gm_reader_create(const struct gm_source *source, const struct gm_disk *disk,
                     const struct gm_claims *claims, struct gm_heap *heap, struct gm_error *error,
                     struct gm_reader **ret_reader);
/* The disk's reads into its blocks must be over: destroy the disk first. */
void gm_reader_destroy(struct gm_reader *reader); /* NULL is allowed */

/* From now on a partition is claimed only when the one before it has ended: for steps that work at
 * a partition's end, so that another executor is free to take the next. */
void gm_reader_claim_singly(struct gm_reader *reader);

struct gm_span {
    const uint8_t *data; /* whole lines; only the last of a file may lack its "\n" */
    size_t bytes;
    uint32_t partition;
};

/* Lends the next span until the next call.  Returns 0; 4 (GM_PARTITION_END of chain.h) with only
 * ret_span->partition set; GM_AGAIN; GM_END; or < 0 with the error set. */
int gm_reader_next(struct gm_reader *reader, struct gm_span *ret_span);

/* Leaves out what the partition of the last span still has: no further read of it is started, and
 * GM_PARTITION_END comes when those under way are over. */
void gm_reader_skip(struct gm_reader *reader);

/* True when the last gm_reader_next returned GM_AGAIN: the disk is what it waits for. */
bool gm_reader_waits(const struct gm_reader *reader);

/* Bytes of its partitions that were read so far; every byte of the input is counted once. */
uint64_t gm_reader_bytes(const struct gm_reader *reader);

#endif
