/* archive.c - reads the end of the file, then the directory in one piece. */
#include "agent/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/files.h"
#include "agent/walk.h"
#include "engine/base/check.h"
#include "engine/base/compression.h"

/* A million members with names of 200 bytes. */
#define DIRECTORY_BYTES_MAX (UINT64_C(256) << 20)

static int refuse(struct gm_error *error, const char *path, const char *why)
{
    return gm_error_set(error, GM_EJOB_INPUT, "cannot read %s: %s", path, why);
}

bool gm_archive_named(const char *path)
{
    const size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".zip") == 0;
}

/* All of the bytes at offset.  Returns 0, GM_EJOB_CUT or -errno. */
static int read_at(int fd, uint64_t offset, uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t got = pread(fd, data, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : GM_EJOB_CUT;
        data += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return 0;
}

/* The directory's bytes, the caller's to free.  Returns 0 or < 0 with error. */
static int read_directory(int fd, const char *path, struct gm_zip_directory *ret_directory,
                          uint8_t **ret_data, struct gm_error *error)
{
    struct stat stat_buffer;
    if (fstat(fd, &stat_buffer) < 0)
        return refuse(error, path, gm_error_name(-errno));
    const uint64_t size = (uint64_t)stat_buffer.st_size;
    const size_t tail_bytes = size < GM_ZIP_TAIL_BYTES ? (size_t)size : GM_ZIP_TAIL_BYTES;
    uint8_t *tail = malloc(GM_ZIP_TAIL_BYTES);
    GM_CHECK(tail != NULL);
    int rc = read_at(fd, size - tail_bytes, tail, tail_bytes);
    if (rc == 0)
        rc = gm_zip_find(tail, tail_bytes, size, ret_directory);
    free(tail);
    if (rc == GM_EJOB_DAMAGED)
        return refuse(error, path,
                      "it does not end as a zip archive does: it is cut short, one of several "
                      "volumes, or no archive");
    if (rc < 0)
        return refuse(error, path, gm_error_name(rc));
    if (ret_directory->bytes > DIRECTORY_BYTES_MAX)
        return refuse(error, path, "the archive's directory is larger than 256 MiB");
    uint8_t *data = malloc((size_t)ret_directory->bytes + 1);
    if (data == NULL)
        return refuse(error, path, "there is no memory for the archive's directory");
    rc = read_at(fd, ret_directory->offset, data, (size_t)ret_directory->bytes);
    if (rc < 0) {
        free(data);
        return refuse(error, path, gm_error_name(rc));
    }
    *ret_data = data;
    return 0;
}

static bool is_hidden(const char *name)
{
    return name[0] == '.' || strstr(name, "/.") != NULL;
}

/* What cannot be read of a member that is wanted; NULL: all of it can. */
static const char *fault_of(const struct gm_zip_entry *entry, const char *name)
{
    if (entry->encrypted)
        return "the member is encrypted: unpack the archive first";
    if (entry->method != 0 && entry->method != 8)
        return "the member is packed in a way that is not read here, only store and deflate are: "
               "unpack the archive first";
    if (gm_archive_named(name) || gm_compression_of(name, NULL) != GM_COMPRESSION_NONE)
        return "it is a compressed file inside an archive: unpack the archive first";
    return NULL;
}

static int add_member(const char *path, const char *pattern, const struct gm_zip_entry *entry,
                      struct gm_file_list *list, struct gm_error *error)
{
    char *full = NULL;
    GM_CHECK(asprintf(&full, "%s/%.*s", path, (int)entry->name_bytes, entry->name) >= 0);
    const char *name = full + strlen(path) + 1;
    int rc = 0;
    if (entry->name_bytes > 0 && name[entry->name_bytes - 1] != '/' && !is_hidden(name) &&
        gm_walk_matches(pattern, name)) {
        const char *fault = fault_of(entry, name);
        rc = fault != NULL ? refuse(error, full, fault) : gm_files_append(full, list, error);
        if (rc == 0) {
            struct gm_file *file = &list->files[list->count - 1];
            file->archive_bytes = (uint32_t)strlen(path);
            file->member = entry->member;
        }
    }
    free(full);
    return rc;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct gm_file *)a)->path, ((const struct gm_file *)b)->path);
}

static int add_members(const char *path, const char *pattern,
                       const struct gm_zip_directory *directory, const uint8_t *data,
                       struct gm_file_list *list, struct gm_error *error)
{
    const uint32_t before = list->count;
    struct gm_cursor cursor;
    int rc = 0;
    gm_cursor_init(&cursor, data, (size_t)directory->bytes);
    for (uint64_t i = 0; i < directory->count && rc == 0; i++) {
        struct gm_zip_entry entry;
        rc = gm_zip_next(directory, &cursor, &entry);
        if (rc < 0)
            return refuse(error, path, "the archive's directory is damaged");
        rc = add_member(path, pattern, &entry, list, error);
    }
    if (rc == 0 && list->count == before)
        return gm_error_set(error, GM_EJOB_INPUT, "cannot read %s/%s: no member of the archive "
                            "matches", path, pattern);
    if (rc == 0)
        qsort(list->files + before, list->count - before, sizeof *list->files, compare_files);
    return rc;
}

int gm_archive_list(const char *path, const char *pattern, struct gm_file_list *list,
                    struct gm_error *error)
{
    struct gm_zip_directory directory;
    uint8_t *data = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return refuse(error, path, gm_error_name(-errno));
    int rc = read_directory(fd, path, &directory, &data, error);
    close(fd);
    if (rc == 0)
        rc = add_members(path, pattern, &directory, data, list, error);
    free(data);
    return rc;
}
