/* spill.c - where blocks lie, what is on its way, and what a block must carry. */
#include "shuffle/spill.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/checksum.h"
#include "engine/row/frame.h"

#define NONE UINT32_MAX
/* Of frames that are no part of any exchange. */
#define SPILL_EXCHANGE UINT16_MAX
#define OVERHEAD_BYTES ((uint32_t)(sizeof(struct gm_frame_header) + sizeof(struct gm_run_header)))
/* Room is reserved for so many blocks at a time. */
#define RESERVE_BLOCKS 32
#define BLOCKS_MIN 64
#define RUN_BLOCKS_MIN 8
#define COMPLETIONS_MAX 32
/* Writes behind the operator's back: they keep a disk busy, and more would only hold memory when
 * there is none. */
#define WRITES_MAX 8
/* Idle windows are kept up to this: a writer goes round in so many.  A merge had more, and whoever
 * comes next wants the memory. */
#define IDLE_MAX WRITES_MAX
/* The part of the heap that windows leave free. */
#define SPARE_SHARE 32

enum window_state {
    WINDOW_IDLE,
    WINDOW_LENT,
    WINDOW_WRITING,
    WINDOW_WAITING, /* to be read as soon as its block is written */
    WINDOW_READING,
};

struct buffer {
    uint8_t *memory;
    uint8_t *block; /* in memory, aligned */
    int registered;
};

struct window {
    struct gm_spill_window lent; /* first: what operators hold is the window */
    enum window_state state;
    bool given; /* back, while its read is under way */
    struct buffer buffer;
    uint32_t number;
    uint32_t id; /* of the block */
    uint32_t partition;
    uint32_t done_bytes;
    uint32_t total_bytes;
    uint32_t retries_count; /* since it last came further */
};

struct block {
    uint64_t sequence; /* of its last write: what lies there must carry it */
    uint32_t slot;
    uint32_t next;   /* free: the next free one of its file */
    uint32_t window; /* that writes it, or NONE */
    uint16_t directory;
    uint16_t pages; /* written */
    bool dropped;   /* while it was being written */
};

struct directory {
    struct gm_spill_file *file; /* NULL: none yet */
    uint32_t slot_count;
    uint64_t reserved_slots;
    uint32_t free; /* block */
    bool no_reserve;
    bool full;
};

struct gm_spill_store {
    struct gm_spill_spec spec;
    struct directory directories[GM_SPILL_DIRECTORIES_MAX];
    uint32_t next_directory;
    struct block *blocks;
    uint32_t block_count, block_capacity;
    uint64_t sequence;
    struct window *windows[GM_SPILL_WINDOWS_MAX]; /* NULL: none in this place */
    struct buffer spare; /* changes places with a window's to compress or expand; or none */
    struct gm_spill_packer packer;
    bool stalled; /* the next block waited for the disk */
    uint32_t window_count;
    uint32_t idle_count;
    uint32_t busy_count;    /* transfers under way */
    uint32_t writing_count; /* windows that wait for their write */
    int failed;          /* the first error */
    struct gm_spill_counts counts;
};

/* ---- life ------------------------------------------------------------------------------------ */

uint32_t gm_spill_block_bytes(uint64_t heap_bytes)
{
    uint32_t bytes = GM_SPILL_BLOCK_BYTES_MIN;
    while (bytes < GM_SPILL_BLOCK_BYTES_MAX / 4 && (uint64_t)bytes * 2 <= heap_bytes / 64)
        bytes *= 2;
    while (bytes < GM_SPILL_BLOCK_BYTES_MAX &&
           heap_bytes / 2 / bytes > GM_SPILL_WINDOWS_MAX)
        bytes *= 2;
    return bytes;
}

uint32_t gm_spill_windows(uint64_t heap_bytes)
{
    const uint64_t count = heap_bytes / 2 / gm_spill_block_bytes(heap_bytes);
    return count < 4 ? 4 : count > GM_SPILL_WINDOWS_MAX ? GM_SPILL_WINDOWS_MAX : (uint32_t)count;
}

