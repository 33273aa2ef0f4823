/* lines.h - a span of text to its lines. */
#ifndef GM_SOURCE_LINES_H
#define GM_SOURCE_LINES_H

#include "engine/row/batch.h"

/* Walks a span: *cursor moves from the span's begin to `end`.  Writes up to out_max lines to out,
 * without "\n" or "\r\n", and returns how many.  The last line may have no "\n"; a single '\r' at
 * its end goes as well.  Lines point into the span. */
uint32_t gm_lines_next(const uint8_t **cursor, const uint8_t *end, struct gm_bytes *out,
                       uint32_t out_max);

/* The same, but a "\r" stays: lines of a command are what it wrote. */
uint32_t gm_lines_split(const uint8_t **cursor, const uint8_t *end, struct gm_bytes *out,
                        uint32_t out_max);

/* How many "\n" there are. */
uint64_t gm_lines_count(const uint8_t *data, size_t bytes);

#endif
