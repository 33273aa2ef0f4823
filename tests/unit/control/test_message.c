/* test_message.c - goal: every message is read as it was written, and whatever is missing, too long
 * or out of range is refused by its name.
 * Method: full messages; the same with each member left out; random bytes in them.
 */
#include "control/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/prng.h"

static struct gm_grant grants[3];

static struct gm_job_info job(void)
{
    for (uint32_t i = 0; i < 3; i++) {
        grants[i] = (struct gm_grant){
            .port = (uint16_t)(1000 + i), .executor_count = i + 1, .memory_bytes = 1u << 30};
        snprintf(grants[i].host, sizeof grants[i].host, "host%u", i);
    }
    return (struct gm_job_info){.id = 0xabcdef12,
                                .name = "a \"name\"",
                                .user = "me",
                                .driver = "here:1",
                                .state = GM_JOB_RUNNING,
                                .position = 3,
                                .want_executors = 6,
                                .want_memory_bytes = 7,
                                .submitted_s = 8,
                                .started_s = 9,
                                .ended_s = 10,
                                .read_bytes = 11,
                                .input_bytes = 12,
                                .error = "why",
                                .grant_count = 3,
                                .grants = grants};
}

static void assert_same_job(const struct gm_job_info *a, const struct gm_job_info *b)
{
    struct gm_job_info one = *a, two = *b;
    one.grants = two.grants = NULL;
    assert_int_equal(one.id, two.id);
    assert_string_equal(one.name, two.name);
    assert_string_equal(one.user, two.user);
    assert_string_equal(one.driver, two.driver);
    assert_string_equal(one.error, two.error);
    assert_int_equal(one.state, two.state);
    assert_int_equal(one.position, two.position);
    assert_int_equal(one.want_executors, two.want_executors);
    assert_int_equal(one.want_memory_bytes, two.want_memory_bytes);
    assert_int_equal(one.submitted_s, two.submitted_s);
    assert_int_equal(one.started_s, two.started_s);
    assert_int_equal(one.ended_s, two.ended_s);
    assert_int_equal(one.read_bytes, two.read_bytes);
    assert_int_equal(one.input_bytes, two.input_bytes);
    assert_int_equal(one.grant_count, two.grant_count);
    for (uint32_t i = 0; i < one.grant_count; i++) {
        assert_string_equal(a->grants[i].host, b->grants[i].host);
        assert_int_equal(a->grants[i].port, b->grants[i].port);
        assert_int_equal(a->grants[i].executor_count, b->grants[i].executor_count);
        assert_int_equal(a->grants[i].memory_bytes, b->grants[i].memory_bytes);
    }
}

static void a_job_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct gm_error error = {0};
    struct gm_job_info read, copy;
    const struct gm_job_info written = job();
    char *text = gm_message_job_write(&written);
    assert_non_null(text);
    assert_int_equal(gm_message_job_read(text, strlen(text), &read, &error), 0);
    assert_same_job(&written, &read);
    assert_int_equal(gm_job_info_copy(&read, &copy), 0);
    gm_job_info_fini(&read);
    assert_same_job(&written, &copy);
    gm_job_info_fini(&copy);
    free(text);
}

/* A name is whatever a person calls a flow. */
static void a_name_that_is_no_utf8_is_told_all_the_same(void **state)
{
    (void)state;
    struct gm_error error = {0};
    struct gm_job_info read, written = job();
    snprintf(written.name, sizeof written.name, "caf\xe9");
    char *text = gm_message_job_write(&written);
    assert_non_null(text);
    assert_int_equal(gm_message_job_read(text, strlen(text), &read, &error), 0);
    assert_string_equal(read.name, "caf?");
    gm_job_info_fini(&read);
    free(text);
}

/* Every member but its name: what remains misses one. */
static void a_missing_member_is_named(void **state)
{
    (void)state;
    static const char *const members[] = {
        "\"name\"", "\"state\"", "\"nodes\"",           "\"port\"",
        "\"id\"",   "\"error\"", "\"executors_count\"", "\"started_unix_s\""};
    const struct gm_job_info written = job();
    char *text = gm_message_job_write(&written);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        struct gm_error error = {0};
        struct gm_job_info read;
        char *changed = strdup(text);
        strstr(changed, members[i])[1] = '_';
        assert_int_equal(gm_message_job_read(changed, strlen(changed), &read, &error),
                         GM_EPEER_PROTOCOL);
        assert_non_null(strstr(error.text, members[i]));
        free(changed);
    }
    free(text);
}

