/* checksum.h - XXH3 of large blocks, by the widest vectors that the processor has.
 *
 * The same value as gm_hash_long, which is compiled for any processor.
 */
#ifndef GM_BASE_CHECKSUM_H
#define GM_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t gm_checksum(const void *data, size_t bytes);
/* Selects a variant by name for tests and measurements; NULL: the widest.  Returns 0, -EINVAL or
 * -ENOTSUP. */
int gm_checksum_select(const char *name);

#endif
