/* checksum_avx512.c - built with vectors of 64 bytes (meson.build); checksum.c calls it where the
 * processor has them. */
#include "engine/base/checksum_wide.h"

#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_AVX512
#include <xxhash.h>

uint64_t gm_checksum_avx512(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}
