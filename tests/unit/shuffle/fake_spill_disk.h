/* fake_spill_disk.h - a spill disk in memory that does what disks do when they are bad: it moves
 * less than asked for, is interrupted, is full, breaks, loses writes and changes bytes.
 * Completions come in random order, from a seed.  Included behind cmocka.h, or with GM_CHECK in
 * its place.
 */
#ifndef GM_TESTS_FAKE_SPILL_DISK_H
#define GM_TESTS_FAKE_SPILL_DISK_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "shuffle/port/random.h"
#include "shuffle/port/spill_disk.h"
#include "tests/unit/shuffle/spill_bytes.h"

#define FAKE_FILES_MAX 16

struct gm_spill_file {
    struct spill_bytes content;
    uint64_t limit_bytes; /* of its directory */
    char directory[64];
    bool open;
};

struct fake_spill_disk {
    struct gm_prng prng;
    uint32_t interrupts_per_page; /* each transfer moves one page and is then disturbed so often */
    uint64_t moves_count;
    uint64_t short_odds, interrupt_odds, error_odds, lose_odds, damage_odds; /* 0: never */
    bool refuse_reserve; /* as a file system that cannot: full shows in the write */
    int create_error;
    const char *small_directory; /* this one has room for small_bytes */
    uint64_t small_bytes;
    uint64_t limit_bytes;        /* of every other; 0: none */
    struct gm_spill_file files[FAKE_FILES_MAX];
    uint32_t file_count;
    struct gm_spill_transfer queue[GM_SPILL_WINDOWS_MAX];
    uint32_t queue_count, queue_max_seen;
    uint32_t poll_delay; /* polls that find nothing before one that does */
    uint32_t polls_left;
    uint64_t written_bytes, failed_count;
};

static inline bool fake_chance(struct fake_spill_disk *disk, uint64_t odds)
{
    return odds > 0 && gm_prng_below(&disk->prng, odds) == 0;
}

static inline int fake_create(void *self, const char *directory, struct gm_spill_file **ret_file)
{
    struct fake_spill_disk *disk = self;
    if (disk->create_error != 0)
        return disk->create_error;
    GM_CHECK(disk->file_count < FAKE_FILES_MAX);
    struct gm_spill_file *file = &disk->files[disk->file_count++];
    *file = (struct gm_spill_file){.open = true, .limit_bytes = disk->limit_bytes};
    if (disk->small_directory != NULL && strcmp(directory, disk->small_directory) == 0)
        file->limit_bytes = disk->small_bytes;
    if (file->limit_bytes == 0)
        file->limit_bytes = UINT64_MAX;
    GM_CHECK(strlen(directory) < sizeof file->directory);
    strcpy(file->directory, directory);
    *ret_file = file;
    return 0;
}

static inline void fake_close(void *self, struct gm_spill_file *file)
{
    (void)self;
    file->open = false;
}

static inline int fake_reserve(void *self, struct gm_spill_file *file, uint64_t bytes)
{
    struct fake_spill_disk *disk = self;
    if (disk->refuse_reserve)
        return -EOPNOTSUPP;
    return bytes > file->limit_bytes ? -ENOSPC : 0;
}

static inline int fake_start(void *self, const struct gm_spill_transfer *transfer)
{
    struct fake_spill_disk *disk = self;
    GM_CHECK(transfer->bytes > 0 && transfer->bytes % GM_SPILL_ALIGN == 0);
    GM_CHECK(transfer->offset % GM_SPILL_ALIGN == 0);
    GM_CHECK((uintptr_t)transfer->buffer % GM_SPILL_ALIGN == 0);
    GM_CHECK(transfer->file->open);
    if (disk->queue_count == GM_SPILL_WINDOWS_MAX)
        return GM_AGAIN;
    disk->queue[disk->queue_count++] = *transfer;
    if (disk->queue_count > disk->queue_max_seen)
        disk->queue_max_seen = disk->queue_count;
    disk->polls_left = disk->poll_delay;
    return 0;
}

static inline int64_t fake_move(struct fake_spill_disk *disk, const struct gm_spill_transfer *t)
{
    uint32_t bytes = t->bytes;
    if (disk->interrupts_per_page > 0) {
        if (disk->moves_count++ % (disk->interrupts_per_page + 1) > 0)
            return -EINTR;
        bytes = GM_SPILL_ALIGN;
    }
    if (fake_chance(disk, disk->interrupt_odds))
        return gm_prng_below(&disk->prng, 2) == 0 ? -EINTR : -EAGAIN;
    if (fake_chance(disk, disk->error_odds)) {
        disk->failed_count++;
        return -EIO;
    }
    if (fake_chance(disk, disk->short_odds))
        bytes = 1 + (uint32_t)gm_prng_below(&disk->prng, bytes);
    if (t->write) {
        if (t->offset + bytes > t->file->limit_bytes)
            return -ENOSPC;
        spill_bytes_reach(&t->file->content, t->offset + bytes);
        if (fake_chance(disk, disk->lose_odds)) {
            disk->failed_count++;
            return bytes;
        }
        memcpy(t->file->content.data + t->offset, t->buffer, bytes);
        if (fake_chance(disk, disk->damage_odds)) {
            t->file->content.data[t->offset + gm_prng_below(&disk->prng, bytes)] ^= 1;
            disk->failed_count++;
        }
        disk->written_bytes += bytes;
        return bytes;
    }
    if (t->offset >= t->file->content.bytes)
        return 0;
    if (bytes > t->file->content.bytes - t->offset)
        bytes = (uint32_t)(t->file->content.bytes - t->offset);
    memcpy(t->buffer, t->file->content.data + t->offset, bytes);
    return bytes;
}

static inline uint32_t fake_poll(void *self, struct gm_spill_completion *ret, uint32_t count)
{
    struct fake_spill_disk *disk = self;
    if (disk->queue_count == 0 || count == 0)
        return 0;
    if (disk->polls_left > 0) {
        disk->polls_left--;
        return 0;
    }
    disk->polls_left = disk->poll_delay;
    const uint32_t index = (uint32_t)gm_prng_below(&disk->prng, disk->queue_count);
    const struct gm_spill_transfer transfer = disk->queue[index];
    disk->queue[index] = disk->queue[--disk->queue_count];
    *ret = (struct gm_spill_completion){.tag = transfer.tag,
                                        .result = fake_move(disk, &transfer)};
    return 1;
}

static inline int fake_descriptor(void *self)
{
    (void)self;
    return -1;
}

static inline int fake_window_add(void *self, void *memory, size_t bytes)
{
    (void)self;
    GM_CHECK((uintptr_t)memory % GM_SPILL_ALIGN == 0 && bytes > 0);
    return -1;
}

static inline void fake_window_remove(void *self, int window)
{
    (void)self;
    (void)window;
}

static const struct gm_spill_disk_ops fake_spill_ops = {
    .name = "fake",
    .create = fake_create,
    .close = fake_close,
    .reserve = fake_reserve,
    .start = fake_start,
    .poll = fake_poll,
    .descriptor = fake_descriptor,
    .window_add = fake_window_add,
    .window_remove = fake_window_remove,
};

static inline void fake_spill_disk_init(struct fake_spill_disk *disk, uint64_t seed)
{
    *disk = (struct fake_spill_disk){0};
    gm_prng_init(&disk->prng, seed);
}

static inline void fake_spill_disk_free(struct fake_spill_disk *disk)
{
    for (uint32_t i = 0; i < disk->file_count; i++)
        free(disk->files[i].content.data);
}

#endif
