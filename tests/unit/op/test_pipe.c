/* test_pipe.c
 * Goal:   every row reaches the command and every line becomes a row, whatever the command does
 *         first and however little its pipes hold; what goes wrong is said with step, command,
 *         partition and line.
 * Method: fake programs behind pipes of a few bytes that move by chance, from many seeds, against
 *         what went in; listed texts and ends for the refusals.  Covers commands.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"
#include "tests/unit/op/pipe_rig.h"

static void lines_schema(struct pipe_rig *test)
{
    gm_schema_add(&test->rig.input, "line", GLEAM_BYTES, false);
    gm_schema_add(&test->rig.step.schema, "line", GLEAM_BYTES, false);
}

static void make_lines(struct rows *rows, uint32_t count, uint64_t *random)
{
    static char text[3000];
    for (uint32_t i = 0; i < count; i++) {
        const size_t length = random_below(random, random_below(random, 20) ? 30 : sizeof text);
        memset(text, 'a' + (int)(i % 26), length);
        if (length > 3)
            text[2] = i % 2 ? '\t' : '\0';
        const struct gleam_value value = gleam_bytes(text, length);
        rows_add(rows, &value, 1);
    }
}

/* What went in comes out, through pipes from one byte on. */
static void rows_pass_through_pipes_of_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 7, 100, 4096, FAKE_PIPE_MAX};
    for (uint32_t run = 0; run < 60; run++) {
        struct pipe_rig test;
        struct rows in = {0};
        uint64_t random = run;
        const size_t pipe_bytes = sizes[run % 6];
        pipe_rig_init(&test, GM_STEP_PIPE, FAKE_CAT, pipe_bytes, run);
        lines_schema(&test);
        test.spec.format = run % 2 ? GLEAM_PIPE_LINES : GLEAM_PIPE_TSV;
        make_lines(&in, pipe_bytes < 100 ? 30 : 3000, &random);
        assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
        assert_int_equal(pipe_rig_rows(&test, &in, 1 + random_below(&random, 1024)), 0);
        assert_int_equal(pipe_rig_finish(&test), 0);
        assert_rows_equal(&test.out, &in);
        rows_free(&in);
        pipe_rig_close(&test);
    }
}

/* Blocks of lines go in, texts of lines come out; "\r\n" and a missing last end are put right. */
static void blocks_pass_as_they_are(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 40; run++) {
        struct pipe_rig test;
        struct rows in = {0};
        uint64_t random = run;
        char *expected = malloc(4000000), *got = malloc(4000000);
        assert_true(expected != NULL && got != NULL);
        size_t expected_bytes = 0, got_bytes = 0;
        uint64_t lines = 0, hidden = 0;
        pipe_rig_init(&test, GM_STEP_PIPE, FAKE_CAT, run % 3 ? FAKE_PIPE_MAX : 5000, run);
        lines_schema(&test);
        test.spec.blocks_in = test.spec.texts_out = true;
        for (uint32_t b = 0; b < 8; b++) {
            static char block[400000];
            size_t bytes = 0;
            const bool carriage = random_below(&random, 2);
            for (uint32_t l = 1 + random_below(&random, 1500); l > 0; l--, lines++) {
                const size_t length = l == 3 && b == 2 ? 100000 : random_below(&random, 80);
                memset(block + bytes, 'a' + (int)(l % 26), length);
                memcpy(expected + expected_bytes, block + bytes, length);
                expected[expected_bytes + length] = '\n';
                expected_bytes += length + 1;
                bytes += length;
                if (carriage)
                    block[bytes++] = '\r';
                if (l > 1 || b < 7 || length == 0)
                    block[bytes++] = '\n';
            }
            const struct gleam_value value = gleam_bytes(block, bytes);
            rows_add(&in, &value, 1);
        }
        assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
        assert_int_equal(pipe_rig_rows(&test, &in, 1), 0);
        assert_int_equal(pipe_rig_finish(&test), 0);
        for (uint64_t i = 0; i < test.out.row_count; i++) {
            const struct gleam_value *text = rows_at(&test.out, i);
            assert_int_equal(text->bytes.data[text->bytes.length - 1], '\n');
            memcpy(got + got_bytes, text->bytes.data, text->bytes.length);
            got_bytes += text->bytes.length;
        }
        hidden = test.rig.op.hidden_rows; /* nobody cleared it: the last text's */
        assert_true(hidden < lines);
        assert_int_equal(got_bytes, expected_bytes);
        assert_memory_equal(got, expected, got_bytes);
        free(expected);
        free(got);
        rows_free(&in);
        pipe_rig_close(&test);
    }
}

