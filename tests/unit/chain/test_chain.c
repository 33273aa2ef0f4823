/* test_chain.c
 * Goal:   whatever the sink does to hold it up, a chain gives every row once, in the right
 *         partition; partitions are finished when they end and the combiner last; an error stops it
 *         at once; destroyed at any point it leaves nothing in the heap.
 * Method: fake sources with random batches, pauses and ends of partitions, fake sinks that are full
 *         at random; several chains of steps against what one plain pass gives.
 * tidy: one world for all cases.
 */
#include "engine/chain/chain.h"
#include "engine/op/holding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/flow/pipe_spec.h"
#include "tests/unit/op/rig.h"
#include "tests/unit/op/fake_process.h"
#include "tests/unit/op/spill_rig.h"
#include "tests/unit/rounds.h"

#define PARTITIONS 5

/* ---- the world around a chain ---------------------------------------------------------------- */

struct event {
    enum { EVENT_BATCH, EVENT_END, EVENT_PAUSE } kind;
    uint32_t partition;
    uint64_t first; /* rows of the input */
    uint32_t count;
};

struct world {
    uint64_t random;
    struct rows in; /* (partition, number) */
    struct event events[400];
    uint32_t event_count;
    uint32_t next;
    struct input lent;
    bool is_lent;
    const struct gm_schema *schema;

    bool stalls;          /* the sink and the source say GM_AGAIN now and then */
    int source_error;     /* at event error_at */
    int sink_error;       /* at push error_at */
    int finish_error;
    uint32_t error_at;
    uint32_t push_count;
    uint32_t again_count;
    const struct gm_batch *refused; /* must come again */
    bool source_ended;
    bool skips;           /* the source can leave a partition */
    bool left[PARTITIONS];
    uint32_t last_partition; /* of what came last */
    bool keeps_origin; /* the chain has no step that makes rows of its own */
    bool finished;
    struct rows out;       /* the sink's rows, with their partition in front */
    uint32_t ended_count;  /* EVENT_ENDs so far */
    _Atomic uint32_t *step_shown;
    uint32_t step_count;
};

static void world_stop_lending(struct world *world)
{
    if (world->is_lent)
        input_free(&world->lent);
    world->is_lent = false;
}

static void source_skip(void *self)
{
    struct world *world = self;
    assert_false(world->left[world->last_partition]);
    world->left[world->last_partition] = true;
}

static int source_next(void *self, const struct gm_batch **ret_batch, uint32_t *ret_partition)
{
    struct world *world = self;
    static const struct gm_batch empty;
    /* The sink holds nothing of the batch lent before. */
    assert_null(world->refused);
    assert_false(world->source_ended);
    assert_int_equal(*world->step_shown, GM_STEP_SHOWN_SOURCE);
    world_stop_lending(world);
    if (world->source_error != 0 && world->next >= world->error_at)
        return world->source_error;
    if (world->stalls && random_below(&world->random, 4) == 0)
        return GM_AGAIN;
    if (world->next == world->event_count) {
        world->source_ended = true;
        return GM_END;
    }
    const struct event *event = &world->events[world->next++];
    *ret_partition = event->partition;
    if (event->kind == EVENT_PAUSE)
        return GM_AGAIN;
    world->last_partition = event->partition;
    if (event->kind == EVENT_BATCH && world->left[event->partition]) {
        *ret_batch = &empty;
        return 0;
    }
    if (event->kind == EVENT_END) {
        world->ended_count++;
        return GM_PARTITION_END;
    }
    input_make(&world->lent, world->schema, &world->in, event->first, event->count);
    world->lent.batch.origin = event->partition;
    world->is_lent = true;
    *ret_batch = &world->lent.batch;
    return 0;
}

static int sink_push(void *self, const struct gm_batch *batch, uint32_t partition)
{
    struct world *world = self;
    assert_false(world->finished);
    assert_true(batch->row_count > 0);
    assert_int_equal(*world->step_shown, world->step_count);
    if (world->keeps_origin)
        assert_int_equal(batch->origin, partition);
    if (world->refused != NULL)
        assert_ptr_equal(world->refused, batch);
    if (world->sink_error != 0 && world->push_count >= world->error_at)
        return world->sink_error;
    if (world->stalls && random_below(&world->random, 3) > 0) {
        world->again_count++;
        world->refused = batch;
        return GM_AGAIN;
    }
    world->refused = NULL;
    world->push_count++;
    for (uint32_t row = 0; row < batch->row_count; row++) {
        struct gleam_value values[GM_FIELDS_MAX];
        values[0] = gleam_i64(partition);
        for (uint32_t c = 0; c < batch->column_count; c++)
            values[c + 1] = gm_vector_get(&batch->columns[c], row);
        rows_add(&world->out, values, batch->column_count + 1);
    }
    return 0;
}

static int sink_finish(void *self)
{
    struct world *world = self;
    assert_null(world->refused);
    if (world->finish_error != 0)
        return world->finish_error;
    if (world->stalls && random_below(&world->random, 3) > 0)
        return GM_AGAIN;
    assert_false(world->finished);
    world->finished = true;
    return 0;
}

