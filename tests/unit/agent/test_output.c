/* test_output.c - goal: text arrives whole, a file appears at commit only and replaces what was
 * there, a reader that left is no failure, and rows that do not fit their run are refused.
 * Method: runs of packed rows made by hand, files in a temporary directory, pipes and /dev/full.
 */
#include "agent/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

struct fixture {
    struct gm_heap heap;
    struct gm_schema schema;
    struct gm_error error;
    char directory[64];
    char path[96];
    uint8_t rows[1 << 16];
    struct gm_run run;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL || gm_heap_init(&f->heap, UINT64_MAX) < 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    strcpy(f->directory, "/tmp/gleam-output-XXXXXX");
    if (mkdtemp(f->directory) == NULL)
        return -1;
    snprintf(f->path, sizeof f->path, "%s/out.txt", f->directory);
    f->schema.field_count = 1;
    f->schema.fields[0].kind = GLEAM_BYTES;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    const int rc = rmdir(f->directory);
    const bool clean = f->heap.used_bytes == 0;
    gm_heap_fini(&f->heap);
    free(f);
    return rc == 0 && clean ? 0 : -1;
}

/* A run of texts, each one packed row. */
static const struct gm_run *run_of(struct fixture *f, const char *const *texts, uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t length = (uint32_t)strlen(texts[i]);
        assert_true(at + 4 + length + GM_BYTES_SLACK < sizeof f->rows);
        memcpy(f->rows + at, &length, sizeof length);
        memcpy(f->rows + at + 4, texts[i], length);
        at += 4 + length;
    }
    f->run = (struct gm_run){.row_count = count, .bytes = at, .rows = f->rows, .source = 3};
    return &f->run;
}

static struct gm_output_writer *open_writer(struct fixture *f, const struct gm_output *output)
{
    struct gm_output_writer *writer = NULL;
    f->error = (struct gm_error){0};
    assert_int_equal(gm_output_writer_create(output, &f->schema, &f->heap, &f->error, &writer), 0);
    return writer;
}

static size_t read_file(const char *path, char *text, size_t bytes)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return SIZE_MAX;
    const size_t got = fread(text, 1, bytes - 1, file);
    text[got] = '\0';
    fclose(file);
    return got;
}

