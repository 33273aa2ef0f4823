/* spill_disk.h - port: files without a name that are written and read back without blocking.
 *
 * Real: iouring/spill_file (io_uring, and pread/pwrite where io_uring is forbidden).  Simulated:
 * tests.  One disk belongs to one executor and is used by its thread alone.
 */
#ifndef GM_PORT_SPILL_DISK_H
#define GM_PORT_SPILL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What offset, buffer and length of a transfer are multiples of, so that it may bypass the page
 * cache. */
#define GM_SPILL_ALIGN 4096

struct gm_spill_file; /* opaque */

struct gm_spill_transfer {
    bool write;
    int window; /* of the buffer, as given by window_add; -1: none */
    struct gm_spill_file *file;
    uint64_t offset;
    uint8_t *buffer; /* lent until the completion */
    uint32_t bytes;
    void *tag;
};

struct gm_spill_completion {
    void *tag;
    int64_t result; /* bytes moved, maybe fewer than asked for; or -errno */
};

struct gm_spill_disk_ops {
    const char *name;
    /* Makes an empty file in `directory` that has no name there: its room comes back whatever ends
     * this process.  Returns 0 or -errno. */
    int (*create)(void *self, const char *directory, struct gm_spill_file **ret_file);
    void (*close)(void *self, struct gm_spill_file *file); /* nothing of it is under way */
    /* Reserves room up to `bytes` from the file's begin, if the file system can: writing there is
     * faster then.  Returns 0, or -errno (-ENOSPC: the disk is full). */
    int (*reserve)(void *self, struct gm_spill_file *file, uint64_t bytes);
    /* Starts one.  Returns 0, GM_AGAIN when the queue is full (poll first), or -errno. */
    int (*start)(void *self, const struct gm_spill_transfer *transfer);
    /* Takes up to `count` completions; never blocks (without io_uring: may wait for the disk). */
    uint32_t (*poll)(void *self, struct gm_spill_completion *ret, uint32_t count);
    /* Polls readable when a completion may be there; -1: poll always gets on. */
    int (*descriptor)(void *self);
    /* Tells of memory that transfers will use again and again.  Returns its number, or -1 when that
     * is of no use. */
    int (*window_add)(void *self, void *memory, size_t bytes);
    void (*window_remove)(void *self, int window); /* nothing of it is under way */
};

struct gm_spill_disk {
    const struct gm_spill_disk_ops *ops;
    void *self;
};

#endif
