#include "tests/sim/spill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "tests/unit/shuffle/spill_bytes.h"
#include "tests/sim/disk.h"

#define RUBBISH 0x5a

struct gm_spill_file {
    struct spill_bytes content;
    bool open;
};

struct transfer {
    bool used;
    struct gm_spill_transfer what;
    uint64_t done_ns;
};

struct sim_spill {
    struct sim_device device; /* first: the world knows it by this */
    struct sim_participant *participant;
    struct sim_spill_spec spec;
    struct sim_spill_counts *counts;
    struct gm_heap *heap;
    int descriptor;
    uint32_t depth;
    uint32_t interrupts_in_a_row; /* one that never ends would be a broken disk */
    struct gm_spill_file files[GM_SPILL_DIRECTORIES_MAX];
    uint32_t file_count;
    struct transfer transfers[GM_SPILL_WINDOWS_MAX];
};

static bool spill_readable(const struct sim_world *world, const void *opaque)
{
    const struct sim_spill *disk = opaque;
    for (uint32_t i = 0; i < disk->depth; i++)
        if (disk->transfers[i].used && disk->transfers[i].done_ns <= world->now_ns)
            return true;
    return false;
}

static int spill_create(void *self, const char *directory, struct gm_spill_file **ret_file)
{
    struct sim_spill *disk = self;
    (void)directory;
    sim_world_tick(disk->participant->world, "spill create", disk->file_count, 0);
    GM_CHECK(disk->file_count < GM_SPILL_DIRECTORIES_MAX);
    struct gm_spill_file *file = &disk->files[disk->file_count++];
    file->open = true;
    *ret_file = file;
    return 0;
}

static void spill_close_file(void *self, struct gm_spill_file *file)
{
    (void)self;
    file->open = false;
}

static int spill_reserve(void *self, struct gm_spill_file *file, uint64_t bytes)
{
    struct sim_spill *disk = self;
    (void)file;
    if (disk->spec.no_reserve)
        return -EOPNOTSUPP;
    if (disk->spec.directory_bytes == 0 || bytes <= disk->spec.directory_bytes)
        return 0;
    disk->counts->failed_count++;
    return -ENOSPC;
}

static int spill_start(void *self, const struct gm_spill_transfer *what)
{
    struct sim_spill *disk = self;
    struct sim_world *world = disk->participant->world;
    sim_world_tick(world, what->write ? "spill write" : "spill read", what->offset, what->bytes);
    GM_CHECK(what->file->open);
    GM_CHECK(what->bytes > 0 && what->bytes % GM_SPILL_ALIGN == 0);
    GM_CHECK(what->offset % GM_SPILL_ALIGN == 0);
    for (uint32_t i = 0; i < disk->depth; i++) {
        struct transfer *transfer = &disk->transfers[i];
        if (transfer->used)
            continue;
        *transfer = (struct transfer){.used = true, .what = *what, .done_ns = world->now_ns};
        if (disk->spec.delay_ns_max > 0)
            transfer->done_ns += gm_prng_below(&world->prng, disk->spec.delay_ns_max);
        if (!what->write)
            memset(what->buffer, RUBBISH, what->bytes);
        sim_world_at(world, transfer->done_ns, disk->participant->number, disk->descriptor);
        return 0;
    }
    return GM_AGAIN;
}

static int64_t write_bytes(struct sim_spill *disk, const struct gm_spill_transfer *what,
                           uint32_t bytes)
{
    struct sim_world *world = disk->participant->world;
    struct gm_spill_file *file = what->file;
    if (disk->spec.directory_bytes > 0 && what->offset + bytes > disk->spec.directory_bytes) {
        disk->counts->failed_count++;
        return -ENOSPC;
    }
    spill_bytes_reach(&file->content, what->offset + bytes);
    disk->counts->written_bytes += bytes;
    if (sim_world_chance(world, disk->spec.damage_odds)) {
        disk->counts->failed_count++;
        if (gm_prng_below(&world->prng, 2) == 0)
            return bytes; /* lost */
        memcpy(file->content.data + what->offset, what->buffer, bytes);
        file->content.data[what->offset + gm_prng_below(&world->prng, bytes)] ^= 0x10;
        return bytes;
    }
    memcpy(file->content.data + what->offset, what->buffer, bytes);
    return bytes;
}

