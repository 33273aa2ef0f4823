/* fake_disk.h - a disk port over files in memory, which answers late, short and in any order.
 *
 * From a seed: the same seed gives the same run.  A read may be refused with GM_AGAIN, may stay
 * under way for some polls, and gives at least one byte but often not all that was asked for.
 */
#ifndef TEST_AGENT_FAKE_DISK_H
#define TEST_AGENT_FAKE_DISK_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/error.h"
#include "shuffle/port/disk.h"

#define FAKE_READS_MAX 8

struct fake_file {
    const char *path;
    const uint8_t *data;
    uint64_t bytes;
    bool stream;         /* offsets are ignored */
    uint64_t stream_at;
    int64_t fail_offset; /* a read that begins at or behind it gives -EIO; < 0: never */
    uint32_t opens;
};

struct fake_read {
    struct fake_file *file; /* NULL: free */
    uint64_t offset;
    void *buffer;
    uint32_t bytes;
    void *tag;
};

struct fake_disk {
    struct fake_file *files;
    uint32_t file_count;
    struct fake_read reads[FAKE_READS_MAX];
    uint64_t seed;
    bool gentle; /* everything at once and whole */
    uint32_t open_count;
};

static inline uint64_t fake_random(struct fake_disk *disk)
{
    disk->seed ^= disk->seed << 13;
    disk->seed ^= disk->seed >> 7;
    disk->seed ^= disk->seed << 17;
    return disk->seed * UINT64_C(0x2545f4914f6cdd1d) >> 32;
}

static inline bool fake_chance(struct fake_disk *disk, uint32_t percent)
{
    return !disk->gentle && fake_random(disk) % 100 < percent;
}

static int fake_open(void *self, const char *path, struct gm_disk_file **ret_file)
{
    struct fake_disk *disk = self;
    for (uint32_t i = 0; i < disk->file_count; i++)
        if (strcmp(disk->files[i].path, path) == 0) {
            disk->files[i].opens++;
            disk->open_count++;
            *ret_file = (struct gm_disk_file *)&disk->files[i];
            return 0;
        }
    return -ENOENT;
}

static void fake_close(void *self, struct gm_disk_file *file)
{
    struct fake_disk *disk = self;
    ((struct fake_file *)file)->opens--;
    disk->open_count--;
}

static int fake_read(void *self, struct gm_disk_file *file, uint64_t offset, void *buffer,
                     uint32_t bytes, void *tag)
{
    struct fake_disk *disk = self;
    for (uint32_t i = 0; i < FAKE_READS_MAX; i++)
        if (disk->reads[i].file == NULL) {
            disk->reads[i] = (struct fake_read){.file = (struct fake_file *)file,
                                                .offset = offset,
                                                .buffer = buffer,
                                                .bytes = bytes,
                                                .tag = tag};
            return 0;
        }
    return GM_AGAIN;
}

static int64_t fake_answer(struct fake_disk *disk, const struct fake_read *read)
{
    struct fake_file *file = read->file;
    const uint64_t offset = file->stream ? file->stream_at : read->offset;
    if (file->fail_offset >= 0 && offset >= (uint64_t)file->fail_offset)
        return -EIO;
    uint64_t bytes = offset < file->bytes ? file->bytes - offset : 0;
    if (bytes > read->bytes)
        bytes = read->bytes;
    if (bytes > 1 && fake_chance(disk, 50))
        bytes = 1 + fake_random(disk) % bytes;
    if (bytes > 0)
        memcpy(read->buffer, file->data + offset, bytes);
    file->stream_at += bytes;
    return (int64_t)bytes;
}

static uint32_t fake_poll(void *self, struct gm_disk_completion *ret, uint32_t count)
{
    struct fake_disk *disk = self;
    uint32_t done = 0;
    const uint32_t first = disk->gentle ? 0 : (uint32_t)(fake_random(disk) % FAKE_READS_MAX);
    for (uint32_t i = 0; i < FAKE_READS_MAX && done < count; i++) {
        struct fake_read *read = &disk->reads[(first + i) % FAKE_READS_MAX];
        if (read->file == NULL || fake_chance(disk, 40))
            continue;
        ret[done++] =
            (struct gm_disk_completion){.tag = read->tag, .result = fake_answer(disk, read)};
        read->file = NULL;
    }
    return done;
}

static int fake_descriptor(void *self)
{
    (void)self;
    return -1;
}

static const struct gm_disk_ops fake_disk_ops = {.name = "fake",
                                                 .open = fake_open,
                                                 .close = fake_close,
                                                 .read = fake_read,
                                                 .poll = fake_poll,
                                                 .descriptor = fake_descriptor};

static inline struct gm_disk fake_disk_port(struct fake_disk *disk)
{
    return (struct gm_disk){.ops = &fake_disk_ops, .self = disk};
}

#endif
