/* test_file.c - goal: both backends of the disk port read the same bytes, report the same errors
 * and give every buffer back.
 * Method: every case runs over io_uring (skipped where the kernel forbids it) and over pread, on
 * files in a temporary directory whose byte at offset i is a function of i.  A forked child under a
 * seccomp filter that refuses io_uring proves that AUTO falls back.
 */
#include "iouring/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/error.h"
#include "engine/base/limits.h"

#define DEPTH 4
#define FILE_BYTES (300u * 1024 + 123)
#define BLOCK_BYTES (16u * 1024)
#define PATH_BYTES 256
#define ALARM_S 25
#define WAKES 500

struct fixture {
    struct gm_heap heap;
    struct gm_file_disk *owner;
    struct gm_disk disk;
    char directory[64];
    char path[PATH_BYTES]; /* FILE_BYTES of pattern */
};

static unsigned char pattern(uint64_t offset)
{
    return (unsigned char)((offset * 0x9e3779b97f4a7c15u) >> 56);
}

static void file_write(const char *path, uint64_t from, uint64_t bytes)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(descriptor >= 0);
    unsigned char *buffer = malloc(bytes);
    assert_non_null(buffer);
    for (uint64_t i = 0; i < bytes; i++)
        buffer[i] = pattern(from + i);
    assert_int_equal(pwrite(descriptor, buffer, bytes, (off_t)from), bytes);
    free(buffer);
    close(descriptor);
}

static int fixture_open(void **state, enum gm_file_backend want)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    assert_int_equal(gm_heap_init(&fixture->heap, UINT64_MAX), 0);
    int rc = gm_file_disk_create(DEPTH, want, &fixture->heap, &fixture->owner);
    if (rc != 0) {
        assert_int_equal(want, GM_FILE_BACKEND_URING);
        fprintf(stderr, "io_uring cannot be had here: %s\n", strerror(-rc));
        gm_heap_fini(&fixture->heap);
        free(fixture);
        *state = NULL;
        return 0;
    }
    fixture->disk = gm_file_disk_port(fixture->owner);
    strcpy(fixture->directory, "/tmp/gleam-test-file-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof(fixture->path), "%s/data", fixture->directory);
    file_write(fixture->path, 0, FILE_BYTES);
    *state = fixture;
    return 0;
}

static int open_uring(void **state)
{
    return fixture_open(state, GM_FILE_BACKEND_URING);
}

static int open_pread(void **state)
{
    return fixture_open(state, GM_FILE_BACKEND_PREAD);
}

static int fixture_close(void **state)
{
    struct fixture *fixture = *state;
    if (fixture == NULL)
        return 0;
    gm_file_disk_destroy(fixture->owner);
    gm_heap_fini(&fixture->heap); /* checks that everything came back */
    unlink(fixture->path);
    rmdir(fixture->directory);
    free(fixture);
    return 0;
}

static struct fixture *fixture_of(void **state)
{
    if (*state == NULL)
        skip();
    return *state;
}

static struct gm_disk_file *file_open(struct fixture *fixture, const char *path)
{
    struct gm_disk_file *file = NULL;
    assert_int_equal(fixture->disk.ops->open(fixture->disk.self, path, &file), 0);
    assert_non_null(file);
    return file;
}

static void file_close(struct fixture *fixture, struct gm_disk_file *file)
{
    fixture->disk.ops->close(fixture->disk.self, file);
}

static int start(struct fixture *fixture, struct gm_disk_file *file, uint64_t offset, void *buffer,
                 uint32_t bytes)
{
    return fixture->disk.ops->read(fixture->disk.self, file, offset, buffer, bytes, buffer);
}

static uint32_t poll_once(struct fixture *fixture, struct gm_disk_completion *ret, uint32_t count)
{
    return fixture->disk.ops->poll(fixture->disk.self, ret, count);
}

/* Sleeps on the disk's own descriptor, so a completion that it does not announce hangs the test
 * until main's alarm. */
static struct gm_disk_completion next_completion(struct fixture *fixture)
{
    struct gm_disk_completion completion;
    while (poll_once(fixture, &completion, 1) == 0) {
        struct pollfd watched = {.fd = fixture->disk.ops->descriptor(fixture->disk.self),
                                 .events = POLLIN};
        assert_true(watched.fd >= 0);
        /* No timeout: poll looks once more when it expires and would hide a missed wake-up. */
        assert_int_equal(poll(&watched, 1, -1), 1);
    }
    return completion;
}

