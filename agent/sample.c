/* sample.c - open, look, close. */
#include "agent/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

/* What unpacks: one of the two. */
struct unpacking {
    struct gm_unpacker *unpacker;
    struct gm_zip_stream *member;
};

static int unpack(const struct unpacking *how, const uint8_t **data, size_t *bytes, uint8_t *out,
                  size_t out_bytes, size_t *ret_bytes)
{
    return how->member != NULL
               ? gm_zip_stream_run(how->member, data, bytes, out, out_bytes, ret_bytes)
               : gm_unpacker_run(how->unpacker, data, bytes, out, out_bytes, ret_bytes);
}

/* The same with what is in a compressed file. */
static int read_packed(int fd, const struct unpacking *how, uint8_t *data, size_t bytes_max,
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
            const int rc = unpack(how, &next, &input_bytes, data + *ret_bytes,
                                  bytes_max - *ret_bytes, &got);
            if (rc < 0)
                return rc;
            *ret_bytes += got;
            if (how->member != NULL && gm_zip_stream_ended(how->member))
                return GM_END;
        }
        if (end == GM_END && *ret_bytes < bytes_max)
            return how->member == NULL && gm_unpacker_may_end(how->unpacker) ? GM_END
                                                                             : GM_EJOB_CUT;
    }
    return 0;
}

static int read_file(int fd, const struct gm_file *file, uint8_t *data, size_t bytes_max,
                     size_t *ret_bytes)
{
    struct gm_heap heap;
    struct unpacking how = {0};
    const enum gm_compression method = gm_compression_of(file->path, NULL);
    *ret_bytes = 0;
    if (file->archive_bytes == 0 && method == GM_COMPRESSION_NONE)
        return read_plain(fd, data, bytes_max, ret_bytes);
    int rc = gm_heap_init(&heap, UINT64_MAX);
    if (rc < 0)
        return rc;
    if (file->archive_bytes == 0)
        rc = gm_unpacker_create(method, &heap, &how.unpacker);
    else if (lseek(fd, (off_t)file->member.offset, SEEK_SET) < 0)
        rc = -errno;
    else
        rc = gm_zip_stream_create(&file->member, &heap, &how.member);
    if (rc == 0)
        rc = read_packed(fd, &how, data, bytes_max, ret_bytes);
    gm_unpacker_destroy(how.unpacker);
    gm_zip_stream_destroy(how.member);
    gm_heap_fini(&heap);
    return rc;
}

int gm_sample_file(const struct gm_file *file, uint8_t *data, size_t bytes_max, size_t *ret_bytes,
                   bool *ret_whole, struct gm_error *error)
{
    struct stat stat_buffer;
    char path[GM_PATH_BYTES_MAX];
    size_t bytes;
    snprintf(path, sizeof path, "%.*s",
             (int)(file->archive_bytes > 0 ? file->archive_bytes : strlen(file->path)),
             file->path);
    if (file->listen)
        return GM_AGAIN;
    /* Looked at before it is opened: opening a pipe tells its writer that there is a reader. */
    if (stat(path, &stat_buffer) < 0)
        return refuse(file, -errno, error);
    if (!S_ISREG(stat_buffer.st_mode))
        return GM_AGAIN;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse(file, -errno, error);
    const int rc = read_file(fd, file, data, bytes_max, &bytes);
    close(fd);
    if (rc < 0)
        return refuse(file, rc, error);
    *ret_bytes = bytes;
    *ret_whole = rc == GM_END || bytes == file->bytes;
    return 0;
}