int gm_spill_store_create(const struct gm_spill_spec *spec, struct gm_spill_store **ret_store)
{
    GM_CHECK(spec->directory_count >= 1 && spec->directory_count <= GM_SPILL_DIRECTORIES_MAX);
    GM_CHECK(spec->block_bytes >= GM_SPILL_BLOCK_BYTES_MIN);
    GM_CHECK(spec->block_bytes <= GM_SPILL_BLOCK_BYTES_MAX);
    GM_CHECK((spec->block_bytes & (spec->block_bytes - 1)) == 0);
    GM_CHECK(spec->windows_max >= 2 && spec->windows_max <= GM_SPILL_WINDOWS_MAX);
    struct gm_spill_store *store = gm_heap_zalloc(spec->heap, sizeof *store);
    if (store == NULL)
        return GM_ETASK_MEMORY;
    store->spec = *spec;
    store->packer.how = spec->packing;
    for (uint32_t i = 0; i < spec->directory_count; i++)
        store->directories[i].free = NONE;
    *ret_store = store;
    return 0;
}

static size_t window_bytes(const struct gm_spill_store *store)
{
    return (size_t)store->spec.block_bytes + GM_SPILL_ALIGN;
}

void gm_spill_store_destroy(struct gm_spill_store *store)
{
    if (store == NULL)
        return;
    struct gm_heap *heap = store->spec.heap;
    for (uint32_t i = 0; i < GM_SPILL_WINDOWS_MAX; i++) {
        if (store->windows[i] == NULL)
            continue;
        gm_heap_free(heap, store->windows[i]->buffer.memory, window_bytes(store));
        gm_heap_free(heap, store->windows[i], sizeof *store->windows[i]);
    }
    if (store->spare.memory != NULL)
        gm_heap_free(heap, store->spare.memory, window_bytes(store));
    gm_heap_free(heap, store->blocks, store->block_capacity * sizeof *store->blocks);
    gm_heap_free(heap, store, sizeof *store);
}

bool gm_spill_store_waits(const struct gm_spill_store *store)
{
    return store->busy_count > 0;
}

void gm_spill_store_counts(const struct gm_spill_store *store, struct gm_spill_counts *ret_counts)
{
    *ret_counts = store->counts;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static int fail(struct gm_spill_store *store, const struct window *window, const char *what,
                const char *why)
{
    const struct block *block = &store->blocks[window->id];
    store->failed = GM_ETASK_SPILL;
    return gm_error_set(store->spec.error, GM_ETASK_SPILL,
                        "%s the spill file in %s at offset %" PRIu64 " (partition %" PRIu32
                        ") failed: %s; look at that disk, or name another with --spill-dir",
                        what, store->spec.directories[block->directory],
                        (uint64_t)block->slot * store->spec.block_bytes, window->partition, why);
}

static int fail_directory(struct gm_spill_store *store, uint32_t directory, int rc)
{
    store->failed = GM_ETASK_SPILL;
    return gm_error_set(store->spec.error, GM_ETASK_SPILL,
                        "cannot make a spill file in %s: %s; name another directory with "
                        "--spill-dir, or give more with --memory",
                        store->spec.directories[directory], gm_error_name(rc));
}

static int fail_full(struct gm_spill_store *store)
{
    char list[512] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < store->spec.directory_count && used < sizeof list; i++) {
        const char *name = store->spec.directories[i];
        const size_t bytes = strlen(name);
        if (used + bytes + 3 > sizeof list)
            break;
        memcpy(list + used, i > 0 ? ", " : "", i > 0 ? 2 : 0);
        used += i > 0 ? 2 : 0;
        memcpy(list + used, name, bytes + 1);
        used += bytes;
    }
    store->failed = GM_ETASK_SPILL;
    return gm_error_set(store->spec.error, GM_ETASK_SPILL,
                        "no space is left for spilling in %s, after %" PRIu64
                        " MiB: make room there, name more directories with --spill-dir, or give "
                        "more with --memory",
                        list, store->counts.written_bytes >> 20);
}

/* ---- where blocks lie ------------------------------------------------------------------------ */

static bool is_full(int rc)
{
    return rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG;
}

