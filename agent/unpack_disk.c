/* unpack_disk.c - requests wait until their file's input gives something. */
#include "agent/unpack_disk.h"

#include <errno.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/source/unpack.h"

#define INPUT_BYTES GM_DISK_BLOCK_BYTES_DEFAULT

/* An open file of ours or of the inner disk, which has neither unpacker nor member. */
struct file {
    struct file *next; /* of all files */
    struct gm_disk_file *inner;
    struct gm_unpacker *unpacker;
    struct gm_zip_stream *member;
    uint8_t *input;
    const uint8_t *data; /* what is left of it */
    size_t bytes;
    uint64_t offset; /* of the next inner read */
    bool reading, ended;
    /* the request under way */
    bool asked;
    void *buffer;
    uint32_t want;
    void *tag;
};

struct gm_unpack_disk {
    const struct gm_source *source;
    uint32_t opened; /* of its files, the last one */
    struct gm_disk inner;
    struct gm_heap *heap;
    struct file *files;
};

bool gm_unpack_disk_wanted(const struct gm_source *source)
{
    for (uint32_t i = 0; i < source->file_count; i++)
        if (source->files[i].archive_bytes > 0 ||
            gm_compression_of(source->files[i].path, NULL) != GM_COMPRESSION_NONE)
            return true;
    return false;
}

int gm_unpack_disk_create(const struct gm_source *source, const struct gm_disk *inner,
                          struct gm_heap *heap, struct gm_unpack_disk **ret_disk)
{
    struct gm_unpack_disk *disk = gm_heap_zalloc(heap, sizeof *disk);
    if (disk == NULL)
        return GM_ETASK_MEMORY;
    disk->source = source;
    disk->inner = *inner;
    disk->heap = heap;
    *ret_disk = disk;
    return 0;
}

static void free_file(struct gm_unpack_disk *disk, struct file *file)
{
    gm_unpacker_destroy(file->unpacker);
    gm_zip_stream_destroy(file->member);
    gm_heap_free(disk->heap, file->input, file->input != NULL ? INPUT_BYTES : 0);
    gm_heap_free(disk->heap, file, sizeof *file);
}

void gm_unpack_disk_destroy(struct gm_unpack_disk *disk)
{
    if (disk == NULL)
        return;
    while (disk->files != NULL) {
        struct file *file = disk->files;
        disk->files = file->next;
        free_file(disk, file);
    }
    gm_heap_free(disk->heap, disk, sizeof *disk);
}

/* The file of this very path, found by its address; files are mostly opened in order.  NULL: it is
 * none of the source's. */
static const struct gm_file *find(struct gm_unpack_disk *disk, const char *path)
{
    const uint32_t count = disk->source->file_count;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t index = (uint32_t)(((uint64_t)disk->opened + i) % count);
        if (disk->source->files[index].path == path) {
            disk->opened = index;
            return &disk->source->files[index];
        }
    }
    return NULL;
}

/* Opens the archive, to be read from where the member begins. */
static int open_member(struct gm_unpack_disk *disk, const struct gm_file *of, struct file *file)
{
    char archive[GM_PATH_BYTES_MAX];
    const int rc = gm_zip_stream_create(&of->member, disk->heap, &file->member);
    if (rc < 0)
        return rc;
    file->offset = of->member.offset;
    snprintf(archive, sizeof archive, "%.*s", (int)of->archive_bytes, of->path);
    return disk->inner.ops->open(disk->inner.self, archive, &file->inner);
}

static int unpack_open(void *self, const char *path, struct gm_disk_file **ret_file)
{
    struct gm_unpack_disk *disk = self;
    const struct gm_file *of = find(disk, path);
    const bool member = of != NULL && of->archive_bytes > 0;
    const enum gm_compression method =
        member ? GM_COMPRESSION_NONE : gm_compression_of(path, NULL);
    struct file *file = gm_heap_zalloc(disk->heap, sizeof *file);
    int rc = file == NULL ? -ENOMEM : 0;
    if (rc == 0 && (member || method != GM_COMPRESSION_NONE)) {
        file->input = gm_heap_alloc(disk->heap, INPUT_BYTES);
        rc = file->input == NULL ? -ENOMEM : 0;
    }
    if (rc == 0 && method != GM_COMPRESSION_NONE)
        rc = gm_unpacker_create(method, disk->heap, &file->unpacker);
    if (rc == 0)
        rc = member ? open_member(disk, of, file)
                    : disk->inner.ops->open(disk->inner.self, path, &file->inner);
    if (rc < 0) {
        if (file != NULL)
            free_file(disk, file);
        return rc;
    }
    file->next = disk->files;
    disk->files = file;
    *ret_file = (struct gm_disk_file *)file;
    return 0;
}

