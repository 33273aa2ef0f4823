/* file_sink.c - a few files open at a time; the one that was not used for longest is closed. */
#include "agent/file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/file_buffer.h"
#include "agent/teller.h"
#include "engine/base/check.h"

/* A process may have 1024 descriptors by default, and there are other sinks. */
#define OPEN_MAX 64

struct part {
    uint64_t rows;
    uint64_t bytes;
};

struct open_file {
    int fd; /* -1: free */
    uint32_t part;
    uint64_t used; /* when: a count of pushes */
};

struct gm_file_sink {
    const struct gm_parts_plan *plan;
    struct gm_heap *heap;
    struct gm_error *error;
    struct part *parts; /* bytes UINT64_MAX: no file yet */
    uint32_t part_count;
    struct open_file files[OPEN_MAX];
    uint64_t pushes;
    struct gm_file_buffer buffer; /* what the file pushed to last has still to get */
    struct open_file *buffering;
    bool closed;
    uint32_t next; /* finish: parts below it are told, or about to be */
    struct gm_teller teller;
};

void gm_part_name(uint32_t part, const char *suffix, char *name, size_t name_bytes)
{
    snprintf(name, name_bytes, "part-%05u%s", part, suffix);
}

/* The next part that the driver is told of. */
static bool next_told(void *opaque, int64_t row[3])
{
    struct gm_file_sink *sink = opaque;
    while (sink->next < sink->part_count && sink->parts[sink->next].bytes == UINT64_MAX)
        sink->next++;
    if (sink->next == sink->part_count)
        return false;
    row[0] = sink->next;
    row[1] = (int64_t)sink->parts[sink->next].rows;
    row[2] = (int64_t)sink->parts[sink->next].bytes;
    sink->next++;
    return true;
}

int gm_file_sink_create(const struct gm_parts_plan *parts, uint32_t partition_count,
                        struct gm_sender *sender, struct gm_heap *heap, struct gm_error *error,
                        struct gm_file_sink **ret_sink)
{
    struct gm_file_sink *sink = gm_heap_zalloc(heap, sizeof *sink);
    if (sink == NULL)
        return GM_ETASK_MEMORY;
    sink->plan = parts;
    sink->teller = (struct gm_teller){.next = next_told, .self = sink, .sender = sender};
    sink->heap = heap;
    sink->error = error;
    sink->part_count = partition_count;
    for (int i = 0; i < OPEN_MAX; i++)
        sink->files[i].fd = -1;
    sink->parts = gm_heap_alloc(heap, partition_count * sizeof *sink->parts);
    if (sink->parts == NULL) {
        gm_file_sink_destroy(sink);
        return GM_ETASK_MEMORY;
    }
    for (uint32_t i = 0; i < partition_count; i++)
        sink->parts[i] = (struct part){.bytes = UINT64_MAX};
    gm_file_buffer_init(&sink->buffer, heap);
    *ret_sink = sink;
    return 0;
}

void gm_file_sink_destroy(struct gm_file_sink *sink)
{
    if (sink == NULL)
        return;
    for (int i = 0; i < OPEN_MAX; i++)
        if (sink->files[i].fd >= 0)
            close(sink->files[i].fd);
    gm_heap_free(sink->heap, sink->parts, sink->part_count * sizeof *sink->parts);
    gm_file_buffer_fini(&sink->buffer);
    gm_heap_free(sink->heap, sink, sizeof *sink);
}

static int refuse(struct gm_file_sink *sink, uint32_t part, int rc)
{
    char name[GM_PART_NAME_BYTES_MAX];
    gm_part_name(part, sink->plan->suffix, name, sizeof name);
    const uint64_t bytes = sink->parts[part].bytes;
    return gm_error_set(sink->error, GM_EJOB_OUTPUT,
                        "cannot write %s of %s: %s (%" PRIu64 " bytes were written before)", name,
                        sink->plan->target, gm_error_name(rc), bytes != UINT64_MAX ? bytes : 0);
}