static int64_t finish(struct sim_spill *disk, const struct gm_spill_transfer *what)
{
    struct sim_world *world = disk->participant->world;
    uint32_t bytes = what->bytes;
    if (sim_world_chance(world, disk->spec.interrupt_odds) &&
        ++disk->interrupts_in_a_row <= GM_DISK_RETRIES_MAX)
        return gm_prng_below(&world->prng, 2) == 0 ? -EINTR : -EAGAIN;
    disk->interrupts_in_a_row = 0;
    if (sim_world_chance(world, disk->spec.error_odds)) {
        disk->counts->failed_count++;
        return -EIO;
    }
    if (sim_world_chance(world, disk->spec.short_odds))
        bytes = 1 + (uint32_t)gm_prng_below(&world->prng, bytes);
    if (what->write)
        return write_bytes(disk, what, bytes);
    if (what->offset >= what->file->content.bytes)
        return 0;
    if (bytes > what->file->content.bytes - what->offset)
        bytes = (uint32_t)(what->file->content.bytes - what->offset);
    memcpy(what->buffer, what->file->content.data + what->offset, bytes);
    return bytes;
}

static uint32_t spill_poll(void *self, struct gm_spill_completion *ret, uint32_t count)
{
    struct sim_spill *disk = self;
    struct sim_world *world = disk->participant->world;
    sim_world_tick(world, "spill poll", 0, 0);
    disk->participant->vain_waits = 0;
    uint32_t found = 0;
    const uint32_t first = (uint32_t)gm_prng_below(&world->prng, disk->depth);
    for (uint32_t i = 0; i < disk->depth && found < count; i++) {
        struct transfer *transfer = &disk->transfers[(first + i) % disk->depth];
        if (!transfer->used || transfer->done_ns > world->now_ns)
            continue;
        transfer->used = false;
        ret[found++] = (struct gm_spill_completion){.tag = transfer->what.tag,
                                                    .result = finish(disk, &transfer->what)};
    }
    return found;
}

static int spill_descriptor(void *self)
{
    const struct sim_spill *disk = self;
    return disk->descriptor;
}

static int spill_window_add(void *self, void *memory, size_t bytes)
{
    (void)self;
    (void)memory;
    (void)bytes;
    return -1;
}

static void spill_window_remove(void *self, int window)
{
    (void)self;
    (void)window;
}

static const struct gm_spill_disk_ops spill_ops = {
    .name = "sim",
    .create = spill_create,
    .close = spill_close_file,
    .reserve = spill_reserve,
    .start = spill_start,
    .poll = spill_poll,
    .descriptor = spill_descriptor,
    .window_add = spill_window_add,
    .window_remove = spill_window_remove,
};

int sim_spill_open(struct sim_participant *participant, const struct sim_spill_spec *spec,
                   struct sim_spill_counts *counts, struct gm_heap *heap, uint32_t depth,
                   struct gm_spill_disk *ret_disk)
{
    struct sim_world *world = participant->world;
    struct sim_spill *disk = calloc(1, sizeof *disk); /* it stands for a disk, not for memory */
    GM_CHECK(disk != NULL);
    GM_CHECK(world->disk_count < SIM_DISKS_MAX);
    GM_CHECK(depth <= GM_SPILL_WINDOWS_MAX);
    disk->device.readable = spill_readable;
    disk->participant = participant;
    disk->spec = *spec;
    disk->counts = counts;
    disk->heap = heap;
    disk->depth = depth;
    disk->descriptor = (int)world->disk_count++;
    world->disks[disk->descriptor] = disk;
    *ret_disk = (struct gm_spill_disk){.ops = &spill_ops, .self = disk};
    return 0;
}

void sim_spill_close(struct gm_spill_disk *ret_disk)
{
    struct sim_spill *disk = ret_disk->self;
    disk->participant->world->disks[disk->descriptor] = NULL;
    for (uint32_t i = 0; i < disk->file_count; i++)
        free(disk->files[i].content.data);
    free(disk);
}