static int64_t read_now(struct fixture *fixture, struct gm_disk_file *file, uint64_t offset,
                        void *buffer, uint32_t bytes)
{
    assert_int_equal(start(fixture, file, offset, buffer, bytes), 0);
    struct gm_disk_completion completion = next_completion(fixture);
    assert_ptr_equal(completion.tag, buffer);
    return completion.result;
}

static void assert_pattern(const unsigned char *buffer, uint64_t offset, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i++) {
        if (buffer[i] != pattern(offset + (uint64_t)i))
            fail_msg("wrong byte at %llu", (unsigned long long)(offset + (uint64_t)i));
    }
}

static void whole_file_reads_back(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct gm_disk_file *file = file_open(fixture, fixture->path);
    static unsigned char buffer[BLOCK_BYTES];
    uint64_t offset = 0;
    int64_t got;
    while ((got = read_now(fixture, file, offset, buffer, BLOCK_BYTES)) > 0) {
        assert_pattern(buffer, offset, got);
        offset += (uint64_t)got;
    }
    assert_int_equal(got, 0);
    assert_int_equal(offset, FILE_BYTES);
    file_close(fixture, file);
}

static void many_in_flight_at_random_offsets_all_come_back(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct gm_disk_file *files[2] = {file_open(fixture, fixture->path),
                                     file_open(fixture, fixture->path)};
    static unsigned char buffers[DEPTH][BLOCK_BYTES];
    uint64_t offsets[DEPTH];
    uint32_t bytes[DEPTH];
    bool busy[DEPTH] = {false};
    uint32_t started = 0, finished = 0;
    uint64_t random = 7;
    while (finished < 1000) {
        for (uint32_t i = 0; i < DEPTH && started < 1000; i++) {
            if (busy[i])
                continue;
            random = random * 6364136223846793005u + 1442695040888963407u;
            offsets[i] = (random >> 33) % (FILE_BYTES + 1000); /* some beyond the end */
            bytes[i] = 1 + (uint32_t)(random >> 20) % BLOCK_BYTES;
            assert_int_equal(start(fixture, files[started % 2], offsets[i], buffers[i], bytes[i]),
                             0);
            busy[i] = true;
            started++;
        }
        struct gm_disk_completion completion = next_completion(fixture);
        uint32_t i = (uint32_t)((unsigned char(*)[BLOCK_BYTES])completion.tag - buffers);
        assert_true(i < DEPTH && busy[i]);
        uint64_t left = offsets[i] < FILE_BYTES ? FILE_BYTES - offsets[i] : 0;
        assert_true(completion.result >= 0);
        assert_true((uint64_t)completion.result <= (left < bytes[i] ? left : bytes[i]));
        assert_int_equal(completion.result == 0, left == 0);
        assert_pattern(buffers[i], offsets[i], completion.result);
        busy[i] = false;
        finished++;
    }
    file_close(fixture, files[1]);
    file_close(fixture, files[0]);
}

static void reading_beyond_the_end_gives_zero(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct gm_disk_file *file = file_open(fixture, fixture->path);
    unsigned char buffer[16];
    assert_int_equal(read_now(fixture, file, FILE_BYTES, buffer, 16), 0);
    assert_int_equal(read_now(fixture, file, FILE_BYTES + 1000000, buffer, 16), 0);
    assert_int_equal(read_now(fixture, file, FILE_BYTES - 3, buffer, 16), 3);
    assert_pattern(buffer, FILE_BYTES - 3, 3);
    assert_int_equal(start(fixture, file, UINT64_MAX, buffer, 16), -EINVAL);
    file_close(fixture, file);
}

static void growing_and_shrinking_file_gives_what_is_there(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct gm_disk_file *file = file_open(fixture, fixture->path);
    static unsigned char buffer[BLOCK_BYTES];
    assert_int_equal(truncate(fixture->path, 1000), 0);
    assert_int_equal(read_now(fixture, file, 0, buffer, BLOCK_BYTES), 1000);
    assert_pattern(buffer, 0, 1000);
    assert_int_equal(read_now(fixture, file, 1000, buffer, BLOCK_BYTES), 0);
    file_write(fixture->path, 1000, 500);
    assert_int_equal(read_now(fixture, file, 1000, buffer, BLOCK_BYTES), 500);
    assert_pattern(buffer, 1000, 500);
    file_close(fixture, file);
}

