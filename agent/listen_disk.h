/* listen_disk.h - a disk port whose one file is what comes over a TCP connection.
 *
 * open binds the address and listens; the first one who connects is the file, and nobody else is
 * let in.  Reads are taken in order, whatever the offset, one at a time; the file ends where the
 * other side closes.  A connection that breaks off fails with the kernel's code, so a part of the
 * input is never taken for all of it.
 *
 * Threads: one executor's.  Memory: the disk itself.  Blocking: never; the descriptor is the
 * socket's.
 */
#ifndef GM_AGENT_LISTEN_DISK_H
#define GM_AGENT_LISTEN_DISK_H

#include <stdatomic.h>

#include "engine/base/heap.h"
#include "shuffle/port/disk.h"

struct gm_listen_disk;

/* Borrows the heap.  *port becomes the number of the port while it waits for a connection.
 * Returns 0 or GM_ETASK_MEMORY. */
int gm_listen_disk_create(_Atomic uint64_t *port, struct gm_heap *heap,
                          struct gm_listen_disk **ret_disk);
/* Closes what is open.  NULL is allowed. */
void gm_listen_disk_destroy(struct gm_listen_disk *disk);

/* Paths are "HOST:PORT", the host a number (127.0.0.1, [::1]) or localhost; port 0 is any. */
struct gm_disk gm_listen_disk_port(struct gm_listen_disk *disk);

#endif
