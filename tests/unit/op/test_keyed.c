/* test_keyed.c
 * Goal:   group, cogroup and distinct give the same rows when they are many times their memory:
 *         lists in the order of (origin, arrival), the first row of each key by the same order, and
 *         none twice where some were handed on before the disk was needed; a list that is too long
 *         is named; a bad disk fails the step; nothing is written while memory suffices.
 * Method: the same random rows of several origins through a step with ample memory and through one
 *         with little of it over a virtual disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "tests/unit/op/rig.h"
#include "tests/unit/op/spill_rig.h"

#define ORIGINS 3

struct test {
    enum gm_step_kind kind;
    bool seeks_first;
    bool long_keys;
    bool two_values;
    uint32_t rows, distinct;
    uint32_t heavy; /* so many rows have one key */
    uint32_t text_bytes;
};

static void make_rows(const struct test *test, uint64_t *random, struct rows *out)
{
    char text[1024], key[64];
    memset(text, 'x', sizeof text);
    for (uint32_t i = 0; i < test->rows; i++) {
        uint64_t number = random_below(random, test->distinct);
        if (random_below(random, test->rows) < test->heavy)
            number = 7;
        snprintf(key, sizeof key, "a key of more than sixteen bytes %llu",
                 (unsigned long long)number);
        snprintf(text, sizeof text, "%u", i);
        text[strlen(text)] = 'x';
        const struct gleam_value values[3] = {test->long_keys ? text_value(key)
                                                              : gleam_i64((int64_t)number),
                                              gleam_bytes(text, test->text_bytes), gleam_i64(i)};
        rows_add(out, values, test->two_values ? 3 : 2);
    }
}

static void make_rig(const struct test *test, struct rig *rig)
{
    const bool lists = test->kind != GM_STEP_DISTINCT;
    *rig = (struct rig){.step = {.kind = test->kind,
                                 .name = "keyed",
                                 .where = "test.c:3",
                                 .seeks_first = test->seeks_first,
                                 .order = gleam_field(1),
                                 .right_keys = gleam_field(1)}};
    gm_schema_add(&rig->input, "k", test->long_keys ? GLEAM_BYTES : GLEAM_I64, false);
    gm_schema_add(&rig->input, "t", GLEAM_BYTES, false);
    if (test->two_values)
        gm_schema_add(&rig->input, "n", GLEAM_I64, false);
    rig->step.schema = rig->input;
    if (lists) {
        rig->step.schema.field_count = 1;
        gm_schema_add(&rig->step.schema, "list", GLEAM_ANY, false);
    }
    if (test->kind == GM_STEP_COGROUP) {
        gm_schema_add(&rig->step.schema, "right", GLEAM_ANY, false);
        rig->input_count = 2;
        rig->inputs[0].schema = rig->inputs[1].schema = rig->input;
    }
}

/* Rows of origin o are [o, o + 1) * count / ORIGINS of each input; all come mixed. */
static int push(struct rig *rig, const struct rows *rows, uint64_t *random, struct rows *out)
{
    const uint32_t inputs = rig->input_count > 0 ? rig->input_count : 1;
    uint64_t next[2][ORIGINS] = {{0}}, left = inputs * rows->row_count;
    while (left > 0) {
        const uint32_t i = random_below(random, inputs), o = random_below(random, ORIGINS);
        const uint64_t begin = rows->row_count * o / ORIGINS + next[i][o];
        uint64_t take = rows->row_count * (o + 1) / ORIGINS - begin;
        const uint64_t some = 1 + random_below(random, 300);
        take = take < some ? take : some;
        if (take == 0)
            continue;
        const int rc = inputs > 1 ? rig_push_input(rig, i, rows, begin, (uint32_t)take, o, out)
                                  : rig_push(rig, rows, begin, (uint32_t)take, o, out);
        if (rc < 0)
            return rc;
        next[i][o] += take;
        left -= take;
    }
    return 0;
}

/* disk NULL: ample memory. */
static int run(const struct test *test, const struct rows *rows, struct fake_spill_disk *disk,
               uint64_t heap_bytes, struct rows *ret_rows, uint64_t *ret_spilled,
               struct gm_error *ret_error)
{
    struct rig rig;
    struct spill_rig spill;
    uint64_t random = 99;
    make_rig(test, &rig);
    if (disk != NULL)
        spill_rig_use(&spill, &rig, disk, heap_bytes);
    int rc = rig_open(&rig, disk != NULL ? heap_bytes : UINT64_MAX, 0);
    if (rc == 0)
        rc = push(&rig, rows, &random, ret_rows);
    if (rc == 0)
        rc = rig_finish(&rig, ret_rows);
    if (ret_error != NULL)
        *ret_error = rig.error;
    rig_close(&rig);
    *ret_spilled = rig.spilled_bytes;
    return rc;
}

