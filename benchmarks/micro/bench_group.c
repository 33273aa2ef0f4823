/* bench_group.c - groups per key of rows (i64 key, i64 value) in memory, on one core.
 *
 *   bench_group              small, a smoke test
 *   bench_group --real       32 M rows, several times over where there are many keys, five rounds
 *   bench_group --real WORD  only the cases whose names begin with WORD
 *
 * The rows are pushed in batches of 1024 through the operator of a reduce, or through a combiner
 * and a reduce as on both sides of an exchange, and all groups are taken out again; all of it is
 * timed.  Batches are read where they lie in memory, so most rows come from beyond the caches.
 * Keys are uniform, or skewed: key k comes about as often as 1/k says.  "plain" is a table as it is
 * written by hand: open addressing, one row at a time, a multiplication as hash.
 *
 * One JSON line per case: the median of the rounds, the least and the most.  "check" is a sum over
 * all groups; where it differs from the plain table's the exit status is 1.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/check.h"
#include "engine/base/prng.h"
#include "engine/op/op.h"

#define ROUNDS_MAX 5
#define ROWS_SMALL (UINT32_C(1) << 17)
#define ROWS_REAL (UINT32_C(32) << 20)
/* A combiner's share of an executor with 4 GiB. */
#define COMBINE_BUDGET_BYTES (UINT64_C(256) << 20)

enum path { PLAIN, REDUCE, COMBINE_AND_REDUCE };

struct bench {
    const char *name;
    uint64_t keys; /* distinct ones */
    bool skewed;
    uint32_t passes; /* over the rows */
    enum path path;
    enum gm_reduce_kind kind;
};

#define CASES(name, keys, skewed, passes)                                                          \
    {name "/plain", keys, skewed, passes, PLAIN, GM_REDUCE_SUM_I64},                               \
    {name "/sum", keys, skewed, passes, REDUCE, GM_REDUCE_SUM_I64},                                \
    {name "/count", keys, skewed, passes, REDUCE, GM_REDUCE_COUNT},                                \
    {name "/min", keys, skewed, passes, REDUCE, GM_REDUCE_MIN},                                    \
    {name "/max", keys, skewed, passes, REDUCE, GM_REDUCE_MAX},                                    \
    {name "/sum-combined", keys, skewed, passes, COMBINE_AND_REDUCE, GM_REDUCE_SUM_I64}

static const struct bench benches[] = {
    CASES("400", 400, false, 2),
    CASES("10k", 10000, false, 2),
    CASES("10M", 10000000, false, 3),
    CASES("skewed-10M", 10000000, true, 3),
};

struct input {
    int64_t *keys, *values;
    uint32_t rows;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A number in [0, keys), number k about as often as 1 / (k + 1) says: as many rows in [1, 2) as in
 * [2, 4), [4, 8) and so on. */
static uint64_t skewed_below(struct gm_prng *prng, uint64_t keys)
{
    for (;;) {
        const uint64_t octave = gm_prng_below(prng, 64 - (uint64_t)__builtin_clzll(keys));
        const uint64_t number =
            (UINT64_C(1) << octave) + gm_prng_below(prng, UINT64_C(1) << octave) - 1;
        if (number < keys)
            return number;
    }
}

static void make_rows(struct input *input, uint64_t keys, bool skewed)
{
    struct gm_prng prng;
    gm_prng_init(&prng, keys);
    for (uint32_t i = 0; i < input->rows; i++) {
        input->keys[i] = (int64_t)(skewed ? skewed_below(&prng, keys) : gm_prng_below(&prng, keys));
        input->values[i] = (int64_t)(gm_prng_next(&prng) >> 32) - (INT64_C(1) << 31);
    }
}

/* What a group adds to the sum over all groups. */
static uint64_t check_of(int64_t key, int64_t value)
{
    return ((uint64_t)key * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)value) *
           UINT64_C(0xd6e8feb86659fd93);
}

/* ---- a table written by hand ----------------------------------------------------------------- */

struct plain_slot {
    int64_t key, sum;
};

struct plain {
    struct plain_slot *slots; /* key INT64_MIN: empty */
    uint64_t count;
    int shift; /* 64 - log2 of the slots */
};

