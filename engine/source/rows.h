/* rows.h - lines of a command to rows: fields between TABs, csv, or the whole line.
 *
 * Pure.  Fields are decoded in place: bytes values point into the line.
 */
#ifndef GM_SOURCE_ROWS_H
#define GM_SOURCE_ROWS_H

#include "engine/base/error.h"
#include "engine/row/batch.h"

struct gm_row_reader {
    const struct gm_schema *schema; /* borrowed */
    bool csv;
    bool escape;
};

/* Where the record that begins at `begin` ends: its "\n", or NULL when it is not in [from, end).
 * from: where to go on looking; *quoted: whether a csv field is open there, false at first. */
const uint8_t *gm_row_end(const struct gm_row_reader *reader, const uint8_t *from,
                          const uint8_t *end, bool *quoted);

/* Parses one line, without its "\n", into row `row` of a batch made for the schema.  Returns 0, or
 * GM_EJOB_FLOW with why: the number of fields, a field that is not of its column's type. */
int gm_row_read(const struct gm_row_reader *reader, uint8_t *line, size_t bytes,
                struct gm_batch *batch, uint32_t row, struct gm_error *why);

#endif
