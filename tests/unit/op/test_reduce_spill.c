/* test_reduce_spill.c
 * Goal:   a reduce gives the same groups when they are many times its memory, for plain keys, keys
 *         of several columns and values that are boxes; a bad disk fails the step; nothing is
 *         written while memory suffices.
 * Method: the same random rows through a reduce with ample memory and through one with a few MiB
 *         over a virtual disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "tests/unit/op/rig.h"
#include "tests/unit/op/spill_rig.h"

struct reduce_case {
    struct gm_schema schema; /* of the rows that come, in the order in which they are made */
    bool turned;             /* the columns come the other way round: no key leads */
    uint32_t key_count;
    enum gm_reduce_kind kind;
    uint32_t distinct;
    uint32_t rows;
};

static struct gm_step reduce_step(const struct reduce_case *test)
{
    struct gm_step step = {.kind = GM_STEP_REDUCE,
                           .name = "grouped",
                           .where = "test.c:7",
                           .schema = test->schema,
                           .reduce = test->kind};
    step.order.count = test->key_count;
    for (uint32_t i = 0; i < test->key_count; i++)
        step.order.columns[i].column = test->turned ? test->schema.field_count - i : i + 1;
    if (test->kind == GM_REDUCE_COUNT) {
        step.schema.field_count = test->key_count;
        gm_schema_add(&step.schema, "count", GLEAM_I64, false);
    }
    return step;
}

/* Column c of key `number`; the first tells keys apart. */
static struct gleam_value key_value(const struct reduce_case *test, uint32_t c, uint64_t number,
                                    char *text)
{
    const uint8_t kind = test->schema.fields[c].kind;
    if (c > 0 && test->schema.fields[c].nullable && number % 3 == 0)
        return gleam_null();
    switch (kind == GLEAM_ANY ? 1 + number % 4 : kind) {
    case GLEAM_I64:
        return gleam_i64((int64_t)number - 1000);
    case GLEAM_F64:
        return gleam_f64((double)number + 0.5);
    case GLEAM_BOOL:
        return gleam_bool(c == 0 ? number % 2 : number % 5 == 0);
    default:
        memset(text, 'a' + (int)(number % 26), 60);
        return gleam_bytes(text, 10 + (size_t)snprintf(text + 10, 20, "%llu",
                                                      (unsigned long long)number) +
                                     number % 30);
    }
}

static void make_rows(const struct reduce_case *test, uint64_t *random, struct rows *ret_rows)
{
    char texts[4][80];
    for (uint32_t i = 0; i < test->rows; i++) {
        const uint64_t number = random_below(random, test->distinct);
        struct gleam_value values[4];
        uint32_t c = 0;
        for (; c < test->key_count; c++)
            values[c] = key_value(test, c, number, texts[c]);
        for (; c < test->schema.field_count; c++) {
            values[c] = random_small(random, test->schema.fields[c].kind,
                                     test->schema.fields[c].nullable);
            if (values[c].kind == GLEAM_I64) /* sums that fit */
                values[c].i64 %= 1000;
        }
        for (uint32_t l = 0, r = c - 1; test->turned && l < r; l++, r--) {
            const struct gleam_value value = values[l];
            values[l] = values[r];
            values[r] = value;
        }
        rows_add(ret_rows, values, test->schema.field_count);
    }
}

/* Returns as the operator; disk NULL: ample memory. */
static int run(const struct reduce_case *test, const struct rows *rows,
               struct fake_spill_disk *disk, uint64_t heap_bytes, struct rows *ret_rows,
               uint64_t *ret_spilled, struct gm_error *ret_error)
{
    struct rig rig = {.step = reduce_step(test), .input = test->schema};
    for (uint32_t c = 0; test->turned && c < test->schema.field_count; c++)
        rig.input.fields[c] = test->schema.fields[test->schema.field_count - 1 - c];
    struct spill_rig spill;
    uint64_t random = 99;
    if (disk != NULL)
        spill_rig_use(&spill, &rig, disk, heap_bytes);
    assert_int_equal(rig_open(&rig, disk != NULL ? heap_bytes : UINT64_MAX, 0), 0);
    struct rows none = {0};
    int rc = rig_push_all(&rig, rows, &random, &none);
    assert_int_equal(none.row_count, 0);
    if (rc == 0)
        rc = rig_finish(&rig, ret_rows);
    if (ret_error != NULL)
        *ret_error = rig.error;
    rig_close(&rig);
    *ret_spilled = rig.spilled_bytes;
    return rc;
}

