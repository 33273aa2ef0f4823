/* test_reduce.c
 * Goal:   every kernel and function folds the rows of a key to the one right row; combining before
 *         it changes nothing, whatever the budget; too little memory is an error that a person
 *         understands.
 * Method: random rows through reduce, and through combine and reduce with budgets from nothing to
 *         plenty, against a list that is searched from its beginning.  Covers accumulate.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/udf/registry.h"
#include "tests/unit/op/rig.h"

/* ---- functions ------------------------------------------------------------------------------- */

/* The longer text; of two of one length the later one in order: bytes that must be kept. */
GLEAM_REDUCER(longest)
{
    size_t length = 0;
    const char *parameter = gleam_parameter(call, &length);
    if (length != 3 || memcmp(parameter, "abc", 3) != 0)
        return gleam_fail(call, "the parameter is lost");
    for (uint32_t v = 0; v < value_count; v++) {
        if (next[v].kind != GLEAM_BYTES)
            continue;
        if (total[v].kind == GLEAM_BYTES &&
            (total[v].bytes.length > next[v].bytes.length ||
             (total[v].bytes.length == next[v].bytes.length &&
              gm_value_compare(&total[v], &next[v]) >= 0)))
            continue;
        const char *copy = gleam_call_keep(call, next[v].bytes.data, next[v].bytes.length);
        if (copy == NULL)
            return 1;
        total[v] = gleam_bytes(copy, next[v].bytes.length);
    }
    return 0;
}

GLEAM_REDUCER(add)
{
    (void)call;
    for (uint32_t v = 0; v < value_count; v++)
        total[v].i64 += next[v].i64;
    return 0;
}

GLEAM_REDUCER_I64(add_i64)
{
    return total + next;
}

GLEAM_REDUCER_F64(largest_f64)
{
    return total > next ? total : next;
}

GLEAM_REDUCER(fails)
{
    (void)total;
    (void)next;
    return gleam_fail(call, "cannot fold %u values", value_count);
}

GLEAM_REDUCER(returns_9)
{
    (void)call;
    (void)total;
    (void)next;
    (void)value_count;
    return 9;
}

GLEAM_REDUCER(fails_and_returns_0)
{
    (void)total;
    (void)next;
    (void)value_count;
    gleam_fail(call, "and goes on");
    return 0;
}

GLEAM_REDUCER(makes_text)
{
    (void)call;
    (void)next;
    (void)value_count;
    total[0] = text_value("text");
    return 0;
}

GLEAM_REDUCER(makes_nonsense)
{
    (void)call;
    (void)next;
    (void)value_count;
    total[0].kind = 200;
    return 0;
}

GLEAM_REDUCER(emits)
{
    (void)next;
    return gleam_emit(call, total, value_count);
}

GLEAM_REDUCER(keeps_nothing)
{
    (void)next;
    (void)value_count;
    const char *nothing = gleam_call_keep(call, "", 0);
    if (nothing == NULL)
        return 1;
    total[0] = gleam_bytes(nothing, 0);
    return 0;
}

/* ---- the plain answer ------------------------------------------------------------------------ */

struct reduce_case {
    enum gm_reduce_kind kind;
    const char *function;
    struct gm_schema input;
    struct gleam_order keys;
    struct rows rows;
};

static bool is_key(const struct gleam_order *keys, uint32_t column)
{
    for (uint32_t i = 0; i < keys->count; i++)
        if (keys->columns[i].column == column)
            return true;
    return false;
}

/* Keys, then what is reduced. */
static struct gm_schema output_schema(const struct reduce_case *test)
{
    struct gm_schema schema = {0};
    for (uint32_t i = 0; i < test->keys.count; i++)
        schema.fields[schema.field_count++] =
            test->input.fields[test->keys.columns[i].column - 1];
    if (test->kind == GM_REDUCE_COUNT)
        gm_schema_add(&schema, "count", GLEAM_I64, false);
    for (uint32_t i = 0; i < test->input.field_count && test->kind != GM_REDUCE_COUNT; i++)
        if (!is_key(&test->keys, i + 1))
            schema.fields[schema.field_count++] = test->input.fields[i];
    return schema;
}

