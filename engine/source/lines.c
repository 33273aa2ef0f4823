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

uint32_t gm_lines_split(const uint8_t **cursor, const uint8_t *end, struct gm_bytes *out,
                        uint32_t out_max)
{
    const uint8_t *at = *cursor;
    uint32_t count = 0;
    while (at < end && count < out_max) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        const uint8_t *stop = newline != NULL ? newline : end;
        out[count++] = (struct gm_bytes){.data = at, .length = (size_t)(stop - at)};
        at = newline != NULL ? newline + 1 : end;
    }
    *cursor = at;
    return count;
}

typedef uint8_t vector __attribute__((vector_size(16)));

/* Matches are counted in the bytes of vectors, at most 255 in each, then added up. */
uint64_t gm_lines_count(const uint8_t *data, size_t bytes)
{
    const vector wanted = (vector){0} + '\n';
    uint64_t total = 0;
    while (bytes >= 64) {
        vector sums[4] = {{0}};
        const size_t blocks = bytes / 64 < 255 ? bytes / 64 : 255;
        for (size_t b = 0; b < blocks; b++, data += 64)
            for (size_t i = 0; i < 4; i++) {
                vector block;
                memcpy(&block, data + 16 * i, sizeof block);
                sums[i] -= (vector)(block == wanted); /* a match is -1 */
            }
        for (size_t i = 0; i < 16; i++)
            total += (uint64_t)sums[0][i] + sums[1][i] + sums[2][i] + sums[3][i];
        bytes -= 64 * blocks;
    }
    for (size_t i = 0; i < bytes; i++)
        total += data[i] == '\n';
    return total;
}
