/* test_node.c - goal: what an agent keeps and passes on: messages with descriptors to a job's
 * process, programs by their hash, logs; each with its bounds.
 * Method: a socket pair, and a folder of the test's.
 */
#include "agent/node/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/node/programs.h"
#include "agent/node/logs.h"

static char folder[] = "/tmp/gleam-node-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void mail_brings_bytes_and_a_descriptor(void **state)
{
    (void)state;
    int ends[2], fd;
    size_t bytes;
    uint8_t *data = malloc(GM_MAIL_BYTES_MAX);
    static uint8_t large[GM_MAIL_BYTES_MAX];
    memset(large, 'x', sizeof large);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    assert_int_equal(gm_mail_receive(ends[0], MSG_DONTWAIT, data, &bytes, &fd), 0);
    const int sent = open("/dev/null", O_RDONLY);
    assert_int_equal(gm_mail_send(ends[1], GM_MAIL_CONNECTION, "abc", 3, sent), 0);
    assert_int_equal(gm_mail_send(ends[1], GM_MAIL_READY, NULL, 0, -1), 0);
    assert_int_equal(gm_mail_send(ends[1], GM_MAIL_OUTCOME, large, sizeof large, -1), 0);
    assert_int_equal(gm_mail_receive(ends[0], 0, data, &bytes, &fd), GM_MAIL_CONNECTION);
    assert_int_equal(bytes, 3);
    assert_memory_equal(data, "abc", 3);
    assert_true(fd >= 0 && fd != sent);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    close(sent);
    assert_int_equal(gm_mail_receive(ends[0], 0, data, &bytes, &fd), GM_MAIL_READY);
    assert_int_equal(bytes, 0);
    assert_int_equal(fd, -1);
    assert_int_equal(gm_mail_receive(ends[0], 0, data, &bytes, &fd), GM_MAIL_OUTCOME);
    assert_int_equal(bytes, sizeof large);
    /* Not ours: too short, of no kind, too long. */
    static uint8_t longer[GM_MAIL_BYTES_MAX + 5] = {GM_MAIL_STATUS};
    assert_int_equal(send(ends[1], "ab", 2, 0), 2);
    assert_int_equal(send(ends[1], "\xff\xff\xff\xff", 4, 0), 4);
    assert_int_equal(send(ends[1], longer, sizeof longer, 0), (ssize_t)sizeof longer);
    for (int i = 0; i < 3; i++)
        assert_int_equal(gm_mail_receive(ends[0], 0, data, &bytes, &fd), GM_EPEER_PROTOCOL);
    close(ends[1]);
    assert_int_equal(gm_mail_receive(ends[0], 0, data, &bytes, &fd), GM_EPEER_DIED);
    close(ends[0]);
    free(data);
}

static uint32_t entries_in(const char *name)
{
    char path[128];
    uint32_t count = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    DIR *opened = opendir(path);
    assert_non_null(opened);
    for (const struct dirent *entry; (entry = readdir(opened)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(opened);
    return count;
}

static struct gm_artifact artifact(uint32_t number)
{
    struct gm_artifact made = {.name = "program"};
    snprintf(made.hash, sizeof made.hash, "%064x", number);
    return made;
}

static void programs_are_kept_by_hash_and_the_unused_go(void **state)
{
    (void)state;
    struct gm_error error = {0};
    char path[GM_PATH_BYTES_MAX], text[8] = "";
    const struct gm_artifact first = artifact(1);
    assert_int_equal(gm_programs_open(folder, &error), 0);
    assert_int_equal(gm_programs_open(folder, &error), 0);
    assert_false(gm_programs_find(folder, &first, path, sizeof path));
    assert_int_equal(gm_programs_put(folder, first.hash, "code", 4, &error), 0);
    assert_int_equal(gm_programs_put(folder, first.hash, "code", 4, &error), 0);
    for (int again = 0; again < 2; again++) {
        assert_true(gm_programs_find(folder, &first, path, sizeof path));
        assert_non_null(strstr(path, "/program"));
        assert_int_equal(access(path, X_OK), 0);
    }
    const int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, text, sizeof text), 4);
    close(fd);
    assert_string_equal(text, "code");
    for (uint32_t i = 2; i < GM_PROGRAMS_MAX + 20; i++) {
        const struct gm_artifact one = artifact(i);
        assert_int_equal(gm_programs_put(folder, one.hash, "x", 1, &error), 0);
        assert_true(gm_programs_find(folder, &first, path, sizeof path)); /* it is used */
    }
    assert_int_equal(entries_in("artifacts"), GM_PROGRAMS_MAX);
}

static void logs_are_kept_and_the_oldest_go(void **state)
{
    (void)state;
    struct gm_error error = {0};
    uint8_t *text;
    size_t bytes;
    assert_int_equal(gm_logs_make(folder, &error), 0);
    for (uint64_t job = 1; job < GM_LOGS_MAX + 20; job++) {
        const int fd = gm_logs_open(folder, job, &error);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "words\n", 6), 6);
        close(fd);
    }
    assert_int_equal(entries_in("logs"), GM_LOGS_MAX);
    assert_int_equal(gm_logs_read(folder, GM_LOGS_MAX + 19, &text, &bytes, &error), 0);
    assert_int_equal(bytes, 6);
    free(text);
    assert_int_not_equal(gm_logs_read(folder, 123456, &text, &bytes, &error), 0);
    assert_non_null(strstr(error.text, "no log"));
    /* Of a long one, the end. */
    error.code = 0;
    const int fd = gm_logs_open(folder, 7, &error);
    assert_int_equal(ftruncate(fd, 3 * GM_LOG_BYTES_MAX), 0);
    assert_int_equal(write(fd, "the end", 7), 7);
    close(fd);
    assert_int_equal(gm_logs_read(folder, 7, &text, &bytes, &error), 0);
    assert_int_equal(bytes, GM_LOG_BYTES_MAX);
    assert_memory_equal(text + bytes - 7, "the end", 7);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_brings_bytes_and_a_descriptor),
        cmocka_unit_test(programs_are_kept_by_hash_and_the_unused_go),
        cmocka_unit_test(logs_are_kept_and_the_oldest_go),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
