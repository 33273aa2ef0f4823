/* test_cache.c
 * Goal:   what is read of a cached dataset is what was kept, in its order and with its origins, by
 *         any number of readers, from memory and from disk; memory stays in its limits and all of
 *         it comes back; a bad disk gives an error.
 * Method: random rows of all sizes beside a copy; heaps of many sizes; a virtual disk with faults.
 */
#include "agent/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/row/codec.h"
#include "shuffle/link.h"
#include "tests/unit/shuffle/fake_spill_disk.h"

#define EXECUTORS 2
#define PARTICIPANT 1
#define PARTITIONS 7 /* of which 1, 3 and 5 are here */
#define ROWS_MAX 20000
#define STEPS_MAX 10000000
#define MANY_BYTES (UINT64_C(1) << 30)

static void no_ring(void *self, uint16_t participant)
{
    (void)self, (void)participant;
}

static const struct gm_bell_ops no_bell_ops = {.name = "none", .ring = no_ring};
static const struct gm_bell no_bell = {&no_bell_ops, NULL};

struct copied {
    int64_t number;
    uint32_t length, origin;
};

struct rig {
    struct fake_spill_disk disk;
    bool has_disk;
    struct gm_region region;
    struct gm_heap heap;
    struct gm_error error;
    struct gm_link *link;
    struct gm_network network;
    struct gm_sender *sender;
    struct gm_cache *cache;
    struct gm_schema schema;
    struct gm_prng prng;
    struct copied *rows[PARTITIONS];
    uint32_t row_counts[PARTITIONS];
};

static int spill_open(void *self, struct gm_heap *heap, uint32_t depth,
                      struct gm_spill_disk *ret_disk)
{
    (void)heap, (void)depth;
    *ret_disk = (struct gm_spill_disk){.ops = &fake_spill_ops, .self = self};
    return 0;
}

static void spill_close(void *self, struct gm_spill_disk *disk)
{
    (void)self, (void)disk;
}

static void open_job(struct rig *rig, uint64_t memory_bytes)
{
    const struct gm_region_spec spec = {
        .executor_count = EXECUTORS,
        .exchange_count = 1,
        .exchanges = {{.to_driver = true, .quota_frames = 4, .ring_slots = 4}},
        .claim_count = 1,
        .frame_bytes = GM_FRAME_BYTES_MIN,
    };
    assert_int_equal(gm_region_create_private(&spec, &rig->region, NULL), 0);
    assert_int_equal(gm_heap_init(&rig->heap, memory_bytes), 0);
    gm_cache_attach(rig->cache, &rig->heap, memory_bytes / 4 * 3);
    assert_int_equal(gm_link_create(&rig->region, PARTICIPANT, &no_bell, &rig->heap, &rig->link),
                     0);
    rig->network = gm_link_network(rig->link);
    assert_int_equal(gm_sender_create(&rig->region, 0, PARTICIPANT, 1, &rig->network, &rig->heap,
                                      &rig->sender),
                     0);
}

static void close_job(struct rig *rig)
{
    gm_sender_destroy(rig->sender);
    gm_link_destroy(rig->link);
    gm_cache_detach(rig->cache);
    assert_int_equal(rig->heap.used_bytes, 0);
    gm_heap_fini(&rig->heap);
    gm_region_leave(&rig->region);
}

static int begin(struct rig *rig, const uint64_t *kept, uint32_t count, uint64_t memory_bytes)
{
    uint64_t copy[4];
    for (uint32_t i = 0; i < count; i++)
        copy[i] = kept[i];
    const struct gm_plan plan = {.kept = copy, .kept_count = count};
    const struct gm_spill_paths paths = {.count = 1, .names = "/fake/a"};
    return gm_cache_begin(rig->cache, &plan, memory_bytes, &paths, &rig->error);
}

static void rig_open(struct rig *rig, uint64_t seed, bool has_disk)
{
    *rig = (struct rig){.has_disk = has_disk};
    fake_spill_disk_init(&rig->disk, seed);
    gm_prng_init(&rig->prng, seed);
    gm_schema_add(&rig->schema, "n", GLEAM_I64, false);
    gm_schema_add(&rig->schema, "text", GLEAM_BYTES, false);
    const struct gm_cache_spec spec = {.participant = PARTICIPANT,
                                       .executor_count = EXECUTORS,
                                       .spill_self = &rig->disk,
                                       .spill_open = has_disk ? spill_open : NULL,
                                       .spill_close = spill_close};
    assert_int_equal(gm_cache_create(&spec, &rig->cache), 0);
    for (uint32_t i = 0; i < PARTITIONS; i++)
        assert_non_null(rig->rows[i] = calloc(ROWS_MAX, sizeof *rig->rows[i]));
}

static void rig_close(struct rig *rig)
{
    gm_cache_destroy(rig->cache);
    for (uint32_t i = 0; i < PARTITIONS; i++)
        free(rig->rows[i]);
    fake_spill_disk_free(&rig->disk);
}