static void types_come_back_as_they_went(void **state)
{
    (void)state;
    static const uint8_t kinds[] = {GLEAM_I64, GLEAM_F64, GLEAM_BOOL, GLEAM_BYTES};
    for (uint32_t run = 0; run < 60; run++) {
        struct pipe_rig test;
        struct rows in = {0};
        uint64_t random = run;
        pipe_rig_init(&test, GM_STEP_PIPE, FAKE_CAT, 300, run);
        test.spec.format = (uint8_t)(run % 3);
        test.spec.escape = test.spec.format == GLEAM_PIPE_TSV;
        for (uint32_t c = 0; c < 4; c++) {
            char name[8];
            snprintf(name, sizeof name, "c%u", c);
            gm_schema_add(&test.rig.input, name, kinds[c], true);
            gm_schema_add(&test.rig.step.schema, name, kinds[c],
                          test.spec.format != GLEAM_PIPE_CSV || kinds[c] != GLEAM_BYTES);
        }
        for (uint32_t i = 0; i < 500; i++) {
            struct gleam_value values[4];
            for (uint32_t c = 0; c < 4; c++) {
                const bool nullable = test.spec.format != GLEAM_PIPE_CSV || c < 3;
                values[c] = random_small(&random, kinds[c], nullable);
                if (values[c].kind == GLEAM_F64 && !isfinite(values[c].f64))
                    values[c] = gleam_f64(0.1);
                if (values[c].kind == GLEAM_BYTES && random_below(&random, 3) == 0)
                    values[c] = text_value("a\tb\nc\\d\\N, \"e\"\r");
            }
            rows_add(&in, values, 4);
        }
        assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
        assert_int_equal(pipe_rig_rows(&test, &in, 100), 0);
        assert_int_equal(pipe_rig_finish(&test), 0);
        assert_rows_equal(&test.out, &in);
        rows_free(&in);
        pipe_rig_close(&test);
    }
}

/* Neither of the two waits for the other. */
static void command_that_writes_before_it_reads(void **state)
{
    (void)state;
    static char text[300000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 50 == 49 ? '\n' : 's';
    for (uint32_t run = 0; run < 10; run++) {
        struct pipe_rig test;
        struct rows in = {0};
        uint64_t random = run;
        pipe_rig_init(&test, GM_STEP_PIPE, FAKE_SAYS, 4096, run);
        lines_schema(&test);
        test.fake.text = text;
        test.fake.text_bytes = sizeof text;
        make_lines(&in, 5000, &random);
        assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
        assert_int_equal(pipe_rig_rows(&test, &in, 1000), 0);
        assert_int_equal(pipe_rig_finish(&test), 0);
        assert_int_equal(test.out.row_count, sizeof text / 50);
        rows_free(&in);
        pipe_rig_close(&test);
    }
}

static void command_that_answers_at_the_end_without_a_newline(void **state)
{
    (void)state;
    struct pipe_rig test;
    struct rows in = {0};
    const struct gleam_value value = text_value("four");
    pipe_rig_init(&test, GM_STEP_PIPE, FAKE_ANSWERS, 10, 3);
    lines_schema(&test);
    for (uint32_t i = 0; i < 100; i++)
        rows_add(&in, &value, 1);
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
    assert_int_equal(pipe_rig_rows(&test, &in, 64), 0);
    assert_int_equal(pipe_rig_finish(&test), 0);
    assert_int_equal(test.out.row_count, 1);
    assert_memory_equal(rows_at(&test.out, 0)->bytes.data, "500 bytes", 9);
    rows_free(&in);
    pipe_rig_close(&test);
}

static void command_runs_without_rows(void **state)
{
    (void)state;
    struct pipe_rig test;
    pipe_rig_init(&test, GM_STEP_PIPE, FAKE_ANSWERS, 100, 4);
    lines_schema(&test);
    assert_true(gm_op_pipe.every_partition);
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
    assert_int_equal(pipe_rig_finish(&test), 0);
    assert_int_equal(test.out.row_count, 1);
    pipe_rig_close(&test);
}

/* head: what is left of the partition goes nowhere, and that is no failure. */
static void command_that_stops_reading_is_fine(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 20; run++) {
        struct pipe_rig test;
        struct rows in = {0};
        const struct gleam_value value = text_value("123456789");
        pipe_rig_init(&test, GM_STEP_PIPE, FAKE_HEAD, 64, run);
        lines_schema(&test);
        test.fake.limit = 30; /* three lines */
        for (uint32_t i = 0; i < 20000; i++)
            rows_add(&in, &value, 1);
        assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
        assert_int_equal(pipe_rig_rows(&test, &in, 1000), 0);
        assert_int_equal(pipe_rig_finish(&test), 0);
        assert_int_equal(test.out.row_count, 3);
        rows_free(&in);
        pipe_rig_close(&test);
    }
}

