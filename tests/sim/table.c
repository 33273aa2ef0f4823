#include "tests/sim/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

#define CHUNK_BYTES ((size_t)64 << 10)

struct sim_chunk {
    struct sim_chunk *next;
    size_t used, capacity;
    char data[];
};

void sim_table_free(struct sim_table *table)
{
    while (table->chunks != NULL) {
        struct sim_chunk *next = table->chunks->next;
        free(table->chunks);
        table->chunks = next;
    }
    free(table->rows);
    *table = (struct sim_table){0};
}

static char *copy_bytes(struct sim_table *table, const char *data, size_t bytes)
{
    struct sim_chunk *chunk = table->chunks;
    if (chunk == NULL || bytes > chunk->capacity - chunk->used) {
        const size_t capacity = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + capacity);
        GM_CHECK(chunk != NULL);
        *chunk = (struct sim_chunk){.next = table->chunks, .capacity = capacity};
        table->chunks = chunk;
    }
    char *copy = chunk->data + chunk->used;
    chunk->used += bytes;
    if (bytes > 0)
        memcpy(copy, data, bytes);
    return copy;
}

void sim_table_add(struct sim_table *table, const struct gleam_value *values,
                   uint32_t column_count, uint32_t origin, bool copy)
{
    GM_CHECK(column_count >= 1 && column_count <= SIM_COLUMNS_MAX);
    GM_CHECK(table->count == 0 || table->column_count == column_count);
    table->column_count = column_count;
    if (table->count == table->capacity) {
        table->capacity = table->capacity > 0 ? 2 * table->capacity : 256;
        table->rows = realloc(table->rows, table->capacity * sizeof *table->rows);
        GM_CHECK(table->rows != NULL);
    }
    struct sim_row *row = &table->rows[table->count];
    *row = (struct sim_row){.origin = origin, .position = table->count};
    table->count++;
    for (uint32_t c = 0; c < column_count; c++) {
        row->values[c] = values[c];
        if (copy && values[c].kind == GLEAM_BYTES)
            row->values[c].bytes.data =
                copy_bytes(table, values[c].bytes.data, values[c].bytes.length);
    }
}

int sim_value_compare(const struct gleam_value *a, const struct gleam_value *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == GLEAM_I64)
        return a->i64 < b->i64 ? -1 : a->i64 > b->i64;
    if (a->kind == GLEAM_F64)
        return a->f64 < b->f64 ? -1 : a->f64 > b->f64;
    GM_CHECK(a->kind == GLEAM_BYTES);
    const size_t length = a->bytes.length < b->bytes.length ? a->bytes.length : b->bytes.length;
    const int order = length > 0 ? memcmp(a->bytes.data, b->bytes.data, length) : 0;
    if (order != 0)
        return order;
    return a->bytes.length < b->bytes.length ? -1 : a->bytes.length > b->bytes.length;
}

struct sort_context {
    const struct sim_sorting *sorting;
    uint32_t column_count;
    bool by_position;
};

static int compare_rows(const void *left, const void *right, void *opaque)
{
    const struct sim_row *a = left, *b = right;
    const struct sort_context *context = opaque;
    const struct gleam_order *order = context->sorting->order;
    if (context->sorting->by_origin && a->origin != b->origin)
        return a->origin < b->origin ? -1 : 1;
    for (uint32_t i = 0; order != NULL && i < order->count; i++) {
        const uint32_t c = order->columns[i].column - 1;
        const int found = sim_value_compare(&a->values[c], &b->values[c]);
        if (found != 0)
            return order->columns[i].ascending ? found : -found;
    }
    for (uint32_t c = 0; context->sorting->by_whole_row && c < context->column_count; c++) {
        const int found = sim_value_compare(&a->values[c], &b->values[c]);
        if (found != 0)
            return found;
    }
    if (!context->by_position)
        return 0;
    return a->position < b->position ? -1 : a->position > b->position;
}

void sim_table_sort(struct sim_table *table, const struct sim_sorting *sorting)
{
    struct sort_context context = {
        .sorting = sorting, .column_count = table->column_count, .by_position = true};
    if (table->count > 1)
        qsort_r(table->rows, table->count, sizeof *table->rows, compare_rows, &context);
    for (uint64_t i = 0; i < table->count; i++)
        table->rows[i].position = i;
}