/* Notes how far the file that is buffered is written; rc is what that gave. */
static int note(struct gm_file_sink *sink, int rc)
{
    const uint32_t part = sink->buffering->part;
    sink->parts[part].bytes = sink->buffer.offset;
    return rc < 0 ? refuse(sink, part, rc) : 0;
}

/* Nothing is buffered any more. */
static int flush(struct gm_file_sink *sink)
{
    if (sink->buffering == NULL)
        return 0;
    const int rc = note(sink, gm_file_buffer_flush(&sink->buffer));
    sink->buffering = NULL;
    return rc;
}

static int append(struct gm_file_sink *sink, struct open_file *file, const uint8_t *data,
                  size_t bytes)
{
    if (sink->buffering != file) {
        const int rc = flush(sink);
        if (rc < 0)
            return rc;
        sink->buffering = file;
        gm_file_buffer_begin(&sink->buffer, file->fd, sink->parts[file->part].bytes);
    }
    return note(sink, gm_file_buffer_append(&sink->buffer, data, bytes));
}

static int close_file(struct gm_file_sink *sink, struct open_file *file)
{
    const int rc = sink->buffering == file ? flush(sink) : 0;
    if (rc < 0)
        return rc;
    const int fd = file->fd;
    file->fd = -1;
    /* Some file systems tell of a full disk only here. */
    return fd >= 0 && close(fd) < 0 && errno != EINTR ? refuse(sink, file->part, -errno) : 0;
}

/* Finds or opens the partition's file. */
static int open_file(struct gm_file_sink *sink, uint32_t part, struct open_file **ret_file)
{
    struct open_file *oldest = &sink->files[0];
    char name[GM_PART_NAME_BYTES_MAX], path[GM_PATH_BYTES_MAX + GM_PART_NAME_BYTES_MAX];
    for (int i = 0; i < OPEN_MAX; i++) {
        struct open_file *file = &sink->files[i];
        if (file->fd >= 0 && file->part == part) {
            *ret_file = file;
            return 0;
        }
        if (oldest->fd >= 0 && (file->fd < 0 || file->used < oldest->used))
            oldest = file;
    }
    int rc = close_file(sink, oldest);
    if (rc < 0)
        return rc;
    gm_part_name(part, sink->plan->suffix, name, sizeof name);
    snprintf(path, sizeof path, "%s/%s", sink->plan->directory, name);
    const bool new = sink->parts[part].bytes == UINT64_MAX;
    oldest->part = part;
    oldest->fd =
        open(path, O_WRONLY | O_CLOEXEC | (new ? O_CREAT | O_EXCL : 0), 0666);
    if (oldest->fd < 0)
        return refuse(sink, part, -errno);
    if (new)
        sink->parts[part].bytes = 0;
    *ret_file = oldest;
    return 0;
}

static int sink_push(void *opaque, const struct gm_batch *batch, uint32_t partition)
{
    struct gm_file_sink *sink = opaque;
    struct open_file *file;
    GM_CHECK(partition < sink->part_count && batch->column_count == 2);
    int rc = open_file(sink, partition, &file);
    for (uint32_t row = 0; row < batch->row_count && rc == 0; row++) {
        const struct gm_bytes *text = &batch->columns[0].bytes[row];
        file->used = ++sink->pushes;
        rc = append(sink, file, text->data, text->length);
        sink->parts[partition].rows += (uint64_t)batch->columns[1].i64[row];
    }
    return rc;
}

static int sink_finish(void *opaque)
{
    struct gm_file_sink *sink = opaque;
    for (int i = 0; i < OPEN_MAX && !sink->closed; i++) {
        const int rc = close_file(sink, &sink->files[i]);
        if (rc < 0)
            return rc;
    }
    sink->closed = true;
    return gm_teller_finish(&sink->teller);
}

struct gm_chain_sink gm_file_sink_port(struct gm_file_sink *sink)
{
    return (struct gm_chain_sink){.self = sink, .push = sink_push, .finish = sink_finish};
}
