/* test_sort.c
 * Goal:   rows come out in the order asked for, and equal ones in the order of (origin, position),
 *         for every kind, with nulls, NaN, numbers whose prefixes tie and texts that begin alike.
 * Method: random rows with a number of their own, against qsort with the order of values; budgets
 *         from nothing up; a heap of 4 MiB over a virtual disk.  Covers rows.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"
#include "tests/unit/op/spill_rig.h"

static struct gleam_order reference_order;
static uint32_t reference_columns;

/* By the order; then by the last two columns: origin and position. */
static int reference_compare(const void *a_row, const void *b_row)
{
    const struct gleam_value *a = a_row, *b = b_row;
    for (uint32_t i = 0; i < reference_order.count; i++) {
        const uint32_t c = reference_order.columns[i].column - 1;
        const int order = gm_value_compare(&a[c], &b[c]);
        if (order != 0)
            return reference_order.columns[i].ascending ? order : -order;
    }
    return rows_compare_values(a + reference_columns - 2, b + reference_columns - 2, 2);
}

static struct gm_step sort_step(const struct gm_schema *schema, const struct gleam_order *order)
{
    return (struct gm_step){.kind = GM_STEP_SORT,
                            .name = "sorted",
                            .where = "test.c:9",
                            .schema = *schema,
                            .order = *order};
}

/* Pushes batches of random origins; the last two columns of rows get origin and position. */
static int push_origins(struct rig *rig, struct rows *rows, uint64_t *random)
{
    uint32_t positions[4] = {0};
    struct rows none = {0};
    for (uint64_t first = 0; first < rows->row_count;) {
        const uint32_t origin = random_below(random, 4);
        uint32_t count = 1 + random_below(random, random_below(random, 2) ? 5 : 1024);
        if (count > rows->row_count - first)
            count = (uint32_t)(rows->row_count - first);
        for (uint32_t i = 0; i < count; i++) {
            struct gleam_value *row = rows_at(rows, first + i);
            row[rows->column_count - 2] = gleam_i64(origin);
            row[rows->column_count - 1] = gleam_i64(positions[origin]++);
        }
        const int rc = rig_push(rig, rows, first, count, origin, &none);
        assert_int_equal(none.row_count, 0);
        if (rc < 0)
            return rc;
        first += count;
    }
    return 0;
}

/* disk: NULL, or what the rows go to at 3/4 of a heap of heap_bytes. */
static void sort_and_compare_with(const struct gm_schema *schema, const struct gleam_order *order,
                                  struct rows *rows, uint64_t *random,
                                  struct fake_spill_disk *disk, uint64_t heap_bytes,
                                  uint64_t *ret_spilled)
{
    struct rig rig = {.step = sort_step(schema, order), .input = *schema};
    struct rows got = {0};
    struct spill_rig spill;
    if (disk != NULL)
        spill_rig_use(&spill, &rig, disk, heap_bytes);
    assert_int_equal(rig_open(&rig, disk != NULL ? heap_bytes : UINT64_MAX, 0), 0);
    assert_int_equal(push_origins(&rig, rows, random), 0);
    assert_int_equal(rig_finish(&rig, &got), 0);
    reference_order = *order;
    reference_columns = rows->column_count;
    qsort(rows->values, rows->row_count, rows->column_count * sizeof *rows->values,
          reference_compare);
    assert_rows_equal(&got, rows);
    rows_free(&got);
    rig_close(&rig);
    if (ret_spilled != NULL)
        *ret_spilled = rig.spilled_bytes;
}

static void sort_and_compare(const struct gm_schema *schema, const struct gleam_order *order,
                             struct rows *rows, uint64_t *random)
{
    sort_and_compare_with(schema, order, rows, random, NULL, 0, NULL);
}

