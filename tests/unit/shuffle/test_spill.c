/* test_spill.c - goal: what is read is what was written, or there is an error that says where.
 * Method: a store over a virtual disk that is short, interrupted, full, broken, forgetful and
 * wrong, driven by random writes, reads and drops beside a copy of everything in memory.
 */
#include "shuffle/spill.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/shuffle/fake_spill_disk.h"

#define BLOCK_BYTES GM_SPILL_BLOCK_BYTES_MIN
#define RUNS 5
#define BLOCKS_PER_RUN_MAX 64

struct rig {
    struct fake_spill_disk disk;
    struct gm_heap heap;
    struct gm_error error;
    struct gm_spill_store *store;
    struct gm_spill spill;
};

/* All cases run with blocks as they are, and again with those compressed that shrink: most do. */
static enum gm_spill_packing packing;

static const char *const two_directories[] = {"/fake/a", "/fake/b"};

static void rig_open_windows(struct rig *rig, uint32_t windows_max, uint64_t heap_bytes)
{
    assert_int_equal(gm_heap_init(&rig->heap, heap_bytes), 0);
    rig->error = (struct gm_error){0};
    const struct gm_spill_spec spec = {
        .directories = two_directories,
        .directory_count = 2,
        .block_bytes = BLOCK_BYTES,
        .windows_max = windows_max,
        .participant = 3,
        .attempt = 7,
        .secret = 99,
        .packing = packing,
        .disk = {.ops = &fake_spill_ops, .self = &rig->disk},
        .heap = &rig->heap,
        .error = &rig->error,
    };
    assert_int_equal(gm_spill_store_create(&spec, &rig->store), 0);
    rig->spill = gm_spill_store_port(rig->store);
}

static void rig_open(struct rig *rig)
{
    rig_open_windows(rig, 8, UINT64_MAX);
}

static void rig_close(struct rig *rig)
{
    gm_spill_store_destroy(rig->store);
    assert_int_equal(rig->heap.used_bytes, 0);
    gm_heap_fini(&rig->heap);
    fake_spill_disk_free(&rig->disk);
}

static uint8_t byte_at(uint32_t seed, uint32_t i)
{
    return (uint8_t)((seed * 2654435761u + i) >> 3);
}

static int take(struct rig *rig, struct gm_spill_window **ret_window)
{
    int rc = GM_AGAIN;
    for (uint32_t i = 0; rc == GM_AGAIN && i < 10000; i++)
        rc = rig->spill.ops->take(rig->spill.self, ret_window);
    return rc;
}

static int ready(struct rig *rig, struct gm_spill_window *window)
{
    int rc = GM_AGAIN;
    for (uint32_t i = 0; rc == GM_AGAIN && i < 10000; i++)
        rc = rig->spill.ops->ready(rig->spill.self, window);
    return rc;
}

static int write_block(struct rig *rig, struct gm_spill_run *run, uint32_t seed, uint32_t bytes)
{
    struct gm_spill_window *window;
    int rc = take(rig, &window);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < bytes; i++)
        window->data[i] = byte_at(seed, i);
    window->bytes = bytes;
    return rig->spill.ops->write(rig->spill.self, run, window);
}

static int read_block(struct rig *rig, const struct gm_spill_run *run, uint32_t index,
                      uint32_t seed, uint32_t bytes)
{
    struct gm_spill_window *window;
    int rc = take(rig, &window);
    if (rc != 0)
        return rc;
    rc = rig->spill.ops->read(rig->spill.self, run, index, window);
    if (rc == 0)
        rc = ready(rig, window);
    if (rc != 0)
        return rc;
    assert_int_equal(window->bytes, bytes);
    for (uint32_t i = 0; i < bytes; i++)
        assert_int_equal(window->data[i], byte_at(seed, i));
    rig->spill.ops->give(rig->spill.self, window);
    return 0;
}

static int settle(struct rig *rig)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && gm_spill_store_waits(rig->store) && i < 10000; i++)
        rc = gm_spill_store_poll(rig->store);
    return rc;
}

/* ---- what goes well -------------------------------------------------------------------------- */

