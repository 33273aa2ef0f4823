/* hash.c - the hash of long keys.  XXH3 is inlined here, so that its vector loops are compiled with
 * the rest and the library needs only the header. */
#include "engine/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define ONES(bytes) ((UINT64_C(1) << 8 * (bytes)) - 1)

const uint64_t gm_hash_masks[17][2] = {
    {0, 0},
    {ONES(1), 0},
    {ONES(2), 0},
    {ONES(3), 0},
    {ONES(4), 0},
    {ONES(5), 0},
    {ONES(6), 0},
    {ONES(7), 0},
    {UINT64_MAX, 0},
    {UINT64_MAX, ONES(1)},
    {UINT64_MAX, ONES(2)},
    {UINT64_MAX, ONES(3)},
    {UINT64_MAX, ONES(4)},
    {UINT64_MAX, ONES(5)},
    {UINT64_MAX, ONES(6)},
    {UINT64_MAX, ONES(7)},
    {UINT64_MAX, UINT64_MAX},
};

uint64_t gm_hash_long(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}
