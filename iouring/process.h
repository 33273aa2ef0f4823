/* process.h - the process port: shell commands as children of a guard, their ends in an epoll set.
 *
 * The guard.  Commands are not children of the executor but of a small process beside it, the
 * guard: this program once more, told by an environment variable.  It starts them at the
 * executor's request, sees how they end, keeps the last lines of what they write to stderr (and
 * hands the rest on), and holds one end of a socket whose other end only the executor has.  When
 * that closes, however the executor died, the guard kills the process group of every chain, then
 * all that descends from it (it is their subreaper, so nobody leaves by a double fork), and goes.
 * A parent-death signal on the commands would be lost in their own children, a cgroup needs
 * rights; and as the guard is who starts a command, there is no moment in which one runs unknown.
 *
 * Commands get the processors that the driver may use, default signal dispositions, a process
 * group per chain, and no descriptor but 0, 1 and 2.
 *
 * Threads:   created, used and destroyed by one thread.
 * Memory:    the heap's, a few KiB per process (the guard's own is malloc, and small).
 * Blocking:  never, but create, which starts the guard, and destroy, which waits until the guard
 *            has killed what is left.
 * Transfers: plain read(2) and write(2) on pipes without blocking: io_uring was no faster, and
 *            vmsplice(2) is not safe with any command (figures in ARCHITECTURE.md).  Each end is in
 *            the epoll set once, edge-triggered, so that no system call switches interest on and
 *            off.
 */
#ifndef GM_IOURING_PROCESS_H
#define GM_IOURING_PROCESS_H

#include <sched.h>
#include <stdint.h>

#include "engine/base/heap.h"
#include "shuffle/port/process.h"

struct gm_process_host;

/* Borrows heap until destroy.  cores: what the commands may run on; copied.  Returns 0,
 * GM_ETASK_MEMORY or -errno. */
int gm_process_host_create(struct gm_heap *heap, const cpu_set_t *cores,
                           struct gm_process_host **ret_host);
/* Kills what still runs; every process must have been released.  NULL is allowed. */
void gm_process_host_destroy(struct gm_process_host *host);

/* Kills everything that runs while its input is still open, so that no command takes its end for
 * the end of its rows.  Nothing can be spawned any more. */
void gm_process_host_kill(struct gm_process_host *host);

/* The port; borrows the host. */
struct gm_processes gm_process_host_port(struct gm_process_host *host);

/* The guard's process, for tests. */
int gm_process_host_guard(const struct gm_process_host *host);

#endif
