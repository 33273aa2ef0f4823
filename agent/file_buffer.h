/* file_buffer.h - text on its way to a regular file, from one place of it on.
 *
 * Writes end where a multiple of 128 KiB ends in the file: then the page cache takes folios of this
 * size, which costs half of what single pages do (ext4, Linux 6.18).  What no page cache would keep
 * goes past it in pieces of 1 MiB, but for the pages at both ends that are not whole.
 *
 * Threads:  one.  Memory: a piece of the heap; without it every text is written as it comes.
 * Blocking: pwrite(2) into the page cache, or to the disk past it.  Errors: -errno.
 */
#ifndef GM_AGENT_FILE_BUFFER_H
#define GM_AGENT_FILE_BUFFER_H

#include <stdbool.h>

#include "engine/base/heap.h"

struct gm_file_buffer {
    struct gm_heap *heap;
    uint8_t *memory; /* NULL: there was none */
    uint8_t *data;   /* in there, on a page's begin */
    size_t piece_bytes;
    size_t used;
    int fd;
    int direct; /* the same file past the page cache; -1: not so */
    uint64_t offset; /* in the file, of what is in `data`: so far it is written */
};

void gm_file_buffer_init(struct gm_file_buffer *buffer, struct gm_heap *heap);
void gm_file_buffer_fini(struct gm_file_buffer *buffer); /* accepts a zeroed one */

/* From now on texts go to fd, which is borrowed, from `offset` on.  The buffer is empty. */
void gm_file_buffer_begin(struct gm_file_buffer *buffer, int fd, uint64_t offset);
/* The same, where `direct`, borrowed too, is the file opened with O_DIRECT.  False: there is no
 * memory for that, and nothing has changed. */
bool gm_file_buffer_begin_direct(struct gm_file_buffer *buffer, int fd, int direct,
                                 uint64_t offset);
/* Both return 0 or -errno; data may be NULL when bytes is 0. */
int gm_file_buffer_append(struct gm_file_buffer *buffer, const void *data, size_t bytes);
int gm_file_buffer_flush(struct gm_file_buffer *buffer);

#endif
