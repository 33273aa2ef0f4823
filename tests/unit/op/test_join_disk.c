/* test_join_disk.c
 * Goal:   every kind of join gives the same rows when its sides are many times its memory: both
 *         sides, one of them, one key that holds too much on either side or on both, no keys at
 *         all; a bad disk fails the step; nothing is written while memory suffices, and no more
 *         than one side where the other fits.
 * Method: the same random rows through a join with ample memory and through one with little of it
 *         over a virtual disk; heaps from nothing up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "tests/unit/op/rig.h"
#include "tests/unit/op/spill_rig.h"

/* What the rows of a side are. */
struct shape {
    uint32_t rows;
    uint32_t distinct; /* keys */
    uint32_t first;    /* the keys begin here */
    uint32_t heavy;    /* so many rows have key 7 */
    uint32_t text_bytes;
    uint32_t nulls; /* one of so many; 0: none */
};

struct test {
    enum gleam_join_kind kind;
    bool keyless;
    bool long_keys;
    bool secret; /* batches do not say when a side has ended */
    struct shape sides[2];
};

static void make_rows(const struct test *test, uint32_t side, uint64_t *random, struct rows *out)
{
    const struct shape *shape = &test->sides[side];
    char text[4096], key[64];
    memset(text, 'x', sizeof text);
    for (uint32_t i = 0; i < shape->rows; i++) {
        uint64_t number = shape->first + random_below(random, shape->distinct);
        if (random_below(random, shape->rows) < shape->heavy)
            number = 7;
        snprintf(key, sizeof key, "a key of more than sixteen bytes %llu",
                 (unsigned long long)number);
        struct gleam_value values[3] = {test->long_keys ? text_value(key)
                                                        : gleam_i64((int64_t)number),
                                        gleam_i64(i),
                                        gleam_bytes(text, shape->text_bytes)};
        if (shape->nulls > 0 && i % shape->nulls == 0)
            values[0] = gleam_null();
        rows_add(out, values, 3);
    }
}

static void make_rig(const struct test *test, struct rig *rig)
{
    const bool filter = test->kind >= GLEAM_JOIN_LEFT_SEMI;
    *rig = (struct rig){.step = {.kind = GM_STEP_JOIN,
                                 .join = test->kind,
                                 .name = "meet",
                                 .where = "test.c:3"},
                        .input_count = 2};
    if (!test->keyless)
        rig->step.order = rig->step.right_keys = gleam_field(1);
    const uint8_t kind = test->long_keys ? GLEAM_BYTES : GLEAM_I64;
    for (uint32_t s = 0; s < 2; s++) {
        struct gm_schema *schema = &rig->inputs[s].schema;
        gm_schema_add(schema, "k", kind, true);
        gm_schema_add(schema, "n", GLEAM_I64, false);
        gm_schema_add(schema, "t", GLEAM_BYTES, false);
    }
    struct gm_schema *result = &rig->step.schema;
    for (uint32_t i = 0; i < (test->keyless ? 2 : 1); i++)
        gm_schema_add(result, "k", kind, true);
    for (uint32_t s = 0; s < (filter ? 1 : 2); s++) {
        gm_schema_add(result, "n", GLEAM_I64, true);
        gm_schema_add(result, "t", GLEAM_BYTES, true);
    }
    if (test->keyless) { /* k n t k n t */
        *result = (struct gm_schema){0};
        for (uint32_t s = 0; s < 2; s++)
            for (uint32_t c = 0; c < 3; c++)
                gm_schema_add(result, "c", rig->inputs[s].schema.fields[c].kind, true);
    }
}

/* A sum of what comes out that does not mind the order; pairs may be too many to be kept. */
struct sum {
    uint64_t rows, hash;
};