static void unpack_close(void *self, struct gm_disk_file *handle)
{
    struct gm_unpack_disk *disk = self;
    struct file *file = (struct file *)handle;
    struct file **link = &disk->files;
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    disk->inner.ops->close(disk->inner.self, file->inner);
    free_file(disk, file);
}

static int unpack_read(void *self, struct gm_disk_file *handle, uint64_t offset, void *buffer,
                       uint32_t bytes, void *tag)
{
    struct gm_unpack_disk *disk = self;
    struct file *file = (struct file *)handle;
    if (file->unpacker == NULL && file->member == NULL)
        return disk->inner.ops->read(disk->inner.self, file->inner, offset, buffer, bytes, tag);
    GM_CHECK(!file->asked);
    file->asked = true;
    file->buffer = buffer;
    file->want = bytes;
    file->tag = tag;
    return 0;
}

/* Unpacks for the request.  Returns bytes > 0; 0 at the end; < 0; or GM_AGAIN in *ret_again. */
static int64_t serve(struct gm_unpack_disk *disk, struct file *file, bool *ret_again)
{
    size_t got = 0;
    *ret_again = false;
    const int rc = file->member != NULL
                       ? gm_zip_stream_run(file->member, &file->data, &file->bytes, file->buffer,
                                           file->want, &got)
                       : gm_unpacker_run(file->unpacker, &file->data, &file->bytes, file->buffer,
                                         file->want, &got);
    if (rc < 0)
        return rc;
    if (got > 0)
        return (int64_t)got;
    if (file->member != NULL && gm_zip_stream_ended(file->member))
        return 0;
    if (file->ended)
        return file->member == NULL && gm_unpacker_may_end(file->unpacker) ? 0 : GM_EJOB_CUT;
    *ret_again = true;
    if (file->reading)
        return 0;
    const int read = disk->inner.ops->read(disk->inner.self, file->inner, file->offset,
                                           file->input, INPUT_BYTES, file);
    file->reading = read == 0;
    *ret_again = read >= 0; /* a full queue: it is tried again at the next poll */
    return read;
}

/* An inner read into a file's input is over; a failed one is the request's. */
static bool take_input(struct file *file, int64_t result, struct gm_disk_completion *ret)
{
    file->reading = false;
    if (result < 0) {
        *ret = (struct gm_disk_completion){.tag = file->tag, .result = result};
        file->asked = false;
        return true;
    }
    file->data = file->input;
    file->bytes = (size_t)result;
    file->offset += (uint64_t)result;
    file->ended = result == 0;
    return false;
}

static bool is_ours(const struct gm_unpack_disk *disk, const void *tag)
{
    for (const struct file *file = disk->files; file != NULL; file = file->next)
        if (file == tag)
            return true;
    return false;
}

static uint32_t unpack_poll(void *self, struct gm_disk_completion *ret, uint32_t count)
{
    struct gm_unpack_disk *disk = self;
    uint32_t done = 0;
    const uint32_t arrived = disk->inner.ops->poll(disk->inner.self, ret, count);
    for (uint32_t i = 0; i < arrived; i++) {
        const struct gm_disk_completion completion = ret[i];
        if (!is_ours(disk, completion.tag))
            ret[done++] = completion;
        else
            done += take_input(completion.tag, completion.result, &ret[done]);
    }
    for (struct file *file = disk->files; file != NULL && done < count; file = file->next) {
        bool again;
        if (!file->asked || file->reading)
            continue;
        const int64_t result = serve(disk, file, &again);
        if (again)
            continue;
        ret[done++] = (struct gm_disk_completion){.tag = file->tag, .result = result};
        file->asked = false;
    }
    return done;
}

static int unpack_descriptor(void *self)
{
    struct gm_unpack_disk *disk = self;
    return disk->inner.ops->descriptor(disk->inner.self);
}

static const struct gm_disk_ops unpack_ops = {.name = "unpack",
                                              .open = unpack_open,
                                              .close = unpack_close,
                                              .read = unpack_read,
                                              .poll = unpack_poll,
                                              .descriptor = unpack_descriptor};

struct gm_disk gm_unpack_disk_port(struct gm_unpack_disk *disk)
{
    return (struct gm_disk){.ops = &unpack_ops, .self = disk};
}
