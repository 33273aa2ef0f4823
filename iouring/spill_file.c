/* spill_file.c - nameless files, and transfers to and from them. */
#include "iouring/spill_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#ifdef GM_HAVE_URING
#include "iouring/ring.h"
#endif

/* Names tried for a file that is unlinked at once. */
#define NAMES_MAX 100

struct gm_spill_file {
    struct gm_spill_file *next; /* of the open files of its disk */
    struct gm_spill_file *previous;
    int descriptor;
    bool direct;
};

struct request {
    struct request *next; /* in the free list, or in the queue of the plain disk */
    struct gm_spill_transfer transfer;
    bool used;
};

struct gm_spill_file_disk {
    struct gm_heap *heap;
    const struct gm_spill_disk_ops *ops;
    uint32_t depth;
    struct gm_spill_file *files;
    struct request *requests; /* depth of them */
    struct request *free;
    struct request *queue_head, *queue_tail; /* plain: not yet done, the oldest first */
    struct gm_spill_file_facts facts;
#ifdef GM_HAVE_URING
    struct io_uring ring;
    bool has_windows; /* a table of registered buffers */
    bool window_used[GM_SPILL_WINDOWS_MAX];
#endif
};

/* ---- files ----------------------------------------------------------------------------------- */

/* A file whose name is gone before anybody can look at it for long. */
static int open_unlinked(const char *directory, int flags)
{
    char name[GM_PATH_BYTES_MAX];
    for (uint32_t i = 0; i < NAMES_MAX; i++) {
        const int length = snprintf(name, sizeof name, "%s/.gleam-spill-%ld-%u", directory,
                                    (long)getpid(), i);
        if (length < 0 || (size_t)length >= sizeof name)
            return -ENAMETOOLONG;
        const int descriptor = open(name, flags | O_CREAT | O_EXCL, 0600);
        if (descriptor < 0 && errno == EEXIST)
            continue;
        if (descriptor < 0)
            return -errno;
        if (unlink(name) < 0) {
            const int rc = -errno;
            close(descriptor);
            return rc;
        }
        return descriptor;
    }
    return -EEXIST;
}

static int open_nameless(const char *directory, int flags)
{
    const int descriptor = open(directory, flags | O_TMPFILE, 0600);
    if (descriptor >= 0)
        return descriptor;
    if (errno != EOPNOTSUPP && errno != EISDIR)
        return -errno;
    return open_unlinked(directory, flags);
}

static int spill_create(void *self, const char *directory, struct gm_spill_file **ret_file)
{
    struct gm_spill_file_disk *disk = self;
    bool direct = true;
    int descriptor = open_nameless(directory, O_RDWR | O_CLOEXEC | O_DIRECT);
    if (descriptor == -EINVAL) {
        direct = false;
        descriptor = open_nameless(directory, O_RDWR | O_CLOEXEC);
    }
    if (descriptor < 0)
        return descriptor;
    struct gm_spill_file *file = gm_heap_zalloc(disk->heap, sizeof *file);
    if (file == NULL) {
        close(descriptor);
        return -ENOMEM;
    }
    file->descriptor = descriptor;
    file->direct = direct;
    file->next = disk->files;
    if (disk->files != NULL)
        disk->files->previous = file;
    disk->files = file;
    disk->facts.direct_count += direct;
    disk->facts.buffered_count += !direct;
    *ret_file = file;
    return 0;
}

static void spill_close(void *self, struct gm_spill_file *file)
{
    struct gm_spill_file_disk *disk = self;
    if (file->previous != NULL)
        file->previous->next = file->next;
    else
        disk->files = file->next;
    if (file->next != NULL)
        file->next->previous = file->previous;
    close(file->descriptor); /* what it held is of no use any more, nor is its error */
    gm_heap_free(disk->heap, file, sizeof *file);
}

/* Writes behind the end of a file wait for each other in the kernel; into reserved room they
 * don't. */
