/* reader.c - claims partitions, keeps reads in flight, cuts what arrives at line ends.
 *
 * Two cursors walk the claimed partitions: `issue` starts reads, `use` hands out spans.  Blocks are
 * used in the order in which they were issued.  What follows the last line end of a block is
 * carried to the headroom in front of the next one, so that a span is always contiguous.
 */
#include "agent/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/chain/chain.h"

/* Room in front of a block for the unfinished line of the one before. */
#define HEADROOM_BYTES (64u << 10)
/* The last read of a segment goes this far beyond it: the end of its last line is mostly there. */
#define OVERLAP_BYTES 4096
#define BLOCK_ROOM_BYTES (HEADROOM_BYTES + GM_READER_BLOCK_BYTES + OVERLAP_BYTES + GM_BYTES_SLACK)
_Static_assert((GM_READER_BLOCKS + 1) * BLOCK_ROOM_BYTES <= GM_READER_BYTES, "told in reader.h");
/* Files open at a time: one per block in flight, and the tail. */
#define OPEN_FILES (GM_READER_BLOCKS + 2)
/* Partitions claimed but not used up; small files come several to a block's time. */
#define CLAIMED_MAX (2 * GM_READER_BLOCKS)

struct open_file {
    struct gm_disk_file *handle; /* NULL: free */
    uint32_t file;
    uint32_t readers; /* blocks that read from it */
};

enum block_state { BLOCK_FREE, BLOCK_READING, BLOCK_READY };

struct block {
    enum block_state state;
    uint8_t *memory;
    uint8_t *data; /* behind the headroom */
    struct open_file *open;
    uint64_t offset;
    uint32_t want;
    uint32_t got;
    bool last; /* of its segment */
    uint64_t claim; /* which claimed partition it belongs to, counted as in `claimed` */
    uint64_t count_begin, count_end; /* of the file: its segment's, which are counted */
};

struct gm_reader {
    const struct gm_source *source;
    struct gm_disk disk;
    struct gm_claims claims;
    struct gm_heap *heap;
    struct gm_error *error;
    uint64_t bytes;
    bool waits; /* the last next found nothing to use */

    struct open_file files[OPEN_FILES];
    struct block blocks[GM_READER_BLOCKS]; /* a ring: [use_block, issue_block) */
    struct block tail;                     /* what a segment needs beyond its last block */
    uint64_t issue_block, use_block;

    uint32_t claimed[CLAIMED_MAX]; /* a ring: [use_claim, issue_claim) */
    uint64_t issue_claim, use_claim;
    bool claims_over;
    uint32_t claimed_max;

    /* issue: segment [issue_segment, issue_segment_end) of the newest claimed partition */
    uint32_t issue_segment, issue_segment_end;
    uint64_t issue_offset; /* of the next read; UINT64_MAX: the segment is not begun */
    bool stream_waits;     /* a file of unknown size has a read under way */
    bool stream_ended;

    /* use */
    bool in_partition, in_segment;
    bool leaving; /* what the partition still has is not wanted */
    uint32_t use_segment, use_segment_end;
    bool skipping;   /* towards the first line that begins in the segment */
    bool tail_on;
    uint64_t tail_offset;
    const uint8_t *cursor; /* in the current block; NULL: not begun */
    uint8_t *carry;
    size_t carry_bytes, carry_capacity;
    bool carry_lent; /* the span that is out is the carry */
};

static const struct gm_segment *segment_at(const struct gm_reader *reader, uint32_t index)
{
    return &reader->source->segments[index];
}

static const struct gm_file *file_of(const struct gm_reader *reader, uint32_t segment)
{
    return &reader->source->files[segment_at(reader, segment)->file];
}

static bool is_stream(const struct gm_reader *reader, uint32_t segment)
{
    return segment_at(reader, segment)->end == UINT64_MAX;
}

static uint32_t first_segment(const struct gm_reader *reader, uint32_t partition)
{
    return partition == 0 ? 0 : reader->source->partition_ends[partition - 1];
}

