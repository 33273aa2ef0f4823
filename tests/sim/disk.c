#include "tests/sim/disk.h"

#include <errno.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"

#define DEPTH_MAX 16
#define FILES_OPEN_MAX 64
#define RUBBISH 0xa5

struct gm_disk_file {
    const struct sim_file *file; /* NULL: closed */
    uint32_t reads_count;
};

enum read_state { READ_FREE, READ_QUEUED, READ_STARTED };

struct sim_read {
    enum read_state state;
    struct gm_disk_file *file;
    uint64_t offset;
    uint8_t *buffer;
    uint32_t bytes;
    void *tag;
    uint64_t done_ns;
};

struct sim_disk {
    struct sim_device device;
    struct sim_participant *participant;
    struct sim_disk_spec spec;
    uint64_t *failed_count;
    struct gm_heap *heap;
    int descriptor;
    uint32_t depth;
    struct sim_read reads[DEPTH_MAX];
    struct gm_disk_file files[FILES_OPEN_MAX];
};

bool sim_disk_readable(const struct sim_world *world, const void *opaque)
{
    const struct sim_device *device = opaque;
    return device->readable(world, opaque);
}

static bool reads_are_done(const struct sim_world *world, const void *opaque)
{
    const struct sim_disk *disk = opaque;
    for (uint32_t i = 0; i < disk->depth; i++)
        if (disk->reads[i].state == READ_STARTED && disk->reads[i].done_ns <= world->now_ns)
            return true;
    return false;
}

static int disk_file_open(void *self, const char *path, struct gm_disk_file **ret_file)
{
    struct sim_disk *disk = self;
    struct sim_world *world = disk->participant->world;
    const struct sim_file *file = sim_text_find(disk->spec.text, path);
    sim_world_tick(world, "open", file != NULL ? file->bytes : 0, 0);
    if (file == NULL)
        return -ENOENT;
    if (sim_world_chance(world, disk->spec.open_error_odds)) {
        (*disk->failed_count)++;
        return -EACCES;
    }
    for (uint32_t i = 0; i < FILES_OPEN_MAX; i++)
        if (disk->files[i].file == NULL) {
            disk->files[i] = (struct gm_disk_file){.file = file};
            *ret_file = &disk->files[i];
            return 0;
        }
    GM_CHECK(false); /* the reader keeps few files open */
    return -EMFILE;
}

static void disk_file_close(void *self, struct gm_disk_file *file)
{
    struct sim_disk *disk = self;
    GM_CHECK(file >= disk->files && file < disk->files + FILES_OPEN_MAX);
    GM_CHECK(file->file != NULL);
    GM_CHECK(file->reads_count == 0);
    file->file = NULL;
}

static int disk_read(void *self, struct gm_disk_file *file, uint64_t offset, void *buffer,
                     uint32_t bytes, void *tag)
{
    struct sim_disk *disk = self;
    sim_world_tick(disk->participant->world, "read", offset, bytes);
    GM_CHECK(file->file != NULL);
    GM_CHECK(bytes > 0);
    for (uint32_t i = 0; i < disk->depth; i++) {
        struct sim_read *read = &disk->reads[i];
        if (read->state != READ_FREE)
            continue;
        *read = (struct sim_read){.state = READ_QUEUED,
                                  .file = file,
                                  .offset = offset,
                                  .buffer = buffer,
                                  .bytes = bytes,
                                  .tag = tag};
        memset(buffer, RUBBISH, bytes);
        file->reads_count++;
        return 0;
    }
    return GM_AGAIN;
}

static void start_queued(struct sim_disk *disk)
{
    struct sim_world *world = disk->participant->world;
    for (uint32_t i = 0; i < disk->depth; i++) {
        struct sim_read *read = &disk->reads[i];
        if (read->state != READ_QUEUED)
            continue;
        read->state = READ_STARTED;
        read->done_ns = world->now_ns;
        if (disk->spec.delay_ns_max > 0)
            read->done_ns += gm_prng_below(&world->prng, disk->spec.delay_ns_max);
        sim_world_at(world, read->done_ns, disk->participant->number, disk->descriptor);
    }
}

/* What comes back from a read, and the bytes in its buffer. */
static int64_t finish(struct sim_disk *disk, struct sim_read *read)
{
    struct sim_world *world = disk->participant->world;
    const struct sim_file *file = read->file->file;
    read->state = READ_FREE;
    read->file->reads_count--;
    if (sim_world_chance(world, disk->spec.error_odds)) {
        (*disk->failed_count)++;
        return -EIO;
    }
    const uint64_t left = read->offset < file->bytes ? file->bytes - read->offset : 0;
    uint64_t bytes = read->bytes < left ? read->bytes : left;
    if (bytes > 1 && sim_world_chance(world, disk->spec.short_odds))
        bytes = 1 + gm_prng_below(&world->prng, bytes - 1);
    if (bytes > 0)
        memcpy(read->buffer, file->data + read->offset, bytes);
    return (int64_t)bytes;
}

static uint32_t disk_poll(void *self, struct gm_disk_completion *ret, uint32_t count)
{
    struct sim_disk *disk = self;
    struct sim_world *world = disk->participant->world;
    sim_world_tick(world, "poll", 0, 0);
    disk->participant->vain_waits = 0;
    start_queued(disk);
    uint32_t found = 0;
    const uint32_t first = (uint32_t)gm_prng_below(&world->prng, disk->depth);
    for (uint32_t i = 0; i < disk->depth && found < count; i++) {
        struct sim_read *read = &disk->reads[(first + i) % disk->depth];
        if (read->state != READ_STARTED || read->done_ns > world->now_ns)
            continue;
        ret[found++] = (struct gm_disk_completion){.tag = read->tag, .result = finish(disk, read)};
    }
    return found;
}

static int disk_descriptor(void *self)
{
    struct sim_disk *disk = self;
    start_queued(disk);
    return disk->descriptor;
}

static const struct gm_disk_ops disk_ops = {
    .name = "sim",
    .open = disk_file_open,
    .close = disk_file_close,
    .read = disk_read,
    .poll = disk_poll,
    .descriptor = disk_descriptor,
};

int sim_disk_open(struct sim_participant *participant, const struct sim_disk_spec *spec,
                  uint64_t *failed_count, struct gm_heap *heap, struct gm_disk *ret_disk)
{
    struct sim_world *world = participant->world;
    struct sim_disk *disk = gm_heap_zalloc(heap, sizeof *disk);
    if (disk == NULL)
        return GM_ETASK_MEMORY;
    GM_CHECK(world->disk_count < SIM_DISKS_MAX);
    GM_CHECK(spec->depth_max >= 1 && spec->depth_max <= DEPTH_MAX);
    disk->device.readable = reads_are_done;
    disk->participant = participant;
    disk->spec = *spec;
    disk->failed_count = failed_count;
    disk->heap = heap;
    disk->depth = 1 + (uint32_t)gm_prng_below(&world->prng, spec->depth_max);
    disk->descriptor = (int)world->disk_count++;
    world->disks[disk->descriptor] = disk;
    *ret_disk = (struct gm_disk){.ops = &disk_ops, .self = disk};
    return 0;
}

void sim_disk_close(struct gm_disk *ret_disk)
{
    struct sim_disk *disk = ret_disk->self;
    disk->participant->world->disks[disk->descriptor] = NULL;
    gm_heap_free(disk->heap, disk, sizeof *disk);
}