static void missing_file_and_directory_are_refused(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct gm_disk_file *file = NULL;
    const struct gm_disk *disk = &fixture->disk;
    assert_int_equal(disk->ops->open(disk->self, "/nowhere/at/all", &file), -ENOENT);
    assert_int_equal(disk->ops->open(disk->self, fixture->directory, &file), -EISDIR);
    assert_null(file);
}

static void unreadable_file_is_refused(void **state)
{
    struct fixture *fixture = fixture_of(state);
    if (geteuid() == 0) {
        fprintf(stderr, "root may read everything\n");
        skip();
    }
    assert_int_equal(chmod(fixture->path, 0), 0);
    struct gm_disk_file *file = NULL;
    assert_int_equal(fixture->disk.ops->open(fixture->disk.self, fixture->path, &file), -EACCES);
}

static void full_queue_says_again_and_takes_more_after_a_poll(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct gm_disk_file *file = file_open(fixture, fixture->path);
    static unsigned char buffers[DEPTH + 1][64];
    for (uint32_t i = 0; i < DEPTH; i++)
        assert_int_equal(start(fixture, file, i * 64, buffers[i], 64), 0);
    assert_int_equal(start(fixture, file, 0, buffers[DEPTH], 64), GM_AGAIN);
    (void)next_completion(fixture);
    assert_int_equal(start(fixture, file, 0, buffers[DEPTH], 64), 0);
    for (uint32_t i = 0; i < DEPTH; i++)
        assert_int_equal(next_completion(fixture).result, 64);
    struct gm_disk_completion none;
    assert_int_equal(poll_once(fixture, &none, 1), 0);
    file_close(fixture, file);
}

static void small_poll_leaves_the_rest_for_later(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct gm_disk_file *file = file_open(fixture, fixture->path);
    static unsigned char buffers[DEPTH][64];
    for (uint32_t i = 0; i < DEPTH; i++)
        assert_int_equal(start(fixture, file, i * 64, buffers[i], 64), 0);
    struct gm_disk_completion completion;
    assert_int_equal(poll_once(fixture, &completion, 0), 0);
    (void)fixture->disk.ops->descriptor(fixture->disk.self); /* io_uring starts them all */
    bool seen[DEPTH] = {false};
    for (uint32_t i = 0; i < DEPTH; i++) {
        completion = next_completion(fixture);
        uint32_t which = (uint32_t)((unsigned char(*)[64])completion.tag - buffers);
        assert_true(which < DEPTH && !seen[which]);
        seen[which] = true;
        assert_pattern(buffers[which], which * 64, 64);
    }
    file_close(fixture, file);
}

static void idle_disk_does_not_poll_readable(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct gm_disk_file *file = file_open(fixture, fixture->path);
    unsigned char buffer[16];
    assert_int_equal(read_now(fixture, file, 0, buffer, 16), 16);
    struct pollfd watched = {.fd = fixture->disk.ops->descriptor(fixture->disk.self),
                             .events = POLLIN};
    assert_int_equal(poll(&watched, 1, 0), 0);
    file_close(fixture, file);
}

