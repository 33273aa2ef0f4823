/* file_buffer.c - pwrite(2) in pieces that end at multiples of a piece. */
#include "agent/file_buffer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/check.h"

#define PIECE_BYTES (128u << 10)
#define DIRECT_PIECE_BYTES (1u << 20)
#define PAGE_BYTES 4096u

static bool make(struct gm_file_buffer *buffer, size_t piece_bytes)
{
    uint8_t *memory = gm_heap_alloc(buffer->heap, piece_bytes + PAGE_BYTES);
    if (memory == NULL)
        return false;
    buffer->memory = memory;
    buffer->data = memory + (-(uintptr_t)memory & (PAGE_BYTES - 1));
    buffer->piece_bytes = piece_bytes;
    return true;
}

static void release(struct gm_file_buffer *buffer)
{
    if (buffer->memory != NULL)
        gm_heap_free(buffer->heap, buffer->memory, buffer->piece_bytes + PAGE_BYTES);
    buffer->memory = NULL;
}

void gm_file_buffer_init(struct gm_file_buffer *buffer, struct gm_heap *heap)
{
    *buffer = (struct gm_file_buffer){.heap = heap, .fd = -1, .direct = -1};
    make(buffer, PIECE_BYTES);
}

void gm_file_buffer_fini(struct gm_file_buffer *buffer)
{
    release(buffer);
    *buffer = (struct gm_file_buffer){.fd = -1, .direct = -1};
}

void gm_file_buffer_begin(struct gm_file_buffer *buffer, int fd, uint64_t offset)
{
    GM_CHECK(buffer->used == 0);
    buffer->fd = fd;
    buffer->direct = -1;
    buffer->offset = offset;
}

bool gm_file_buffer_begin_direct(struct gm_file_buffer *buffer, int fd, int direct,
                                 uint64_t offset)
{
    struct gm_file_buffer larger = {.heap = buffer->heap};
    GM_CHECK(buffer->used == 0);
    if (!make(&larger, DIRECT_PIECE_BYTES))
        return false;
    release(buffer);
    larger.fd = fd;
    larger.direct = direct;
    larger.offset = offset;
    *buffer = larger;
    return true;
}

/* How much of it may go past the page cache: whole pages. */
static size_t direct_bytes(const struct gm_file_buffer *buffer, const uint8_t *data, size_t bytes)
{
    if (buffer->direct < 0 || buffer->offset % PAGE_BYTES != 0 ||
        (uintptr_t)data % PAGE_BYTES != 0)
        return 0;
    return bytes - bytes % PAGE_BYTES;
}

static int write_all(struct gm_file_buffer *buffer, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        const size_t direct = direct_bytes(buffer, data, bytes);
        const ssize_t written =
            direct > 0 ? pwrite(buffer->direct, data, direct, (off_t)buffer->offset)
                       : pwrite(buffer->fd, data, bytes, (off_t)buffer->offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EINVAL && direct > 0) {
            buffer->direct = -1; /* this disk wants other alignment */
            continue;
        }
        if (written < 0)
            return -errno;
        data += written;
        bytes -= (size_t)written;
        buffer->offset += (uint64_t)written;
    }
    return 0;
}

int gm_file_buffer_flush(struct gm_file_buffer *buffer)
{
    const size_t bytes = buffer->used;
    buffer->used = 0;
    return bytes > 0 ? write_all(buffer, buffer->data, bytes) : 0;
}

int gm_file_buffer_append(struct gm_file_buffer *buffer, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    int rc = 0;
    if (buffer->memory == NULL)
        return write_all(buffer, at, bytes);
    while (bytes > 0 && rc == 0) {
        /* Up to a page's end first: pieces lie in memory as they do in the file. */
        const size_t in_page = PAGE_BYTES - buffer->offset % PAGE_BYTES;
        const size_t whole = buffer->direct >= 0 && in_page < PAGE_BYTES
                                 ? in_page
                                 : buffer->piece_bytes - buffer->offset % buffer->piece_bytes;
        const size_t room = whole - buffer->used;
        const size_t part = bytes < room ? bytes : room;
        memcpy(buffer->data + buffer->used, at, part);
        buffer->used += part;
        at += part;
        bytes -= part;
        if (buffer->used == whole)
            rc = gm_file_buffer_flush(buffer);
    }
    return rc;
}
