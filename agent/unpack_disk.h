/* unpack_disk.h - a disk port whose compressed files read as what is in them.
 *
 * Files whose names end in .gz, .zst or .bz2, and members of .zip files, are streams: they are read
 * in order, whatever the offset, by one read at a time; all others are the inner disk's.  What is
 * read is unpacked inside poll.  A file that ends inside a member fails with GM_EJOB_CUT, one that
 * is no such file with GM_EJOB_DAMAGED.
 *
 * Threads: one executor's.  Memory: per compressed file a block of 256 KiB and the library's.
 */
#ifndef GM_AGENT_UNPACK_DISK_H
#define GM_AGENT_UNPACK_DISK_H

#include "engine/base/heap.h"
#include "engine/flow/plan.h"
#include "shuffle/port/disk.h"

struct gm_unpack_disk;

/* True when the source has a compressed file or a member of an archive. */
bool gm_unpack_disk_wanted(const struct gm_source *source);

/* Borrows all.  A member is told by the address of its path in the source.  Returns 0 or
 * GM_ETASK_MEMORY. */
int gm_unpack_disk_create(const struct gm_source *source, const struct gm_disk *inner,
                          struct gm_heap *heap, struct gm_unpack_disk **ret_disk);
/* After the inner disk has ended its reads, which go into this one's blocks.  NULL is allowed. */
void gm_unpack_disk_destroy(struct gm_unpack_disk *disk);
struct gm_disk gm_unpack_disk_port(struct gm_unpack_disk *disk);

#endif