static void file_out_of_the_page_cache_reads_back(void **state)
{
    struct fixture *fixture = fixture_of(state);
    int descriptor = open(fixture->path, O_RDONLY | O_CLOEXEC);
    assert_true(descriptor >= 0);
    assert_int_equal(fsync(descriptor), 0);
    assert_int_equal(posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(descriptor);
    struct gm_disk_file *file = file_open(fixture, fixture->path);
    static unsigned char buffers[DEPTH][BLOCK_BYTES];
    for (uint32_t i = 0; i < DEPTH; i++)
        assert_int_equal(start(fixture, file, i * 65536, buffers[i], BLOCK_BYTES), 0);
    for (uint32_t i = 0; i < DEPTH; i++) {
        struct gm_disk_completion completion = next_completion(fixture);
        uint32_t which = (uint32_t)((unsigned char(*)[BLOCK_BYTES])completion.tag - buffers);
        assert_true(completion.result > 0);
        assert_pattern(buffers[which], which * 65536, completion.result);
    }
    file_close(fixture, file);
}

static void fifo_waits_for_its_writer_and_ends_with_it(void **state)
{
    struct fixture *fixture = fixture_of(state);
    char path[PATH_BYTES + 8];
    snprintf(path, sizeof(path), "%s.fifo", fixture->path);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct gm_disk_file *file = file_open(fixture, path);
    char buffer[16] = {0};
    struct gm_disk_completion completion;

    assert_int_equal(start(fixture, file, 0, buffer, sizeof(buffer)), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(poll_once(fixture, &completion, 1), 0); /* no writer is no end */
    struct pollfd watched = {.fd = fixture->disk.ops->descriptor(fixture->disk.self),
                             .events = POLLIN};
    assert_int_equal(poll(&watched, 1, 0), 0);

    int writer = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(writer >= 0);
    assert_int_equal(poll_once(fixture, &completion, 1), 0); /* a silent writer is none either */
    assert_int_equal(write(writer, "hello", 5), 5);
    assert_int_equal(next_completion(fixture).result, 5);
    assert_memory_equal(buffer, "hello", 5);

    assert_int_equal(start(fixture, file, 5, buffer, sizeof(buffer)), 0);
    assert_int_equal(poll_once(fixture, &completion, 1), 0);
    assert_int_equal(write(writer, "again", 5), 5);
    assert_int_equal(next_completion(fixture).result, 5);
    assert_memory_equal(buffer, "again", 5);

    close(writer);
    assert_int_equal(read_now(fixture, file, 10, buffer, sizeof(buffer)), 0);
    file_close(fixture, file);
    unlink(path);
}

static void waiting_fifo_does_not_hold_up_a_file(void **state)
{
    struct fixture *fixture = fixture_of(state);
    char path[PATH_BYTES + 8];
    snprintf(path, sizeof(path), "%s.fifo", fixture->path);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct gm_disk_file *fifo = file_open(fixture, path);
    struct gm_disk_file *file = file_open(fixture, fixture->path);
    char word[8];
    unsigned char buffer[64];
    assert_int_equal(start(fixture, fifo, 0, word, sizeof(word)), 0);
    assert_int_equal(read_now(fixture, file, 0, buffer, 64), 64);
    int writer = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(writer >= 0);
    assert_int_equal(write(writer, "x", 1), 1);
    assert_int_equal(next_completion(fixture).result, 1);
    close(writer);
    file_close(fixture, file);
    file_close(fixture, fifo);
    unlink(path);
}

struct writer {
    const char *path;
    int asked; /* one byte per byte to write */
};

static void *write_when_asked(void *argument)
{
    const struct writer *writer = argument;
    int descriptor = open(writer->path, O_WRONLY | O_CLOEXEC);
    char byte;
    while (descriptor >= 0 && read(writer->asked, &byte, 1) == 1) {
        if (write(descriptor, &byte, 1) != 1)
            break;
    }
    close(descriptor);
    return NULL;
}

/* The byte is asked for last, so most of them arrive while this thread already sleeps. */
static void completion_wakes_the_sleeper(void **state)
{
    struct fixture *fixture = fixture_of(state);
    char path[PATH_BYTES + 8];
    snprintf(path, sizeof(path), "%s.fifo", fixture->path);
    assert_int_equal(mkfifo(path, 0600), 0);
    int asked[2];
    assert_int_equal(pipe2(asked, O_CLOEXEC), 0);
    struct gm_disk_file *file = file_open(fixture, path);
    struct writer writer = {.path = path, .asked = asked[0]};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_when_asked, &writer), 0);
    char byte = 0;
    struct gm_disk_completion completion;
    for (int i = 0; i < WAKES; i++) {
        char expected = (char)('a' + i % 26);
        assert_int_equal(start(fixture, file, 0, &byte, 1), 0);
        assert_int_equal(poll_once(fixture, &completion, 1), 0);
        assert_int_equal(write(asked[1], &expected, 1), 1);
        assert_int_equal(next_completion(fixture).result, 1);
        assert_int_equal(byte, expected);
    }
    close(asked[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(asked[0]);
    file_close(fixture, file);
    unlink(path);
}

static void device_without_end_reads_as_stream(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct gm_disk_file *file = file_open(fixture, "/dev/zero");
    char buffer[16];
    memset(buffer, 1, sizeof(buffer));
    assert_int_equal(read_now(fixture, file, UINT64_MAX, buffer, 16), 16);
    assert_int_equal(buffer[15], 0);
    file_close(fixture, file);
    file = file_open(fixture, "/dev/null");
    assert_int_equal(read_now(fixture, file, 0, buffer, 16), 0);
    file_close(fixture, file);
}

/* The writer comes after the destroy: a read still under way would take its word. */
static void destroy_in_flight_gives_the_buffers_back(void **state)
{
    struct fixture *fixture = fixture_of(state);
    char path[PATH_BYTES + 8];
    snprintf(path, sizeof(path), "%s.fifo", fixture->path);
    assert_int_equal(mkfifo(path, 0600), 0);
    int own_end = open(path, O_RDWR | O_CLOEXEC);
    assert_true(own_end >= 0);
    struct gm_disk_file *fifo = file_open(fixture, path);
    struct gm_disk_file *file = file_open(fixture, fixture->path);
    char word[8] = "kept";
    static unsigned char buffers[DEPTH][BLOCK_BYTES];
    struct gm_disk_completion completion;
    assert_int_equal(start(fixture, fifo, 0, word, sizeof(word)), 0);
    assert_int_equal(poll_once(fixture, &completion, 1), 0);
    for (uint32_t i = 1; i < DEPTH; i++)
        assert_int_equal(start(fixture, file, i * 65536, buffers[i], BLOCK_BYTES), 0);
    (void)fixture->disk.ops->descriptor(fixture->disk.self);
    gm_file_disk_destroy(fixture->owner);
    fixture->owner = NULL;
    memset(buffers, 0, sizeof(buffers));
    assert_int_equal(write(own_end, "taken", 5), 5);
    assert_string_equal(word, "kept");
    for (uint32_t i = 0; i < sizeof(buffers); i++)
        assert_int_equal(((unsigned char *)buffers)[i], 0);
    close(own_end);
    unlink(path);
}

static void tight_heap_is_refused_without_a_leak(void **state)
{
    (void)state;
    for (uint64_t limit = 0;; limit += 512) {
        struct gm_heap heap;
        assert_int_equal(gm_heap_init(&heap, limit), 0);
        struct gm_file_disk *disk = NULL;
        int rc = gm_file_disk_create(16, GM_FILE_BACKEND_AUTO, &heap, &disk);
        if (rc != 0) {
            assert_int_equal(rc, GM_ETASK_MEMORY);
            assert_null(disk);
        }
        gm_file_disk_destroy(disk);
        gm_heap_fini(&heap);
        if (rc == 0)
            break;
    }
}

static void environment_switches_io_uring_off(void **state)
{
    (void)state;
    struct gm_heap heap;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    assert_int_equal(setenv("GLEAM_IO_URING", "off", 1), 0);
    struct gm_file_disk *disk = NULL;
    assert_int_equal(gm_file_disk_create(1, GM_FILE_BACKEND_AUTO, &heap, &disk), 0);
    assert_int_equal(unsetenv("GLEAM_IO_URING"), 0);
    assert_string_equal(gm_file_disk_backend_name(disk), "pread");
    assert_int_equal(gm_file_disk_refusal(disk), 0);
    gm_file_disk_destroy(disk);
    gm_heap_fini(&heap);
}

/* Makes the system call `number` answer EPERM, as container runtimes do. */
static bool forbid(uint32_t number)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Exit status: 0 right, 77 no filter here, else the step that went wrong. */
static int read_while_forbidden(uint32_t number, const char *path)
{
    if (!forbid(number))
        return 77;
    struct gm_heap heap;
    struct gm_file_disk *owner;
    if (gm_heap_init(&heap, UINT64_MAX) != 0)
        return 1;
    if (gm_file_disk_create(1, GM_FILE_BACKEND_AUTO, &heap, &owner) != 0)
        return 2;
    if (strcmp(gm_file_disk_backend_name(owner), "pread") != 0)
        return 3;
#ifdef GM_HAVE_URING
    if (gm_file_disk_refusal(owner) >= 0)
        return 4;
#endif
    struct gm_disk disk = gm_file_disk_port(owner);
    struct gm_disk_file *file;
    unsigned char buffer[64];
    struct gm_disk_completion completion;
    if (disk.ops->open(disk.self, path, &file) != 0)
        return 5;
    if (disk.ops->read(disk.self, file, 100, buffer, 64, NULL) != 0)
        return 6;
    if (disk.ops->poll(disk.self, &completion, 1) != 1 || completion.result != 64)
        return 7;
    if (buffer[63] != pattern(163))
        return 8;
    disk.ops->close(disk.self, file);
    gm_file_disk_destroy(owner);
    gm_heap_fini(&heap);
    return 0;
}

static void forbidden_io_uring_falls_back(void **state)
{
    struct fixture *fixture = fixture_of(state);
    const uint32_t numbers[] = {SYS_io_uring_setup, SYS_io_uring_register, SYS_io_uring_enter};
    /* A filter may allow the setup and refuse the rest. */
    for (uint32_t i = 0; i < 3; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(read_while_forbidden(numbers[i], fixture->path));
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77) {
            fprintf(stderr, "no seccomp filters here\n");
            skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

#ifdef GM_HAVE_URING
/* Exit status as above. */
static int read_while_shut(const char *path)
{
    struct gm_heap heap;
    struct gm_file_disk *owner;
    if (gm_heap_init(&heap, UINT64_MAX) != 0)
        return 1;
    if (gm_file_disk_create(2, GM_FILE_BACKEND_URING, &heap, &owner) != 0 ||
        !forbid(SYS_io_uring_enter))
        return 77;
    struct gm_disk disk = gm_file_disk_port(owner);
    struct gm_disk_file *file;
    char buffers[2][8] = {"kept", "kept"};
    struct gm_disk_completion completions[2];
    if (disk.ops->open(disk.self, path, &file) != 0)
        return 2;
    for (uint32_t i = 0; i < 2; i++) {
        if (disk.ops->read(disk.self, file, 0, buffers[i], 8, NULL) != 0)
            return 3;
    }
    if (disk.ops->poll(disk.self, completions, 2) != 2)
        return 4;
    for (uint32_t i = 0; i < 2; i++) {
        if (completions[i].result != -EPERM || strcmp(buffers[i], "kept") != 0)
            return 5;
    }
    disk.ops->close(disk.self, file);
    gm_file_disk_destroy(owner);
    gm_heap_fini(&heap);
    return 0;
}
#endif

static void ring_that_shuts_later_fails_its_reads(void **state)
{
    struct fixture *fixture = fixture_of(state);
#ifdef GM_HAVE_URING
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(read_while_shut(fixture->path));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != 77) {
        assert_int_equal(WEXITSTATUS(status), 0);
        return;
    }
#else
    (void)fixture;
#endif
    fprintf(stderr, "no io_uring or no seccomp filters here\n");
    skip();
}

#define BOTH(name)                                                                                 \
    {#name " (io_uring)", name, open_uring, fixture_close, NULL},                                  \
    {                                                                                              \
        #name " (pread)", name, open_pread, fixture_close, NULL                                    \
    }

int main(void)
{
    alarm(ALARM_S);
    const struct CMUnitTest tests[] = {
        BOTH(whole_file_reads_back),
        BOTH(many_in_flight_at_random_offsets_all_come_back),
        BOTH(reading_beyond_the_end_gives_zero),
        BOTH(growing_and_shrinking_file_gives_what_is_there),
        BOTH(missing_file_and_directory_are_refused),
        BOTH(unreadable_file_is_refused),
        BOTH(full_queue_says_again_and_takes_more_after_a_poll),
        BOTH(small_poll_leaves_the_rest_for_later),
        BOTH(idle_disk_does_not_poll_readable),
        BOTH(file_out_of_the_page_cache_reads_back),
        BOTH(fifo_waits_for_its_writer_and_ends_with_it),
        BOTH(waiting_fifo_does_not_hold_up_a_file),
        BOTH(completion_wakes_the_sleeper),
        BOTH(device_without_end_reads_as_stream),
        BOTH(destroy_in_flight_gives_the_buffers_back),
        cmocka_unit_test(tight_heap_is_refused_without_a_leak),
        cmocka_unit_test(environment_switches_io_uring_off),
        cmocka_unit_test_setup_teardown(forbidden_io_uring_falls_back, open_pread, fixture_close),
        cmocka_unit_test_setup_teardown(ring_that_shuts_later_fails_its_reads, open_pread,
                                        fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
