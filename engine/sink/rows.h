/* rows.h - rows as lines for a command: columns between TABs, or csv.
 *
 * Pure; memory: the text's heap.
 */
#ifndef GM_SINK_ROWS_H
#define GM_SINK_ROWS_H

#include "engine/sink/format.h"

struct gm_row_writer {
    const struct gm_schema *schema; /* borrowed */
    bool csv;
    bool escape; /* tsv: \t \n \\ and \N */
};

/* Appends row `row` as one line, "\n" included.  Returns 0, GM_ETASK_MEMORY, or GM_EJOB_FLOW with
 * why when a value cannot be told in this form; the text may hold a part of the row then. */
int gm_row_write(const struct gm_row_writer *writer, const struct gm_batch *batch, uint32_t row,
                 struct gm_text *text, struct gm_error *why);

#endif
