/* test_pipe_spec.c
 * Goal:   what a pipe step is told comes through its parameter as it was; other bytes are refused,
 *         never read beyond.
 * Method: specs out of a seed there and back; every shorter and many damaged forms in blocks of
 *         their own (for AddressSanitizer).
 */
#include "engine/flow/pipe_spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/row/random_rows.h"

static void make_spec(uint64_t *random, struct gm_pipe_spec *spec)
{
    static const char *const codes[] = {"cat", "tr a-z A-Z", "sort -k2,2n | uniq -c", "x\ty\n"};
    *spec = (struct gm_pipe_spec){.format = (uint8_t)random_below(random, 4),
                                  .escape = random_below(random, 2),
                                  .blocks_in = random_below(random, 2),
                                  .texts_out = random_below(random, 2),
                                  .parallel = 1 + random_below(random, GM_PIPE_PARALLEL_MAX),
                                  .command_count = 1 + random_below(random, GM_PIPE_COMMANDS_MAX)};
    for (uint32_t i = 0; i < spec->command_count; i++)
        spec->commands[i] =
            (struct gm_pipe_command){codes[random_below(random, 4)], "step", "file.c:12"};
}

static void assert_same(const struct gm_pipe_spec *a, const struct gm_pipe_spec *b)
{
    assert_int_equal(a->format, b->format);
    assert_int_equal(a->escape, b->escape);
    assert_int_equal(a->blocks_in, b->blocks_in);
    assert_int_equal(a->texts_out, b->texts_out);
    assert_int_equal(a->parallel, b->parallel);
    assert_int_equal(a->command_count, b->command_count);
    for (uint32_t i = 0; i < a->command_count; i++) {
        assert_string_equal(a->commands[i].code, b->commands[i].code);
        assert_string_equal(a->commands[i].name, b->commands[i].name);
        assert_string_equal(a->commands[i].where, b->commands[i].where);
    }
}

static void specs_come_back_as_they_were(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct gm_step step = {.kind = GM_STEP_PIPE};
    for (uint32_t run = 0; run < 500; run++) {
        struct gm_pipe_spec spec, got;
        make_spec(&random, &spec);
        assert_int_equal(gm_pipe_spec_encode(&spec, &step), 0);
        assert_int_equal(gm_pipe_spec_decode(step.parameter, step.parameter_bytes, &got), 0);
        assert_same(&spec, &got);
        assert_int_equal(gm_pipe_spec_plain(&got),
                         !spec.escape && (spec.format == GLEAM_PIPE_TSV ||
                                          spec.format == GLEAM_PIPE_LINES));
    }
    free(step.parameter);
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    uint64_t random = 2;
    struct gm_step step = {.kind = GM_STEP_PIPE};
    struct gm_pipe_spec spec, got;
    make_spec(&random, &spec);
    spec.command_count = 3;
    assert_int_equal(gm_pipe_spec_encode(&spec, &step), 0);
    for (uint32_t bytes = 0; bytes < step.parameter_bytes; bytes++) {
        uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
        assert_non_null(copy);
        memcpy(copy, step.parameter, bytes);
        assert_int_equal(gm_pipe_spec_decode(copy, bytes, &got), -EINVAL);
        free(copy);
    }
    for (uint32_t run = 0; run < 20000; run++) {
        uint8_t *copy = malloc(step.parameter_bytes);
        assert_non_null(copy);
        memcpy(copy, step.parameter, step.parameter_bytes);
        copy[random_below(&random, step.parameter_bytes)] = (uint8_t)random_next(&random);
        if (gm_pipe_spec_decode(copy, step.parameter_bytes, &got) == 0) {
            assert_true(got.command_count >= 1 && got.command_count <= GM_PIPE_COMMANDS_MAX);
            for (uint32_t i = 0; i < got.command_count; i++)
                assert_true(strlen(got.commands[i].code) < step.parameter_bytes);
        }
        free(copy);
    }
    free(step.parameter);
}

static void too_long_is_refused(void **state)
{
    (void)state;
    struct gm_step step = {.kind = GM_STEP_PIPE};
    char *code = malloc(GM_PARAM_BYTES_MAX + 1);
    assert_non_null(code);
    memset(code, 'x', GM_PARAM_BYTES_MAX);
    code[GM_PARAM_BYTES_MAX] = '\0';
    const struct gm_pipe_spec spec = {
        .parallel = 1, .command_count = 1, .commands = {{code, "step", "file.c:1"}}};
    assert_true(gm_pipe_spec_encode(&spec, &step) < 0);
    assert_null(step.parameter);
    free(code);
}

static void titles_are_short_and_of_one_line(void **state)
{
    (void)state;
    char text[24];
    struct gm_pipe_spec spec = {
        .command_count = 2, .commands = {{"tr\na b", "", ""}, {"sort", "", ""}}};
    gm_pipe_spec_title(&spec, text, sizeof text);
    assert_string_equal(text, "tr a b | sort");
    spec.command_count = GM_PIPE_COMMANDS_MAX;
    for (uint32_t i = 0; i < GM_PIPE_COMMANDS_MAX; i++)
        spec.commands[i].code = "sort";
    gm_pipe_spec_title(&spec, text, sizeof text);
    assert_string_equal(text, "sort | sort | sort |...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specs_come_back_as_they_were),
        cmocka_unit_test(other_bytes_are_refused),
        cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(titles_are_short_and_of_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
