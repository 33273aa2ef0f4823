/* run.c - records in blocks: a length of four bytes and the bytes. */
#include "engine/op/run.h"

#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"

#define LENGTH_BYTES 4

void gm_run_writer_init(struct gm_run_writer *writer, const struct gm_spill *spill,
                        uint32_t partition)
{
    *writer = (struct gm_run_writer){.spill = spill, .run = {.partition = partition}};
}

static int flush(struct gm_run_writer *writer)
{
    struct gm_spill_window *window = writer->window;
    writer->window = NULL;
    return writer->spill->ops->write(writer->spill->self, &writer->run, window);
}

/* Copies `part` to the window from byte writer->done of the record on, as far as it fits.  `begin`
 * is the record's byte at which the part begins. */
static void copy_part(struct gm_run_writer *writer, uint64_t begin, const void *part,
                      uint32_t bytes)
{
    struct gm_spill_window *window = writer->window;
    if (writer->done < begin || writer->done >= begin + bytes)
        return;
    const uint64_t skip = writer->done - begin;
    uint64_t count = bytes - skip;
    if (count > writer->spill->room_bytes - window->bytes)
        count = writer->spill->room_bytes - window->bytes;
    memcpy(window->data + window->bytes, (const uint8_t *)part + skip, count);
    window->bytes += (uint32_t)count;
    writer->done += count;
}

int gm_run_put(struct gm_run_writer *writer, const void *head, uint32_t head_bytes,
               const void *data, uint32_t bytes)
{
    const struct gm_run_part parts[] = {{.data = head, .bytes = head_bytes},
                                        {.data = data, .bytes = bytes}};
    return gm_run_put_parts(writer, parts, 2);
}

int gm_run_put_parts(struct gm_run_writer *writer, const struct gm_run_part *parts,
                     uint32_t part_count)
{
    const uint32_t room = writer->spill->room_bytes;
    uint32_t length = 0;
    for (uint32_t i = 0; i < part_count; i++)
        length += parts[i].bytes;
    const uint64_t total = (uint64_t)LENGTH_BYTES + length;
    GM_DCHECK(length > 0);
    for (;;) {
        if (writer->window != NULL && writer->done == 0 && writer->window->bytes > 0 &&
            total > room - writer->window->bytes) {
            int rc = flush(writer);
            if (rc < 0)
                return rc;
        }
        if (writer->window == NULL) {
            int rc = writer->spill->ops->take(writer->spill->self, &writer->window);
            if (rc != 0)
                return rc;
            writer->window->bytes = 0;
        }
        copy_part(writer, 0, &length, LENGTH_BYTES);
        uint64_t begin = LENGTH_BYTES;
        for (uint32_t i = 0; i < part_count; begin += parts[i++].bytes)
            copy_part(writer, begin, parts[i].data, parts[i].bytes);
        if (writer->done == total)
            break;
        int rc = flush(writer);
        if (rc < 0)
            return rc;
    }
    writer->done = 0;
    writer->records++;
    return 0;
}

int gm_run_writer_end(struct gm_run_writer *writer, struct gm_spill_run *ret_run)
{
    GM_CHECK(writer->done == 0);
    int rc = writer->window != NULL ? flush(writer) : 0;
    if (rc < 0)
        return rc;
    *ret_run = writer->run;
    writer->run = (struct gm_spill_run){0};
    return 0;
}

void gm_run_writer_fini(struct gm_run_writer *writer)
{
    if (writer->spill == NULL)
        return;
    if (writer->window != NULL)
        writer->spill->ops->give(writer->spill->self, writer->window);
    writer->window = NULL;
    writer->spill->ops->forget(writer->spill->self, &writer->run);
}

/* ---- reading --------------------------------------------------------------------------------- */

int gm_run_reader_open(struct gm_run_reader *reader, const struct gm_spill *spill,
                       struct gm_heap *heap, struct gm_spill_run *run)
{
    GM_CHECK(run->first == 0 && run->count > 0);
    struct gm_spill_window *window;
    int rc = spill->ops->take(spill->self, &window);
    if (rc != 0)
        return rc;
    *reader = (struct gm_run_reader){.spill = spill, .heap = heap, .window = window, .run = *run};
    *run = (struct gm_spill_run){.partition = run->partition};
    return spill->ops->read(spill->self, &reader->run, 0, window);
}

bool gm_run_spare_memory(const struct gm_heap *heap, uint32_t share)
{
    return heap->used_bytes < heap->limit_bytes - heap->limit_bytes / share;
}

/* Starts reading the block behind the one at hand, if a window is to be had. */
static int read_ahead(struct gm_run_reader *reader)
{
    const struct gm_spill *spill = reader->spill;
    if (reader->ahead != NULL || reader->index + 1 >= reader->run.count ||
        !gm_run_spare_memory(reader->heap, GM_RUN_AHEAD_SHARE))
        return 0;
    int rc = spill->ops->take(spill->self, &reader->ahead);
    if (rc == GM_AGAIN || rc == GM_ETASK_MEMORY)
        return 0;
    if (rc == 0)
        rc = spill->ops->read(spill->self, &reader->run, reader->index + 1, reader->ahead);
    return rc;
}

