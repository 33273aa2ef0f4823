/* walk.c - a depth-first walk, and a matcher of paths part by part. */
#include "agent/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"

struct walk {
    const char *pattern; /* behind the root */
    size_t root_bytes;   /* of each path, with its slash */
    char **paths;
    size_t count;
    char *failed;
    size_t failed_bytes;
};

/* Where the first part that is "**" begins, or NULL. */
static const char *find_stars(const char *pattern)
{
    for (const char *at = pattern; (at = strstr(at, "**")) != NULL; at++)
        if ((at == pattern || at[-1] == '/') && (at[2] == '/' || at[2] == '\0'))
            return at;
    return NULL;
}

bool gm_walk_wanted(const char *pattern)
{
    return find_stars(pattern) != NULL;
}

bool gm_walk_matches(const char *pattern, const char *path)
{
    if (strncmp(pattern, "**", 2) == 0 && (pattern[2] == '/' || pattern[2] == '\0')) {
        if (pattern[2] == '\0')
            return true;
        for (const char *at = path; at != NULL; at = strchr(at, '/')) {
            at += *at == '/';
            if (gm_walk_matches(pattern + 3, at))
                return true;
        }
        return false;
    }
    const char *pattern_end = strchrnul(pattern, '/'), *path_end = strchrnul(path, '/');
    char part[GM_PATH_BYTES_MAX], name[GM_PATH_BYTES_MAX];
    snprintf(part, sizeof part, "%.*s", (int)(pattern_end - pattern), pattern);
    snprintf(name, sizeof name, "%.*s", (int)(path_end - path), path);
    if (fnmatch(part, name, FNM_PERIOD) != 0)
        return false;
    if (*pattern_end == '\0' || *path_end == '\0')
        return *pattern_end == *path_end;
    return gm_walk_matches(pattern_end + 1, path_end + 1);
}

static void keep(struct walk *walk, const char *path)
{
    if ((walk->count & (walk->count - 1)) == 0) { /* doubles at every power of two */
        walk->paths = realloc(walk->paths, (2 * walk->count + 1) * sizeof *walk->paths);
        GM_CHECK(walk->paths != NULL);
    }
    walk->paths[walk->count] = strdup(path);
    GM_CHECK(walk->paths[walk->count] != NULL);
    walk->count++;
}

static int fail(struct walk *walk, const char *path, int rc)
{
    snprintf(walk->failed, walk->failed_bytes, "%s", path);
    return rc;
}

/* path ends in a slash, or is empty: the working directory.  Deeper than a path can be named ends
 * with an error of the system. */
static int walk_directory(struct walk *walk, const char *path)
{
    DIR *directory = opendir(path[0] != '\0' ? path : ".");
    int rc = 0;
    if (directory == NULL)
        return fail(walk, path, -errno);
    const struct dirent *entry;
    while (rc == 0 && (errno = 0, entry = readdir(directory)) != NULL) {
        struct stat link, target;
        char *name = NULL;
        if (entry->d_name[0] == '.')
            continue;
        GM_CHECK(asprintf(&name, "%s%s", path, entry->d_name) >= 0);
        if (lstat(name, &link) < 0) {
            rc = errno == ENOENT ? 0 : fail(walk, name, -errno); /* it has just gone */
        } else if (S_ISDIR(link.st_mode)) {
            char *below = NULL;
            GM_CHECK(asprintf(&below, "%s/", name) >= 0);
            rc = walk_directory(walk, below);
            free(below);
        } else if (stat(name, &target) == 0 && S_ISREG(target.st_mode) &&
                   gm_walk_matches(walk->pattern, name + walk->root_bytes)) {
            keep(walk, name);
        }
        free(name);
    }
    if (rc == 0 && entry == NULL && errno != 0)
        rc = fail(walk, path, -errno);
    closedir(directory);
    return rc;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int gm_walk(const char *pattern, char ***ret_paths, size_t *ret_count, char *failed,
            size_t failed_bytes)
{
    const char *stars = find_stars(pattern);
    GM_CHECK(stars != NULL);
    char *root = strndup(pattern, (size_t)(stars - pattern));
    GM_CHECK(root != NULL);
    struct walk walk = {.pattern = stars,
                        .root_bytes = strlen(root),
                        .failed = failed,
                        .failed_bytes = failed_bytes};
    const int rc = walk_directory(&walk, root);
    free(root);
    if (rc < 0) {
        for (size_t i = 0; i < walk.count; i++)
            free(walk.paths[i]);
        free(walk.paths);
        return rc;
    }
    if (walk.count > 0)
        qsort(walk.paths, walk.count, sizeof *walk.paths, compare);
    *ret_paths = walk.paths;
    *ret_count = walk.count;
    return 0;
}
