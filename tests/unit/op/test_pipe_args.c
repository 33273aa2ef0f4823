/* test_pipe_args.c
 * Goal:   every row's values are the arguments of its own command; lines come out in the order of
 *         the rows; never more commands at a time than asked for; failures are told.
 * Method: a fake program that echoes its arguments through pipes that move by chance, from many
 *         seeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"
#include "tests/unit/op/pipe_rig.h"

static void schemas(struct pipe_rig *test)
{
    gm_schema_add(&test->rig.input, "text", GLEAM_BYTES, true);
    gm_schema_add(&test->rig.input, "n", GLEAM_I64, true);
    gm_schema_add(&test->rig.step.schema, "line", GLEAM_BYTES, false);
}

static void lines_come_in_the_order_of_the_rows(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 30; run++) {
        struct pipe_rig test;
        struct rows in = {0};
        pipe_rig_init(&test, GM_STEP_PIPE_ARGS, FAKE_ECHO, run % 2 ? 3 : 500, run);
        schemas(&test);
        test.spec.parallel = 1 + run % 9;
        for (uint32_t i = 0; i < 100; i++) {
            char text[32];
            snprintf(text, sizeof text, "$(%u) \"'", i);
            const struct gleam_value values[] = {i % 5 == 4 ? gleam_null() : text_value(text),
                                                 gleam_i64(i)};
            rows_add(&in, values, 2);
        }
        assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
        assert_int_equal(pipe_rig_rows(&test, &in, 40), 0);
        assert_int_equal(test.fake.spawned, 100);
        assert_int_equal(test.fake.running, 0);
        assert_int_equal(test.fake.running_max, test.spec.parallel);
        assert_int_equal(test.out.row_count, 100);
        for (uint32_t i = 0; i < 100; i++) {
            char line[64];
            if (i % 5 == 4)
                snprintf(line, sizeof line, " %u ", i);
            else
                snprintf(line, sizeof line, "$(%u) \"' %u ", i, i);
            const struct gleam_value *got = rows_at(&test.out, i);
            assert_int_equal(got->bytes.length, strlen(line));
            assert_memory_equal(got->bytes.data, line, strlen(line));
        }
        rows_free(&in);
        pipe_rig_close(&test);
    }
}

static void argument_with_a_nul_is_refused(void **state)
{
    (void)state;
    struct pipe_rig test;
    struct rows in = {0};
    const struct gleam_value values[] = {gleam_bytes("a\0b", 3), gleam_i64(1)};
    pipe_rig_init(&test, GM_STEP_PIPE_ARGS, FAKE_ECHO, 100, 1);
    schemas(&test);
    const struct gleam_value fine[] = {text_value("a"), gleam_i64(1)};
    rows_add(&in, fine, 2);
    rows_add(&in, values, 2);
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
    assert_int_equal(pipe_rig_rows(&test, &in, 1), GM_EJOB_FLOW);
    assert_said(&test, "test.c:9: step 'through': row 2 of partition 6: column 1 ('text') holds "
                       "a NUL byte");
    rows_free(&in);
    pipe_rig_close(&test);
}

static void command_that_fails_ends_the_job(void **state)
{
    (void)state;
    struct pipe_rig test;
    struct rows in = {0};
    const struct gleam_value values[] = {text_value("a"), gleam_i64(1)};
    pipe_rig_init(&test, GM_STEP_PIPE_ARGS, FAKE_ECHO, 100, 1);
    schemas(&test);
    test.fake.end = (struct gm_process_end){.failed = 0, .status = 4, .words = "no good"};
    for (uint32_t i = 0; i < 10; i++)
        rows_add(&in, values, 2);
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
    assert_int_equal(pipe_rig_rows(&test, &in, 10), GM_EJOB_UDF);
    assert_said(&test, "'program -x' ended with exit status 4");
    assert_said(&test, "its last words: no good");
    assert_true(test.fake.running > 0); /* closing ends them */
    rows_free(&in);
    pipe_rig_close(&test);
}

static void command_that_cannot_start_ends_the_job(void **state)
{
    (void)state;
    struct pipe_rig test;
    struct rows in = {0};
    const struct gleam_value values[] = {text_value("a"), gleam_i64(1)};
    pipe_rig_init(&test, GM_STEP_PIPE_ARGS, FAKE_ECHO, 100, 1);
    schemas(&test);
    test.fake.spawn_error = -EAGAIN;
    rows_add(&in, values, 2);
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
    assert_int_equal(pipe_rig_rows(&test, &in, 1), -EAGAIN);
    assert_said(&test, "cannot be started");
    rows_free(&in);
    pipe_rig_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_in_the_order_of_the_rows),
        cmocka_unit_test(argument_with_a_nul_is_refused),
        cmocka_unit_test(command_that_fails_ends_the_job),
        cmocka_unit_test(command_that_cannot_start_ends_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