static struct gleam_value fold(enum gm_reduce_kind kind, const char *function,
                               struct gleam_value total, struct gleam_value next)
{
    if (kind == GM_REDUCE_COUNT)
        return gleam_i64(total.i64 + 1);
    if (next.kind == GLEAM_NULL)
        return total;
    if (total.kind == GLEAM_NULL)
        return next;
    const int order = gm_value_compare(&next, &total);
    switch (kind) {
    case GM_REDUCE_SUM_I64:
        return gleam_i64(total.i64 + next.i64);
    case GM_REDUCE_SUM_F64:
        return gleam_f64(total.f64 + next.f64);
    case GM_REDUCE_MIN:
        return order < 0 ? next : total;
    case GM_REDUCE_MAX:
        return order > 0 ? next : total;
    default:
        break;
    }
    if (strcmp(function, "longest") == 0)
        return next.bytes.length > total.bytes.length ||
                       (next.bytes.length == total.bytes.length && order > 0)
                   ? next
                   : total;
    return strcmp(function, "largest_f64") == 0 ? gleam_f64(fmax(total.f64, next.f64))
                                                : gleam_i64(total.i64 + next.i64);
}

static void reference(const struct reduce_case *test, struct rows *ret_rows)
{
    const uint32_t key_count = test->keys.count;
    const uint32_t width = output_schema(test).field_count;
    for (uint64_t row = 0; row < test->rows.row_count; row++) {
        const struct gleam_value *from = rows_at(&test->rows, row);
        struct gleam_value values[GM_FIELDS_MAX];
        uint32_t used = key_count;
        for (uint32_t i = 0; i < key_count; i++)
            values[i] = from[test->keys.columns[i].column - 1];
        for (uint32_t i = 0; i < test->input.field_count && test->kind != GM_REDUCE_COUNT; i++)
            if (!is_key(&test->keys, i + 1))
                values[used++] = from[i];
        if (test->kind == GM_REDUCE_COUNT)
            values[used++] = gleam_i64(1);
        uint64_t found = 0;
        while (found < ret_rows->row_count &&
               rows_compare_values(rows_at(ret_rows, found), values, key_count) != 0)
            found++;
        if (found == ret_rows->row_count) {
            rows_add(ret_rows, values, width);
            continue;
        }
        struct gleam_value *total = rows_at(ret_rows, found);
        for (uint32_t v = key_count; v < width; v++) {
            const struct gleam_value result = fold(test->kind, test->function, total[v], values[v]);
            if (result.kind == GLEAM_BYTES && result.bytes.data != total[v].bytes.data) {
                if (total[v].kind == GLEAM_BYTES)
                    free((void *)(uintptr_t)total[v].bytes.data);
                total[v] = value_copy(result);
            } else {
                if (total[v].kind == GLEAM_BYTES && result.kind != GLEAM_BYTES)
                    free((void *)(uintptr_t)total[v].bytes.data);
                total[v] = result;
            }
        }
    }
    rows_sort(ret_rows);
}

/* ---- running --------------------------------------------------------------------------------- */

/* The functions again, in Lua. */
static const char *lua_source(const char *function)
{
    if (strcmp(function, "largest_f64") == 0)
        return "function(total, next) return math.max(total, next) end";
    if (strcmp(function, "add") == 0)
        return "function(...)\n"
               "    local n, v = select('#', ...) / 2, {...}\n"
               "    for i = 1, n do v[i] = v[i] + v[n + i] end\n"
               "    return unpack(v, 1, n)\n"
               "end";
    return "function(...)\n"
           "    local n, v = select('#', ...) / 2, {...}\n"
           "    for i = 1, n do\n"
           "        local a, b = v[i], v[n + i]\n"
           "        if a == nil or (b ~= nil and (#b > #a or (#b == #a and b > a))) then\n"
           "            v[i] = b\n"
           "        end\n"
           "    end\n"
           "    return unpack(v, 1, n)\n"
           "end";
}

