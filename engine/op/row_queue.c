/* row_queue.c - chunks of pieces, each a header and packed rows. */
#include "engine/op/row_queue.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/row/codec.h"

/* Below what the heap maps on its own, and large enough that a chunk's end wastes little. */
#define CHUNK_BYTES (256u << 10)
/* Where gigabytes are expected: a huge page each. */
#define CHUNK_BYTES_LARGE (2u << 20)
#define LARGE_CHUNKS_MIN 128
/* Where not even the usual is there. */
#define CHUNK_BYTES_SMALL (32u << 10)
/* Memory is made by a 12th of what may be used at least. */
#define FLUSH_SHARE 12

struct gm_row_chunk {
    struct gm_row_chunk *next;
    size_t capacity;
    size_t used;
    uint32_t written; /* bytes that are in the run already */
    uint8_t data[];
};

struct piece_header {
    uint64_t bytes;
    uint64_t position;
    uint32_t tag;
    uint32_t row_count;
};

void gm_row_queue_init(struct gm_row_queue *queue, const struct gm_layout *layout,
                       const struct gm_spill *spill, uint64_t spill_at_bytes,
                       struct gm_heap *heap)
{
    memset(queue, 0, sizeof *queue);
    queue->layout = layout;
    queue->heap = heap;
    queue->spill = spill;
    queue->spill_at_bytes = spill_at_bytes;
}

static void drop_first(struct gm_row_queue *queue)
{
    struct gm_row_chunk *chunk = queue->first;
    queue->first = chunk->next;
    if (queue->first == NULL)
        queue->last = NULL;
    queue->packed_bytes -= chunk->used;
    gm_heap_free(queue->heap, chunk, chunk->capacity);
}

