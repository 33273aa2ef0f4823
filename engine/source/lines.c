/* lines.c - memchr is vectorised by the C library; a line is long enough for it to pay. */
#include "engine/source/lines.h"

#include <string.h>

uint32_t gm_lines_next(const uint8_t **cursor, const uint8_t *end, struct gm_bytes *out,
                       uint32_t out_max)
{
    const uint8_t *at = *cursor;
    uint32_t count = 0;
    while (at < end && count < out_max) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        const uint8_t *stop = newline != NULL ? newline : end;
        size_t length = (size_t)(stop - at);
        if (length > 0 && stop[-1] == '\r')
            length--;
        out[count++] = (struct gm_bytes){.data = at, .length = length};
        at = newline != NULL ? newline + 1 : end;
    }
    *cursor = at;
    return count;
}