static struct gm_step step_of(const struct reduce_case *test, bool combine)
{
    struct gm_step step = {.kind = combine ? GM_STEP_COMBINE : GM_STEP_REDUCE,
                           .name = "fold",
                           .where = "test.c:7",
                           .schema = output_schema(test),
                           .order = test->keys,
                           .reduce = test->kind,
                           .parameter = (void *)(uintptr_t) "abc",
                           .parameter_bytes = 3};
    if (test->function != NULL)
        snprintf(step.function, sizeof step.function, "%s", test->function);
    if (test->kind == GM_REDUCE_LUA) {
        step.parameter = (void *)(uintptr_t)lua_source(test->function);
        step.parameter_bytes = (uint32_t)strlen(step.parameter);
    }
    return step;
}

static void run_reduce(const struct reduce_case *test, uint64_t *random, struct rows *ret_rows)
{
    struct rig rig = {.step = step_of(test, false), .input = test->input};
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    struct rows none = {0};
    if (rig_push_all(&rig, &test->rows, random, &none) != 0)
        fail_msg("%s", rig.error.text);
    assert_int_equal(none.row_count, 0);
    assert_int_equal(rig_finish(&rig, ret_rows), 0);
    rows_sort(ret_rows);
    rig_close(&rig);
}

/* Through a combiner, then the reduce that the planner puts behind it. */
static uint64_t run_combined(const struct reduce_case *test, uint64_t budget, uint64_t *random,
                             struct rows *ret_rows)
{
    struct rig combine = {.step = step_of(test, true), .input = test->input};
    struct reduce_case after = {.kind = test->kind == GM_REDUCE_COUNT ? GM_REDUCE_SUM_I64
                                                                      : test->kind,
                                .function = test->function,
                                .input = combine.step.schema,
                                .keys = {.count = test->keys.count}};
    for (uint32_t i = 0; i < after.keys.count; i++)
        after.keys.columns[i].column = i + 1;
    assert_int_equal(rig_open(&combine, UINT64_MAX, budget), 0);
    assert_int_equal(rig_push_all(&combine, &test->rows, random, &after.rows), 0);
    assert_int_equal(rig_finish(&combine, &after.rows), 0);
    rig_close(&combine);
    const uint64_t sent = after.rows.row_count;
    run_reduce(&after, random, ret_rows);
    rows_free(&after.rows);
    return sent;
}

static void check_case(const struct reduce_case *test, uint64_t *random)
{
    struct rows expected = {0}, got = {0}, combined = {0};
    reference(test, &expected);
    run_reduce(test, random, &got);
    assert_rows_equal(&got, &expected);
    for (uint32_t i = 0; i < 3; i++) {
        run_combined(test, random_below(random, 2) ? random_below(random, 200000) : i, random,
                     &combined);
        assert_rows_equal(&combined, &expected);
        rows_free(&combined);
    }
    rows_free(&expected);
    rows_free(&got);
}

/* ---- random cases ---------------------------------------------------------------------------- */

static struct gleam_value random_summand(uint64_t *random, uint8_t kind, bool nullable)
{
    if (nullable && random_below(random, 4) == 0)
        return gleam_null();
    const int64_t number = (int64_t)random_below(random, 2000) - 1000;
    return kind == GLEAM_F64 ? gleam_f64((double)number / 4) : gleam_i64(number);
}

/* A key that is one of `spread` of its kind. */
static struct gleam_value random_key(uint64_t *random, uint8_t kind, bool nullable,
                                     uint32_t spread, char text[48])
{
    if (kind != GLEAM_BYTES || spread < 20)
        return kind == GLEAM_I64 && spread > 20 ? gleam_i64(random_below(random, spread))
                                                : random_small(random, kind, nullable);
    const uint32_t number = random_below(random, spread);
    snprintf(text, 48, number % 3 == 0 ? "%u" : number % 3 == 1 ? "word-%u-of-many" :
             "a key that does not lie in its slot %u", number);
    return text_value(text);
}