static void test_nothing_is_made_before_the_first_write(void **state)
{
    (void)state;
    struct rig rig;
    fake_spill_disk_init(&rig.disk, 1);
    rig_open(&rig);
    struct gm_spill_window *window;
    assert_int_equal(take(&rig, &window), 0);
    rig.spill.ops->give(rig.spill.self, window);
    assert_int_equal(rig.disk.file_count, 0);
    rig_close(&rig);
}

static void test_blocks_come_back_from_two_directories(void **state)
{
    (void)state;
    struct rig rig;
    fake_spill_disk_init(&rig.disk, 2);
    rig_open(&rig);
    struct gm_spill_run run = {.partition = 5};
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(write_block(&rig, &run, i, 1 + i * 1000), 0);
    for (uint32_t i = 40; i-- > 0;)
        assert_int_equal(read_block(&rig, &run, i, i, 1 + i * 1000), 0);
    assert_int_equal(rig.disk.file_count, 2);
    assert_true(rig.disk.files[0].content.bytes > 0 && rig.disk.files[1].content.bytes > 0);
    struct gm_spill_counts counts;
    gm_spill_store_counts(rig.store, &counts);
    assert_int_equal(counts.blocks_count, 40);
    assert_int_equal(counts.payload_bytes, run.bytes);
    assert_int_equal(counts.written_bytes, rig.disk.written_bytes);
    rig.spill.ops->forget(rig.spill.self, &run);
    rig_close(&rig);
}

static void test_dropped_room_is_used_again(void **state)
{
    (void)state;
    struct rig rig;
    fake_spill_disk_init(&rig.disk, 3);
    rig_open(&rig);
    struct gm_spill_run run = {.partition = 0};
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(write_block(&rig, &run, i, 60000), 0);
        if (i >= 4) {
            assert_int_equal(read_block(&rig, &run, i - 4, i - 4, 60000), 0);
            rig.spill.ops->drop(rig.spill.self, &run, i - 3);
        }
    }
    assert_int_equal(settle(&rig), 0);
    const uint64_t held = rig.disk.files[0].content.bytes + rig.disk.files[1].content.bytes;
    assert_true(held <= 16 * BLOCK_BYTES);
    rig.spill.ops->forget(rig.spill.self, &run);
    rig_close(&rig);
}

/* Reads straight behind the write, drops before the write has ended, and gives back early. */
static void test_random_use_with_a_slow_and_fidgety_disk(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct rig rig;
        fake_spill_disk_init(&rig.disk, seed);
        rig.disk.short_odds = 4;
        rig.disk.interrupt_odds = 6;
        rig.disk.poll_delay = (uint32_t)(seed % 3);
        rig.disk.refuse_reserve = seed % 2 == 0;
        rig_open(&rig);
        struct gm_prng prng;
        gm_prng_init(&prng, seed + 1000);
        struct gm_spill_run runs[RUNS] = {0};
        uint32_t bytes[RUNS][BLOCKS_PER_RUN_MAX];
        for (uint32_t step = 0; step < 150; step++) {
            const uint32_t r = (uint32_t)gm_prng_below(&prng, RUNS);
            struct gm_spill_run *run = &runs[r];
            const uint64_t what = gm_prng_below(&prng, 8);
            if (what < 4 && run->count < BLOCKS_PER_RUN_MAX) {
                const uint32_t length =
                    1 + (uint32_t)gm_prng_below(&prng, rig.spill.room_bytes);
                bytes[r][run->count] = length;
                assert_int_equal(write_block(&rig, run, r * 100 + run->count, length), 0);
            } else if (what < 6 && run->count > run->first) {
                const uint32_t index =
                    run->first + (uint32_t)gm_prng_below(&prng, run->count - run->first);
                assert_int_equal(
                    read_block(&rig, run, index, r * 100 + index, bytes[r][index]), 0);
            } else if (what == 6 && run->count > run->first) {
                struct gm_spill_window *window;
                assert_int_equal(take(&rig, &window), 0);
                assert_int_equal(rig.spill.ops->read(rig.spill.self, run, run->first, window), 0);
                rig.spill.ops->give(rig.spill.self, window);
            } else if (what == 7) {
                rig.spill.ops->drop(rig.spill.self, run,
                                    run->first + (uint32_t)gm_prng_below(
                                                     &prng, run->count - run->first + 1));
            }
        }
        for (uint32_t r = 0; r < RUNS; r++)
            rig.spill.ops->forget(rig.spill.self, &runs[r]);
        assert_int_equal(settle(&rig), 0);
        rig_close(&rig);
    }
}

