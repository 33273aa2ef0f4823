/* test_reader.c - goal: every line of every file comes exactly once, in its partition, whole and in
 * order, however files are cut and reads answered; what cannot be read is an error with the file.
 * Method: a fake disk in memory with random short reads in random order; the plain answer is worked
 * out line by line: a line belongs to the partition in whose range its first byte lies.  Several
 * readers share the claims, as executors do.
 */
#include "agent/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "engine/chain/chain.h"
#include "engine/flow/splits.h"
#include "tests/unit/agent/fake_disk.h"

#define FILES_MAX 24
#define READERS_MAX 3
#define STEPS_MAX 4000000
#define HEADROOM (64u << 10) /* as in reader.c: longer carries take another way */

struct world {
    struct gm_heap heap;
    struct gm_file files[FILES_MAX];
    struct gm_source source;
    struct fake_file fakes[FILES_MAX];
    struct fake_disk disks[READERS_MAX];
    _Atomic uint64_t claim;
    struct gm_claims claims;
    struct gm_error error;
    struct gm_reader *readers[READERS_MAX];
    uint32_t reader_count;
    /* what came out, by partition */
    uint8_t *got[4096];
    uint64_t got_bytes[4096];
    bool ended[4096];
};

static struct world world;

static void world_clear(void)
{
    for (uint32_t i = 0; i < world.reader_count; i++)
        gm_reader_destroy(world.readers[i]);
    for (uint32_t i = 0; i < 4096; i++)
        free(world.got[i]);
    if (world.source.kind == GM_SOURCE_TEXT && world.source.file_count > 0) {
        assert_int_equal(world.heap.used_bytes, 0);
        gm_heap_fini(&world.heap);
    }
    memset(&world, 0, sizeof world);
    world.claims = (struct gm_claims){.counter = &world.claim, .first = 0, .here = 1, .all = 1};
}

static int setup(void **state)
{
    (void)state;
    world_clear();
    return 0;
}

static int teardown(void **state)
{
    return setup(state);
}

static char names[FILES_MAX][16];

static void add_file(const uint8_t *data, uint64_t bytes, bool stream)
{
    const uint32_t i = world.source.file_count++;
    snprintf(names[i], sizeof names[i], "file-%u", i);
    world.files[i] = (struct gm_file){.path = names[i], .bytes = stream ? UINT64_MAX : bytes};
    world.fakes[i] = (struct fake_file){.path = names[i],
                                        .data = data,
                                        .bytes = bytes,
                                        .stream = stream,
                                        .fail_offset = -1};
}

/* Readers on disks of their own over the same files; seed 0: disks that answer at once. */
static void open_readers(uint32_t partitions, uint32_t readers, uint64_t seed, uint64_t budget)
{
    assert_int_equal(gm_heap_init(&world.heap, budget), 0);
    world.source.kind = GM_SOURCE_TEXT;
    world.source.files = world.files;
    world.source.partition_count = partitions;
    gm_splits_make(&world.source, partitions);
    assert_true(world.source.segment_count <= 4096);
    world.reader_count = readers;
    for (uint32_t i = 0; i < readers; i++) {
        world.disks[i] = (struct fake_disk){.files = world.fakes,
                                            .file_count = world.source.file_count,
                                            .gentle = seed == 0,
                                            .seed = seed * 977 + i + 1};
        const struct gm_disk disk = fake_disk_port(&world.disks[i]);
        assert_int_equal(gm_reader_create(&world.source, &disk, &world.claims, &world.heap,
                                          &world.error, &world.readers[i]),
                         0);
    }
}

static void free_splits(void)
{
    free(world.source.segments);
    free(world.source.partition_ends);
    world.source.segments = NULL;
    world.source.partition_ends = NULL;
}