void gm_row_queue_fini(struct gm_row_queue *queue)
{
    if (queue->heap == NULL)
        return;
    while (queue->first != NULL)
        drop_first(queue);
    gm_run_reader_close(&queue->reader);
    if (queue->writing)
        gm_run_writer_fini(&queue->writer);
    queue->heap = NULL;
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* Bytes of a piece; the next one begins on 8. */
static size_t piece_bytes(uint64_t row_bytes)
{
    return sizeof(struct piece_header) + (row_bytes + 7) / 8 * 8;
}

/* Writes all chunks to the run.  Returns 0, GM_AGAIN or < 0. */
static int flush(struct gm_row_queue *queue)
{
    if (!queue->writing)
        gm_run_writer_init(&queue->writer, queue->spill, 0);
    queue->writing = true;
    queue->flushing = true;
    while (queue->first != NULL) {
        struct gm_row_chunk *chunk = queue->first;
        while (chunk->written < chunk->used) {
            struct piece_header header;
            const uint8_t *piece = chunk->data + chunk->written;
            memcpy(&header, piece, sizeof header);
            int rc = gm_run_put(&queue->writer, &header, sizeof header, piece + sizeof header,
                                (uint32_t)header.bytes);
            if (rc != 0)
                return rc;
            queue->spilled_bytes += sizeof header + header.bytes;
            chunk->written += (uint32_t)piece_bytes(header.bytes);
        }
        drop_first(queue);
    }
    queue->flushing = false;
    return 0;
}

static int add_chunk(struct gm_row_queue *queue, size_t need)
{
    size_t capacity = sizeof(struct gm_row_chunk) + need + GM_BYTES_SLACK;
    const size_t usual = queue->heap->limit_bytes / CHUNK_BYTES_LARGE >= LARGE_CHUNKS_MIN
                             ? CHUNK_BYTES_LARGE
                             : CHUNK_BYTES;
    if (capacity < usual)
        capacity = usual;
    struct gm_row_chunk *chunk = gm_heap_alloc(queue->heap, capacity);
    if (chunk == NULL && capacity == CHUNK_BYTES && need < CHUNK_BYTES_SMALL / 2) {
        capacity = CHUNK_BYTES_SMALL;
        chunk = gm_heap_alloc(queue->heap, capacity);
    }
    if (chunk == NULL)
        return GM_ETASK_MEMORY;
    *chunk = (struct gm_row_chunk){.capacity = capacity};
    if (queue->last != NULL)
        queue->last->next = chunk;
    else
        queue->first = chunk;
    queue->last = chunk;
    return 0;
}

static size_t chunk_room(const struct gm_row_chunk *chunk)
{
    return chunk->capacity - sizeof *chunk - GM_BYTES_SLACK - chunk->used;
}

/* Packs as many of `left` rows as the last chunk holds.  Returns how many. */
static uint32_t pack(struct gm_row_queue *queue, const struct gm_batch *batch, uint32_t first,
                     uint32_t left, uint32_t tag, uint64_t position)
{
    struct gm_row_chunk *chunk = queue->last;
    const size_t room = chunk == NULL ? 0 : chunk_room(chunk);
    uint64_t bytes = 0;
    uint32_t count = 0;
    while (count < left && piece_bytes(bytes + queue->sizes[first + count]) <= room)
        bytes += queue->sizes[first + count++];
    if (count == 0)
        return 0;
    uint8_t *piece = chunk->data + chunk->used;
    const struct piece_header header = {
        .bytes = bytes, .position = position, .tag = tag, .row_count = count};
    memcpy(piece, &header, sizeof header);
    gm_codec_encode(queue->layout, batch, first, count, queue->sizes + first,
                    piece + sizeof header);
    chunk->used += piece_bytes(bytes);
    queue->packed_bytes += piece_bytes(bytes);
    return count;
}

static bool should_flush(const struct gm_row_queue *queue)
{
    return queue->spill != NULL && queue->packed_bytes >= queue->spill_at_bytes / FLUSH_SHARE &&
           queue->heap->used_bytes >= queue->spill_at_bytes;
}

int gm_row_queue_add(struct gm_row_queue *queue, const struct gm_batch *batch, uint32_t *first,
                     uint32_t tag, uint64_t position)
{
    const uint32_t begin = *first;
    gm_codec_sizes(queue->layout, batch, begin, batch->row_count - begin, queue->sizes + begin);
    while (*first < batch->row_count) {
        if (queue->flushing || should_flush(queue)) {
            int rc = flush(queue);
            if (rc != 0)
                return rc;
        }
        if (queue->sizes[*first] > GM_ROW_BYTES_MAX)
            return GM_ETASK_MEMORY;
        const uint32_t count = pack(queue, batch, *first, batch->row_count - *first, tag,
                                    position + (*first - begin));
        *first += count;
        if (count > 0)
            continue;
        int rc = add_chunk(queue, piece_bytes(queue->sizes[*first]));
        if (rc < 0 && (queue->spill == NULL || queue->packed_bytes == 0))
            return rc;
        if (rc < 0) /* what is here makes room */
            queue->flushing = true;
    }
    return 0;
}

int gm_row_queue_settle(struct gm_row_queue *queue)
{
    return queue->writing ? flush(queue) : 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void lend(const uint8_t *data, struct gm_row_piece *ret_piece)
{
    struct piece_header header;
    memcpy(&header, data, sizeof header);
    *ret_piece = (struct gm_row_piece){.tag = header.tag,
                                       .row_count = header.row_count,
                                       .bytes = header.bytes,
                                       .position = header.position,
                                       .rows = data + sizeof header};
}

static int next_of_run(struct gm_row_queue *queue, struct gm_row_piece *ret_piece)
{
    const uint8_t *record;
    uint32_t bytes;
    if (!queue->reading) {
        if (queue->writer.window != NULL || queue->writer.run.count > 0) {
            struct gm_spill_run run;
            int rc = gm_run_writer_end(&queue->writer, &run);
            if (rc < 0)
                return rc;
            queue->writer.run = run; /* until a reader takes it over */
        }
        int rc = gm_run_reader_open(&queue->reader, queue->spill, queue->heap,
                                    &queue->writer.run);
        if (rc != 0)
            return rc;
        queue->reading = true;
    }
    int rc = gm_run_next(&queue->reader, &record, &bytes);
    if (rc == 0)
        lend(record, ret_piece);
    if (rc == GM_END) {
        gm_run_reader_close(&queue->reader);
        queue->run_ended = true;
    }
    return rc;
}

int gm_row_queue_next(struct gm_row_queue *queue, struct gm_row_piece *ret_piece)
{
    if (queue->flushing) {
        int rc = flush(queue);
        if (rc != 0)
            return rc;
    }
    if (queue->writing && !queue->run_ended) {
        int rc = next_of_run(queue, ret_piece);
        if (rc != GM_END)
            return rc;
    }
    while (queue->first != NULL && queue->offset == queue->first->used) {
        queue->offset = 0;
        drop_first(queue);
    }
    if (queue->first == NULL)
        return GM_END;
    lend(queue->first->data + queue->offset, ret_piece);
    queue->offset += (uint32_t)piece_bytes(ret_piece->bytes);
    return 0;
}