int gm_reader_create(const struct gm_source *source, const struct gm_disk *disk,
                     const struct gm_claims *claims, struct gm_heap *heap, struct gm_error *error,
                     struct gm_reader **ret_reader)
{
    struct gm_reader *reader = gm_heap_zalloc(heap, sizeof *reader);
    if (reader == NULL)
        return GM_ETASK_MEMORY;
    reader->source = source;
    reader->disk = *disk;
    reader->claims = *claims;
    reader->claimed_max = CLAIMED_MAX;
    reader->heap = heap;
    reader->error = error;
    reader->issue_offset = UINT64_MAX;
    for (uint32_t i = 0; i <= GM_READER_BLOCKS; i++) {
        struct block *block = i < GM_READER_BLOCKS ? &reader->blocks[i] : &reader->tail;
        block->memory = gm_heap_alloc(heap, BLOCK_ROOM_BYTES);
        if (block->memory == NULL) {
            gm_reader_destroy(reader);
            return GM_ETASK_MEMORY;
        }
        block->data = block->memory + HEADROOM_BYTES;
    }
    *ret_reader = reader;
    return 0;
}

void gm_reader_destroy(struct gm_reader *reader)
{
    if (reader == NULL)
        return;
    for (uint32_t i = 0; i < GM_READER_BLOCKS; i++)
        gm_heap_free(reader->heap, reader->blocks[i].memory, BLOCK_ROOM_BYTES);
    gm_heap_free(reader->heap, reader->tail.memory, BLOCK_ROOM_BYTES);
    gm_heap_free(reader->heap, reader->carry, reader->carry_capacity);
    gm_heap_free(reader->heap, reader, sizeof *reader);
}

uint64_t gm_reader_bytes(const struct gm_reader *reader)
{
    return reader->bytes;
}

/* ---- files and reads ------------------------------------------------------------------------ */

static int refuse(struct gm_reader *reader, const char *path, const char *what, int rc)
{
    return gm_error_set(reader->error, GM_EJOB_INPUT, "cannot %s %s: %s", what, path,
                        gm_error_name(rc));
}

/* Returns 0, GM_AGAIN when every place is taken by reads under way, or < 0. */
static int open_file(struct gm_reader *reader, uint32_t file, struct open_file **ret_open)
{
    struct open_file *idle = NULL;
    for (uint32_t i = 0; i < OPEN_FILES; i++) {
        struct open_file *open = &reader->files[i];
        if (open->handle != NULL && open->file == file) {
            *ret_open = open;
            return 0;
        }
        if (open->readers == 0 && (idle == NULL || open->handle == NULL))
            idle = open;
    }
    if (idle == NULL)
        return GM_AGAIN;
    if (idle->handle != NULL)
        reader->disk.ops->close(reader->disk.self, idle->handle);
    idle->handle = NULL;
    const char *path = reader->source->files[file].path;
    int rc = reader->disk.ops->open(reader->disk.self, path, &idle->handle);
    if (rc < 0)
        return refuse(reader, path, "open", rc);
    idle->file = file;
    *ret_open = idle;
    return 0;
}

/* Asks for what is still missing of a block.  Returns 0, GM_AGAIN or < 0. */
static int submit(struct gm_reader *reader, struct block *block)
{
    int rc = reader->disk.ops->read(reader->disk.self, block->open->handle,
                                    block->offset + block->got, block->data + block->got,
                                    block->want - block->got, block);
    if (rc < 0)
        return refuse(reader, reader->source->files[block->open->file].path, "read", rc);
    return rc;
}

static int start_read(struct gm_reader *reader, struct block *block, uint32_t file,
                      uint64_t offset, uint32_t bytes)
{
    int rc = open_file(reader, file, &block->open);
    if (rc != 0)
        return rc;
    block->offset = offset;
    block->want = bytes;
    block->got = 0;
    block->last = false;
    block->claim = block == &reader->tail ? reader->use_claim : reader->issue_claim - 1;
    block->count_begin = 0;
    block->count_end = 0;
    rc = submit(reader, block);
    if (rc != 0)
        return rc;
    block->open->readers++;
    block->state = BLOCK_READING;
    return 0;
}

/* What two partitions both look at, a long line's length at worst, is input only once. */
static void count_bytes(struct gm_reader *reader, const struct block *block, uint64_t offset,
                        uint64_t bytes)
{
    const uint64_t begin = offset > block->count_begin ? offset : block->count_begin;
    const uint64_t end = offset + bytes < block->count_end ? offset + bytes : block->count_end;
    reader->bytes += end > begin ? end - begin : 0;
}

