/* rig.h - rows as lists of values, and one operator fed with them; for the tests of operators.
 *
 * Every batch that is pushed lies in memory of its own, freed right afterwards: an operator that
 * keeps a pointer into its input is seen by AddressSanitizer, or by the rows that come out.
 * Included behind cmocka.h.
 */
#ifndef GM_TESTS_RIG_H
#define GM_TESTS_RIG_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/error.h"
#include "engine/op/holding.h"
#include "engine/row/row.h"
#include "tests/unit/row/random_rows.h"

/* ---- lists of rows --------------------------------------------------------------------------- */

struct rows {
    struct gleam_value *values; /* row by row; bytes are owned */
    uint64_t row_count;
    uint64_t capacity;
    uint32_t column_count;
};

static inline struct gleam_value value_copy(struct gleam_value value)
{
    const uint8_t kind = value.kind;
    if (!gm_kind_has_bytes(kind))
        return value;
    char *copy = malloc(value.bytes.length + GM_BYTES_SLACK);
    assert_non_null(copy);
    if (value.bytes.length > 0)
        memcpy(copy, value.bytes.data, value.bytes.length);
    memset(copy + value.bytes.length, '#', GM_BYTES_SLACK);
    value = gleam_bytes(copy, value.bytes.length);
    value.kind = kind;
    return value;
}

static inline struct gleam_value text_value(const char *text)
{
    return gleam_bytes(text, strlen(text));
}

static inline void rows_add(struct rows *rows, const struct gleam_value *values,
                            uint32_t column_count)
{
    assert_true(rows->row_count == 0 || rows->column_count == column_count);
    rows->column_count = column_count;
    if (rows->row_count == rows->capacity) {
        rows->capacity = rows->capacity > 0 ? 2 * rows->capacity : 64;
        rows->values = realloc(rows->values, rows->capacity * column_count * sizeof *values);
        assert_non_null(rows->values);
    }
    for (uint32_t c = 0; c < column_count; c++)
        rows->values[rows->row_count * column_count + c] = value_copy(values[c]);
    rows->row_count++;
}

static inline struct gleam_value *rows_at(const struct rows *rows, uint64_t row)
{
    return rows->values + row * rows->column_count;
}

static inline void rows_free(struct rows *rows)
{
    for (uint64_t i = 0; i < rows->row_count * rows->column_count; i++)
        if (gm_kind_has_bytes(rows->values[i].kind))
            free((void *)(uintptr_t)rows->values[i].bytes.data);
    free(rows->values);
    *rows = (struct rows){0};
}

/* Adds the rows of a batch. */
static inline void rows_take(struct rows *rows, const struct gm_batch *batch)
{
    struct gleam_value values[GM_FIELDS_MAX];
    assert_true(batch->row_count <= GM_BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < batch->row_count; row++) {
        for (uint32_t c = 0; c < batch->column_count; c++)
            values[c] = gm_vector_get(&batch->columns[c], row);
        rows_add(rows, values, batch->column_count);
    }
}

/* -1, 0, 1 by all columns; 1 and 1.0 are the same. */
static inline int rows_compare_values(const struct gleam_value *a, const struct gleam_value *b,
                                      uint32_t column_count)
{
    for (uint32_t c = 0; c < column_count; c++) {
        const int order = gm_value_compare(&a[c], &b[c]);
        if (order != 0)
            return order < 0 ? -1 : 1;
    }
    return 0;
}

static uint32_t rows_sort_columns;

static inline int rows_sort_compare(const void *a, const void *b)
{
    return rows_compare_values(a, b, rows_sort_columns);
}

static inline void rows_sort(struct rows *rows)
{
    rows_sort_columns = rows->column_count;
    if (rows->row_count > 1)
        qsort(rows->values, rows->row_count, rows->column_count * sizeof *rows->values,
              rows_sort_compare);
}

static inline void assert_rows_equal(const struct rows *got, const struct rows *expected)
{
    assert_int_equal(got->row_count, expected->row_count);
    if (got->row_count > 0)
        assert_int_equal(got->column_count, expected->column_count);
    for (uint64_t row = 0; row < got->row_count; row++)
        assert_int_equal(rows_compare_values(rows_at(got, row), rows_at(expected, row),
                                             got->column_count),
                         0);
}

/* ---- lists to batches ------------------------------------------------------------------------ */

struct input {
    struct gm_heap heap;
    struct gm_batch batch;
    uint8_t *pool;
};

