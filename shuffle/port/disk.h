/* disk.h - port: reading files without blocking.
 *
 * Real: iouring/file (io_uring, and pread where io_uring is forbidden).  Simulated: tests/sim.
 * One disk belongs to one executor and is used by its thread alone.
 */
#ifndef GM_PORT_DISK_H
#define GM_PORT_DISK_H

#include <stdbool.h>
#include <stdint.h>

struct gm_disk_file; /* opaque; made by open */

struct gm_disk_completion {
    void *tag;      /* as given to read */
    int64_t result; /* bytes read (0 at the end of the file), or -errno */
};

struct gm_disk_ops {
    const char *name;
    /* Opens for reading.  Returns 0 or -errno. */
    int (*open)(void *self, const char *path, struct gm_disk_file **ret_file);
    void (*close)(void *self, struct gm_disk_file *file); /* no read of it is in flight */
    /* Starts reading up to `bytes` bytes at offset; buffer is lent until the completion.
     * Returns 0, GM_AGAIN when the queue is full (poll first), or -errno. */
    int (*read)(void *self, struct gm_disk_file *file, uint64_t offset, void *buffer,
                uint32_t bytes, void *tag);
    /* Takes up to `count` completions; never blocks.  Returns how many. */
    uint32_t (*poll)(void *self, struct gm_disk_completion *ret, uint32_t count);
    /* A file descriptor that polls readable when a completion may be there, or -1.  Ask for it
     * after the last read and before each sleep: asking starts what read has only queued. */
    int (*descriptor)(void *self);
};

struct gm_disk {
    const struct gm_disk_ops *ops;
    void *self;
};

#endif
