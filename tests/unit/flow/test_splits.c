/* test_splits.c
 * Goal:   every byte of every file lies in exactly one segment, every time in the same one, and
 *         partitions are as even as bytes can be.
 * Method: random files (empty ones, unknown sizes, more partitions than bytes); the segments are
 *         laid end to end again.
 */
#include "engine/flow/splits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/row/random_rows.h"

#define FILES_MAX 40

static void make(struct gm_source *source, struct gm_file *files, uint32_t file_count,
                 uint32_t partition_count, uint64_t total)
{
    *source = (struct gm_source){.files = files, .file_count = file_count};
    assert_int_equal(gm_splits_make(source, partition_count), total);
    assert_int_equal(source->partition_count, partition_count);
    assert_int_equal(source->partition_ends[partition_count - 1], source->segment_count);
}

static void release(struct gm_source *source)
{
    free(source->segments);
    free(source->partition_ends);
}

/* Known files are covered from byte 0 to the end in order, unknown ones are whole and there once;
 * partition p has its share of the bytes to the byte. */
static void check(const struct gm_source *source, uint64_t total)
{
    uint64_t covered[FILES_MAX] = {0}, sum = 0;
    uint32_t whole[FILES_MAX] = {0}, segment = 0, last_file = 0;
    for (uint32_t p = 0; p < source->partition_count; p++) {
        assert_true(source->partition_ends[p] >= segment);
        uint32_t unknown_count = 0;
        for (; segment < source->partition_ends[p]; segment++) {
            const struct gm_segment *at = &source->segments[segment];
            assert_true(at->file < source->file_count);
            if (source->files[at->file].bytes == UINT64_MAX) {
                assert_int_equal(at->begin, 0);
                assert_true(at->end == UINT64_MAX);
                whole[at->file]++;
                unknown_count++;
                continue;
            }
            assert_int_equal(unknown_count, 0);
            assert_true(at->file >= last_file);
            last_file = at->file;
            assert_true(at->begin == covered[at->file]);
            assert_true(at->begin < at->end);
            covered[at->file] = at->end;
            sum += at->end - at->begin;
        }
        assert_true(sum == (uint64_t)((__uint128_t)total * (p + 1) / source->partition_count));
    }
    for (uint32_t i = 0; i < source->file_count; i++) {
        const bool known = source->files[i].bytes != UINT64_MAX;
        assert_int_equal(whole[i], !known);
        assert_true(covered[i] == (known ? source->files[i].bytes : 0));
    }
}

static void every_byte_is_in_one_segment(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t run = 0; run < 5000; run++) {
        struct gm_file files[FILES_MAX] = {0};
        const uint32_t file_count = random_below(&random, FILES_MAX + 1);
        uint64_t total = 0;
        for (uint32_t i = 0; i < file_count; i++) {
            static const uint64_t sizes[] = {0, 1, 2, 100, 4096, 1u << 20,
                                             UINT64_C(1) << 40, UINT64_C(1) << 58};
            const uint64_t size = sizes[random_below(&random, 8)];
            files[i].bytes = random_below(&random, 5) == 0 ? UINT64_MAX
                             : size > 2 ? random_next(&random) % size
                                        : size;
            total += files[i].bytes == UINT64_MAX ? 0 : files[i].bytes;
        }
        const uint32_t counts[] = {1, 2, 3, 64, 1 + random_below(&random, 2000)};
        const uint32_t partition_count = counts[random_below(&random, 5)];
        struct gm_source source, again;
        make(&source, files, file_count, partition_count, total);
        check(&source, total);
        make(&again, files, file_count, partition_count, total);
        assert_int_equal(again.segment_count, source.segment_count);
        assert_memory_equal(again.segments, source.segments,
                            source.segment_count * sizeof *source.segments);
        assert_memory_equal(again.partition_ends, source.partition_ends,
                            partition_count * sizeof *source.partition_ends);
        release(&source);
        release(&again);
    }
}

static void more_partitions_than_bytes_leaves_some_empty(void **state)
{
    (void)state;
    struct gm_file files[1] = {{.bytes = 3}};
    struct gm_source source;
    make(&source, files, 1, 7, 3);
    check(&source, 3);
    assert_int_equal(source.segment_count, 3);
    release(&source);
}

static void nothing_to_read_has_no_segments(void **state)
{
    (void)state;
    struct gm_file files[2] = {{.bytes = 0}, {.bytes = 0}};
    struct gm_source source;
    make(&source, files, 2, 4, 0);
    assert_int_equal(source.segment_count, 0);
    release(&source);
    make(&source, NULL, 0, 4, 0);
    assert_int_equal(source.segment_count, 0);
    release(&source);
}

static void unknown_files_are_dealt_out_evenly(void **state)
{
    (void)state;
    struct gm_file files[12];
    struct gm_source source;
    for (uint32_t i = 0; i < 12; i++)
        files[i] = (struct gm_file){.bytes = UINT64_MAX};
    make(&source, files, 12, 4, 0);
    check(&source, 0);
    for (uint32_t p = 0; p < 4; p++)
        assert_int_equal(source.partition_ends[p], 3 * (p + 1));
    release(&source);
}

/* Each between 1 and 8 MiB; enough for the executors; never more than the limit. */
static void count_balances_without_crumbs(void **state)
{
    (void)state;
    struct gm_file files[3] = {{.bytes = 0}, {.bytes = UINT64_MAX}, {.bytes = 0}};
    struct gm_source source = {.files = files, .file_count = 1};
    assert_int_equal(gm_splits_count(&source, 2), 1);
    files[0].bytes = 100;
    assert_int_equal(gm_splits_count(&source, 64), 1);
    files[0].bytes = 5u << 20;
    assert_int_equal(gm_splits_count(&source, 64), 5);
    files[0].bytes = UINT64_C(1) << 30;
    assert_int_equal(gm_splits_count(&source, 2), 512);
    files[0].bytes = UINT64_C(1) << 40;
    assert_int_equal(gm_splits_count(&source, 2), GM_PARTITIONS_MAX);
    files[0].bytes = UINT64_C(1) << 36;
    assert_int_equal(gm_splits_count(&source, 1), 16384);
    files[0].bytes = 0;
    source.file_count = 3;
    assert_int_equal(gm_splits_count(&source, 2), 1);
    files[2].bytes = UINT64_MAX;
    assert_int_equal(gm_splits_count(&source, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_in_one_segment),
        cmocka_unit_test(more_partitions_than_bytes_leaves_some_empty),
        cmocka_unit_test(nothing_to_read_has_no_segments),
        cmocka_unit_test(unknown_files_are_dealt_out_evenly),
        cmocka_unit_test(count_balances_without_crumbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
