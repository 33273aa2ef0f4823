/* test_stats.c - goal: what --stats writes is valid JSON whatever bytes the names hold.
 * Method: names of hand-picked bytes, and the text that stands for them.
 */
#include "agent/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static void expect_name(const char *name, const char *want)
{
    static char text[4096];
    char path[] = "/tmp/gleam-stats-XXXXXX", line[256];
    struct gm_plan plan = {0};
    struct gm_job_report report = {0};
    struct gm_error error = {0};
    snprintf(plan.name, sizeof plan.name, "%s", name);
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(gm_stats_write(path, &plan, &report, &error), 0);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    unlink(path);
    snprintf(line, sizeof line, "\"flow_name\": \"%s\",\n", want);
    assert_non_null(strstr(text, line));
}

static void text_stays_as_it_is(void **state)
{
    (void)state;
    expect_name("plain", "plain");
    expect_name("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf",
                "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf");
}

static void what_json_reserves_is_escaped(void **state)
{
    (void)state;
    expect_name("a\"b\\c\n\x01", "a\\\"b\\\\c\\u000a\\u0001");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    expect_name("a\xff" "b", "a" BAD "b");
    expect_name("cut \xe2\x82", "cut " BAD BAD);
    expect_name("\xc3(", BAD "(");
    expect_name("\x80", BAD);
    expect_name("long \xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf",
                "long " BAD BAD " " BAD BAD BAD " " BAD BAD BAD BAD);
    expect_name("surrogate \xed\xa0\x80", "surrogate " BAD BAD BAD);
    expect_name("beyond \xf4\x90\x80\x80", "beyond " BAD BAD BAD BAD);
    expect_name("\xf8\x88\x80\x80\x80", BAD BAD BAD BAD BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stays_as_it_is),
        cmocka_unit_test(what_json_reserves_is_escaped),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
