/* compression.c - endings. */
#include "engine/base/compression.h"

#include <string.h>

static const struct {
    const char *ending;
    enum gm_compression method;
} endings[] = {{".gz", GM_COMPRESSION_GZIP},
               {".zst", GM_COMPRESSION_ZSTD},
               {".bz2", GM_COMPRESSION_BZIP2}};

enum gm_compression gm_compression_of(const char *name, size_t *ret_length)
{
    const size_t length = strlen(name);
    if (ret_length != NULL)
        *ret_length = 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t ending = strlen(endings[i].ending);
        if (length <= ending || strcmp(name + length - ending, endings[i].ending) != 0)
            continue;
        if (ret_length != NULL)
            *ret_length = ending;
        return endings[i].method;
    }
    return GM_COMPRESSION_NONE;
}