static int spill_reserve(void *self, struct gm_spill_file *file, uint64_t bytes)
{
    (void)self;
    int rc;
    do
        rc = fallocate(file->descriptor, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
    while (rc == -EINTR);
    return rc;
}

/* Some file systems take O_DIRECT and refuse the transfer. */
static bool make_buffered(struct gm_spill_file_disk *disk, struct gm_spill_file *file)
{
    const int flags = fcntl(file->descriptor, F_GETFL);
    if (flags < 0 || fcntl(file->descriptor, F_SETFL, flags & ~O_DIRECT) < 0)
        return false;
    if (file->direct) {
        disk->facts.direct_count--;
        disk->facts.buffered_count++;
    }
    file->direct = false;
    return true;
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct request *take_request(struct gm_spill_file_disk *disk,
                                    const struct gm_spill_transfer *transfer)
{
    struct request *request = disk->free;
    if (request == NULL)
        return NULL;
    disk->free = request->next;
    *request = (struct request){.transfer = *transfer, .used = true};
    return request;
}

static void complete(struct gm_spill_file_disk *disk, struct request *request, int64_t result,
                     struct gm_spill_completion *ret)
{
    GM_CHECK(request->used);
    *ret = (struct gm_spill_completion){.tag = request->transfer.tag, .result = result};
    request->used = false;
    request->next = disk->free;
    disk->free = request;
}

/* ---- pread and pwrite ------------------------------------------------------------------------ */

static int plain_start(void *self, const struct gm_spill_transfer *transfer)
{
    struct gm_spill_file_disk *disk = self;
    struct request *request = take_request(disk, transfer);
    if (request == NULL)
        return GM_AGAIN;
    if (disk->queue_tail == NULL)
        disk->queue_head = request;
    else
        disk->queue_tail->next = request;
    disk->queue_tail = request;
    return 0;
}

static int64_t move(const struct gm_spill_transfer *transfer)
{
    const int descriptor = transfer->file->descriptor;
    const off_t offset = (off_t)transfer->offset;
    const ssize_t moved = transfer->write
                              ? pwrite(descriptor, transfer->buffer, transfer->bytes, offset)
                              : pread(descriptor, transfer->buffer, transfer->bytes, offset);
    return moved < 0 ? -errno : moved;
}

static uint32_t plain_poll(void *self, struct gm_spill_completion *ret, uint32_t count)
{
    struct gm_spill_file_disk *disk = self;
    struct request *request = disk->queue_head;
    if (count == 0 || request == NULL)
        return 0;
    disk->queue_head = request->next;
    if (disk->queue_head == NULL)
        disk->queue_tail = NULL;
    int64_t result = move(&request->transfer);
    if (result == -EINVAL && request->transfer.file->direct &&
        make_buffered(disk, request->transfer.file))
        result = move(&request->transfer);
    complete(disk, request, result, ret);
    return 1;
}

static int plain_descriptor(void *self)
{
    (void)self;
    return -1;
}

static int plain_window_add(void *self, void *memory, size_t bytes)
{
    (void)self;
    (void)memory;
    (void)bytes;
    return -1;
}

static void plain_window_remove(void *self, int window)
{
    (void)self;
    (void)window;
}

static const struct gm_spill_disk_ops plain_ops = {
    .name = "pwrite",
    .create = spill_create,
    .close = spill_close,
    .reserve = spill_reserve,
    .start = plain_start,
    .poll = plain_poll,
    .descriptor = plain_descriptor,
    .window_add = plain_window_add,
    .window_remove = plain_window_remove,
};

/* ---- io_uring -------------------------------------------------------------------------------- */

#ifdef GM_HAVE_URING

static void prepare(struct request *request, struct io_uring_sqe *sqe)
{
    const struct gm_spill_transfer *transfer = &request->transfer;
    const int descriptor = transfer->file->descriptor;
    if (transfer->window >= 0 && transfer->write)
        io_uring_prep_write_fixed(sqe, descriptor, transfer->buffer, transfer->bytes,
                                  transfer->offset, transfer->window);
    else if (transfer->window >= 0)
        io_uring_prep_read_fixed(sqe, descriptor, transfer->buffer, transfer->bytes,
                                 transfer->offset, transfer->window);
    else if (transfer->write)
        io_uring_prep_write(sqe, descriptor, transfer->buffer, transfer->bytes, transfer->offset);
    else
        io_uring_prep_read(sqe, descriptor, transfer->buffer, transfer->bytes, transfer->offset);
    io_uring_sqe_set_data(sqe, request);
}

/* What the kernel would not take now stays in the ring and goes with the next call. */
static int submit(struct gm_spill_file_disk *disk)
{
    int rc;
    do
        rc = io_uring_submit(&disk->ring);
    while (rc == -EINTR);
    return rc >= 0 || rc == -EAGAIN || rc == -EBUSY || rc == -ENOMEM ? 0 : rc;
}

static int ring_start(struct gm_spill_file_disk *disk, struct request *request)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&disk->ring);
    GM_CHECK(sqe != NULL); /* the ring has a place for every request */
    prepare(request, sqe);
    return submit(disk);
}

