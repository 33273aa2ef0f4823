/* hash.c - the hash of long keys.  XXH3 is inlined here, so that its vector loops are compiled with
 * the rest and the library needs only the header. */
#include "engine/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t gm_hash_long(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}