static uint8_t value_kind(enum gm_reduce_kind kind, const char *function, uint64_t *random)
{
    if (kind == GM_REDUCE_SUM_I64)
        return GLEAM_I64;
    if (kind == GM_REDUCE_SUM_F64)
        return GLEAM_F64;
    if (kind == GM_REDUCE_FUNCTION || kind == GM_REDUCE_LUA)
        return strcmp(function, "longest") == 0       ? GLEAM_BYTES
               : strcmp(function, "largest_f64") == 0 ? GLEAM_F64
                                                      : GLEAM_I64;
    return (uint8_t)(GLEAM_I64 + random_below(random, GLEAM_ANY));
}

static struct gleam_value case_value(const struct reduce_case *test, uint64_t *random,
                                     uint32_t column, uint32_t spread, char text[48])
{
    const struct gm_field *field = &test->input.fields[column];
    if (is_key(&test->keys, column + 1))
        return random_key(random, field->kind, field->nullable, spread, text);
    if (test->kind == GM_REDUCE_SUM_I64 || test->kind == GM_REDUCE_SUM_F64 ||
        (test->function != NULL && field->kind != GLEAM_BYTES))
        return random_summand(random, field->kind, field->nullable);
    return random_small(random, field->kind, field->nullable);
}

static void random_case(struct reduce_case *test, uint64_t *random, uint32_t row_count)
{
    static const uint8_t key_kinds[] = {GLEAM_I64, GLEAM_I64,  GLEAM_BYTES, GLEAM_BYTES,
                                        GLEAM_F64, GLEAM_BOOL, GLEAM_ANY};
    const bool numbers = test->function != NULL && strchr(test->function, '6') != NULL;
    const uint32_t key_count = 1 + (random_below(random, 3) == 0);
    const uint32_t value_count = numbers ? 1 : 1 + random_below(random, 3);
    const uint32_t spread = random_below(random, 2) ? 10 : 3000;
    /* Keys stand behind the first value column, so that columns move. */
    for (uint32_t i = 0; i < key_count + value_count; i++) {
        const bool key = i >= 1 && i <= key_count;
        const bool nullable =
            random_below(random, 3) == 0 && (key || test->function == NULL ||
                                             strcmp(test->function, "longest") == 0);
        gm_schema_add(&test->input, "c",
                      key ? key_kinds[random_below(random, sizeof key_kinds)]
                          : value_kind(test->kind, test->function, random),
                      nullable);
        if (key) {
            test->keys.columns[test->keys.count].column = i + 1;
            test->keys.count++;
        }
    }
    for (uint32_t row = 0; row < row_count; row++) {
        struct gleam_value values[8];
        char texts[8][48];
        for (uint32_t c = 0; c < test->input.field_count; c++)
            values[c] = case_value(test, random, c, spread, texts[c]);
        rows_add(&test->rows, values, test->input.field_count);
    }
}

static void kernels_fold_random_rows(void **state)
{
    (void)state;
    static const struct {
        enum gm_reduce_kind kind;
        const char *function;
    } kernels[] = {{GM_REDUCE_SUM_I64, NULL},
                   {GM_REDUCE_SUM_F64, NULL},
                   {GM_REDUCE_COUNT, NULL},
                   {GM_REDUCE_MIN, NULL},
                   {GM_REDUCE_MAX, NULL},
                   {GM_REDUCE_FUNCTION, "longest"},
                   {GM_REDUCE_FUNCTION, "add"},
                   {GM_REDUCE_FUNCTION, "add_i64"},
                   {GM_REDUCE_FUNCTION, "largest_f64"},
                   {GM_REDUCE_LUA, "longest"},
                   {GM_REDUCE_LUA, "add"},
                   {GM_REDUCE_LUA, "largest_f64"}};
    uint64_t random = 3;
    for (uint32_t run = 0; run < 120; run++) {
        struct reduce_case test = {.kind = kernels[run % 12].kind,
                                   .function = kernels[run % 12].function};
        random_case(&test, &random, 1 + random_below(&random, 3000));
        check_case(&test, &random);
        rows_free(&test.rows);
    }
}

/* ---- single facts ---------------------------------------------------------------------------- */