/* Batches of random partitions; a partition may end early, and some never get a row. */
static void world_init(struct world *world, uint64_t seed, const struct gm_schema *schema)
{
    *world = (struct world){.random = seed, .schema = schema};
    bool ended[PARTITIONS] = {false};
    for (uint32_t i = 0; i < 40; i++) {
        struct event *event = &world->events[world->event_count++];
        const uint32_t partition = random_below(&world->random, PARTITIONS);
        if (ended[partition] || random_below(&world->random, 8) == 0) {
            *event = (struct event){.kind = EVENT_PAUSE};
            if (!ended[partition] && random_below(&world->random, 4) == 0) {
                *event = (struct event){.kind = EVENT_END, .partition = partition};
                ended[partition] = true;
            }
            continue;
        }
        const uint32_t count =
            1 + random_below(&world->random, random_below(&world->random, 3) ? 20 : 1024);
        *event = (struct event){EVENT_BATCH, partition, world->in.row_count, count};
        for (uint32_t j = 0; j < count; j++) {
            char text[64];
            const uint32_t number = random_below(&world->random, 300);
            snprintf(text, sizeof text,
                     number % 2 ? "%u" : "word number %u of many, many, many more", number);
            const struct gleam_value values[] = {
                text_value(text), gleam_i64((int64_t)world->in.row_count % 1000)};
            rows_add(&world->in, values, 2);
        }
    }
    for (uint32_t partition = 0; partition < PARTITIONS; partition++)
        if (!ended[partition] && random_below(&world->random, 2))
            world->events[world->event_count++] =
                (struct event){.kind = EVENT_END, .partition = partition};
}

static void world_fini(struct world *world)
{
    world_stop_lending(world);
    rows_free(&world->in);
    rows_free(&world->out);
}

/* ---- chains ---------------------------------------------------------------------------------- */

/* Forgets odd numbers, and says everything else five times. */
GLEAM_MAPPER(even_5_times)
{
    for (uint32_t i = 0; i < 5 && row[1].i64 % 2 == 0; i++) {
        const int rc = gleam_emit(call, row, column_count);
        if (rc != 0)
            return rc;
    }
    return 0;
}

GLEAM_MAPPER(fails_at_7)
{
    if (row[1].i64 == 7)
        return gleam_fail(call, "seven");
    return gleam_emit(call, row, column_count);
}

static struct gm_step *add_step(struct gm_chain_plan *plan, enum gm_step_kind kind)
{
    const struct gm_schema *schema = gm_plan_input_schema(plan, plan->step_count);
    struct gm_step *step = &plan->steps[plan->step_count++];
    *step = (struct gm_step){.kind = kind, .schema = *schema, .where = "test.c:1"};
    snprintf(step->name, sizeof step->name, "%s", gm_step_kind_name(kind));
    step->order = (struct gleam_order){.count = 1, .columns = {{.column = 1, .ascending = true}}};
    return step;
}

enum shape { NOTHING, MAPPED, SORTED, TOPPED, REDUCED, COMBINED, MAP_SORT_COMBINED, SHAPES };

static struct gm_chain_plan make_plan(enum shape shape, struct gm_step *steps)
{
    struct gm_chain_plan plan = {.steps = steps, .source = {.partition_count = PARTITIONS}};
    gm_schema_add(&plan.source.schema, "word", GLEAM_BYTES, false);
    gm_schema_add(&plan.source.schema, "n", GLEAM_I64, false);
    if (shape == MAPPED || shape == MAP_SORT_COMBINED)
        snprintf(add_step(&plan, GM_STEP_MAPPER)->function, 64, "even_5_times");
    if (shape == SORTED || shape == MAP_SORT_COMBINED)
        add_step(&plan, GM_STEP_SORT);
    if (shape == TOPPED)
        add_step(&plan, GM_STEP_TOP)->count = 100;
    if (shape == REDUCED)
        add_step(&plan, GM_STEP_REDUCE)->reduce = GM_REDUCE_SUM_I64;
    if (shape == COMBINED || shape == MAP_SORT_COMBINED)
        add_step(&plan, GM_STEP_COMBINE)->reduce = GM_REDUCE_SUM_I64;
    return plan;
}

struct under_test {
    struct gm_heap heap;
    struct gm_error error;
    struct gm_chain *chain;
    _Atomic uint32_t chain_shown, step_shown;
    struct spill_rig spill_rig; /* disk NULL: nothing goes there */
    struct gm_spill spill;
    struct gm_holdings holdings;
};

static struct gm_meter_clock test_clock; /* of the chains that are opened; zeroed: none */

