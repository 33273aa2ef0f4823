/* write_all.h - whole blocks into a file, for what makes texts. */
#ifndef GM_BENCHMARKS_WRITE_ALL_H
#define GM_BENCHMARKS_WRITE_ALL_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

/* Returns 0 or -errno. */
static inline int gm_write_all(int fd, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    while (bytes > 0) {
        const ssize_t written = write(fd, at, bytes);
        if (written < 0 && errno != EINTR)
            return -errno;
        at += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

#endif
