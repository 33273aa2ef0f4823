/* table.h - rows as the test holds them: those that came out, and those that should have. */
#ifndef GM_TESTS_SIM_TABLE_H
#define GM_TESTS_SIM_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/gleam.h"

#define SIM_COLUMNS_MAX 3

struct sim_row {
    struct gleam_value values[SIM_COLUMNS_MAX];
    uint32_t origin;   /* the partition it came from */
    uint64_t position; /* in the table, as it was added */
};

struct sim_chunk;

struct sim_table {
    struct sim_row *rows;
    uint64_t count, capacity;
    uint32_t column_count;
    struct sim_chunk *chunks; /* copies of bytes values */
};

void sim_table_free(struct sim_table *table);

/* Adds a row.  With copy, its bytes values are copied; otherwise they outlive the table. */
void sim_table_add(struct sim_table *table, const struct gleam_value *values,
                   uint32_t column_count, uint32_t origin, bool copy);

int sim_value_compare(const struct gleam_value *a, const struct gleam_value *b);

/* By origin first where asked; then by the order (NULL: none); then by the whole row where asked;
 * rows that are still the same stay in their order. */
struct sim_sorting {
    bool by_origin;
    const struct gleam_order *order;
    bool by_whole_row;
};
void sim_table_sort(struct sim_table *table, const struct sim_sorting *sorting);
bool sim_table_is_sorted(const struct sim_table *table, const struct sim_sorting *sorting);

/* Folds rows of equal column 1 into one; column 2 by the kind ('s' sum, 'c' count, '<' min, '>'
 * max).  Rows end up sorted by key. */
void sim_table_reduce(struct sim_table *table, char kind);

/* Row by row.  Returns NULL when they are the same (origins too where asked), or what differs, in a
 * buffer of this function. */
const char *sim_table_difference(const struct sim_table *got, const struct sim_table *expected,
                                 bool origins_too);

uint64_t sim_table_hash(const struct sim_table *table);

#endif