/* A disk that comes further, however often it was disturbed on the way, is no broken one. */
static void test_retries_count_from_the_last_progress(void **state)
{
    (void)state;
    struct rig rig;
    fake_spill_disk_init(&rig.disk, 5);
    rig.disk.interrupts_per_page = 10;
    rig_open(&rig);
    struct gm_spill_run run = {.partition = 0};
    assert_int_equal(write_block(&rig, &run, 0, 60000), 0);
    assert_int_equal(settle(&rig), 0);
    assert_int_equal(read_block(&rig, &run, 0, 0, 60000), 0);
    rig.spill.ops->forget(rig.spill.self, &run);
    rig_close(&rig);
}

static void test_a_window_is_memory_and_memory_is_limited(void **state)
{
    (void)state;
    struct rig rig;
    fake_spill_disk_init(&rig.disk, 4);
    rig_open_windows(&rig, 8, 3 * BLOCK_BYTES + 40000);
    struct gm_spill_window *windows[8];
    uint32_t count = 0;
    while (rig.spill.ops->take(rig.spill.self, &windows[count]) == 0)
        count++;
    assert_true(count >= 2 && count <= 3);
    assert_int_equal(rig.spill.ops->take(rig.spill.self, &windows[count]), GM_ETASK_MEMORY);
    assert_int_equal(rig.error.code, 0);
    for (uint32_t i = 0; i < count; i++)
        rig.spill.ops->give(rig.spill.self, windows[i]);
    rig_close(&rig);
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static void fill(struct rig *rig, struct gm_spill_run *run, uint32_t blocks, int *ret_rc)
{
    *ret_rc = 0;
    for (uint32_t i = 0; i < blocks && *ret_rc == 0; i++)
        *ret_rc = write_block(rig, run, i, 60000);
    if (*ret_rc == 0)
        *ret_rc = settle(rig);
}

static void test_the_next_directory_takes_over_a_full_one(void **state)
{
    (void)state;
    for (uint32_t late = 0; late < 2; late++) {
        struct rig rig;
        int rc;
        fake_spill_disk_init(&rig.disk, 5);
        rig.disk.small_directory = "/fake/a";
        rig.disk.small_bytes = 5 * BLOCK_BYTES;
        rig.disk.refuse_reserve = late == 1; /* then only the write tells */
        rig_open(&rig);
        struct gm_spill_run run = {.partition = 1};
        fill(&rig, &run, 60, &rc);
        assert_int_equal(rc, 0);
        for (uint32_t i = 0; i < 60; i++)
            assert_int_equal(read_block(&rig, &run, i, i, 60000), 0);
        struct gm_spill_counts counts;
        gm_spill_store_counts(rig.store, &counts);
        assert_int_equal(counts.full_count, 1);
        rig.spill.ops->forget(rig.spill.self, &run);
        rig_close(&rig);
    }
}

static void test_full_everywhere_is_said(void **state)
{
    (void)state;
    for (uint32_t late = 0; late < 2; late++) {
        struct rig rig;
        int rc;
        fake_spill_disk_init(&rig.disk, 6);
        rig.disk.limit_bytes = 9 * BLOCK_BYTES;
        rig.disk.refuse_reserve = late == 1;
        rig_open(&rig);
        struct gm_spill_run run = {.partition = 1};
        fill(&rig, &run, 60, &rc);
        assert_int_equal(rc, GM_ETASK_SPILL);
        assert_non_null(strstr(rig.error.text, "no space is left"));
        assert_non_null(strstr(rig.error.text, "/fake/a, /fake/b"));
        assert_non_null(strstr(rig.error.text, "--spill-dir"));
        rig.spill.ops->forget(rig.spill.self, &run);
        rig_close(&rig);
    }
}

static void test_a_directory_that_is_not_there(void **state)
{
    (void)state;
    struct rig rig;
    fake_spill_disk_init(&rig.disk, 7);
    rig.disk.create_error = -ENOENT;
    rig_open(&rig);
    struct gm_spill_run run = {0};
    assert_int_equal(write_block(&rig, &run, 0, 10), GM_ETASK_SPILL);
    assert_non_null(strstr(rig.error.text, "/fake/a"));
    assert_non_null(strstr(rig.error.text, "No such file"));
    rig.spill.ops->forget(rig.spill.self, &run);
    rig_close(&rig);
}

/* Writes 20 blocks, then reads them until one fails. */
static int write_and_read(struct rig *rig, struct gm_spill_run *run)
{
    int rc;
    fill(rig, run, 20, &rc);
    for (uint32_t i = 0; i < 20 && rc == 0; i++)
        rc = read_block(rig, run, i, i, 60000);
    return rc;
}

static void test_a_broken_disk_is_named(void **state)
{
    (void)state;
    struct rig rig;
    fake_spill_disk_init(&rig.disk, 8);
    rig.disk.error_odds = 10;
    rig_open(&rig);
    struct gm_spill_run run = {.partition = 42};
    assert_int_equal(write_and_read(&rig, &run), GM_ETASK_SPILL);
    assert_non_null(strstr(rig.error.text, "Input/output error"));
    assert_non_null(strstr(rig.error.text, "partition 42"));
    assert_non_null(strstr(rig.error.text, "offset"));
    rig.spill.ops->forget(rig.spill.self, &run);
    rig_close(&rig);
}

/* One bit that changed, and a write that never reached the disk: over an old block of the same
 * place, whose own checksum is right. */
static void test_damage_and_lost_writes_are_found(void **state)
{
    (void)state;
    uint32_t found = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rig rig;
        int rc;
        fake_spill_disk_init(&rig.disk, seed);
        rig_open(&rig);
        struct gm_spill_run run = {.partition = 9};
        fill(&rig, &run, 20, &rc);
        assert_int_equal(rc, 0);
        rig.spill.ops->drop(rig.spill.self, &run, 20);
        if (seed % 2 == 0)
            rig.disk.damage_odds = 8;
        else
            rig.disk.lose_odds = 8;
        struct gm_spill_run again = {.partition = 9};
        rc = write_and_read(&rig, &again);
        /* A changed byte of the padding is nobody's. */
        if (rig.disk.failed_count == 0)
            assert_int_equal(rc, 0);
        if (rc != 0) {
            assert_int_equal(rc, GM_ETASK_SPILL);
            assert_non_null(strstr(rig.error.text, "partition 9"));
            assert_non_null(strstr(rig.error.text, "reading"));
            found++;
        } else if (seed % 2 == 1) {
            assert_int_equal(rig.disk.failed_count, 0);
        }
        rig.spill.ops->forget(rig.spill.self, &run);
        rig.spill.ops->forget(rig.spill.self, &again);
        rig_close(&rig);
    }
    assert_true(found > 20);
}

