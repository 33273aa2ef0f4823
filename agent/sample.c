/* sample.c - open, look, close. */
#include "agent/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(const struct gm_file *file, int rc, struct gm_error *error)
{
    return gm_error_set(error, GM_EJOB_INPUT, "cannot read %s: %s", file->path,
                        gm_error_name(rc));
}

int gm_sample_file(const struct gm_file *file, uint8_t *data, size_t bytes_max, size_t *ret_bytes,
                   bool *ret_whole, struct gm_error *error)
{
    struct stat stat_buffer;
    size_t bytes = 0;
    ssize_t got = 1;
    /* Looked at before it is opened: opening a pipe tells its writer that there is a reader. */
    if (stat(file->path, &stat_buffer) < 0)
        return refuse(file, -errno, error);
    if (!S_ISREG(stat_buffer.st_mode))
        return GM_AGAIN;
    const int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse(file, -errno, error);
    while (bytes < bytes_max && got > 0) {
        got = read(fd, data + bytes, bytes_max - bytes);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            bytes += (size_t)got;
    }
    const int rc = got < 0 ? -errno : 0;
    close(fd);
    if (rc < 0)
        return refuse(file, rc, error);
    *ret_bytes = bytes;
    *ret_whole = got == 0 || bytes == file->bytes;
    return 0;
}