/* Output without input, when the source has nothing at the moment. */
static void output_comes_while_nothing_goes_in(void **state)
{
    (void)state;
    struct pipe_rig test;
    struct rows in = {0};
    uint64_t random = 1;
    pipe_rig_init(&test, GM_STEP_PIPE, FAKE_CAT, 100, 5);
    lines_schema(&test);
    make_lines(&in, 3, &random);
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
    assert_int_equal(pipe_rig_rows(&test, &in, 3), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct rig *rig = &test.rig;
        rig->out.row_count = 0;
        assert_int_equal(rig->op.ops->idle(&rig->op, rig->state, &rig->out), 0);
        rows_take(&test.out, &rig->out);
    }
    assert_rows_equal(&test.out, &in);
    assert_int_equal(pipe_rig_finish(&test), 0);
    assert_int_equal(test.out.row_count, 3);
    rows_free(&in);
    pipe_rig_close(&test);
}

static void long_line_is_a_row_while_the_memory_lasts(void **state)
{
    (void)state;
    const size_t bytes = 8u << 20;
    char *text = malloc(bytes);
    assert_non_null(text);
    memset(text, 'x', bytes);
    for (uint32_t run = 0; run < 2; run++) {
        struct pipe_rig test;
        pipe_rig_init(&test, GM_STEP_PIPE, FAKE_SAYS, FAKE_PIPE_MAX, run);
        lines_schema(&test);
        test.fake.text = text;
        test.fake.text_bytes = bytes;
        assert_int_equal(pipe_rig_open(&test, run == 0 ? 40u << 20 : 4u << 20), 0);
        if (run == 0) {
            assert_int_equal(pipe_rig_finish(&test), 0);
            assert_int_equal(test.out.row_count, 1);
            assert_int_equal(rows_at(&test.out, 0)->bytes.length, bytes);
        } else {
            assert_int_equal(pipe_rig_finish(&test), GM_ETASK_MEMORY);
            assert_said(&test, "test.c:9: step 'through': line 1 of what 'program -x' writes in "
                               "partition 6 is longer than");
            assert_said(&test, "--memory");
        }
        pipe_rig_close(&test);
    }
    free(text);
}

static void line_without_an_end_is_an_error(void **state)
{
    (void)state;
    struct pipe_rig test;
    pipe_rig_init(&test, GM_STEP_PIPE, FAKE_ENDLESS, FAKE_PIPE_MAX, 1);
    lines_schema(&test);
    assert_int_equal(pipe_rig_open(&test, 16u << 20), 0);
    assert_int_equal(pipe_rig_finish(&test), GM_ETASK_MEMORY);
    assert_said(&test, "let the command end its lines");
    pipe_rig_close(&test);
}

/* Runs a program that says `text` and expects the words of a refusal. */
static void expect_refusal(const char *text, const char *columns, bool escape,
                           enum gleam_pipe_format format, const char *words)
{
    struct pipe_rig test;
    pipe_rig_init(&test, GM_STEP_PIPE, FAKE_SAYS, 64, 7);
    gm_schema_add(&test.rig.input, "line", GLEAM_BYTES, false);
    for (const char *at = columns; *at != '\0'; at++) {
        const char name[] = {*at, '\0'};
        gm_schema_add(&test.rig.step.schema, name,
                      *at == 'n'   ? GLEAM_I64
                      : *at == 'x' ? GLEAM_F64
                      : *at == 'b' ? GLEAM_BOOL
                                   : GLEAM_BYTES,
                      escape);
    }
    test.spec.escape = escape;
    test.spec.format = (uint8_t)format;
    test.fake.text = text;
    test.fake.text_bytes = strlen(text);
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
    assert_int_equal(pipe_rig_finish(&test), GM_EJOB_FLOW);
    assert_said(&test, "test.c:9: step 'through': line ");
    assert_said(&test, "of what 'program -x' wrote in partition 6");
    assert_said(&test, words);
    pipe_rig_close(&test);
}

