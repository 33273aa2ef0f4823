/* row_text.h - rows in error messages. */
#ifndef GM_OP_ROW_TEXT_H
#define GM_OP_ROW_TEXT_H

#include <stddef.h>

#include "engine/flow/plan.h"
#include "engine/row/batch.h"
#include "engine/udf/lua.h"

/* Row `row` as "(abc, 12, null)" into text; cut where it gets too long. */
void gm_row_text(const struct gm_batch *batch, uint32_t row, char *text, size_t text_bytes);

/* The error of a Lua step: place, step, message and the row that was at work.  Returns rc, or the
 * code of an earlier error. */
int gm_op_refuse_lua(const struct gm_step *step, const struct gm_heap *heap,
                     const struct gm_lua *lua, const struct gm_batch *in, int rc,
                     struct gm_error *error);

#endif
