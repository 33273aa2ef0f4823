/* test_tally.c
 * Goal:   a tally holds exactly the keys that it was given with the numbers that were written to
 *         them, whatever the variant, through growth, equal keys in a block, the key whose hash is
 *         0, and keys that come in the order of their hashes; it gives them back ascending after a
 *         sort; a refusal of memory changes nothing; folds are those of the values' order.
 * Method: random blocks against counters of a fixed universe, for every variant that runs here;
 *         budgets that end at every growth.  Covers tally_kernel.c and tally_fold.c.
 */
#include "engine/op/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>

#include "engine/op/tally_fold.h"
#include "engine/op/tally_kernel.h"
#include "tests/unit/op/rig.h"

#define KEYS_MAX 20000
#define VALUES_MAX 5

static const char *const variants[] = {"scalar", "neon", "avx2", "avx512"};
static const uint64_t starts[VALUES_MAX] = {0, 7, UINT64_MAX, 0, 1000};

/* What a tally should hold: key i of the universe was met counts[i] times. */
struct model {
    struct gm_tally_hash hash;
    int64_t keys[KEYS_MAX];
    uint64_t counts[KEYS_MAX];
    uint64_t used;
    uint32_t value_count;
};

static uint64_t random_word(uint64_t *random)
{
    const uint64_t high = random_below(random, UINT32_MAX);
    return high << 32 | random_below(random, UINT32_MAX);
}

/* Small numbers, multiples of large powers, anything; the first has hash 0. */
static struct model *model_new(uint64_t seed, uint32_t value_count)
{
    struct model *model = calloc(1, sizeof *model);
    uint64_t random = seed;
    assert_non_null(model);
    model->value_count = value_count;
    gm_tally_hash_init(&model->hash, seed);
    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        const uint64_t places[] = {i, (uint64_t)i << 32, (uint64_t)i << 44,
                                   random_word(&random) | 1};
        model->keys[i] = (int64_t)places[seed % 4] - (seed % 3 == 0 && seed % 4 == 0 ? 100 : 0);
    }
    model->keys[0] = gm_tally_unmix(&model->hash, 0);
    return model;
}

static int64_t number_of(uint32_t key, uint32_t value, uint64_t count)
{
    return (int64_t)(starts[value] + count * (value + 1) + (value > 0 ? key : 0) * (count > 0));
}

/* Meets `count` keys.  Returns as gm_tally_find. */
static int meet(struct gm_tally *tally, struct model *model, const uint32_t *chosen, uint32_t count,
                bool constant)
{
    int64_t keys[GM_TALLY_BLOCK];
    uint64_t *values[GM_TALLY_BLOCK];
    for (uint32_t i = 0; i < count; i++)
        keys[i] = model->keys[chosen[constant ? 0 : i]];
    for (uint32_t first = 0; first < count;) {
        uint32_t found = 0;
        const uint32_t chunk = gm_tally_chunk(tally, count - first);
        assert_in_range(chunk, 1, count - first);
        const uint64_t bytes = gm_tally_bytes_with(tally, constant ? 1 : chunk);
        const int rc = gm_tally_find(tally, &model->hash, keys + (constant ? 0 : first), !constant,
                                     chunk, values, &found);
        if (rc < 0)
            return rc;
        assert_in_range(found, 1, chunk);
        assert_true(gm_tally_bytes(tally) >= bytes);
        for (uint32_t i = 0; i < found; i++) {
            const uint32_t key = chosen[constant ? 0 : first + i];
            for (uint32_t v = 0; v < model->value_count; v++) {
                uint64_t *number = &values[i][GM_TALLY_LANES * v];
                assert_int_equal(*number, number_of(key, v, model->counts[key]));
                *number = (uint64_t)number_of(key, v, model->counts[key] + 1);
            }
            model->used += model->counts[key]++ == 0;
        }
        assert_int_equal(tally->count, model->used);
        first += found;
    }
    return 0;
}

/* All groups are there once.  Returns a sum that depends on their order. */
static uint64_t check_groups(const struct gm_tally *tally, const struct model *model, bool sorted)
{
    static uint64_t seen[KEYS_MAX];
    uint64_t hashes[37], position = 0, last = 0, found = 0, sum = 0;
    const uint64_t *values[37];
    uint32_t count;
    memset(seen, 0, sizeof seen);
    while ((count = gm_tally_next(tally, &position, 37, hashes, values)) > 0)
        for (uint32_t i = 0; i < count; i++, found++) {
            const int64_t key = gm_tally_unmix(&model->hash, hashes[i]);
            uint32_t k = 0;
            if (model->value_count > 1 && values[i][0] > 0) /* column 1 tells which it is */
                k = (uint32_t)(values[i][GM_TALLY_LANES] - starts[1] - 2 * values[i][0]);
            else
                while (k < KEYS_MAX && model->keys[k] != key)
                    k++;
            assert_true(k < KEYS_MAX && model->keys[k] == key);
            assert_int_equal(seen[k]++, 0);
            for (uint32_t v = 0; v < model->value_count; v++)
                assert_int_equal(values[i][GM_TALLY_LANES * v],
                                 number_of(k, v, model->counts[k]));
            assert_true(!sorted || found == 0 || hashes[i] > last);
            last = hashes[i];
            sum = sum * 31 + hashes[i];
        }
    assert_int_equal(found, model->used);
    return sum;
}