static struct reduce_case word_counts(uint32_t row_count, uint32_t spread)
{
    struct reduce_case test = {.kind = GM_REDUCE_SUM_I64};
    uint64_t random = 4;
    gm_schema_add(&test.input, "word", GLEAM_BYTES, false);
    gm_schema_add(&test.input, "one", GLEAM_I64, false);
    test.keys = (struct gleam_order){.count = 1, .columns = {{.column = 1}}};
    for (uint32_t i = 0; i < row_count; i++) {
        char text[48];
        const struct gleam_value values[] = {
            random_key(&random, GLEAM_BYTES, false, spread, text), gleam_i64(1)};
        rows_add(&test.rows, values, 2);
    }
    return test;
}

static void many_groups_come_out_in_several_batches(void **state)
{
    (void)state;
    uint64_t random = 5;
    struct reduce_case test = word_counts(12000, 6000);
    check_case(&test, &random);
    rows_free(&test.rows);
}

static void combiner_shrinks_what_repeats(void **state)
{
    (void)state;
    uint64_t random = 6;
    struct rows got = {0};
    struct reduce_case test = word_counts(20000, 100);
    assert_int_equal(run_combined(&test, 1u << 20, &random, &got), 100);
    rows_free(&got);
    rows_free(&test.rows);
}

/* A budget that holds a quarter of the distinct words: it flushes now and then, not per block. */
static void combiner_past_its_budget_still_combines(void **state)
{
    (void)state;
    uint64_t random = 7;
    struct rows got = {0};
    struct reduce_case test = word_counts(60000, 2500);
    const uint64_t sent = run_combined(&test, 120000, &random, &got);
    assert_true(sent > 2500);
    assert_true(sent < 45000);
    rows_free(&got);
    rows_free(&test.rows);
}

/* Rows that never meet pass through one batch at a time, without being kept. */
static void combiner_lets_pass_what_does_not_shrink(void **state)
{
    (void)state;
    struct reduce_case test = {.kind = GM_REDUCE_COUNT};
    gm_schema_add(&test.input, "value", GLEAM_BYTES, false);
    gm_schema_add(&test.input, "id", GLEAM_I64, false);
    test.keys = (struct gleam_order){.count = 1, .columns = {{.column = 2}}};
    struct rig rig = {.step = step_of(&test, true), .input = test.input};
    struct rows out = {0};
    uint32_t passed = 0;
    assert_int_equal(rig_open(&rig, UINT64_MAX, 100000), 0);
    for (uint32_t batch = 0; batch < 40; batch++) {
        struct rows in = {0};
        for (uint32_t i = 0; i < GM_BATCH_ROWS_MAX; i++) {
            const struct gleam_value values[] = {text_value("x"),
                                                 gleam_i64(batch * GM_BATCH_ROWS_MAX + i)};
            rows_add(&in, values, 2);
        }
        const uint64_t before = out.row_count;
        assert_int_equal(rig_push(&rig, &in, 0, GM_BATCH_ROWS_MAX, 0, &out), 0);
        passed += out.row_count - before == GM_BATCH_ROWS_MAX && rig.out.columns[1].constant;
        rows_free(&in);
    }
    assert_true(passed > 20);
    assert_int_equal(rig_finish(&rig, &out), 0);
    rows_sort(&out);
    assert_int_equal(out.row_count, 40 * GM_BATCH_ROWS_MAX);
    for (uint64_t i = 0; i < out.row_count; i++) {
        assert_int_equal(rows_at(&out, i)[0].i64, i);
        assert_int_equal(rows_at(&out, i)[1].i64, 1);
    }
    rows_free(&out);
    rig_close(&rig);
}

/* And tries again after a while: passing is not for ever. */
static void combiner_comes_back_to_combining(void **state)
{
    (void)state;
    struct reduce_case test = word_counts(0, 1);
    struct rig rig = {.step = step_of(&test, true), .input = test.input};
    struct rows unlike = {0}, alike = {0}, out = {0};
    assert_int_equal(rig_open(&rig, UINT64_MAX, 1), 0);
    for (uint32_t i = 0; i < GM_BATCH_ROWS_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "%u", i);
        const struct gleam_value values[] = {text_value(text), gleam_i64(1)};
        const struct gleam_value same[] = {text_value("same"), gleam_i64(1)};
        rows_add(&unlike, values, 2);
        rows_add(&alike, same, 2);
    }
    assert_int_equal(rig_push(&rig, &unlike, 0, GM_BATCH_ROWS_MAX, 0, &out), 0);
    const uint64_t before = out.row_count;
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(rig_push(&rig, &alike, 0, GM_BATCH_ROWS_MAX, 0, &out), 0);
    assert_true(out.row_count - before < 20 * GM_BATCH_ROWS_MAX);
    rig_close(&rig);
    rows_free(&unlike);
    rows_free(&alike);
    rows_free(&out);
}