static void add_row(const struct gm_batch *batch, uint32_t row, struct sum *sum)
{
    uint64_t hash = 1;
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const struct gleam_value value = gm_vector_get(&batch->columns[c], row);
        uint64_t more = value.kind == GLEAM_NULL    ? 99
                        : value.kind == GLEAM_BYTES ? value.bytes.length
                                                    : (uint64_t)value.i64 + 3;
        for (size_t i = 0; value.kind == GLEAM_BYTES && i < value.bytes.length; i += 37)
            more = more * 31 + (uint8_t)value.bytes.data[i];
        hash = (hash ^ more) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    sum->hash += hash;
    sum->rows++;
}

static void add_batch(const struct gm_batch *batch, struct sum *sum)
{
    for (uint32_t row = 0; row < batch->row_count; row++)
        add_row(batch, row, sum);
}

/* Batches of up to 256 KiB, as frames would bring them. */
static uint32_t batch_rows_max(const struct test *test, uint32_t side)
{
    const uint32_t count = (256u << 10) / (test->sides[side].text_bytes + 64);
    return count < GM_BATCH_ROWS_MAX ? count : GM_BATCH_ROWS_MAX;
}

static int push(struct rig *rig, const struct test *test, const struct rows sides[2],
                uint64_t *random, struct sum *sum)
{
    uint64_t next[2] = {0, 0};
    while (next[0] < sides[0].row_count || next[1] < sides[1].row_count) {
        uint32_t side = random_below(random, 2);
        if (next[side] == sides[side].row_count)
            side = !side;
        uint64_t count = 1 + random_below(random, batch_rows_max(test, side));
        if (count > sides[side].row_count - next[side])
            count = sides[side].row_count - next[side];
        int rc;
        struct input input;
        input_make(&input, &rig->inputs[side].schema, &sides[side], next[side], (uint32_t)count);
        input.batch.input = side;
        for (uint32_t i = 0; i < 2 && !test->secret; i++)
            input.batch.ended_inputs |= next[i] == sides[i].row_count ? 1u << i : 0;
        do {
            rc = rig_process(rig, &input.batch);
            if (rc >= 0)
                add_batch(&rig->out, sum);
        } while (rc == GM_AGAIN || rc == GM_OP_HAVE_MORE);
        input_free(&input);
        if (rc < 0)
            return rc;
        assert_int_equal(rc, GM_OP_NEED_INPUT);
        next[side] += count;
    }
    return 0;
}

static int finish(struct rig *rig, struct sum *sum)
{
    for (;;) {
        rig->out.row_count = 0;
        rig->out.column_count = 0;
        const int rc = rig->op.ops->finish(&rig->op, rig->state, &rig->out);
        if (rc < 0)
            return rc;
        assert_true(rc == GM_OP_NEED_INPUT || rc == GM_OP_HAVE_MORE || rc == GM_AGAIN);
        assert_true(rc != GM_AGAIN || rig->out.row_count == 0);
        add_batch(&rig->out, sum);
        if (rc == GM_OP_NEED_INPUT)
            return 0;
    }
}

/* disk NULL: ample memory. */
static int run(const struct test *test, const struct rows sides[2], struct fake_spill_disk *disk,
               uint64_t heap_bytes, struct sum *ret_sum, uint64_t *ret_spilled,
               struct gm_error *ret_error)
{
    struct rig rig;
    struct spill_rig spill;
    uint64_t random = 99;
    *ret_sum = (struct sum){0};
    make_rig(test, &rig);
    if (disk != NULL)
        spill_rig_use(&spill, &rig, disk, heap_bytes);
    int rc = rig_open(&rig, disk != NULL ? heap_bytes : UINT64_MAX, 0);
    if (rc == 0)
        rc = push(&rig, test, sides, &random, ret_sum);
    if (rc == 0)
        rc = finish(&rig, ret_sum);
    if (ret_error != NULL)
        *ret_error = rig.error;
    rig_close(&rig);
    *ret_spilled = rig.spilled_bytes;
    return rc;
}