static int open_chain(struct under_test *test, const struct gm_chain_plan *plan,
                      struct world *world, uint64_t limit_bytes, uint64_t budget_bytes)
{
    test->error = (struct gm_error){0};
    test->chain = NULL;
    world->step_shown = &test->step_shown;
    world->step_count = plan->step_count;
    assert_int_equal(gm_heap_init(&test->heap, limit_bytes), 0);
    if (test->spill_rig.disk != NULL)
        test->spill = spill_rig_open(&test->spill_rig, &test->heap, 12, &test->error);
    const struct gm_chain_spec spec = {.plan = plan,
                                       .chain_index = 3,
                                       .source = {world, source_next,
                                                  world->skips ? source_skip : NULL},
                                       .sink = {world, sink_push, sink_finish},
                                       .heap = &test->heap,
                                       .error = &test->error,
                                       .budget_bytes = budget_bytes,
                                       .spill = test->spill_rig.disk != NULL ? &test->spill : NULL,
                                       .spill_at_bytes = 1, /* whenever there is something */
                                       .holdings = &test->holdings,
                                       .chain_shown = &test->chain_shown,
                                       .step_shown = &test->step_shown,
                                       .clock = test_clock};
    return gm_chain_create(&spec, &test->chain);
}

static void close_chain(struct under_test *test)
{
    gm_chain_destroy(test->chain);
    if (test->spill_rig.disk != NULL)
        gm_spill_store_destroy(test->spill_rig.store);
    assert_int_equal(test->heap.used_bytes, 0);
    gm_heap_fini(&test->heap);
}

/* Runs up to `runs` times.  Returns 0 or what ended it. */
static int run_chain(struct under_test *test, struct world *world, uint32_t runs)
{
    for (uint32_t i = 0; i < runs; i++) {
        const uint64_t pushed = world->push_count;
        const uint32_t next = world->next;
        const int rc = gm_chain_run(test->chain, 1 + random_below(&world->random, 4));
        if (rc == GM_AGAIN)
            assert_true(world->push_count == pushed && world->next <= next + 1);
        else if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- the plain answer ------------------------------------------------------------------------ */

/* Sums of the second value per (partition and) word. */
static void sum_words(const struct rows *in, bool by_partition, struct rows *ret_sums)
{
    for (uint64_t i = 0; i < in->row_count; i++) {
        struct gleam_value values[3];
        memcpy(values, rows_at(in, i), sizeof values);
        values[0] = by_partition ? values[0] : gleam_i64(0);
        uint64_t found = 0;
        while (found < ret_sums->row_count &&
               rows_compare_values(rows_at(ret_sums, found), values, 2) != 0)
            found++;
        if (found == ret_sums->row_count)
            rows_add(ret_sums, values, 3);
        else
            rows_at(ret_sums, found)[2].i64 += values[2].i64;
    }
}

/* What reaches the sink: (partition, word, n). */
static void plain_rows(const struct world *world, enum shape shape, struct rows *ret_rows)
{
    const bool maps = shape == MAPPED || shape == MAP_SORT_COMBINED;
    struct rows rows = {0};
    for (uint32_t e = 0; e < world->event_count; e++) {
        const struct event *event = &world->events[e];
        for (uint32_t i = 0; event->kind == EVENT_BATCH && i < event->count; i++) {
            const struct gleam_value *from = rows_at(&world->in, event->first + i);
            const struct gleam_value values[] = {gleam_i64(event->partition), from[0], from[1]};
            for (uint32_t times = maps ? 5 * (from[1].i64 % 2 == 0) : 1; times > 0; times--)
                rows_add(&rows, values, 3);
        }
    }
    if (shape == REDUCED || shape == COMBINED || shape == MAP_SORT_COMBINED) {
        sum_words(&rows, shape == REDUCED, ret_rows);
        rows_free(&rows);
        return;
    }
    if (shape == TOPPED) {
        uint32_t taken[PARTITIONS] = {0};
        rows_sort(&rows);
        for (uint64_t i = 0; i < rows.row_count; i++)
            if (taken[rows_at(&rows, i)[0].i64]++ < 100)
                rows_add(ret_rows, rows_at(&rows, i), 3);
        rows_free(&rows);
        return;
    }
    *ret_rows = rows;
}

/* The sink's rows in the form of plain_rows: partial sums are added up. */
static void seen_rows(const struct world *world, enum shape shape, struct rows *ret_rows)
{
    if (shape == COMBINED || shape == MAP_SORT_COMBINED) {
        sum_words(&world->out, false, ret_rows);
        return;
    }
    for (uint64_t i = 0; i < world->out.row_count; i++)
        rows_add(ret_rows, rows_at(&world->out, i), 3);
}

static void assert_same_rows(const struct world *world, enum shape shape)
{
    struct rows expected = {0}, got = {0};
    plain_rows(world, shape, &expected);
    seen_rows(world, shape, &got);
    if (shape == SORTED || shape == TOPPED)
        for (uint64_t i = 1; i < got.row_count; i++)
            if (rows_at(&got, i)[0].i64 == rows_at(&got, i - 1)[0].i64)
                assert_true(gm_value_compare(&rows_at(&got, i - 1)[1], &rows_at(&got, i)[1]) <= 0);
    rows_sort(&expected);
    rows_sort(&got);
    assert_rows_equal(&got, &expected);
    rows_free(&expected);
    rows_free(&got);
}

/* ---- facts ----------------------------------------------------------------------------------- */

static void sink_that_stalls_gets_every_row_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < rounds(84); seed++) {
        struct gm_step steps[4];
        const enum shape shape = (enum shape)(seed % SHAPES);
        struct gm_chain_plan plan = make_plan(shape, steps);
        struct world world;
        struct under_test test = {0};
        world_init(&world, seed, &plan.source.schema);
        world.stalls = seed % 3 != 0;
        world.keeps_origin = shape == NOTHING || shape == MAPPED;
        assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX,
                                    seed % 2 ? 40000 : UINT64_C(1) << 30),
                         0);
        assert_int_equal(run_chain(&test, &world, 100000), GM_END);
        assert_int_equal(gm_chain_run(test.chain, 1), GM_END);
        assert_true(world.finished);
        assert_int_equal(gm_chain_rows(test.chain, 0), world.in.row_count);
        assert_int_equal(gm_chain_rows(test.chain, plan.step_count), world.out.row_count);
        assert_same_rows(&world, shape);
        close_chain(&test);
        world_fini(&world);
    }
}

