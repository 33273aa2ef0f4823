/* files.c - stat, glob and readdir, with an error for everything that would read nothing. */
#include "agent/files.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/archive.h"
#include "agent/sample.h"
#include "agent/stdin.h"
#include "agent/walk.h"
#include "engine/base/check.h"
#include "engine/base/compression.h"

static int refuse(struct gm_error *error, const char *path, const char *why)
{
    return gm_error_set(error, GM_EJOB_INPUT, "cannot read %s: %s", path, why);
}

int gm_files_append(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    if (list->count == GM_FILES_MAX)
        return refuse(error, path, "the source has more than a million files");
    if (strlen(path) >= GM_PATH_BYTES_MAX)
        return refuse(error, path, "the path is longer than 4095 bytes");
    /* The table doubles at every power of two. */
    if ((list->count & (list->count - 1)) == 0) {
        const size_t capacity = list->count > 0 ? 2 * (size_t)list->count : 1;
        list->files = realloc(list->files, capacity * sizeof *list->files);
        GM_CHECK(list->files != NULL);
    }
    char *copy = strdup(path);
    GM_CHECK(copy != NULL);
    list->files[list->count++] = (struct gm_file){.path = copy, .bytes = UINT64_MAX};
    return 0;
}

static int add_file(const char *path, const struct stat *stat, struct gm_file_list *list,
                    struct gm_error *error)
{
    if (access(path, R_OK) < 0)
        return refuse(error, path, gm_error_name(-errno));
    if (S_ISREG(stat->st_mode) && gm_archive_named(path))
        return gm_archive_list(path, list->members != NULL ? list->members : "**", list, error);
    const int rc = gm_files_append(path, list, error);
    /* Files of /proc say 0 bytes and have some; FIFOs and devices have no size; what is in a
     * compressed file shows when it has been read. */
    if (rc == 0 && S_ISREG(stat->st_mode) && stat->st_size > 0 &&
        gm_compression_of(path, NULL) == GM_COMPRESSION_NONE)
        list->files[list->count - 1].bytes = (uint64_t)stat->st_size;
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of a directory's entries that are not hidden, sorted; the caller frees each and the
 * table, also after an error. */
static int read_names(const char *path, char ***ret_names, size_t *ret_count)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -errno;
    char **names = NULL;
    size_t count = 0;
    int rc = 0;
    for (;;) {
        errno = 0; /* readdir returns NULL for the end and for errors */
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            rc = -errno;
            break;
        }
        if (entry->d_name[0] == '.')
            continue;
        if ((count & (count - 1)) == 0) {
            names = realloc(names, (count > 0 ? 2 * count : 1) * sizeof *names);
            GM_CHECK(names != NULL);
        }
        names[count] = strdup(entry->d_name);
        GM_CHECK(names[count] != NULL);
        count++;
    }
    closedir(directory);
    if (count > 0)
        qsort(names, count, sizeof *names, compare_names);
    *ret_names = names;
    *ret_count = count;
    return rc;
}

static int add_directory(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    char **names = NULL;
    size_t count = 0;
    const uint32_t before = list->count;
    int rc = read_names(path, &names, &count);
    if (rc < 0)
        refuse(error, path, gm_error_name(rc));
    for (size_t i = 0; i < count; i++) {
        char *file = NULL;
        struct stat stat_buffer;
        const char *slash = path[strlen(path) - 1] == '/' ? "" : "/";
        GM_CHECK(asprintf(&file, "%s%s%s", path, slash, names[i]) >= 0);
        if (rc == 0 && stat(file, &stat_buffer) < 0)
            rc = refuse(error, file, gm_error_name(-errno));
        else if (rc == 0 && S_ISREG(stat_buffer.st_mode))
            rc = add_file(file, &stat_buffer, list, error);
        free(file);
        free(names[i]);
    }
    free(names);
    if (rc < 0)
        return error->code;
    if (list->count == before)
        return refuse(error, path,
                      "the directory has no files (those below it are found with DIRECTORY/**)");
    return rc;
}

