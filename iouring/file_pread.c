/* file_pread.c - the disk port by plain system calls, for where io_uring is forbidden.
 *
 * One read per poll.  A read that the page cache cannot answer at once is preceded by announcing
 * every queued read (POSIX_FADV_WILLNEED), so that the disk sees them all while we wait for one.
 * A stream without data parks its read and is watched by epoll.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "iouring/file_internal.h"

/* Events taken from epoll at once; more streams than that are found by the next poll. */
#define EVENTS_MAX 16

int gm_file_pread_init(struct gm_file_disk *disk)
{
    int rc;
    disk->epoll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    if (disk->epoll_descriptor < 0)
        return -errno;
    disk->work_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (disk->work_descriptor < 0) {
        rc = -errno;
        goto close_epoll;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(disk->epoll_descriptor, EPOLL_CTL_ADD, disk->work_descriptor, &event) < 0) {
        rc = -errno;
        goto close_work;
    }
    disk->ops = &gm_file_ops_pread;
    return 0;

close_work:
    close(disk->work_descriptor);
close_epoll:
    close(disk->epoll_descriptor);
    return rc;
}

void gm_file_pread_fini(struct gm_file_disk *disk)
{
    /* Queued reads have not touched their buffers, so there is nothing to wait for. */
    close(disk->work_descriptor);
    close(disk->epoll_descriptor);
}

/* Keeps the descriptor readable exactly while the queue holds something to do. */
static void show_work(struct gm_file_disk *disk)
{
    bool work = disk->queue_head != NULL;
    if (work == disk->work_shown)
        return;
    uint64_t value = 1;
    ssize_t done;
    do {
        if (work)
            done = write(disk->work_descriptor, &value, sizeof(value));
        else
            done = read(disk->work_descriptor, &value, sizeof(value));
    } while (done < 0 && errno == EINTR);
    GM_CHECK(done == sizeof(value));
    disk->work_shown = work;
}

/* Watches the stream once.  Returns false when the kernel cannot tell: then it is just read. */
static bool park(struct gm_file_disk *disk, struct gm_file_request *request)
{
    struct gm_disk_file *file = request->file;
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = file};
    int operation = file->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(disk->epoll_descriptor, operation, file->descriptor, &event) < 0)
        return false;
    file->watched = true;
    request->parked = true;
    disk->parked_count++;
    return true;
}

static void unpark(struct gm_file_disk *disk)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(disk->epoll_descriptor, events, EVENTS_MAX, 0);
    for (int e = 0; e < count; e++) {
        if (events[e].data.ptr == NULL)
            continue; /* the work eventfd */
        for (uint32_t i = 0; i < disk->depth; i++) {
            struct gm_file_request *request = &disk->requests[i];
            if (request->file != events[e].data.ptr || !request->parked)
                continue;
            request->parked = false;
            GM_CHECK(disk->parked_count > 0);
            disk->parked_count--;
            gm_file_queue_push(disk, request);
        }
    }
}

/* Returns 0 with the result, or GM_AGAIN when the request waits for its stream. */
static int read_stream(struct gm_file_disk *disk, struct gm_file_request *request,
                       int64_t *ret_result)
{
    int descriptor = request->file->descriptor;
    struct pollfd watch = {.fd = descriptor, .events = POLLIN};
    /* A FIFO that has had no writer yet reads as "end of file", but does not poll as one. */
    if (poll(&watch, 1, 0) == 0 && park(disk, request))
        return GM_AGAIN;
    ssize_t done;
    do {
        done = read(descriptor, request->buffer, request->bytes);
    } while (done < 0 && errno == EINTR);
    if (done < 0 && errno == EAGAIN) {
        /* Another reader of the stream was faster. */
        if (!park(disk, request))
            gm_file_queue_push(disk, request);
        return GM_AGAIN;
    }
    *ret_result = done < 0 ? -errno : done;
    return 0;
}

static void announce_queued(struct gm_file_disk *disk)
{
    for (struct gm_file_request *request = disk->queue_head; request; request = request->next) {
        if (request->announced || request->file->stream)
            continue;
        request->announced = true;
        (void)posix_fadvise(request->file->descriptor, (off_t)request->offset, request->bytes,
                            POSIX_FADV_WILLNEED);
    }
}

static int64_t read_position(struct gm_file_disk *disk, struct gm_file_request *request)
{
    int descriptor = request->file->descriptor;
    off_t offset = (off_t)request->offset;
    struct iovec vector = {.iov_base = request->buffer, .iov_len = request->bytes};
    ssize_t done = preadv2(descriptor, &vector, 1, offset, RWF_NOWAIT);
    if (done >= 0)
        return done;
    /* Not in the page cache, or a file system that knows no RWF_NOWAIT. */
    announce_queued(disk);
    for (uint32_t tries = 0;; tries++) {
        done = pread(descriptor, request->buffer, request->bytes, offset);
        if (done >= 0)
            return done;
        if ((errno != EINTR && errno != EAGAIN) || tries == GM_DISK_RETRIES_MAX)
            return -errno;
    }
}

static uint32_t pread_poll(void *self, struct gm_disk_completion *ret, uint32_t count)
{
    struct gm_file_disk *disk = self;
    if (count == 0)
        return 0;
    if (disk->parked_count > 0)
        unpark(disk);

    uint32_t taken = 0;
    struct gm_file_request *request = gm_file_queue_pop(disk);
    if (request != NULL) {
        int64_t result = 0;
        int rc = 0;
        if (request->file->stream)
            rc = read_stream(disk, request, &result);
        else
            result = read_position(disk, request);
        if (rc == 0)
            gm_file_complete(disk, request, result, &ret[taken++]);
    }
    show_work(disk);
    return taken;
}

static int pread_descriptor(void *self)
{
    struct gm_file_disk *disk = self;
    show_work(disk);
    return disk->epoll_descriptor;
}

const struct gm_disk_ops gm_file_ops_pread = {
    .name = "pread",
    .open = gm_file_open,
    .close = gm_file_close,
    .read = gm_file_read,
    .poll = pread_poll,
    .descriptor = pread_descriptor,
};