bool sim_table_is_sorted(const struct sim_table *table, const struct sim_sorting *sorting)
{
    struct sort_context context = {.sorting = sorting, .column_count = table->column_count};
    for (uint64_t i = 1; i < table->count; i++)
        if (compare_rows(&table->rows[i - 1], &table->rows[i], &context) > 0)
            return false;
    return true;
}

static void fold(struct gleam_value *total, const struct gleam_value *next, char kind)
{
    if (kind == 'c')
        total->i64++;
    else if (kind == 's' && total->kind == GLEAM_I64)
        total->i64 += next->i64;
    else if (kind == 's')
        total->f64 += next->f64;
    else if ((sim_value_compare(next, total) < 0) == (kind == '<'))
        *total = *next;
}

void sim_table_reduce(struct sim_table *table, char kind)
{
    const struct gleam_order by_key = gleam_order_by(1, true);
    const struct sim_sorting sorting = {.order = &by_key};
    sim_table_sort(table, &sorting);
    uint64_t count = 0;
    for (uint64_t i = 0; i < table->count; i++) {
        const struct sim_row *row = &table->rows[i];
        struct sim_row *last = count > 0 ? &table->rows[count - 1] : NULL;
        if (last != NULL && sim_value_compare(&last->values[0], &row->values[0]) == 0) {
            fold(&last->values[1], &row->values[1], kind);
            continue;
        }
        table->rows[count] = *row;
        if (kind == 'c')
            table->rows[count].values[1] = gleam_i64(1);
        table->rows[count].position = count;
        count++;
    }
    table->count = count;
}

static int print_value(const struct gleam_value *value, char *text, size_t room)
{
    if (value->kind == GLEAM_I64)
        return snprintf(text, room, "%" PRId64, value->i64);
    if (value->kind == GLEAM_F64)
        return snprintf(text, room, "%g", value->f64);
    return snprintf(text, room, "%zu bytes '%.*s'", value->bytes.length,
                    (int)(value->bytes.length < 40 ? value->bytes.length : 40),
                    value->bytes.data != NULL ? value->bytes.data : "");
}

static void print_row(const struct sim_table *table, uint64_t at, char *text, size_t room)
{
    if (at >= table->count) {
        snprintf(text, room, "nothing");
        return;
    }
    int used = snprintf(text, room, "partition %u:", table->rows[at].origin);
    for (uint32_t c = 0; c < table->column_count && (size_t)used + 1 < room; c++) {
        text[used++] = ' ';
        used += print_value(&table->rows[at].values[c], text + used, room - (size_t)used);
    }
}

const char *sim_table_difference(const struct sim_table *got, const struct sim_table *expected,
                                 bool origins_too)
{
    static char text[600];
    const struct sim_sorting whole = {.by_origin = origins_too, .by_whole_row = true};
    struct sort_context context = {.sorting = &whole, .column_count = expected->column_count};
    const uint64_t count = got->count < expected->count ? got->count : expected->count;
    uint64_t at = 0;
    while (at < count && compare_rows(&got->rows[at], &expected->rows[at], &context) == 0)
        at++;
    if (at == got->count && at == expected->count)
        return NULL;
    char got_row[200], expected_row[200];
    print_row(got, at, got_row, sizeof got_row);
    print_row(expected, at, expected_row, sizeof expected_row);
    snprintf(text, sizeof text,
             "%" PRIu64 " rows came and %" PRIu64 " should have; row %" PRIu64
             " is [%s] and should be [%s]",
             got->count, expected->count, at, got_row, expected_row);
    return text;
}

uint64_t sim_table_hash(const struct sim_table *table)
{
    uint64_t hash = table->count;
    for (uint64_t i = 0; i < table->count; i++)
        for (uint32_t c = 0; c < table->column_count; c++) {
            const struct gleam_value *value = &table->rows[i].values[c];
            hash = (hash ^ value->kind) * UINT64_C(0x100000001b3);
            if (value->kind == GLEAM_BYTES)
                for (size_t b = 0; b < value->bytes.length; b++)
                    hash = (hash ^ (uint8_t)value->bytes.data[b]) * UINT64_C(0x100000001b3);
            else
                hash = (hash ^ (uint64_t)value->i64) * UINT64_C(0x100000001b3);
        }
    return hash;
}