static int add_path(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    struct stat stat_buffer;
    if (stat(path, &stat_buffer) < 0)
        return refuse(error, path, gm_error_name(-errno));
    if (S_ISDIR(stat_buffer.st_mode))
        return add_directory(path, list, error);
    return add_file(path, &stat_buffer, list, error);
}

/* ---- patterns -------------------------------------------------------------------------------- */

/* glob takes a directory that cannot be read for an empty one, and its callbacks have no argument:
 * the first failure of the search that this thread is at is noted here. */
static _Thread_local struct {
    char path[GM_PATH_BYTES_MAX];
    char directory[GM_PATH_BYTES_MAX]; /* the one that is being read */
    int rc;
} search;

static void note_failure(const char *path, int why)
{
    /* A name that does not go on there, or a dangling link, is only no match. */
    if (why == ENOENT || why == ENOTDIR || search.rc != 0)
        return;
    search.rc = -why;
    snprintf(search.path, sizeof search.path, "%s", path);
}

static void *search_open(const char *path)
{
    DIR *directory = opendir(path);
    snprintf(search.directory, sizeof search.directory, "%s", path);
    if (directory == NULL)
        note_failure(path, errno);
    return directory;
}

static struct dirent *search_read(void *directory)
{
    errno = 0;
    struct dirent *entry = readdir(directory);
    if (entry == NULL && errno != 0)
        note_failure(search.directory, errno);
    return entry;
}

static void search_close(void *directory)
{
    closedir(directory);
}

static int search_stat(const char *path, struct stat *ret)
{
    const int rc = stat(path, ret);
    if (rc < 0)
        note_failure(path, errno);
    return rc;
}

static int search_lstat(const char *path, struct stat *ret)
{
    const int rc = lstat(path, ret);
    if (rc < 0)
        note_failure(path, errno);
    return rc;
}

static int add_glob(const char *pattern, struct gm_file_list *list, struct gm_error *error)
{
    glob_t matches = {.gl_opendir = search_open,
                      .gl_readdir = search_read,
                      .gl_closedir = search_close,
                      .gl_stat = search_stat,
                      .gl_lstat = search_lstat};
    search.rc = 0;
    const int found = glob(pattern, GLOB_ALTDIRFUNC, NULL, &matches);
    int rc = 0;
    if (search.rc != 0)
        rc = refuse(error, search.path, gm_error_name(search.rc));
    else if (found != 0)
        rc = refuse(error, pattern,
                    found == GLOB_NOMATCH ? "no file matches" : "the pattern cannot be searched");
    const uint32_t before = list->count;
    for (size_t i = 0; i < matches.gl_pathc && rc == 0; i++) {
        struct stat stat_buffer;
        const char *path = matches.gl_pathv[i];
        if (stat(path, &stat_buffer) < 0)
            rc = refuse(error, path, gm_error_name(-errno));
        else if (!S_ISDIR(stat_buffer.st_mode))
            rc = add_file(path, &stat_buffer, list, error);
    }
    globfree(&matches);
    if (rc == 0 && list->count == before)
        return refuse(error, pattern, "only directories match");
    return rc;
}

static int add_tree(const char *pattern, struct gm_file_list *list, struct gm_error *error)
{
    char failed[GM_PATH_BYTES_MAX];
    char **paths = NULL;
    size_t count = 0;
    int rc = gm_walk(pattern, &paths, &count, failed, sizeof failed);
    if (rc < 0)
        return refuse(error, failed, gm_error_name(rc));
    for (size_t i = 0; i < count; i++) {
        struct stat stat_buffer;
        if (rc == 0 && stat(paths[i], &stat_buffer) < 0)
            rc = refuse(error, paths[i], gm_error_name(-errno));
        else if (rc == 0)
            rc = add_file(paths[i], &stat_buffer, list, error);
        free(paths[i]);
    }
    free(paths);
    return rc == 0 && count == 0 ? refuse(error, pattern, "no file matches") : rc;
}

