/* random_rows.h - schemas and batches out of a seed, and the comparison of two batches; for the
 * tests and fuzzers of the codec. */
#ifndef GM_TESTS_RANDOM_ROWS_H
#define GM_TESTS_RANDOM_ROWS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/row/batch.h"
#include "engine/row/schema.h"

/* SplitMix64 (Sebastiano Vigna, public domain). */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint32_t random_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(((random_next(state) >> 32) * bound) >> 32);
}

/* Bytes for values: a value begins anywhere in the first half. */
#define RANDOM_POOL_BYTES 4096
/* Packed lists for values of `any` columns. */
#define RANDOM_LISTS 8
#define RANDOM_LIST_BYTES 512

struct random_rows {
    struct gm_schema schema;
    struct gm_layout layout;
    struct gm_heap heap;
    struct gm_batch batch;
    uint8_t pool[RANDOM_POOL_BYTES + GM_BYTES_SLACK];
    uint8_t lists[RANDOM_LISTS][RANDOM_LIST_BYTES];
    uint32_t list_bytes[RANDOM_LISTS];
};

static inline void random_schema(uint64_t *state, struct gm_schema *ret_schema)
{
    static const uint32_t widths[] = {1, 2, 2, 3, 3, 4, 7, 9, 17, GM_FIELDS_MAX};
    const uint32_t fields = widths[random_below(state, sizeof widths / sizeof widths[0])];
    /* Now and then one kind only: those have paths of their own. */
    const uint32_t only = random_below(state, 12);
    const uint32_t nullable = random_below(state, 3);
    *ret_schema = (struct gm_schema){0};
    for (uint32_t i = 0; i < fields; i++) {
        const uint32_t kind = only >= GLEAM_I64 && only <= GLEAM_ANY
                                  ? only
                                  : GLEAM_I64 + random_below(state, GLEAM_ANY);
        GM_CHECK(gm_schema_add(ret_schema, "c", (enum gleam_kind)kind,
                               nullable == 2 || (nullable == 1 && random_below(state, 2))) == 0);
    }
}

static inline struct gm_bytes random_bytes(struct random_rows *rows, uint64_t *state)
{
    static const uint32_t lengths[] = {1, 4, 9, 17, 40, 70, 300};
    const uint32_t length =
        random_below(state, lengths[random_below(state, sizeof lengths / sizeof lengths[0])]);
    return (struct gm_bytes){.data = rows->pool + random_below(state, RANDOM_POOL_BYTES / 2),
                             .length = length};
}

/* A list of up to six values, the last perhaps the list before it. */
static inline void random_list(struct random_rows *rows, uint64_t *state, uint32_t index)
{
    struct gleam_value values[6];
    const uint32_t count = random_below(state, 7);
    for (uint32_t i = 0; i < count; i++) {
        values[i] = gleam_i64((int64_t)random_next(state));
        if (random_below(state, 4) == 0)
            values[i] = gleam_bytes((const char *)rows->pool, random_below(state, 40));
        else if (random_below(state, 3) == 0)
            values[i] = random_below(state, 2) ? gleam_null() : gleam_bool(random_below(state, 2));
        else if (random_below(state, 2) == 0)
            values[i].kind = GLEAM_F64;
    }
    if (index > 0 && count > 0 && rows->list_bytes[index - 1] < 100) {
        values[count - 1] =
            gleam_bytes((const char *)rows->lists[index - 1], rows->list_bytes[index - 1]);
        values[count - 1].kind = GLEAM_LIST;
    }
    GM_CHECK(gleam_list_bytes(values, count) <= RANDOM_LIST_BYTES - GM_BYTES_SLACK);
    rows->list_bytes[index] =
        (uint32_t)gleam_list_pack(values, count, rows->lists[index]).bytes.length;
}

static inline struct gleam_value random_value(struct random_rows *rows, uint64_t *state,
                                              uint32_t kind)
{
    struct gm_bytes bytes;
    double f64;
    uint64_t word;
    uint32_t list;
    switch (kind) {
    case GLEAM_LIST:
        list = random_below(state, RANDOM_LISTS);
        struct gleam_value value =
            gleam_bytes((const char *)rows->lists[list], rows->list_bytes[list]);
        value.kind = GLEAM_LIST;
        return value;
    case GLEAM_I64:
        return gleam_i64((int64_t)(random_next(state) >> random_below(state, 64)));
    case GLEAM_F64:
        word = random_next(state);
        memcpy(&f64, &word, sizeof f64);
        return gleam_f64(f64);
    case GLEAM_BOOL:
        return gleam_bool(random_below(state, 2));
    case GLEAM_BYTES:
        bytes = random_bytes(rows, state);
        return gleam_bytes((const char *)bytes.data, bytes.length);
    default:
        return gleam_null();
    }
}

