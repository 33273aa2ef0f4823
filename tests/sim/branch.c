/* branch.c - flows on one side, the plainest code for the same answer on the other. */
#include "tests/sim/branch.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"

#define STRINGS_MAX 3000
#define INTS_MAX 20000
/* A table of 40,000 keys takes 2 MiB. */
#define WIDE_INTS_MIN 40000

/* ---- functions of the flows ------------------------------------------------------------------ */

/* n -> (n mod parameter, n) */
GLEAM_MAPPER(sim_modulo)
{
    uint64_t modulus;
    memcpy(&modulus, gleam_parameter(call, NULL), sizeof modulus);
    (void)column_count;
    const struct gleam_value out[] = {gleam_i64((int64_t)((uint64_t)row[0].i64 % modulus)), row[0]};
    return gleam_emit(call, out, 2);
}

/* n -> (n mod parameter, n as f64) */
GLEAM_MAPPER(sim_modulo_float)
{
    uint64_t modulus;
    memcpy(&modulus, gleam_parameter(call, NULL), sizeof modulus);
    (void)column_count;
    const struct gleam_value out[] = {gleam_i64((int64_t)((uint64_t)row[0].i64 % modulus)),
                                      gleam_f64((double)row[0].i64)};
    return gleam_emit(call, out, 2);
}

/* (key, list) -> (key, the sum of the list's values) */
GLEAM_MAPPER(sim_sum_list)
{
    struct gleam_value value, out[] = {row[0], gleam_i64(0)};
    size_t offset = 0;
    (void)column_count;
    while (gleam_list_next(&row[1], &offset, &value))
        out[1].i64 += value.i64;
    return gleam_emit(call, out, 2);
}

/* line -> (length mod 16, line): many rows with one key. */
GLEAM_MAPPER(sim_measure)
{
    (void)column_count;
    const struct gleam_value out[] = {gleam_i64((int64_t)(row[0].bytes.length % 16)), row[0]};
    return gleam_emit(call, out, 2);
}

/* word -> (its first byte, word) */
GLEAM_MAPPER(sim_initial)
{
    (void)column_count;
    const struct gleam_value out[] = {gleam_bytes(row[0].bytes.data, 1), row[0]};
    return gleam_emit(call, out, 2);
}

GLEAM_REDUCER_I64(sim_add)
{
    return total + next;
}

GLEAM_REDUCER(sim_add_boxed)
{
    (void)call;
    (void)value_count;
    total[0].i64 += next[0].i64;
    return 0;
}

/* ---- making ---------------------------------------------------------------------------------- */

static const char *const shape_names[SIM_SHAPES] = {
    "count words",     "count lines",    "fold ints",     "sum floats", "sort lines",
    "top lines",       "local sort",     "local top",     "partition",  "partition, sort",
    "extreme words",   "count, sort",    "count, top",    "count strings", "join ints",
    "union lines",     "limit lines",    "distinct lines", "group ints"};

const char *sim_branch_name(const struct sim_branch *branch)
{
    return shape_names[branch->shape];
}

void sim_branch_make(struct sim_branch *branch, struct gm_prng *prng)
{
    *branch = (struct sim_branch){.shape = (enum sim_shape)gm_prng_below(prng, SIM_SHAPES)};
    if (gm_prng_below(prng, 3) > 0)
        branch->source_partitions = 1 + (uint32_t)gm_prng_below(prng, 64);
    else if (branch->shape == SIM_LOCAL_SORT || branch->shape == SIM_LOCAL_TOP)
        branch->source_partitions = 3; /* the planner's choice is not ours to know */
    branch->partitions = 1 + (uint32_t)gm_prng_below(prng, 64);
    branch->key_modulus = 1 + gm_prng_below(prng, gm_prng_below(prng, 2) == 0 ? 10 : 10000);
    branch->from = -1000 + (int64_t)gm_prng_below(prng, 2000);
    branch->to = branch->from + (int64_t)gm_prng_below(prng, INTS_MAX);
    branch->top_count = (uint32_t)gm_prng_below(prng, gm_prng_below(prng, 2) == 0 ? 4 : 500);
    branch->fold = "sc<>"[gm_prng_below(prng, 4)];
    branch->own_reducer = gm_prng_below(prng, 3) == 0;
    branch->order = gleam_order_by(1, gm_prng_below(prng, 2) == 0);
    branch->string_count = (uint32_t)gm_prng_below(prng, STRINGS_MAX);
}

