/* test_batch.c
 * Goal:   every column of a batch has room of its own for all rows; values come out with their
 *         kind; selected rows are those that were.
 * Method: fill the widest batch to the brim and read it back; budgets too small; random batches and
 *         random choices from them.
 */
#include "engine/row/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/error.h"
#include "tests/unit/row/random_rows.h"

static void columns_do_not_overlap(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_schema schema = {0};
    struct gm_batch batch;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    for (uint32_t i = 0; i < GM_FIELDS_MAX; i++)
        gm_schema_add(&schema, NULL, (enum gleam_kind)(GLEAM_I64 + i % GLEAM_ANY), true);
    assert_int_equal(gm_batch_init(&batch, &schema, &heap), 0);
    assert_int_equal(batch.column_count, GM_FIELDS_MAX);
    for (uint32_t i = 0; i < GM_FIELDS_MAX; i++) {
        const struct gm_vector *column = &batch.columns[i];
        assert_int_equal(column->kind, schema.fields[i].kind);
        assert_int_equal((uintptr_t)column->data % 64, 0);
        memset(column->data, (int)i, GM_BATCH_ROWS_MAX * gm_vector_stride(column->kind));
        memset(column->nulls, (int)i, GM_BATCH_ROWS_MAX);
    }
    for (uint32_t i = 0; i < GM_FIELDS_MAX; i++) {
        const struct gm_vector *column = &batch.columns[i];
        const uint8_t *bytes = column->data;
        const size_t count = (size_t)GM_BATCH_ROWS_MAX * gm_vector_stride(column->kind);
        assert_int_equal(bytes[0], i);
        assert_int_equal(bytes[count - 1], i);
        assert_int_equal(column->nulls[0], i);
        assert_int_equal(column->nulls[GM_BATCH_ROWS_MAX - 1], i);
    }
    gm_batch_fini(&batch, &heap);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

static void small_budget_is_refused(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_schema schema = {0};
    struct gm_batch batch;
    assert_int_equal(gm_heap_init(&heap, 1000), 0);
    gm_schema_add(&schema, NULL, GLEAM_I64, false);
    assert_int_equal(gm_batch_init(&batch, &schema, &heap), GM_ETASK_MEMORY);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

static void values_come_out_with_their_kind(void **state)
{
    (void)state;
    int64_t i64[] = {5, 6};
    double f64[] = {0.5, 1.5};
    uint8_t boolean[] = {0, 2};
    struct gm_bytes bytes[] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"bc", 2}};
    struct gleam_value any[] = {gleam_null(), gleam_bool(true)};
    struct gm_vector vector = {.kind = GLEAM_I64, .i64 = i64};
    assert_int_equal(gm_vector_get(&vector, 1).i64, 6);
    vector = (struct gm_vector){.kind = GLEAM_F64, .f64 = f64};
    assert_true(gm_vector_get(&vector, 1).f64 == 1.5);
    vector = (struct gm_vector){.kind = GLEAM_BOOL, .boolean = boolean};
    assert_true(gm_vector_get(&vector, 1).boolean);
    vector = (struct gm_vector){.kind = GLEAM_BYTES, .bytes = bytes};
    assert_int_equal(gm_vector_get(&vector, 1).kind, GLEAM_BYTES);
    assert_int_equal(gm_vector_get(&vector, 1).bytes.length, 2);
    vector = (struct gm_vector){.kind = GLEAM_ANY, .any = any};
    assert_int_equal(gm_vector_get(&vector, 0).kind, GLEAM_NULL);
    assert_int_equal(gm_vector_get(&vector, 1).kind, GLEAM_BOOL);
}

static void constant_is_entry_0(void **state)
{
    (void)state;
    int64_t i64 = 9;
    uint8_t null = 1;
    struct gm_vector vector = {.kind = GLEAM_I64, .constant = true, .i64 = &i64, .nulls = &null};
    assert_int_equal(gm_vector_get(&vector, 1000).i64, 9);
    vector.has_nulls = true;
    assert_int_equal(gm_vector_get(&vector, 1000).kind, GLEAM_NULL);
}

static uint64_t random_state = 1;

/* count of row_count rows, ascending. */
static void choose(uint16_t *selected, uint32_t count, uint32_t row_count)
{
    uint32_t at = 0;
    for (uint32_t row = 0; row < row_count && at < count; row++)
        if (random_below(&random_state, row_count - row) < count - at)
            selected[at++] = (uint16_t)row;
    assert_int_equal(at, count);
}

static void selected_rows_are_those_rows(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 7, 500, GM_BATCH_ROWS_MAX - 1, GM_BATCH_ROWS_MAX};
    for (uint32_t run = 0; run < 120; run++) {
        struct random_rows rows;
        struct gm_batch room, out = {.origin = 3};
        uint16_t selected[GM_BATCH_ROWS_MAX];
        const uint32_t count = counts[run % 6];
        const uint32_t row_count = count + (count < GM_BATCH_ROWS_MAX ? run % 2 : 0);
        random_rows_init(&rows, &random_state, row_count);
        /* An operator's columns have the kinds of their schema. */
        for (uint32_t c = 0; c < rows.batch.column_count; c++)
            if (rows.batch.columns[c].kind != rows.layout.kinds[c])
                rows.batch.columns[c].constant = true;
        assert_int_equal(gm_batch_init(&room, &rows.schema, &rows.heap), 0);
        choose(selected, count, row_count);
        gm_batch_select(&rows.batch, selected, count, &room, &out);
        assert_int_equal(out.row_count, count);
        assert_int_equal(out.column_count, rows.batch.column_count);
        assert_int_equal(out.origin, 3);
        for (uint32_t c = 0; c < out.column_count; c++) {
            const struct gm_vector *from = &rows.batch.columns[c];
            for (uint32_t i = 0; i < count; i++)
                assert_true(same_value(gm_vector_get(&out.columns[c], i),
                                       gm_vector_get(from, selected[i])));
            /* Columns that stay as they are are not copied. */
            if (from->constant || count == row_count)
                assert_ptr_equal(out.columns[c].data, from->data);
            else
                assert_ptr_equal(out.columns[c].data, room.columns[c].data);
        }
        gm_batch_fini(&room, &rows.heap);
        random_rows_fini(&rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_do_not_overlap),
        cmocka_unit_test(small_budget_is_refused),
        cmocka_unit_test(values_come_out_with_their_kind),
        cmocka_unit_test(constant_is_entry_0),
        cmocka_unit_test(selected_rows_are_those_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