static void garbage_is_refused_with_its_line(void **state)
{
    (void)state;
    expect_refusal("1\tx\n2\n", "nt", false, GLEAM_PIPE_TSV, "line 2 of");
    expect_refusal("1\tx\n2\n", "nt", false, GLEAM_PIPE_TSV, "it has 1 field, but 2 columns are");
    expect_refusal("1\tx\ty\n", "nt", false, GLEAM_PIPE_TSV, "3 fields");
    expect_refusal("1\tx\ty\n", "nt", false, GLEAM_PIPE_TSV, "gleam_as(");
    expect_refusal("12a\n", "n", false, GLEAM_PIPE_TSV, "its field 1 ('n') is no i64: '12a'");
    expect_refusal("\n", "n", false, GLEAM_PIPE_TSV, "is no i64: ''");
    expect_refusal("9223372036854775808\n", "n", true, GLEAM_PIPE_TSV, "is no i64");
    expect_refusal("yes\n", "b", false, GLEAM_PIPE_TSV, "is no bool: 'yes'");
    expect_refusal("1.5.2\n", "x", false, GLEAM_PIPE_TSV, "is no f64");
    expect_refusal("\x01\xff\n", "n", false, GLEAM_PIPE_TSV, "the line: '?\xff'");
    expect_refusal("a,\"b\"c\n", "tt", false, GLEAM_PIPE_CSV, "behind a closing quote");
    expect_refusal("a,b\"c\"\n", "tt", false, GLEAM_PIPE_CSV, "a quote stands inside");
    expect_refusal("a,\"b\n", "tt", false, GLEAM_PIPE_CSV, "opened and not closed");
    expect_refusal("{\"t\": 1\n", "t", false, GLEAM_PIPE_JSONL, "no JSON object: ");
    expect_refusal("[1]\n", "t", false, GLEAM_PIPE_JSONL, "no JSON object");
    expect_refusal("{\"u\": 1}\n", "t", false, GLEAM_PIPE_JSONL, "no member \"t\"");
    expect_refusal("{\"t\": 1, \"u\": 2}\n", "t", false, GLEAM_PIPE_JSONL, "2 members");
    expect_refusal("{\"n\": 1.5}\n", "n", false, GLEAM_PIPE_JSONL, "member \"n\" is no i64");
    expect_refusal("{\"n\": null}\n", "n", false, GLEAM_PIPE_JSONL, "member \"n\" is no i64");
}

/* A row that cannot be told stops the job at once. */
static void expect_unwritable(const struct gleam_value *values, uint32_t count,
                              enum gleam_pipe_format format, const char *words)
{
    struct pipe_rig test;
    struct rows in = {0};
    const struct gleam_value fine[] = {text_value("fine"), text_value("fine")};
    pipe_rig_init(&test, GM_STEP_PIPE, FAKE_CAT, 4096, 7);
    for (uint32_t c = 0; c < count; c++) {
        gm_schema_add(&test.rig.input, c == 0 ? "first" : "second", GLEAM_ANY, false);
        gm_schema_add(&test.rig.step.schema, "out", GLEAM_BYTES, false);
    }
    test.spec.format = (uint8_t)format;
    rows_add(&in, fine, count);
    rows_add(&in, values, count);
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
    assert_int_equal(pipe_rig_rows(&test, &in, 2), GM_EJOB_FLOW);
    assert_said(&test, "test.c:9: step 'through': row 2 of partition 6: column");
    assert_said(&test, words);
    rows_free(&in);
    pipe_rig_close(&test);
}

static void rows_that_cannot_be_told_are_refused(void **state)
{
    (void)state;
    const struct gleam_value tab[] = {text_value("x"), text_value("a\tb")};
    const struct gleam_value newline[] = {text_value("a\nb")};
    const struct gleam_value latin[] = {text_value("\xe9")};
    const struct gleam_value nan[] = {gleam_f64((double)NAN)};
    expect_unwritable(tab, 2, GLEAM_PIPE_TSV, "column 2 ('second') holds a TAB");
    expect_unwritable(newline, 1, GLEAM_PIPE_TSV, "column 1 ('first') holds a newline");
    expect_unwritable(newline, 1, GLEAM_PIPE_TSV, "escape");
    expect_unwritable(newline, 1, GLEAM_PIPE_LINES, "newline");
    expect_unwritable(latin, 1, GLEAM_PIPE_JSONL, "no UTF-8");
    expect_unwritable(nan, 1, GLEAM_PIPE_JSONL, "not finite");
}