/* Operators that wait for a slow disk say GM_AGAIN in process and in finish: the chain stands still
 * there, with the same input, and loses nothing. */
static void operators_that_wait_for_a_disk_lose_nothing(void **state)
{
    (void)state;
    static const enum shape shapes[] = {SORTED, REDUCED, MAP_SORT_COMBINED};
    for (uint64_t seed = 0; seed < rounds(30); seed++) {
        struct gm_step steps[4];
        struct gm_chain_plan plan = make_plan(shapes[seed % 3], steps);
        struct world world;
        struct fake_spill_disk disk;
        struct under_test test = {.spill_rig = {.disk = &disk}};
        fake_spill_disk_init(&disk, seed);
        disk.poll_delay = 3;
        world_init(&world, seed, &plan.source.schema);
        world.stalls = seed % 2;
        assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, UINT64_C(1) << 30), 0);
        assert_int_equal(run_chain(&test, &world, 1000000), GM_END);
        assert_true(world.finished);
        assert_same_rows(&world, shapes[seed % 3]);
        uint64_t spilled = 0;
        for (uint32_t s = 0; s < plan.step_count; s++)
            spilled += gm_chain_spilled_bytes(test.chain, s);
        assert_true(spilled > 0 && disk.written_bytes > 0);
        close_chain(&test);
        world_fini(&world);
        fake_spill_disk_free(&disk);
    }
}

/* A partition's rows come out when it ends, before anything of the next one is asked for. */
static void partition_is_finished_when_it_ends(void **state)
{
    (void)state;
    struct gm_step steps[4];
    struct gm_chain_plan plan = make_plan(SORTED, steps);
    struct world world;
    struct under_test test = {0};
    world_init(&world, 1, &plan.source.schema);
    world.event_count = 0;
    for (uint32_t p = 0; p < 3; p++) {
        world.events[world.event_count++] = (struct event){EVENT_BATCH, p, p * 10, 10};
        world.events[world.event_count++] = (struct event){.kind = EVENT_END, .partition = p};
    }
    assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, 1u << 20), 0);
    uint64_t used_bytes = 0;
    for (uint32_t p = 0; p < 3; p++) {
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(world.out.row_count, p * 10);
            assert_int_equal(gm_chain_run(test.chain, 1), 0);
        }
        assert_int_equal(world.out.row_count, (p + 1) * 10);
        assert_int_equal(rows_at(&world.out, p * 10)[0].i64, p);
        /* And its state is gone. */
        assert_true(p == 0 || test.heap.used_bytes == used_bytes);
        used_bytes = test.heap.used_bytes;
    }
    close_chain(&test);
    world_fini(&world);
}

/* Partitions that the source did not end are finished, in order, before the combiner is. */
static void combiner_of_the_executor_is_last(void **state)
{
    (void)state;
    struct gm_step steps[4];
    struct gm_chain_plan plan = make_plan(MAP_SORT_COMBINED, steps);
    struct world world;
    struct under_test test = {0};
    world_init(&world, 2, &plan.source.schema);
    assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, 1u << 30), 0);
    while (world.next < world.event_count) {
        const int rc = gm_chain_run(test.chain, 1);
        assert_true(rc == 0 || rc == GM_AGAIN);
    }
    assert_int_equal(world.out.row_count, 0);
    assert_true(world.ended_count < PARTITIONS);
    assert_int_equal(run_chain(&test, &world, 1000), GM_END);
    assert_same_rows(&world, MAP_SORT_COMBINED);
    /* One row for each word: one state for all partitions. */
    struct rows words = {0};
    sum_words(&world.out, false, &words);
    assert_int_equal(words.row_count, world.out.row_count);
    rows_free(&words);
    close_chain(&test);
    world_fini(&world);
}