/* Makes sure that the file has room for one more slot.  0, -ENOSPC or another -errno. */
static int reserve_slot(struct gm_spill_store *store, struct directory *directory)
{
    const struct gm_spill_disk *disk = &store->spec.disk;
    if (directory->no_reserve || directory->slot_count < directory->reserved_slots)
        return 0;
    uint64_t slots = (uint64_t)directory->slot_count + RESERVE_BLOCKS;
    int rc = disk->ops->reserve(disk->self, directory->file, slots * store->spec.block_bytes);
    if (is_full(rc)) {
        slots = (uint64_t)directory->slot_count + 1;
        rc = disk->ops->reserve(disk->self, directory->file, slots * store->spec.block_bytes);
    }
    if (rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EINVAL) {
        directory->no_reserve = true;
        return 0;
    }
    if (rc == 0)
        directory->reserved_slots = slots;
    return rc;
}

static int add_block(struct gm_spill_store *store, uint32_t *ret_id)
{
    if (store->block_count == store->block_capacity) {
        const uint32_t capacity =
            store->block_capacity > 0 ? 2 * store->block_capacity : BLOCKS_MIN;
        struct block *blocks =
            gm_heap_realloc(store->spec.heap, store->blocks,
                            store->block_capacity * sizeof *blocks, capacity * sizeof *blocks);
        if (blocks == NULL)
            return GM_ETASK_MEMORY;
        store->blocks = blocks;
        store->block_capacity = capacity;
    }
    *ret_id = store->block_count++;
    return 0;
}

/* A block of one directory.  0, or -ENOSPC and its like: none there; or < 0. */
static int block_in(struct gm_spill_store *store, uint32_t index, uint32_t *ret_id)
{
    struct directory *directory = &store->directories[index];
    const struct gm_spill_disk *disk = &store->spec.disk;
    if (directory->free != NONE) {
        *ret_id = directory->free;
        directory->free = store->blocks[*ret_id].next;
        store->counts.reused_count++;
        return 0;
    }
    if (directory->full)
        return -ENOSPC;
    int rc = 0;
    if (directory->file == NULL) {
        rc = disk->ops->create(disk->self, store->spec.directories[index], &directory->file);
        if (rc < 0 && !is_full(rc))
            return fail_directory(store, index, rc);
        store->counts.files_count += rc == 0;
    }
    if (rc == 0)
        rc = reserve_slot(store, directory);
    if (rc == 0 && directory->slot_count == GM_SPILL_SLOTS_MAX)
        rc = -ENOSPC;
    if (is_full(rc)) {
        directory->full = true;
        store->counts.full_count++;
        return -ENOSPC;
    }
    if (rc < 0)
        return fail_directory(store, index, rc);
    rc = add_block(store, ret_id);
    if (rc == 0)
        store->blocks[*ret_id] = (struct block){.slot = directory->slot_count++,
                                                .directory = (uint16_t)index};
    return rc;
}

/* A block in the next directory that has room. */
static int new_block(struct gm_spill_store *store, uint32_t *ret_id)
{
    for (uint32_t i = 0; i < store->spec.directory_count; i++) {
        const uint32_t index = store->next_directory;
        store->next_directory = (index + 1) % store->spec.directory_count;
        const int rc = block_in(store, index, ret_id);
        if (rc != -ENOSPC)
            return rc;
    }
    return fail_full(store);
}

static void free_block(struct gm_spill_store *store, uint32_t id)
{
    struct block *block = &store->blocks[id];
    if (block->window != NONE) {
        block->dropped = true; /* its completion comes back here */
        return;
    }
    struct directory *directory = &store->directories[block->directory];
    block->next = directory->free;
    directory->free = id;
}

/* ---- transfers ------------------------------------------------------------------------------- */

static int start(struct gm_spill_store *store, struct window *window)
{
    const struct block *block = &store->blocks[window->id];
    const struct gm_spill_disk *disk = &store->spec.disk;
    const bool write = window->state == WINDOW_WRITING;
    const struct gm_spill_transfer transfer = {
        .write = write,
        .window = window->buffer.registered,
        .file = store->directories[block->directory].file,
        .offset = (uint64_t)block->slot * store->spec.block_bytes + window->done_bytes,
        .buffer = window->buffer.block + window->done_bytes,
        .bytes = window->total_bytes - window->done_bytes,
        .tag = window,
    };
    const int rc = disk->ops->start(disk->self, &transfer);
    GM_CHECK(rc != GM_AGAIN); /* a window has one transfer, and the queue has a place for each */
    if (rc < 0)
        return fail(store, window, write ? "writing" : "reading", gm_error_name(rc));
    store->busy_count++;
    return 0;
}