/* What combined well first and doesn't any more passes: only the last flush counts. */
static void combiner_judges_by_the_last_flush(void **state)
{
    (void)state;
    struct reduce_case test = word_counts(0, 1);
    struct rig rig = {.step = step_of(&test, true), .input = test.input};
    struct rows alike = {0}, unlike = {0}, out = {0};
    assert_int_equal(rig_open(&rig, UINT64_MAX, 1u << 20), 0);
    for (uint32_t i = 0; i < GM_BATCH_ROWS_MAX; i++) {
        const struct gleam_value same[] = {text_value("same"), gleam_i64(1)};
        rows_add(&alike, same, 2);
    }
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(rig_push(&rig, &alike, 0, GM_BATCH_ROWS_MAX, 0, &out), 0);
    /* Flushed by a budget of nothing; what follows is judged alone. */
    rig.op.budget_bytes = 1;
    for (uint32_t i = 0; i < 2 * GM_BATCH_ROWS_MAX; i++) {
        char text[32];
        snprintf(text, sizeof text, "%u", i);
        const struct gleam_value values[] = {text_value(text), gleam_i64(1)};
        rows_add(&unlike, values, 2);
    }
    assert_int_equal(rig_push(&rig, &unlike, 0, GM_BATCH_ROWS_MAX, 0, &out), 0);
    assert_int_equal(rig_push(&rig, &unlike, GM_BATCH_ROWS_MAX, GM_BATCH_ROWS_MAX, 0, &out), 0);
    assert_int_equal(rig.out.row_count, GM_BATCH_ROWS_MAX); /* all at once: none was folded */
    rig_close(&rig);
    rows_free(&alike);
    rows_free(&unlike);
    rows_free(&out);
}

/* When the heap ends before the budget does, the combiner makes room and goes on. */
static void combiner_without_memory_flushes(void **state)
{
    (void)state;
    uint64_t random = 9;
    struct reduce_case test = word_counts(20000, 3000);
    struct rows expected = {0}, sums = {0};
    reference(&test, &expected);
    for (uint64_t limit = 150000; limit < 400000; limit += 50000) {
        struct rig rig = {.step = step_of(&test, true), .input = test.input};
        struct reduce_case after = {.kind = GM_REDUCE_SUM_I64,
                                    .input = rig.step.schema,
                                    .keys = test.keys};
        assert_int_equal(rig_open(&rig, limit, UINT64_C(1) << 40), 0);
        assert_int_equal(rig_push_all(&rig, &test.rows, &random, &after.rows), 0);
        assert_int_equal(rig_finish(&rig, &after.rows), 0);
        rig_close(&rig);
        run_reduce(&after, &random, &sums);
        assert_rows_equal(&sums, &expected);
        rows_free(&after.rows);
        rows_free(&sums);
    }
    rows_free(&expected);
    rows_free(&test.rows);
}

static int reduce_two(struct reduce_case *test, struct gleam_value a, struct gleam_value b,
                      struct rig *rig, struct rows *out)
{
    const struct gleam_value rows[2][2] = {{gleam_i64(1), a}, {gleam_i64(1), b}};
    test->keys = (struct gleam_order){.count = 1, .columns = {{.column = 1}}};
    for (uint32_t i = 0; i < 2; i++)
        rows_add(&test->rows, rows[i], 2);
    *rig = (struct rig){.step = step_of(test, false), .input = test->input};
    int rc = rig_open(rig, UINT64_MAX, 0);
    if (rc == 0)
        rc = rig_push(rig, &test->rows, 0, 2, 0, out);
    if (rc == 0)
        rc = rig_finish(rig, out);
    rows_free(&test->rows);
    return rc;
}