/* The block at hand is used up.  Returns 0, GM_END or < 0. */
static int next_block(struct gm_run_reader *reader)
{
    const struct gm_spill *spill = reader->spill;
    if (!reader->keeps)
        spill->ops->drop(spill->self, &reader->run, reader->index + 1);
    reader->index++;
    reader->offset = 0;
    reader->ready = false;
    if (reader->index == reader->run.count)
        return GM_END;
    if (reader->ahead == NULL)
        return spill->ops->read(spill->self, &reader->run, reader->index, reader->window);
    struct gm_spill_window *used = reader->window;
    reader->window = reader->ahead;
    reader->ahead = NULL;
    if (reader->index + 1 < reader->run.count) {
        reader->ahead = used;
        return spill->ops->read(spill->self, &reader->run, reader->index + 1, used);
    }
    spill->ops->give(spill->self, used);
    return 0;
}

/* Makes sure that bytes are at hand.  Returns 0, GM_AGAIN, GM_END or < 0. */
static int fill(struct gm_run_reader *reader)
{
    const struct gm_spill *spill = reader->spill;
    for (;;) {
        if (reader->index == reader->run.count)
            return GM_END;
        if (!reader->ready) {
            int rc = spill->ops->ready(spill->self, reader->window);
            if (rc != 0)
                return rc;
            reader->ready = true;
            rc = read_ahead(reader);
            if (rc < 0)
                return rc;
        }
        if (reader->offset < reader->window->bytes)
            return 0;
        int rc = next_block(reader);
        if (rc != 0)
            return rc;
    }
}

/* A damaged length would have failed the block's checksum: what is here is what was written. */
static int join(struct gm_run_reader *reader, const uint8_t **ret_record)
{
    if (reader->joined_bytes == 0 && reader->joined_capacity < reader->joined_length) {
        gm_heap_free(reader->heap, reader->joined, reader->joined_capacity);
        reader->joined_capacity = 0;
        reader->joined = gm_heap_alloc(reader->heap, reader->joined_length);
        if (reader->joined == NULL)
            return GM_ETASK_MEMORY;
        reader->joined_capacity = reader->joined_length;
    }
    while (reader->joined_bytes < reader->joined_length) {
        int rc = fill(reader);
        GM_CHECK(rc != GM_END);
        if (rc != 0)
            return rc;
        uint64_t count = reader->window->bytes - reader->offset;
        if (count > reader->joined_length - reader->joined_bytes)
            count = reader->joined_length - reader->joined_bytes;
        memcpy(reader->joined + reader->joined_bytes, reader->window->data + reader->offset, count);
        reader->joined_bytes += count;
        reader->offset += (uint32_t)count;
    }
    *ret_record = reader->joined;
    reader->lent = true;
    return 0;
}

int gm_run_next(struct gm_run_reader *reader, const uint8_t **ret_record, uint32_t *ret_bytes)
{
    if (reader->lent) { /* its memory is not held longer than it must */
        gm_heap_free(reader->heap, reader->joined, reader->joined_capacity);
        reader->joined = NULL;
        reader->joined_capacity = 0;
        reader->joined_bytes = 0;
        reader->joined_length = 0;
        reader->lent = false;
    }
    if (reader->joined_length == 0) {
        int rc = fill(reader);
        if (rc != 0)
            return rc;
        uint32_t length;
        GM_CHECK(reader->window->bytes - reader->offset >= LENGTH_BYTES);
        memcpy(&length, reader->window->data + reader->offset, LENGTH_BYTES);
        if (length <= reader->window->bytes - reader->offset - LENGTH_BYTES) {
            *ret_record = reader->window->data + reader->offset + LENGTH_BYTES;
            *ret_bytes = length;
            reader->offset += LENGTH_BYTES + length;
            return 0;
        }
        reader->offset += LENGTH_BYTES;
        reader->joined_length = length;
    }
    *ret_bytes = reader->joined_length;
    return join(reader, ret_record);
}

bool gm_run_reader_give_ahead(struct gm_run_reader *reader)
{
    if (reader->ahead == NULL)
        return false;
    reader->spill->ops->give(reader->spill->self, reader->ahead);
    reader->ahead = NULL;
    return true;
}

void gm_run_reader_keep(struct gm_run_reader *reader)
{
    GM_CHECK(reader->run.first == 0);
    reader->keeps = true;
}

int gm_run_reader_rewind(struct gm_run_reader *reader)
{
    const struct gm_spill *spill = reader->spill;
    GM_CHECK(reader->keeps && reader->joined_length == 0);
    (void)gm_run_reader_give_ahead(reader);
    if (reader->index == 0) { /* its first block is there, or on its way */
        reader->offset = 0;
        return 0;
    }
    reader->index = 0;
    reader->offset = 0;
    reader->ready = false;
    return spill->ops->read(spill->self, &reader->run, 0, reader->window);
}

void gm_run_reader_close(struct gm_run_reader *reader)
{
    if (reader->spill == NULL)
        return;
    const struct gm_spill *spill = reader->spill;
    if (reader->ahead != NULL)
        spill->ops->give(spill->self, reader->ahead);
    if (reader->window != NULL)
        spill->ops->give(spill->self, reader->window);
    spill->ops->forget(spill->self, &reader->run);
    gm_heap_free(reader->heap, reader->joined, reader->joined_capacity);
    *reader = (struct gm_run_reader){0};
}
