/* test_merge.c
 * Goal:   runs are merged by (key, position), as many at once as there are windows for.
 * Method: numbers dealt out to runs, each sorted; merged over a virtual disk and compared.
 */
#include "engine/op/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"
#include "tests/unit/op/spill_rig.h"

#define RUNS_MAX 60

struct bench {
    struct fake_spill_disk disk;
    struct spill_rig rig;
    struct gm_heap heap;
    struct gm_error error;
    struct gm_spill spill;
    struct gm_schema schema;
    struct gleam_order columns;
    struct gm_sort_order order;
    struct gm_spill_run runs[RUNS_MAX];
};

static void bench_open(struct bench *bench, uint64_t heap_bytes, uint32_t windows_max)
{
    memset(bench, 0, sizeof *bench);
    fake_spill_disk_init(&bench->disk, windows_max);
    bench->disk.poll_delay = windows_max % 3;
    bench->rig.disk = &bench->disk;
    assert_int_equal(gm_heap_init(&bench->heap, heap_bytes), 0);
    bench->spill = spill_rig_open(&bench->rig, &bench->heap, windows_max, &bench->error);
    gm_schema_add(&bench->schema, "n", GLEAM_I64, false);
    gm_schema_add(&bench->schema, "from", GLEAM_I64, false);
    bench->columns = (struct gleam_order){.count = 1, .columns = {{1, true}}};
    gm_sort_order_init(&bench->order, &bench->schema, &bench->columns);
}

static void bench_close(struct bench *bench)
{
    for (uint32_t i = 0; i < RUNS_MAX; i++)
        bench->spill.ops->forget(bench->spill.self, &bench->runs[i]);
    gm_spill_store_destroy(bench->rig.store);
    assert_int_equal(bench->heap.used_bytes, 0);
    gm_heap_fini(&bench->heap);
    fake_spill_disk_free(&bench->disk);
}

/* Run `index` of `count`: the numbers i / 3 for i = index, index + count, ... with position i. */
static void make_run(struct bench *bench, uint32_t index, uint32_t count, uint32_t numbers)
{
    struct gm_run_writer writer;
    gm_run_writer_init(&writer, &bench->spill, 0);
    for (uint64_t i = index; i < numbers; i += count) {
        const uint64_t record[3] = {i, i / 3, index};
        int rc;
        do
            rc = gm_merge_put(&writer, (const uint8_t *)&record[1], 16);
        while (rc == GM_AGAIN);
        assert_int_equal(rc, 0);
    }
    assert_int_equal(gm_run_writer_end(&writer, &bench->runs[index]), 0);
}

static int next_row(struct gm_merge *merge, const uint8_t **ret_row)
{
    uint64_t bytes;
    int rc;
    do
        rc = gm_merge_next(merge, ret_row, &bytes);
    while (rc == GM_AGAIN);
    if (rc == 0)
        assert_int_equal(bytes, 16);
    return rc;
}

static int open_merge(struct bench *bench, struct gm_merge *merge, uint32_t count,
                      uint32_t *ret_opened)
{
    int rc;
    do
        rc = gm_merge_open(merge, &bench->order, &bench->spill, &bench->heap, bench->runs, count,
                           UINT32_MAX, ret_opened);
    while (rc == GM_AGAIN);
    return rc;
}

static void runs_are_merged_in_order(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < 20; count++) {
        struct bench bench;
        struct gm_merge merge = {0};
        uint32_t opened;
        const uint32_t numbers = 20000 + count;
        bench_open(&bench, UINT64_MAX, 64);
        for (uint32_t i = 0; i < count; i++)
            make_run(&bench, i, count, numbers);
        assert_int_equal(open_merge(&bench, &merge, count, &opened), 0);
        assert_int_equal(opened, count);
        for (uint64_t i = 0; i < numbers; i++) {
            const uint8_t *row = NULL;
            uint64_t number;
            assert_int_equal(next_row(&merge, &row), 0);
            memcpy(&number, row, 8);
            assert_int_equal(number, i / 3);
            assert_int_equal(gm_sort_position(row), i);
        }
        const uint8_t *row;
        assert_int_equal(next_row(&merge, &row), GM_END);
        gm_merge_close(&merge);
        bench_close(&bench);
    }
}

/* 20 windows, four of them the writer's: up to 16 runs at once without reading ahead, otherwise
 * eight.  Of 17, two are merged first, so that in the end sixteen are left. */
static void no_more_runs_than_windows(void **state)
{
    (void)state;
    static const uint32_t counts[][2] = {{8, 8}, {9, 9}, {16, 16}, {17, 2}, {60, 8}};
    for (uint32_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct bench bench;
        struct gm_merge merge = {0};
        uint32_t opened;
        bench_open(&bench, UINT64_MAX, 20);
        for (uint32_t r = 0; r < counts[i][0]; r++)
            make_run(&bench, r, counts[i][0], 1000);
        assert_int_equal(open_merge(&bench, &merge, counts[i][0], &opened), 0);
        assert_int_equal(opened, counts[i][1]);
        for (uint32_t r = 0; r < counts[i][0]; r++) /* what was opened has moved */
            assert_int_equal(bench.runs[r].count == 0, r < opened);
        gm_merge_close(&merge);
        bench_close(&bench);
    }
}

/* With memory for three windows two runs are merged, for the last quarter is not for that; with
 * memory for none, none. */
static void as_many_runs_as_memory_allows(void **state)
{
    (void)state;
    struct bench bench;
    struct gm_merge merge = {0};
    uint32_t opened;
    bench_open(&bench, 4 * (GM_SPILL_BLOCK_BYTES_MIN + 20000), 64);
    for (uint32_t r = 0; r < 10; r++)
        make_run(&bench, r, 10, 1000);
    for (uint32_t i = 0; i < 10000 && gm_spill_store_waits(bench.rig.store); i++)
        assert_int_equal(gm_spill_store_poll(bench.rig.store), 0);
    struct gm_spill_window *held[16];
    uint32_t held_count = 0;
    while (bench.spill.ops->take(bench.spill.self, &held[held_count]) == 0)
        held_count++;
    assert_true(held_count >= 3);
    assert_int_equal(open_merge(&bench, &merge, 10, &opened), GM_ETASK_MEMORY);
    for (uint32_t i = 0; i < 3; i++)
        bench.spill.ops->give(bench.spill.self, held[--held_count]);
    assert_int_equal(open_merge(&bench, &merge, 10, &opened), 0);
    assert_int_equal(opened, 2);
    const uint8_t *row;
    for (uint64_t i = 0; i < 200; i++)
        assert_int_equal(next_row(&merge, &row), 0);
    assert_int_equal(next_row(&merge, &row), GM_END);
    gm_merge_close(&merge);
    while (held_count > 0)
        bench.spill.ops->give(bench.spill.self, held[--held_count]);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_merged_in_order),
        cmocka_unit_test(no_more_runs_than_windows),
        cmocka_unit_test(as_many_runs_as_memory_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
