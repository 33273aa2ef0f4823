/* spill_pack.c - LZ4 blocks, and counting how often the disk was waited for. */
#include "shuffle/spill_pack.h"

#include <lz4.h>

/* Blocks that tell whether the disk keeps up. */
#define LOOK_BLOCKS 32
/* Blocks for which a decision holds. */
#define HOLD_BLOCKS 1024
/* Blocks in a row that do not shrink before it is given up. */
#define REFUSALS_MAX 4
/* Less than this is one page or two on the disk either way. */
#define PACK_BYTES_MIN (16u << 10)

static void look_again(struct gm_spill_packer *packer, uint32_t pause)
{
    *packer = (struct gm_spill_packer){.how = packer->how, .pause = pause};
}

bool gm_spill_packer_wants(struct gm_spill_packer *packer, bool stalled)
{
    if (packer->how != GM_SPILL_PACK_WHERE_IT_PAYS)
        return packer->how == GM_SPILL_PACK_ALWAYS;
    if (packer->pause > 0) {
        packer->pause--;
        return false;
    }
    packer->blocks++;
    if (packer->packing) {
        if (packer->blocks <= HOLD_BLOCKS)
            return true;
        look_again(packer, 0);
        return false;
    }
    packer->stalls += stalled;
    if (packer->blocks < LOOK_BLOCKS)
        return false;
    const bool waits = packer->stalls >= LOOK_BLOCKS / 2;
    look_again(packer, 0);
    packer->packing = waits;
    return waits;
}

void gm_spill_packer_told(struct gm_spill_packer *packer, bool shrunk)
{
    if (packer->how != GM_SPILL_PACK_WHERE_IT_PAYS)
        return;
    packer->refusals = shrunk ? 0 : packer->refusals + 1;
    /* The first one is the sample. */
    if (packer->refusals == REFUSALS_MAX || (!shrunk && packer->blocks == 0))
        look_again(packer, HOLD_BLOCKS);
}

uint32_t gm_spill_pack(const uint8_t *from, uint32_t bytes, uint8_t *to)
{
    if (bytes < PACK_BYTES_MIN)
        return 0;
    const int packed = LZ4_compress_default((const char *)from, (char *)to, (int)bytes,
                                            (int)(bytes / 4 * 3));
    return packed > 0 ? (uint32_t)packed : 0;
}

bool gm_spill_unpack(const uint8_t *from, uint32_t packed, uint8_t *to, uint32_t bytes)
{
    return LZ4_decompress_safe((const char *)from, (char *)to, (int)packed, (int)bytes) ==
           (int)bytes;
}
