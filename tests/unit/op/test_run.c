/* test_run.c
 * Goal:   records come back as they were put, whatever their lengths and however slow the disk is;
 *         a reader gives back windows, blocks and memory.
 * Method: random lengths around a block's room over a virtual disk; heaps with room for few
 *         windows.
 */
#include "engine/op/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"
#include "tests/unit/op/spill_rig.h"

#define RECORDS 400

static uint32_t length_of(uint64_t *random, uint32_t room)
{
    switch (random_below(random, 12)) {
    case 0:
        return room - 6 + random_below(random, 12);
    case 1:
        return random_below(random, 4 * room) + 1;
    default:
        return random_below(random, 2000) + 1;
    }
}

static uint8_t byte_of(uint32_t record, uint32_t i)
{
    return (uint8_t)(record * 31 + i + (i >> 8));
}

static void put_all(struct gm_run_writer *writer, const uint32_t *lengths)
{
    uint8_t *data = malloc(4 * GM_SPILL_BLOCK_BYTES_MIN + 1);
    for (uint32_t r = 0; r < RECORDS; r++) {
        for (uint32_t i = 0; i < lengths[r]; i++)
            data[i] = byte_of(r, i);
        const uint32_t head = lengths[r] < 5 ? 0 : 5;
        int rc;
        do
            rc = gm_run_put(writer, data, head, data + head, lengths[r] - head);
        while (rc == GM_AGAIN);
        assert_int_equal(rc, 0);
    }
    free(data);
}

static void check_all(struct gm_run_reader *reader, const uint32_t *lengths)
{
    const uint8_t *record;
    uint32_t bytes;
    int rc;
    for (uint32_t r = 0; r < RECORDS; r++) {
        do
            rc = gm_run_next(reader, &record, &bytes);
        while (rc == GM_AGAIN);
        assert_int_equal(rc, 0);
        assert_int_equal(bytes, lengths[r]);
        for (uint32_t i = 0; i < bytes; i++)
            assert_int_equal(record[i], byte_of(r, i));
    }
    do
        rc = gm_run_next(reader, &record, &bytes);
    while (rc == GM_AGAIN);
    assert_int_equal(rc, GM_END);
}

static void records_come_back(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct fake_spill_disk disk;
        struct gm_heap heap;
        struct gm_error error = {0};
        struct gm_run_writer writer;
        struct gm_run_reader reader = {0};
        struct gm_spill_run run;
        uint32_t lengths[RECORDS];
        uint64_t random = seed, total = 0;
        fake_spill_disk_init(&disk, seed);
        disk.poll_delay = seed % 3;
        disk.short_odds = 3;
        struct spill_rig rig = {.disk = &disk};
        assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
        const struct gm_spill spill =
            spill_rig_open(&rig, &heap, 2 + (uint32_t)seed % 4, &error);
        for (uint32_t r = 0; r < RECORDS; r++)
            total += lengths[r] = length_of(&random, spill.room_bytes);
        gm_run_writer_init(&writer, &spill, 3);
        put_all(&writer, lengths);
        assert_int_equal(writer.records, RECORDS);
        assert_int_equal(gm_run_writer_end(&writer, &run), 0);
        assert_int_equal(run.bytes, total + 4 * RECORDS);
        gm_run_writer_fini(&writer);
        int rc;
        do
            rc = gm_run_reader_open(&reader, &spill, &heap, &run);
        while (rc == GM_AGAIN);
        assert_int_equal(rc, 0);
        check_all(&reader, lengths);
        gm_run_reader_close(&reader);
        gm_spill_store_destroy(rig.store);
        assert_int_equal(heap.used_bytes, 0);
        gm_heap_fini(&heap);
        fake_spill_disk_free(&disk);
    }
}

/* A run that is given up in the middle, by its writer and by its reader. */
static void what_is_given_up_is_given_back(void **state)
{
    (void)state;
    for (uint32_t at = 1; at < 40; at += 3) {
        struct fake_spill_disk disk;
        struct gm_heap heap;
        struct gm_error error = {0};
        struct gm_run_writer writer;
        struct gm_run_reader reader = {0};
        struct gm_spill_run run;
        uint8_t *data = calloc(1, 100000);
        fake_spill_disk_init(&disk, at);
        disk.poll_delay = 2;
        struct spill_rig rig = {.disk = &disk};
        assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
        const struct gm_spill spill = spill_rig_open(&rig, &heap, 4, &error);
        for (uint32_t end = 0; end < 2; end++) {
            gm_run_writer_init(&writer, &spill, 0);
            for (uint32_t i = 0; i < at; i++)
                while (gm_run_put(&writer, data, 0, data, 100000) == GM_AGAIN)
                    if (end == 0 && i == at - 1)
                        break; /* half a record */
            if (end == 0)
                gm_run_writer_fini(&writer);
        }
        assert_int_equal(gm_run_writer_end(&writer, &run), 0);
        while (gm_run_reader_open(&reader, &spill, &heap, &run) == GM_AGAIN)
            ;
        const uint8_t *record;
        uint32_t bytes;
        for (uint32_t i = 0; i < at / 2; i++)
            (void)gm_run_next(&reader, &record, &bytes);
        gm_run_reader_close(&reader);
        gm_spill_store_destroy(rig.store);
        assert_int_equal(heap.used_bytes, 0);
        gm_heap_fini(&heap);
        fake_spill_disk_free(&disk);
        free(data);
    }
}

/* A record that has no room in memory is refused, and nothing is lost of the heap. */
static void a_record_that_does_not_fit(void **state)
{
    (void)state;
    struct fake_spill_disk disk;
    struct gm_heap heap;
    struct gm_error error = {0};
    struct gm_run_writer writer;
    struct gm_run_reader reader = {0};
    struct gm_spill_run run;
    uint8_t *data = calloc(1, 900000);
    fake_spill_disk_init(&disk, 1);
    struct spill_rig rig = {.disk = &disk};
    assert_int_equal(gm_heap_init(&heap, 600000), 0);
    const struct gm_spill spill = spill_rig_open(&rig, &heap, 4, &error);
    gm_run_writer_init(&writer, &spill, 0);
    int rc;
    do
        rc = gm_run_put(&writer, data, 0, data, 900000);
    while (rc == GM_AGAIN);
    assert_int_equal(rc, 0);
    assert_int_equal(gm_run_writer_end(&writer, &run), 0);
    while (gm_run_reader_open(&reader, &spill, &heap, &run) == GM_AGAIN)
        ;
    const uint8_t *record;
    uint32_t bytes;
    do
        rc = gm_run_next(&reader, &record, &bytes);
    while (rc == GM_AGAIN);
    assert_int_equal(rc, GM_ETASK_MEMORY);
    gm_run_reader_close(&reader);
    gm_spill_store_destroy(rig.store);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
    fake_spill_disk_free(&disk);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back),
        cmocka_unit_test(what_is_given_up_is_given_back),
        cmocka_unit_test(a_record_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
