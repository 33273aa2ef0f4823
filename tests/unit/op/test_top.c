/* test_top.c
 * Goal:   top n is the first n rows of a sort by (order, whole row), whatever n and however the
 *         rows come.
 * Method: random rows with many ties, against qsort and a cut; budgets from nothing up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

static struct gleam_order reference_order;
static uint32_t reference_columns;

static int reference_compare(const void *a_row, const void *b_row)
{
    const struct gleam_value *a = a_row, *b = b_row;
    for (uint32_t i = 0; i < reference_order.count; i++) {
        const uint32_t c = reference_order.columns[i].column - 1;
        const int order = gm_value_compare(&a[c], &b[c]);
        if (order != 0)
            return reference_order.columns[i].ascending ? order : -order;
    }
    return rows_compare_values(a, b, reference_columns);
}

static struct gm_step top_step(const struct gm_schema *schema, const struct gleam_order *order,
                               uint64_t count)
{
    return (struct gm_step){.kind = GM_STEP_TOP,
                            .name = "best",
                            .where = "test.c:3",
                            .schema = *schema,
                            .order = *order,
                            .count = count};
}

static void top_of(const struct gm_schema *schema, const struct gleam_order *order,
                   uint64_t count, const struct rows *rows, uint64_t *random)
{
    struct rig rig = {.step = top_step(schema, order, count), .input = *schema};
    struct rows got = {0}, none = {0}, sorted = {0};
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push_all(&rig, rows, random, &none), 0);
    assert_int_equal(none.row_count, 0);
    assert_int_equal(rig_finish(&rig, &got), 0);
    for (uint64_t i = 0; i < rows->row_count; i++)
        rows_add(&sorted, rows_at(rows, i), rows->column_count);
    reference_order = *order;
    reference_columns = rows->column_count;
    qsort(sorted.values, sorted.row_count, sorted.column_count * sizeof *sorted.values,
          reference_compare);
    const uint64_t cut = count < rows->row_count ? count : rows->row_count;
    assert_int_equal(got.row_count, cut);
    for (uint64_t i = 0; i < cut; i++)
        assert_int_equal(rows_compare_values(rows_at(&got, i), rows_at(&sorted, i),
                                             rows->column_count),
                         0);
    rows_free(&sorted);
    rows_free(&got);
    rig_close(&rig);
}

static void random_rows_match_sort_and_cut(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 100; run++) {
        struct gm_schema schema = {0};
        struct rows rows = {0};
        struct gleam_value values[3];
        const uint32_t width = 1 + random_below(&random, 3);
        struct gleam_order order = {.count = 1 + random_below(&random, 2)};
        for (uint32_t c = 0; c < width; c++)
            gm_schema_add(&schema, "c", GLEAM_I64 + (run + c) % GLEAM_ANY,
                          random_below(&random, 2));
        for (uint32_t i = 0; i < order.count; i++) {
            order.columns[i].column = 1 + random_below(&random, width);
            order.columns[i].ascending = random_below(&random, 2);
        }
        const uint32_t row_count = 1 + random_below(&random, 3000);
        for (uint32_t i = 0; i < row_count; i++) {
            for (uint32_t c = 0; c < width; c++)
                values[c] = random_small(&random, schema.fields[c].kind, schema.fields[c].nullable);
            rows_add(&rows, values, width);
        }
        const uint64_t counts[] = {0, 1, 2, 10, row_count - 1, row_count, row_count + 1, 100000,
                                   UINT32_MAX};
        top_of(&schema, &order, counts[run % 9], &rows, &random);
        rows_free(&rows);
    }
}

/* Words and counts: the cut goes through a row of equal counts. */
static void ties_are_decided_by_the_whole_row(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    uint64_t random = 2;
    struct rows got = {0};
    const struct gleam_order order = {.count = 1, .columns = {{.column = 2}}};
    static const char *const words[] = {"pear", "fig", "apple", "plum", "kiwi"};
    gm_schema_add(&schema, "word", GLEAM_BYTES, false);
    gm_schema_add(&schema, "n", GLEAM_I64, false);
    for (uint32_t run = 0; run < 20; run++) {
        struct rows rows = {0};
        struct rig rig = {.step = top_step(&schema, &order, 3), .input = schema};
        const uint32_t first = random_below(&random, 5);
        for (uint32_t i = 0; i < 5; i++) {
            const char *word = words[(first + i) % 5];
            const struct gleam_value values[] = {text_value(word),
                                                 gleam_i64(strcmp(word, "plum") == 0 ? 9 : 4)};
            rows_add(&rows, values, 2);
        }
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
        assert_int_equal(rig_finish(&rig, &got), 0);
        assert_int_equal(got.row_count, 3);
        assert_memory_equal(rows_at(&got, 0)[0].bytes.data, "plum", 4);
        assert_memory_equal(rows_at(&got, 1)[0].bytes.data, "apple", 5);
        assert_memory_equal(rows_at(&got, 2)[0].bytes.data, "fig", 3);
        rows_free(&got);
        rows_free(&rows);
        rig_close(&rig);
    }
}

