/* libudf.c - functions in a shared object, as a person would write them. */
#define GLEAM_NO_PLACES
#include "engine/gleam.h"

gleam_map_fn is_odd, square, crash;
gleam_reduce_fn add;

#pragma GCC visibility push(default)

int is_odd(struct gleam_call *call, const struct gleam_value *row, uint32_t column_count)
{
    (void)call;
    (void)column_count;
    return row[0].i64 & 1;
}

/* (n) -> (n, n * n + the parameter) */
int square(struct gleam_call *call, const struct gleam_value *row, uint32_t column_count)
{
    size_t length;
    const char *digits = gleam_parameter(call, &length);
    int64_t more = 0;
    (void)column_count;
    for (size_t i = 0; i < length; i++)
        more = 10 * more + (digits[i] - '0');
    if (gleam_count(call, "squares", 1) != 0)
        return 1;
    const struct gleam_value out[] = {row[0], gleam_i64(row[0].i64 * row[0].i64 + more)};
    return gleam_emit(call, out, 2);
}

int crash(struct gleam_call *call, const struct gleam_value *row, uint32_t column_count)
{
    (void)call;
    *(int *)(uintptr_t)row[0].i64 = 1; /* a small number is no address */
    return (int)column_count;
}

int add(struct gleam_call *call, struct gleam_value *total, const struct gleam_value *next,
        uint32_t value_count)
{
    (void)call;
    (void)value_count;
    total[0].i64 += next[0].i64;
    return 0;
}

#pragma GCC visibility pop
