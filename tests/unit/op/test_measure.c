/* test_measure.c
 * Goal:   rows pass as they are, and what is told is how long their text will be.
 * Method: the same rows through the step that prints them; formats that are measured by lengths
 *         alone and others, nulls, written files, and a sink that does not ask.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

struct told {
    uint32_t count, partition;
    uint64_t bytes;
};

static struct gm_write_plan write_plan = {
    .format = GM_WRITE_CSV, .delimiter = ',', .quote = '"', .quote_all = true};

static void hear(void *sink, uint32_t partition, uint64_t bytes)
{
    struct told *told = sink;
    told->count++;
    told->partition = partition;
    told->bytes = bytes;
}

/* format NULL: as write_plan writes. */
static struct rig rig_for(enum gm_step_kind kind, const char *format)
{
    struct rig rig = {.step = {.kind = kind,
                               .name = "print",
                               .where = "test.c:2",
                               .format = (char *)(uintptr_t)format,
                               .write = format == NULL ? &write_plan : NULL}};
    gm_schema_add(&rig.input, "word", GLEAM_BYTES, true);
    gm_schema_add(&rig.input, "n", GLEAM_I64, false);
    if (kind == GM_STEP_MEASURE)
        rig.step.schema = rig.input;
    else
        gm_schema_add(&rig.step.schema, "text", GLEAM_BYTES, false);
    return rig;
}

static struct rows make_rows(bool nulls)
{
    struct rows rows = {0};
    static char large[100000];
    memset(large, 'L', sizeof large);
    for (uint32_t i = 0; i < 5000; i++) {
        const struct gleam_value values[] = {
            nulls && i % 5 == 0 ? gleam_null()
            : i == 777          ? gleam_bytes(large, sizeof large)
                                : text_value(i % 3 ? "a \"word\"" : ""),
            gleam_i64((int64_t)i * i)};
        rows_add(&rows, values, 2);
    }
    return rows;
}

/* How long the text is by the step that prints. */
static uint64_t printed_bytes(const char *format, const struct rows *in)
{
    struct rig rig = rig_for(format != NULL ? GM_STEP_FORMAT : GM_STEP_WRITE, format);
    struct rows got = {0};
    uint64_t random = 1, bytes = 0;
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push_all(&rig, in, &random, &got), 0);
    for (uint64_t i = 0; i < got.row_count; i++)
        bytes += rows_at(&got, i)->bytes.length;
    rows_free(&got);
    rig_close(&rig);
    return bytes;
}

static void what_is_told_is_what_is_printed(void **state)
{
    static const char *const formats[] = {"%s\t%d\n", "%s%v", "%-20s|%5d\n", NULL};
    (void)state;
    for (uint32_t i = 0; i < 2 * sizeof formats / sizeof *formats; i++) {
        const char *format = formats[i / 2];
        struct rows in = make_rows(i % 2 == 1), got = {0};
        struct told told = {0};
        uint64_t random = 7;
        struct rig rig = rig_for(GM_STEP_MEASURE, format);
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        rig.op.measured = hear;
        rig.op.sink = &told;
        rig.op.partition = 3;
        assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
        assert_int_equal(told.count, 0);
        assert_int_equal(rig_finish(&rig, &got), 0);
        assert_rows_equal(&got, &in);
        assert_int_equal(told.count, 1);
        assert_int_equal(told.partition, 3);
        assert_true(told.bytes == printed_bytes(format, &in));
        rig_close(&rig);
        rows_free(&in);
        rows_free(&got);
    }
}

/* Nothing but %s: no row is printed. */
static void text_alone_is_measured_by_its_length(void **state)
{
    (void)state;
    for (uint32_t nulls = 0; nulls < 2; nulls++) {
        struct rig rig = rig_for(GM_STEP_MEASURE, "<%s>%s\n");
        struct rows in = {0}, got = {0};
        struct told told = {0};
        uint64_t random = 7, bytes = 0;
        rig.input.fields[1].kind = GLEAM_BYTES;
        for (uint32_t i = 0; i < 3000; i++) {
            const struct gleam_value values[] = {
                nulls && i % 9 == 0 ? gleam_null() : gleam_bytes("123456789", i % 10),
                text_value("x")};
            bytes += 4 + (values[0].kind == GLEAM_NULL ? 0 : i % 10);
            rows_add(&in, values, 2);
        }
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        rig.op.measured = hear;
        rig.op.sink = &told;
        assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
        assert_int_equal(rig_finish(&rig, &got), 0);
        assert_rows_equal(&got, &in);
        assert_true(told.bytes == bytes);
        rig_close(&rig);
        rows_free(&in);
        rows_free(&got);
    }
}

static void nobody_asks(void **state)
{
    (void)state;
    struct rows in = make_rows(true), got = {0};
    uint64_t random = 7;
    struct rig rig = rig_for(GM_STEP_MEASURE, "%s %d\n");
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push_all(&rig, &in, &random, &got), 0);
    assert_int_equal(rig_finish(&rig, &got), 0);
    assert_rows_equal(&got, &in);
    rig_close(&rig);
    rows_free(&in);
    rows_free(&got);
}

static void budgets_from_nothing_up(void **state)
{
    (void)state;
    struct rows in = make_rows(false);
    bool whole = false;
    for (uint64_t limit = 0; !whole; limit += 1 + limit / 8) {
        struct rows got = {0};
        struct told told = {0};
        uint64_t random = 7;
        struct rig rig = rig_for(GM_STEP_MEASURE, "%s %d\n");
        int rc = rig_open(&rig, limit, 0);
        rig.op.measured = hear;
        rig.op.sink = &told;
        if (rc == 0)
            rc = rig_push_all(&rig, &in, &random, &got);
        assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
        whole = rc == 0;
        rig_close(&rig);
        rows_free(&got);
    }
    rows_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_is_what_is_printed),
        cmocka_unit_test(text_alone_is_measured_by_its_length),
        cmocka_unit_test(nobody_asks),
        cmocka_unit_test(budgets_from_nothing_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
