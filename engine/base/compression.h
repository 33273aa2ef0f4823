/* compression.h - which library a file's name asks for. */
#ifndef GM_BASE_COMPRESSION_H
#define GM_BASE_COMPRESSION_H

#include <stddef.h>

enum gm_compression {
    GM_COMPRESSION_NONE,
    GM_COMPRESSION_GZIP,
    GM_COMPRESSION_ZSTD,
    GM_COMPRESSION_BZIP2,
    GM_COMPRESSIONS,
};

/* By the ending of a name: ".gz", ".zst", ".bz2"; *ret_length (may be NULL) is the ending's, 0 for
 * none. */
enum gm_compression gm_compression_of(const char *name, size_t *ret_length);

#endif