/* Whole lines only: whatever is lent ends behind a "\n", or at its file's end. */
static void keep(const struct gm_span *span)
{
    assert_true(span->bytes > 0);
    assert_true(span->partition < world.source.partition_count);
    assert_false(world.ended[span->partition]);
    uint8_t **got = &world.got[span->partition];
    uint64_t *bytes = &world.got_bytes[span->partition];
    *got = realloc(*got, *bytes + span->bytes + 1);
    assert_non_null(*got);
    memcpy(*got + *bytes, span->data, span->bytes);
    *bytes += span->bytes;
    /* The slack behind a span is readable: sanitizers see it if not. */
    uint8_t slack[GM_BYTES_SLACK];
    memcpy(slack, span->data + span->bytes, sizeof slack);
    if (world.source.record_bytes > 0) {
        assert_int_equal(span->bytes % world.source.record_bytes, 0);
        return;
    }
    if (span->data[span->bytes - 1] != '\n') {
        (*got)[*bytes] = '\n';
        (*bytes)++;
    }
}

/* Runs all readers round and round.  Returns 0, or the first error. */
static int read_all(void)
{
    uint32_t over = 0;
    bool ended[READERS_MAX] = {false};
    for (uint32_t step = 0; over < world.reader_count; step++) {
        assert_true(step < STEPS_MAX); /* it stands still */
        const uint32_t i = step % world.reader_count;
        if (ended[i])
            continue;
        struct gm_span span;
        int rc = gm_reader_next(world.readers[i], &span);
        if (rc < 0)
            return rc;
        if (rc == 0)
            keep(&span);
        if (rc == GM_PARTITION_END) {
            assert_false(world.ended[span.partition]);
            world.ended[span.partition] = true;
        }
        if (rc == GM_END) {
            ended[i] = true;
            over++;
        }
    }
    return 0;
}

/* The partition's lines as the definition has them, each with one "\n" behind it. */
static uint64_t plain_lines(uint32_t partition, uint8_t *out)
{
    uint64_t bytes = 0;
    const uint32_t first = partition == 0 ? 0 : world.source.partition_ends[partition - 1];
    for (uint32_t s = first; s < world.source.partition_ends[partition]; s++) {
        const struct gm_segment *segment = &world.source.segments[s];
        const struct fake_file *file = &world.fakes[segment->file];
        uint64_t at = segment->begin;
        while (at > 0 && at < file->bytes && file->data[at - 1] != '\n')
            at++;
        while (at < file->bytes && at < segment->end) {
            const uint8_t *newline = memchr(file->data + at, '\n', file->bytes - at);
            const uint64_t end = newline != NULL ? (uint64_t)(newline - file->data) : file->bytes;
            memcpy(out + bytes, file->data + at, end - at);
            bytes += end - at;
            out[bytes++] = '\n';
            at = end + 1;
        }
    }
    return bytes;
}

static void check_all(void)
{
    uint64_t total = 1;
    for (uint32_t i = 0; i < world.source.file_count; i++)
        total += world.fakes[i].bytes + 1;
    uint8_t *want = malloc(total);
    assert_non_null(want);
    for (uint32_t p = 0; p < world.source.partition_count; p++) {
        const uint64_t bytes = plain_lines(p, want);
        assert_true(world.ended[p]);
        assert_int_equal(world.got_bytes[p], bytes);
        if (bytes > 0)
            assert_memory_equal(world.got[p], want, bytes);
    }
    free(want);
}

