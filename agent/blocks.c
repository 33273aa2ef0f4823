/* blocks.c - a ring of blocks between the cursor that starts reads and the one that lends. */
#include "agent/blocks.h"

#include <errno.h>
#include <inttypes.h>

#include "engine/base/check.h"
#include "engine/chain/chain.h"

/* The last read of a segment goes this far beyond it: its last record's end is mostly there. */
#define OVERLAP_BYTES 4096
#define ROOM_BYTES (GM_BLOCK_HEADROOM_BYTES + GM_BLOCK_BYTES + OVERLAP_BYTES + GM_BYTES_SLACK)
_Static_assert((GM_BLOCKS_COUNT + 1) * ROOM_BYTES <= GM_BLOCKS_BYTES, "told in blocks.h");
/* Files open at a time: one per block, and the extra one. */
#define OPEN_FILES (GM_BLOCKS_COUNT + 2)
/* Partitions claimed but not used up.  Two: the others shall have something to do as well. */
#define CLAIMED_MAX 2

struct open_file {
    struct gm_disk_file *handle; /* NULL: free */
    uint32_t file;
    uint32_t reads; /* under way */
};

enum slot_state { SLOT_FREE, SLOT_READING, SLOT_READY };

struct slot {
    enum slot_state state;
    uint8_t *memory;
    struct gm_block block;
    struct open_file *open;
    uint64_t claim; /* number of the claimed partition */
    uint32_t want;
};

struct claimed {
    uint32_t partition;
    bool issued; /* all its reads have been started */
};

struct gm_blocks {
    const struct gm_source *source;
    struct gm_disk disk;
    struct gm_claims claims;
    struct gm_heap *heap;
    struct gm_error *error;
    gm_blocks_arrived_fn *arrived;
    void *arrived_self;
    uint64_t bytes;
    uint32_t reads; /* under way */

    struct open_file files[OPEN_FILES];
    struct slot slots[GM_BLOCKS_COUNT]; /* a ring: [use_slot, issue_slot) */
    struct slot extra;
    uint64_t issue_slot, use_slot;

    struct claimed claimed[CLAIMED_MAX]; /* a ring: [use_claim, issue_claim) */
    uint64_t issue_claim, use_claim;
    bool claims_over;

    /* of the newest claimed partition: segments [segment, segment_end) have reads to start */
    uint32_t segment, segment_end;
    uint64_t offset; /* of the next read; UINT64_MAX: the segment is not begun */
    bool stream_waits, stream_ended;
};

int gm_blocks_create(const struct gm_source *source, const struct gm_disk *disk,
                     const struct gm_claims *claims, struct gm_heap *heap, struct gm_error *error,
                     gm_blocks_arrived_fn *arrived, void *arrived_self,
                     struct gm_blocks **ret_blocks)
{
    struct gm_blocks *blocks = gm_heap_zalloc(heap, sizeof *blocks);
    if (blocks == NULL)
        return GM_ETASK_MEMORY;
    blocks->source = source;
    blocks->disk = *disk;
    blocks->claims = *claims;
    blocks->heap = heap;
    blocks->error = error;
    blocks->arrived = arrived;
    blocks->arrived_self = arrived_self;
    for (uint32_t i = 0; i <= GM_BLOCKS_COUNT; i++) {
        struct slot *slot = i < GM_BLOCKS_COUNT ? &blocks->slots[i] : &blocks->extra;
        slot->memory = gm_heap_alloc(heap, ROOM_BYTES);
        if (slot->memory == NULL) {
            gm_blocks_destroy(blocks);
            return GM_ETASK_MEMORY;
        }
        slot->block.data = slot->memory + GM_BLOCK_HEADROOM_BYTES;
    }
    *ret_blocks = blocks;
    return 0;
}

void gm_blocks_destroy(struct gm_blocks *blocks)
{
    if (blocks == NULL)
        return;
    for (uint32_t i = 0; i < GM_BLOCKS_COUNT; i++)
        gm_heap_free(blocks->heap, blocks->slots[i].memory, ROOM_BYTES);
    gm_heap_free(blocks->heap, blocks->extra.memory, ROOM_BYTES);
    gm_heap_free(blocks->heap, blocks, sizeof *blocks);
}