static uint64_t check(const struct test *test, uint64_t heap_bytes, uint64_t seed)
{
    struct rows rows = {0}, got = {0}, expected = {0};
    struct fake_spill_disk disk;
    struct gm_error error = {0};
    uint64_t spilled = 0, random = seed + 1;
    make_rows(test, &random, &rows);
    assert_int_equal(run(test, &rows, NULL, 0, &expected, &spilled, NULL), 0);
    assert_int_equal(spilled, 0);
    fake_spill_disk_init(&disk, seed);
    disk.poll_delay = seed % 3;
    disk.short_odds = 6;
    disk.interrupt_odds = 8;
    if (run(test, &rows, &disk, heap_bytes, &got, &spilled, &error) != 0)
        fail_msg("%s", error.text);
    rows_sort(&got);
    rows_sort(&expected);
    assert_rows_equal(&got, &expected);
    fake_spill_disk_free(&disk);
    rows_free(&rows);
    rows_free(&got);
    rows_free(&expected);
    return spilled;
}

static void lists_are_the_same_from_disk(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        const struct test test = {.kind = i % 2 ? GM_STEP_COGROUP : GM_STEP_GROUP,
                                  .long_keys = i / 2 % 2,
                                  .two_values = i / 4,
                                  .rows = i % 2 ? 60000 : 120000,
                                  .distinct = 9000,
                                  .heavy = 900,
                                  .text_bytes = 120};
        assert_true(check(&test, UINT64_C(4) << 20, i) > (UINT64_C(10) << 20));
    }
}

static void first_rows_are_the_same_from_disk(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        const struct test test = {.kind = GM_STEP_DISTINCT,
                                  .seeks_first = true,
                                  .long_keys = i % 2,
                                  .two_values = true,
                                  .rows = 150000,
                                  .distinct = 100000,
                                  .text_bytes = 100};
        assert_true(check(&test, UINT64_C(4) << 20, i) > (UINT64_C(8) << 20));
    }
}

/* Rows of one origin come out as they come, until the keys go to disk. */
static void no_key_comes_twice(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        struct rows rows = {0}, got = {0};
        struct test test = {.kind = GM_STEP_DISTINCT,
                            .long_keys = i % 2,
                            .rows = 250000,
                            .distinct = i < 2 ? 200000 : 1000000,
                            .text_bytes = 8};
        struct fake_spill_disk disk;
        uint64_t spilled, random = i + 1;
        make_rows(&test, &random, &rows);
        bool *seen = calloc(test.distinct, sizeof *seen);
        assert_non_null(seen);
        fake_spill_disk_init(&disk, i);
        assert_int_equal(run(&test, &rows, &disk, UINT64_C(4) << 20, &got, &spilled, NULL), 0);
        assert_true(spilled > 0);
        for (uint64_t pass = 0; pass < 2; pass++) {
            const struct rows *of = pass == 0 ? &got : &rows;
            for (uint64_t r = 0; r < of->row_count; r++) {
                const struct gleam_value *key = rows_at(of, r);
                const uint64_t number =
                    test.long_keys ? strtoull(key->bytes.data + 33, NULL, 10) : (uint64_t)key->i64;
                assert_true(number < test.distinct);
                assert_true(pass == 1 ? seen[number] : !seen[number]);
                seen[number] = true;
            }
        }
        free(seen);
        fake_spill_disk_free(&disk);
        rows_free(&rows);
        rows_free(&got);
    }
}

static void nothing_is_written_while_memory_suffices(void **state)
{
    (void)state;
    static const enum gm_step_kind kinds[] = {GM_STEP_GROUP, GM_STEP_COGROUP, GM_STEP_DISTINCT};
    for (uint32_t i = 0; i < 3; i++) {
        const struct test test = {.kind = kinds[i],
                                  .seeks_first = true,
                                  .rows = 5000,
                                  .distinct = 3000,
                                  .text_bytes = 60};
        assert_int_equal(check(&test, UINT64_C(4) << 20, i), 0);
    }
}