static void run_and_check(uint32_t partitions, uint32_t readers, uint64_t seed)
{
    open_readers(partitions, readers, seed, UINT64_MAX);
    const int rc = read_all();
    if (rc < 0)
        print_error("%s\n", world.error.text);
    assert_int_equal(rc, 0);
    check_all();
    free_splits();
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void every_cut_of_a_small_file_gives_each_line_once(void **state)
{
    static const char *const texts[] = {
        "", "\n", "a", "a\n", "\n\n", "a\nbb\n\nccc\r\n\r\nend", "one long line without an end",
        "\nfirst is empty\nx\n", "a\n\n\n\nb\n",
    };
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
        for (uint32_t partitions = 1; partitions <= 40; partitions++)
            for (uint64_t seed = 0; seed < 3; seed++) {
                setup(state);
                add_file((const uint8_t *)texts[t], strlen(texts[t]), false);
                run_and_check(partitions, 1 + partitions % READERS_MAX, seed);
            }
}

static void many_small_files_are_read_in_order(void **state)
{
    static const char *const texts[] = {"", "a\nb", "\n", "longer line\nanother\n", "x", ""};
    for (uint32_t partitions = 1; partitions <= 30; partitions++)
        for (uint64_t seed = 0; seed < 6; seed++) {
            setup(state);
            for (uint32_t i = 0; i < FILES_MAX; i++) {
                const char *text = texts[(i * 7 + partitions) % 6];
                add_file((const uint8_t *)text, strlen(text), false);
            }
            run_and_check(partitions, 1 + (uint32_t)seed % READERS_MAX, seed);
        }
}

/* A line of `length` bytes, behind `before` bytes of short lines and in front of some more. */
static uint8_t *text_around(uint64_t before, uint64_t length, uint64_t after, uint64_t *ret_bytes)
{
    const uint64_t bytes = before + length + 1 + after;
    uint8_t *text = malloc(bytes);
    assert_non_null(text);
    for (uint64_t i = 0; i < bytes; i++)
        text[i] = i % 61 == 60 ? '\n' : (uint8_t)('a' + i % 23);
    if (before > 0)
        text[before - 1] = '\n';
    for (uint64_t i = 0; i < length; i++)
        text[before + i] = (uint8_t)('A' + i % 26);
    text[before + length] = '\n';
    *ret_bytes = bytes;
    return text;
}

/* Lengths and places around the sizes at which the reader changes its ways. */
static void long_lines_pass_whole_wherever_they_lie(void **state)
{
    static const uint64_t sizes[] = {
        0,
        1,
        4095,
        4096,
        4097,
        HEADROOM - 1,
        HEADROOM,
        HEADROOM + 1,
        GM_READER_BLOCK_BYTES - 1,
        GM_READER_BLOCK_BYTES,
        GM_READER_BLOCK_BYTES + 1,
        2 * GM_READER_BLOCK_BYTES + 77,
    };
    const size_t count = sizeof sizes / sizeof *sizes;
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++) {
            setup(state);
            uint64_t bytes;
            uint8_t *text = text_around(sizes[a], sizes[b], (a * 5000 + b) % 9000, &bytes);
            add_file(text, bytes, false);
            run_and_check(1 + (uint32_t)(a + b) % 5, 1 + (uint32_t)b % 2, (a + b) % 3);
            setup(state);
            free(text);
        }
}

static void files_that_end_at_a_block_end_well(void **state)
{
    for (int delta = -2; delta <= 2; delta++)
        for (uint32_t blocks = 1; blocks <= 3; blocks++)
            for (int newline = 0; newline < 2; newline++)
                for (uint32_t partitions = 1; partitions <= 3; partitions++) {
                    setup(state);
                    uint64_t bytes;
                    uint8_t *text = text_around(
                        0, 10, (uint64_t)blocks * GM_READER_BLOCK_BYTES - 11, &bytes);
                    bytes = (uint64_t)((int64_t)bytes + (delta < 0 ? delta : 0));
                    text[bytes - 1] = newline ? '\n' : 'e';
                    add_file(text, bytes, false);
                    run_and_check(partitions, 1, (uint64_t)(delta + 2));
                    setup(state);
                    free(text);
                }
}