static struct reduce_case two_columns(enum gm_reduce_kind kind, const char *function,
                                      uint8_t value_kind_, bool nullable)
{
    struct reduce_case test = {.kind = kind, .function = function};
    gm_schema_add(&test.input, "k", GLEAM_I64, false);
    gm_schema_add(&test.input, "v", value_kind_, nullable);
    return test;
}

static void i64_sum_that_overflows_is_an_error(void **state)
{
    (void)state;
    const int64_t pairs[][2] = {{INT64_MAX, 1}, {INT64_MIN, -1}};
    for (uint32_t nullable = 0; nullable < 2; nullable++)
        for (uint32_t i = 0; i < 4; i++) {
            struct reduce_case test = two_columns(GM_REDUCE_SUM_I64, NULL, GLEAM_I64, nullable);
            struct rig rig;
            struct rows out = {0};
            /* The constant form too: twice the same number. */
            const int64_t a = i < 2 ? pairs[i][0] : pairs[i - 2][0];
            const int64_t b = i < 2 ? pairs[i][1] : pairs[i - 2][0];
            assert_int_equal(reduce_two(&test, gleam_i64(a), gleam_i64(b), &rig, &out),
                             GM_EJOB_FLOW);
            assert_int_equal(rig.error.code, GM_EJOB_FLOW);
            assert_non_null(strstr(rig.error.text, "test.c:7: step 'fold'"));
            assert_non_null(strstr(rig.error.text, "sum_float64"));
            rows_free(&out);
            rig_close(&rig);
        }
}

static void largest_i64_sum_is_none(void **state)
{
    (void)state;
    struct reduce_case test = two_columns(GM_REDUCE_SUM_I64, NULL, GLEAM_I64, false);
    struct rig rig;
    struct rows out = {0};
    assert_int_equal(reduce_two(&test, gleam_i64(INT64_MAX - 1), gleam_i64(1), &rig, &out), 0);
    assert_int_equal(rows_at(&out, 0)[1].i64, INT64_MAX);
    rows_free(&out);
    rig_close(&rig);
}

/* What a function may not do, and what the person reads. */
static void wrong_functions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *function, *text;
        uint8_t kind;
    } wrong[] = {{"fails", "cannot fold 1 values", GLEAM_I64},
                 {"returns_9", "reducer returned 9", GLEAM_I64},
                 {"fails_and_returns_0", "and goes on", GLEAM_I64},
                 {"makes_text", "made value 1 bytes, but its column is i64", GLEAM_I64},
                 {"makes_nonsense", "made value 1 ?, but its column is any", GLEAM_ANY},
                 {"emits", "a filter or reducer cannot emit rows", GLEAM_I64}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct reduce_case test =
            two_columns(GM_REDUCE_FUNCTION, wrong[i].function, wrong[i].kind, false);
        struct rig rig;
        struct rows out = {0};
        assert_int_equal(reduce_two(&test, gleam_i64(1), gleam_i64(2), &rig, &out), GM_EJOB_UDF);
        assert_int_equal(rig.error.code, GM_EJOB_UDF);
        assert_non_null(strstr(rig.error.text, "test.c:7: step 'fold'"));
        assert_non_null(strstr(rig.error.text, wrong[i].text));
        rows_free(&out);
        rig_close(&rig);
    }
}