/* However many rows come, what is kept is the best ones and one batch. */
static void memory_does_not_grow_with_the_input(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    struct rows got = {0};
    const struct gleam_order order = {.count = 1, .columns = {{.column = 1}}};
    gm_schema_add(&schema, "n", GLEAM_I64, false);
    struct rig rig = {.step = top_step(&schema, &order, 10), .input = schema};
    assert_int_equal(rig_open(&rig, 1u << 20, 0), 0);
    for (uint32_t batch = 0; batch < 500; batch++) {
        struct rows in = {0};
        for (uint32_t i = 0; i < GM_BATCH_ROWS_MAX; i++) {
            const struct gleam_value value = gleam_i64(batch * GM_BATCH_ROWS_MAX + i);
            rows_add(&in, &value, 1);
        }
        assert_int_equal(rig_push(&rig, &in, 0, GM_BATCH_ROWS_MAX, 0, &got), 0);
        rows_free(&in);
    }
    assert_int_equal(rig_finish(&rig, &got), 0);
    assert_int_equal(got.row_count, 10);
    assert_int_equal(got.values[0].i64, 500 * GM_BATCH_ROWS_MAX - 1);
    rows_free(&got);
    rig_close(&rig);
}

static void too_little_memory_names_step_and_option(void **state)
{
    (void)state;
    uint64_t random = 3;
    struct gm_schema schema = {0};
    struct rows rows = {0};
    const struct gleam_order order = {.count = 1, .columns = {{.column = 1}}};
    uint32_t refused_push = 0, refused_finish = 0, fine = 0;
    char *large = calloc(1, 400000);
    gm_schema_add(&schema, "c", GLEAM_BYTES, false);
    for (uint32_t i = 0; i < 3000; i++) {
        const struct gleam_value value = i == 10 ? gleam_bytes(large, 400000) : text_value("x");
        rows_add(&rows, &value, 1);
    }
    for (uint64_t limit = 1000; limit < 3000000; limit = limit * 21 / 20) {
        struct rig rig = {.step = top_step(&schema, &order, 5000), .input = schema};
        struct rows got = {0};
        int rc = rig_open(&rig, limit, 0);
        if (rc == 0) {
            rc = rig_push_all(&rig, &rows, &random, &got);
            refused_push += rc < 0;
            if (rc == 0) {
                rc = rig_finish(&rig, &got);
                refused_finish += rc < 0;
                fine += rc == 0;
            }
            if (rc < 0) {
                assert_int_equal(rig.error.code, GM_ETASK_MEMORY);
                assert_non_null(strstr(rig.error.text, "test.c:3: step 'best'"));
                assert_non_null(strstr(rig.error.text, "--memory"));
            }
        }
        assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
        rows_free(&got);
        rig_close(&rig);
    }
    assert_true(refused_push > 0 && fine > 0);
    rows_free(&rows);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_rows_match_sort_and_cut),
        cmocka_unit_test(ties_are_decided_by_the_whole_row),
        cmocka_unit_test(memory_does_not_grow_with_the_input),
        cmocka_unit_test(too_little_memory_names_step_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