static void streams_are_read_to_their_end(void **state)
{
    static const uint64_t sizes[] = {0, 1, 5000, GM_READER_BLOCK_BYTES, GM_READER_BLOCK_BYTES + 1,
                                     3 * GM_READER_BLOCK_BYTES + 9};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint64_t seed = 0; seed < 4; seed++)
            for (uint64_t line = 10; line <= 700000; line *= 70) {
                setup(state);
                uint64_t bytes;
                uint8_t *text = text_around(sizes[i] / 2, line, sizes[i], &bytes);
                add_file(text, bytes, true);
                add_file((const uint8_t *)"plain\nfile", 10, false);
                add_file((const uint8_t *)"", 0, true);
                add_file(text, sizes[i], true);
                run_and_check(1 + (uint32_t)seed, 1, seed);
                setup(state);
                free(text);
            }
}

static void random_files_and_cuts_give_each_line_once(void **state)
{
    struct fake_disk dice = {.seed = 42};
    for (uint32_t round = 0; round < 60; round++) {
        setup(state);
        uint8_t *texts[4];
        const uint32_t files = 1 + (uint32_t)(fake_random(&dice) % 4);
        for (uint32_t f = 0; f < files; f++) {
            const uint64_t bytes = fake_random(&dice) % (700u << 10);
            const uint64_t line = 1 + fake_random(&dice) % (1u << fake_random(&dice) % 19);
            texts[f] = malloc(bytes + 1);
            assert_non_null(texts[f]);
            for (uint64_t i = 0; i < bytes; i++)
                texts[f][i] = fake_random(&dice) % line == 0 ? '\n' : (uint8_t)(i % 251 + 11);
            add_file(texts[f], bytes, false);
        }
        run_and_check(1 + (uint32_t)(fake_random(&dice) % 64), 1 + round % READERS_MAX, round);
        setup(state);
        for (uint32_t f = 0; f < files; f++)
            free(texts[f]);
    }
}

/* Reads, and leaves the partitions of a mask after a number of spans: nothing of them comes after
 * that, and what came is their beginning.  Returns how many were left early. */
static uint32_t read_and_leave(uint32_t mask, uint32_t spans)
{
    uint32_t seen[32] = {0}, over = 0, left_count = 0;
    bool left[32] = {false}, ended[READERS_MAX] = {false};
    for (uint32_t step = 0; over < world.reader_count; step++) {
        assert_true(step < STEPS_MAX);
        const uint32_t i = step % world.reader_count;
        struct gm_span span;
        if (ended[i])
            continue;
        const int rc = gm_reader_next(world.readers[i], &span);
        assert_true(rc >= 0);
        ended[i] = rc == GM_END;
        over += ended[i];
        if (rc == GM_PARTITION_END)
            world.ended[span.partition] = true;
        if (rc != 0)
            continue;
        assert_false(left[span.partition]);
        keep(&span);
        if ((mask >> span.partition & 1) != 0 && ++seen[span.partition] == spans) {
            gm_reader_skip(world.readers[i]);
            left[span.partition] = true;
            left_count++;
        }
    }
    return left_count;
}

static void a_partition_that_is_left_ends_and_the_others_come(void **state)
{
    struct fake_disk dice = {.seed = 7};
    uint32_t left_count = 0, shorter = 0;
    for (uint32_t round = 0; round < 150; round++) {
        setup(state);
        uint8_t *texts[3], *want = malloc(4 << 20);
        assert_non_null(want);
        for (uint32_t f = 0; f < 3; f++) {
            uint64_t bytes;
            texts[f] = text_around(0, 1 + fake_random(&dice) % (round % 3 ? 100 : 300000),
                                   fake_random(&dice) % (1200u << 10), &bytes);
            add_file(texts[f], bytes, round % 5 == 4 && f == 1);
        }
        const uint32_t partitions = 1 + (uint32_t)(fake_random(&dice) % 12);
        open_readers(partitions, round % 5 == 4 ? 1 : 1 + round % READERS_MAX, round, UINT64_MAX);
        left_count += read_and_leave((uint32_t)fake_random(&dice), 1 + round % 4);
        for (uint32_t p = 0; p < partitions; p++) {
            const uint64_t bytes = plain_lines(p, want);
            assert_true(world.ended[p]);
            assert_true(world.got_bytes[p] <= bytes);
            shorter += world.got_bytes[p] < bytes;
            if (world.got_bytes[p] > 0)
                assert_memory_equal(world.got[p], want, world.got_bytes[p]);
        }
        free_splits();
        setup(state);
        for (uint32_t f = 0; f < 3; f++)
            free(texts[f]);
        free(want);
    }
    assert_true(left_count > 200 && shorter > 90 && shorter <= left_count);
}

