/* test_analysis.c - goal: sums are sums and the largest share is one executor's, by every way that
 * counters take.
 * Method: notes of three executors, merged directly and through bytes.
 */
#include "agent/analysis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

static struct gm_chain_plan chains[2] = {{.step_count = 1}, {.step_count = 0}};
static const struct gm_plan plan = {.chains = chains, .chain_count = 2};

static void check_total(const struct gm_analysis *total)
{
    assert_int_equal(total->notes[1].rows, 10 + 30 + 20);
    assert_int_equal(total->notes[1].rows_max, 30);
    assert_int_equal(total->notes[1].bytes, 3 * 7);
    assert_int_equal(total->notes[4].ns, 3 * 9);
    assert_int_equal(total->notes[0].rows, 0);
}

static void three_executors_are_added_up(void **state)
{
    (void)state;
    static const uint64_t rows[] = {10, 30, 20};
    struct gm_analysis merged, read;
    assert_int_equal(gm_analysis_init(&merged, &plan), 0);
    assert_int_equal(gm_analysis_init(&read, &plan), 0);
    assert_int_equal(merged.count, 5);
    for (int i = 0; i < 3; i++) {
        struct gm_analysis one;
        struct gm_writer writer;
        struct gm_cursor cursor;
        uint8_t *data;
        size_t bytes;
        assert_int_equal(gm_analysis_init(&one, &plan), 0);
        gm_analysis_add(&one, 1, rows[i], 7, 0);
        gm_analysis_add(&one, 4, 0, 0, 9);
        gm_analysis_merge(&merged, &one);
        gm_writer_init(&writer, 4096);
        gm_analysis_write(&one, &writer);
        assert_int_equal(gm_writer_take(&writer, &data, &bytes), 0);
        gm_cursor_init(&cursor, data, bytes);
        gm_analysis_read(&read, &cursor);
        assert_true(gm_cursor_done(&cursor));
        free(data);
        gm_writer_fini(&writer);
        gm_analysis_fini(&one);
    }
    check_total(&merged);
    check_total(&read);
    gm_analysis_fini(&merged);
    gm_analysis_fini(&read);
    gm_analysis_fini(&read); /* a zeroed one is accepted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_executors_are_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
