/* file.h - the disk port over io_uring, and over plain pread where io_uring is forbidden.
 *
 * Threads:   created, used and destroyed by one thread (the ring knows its only submitter).
 * Memory:    the heap's: the disk, one request per place in the queue, one small block per open
 *            file.  A read lends its buffer until its completion or until destroy returns.
 * Blocking:  io_uring: never, but a read that the page cache can answer is copied inside poll, and
 *            poll then stops starting further ones: at most one block is copied per call, so a
 *            caller that takes it at once finds it in its processor's cache.
 *            pread: one read per poll, which may wait for the disk; the other queued reads are
 *            announced to the kernel first, so the disk works on all of them.
 * Sleeping:  read() only queues.  The descriptor may be slept on once poll has returned 0, or
 *            straight after it was asked for: both hand everything queued to the kernel.
 * Streams:   FIFOs, terminals and other files without positions are read in the order of the
 *            calls; the offset is ignored.  Opening a FIFO does not wait for its writer, the first
 *            read does, without blocking the loop.  One read in flight per stream keeps the order.
 */
#ifndef GM_IOURING_FILE_H
#define GM_IOURING_FILE_H

#include <stdint.h>

#include "engine/base/heap.h"
#include "shuffle/port/disk.h"

enum gm_file_backend {
    GM_FILE_BACKEND_AUTO,  /* io_uring where the kernel allows it, else pread; GLEAM_IO_URING=off in
                            * the environment chooses pread */
    GM_FILE_BACKEND_URING, /* io_uring or an error */
    GM_FILE_BACKEND_PREAD,
};

/* AUTO becomes PREAD where the environment chooses it. */
enum gm_file_backend gm_file_backend_wanted(enum gm_file_backend want);

struct gm_file_disk;

/* Borrows heap until destroy.  depth reads may be under way at once; 1 to GM_DISK_DEPTH_MAX.
 * Returns 0, GM_ETASK_MEMORY or -errno. */
int gm_file_disk_create(uint32_t depth, enum gm_file_backend want, struct gm_heap *heap,
                        struct gm_file_disk **ret_disk);
/* Cancels or waits for the reads under way, so that every buffer is the caller's again; their
 * completions are lost.  Closes the files still open.  NULL is allowed. */
void gm_file_disk_destroy(struct gm_file_disk *disk);

/* The port; borrows the disk. */
struct gm_disk gm_file_disk_port(struct gm_file_disk *disk);

/* "io_uring" or "pread". */
const char *gm_file_disk_backend_name(const struct gm_file_disk *disk);
/* Why io_uring is not in use although AUTO looked for it: -errno of its setup, -ENOSYS when the
 * build has none; 0 when it is in use, switched off or was not asked for. */
int gm_file_disk_refusal(const struct gm_file_disk *disk);

#endif
