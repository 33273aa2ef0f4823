/* program.c - what this process consists of, beside the system's libraries. */
#include "agent/cluster/program.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/key.h"
#include "engine/gleam.h"

int gm_program_hash(const struct gm_http_module *http, const char *path, char ret_hash[65])
{
    uint8_t hash[32];
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || fstat(fd, &status) < 0 ? -errno : 0;
    void *data = NULL;
    if (rc == 0 && status.st_size == 0)
        rc = -ENODATA;
    if (rc == 0) {
        data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        rc = data == MAP_FAILED ? -errno : 0;
    }
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        return rc;
    http->hash(data, (size_t)status.st_size, hash);
    munmap(data, (size_t)status.st_size);
    gm_hex_format(hash, sizeof hash, ret_hash);
    return 0;
}

static int add(const struct gm_http_module *http, struct gm_program *program, const char *path,
               struct gm_error *error)
{
    struct gm_artifact *artifact = &program->artifacts[program->count];
    char *whole = program->paths[program->count++];
    const ssize_t length = readlink(path, whole, GM_PATH_BYTES_MAX - 1);
    if (length > 0)
        whole[length] = '\0';
    else
        snprintf(whole, GM_PATH_BYTES_MAX, "%s", path);
    /* A library is found by the name that it was linked by, not by the one of its file. */
    const char *named = program->count == 1 ? whole : path, *slash = strrchr(named, '/');
    const int name = snprintf(artifact->name, sizeof artifact->name, "%s",
                              slash != NULL ? slash + 1 : named);
    /* The link of a program that was replaced names a file that is gone; /proc still has it. */
    int rc = name >= (int)sizeof artifact->name ? -ENAMETOOLONG
                                                : gm_program_hash(http, path, artifact->hash);
    if (rc < 0)
        return gm_error_set(error, rc, "cannot read %s, which the agents need: %s", whole,
                            gm_error_name(rc));
    snprintf(whole, GM_PATH_BYTES_MAX, "%s", path);
    return 0;
}

int gm_program_find(const struct gm_http_module *http, struct gm_program *ret_program,
                    struct gm_error *error)
{
    Dl_info library;
    ret_program->count = 0;
    int rc = add(http, ret_program, "/proc/self/exe", error);
    /* Where gleam_run is in a library, executors need that very one. */
    const bool known = dladdr((void *)(uintptr_t)gleam_run, &library) != 0;
    if (rc == 0 && known && strstr(library.dli_fname, ".so") != NULL)
        rc = add(http, ret_program, library.dli_fname, error);
    return rc;
}
