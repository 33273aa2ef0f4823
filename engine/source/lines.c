/* lines.c - memchr is vectorised by the C library; a line is long enough for it to pay. */
#include "engine/source/lines.h"

#include <string.h>

#include "engine/source/csv_kernel.h"

static inline uint32_t next_lines(const uint8_t **cursor, const uint8_t *end, struct gm_bytes *out,
                                  uint32_t out_max, bool keeps_return)
{
    const uint8_t *at = *cursor;
    uint32_t count = 0;
    while (at < end && count < out_max) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        const uint8_t *stop = newline != NULL ? newline : end;
        size_t length = (size_t)(stop - at);
        if (!keeps_return && length > 0 && stop[-1] == '\r')
            length--;
        out[count++] = (struct gm_bytes){.data = at, .length = length};
        at = newline != NULL ? newline + 1 : end;
    }
    *cursor = at;
    return count;
}

uint32_t gm_lines_next(const uint8_t **cursor, const uint8_t *end, struct gm_bytes *out,
                       uint32_t out_max)
{
    return next_lines(cursor, end, out, out_max, false);
}

uint32_t gm_lines_split(const uint8_t **cursor, const uint8_t *end, struct gm_bytes *out,
                        uint32_t out_max)
{
    return next_lines(cursor, end, out, out_max, true);
}

/* The kernel that counts quotes counts any byte. */
uint64_t gm_lines_count(const uint8_t *data, size_t bytes)
{
    return gm_csv_count(data, bytes, '\n');
}