/* The text of row n repeats one letter. */
static uint8_t letter(int64_t number)
{
    return (uint8_t)('a' + number % 26);
}

static void make_batch(struct rig *rig, struct gm_batch *batch, uint8_t *text, uint32_t length_max)
{
    const uint32_t partition = 1 + 2 * (uint32_t)gm_prng_below(&rig->prng, 3);
    const uint32_t count = 1 + (uint32_t)gm_prng_below(&rig->prng, 50);
    batch->origin = (uint32_t)gm_prng_below(&rig->prng, 9);
    batch->row_count = count;
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = rig->row_counts[partition]++;
        const uint32_t length = (uint32_t)gm_prng_below(
            &rig->prng, gm_prng_below(&rig->prng, 40) == 0 ? length_max : 30);
        assert_true(number < ROWS_MAX);
        rig->rows[partition][number] =
            (struct copied){.number = number, .length = length, .origin = batch->origin};
        batch->columns[0].i64[i] = number;
        memset(text + used, letter(number), length);
        batch->columns[1].bytes[i] = (struct gm_bytes){.data = text + used, .length = length};
        used += length;
    }
    batch->input = partition; /* not looked at by a sink: it remembers where the rows go */
}

/* Calls until it does not say that it waits. */
static int push(struct rig *rig, const struct gm_chain_sink *sink, const struct gm_batch *batch)
{
    int rc = GM_AGAIN;
    for (uint32_t i = 0; rc == GM_AGAIN && i < STEPS_MAX; i++) {
        rc = sink->push(sink->self, batch, batch->input);
        if (rc == GM_AGAIN && gm_cache_poll(rig->cache, &rig->error) < 0)
            return rig->error.code;
    }
    return rc;
}

static int fill(struct rig *rig, uint64_t id, bool on_disk, uint32_t batches, uint32_t length_max)
{
    struct gm_cache_sink *kept;
    struct gm_batch batch = {0};
    const struct gm_exchange_plan exchange = {.cached_id = id, .on_disk = on_disk};
    uint8_t *text = malloc((size_t)50 * length_max + GM_BYTES_SLACK);
    assert_non_null(text);
    assert_int_equal(gm_cache_sink_create(rig->cache, &exchange, &rig->schema, PARTITIONS,
                                          rig->sender, &rig->heap, &rig->error, &kept),
                     0);
    const struct gm_chain_sink sink = gm_cache_sink_port(kept);
    assert_int_equal(gm_batch_init(&batch, &rig->schema, &rig->heap), 0);
    batch.column_count = 2;
    int rc = 0;
    for (uint32_t i = 0; i < batches && rc == 0; i++) {
        make_batch(rig, &batch, text, length_max);
        rc = push(rig, &sink, &batch);
    }
    if (rc == 0)
        for (uint32_t i = 0; (rc = sink.finish(sink.self)) == GM_AGAIN && i < STEPS_MAX; i++)
            if (gm_cache_poll(rig->cache, &rig->error) < 0)
                break;
    gm_batch_fini(&batch, &rig->heap);
    gm_cache_sink_destroy(kept);
    free(text);
    return rc;
}

struct reading {
    struct gm_cache_reader *reader;
    uint32_t next[PARTITIONS];
    bool ended;
};

static void check_run(struct rig *rig, struct reading *reading, const struct gm_run *run)
{
    struct gm_layout layout;
    struct gm_batch batch = {0};
    size_t used = 0;
    gm_layout_init(&layout, &rig->schema);
    assert_int_equal(gm_batch_init(&batch, &rig->schema, &rig->heap), 0);
    assert_int_equal(gm_codec_decode(&layout, run->rows, run->bytes, run->row_count, &batch,
                                     &used),
                     0);
    assert_int_equal(used, run->bytes);
    assert_int_equal(batch.row_count, run->row_count);
    for (uint32_t i = 0; i < batch.row_count; i++) {
        const struct copied *row =
            &rig->rows[run->partition][reading->next[run->partition]++];
        assert_true(batch.columns[0].i64[i] == row->number);
        assert_int_equal(run->origin, row->origin);
        assert_int_equal(batch.columns[1].bytes[i].length, row->length);
        for (uint32_t b = 0; b < row->length; b++)
            if (batch.columns[1].bytes[i].data[b] != letter(row->number))
                fail_msg("row %u is not what it was", (unsigned)row->number);
    }
    gm_batch_fini(&batch, &rig->heap);
}

