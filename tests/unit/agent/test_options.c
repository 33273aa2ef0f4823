/* test_options.c - goal: run options are taken out of argv in every form, and wrong ones are
 * refused with the option and the reason.
 * Method: argument lists in, options and what is left of argv out.
 */
#include "agent/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENTS_MAX 64

/* Splits at blanks and takes the options; what is left comes back joined again. */
static int take(const char *line, struct gm_options *options, struct gm_error *error, char *left)
{
    static char text[4096];
    char *argv[ARGUMENTS_MAX + 1] = {NULL};
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *save, *word = strtok_r(text, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    *options = (struct gm_options){0};
    *error = (struct gm_error){0};
    const int rc = gm_options_take(options, &argc, argv, error);
    left[0] = '\0';
    for (int i = 1; rc == 0 && i < argc; i++) {
        strncat(left, argv[i], 200);
        strncat(left, i + 1 < argc ? " " : "", 2);
    }
    if (rc == 0)
        assert_null(argv[argc]);
    return rc;
}

static void options_are_taken_and_the_rest_stays(void **state)
{
    (void)state;
    struct gm_options options;
    struct gm_error error;
    char left[1024];
    assert_int_equal(take("p a --memory 2G b --quiet --stats=out.json -x --other=1 c", &options,
                          &error, left),
                     0);
    assert_string_equal(left, "a b -x --other=1 c");
    assert_int_equal(options.memory_bytes, UINT64_C(2) << 30);
    assert_true(options.quiet);
    assert_string_equal(options.stats_path, "out.json");
    assert_int_equal(take("p --executors=3 -- --memory 1 --quiet", &options, &error, left), 0);
    assert_string_equal(left, "-- --memory 1 --quiet");
    assert_int_equal(options.executor_count, 3);
    assert_false(options.quiet);
    assert_int_equal(take("p --in-process --plan --hugepages 64M --cores 1", &options, &error,
                          left),
                     0);
    assert_true(options.in_process && options.plan_only);
    assert_int_equal(options.pages, GM_PAGES_HUGE);
    assert_int_equal(options.huge_bytes, 64 << 20);
    assert_int_equal(options.core_count, 1);
    assert_int_equal(options.plan_form, GM_PLAN_TEXT);
    assert_int_equal(take("p --plan=svg --analyze x", &options, &error, left), 0);
    assert_true(options.analyze && options.plan_only);
    assert_int_equal(options.plan_form, GM_PLAN_SVG);
    assert_string_equal(left, "x");
    assert_int_equal(take("p --timeout 1.25", &options, &error, left), 0);
    assert_int_equal(options.timeout_ns, 1250000000);
    assert_int_equal(take("p --timeout=90", &options, &error, left), 0);
    assert_int_equal(options.timeout_ns, UINT64_C(90000000000));
    assert_int_equal(take("p --timeout 0.0000000019", &options, &error, left), 0);
    assert_int_equal(options.timeout_ns, 1);
    assert_int_equal(take("p --plan svg", &options, &error, left), 0); /* a program's own word */
    assert_string_equal(left, "svg");
    assert_int_equal(take("p --hugepages off --stats -", &options, &error, left), 0);
    assert_int_equal(options.pages, GM_PAGES_OFF);
    assert_string_equal(options.stats_path, "-");
    assert_int_equal(take("p --memory 1G --memory=3M", &options, &error, left), 0);
    assert_int_equal(options.memory_bytes, 3 << 20); /* the last one counts */
}

static void wrong_options_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "p --memory",       "p --memory x",     "p --memory 0",      "p --memory 1Q",
        "p --cores",        "p --cores 0",      "p --cores 257",     "p --cores 2-1",
        "p --cores 1,",     "p --cores ,1",     "p --cores x",       "p --executors 0",
        "p --executors -1", "p --executors 9x", "p --hugepages 0",   "p --hugepages auto5",
        "p --spill-dir",    "p --spill-dir=",   "p --spill-dir /nowhere/there",
        "p --spill-dir /tmp,", "p --spill-dir /dev/null", "p --spill-dir /tmp,,/tmp",
        "p --stats=",       "p --memory=",      "p --cores 0-99999", "p --hugepages",
        "p --timeout",      "p --timeout 0",    "p --timeout 0.0",   "p --timeout -1",
        "p --timeout 1.",   "p --timeout .5",   "p --timeout 1s",    "p --timeout 1.5x",
        "p --timeout 1e3",  "p --timeout=",     "p --timeout 2000000000", "p --timeout inf",
        "p --plan=",        "p --plan=png",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct gm_options options;
        struct gm_error error;
        char left[1024], name[32];
        assert_int_equal(take(lines[i], &options, &error, left), GM_EJOB_OPTION);
        snprintf(name, sizeof name, "%.*s", (int)strcspn(lines[i] + 2, " ="), lines[i] + 2);
        assert_non_null(strstr(error.text, name));
    }
}