static uint64_t check(const struct test *test, uint64_t heap_bytes, uint64_t seed)
{
    struct rows sides[2] = {{0}, {0}};
    struct fake_spill_disk disk;
    struct sum got, expected;
    uint64_t spilled = 0, random = seed + 1;
    for (uint32_t s = 0; s < 2; s++)
        make_rows(test, s, &random, &sides[s]);
    assert_int_equal(run(test, sides, NULL, 0, &expected, &spilled, NULL), 0);
    assert_int_equal(spilled, 0);
    fake_spill_disk_init(&disk, seed);
    disk.poll_delay = seed % 3;
    disk.short_odds = 6;
    disk.interrupt_odds = 8;
    struct gm_error error = {0};
    if (run(test, sides, &disk, heap_bytes, &got, &spilled, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(got.rows, expected.rows);
    assert_int_equal(got.hash, expected.hash);
    fake_spill_disk_free(&disk);
    rows_free(&sides[0]);
    rows_free(&sides[1]);
    return spilled;
}

static void both_sides_are_many_times_the_memory(void **state)
{
    (void)state;
    for (uint32_t run_number = 0; run_number < 12; run_number++) {
        struct test test = {.kind = (enum gleam_join_kind)(run_number % 6),
                            .long_keys = run_number >= 6};
        for (uint32_t s = 0; s < 2; s++)
            test.sides[s] = (struct shape){.rows = 60000 + s * 20000,
                                           .distinct = 50000,
                                           .first = s * 20000,
                                           .text_bytes = 100 + s * 30,
                                           .nulls = run_number % 2 ? 50 : 0};
        assert_true(check(&test, UINT64_C(4) << 20, run_number) > (UINT64_C(8) << 20));
    }
}

/* The small one stays in memory, whichever it is. */
static void only_the_large_side_is_written(void **state)
{
    (void)state;
    for (uint32_t run_number = 0; run_number < 12; run_number++) {
        struct test test = {.kind = (enum gleam_join_kind)(run_number % 6), .secret = true};
        const uint32_t large = run_number / 6;
        test.sides[large] =
            (struct shape){.rows = 80000, .distinct = 3000, .text_bytes = 100};
        test.sides[!large] = (struct shape){.rows = 2000, .distinct = 4000, .text_bytes = 20};
        const uint64_t spilled = check(&test, UINT64_C(4) << 20, run_number);
        assert_true(spilled > (UINT64_C(5) << 20) && spilled < UINT64_C(80000) * 136);
        test.secret = false; /* what comes behind the small side's end is not kept at all */
        assert_true(check(&test, UINT64_C(4) << 20, run_number) < spilled);
    }
}

static void one_key_holds_more_than_memory(void **state)
{
    (void)state;
    for (uint32_t run_number = 0; run_number < 18; run_number++) {
        struct test test = {.kind = (enum gleam_join_kind)(run_number % 6)};
        const uint32_t which = run_number / 6; /* left, right, both */
        for (uint32_t s = 0; s < 2; s++) {
            const bool heavy = which == 2 || which == s;
            test.sides[s] = (struct shape){.rows = which == 2 ? 12000 : heavy ? 60000 : 40000,
                                           .distinct = which == 2 ? 12000 : 30000,
                                           .first = which == 2 ? s * 1000 : s * 10000,
                                           .heavy = which == 2 ? 1500 : heavy ? 40000 : 5,
                                           .text_bytes = which == 2 ? 250 : 60};
        }
        assert_true(check(&test, UINT64_C(4) << 20, run_number) > 0);
    }
}

static void all_meet_all_from_disk(void **state)
{
    (void)state;
    for (uint32_t run_number = 0; run_number < 3; run_number++) {
        struct test test = {.kind = GLEAM_JOIN_INNER, .keyless = true, .secret = true};
        test.sides[0] = (struct shape){
            .rows = run_number == 1 ? 40 : 1200, .distinct = 100, .text_bytes = 4000};
        test.sides[1] = (struct shape){
            .rows = run_number == 0 ? 40 : 1300, .distinct = 100, .text_bytes = 3900};
        assert_true(check(&test, UINT64_C(4) << 20, run_number) > 0);
    }
}

static void nothing_is_written_while_memory_suffices(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 6; kind++) {
        struct test test = {.kind = (enum gleam_join_kind)kind};
        for (uint32_t s = 0; s < 2; s++)
            test.sides[s] = (struct shape){.rows = 9000, .distinct = 9000, .text_bytes = 30};
        assert_int_equal(check(&test, UINT64_C(4) << 20, kind), 0);
    }
}

static void a_bad_disk_fails_the_step(void **state)
{
    (void)state;
    struct test test = {.kind = GLEAM_JOIN_FULL_OUTER};
    struct rows sides[2] = {{0}, {0}};
    uint64_t random = 3;
    uint32_t failed = 0;
    for (uint32_t s = 0; s < 2; s++) {
        test.sides[s] = (struct shape){
            .rows = 20000, .distinct = 20000, .heavy = 400, .text_bytes = 300};
        make_rows(&test, s, &random, &sides[s]);
    }
    for (uint64_t seed = 0; seed < 18; seed++) {
        struct fake_spill_disk disk;
        struct gm_error error;
        struct sum got;
        uint64_t spilled;
        fake_spill_disk_init(&disk, seed);
        disk.error_odds = seed % 3 == 0 ? 10 + seed * 5 : 0;
        disk.damage_odds = seed % 3 == 1 ? 10 + seed * 5 : 0;
        disk.limit_bytes = seed % 3 == 2 ? seed << 16 : 0;
        const int rc = run(&test, sides, &disk, UINT64_C(4) << 20, &got, &spilled, &error);
        assert_true(rc == 0 || rc == GM_ETASK_SPILL);
        assert_true(rc == 0 || strlen(error.text) > 20);
        failed += rc != 0;
        fake_spill_disk_free(&disk);
    }
    assert_true(failed >= 6);
    rows_free(&sides[0]);
    rows_free(&sides[1]);
}

/* From too little to open up to ample: it is right, or says what to do, and leaves nothing. */
static void any_heap_is_enough_or_named(void **state)
{
    (void)state;
    struct test test = {.kind = GLEAM_JOIN_FULL_OUTER, .long_keys = true};
    struct rows sides[2] = {{0}, {0}};
    struct sum got, expected;
    uint64_t random = 4, spilled;
    uint32_t refused = 0, from_disk = 0;
    for (uint32_t s = 0; s < 2; s++) {
        test.sides[s] = (struct shape){.rows = 3000, .distinct = 2000, .heavy = 300,
                                       .text_bytes = 1000};
        make_rows(&test, s, &random, &sides[s]);
    }
    assert_int_equal(run(&test, sides, NULL, 0, &expected, &spilled, NULL), 0);
    for (uint64_t limit = 100000; limit < 12000000; limit = limit * 12 / 11) {
        struct fake_spill_disk disk;
        struct gm_error error;
        fake_spill_disk_init(&disk, limit);
        const int rc = run(&test, sides, &disk, limit, &got, &spilled, &error);
        assert_true(rc == 0 || rc == GM_ETASK_MEMORY);
        if (rc == 0) {
            assert_int_equal(got.rows, expected.rows);
            assert_int_equal(got.hash, expected.hash);
        }
        refused += rc != 0;
        from_disk += rc == 0 && spilled > 0;
        fake_spill_disk_free(&disk);
    }
    assert_true(refused > 0 && from_disk > 5);
    rows_free(&sides[0]);
    rows_free(&sides[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_are_many_times_the_memory),
        cmocka_unit_test(only_the_large_side_is_written),
        cmocka_unit_test(one_key_holds_more_than_memory),
        cmocka_unit_test(all_meet_all_from_disk),
        cmocka_unit_test(nothing_is_written_while_memory_suffices),
        cmocka_unit_test(a_bad_disk_fails_the_step),
        cmocka_unit_test(any_heap_is_enough_or_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