void sim_branch_make_wide(struct sim_branch *branch, struct gm_prng *prng)
{
    static const enum sim_shape shapes[] = {SIM_COUNT_WORDS, SIM_COUNT_LINES, SIM_FOLD_INTS};
    sim_branch_make(branch, prng);
    branch->shape = shapes[gm_prng_below(prng, 3)];
    branch->to = branch->from + WIDE_INTS_MIN + (int64_t)gm_prng_below(prng, WIDE_INTS_MIN);
    branch->key_modulus = WIDE_INTS_MIN + gm_prng_below(prng, WIDE_INTS_MIN);
}

void sim_branch_free(struct sim_branch *branch)
{
    sim_table_free(&branch->got);
}

bool sim_branch_needs_order(const struct sim_branch *branch)
{
    return branch->shape == SIM_SORT_LINES || branch->shape == SIM_LOCAL_SORT ||
           branch->shape == SIM_LOCAL_TOP || branch->shape == SIM_LIMIT_LINES ||
           branch->shape == SIM_DISTINCT_LINES;
}

static int collect(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    struct sim_branch *branch = argument;
    sim_table_add(&branch->got, row, column_count, branch->origin, true);
    return 0;
}

static struct gleam_function fold_function(const struct sim_branch *branch)
{
    if (branch->fold == 'c')
        return GLEAM_COUNT;
    if (branch->fold == '<')
        return GLEAM_MIN;
    if (branch->fold == '>')
        return GLEAM_MAX;
    if (branch->own_reducer)
        return gleam_reducer(branch->partitions % 2 == 0 ? "sim_add" : "sim_add_boxed");
    return GLEAM_SUM_INT64;
}

static struct gleam_dataset *counted(const struct sim_branch *branch, struct gleam_dataset *rows)
{
    rows = gleam_map(rows, "one", GLEAM_APPEND_ONE);
    return gleam_reduce_by_key(rows, "fold",
                               branch->fold == 'c' ? GLEAM_COUNT
                               : branch->own_reducer
                                   ? gleam_reducer(branch->partitions % 2 == 0 ? "sim_add"
                                                                               : "sim_add_boxed")
                                   : GLEAM_SUM_INT64);
}

/* The right side of the join has each key at most once. */
static int64_t right_end(const struct sim_branch *branch)
{
    const int64_t count = (int64_t)branch->key_modulus;
    return branch->to - branch->from < count ? branch->to : branch->from + count;
}

static struct gleam_dataset *build_right(const struct sim_branch *branch, struct gleam_flow *flow)
{
    struct gleam_dataset *ints = gleam_ints(flow, branch->from, right_end(branch));
    ints = gleam_map(ints, "modulo",
                     gleam_mapper_with("sim_modulo_float", &branch->key_modulus,
                                       sizeof branch->key_modulus));
    return gleam_as(gleam_round_robin(gleam_as(ints, "key i64, n f64"), "turns",
                                      branch->partitions),
                    "key i64, right f64");
}

static struct gleam_dataset *build_ints(const struct sim_branch *branch, struct gleam_flow *flow)
{
    struct gleam_dataset *ints = gleam_ints(flow, branch->from, branch->to);
    if (branch->shape == SIM_SUM_FLOATS) {
        ints = gleam_map(ints, "modulo",
                         gleam_mapper_with("sim_modulo_float", &branch->key_modulus,
                                           sizeof branch->key_modulus));
        ints = gleam_as(ints, "key i64, n f64");
        return gleam_reduce_by_key(ints, "sum", GLEAM_SUM_FLOAT64);
    }
    ints = gleam_map(ints, "modulo",
                     gleam_mapper_with("sim_modulo", &branch->key_modulus,
                                       sizeof branch->key_modulus));
    ints = gleam_as(ints, "key i64, n i64");
    if (branch->shape == SIM_GROUP_INTS) {
        ints = gleam_map(gleam_group_by_key(ints, "group"), "sum", gleam_mapper("sim_sum_list"));
        return gleam_as(ints, "key i64, sum i64");
    }
    if (branch->shape == SIM_JOIN_INTS && branch->partitions % 3 == 0)
        return gleam_hash_join(ints, "join", build_right(branch, flow), gleam_field(1));
    if (branch->shape == SIM_JOIN_INTS)
        return gleam_join_by_key(ints, "join", build_right(branch, flow));
    return gleam_reduce_by_key(ints, "fold", fold_function(branch));
}