uint64_t gm_blocks_bytes(const struct gm_blocks *blocks)
{
    return blocks->bytes;
}

bool gm_blocks_reads(const struct gm_blocks *blocks)
{
    return blocks->reads > 0;
}

/* ---- files and reads ------------------------------------------------------------------------- */

static const struct gm_segment *segment_at(const struct gm_blocks *blocks, uint32_t segment)
{
    return &blocks->source->segments[segment];
}

static const struct gm_file *file_of(const struct gm_blocks *blocks, uint32_t segment)
{
    return &blocks->source->files[segment_at(blocks, segment)->file];
}

static int refuse(struct gm_blocks *blocks, const char *path, const char *what, int rc)
{
    return gm_error_set(blocks->error, GM_EJOB_INPUT, "cannot %s %s: %s", what, path,
                        gm_error_name(rc));
}

/* Returns 0, GM_AGAIN when every place is taken by reads under way, or < 0. */
static int open_file(struct gm_blocks *blocks, uint32_t file, struct open_file **ret_open)
{
    struct open_file *idle = NULL;
    for (uint32_t i = 0; i < OPEN_FILES; i++) {
        struct open_file *open = &blocks->files[i];
        if (open->handle != NULL && open->file == file) {
            *ret_open = open;
            return 0;
        }
        if (open->reads == 0 && (idle == NULL || open->handle == NULL))
            idle = open;
    }
    if (idle == NULL)
        return GM_AGAIN;
    if (idle->handle != NULL)
        blocks->disk.ops->close(blocks->disk.self, idle->handle);
    idle->handle = NULL;
    const char *path = blocks->source->files[file].path;
    const int rc = blocks->disk.ops->open(blocks->disk.self, path, &idle->handle);
    if (rc < 0)
        return refuse(blocks, path, "open", rc);
    idle->file = file;
    *ret_open = idle;
    return 0;
}

/* Asks for what is still missing.  Returns 0, GM_AGAIN or < 0. */
static int submit(struct gm_blocks *blocks, struct slot *slot)
{
    struct gm_block *block = &slot->block;
    const int rc = blocks->disk.ops->read(blocks->disk.self, slot->open->handle,
                                          block->offset + block->bytes, block->data + block->bytes,
                                          slot->want - (uint32_t)block->bytes, slot);
    if (rc < 0)
        return refuse(blocks, file_of(blocks, block->segment)->path, "read", rc);
    return rc;
}

static int start_read(struct gm_blocks *blocks, struct slot *slot, uint32_t segment,
                      uint64_t offset, uint32_t bytes)
{
    struct gm_block *block = &slot->block;
    int rc = open_file(blocks, segment_at(blocks, segment)->file, &slot->open);
    if (rc != 0)
        return rc;
    block->segment = segment;
    block->offset = offset;
    block->bytes = 0;
    block->first = block->last = block->file_ends = false;
    slot->want = bytes;
    rc = submit(blocks, slot);
    if (rc != 0)
        return rc;
    slot->open->reads++;
    slot->state = SLOT_READING;
    blocks->reads++;
    return 0;
}

/* What of [offset, offset + bytes) is the segment's own; the byte before it and what follows are
 * another's. */
static void tell_arrived(struct gm_blocks *blocks, const struct slot *slot, uint64_t offset,
                         uint64_t bytes)
{
    const struct gm_segment *segment = segment_at(blocks, slot->block.segment);
    const uint64_t begin = offset > segment->begin ? offset : segment->begin;
    const uint64_t end = offset + bytes < segment->end ? offset + bytes : segment->end;
    if (slot == &blocks->extra || begin >= end)
        return;
    blocks->bytes += end - begin;
    if (blocks->arrived != NULL)
        blocks->arrived(blocks->arrived_self, slot->block.segment,
                        slot->block.data + (begin - slot->block.offset), (size_t)(end - begin));
}

