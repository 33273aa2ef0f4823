/* ring.c - a ring that was made can still be of no use, so it is tried. */
#include "iouring/ring.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>

#include "engine/base/check.h"

/* Best first: kernels 6.0, 5.19, older.  Not DEFER_TASKRUN, unless somebody asks for it: with it,
 * finished work does not wake the ring's owner when that sleeps in poll(2) on the ring's descriptor
 * (seen on 6.18: every such sleep lasted until its timeout), and reading blocks was no faster. */
static const unsigned setup_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
    IORING_SETUP_COOP_TASKRUN,
    0,
};

/* A kernel before 5.6 lacks operations; a filter may allow the setup and refuse the rest. */
static int try_ring(struct io_uring *ring, const int *needs)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool supported = probe != NULL;
    for (; supported && *needs != IORING_OP_LAST; needs++)
        supported = io_uring_opcode_supported(probe, *needs);
    if (probe != NULL)
        io_uring_free_probe(probe);
    if (!supported)
        return -EOPNOTSUPP;

    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    GM_CHECK(sqe != NULL);
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data(sqe, NULL);
    struct io_uring_cqe *cqe = NULL;
    int rc = io_uring_submit_and_wait(ring, 1);
    if (rc >= 0)
        rc = io_uring_wait_cqe(ring, &cqe);
    if (rc < 0)
        return rc;
    rc = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return rc;
}

int gm_ring_open(struct io_uring *ring, uint32_t depth, unsigned more_flags, const int *needs)
{
    int rc = -EINVAL;
    if ((more_flags & IORING_SETUP_DEFER_TASKRUN) != 0) {
        rc = io_uring_queue_init(depth, ring, setup_flags[0] | more_flags);
        more_flags &= ~IORING_SETUP_DEFER_TASKRUN; /* a kernel before 6.1 */
    }
    for (uint32_t i = 0; rc == -EINVAL && i < sizeof setup_flags / sizeof *setup_flags; i++)
        rc = io_uring_queue_init(depth, ring,
                                 setup_flags[i] != 0 ? setup_flags[i] | more_flags : 0);
    if (rc < 0)
        return rc;
    rc = try_ring(ring, needs);
    if (rc < 0) {
        io_uring_queue_exit(ring);
        return rc;
    }
    /* What the kernel cannot answer at once (a tmpfs, a cold file) is copied by worker threads:
     * they stay on this thread's cores, so that a pinned executor does not take another one's
     * time. */
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0)
        io_uring_register_iowq_aff(ring, sizeof cores, &cores);
    return 0;
}