static void random_rows_match_qsort(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 120; run++) {
        struct gm_schema schema = {0};
        struct rows rows = {0};
        struct gleam_value values[5];
        const uint32_t width = 1 + random_below(&random, 3);
        struct gleam_order order = {.count = 1 + random_below(&random, width)};
        for (uint32_t c = 0; c < width; c++)
            gm_schema_add(&schema, "c", GLEAM_I64 + (run + c) % GLEAM_ANY,
                          random_below(&random, 2));
        gm_schema_add(&schema, "origin", GLEAM_I64, false);
        gm_schema_add(&schema, "position", GLEAM_I64, false);
        for (uint32_t i = 0; i < order.count; i++) {
            order.columns[i].column = 1 + (run + i) % width;
            order.columns[i].ascending = random_below(&random, 2);
        }
        const uint32_t row_count = random_below(&random, 4) == 0 ? random_below(&random, 40) + 1
                                                                 : random_below(&random, 6000) + 1;
        values[width] = values[width + 1] = gleam_i64(0);
        for (uint32_t i = 0; i < row_count; i++) {
            for (uint32_t c = 0; c < width; c++)
                values[c] = random_small(&random, schema.fields[c].kind, schema.fields[c].nullable);
            rows_add(&rows, values, width + 2);
        }
        sort_and_compare(&schema, &order, &rows, &random);
        rows_free(&rows);
    }
}

/* Sorts values of one column and checks that they come out as they are listed. */
static void assert_listed_order(uint8_t kind, bool nullable, const struct gleam_value *listed,
                                uint32_t count)
{
    uint64_t random = 2;
    for (uint32_t descending = 0; descending < 2; descending++) {
        struct gm_schema schema = {0};
        struct rows rows = {0}, got = {0};
        const struct gleam_order order = {
            .count = 1, .columns = {{.column = 1, .ascending = !descending}}};
        uint32_t order_of[64];
        gm_schema_add(&schema, "c", kind, nullable);
        for (uint32_t i = 0; i < count; i++)
            order_of[i] = i;
        for (uint32_t i = count; i-- > 1;) {
            const uint32_t j = random_below(&random, i + 1), swap = order_of[i];
            order_of[i] = order_of[j];
            order_of[j] = swap;
        }
        for (uint32_t i = 0; i < count; i++)
            rows_add(&rows, &listed[order_of[i]], 1);
        struct rig rig = {.step = sort_step(&schema, &order), .input = schema};
        assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
        assert_int_equal(rig_push_all(&rig, &rows, &random, &got), 0);
        assert_int_equal(rig_finish(&rig, &got), 0);
        assert_int_equal(got.row_count, count);
        for (uint32_t i = 0; i < count; i++)
            assert_true(same_value(got.values[i], listed[descending ? count - 1 - i : i]));
        rows_free(&got);
        rows_free(&rows);
        rig_close(&rig);
    }
}

static void integers_beyond_2_to_53_keep_their_order(void **state)
{
    (void)state;
    const int64_t big = INT64_C(1) << 53;
    struct gleam_value listed[24];
    for (int i = 0; i < 8; i++) {
        listed[i] = gleam_i64(-big - 8 + i);
        listed[8 + i] = gleam_i64(big + i);
        listed[16 + i] = gleam_i64(INT64_MAX - 7 + i);
    }
    assert_listed_order(GLEAM_I64, false, listed, 24);
}

static void numbers_of_both_kinds_are_one_order(void **state)
{
    (void)state;
    const struct gleam_value listed[] = {
        gleam_null(),          gleam_bool(false),       gleam_bool(true),
        gleam_f64(-(double)INFINITY), gleam_f64(-1e300), gleam_i64(INT64_MIN),
        gleam_i64(-3),         gleam_f64(-2.5),         gleam_i64(0),
        gleam_f64(5e-324),     gleam_f64(0.5),          gleam_i64(1),
        gleam_f64(9007199254740992.0), gleam_i64((INT64_C(1) << 53) + 1),
        gleam_i64(INT64_MAX),  gleam_f64(9223372036854775808.0),
        gleam_f64((double)INFINITY),  gleam_f64((double)NAN),
        text_value(""),        text_value("0")};
    assert_listed_order(GLEAM_ANY, false, listed, 20);
}