static struct reduce_case make_case(uint32_t which)
{
    struct reduce_case test = {.key_count = 1, .kind = GM_REDUCE_SUM_I64, .distinct = 100000,
                               .rows = 160000};
    switch (which) {
    case 0: /* short keys */
        gm_schema_add(&test.schema, "key", GLEAM_I64, false);
        test.distinct = 500000; /* 16 bytes a group */
        test.rows = 560000;
        break;
    case 1: /* long keys */
        gm_schema_add(&test.schema, "key", GLEAM_BYTES, false);
        break;
    case 2: /* several columns, with nulls */
        gm_schema_add(&test.schema, "key", GLEAM_BYTES, false);
        gm_schema_add(&test.schema, "other", GLEAM_F64, true);
        test.key_count = 2;
        break;
    default: /* any keys, and values that are boxes */
        gm_schema_add(&test.schema, "key", GLEAM_ANY, false);
        gm_schema_add(&test.schema, "least", GLEAM_BYTES, true);
        test.kind = GM_REDUCE_MIN;
        break;
    }
    if (which < 3)
        gm_schema_add(&test.schema, "n", GLEAM_I64, which == 2);
    return test;
}

static void groups_are_the_same_from_disk(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t which = 0; which < 16; which++) {
        struct reduce_case test = make_case(which % 4);
        test.turned = which >= 8;
        if (which >= 12)
            test.kind = GM_REDUCE_COUNT;
        struct rows rows = {0}, got = {0}, expected = {0};
        struct fake_spill_disk disk;
        uint64_t spilled = 0;
        make_rows(&test, &random, &rows);
        assert_int_equal(run(&test, &rows, NULL, 0, &expected, &spilled, NULL), 0);
        assert_int_equal(spilled, 0);
        fake_spill_disk_init(&disk, which);
        disk.poll_delay = which % 3;
        disk.short_odds = 6;
        disk.interrupt_odds = 8;
        const uint64_t heap_bytes = (UINT64_C(4) + which % 3) << 20;
        assert_int_equal(run(&test, &rows, &disk, heap_bytes, &got, &spilled, NULL), 0);
        if (spilled == 0)
            fail_msg("case %u wrote nothing", which);
        rows_sort(&got);
        rows_sort(&expected);
        assert_rows_equal(&got, &expected);
        fake_spill_disk_free(&disk);
        rows_free(&rows);
        rows_free(&got);
        rows_free(&expected);
    }
}

static void nothing_is_spilled_while_memory_suffices(void **state)
{
    (void)state;
    uint64_t random = 2, spilled = 1;
    struct reduce_case test = make_case(1);
    struct rows rows = {0}, got = {0};
    struct fake_spill_disk disk;
    test.distinct = 4000;
    make_rows(&test, &random, &rows);
    fake_spill_disk_init(&disk, 1);
    assert_int_equal(run(&test, &rows, &disk, UINT64_C(4) << 20, &got, &spilled, NULL), 0);
    assert_int_equal(got.row_count, 4000);
    assert_int_equal(spilled, 0);
    assert_int_equal(disk.file_count, 0);
    fake_spill_disk_free(&disk);
    rows_free(&rows);
    rows_free(&got);
}

static void a_bad_disk_fails_the_step(void **state)
{
    (void)state;
    uint64_t random = 3;
    const struct reduce_case test = make_case(1);
    struct rows rows = {0};
    uint32_t failed = 0;
    make_rows(&test, &random, &rows);
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct rows got = {0};
        struct fake_spill_disk disk;
        struct gm_error error;
        uint64_t spilled;
        fake_spill_disk_init(&disk, seed);
        disk.error_odds = seed % 3 == 0 ? 10 + seed * 5 : 0;
        disk.damage_odds = seed % 3 == 1 ? 10 + seed * 5 : 0;
        disk.limit_bytes = seed % 3 == 2 ? seed << 17 : 0;
        const int rc = run(&test, &rows, &disk, UINT64_C(4) << 20, &got, &spilled, &error);
        assert_true(rc == 0 || rc == GM_ETASK_SPILL);
        assert_true(rc == 0 || strlen(error.text) > 20);
        failed += rc != 0;
        fake_spill_disk_free(&disk);
        rows_free(&got);
    }
    assert_true(failed >= 6);
    rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_the_same_from_disk),
        cmocka_unit_test(nothing_is_spilled_while_memory_suffices),
        cmocka_unit_test(a_bad_disk_fails_the_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