static void plain_init(struct plain *plain, int shift)
{
    const uint64_t slots = UINT64_C(1) << (64 - shift);
    *plain = (struct plain){.slots = malloc(slots * sizeof *plain->slots), .shift = shift};
    GM_CHECK(plain->slots != NULL);
    for (uint64_t i = 0; i < slots; i++)
        plain->slots[i] = (struct plain_slot){.key = INT64_MIN};
}

static struct plain_slot *plain_find(const struct plain *plain, int64_t key)
{
    const uint64_t mask = (UINT64_C(1) << (64 - plain->shift)) - 1;
    uint64_t index = ((uint64_t)key * UINT64_C(0x9e3779b97f4a7c15)) >> plain->shift;
    while (plain->slots[index].key != key && plain->slots[index].key != INT64_MIN)
        index = (index + 1) & mask;
    return &plain->slots[index];
}

static void plain_add(struct plain *plain, int64_t key, int64_t value)
{
    struct plain_slot *slot = plain_find(plain, key);
    if (slot->key == INT64_MIN) {
        if (plain->count >= (UINT64_C(1) << (64 - plain->shift)) / 2) {
            struct plain old = *plain;
            plain_init(plain, old.shift - 1);
            plain->count = old.count;
            for (uint64_t i = 0; i < UINT64_C(1) << (64 - old.shift); i++)
                if (old.slots[i].key != INT64_MIN)
                    *plain_find(plain, old.slots[i].key) = old.slots[i];
            free(old.slots);
            slot = plain_find(plain, key);
        }
        plain->count++;
        *slot = (struct plain_slot){.key = key, .sum = 0};
    }
    slot->sum += value;
}

static uint64_t run_plain(const struct bench *bench, const struct input *input,
                          uint64_t *ret_groups)
{
    struct plain plain;
    uint64_t check = 0;
    plain_init(&plain, 64 - 4);
    for (uint32_t pass = 0; pass < bench->passes; pass++)
        for (uint32_t i = 0; i < input->rows; i++)
            plain_add(&plain, input->keys[i], input->values[i]);
    for (uint64_t i = 0; i < UINT64_C(1) << (64 - plain.shift); i++)
        if (plain.slots[i].key != INT64_MIN)
            check += check_of(plain.slots[i].key, plain.slots[i].sum);
    *ret_groups = plain.count;
    free(plain.slots);
    return check;
}

/* ---- operators ------------------------------------------------------------------------------- */

struct stage {
    struct gm_step step;
    struct gm_error error;
    struct gm_op op;
    void *state;
    struct gm_batch out;
};

static void stage_open(struct stage *stage, enum gm_step_kind kind, enum gm_reduce_kind reduce,
                       const struct gm_schema *schema, struct gm_heap *heap)
{
    stage->step = (struct gm_step){.kind = kind,
                                   .name = "bench",
                                   .where = "bench_group.c",
                                   .schema = *schema,
                                   .reduce = reduce};
    stage->step.order.count = 1;
    stage->step.order.columns[0].column = 1;
    stage->op = (struct gm_op){.ops = gm_op_find(kind),
                               .step = &stage->step,
                               .input_schema = schema,
                               .heap = heap,
                               .error = &stage->error,
                               .budget_bytes = COMBINE_BUDGET_BYTES};
    GM_CHECK(stage->op.ops->open(&stage->op) == 0);
    GM_CHECK(stage->op.ops->begin(&stage->op, &stage->state) == 0);
}

static void stage_close(struct stage *stage)
{
    stage->op.ops->end(&stage->op, stage->state);
    stage->op.ops->close(&stage->op);
}

struct totals {
    uint64_t groups, check;
};

static void take(struct totals *totals, const struct gm_batch *batch)
{
    for (uint32_t i = 0; i < batch->row_count; i++)
        totals->check += check_of(batch->columns[0].i64[i], batch->columns[1].i64[i]);
    totals->groups += batch->row_count;
}

/* Pushes a batch through `stages`, or NULL: the end of them all. */
static void push(struct stage *stages, uint32_t count, const struct gm_batch *in,
                 struct totals *totals)
{
    if (count == 0) {
        take(totals, in);
        return;
    }
    int rc;
    do {
        stages->out.row_count = 0;
        rc = in != NULL ? stages->op.ops->process(&stages->op, stages->state, in, &stages->out)
                        : stages->op.ops->finish(&stages->op, stages->state, &stages->out);
        GM_CHECK(rc == GM_OP_NEED_INPUT || rc == GM_OP_HAVE_MORE);
        if (stages->out.row_count > 0)
            push(stages + 1, count - 1, &stages->out, totals);
    } while (rc == GM_OP_HAVE_MORE);
    if (in == NULL && count > 1)
        push(stages + 1, count - 1, NULL, totals);
}

