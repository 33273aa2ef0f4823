/* checksum_wide.h - the variants of checksum.c that are compiled for some processors only. */
#ifndef GM_BASE_CHECKSUM_WIDE_H
#define GM_BASE_CHECKSUM_WIDE_H

#include <stddef.h>
#include <stdint.h>

uint64_t gm_checksum_avx2(const void *data, size_t bytes);
uint64_t gm_checksum_avx512(const void *data, size_t bytes);

#endif