static void string_number(uint32_t number, char *text, size_t room)
{
    snprintf(text, room, "%s%u", number % 3 == 0 ? "a string that is rather long " : "s",
             number * number % 127);
}

static struct gleam_dataset *build_strings(const struct sim_branch *branch,
                                           struct gleam_flow *flow)
{
    static char texts[STRINGS_MAX][48];
    static const char *strings[STRINGS_MAX];
    for (uint32_t i = 0; i < branch->string_count; i++) {
        string_number(i, texts[i], sizeof texts[i]);
        strings[i] = texts[i];
    }
    return counted(branch, gleam_strings(flow, strings, branch->string_count));
}

static struct gleam_dataset *measured(struct gleam_dataset *lines)
{
    lines = gleam_map(lines, "measure", gleam_mapper("sim_measure"));
    return gleam_as(lines, "length i64, line bytes");
}

static struct gleam_dataset *build_lines(const struct sim_branch *branch,
                                         struct gleam_dataset *lines)
{
    const struct gleam_order by_count = gleam_then_by(gleam_order_by(2, false), 1, true);
    struct gleam_dataset *other;
    switch (branch->shape) {
    case SIM_COUNT_WORDS:
        return counted(branch, gleam_flat_map(lines, "words", GLEAM_TOKENIZE));
    case SIM_COUNT_LINES:
        return counted(branch, lines);
    case SIM_SORT_LINES:
        return gleam_sort(measured(lines), "sort", branch->order);
    case SIM_TOP_LINES:
        return gleam_top(measured(lines), "top", branch->top_count, branch->order);
    case SIM_LOCAL_SORT:
        return gleam_local_sort(measured(lines), "sort", branch->order);
    case SIM_LOCAL_TOP:
        return gleam_local_top(measured(lines), "top", branch->top_count, branch->order);
    case SIM_PARTITION_LINES:
        return gleam_partition_by_key(lines, "partition", branch->partitions);
    case SIM_PARTITION_SORT:
        lines = gleam_partition_by_key(measured(lines), "partition", branch->partitions);
        return gleam_local_sort(lines, "sort", gleam_then_by(branch->order, 2, true));
    case SIM_EXTREME_WORDS:
        lines = gleam_flat_map(lines, "words", GLEAM_TOKENIZE);
        lines = gleam_map(lines, "initial", gleam_mapper("sim_initial"));
        lines = gleam_as(lines, "initial bytes, word bytes");
        return gleam_reduce_by_key(lines, "extreme", branch->fold == '<' ? GLEAM_MIN : GLEAM_MAX);
    case SIM_LIMIT_LINES:
        return gleam_limit(lines, "limit", branch->top_count);
    case SIM_DISTINCT_LINES: /* the first line of each length */
        return gleam_distinct(measured(lines), "distinct", gleam_field(1));
    case SIM_UNION_LINES:
        other = gleam_merge_to(lines, "merge", branch->partitions);
        return gleam_union(lines, "union", &other, 1);
    case SIM_COUNT_SORT:
        lines = counted(branch, gleam_flat_map(lines, "words", GLEAM_TOKENIZE));
        return gleam_sort(lines, "sort", by_count);
    default:
        lines = counted(branch, gleam_flat_map(lines, "words", GLEAM_TOKENIZE));
        return gleam_top(lines, "top", branch->top_count, gleam_order_by(2, false));
    }
}

void sim_branch_build(struct sim_branch *branch, struct gleam_flow *flow, const char *path)
{
    struct gleam_dataset *rows;
    if (branch->shape == SIM_FOLD_INTS || branch->shape == SIM_SUM_FLOATS ||
        branch->shape == SIM_JOIN_INTS || branch->shape == SIM_GROUP_INTS)
        rows = build_ints(branch, flow);
    else if (branch->shape == SIM_COUNT_STRINGS)
        rows = build_strings(branch, flow);
    else
        rows = build_lines(branch, gleam_read_text(flow, path, branch->source_partitions));
    gleam_output_row(rows, collect, branch);
}

/* ---- the plain answer ------------------------------------------------------------------------ */

static void add_pair(struct sim_table *table, struct gleam_value key, struct gleam_value value,
                     uint32_t origin, bool copy)
{
    const struct gleam_value values[] = {key, value};
    sim_table_add(table, values, 2, origin, copy);
}