static int complete(struct gm_blocks *blocks, const struct gm_disk_completion *completion)
{
    struct slot *slot = completion->tag;
    struct gm_block *block = &slot->block;
    const struct gm_file *file = file_of(blocks, block->segment);
    const bool stream = file->bytes == UINT64_MAX;
    if (completion->result < 0)
        return refuse(blocks, file->path, "read", (int)completion->result);
    tell_arrived(blocks, slot, block->offset + block->bytes, (uint64_t)completion->result);
    block->bytes += (size_t)completion->result;
    if (completion->result == 0 && !stream)
        return gm_error_set(blocks->error, GM_EJOB_INPUT,
                            "%s became shorter while it was read: it had %" PRIu64
                            " bytes when the job began, and now there is nothing at %" PRIu64,
                            file->path, file->bytes, block->offset + block->bytes);
    if (block->bytes < slot->want && !stream) {
        const int rc = submit(blocks, slot);
        GM_CHECK(rc != GM_AGAIN); /* its place in the queue has just become free */
        return rc;
    }
    slot->open->reads--;
    blocks->reads--;
    slot->state = SLOT_READY;
    if (!stream) {
        block->file_ends = block->offset + block->bytes >= file->bytes;
        return 0;
    }
    block->last = block->file_ends = block->bytes == 0;
    blocks->stream_ended = block->bytes == 0;
    blocks->offset = block->offset + block->bytes;
    blocks->stream_waits = false;
    return 0;
}

/* ---- issue ----------------------------------------------------------------------------------- */

static uint32_t first_segment(const struct gm_blocks *blocks, uint32_t partition)
{
    return partition == 0 ? 0 : blocks->source->partition_ends[partition - 1];
}

/* Claims the next partition when the last one's reads are all started.  False: nothing to start. */
static bool claim_next(struct gm_blocks *blocks)
{
    while (blocks->segment == blocks->segment_end) {
        if (blocks->issue_claim > blocks->use_claim)
            blocks->claimed[(blocks->issue_claim - 1) % CLAIMED_MAX].issued = true;
        if (blocks->claims_over || blocks->issue_claim - blocks->use_claim == CLAIMED_MAX)
            return false;
        const uint64_t partition = gm_claims_take(&blocks->claims);
        if (partition >= blocks->source->partition_count) {
            blocks->claims_over = true;
            return false;
        }
        blocks->claimed[blocks->issue_claim++ % CLAIMED_MAX] =
            (struct claimed){.partition = (uint32_t)partition};
        blocks->segment = first_segment(blocks, (uint32_t)partition);
        blocks->segment_end = blocks->source->partition_ends[partition];
        blocks->offset = UINT64_MAX;
    }
    return true;
}

static void next_segment(struct gm_blocks *blocks)
{
    blocks->segment++;
    blocks->offset = UINT64_MAX;
    blocks->stream_ended = false;
}

/* One read of the current segment.  Returns 0, GM_AGAIN or < 0. */
static int issue_one(struct gm_blocks *blocks)
{
    struct slot *slot = &blocks->slots[blocks->issue_slot % GM_BLOCKS_COUNT];
    const struct gm_segment *segment = segment_at(blocks, blocks->segment);
    const uint64_t file_bytes = file_of(blocks, blocks->segment)->bytes;
    const bool stream = file_bytes == UINT64_MAX, first = blocks->offset == UINT64_MAX;
    const uint64_t offset = !first                 ? blocks->offset
                            : segment->begin > 0   ? segment->begin - 1
                                                   : 0;
    if (stream && blocks->stream_waits)
        return GM_AGAIN;
    if (stream && blocks->stream_ended) {
        next_segment(blocks);
        return 0;
    }
    /* No block of its own for a few bytes more, such as the one before a segment of 1 MiB. */
    const bool last = !stream && segment->end - offset <= GM_BLOCK_BYTES + OVERLAP_BYTES / 4;
    uint64_t bytes = GM_BLOCK_BYTES;
    if (last) {
        bytes = segment->end - offset + OVERLAP_BYTES;
        bytes = bytes < GM_BLOCK_BYTES + OVERLAP_BYTES ? bytes : GM_BLOCK_BYTES + OVERLAP_BYTES;
        bytes = bytes < file_bytes - offset ? bytes : file_bytes - offset;
    }
    const int rc = start_read(blocks, slot, blocks->segment, offset, (uint32_t)bytes);
    if (rc != 0)
        return rc;
    slot->claim = blocks->issue_claim - 1;
    slot->block.partition = blocks->claimed[slot->claim % CLAIMED_MAX].partition;
    slot->block.first = first;
    slot->block.last = last;
    blocks->issue_slot++;
    blocks->offset = offset + bytes;
    blocks->stream_waits = stream;
    if (last)
        next_segment(blocks);
    return 0;
}