static void no_input_finishes_the_sink(void **state)
{
    (void)state;
    for (uint32_t shape = 0; shape < SHAPES; shape++) {
        struct gm_step steps[4];
        struct gm_chain_plan plan = make_plan((enum shape)shape, steps);
        struct world world;
        struct under_test test = {0};
        world_init(&world, 3, &plan.source.schema);
        world.event_count = 0;
        world.events[world.event_count++] = (struct event){.kind = EVENT_END, .partition = 2};
        assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, 1u << 20), 0);
        assert_int_equal(run_chain(&test, &world, 100), GM_END);
        assert_true(world.finished);
        assert_int_equal(world.push_count, 0);
        close_chain(&test);
        world_fini(&world);
    }
}

/* A limit that has its rows makes the source leave the partition, once, and only where it can. */
static void satisfied_step_leaves_the_partition(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 40; run++) {
        struct gm_step steps[4];
        struct gm_chain_plan plan = make_plan(MAPPED, steps);
        struct world world;
        struct under_test test;
        uint64_t counts[PARTITIONS] = {0};
        world_init(&world, run, &plan.source.schema);
        world.stalls = run % 3 == 0;
        world.skips = run % 4 > 0;
        add_step(&plan, GM_STEP_LOCAL_LIMIT)->count = 100;
        assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, 50000), 0);
        assert_int_equal(run_chain(&test, &world, 100000), GM_END);
        for (uint64_t i = 0; i < world.out.row_count; i++)
            counts[rows_at(&world.out, i)[0].i64]++;
        struct rows all = {0};
        plain_rows(&world, MAPPED, &all);
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            uint64_t have = 0;
            for (uint64_t i = 0; i < all.row_count; i++)
                have += rows_at(&all, i)[0].i64 == p;
            assert_int_equal(counts[p], have < 100 ? have : 100);
            if (world.left[p])
                assert_true(world.skips && have >= 100);
        }
        rows_free(&all);
        close_chain(&test);
        world_fini(&world);
    }
}

static void waiting_source_is_again(void **state)
{
    (void)state;
    struct gm_step steps[4];
    struct gm_chain_plan plan = make_plan(NOTHING, steps);
    struct world world;
    struct under_test test = {0};
    world_init(&world, 4, &plan.source.schema);
    world.event_count = 0;
    world.events[world.event_count++] = (struct event){.kind = EVENT_PAUSE};
    world.events[world.event_count++] = (struct event){EVENT_BATCH, 0, 0, 10};
    world.events[world.event_count++] = (struct event){.kind = EVENT_PAUSE};
    assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, 1u << 20), 0);
    assert_int_equal(gm_chain_run(test.chain, 1), GM_AGAIN);
    assert_int_equal(gm_chain_run(test.chain, 8), 0); /* the batch, then the pause */
    assert_int_equal(world.out.row_count, 10);
    assert_int_equal(run_chain(&test, &world, 10), GM_END);
    close_chain(&test);
    world_fini(&world);
}

/* A batch that a full sink takes at last is progress, though nothing else is there to do. */
static void batch_taken_late_is_progress(void **state)
{
    (void)state;
    struct gm_step steps[4];
    struct gm_chain_plan plan = make_plan(NOTHING, steps);
    struct world world;
    struct under_test test = {0};
    world_init(&world, 5, &plan.source.schema);
    world.event_count = 0;
    world.events[world.event_count++] = (struct event){EVENT_BATCH, 0, 0, 10};
    world.events[world.event_count++] = (struct event){.kind = EVENT_PAUSE};
    assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, 1u << 20), 0);
    for (world.stalls = true; world.again_count == 0;)
        gm_chain_run(test.chain, 1);
    world.stalls = false;
    assert_int_equal(world.out.row_count, 0);
    assert_int_equal(gm_chain_run(test.chain, 1), 0);
    assert_int_equal(world.out.row_count, 10);
    close_chain(&test);
    world_fini(&world);
}

static void errors_of_every_phase_stop_it(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 60; run++) {
        struct gm_step steps[4];
        struct gm_chain_plan plan = make_plan((enum shape)(run % SHAPES), steps);
        struct world world;
        struct under_test test = {0};
        world_init(&world, run, &plan.source.schema);
        world.stalls = run % 2;
        world.error_at = random_below(&world.random, 3);
        int *const errors[] = {&world.source_error, &world.sink_error, &world.finish_error};
        *errors[run % 3] = GM_EJOB_OUTPUT;
        assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, 50000), 0);
        const int rc = run_chain(&test, &world, 100000);
        /* A sink that gets fewer batches than that never fails. */
        assert_true(rc == GM_EJOB_OUTPUT ||
                    (rc == GM_END && run % 3 == 1 && world.push_count <= world.error_at));
        close_chain(&test);
        world_fini(&world);
    }
}

