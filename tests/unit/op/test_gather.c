/* test_gather.c
 * Goal:   chosen rows of a vector or of packed rows are the values that stand there, nulls and
 *         constants among them, whatever the kinds.
 * Method: random batches, random choices, value by value against gm_vector_get and gm_row_get.
 */
#include "engine/op/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/row/codec.h"
#include "engine/row/row.h"
#include "tests/unit/row/random_rows.h"

/* The batch that chosen rows go to: of the schema, or of `any` columns. */
static void make_out(const struct random_rows *rows, bool all_any, struct gm_heap *heap,
                     struct gm_batch *out)
{
    struct gm_schema schema = rows->schema;
    for (uint32_t i = 0; i < schema.field_count; i++)
        if (all_any || rows->batch.columns[i].kind != schema.fields[i].kind)
            schema.fields[i].kind = GLEAM_ANY;
    assert_int_equal(gm_batch_init(out, &schema, heap), 0);
}

static void chosen_rows_of_vectors(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 300; run++) {
        struct random_rows *rows = malloc(sizeof *rows);
        struct gm_batch out;
        uint32_t chosen[GM_BATCH_ROWS_MAX];
        assert_non_null(rows);
        const uint32_t row_count = 1 + random_below(&random, 100);
        random_rows_init(rows, &random, row_count);
        make_out(rows, random_below(&random, 2), &rows->heap, &out);
        for (uint32_t turn = 0; turn < 2; turn++) {
            const uint32_t count = random_below(&random, turn == 0 ? GM_BATCH_ROWS_MAX + 1 : 5);
            for (uint32_t i = 0; i < count; i++)
                chosen[i] = random_below(&random, row_count);
            for (uint32_t c = 0; c < out.column_count; c++) {
                gm_gather(&rows->batch.columns[c], chosen, count, &out.columns[c]);
                for (uint32_t i = 0; i < count; i++)
                    assert_true(same_value(gm_vector_get(&out.columns[c], i),
                                           gm_vector_get(&rows->batch.columns[c], chosen[i])));
            }
        }
        gm_batch_fini(&out, &rows->heap);
        random_rows_fini(rows);
        free(rows);
    }
}

static void chosen_packed_rows_and_missing_ones(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (uint32_t run = 0; run < 300; run++) {
        struct random_rows *rows = malloc(sizeof *rows);
        struct gm_batch out;
        uint32_t sizes[GM_BATCH_ROWS_MAX];
        const uint8_t *places[101], *chosen[200];
        assert_non_null(rows);
        const uint32_t row_count = 1 + random_below(&random, 100);
        random_rows_init(rows, &random, row_count);
        const uint64_t bytes = gm_codec_sizes(&rows->layout, &rows->batch, 0, row_count, sizes);
        uint8_t *packed = malloc(bytes + GM_BYTES_SLACK);
        assert_non_null(packed);
        gm_codec_encode(&rows->layout, &rows->batch, 0, row_count, sizes, packed);
        places[0] = packed;
        for (uint32_t i = 1; i < row_count; i++)
            places[i] = places[i - 1] + sizes[i - 1];
        for (uint32_t i = 0; i < 200; i++)
            chosen[i] = random_below(&random, 5) == 0 ? NULL
                                                      : places[random_below(&random, row_count)];
        const bool any = random_below(&random, 2);
        for (uint32_t c = 0; c < rows->schema.field_count; c++)
            rows->batch.columns[c].kind = rows->schema.fields[c].kind;
        make_out(rows, any, &rows->heap, &out);
        for (uint32_t c = 0; c < out.column_count; c++) {
            gm_gather_packed(&rows->layout, c, chosen, 200, &out.columns[c]);
            for (uint32_t i = 0; i < 200; i++) {
                const struct gleam_value value = gm_vector_get(&out.columns[c], i);
                assert_true(same_value(value, chosen[i] == NULL
                                                  ? gleam_null()
                                                  : gm_row_get(&rows->layout, chosen[i], c)));
            }
        }
        gm_batch_fini(&out, &rows->heap);
        random_rows_fini(rows);
        free(packed);
        free(rows);
    }
}

static void single_values_and_nulls(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_batch out;
    struct gm_schema schema = {0};
    const struct gleam_value values[] = {gleam_i64(-3), gleam_f64(2.5), gleam_bool(true),
                                         gleam_bytes("text", 4), gleam_bytes("any", 3)};
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    for (uint32_t kind = GLEAM_I64; kind <= GLEAM_ANY; kind++)
        gm_schema_add(&schema, "c", (enum gleam_kind)kind, true);
    assert_int_equal(gm_batch_init(&out, &schema, &heap), 0);
    for (uint32_t c = 0; c < 5; c++) {
        const struct gleam_value null = gleam_null();
        out.columns[c].has_nulls = false;
        gm_gather_put(&out.columns[c], 0, &values[c]);
        assert_false(out.columns[c].has_nulls);
        gm_gather_put(&out.columns[c], 1, &null);
        assert_true(same_value(gm_vector_get(&out.columns[c], 0), values[c]));
        assert_int_equal(gm_vector_get(&out.columns[c], 1).kind, GLEAM_NULL);
        gm_gather_nulls(&out.columns[c]);
        for (uint32_t row = 0; row < 3; row++)
            assert_int_equal(gm_vector_get(&out.columns[c], row * 500).kind, GLEAM_NULL);
    }
    gm_batch_fini(&out, &heap);
    gm_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_rows_of_vectors),
        cmocka_unit_test(chosen_packed_rows_and_missing_ones),
        cmocka_unit_test(single_values_and_nulls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
