/* logs.c - a file per job. */
#include "agent/node/logs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int path_of(const char *directory, uint64_t job, char ret_path[GM_PATH_BYTES_MAX])
{
    return snprintf(ret_path, GM_PATH_BYTES_MAX, "%s/logs/%08" PRIx64, directory, job) <
                   GM_PATH_BYTES_MAX
               ? 0
               : -ENAMETOOLONG;
}

int gm_logs_make(const char *directory, struct gm_error *error)
{
    char path[GM_PATH_BYTES_MAX];
    int rc = snprintf(path, sizeof path, "%s/logs", directory) < (int)sizeof path
                 ? 0
                 : -ENAMETOOLONG;
    if (rc == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
        rc = -errno;
    return rc == 0 ? 0
                   : gm_error_set(error, rc, "--dir: cannot make %s/logs: %s", directory,
                                  gm_error_name(rc));
}

static void prune(const char *directory)
{
    char path[GM_PATH_BYTES_MAX], oldest[GM_PATH_BYTES_MAX] = "";
    time_t oldest_s = 0;
    uint32_t count = 0;
    snprintf(path, sizeof path, "%s/logs", directory);
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        struct stat status;
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/logs/%s", directory, entry->d_name) >=
                (int)sizeof path ||
            stat(path, &status) < 0)
            continue;
        if (count++ == 0 || status.st_mtime < oldest_s) {
            oldest_s = status.st_mtime;
            memcpy(oldest, path, sizeof oldest);
        }
    }
    if (folder != NULL)
        closedir(folder);
    if (count >= GM_LOGS_MAX)
        unlink(oldest);
}

int gm_logs_open(const char *directory, uint64_t job, struct gm_error *error)
{
    char path[GM_PATH_BYTES_MAX];
    prune(directory);
    int rc = path_of(directory, job, path);
    const int fd =
        rc == 0 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (rc == 0 && fd < 0)
        rc = -errno;
    return rc == 0 ? fd
                   : gm_error_set(error, rc, "cannot make the log of a job in %s: %s", directory,
                                  gm_error_name(rc));
}

int gm_logs_read(const char *directory, uint64_t job, uint8_t **ret_text, size_t *ret_bytes,
                 struct gm_error *error)
{
    char path[GM_PATH_BYTES_MAX];
    struct stat status;
    int rc = path_of(directory, job, path);
    const int fd = rc == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    uint8_t *text = malloc(GM_LOG_BYTES_MAX);
    if (fd < 0 || text == NULL || fstat(fd, &status) < 0)
        rc = fd < 0 && errno != 0 ? -errno : -ENOMEM;
    ssize_t got = 0;
    if (rc == 0) {
        const off_t from =
            status.st_size > (off_t)GM_LOG_BYTES_MAX ? status.st_size - GM_LOG_BYTES_MAX : 0;
        got = pread(fd, text, GM_LOG_BYTES_MAX, from);
        rc = got < 0 ? -errno : 0;
    }
    if (fd >= 0)
        close(fd);
    if (rc < 0) {
        free(text);
        return gm_error_set(error, rc, rc == -ENOENT ? "there is no log of this job here"
                                                     : "cannot read the log of this job");
    }
    *ret_text = text;
    *ret_bytes = (size_t)got;
    return 0;
}
