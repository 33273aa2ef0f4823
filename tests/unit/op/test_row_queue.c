/* test_row_queue.c
 * Goal:   rows come out as they went in, with their tags and positions, from memory, from disk, and
 *         from both; memory comes back as they are read.
 * Method: random rows over a virtual disk, with heaps from ample to tight.
 */
#include "engine/op/row_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"
#include "tests/unit/op/spill_rig.h"

struct bench {
    struct fake_spill_disk disk;
    struct spill_rig rig;
    struct gm_heap heap;
    struct gm_error error;
    struct gm_spill spill;
    struct gm_schema schema;
    struct gm_layout layout;
    struct gm_row_queue queue;
};

static void bench_open(struct bench *bench, uint64_t heap_bytes, bool spills)
{
    memset(bench, 0, sizeof *bench);
    fake_spill_disk_init(&bench->disk, 1);
    bench->disk.poll_delay = 1;
    bench->disk.short_odds = 5;
    bench->rig.disk = &bench->disk;
    assert_int_equal(gm_heap_init(&bench->heap, heap_bytes), 0);
    bench->spill = spill_rig_open(&bench->rig, &bench->heap, 8, &bench->error);
    gm_schema_add(&bench->schema, "text", GLEAM_BYTES, false);
    gm_schema_add(&bench->schema, "n", GLEAM_I64, true);
    gm_layout_init(&bench->layout, &bench->schema);
    gm_row_queue_init(&bench->queue, &bench->layout, spills ? &bench->spill : NULL,
                      heap_bytes / 4 * 3, &bench->heap);
}

static void bench_close(struct bench *bench)
{
    gm_row_queue_fini(&bench->queue);
    gm_spill_store_destroy(bench->rig.store);
    assert_int_equal(bench->heap.used_bytes, 0);
    gm_heap_fini(&bench->heap);
    fake_spill_disk_free(&bench->disk);
}

/* Row i says i, and has a text of length_of(i). */
static uint32_t length_of(uint64_t i)
{
    return i % 977 == 0 ? 90000 : (uint32_t)(i * 37 % 300);
}

static int add_rows(struct bench *bench, uint64_t row_count)
{
    char *text = calloc(1, 90000);
    int rc = 0;
    for (uint64_t begin = 0; begin < row_count && rc == 0;) {
        const uint64_t left = row_count - begin;
        const uint32_t count = (uint32_t)(left < 400 ? left : 1 + begin % 400);
        struct rows rows = {0};
        struct input input;
        uint32_t first = 0;
        for (uint32_t i = 0; i < count; i++) {
            const struct gleam_value values[2] = {gleam_bytes(text, length_of(begin + i)),
                                                  gleam_i64((int64_t)(begin + i))};
            rows_add(&rows, values, 2);
        }
        input_make(&input, &bench->schema, &rows, 0, count);
        do
            rc = gm_row_queue_add(&bench->queue, &input.batch, &first, (uint32_t)begin,
                                  begin + first);
        while (rc == GM_AGAIN);
        input_free(&input);
        rows_free(&rows);
        begin += count;
    }
    free(text);
    return rc;
}

static void read_rows(struct bench *bench, uint64_t row_count)
{
    struct gm_row_piece piece;
    uint64_t number = 0;
    uint32_t tag = 0;
    for (;;) {
        const int rc = gm_row_queue_next(&bench->queue, &piece);
        if (rc == GM_AGAIN)
            continue;
        if (rc == GM_END)
            break;
        assert_int_equal(rc, 0);
        assert_true(piece.tag >= tag && piece.tag <= number);
        tag = piece.tag;
        assert_int_equal(piece.position, number);
        const uint8_t *row = piece.rows;
        for (uint32_t i = 0; i < piece.row_count; i++, number++) {
            assert_int_equal(gm_row_get(&bench->layout, row, 1).i64, number);
            assert_int_equal(gm_row_get(&bench->layout, row, 0).bytes.length, length_of(number));
            row += gm_row_bytes(&bench->layout, row);
        }
        assert_true(row == piece.rows + piece.bytes);
    }
    assert_int_equal(number, row_count);
}

static void rows_come_out_as_they_went_in(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 10; run++) {
        struct bench bench;
        const uint64_t row_count = 1000 + 6000 * run;
        bench_open(&bench, run % 2 == 0 ? UINT64_C(3) << 20 : UINT64_C(64) << 20, true);
        assert_int_equal(add_rows(&bench, row_count), 0);
        if (run % 3 == 0)
            while (gm_row_queue_settle(&bench.queue) == GM_AGAIN)
                ;
        assert_true(run % 2 == 0 || bench.disk.file_count == 0);
        assert_true(run % 2 == 1 || run < 2 || bench.queue.spilled_bytes > 0);
        read_rows(&bench, row_count);
        bench_close(&bench);
    }
}

/* Given up while chunks are on their way, and while the run is read. */
static void what_is_given_up_is_given_back(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 6; run++) {
        struct bench bench;
        struct gm_row_piece piece;
        bench_open(&bench, UINT64_C(3) << 20, true);
        assert_int_equal(add_rows(&bench, 20000), 0);
        (void)gm_row_queue_settle(&bench.queue);
        for (uint32_t i = 0; i < run * 3; i++)
            (void)gm_row_queue_next(&bench.queue, &piece);
        bench_close(&bench);
    }
}

static void without_a_disk_memory_is_all(void **state)
{
    (void)state;
    struct bench bench;
    bench_open(&bench, UINT64_C(3) << 20, false);
    assert_int_equal(add_rows(&bench, 20000), GM_ETASK_MEMORY);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_out_as_they_went_in),
        cmocka_unit_test(what_is_given_up_is_given_back),
        cmocka_unit_test(without_a_disk_memory_is_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
