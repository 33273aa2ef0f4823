/* command_disk.c - a pipe from a child, and its status in the place of the end. */
#include "agent/command_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/error.h"

extern char **environ;

struct file {
    struct file *next;
    struct gm_disk_file *inner;
    pid_t pid;  /* 0: no command, or it has been waited for */
    bool ended; /* its output has */
    int status;
    bool asked; /* a read of a command's is under way */
    void *tag;
};

struct gm_command_disk {
    const struct gm_source *source;
    struct gm_disk inner;
    struct gm_heap *heap;
    _Atomic uint64_t *group; /* of the command that runs; 0: none does */
    struct file *files;
};

int gm_command_disk_create(const struct gm_source *source, const struct gm_disk *inner,
                           _Atomic uint64_t *group, struct gm_heap *heap,
                           struct gm_command_disk **ret_disk)
{
    struct gm_command_disk *disk = gm_heap_zalloc(heap, sizeof *disk);
    if (disk == NULL)
        return GM_ETASK_MEMORY;
    disk->source = source;
    disk->inner = *inner;
    disk->heap = heap;
    disk->group = group;
    *ret_disk = disk;
    return 0;
}

static void stop(struct gm_command_disk *disk, struct file *file)
{
    if (file->pid == 0)
        return;
    atomic_store(disk->group, 0);
    kill(-file->pid, SIGKILL);
    while (waitpid(file->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    file->pid = 0;
}

void gm_command_disk_destroy(struct gm_command_disk *disk)
{
    if (disk == NULL)
        return;
    while (disk->files != NULL) {
        struct file *file = disk->files;
        disk->files = file->next;
        stop(disk, file);
        gm_heap_free(disk->heap, file, sizeof *file);
    }
    gm_heap_free(disk->heap, disk, sizeof *disk);
}

/* A command is told by the address of its path: no name of a file can be taken for one. */
static bool is_command(const struct gm_command_disk *disk, const char *path)
{
    for (uint32_t i = 0; i < disk->source->file_count; i++)
        if (disk->source->files[i].path == path)
            return disk->source->files[i].command;
    return false;
}

/* Starts the command with `output` as its standard output. */
static int spawn(const char *command, int output, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char shell[] = "sh", flag[] = "-c";
    char *arguments[] = {shell, flag, (char *)(uintptr_t)command, NULL};
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int rc = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -rc;
}

/* The executor is pinned to its core; its children are not. */
static int spawn_anywhere(const char *command, int output, pid_t *ret_pid)
{
    cpu_set_t own, all;
    const bool pinned = sched_getaffinity(0, sizeof own, &own) == 0;
    memset(&all, 0xff, sizeof all);
    if (pinned)
        sched_setaffinity(0, sizeof all, &all);
    const int rc = spawn(command, output, ret_pid);
    if (pinned)
        sched_setaffinity(0, sizeof own, &own);
    return rc;
}

static int open_command(struct gm_command_disk *disk, const char *command, struct file *file)
{
    int ends[2];
    char path[32];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int rc = spawn_anywhere(command, ends[1], &file->pid);
    close(ends[1]);
    if (rc < 0)
        file->pid = 0;
    atomic_store(disk->group, (uint64_t)file->pid);
    /* The inner disk takes a descriptor of its own of the same pipe. */
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    if (rc == 0)
        rc = disk->inner.ops->open(disk->inner.self, path, &file->inner);
    close(ends[0]);
    return rc;
}

static int command_open(void *self, const char *path, struct gm_disk_file **ret_file)
{
    struct gm_command_disk *disk = self;
    struct file *file = gm_heap_zalloc(disk->heap, sizeof *file);
    if (file == NULL)
        return -ENOMEM;
    const int rc = is_command(disk, path)
                       ? open_command(disk, path, file)
                       : disk->inner.ops->open(disk->inner.self, path, &file->inner);
    if (rc < 0) {
        stop(disk, file);
        gm_heap_free(disk->heap, file, sizeof *file);
        return rc;
    }
    file->next = disk->files;
    disk->files = file;
    *ret_file = (struct gm_disk_file *)file;
    return 0;
}

static void command_close(void *self, struct gm_disk_file *handle)
{
    struct gm_command_disk *disk = self;
    struct file *file = (struct file *)handle;
    struct file **link = &disk->files;
    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    disk->inner.ops->close(disk->inner.self, file->inner);
    stop(disk, file);
    gm_heap_free(disk->heap, file, sizeof *file);
}

static int command_read(void *self, struct gm_disk_file *handle, uint64_t offset, void *buffer,
                        uint32_t bytes, void *tag)
{
    struct gm_command_disk *disk = self;
    struct file *file = (struct file *)handle;
    if (file->pid == 0 && !file->ended)
        return disk->inner.ops->read(disk->inner.self, file->inner, offset, buffer, bytes, tag);
    const int rc = file->ended ? 0
                               : disk->inner.ops->read(disk->inner.self, file->inner, offset,
                                                       buffer, bytes, file);
    if (rc == 0) {
        file->asked = true;
        file->tag = tag;
    }
    return rc;
}

/* The output has ended: the command's status follows.  True when it is there; never blocks. */
static bool take_status(struct gm_command_disk *disk, struct file *file)
{
    int status = 0;
    if (file->pid == 0)
        return true;
    const pid_t pid = waitpid(file->pid, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return false;
    atomic_store(disk->group, 0);
    file->status = pid > 0 ? status : 0;
    file->pid = 0;
    return true;
}

static bool is_ours(const struct gm_command_disk *disk, const void *tag)
{
    for (const struct file *file = disk->files; file != NULL; file = file->next)
        if (file == tag)
            return true;
    return false;
}

static uint32_t command_poll(void *self, struct gm_disk_completion *ret, uint32_t count)
{
    struct gm_command_disk *disk = self;
    uint32_t done = 0;
    const uint32_t arrived = disk->inner.ops->poll(disk->inner.self, ret, count);
    for (uint32_t i = 0; i < arrived; i++) {
        struct gm_disk_completion completion = ret[i];
        if (is_ours(disk, completion.tag)) {
            struct file *file = completion.tag;
            file->ended = completion.result == 0;
            if (file->ended)
                continue; /* its status comes below */
            file->asked = false;
            completion.tag = file->tag;
        }
        ret[done++] = completion;
    }
    for (struct file *file = disk->files; file != NULL && done < count; file = file->next) {
        if (!file->ended || !file->asked || !take_status(disk, file))
            continue;
        file->asked = false;
        ret[done++] = (struct gm_disk_completion){
            .tag = file->tag, .result = file->status != 0 ? GM_EJOB_COMMAND : 0};
    }
    return done;
}

static int command_descriptor(void *self)
{
    struct gm_command_disk *disk = self;
    return disk->inner.ops->descriptor(disk->inner.self);
}

static const struct gm_disk_ops command_ops = {.name = "command",
                                               .open = command_open,
                                               .close = command_close,
                                               .read = command_read,
                                               .poll = command_poll,
                                               .descriptor = command_descriptor};

struct gm_disk gm_command_disk_port(struct gm_command_disk *disk)
{
    return (struct gm_disk){.ops = &command_ops, .self = disk};
}

void gm_command_kill(_Atomic uint64_t *group)
{
    const uint64_t number = atomic_exchange(group, 0);
    /* A step that wrote over the region must not make this process kill others. */
    if (number > 1 && number < INT32_MAX && getpgid((pid_t)number) == (pid_t)number)
        kill(-(pid_t)number, SIGKILL);
}

void gm_command_kill_all(const struct gm_plan *plan, const struct gm_region *region)
{
    for (uint32_t i = 0; i < plan->chain_count; i++) {
        const struct gm_source *source = &plan->chains[i].source;
        if (gm_source_is_command(source))
            gm_command_kill(gm_region_word(region, source->command_word));
    }
}
