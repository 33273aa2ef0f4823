/* test_history.c - goal: what was written is there after a restart, also behind a line that was
 * cut, and the file does not grow for ever.
 * Method: a folder of the test's.
 */
#include "master/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/gleam-history-XXXXXX";
static char directory[64], path[80];
static const struct gm_jobs_time now = {.now_ns = 1, .now_s = 1};

static void note(void *self, const struct gm_job_info *job)
{
    (void)self;
    (void)job;
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "%s/h", mkdtemp(folder));
    snprintf(path, sizeof path, "%s/jobs.jsonl", directory);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    rmdir(directory);
    return rmdir(folder);
}

static struct gm_history open_history(struct gm_jobs *jobs)
{
    struct gm_history history;
    struct gm_error error = {0};
    gm_jobs_init(jobs, NULL, note);
    assert_int_equal(gm_history_open(&history, directory, jobs, now, &error), 0);
    return history;
}

static void add(struct gm_history *history, uint64_t id, enum gm_job_state state)
{
    struct gm_grant grant = {.host = "h", .port = 1, .executor_count = 1};
    const struct gm_job_info job = {
        .id = id, .state = state, .name = "n", .grant_count = 1, .grants = &grant};
    assert_int_equal(gm_history_add(history, &job), 0);
}

static void jobs_are_there_again(void **state)
{
    (void)state;
    struct gm_jobs jobs;
    struct gm_history history = open_history(&jobs);
    add(&history, 1, GM_JOB_RUNNING);
    add(&history, 2, GM_JOB_RUNNING);
    add(&history, 1, GM_JOB_DONE);
    gm_history_close(&history);
    /* The power failed in the middle of a line. */
    const int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "{\"id\": \"00000003\", \"na", 22), 22);
    close(fd);
    for (int again = 0; again < 2; again++) {
        history = open_history(&jobs);
        assert_int_equal(gm_jobs_find(&jobs, 1)->info.state, GM_JOB_DONE);
        assert_int_equal(gm_jobs_find(&jobs, 2)->info.state, GM_JOB_RUNNING);
        assert_int_equal(gm_jobs_find(&jobs, 2)->info.grant_count, 1);
        assert_null(gm_jobs_find(&jobs, 3));
        if (again == 0)
            add(&history, 4, GM_JOB_FAILED);
        else
            assert_int_equal(gm_jobs_find(&jobs, 4)->info.state, GM_JOB_FAILED);
        gm_history_close(&history);
        gm_jobs_fini(&jobs);
    }
}

static void an_old_file_is_written_anew(void **state)
{
    (void)state;
    struct gm_jobs jobs;
    struct stat before, after;
    unlink(path);
    struct gm_history history = open_history(&jobs);
    add(&history, 99999, GM_JOB_RUNNING);
    for (uint64_t id = 1; id <= 5 * GM_JOBS_ENDED_MAX; id++) {
        add(&history, id, GM_JOB_RUNNING);
        add(&history, id, GM_JOB_DONE);
    }
    gm_history_close(&history);
    assert_int_equal(stat(path, &before), 0);
    history = open_history(&jobs);
    assert_int_equal(stat(path, &after), 0);
    assert_true(after.st_size < before.st_size / 8);
    assert_int_equal(after.st_mode & 0777, 0600);
    gm_history_close(&history);
    gm_jobs_fini(&jobs);
    history = open_history(&jobs);
    assert_int_equal(jobs.ended_count, GM_JOBS_ENDED_MAX);
    assert_int_equal(jobs.ended->info.id, 5 * GM_JOBS_ENDED_MAX);
    assert_int_equal(gm_jobs_find(&jobs, 99999)->info.state, GM_JOB_RUNNING);
    gm_history_close(&history);
    gm_jobs_fini(&jobs);
}

static void without_a_folder_nothing_is_kept(void **state)
{
    (void)state;
    struct gm_history history;
    struct gm_jobs jobs;
    struct gm_error error = {0};
    gm_jobs_init(&jobs, NULL, note);
    assert_int_equal(gm_history_open(&history, NULL, &jobs, now, &error), 0);
    add(&history, 1, GM_JOB_DONE);
    assert_int_equal(gm_history_open(&history, "/no/such/folder", &jobs, now, &error), -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_are_there_again),
        cmocka_unit_test(an_old_file_is_written_anew),
        cmocka_unit_test(without_a_folder_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
