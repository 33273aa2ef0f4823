/* parts.c - mkdir, rename, and care for what is not ours. */
#include "agent/parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/file_sink.h"
#include "engine/base/check.h"

#define MANIFEST ".manifest"
/* Behind the target's name stands the maker's process, and a number of its own. */
#define MARK ".gleam-"

struct part {
    uint64_t rows;
    uint64_t bytes;
    bool there;
};

struct gm_parts {
    const struct gm_output *output;
    char *target;    /* absolute, behind links, without slashes at its end */
    char *directory; /* hidden, beside it */
    struct part *parts;
    uint64_t bytes;
};

static int refuse(const struct gm_parts *parts, const char *why, struct gm_error *error)
{
    return gm_error_set(error, GM_EJOB_OUTPUT, "cannot write %s: %s", parts->output->path, why);
}

static char *join(const char *directory, const char *name)
{
    char *path;
    GM_CHECK(asprintf(&path, "%s/%s", directory, name) >= 0);
    return path;
}

/* ---- what is there --------------------------------------------------------------------------- */

/* Whether .manifest's text has a line of this file. */
static bool in_manifest(const char *manifest, const char *name)
{
    char wanted[NAME_MAX + 32];
    snprintf(wanted, sizeof wanted, "{\"file\": \"%s\",", name);
    return strstr(manifest, wanted) != NULL;
}

/* The text of a directory's manifest, which the caller frees; NULL when it has none. */
static char *read_manifest(const char *directory)
{
    char *path = join(directory, MANIFEST), *text = NULL;
    size_t bytes = 0, capacity = 0;
    FILE *file = fopen(path, "re");
    free(path);
    if (file == NULL)
        return NULL;
    for (;;) {
        if (capacity - bytes < 4096) {
            capacity = 2 * capacity + 8192;
            text = realloc(text, capacity);
            GM_CHECK(text != NULL);
        }
        const size_t got = fread(text + bytes, 1, capacity - bytes - 1, file);
        if (got == 0)
            break;
        bytes += got;
    }
    fclose(file);
    text[bytes] = '\0';
    return text;
}

/* Returns 0 when the directory is empty or an earlier output; otherwise < 0, with what is in the
 * way in `why`. */
static int look_at_directory(const char *path, char *why, size_t why_bytes)
{
    DIR *directory = opendir(path);
    int rc = 0;
    if (directory == NULL) {
        rc = -errno;
        snprintf(why, why_bytes, "%s", gm_error_name(rc));
        return rc;
    }
    char *manifest = read_manifest(path);
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            (manifest != NULL &&
             (strcmp(name, MANIFEST) == 0 || in_manifest(manifest, name))))
            continue;
        snprintf(why, why_bytes,
                 "the directory holds '%.100s', which is not of an earlier output like this, and "
                 "nothing but such an output is replaced: remove it, or write to another path",
                 name);
        rc = -EEXIST;
    }
    free(manifest);
    closedir(directory);
    return rc;
}

static int check_target(const struct gm_parts *parts, struct gm_error *error)
{
    struct stat stat_buffer;
    char why[400];
    if (stat(parts->target, &stat_buffer) < 0)
        return errno == ENOENT ? 0 : refuse(parts, gm_error_name(-errno), error);
    if (!S_ISDIR(stat_buffer.st_mode))
        return refuse(parts,
                      "it exists and is no directory, which several partitions are written into: "
                      "remove it, or write to another path",
                      error);
    if (look_at_directory(parts->target, why, sizeof why) < 0)
        return refuse(parts, why, error);
    return 0;
}

/* ---- the hidden directory -------------------------------------------------------------------- */

void gm_parts_remove(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        unlinkat(dirfd(directory), entry->d_name, 0); /* "." and ".." refuse */
    closedir(directory);
    rmdir(path);
}