static int uring_start(void *self, const struct gm_spill_transfer *transfer)
{
    struct gm_spill_file_disk *disk = self;
    struct request *request = take_request(disk, transfer);
    if (request == NULL)
        return GM_AGAIN;
    /* An entry in the ring cannot be taken back: an error shows in its completion, or never. */
    const int rc = ring_start(disk, request);
    GM_CHECK(rc == 0);
    return 0;
}

static uint32_t uring_poll(void *self, struct gm_spill_completion *ret, uint32_t count)
{
    struct gm_spill_file_disk *disk = self;
    if (io_uring_sq_ready(&disk->ring) > 0)
        (void)submit(disk);
    uint32_t taken = 0;
    while (taken < count) {
        struct io_uring_cqe *cqe = NULL;
        if (io_uring_peek_cqe(&disk->ring, &cqe) != 0 || cqe == NULL)
            break;
        struct request *request = io_uring_cqe_get_data(cqe);
        const int32_t result = cqe->res;
        io_uring_cqe_seen(&disk->ring, cqe);
        struct gm_spill_file *file = request->transfer.file;
        if (result == -EINVAL && file->direct && make_buffered(disk, file) &&
            ring_start(disk, request) == 0)
            continue;
        complete(disk, request, result, &ret[taken++]);
    }
    return taken;
}

static int uring_descriptor(void *self)
{
    struct gm_spill_file_disk *disk = self;
    (void)submit(disk);
    return disk->ring.ring_fd;
}

static int uring_window_add(void *self, void *memory, size_t bytes)
{
    struct gm_spill_file_disk *disk = self;
    for (uint32_t i = 0; disk->has_windows && i < disk->depth; i++) {
        if (disk->window_used[i])
            continue;
        const struct iovec window = {.iov_base = memory, .iov_len = bytes};
        const __u64 tag = 0;
        /* Locked memory may be limited: then this one and those behind it are ordinary memory. */
        if (io_uring_register_buffers_update_tag(&disk->ring, i, &window, &tag, 1) != 1) {
            disk->has_windows = false;
            return -1;
        }
        disk->window_used[i] = true;
        disk->facts.registered_count++;
        return (int)i;
    }
    return -1;
}

static void uring_window_remove(void *self, int window)
{
    struct gm_spill_file_disk *disk = self;
    const struct iovec nothing = {0};
    const __u64 tag = 0;
    GM_CHECK(window >= 0 && (uint32_t)window < disk->depth && disk->window_used[window]);
    (void)io_uring_register_buffers_update_tag(&disk->ring, (unsigned)window, &nothing, &tag, 1);
    disk->window_used[window] = false;
    disk->facts.registered_count--;
}

