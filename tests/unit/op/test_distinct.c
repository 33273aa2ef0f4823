/* test_distinct.c
 * Goal:   of each key one row comes out: the first that came, or, where it is asked for, the first
 *         by (origin, arrival); a partial one loses no key however little it may remember.
 * Method: random rows of few keys in random batches, against a walk over the rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static bool same_key(const struct gleam_order *keys, const struct gleam_value *a,
                     const struct gleam_value *b)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        const uint32_t c = keys->columns[i].column - 1;
        if (gm_value_compare(&a[c], &b[c]) != 0)
            return false;
    }
    return true;
}

/* The first row of each key, in order. */
static void first_rows(const struct gleam_order *keys, const struct rows *rows, struct rows *out)
{
    for (uint64_t row = 0; row < rows->row_count; row++) {
        bool known = false;
        for (uint64_t i = 0; i < out->row_count && !known; i++)
            known = same_key(keys, rows_at(rows, row), rows_at(out, i));
        if (!known)
            rows_add(out, rows_at(rows, row), rows->column_count);
    }
}

static struct gleam_order make(struct rig *rig, struct rows *rows, uint64_t count,
                               uint64_t *random)
{
    struct gleam_value values[4];
    const uint32_t width = 1 + random_below(random, 4);
    struct gleam_order keys = {.count = 1 + random_below(random, width)};
    for (uint32_t i = 0; i < keys.count; i++)
        keys.columns[i].column = i + 1 + (width - keys.count);
    rig->input = (struct gm_schema){0};
    for (uint32_t c = 0; c < width; c++)
        gm_schema_add(&rig->input, "c", GLEAM_I64 + random_below(random, GLEAM_ANY),
                      random_below(random, 2));
    for (uint64_t i = 0; i < count; i++) {
        for (uint32_t c = 0; c < width; c++)
            values[c] = random_small(random, rig->input.fields[c].kind,
                                     rig->input.fields[c].nullable);
        rows_add(rows, values, width);
    }
    rig->step = (struct gm_step){.kind = GM_STEP_DISTINCT,
                                 .name = "once",
                                 .where = "test.c:3",
                                 .schema = rig->input,
                                 .order = keys};
    return keys;
}

static void first_row_that_comes_is_kept(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 300; run++) {
        struct rig rig = {0};
        struct rows rows = {0}, got = {0}, expected = {0};
        const struct gleam_order keys = make(&rig, &rows, random_below(&random, 800), &random);
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
        assert_int_equal(rig_finish(&rig, &got), 0);
        first_rows(&keys, &rows, &expected);
        assert_rows_equal(&got, &expected);
        rows_free(&rows);
        rows_free(&got);
        rows_free(&expected);
        rig_close(&rig);
    }
}

/* Batches of four origins come mixed; the answer is that of all rows in order. */
static void first_row_by_origin_is_found(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (uint32_t run = 0; run < 300; run++) {
        struct rig rig = {0};
        struct rows rows = {0}, got = {0}, expected = {0};
        uint64_t next[4] = {0}, left = 1 + random_below(&random, 3000);
        const struct gleam_order keys = make(&rig, &rows, left, &random);
        const uint64_t count = left;
        rig.step.seeks_first = true;
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        while (left > 0) {
            const uint32_t o = random_below(&random, 4);
            const uint64_t begin = count * o / 4 + next[o];
            uint64_t take = count * (o + 1) / 4 - begin;
            take = take < 100 ? take : 1 + random_below(&random, 100);
            if (take == 0)
                continue;
            assert_int_equal(rig_push(&rig, &rows, begin, (uint32_t)take, o, &got), 0);
            next[o] += take;
            left -= take;
        }
        assert_int_equal(got.row_count, 0);
        assert_int_equal(rig_finish(&rig, &got), 0);
        first_rows(&keys, &rows, &expected);
        rows_sort(&got);
        rows_sort(&expected);
        assert_rows_equal(&got, &expected);
        rows_free(&rows);
        rows_free(&got);
        rows_free(&expected);
        rig_close(&rig);
    }
}

/* What it forgot comes again, but every key comes, and the first row of it first. */
static void partial_one_may_forget(void **state)
{
    (void)state;
    uint64_t random = 3;
    uint32_t twice = 0;
    for (uint64_t budget = 0; budget < 300000; budget += 20000) {
        struct rig rig = {.step = {.kind = GM_STEP_PARTIAL_DISTINCT}};
        struct rows rows = {0}, got = {0}, expected = {0}, again = {0};
        gm_schema_add(&rig.input, "n", GLEAM_I64, false);
        rig.step.schema = rig.input;
        rig.step.order = gleam_field(1);
        for (uint32_t i = 0; i < 6000; i++) {
            const struct gleam_value value = gleam_i64(random_below(&random, 1500));
            rows_add(&rows, &value, 1);
        }
        assert_int_equal(rig_open(&rig, UINT64_MAX, budget), 0);
        assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
        first_rows(&rig.step.order, &rows, &expected);
        first_rows(&rig.step.order, &got, &again);
        assert_rows_equal(&again, &expected);
        twice += got.row_count > expected.row_count;
        assert_true(budget == 0 || got.row_count <= rows.row_count);
        rows_free(&rows);
        rows_free(&got);
        rows_free(&expected);
        rows_free(&again);
        rig_close(&rig);
    }
    assert_true(twice > 1 && twice < 15);
}

static void too_little_memory_names_step_and_option(void **state)
{
    (void)state;
    for (uint32_t first = 0; first < 2; first++) {
        uint64_t random = 4;
        uint32_t refused = 0, fine = 0;
        struct rows rows = {0};
        for (uint32_t i = 0; i < 5000; i++) {
            const struct gleam_value values[] = {gleam_i64(i), gleam_i64(i)};
            rows_add(&rows, values, 2);
        }
        for (uint64_t limit = 10000; limit < 3000000; limit = limit * 6 / 5) {
            struct rig rig = {.step = {.kind = GM_STEP_DISTINCT,
                                       .name = "once",
                                       .where = "test.c:3",
                                       .seeks_first = first,
                                       .order = gleam_field(1)}};
            struct rows got = {0};
            gm_schema_add(&rig.input, "n", GLEAM_I64, false);
            gm_schema_add(&rig.input, "m", GLEAM_I64, false);
            rig.step.schema = rig.input;
            int rc = rig_open(&rig, limit, 0);
            const bool opened = rc == 0;
            if (rc == 0)
                rc = rig_push_all(&rig, &rows, &random, &got);
            if (rc == 0)
                rc = rig_finish(&rig, &got);
            fine += rc == 0 && got.row_count == 5000;
            if (rc < 0 && opened) {
                refused++;
                assert_int_equal(rig.error.code, GM_ETASK_MEMORY);
                assert_non_null(strstr(rig.error.text, "test.c:3: step 'once'"));
                assert_non_null(strstr(rig.error.text, "--memory"));
            }
            rows_free(&got);
            rig_close(&rig);
        }
        assert_true(refused > 0 && fine > 0);
        rows_free(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_row_that_comes_is_kept),
        cmocka_unit_test(first_row_by_origin_is_found),
        cmocka_unit_test(partial_one_may_forget),
        cmocka_unit_test(too_little_memory_names_step_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