/* Random blocks.  Returns what check_groups does before the sort. */
static uint64_t run_blocks(uint64_t seed)
{
    struct gm_heap heap;
    struct gm_tally tally;
    uint64_t random = seed, sum = 0;
    struct model *model = model_new(seed, 1 + (uint32_t)seed % VALUES_MAX);
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    assert_int_equal(gm_tally_init(&tally, model->value_count, starts, &heap), 0);
    const uint32_t spread =
        model->value_count == 1 ? 300 : seed % 2 == 0 ? 1 + random_below(&random, 40) : KEYS_MAX;
    for (uint32_t life = 0; life < 2; life++) {
        for (uint32_t block = 0; block < 150; block++) {
            uint32_t chosen[GM_TALLY_BLOCK];
            const uint32_t count = 1 + random_below(&random, GM_TALLY_BLOCK);
            for (uint32_t i = 0; i < count; i++)
                chosen[i] = random_below(&random, spread);
            assert_int_equal(meet(&tally, model, chosen, count, block % 8 == 3), 0);
        }
        sum += check_groups(&tally, model, false);
        gm_tally_sort(&tally);
        check_groups(&tally, model, true);
        gm_tally_clear(&tally);
        memset(model->counts, 0, sizeof model->counts);
        model->used = 0;
        check_groups(&tally, model, true);
    }
    gm_tally_fini(&tally);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
    free(model);
    return sum;
}

static void variants_hold_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        assert_int_equal(gm_tally_select("scalar"), 0);
        const uint64_t expected = run_blocks(seed);
        for (uint32_t v = 1; v < sizeof variants / sizeof variants[0]; v++)
            if (gm_tally_select(variants[v]) == 0)
                assert_int_equal(run_blocks(seed), expected);
    }
    assert_int_equal(gm_tally_select("mmx"), -EINVAL);
    assert_int_equal(gm_tally_select(NULL), 0);
}

/* More buckets than are looked up without asking ahead, and than grow into another block. */
static void large_tables_hold_all(void **state)
{
    (void)state;
    enum { KEYS = 300000 };
    for (uint32_t v = 0; v < sizeof variants / sizeof variants[0]; v++) {
        struct gm_heap heap;
        struct gm_tally tally;
        struct gm_tally_hash hash;
        if (gm_tally_select(variants[v]) != 0)
            continue;
        gm_tally_hash_init(&hash, v);
        assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
        assert_int_equal(gm_tally_init(&tally, 1 + v % 3, starts, &heap), 0);
        const int64_t zero = gm_tally_unmix(&hash, 0);
        uint64_t *place;
        uint32_t one;
        assert_int_equal(gm_tally_find(&tally, &hash, &zero, 1, 1, &place, &one), 0);
        *place = 2 * (uint64_t)zero;
        for (uint32_t pass = 0; pass < 2; pass++)
            for (int64_t key = 0; key < KEYS;) {
                int64_t keys[GM_TALLY_BLOCK];
                uint64_t *values[GM_TALLY_BLOCK];
                uint32_t found;
                for (int64_t i = 0; i < GM_TALLY_BLOCK; i++)
                    keys[i] = (key + i) % KEYS;
                const uint32_t chunk = gm_tally_chunk(&tally, GM_TALLY_BLOCK);
                assert_int_equal(gm_tally_find(&tally, &hash, keys, 1, chunk, values, &found), 0);
                for (uint32_t i = 0; i < found && key + i < KEYS; i++)
                    *values[i] += (uint64_t)(key + i);
                key += found;
            }
        assert_int_equal(tally.count, KEYS + 1);
        assert_true(tally.reach < 100);
        uint64_t position = 0, hashes[64];
        const uint64_t *values[64];
        uint32_t count;
        while ((count = gm_tally_next(&tally, &position, 64, hashes, values)) > 0)
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(*values[i], 2 * (uint64_t)gm_tally_unmix(&hash, hashes[i]));
        gm_tally_fini(&tally);
        gm_heap_fini(&heap);
    }
    assert_int_equal(gm_tally_select(NULL), 0);
}