static inline uint8_t *input_column(struct gm_vector *vector, const struct rows *rows,
                                    uint64_t first, uint32_t count, uint32_t column, uint8_t *pool)
{
    bool constant = count > 1;
    for (uint32_t i = 0; i < count; i++) {
        struct gleam_value value = rows_at(rows, first + i)[column];
        constant = constant && same_value(value, rows_at(rows, first)[column]);
        vector->nulls[i] = 0;
        if (value.kind == GLEAM_NULL && vector->kind != GLEAM_ANY) {
            vector->has_nulls = true;
            vector->nulls[i] = 7;
            value = gleam_i64(1); /* what stands under a null is nobody's business */
            if (vector->kind == GLEAM_BYTES)
                value = gleam_bytes(NULL, 5);
        } else if (gm_kind_has_bytes(value.kind)) {
            memcpy(pool, value.bytes.data, value.bytes.length);
            value.bytes.data = (const char *)pool;
            pool += value.bytes.length;
        }
        random_set(vector, i, value);
    }
    if (constant) {
        vector->constant = true;
        memset((uint8_t *)vector->data + gm_vector_stride(vector->kind), 0xee,
               gm_vector_stride(vector->kind) * (count - 1));
        memset(vector->nulls + 1, !vector->nulls[0], count - 1);
    }
    return pool;
}

/* A column that is the same in every row becomes a constant vector. */
static inline void input_make(struct input *input, const struct gm_schema *schema,
                              const struct rows *rows, uint64_t first, uint32_t count)
{
    size_t bytes = GM_BYTES_SLACK;
    for (uint64_t i = first * rows->column_count; i < (first + count) * rows->column_count; i++)
        if (gm_kind_has_bytes(rows->values[i].kind))
            bytes += rows->values[i].bytes.length;
    assert_int_equal(gm_heap_init(&input->heap, UINT64_MAX), 0);
    assert_int_equal(gm_batch_init(&input->batch, schema, &input->heap), 0);
    input->pool = malloc(bytes);
    assert_non_null(input->pool);
    input->batch.row_count = count;
    uint8_t *pool = input->pool;
    for (uint32_t c = 0; c < schema->field_count; c++)
        pool = input_column(&input->batch.columns[c], rows, first, count, c, pool);
    memset(pool, '#', GM_BYTES_SLACK);
}

static inline void input_free(struct input *input)
{
    gm_batch_fini(&input->batch, &input->heap);
    gm_heap_fini(&input->heap);
    free(input->pool);
}

/* ---- one operator ---------------------------------------------------------------------------- */

struct rig {
    struct gm_heap heap;
    struct gm_error error;
    struct gm_step step;
    struct gm_schema input;
    struct gm_input inputs[2]; /* of an operator that reads several, input_count of them */
    uint32_t input_count;
    uint32_t ended_inputs; /* as the batches pushed by rig_push_input say */
    struct gm_udf_shared shared; /* of functions; the init code is set where it is needed */
    struct gm_counters counters;
    struct gm_op op;
    void *state;
    struct gm_batch out;
    /* of spill_rig.h; NULL: nothing goes to disk */
    void (*spill_open)(struct rig *rig);
    void (*spill_close)(struct rig *rig);
    void *spill_rig;
    struct gm_spill spill;
    struct gm_holdings holdings;
    uint64_t spill_at_bytes;
    uint64_t spilled_bytes;
};

/* step and input are set.  Returns what open and begin return. */
static inline int rig_open(struct rig *rig, uint64_t limit_bytes, uint64_t budget_bytes)
{
    assert_int_equal(gm_heap_init(&rig->heap, limit_bytes), 0);
    rig->error = (struct gm_error){0};
    rig->state = NULL;
    rig->holdings = (struct gm_holdings){0};
    rig->op = (struct gm_op){.ops = gm_op_find(rig->step.kind),
                             .step = &rig->step,
                             .input_schema = &rig->input,
                             .heap = &rig->heap,
                             .error = &rig->error,
                             .budget_bytes = budget_bytes,
                             .inputs = rig->inputs,
                             .input_count = rig->input_count,
                             .shared = rig->shared.lua_init != NULL ? &rig->shared : NULL,
                             .counters = &rig->counters,
                             .holdings = &rig->holdings,
                             .spilled_bytes = &rig->spilled_bytes};
    if (rig->spill_open != NULL) {
        rig->spill_open(rig);
        rig->op.spill = &rig->spill;
        rig->op.spill_at_bytes = rig->spill_at_bytes;
    }
    int rc = rig->op.ops->open(&rig->op);
    if (rc == 0 && rig->op.ops->begin != NULL)
        rc = rig->op.ops->begin(&rig->op, &rig->state);
    return rc;
}

static inline void rig_close(struct rig *rig)
{
    if (rig->state != NULL)
        rig->op.ops->end(&rig->op, rig->state);
    rig->op.ops->close(&rig->op);
    if (rig->spill_close != NULL)
        rig->spill_close(rig);
    assert_int_equal(rig->heap.used_bytes, 0);
    assert_null(rig->holdings.first);
    assert_int_equal(rig->holdings.bytes, 0);
    gm_heap_fini(&rig->heap);
}