static void failing_function_stops_it(void **state)
{
    (void)state;
    struct gm_step steps[4];
    struct gm_chain_plan plan = make_plan(MAPPED, steps);
    struct world world;
    struct under_test test = {0};
    snprintf(steps[0].function, sizeof steps[0].function, "fails_at_7");
    world_init(&world, 6, &plan.source.schema);
    assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, 50000), 0);
    assert_int_equal(run_chain(&test, &world, 1000), GM_EJOB_UDF);
    assert_non_null(strstr(test.error.text, "test.c:1: step 'map': seven"));
    /* Whoever looks after a crash sees the step. */
    assert_int_equal(test.chain_shown, 3);
    assert_int_equal(test.step_shown, 0);
    close_chain(&test);
    world_fini(&world);
}

static void chain_that_cannot_be_made_leaves_nothing(void **state)
{
    (void)state;
    struct gm_step steps[4];
    struct gm_chain_plan plan = make_plan(MAPPED, steps);
    struct world world;
    struct under_test test = {0};
    snprintf(steps[0].function, sizeof steps[0].function, "nobody");
    world_init(&world, 7, &plan.source.schema);
    assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, 50000), GM_EJOB_FLOW);
    assert_non_null(strstr(test.error.text, "no mapper 'nobody'"));
    close_chain(&test);
    world_fini(&world);
}

/* Destroyed after any number of runs: half a batch, half a finish. */
static void destroyed_at_any_point_it_leaves_nothing(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < rounds(700); run++) {
        struct gm_step steps[4];
        struct gm_chain_plan plan = make_plan((enum shape)(run % SHAPES), steps);
        struct world world;
        struct under_test test = {0};
        world_init(&world, run / SHAPES % 5, &plan.source.schema);
        world.stalls = true;
        assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, 50000), 0);
        const int rc = run_chain(&test, &world, run / SHAPES);
        assert_true(rc == 0 || rc == GM_END);
        close_chain(&test);
        world_fini(&world);
    }
    gm_chain_destroy(NULL);
}

static void too_little_memory_is_refused_anywhere(void **state)
{
    (void)state;
    uint32_t refused_open = 0, refused_run = 0, fine = 0;
    for (uint32_t run = 0; run < 300; run++) {
        struct gm_step steps[4];
        struct gm_chain_plan plan = make_plan((enum shape)(run % SHAPES), steps);
        struct world world;
        struct under_test test = {0};
        world_init(&world, run, &plan.source.schema);
        const uint64_t limit = 500 + random_below(&world.random, run % 2 ? 100000 : 3000000);
        int rc = open_chain(&test, &plan, &world, limit, 50000);
        refused_open += rc < 0;
        if (rc == 0) {
            rc = run_chain(&test, &world, 100000);
            refused_run += rc < 0;
            fine += rc == GM_END;
        }
        if (rc < 0) {
            assert_int_equal(rc, GM_ETASK_MEMORY);
            assert_int_equal(test.error.code, GM_ETASK_MEMORY);
            assert_non_null(strstr(test.error.text, "--memory"));
        }
        close_chain(&test);
        world_fini(&world);
    }
    assert_true(refused_open > 10 && refused_run > 10 && fine > 10);
}

/* A nanosecond passes with every look. */
static uint64_t tick(void *self)
{
    uint64_t *now = self;
    return ++*now;
}

static uint64_t bytes_of(const struct rows *rows, uint32_t first_column)
{
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < rows->row_count; i++)
        bytes += rows_at(rows, i)[first_column].bytes.length + sizeof(int64_t);
    return bytes;
}

static void a_clock_times_every_call(void **state)
{
    (void)state;
    for (uint32_t clocked = 0; clocked < 2; clocked++) {
        struct gm_step steps[4];
        const struct gm_chain_plan plan = make_plan(MAP_SORT_COMBINED, steps);
        struct world world;
        struct under_test test;
        uint64_t now = 0, all_ns = 0;
        world_init(&world, 5, &plan.source.schema);
        test_clock = (struct gm_meter_clock){.self = &now, .now_ns = clocked ? tick : NULL};
        assert_int_equal(open_chain(&test, &plan, &world, UINT64_MAX, UINT64_MAX), 0);
        test_clock = (struct gm_meter_clock){0};
        assert_int_equal(run_chain(&test, &world, 100000), GM_END);
        for (uint32_t i = 0; i <= plan.step_count + 1; i++) {
            const struct gm_meter meter = gm_chain_meter(test.chain, i);
            assert_int_equal(meter.ns > 0, clocked);
            all_ns += meter.ns;
        }
        assert_int_equal(2 * all_ns, now); /* every look belongs to one call */
        const uint64_t in = bytes_of(&world.in, 0), out = bytes_of(&world.out, 1);
        assert_int_equal(gm_chain_meter(test.chain, 0).bytes, clocked ? in : 0);
        assert_int_equal(gm_chain_meter(test.chain, plan.step_count).bytes, clocked ? out : 0);
        close_chain(&test);
        world_fini(&world);
    }
}


/* ---- steps that wait, and steps that see every partition ------------------------------------- */

struct piped {
    struct fake fake;
    struct gm_step steps[2];
    struct gm_chain_plan plan;
    struct world world;
    struct under_test test;
};