static void texts_that_begin_alike_keep_their_order(void **state)
{
    (void)state;
    const struct gleam_value listed[] = {
        gleam_null(),          text_value(""),          gleam_bytes("\0", 1),
        gleam_bytes("\0\0", 2), text_value("1234567"),  gleam_bytes("1234567\0", 8),
        gleam_bytes("1234567\1", 8), gleam_bytes("1234567\7", 8), text_value("12345678"),
        gleam_bytes("12345678\0", 9), text_value("123456789"), text_value("12345679"),
        text_value("a"),       gleam_bytes("a\0", 2),   text_value("\x80"),
        text_value("\xff\xff\xff\xff\xff\xff\xff\xff"),
        text_value("\xff\xff\xff\xff\xff\xff\xff\xff\xff")};
    assert_listed_order(GLEAM_BYTES, true, listed, 17);
}

/* Every budget from nothing up: refused with a text that helps, or sorted; all memory comes
 * back.  One row is larger than what emitting keeps ready, so that every place is reached. */
static void too_little_memory_names_step_and_option(void **state)
{
    (void)state;
    uint64_t random = 3;
    struct gm_schema schema = {0};
    struct rows rows = {0};
    const struct gleam_order order = {.count = 1, .columns = {{.column = 1, .ascending = true}}};
    uint32_t refused_push = 0, refused_finish = 0, fine = 0;
    char *large = calloc(1, 400000);
    gm_schema_add(&schema, "c", GLEAM_BYTES, false);
    for (uint32_t i = 0; i < 5000; i++) {
        const struct gleam_value value = i == 700 ? gleam_bytes(large, 400000) : text_value("x");
        rows_add(&rows, &value, 1);
    }
    for (uint64_t limit = 1000; limit < 3000000; limit = limit * 21 / 20) {
        struct rig rig = {.step = sort_step(&schema, &order), .input = schema};
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
                assert_non_null(strstr(rig.error.text, "test.c:9: step 'sorted'"));
                assert_non_null(strstr(rig.error.text, "--memory"));
            } else {
                assert_int_equal(got.row_count, 5000);
            }
        }
        assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
        rows_free(&got);
        rig_close(&rig);
    }
    assert_true(refused_push > 0 && fine > 0);
    assert_int_equal(refused_finish, 0); /* sorting and handing on take no memory */
    rows_free(&rows);
    free(large);
}

static void no_rows_are_sorted_to_no_rows(void **state)
{
    (void)state;
    struct gm_schema schema = {0};
    struct rows got = {0};
    const struct gleam_order order = {.count = 1, .columns = {{.column = 1, .ascending = true}}};
    gm_schema_add(&schema, "c", GLEAM_I64, false);
    struct rig rig = {.step = sort_step(&schema, &order), .input = schema};
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_finish(&rig, &got), 0);
    assert_int_equal(got.row_count, 0);
    rig_close(&rig);
}

/* Rows many times the memory, some larger than a block, over a disk that is slow, short and
 * interrupted; several passes of merging. */
static void more_rows_than_memory_are_sorted_in_runs(void **state)
{
    (void)state;
    uint64_t random = 4;
    char *text = malloc(200000);
    memset(text, 'q', 200000);
    for (uint32_t run = 0; run < 8; run++) {
        struct gm_schema schema = {0};
        struct rows rows = {0};
        struct fake_spill_disk disk;
        struct gleam_order order = {.count = 1, .columns = {{.column = 1, .ascending = run % 2}}};
        gm_schema_add(&schema, "key", run % 3 == 0 ? GLEAM_I64 : GLEAM_BYTES, run % 4 == 0);
        gm_schema_add(&schema, "text", GLEAM_BYTES, false);
        gm_schema_add(&schema, "origin", GLEAM_I64, false);
        gm_schema_add(&schema, "position", GLEAM_I64, false);
        uint64_t bytes = 0, spilled = 0;
        while (bytes < (UINT64_C(3) << 20) * (1 + run / 2)) {
            const uint32_t length =
                random_below(&random, 500) == 0 ? random_below(&random, 200000)
                                                : random_below(&random, 300);
            const struct gleam_value values[4] = {
                random_small(&random, schema.fields[0].kind, schema.fields[0].nullable),
                gleam_bytes(text, length), gleam_i64(0), gleam_i64(0)};
            rows_add(&rows, values, 4);
            bytes += length + 40;
        }
        fake_spill_disk_init(&disk, run);
        disk.poll_delay = run % 3;
        disk.short_odds = 5;
        disk.interrupt_odds = 9;
        sort_and_compare_with(&schema, &order, &rows, &random, &disk, UINT64_C(4) << 20, &spilled);
        if (run > 1)
            assert_true(spilled > bytes / 2);
        assert_true(spilled < 4 * bytes);
        fake_spill_disk_free(&disk);
        rows_free(&rows);
    }
    free(text);
}