static int complete(struct gm_reader *reader, const struct gm_disk_completion *completion)
{
    struct block *block = completion->tag;
    const struct gm_file *file = &reader->source->files[block->open->file];
    if (completion->result < 0)
        return refuse(reader, file->path, "read", (int)completion->result);
    count_bytes(reader, block, block->offset + block->got, (uint64_t)completion->result);
    block->got += (uint32_t)completion->result;
    const bool stream = file->bytes == UINT64_MAX;
    if (completion->result == 0 && !stream)
        return gm_error_set(reader->error, GM_EJOB_INPUT,
                            "%s became shorter while it was read: it had %" PRIu64
                            " bytes when the job began, and now there is nothing at %" PRIu64,
                            file->path, file->bytes, block->offset + block->got);
    if (block->got < block->want && !stream) {
        int rc = submit(reader, block);
        GM_CHECK(rc != GM_AGAIN); /* its place in the queue has just become free */
        return rc;
    }
    block->open->readers--;
    block->state = BLOCK_READY;
    return 0;
}

static int poll_disk(struct gm_reader *reader)
{
    struct gm_disk_completion completions[GM_READER_BLOCKS + 1];
    const uint32_t count =
        reader->disk.ops->poll(reader->disk.self, completions, GM_READER_BLOCKS + 1);
    for (uint32_t i = 0; i < count; i++) {
        int rc = complete(reader, &completions[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- issue ----------------------------------------------------------------------------------- */

/* Claims the next partition when the last one's reads are all issued.  False: nothing to issue. */
static bool claim_next(struct gm_reader *reader)
{
    while (reader->issue_segment == reader->issue_segment_end) {
        if (reader->claims_over || reader->issue_claim - reader->use_claim == reader->claimed_max)
            return false;
        const uint64_t partition = gm_claims_take(&reader->claims);
        if (partition >= reader->source->partition_count) {
            reader->claims_over = true;
            return false;
        }
        reader->claimed[reader->issue_claim++ % CLAIMED_MAX] = (uint32_t)partition;
        reader->issue_segment = first_segment(reader, (uint32_t)partition);
        reader->issue_segment_end = reader->source->partition_ends[partition];
        reader->issue_offset = UINT64_MAX;
    }
    return true;
}

static int issue_stream(struct gm_reader *reader, struct block *block)
{
    if (reader->stream_waits)
        return GM_AGAIN;
    if (reader->stream_ended) {
        reader->stream_ended = false;
        reader->issue_segment++;
        reader->issue_offset = UINT64_MAX;
        return 0;
    }
    if (reader->issue_offset == UINT64_MAX)
        reader->issue_offset = 0;
    int rc = start_read(reader, block, segment_at(reader, reader->issue_segment)->file,
                        reader->issue_offset, GM_READER_BLOCK_BYTES);
    if (rc != 0)
        return rc;
    block->count_end = UINT64_MAX;
    reader->stream_waits = true;
    reader->issue_block++;
    return 0;
}

/* One read of the current segment.  Returns 0, GM_AGAIN or < 0. */
static int issue_one(struct gm_reader *reader)
{
    struct block *block = &reader->blocks[reader->issue_block % GM_READER_BLOCKS];
    if (is_stream(reader, reader->issue_segment))
        return issue_stream(reader, block);
    const struct gm_segment *segment = segment_at(reader, reader->issue_segment);
    const uint64_t file_bytes = file_of(reader, reader->issue_segment)->bytes;
    const uint32_t record = reader->source->record_bytes;
    const uint64_t offset = reader->issue_offset != UINT64_MAX        ? reader->issue_offset
                            : segment->begin > 0 && record == 0 ? segment->begin - 1
                                                                : segment->begin;
    uint64_t bytes = GM_READER_BLOCK_BYTES;
    if (record > 0)
        bytes -= bytes % record;
    const bool last = segment->end - offset <= bytes;
    if (last) {
        bytes = segment->end - offset + (record > 0 ? 0 : OVERLAP_BYTES);
        bytes = bytes < file_bytes - offset ? bytes : file_bytes - offset;
    }
    int rc = start_read(reader, block, segment->file, offset, (uint32_t)bytes);
    if (rc != 0)
        return rc;
    block->last = last;
    block->count_begin = segment->begin;
    block->count_end = segment->end;
    reader->issue_block++;
    reader->issue_offset = offset + bytes;
    if (last) {
        reader->issue_segment++;
        reader->issue_offset = UINT64_MAX;
    }
    return 0;
}

static int issue(struct gm_reader *reader)
{
    while (reader->issue_block - reader->use_block < GM_READER_BLOCKS && claim_next(reader)) {
        int rc = issue_one(reader);
        if (rc == GM_AGAIN)
            return 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- use ------------------------------------------------------------------------------------- */

static int carry_append(struct gm_reader *reader, const uint8_t *data, size_t bytes)
{
    const size_t need = reader->carry_bytes + bytes + GM_BYTES_SLACK;
    if (reader->carry_bytes + bytes > GM_VALUE_BYTES_MAX)
        return gm_error_set(reader->error, GM_EJOB_INPUT, "%s has a line longer than 1 GiB",
                            file_of(reader, reader->use_segment)->path);
    if (need > reader->carry_capacity) {
        size_t capacity = reader->carry_capacity > 0 ? reader->carry_capacity : HEADROOM_BYTES;
        while (capacity < need)
            capacity *= 2;
        uint8_t *carry =
            gm_heap_realloc(reader->heap, reader->carry, reader->carry_capacity, capacity);
        if (carry == NULL)
            return gm_error_set(reader->error, GM_ETASK_MEMORY,
                                "%s has a line of more than %zu MiB, which does not fit this "
                                "executor's share of the memory: give more with --memory",
                                file_of(reader, reader->use_segment)->path,
                                reader->carry_bytes >> 20);
        reader->carry = carry;
        reader->carry_capacity = capacity;
    }
    if (bytes > 0)
        memcpy(reader->carry + reader->carry_bytes, data, bytes);
    reader->carry_bytes += bytes;
    return 0;
}

static void begin_segment(struct gm_reader *reader)
{
    reader->in_segment = true;
    reader->skipping = segment_at(reader, reader->use_segment)->begin > 0 &&
                       reader->source->record_bytes == 0;
    reader->cursor = NULL;
    reader->carry_bytes = 0;
    reader->tail_on = false;
}

static void end_segment(struct gm_reader *reader)
{
    reader->in_segment = false;
    reader->use_segment++;
    reader->cursor = NULL;
    reader->carry_bytes = 0;
    /* One enormous line is no reason to hold its memory for the rest of the job. */
    if (reader->carry_capacity > GM_READER_BLOCK_BYTES && !reader->carry_lent) {
        gm_heap_free(reader->heap, reader->carry, reader->carry_capacity);
        reader->carry = NULL;
        reader->carry_capacity = 0;
    }
}

/* Gives the current block back. */
static void release(struct gm_reader *reader, struct block *block)
{
    block->state = BLOCK_FREE;
    reader->cursor = NULL;
    if (block == &reader->tail)
        reader->tail_offset = block->offset + block->got;
    else
        reader->use_block++;
}

/* The block is used up to its end and the segment goes on: what follows is the next block, the
 * tail, or nothing. */
static void after_block(struct gm_reader *reader, struct block *block)
{
    const bool beyond = block->last || block == &reader->tail;
    const uint64_t end = block->offset + block->got;
    release(reader, block);
    if (!beyond)
        return;
    /* No line begins in a segment that lies inside one long line. */
    if (reader->skipping) {
        end_segment(reader);
        return;
    }
    reader->tail_on = true;
    reader->tail_offset = end;
}

/* True when the file has nothing behind this block. */
static bool at_end_of_file(const struct gm_reader *reader, const struct block *block)
{
    if (is_stream(reader, reader->use_segment))
        return block->got == 0;
    return block->offset + block->got >= file_of(reader, reader->use_segment)->bytes;
}

static void lend(struct gm_reader *reader, const uint8_t *data, size_t bytes,
                 struct gm_span *ret_span)
{
    ret_span->data = data;
    ret_span->bytes = bytes;
    ret_span->partition = reader->claimed[reader->use_claim % CLAIMED_MAX];
}

/* Lines up to stop (behind a "\n", or the file's end) become the span, with the carry in front. */
static int lend_lines(struct gm_reader *reader, const struct block *block, const uint8_t *stop,
                      struct gm_span *ret_span)
{
    const uint8_t *begin = reader->cursor;
    const size_t carry = reader->carry_bytes;
    if (carry == 0) {
        lend(reader, begin, (size_t)(stop - begin), ret_span);
        reader->cursor = stop;
        return 0;
    }
    GM_CHECK(begin == block->data); /* a carry comes from the block before */
    if (carry <= HEADROOM_BYTES) {
        memcpy(block->data - carry, reader->carry, carry);
        reader->carry_bytes = 0;
        lend(reader, block->data - carry, carry + (size_t)(stop - begin), ret_span);
        reader->cursor = stop;
        return 0;
    }
    /* A line longer than the headroom is put together in the carry and lent alone. */
    const uint8_t *newline = memchr(begin, '\n', (size_t)(stop - begin));
    const uint8_t *line_end = newline != NULL ? newline + 1 : stop;
    int rc = carry_append(reader, begin, (size_t)(line_end - begin));
    if (rc < 0)
        return rc;
    lend(reader, reader->carry, reader->carry_bytes, ret_span);
    reader->carry_lent = true;
    reader->cursor = line_end;
    return 0;
}

/* Moves the cursor to the first line that begins in the segment.  Returns false when the block has
 * none. */
static bool skip(struct gm_reader *reader, const struct block *block)
{
    const uint8_t *end = block->data + block->got;
    const uint8_t *newline = memchr(reader->cursor, '\n', (size_t)(end - reader->cursor));
    if (newline == NULL)
        return false;
    reader->cursor = newline + 1;
    return true;
}

/* The end of the segment's last line in this block, or NULL when it is not in here. */
static const uint8_t *last_line_end(const struct gm_reader *reader, const struct block *block)
{
    const uint64_t segment_end = segment_at(reader, reader->use_segment)->end;
    const uint8_t *end = block->data + block->got;
    if (block->offset + block->got < segment_end)
        return NULL;
    const uint8_t *from = reader->cursor;
    if (segment_end - 1 > block->offset) {
        const uint8_t *inside = block->data + (segment_end - 1 - block->offset);
        from = inside > from ? inside : from;
    }
    const uint8_t *newline = memchr(from, '\n', (size_t)(end - from));
    return newline != NULL ? newline + 1 : NULL;
}

/* Works on a ready block.  Returns 0 with a span, GM_AGAIN when it gave none, or < 0. */
static int use_block(struct gm_reader *reader, struct block *block, struct gm_span *ret_span)
{
    const uint8_t *end = block->data + block->got;
    if (reader->cursor == NULL)
        reader->cursor = block->data;
    if (reader->skipping) {
        if (!skip(reader, block)) {
            after_block(reader, block);
            return GM_AGAIN;
        }
        reader->skipping = false;
    }
    /* The next line is the next segment's; with a carry, the cursor is inside a line of ours. */
    const uint64_t at = block->offset + (uint64_t)(reader->cursor - block->data);
    if (reader->carry_bytes == 0 && at >= segment_at(reader, reader->use_segment)->end) {
        release(reader, block);
        end_segment(reader);
        return GM_AGAIN;
    }
    const uint8_t *stop = last_line_end(reader, block);
    const bool file_ends = stop == NULL && at_end_of_file(reader, block);
    if (stop != NULL || file_ends) {
        stop = stop != NULL ? stop : end;
        if (reader->cursor < stop || reader->carry_bytes > 0)
            return lend_lines(reader, block, stop, ret_span);
        release(reader, block);
        end_segment(reader);
        return GM_AGAIN;
    }
    const uint8_t *newline =
        memrchr(reader->cursor, '\n', (size_t)(end - reader->cursor));
    if (newline != NULL)
        return lend_lines(reader, block, newline + 1, ret_span);
    int rc = carry_append(reader, reader->cursor, (size_t)(end - reader->cursor));
    if (rc < 0)
        return rc;
    after_block(reader, block);
    return GM_AGAIN;
}

/* A block of records is a span: it holds whole ones, and none of another segment. */
static int use_records(struct gm_reader *reader, struct block *block, struct gm_span *ret_span)
{
    if (reader->cursor == NULL) {
        reader->cursor = block->data + block->got;
        lend(reader, block->data, block->got, ret_span);
        return 0;
    }
    const bool last = block->last;
    release(reader, block);
    if (last)
        end_segment(reader);
    return GM_AGAIN;
}

/* The block that the segment goes on with; NULL when it is not there yet. */
static int current_block(struct gm_reader *reader, struct block **ret_block)
{
    struct block *block = &reader->tail;
    *ret_block = NULL;
    if (reader->tail_on) {
        if (block->state == BLOCK_FREE) {
            const uint64_t left =
                file_of(reader, reader->use_segment)->bytes - reader->tail_offset;
            const uint32_t bytes = left < GM_READER_BLOCK_BYTES ? (uint32_t)left
                                                                : GM_READER_BLOCK_BYTES;
            int rc = start_read(reader, block, segment_at(reader, reader->use_segment)->file,
                                reader->tail_offset, bytes);
            if (rc != 0)
                return rc < 0 ? rc : 0;
        }
    } else {
        if (reader->use_block == reader->issue_block)
            return 0;
        block = &reader->blocks[reader->use_block % GM_READER_BLOCKS];
    }
    if (block->state == BLOCK_READY)
        *ret_block = block;
    return 0;
}

/* A stream's next read starts where the last one stopped. */
static void stream_block_ready(struct gm_reader *reader, const struct block *block)
{
    if (!is_stream(reader, reader->use_segment) || reader->cursor != NULL)
        return;
    reader->stream_waits = false;
    reader->issue_offset = block->offset + block->got;
    reader->stream_ended = block->got == 0;
}

void gm_reader_skip(struct gm_reader *reader)
{
    if (!reader->in_partition)
        return;
    reader->leaving = true;
    if (reader->issue_claim - 1 != reader->use_claim)
        return;
    reader->issue_segment = reader->issue_segment_end;
    reader->issue_offset = UINT64_MAX;
    reader->stream_waits = false;
    reader->stream_ended = false;
}

/* Gives back the blocks of the partition that is being left.  Returns 0, or GM_AGAIN while one is
 * still being read. */
static int leave(struct gm_reader *reader)
{
    while (reader->use_block < reader->issue_block) {
        struct block *block = &reader->blocks[reader->use_block % GM_READER_BLOCKS];
        if (block->claim != reader->use_claim)
            break;
        if (block->state != BLOCK_READY)
            return GM_AGAIN;
        release(reader, block);
    }
    if (reader->tail.state == BLOCK_READING)
        return GM_AGAIN;
    reader->tail.state = BLOCK_FREE;
    if (reader->in_segment)
        end_segment(reader);
    reader->use_segment = reader->use_segment_end;
    reader->leaving = false;
    return 0;
}

/* Steps to the partition and segment to use.  Returns 0 when inside a segment, GM_PARTITION_END,
 * GM_AGAIN or GM_END. */
static int locate(struct gm_reader *reader, struct gm_span *ret_span)
{
    if (!reader->in_partition) {
        if (reader->use_claim == reader->issue_claim)
            return reader->claims_over ? GM_END : GM_AGAIN;
        const uint32_t partition = reader->claimed[reader->use_claim % CLAIMED_MAX];
        reader->in_partition = true;
        reader->use_segment = first_segment(reader, partition);
        reader->use_segment_end = reader->source->partition_ends[partition];
    }
    if (reader->in_segment)
        return 0;
    if (reader->use_segment == reader->use_segment_end) {
        ret_span->partition = reader->claimed[reader->use_claim % CLAIMED_MAX];
        reader->in_partition = false;
        reader->use_claim++;
        return GM_PARTITION_END;
    }
    begin_segment(reader);
    return 0;
}

static int next_span(struct gm_reader *reader, struct gm_span *ret_span)
{
    if (reader->carry_lent) {
        reader->carry_lent = false;
        reader->carry_bytes = 0;
    }
    for (;;) {
        int rc = issue(reader);
        if (rc == 0)
            rc = poll_disk(reader);
        if (rc == 0 && reader->leaving)
            rc = leave(reader);
        if (rc == 0)
            rc = locate(reader, ret_span);
        if (rc != 0)
            return rc;
        struct block *block;
        rc = current_block(reader, &block);
        if (rc < 0)
            return rc;
        if (block == NULL)
            return GM_AGAIN;
        stream_block_ready(reader, block);
        rc = reader->source->record_bytes > 0 ? use_records(reader, block, ret_span)
                                              : use_block(reader, block, ret_span);
        if (rc != GM_AGAIN)
            return rc;
    }
}

int gm_reader_next(struct gm_reader *reader, struct gm_span *ret_span)
{
    const int rc = next_span(reader, ret_span);
    reader->waits = rc == GM_AGAIN;
    return rc;
}

void gm_reader_claim_singly(struct gm_reader *reader)
{
    reader->claimed_max = 1;
}

bool gm_reader_waits(const struct gm_reader *reader)
{
    return reader->waits;
}