/* Paths of this process's own descriptors mean something else in an executor: its stdin is empty.
 * A file is found by way of this process's number; a pipe cannot be opened again without losing its
 * end, and only that of standard input is inherited (stdin.h). */
static bool own_descriptor(const char *path, char *text, size_t text_bytes)
{
    static const struct {
        const char *begin, *place;
    } own[] = {{"/dev/stdin", "fd/0"}, {"/dev/fd/", "fd/"}, {"/proc/self/", ""}};
    if (strcmp(path, "-") == 0)
        path = "/dev/stdin";
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        const size_t length = strlen(own[i].begin);
        if (strncmp(path, own[i].begin, length) == 0) {
            snprintf(text, text_bytes, "/proc/%d/%s%s", getpid(), own[i].place, path + length);
            return true;
        }
    }
    return false;
}

static bool is_standard_input(const char *own)
{
    char text[64];
    snprintf(text, sizeof text, "/proc/%d/fd/0", getpid());
    return strcmp(own, text) == 0;
}

/* A pipe or a terminal: executors have it under a number of its own. */
static int add_standard_input(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    struct stat stat_buffer;
    char inherited[64];
    const int number = gm_stdin_descriptor();
    snprintf(inherited, sizeof inherited, "/proc/self/fd/%d", number);
    if (number < 0 || fstat(number, &stat_buffer) < 0)
        return refuse(error, path, gm_error_name(-errno));
    return add_file(inherited, &stat_buffer, list, error);
}

static int add_own_descriptor(const char *path, const char *own, struct gm_file_list *list,
                              struct gm_error *error)
{
    struct stat stat_buffer;
    if (stat(own, &stat_buffer) < 0)
        return refuse(error, path, gm_error_name(-errno));
    if (is_standard_input(own) && !S_ISREG(stat_buffer.st_mode))
        return add_standard_input(path, list, error);
    if (!S_ISREG(stat_buffer.st_mode))
        return refuse(error, path,
                      "it is a descriptor of this program that is no file, and executors are "
                      "programs of their own: give a file, a named pipe, or - for standard input");
    return add_file(own, &stat_buffer, list, error);
}

static int list_files(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    struct stat stat_buffer;
    if (gm_walk_wanted(path))
        return add_tree(path, list, error);
    /* A file whose name has a bracket in it is that file. */
    if (strpbrk(path, "*?[") != NULL && stat(path, &stat_buffer) < 0)
        return add_glob(path, list, error);
    return add_path(path, list, error);
}

/* "a.zip/b" and "*.zip/b": where b begins, if what is in front of it are archives; else NULL. */
static const char *members_of(const char *path)
{
    char archive[GM_PATH_BYTES_MAX];
    for (const char *at = path; (at = strstr(at, ".zip/")) != NULL; at += 5) {
        struct stat stat_buffer;
        const int length = (int)(at + 4 - path);
        if (length >= GM_PATH_BYTES_MAX || at[5] == '\0')
            return NULL;
        snprintf(archive, sizeof archive, "%.*s", length, path);
        if (stat(archive, &stat_buffer) == 0 ? S_ISREG(stat_buffer.st_mode)
                                             : strpbrk(archive, "*?[") != NULL)
            return at + 5;
    }
    return NULL;
}

int gm_files_list(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    char text[GM_PATH_BYTES_MAX];
    list->sample = gm_sample_file;
    if (own_descriptor(path, text, sizeof text))
        return add_own_descriptor(path, text, list, error);
    if (path[0] == '\0')
        return refuse(error, "''", "the path is empty");
    list->members = members_of(path);
    if (list->members == NULL)
        return list_files(path, list, error);
    snprintf(text, sizeof text, "%.*s", (int)(list->members - 1 - path), path);
    return list_files(text, list, error);
}