/* Returns 0 or GM_ETASK_MEMORY. */
static int make_buffer(struct gm_spill_store *store, struct buffer *ret_buffer)
{
    const struct gm_spill_disk *disk = &store->spec.disk;
    uint8_t *memory = gm_heap_alloc(store->spec.heap, window_bytes(store));
    if (memory == NULL)
        return GM_ETASK_MEMORY;
    uint8_t *block = memory + (-(uintptr_t)memory & (GM_SPILL_ALIGN - 1));
    *ret_buffer = (struct buffer){
        .memory = memory,
        .block = block,
        .registered = disk->ops->window_add(disk->self, block, store->spec.block_bytes)};
    return 0;
}

static void free_buffer(struct gm_spill_store *store, struct buffer *buffer)
{
    const struct gm_spill_disk *disk = &store->spec.disk;
    if (buffer->registered >= 0)
        disk->ops->window_remove(disk->self, buffer->registered);
    gm_heap_free(store->spec.heap, buffer->memory, window_bytes(store));
}

/* What was made in the spare buffer becomes the window's. */
static void swap_buffers(struct gm_spill_store *store, struct window *window)
{
    const struct buffer made = store->spare;
    store->spare = window->buffer;
    window->buffer = made;
    window->lent.data = made.block + OVERHEAD_BYTES;
}

static void make_idle(struct gm_spill_store *store, struct window *window)
{
    window->state = WINDOW_IDLE;
    window->given = false;
    if (store->idle_count < IDLE_MAX) {
        store->idle_count++;
        return;
    }
    store->windows[window->number] = NULL;
    store->window_count--;
    free_buffer(store, &window->buffer);
    gm_heap_free(store->spec.heap, window, sizeof *window);
}

/* Compresses the block if that is wanted, there is memory, and it shrinks.  Returns its bytes, or 0
 * when it stays as it is. */
static uint32_t pack_block(struct gm_spill_store *store, struct window *window)
{
    const bool stalled = store->stalled;
    store->stalled = false;
    if (!gm_spill_packer_wants(&store->packer, stalled))
        return 0;
    if (store->spare.memory == NULL && make_buffer(store, &store->spare) < 0)
        return 0;
    const uint32_t packed = gm_spill_pack(window->lent.data, window->lent.bytes,
                                          store->spare.block + OVERHEAD_BYTES);
    gm_spill_packer_told(&store->packer, packed > 0);
    if (packed > 0)
        swap_buffers(store, window);
    store->counts.packed_count += packed > 0;
    return packed;
}

/* The header says what the block is; the checksum, what it holds. */
static void seal_block(struct gm_spill_store *store, struct window *window)
{
    struct block *block = &store->blocks[window->id];
    const struct gm_run_header run = {
        .partition = window->partition,
        .bytes = window->lent.bytes,
        .flags = GM_RUN_FIRST | GM_RUN_LAST,
    };
    const uint32_t packed = pack_block(store, window);
    const uint32_t payload = packed > 0 ? packed : window->lent.bytes;
    uint8_t *at = window->buffer.block;
    memcpy(at + sizeof(struct gm_frame_header), &run, sizeof run);
    struct gm_frame_header header = {
        .magic = GM_FRAME_MAGIC,
        .exchange = SPILL_EXCHANGE,
        .source = store->spec.participant,
        .destination = store->spec.participant,
        .flags = GM_FRAME_CHECKSUM | (packed > 0 ? GM_FRAME_PACKED : 0),
        .attempt = store->spec.attempt,
        .sequence = block->sequence,
        .partition = window->partition,
        .payload_bytes = payload + (uint32_t)sizeof run,
        .run_count = 1,
        .checksum = gm_checksum(at + sizeof header, payload + (uint32_t)sizeof run),
    };
    header.seal = gm_frame_seal(&header, store->spec.secret);
    memcpy(at, &header, sizeof header);
    const uint32_t used = payload + OVERHEAD_BYTES;
    const uint32_t whole = (used + GM_SPILL_ALIGN - 1) / GM_SPILL_ALIGN * GM_SPILL_ALIGN;
    memset(at + used, 0, whole - used);
    block->pages = (uint16_t)(whole / GM_SPILL_ALIGN);
    window->total_bytes = whole;
}

