/* packed.c - blocks grow while the arena hands out memory without gaps. */
#include "engine/op/packed.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/row/row.h"

#define BLOCKS_MIN 4

void gm_packed_init(struct gm_packed *packed, struct gm_heap *heap)
{
    *packed = (struct gm_packed){0};
    gm_arena_init(&packed->arena, heap);
}

void gm_packed_fini(struct gm_packed *packed)
{
    gm_heap_free(packed->arena.heap, packed->blocks,
                 packed->block_capacity * sizeof *packed->blocks);
    gm_arena_fini(&packed->arena);
    packed->blocks = NULL;
    packed->block_count = 0;
    packed->block_capacity = 0;
}

/* Room for one block more. */
static int reserve(struct gm_packed *packed)
{
    if (packed->block_count < packed->block_capacity)
        return 0;
    const uint64_t capacity =
        packed->block_capacity > 0 ? 2 * packed->block_capacity : BLOCKS_MIN;
    struct gm_packed_block *blocks = gm_heap_realloc(
        packed->arena.heap, packed->blocks, packed->block_capacity * sizeof *blocks,
        capacity * sizeof *blocks);
    if (blocks == NULL)
        return GM_ETASK_MEMORY;
    packed->blocks = blocks;
    packed->block_capacity = capacity;
    return 0;
}

/* For which there is room. */
static void add_rows(struct gm_packed *packed, const uint8_t *rows, uint64_t bytes,
                     uint64_t count)
{
    packed->row_count += count;
    packed->bytes += bytes;
    if (packed->block_count > 0) {
        struct gm_packed_block *last = &packed->blocks[packed->block_count - 1];
        if (last->data + last->bytes == rows) {
            last->bytes += bytes;
            last->row_count += count;
            return;
        }
    }
    packed->blocks[packed->block_count++] =
        (struct gm_packed_block){.data = rows, .bytes = bytes, .row_count = count};
}

int gm_packed_add(struct gm_packed *packed, const struct gm_layout *layout,
                  const struct gm_batch *batch, uint32_t first, uint32_t count, uint32_t *sizes)
{
    const uint64_t bytes = gm_codec_sizes(layout, batch, first, count, sizes);
    for (uint32_t i = 0; i < count; i++)
        if (sizes[i] > GM_ROW_BYTES_MAX)
            return GM_ETASK_MEMORY;
    if (reserve(packed) < 0)
        return GM_ETASK_MEMORY;
    uint8_t *rows = gm_arena_alloc(&packed->arena, bytes);
    if (rows == NULL)
        return GM_ETASK_MEMORY;
    /* The encoder may write slack bytes behind the last row: the arena keeps them free. */
    gm_codec_encode(layout, batch, first, count, sizes, rows);
    add_rows(packed, rows, bytes, count);
    return 0;
}

int gm_packed_put(struct gm_packed *packed, const uint8_t *row, uint64_t bytes)
{
    if (reserve(packed) < 0)
        return GM_ETASK_MEMORY;
    uint8_t *copy = gm_arena_alloc(&packed->arena, bytes);
    if (copy == NULL)
        return GM_ETASK_MEMORY;
    memcpy(copy, row, bytes);
    add_rows(packed, copy, bytes, 1);
    return 0;
}

void gm_packed_clear(struct gm_packed *packed)
{
    gm_arena_reset(&packed->arena);
    packed->block_count = 0;
    packed->row_count = 0;
    packed->bytes = 0;
}

void gm_packed_next(const struct gm_packed *packed, const struct gm_layout *layout,
                    struct gm_packed_cursor *cursor, struct gm_batch *batch,
                    const uint8_t **ret_rows)
{
    batch->row_count = 0;
    if (cursor->block == packed->block_count)
        return;
    const struct gm_packed_block *block = &packed->blocks[cursor->block];
    const uint64_t left = block->row_count - cursor->row;
    const uint8_t *data = block->data + cursor->offset;
    size_t used = 0;
    const int rc = gm_codec_decode(layout, data, block->bytes - cursor->offset,
                                   left < GM_BATCH_ROWS_MAX ? (uint32_t)left : GM_BATCH_ROWS_MAX,
                                   batch, &used);
    GM_CHECK(rc == 0 && batch->row_count > 0);
    for (uint32_t i = 0; i < batch->row_count && ret_rows != NULL; i++) {
        ret_rows[i] = data;
        data += gm_row_bytes(layout, data);
    }
    cursor->row += batch->row_count;
    cursor->offset += used;
    if (cursor->row == block->row_count)
        *cursor = (struct gm_packed_cursor){.block = cursor->block + 1};
}
