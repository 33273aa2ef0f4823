/* test_packed.c
 * Goal:   kept rows come back as they went in, in order, and each one's place is where it lies; a
 *         row that does not fit the memory leaves those before it as they are.
 * Method: random batches added in random pieces, read back; a heap of every small size.
 */
#include "engine/op/packed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/base/error.h"
#include "engine/row/row.h"
#include "tests/unit/row/random_rows.h"

static uint32_t sizes[GM_BATCH_ROWS_MAX];

static void kept_rows_come_back_in_order(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 60; run++) {
        struct random_rows *rows = malloc(sizeof *rows);
        struct gm_packed packed;
        struct gm_packed_cursor cursor = {0};
        struct gm_batch back;
        const uint8_t *places[GM_BATCH_ROWS_MAX];
        assert_non_null(rows);
        random_rows_init(rows, &random, 500);
        gm_packed_init(&packed, &rows->heap);
        for (uint32_t copy = 0; copy < 4; copy++)
            for (uint32_t first = 0; first < 500;) {
                uint32_t count = 1 + random_below(&random, 90);
                count = count < 500 - first ? count : 500 - first;
                assert_int_equal(
                    gm_packed_add(&packed, &rows->layout, &rows->batch, first, count, sizes), 0);
                first += count;
            }
        assert_int_equal(packed.row_count, 2000);
        assert_int_equal(gm_batch_init(&back, &rows->schema, &rows->heap), 0);
        uint32_t seen = 0;
        for (;;) {
            gm_packed_next(&packed, &rows->layout, &cursor, &back, places);
            if (back.row_count == 0)
                break;
            for (uint32_t i = 0; i < back.row_count; i++, seen++)
                for (uint32_t c = 0; c < back.column_count; c++) {
                    const struct gleam_value value =
                        gm_vector_get(&rows->batch.columns[c], seen % 500);
                    assert_true(same_value(gm_vector_get(&back.columns[c], i), value));
                    assert_true(same_value(gm_row_get(&rows->layout, places[i], c), value));
                }
        }
        assert_int_equal(seen, 2000);
        gm_packed_next(&packed, &rows->layout, &cursor, &back, NULL);
        assert_int_equal(back.row_count, 0);
        gm_batch_fini(&back, &rows->heap);
        gm_packed_fini(&packed);
        random_rows_fini(rows);
        free(rows);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    uint64_t random = 2;
    struct random_rows *rows = malloc(sizeof *rows);
    assert_non_null(rows);
    random_rows_init(rows, &random, 400);
    uint32_t refused = 0;
    for (uint64_t limit = 1000; limit < 3000000; limit = limit * 5 / 4) {
        struct gm_heap heap;
        struct gm_packed packed;
        uint64_t added = 0;
        assert_int_equal(gm_heap_init(&heap, limit), 0);
        gm_packed_init(&packed, &heap);
        for (uint32_t i = 0; i < 100; i++) {
            const int rc = gm_packed_add(&packed, &rows->layout, &rows->batch, 0, 400, sizes);
            if (rc < 0) {
                assert_int_equal(rc, GM_ETASK_MEMORY);
                refused++;
                break;
            }
            added += 400;
        }
        assert_int_equal(packed.row_count, added);
        gm_packed_fini(&packed);
        assert_int_equal(heap.used_bytes, 0);
        gm_heap_fini(&heap);
    }
    assert_true(refused > 3);
    random_rows_fini(rows);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_rows_come_back_in_order),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