/* After an error nothing pretends to work. */
static void test_the_first_error_stays(void **state)
{
    (void)state;
    struct rig rig;
    fake_spill_disk_init(&rig.disk, 11);
    rig.disk.error_odds = 1;
    rig_open(&rig);
    struct gm_spill_run run = {0};
    int rc;
    fill(&rig, &run, 3, &rc);
    assert_int_equal(rc, GM_ETASK_SPILL);
    rig.disk.error_odds = 0;
    assert_int_equal(gm_spill_store_poll(rig.store), GM_ETASK_SPILL);
    struct gm_spill_window *window;
    rc = take(&rig, &window);
    if (rc == 0)
        rc = rig.spill.ops->write(rig.spill.self, &run, window);
    assert_int_equal(rc, GM_ETASK_SPILL);
    rig.spill.ops->forget(rig.spill.self, &run);
    rig_close(&rig);
}

static bool is_packed(void)
{
    return packing == GM_SPILL_PACK_ALWAYS;
}

/* What does not shrink lies there as it is, beside what does. */
static void test_blocks_that_shrink_and_blocks_that_do_not(void **state)
{
    (void)state;
    struct rig rig;
    fake_spill_disk_init(&rig.disk, 12);
    rig_open(&rig);
    struct gm_spill_run run = {.partition = 1};
    struct gm_prng prng;
    static uint64_t noise[8][BLOCK_BYTES / 8];
    gm_prng_init(&prng, 5);
    for (uint32_t i = 0; i < 16; i++) {
        struct gm_spill_window *window;
        if (i % 2 == 0) {
            assert_int_equal(write_block(&rig, &run, i, rig.spill.room_bytes), 0);
            continue;
        }
        for (uint32_t w = 0; w < BLOCK_BYTES / 8; w++)
            noise[i / 2][w] = gm_prng_next(&prng);
        assert_int_equal(take(&rig, &window), 0);
        memcpy(window->data, noise[i / 2], rig.spill.room_bytes);
        window->bytes = rig.spill.room_bytes;
        assert_int_equal(rig.spill.ops->write(rig.spill.self, &run, window), 0);
    }
    assert_int_equal(settle(&rig), 0);
    for (uint32_t i = 0; i < 16; i++) {
        struct gm_spill_window *window;
        if (i % 2 == 0) {
            assert_int_equal(read_block(&rig, &run, i, i, rig.spill.room_bytes), 0);
            continue;
        }
        assert_int_equal(take(&rig, &window), 0);
        assert_int_equal(rig.spill.ops->read(rig.spill.self, &run, i, window), 0);
        assert_int_equal(ready(&rig, window), 0);
        assert_int_equal(window->bytes, rig.spill.room_bytes);
        assert_memory_equal(window->data, noise[i / 2], rig.spill.room_bytes);
        rig.spill.ops->give(rig.spill.self, window);
    }
    struct gm_spill_counts counts;
    gm_spill_store_counts(rig.store, &counts);
    assert_int_equal(counts.packed_count, is_packed() ? 8 : 0);
    assert_true(counts.payload_bytes == (uint64_t)16 * rig.spill.room_bytes);
    assert_int_equal(counts.written_bytes < counts.payload_bytes * 3 / 4, is_packed());
    rig.spill.ops->forget(rig.spill.self, &run);
    rig_close(&rig);
}