static void hashes_give_their_keys_back(void **state)
{
    (void)state;
    uint64_t random = 5;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct gm_tally_hash hash;
        gm_tally_hash_init(&hash, seed);
        for (uint32_t i = 0; i < 100; i++) {
            const int64_t key = i < 4 ? (int64_t[]){0, -1, INT64_MIN, INT64_MAX}[i]
                                      : (int64_t)random_word(&random);
            assert_int_equal(gm_tally_unmix(&hash, gm_tally_mix(&hash, key)), key);
            assert_true(i >= 4 || gm_tally_mix(&hash, key) != 0);
        }
    }
}

/* What was taken out of one table goes into another with the same hash: runs of full buckets make
 * it grow early, but not beyond what all keys need. */
static void keys_in_the_order_of_their_hashes(void **state)
{
    (void)state;
    enum { KEYS = 200000 };
    struct gm_heap heap;
    struct gm_tally tally;
    struct gm_tally_hash hash;
    uint64_t most_bytes = 0;
    gm_tally_hash_init(&hash, 1);
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    assert_int_equal(gm_tally_init(&tally, 1, starts, &heap), 0);
    for (uint64_t i = 0; i < KEYS;) {
        int64_t keys[GM_TALLY_BLOCK];
        uint64_t *values[GM_TALLY_BLOCK];
        uint32_t found;
        for (uint32_t k = 0; k < GM_TALLY_BLOCK; k++)
            keys[k] = gm_tally_unmix(&hash, (i + k) * (UINT64_MAX / KEYS) + 1);
        const uint32_t chunk = gm_tally_chunk(&tally, GM_TALLY_BLOCK);
        assert_int_equal(gm_tally_find(&tally, &hash, keys, 1, chunk, values, &found), 0);
        i += found;
        most_bytes = gm_tally_bytes(&tally) > most_bytes ? gm_tally_bytes(&tally) : most_bytes;
    }
    assert_true(most_bytes <= 4 * 16 * KEYS);
    gm_tally_fini(&tally);
    gm_heap_fini(&heap);
}

/* Hashes that no table can tell apart: memory is refused in the end, and all is as it was. */
static void hashes_that_are_neighbours(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_tally tally;
    struct gm_tally_hash hash;
    int64_t keys[GM_TALLY_BLOCK];
    uint64_t *values[GM_TALLY_BLOCK];
    uint32_t found = 0;
    gm_tally_hash_init(&hash, 2);
    assert_int_equal(gm_heap_init(&heap, UINT64_C(16) << 20), 0);
    assert_int_equal(gm_tally_init(&tally, 1, starts, &heap), 0);
    uint64_t next = UINT64_C(1) << 63;
    for (;;) {
        for (uint32_t i = 0; i < GM_TALLY_BLOCK; i++)
            keys[i] = gm_tally_unmix(&hash, next + i);
        const uint32_t chunk = gm_tally_chunk(&tally, GM_TALLY_BLOCK);
        const int rc = gm_tally_find(&tally, &hash, keys, 1, chunk, values, &found);
        if (rc < 0) {
            assert_int_equal(rc, GM_ETASK_MEMORY);
            break;
        }
        next += found;
        assert_true(tally.count < 100000);
    }
    assert_int_equal(tally.count, next - (UINT64_C(1) << 63));
    assert_true(tally.count >= 1024);
    gm_tally_sort(&tally);
    uint64_t position = 0, hashes[1], expected = UINT64_C(1) << 63;
    const uint64_t *places[1];
    while (gm_tally_next(&tally, &position, 1, hashes, places) > 0)
        assert_int_equal(hashes[0], expected++);
    assert_int_equal(expected, next);
    gm_tally_fini(&tally);
    gm_heap_fini(&heap);
}

static void refused_memory_changes_nothing(void **state)
{
    (void)state;
    for (uint64_t limit_bytes = 256; limit_bytes < 200000; limit_bytes += limit_bytes / 7) {
        struct gm_heap heap;
        struct gm_tally tally;
        struct model *model = model_new(7, 3);
        uint64_t random = limit_bytes;
        assert_int_equal(gm_heap_init(&heap, limit_bytes), 0);
        int rc = gm_tally_init(&tally, 3, starts, &heap);
        for (uint32_t block = 0; rc == 0 && block < 100; block++) {
            uint32_t chosen[GM_TALLY_BLOCK];
            for (uint32_t i = 0; i < GM_TALLY_BLOCK; i++)
                chosen[i] = random_below(&random, KEYS_MAX);
            rc = meet(&tally, model, chosen, GM_TALLY_BLOCK, false);
        }
        assert_int_equal(rc, GM_ETASK_MEMORY);
        if (tally.buckets != NULL)
            check_groups(&tally, model, false);
        gm_tally_fini(&tally);
        assert_int_equal(heap.used_bytes, 0);
        gm_heap_fini(&heap);
        free(model);
    }
}

