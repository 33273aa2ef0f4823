/* file.c - opening files, the queue of reads, and the choice of the backend. */
#include "iouring/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "iouring/file_internal.h"

enum gm_file_backend gm_file_backend_wanted(enum gm_file_backend want)
{
    const char *setting = getenv("GLEAM_IO_URING");
    const bool off = setting != NULL && strcmp(setting, "off") == 0;
    return want == GM_FILE_BACKEND_AUTO && off ? GM_FILE_BACKEND_PREAD : want;
}

static int choose_backend(struct gm_file_disk *disk, enum gm_file_backend want)
{
    want = gm_file_backend_wanted(want);
    if (want == GM_FILE_BACKEND_PREAD)
        return gm_file_pread_init(disk);

#ifdef GM_HAVE_URING
    int rc = gm_file_uring_init(disk);
#else
    int rc = -ENOSYS;
#endif
    if (rc == 0 || want == GM_FILE_BACKEND_URING)
        return rc;
    /* Containers answer EPERM, old kernels ENOSYS, tight limits ENOMEM; reading works anyway. */
    disk->refusal = rc;
    return gm_file_pread_init(disk);
}

int gm_file_disk_create(uint32_t depth, enum gm_file_backend want, struct gm_heap *heap,
                        struct gm_file_disk **ret_disk)
{
    GM_CHECK(depth > 0 && depth <= GM_DISK_DEPTH_MAX);
    GM_CHECK(heap != NULL);
    GM_CHECK(ret_disk != NULL);

    struct gm_file_disk *disk = gm_heap_zalloc(heap, sizeof(*disk));
    if (disk == NULL)
        return GM_ETASK_MEMORY;
    disk->heap = heap;
    disk->depth = depth;
    disk->epoll_descriptor = -1;
    disk->work_descriptor = -1;

    int rc = GM_ETASK_MEMORY;
    disk->requests = gm_heap_zalloc(heap, depth * sizeof(*disk->requests));
    if (disk->requests == NULL)
        goto free_disk;
    for (uint32_t i = depth; i > 0; i--) {
        disk->requests[i - 1].next = disk->free;
        disk->free = &disk->requests[i - 1];
    }

    rc = choose_backend(disk, want);
    if (rc < 0)
        goto free_requests;
    GM_CHECK(disk->ops != NULL);
    *ret_disk = disk;
    return 0;

free_requests:
    gm_heap_free(heap, disk->requests, depth * sizeof(*disk->requests));
free_disk:
    gm_heap_free(heap, disk, sizeof(*disk));
    return rc;
}

void gm_file_disk_destroy(struct gm_file_disk *disk)
{
    if (disk == NULL)
        return;
    struct gm_heap *heap = disk->heap;
#ifdef GM_HAVE_URING
    if (disk->ops == &gm_file_ops_uring)
        gm_file_uring_fini(disk);
#endif
    if (disk->ops == &gm_file_ops_pread)
        gm_file_pread_fini(disk);
    while (disk->files != NULL) {
        disk->files->reads_count = 0; /* the backend has dropped them */
        gm_file_close(disk, disk->files);
    }
    gm_heap_free(heap, disk->requests, disk->depth * sizeof(*disk->requests));
    gm_heap_free(heap, disk, sizeof(*disk));
}

struct gm_disk gm_file_disk_port(struct gm_file_disk *disk)
{
    GM_CHECK(disk != NULL);
    return (struct gm_disk){.ops = disk->ops, .self = disk};
}

const char *gm_file_disk_backend_name(const struct gm_file_disk *disk)
{
    return disk->ops->name;
}

int gm_file_disk_refusal(const struct gm_file_disk *disk)
{
    return disk->refusal;
}

/* An own descriptor that is a stream is the same stream, not another opening of it, which would not
 * notice that the writer of a pipe has gone.  Returns a new descriptor, or -1 for anything else. */
static int inherited_stream(const char *path)
{
    static const char begin[] = "/proc/self/fd/";
    struct stat status;
    char *end;
    if (strncmp(path, begin, sizeof begin - 1) != 0)
        return -1;
    const long number = strtol(path + sizeof begin - 1, &end, 10);
    if (*end != '\0' || number < 0 || number > INT_MAX || fstat((int)number, &status) < 0 ||
        S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))
        return -1;
    return fcntl((int)number, F_DUPFD_CLOEXEC, 0);
}