static void expect_words(const struct sim_text *text, bool initials, struct sim_table *table)
{
    struct sim_line line = {0};
    while (sim_text_line(text, &line)) {
        uint64_t offset = 0, bytes;
        const uint8_t *data;
        while (sim_text_word(line.data, line.bytes, &offset, &data, &bytes)) {
            const struct gleam_value word = gleam_bytes((const char *)data, bytes);
            if (initials)
                add_pair(table, gleam_bytes((const char *)data, 1), word, 0, false);
            else
                add_pair(table, word, gleam_i64(1), 0, false);
        }
    }
}

/* The partition in whose byte range a line begins. */
static uint32_t partition_of(const struct sim_text *text, uint32_t count, uint64_t begin)
{
    uint32_t partition = 0;
    while ((uint64_t)((__uint128_t)text->bytes * (partition + 1) / count) <= begin)
        partition++;
    return partition;
}

static void expect_lines(const struct sim_branch *branch, const struct sim_text *text,
                         struct sim_table *table)
{
    struct sim_line line = {0};
    while (sim_text_line(text, &line)) {
        const struct gleam_value value = gleam_bytes((const char *)line.data, line.bytes);
        const struct gleam_value length = gleam_i64((int64_t)(line.bytes % 16));
        const bool placed = branch->shape == SIM_LOCAL_SORT || branch->shape == SIM_LOCAL_TOP;
        if (branch->shape == SIM_PARTITION_LINES || branch->shape == SIM_UNION_LINES ||
            (branch->shape == SIM_LIMIT_LINES && table->count < branch->top_count))
            sim_table_add(table, &value, 1, 0, false);
        if (branch->shape == SIM_UNION_LINES)
            sim_table_add(table, &value, 1, 0, false);
        if (branch->shape == SIM_PARTITION_LINES || branch->shape == SIM_UNION_LINES ||
            branch->shape == SIM_LIMIT_LINES)
            continue;
        if (branch->shape == SIM_COUNT_LINES)
            add_pair(table, value, gleam_i64(1), 0, false);
        else
            add_pair(table, length, value,
                     placed ? partition_of(text, branch->source_partitions, line.begin) : 0,
                     false);
    }
}

static void expect_ints(const struct sim_branch *branch, struct sim_table *table)
{
    for (int64_t n = branch->from; n < branch->to; n++)
        add_pair(table, gleam_i64((int64_t)((uint64_t)n % branch->key_modulus)),
                 branch->shape == SIM_SUM_FLOATS ? gleam_f64((double)n) : gleam_i64(n), 0, false);
}

static void expect_join(const struct sim_branch *branch, struct sim_table *table)
{
    for (int64_t n = branch->from; n < branch->to; n++) {
        const uint64_t key = (uint64_t)n % branch->key_modulus;
        for (int64_t right = branch->from; right < right_end(branch); right++) {
            if ((uint64_t)right % branch->key_modulus != key)
                continue;
            const struct gleam_value values[] = {gleam_i64((int64_t)key), gleam_i64(n),
                                                 gleam_f64((double)right)};
            sim_table_add(table, values, 3, 0, false);
        }
    }
}

static void expect_strings(const struct sim_branch *branch, struct sim_table *table)
{
    for (uint32_t i = 0; i < branch->string_count; i++) {
        char string[48];
        string_number(i, string, sizeof string);
        add_pair(table, gleam_bytes(string, strlen(string)), gleam_i64(1), 0, true);
    }
}

/* Keeps the first rows of each origin; the table is sorted. */
static void cut_top(struct sim_table *table, uint32_t top_count)
{
    uint64_t kept = 0, of_origin = 0;
    for (uint64_t i = 0; i < table->count; i++) {
        if (i == 0 || table->rows[i].origin != table->rows[i - 1].origin)
            of_origin = 0;
        if (of_origin++ < top_count)
            table->rows[kept++] = table->rows[i];
    }
    table->count = kept;
}

/* The first row of each key of 0..15. */
static void keep_first(struct sim_table *table)
{
    bool seen[16] = {false};
    uint64_t kept = 0;
    for (uint64_t i = 0; i < table->count; i++) {
        bool *known = &seen[table->rows[i].values[0].i64];
        if (!*known)
            table->rows[kept++] = table->rows[i];
        *known = true;
    }
    table->count = kept;
}