/* Its checksum is right, so a length or a text that makes no sense was written so. */
static int unpack_block(struct gm_spill_store *store, struct window *window, uint32_t packed)
{
    struct gm_run_header run;
    memcpy(&run, window->buffer.block + sizeof(struct gm_frame_header), sizeof run);
    if (store->spare.memory == NULL || run.bytes > store->spec.block_bytes - OVERHEAD_BYTES ||
        !gm_spill_unpack(window->lent.data, packed, store->spare.block + OVERHEAD_BYTES,
                         run.bytes))
        return fail(store, window, "reading", "its compressed bytes make no sense");
    swap_buffers(store, window);
    window->lent.bytes = run.bytes;
    return 0;
}

static int check_block(struct gm_spill_store *store, struct window *window)
{
    const struct block *block = &store->blocks[window->id];
    const uint8_t *at = window->buffer.block;
    struct gm_frame_header header;
    memcpy(&header, at, sizeof header);
    const struct gm_frame_expect expect = {
        .exchange = SPILL_EXCHANGE,
        .source = store->spec.participant,
        .destination = store->spec.participant,
        .attempt = store->spec.attempt,
        .sequence = block->sequence,
        .secret = store->spec.secret,
        .frame_bytes = window->total_bytes,
        .may_be_packed = true,
    };
    const char *why = "";
    if (gm_frame_check(&header, &expect, &why) != 0)
        return fail(store, window, "reading", why);
    if (header.payload_bytes < sizeof(struct gm_run_header) ||
        header.checksum != gm_checksum(at + sizeof header, header.payload_bytes))
        return fail(store, window, "reading",
                    "the checksum of what was read is not that of what was written");
    window->lent.bytes = header.payload_bytes - (uint32_t)sizeof(struct gm_run_header);
    return header.flags & GM_FRAME_PACKED ? unpack_block(store, window, window->lent.bytes) : 0;
}

/* The file had no room although nothing said so before: the block goes to another directory. */
static int move_block(struct gm_spill_store *store, struct window *window)
{
    struct block *block = &store->blocks[window->id];
    if (!store->directories[block->directory].full)
        store->counts.full_count++;
    store->directories[block->directory].full = true;
    uint32_t other;
    int rc = new_block(store, &other);
    if (rc < 0) {
        store->failed = rc;
        return rc;
    }
    /* The blocks change places, so that the run's number stays right. */
    block = &store->blocks[window->id];
    struct block *target = &store->blocks[other];
    block->slot = target->slot;
    block->directory = target->directory;
    /* The old slot has no room on the disk: it is given up, and `other` stands for nothing. */
    window->done_bytes = 0;
    return start(store, window);
}

static int end_write(struct gm_spill_store *store, struct window *window)
{
    const uint32_t id = window->id;
    struct block *block = &store->blocks[id];
    block->window = NONE;
    store->writing_count--;
    make_idle(store, window);
    int rc = 0;
    for (uint32_t i = 0; i < GM_SPILL_WINDOWS_MAX && rc == 0; i++) {
        struct window *reader = store->windows[i];
        if (reader == NULL || reader->state != WINDOW_WAITING || reader->id != id)
            continue;
        reader->state = WINDOW_READING;
        reader->total_bytes = (uint32_t)block->pages * GM_SPILL_ALIGN;
        rc = start(store, reader);
    }
    if (block->dropped) {
        block->dropped = false;
        free_block(store, id);
    }
    return rc;
}