static void lua_reducer_that_fails_names_its_row(void **state)
{
    (void)state;
    static const char source[] = "function(total, n)\n"
                                 "    if n == 7 then error('seven', 0) end return total + n end";
    struct rig rig = {.step = {.kind = GM_STEP_REDUCE,
                               .name = "fold",
                               .where = "test.lua:7",
                               .order = gleam_order_by(1, true),
                               .reduce = GM_REDUCE_LUA,
                               .parameter = (void *)(uintptr_t)source,
                               .parameter_bytes = sizeof source - 1}};
    struct rows in = {0}, out = {0};
    gm_schema_add(&rig.input, "word", GLEAM_BYTES, false);
    gm_schema_add(&rig.input, "n", GLEAM_I64, false);
    rig.step.schema = rig.input;
    for (int64_t i = 0; i < 200; i++) {
        const struct gleam_value values[] = {text_value(i % 2 ? "odd" : "even"),
                                             gleam_i64(i == 151 ? 7 : 100 + i)};
        rows_add(&in, values, 2);
    }
    assert_int_equal(rig_open(&rig, UINT64_MAX, 0), 0);
    assert_int_equal(rig_push(&rig, &in, 0, 200, 0, &out), GM_EJOB_UDF);
    assert_string_equal(rig.error.text, "test.lua:7: step 'fold': seven; at the row (odd, 7)");
    rows_free(&in);
    rows_free(&out);
    rig_close(&rig);
}

static void unknown_function_is_refused_when_opened(void **state)
{
    (void)state;
    struct reduce_case test = two_columns(GM_REDUCE_FUNCTION, "nobody", GLEAM_I64, false);
    struct rig rig;
    struct rows out = {0};
    assert_int_equal(reduce_two(&test, gleam_i64(1), gleam_i64(2), &rig, &out), GM_EJOB_FLOW);
    assert_non_null(strstr(rig.error.text, "no reducer 'nobody'"));
    rig_close(&rig);
}

static void empty_bytes_can_be_kept(void **state)
{
    (void)state;
    struct reduce_case test = two_columns(GM_REDUCE_FUNCTION, "keeps_nothing", GLEAM_BYTES, false);
    struct rig rig;
    struct rows out = {0};
    assert_int_equal(reduce_two(&test, text_value("a"), text_value("b"), &rig, &out), 0);
    assert_int_equal(rows_at(&out, 0)[1].kind, GLEAM_BYTES);
    assert_int_equal(rows_at(&out, 0)[1].bytes.length, 0);
    rows_free(&out);
    rig_close(&rig);
}

/* Every budget from nothing up: refused, or the right answer; and all memory comes back. */
static void too_little_memory_names_step_and_option(void **state)
{
    (void)state;
    uint64_t random = 8;
    struct reduce_case test = word_counts(4000, 3000);
    uint32_t refused = 0, fine = 0;
    for (uint64_t limit = 1000; limit < 1000000; limit = limit * 9 / 8) {
        struct rig rig = {.step = step_of(&test, false), .input = test.input};
        struct rows out = {0};
        int rc = rig_open(&rig, limit, 0);
        if (rc == 0) {
            rc = rig_push_all(&rig, &test.rows, &random, &out);
            if (rc < 0) {
                assert_int_equal(rig.error.code, GM_ETASK_MEMORY);
                assert_non_null(strstr(rig.error.text, "test.c:7: step 'fold'"));
                assert_non_null(strstr(rig.error.text, "--memory"));
                refused++;
            } else {
                assert_int_equal(rig_finish(&rig, &out), 0);
                fine++;
            }
        }
        if (rc < 0)
            assert_int_equal(rc, GM_ETASK_MEMORY);
        rows_free(&out);
        rig_close(&rig);
    }
    assert_true(refused > 0 && fine > 0);
    rows_free(&test.rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_fold_random_rows),
        cmocka_unit_test(many_groups_come_out_in_several_batches),
        cmocka_unit_test(combiner_shrinks_what_repeats),
        cmocka_unit_test(combiner_past_its_budget_still_combines),
        cmocka_unit_test(combiner_lets_pass_what_does_not_shrink),
        cmocka_unit_test(combiner_comes_back_to_combining),
        cmocka_unit_test(combiner_judges_by_the_last_flush),
        cmocka_unit_test(combiner_without_memory_flushes),
        cmocka_unit_test(i64_sum_that_overflows_is_an_error),
        cmocka_unit_test(largest_i64_sum_is_none),
        cmocka_unit_test(wrong_functions_are_refused),
        cmocka_unit_test(lua_reducer_that_fails_names_its_row),
        cmocka_unit_test(unknown_function_is_refused_when_opened),
        cmocka_unit_test(empty_bytes_can_be_kept),
        cmocka_unit_test(too_little_memory_names_step_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
