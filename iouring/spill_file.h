/* spill_file.h - the spill disk over io_uring, and over pread and pwrite where that is forbidden.
 *
 * Threads:   created, used and destroyed by one thread.
 * Memory:    the heap's: the disk and one small request per place in the queue.
 * Files:     made with O_TMPFILE, or unlinked at once where the file system has no such thing, so
 *            nothing outlives the process.  O_DIRECT, and through the page cache where the file
 *            system refuses that.
 * Blocking:  io_uring: never.  Without it, each poll moves one transfer and waits for it.
 */
#ifndef GM_IOURING_SPILL_FILE_H
#define GM_IOURING_SPILL_FILE_H

#include <stdint.h>

#include "engine/base/heap.h"
#include "iouring/file.h"
#include "shuffle/port/spill_disk.h"

struct gm_spill_file_disk;

/* What became of the wishes. */
struct gm_spill_file_facts {
    uint32_t direct_count;     /* files that bypass the page cache */
    uint32_t buffered_count;   /* files that could not */
    uint32_t registered_count; /* windows that the kernel knows */
    int refusal;               /* io_uring: 0 in use or switched off; -errno of its setup */
};

/* Borrows heap until destroy.  depth transfers may be under way at once, 1 to
 * GM_SPILL_WINDOWS_MAX.  Returns 0, GM_ETASK_MEMORY or -errno. */
int gm_spill_file_disk_create(uint32_t depth, enum gm_file_backend want, struct gm_heap *heap,
                              struct gm_spill_file_disk **ret_disk);
/* Waits for the transfers under way, so that every buffer is the caller's again; their completions
 * are lost.  Closes the files still open.  NULL is allowed. */
void gm_spill_file_disk_destroy(struct gm_spill_file_disk *disk);

/* The port; borrows the disk. */
struct gm_spill_disk gm_spill_file_disk_port(struct gm_spill_file_disk *disk);
void gm_spill_file_disk_facts(const struct gm_spill_file_disk *disk,
                              struct gm_spill_file_facts *ret_facts);

#endif
