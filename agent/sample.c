/* sample.c - open, look, close. */
#include "agent/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/source/unpack.h"

static int refuse(const struct gm_file *file, int rc, struct gm_error *error)
{
    return gm_error_set(error, GM_EJOB_INPUT, "cannot read %s: %s", file->path,
                        gm_error_name(rc));
}

/* Fills data with what the file has.  Returns 0, GM_END when that was all, or < 0. */
static int read_plain(int fd, uint8_t *data, size_t bytes_max, size_t *ret_bytes)
{
    while (*ret_bytes < bytes_max) {
        const ssize_t got = read(fd, data + *ret_bytes, bytes_max - *ret_bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : GM_END;
        *ret_bytes += (size_t)got;
    }
    return 0;
}

/* The same with what is in a compressed file. */
static int read_packed(int fd, struct gm_unpacker *unpacker, uint8_t *data, size_t bytes_max,
                       size_t *ret_bytes)
{
    uint8_t input[16384];
    while (*ret_bytes < bytes_max) {
        size_t input_bytes = 0;
        const int end = read_plain(fd, input, sizeof input, &input_bytes);
        if (end < 0)
            return end;
        const uint8_t *next = input;
        while (input_bytes > 0 && *ret_bytes < bytes_max) {
            size_t got;
            const int rc = gm_unpacker_run(unpacker, &next, &input_bytes, data + *ret_bytes,
                                           bytes_max - *ret_bytes, &got);
            if (rc < 0)
                return rc;
            *ret_bytes += got;
        }
        if (end == GM_END && *ret_bytes < bytes_max)
            return gm_unpacker_may_end(unpacker) ? GM_END : GM_EJOB_CUT;
    }
    return 0;
}

static int read_file(int fd, enum gm_compression method, uint8_t *data, size_t bytes_max,
                     size_t *ret_bytes)
{
    struct gm_heap heap;
    struct gm_unpacker *unpacker;
    *ret_bytes = 0;
    if (method == GM_COMPRESSION_NONE)
        return read_plain(fd, data, bytes_max, ret_bytes);
    int rc = gm_heap_init(&heap, UINT64_MAX);
    if (rc < 0)
        return rc;
    rc = gm_unpacker_create(method, &heap, &unpacker);
    if (rc == 0) {
        rc = read_packed(fd, unpacker, data, bytes_max, ret_bytes);
        gm_unpacker_destroy(unpacker);
    }
    gm_heap_fini(&heap);
    return rc;
}

int gm_sample_file(const struct gm_file *file, uint8_t *data, size_t bytes_max, size_t *ret_bytes,
                   bool *ret_whole, struct gm_error *error)
{
    struct stat stat_buffer;
    size_t bytes;
    /* Looked at before it is opened: opening a pipe tells its writer that there is a reader. */
    if (stat(file->path, &stat_buffer) < 0)
        return refuse(file, -errno, error);
    if (!S_ISREG(stat_buffer.st_mode))
        return GM_AGAIN;
    const int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse(file, -errno, error);
    const int rc = read_file(fd, gm_compression_of(file->path, NULL), data, bytes_max, &bytes);
    close(fd);
    if (rc < 0)
        return refuse(file, rc, error);
    *ret_bytes = bytes;
    *ret_whole = rc == GM_END || bytes == file->bytes;
    return 0;
}