/* ---- folds ----------------------------------------------------------------------------------- */

static struct gleam_value folded(enum gm_reduce_kind fold, struct gleam_value total,
                                 struct gleam_value next)
{
    const int order = gm_value_compare(&next, &total);
    switch (fold) {
    case GM_REDUCE_SUM_I64:
        return gleam_i64(total.i64 + next.i64);
    case GM_REDUCE_SUM_F64:
        return gleam_f64(total.f64 + next.f64);
    case GM_REDUCE_MIN:
        return order < 0 ? next : total;
    default:
        return order > 0 ? next : total;
    }
}

/* Rows of eight groups, in column 1 of two. */
static void check_fold(enum gm_reduce_kind fold, uint8_t kind, bool constant, uint64_t *random)
{
    enum { GROUPS = 8, ROWS = 200, FIRST = 3 };
    uint64_t numbers[ROWS + FIRST], groups[GROUPS][2 * GM_TALLY_LANES], *values[ROWS];
    struct gleam_value totals[GROUPS] = {0};
    uint64_t counts[GROUPS] = {0};
    const struct gm_vector vector = {.kind = kind, .constant = constant, .data = numbers};
    for (uint32_t g = 0; g < GROUPS; g++)
        groups[g][GM_TALLY_LANES] = gm_tally_start(fold, kind);
    for (uint32_t i = 0; i < ROWS + FIRST; i++) {
        const struct gleam_value value = random_small(random, kind, false);
        numbers[i] = (uint64_t)value.i64;
        if (fold == GM_REDUCE_SUM_I64)
            numbers[i] = random_below(random, 1000);
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        const uint32_t g = random_below(random, GROUPS);
        const struct gleam_value next = gm_vector_get(&vector, FIRST + i);
        values[i] = groups[g];
        totals[g] = counts[g]++ == 0 ? next : folded(fold, totals[g], next);
    }
    assert_true(gm_tally_fold(fold, &vector, FIRST, ROWS, values, 1));
    for (uint32_t g = 0; g < GROUPS; g++) {
        struct gleam_value got = totals[g];
        got.i64 = (int64_t)groups[g][GM_TALLY_LANES];
        if (fold == GM_REDUCE_COUNT)
            assert_int_equal(got.i64, counts[g]);
        else if (counts[g] > 0)
            assert_int_equal(gm_value_compare(&got, &totals[g]), 0);
    }
}

static void folds_are_those_of_values(void **state)
{
    (void)state;
    uint64_t random = 11;
    uint32_t tried = 0;
    for (uint32_t run = 0; run < 50; run++)
        for (uint32_t fold = GM_REDUCE_SUM_I64; fold <= GM_REDUCE_LUA; fold++)
            for (uint8_t kind = GLEAM_NULL; kind <= GLEAM_ANY; kind++) {
                /* A count takes anything, and looks at nothing. */
                if (!gm_tally_folds(fold, kind) || (kind != GLEAM_I64 && kind != GLEAM_F64))
                    continue;
                check_fold(fold, kind, run % 4 == 1, &random);
                tried++;
            }
    assert_int_equal(tried, 50 * 8);
    assert_false(gm_tally_folds(GM_REDUCE_MIN, GLEAM_BYTES));
    assert_false(gm_tally_folds(GM_REDUCE_SUM_I64, GLEAM_F64));
    assert_false(gm_tally_folds(GM_REDUCE_FUNCTION, GLEAM_I64));
}

static void sum_that_overflows_is_told(void **state)
{
    (void)state;
    int64_t numbers[3] = {INT64_MAX, 1, -1};
    uint64_t group[GM_TALLY_LANES] = {0}, *values[3] = {group, group, group};
    const struct gm_vector vector = {.kind = GLEAM_I64, .i64 = numbers};
    assert_false(gm_tally_fold(GM_REDUCE_SUM_I64, &vector, 0, 3, values, 0));
    group[0] = 0;
    assert_true(gm_tally_fold(GM_REDUCE_SUM_I64, &vector, 0, 1, values, 0));
    group[0] = (uint64_t)INT64_MIN;
    assert_false(gm_tally_fold(GM_REDUCE_SUM_I64, &vector, 2, 1, values, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_hold_the_same),
        cmocka_unit_test(large_tables_hold_all),
        cmocka_unit_test(hashes_give_their_keys_back),
        cmocka_unit_test(keys_in_the_order_of_their_hashes),
        cmocka_unit_test(hashes_that_are_neighbours),
        cmocka_unit_test(refused_memory_changes_nothing),
        cmocka_unit_test(folds_are_those_of_values),
        cmocka_unit_test(sum_that_overflows_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
