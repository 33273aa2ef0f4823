/* output.c - write(2) in large pieces, temporary files without a name, rows to a function. */
#include "agent/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/command_output.h"
#include "agent/file_buffer.h"
#include "agent/parts.h"
#include "engine/base/check.h"
#include "engine/row/codec.h"

/* Text is collected up to this before it is written. */
#define BUFFER_BYTES (256u << 10)
/* Texts from here on are written as they come: what operators print is up to 48 KiB. */
#define DIRECT_BYTES (32u << 10)
/* How long a full stream without blocking is waited for before it is asked again. */
#define POLL_MS 100
/* Symbolic links followed from a target's name, as the kernel does. */
#define LINKS_MAX 40

struct gm_output_writer {
    const struct gm_output *output;
    struct gm_heap *heap;
    int fd;           /* -1: a FILE without descriptor, or a function */
    bool own_fd;
    bool direct;      /* the target is no regular file, and is written as it is */
    bool closed;      /* the reader went away */
    const _Atomic int *stop; /* NULL: nobody stops it */
    bool linked;      /* a fall-back file that has a temporary name */
    char *temporary;  /* its name */
    char *path;       /* of the target, behind symbolic links */
    const char *what; /* for messages */
    uint8_t *buffer;
    size_t buffered;
    struct gm_file_buffer file; /* of a regular file, in the place of `buffer` */
    uint64_t bytes;
    uint64_t placed_bytes; /* that executors wrote */
    struct gm_layout layout;
    struct gm_batch batch; /* rows for the function */
    struct gm_parts *parts;   /* of an output that is a directory */
    struct gm_output to_parts; /* what takes their numbers */
    bool any_row;
    struct gm_command_output *command; /* of an output that is one */
};

static int refuse(const struct gm_output_writer *writer, int rc, struct gm_error *error)
{
    return gm_error_set(error, GM_EJOB_OUTPUT, "cannot write %s: %s (%" PRIu64
                        " bytes were written before)",
                        writer->what, gm_error_name(rc), writer->bytes);
}

/* The name behind the symbolic links that the last part of path may be: what is replaced is the
 * file, not the link to it.  The file need not exist.  The caller frees it. */
static int follow_links(const char *path, char **ret_path)
{
    char *name = strdup(path);
    GM_CHECK(name != NULL);
    for (int i = 0; i < LINKS_MAX; i++) {
        char target[GM_PATH_BYTES_MAX];
        const ssize_t bytes = readlink(name, target, sizeof target - 1);
        if (bytes < 0) { /* no link, or nothing there: whoever opens it finds out why */
            *ret_path = name;
            return 0;
        }
        target[bytes] = '\0';
        char *next = NULL;
        if (target[0] == '/')
            next = strdup(target);
        else if (asprintf(&next, "%s/%s", dirname(name), target) < 0)
            next = NULL;
        GM_CHECK(next != NULL);
        free(name);
        name = next;
    }
    free(name);
    return -ELOOP;
}

/* A file without a name, so that nothing is left behind whatever happens; where the file system has
 * no such thing, one with a temporary name beside the target. */