/* word, n through a fake program; `sorted`: a sort stands behind it. */
static void piped_open(struct piped *piped, uint64_t seed, enum fake_program program, bool sorted,
                       enum gm_source_kind source)
{
    const struct gm_pipe_spec spec = {.parallel = 1,
                                      .command_count = 1,
                                      .commands = {{"program", "through", "test.c:1"}}};
    *piped = (struct piped){.plan = {.steps = piped->steps,
                                     .source = {.partition_count = PARTITIONS, .kind = source}}};
    fake_init(&piped->fake, program, 3000, seed);
    gm_schema_add(&piped->plan.source.schema, "word", GLEAM_BYTES, false);
    gm_schema_add(&piped->plan.source.schema, "n", GLEAM_I64, false);
    struct gm_step *pipe = add_step(&piped->plan, GM_STEP_PIPE);
    assert_int_equal(gm_pipe_spec_encode(&spec, pipe), 0);
    if (program == FAKE_ANSWERS) {
        pipe->schema = (struct gm_schema){0};
        gm_schema_add(&pipe->schema, "line", GLEAM_BYTES, false);
    }
    if (sorted)
        add_step(&piped->plan, GM_STEP_SORT);
    world_init(&piped->world, seed, &piped->plan.source.schema);
    struct under_test *test = &piped->test;
    piped->world.step_shown = &test->step_shown;
    piped->world.step_count = piped->plan.step_count;
    assert_int_equal(gm_heap_init(&test->heap, UINT64_MAX), 0);
}

static int piped_create(struct piped *piped, uint32_t participant, uint32_t executor_count)
{
    struct under_test *test = &piped->test;
    struct world *world = &piped->world;
    const struct gm_chain_spec spec = {.plan = &piped->plan,
                                       .chain_index = 3,
                                       .source = {world, source_next},
                                       .sink = {world, sink_push, sink_finish},
                                       .heap = &test->heap,
                                       .error = &test->error,
                                       .processes = &piped->fake.port,
                                       .participant = participant,
                                       .executor_count = executor_count,
                                       .chain_shown = &test->chain_shown,
                                       .step_shown = &test->step_shown};
    return gm_chain_create(&spec, &test->chain);
}

static void piped_close(struct piped *piped)
{
    close_chain(&piped->test);
    assert_int_equal(piped->fake.running, 0);
    world_fini(&piped->world);
    free(piped->steps[0].parameter);
}

/* The batch that a step could not take yet comes again, and nothing overtakes it. */
static void step_that_waits_gets_its_batch_again(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 40; run++) {
        struct piped piped;
        piped_open(&piped, run, FAKE_CAT, run % 2, GM_SOURCE_TEXT);
        piped.world.stalls = run % 4 > 1;
        assert_int_equal(piped_create(&piped, 0, 1), 0);
        assert_int_equal(run_chain(&piped.test, &piped.world, 1000000), GM_END);
        assert_same_rows(&piped.world, NOTHING);
        piped_close(&piped);
    }
}

static void waiting_step_is_again(void **state)
{
    (void)state;
    struct piped piped;
    piped_open(&piped, 1, FAKE_DEAF, false, GM_SOURCE_TEXT);
    assert_int_equal(piped_create(&piped, 0, 1), 0);
    /* It takes what the pipe holds; then nothing can be done, and that does not end. */
    int rc = 0;
    for (uint32_t i = 0; i < 1000; i++)
        rc = gm_chain_run(piped.test.chain, 8);
    assert_int_equal(rc, GM_AGAIN);
    assert_int_equal(gm_chain_run(piped.test.chain, 8), GM_AGAIN);
    assert_int_equal(piped.world.out.row_count, 0);
    piped_close(&piped);
}

/* A claimed partition is told to end by its executor alone, with rows or without. */
static void claimed_partitions_are_each_begun_once(void **state)
{
    (void)state;
    struct piped piped;
    piped_open(&piped, 2, FAKE_ANSWERS, false, GM_SOURCE_TEXT);
    piped.world.event_count = 0;
    struct event *events = piped.world.events;
    events[piped.world.event_count++] = (struct event){.kind = EVENT_END, .partition = 3};
    events[piped.world.event_count++] = (struct event){EVENT_BATCH, 1, 0, 10};
    events[piped.world.event_count++] = (struct event){.kind = EVENT_END, .partition = 1};
    assert_int_equal(piped_create(&piped, 0, 1), 0);
    assert_int_equal(run_chain(&piped.test, &piped.world, 10000), GM_END);
    assert_int_equal(piped.fake.spawned, 2);
    assert_int_equal(piped.world.out.row_count, 2);
    assert_int_equal(rows_at(&piped.world.out, 0)[0].i64, 3);
    assert_memory_equal(rows_at(&piped.world.out, 0)[1].bytes.data, "0 bytes", 7);
    assert_int_equal(rows_at(&piped.world.out, 1)[0].i64, 1);
    piped_close(&piped);
}