static uint64_t run_ops(const struct bench *bench, const struct input *input, uint64_t *ret_groups)
{
    static struct stage stages[2];
    struct gm_heap heap;
    struct gm_schema schema = {0};
    struct totals totals = {0};
    const uint32_t count = bench->path == COMBINE_AND_REDUCE ? 2 : 1;
    GM_CHECK(gm_heap_init(&heap, UINT64_MAX) == 0);
    gm_schema_add(&schema, "key", GLEAM_I64, false);
    gm_schema_add(&schema, "value", GLEAM_I64, false);
    if (count == 2)
        stage_open(&stages[0], GM_STEP_COMBINE, bench->kind, &schema, &heap);
    stage_open(&stages[count - 1], GM_STEP_REDUCE, bench->kind, &schema, &heap);
    for (uint32_t pass = 0; pass < bench->passes; pass++)
        for (uint32_t first = 0; first < input->rows; first += GM_BATCH_ROWS_MAX) {
            struct gm_batch batch;
            batch.row_count = GM_BATCH_ROWS_MAX;
            batch.column_count = 2;
            batch.origin = batch.input = 0;
            batch.columns[0] = (struct gm_vector){.kind = GLEAM_I64, .i64 = input->keys + first};
            batch.columns[1] = (struct gm_vector){.kind = GLEAM_I64, .i64 = input->values + first};
            push(stages, count, &batch, &totals);
        }
    push(stages, count, NULL, &totals);
    for (uint32_t i = 0; i < count; i++)
        stage_close(&stages[i]);
    gm_heap_fini(&heap);
    *ret_groups = totals.groups;
    return totals.check;
}

/* ---- the rounds ------------------------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Returns the check of its groups. */
static uint64_t measure(const struct bench *bench, const struct input *input, uint32_t rounds)
{
    const double rows = (double)input->rows * bench->passes;
    double speeds[ROUNDS_MAX];
    uint64_t check = 0, groups = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        const double begin_s = now_s();
        check = bench->path == PLAIN ? run_plain(bench, input, &groups)
                                     : run_ops(bench, input, &groups);
        speeds[round] = rows / (now_s() - begin_s) / 1e6;
    }
    qsort(speeds, rounds, sizeof speeds[0], by_number);
    printf("{\"benchmark\":\"group\",\"case\":\"%s\",\"rows\":%.0f,\"groups\":%" PRIu64
           ",\"m_rows_per_s\":%.1f,\"least\":%.1f,\"most\":%.1f,\"check\":\"%016" PRIx64 "\"}\n",
           bench->name, rows, groups, speeds[rounds / 2], speeds[0], speeds[rounds - 1], check);
    fflush(stdout);
    return check;
}

int main(int argc, char **argv)
{
    const bool real = argc > 1 && strcmp(argv[1], "--real") == 0;
    const char *word = real && argc > 2 ? argv[2] : "";
    struct input input = {.rows = real ? ROWS_REAL : ROWS_SMALL};
    input.keys = malloc(input.rows * sizeof *input.keys);
    input.values = malloc(input.rows * sizeof *input.values);
    if (input.keys == NULL || input.values == NULL)
        return fputs("bench_group: out of memory\n", stderr), 1;
    const struct bench *rows_of = NULL;
    uint64_t expected = 0;
    bool same = true, is_known = false;
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        const struct bench *bench = &benches[i];
        if (strncmp(bench->name, word, strlen(word)) != 0)
            continue;
        if (rows_of == NULL || rows_of->keys != bench->keys || rows_of->skewed != bench->skewed) {
            make_rows(&input, bench->keys, bench->skewed);
            is_known = false;
        }
        rows_of = bench;
        const uint64_t check = measure(bench, &input, real ? ROUNDS_MAX : 1);
        if (bench->path == PLAIN) {
            expected = check;
            is_known = true;
        } else if (bench->kind == GM_REDUCE_SUM_I64 && is_known) {
            same = same && check == expected;
        }
    }
    if (!same)
        fputs("bench_group: the groups are not the plain table's\n", stderr);
    free(input.keys);
    free(input.values);
    return same ? 0 : 1;
}
