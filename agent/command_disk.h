/* command_disk.h - a disk port in which a file may be what a command writes to its standard output.
 *
 * Files of the source that are commands are started by /bin/sh when they are opened, in a process
 * group of their own and on all cores, with an empty standard input and this process's standard
 * error.  The end of the stream is the command's: where it failed, the last read fails with
 * GM_EJOB_COMMAND.  A command that is not read to its end is killed when its file is closed, and
 * its children with it; for an executor that is killed, the driver does that (gm_command_kill),
 * which finds the process group in a word of the region.  Where driver and executors are killed
 * at once, or an executor in the moment of starting it, it runs on until it writes.  All other
 * files are the inner disk's.
 *
 * Threads: one executor's.  Memory: a few words per file.
 */
#ifndef GM_AGENT_COMMAND_DISK_H
#define GM_AGENT_COMMAND_DISK_H

#include <stdatomic.h>

#include "engine/base/heap.h"
#include "engine/flow/plan.h"
#include "shuffle/port/disk.h"
#include "shuffle/region.h"

struct gm_command_disk;

/* Borrows all.  Files are opened by the very paths that the source has.  Returns 0 or
 * GM_ETASK_MEMORY. */
int gm_command_disk_create(const struct gm_source *source, const struct gm_disk *inner,
                           _Atomic uint64_t *group, struct gm_heap *heap,
                           struct gm_command_disk **ret_disk);
/* After the inner disk has ended its reads.  Kills what still runs.  NULL is allowed. */
void gm_command_disk_destroy(struct gm_command_disk *disk);
struct gm_disk gm_command_disk_port(struct gm_command_disk *disk);

/* Driver: kills what runs under this word, when the executor is gone. */
void gm_command_kill(_Atomic uint64_t *group);
/* ... and under every word of the plan's sources. */
void gm_command_kill_all(const struct gm_plan *plan, const struct gm_region *region);

#endif