/* Reads with several readers by turns.  Returns 0 or the first failure. */
static int read_all(struct rig *rig, uint64_t id, uint32_t readers)
{
    struct reading readings[4] = {0};
    uint32_t left = readers;
    int rc = 0;
    for (uint32_t i = 0; i < readers; i++)
        assert_int_equal(gm_cache_reader_create(rig->cache, id, &rig->heap, &rig->error,
                                                &readings[i].reader),
                         0);
    for (uint32_t step = 0; left > 0 && rc >= 0; step++) {
        struct reading *reading = &readings[gm_prng_below(&rig->prng, readers)];
        struct gm_run run;
        assert_true(step < STEPS_MAX);
        if (reading->ended)
            continue;
        rc = gm_cache_reader_next(reading->reader, &run);
        if (rc == 0)
            check_run(rig, reading, &run);
        reading->ended = rc == GM_END;
        left -= rc == GM_END;
        if (rc == GM_AGAIN)
            rc = gm_cache_poll(rig->cache, &rig->error);
    }
    for (uint32_t i = 0; i < readers; i++) {
        for (uint32_t p = 0; p < PARTITIONS && rc >= 0; p++)
            assert_int_equal(readings[i].next[p], rig->row_counts[p]);
        gm_cache_reader_destroy(readings[i].reader);
    }
    return rc < 0 ? rc : 0;
}

static const uint64_t first[] = {5, 6};

static void what_is_read_is_what_was_kept(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct rig rig;
        struct gm_cache_counts counts;
        const bool small = seed % 3 == 1, on_disk = seed % 3 == 2;
        const uint64_t memory_bytes = small ? UINT64_C(16) << 20 : MANY_BYTES;
        rig_open(&rig, seed, true);
        rig.disk.short_odds = rig.disk.interrupt_odds = 4;
        rig.disk.poll_delay = (uint32_t)seed % 4;
        assert_int_equal(begin(&rig, NULL, 0, memory_bytes), 0);
        open_job(&rig, memory_bytes);
        assert_int_equal(fill(&rig, 5, on_disk, 400, seed % 2 == 0 ? 200000 : 2000000 >> 1), 0);
        assert_true(rig.heap.limit_bytes >= memory_bytes / 4);
        assert_int_equal(read_all(&rig, 5, 3), 0);
        gm_cache_counts(rig.cache, &counts);
        assert_true(counts.memory_bytes <= memory_bytes * 3 / 4);
        if (!small && !on_disk)
            assert_true(counts.written_bytes == 0 && counts.disk_bytes == 0);
        else
            assert_true(counts.disk_bytes > 0);
        close_job(&rig);
        /* Another job, with less memory: what does not fit goes to disk first. */
        assert_int_equal(begin(&rig, first, 1, UINT64_C(32) << 20), 0);
        open_job(&rig, UINT64_C(32) << 20);
        gm_cache_counts(rig.cache, &counts);
        assert_true(counts.memory_bytes <= UINT64_C(20) << 20);
        assert_int_equal(read_all(&rig, 5, 4), 0);
        close_job(&rig);
        /* And one that does not want it any more. */
        assert_int_equal(begin(&rig, first + 1, 1, MANY_BYTES), 0);
        open_job(&rig, MANY_BYTES);
        gm_cache_counts(rig.cache, &counts);
        assert_true(counts.memory_bytes == 0 && counts.disk_bytes == 0);
        assert_true(rig.heap.limit_bytes == MANY_BYTES);
        struct gm_cache_reader *reader;
        assert_int_equal(gm_cache_reader_create(rig.cache, 5, &rig.heap, &rig.error, &reader),
                         GM_EPEER_PROTOCOL);
        assert_non_null(strstr(rig.error.text, "not there any more"));
        close_job(&rig);
        rig_close(&rig);
    }
}

static void a_bad_disk_is_told_of(void **state)
{
    (void)state;
    uint32_t told = 0;
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct rig rig;
        rig_open(&rig, seed, true);
        if (seed % 3 == 0)
            rig.disk.error_odds = 20;
        else if (seed % 3 == 1)
            rig.disk.damage_odds = 20;
        else
            rig.disk.limit_bytes = 1 << 20;
        assert_int_equal(begin(&rig, NULL, 0, MANY_BYTES), 0);
        open_job(&rig, MANY_BYTES);
        int rc = fill(&rig, 5, true, 300, 100000);
        if (rc == 0)
            rc = read_all(&rig, 5, 2);
        assert_true((rc < 0) == (rig.disk.failed_count > 0 || seed % 3 == 2));
        if (rc < 0) {
            assert_true(rig.error.code < 0 && strlen(rig.error.text) > 20);
            told++;
        }
        close_job(&rig);
        rig_close(&rig);
    }
    assert_true(told > 4);
}

static void without_a_disk_it_ends_with_the_memory(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, 1, false);
    assert_int_equal(begin(&rig, NULL, 0, UINT64_C(16) << 20), 0);
    open_job(&rig, UINT64_C(16) << 20);
    assert_int_equal(fill(&rig, 5, false, 300, 1 << 20), GM_ETASK_SPILL);
    assert_non_null(strstr(rig.error.text, "nothing may go to disk"));
    close_job(&rig);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_what_was_kept),
        cmocka_unit_test(a_bad_disk_is_told_of),
        cmocka_unit_test(without_a_disk_it_ends_with_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
