/* spill.h - the disk queue: blocks of bytes parked in nameless files, striped over directories.
 *
 * Implements engine/base/spill.h over a spill disk.  A block is one frame (engine/row/frame.h) with
 * one run: its header is sealed and numbered, its payload has a checksum, so a block that was
 * damaged, lost or put in a wrong place is found when it is read.  Where it pays blocks are
 * compressed (spill_pack.h): fewer bytes move, while a block keeps its place of block_bytes.
 *
 * Threads:   one executor's.
 * Memory:    up to windows_max windows of block_bytes in the heap, made when they are needed, and
 *            one more to compress into; 32 bytes per block written.
 * Disk:      nothing is made before the first write.  Room of dropped blocks is used again; a full
 *            directory is passed over for the next one.
 */
#ifndef GM_SHUFFLE_SPILL_H
#define GM_SHUFFLE_SPILL_H

#include "engine/base/error.h"
#include "engine/base/heap.h"
#include "engine/base/spill.h"
#include "shuffle/port/spill_disk.h"
#include "shuffle/spill_pack.h"

struct gm_spill_store;

struct gm_spill_spec {
    const char *const *directories; /* borrowed; 1 to GM_SPILL_DIRECTORIES_MAX */
    uint32_t directory_count;
    uint32_t block_bytes; /* a power of two in [GM_SPILL_BLOCK_BYTES_MIN, _MAX] */
    uint32_t windows_max; /* at most GM_SPILL_WINDOWS_MAX */
    uint16_t participant;
    uint32_t attempt;
    uint64_t secret;
    enum gm_spill_packing packing;
    struct gm_spill_disk disk; /* takes windows_max transfers at once */
    struct gm_heap *heap;      /* borrowed */
    struct gm_error *error;    /* borrowed */
};

struct gm_spill_counts {
    uint64_t written_bytes; /* to disk, padding included */
    uint64_t read_bytes;
    uint64_t payload_bytes; /* of blocks written */
    uint64_t blocks_count;
    uint64_t packed_count;  /* of them, compressed */
    uint64_t reused_count;  /* of them, into room that had been dropped */
    uint32_t files_count;
    uint32_t full_count;    /* directories that had no room left */
};

/* Returns 0 or GM_ETASK_MEMORY. */
int gm_spill_store_create(const struct gm_spill_spec *spec, struct gm_spill_store **ret_store);
/* The disk has ended all transfers before (its close does that).  NULL is allowed. */
void gm_spill_store_destroy(struct gm_spill_store *store);

/* The port for operators; borrows the store. */
struct gm_spill gm_spill_store_port(struct gm_spill_store *store);

/* Takes completions.  Returns 0 or < 0. */
int gm_spill_store_poll(struct gm_spill_store *store);
/* True while transfers are under way. */
bool gm_spill_store_waits(const struct gm_spill_store *store);
void gm_spill_store_counts(const struct gm_spill_store *store, struct gm_spill_counts *ret_counts);

/* Size of a block for an executor's heap: a 64th, so that a merge of sixteen runs with read-ahead
 * takes half of it. */
uint32_t gm_spill_block_bytes(uint64_t heap_bytes);
/* Windows that half of the heap holds. */
uint32_t gm_spill_windows(uint64_t heap_bytes);

#endif
