/* file_buffer.c - pwrite(2) in pieces that end at multiples of 128 KiB. */
#include "agent/file_buffer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/check.h"

#define BUFFER_BYTES (128u << 10)

void gm_file_buffer_init(struct gm_file_buffer *buffer, struct gm_heap *heap)
{
    *buffer = (struct gm_file_buffer){
        .heap = heap, .data = gm_heap_alloc(heap, BUFFER_BYTES), .fd = -1};
}

void gm_file_buffer_fini(struct gm_file_buffer *buffer)
{
    if (buffer->data != NULL)
        gm_heap_free(buffer->heap, buffer->data, BUFFER_BYTES);
    *buffer = (struct gm_file_buffer){.fd = -1};
}

void gm_file_buffer_begin(struct gm_file_buffer *buffer, int fd, uint64_t offset)
{
    GM_CHECK(buffer->used == 0);
    buffer->fd = fd;
    buffer->offset = offset;
}

static int write_all(struct gm_file_buffer *buffer, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t written = pwrite(buffer->fd, data, bytes, (off_t)buffer->offset);
        if (written < 0 && errno == EINTR)
            continue;
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
    if (buffer->data == NULL)
        return write_all(buffer, at, bytes);
    while (bytes > 0 && rc == 0) {
        const size_t whole = BUFFER_BYTES - buffer->offset % BUFFER_BYTES;
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