/* While memory suffices, nothing is written and no file is made. */
static void nothing_is_spilled_while_memory_suffices(void **state)
{
    (void)state;
    uint64_t random = 5, spilled = 1;
    struct gm_schema schema = {0};
    struct rows rows = {0};
    struct fake_spill_disk disk;
    const struct gleam_order order = {.count = 1, .columns = {{.column = 1, .ascending = true}}};
    gm_schema_add(&schema, "key", GLEAM_I64, false);
    gm_schema_add(&schema, "origin", GLEAM_I64, false);
    gm_schema_add(&schema, "position", GLEAM_I64, false);
    for (uint32_t i = 0; i < 20000; i++) {
        const struct gleam_value values[3] = {gleam_i64((int64_t)random_next(&random)),
                                              gleam_i64(0), gleam_i64(0)};
        rows_add(&rows, values, 3);
    }
    fake_spill_disk_init(&disk, 1);
    sort_and_compare_with(&schema, &order, &rows, &random, &disk, UINT64_C(4) << 20, &spilled);
    assert_int_equal(spilled, 0);
    assert_int_equal(disk.file_count, 0);
    assert_int_equal(disk.written_bytes, 0);
    fake_spill_disk_free(&disk);
    rows_free(&rows);
}

/* A disk that breaks or is full fails the step with a text, wherever it happens; all memory comes
 * back. */
static void a_bad_disk_fails_the_step(void **state)
{
    (void)state;
    uint64_t random = 6;
    struct gm_schema schema = {0};
    struct rows rows = {0};
    const struct gleam_order order = {.count = 1, .columns = {{.column = 1, .ascending = true}}};
    uint32_t failed = 0;
    gm_schema_add(&schema, "key", GLEAM_BYTES, false);
    for (uint32_t i = 0; i < 60000; i++) {
        char key[128];
        memset(key, 'a' + (int)random_below(&random, 26), sizeof key);
        const struct gleam_value value = gleam_bytes(key, sizeof key);
        rows_add(&rows, &value, 1);
    }
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct rig rig = {.step = sort_step(&schema, &order), .input = schema};
        struct rows got = {0};
        struct spill_rig spill;
        struct fake_spill_disk disk;
        fake_spill_disk_init(&disk, seed);
        disk.error_odds = seed % 3 == 0 ? 20 + seed * 5 : 0;
        disk.damage_odds = seed % 3 == 1 ? 10 + seed * 5 : 0;
        disk.limit_bytes = seed % 3 == 2 ? seed << 16 : 0;
        spill_rig_use(&spill, &rig, &disk, UINT64_C(4) << 20);
        assert_int_equal(rig_open(&rig, UINT64_C(4) << 20, 0), 0);
        int rc = rig_push_all(&rig, &rows, &random, &got);
        if (rc == 0)
            rc = rig_finish(&rig, &got);
        if (rc == 0) {
            assert_int_equal(got.row_count, rows.row_count);
        } else {
            assert_int_equal(rc, GM_ETASK_SPILL);
            assert_true(strlen(rig.error.text) > 20);
            failed++;
        }
        rows_free(&got);
        rig_close(&rig);
        fake_spill_disk_free(&disk);
    }
    assert_true(failed > 4);
    rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_rows_match_qsort),
        cmocka_unit_test(integers_beyond_2_to_53_keep_their_order),
        cmocka_unit_test(numbers_of_both_kinds_are_one_order),
        cmocka_unit_test(texts_that_begin_alike_keep_their_order),
        cmocka_unit_test(too_little_memory_names_step_and_option),
        cmocka_unit_test(no_rows_are_sorted_to_no_rows),
        cmocka_unit_test(more_rows_than_memory_are_sorted_in_runs),
        cmocka_unit_test(nothing_is_spilled_while_memory_suffices),
        cmocka_unit_test(a_bad_disk_fails_the_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