static inline void random_set(struct gm_vector *vector, uint32_t row, struct gleam_value value)
{
    switch (vector->kind) {
    case GLEAM_I64:
    case GLEAM_F64:
        vector->i64[row] = value.i64;
        break;
    case GLEAM_BOOL:
        vector->boolean[row] = value.boolean;
        break;
    case GLEAM_BYTES:
        vector->bytes[row] = (struct gm_bytes){.data = (const uint8_t *)value.bytes.data,
                                               .length = value.bytes.length};
        break;
    default:
        vector->any[row] = value;
        break;
    }
}

static inline void random_column(struct random_rows *rows, uint64_t *state, uint32_t field,
                                 uint32_t row_count)
{
    struct gm_vector *vector = &rows->batch.columns[field];
    const bool any = rows->layout.kinds[field] == GLEAM_ANY;
    /* A column under an `any` field may have a kind of its own; its room is large enough. */
    if (any && random_below(state, 3) == 0)
        vector->kind = (uint8_t)(GLEAM_I64 + random_below(state, GLEAM_BYTES));
    vector->constant = random_below(state, 5) == 0;
    vector->has_nulls = (any || rows->layout.nullable[field]) && random_below(state, 4) != 0;
    const uint32_t count = vector->constant ? 1 : row_count;
    for (uint32_t row = 0; row < count; row++) {
        const uint32_t kind =
            vector->kind != GLEAM_ANY          ? vector->kind
            : random_below(state, 8) == 0 ? GLEAM_LIST
                                          : random_below(state, GLEAM_ANY);
        /* What stands under a null mark is nobody's business. */
        vector->nulls[row] =
            random_below(state, 4) == 0 ? (uint8_t)(1 + random_below(state, 255)) : 0;
        random_set(vector, row, random_value(rows, state, kind));
        if (vector->kind == GLEAM_BYTES && vector->has_nulls && vector->nulls[row])
            vector->bytes[row] = (struct gm_bytes){.data = NULL, .length = 77};
    }
}

/* A schema, and a batch of row_count <= GM_BATCH_ROWS_MAX rows for it. */
static inline void random_rows_init(struct random_rows *rows, uint64_t *state, uint32_t row_count)
{
    random_schema(state, &rows->schema);
    gm_layout_init(&rows->layout, &rows->schema);
    GM_CHECK(gm_heap_init(&rows->heap, UINT64_MAX) == 0);
    GM_CHECK(gm_batch_init(&rows->batch, &rows->schema, &rows->heap) == 0);
    for (uint32_t i = 0; i < sizeof rows->pool; i++)
        rows->pool[i] = (uint8_t)random_next(state);
    for (uint32_t i = 0; i < RANDOM_LISTS; i++)
        random_list(rows, state, i);
    for (uint32_t field = 0; field < rows->schema.field_count; field++)
        random_column(rows, state, field, row_count);
    rows->batch.row_count = row_count;
}

static inline void random_rows_fini(struct random_rows *rows)
{
    gm_batch_fini(&rows->batch, &rows->heap);
    GM_CHECK(rows->heap.used_bytes == 0);
    gm_heap_fini(&rows->heap);
}

/* The same kind and the same bits. */
static inline bool same_value(struct gleam_value a, struct gleam_value b)
{
    if (a.kind != b.kind)
        return false;
    if (gm_kind_has_bytes(a.kind))
        return a.bytes.length == b.bytes.length &&
               (a.bytes.length == 0 || memcmp(a.bytes.data, b.bytes.data, a.bytes.length) == 0);
    if (a.kind == GLEAM_BOOL)
        return a.boolean == b.boolean;
    return a.kind == GLEAM_NULL || a.i64 == b.i64;
}

/* Whether rows [first, first + got->row_count) of `expected` are the rows of `got`. */
static inline bool same_rows(const struct gm_batch *expected, uint32_t first,
                             const struct gm_batch *got)
{
    for (uint32_t field = 0; field < got->column_count; field++) {
        for (uint32_t row = 0; row < got->row_count; row++) {
            if (!same_value(gm_vector_get(&expected->columns[field], first + row),
                            gm_vector_get(&got->columns[field], row)))
                return false;
        }
    }
    return true;
}

#endif