/* Records of any size, whatever their bytes are: whole, once, and in order. */
static void records_come_whole_whatever_they_hold(void **state)
{
    static const uint32_t sizes[] = {1, 3, 100, 4096, 65535, 65536};
    static uint8_t data[2000000];
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i % 7 == 0 ? '\n' : i * 31);
    for (uint32_t run = 0; run < 48; run++) {
        const uint32_t size = sizes[run % 6];
        setup(state);
        world.source.record_bytes = size;
        uint64_t bytes = 0;
        for (uint32_t f = 0; f < 1 + run % 4; f++) {
            const uint64_t records = run % 5 == 0 && f == 1 ? 0 : 350000 / size + f;
            add_file(data + bytes, records * size, false);
            bytes += records * size;
        }
        const uint32_t partitions = 1 + run % 11;
        open_readers(partitions, 1 + run % READERS_MAX, run, UINT64_MAX);
        assert_int_equal(read_all(), 0);
        uint64_t at = 0;
        for (uint32_t p = 0; p < partitions; p++) {
            assert_true(world.ended[p]);
            assert_int_equal(world.got_bytes[p] % size, 0);
            if (world.got_bytes[p] > 0)
                assert_memory_equal(world.got[p], data + at, world.got_bytes[p]);
            at += world.got_bytes[p];
        }
        assert_int_equal(at, bytes);
        free_splits();
    }
}

static void a_file_that_became_shorter_is_an_error(void **state)
{
    (void)state;
    static const uint64_t left[] = {0, 1, 100000, GM_READER_BLOCK_BYTES, 799999};
    uint64_t bytes;
    uint8_t *text = text_around(0, 100, 800000 - 101, &bytes);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            setup(state);
            add_file(text, bytes, false);
            world.fakes[0].bytes = left[i];
            open_readers(4, 1, seed, UINT64_MAX);
            assert_int_equal(read_all(), GM_EJOB_INPUT);
            assert_non_null(strstr(world.error.text, "file-0 became shorter"));
            assert_non_null(strstr(world.error.text, "800000 bytes"));
            free_splits();
        }
    setup(state);
    free(text);
}

static void a_file_that_grew_is_read_as_it_was(void **state)
{
    (void)state;
    static const uint8_t text[] = "one\ntwo\nthree\nfour\n";
    add_file(text, 8, false);
    world.fakes[0].bytes = sizeof text - 1;
    open_readers(1, 1, 0, UINT64_MAX);
    assert_int_equal(read_all(), 0);
    assert_int_equal(world.got_bytes[0], 8);
    assert_memory_equal(world.got[0], "one\ntwo\n", 8);
    free_splits();
}

static void errors_name_the_file(void **state)
{
    uint64_t bytes;
    uint8_t *text = text_around(0, 10, 900000, &bytes);
    for (int64_t offset = 0; offset < 900000; offset += 300000) {
        setup(state);
        add_file(text, 50, false);
        add_file(text, bytes, false);
        world.fakes[1].fail_offset = offset;
        open_readers(3, 1, (uint64_t)offset + 1, UINT64_MAX);
        assert_int_equal(read_all(), GM_EJOB_INPUT);
        assert_non_null(strstr(world.error.text, "cannot read file-1: "));
        free_splits();
    }
    setup(state);
    add_file(text, 50, false);
    world.files[0].path = names[FILES_MAX - 1];
    snprintf(names[FILES_MAX - 1], sizeof names[0], "gone");
    open_readers(1, 1, 0, UINT64_MAX);
    assert_int_equal(read_all(), GM_EJOB_INPUT);
    assert_non_null(strstr(world.error.text, "cannot open gone: "));
    free_splits();
    setup(state);
    free(text);
}

