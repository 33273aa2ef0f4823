/* functions.c - a shared object as a person would make one, for the tests of libraries. */
#include "engine/gleam.h"

/* This tree hides symbols unless told otherwise; a person's compiler does not. */
#define PUBLIC __attribute__((visibility("default")))

PUBLIC int positive(struct gleam_call *call, const struct gleam_value *row, uint32_t column_count);
PUBLIC int add(struct gleam_call *call, struct gleam_value *total, const struct gleam_value *next,
               uint32_t value_count);
int hidden(struct gleam_call *call, const struct gleam_value *row, uint32_t column_count);

/* A filter: rows whose first column is above 0. */
int positive(struct gleam_call *call, const struct gleam_value *row, uint32_t column_count)
{
    (void)call;
    (void)column_count;
    return row[0].i64 > 0;
}

int add(struct gleam_call *call, struct gleam_value *total, const struct gleam_value *next,
        uint32_t value_count)
{
    (void)call;
    for (uint32_t i = 0; i < value_count; i++)
        total[i].i64 += next[i].i64;
    return 0;
}

int hidden(struct gleam_call *call, const struct gleam_value *row, uint32_t column_count)
{
    return positive(call, row, column_count);
}