/* Opens without waiting for a FIFO's writer.  A regular file under a lease answers EAGAIN to that;
 * then waiting for the lease is right. */
static int open_descriptor(const char *path)
{
    const int inherited = inherited_stream(path);
    if (inherited >= 0)
        return inherited;
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY;
    int extra = O_NONBLOCK;
    for (;;) {
        int descriptor = open(path, flags | extra);
        if (descriptor >= 0)
            return descriptor;
        if (errno == EAGAIN && extra != 0)
            extra = 0;
        else if (errno != EINTR)
            return -errno;
    }
}

int gm_file_open(void *self, const char *path, struct gm_disk_file **ret_file)
{
    struct gm_file_disk *disk = self;
    GM_CHECK(path != NULL);
    GM_CHECK(ret_file != NULL);

    int descriptor = open_descriptor(path);
    if (descriptor < 0)
        return descriptor;

    int rc;
    struct stat status;
    if (fstat(descriptor, &status) < 0) {
        rc = -errno;
        goto close_descriptor;
    }
    if (S_ISDIR(status.st_mode)) {
        rc = -EISDIR;
        goto close_descriptor;
    }
    bool stream = !S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode);
    if (!stream) {
        /* A positional read must wait for the disk, not answer EAGAIN. */
        int flags = fcntl(descriptor, F_GETFL);
        if (flags < 0 || fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) < 0) {
            rc = -errno;
            goto close_descriptor;
        }
        /* Advice only: a file system may decline it. */
        (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    }

    struct gm_disk_file *file = gm_heap_zalloc(disk->heap, sizeof(*file));
    if (file == NULL) {
        rc = -ENOMEM;
        goto close_descriptor;
    }
    file->descriptor = descriptor;
    file->stream = stream;
    file->next = disk->files;
    if (disk->files != NULL)
        disk->files->previous = file;
    disk->files = file;
    *ret_file = file;
    return 0;

close_descriptor:
    close(descriptor);
    return rc;
}

void gm_file_close(void *self, struct gm_disk_file *file)
{
    struct gm_file_disk *disk = self;
    GM_CHECK(file != NULL);
    GM_CHECK(file->reads_count == 0);
    if (file->previous != NULL)
        file->previous->next = file->next;
    else
        disk->files = file->next;
    if (file->next != NULL)
        file->next->previous = file->previous;
    close(file->descriptor); /* also leaves the epoll set; errors of reading were reported */
    gm_heap_free(disk->heap, file, sizeof(*file));
}

int gm_file_read(void *self, struct gm_disk_file *file, uint64_t offset, void *buffer,
                 uint32_t bytes, void *tag)
{
    struct gm_file_disk *disk = self;
    GM_CHECK(file != NULL);
    GM_CHECK(buffer != NULL || bytes == 0);

    /* -1 would mean "the current position" to io_uring; the others mean nothing anywhere. */
    if (!file->stream && offset > INT64_MAX)
        return -EINVAL;
    struct gm_file_request *request = disk->free;
    if (request == NULL)
        return GM_AGAIN;
    disk->free = request->next;
    *request = (struct gm_file_request){
        .file = file, .buffer = buffer, .tag = tag, .offset = offset, .bytes = bytes};
    file->reads_count++;
    gm_file_queue_push(disk, request);
    return 0;
}

void gm_file_queue_push(struct gm_file_disk *disk, struct gm_file_request *request)
{
    GM_CHECK(request->file != NULL);
    request->next = NULL;
    if (disk->queue_tail == NULL)
        disk->queue_head = request;
    else
        disk->queue_tail->next = request;
    disk->queue_tail = request;
}

struct gm_file_request *gm_file_queue_pop(struct gm_file_disk *disk)
{
    struct gm_file_request *request = disk->queue_head;
    if (request == NULL)
        return NULL;
    disk->queue_head = request->next;
    if (disk->queue_head == NULL)
        disk->queue_tail = NULL;
    request->next = NULL;
    return request;
}

void gm_file_complete(struct gm_file_disk *disk, struct gm_file_request *request, int64_t result,
                      struct gm_disk_completion *ret)
{
    GM_CHECK(request->file != NULL);
    GM_CHECK(request->file->reads_count > 0);
    GM_CHECK(result <= (int64_t)request->bytes);
    request->file->reads_count--;
    *ret = (struct gm_disk_completion){.tag = request->tag, .result = result};
    request->file = NULL;
    request->next = disk->free;
    disk->free = request;
}
