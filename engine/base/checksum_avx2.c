/* checksum_avx2.c - built with vectors of 32 bytes (meson.build); checksum.c calls it where the
 * processor has them. */
#include "engine/base/checksum_wide.h"

#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_AVX2
#include <xxhash.h>

uint64_t gm_checksum_avx2(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}
