/* disk.c - how fast a folder for spills takes and gives blocks without the page cache. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/doctor/look.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "shuffle/port/clock.h"
#include "shuffle/port/random.h"

#define BLOCK_BYTES ((size_t)1 << 20)
#define BLOCK_ALIGN 4096
/* A spill is written and read once: below this it costs more than the flow that spills. */
#define SLOW_BYTES_PER_S 200e6
#define SPACE_LEAST_BYTES (UINT64_C(1) << 30)

struct measured {
    bool direct;
    bool in_memory;
    uint64_t free_bytes;
    double write_bytes_per_s, read_bytes_per_s; /* 0: not measured */
};

/* A file without a name, or one whose name is gone at once.  Returns the descriptor or -errno. */
static int open_scratch(const char *folder, int flags)
{
    char path[GM_PATH_BYTES_MAX];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd >= 0 ? fd : -errno;
    if (snprintf(path, sizeof path, "%s/gleam-doctor-XXXXXX", folder) >= (int)sizeof path)
        return -ENAMETOOLONG;
    fd = mkostemp(path, O_CLOEXEC | flags);
    if (fd < 0)
        return -errno;
    unlink(path);
    return fd;
}

/* Moves up to `bytes` in blocks until the time is over.  Returns bytes moved, or -errno. */
static int64_t move(int fd, bool writing, void *block, uint64_t bytes, uint64_t limit_ns,
                    uint64_t *ret_ns)
{
    const struct gm_clock clock = gm_clock_system();
    const uint64_t begin = gm_clock_now_ns(&clock);
    uint64_t done = 0;
    while (done < bytes) {
        const ssize_t got = writing ? pwrite(fd, block, BLOCK_BYTES, (off_t)done)
                                    : pread(fd, block, BLOCK_BYTES, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got != (ssize_t)BLOCK_BYTES)
            return writing ? -ENOSPC : -EIO;
        done += BLOCK_BYTES;
        if (gm_clock_now_ns(&clock) - begin >= limit_ns)
            break;
    }
    *ret_ns = gm_clock_now_ns(&clock) - begin;
    return (int64_t)done;
}

/* Half of the time for writing, half for reading it back. */
static int measure_rates(int fd, const struct gm_doctor_place *place, struct measured *ret)
{
    void *block = NULL;
    uint64_t ns = 0;
    if (posix_memalign(&block, BLOCK_ALIGN, BLOCK_BYTES) != 0)
        return -ENOMEM;
    /* A disk that compresses must not shine. */
    const struct gm_random random = gm_random_system();
    uint64_t *words = block;
    uint64_t word = gm_random_next(&random) | 1;
    for (size_t i = 0; i < BLOCK_BYTES / sizeof word; i++) {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        words[i] = word;
    }
    int64_t done = move(fd, true, block, place->disk_bytes, place->disk_ns / 2, &ns);
    if (done > 0) {
        ret->write_bytes_per_s = (double)done * 1e9 / (double)(ns > 0 ? ns : 1);
        done = move(fd, false, block, (uint64_t)done, place->disk_ns / 2, &ns);
    }
    if (done > 0)
        ret->read_bytes_per_s = (double)done * 1e9 / (double)(ns > 0 ? ns : 1);
    free(block);
    return done < 0 ? (int)done : 0;
}

static int measure(const char *folder, const struct gm_doctor_place *place, struct measured *ret)
{
    struct statvfs space;
    struct statfs kind;
    *ret = (struct measured){.direct = true};
    int fd = open_scratch(folder, O_DIRECT);
    if (fd == -EINVAL) {
        ret->direct = false;
        fd = open_scratch(folder, 0);
    }
    if (fd < 0)
        return fd;
    if (fstatvfs(fd, &space) == 0)
        ret->free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    if (fstatfs(fd, &kind) == 0)
        ret->in_memory = kind.f_type == TMPFS_MAGIC || kind.f_type == RAMFS_MAGIC;
    int rc = ret->direct && !ret->in_memory ? measure_rates(fd, place, ret) : 0;
    close(fd);
    return rc;
}

static void say_failed(const char *folder, const char *what, int rc,
                       struct gm_doctor_report *report)
{
    gm_look_say(report, GM_DOCTOR_PROBLEM, what, "%s", gm_error_name(rc));
    gm_look_why(report, "Nothing can be spilled to %s: a flow that needs more memory than it has "
                        "would fail.",
                folder);
    if (rc == -ENOENT)
        gm_look_command(report, "mkdir -p '%s'", folder);
    else if (rc == -ENOSPC || rc == -EDQUOT)
        gm_look_command(report, "df -h '%s'   # then make room, or choose another folder", folder);
    else
        gm_look_command(report, "ls -ld '%s'   # then choose a folder that you may write to",
                        folder);
}

static void check_folder(const struct gm_doctor_place *place, const char *folder,
                         struct gm_doctor_report *report)
{
    struct measured found;
    char what[sizeof report->findings[0].what], spare[32];
    const size_t length = strlen(folder);
    const size_t room = sizeof what - sizeof "disk ...";
    if (length <= room)
        snprintf(what, sizeof what, "disk %s", folder);
    else
        snprintf(what, sizeof what, "disk ...%s", folder + length - room);
    int rc = measure(folder, place, &found);
    if (rc < 0) {
        say_failed(folder, what, rc, report);
        return;
    }
    gm_text_format_size(found.free_bytes, spare, sizeof spare);
    if (found.in_memory) {
        gm_look_say(report, GM_DOCTOR_HINT, what, "in memory (tmpfs), %s free", spare);
        gm_look_why(report, "What is spilled there stays in memory, which is what there was not "
                            "enough of.");
        gm_look_command(report, strcmp(folder, "/var/tmp") == 0
                                    ? "export TMPDIR=FOLDER   # one that is on a disk"
                                    : "export TMPDIR=/var/tmp   # or another folder on a disk");
    } else if (!found.direct) {
        gm_look_say(report, GM_DOCTOR_HINT, what, "no direct I/O here, %s free", spare);
        gm_look_why(report, "Spilled data goes through the page cache, where it takes memory that "
                            "--memory does not count.");
        gm_look_command(report, "df -T '%s'   # ext4, xfs and btrfs have direct I/O", folder);
    } else {
        const bool slow = found.write_bytes_per_s < SLOW_BYTES_PER_S ||
                          found.read_bytes_per_s < SLOW_BYTES_PER_S;
        const bool tight = found.free_bytes < SPACE_LEAST_BYTES;
        gm_look_say(report, slow || tight ? GM_DOCTOR_HINT : GM_DOCTOR_OK, what,
                    "direct I/O writes %.0f MB/s, reads %.0f MB/s, %s free",
                    found.write_bytes_per_s / 1e6, found.read_bytes_per_s / 1e6, spare);
        if (tight)
            gm_look_why(report, "There is little room; a flow whose spills do not fit fails.");
        else if (slow)
            gm_look_why(report, "A flow that spills runs at the speed of this disk. More memory "
                                "(--memory), or a folder on a faster disk, helps.");
        if (slow || tight)
            gm_look_command(report, "gleam doctor --dir DIR   # tries another folder");
    }
}

void gm_doctor_disk(const struct gm_doctor_place *place, struct gm_doctor_report *report)
{
    for (uint32_t i = 0; i < place->folder_count; i++)
        check_folder(place, place->folders[i], report);
}