/* One transfer has ended, maybe in part. */
static int settle(struct gm_spill_store *store, struct window *window, int64_t result)
{
    const bool write = window->state == WINDOW_WRITING;
    GM_CHECK(write || window->state == WINDOW_READING);
    store->busy_count--;
    if (write && is_full((int)result))
        return move_block(store, window);
    const bool again = result == -EINTR || result == -EAGAIN;
    if ((result < 0 && !again) || window->retries_count > GM_DISK_RETRIES_MAX)
        return fail(store, window, write ? "writing" : "reading",
                    gm_error_name(result < 0 ? (int)result : -EIO));
    if (result == 0)
        return fail(store, window, write ? "writing" : "reading",
                    write ? "the disk takes nothing" : "the file is shorter than it was");
    const uint32_t left = window->total_bytes - window->done_bytes;
    GM_CHECK(again || (uint64_t)result <= left);
    if (again || (uint64_t)result < left) {
        /* What is left begins at a page again. */
        const uint32_t moved_bytes =
            again ? 0 : (uint32_t)result / GM_SPILL_ALIGN * GM_SPILL_ALIGN;
        window->done_bytes += moved_bytes;
        window->retries_count = moved_bytes > 0 ? 0 : window->retries_count + 1;
        return start(store, window);
    }
    window->done_bytes = window->total_bytes;
    if (write) {
        store->counts.written_bytes += window->total_bytes;
        return end_write(store, window);
    }
    store->counts.read_bytes += window->total_bytes;
    if (window->given) {
        make_idle(store, window);
        return 0;
    }
    window->state = WINDOW_LENT;
    return check_block(store, window);
}

int gm_spill_store_poll(struct gm_spill_store *store)
{
    const struct gm_spill_disk *disk = &store->spec.disk;
    struct gm_spill_completion completions[COMPLETIONS_MAX];
    while (store->failed == 0 && store->busy_count > 0) {
        const uint32_t count = disk->ops->poll(disk->self, completions, COMPLETIONS_MAX);
        for (uint32_t i = 0; i < count; i++) {
            const int rc = settle(store, completions[i].tag, completions[i].result);
            if (rc < 0 && store->failed == 0)
                store->failed = rc;
        }
        if (count == 0)
            break;
    }
    return store->failed;
}

/* ---- the port -------------------------------------------------------------------------------- */

static int add_window(struct gm_spill_store *store, struct window **ret_window)
{
    struct gm_heap *heap = store->spec.heap;
    struct window *window = gm_heap_zalloc(heap, sizeof *window);
    if (window == NULL)
        return GM_ETASK_MEMORY;
    if (make_buffer(store, &window->buffer) < 0) {
        gm_heap_free(heap, window, sizeof *window);
        return GM_ETASK_MEMORY;
    }
    window->lent.data = window->buffer.block + OVERHEAD_BYTES;
    while (store->windows[window->number] != NULL)
        window->number++;
    store->windows[window->number] = window;
    store->window_count++;
    *ret_window = window;
    return 0;
}

static bool has_spare_memory(const struct gm_spill_store *store)
{
    const struct gm_heap *heap = store->spec.heap;
    return heap->used_bytes + window_bytes(store) <
           heap->limit_bytes - heap->limit_bytes / SPARE_SHARE;
}

static int store_take(void *self, struct gm_spill_window **ret_window)
{
    struct gm_spill_store *store = self;
    for (uint32_t tries = 0; tries < 2; tries++) {
        for (uint32_t i = 0; i < GM_SPILL_WINDOWS_MAX && store->idle_count > 0; i++) {
            struct window *window = store->windows[i];
            if (window == NULL || window->state != WINDOW_IDLE)
                continue;
            store->idle_count--;
            window->state = WINDOW_LENT;
            window->lent.bytes = 0;
            *ret_window = &window->lent;
            return 0;
        }
        const int rc = gm_spill_store_poll(store);
        if (rc < 0)
            return rc;
    }
    if (store->writing_count >= WRITES_MAX) {
        store->stalled = true;
        return GM_AGAIN;
    }
    struct window *window = NULL;
    int rc = GM_ETASK_MEMORY;
    /* While others are on their way they do not take the last memory: tables grow as well. */
    if (store->window_count < store->spec.windows_max &&
        (store->busy_count == 0 || has_spare_memory(store)))
        rc = add_window(store, &window);
    if (rc == GM_ETASK_MEMORY && store->busy_count > 0)
        return GM_AGAIN;
    if (rc < 0)
        return rc;
    window->state = WINDOW_LENT;
    *ret_window = &window->lent;
    return 0;
}

static void store_give(void *self, struct gm_spill_window *lent)
{
    struct gm_spill_store *store = self;
    struct window *window = (struct window *)lent;
    if (window->state == WINDOW_READING) {
        window->given = true;
        return;
    }
    GM_CHECK(window->state == WINDOW_LENT || window->state == WINDOW_WAITING);
    make_idle(store, window);
}

