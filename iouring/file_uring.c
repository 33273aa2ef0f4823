/* file_uring.c - the disk port over io_uring.
 *
 * Reads are queued by read() and handed to the kernel in poll, one system call each, until one of
 * them completes inside its submission: the page cache had it, and a further one would only push
 * this block out of the processor's cache before the caller looks at it.  Reads that must wait for
 * the disk do not complete there, so all of them get under way at once.
 */
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "iouring/file_internal.h"
#include "iouring/ring.h"

/* Lets the kernel finish what waits for this thread.  If it fails, the flag that asked for it stays
 * and the next poll tries again. */
static void enter_for_events(struct gm_file_disk *disk)
{
    (void)syscall(__NR_io_uring_enter, disk->ring.ring_fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
}

int gm_file_uring_init(struct gm_file_disk *disk)
{
    static const int needs[] = {IORING_OP_READ, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
                                IORING_OP_LAST};
    /* TASKRUN_FLAG makes an empty poll one memory load. */
    const int rc = gm_ring_open(&disk->ring, disk->depth, IORING_SETUP_TASKRUN_FLAG, needs);
    if (rc == 0)
        disk->ops = &gm_file_ops_uring;
    return rc;
}

/* Prepares the next step of a request.  A stream is polled before it is read: its read would
 * answer "end of file" while a FIFO has had no writer yet. */
static void prepare(struct gm_file_request *request, struct io_uring_sqe *sqe)
{
    struct gm_disk_file *file = request->file;
    if (file->stream && !request->ready) {
        io_uring_prep_poll_add(sqe, file->descriptor, POLLIN);
    } else {
        uint64_t offset = file->stream ? UINT64_MAX : request->offset;
        io_uring_prep_read(sqe, file->descriptor, request->buffer, request->bytes, offset);
        /* The second try runs on a kernel thread that may wait, so it is not told EAGAIN again. */
        if (request->retries_count > 0)
            sqe->flags |= IOSQE_ASYNC;
    }
    io_uring_sqe_set_data(sqe, request);
}

/* The kernel takes nothing more.  The entry still names the caller's buffer, so it is blanked
 * before the request goes back to the queue to be failed. */
static void give_up(struct gm_file_disk *disk, int error)
{
    struct gm_file_request *request = (void *)(uintptr_t)disk->refused->user_data;
    io_uring_prep_nop(disk->refused);
    io_uring_sqe_set_data(disk->refused, NULL);
    disk->refused = NULL;
    request->submitted = false;
    disk->submitted_count--;
    gm_file_queue_push(disk, request);
    disk->ring_error = error;
}

/* Hands one queued request to the kernel.  Returns false when it would not take it now. */
static bool submit_next(struct gm_file_disk *disk)
{
    /* An entry that the kernel refused last time still lies there and goes first. */
    if (io_uring_sq_ready(&disk->ring) == 0) {
        struct gm_file_request *request = gm_file_queue_pop(disk);
        GM_CHECK(request != NULL && !request->submitted);
        struct io_uring_sqe *sqe = io_uring_get_sqe(&disk->ring);
        GM_CHECK(sqe != NULL);
        prepare(request, sqe);
        disk->refused = sqe;
        request->submitted = true;
        disk->submitted_count++;
    }
    int rc;
    do {
        rc = io_uring_submit(&disk->ring);
    } while (rc == -EINTR);
    if (rc > 0) {
        disk->refused = NULL;
        return true;
    }
    GM_CHECK(rc != -EEXIST); /* another thread than the creator's */
    /* Short of memory or of completion space: the next poll tries again. */
    if (rc < 0 && rc != -EAGAIN && rc != -EBUSY && rc != -ENOMEM)
        give_up(disk, rc);
    return false;
}

static bool submit_pending(const struct gm_file_disk *disk)
{
    return disk->queue_head != NULL || io_uring_sq_ready(&disk->ring) > 0;
}

/* True when the completion is the caller's; false when the request took another step. */
static bool settle(struct gm_file_disk *disk, struct gm_file_request *request, int32_t result,
                   struct gm_disk_completion *ret)
{
    GM_CHECK(request->submitted);
    GM_CHECK(disk->submitted_count > 0);
    request->submitted = false;
    disk->submitted_count--;

    bool stream = request->file->stream;
    if (stream && !request->ready) {
        request->ready = true; /* or polling failed, then reading says why */
        gm_file_queue_push(disk, request);
        return false;
    }
    if (result == -EAGAIN && stream) {
        request->ready = false; /* another reader of the stream was faster */
        gm_file_queue_push(disk, request);
        return false;
    }
    if ((result == -EAGAIN || result == -EINTR) && request->retries_count < GM_DISK_RETRIES_MAX) {
        request->retries_count++;
        gm_file_queue_push(disk, request);
        return false;
    }
    gm_file_complete(disk, request, result, ret);
    return true;
}

static uint32_t reap(struct gm_file_disk *disk, struct gm_disk_completion *ret, uint32_t count)
{
    struct io_uring *ring = &disk->ring;
    /* Finished work of ours waits in the kernel until we come for it. */
    unsigned state = __atomic_load_n(ring->sq.kflags, __ATOMIC_RELAXED);
    if ((state & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0)
        enter_for_events(disk);

    uint32_t taken = 0;
    unsigned left = io_uring_cq_ready(ring);
    for (; left > 0 && taken < count; left--) {
        unsigned head = *ring->cq.khead;
        struct io_uring_cqe *cqe = &ring->cq.cqes[head & *ring->cq.kring_mask];
        struct gm_file_request *request = io_uring_cqe_get_data(cqe);
        int32_t result = cqe->res;
        io_uring_cq_advance(ring, 1);
        if (request != NULL && settle(disk, request, result, &ret[taken]))
            taken++;
    }
    return taken;
}

static uint32_t uring_poll(void *self, struct gm_disk_completion *ret, uint32_t count)
{
    struct gm_file_disk *disk = self;
    if (count == 0)
        return 0;
    uint32_t taken = reap(disk, ret, count);
    /* A stream takes two steps.  The bound is for a device that polls readable and never reads. */
    uint32_t steps_left = 2 * disk->depth;
    while (submit_pending(disk) && disk->ring_error == 0 && steps_left-- > 0) {
        unsigned before = io_uring_cq_ready(&disk->ring);
        if (!submit_next(disk))
            break;
        if (io_uring_cq_ready(&disk->ring) == before)
            continue; /* it waits for the disk: start the next */
        uint32_t got = reap(disk, ret + taken, count - taken);
        taken += got;
        if (got > 0 || taken == count)
            break;
    }
    if (disk->ring_error != 0) {
        struct gm_file_request *request;
        while (taken < count && (request = gm_file_queue_pop(disk)) != NULL)
            gm_file_complete(disk, request, disk->ring_error, &ret[taken++]);
    }
    return taken;
}

static int uring_descriptor(void *self)
{
    struct gm_file_disk *disk = self;
    while (submit_pending(disk) && disk->ring_error == 0 && submit_next(disk))
        ;
    return disk->ring.ring_fd;
}

/* Takes the lent buffers back: cancels what can be cancelled (a FIFO without a writer would never
 * end), waits for the rest. */
void gm_file_uring_fini(struct gm_file_disk *disk)
{
    struct io_uring *ring = &disk->ring;
    for (uint32_t i = 0; i < disk->depth && disk->ring_error == 0; i++) {
        struct gm_file_request *request = &disk->requests[i];
        if (!request->submitted)
            continue;
        /* The queue has `depth` entries and only refused ones linger, so there is room. */
        struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
        if (sqe == NULL) {
            (void)io_uring_submit(ring);
            sqe = io_uring_get_sqe(ring);
        }
        GM_CHECK(sqe != NULL);
        io_uring_prep_rw(IORING_OP_ASYNC_CANCEL, sqe, -1, request, 0, 0);
        io_uring_sqe_set_data(sqe, NULL);
    }
    while (disk->submitted_count > 0) {
        int rc = io_uring_submit_and_wait(ring, 1);
        /* Anything else would leave a caller's buffer in the kernel's hands for good. */
        GM_CHECK(rc >= 0 || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY || rc == -ENOMEM);
        unsigned left = io_uring_cq_ready(ring);
        for (; left > 0; left--) {
            struct io_uring_cqe *cqe = &ring->cq.cqes[*ring->cq.khead & *ring->cq.kring_mask];
            struct gm_file_request *request = io_uring_cqe_get_data(cqe);
            io_uring_cq_advance(ring, 1);
            if (request == NULL)
                continue;
            GM_CHECK(request->submitted);
            request->submitted = false;
            disk->submitted_count--;
        }
    }
    io_uring_queue_exit(ring);
}

const struct gm_disk_ops gm_file_ops_uring = {
    .name = "io_uring",
    .open = gm_file_open,
    .close = gm_file_close,
    .read = gm_file_read,
    .poll = uring_poll,
    .descriptor = uring_descriptor,
};
