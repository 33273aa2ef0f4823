/* spill_pack.h - whether and how blocks of the disk queue are compressed: LZ4, where it pays.
 *
 * It pays where an executor waits for its disk: then the time that it takes is there, and fewer
 * bytes go to the disk and come back.  So blocks are written as they are while the disk keeps up.
 * When the writer had to wait for half of 32 blocks, one block is tried; if a quarter of it goes
 * away, the next 1024 blocks are compressed, after which the disk is looked at again.  What does
 * not shrink is left alone for as long.
 *
 * Threads: one.  Memory: none of its own.
 */
#ifndef GM_SHUFFLE_SPILL_PACK_H
#define GM_SHUFFLE_SPILL_PACK_H

#include <stdbool.h>
#include <stdint.h>

enum gm_spill_packing {
    GM_SPILL_PACK_WHERE_IT_PAYS,
    GM_SPILL_PACK_NEVER,
    GM_SPILL_PACK_ALWAYS, /* every block that shrinks */
};

struct gm_spill_packer {
    enum gm_spill_packing how;
    bool packing;
    uint32_t blocks; /* of the period under way */
    uint32_t stalls; /* blocks among them that a write was waited for */
    uint32_t refusals; /* blocks in a row that did not shrink */
    uint32_t pause;  /* blocks until the disk is looked at again */
};

/* Whether the next block is to be tried; stalled: the writer waited for the disk before it. */
bool gm_spill_packer_wants(struct gm_spill_packer *packer, bool stalled);
/* What the try gave. */
void gm_spill_packer_told(struct gm_spill_packer *packer, bool shrunk);

/* Compresses to `to`, which has room for as many.  Returns bytes, at most three quarters; 0: it
 * does not shrink so far. */
uint32_t gm_spill_pack(const uint8_t *from, uint32_t bytes, uint8_t *to);
/* Exactly `bytes` come out of `packed` ones, or it returns false. */
bool gm_spill_unpack(const uint8_t *from, uint32_t packed, uint8_t *to, uint32_t bytes);

#endif
