/* tally_fold.c - see tally_fold.h.  Rows of one group may follow each other, so the loops go number
 * by number through memory; where they lie is known ahead, so rows of different groups overlap. */
#include "engine/op/tally_fold.h"

#include <math.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/tally.h"

bool gm_tally_folds(enum gm_reduce_kind fold, uint8_t kind)
{
    switch (fold) {
    case GM_REDUCE_COUNT:
        return true;
    case GM_REDUCE_SUM_I64:
        return kind == GLEAM_I64;
    case GM_REDUCE_SUM_F64:
        return kind == GLEAM_F64;
    case GM_REDUCE_MIN:
    case GM_REDUCE_MAX:
        return kind == GLEAM_I64 || kind == GLEAM_F64;
    default:
        return false;
    }
}

/* A NaN comes behind all other numbers. */
uint64_t gm_tally_start(enum gm_reduce_kind fold, uint8_t kind)
{
    const bool smallest = fold == GM_REDUCE_MIN;
    if (!smallest && fold != GM_REDUCE_MAX)
        return 0; /* which is 0.0 as well */
    if (kind == GLEAM_I64)
        return (uint64_t)(smallest ? INT64_MAX : INT64_MIN);
    const double number = smallest ? (double)NAN : -(double)INFINITY;
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* A column's numbers: entry i, or 0 of a constant one. */
struct numbers {
    const void *data;
    bool constant;
};

static inline int64_t i64_at(struct numbers numbers, uint32_t i)
{
    return ((const int64_t *)numbers.data)[numbers.constant ? 0 : i];
}

static inline double f64_at(struct numbers numbers, uint32_t i)
{
    return ((const double *)numbers.data)[numbers.constant ? 0 : i];
}

static double read_f64(const uint64_t *place)
{
    double number;
    memcpy(&number, place, sizeof number);
    return number;
}

static void count_rows(uint64_t *const *values, uint32_t at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        values[i][at]++;
}

static bool sum_i64(uint64_t *const *values, uint32_t at, struct numbers numbers, uint32_t count)
{
    bool overflowed = false;
    for (uint32_t i = 0; i < count; i++) {
        int64_t *total = (int64_t *)&values[i][at];
        overflowed |= __builtin_add_overflow(*total, i64_at(numbers, i), total);
    }
    return !overflowed;
}

static void sum_f64(uint64_t *const *values, uint32_t at, struct numbers numbers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const double total = read_f64(&values[i][at]) + f64_at(numbers, i);
        memcpy(&values[i][at], &total, sizeof total);
    }
}

static void least_i64(uint64_t *const *values, uint32_t at, struct numbers numbers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t *total = (int64_t *)&values[i][at];
        const int64_t next = i64_at(numbers, i);
        *total = next < *total ? next : *total;
    }
}

static void most_i64(uint64_t *const *values, uint32_t at, struct numbers numbers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t *total = (int64_t *)&values[i][at];
        const int64_t next = i64_at(numbers, i);
        *total = next > *total ? next : *total;
    }
}

static bool is_before(double a, double b)
{
    return a < b || (isnan(b) && !isnan(a));
}

static void extreme_f64(uint64_t *const *values, uint32_t at, struct numbers numbers,
                        uint32_t count, bool smallest)
{
    for (uint32_t i = 0; i < count; i++) {
        const double total = read_f64(&values[i][at]), next = f64_at(numbers, i);
        if (smallest ? is_before(next, total) : is_before(total, next))
            memcpy(&values[i][at], &next, sizeof next);
    }
}

bool gm_tally_fold(enum gm_reduce_kind fold, const struct gm_vector *vector, uint32_t first,
                   uint32_t count, uint64_t *const *values, uint32_t value)
{
    const uint32_t at = value * GM_TALLY_LANES;
    if (fold == GM_REDUCE_COUNT) {
        count_rows(values, at, count);
        return true;
    }
    const struct numbers numbers = {
        .data = (const uint64_t *)vector->data + (vector->constant ? 0 : first),
        .constant = vector->constant};
    const bool is_f64 = vector->kind == GLEAM_F64;
    switch (fold) {
    case GM_REDUCE_SUM_I64:
        return sum_i64(values, at, numbers, count);
    case GM_REDUCE_SUM_F64:
        sum_f64(values, at, numbers, count);
        return true;
    default:
        GM_CHECK(fold == GM_REDUCE_MIN || fold == GM_REDUCE_MAX);
        if (is_f64)
            extreme_f64(values, at, numbers, count, fold == GM_REDUCE_MIN);
        else if (fold == GM_REDUCE_MIN)
            least_i64(values, at, numbers, count);
        else
            most_i64(values, at, numbers, count);
        return true;
    }
}