static void agents_and_beats(void **state)
{
    (void)state;
    struct gm_error error = {0};
    static struct gm_agent_info read, written = {
        .host = "h", .port = 1, .core_count = 4, .memory_bytes = 5, .huge_bytes = 6, .net = "tcp",
        .data_center = "dc", .rack = "r", .version = "1.2", .job_count = 2, .jobs = {7, 8},
        .lost = true, .silent_ms = 9};
    char *text = gm_message_agent_write(&written);
    assert_int_equal(gm_message_agent_read(text, strlen(text), &read, &error), 0);
    assert_memory_equal(&read, &written, sizeof read);
    free(text);
    static struct gm_beat_reply said, reply = {.kill_count = 2, .kill = {0xffffffff, 1}};
    text = gm_message_beat_reply_write(&reply);
    assert_int_equal(gm_message_beat_reply_read(text, strlen(text), &said, &error), 0);
    assert_int_equal(said.kill_count, 2);
    assert_int_equal(said.kill[0], 0xffffffff);
    free(text);
}

static void a_start_names_its_files(void **state)
{
    (void)state;
    struct gm_error error = {0};
    static struct gm_start read, written;
    written = (struct gm_start){.job = job(), .node = 2, .attempt = 3, .nonce = "nonce",
                                .artifact_count = 1, .artifacts = {{.name = "gleam"}}};
    memset(written.artifacts[0].hash, 'a', 64);
    char *text = gm_message_start_write(&written);
    assert_int_equal(gm_message_start_read(text, strlen(text), &read, &error), 0);
    assert_same_job(&read.job, &written.job);
    assert_int_equal(read.node, 2);
    assert_memory_equal(read.nonce, written.nonce, sizeof read.nonce);
    assert_string_equal(read.artifacts[0].hash, written.artifacts[0].hash);
    gm_job_info_fini(&read.job);
    free(text);
    /* A name becomes a file's. */
    static const char *const names[] = {"../x", "a/b", "", ".", ".."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(written.artifacts[0].name, sizeof written.artifacts[0].name, "%s", names[i]);
        text = gm_message_start_write(&written);
        error.code = 0;
        assert_int_equal(gm_message_start_read(text, strlen(text), &read, &error),
                         GM_EPEER_PROTOCOL);
        free(text);
    }
    snprintf(written.artifacts[0].name, sizeof written.artifacts[0].name, "gleam");
    written.node = 3; /* there is no such node */
    text = gm_message_start_write(&written);
    assert_int_equal(gm_message_start_read(text, strlen(text), &read, &error), GM_EPEER_PROTOCOL);
    free(text);
}

static void numbers_of_jobs(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "0", "x1", "1x", "00000000", "12345678901234567", "-1"};
    uint64_t id;
    char text[GM_JOB_ID_TEXT_MAX];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(gm_job_id_parse(wrong[i], &id));
    assert_true(gm_job_id_parse("ABCdef/kill", &id));
    assert_int_equal(id, 0xabcdef);
    gm_job_id_format(id, text);
    assert_string_equal(text, "00abcdef");
}

static int count_element(void *self, const char *text, size_t bytes)
{
    assert_int_equal(strlen(text), bytes);
    (*(int *)self)++;
    return 0;
}

static void lists_and_errors(void **state)
{
    (void)state;
    struct gm_error error = {0};
    char one[] = "{\"a\":1}", two[] = "{}", said[16];
    char *const texts[] = {one, two};
    int count = 0;
    char *text = gm_message_list_write("things", texts, 2);
    assert_string_equal(text, "{\"things\":[{\"a\":1},{}]}");
    assert_int_equal(
        gm_message_list_read(text, strlen(text), "things", count_element, &count, &error), 0);
    assert_int_equal(count, 2);
    free(text);
    text = gm_message_error_write("no \"way\"");
    gm_message_error_read(text, strlen(text), said, sizeof said);
    assert_string_equal(said, "no \"way\"");
    free(text);
    gm_message_error_read("<html>", 6, said, sizeof said);
    assert_string_equal(said, "<html>");
}

/* Bytes changed at random: refused or read, and never out of bounds (sanitizers look). */
static void changed_bytes_do_no_harm(void **state)
{
    (void)state;
    struct gm_prng prng;
    gm_prng_init(&prng, 1);
    const struct gm_job_info written = job();
    char *text = gm_message_job_write(&written);
    const size_t length = strlen(text);
    for (int i = 0; i < 20000; i++) {
        struct gm_error error = {0};
        struct gm_job_info read;
        char *changed = strdup(text);
        for (int n = 0; n < 3; n++)
            changed[gm_prng_next(&prng) % length] = (char)gm_prng_next(&prng);
        if (gm_message_job_read(changed, gm_prng_next(&prng) % 8 > 0 ? length : length / 2, &read,
                                &error) == 0)
            gm_job_info_fini(&read);
        free(changed);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_read_as_it_was_written),
        cmocka_unit_test(a_name_that_is_no_utf8_is_told_all_the_same),
        cmocka_unit_test(a_missing_member_is_named),
        cmocka_unit_test(agents_and_beats),
        cmocka_unit_test(a_start_names_its_files),
        cmocka_unit_test(numbers_of_jobs),
        cmocka_unit_test(lists_and_errors),
        cmocka_unit_test(changed_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
