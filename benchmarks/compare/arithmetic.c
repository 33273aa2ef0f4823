/* arithmetic.c - the mapper of arithmetic.lua in C, for gleam.C. */
#define GLEAM_NO_PLACES
#include "engine/gleam.h"

__attribute__((visibility("default"))) gleam_map_fn arithmetic;

/* (a, b) -> (3 a + b, b - a) */
int arithmetic(struct gleam_call *call, const struct gleam_value *row, uint32_t column_count)
{
    (void)column_count;
    const int64_t a = row[0].i64, b = row[1].i64;
    const struct gleam_value out[] = {gleam_i64(a * 3 + b), gleam_i64(b - a)};
    return gleam_emit(call, out, 2);
}
