/* file_internal.h - what the two backends of file.c share: the requests and their queue. */
#ifndef GM_IOURING_FILE_INTERNAL_H
#define GM_IOURING_FILE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#ifdef GM_HAVE_URING
#include <liburing.h>
#endif

#include "iouring/file.h"

struct gm_disk_file {
    struct gm_disk_file *next; /* of the open files of its disk */
    struct gm_disk_file *previous;
    int descriptor;
    bool stream;   /* no positions: FIFO, terminal, character device */
    bool watched;  /* pread: in the epoll set */
    uint32_t reads_count; /* lent to the disk now */
};

struct gm_file_request {
    struct gm_file_request *next; /* in the free list or the queue */
    struct gm_disk_file *file;    /* NULL while free */
    void *buffer;
    void *tag;
    uint64_t offset;
    uint32_t bytes;
    uint32_t retries_count;
    bool ready;     /* stream: it polled readable, the next step is to read */
    bool parked;    /* pread: waits for its stream to become readable */
    bool announced; /* pread: the kernel was told that it comes */
    bool submitted; /* io_uring: the kernel has it */
};

struct gm_file_disk {
    struct gm_heap *heap;
    const struct gm_disk_ops *ops;
    uint32_t depth;
    int refusal;
    struct gm_disk_file *files;
    struct gm_file_request *requests; /* depth of them */
    struct gm_file_request *free;
    struct gm_file_request *queue_head; /* asked for, not yet started, oldest first */
    struct gm_file_request *queue_tail;
#ifdef GM_HAVE_URING
    struct io_uring ring;
    struct io_uring_sqe *refused; /* the entry of submit_next that the kernel has not taken yet */
    uint32_t submitted_count;
    int ring_error; /* io_uring_enter failed for good: what every queued read is told */
#endif
    int epoll_descriptor; /* pread: readable when a poll may complete something */
    int work_descriptor;  /* pread: eventfd in the epoll set, 1 while the queue holds something */
    bool work_shown;
    uint32_t parked_count;
};

extern const struct gm_disk_ops gm_file_ops_pread;
int gm_file_pread_init(struct gm_file_disk *disk);
void gm_file_pread_fini(struct gm_file_disk *disk);

#ifdef GM_HAVE_URING
extern const struct gm_disk_ops gm_file_ops_uring;
int gm_file_uring_init(struct gm_file_disk *disk);
void gm_file_uring_fini(struct gm_file_disk *disk);
#endif

int gm_file_open(void *self, const char *path, struct gm_disk_file **ret_file);
void gm_file_close(void *self, struct gm_disk_file *file);
/* Queues a read; the backend starts it in poll. */
int gm_file_read(void *self, struct gm_disk_file *file, uint64_t offset, void *buffer,
                 uint32_t bytes, void *tag);

void gm_file_queue_push(struct gm_file_disk *disk, struct gm_file_request *request);
/* NULL when empty. */
struct gm_file_request *gm_file_queue_pop(struct gm_file_disk *disk);
/* Fills the completion and frees the request. */
void gm_file_complete(struct gm_file_disk *disk, struct gm_file_request *request, int64_t result,
                      struct gm_disk_completion *ret);

#endif