static int add_to_run(struct gm_spill_store *store, struct gm_spill_run *run, uint32_t id)
{
    if (run->count == run->capacity) {
        const uint32_t capacity = run->capacity > 0 ? 2 * run->capacity : RUN_BLOCKS_MIN;
        uint32_t *blocks = gm_heap_realloc(store->spec.heap, run->blocks,
                                           run->capacity * sizeof *blocks,
                                           capacity * sizeof *blocks);
        if (blocks == NULL)
            return GM_ETASK_MEMORY;
        run->blocks = blocks;
        run->capacity = capacity;
    }
    run->blocks[run->count++] = id;
    return 0;
}

static int store_write(void *self, struct gm_spill_run *run, struct gm_spill_window *lent)
{
    struct gm_spill_store *store = self;
    struct window *window = (struct window *)lent;
    GM_CHECK(window->state == WINDOW_LENT);
    GM_CHECK(lent->bytes > 0 && lent->bytes <= store->spec.block_bytes - OVERHEAD_BYTES);
    uint32_t id = NONE;
    int rc = store->failed;
    if (rc == 0)
        rc = new_block(store, &id);
    if (rc == 0) {
        rc = add_to_run(store, run, id);
        if (rc < 0) {
            store->blocks[id].window = NONE;
            free_block(store, id);
        }
    }
    if (rc < 0) {
        make_idle(store, window);
        return rc;
    }
    struct block *block = &store->blocks[id];
    block->sequence = store->sequence++;
    block->window = window->number;
    block->dropped = false;
    window->state = WINDOW_WRITING;
    store->writing_count++;
    window->id = id;
    window->partition = run->partition;
    window->done_bytes = 0;
    window->retries_count = 0;
    run->bytes += lent->bytes;
    store->counts.payload_bytes += lent->bytes;
    store->counts.blocks_count++;
    seal_block(store, window);
    return start(store, window);
}

static int store_read(void *self, const struct gm_spill_run *run, uint32_t index,
                      struct gm_spill_window *lent)
{
    struct gm_spill_store *store = self;
    struct window *window = (struct window *)lent;
    GM_CHECK(window->state == WINDOW_LENT);
    GM_CHECK(index >= run->first && index < run->count);
    if (store->failed != 0)
        return store->failed;
    const struct block *block = &store->blocks[run->blocks[index]];
    window->id = run->blocks[index];
    window->partition = run->partition;
    window->done_bytes = 0;
    window->retries_count = 0;
    if (block->window != NONE) {
        window->state = WINDOW_WAITING;
        return 0;
    }
    window->state = WINDOW_READING;
    window->total_bytes = (uint32_t)block->pages * GM_SPILL_ALIGN;
    return start(store, window);
}

static int store_ready(void *self, struct gm_spill_window *lent)
{
    struct gm_spill_store *store = self;
    const struct window *window = (const struct window *)lent;
    if (store->failed == 0 && window->state != WINDOW_LENT)
        (void)gm_spill_store_poll(store);
    if (store->failed != 0)
        return store->failed;
    return window->state == WINDOW_LENT ? 0 : GM_AGAIN;
}

static void store_drop(void *self, struct gm_spill_run *run, uint32_t end)
{
    struct gm_spill_store *store = self;
    GM_CHECK(end <= run->count);
    for (; run->first < end; run->first++)
        free_block(store, run->blocks[run->first]);
}

static void store_forget(void *self, struct gm_spill_run *run)
{
    struct gm_spill_store *store = self;
    store_drop(store, run, run->count);
    gm_heap_free(store->spec.heap, run->blocks, run->capacity * sizeof *run->blocks);
    *run = (struct gm_spill_run){.partition = run->partition};
}

static const struct gm_spill_ops store_ops = {
    .take = store_take,
    .give = store_give,
    .write = store_write,
    .read = store_read,
    .ready = store_ready,
    .drop = store_drop,
    .forget = store_forget,
};

struct gm_spill gm_spill_store_port(struct gm_spill_store *store)
{
    return (struct gm_spill){.ops = &store_ops,
                             .self = store,
                             .room_bytes = store->spec.block_bytes - OVERHEAD_BYTES,
                             .windows_max = store->spec.windows_max};
}
