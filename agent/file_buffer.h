/* file_buffer.h - text on its way to a regular file, from one place of it on.
 *
 * Writes end where a multiple of 128 KiB ends in the file: then the page cache takes folios of this
 * size, which costs half of what single pages do (ext4, Linux 6.18).
 *
 * Threads:  one.  Memory: 128 KiB of the heap; without them every text is written as it comes.
 * Blocking: write(2) into the page cache.  Errors: -errno.
 */
#ifndef GM_AGENT_FILE_BUFFER_H
#define GM_AGENT_FILE_BUFFER_H

#include "engine/base/heap.h"

struct gm_file_buffer {
    struct gm_heap *heap;
    uint8_t *data; /* NULL: there was no memory */
    size_t used;
    int fd;
    uint64_t offset; /* in the file, of what is in `data`: so far it is written */
};

void gm_file_buffer_init(struct gm_file_buffer *buffer, struct gm_heap *heap);
void gm_file_buffer_fini(struct gm_file_buffer *buffer); /* accepts a zeroed one */

/* From now on texts go to fd, which is borrowed, from `offset` on.  The buffer is empty. */
void gm_file_buffer_begin(struct gm_file_buffer *buffer, int fd, uint64_t offset);
/* Both return 0 or -errno; data may be NULL when bytes is 0. */
int gm_file_buffer_append(struct gm_file_buffer *buffer, const void *data, size_t bytes);
int gm_file_buffer_flush(struct gm_file_buffer *buffer);

#endif