/* Partitions of an exchange live on executor p % count, and are begun there, rows or none. */
static void partitions_of_an_exchange_are_each_begun_once(void **state)
{
    (void)state;
    bool seen[PARTITIONS] = {false};
    for (uint32_t participant = 0; participant < 2; participant++) {
        struct piped piped;
        piped_open(&piped, 2, FAKE_ANSWERS, participant == 1, GM_SOURCE_EXCHANGE);
        piped.world.event_count = 0;
        piped.world.events[piped.world.event_count++] =
            (struct event){EVENT_BATCH, participant, 0, 10};
        assert_int_equal(piped_create(&piped, participant, 2), 0);
        assert_int_equal(run_chain(&piped.test, &piped.world, 10000), GM_END);
        for (uint64_t i = 0; i < piped.world.out.row_count; i++) {
            const int64_t partition = rows_at(&piped.world.out, i)[0].i64;
            assert_int_equal(partition % 2, participant);
            assert_false(seen[partition]);
            seen[partition] = true;
        }
        piped_close(&piped);
    }
    for (uint32_t p = 0; p < PARTITIONS; p++)
        assert_true(seen[p]);
}

/* While the source has nothing, what a command writes is handed on. */
static void output_comes_while_the_source_waits(void **state)
{
    (void)state;
    struct piped piped;
    piped_open(&piped, 3, FAKE_CAT, false, GM_SOURCE_TEXT);
    piped.world.event_count = 0;
    piped.world.events[piped.world.event_count++] = (struct event){EVENT_BATCH, 0, 0, 10};
    for (uint32_t i = 0; i < 300; i++)
        piped.world.events[piped.world.event_count++] = (struct event){.kind = EVENT_PAUSE};
    assert_int_equal(piped_create(&piped, 0, 1), 0);
    while (piped.world.next < piped.world.event_count)
        assert_true(gm_chain_run(piped.test.chain, 1) >= 0);
    assert_false(piped.world.source_ended);
    assert_int_equal(piped.world.out.row_count, 10);
    piped_close(&piped);
}

/* head behind yes: what nobody wants any more is stopped, and the partition ends. */
static void endless_command_is_stopped_by_one_that_has_enough(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 20; run++) {
        struct piped piped;
        struct fake head;
        piped_open(&piped, run, FAKE_REPEATS, false, GM_SOURCE_TEXT);
        fake_init(&head, FAKE_HEAD, 100, run);
        piped.fake.behind = &head;
        head.limit = 4 * strlen(FAKE_LINE);
        struct gm_step *second = add_step(&piped.plan, GM_STEP_PIPE);
        second->parameter = piped.steps[0].parameter;
        second->parameter_bytes = piped.steps[0].parameter_bytes;
        piped.world.step_count = 2;
        piped.world.event_count = 0;
        piped.world.events[piped.world.event_count++] = (struct event){EVENT_BATCH, 1, 0, 10};
        assert_int_equal(piped_create(&piped, 0, 1), 0);
        assert_int_equal(run_chain(&piped.test, &piped.world, 100000), GM_END);
        assert_int_equal(piped.world.out.row_count, 4);
        assert_int_equal(head.running, 0);
        piped_close(&piped);
    }
}

static void command_that_cannot_start_stops_it(void **state)
{
    (void)state;
    struct piped piped;
    piped_open(&piped, 4, FAKE_CAT, false, GM_SOURCE_TEXT);
    piped.fake.spawn_error = -EMFILE;
    assert_int_equal(piped_create(&piped, 0, 1), 0);
    assert_int_equal(run_chain(&piped.test, &piped.world, 10000), -EMFILE);
    assert_non_null(strstr(piped.test.error.text, "cannot be started"));
    piped_close(&piped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_times_every_call),
        cmocka_unit_test(operators_that_wait_for_a_disk_lose_nothing),
        cmocka_unit_test(sink_that_stalls_gets_every_row_once),
        cmocka_unit_test(partition_is_finished_when_it_ends),
        cmocka_unit_test(combiner_of_the_executor_is_last),
        cmocka_unit_test(no_input_finishes_the_sink),
        cmocka_unit_test(satisfied_step_leaves_the_partition),
        cmocka_unit_test(waiting_source_is_again),
        cmocka_unit_test(batch_taken_late_is_progress),
        cmocka_unit_test(errors_of_every_phase_stop_it),
        cmocka_unit_test(failing_function_stops_it),
        cmocka_unit_test(chain_that_cannot_be_made_leaves_nothing),
        cmocka_unit_test(destroyed_at_any_point_it_leaves_nothing),
        cmocka_unit_test(too_little_memory_is_refused_anywhere),
        cmocka_unit_test(step_that_waits_gets_its_batch_again),
        cmocka_unit_test(waiting_step_is_again),
        cmocka_unit_test(claimed_partitions_are_each_begun_once),
        cmocka_unit_test(partitions_of_an_exchange_are_each_begun_once),
        cmocka_unit_test(output_comes_while_the_source_waits),
        cmocka_unit_test(endless_command_is_stopped_by_one_that_has_enough),
        cmocka_unit_test(command_that_cannot_start_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