static void expect(const struct sim_branch *branch, const struct sim_text *text,
                   struct sim_table *table)
{
    const struct gleam_order by_count = gleam_then_by(gleam_order_by(2, false), 1, true);
    const struct sim_sorting counted_order = {.order = &by_count};
    const struct sim_sorting stable = {.by_origin = true, .order = &branch->order};
    const struct sim_sorting top = {
        .by_origin = true, .order = &branch->order, .by_whole_row = true};
    switch (branch->shape) {
    case SIM_FOLD_INTS:
    case SIM_SUM_FLOATS:
        expect_ints(branch, table);
        sim_table_reduce(table, branch->shape == SIM_SUM_FLOATS ? 's' : branch->fold);
        break;
    case SIM_GROUP_INTS:
        expect_ints(branch, table);
        sim_table_reduce(table, 's');
        break;
    case SIM_JOIN_INTS:
        expect_join(branch, table);
        break;
    case SIM_COUNT_STRINGS:
        expect_strings(branch, table);
        sim_table_reduce(table, 's');
        break;
    case SIM_COUNT_WORDS:
    case SIM_COUNT_SORT:
    case SIM_COUNT_TOP:
        expect_words(text, false, table);
        sim_table_reduce(table, 's');
        if (branch->shape != SIM_COUNT_WORDS)
            sim_table_sort(table, &counted_order);
        if (branch->shape == SIM_COUNT_TOP)
            cut_top(table, branch->top_count);
        break;
    case SIM_EXTREME_WORDS:
        expect_words(text, true, table);
        sim_table_reduce(table, branch->fold == '<' ? '<' : '>');
        break;
    default:
        expect_lines(branch, text, table);
        if (branch->shape == SIM_COUNT_LINES)
            sim_table_reduce(table, 's');
        if (branch->shape == SIM_SORT_LINES || branch->shape == SIM_LOCAL_SORT)
            sim_table_sort(table, &stable);
        if (branch->shape == SIM_DISTINCT_LINES)
            keep_first(table);
        if (branch->shape == SIM_TOP_LINES || branch->shape == SIM_LOCAL_TOP) {
            sim_table_sort(table, &top);
            cut_top(table, branch->top_count);
        }
    }
}

/* Every key in one partition, every partition below the count, and sorted where that was asked. */
static const char *check_partitions(struct sim_branch *branch)
{
    const struct gleam_order order = gleam_then_by(branch->order, 2, true);
    const struct sim_sorting by_origin = {.by_origin = true};
    const struct sim_sorting sorted = {.by_origin = true, .order = &order};
    sim_table_sort(&branch->got, &by_origin);
    if (branch->shape == SIM_PARTITION_SORT && !sim_table_is_sorted(&branch->got, &sorted))
        return "a partition is not sorted";
    const struct gleam_order by_key = gleam_order_by(1, true);
    const struct sim_sorting keys = {.order = &by_key};
    sim_table_sort(&branch->got, &keys);
    for (uint64_t i = 0; i < branch->got.count; i++) {
        const struct sim_row *row = &branch->got.rows[i];
        if (row->origin >= branch->partitions)
            return "a row is in a partition that there is not";
        if (i > 0 && row->origin != row[-1].origin &&
            sim_value_compare(&row->values[0], &row[-1].values[0]) == 0)
            return "a key is in two partitions";
    }
    return NULL;
}

const char *sim_branch_check(struct sim_branch *branch, const struct sim_text *text)
{
    const struct sim_sorting whole = {.by_whole_row = true};
    const struct sim_sorting by_origin = {.by_origin = true};
    struct sim_table expected = {0};
    const char *why = NULL;
    bool origins_too = false;
    expect(branch, text, &expected);
    switch (branch->shape) {
    case SIM_SORT_LINES:
    case SIM_TOP_LINES:
    case SIM_COUNT_SORT:
    case SIM_COUNT_TOP:
    case SIM_LIMIT_LINES:
        break; /* in the order in which they came */
    case SIM_LOCAL_SORT:
    case SIM_LOCAL_TOP:
        /* In order within each partition. */
        sim_table_sort(&branch->got, &by_origin);
        origins_too = true;
        break;
    case SIM_PARTITION_LINES:
    case SIM_PARTITION_SORT:
        why = check_partitions(branch);
        /* fall through */
    default:
        sim_table_sort(&branch->got, &whole);
        sim_table_sort(&expected, &whole);
    }
    if (why == NULL)
        why = sim_table_difference(&branch->got, &expected, origins_too);
    sim_table_free(&expected);
    return why;
}