static void spill_directories_are_listed(void **state)
{
    (void)state;
    struct gm_options options;
    struct gm_error error;
    char left[1024];
    const char *names[GM_SPILL_DIRECTORIES_MAX];
    /* Root may make files anywhere; others find a directory of their own under each of these. */
    assert_int_equal(take("p --spill-dir /tmp,/var/tmp --spill-dir=/dev/shm", &options, &error,
                          left),
                     0);
    assert_int_equal(gm_spill_paths_list(&options.spill, names), 3);
    assert_string_equal(names[0], "/tmp");
    assert_string_equal(names[1], "/var/tmp");
    assert_string_equal(names[2], "/dev/shm");
    char line[4096] = "p";
    for (uint32_t i = 0; i <= GM_SPILL_DIRECTORIES_MAX; i++)
        strcat(line, " --spill-dir /tmp");
    assert_int_equal(take(line, &options, &error, left), GM_EJOB_OPTION);
    assert_non_null(strstr(error.text, "16 directories"));
}

/* Where nothing was said: TMPDIR, and /var/tmp without it. */
static void the_default_spill_directory(void **state)
{
    (void)state;
    struct gm_error error = {0};
    const char *names[GM_SPILL_DIRECTORIES_MAX];
    const char *tmpdir = getenv("TMPDIR");
    char *before = tmpdir != NULL ? strdup(tmpdir) : NULL;
    for (uint32_t set = 0; set < 2; set++) {
        struct gm_options options = {0};
        if (set == 1)
            setenv("TMPDIR", "/some/where", 1);
        else
            unsetenv("TMPDIR");
        assert_int_equal(gm_options_settle(&options, &error), 0);
        assert_int_equal(gm_spill_paths_list(&options.spill, names), 1);
        assert_string_equal(names[0], set == 1 ? "/some/where" : "/var/tmp");
    }
    if (before != NULL)
        setenv("TMPDIR", before, 1);
    else
        unsetenv("TMPDIR");
    free(before);
}

static void unknown_names_are_refused_from_code(void **state)
{
    (void)state;
    struct gm_options options = {0};
    struct gm_error error = {0};
    assert_int_equal(gm_options_set(&options, "colour", "red", &error), GM_EJOB_OPTION);
    assert_non_null(strstr(error.text, "--colour"));
    error.code = 0;
    assert_int_equal(gm_options_set(&options, "memory", NULL, &error), GM_EJOB_OPTION);
    assert_int_equal(gm_options_set(&options, "quiet", NULL, &error), 0);
    assert_true(options.quiet);
}

static void what_is_left_open_is_settled(void **state)
{
    (void)state;
    struct gm_options options = {0};
    struct gm_error error = {0};
    cpu_set_t mine;
    CPU_ZERO(&mine);
    sched_getaffinity(0, sizeof mine, &mine);
    assert_int_equal(gm_options_settle(&options, &error), 0);
    assert_int_equal(options.core_count, CPU_COUNT(&mine));
    assert_int_equal(options.executor_count, options.core_count);
    assert_true(options.memory_bytes > 0);
    for (uint32_t i = 0; i < options.core_count; i++)
        assert_true(CPU_ISSET(options.cores[i], &mine));
}

static void cores_of_others_are_refused(void **state)
{
    (void)state;
    struct gm_options options = {.core_count = 1, .cores = {CPU_SETSIZE - 1}};
    struct gm_error error = {0};
    assert_int_equal(gm_options_settle(&options, &error), GM_EJOB_OPTION);
    assert_non_null(strstr(error.text, "--cores: core 1023"));
    assert_non_null(strstr(error.text, "may use cores"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_taken_and_the_rest_stays),
        cmocka_unit_test(wrong_options_are_refused_by_name),
        cmocka_unit_test(spill_directories_are_listed),
        cmocka_unit_test(the_default_spill_directory),
        cmocka_unit_test(unknown_names_are_refused_from_code),
        cmocka_unit_test(what_is_left_open_is_settled),
        cmocka_unit_test(cores_of_others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