static int open_temporary(struct gm_output_writer *writer)
{
    char *copy = strdup(writer->path);
    GM_CHECK(copy != NULL);
    const char *directory = dirname(copy);
    writer->fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    int rc = writer->fd < 0 ? -errno : 0;
    if (rc == -EOPNOTSUPP || rc == -EISDIR || rc == -ENOENT) {
        GM_CHECK(asprintf(&writer->temporary, "%s.gleam-%d", writer->path, getpid()) >= 0);
        writer->fd = open(writer->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
        rc = writer->fd < 0 ? -errno : 0;
        writer->linked = rc == 0;
    }
    writer->own_fd = rc == 0;
    free(copy);
    return rc;
}

/* The new file gets the rights of the one that it replaces, and its owner where that is allowed. */
static int take_rights(const struct gm_output_writer *writer, const struct stat *old)
{
    if (fchown(writer->fd, old->st_uid, old->st_gid) < 0 && errno != EPERM)
        return -errno;
    return fchmod(writer->fd, old->st_mode & 0777) < 0 ? -errno : 0;
}

/* A device or a FIFO is written as it is; everything else is replaced at commit. */
static int open_path(struct gm_output_writer *writer)
{
    struct stat old;
    const bool exists = stat(writer->output->path, &old) == 0;
    writer->direct = exists && !S_ISREG(old.st_mode);
    if (writer->direct) {
        writer->fd = open(writer->output->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        writer->own_fd = writer->fd >= 0;
        return writer->fd < 0 ? -errno : 0;
    }
    int rc = follow_links(writer->output->path, &writer->path);
    if (rc == 0)
        rc = open_temporary(writer);
    if (rc == 0 && exists)
        rc = take_rights(writer, &old);
    if (rc == 0) {
        gm_file_buffer_init(&writer->file, writer->heap);
        gm_file_buffer_begin(&writer->file, writer->fd, 0);
    }
    return rc;
}

static int open_target(struct gm_output_writer *writer, const struct gm_schema *schema,
                       struct gm_error *error)
{
    const struct gm_output *output = writer->output;
    writer->fd = -1;
    if (output->kind == GM_OUTPUT_PARTS) {
        writer->to_parts = (struct gm_output){
            .kind = GM_OUTPUT_ROW, .function = gm_parts_row, .argument = writer->parts};
        writer->output = output = &writer->to_parts;
    }
    if (output->kind == GM_OUTPUT_ROW) {
        gm_layout_init(&writer->layout, schema);
        writer->what = "rows to the program's function";
        return gm_batch_init(&writer->batch, schema, writer->heap);
    }
    if (output->kind == GM_OUTPUT_PATH) {
        writer->what = output->path;
        const int rc = open_path(writer);
        if (rc < 0 || !writer->direct)
            return rc;
    }
    writer->buffer = gm_heap_alloc(writer->heap, BUFFER_BYTES);
    if (writer->buffer == NULL)
        return -ENOMEM;
    if (output->kind == GM_OUTPUT_PATH)
        return 0;
    if (output->kind == GM_OUTPUT_COMMAND) {
        writer->what = output->path;
        return gm_command_output_create(output, writer->heap, error, &writer->command);
    }
    fflush(output->stream);
    writer->fd = fileno(output->stream);
    writer->what = writer->fd == STDOUT_FILENO   ? "to standard output"
                   : writer->fd == STDERR_FILENO ? "to standard error"
                                                 : "to the program's stream";
    return 0;
}

int gm_output_writer_create(const struct gm_output *output, const struct gm_schema *schema,
                            struct gm_heap *heap, struct gm_error *error,
                            struct gm_output_writer **ret_writer)
{
    struct gm_output_writer *writer = gm_heap_zalloc(heap, sizeof *writer);
    if (writer == NULL)
        return gm_error_set(error, GM_ETASK_MEMORY, "no memory for an output");
    writer->output = output;
    writer->heap = heap;
    int rc = output->kind == GM_OUTPUT_PARTS ? gm_parts_create(output, error, &writer->parts) : 0;
    if (rc < 0) {
        gm_output_writer_destroy(writer);
        return rc;
    }
    rc = open_target(writer, schema, error);
    if (rc < 0) {
        if (rc != -EINTR)
            rc = refuse(writer, rc, error);
        gm_output_writer_destroy(writer);
        return rc;
    }
    *ret_writer = writer;
    return 0;
}

void gm_output_writer_destroy(struct gm_output_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->own_fd)
        close(writer->fd);
    if (writer->linked)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    gm_heap_free(writer->heap, writer->buffer, BUFFER_BYTES);
    gm_file_buffer_fini(&writer->file);
    gm_batch_fini(&writer->batch, writer->heap);
    gm_parts_destroy(writer->parts);
    gm_command_output_destroy(writer->command);
    gm_heap_free(writer->heap, writer, sizeof *writer);
}

void gm_output_writer_watch(struct gm_output_writer *writer, const _Atomic int *stop)
{
    writer->stop = stop;
}

static int write_stream(struct gm_output_writer *writer, const uint8_t *data, size_t bytes)
{
    if (fwrite(data, 1, bytes, writer->output->stream) != bytes)
        return errno != 0 ? -errno : -EIO;
    writer->bytes += bytes;
    return 0;
}

static int write_command(struct gm_output_writer *writer, const uint8_t *data, size_t bytes)
{
    const int rc = gm_command_output_write(writer->command, data, bytes, writer->stop);
    writer->closed = rc == -EPIPE;
    writer->bytes += rc == 0 ? bytes : 0;
    return writer->closed ? 0 : rc;
}

static int write_all(struct gm_output_writer *writer, const uint8_t *data, size_t bytes)
{
    if (writer->closed)
        return 0;
    if (writer->command != NULL)
        return write_command(writer, data, bytes);
    if (writer->fd < 0)
        return write_stream(writer, data, bytes);
    while (bytes > 0) {
        /* An interrupted write may also come back short. */
        if (writer->stop != NULL && *writer->stop != 0)
            return -EINTR;
        const ssize_t written = write(writer->fd, data, bytes);
        const int why = written < 0 ? errno : 0;
        if (why == EAGAIN) {
            struct pollfd ready = {.fd = writer->fd, .events = POLLOUT};
            poll(&ready, 1, POLL_MS);
        }
        if (why == EAGAIN || why == EINTR)
            continue;
        if (why == EPIPE && (writer->output->kind == GM_OUTPUT_STREAM || writer->direct)) {
            writer->closed = true;
            return 0;
        }
        if (why != 0)
            return -why;
        data += written;
        bytes -= (size_t)written;
        writer->bytes += (uint64_t)written;
    }
    return 0;
}

static bool is_file(const struct gm_output_writer *writer)
{
    return writer->file.heap != NULL;
}

static int flush(struct gm_output_writer *writer)
{
    if (is_file(writer)) {
        const int rc = gm_file_buffer_flush(&writer->file);
        writer->bytes = writer->file.offset;
        return rc;
    }
    const size_t bytes = writer->buffered;
    writer->buffered = 0;
    return write_all(writer, writer->buffer, bytes);
}

static int write_text(struct gm_output_writer *writer, const uint8_t *data, size_t bytes)
{
    if (bytes == 0) /* data may be NULL, which memcpy must not see */
        return 0;
    if (is_file(writer)) {
        const int rc = gm_file_buffer_append(&writer->file, data, bytes);
        writer->bytes = writer->file.offset;
        return rc;
    }
    if (writer->buffered + bytes > BUFFER_BYTES) {
        int rc = flush(writer);
        if (rc < 0)
            return rc;
    }
    /* A large text is not worth a copy; what was collected goes before it. */
    if (bytes >= DIRECT_BYTES) {
        int rc = flush(writer);
        return rc < 0 ? rc : write_all(writer, data, bytes);
    }
    memcpy(writer->buffer + writer->buffered, data, bytes);
    writer->buffered += bytes;
    return 0;
}

static int refuse_run(const struct gm_run *run, struct gm_error *error)
{
    return gm_error_set(error, GM_EFRAME_CORRUPT,
                        "a frame from executor %u was refused: its rows do not fit its length",
                        run->source);
}

/* Rows of one bytes column: the text itself. */
static int text_rows(struct gm_output_writer *writer, const struct gm_run *run,
                     struct gm_error *error)
{
    const uint8_t *at = run->rows;
    const uint8_t *end = run->rows + run->bytes;
    for (uint32_t i = 0; i < run->row_count; i++) {
        uint32_t length;
        if ((size_t)(end - at) < sizeof length)
            return refuse_run(run, error);
        memcpy(&length, at, sizeof length);
        at += sizeof length;
        if ((size_t)(end - at) < length)
            return refuse_run(run, error);
        int rc = write_text(writer, at, length);
        if (rc < 0)
            return rc == -EINTR ? rc : refuse(writer, rc, error);
        at += length;
    }
    return at == end ? 0 : refuse_run(run, error);
}

static int call_with_rows(struct gm_output_writer *writer, struct gm_error *error)
{
    for (uint32_t i = 0; i < writer->batch.row_count; i++) {
        struct gleam_value row[GM_FIELDS_MAX];
        for (uint32_t c = 0; c < writer->batch.column_count; c++)
            row[c] = gm_vector_get(&writer->batch.columns[c], i);
        const int rc =
            writer->output->function(writer->output->argument, row, writer->batch.column_count);
        if (rc != 0 && writer->stop != NULL && *writer->stop != 0)
            return -EINTR;
        if (rc != 0)
            return gm_error_set(error, GM_EJOB_OUTPUT,
                                "the function that takes the rows returned %d", rc);
    }
    return 0;
}

/* rows: the run's, in memory that nobody else writes to. */
static int decode_rows(struct gm_output_writer *writer, const struct gm_run *run,
                       const uint8_t *rows, struct gm_error *error)
{
    size_t offset = 0;
    uint32_t left = run->row_count;
    while (left > 0) {
        size_t used;
        int rc = gm_codec_decode(&writer->layout, rows + offset, run->bytes - offset, left,
                                 &writer->batch, &used);
        if (rc < 0 || writer->batch.row_count == 0)
            return refuse_run(run, error);
        rc = call_with_rows(writer, error);
        if (rc < 0)
            return rc;
        offset += used;
        left -= writer->batch.row_count;
    }
    return 0;
}

/* The decoder checks lengths and then reads them again.  In a frame, a step that runs wild in an
 * executor could change them in between, and the driver must outlive that: it works on a copy. */
static int function_rows(struct gm_output_writer *writer, const struct gm_run *run,
                         struct gm_error *error)
{
    const size_t bytes = (size_t)run->bytes + GM_BYTES_SLACK;
    uint8_t *rows = gm_heap_alloc(writer->heap, bytes);
    if (rows == NULL)
        return gm_error_set(error, GM_ETASK_MEMORY,
                            "a row does not fit the driver's share of the memory: give more with "
                            "--memory");
    memcpy(rows, run->rows, run->bytes);
    memset(rows + run->bytes, 0, GM_BYTES_SLACK);
    const int rc = decode_rows(writer, run, rows, error);
    gm_heap_free(writer->heap, rows, bytes);
    return rc;
}

int gm_output_writer_rows(struct gm_output_writer *writer, const struct gm_run *run,
                          struct gm_error *error)
{
    if (writer->output->kind == GM_OUTPUT_ROW)
        return function_rows(writer, run, error);
    if (!writer->any_row && writer->output->empty_first) {
        const int rc = write_text(writer, (const uint8_t *)writer->output->empty,
                                  writer->output->empty_bytes);
        if (rc < 0)
            return rc == -EINTR ? rc : refuse(writer, rc, error);
    }
    writer->any_row = true;
    return text_rows(writer, run, error);
}

int gm_output_writer_finish(struct gm_output_writer *writer, struct gm_error *error)
{
    if (writer->parts != NULL)
        return gm_parts_finish(writer->parts, error);
    if (writer->output->kind == GM_OUTPUT_ROW)
        return 0;
    int rc = 0;
    if (!writer->any_row && writer->output->empty != NULL)
        rc = write_text(writer, (const uint8_t *)writer->output->empty,
                        writer->output->empty_bytes);
    if (rc == 0)
        rc = flush(writer);
    if (rc == 0 && writer->output->kind == GM_OUTPUT_STREAM && writer->fd < 0 &&
        fflush(writer->output->stream) != 0)
        rc = -errno;
    if (rc == 0 && writer->command != NULL)
        rc = gm_command_output_finish(writer->command, writer->stop);
    return rc < 0 && rc != -EINTR ? refuse(writer, rc, error) : rc;
}

int gm_output_writer_leave(struct gm_output_writer *writer, struct gm_error *error)
{
    if (writer->command == NULL)
        return 0;
    const int rc = gm_command_output_finish(writer->command, writer->stop);
    return rc < 0 && rc != -EINTR ? refuse(writer, rc, error) : rc;
}

/* Gives the nameless file its name; over an existing one by way of a temporary name. */
static int link_file(struct gm_output_writer *writer)
{
    char descriptor[32];
    snprintf(descriptor, sizeof descriptor, "/proc/self/fd/%d", writer->fd);
    const char *path = writer->path;
    if (linkat(AT_FDCWD, descriptor, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    GM_CHECK(asprintf(&writer->temporary, "%s.gleam-%d", path, getpid()) >= 0);
    if (linkat(AT_FDCWD, descriptor, AT_FDCWD, writer->temporary, AT_SYMLINK_FOLLOW) < 0)
        return -errno;
    writer->linked = true;
    return 0;
}

int gm_output_writer_commit(struct gm_output_writer *writer, struct gm_error *error)
{
    if (writer->parts != NULL)
        return gm_parts_commit(writer->parts, error);
    if (writer->output->kind != GM_OUTPUT_PATH)
        return 0;
    int rc = writer->linked || writer->direct ? 0 : link_file(writer);
    if (rc == 0 && writer->linked) {
        rc = rename(writer->temporary, writer->path) < 0 ? -errno : 0;
        writer->linked = rc < 0;
    }
    /* Some file systems tell of a full disk only here. */
    const int fd = writer->fd;
    writer->own_fd = false;
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc < 0 ? refuse(writer, rc, error) : 0;
}

bool gm_output_writer_closed(const struct gm_output_writer *writer)
{
    return writer->closed;
}

uint64_t gm_output_writer_bytes(const struct gm_output_writer *writer)
{
    return writer->parts != NULL ? gm_parts_bytes(writer->parts)
                                 : writer->bytes + writer->placed_bytes;
}

const char *gm_output_writer_directory(const struct gm_output_writer *writer)
{
    return writer->parts != NULL ? gm_parts_directory(writer->parts) : NULL;
}

void gm_output_writer_place(const struct gm_output_writer *writer, char *path)
{
    path[0] = '\0';
    if (!is_file(writer))
        return;
    snprintf(path, GM_PATH_BYTES_MAX, "/proc/%d/fd/%d", getpid(), writer->fd);
    /* Where there is no /proc, or nobody may look into it, rows come here. */
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        path[0] = '\0';
    else
        close(fd);
}

int gm_output_writer_placed(struct gm_output_writer *writer, uint64_t bytes,
                            struct gm_error *error)
{
    struct stat facts;
    const uint64_t begin = writer->output->empty_first ? writer->output->empty_bytes : 0;
    if (fstat(writer->fd, &facts) < 0)
        return refuse(writer, -errno, error);
    if (bytes > 0 && (uint64_t)facts.st_size != begin + bytes)
        return gm_error_set(error, GM_EJOB_OUTPUT,
                            "cannot write %s: it should have %" PRIu64 " bytes, and has %" PRIu64,
                            writer->what, begin + bytes, (uint64_t)facts.st_size);
    writer->placed_bytes = bytes;
    return 0;
}
