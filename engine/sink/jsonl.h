/* jsonl.h - rows as JSON objects, one per line, both ways; through jansson.
 *
 * Members are named as the columns.  Memory: the text's heap and the arena; jansson's own, for one
 * row at a time, is malloc.
 */
#ifndef GM_SINK_JSONL_H
#define GM_SINK_JSONL_H

#include "engine/row/arena.h"
#include "engine/sink/format.h"

/* Appends row `row` as one line, "\n" included.  Returns 0, GM_ETASK_MEMORY, or GM_EJOB_FLOW with
 * why: bytes that are no UTF-8, a number that is not finite. */
int gm_jsonl_write(const struct gm_schema *schema, const struct gm_batch *batch, uint32_t row,
                   struct gm_text *text, struct gm_error *why);

/* Reads one line into row `row` of a batch made for the schema; bytes lie in the arena.  Every
 * column must have its member, and no other may be there; null goes into nullable columns.  A
 * bytes column takes other values as their JSON text.  Returns 0, GM_ETASK_MEMORY, or
 * GM_EJOB_FLOW with why. */
int gm_jsonl_read(const struct gm_schema *schema, const uint8_t *line, size_t bytes,
                  struct gm_batch *batch, uint32_t row, struct gm_arena *arena,
                  struct gm_error *why);

#endif
