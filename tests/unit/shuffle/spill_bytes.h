/* spill_bytes.h - what a file of a spill disk holds in memory, for fake and simulated ones. */
#ifndef GM_TESTS_SPILL_BYTES_H
#define GM_TESTS_SPILL_BYTES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

struct spill_bytes {
    uint8_t *data;
    uint64_t bytes;
    uint64_t capacity;
};

/* Makes it `bytes` long at least; new bytes are zeros. */
static inline void spill_bytes_reach(struct spill_bytes *content, uint64_t bytes)
{
    if (bytes > content->capacity) {
        content->capacity = bytes < 1 << 16 ? 1 << 16 : 2 * bytes;
        uint8_t *data = calloc(1, content->capacity); /* pages that nobody wrote cost nothing */
        GM_CHECK(data != NULL);
        if (content->bytes > 0)
            memcpy(data, content->data, content->bytes);
        free(content->data);
        content->data = data;
    }
    if (bytes > content->bytes)
        content->bytes = bytes;
}

#endif