static inline int rig_process(struct rig *rig, const struct gm_batch *in)
{
    rig->out.row_count = 0;
    rig->out.column_count = 0;
    rig->out.origin = in->origin;
    return rig->op.ops->process(&rig->op, rig->state, in, &rig->out);
}

/* All of a batch.  Returns 0 or < 0. */
static inline int rig_push_batch(struct rig *rig, const struct gm_batch *in, struct rows *out)
{
    for (;;) {
        const int rc = rig_process(rig, in);
        if (rc < 0)
            return rc;
        if (rc == GM_AGAIN) {
            assert_int_equal(rig->out.row_count, 0);
            continue;
        }
        rows_take(out, &rig->out);
        if (rc == GM_OP_NEED_INPUT)
            return 0;
        assert_int_equal(rc, GM_OP_HAVE_MORE);
    }
}

/* Rows [first, first + count) as one batch. */
static inline int rig_push(struct rig *rig, const struct rows *rows, uint64_t first,
                           uint32_t count, uint32_t origin, struct rows *out)
{
    struct input input;
    input_make(&input, &rig->input, rows, first, count);
    input.batch.origin = origin;
    const int rc = rig_push_batch(rig, &input.batch, out);
    input_free(&input);
    return rc;
}

/* The same for one of several inputs. */
static inline int rig_push_input(struct rig *rig, uint32_t index, const struct rows *rows,
                                 uint64_t first, uint32_t count, uint32_t origin, struct rows *out)
{
    struct input input;
    input_make(&input, &rig->inputs[index].schema, rows, first, count);
    input.batch.input = index;
    input.batch.ended_inputs = rig->ended_inputs;
    input.batch.origin = origin;
    const int rc = rig_push_batch(rig, &input.batch, out);
    input_free(&input);
    return rc;
}

/* All rows, in batches of random sizes. */
static inline int rig_push_all(struct rig *rig, const struct rows *rows, uint64_t *random,
                               struct rows *out)
{
    for (uint64_t first = 0; first < rows->row_count;) {
        uint64_t count = 1 + random_below(random, GM_BATCH_ROWS_MAX);
        if (count > rows->row_count - first)
            count = rows->row_count - first;
        const int rc = rig_push(rig, rows, first, (uint32_t)count, 0, out);
        if (rc < 0)
            return rc;
        first += count;
    }
    return 0;
}

static inline int rig_finish(struct rig *rig, struct rows *out)
{
    while (rig->op.ops->finish != NULL) {
        rig->out.row_count = 0;
        rig->out.column_count = 0;
        const int rc = rig->op.ops->finish(&rig->op, rig->state, &rig->out);
        if (rc < 0)
            return rc;
        if (rc == GM_AGAIN) {
            assert_int_equal(rig->out.row_count, 0);
            continue;
        }
        rows_take(out, &rig->out);
        if (rc == GM_OP_NEED_INPUT)
            break;
        assert_int_equal(rc, GM_OP_HAVE_MORE);
    }
    return 0;
}

/* Small values, so that keys meet; now and then the nasty ones. */
static inline struct gleam_value random_small(uint64_t *random, uint8_t kind, bool nullable)
{
    static const char *const texts[] = {"", "a", "b", "ab", "the", "sixteen bytes ok", "12345678",
                                        "123456789", "seventeen bytes ok", "12345678x",
                                        "a text that is longer than sixteen bytes",
                                        "a text that is longer than sixteen bytes too"};
    static const double numbers[] = {0.0, -0.0, 1.0, -1.0, 2.5, 1e300, 9223372036854775808.0,
                                     -9223372036854775808.0, 9007199254740993.0};
    static const int64_t integers[] = {INT64_MIN, INT64_MAX, INT64_C(1) << 53,
                                       (INT64_C(1) << 53) + 1, INT64_MAX - 1};
    if (kind == GLEAM_ANY)
        kind = (uint8_t)random_below(random, GLEAM_ANY);
    if (nullable && random_below(random, 5) == 0)
        return gleam_null();
    switch (kind) {
    case GLEAM_I64:
        if (random_below(random, 8) == 0)
            return gleam_i64(integers[random_below(random, 5)]);
        return gleam_i64((int64_t)random_below(random, 40) - 20);
    case GLEAM_F64:
        switch (random_below(random, 10)) {
        case 0:
            return gleam_f64((double)NAN);
        case 1:
            return gleam_f64(-(double)NAN);
        case 2:
            return gleam_f64(random_below(random, 2) ? (double)INFINITY : -(double)INFINITY);
        case 3:
            return gleam_f64(numbers[random_below(random, 9)]);
        default:
            return gleam_f64((double)random_below(random, 40) / 2 - 10);
        }
    case GLEAM_BOOL:
        return gleam_bool(random_below(random, 2));
    case GLEAM_BYTES:
        return text_value(texts[random_below(random, sizeof texts / sizeof texts[0])]);
    default:
        return gleam_null();
    }
}

#endif