static const struct gm_spill_disk_ops uring_ops = {
    .name = "io_uring",
    .create = spill_create,
    .close = spill_close,
    .reserve = spill_reserve,
    .start = uring_start,
    .poll = uring_poll,
    .descriptor = uring_descriptor,
    .window_add = uring_window_add,
    .window_remove = uring_window_remove,
};

static int uring_init(struct gm_spill_file_disk *disk)
{
    static const int needs[] = {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_LAST};
    const int rc = gm_ring_open(&disk->ring, disk->depth, 0, needs);
    if (rc < 0)
        return rc;
    disk->has_windows = io_uring_register_buffers_sparse(&disk->ring, disk->depth) == 0;
    disk->ops = &uring_ops;
    return 0;
}

/* Takes the lent buffers back. */
static void uring_fini(struct gm_spill_file_disk *disk)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < disk->depth; i++)
        left += disk->requests[i].used;
    while (left > 0) {
        struct io_uring_cqe *cqe = NULL;
        int rc = io_uring_submit_and_wait(&disk->ring, 1);
        GM_CHECK(rc >= 0 || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY || rc == -ENOMEM);
        while (left > 0 && io_uring_peek_cqe(&disk->ring, &cqe) == 0 && cqe != NULL) {
            io_uring_cqe_seen(&disk->ring, cqe);
            left--;
        }
    }
    io_uring_queue_exit(&disk->ring);
}

#endif

/* ---- life ------------------------------------------------------------------------------------ */

static int choose(struct gm_spill_file_disk *disk, enum gm_file_backend want)
{
    want = gm_file_backend_wanted(want);
    disk->ops = &plain_ops;
    if (want == GM_FILE_BACKEND_PREAD)
        return 0;
#ifdef GM_HAVE_URING
    const int rc = uring_init(disk);
#else
    const int rc = -ENOSYS;
#endif
    if (rc == 0 || want == GM_FILE_BACKEND_URING)
        return rc;
    disk->facts.refusal = rc;
    return 0;
}

int gm_spill_file_disk_create(uint32_t depth, enum gm_file_backend want, struct gm_heap *heap,
                              struct gm_spill_file_disk **ret_disk)
{
    GM_CHECK(depth > 0 && depth <= GM_SPILL_WINDOWS_MAX);
    struct gm_spill_file_disk *disk = gm_heap_zalloc(heap, sizeof *disk);
    if (disk == NULL)
        return GM_ETASK_MEMORY;
    disk->heap = heap;
    disk->depth = depth;
    disk->requests = gm_heap_zalloc(heap, depth * sizeof *disk->requests);
    int rc = disk->requests == NULL ? GM_ETASK_MEMORY : 0;
    for (uint32_t i = depth; rc == 0 && i > 0; i--) {
        disk->requests[i - 1].next = disk->free;
        disk->free = &disk->requests[i - 1];
    }
    if (rc == 0)
        rc = choose(disk, want);
    if (rc < 0) {
        gm_heap_free(heap, disk->requests, depth * sizeof *disk->requests);
        gm_heap_free(heap, disk, sizeof *disk);
        return rc;
    }
    *ret_disk = disk;
    return 0;
}

void gm_spill_file_disk_destroy(struct gm_spill_file_disk *disk)
{
    if (disk == NULL)
        return;
    struct gm_heap *heap = disk->heap;
#ifdef GM_HAVE_URING
    if (disk->ops == &uring_ops)
        uring_fini(disk);
#endif
    while (disk->files != NULL)
        spill_close(disk, disk->files);
    gm_heap_free(heap, disk->requests, disk->depth * sizeof *disk->requests);
    gm_heap_free(heap, disk, sizeof *disk);
}

struct gm_spill_disk gm_spill_file_disk_port(struct gm_spill_file_disk *disk)
{
    return (struct gm_spill_disk){.ops = disk->ops, .self = disk};
}

void gm_spill_file_disk_facts(const struct gm_spill_file_disk *disk,
                              struct gm_spill_file_facts *ret_facts)
{
    *ret_facts = disk->facts;
}