static void a_line_beyond_the_budget_is_an_error(void **state)
{
    (void)state;
    uint64_t bytes;
    uint8_t *text = text_around(1000, 8u << 20, 1000, &bytes);
    add_file(text, bytes, false);
    open_readers(1, 1, 0, 4u << 20);
    assert_int_equal(read_all(), GM_ETASK_MEMORY);
    assert_non_null(strstr(world.error.text, "file-0 has a line of more than"));
    assert_non_null(strstr(world.error.text, "--memory"));
    free_splits();
    setup(state);
    free(text);
}

static void a_reader_without_memory_is_refused(void **state)
{
    (void)state;
    add_file((const uint8_t *)"x", 1, false);
    assert_int_equal(gm_heap_init(&world.heap, 1u << 20), 0);
    world.source.kind = GM_SOURCE_TEXT;
    world.source.files = world.files;
    world.source.partition_count = 1;
    const struct gm_disk disk = fake_disk_port(&world.disks[0]);
    struct gm_reader *reader = NULL;
    assert_int_equal(gm_reader_create(&world.source, &disk, &world.claims, &world.heap,
                                      &world.error, &reader),
                     GM_ETASK_MEMORY);
    assert_null(reader);
}

/* Small partitions, and time to read ahead: who claims singly leaves them to others. */
static void partitions_are_claimed_ahead_or_singly(void **state)
{
    (void)state;
    for (int singly = 0; singly < 2; singly++) {
        uint32_t ended = 0;
        add_file((const uint8_t *)"a\nb\nc\nd\ne\nf\ng\nh\n", 16, false);
        open_readers(8, 1, 0, UINT64_MAX);
        if (singly)
            gm_reader_claim_singly(world.readers[0]);
        for (;;) {
            struct gm_span span;
            const int rc = gm_reader_next(world.readers[0], &span);
            if (rc == GM_END)
                break;
            assert_true(rc >= 0);
            assert_true(!singly || world.claim <= ended + 1);
            ended += rc == 4;
            assert_true(singly || ended > 0 || rc == GM_AGAIN || world.claim > 1);
        }
        assert_int_equal(ended, 8);
        free_splits();
        setup(state);
    }
}

static void few_files_are_open_at_a_time(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < FILES_MAX; i++)
        add_file((const uint8_t *)"a\nb\n", 4, false);
    open_readers(FILES_MAX, 1, 5, UINT64_MAX);
    for (;;) {
        struct gm_span span;
        int rc = gm_reader_next(world.readers[0], &span);
        assert_true(rc >= 0);
        assert_true(world.disks[0].open_count <= GM_READER_BLOCKS + 2);
        if (rc == GM_END)
            break;
    }
    assert_int_equal(gm_reader_bytes(world.readers[0]), 4 * FILES_MAX);
    free_splits();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_cut_of_a_small_file_gives_each_line_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_small_files_are_read_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines_pass_whole_wherever_they_lie, setup, teardown),
        cmocka_unit_test_setup_teardown(files_that_end_at_a_block_end_well, setup, teardown),
        cmocka_unit_test_setup_teardown(streams_are_read_to_their_end, setup, teardown),
        cmocka_unit_test_setup_teardown(random_files_and_cuts_give_each_line_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_partition_that_is_left_ends_and_the_others_come, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(records_come_whole_whatever_they_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_became_shorter_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_grew_is_read_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_name_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_beyond_the_budget_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_without_memory_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(partitions_are_claimed_ahead_or_singly, setup, teardown),
        cmocka_unit_test_setup_teardown(few_files_are_open_at_a_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
