/* rows.c - packing, comparing and emitting kept rows. */
#include "engine/op/rows.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/row/codec.h"

/* Scratch for rows on their way out; one larger row makes it grow. */
#define SCRATCH_BYTES (256u << 10)

int gm_row_codec_open(struct gm_row_codec *codec, const struct gm_schema *schema,
                      const struct gleam_order *order, struct gm_heap *heap)
{
    gm_layout_init(&codec->layout, schema);
    codec->order = order;
    codec->heap = heap;
    if (!gm_scratch_reserve(&codec->scratch, heap, SCRATCH_BYTES))
        return GM_ETASK_MEMORY;
    return gm_batch_init(&codec->batch, schema, heap);
}

void gm_row_codec_close(struct gm_row_codec *codec)
{
    if (codec->heap == NULL)
        return;
    gm_scratch_free(&codec->scratch, codec->heap);
    gm_batch_fini(&codec->batch, codec->heap);
}

int gm_row_codec_pack(struct gm_row_codec *codec, const struct gm_batch *batch,
                      struct gm_arena *arena, struct gm_row_entry *ret_entries)
{
    const uint32_t count = batch->row_count;
    const uint64_t bytes = gm_codec_sizes(&codec->layout, batch, 0, count, codec->sizes);
    for (uint32_t i = 0; i < count; i++)
        if (codec->sizes[i] > GM_ROW_BYTES_MAX)
            return GM_ETASK_MEMORY;
    uint8_t *rows = gm_arena_alloc(arena, bytes);
    if (rows == NULL)
        return GM_ETASK_MEMORY;
    /* The encoder may write slack bytes behind the last row: the arena keeps them free. */
    gm_codec_encode(&codec->layout, batch, 0, count, codec->sizes, rows);
    const uint32_t column = codec->order->columns[0].column - 1;
    const uint64_t flip = codec->order->columns[0].ascending ? 0 : UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const struct gleam_value value = gm_vector_get(&batch->columns[column], i);
        ret_entries[i].prefix = gm_value_prefix(&value) ^ flip;
        ret_entries[i].row = rows;
        rows += codec->sizes[i];
    }
    return 0;
}

int gm_row_entry_compare(const struct gm_row_codec *codec, const struct gm_row_entry *a,
                         const struct gm_row_entry *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    return gm_row_compare(&codec->layout, codec->order, a->row, b->row);
}

int gm_row_codec_emit(struct gm_row_codec *codec, const struct gm_row_entry *entries,
                      uint64_t count, uint64_t *next, struct gm_batch *out)
{
    size_t used = 0;
    uint32_t rows = 0;
    while (*next < count && rows < GM_BATCH_ROWS_MAX) {
        const uint8_t *row = entries[*next].row;
        const size_t bytes = gm_row_bytes(&codec->layout, row);
        if (rows > 0 && used + bytes > codec->scratch.bytes)
            break;
        if (!gm_scratch_reserve(&codec->scratch, codec->heap, used + bytes))
            return GM_ETASK_MEMORY;
        memcpy(codec->scratch.data + used, row, bytes);
        used += bytes;
        rows++;
        (*next)++;
    }
    size_t decoded = 0;
    int rc = 0;
    codec->batch.row_count = 0;
    if (rows > 0)
        rc = gm_codec_decode(&codec->layout, codec->scratch.data, used, rows, &codec->batch,
                             &decoded);
    GM_CHECK(rc == 0 && decoded == used && codec->batch.row_count == rows);
    out->row_count = rows;
    out->column_count = codec->batch.column_count;
    memcpy(out->columns, codec->batch.columns, out->column_count * sizeof out->columns[0]);
    return *next < count ? GM_OP_HAVE_MORE : GM_OP_NEED_INPUT;
}
