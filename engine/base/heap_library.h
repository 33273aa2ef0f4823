/* heap_library.h - a heap for libraries that bring functions to allocate, and free without a size.
 *
 * opaque is the struct gm_heap.  Threads and limits: the heap's.
 */
#ifndef GM_BASE_HEAP_LIBRARY_H
#define GM_BASE_HEAP_LIBRARY_H

#include <string.h>

#include "engine/base/heap.h"

/* In front of a block stands its size; blocks stay aligned. */
#define GM_HEAP_LIBRARY_BYTES 64

static inline void *gm_heap_library_take(void *opaque, size_t bytes)
{
    uint8_t *block = gm_heap_alloc(opaque, bytes + GM_HEAP_LIBRARY_BYTES);
    if (block == NULL)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    return block + GM_HEAP_LIBRARY_BYTES;
}

static inline void gm_heap_library_give(void *opaque, void *memory)
{
    size_t bytes;
    if (memory == NULL)
        return;
    uint8_t *block = (uint8_t *)memory - GM_HEAP_LIBRARY_BYTES;
    memcpy(&bytes, block, sizeof bytes);
    gm_heap_free(opaque, block, bytes + GM_HEAP_LIBRARY_BYTES);
}

/* zlib's and bzip2's forms. */
static inline void *gm_heap_library_zlib(void *opaque, unsigned count, unsigned bytes)
{
    return gm_heap_library_take(opaque, (size_t)count * bytes);
}

static inline void *gm_heap_library_bzip2(void *opaque, int count, int bytes)
{
    return gm_heap_library_take(opaque, (size_t)count * (size_t)bytes);
}

#endif