static uint32_t files_in(const char *directory)
{
    uint32_t count = 0;
    DIR *open = opendir(directory);
    assert_non_null(open);
    for (const struct dirent *entry; (entry = readdir(open)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(open);
    return count;
}

static void a_file_appears_at_commit_and_replaces(void **state)
{
    struct fixture *f = *state;
    const struct gm_output output = {.kind = GM_OUTPUT_PATH, .path = f->path};
    const char *const texts[] = {"one\n", "", "two\n"};
    char text[64];
    for (int round = 0; round < 2; round++) {
        struct gm_output_writer *writer = open_writer(f, &output);
        assert_int_equal(gm_output_writer_rows(writer, run_of(f, texts, 3 - (uint32_t)round),
                                               &f->error),
                         0);
        assert_int_equal(gm_output_writer_finish(writer, &f->error), 0);
        /* Not before the commit: nothing at first, the old content in the second round. */
        assert_int_equal(read_file(f->path, text, sizeof text), round == 0 ? SIZE_MAX : 8);
        assert_int_equal(gm_output_writer_commit(writer, &f->error), 0);
        assert_int_equal(gm_output_writer_bytes(writer), round == 0 ? 8 : 4);
        gm_output_writer_destroy(writer);
        assert_int_equal(read_file(f->path, text, sizeof text), round == 0 ? 8 : 4);
        assert_int_equal(files_in(f->directory), 1);
    }
    assert_string_equal(text, "one\n");
}

static void a_file_without_commit_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    const struct gm_output output = {.kind = GM_OUTPUT_PATH, .path = f->path};
    const char *const texts[] = {"one\n"};
    struct gm_output_writer *writer = open_writer(f, &output);
    assert_int_equal(gm_output_writer_rows(writer, run_of(f, texts, 1), &f->error), 0);
    assert_int_equal(gm_output_writer_finish(writer, &f->error), 0);
    gm_output_writer_destroy(writer);
    assert_int_equal(files_in(f->directory), 0);
}

/* One row "one\n" to path, with all steps. */
static void write_one(struct fixture *f, char *path)
{
    const struct gm_output output = {.kind = GM_OUTPUT_PATH, .path = path};
    const char *const texts[] = {"one\n"};
    struct gm_output_writer *writer = open_writer(f, &output);
    assert_int_equal(gm_output_writer_rows(writer, run_of(f, texts, 1), &f->error), 0);
    assert_int_equal(gm_output_writer_finish(writer, &f->error), 0);
    assert_int_equal(gm_output_writer_commit(writer, &f->error), 0);
    gm_output_writer_destroy(writer);
}

static void a_fifo_is_written_and_stays_a_fifo(void **state)
{
    struct fixture *f = *state;
    struct stat after;
    char text[16] = "";
    assert_int_equal(mkfifo(f->path, 0600), 0);
    const int reader = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    write_one(f, f->path);
    assert_int_equal(read(reader, text, sizeof text), 4);
    assert_string_equal(text, "one\n");
    close(reader);
    assert_int_equal(lstat(f->path, &after), 0);
    assert_true(S_ISFIFO(after.st_mode));
    assert_int_equal(files_in(f->directory), 1);
}

/* By way of a link: were it replaced, the machine's device would not be lost. */
static void a_device_is_written_and_stays(void **state)
{
    struct fixture *f = *state;
    struct stat after;
    assert_int_equal(symlink("/dev/null", f->path), 0);
    write_one(f, f->path);
    assert_int_equal(lstat(f->path, &after), 0);
    assert_true(S_ISLNK(after.st_mode));
    assert_int_equal(stat("/dev/null", &after), 0);
    assert_true(S_ISCHR(after.st_mode));
}

static void a_link_is_followed(void **state)
{
    struct fixture *f = *state;
    struct stat after;
    char target[128], text[16];
    snprintf(target, sizeof target, "%s/target", f->directory);
    assert_int_equal(symlink("target", f->path), 0);
    /* At first it leads to nothing. */
    for (int round = 0; round < 2; round++) {
        write_one(f, f->path);
        assert_int_equal(lstat(f->path, &after), 0);
        assert_true(S_ISLNK(after.st_mode));
        assert_int_equal(lstat(target, &after), 0);
        assert_true(S_ISREG(after.st_mode));
        assert_int_equal(read_file(target, text, sizeof text), 4);
    }
    unlink(target);
}

static void a_file_keeps_its_rights(void **state)
{
    struct fixture *f = *state;
    struct stat after;
    const int file = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(fchmod(file, 0604), 0);
    close(file);
    write_one(f, f->path);
    assert_int_equal(stat(f->path, &after), 0);
    assert_int_equal(after.st_mode & 0777, 0604);
    assert_int_equal(after.st_size, 4);
}

static void a_target_that_cannot_be_is_named(void **state)
{
    struct fixture *f = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/no/file", f->directory);
    const struct gm_output output = {.kind = GM_OUTPUT_PATH, .path = path};
    struct gm_output_writer *writer = NULL;
    assert_int_equal(gm_output_writer_create(&output, &f->schema, &f->heap, &f->error, &writer),
                     GM_EJOB_OUTPUT);
    assert_null(writer);
    assert_non_null(strstr(f->error.text, path));
}

static void a_full_device_is_an_error(void **state)
{
    struct fixture *f = *state;
    const char *const texts[] = {"one\n"};
    FILE *full = fopen("/dev/full", "we");
    assert_non_null(full);
    const struct gm_output output = {.kind = GM_OUTPUT_STREAM, .stream = full};
    struct gm_output_writer *writer = open_writer(f, &output);
    assert_int_equal(gm_output_writer_rows(writer, run_of(f, texts, 1), &f->error), 0);
    assert_int_equal(gm_output_writer_finish(writer, &f->error), GM_EJOB_OUTPUT);
    assert_non_null(strstr(f->error.text, "No space left on device"));
    assert_false(gm_output_writer_closed(writer));
    gm_output_writer_destroy(writer);
    fclose(full);
}

static void a_reader_that_left_is_no_failure(void **state)
{
    struct fixture *f = *state;
    const char *const texts[] = {"one\n"};
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    FILE *stream = fdopen(pipes[1], "w");
    const struct gm_output output = {.kind = GM_OUTPUT_STREAM, .stream = stream};
    struct gm_output_writer *writer = open_writer(f, &output);
    close(pipes[0]);
    assert_int_equal(gm_output_writer_rows(writer, run_of(f, texts, 1), &f->error), 0);
    assert_int_equal(gm_output_writer_finish(writer, &f->error), 0);
    assert_true(gm_output_writer_closed(writer));
    assert_int_equal(gm_output_writer_rows(writer, run_of(f, texts, 1), &f->error), 0);
    gm_output_writer_destroy(writer);
    fclose(stream);
}

static _Atomic int stop;

static void on_alarm(int number)
{
    stop = number;
}

/* Nobody reads the pipe: the write blocks until the signal comes. */
static void a_write_that_blocks_is_given_up_on_a_signal(void **state)
{
    struct fixture *f = *state;
    static char long_text[60000];
    memset(long_text, 'x', sizeof long_text - 1);
    const char *const texts[] = {long_text};
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    FILE *stream = fdopen(pipes[1], "w");
    const struct gm_output output = {.kind = GM_OUTPUT_STREAM, .stream = stream};
    struct gm_output_writer *writer = open_writer(f, &output);
    gm_output_writer_watch(writer, &stop);
    const struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    const struct itimerval soon = {.it_interval.tv_usec = 10000, .it_value.tv_usec = 10000};
    setitimer(ITIMER_REAL, &soon, NULL);
    int rc = 0;
    for (int i = 0; i < 100 && rc == 0; i++)
        rc = gm_output_writer_rows(writer, run_of(f, texts, 1), &f->error);
    const struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
    assert_int_equal(rc, -EINTR);
    assert_int_equal(f->error.code, 0);
    gm_output_writer_destroy(writer);
    fclose(stream);
    close(pipes[0]);
}

static void large_and_small_texts_keep_their_order(void **state)
{
    struct fixture *f = *state;
    static char large[50000];
    memset(large, 'L', sizeof large - 1);
    const char *const texts[] = {"a", large, "b"};
    const struct gm_output output = {.kind = GM_OUTPUT_PATH, .path = f->path};
    struct gm_output_writer *writer = open_writer(f, &output);
    for (int i = 0; i < 20; i++)
        assert_int_equal(gm_output_writer_rows(writer, run_of(f, texts, 3), &f->error), 0);
    assert_int_equal(gm_output_writer_finish(writer, &f->error), 0);
    assert_int_equal(gm_output_writer_commit(writer, &f->error), 0);
    gm_output_writer_destroy(writer);
    const size_t one = sizeof large + 1;
    char *all = malloc(20 * one + 1);
    assert_int_equal(read_file(f->path, all, 20 * one + 1), 20 * one);
    for (size_t i = 0; i < 20; i++)
        assert_true(all[i * one] == 'a' && all[i * one + 1] == 'L' &&
                    all[i * one + one - 1] == 'b');
    free(all);
}

static void rows_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    const char *const texts[] = {"one\n", "two\n"};
    const struct gm_output output = {.kind = GM_OUTPUT_PATH, .path = f->path};
    for (int fault = 0; fault < 4; fault++) {
        struct gm_output_writer *writer = open_writer(f, &output);
        run_of(f, texts, 2);
        if (fault == 0)
            f->rows[8] = 200; /* the second row is longer than the run */
        if (fault == 1)
            f->run.row_count = 3;
        if (fault == 2)
            f->run.bytes -= 1;
        if (fault == 3)
            f->run.row_count = 1; /* and something behind it */
        assert_int_equal(gm_output_writer_rows(writer, &f->run, &f->error), GM_EFRAME_CORRUPT);
        assert_non_null(strstr(f->error.text, "executor 3"));
        gm_output_writer_destroy(writer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_appears_at_commit_and_replaces, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_without_commit_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_fifo_is_written_and_stays_a_fifo, setup, teardown),
        cmocka_unit_test_setup_teardown(a_device_is_written_and_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_is_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_keeps_its_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(a_target_that_cannot_be_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_device_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_left_is_no_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_that_blocks_is_given_up_on_a_signal, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(large_and_small_texts_keep_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_that_do_not_fit_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