static void test_sizes_for_a_heap(void **state)
{
    (void)state;
    for (uint64_t heap = UINT64_C(1) << 20; heap < UINT64_C(1) << 41; heap *= 2) {
        const uint32_t block = gm_spill_block_bytes(heap);
        const uint32_t windows = gm_spill_windows(heap);
        assert_true(block >= GM_SPILL_BLOCK_BYTES_MIN && block <= GM_SPILL_BLOCK_BYTES_MAX);
        assert_int_equal(block & (block - 1), 0);
        assert_true(windows >= 4 && windows <= GM_SPILL_WINDOWS_MAX);
        if (heap >= UINT64_C(8) << 20) {
            assert_true(windows >= 32);
            assert_true((uint64_t)windows * block <= heap / 2);
        }
    }
}

static int plain(void **state)
{
    (void)state;
    packing = GM_SPILL_PACK_NEVER;
    return 0;
}

static int packed(void **state)
{
    (void)state;
    packing = GM_SPILL_PACK_ALWAYS;
    return 0;
}

#define BOTH(test) cmocka_unit_test_setup(test, plain), cmocka_unit_test_setup(test, packed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_nothing_is_made_before_the_first_write),
        BOTH(test_blocks_come_back_from_two_directories),
        BOTH(test_dropped_room_is_used_again),
        BOTH(test_retries_count_from_the_last_progress),
        BOTH(test_random_use_with_a_slow_and_fidgety_disk),
        BOTH(test_a_window_is_memory_and_memory_is_limited),
        BOTH(test_the_next_directory_takes_over_a_full_one),
        BOTH(test_full_everywhere_is_said),
        BOTH(test_a_directory_that_is_not_there),
        BOTH(test_a_broken_disk_is_named),
        BOTH(test_damage_and_lost_writes_are_found),
        BOTH(test_the_first_error_stays),
        BOTH(test_sizes_for_a_heap),
        BOTH(test_blocks_that_shrink_and_blocks_that_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
