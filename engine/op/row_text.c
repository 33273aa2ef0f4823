/* row_text.c - rows in error messages. */
#include "engine/op/row_text.h"

#include <stdio.h>

#include "engine/sink/format.h"

#define ROW_TEXT_BYTES 320
#define VALUE_TEXT_BYTES 120

void gm_row_text(const struct gm_batch *batch, uint32_t row, char *text, size_t text_bytes)
{
    size_t length = (size_t)snprintf(text, text_bytes, "(");
    for (uint32_t c = 0; c < batch->column_count && length + 8 < text_bytes; c++) {
        char value_text[VALUE_TEXT_BYTES];
        const struct gleam_value value = gm_vector_get(&batch->columns[c], row);
        gm_format_value(&value, value_text, sizeof value_text);
        const int printed =
            snprintf(text + length, text_bytes - length, "%s%s", c > 0 ? ", " : "", value_text);
        length += printed > 0 ? (size_t)printed : 0;
    }
    if (length + 2 > text_bytes)
        length = text_bytes - 2;
    snprintf(text + length, text_bytes - length, ")");
}

int gm_op_refuse_lua(const struct gm_step *step, const struct gm_heap *heap,
                     const struct gm_lua *lua, const struct gm_batch *in, int rc,
                     struct gm_error *error)
{
    char row[ROW_TEXT_BYTES];
    gm_row_text(in, gm_lua_row(lua), row, sizeof row);
    if (rc == GM_ETASK_MEMORY)
        return gm_error_set(error, rc,
                            "%s: step '%s': %s: Lua's memory and the step's rows do not fit this "
                            "executor's share of the memory (%llu MiB), at the row %s: give more "
                            "with --memory",
                            step->where, step->name, gm_lua_message(lua),
                            (unsigned long long)(heap->limit_bytes >> 20), row);
    return gm_error_set(error, rc, "%s: step '%s': %s; at the row %s", step->where, step->name,
                        gm_lua_message(lua), row);
}
