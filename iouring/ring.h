/* ring.h - how the rings of this room are made. */
#ifndef GM_IOURING_RING_H
#define GM_IOURING_RING_H

#include <liburing.h>
#include <stdint.h>

/* The kernel's numbers, for a liburing whose header is older than they are. */
#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#define IORING_SETUP_TASKRUN_FLAG (1U << 9)
#define IORING_SQ_TASKRUN (1U << 2)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

/* Makes a ring for this thread, with the best set-up that the kernel knows; more_flags: added where
 * it knows IORING_SETUP_COOP_TASKRUN, and IORING_SETUP_DEFER_TASKRUN of them where it knows that.
 * It knows every operation in needs, IORING_OP_LAST ends them, and one empty request went through
 * it.  Returns 0 or -errno, and then there is no ring. */
int gm_ring_open(struct io_uring *ring, uint32_t depth, unsigned more_flags, const int *needs);

#endif
