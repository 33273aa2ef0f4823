/* blocks.h - files as blocks of bytes, in the order of claimed partitions, read ahead.
 *
 * For sources whose records a reader of lines (reader.h) cannot cut.  Threads: one executor's.
 * Memory:    GM_BLOCKS_COUNT blocks of the heap, each with room in front for what the block before
 *            left unfinished, and one block for reads out of turn.
 * Blocking:  never.
 * Segments:  a segment that does not begin a file comes with the byte before it, and its last block
 *            with a little of what follows; more of that by gm_blocks_extra.  A whole segment of
 *            GM_CSV_SPLIT_BYTES is read ahead even if none of it is used.
 */
#ifndef GM_AGENT_BLOCKS_H
#define GM_AGENT_BLOCKS_H

#include <stdatomic.h>

#include "engine/base/error.h"
#include "engine/base/heap.h"
#include "engine/flow/plan.h"
#include "shuffle/claims.h"
#include "shuffle/port/disk.h"

#define GM_BLOCKS_COUNT 8
#define GM_BLOCK_BYTES GM_DISK_BLOCK_BYTES_DEFAULT
#define GM_BLOCK_HEADROOM_BYTES (64u << 10)
/* All of the memory, with the surroundings of blocks. */
#define GM_BLOCKS_BYTES ((GM_BLOCKS_COUNT + 1) * (GM_BLOCK_BYTES + (72u << 10)))

struct gm_blocks;

struct gm_block {
    uint8_t *data; /* its user's own until it is released; GM_BLOCK_HEADROOM_BYTES in front and
                    * GM_BYTES_SLACK behind as well */
    size_t bytes;
    uint64_t offset; /* in the file */
    uint32_t partition;
    uint32_t segment;
    bool first;     /* of its segment */
    bool last;      /* reaches its segment's end */
    bool file_ends; /* nothing follows in the file */
};

/* Told of every byte of a segment once, when it arrives. */
typedef void gm_blocks_arrived_fn(void *self, uint32_t segment, const uint8_t *data, size_t bytes);

/* Borrows all but claims and error's text; arrived may be NULL.  Returns 0 or GM_ETASK_MEMORY. */
int gm_blocks_create(const struct gm_source *source, const struct gm_disk *disk,
                     const struct gm_claims *claims, struct gm_heap *heap, struct gm_error *error,
                     gm_blocks_arrived_fn *arrived, void *arrived_self,
                     struct gm_blocks **ret_blocks);
/* The disk's reads into its blocks must be over: destroy the disk first. */
void gm_blocks_destroy(struct gm_blocks *blocks); /* NULL is allowed */

/* Starts reads and takes what has arrived.  Returns 0 or < 0 with error. */
int gm_blocks_work(struct gm_blocks *blocks);

/* After gm_blocks_work.  Lends the next block until it is released; the same one again until then.
 * Returns 0; GM_PARTITION_END of chain.h with *ret_partition; GM_AGAIN; or GM_END. */
int gm_blocks_next(struct gm_blocks *blocks, const struct gm_block **ret_block,
                   uint32_t *ret_partition);
void gm_blocks_release(struct gm_blocks *blocks);

/* A read out of turn, of at most GM_BLOCK_BYTES within the file.  Ask with the same arguments until
 * it gives 0 (or < 0), then release it.  Its partition is not set. */
int gm_blocks_extra(struct gm_blocks *blocks, uint32_t segment, uint64_t offset, uint32_t bytes,
                    const struct gm_block **ret_block);
void gm_blocks_release_extra(struct gm_blocks *blocks);

/* True when a read is under way. */
bool gm_blocks_reads(const struct gm_blocks *blocks);
/* Bytes of its partitions that were read so far; every byte of the input is counted once. */
uint64_t gm_blocks_bytes(const struct gm_blocks *blocks);

#endif
