/* programs.c - a folder per hash, in it the data and a link of each name that it goes by. */
#include "agent/node/programs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_NAME ".data"

static int make_folder(const char *path)
{
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int gm_programs_open(const char *directory, struct gm_error *error)
{
    char path[GM_PATH_BYTES_MAX];
    if (snprintf(path, sizeof path, "%s/artifacts", directory) >= (int)sizeof path - 160)
        return gm_error_set(error, -ENAMETOOLONG, "--dir: the path is too long");
    int rc = make_folder(path);
    return rc == 0 ? 0
                   : gm_error_set(error, rc, "--dir: cannot make %s: %s", path,
                                  gm_error_name(rc));
}

static void remove_folder(const char *path)
{
    char file[GM_PATH_BYTES_MAX];
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < (int)sizeof file)
            unlink(file);
    if (folder != NULL)
        closedir(folder);
    rmdir(path);
}

/* Removes the one that was unused for longest when there are too many.  A program that runs is not
 * hurt: its file lives on without a name. */
static void prune(const char *directory)
{
    char path[GM_PATH_BYTES_MAX], oldest[GM_PATH_BYTES_MAX] = "";
    struct timespec oldest_time = {0};
    uint32_t count = 0;
    snprintf(path, sizeof path, "%s/artifacts", directory);
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        struct stat status;
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/artifacts/%s", directory, entry->d_name) >=
                (int)sizeof path ||
            stat(path, &status) < 0)
            continue;
        const struct timespec time = status.st_mtim;
        if (count++ == 0 || time.tv_sec < oldest_time.tv_sec ||
            (time.tv_sec == oldest_time.tv_sec && time.tv_nsec < oldest_time.tv_nsec)) {
            oldest_time = time;
            memcpy(oldest, path, sizeof oldest);
        }
    }
    if (folder != NULL)
        closedir(folder);
    if (count >= GM_PROGRAMS_MAX)
        remove_folder(oldest);
}

static int write_file(const char *path, const void *data, size_t bytes)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    int rc = fd < 0 ? -errno : 0;
    for (size_t done = 0; rc == 0 && done < bytes;) {
        const ssize_t written = write(fd, (const char *)data + done, bytes - done);
        if (written < 0 && errno != EINTR)
            rc = -errno;
        done += written > 0 ? (size_t)written : 0;
    }
    /* A full disk may say so only here. */
    if (fd >= 0 && close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

int gm_programs_put(const char *directory, const char *hash, const void *data, size_t bytes,
                 struct gm_error *error)
{
    char folder[GM_PATH_BYTES_MAX], path[GM_PATH_BYTES_MAX], fresh[GM_PATH_BYTES_MAX];
    prune(directory);
    snprintf(folder, sizeof folder, "%s/artifacts/%s", directory, hash);
    int rc = make_folder(folder);
    /* Two drivers may send the same program at once: each writes a file of its own. */
    const int length = snprintf(fresh, sizeof fresh, "%s/.fresh-%d-%p", folder, getpid(), data);
    if (snprintf(path, sizeof path, "%s/" DATA_NAME, folder) >= (int)sizeof path ||
        length >= (int)sizeof fresh)
        rc = -ENAMETOOLONG;
    if (rc == 0)
        rc = write_file(fresh, data, bytes);
    if (rc == 0 && rename(fresh, path) < 0)
        rc = -errno;
    if (rc == 0)
        return 0;
    unlink(fresh);
    return gm_error_set(error, rc, "cannot keep a program in %s: %s", folder, gm_error_name(rc));
}

bool gm_programs_find(const char *directory, const struct gm_artifact *artifact, char *ret_path,
                   size_t path_bytes)
{
    char data[GM_PATH_BYTES_MAX], folder[GM_PATH_BYTES_MAX];
    if (snprintf(folder, sizeof folder, "%s/artifacts/%s", directory, artifact->hash) >=
            (int)sizeof folder ||
        snprintf(data, sizeof data, "%s/" DATA_NAME, folder) >= (int)sizeof data ||
        snprintf(ret_path, path_bytes, "%s/%s", folder, artifact->name) >= (int)path_bytes)
        return false;
    if (access(data, X_OK) < 0 || (link(data, ret_path) < 0 && errno != EEXIST))
        return false;
    utimensat(AT_FDCWD, folder, NULL, 0); /* it was used now */
    return true;
}