/* ".NAME.gleam-PID-N" beside the target, whose process was killed.  name: ".NAME.gleam-". */
static void remove_stale(const char *beside, const char *name)
{
    DIR *directory = opendir(beside);
    if (directory == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char *end;
        if (strncmp(entry->d_name, name, strlen(name)) != 0)
            continue;
        const long pid = strtol(entry->d_name + strlen(name), &end, 10);
        if (*end != '-' || pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
            continue;
        char *path = join(beside, entry->d_name);
        gm_parts_remove(path);
        free(path);
    }
    closedir(directory);
}

/* The absolute path of a target that need not exist.  Returns 0 or -errno. */
static int resolve(const char *path, char **ret_target)
{
    char *copy = strdup(path);
    GM_CHECK(copy != NULL);
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    char *target = realpath(copy, NULL);
    if (target == NULL && errno == ENOENT) {
        char *slash = strrchr(copy, '/');
        const char *name = slash != NULL ? slash + 1 : copy;
        const char *parent = slash == NULL ? "." : slash == copy ? "/" : copy;
        if (slash != NULL && slash != copy)
            *slash = '\0';
        char *beside = realpath(parent, NULL);
        if (beside != NULL)
            target = join(strcmp(beside, "/") == 0 ? "" : beside, name);
        free(beside);
    }
    const int rc = target == NULL ? -errno : 0;
    free(copy);
    *ret_target = target;
    return rc;
}

static int make_directory(struct gm_parts *parts, struct gm_error *error)
{
    static unsigned number;
    char *slash = strrchr(parts->target, '/');
    char *beside, *name;
    GM_CHECK(asprintf(&beside, "%.*s", (int)(slash - parts->target), parts->target) >= 0);
    GM_CHECK(asprintf(&name, ".%s" MARK, slash + 1) >= 0);
    const char *place = beside[0] != '\0' ? beside : "/";
    remove_stale(place, name);
    GM_CHECK(asprintf(&parts->directory, "%s/%s%d-%u", beside, name, getpid(), number++) >= 0);
    const int rc = strlen(parts->directory) >= GM_PATH_BYTES_MAX ? -ENAMETOOLONG
                   : mkdir(parts->directory, 0777) < 0           ? -errno
                                                                 : 0;
    if (rc < 0) {
        free(parts->directory);
        parts->directory = NULL;
        refuse(parts, gm_error_name(rc), error);
    }
    free(beside);
    free(name);
    return rc < 0 ? GM_EJOB_OUTPUT : 0;
}

int gm_parts_create(const struct gm_output *output, struct gm_error *error,
                    struct gm_parts **ret_parts)
{
    struct gm_parts *parts = calloc(1, sizeof *parts);
    GM_CHECK(parts != NULL);
    parts->output = output;
    parts->parts = calloc(output->part_count, sizeof *parts->parts);
    GM_CHECK(parts->parts != NULL);
    int rc = resolve(output->path, &parts->target);
    if (rc < 0)
        rc = refuse(parts, gm_error_name(rc), error);
    if (rc == 0)
        rc = check_target(parts, error);
    if (rc == 0)
        rc = make_directory(parts, error);
    if (rc < 0) {
        gm_parts_destroy(parts);
        return rc;
    }
    *ret_parts = parts;
    return 0;
}

void gm_parts_destroy(struct gm_parts *parts)
{
    if (parts == NULL)
        return;
    free(parts->target);
    free(parts->directory);
    free(parts->parts);
    free(parts);
}

const char *gm_parts_directory(const struct gm_parts *parts)
{
    return parts->directory;
}

uint64_t gm_parts_bytes(const struct gm_parts *parts)
{
    return parts->bytes;
}

/* ---- what was written ------------------------------------------------------------------------ */

int gm_parts_row(void *opaque, const struct gleam_value *row, uint32_t column_count)
{
    struct gm_parts *parts = opaque;
    if (column_count != 3 || row[0].i64 < 0 || row[0].i64 >= parts->output->part_count ||
        parts->parts[row[0].i64].there)
        return -1;
    parts->parts[row[0].i64] = (struct part){
        .rows = (uint64_t)row[1].i64, .bytes = (uint64_t)row[2].i64, .there = true};
    parts->bytes += (uint64_t)row[2].i64;
    return 0;
}

/* Makes a file with this text.  Returns 0 or -errno. */
static int make_file(const char *directory, const char *name, const char *text, size_t bytes)
{
    char *path = join(directory, name);
    FILE *file = fopen(path, "wxe");
    free(path);
    if (file == NULL)
        return -errno;
    const bool written = bytes == 0 || fwrite(text, 1, bytes, file) == bytes;
    const int rc = written ? 0 : -errno;
    return fclose(file) != 0 && rc == 0 ? -errno : rc;
}

int gm_parts_finish(struct gm_parts *parts, struct gm_error *error)
{
    const struct gm_output *output = parts->output;
    char *manifest = NULL;
    size_t manifest_bytes = 0;
    FILE *text = open_memstream(&manifest, &manifest_bytes);
    GM_CHECK(text != NULL);
    int rc = 0;
    for (uint32_t i = 0; i < output->part_count && rc == 0; i++) {
        char name[GM_PART_NAME_BYTES_MAX];
        struct part *part = &parts->parts[i];
        gm_part_name(i, output->suffix, name, sizeof name);
        if (!part->there) {
            rc = make_file(parts->directory, name, output->empty, output->empty_bytes);
            part->bytes = output->empty_bytes;
            parts->bytes += output->empty_bytes;
        }
        fprintf(text, "{\"file\": \"%s\", \"rows\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n", name,
                part->rows, part->bytes);
    }
    fclose(text);
    if (rc == 0)
        rc = make_file(parts->directory, MANIFEST, manifest, manifest_bytes);
    free(manifest);
    return rc < 0 ? refuse(parts, gm_error_name(rc), error) : 0;
}

/* Puts the new directory in the place of the old one, which goes away.  Returns 0 or -errno. */
static int replace(const struct gm_parts *parts)
{
    if (renameat2(AT_FDCWD, parts->directory, AT_FDCWD, parts->target, RENAME_EXCHANGE) == 0) {
        gm_parts_remove(parts->directory);
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    /* Not every file system can exchange two: for a moment there is none under the name. */
    char *old;
    GM_CHECK(asprintf(&old, "%s-old", parts->directory) >= 0);
    int rc = rename(parts->target, old) < 0 ? -errno : 0;
    if (rc == 0 && rename(parts->directory, parts->target) < 0) {
        rc = -errno;
        rename(old, parts->target);
    }
    if (rc == 0)
        gm_parts_remove(old);
    free(old);
    return rc;
}

int gm_parts_commit(struct gm_parts *parts, struct gm_error *error)
{
    char why[400];
    /* Over nothing, or over an empty directory. */
    int rc = rename(parts->directory, parts->target) < 0 ? -errno : 0;
    if (rc == -ENOTEMPTY || rc == -EEXIST) {
        /* Somebody may have put files there while the job ran. */
        if (look_at_directory(parts->target, why, sizeof why) < 0)
            return refuse(parts, why, error);
        rc = replace(parts);
    }
    return rc < 0 ? refuse(parts, gm_error_name(rc), error) : 0;
}