/* A list of a third of the memory is made, whatever lies beside it; one that is larger is named. */
static void a_long_list_is_made_or_named(void **state)
{
    (void)state;
    struct test test = {.kind = GM_STEP_GROUP, .rows = 9000, .distinct = 4000, .text_bytes = 400};
    test.heavy = 3300;
    assert_true(check(&test, UINT64_C(4) << 20, 1) > 0);
    struct rows rows = {0}, got = {0};
    struct fake_spill_disk disk;
    struct gm_error error = {0};
    uint64_t spilled, random = 5;
    test.heavy = 9000;
    make_rows(&test, &random, &rows);
    fake_spill_disk_init(&disk, 1);
    assert_int_equal(run(&test, &rows, &disk, UINT64_C(4) << 20, &got, &spilled, &error),
                     GM_ETASK_MEMORY);
    assert_non_null(strstr(error.text, "test.c:3: step 'keyed': the list of one key of partition"));
    assert_non_null(strstr(error.text, "--memory"));
    fake_spill_disk_free(&disk);
    rows_free(&rows);
    rows_free(&got);
}

static void a_bad_disk_fails_the_step(void **state)
{
    (void)state;
    uint32_t failed = 0;
    for (uint64_t seed = 0; seed < 12; seed++) {
        const struct test test = {.kind = seed % 2 ? GM_STEP_GROUP : GM_STEP_DISTINCT,
                                  .seeks_first = seed % 4 == 0,
                                  .rows = 60000,
                                  .distinct = 50000,
                                  .text_bytes = 100};
        struct rows rows = {0}, got = {0};
        struct fake_spill_disk disk;
        struct gm_error error;
        uint64_t spilled, random = 3;
        make_rows(&test, &random, &rows);
        fake_spill_disk_init(&disk, seed);
        disk.error_odds = seed / 2 % 3 == 0 ? 10 + seed * 5 : 0;
        disk.damage_odds = seed / 2 % 3 == 1 ? 10 + seed * 5 : 0;
        disk.limit_bytes = seed / 2 % 3 == 2 ? seed << 16 : 0;
        const int rc = run(&test, &rows, &disk, UINT64_C(4) << 20, &got, &spilled, &error);
        assert_true(rc == 0 || rc == GM_ETASK_SPILL);
        assert_true(rc == 0 || strlen(error.text) > 20);
        failed += rc != 0;
        fake_spill_disk_free(&disk);
        rows_free(&rows);
        rows_free(&got);
    }
    assert_true(failed >= 6);
}

/* From too little to open up to ample: it is right, or says what to do, and leaves nothing. */
static void any_heap_is_enough_or_named(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        const struct test test = {.kind = i == 0   ? GM_STEP_GROUP
                                          : i == 1 ? GM_STEP_COGROUP
                                                   : GM_STEP_DISTINCT,
                                  .seeks_first = i == 2,
                                  .long_keys = true,
                                  .rows = 8000,
                                  .distinct = 6000,
                                  .text_bytes = 500};
        struct rows rows = {0}, expected = {0};
        uint64_t spilled, random = 4;
        uint32_t refused = 0, from_disk = 0;
        make_rows(&test, &random, &rows);
        assert_int_equal(run(&test, &rows, NULL, 0, &expected, &spilled, NULL), 0);
        for (uint64_t limit = 60000; limit < 9000000; limit = limit * 5 / 4) {
            struct rows got = {0};
            struct fake_spill_disk disk;
            struct gm_error error;
            fake_spill_disk_init(&disk, limit);
            const int rc = run(&test, &rows, &disk, limit, &got, &spilled, &error);
            assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
            if (rc == 0)
                assert_int_equal(got.row_count, expected.row_count);
            refused += rc != 0;
            from_disk += rc == 0 && spilled > 0;
            fake_spill_disk_free(&disk);
            rows_free(&got);
        }
        /* Keys alone are small: hardly any heap is too small for all and large enough to open. */
        assert_true(refused > 0 && (from_disk > 0 || i == 3));
        rows_free(&rows);
        rows_free(&expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_the_same_from_disk),
        cmocka_unit_test(first_rows_are_the_same_from_disk),
        cmocka_unit_test(no_key_comes_twice),
        cmocka_unit_test(nothing_is_written_while_memory_suffices),
        cmocka_unit_test(a_long_list_is_made_or_named),
        cmocka_unit_test(a_bad_disk_fails_the_step),
        cmocka_unit_test(any_heap_is_enough_or_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