static void bad_ends_are_told_with_command_and_words(void **state)
{
    (void)state;
    static const struct {
        struct gm_process_end end;
        const char *words[3];
    } ends[] = {
        {{.failed = 0, .status = 3, .words = "first\nsecond\n"},
         {"test.c:9: step 'through': 'program -x' ended with exit status 3, in partition 6",
          "its last words: first | second", ""}},
        {{.failed = 1, .status = 127},
         {"test.c:10: step 'next': 'other' ended with exit status 127", "no such command", ""}},
        {{.failed = 0, .status = 126}, {"cannot be executed", "", ""}},
        {{.failed = 0, .status = 1}, {"COMMAND || true", "", ""}},
        {{.failed = 1, .status = -1, .signal = 9},
         {"'other' was killed by signal 9 (Killed)", "", ""}},
        {{.failed = 0, .error = -E2BIG}, {"could not be started", "Argument list too long", ""}},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct pipe_rig test;
        struct rows in = {0};
        const struct gleam_value value = text_value("a line");
        pipe_rig_init(&test, GM_STEP_PIPE, FAKE_CAT, 100, i);
        lines_schema(&test);
        test.spec.commands[1] = (struct gm_pipe_command){"other", "next", "test.c:10"};
        test.spec.command_count = 2;
        test.fake.end = ends[i].end;
        test.fake.dies_after = i % 2 ? 50 : 0;
        for (uint32_t r = 0; r < 1000; r++)
            rows_add(&in, &value, 1);
        assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
        assert_string_equal(test.fake.codes, "program -x | other");
        int rc = pipe_rig_rows(&test, &in, 100);
        if (rc == 0)
            rc = pipe_rig_finish(&test);
        assert_int_equal(rc, GM_EJOB_UDF);
        for (size_t w = 0; w < 3; w++)
            assert_said(&test, ends[i].words[w]);
        rows_free(&in);
        pipe_rig_close(&test);
    }
}

static void errors_of_the_port_are_told(void **state)
{
    (void)state;
    struct pipe_rig test;
    pipe_rig_init(&test, GM_STEP_PIPE, FAKE_CAT, 100, 1);
    lines_schema(&test);
    test.fake.spawn_error = -EMFILE;
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), -EMFILE);
    assert_said(&test, "'program -x', partition 6: the command cannot be started");
    assert_said(&test, "use fewer");
    pipe_rig_close(&test);

    pipe_rig_init(&test, GM_STEP_PIPE, FAKE_CAT, 100, 1);
    lines_schema(&test);
    test.fake.read_error = GM_EPEER_DIED;
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
    assert_int_equal(pipe_rig_finish(&test), GM_EPEER_DIED);
    assert_said(&test, "the guard of the commands was killed");
    pipe_rig_close(&test);

    pipe_rig_init(&test, GM_STEP_PIPE, FAKE_CAT, 100, 1);
    lines_schema(&test);
    test.rig.step.parameter = NULL;
    test.spec.parallel = 0; /* what no planner makes */
    assert_int_equal(pipe_rig_open(&test, UINT64_MAX), GM_EPEER_PROTOCOL);
    pipe_rig_close(&test);
}

/* Ended in the middle of anything it leaves no process and no byte. */
static void closed_at_any_point_it_leaves_nothing(void **state)
{
    (void)state;
    for (uint32_t calls = 0; calls < 200; calls++) {
        struct pipe_rig test;
        struct rows in = {0};
        struct input input;
        uint64_t random = calls;
        pipe_rig_init(&test, GM_STEP_PIPE, FAKE_CAT, 50, calls);
        lines_schema(&test);
        make_lines(&in, 50, &random);
        assert_int_equal(pipe_rig_open(&test, UINT64_MAX), 0);
        input_make(&input, &test.rig.input, &in, 0, 50);
        for (uint32_t i = 0; i < calls; i++)
            if (rig_process(&test.rig, &input.batch) == GM_OP_NEED_INPUT)
                break;
        input_free(&input);
        rows_free(&in);
        pipe_rig_close(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_pass_through_pipes_of_any_size),
        cmocka_unit_test(blocks_pass_as_they_are),
        cmocka_unit_test(types_come_back_as_they_went),
        cmocka_unit_test(command_that_writes_before_it_reads),
        cmocka_unit_test(command_that_answers_at_the_end_without_a_newline),
        cmocka_unit_test(command_runs_without_rows),
        cmocka_unit_test(command_that_stops_reading_is_fine),
        cmocka_unit_test(output_comes_while_nothing_goes_in),
        cmocka_unit_test(long_line_is_a_row_while_the_memory_lasts),
        cmocka_unit_test(line_without_an_end_is_an_error),
        cmocka_unit_test(garbage_is_refused_with_its_line),
        cmocka_unit_test(rows_that_cannot_be_told_are_refused),
        cmocka_unit_test(bad_ends_are_told_with_command_and_words),
        cmocka_unit_test(errors_of_the_port_are_told),
        cmocka_unit_test(closed_at_any_point_it_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