int gm_blocks_work(struct gm_blocks *blocks)
{
    struct gm_disk_completion completions[GM_BLOCKS_COUNT + 1];
    for (;;) {
        int rc = 0;
        while (blocks->issue_slot - blocks->use_slot < GM_BLOCKS_COUNT && claim_next(blocks) &&
               rc == 0)
            rc = issue_one(blocks);
        claim_next(blocks); /* notes that all reads of a partition are started */
        if (rc < 0)
            return rc;
        const uint32_t count =
            blocks->disk.ops->poll(blocks->disk.self, completions, GM_BLOCKS_COUNT + 1);
        for (uint32_t i = 0; i < count; i++) {
            rc = complete(blocks, &completions[i]);
            if (rc < 0)
                return rc;
        }
        /* Where others wait for what is in a block, it is taken as early as it can be; else one at
         * a time, so that its user finds it in the processor's cache. */
        if (count == 0 || blocks->arrived == NULL)
            return 0;
    }
}

/* ---- use ------------------------------------------------------------------------------------- */

int gm_blocks_next(struct gm_blocks *blocks, const struct gm_block **ret_block,
                   uint32_t *ret_partition)
{
    if (blocks->use_claim == blocks->issue_claim)
        return blocks->claims_over ? GM_END : GM_AGAIN;
    const struct claimed *claimed = &blocks->claimed[blocks->use_claim % CLAIMED_MAX];
    struct slot *slot = &blocks->slots[blocks->use_slot % GM_BLOCKS_COUNT];
    *ret_partition = claimed->partition;
    if (blocks->use_slot < blocks->issue_slot && slot->claim == blocks->use_claim) {
        *ret_block = &slot->block;
        return slot->state == SLOT_READY ? 0 : GM_AGAIN;
    }
    if (!claimed->issued)
        return GM_AGAIN;
    blocks->use_claim++;
    return GM_PARTITION_END;
}

void gm_blocks_release(struct gm_blocks *blocks)
{
    struct slot *slot = &blocks->slots[blocks->use_slot % GM_BLOCKS_COUNT];
    GM_CHECK(blocks->use_slot < blocks->issue_slot && slot->state == SLOT_READY);
    slot->state = SLOT_FREE;
    blocks->use_slot++;
}

int gm_blocks_extra(struct gm_blocks *blocks, uint32_t segment, uint64_t offset, uint32_t bytes,
                    const struct gm_block **ret_block)
{
    struct slot *slot = &blocks->extra;
    if (slot->state == SLOT_FREE) {
        const int rc = start_read(blocks, slot, segment, offset, bytes);
        if (rc != 0)
            return rc;
    }
    GM_CHECK(slot->block.segment == segment && slot->block.offset == offset);
    if (slot->state == SLOT_READING) {
        const int rc = gm_blocks_work(blocks);
        if (rc < 0)
            return rc;
    }
    *ret_block = &slot->block;
    return slot->state == SLOT_READY ? 0 : GM_AGAIN;
}

void gm_blocks_release_extra(struct gm_blocks *blocks)
{
    GM_CHECK(blocks->extra.state == SLOT_READY);
    blocks->extra.state = SLOT_FREE;
}
