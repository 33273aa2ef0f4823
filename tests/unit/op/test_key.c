/* test_key.c
 * Goal:   equal keys have one form whatever batch they come in, different keys have different
 *         ones, and a form gives its columns back.
 * Method: forms of single values and pairs are compared with the order of values as the judge; the
 *         same rows come as plain, constant and `any` vectors; forms are written back.
 */
#include "engine/op/key.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/op/rig.h"

struct form {
    uint8_t data[256];
    uint32_t length;
    uint64_t hash;
};

static struct gleam_order columns_of(uint32_t first, uint32_t second)
{
    struct gleam_order order = {.count = second > 0 ? 2 : 1};
    order.columns[0].column = first;
    order.columns[1].column = second;
    return order;
}

static void check_key(const struct gm_key *key)
{
    uint64_t words[2];
    assert_int_equal(key->hash, gm_hash_bytes(key->data, key->length));
    if (key->length > 16)
        return;
    gm_hash_load16(key->data, key->length, words);
    assert_int_equal(key->low, words[0]);
    assert_int_equal(key->high, words[1]);
}

/* One for all forms: to empty a heap's arena costs more than to make a form. */
static struct gm_heap form_heap;

/* The form of one row of values in columns of the schema. */
static struct form form_of(const struct gm_schema *schema, const struct gleam_order *order,
                           const struct gleam_value *values)
{
    struct gm_key_reader reader;
    struct rows rows = {0};
    struct input input;
    struct gm_key key;
    struct form form = {0};
    rows_add(&rows, values, schema->field_count);
    input_make(&input, schema, &rows, 0, 1);
    gm_key_reader_init(&reader, schema, order, &form_heap);
    assert_int_equal(gm_key_read(&reader, &input.batch, 0, 1, &key), 0);
    check_key(&key);
    assert_true(key.length <= sizeof form.data);
    form.length = key.length;
    form.hash = key.hash;
    if (key.length > 0)
        memcpy(form.data, key.data, key.length);
    gm_key_reader_fini(&reader);
    assert_int_equal(form_heap.used_bytes, 0);
    input_free(&input);
    rows_free(&rows);
    return form;
}

static struct form form_of_one(uint8_t kind, bool nullable, struct gleam_value value)
{
    struct gm_schema schema = {0};
    const struct gleam_order order = columns_of(1, 0);
    gm_schema_add(&schema, "k", kind, nullable);
    return form_of(&schema, &order, &value);
}

static bool same_form(struct form a, struct form b)
{
    const bool same = a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
    if (same)
        assert_int_equal(a.hash, b.hash);
    return same;
}

static void plain_bytes_are_their_own_form(void **state)
{
    (void)state;
    static const char text[] = "0123456789abcdefghijklmnop";
    for (size_t length = 0; length < sizeof text; length++) {
        const struct form form = form_of_one(GLEAM_BYTES, false, gleam_bytes(text, length));
        assert_int_equal(form.length, length);
        assert_memory_equal(form.data, text, length);
    }
}

static void plain_i64_is_its_8_bytes(void **state)
{
    (void)state;
    const int64_t numbers[] = {0, 1, -1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 5; i++) {
        const struct form form = form_of_one(GLEAM_I64, false, gleam_i64(numbers[i]));
        assert_int_equal(form.length, 8);
        assert_memory_equal(form.data, &numbers[i], 8);
    }
}

static void nullable_column_is_tagged(void **state)
{
    (void)state;
    const struct form text = form_of_one(GLEAM_BYTES, true, text_value("ab"));
    const struct form number = form_of_one(GLEAM_I64, true, gleam_i64(3));
    const struct form null = form_of_one(GLEAM_I64, true, gleam_null());
    assert_int_equal(text.length, 7);
    assert_int_equal(number.length, 9);
    assert_int_equal(null.length, 1);
    assert_true(same_form(null, form_of_one(GLEAM_BYTES, true, gleam_null())));
    assert_false(same_form(form_of_one(GLEAM_I64, true, gleam_i64(0)), null));
    assert_false(same_form(form_of_one(GLEAM_BYTES, true, text_value("")), null));
}

static void whole_doubles_meet_integers(void **state)
{
    (void)state;
    const double limit = 9223372036854775808.0;
    assert_true(same_form(form_of_one(GLEAM_F64, false, gleam_f64(1.0)),
                          form_of_one(GLEAM_ANY, false, gleam_i64(1))));
    assert_true(same_form(form_of_one(GLEAM_F64, false, gleam_f64(-0.0)),
                          form_of_one(GLEAM_ANY, false, gleam_i64(0))));
    assert_true(same_form(form_of_one(GLEAM_F64, false, gleam_f64(-limit)),
                          form_of_one(GLEAM_ANY, false, gleam_i64(INT64_MIN))));
    assert_false(same_form(form_of_one(GLEAM_F64, false, gleam_f64(limit)),
                           form_of_one(GLEAM_ANY, false, gleam_i64(INT64_MIN))));
    assert_false(same_form(form_of_one(GLEAM_F64, false, gleam_f64(limit)),
                           form_of_one(GLEAM_ANY, false, gleam_i64(INT64_MAX))));
    assert_false(same_form(form_of_one(GLEAM_F64, false, gleam_f64(1.5)),
                           form_of_one(GLEAM_F64, false, gleam_f64(1.0))));
}

static void every_nan_is_one(void **state)
{
    (void)state;
    const uint64_t payload = UINT64_C(0xfff8000000001234);
    double other;
    memcpy(&other, &payload, sizeof other);
    assert_true(same_form(form_of_one(GLEAM_F64, false, gleam_f64((double)NAN)),
                          form_of_one(GLEAM_ANY, false, gleam_f64(other))));
    assert_false(same_form(form_of_one(GLEAM_F64, false, gleam_f64((double)NAN)),
                           form_of_one(GLEAM_F64, false, gleam_f64((double)INFINITY))));
}

static void kinds_do_not_meet(void **state)
{
    (void)state;
    const struct gleam_value values[] = {gleam_null(), gleam_bool(false), gleam_bool(true),
                                         gleam_i64(0), gleam_i64(1), gleam_f64(0.5),
                                         text_value(""), text_value("0"), text_value("1")};
    const size_t count = sizeof values / sizeof values[0];
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++)
            assert_int_equal(same_form(form_of_one(GLEAM_ANY, false, values[a]),
                                       form_of_one(GLEAM_ANY, false, values[b])),
                             a == b);
}

/* ---- the order of values, which forms agree with --------------------------------------------- */

/* Numbers about 2^53 and 2^63, where doubles have gaps, and everything that sorts beside them. */
static struct gleam_value hard_value(uint64_t *random, char *memory)
{
    static const int shifts[] = {0, 1, 31, 52, 53, 54, 62, 63};
    const double large = ldexp(1, shifts[random_below(random, 8)]);
    const double sign = random_below(random, 2) ? -1 : 1;
    const int64_t near = (int64_t)random_below(random, 7) - 3;
    struct gleam_value list[2];
    switch (random_below(random, 9)) {
    case 0:
        return gleam_null();
    case 1:
        return gleam_bool(random_below(random, 2));
    case 2:
        return gleam_bytes("\0ab\xff" + random_below(random, 3), random_below(random, 3));
    case 3: /* a list of numbers, 1 and 1.0 among them */
        list[0] = random_below(random, 2) ? gleam_i64(near) : gleam_f64((double)near);
        list[1] = gleam_bool(true);
        return gleam_list_pack(list, random_below(random, 3), memory);
    case 4:
        return gleam_f64(random_below(random, 2) ? (double)NAN : sign * (double)INFINITY);
    case 5:
        return gleam_f64(random_below(random, 2) ? sign * 0.0 : sign * (1.5 + (double)near));
    case 6:
        return gleam_f64(sign * (random_below(random, 2) ? nextafter(large, near < 0 ? 0 : 1e300)
                                                         : large));
    default:
        if (large >= 0x1p63)
            return gleam_i64(sign < 0 ? INT64_MIN + (near < 0 ? -near : near)
                                      : INT64_MAX - (near < 0 ? -near : near));
        return gleam_i64((int64_t)(sign * large) + near);
    }
}

/* null, bool, number, NaN, bytes, list. */
static int rank_of(const struct gleam_value *value)
{
    if (value->kind == GLEAM_F64 && isnan(value->f64))
        return 3;
    static const int ranks[] = {[GLEAM_NULL] = 0, [GLEAM_BOOL] = 1, [GLEAM_I64] = 2,
                                [GLEAM_F64] = 2,  [GLEAM_BYTES] = 4, [GLEAM_LIST] = 5};
    return ranks[value->kind];
}

/* A long double has at least the 64 bits of an i64, and those of a double. */
static long double exact(const struct gleam_value *value)
{
    return value->kind == GLEAM_I64 ? (long double)value->i64 : (long double)value->f64;
}

static int sign_of(int order)
{
    return (order > 0) - (order < 0);
}

static void the_order_is_total_exact_and_that_of_the_forms(void **state)
{
    (void)state;
    uint64_t random = 1;
    uint32_t equal = 0;
    _Static_assert(LDBL_MANT_DIG >= 64, "exact needs it");
    for (uint32_t run = 0; run < 60000; run++) {
        char memory[3][64];
        struct gleam_value v[3];
        int order[3][3];
        for (int i = 0; i < 3; i++)
            v[i] = hard_value(&random, memory[i]);
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                order[i][j] = sign_of(gm_value_compare(&v[i], &v[j]));
        for (int i = 0; i < 3; i++) {
            const int a = i, b = (i + 1) % 3, c = (i + 2) % 3;
            assert_int_equal(order[a][a], 0);
            assert_int_equal(order[a][b], -order[b][a]);
            if (order[a][b] <= 0 && order[b][c] <= 0)
                assert_true(order[a][c] <= 0 &&
                            (order[a][c] < 0 || (order[a][b] == 0 && order[b][c] == 0)));
            if (rank_of(&v[a]) != rank_of(&v[b]))
                assert_int_equal(order[a][b], sign_of(rank_of(&v[a]) - rank_of(&v[b])));
            else if (rank_of(&v[a]) == 2)
                assert_int_equal(order[a][b], (exact(&v[a]) > exact(&v[b])) -
                                                  (exact(&v[a]) < exact(&v[b])));
            if (order[a][b] < 0)
                assert_true(gm_value_prefix(&v[a]) <= gm_value_prefix(&v[b]));
        }
        assert_int_equal(same_form(form_of_one(GLEAM_ANY, false, v[0]),
                                   form_of_one(GLEAM_ANY, false, v[1])),
                         order[0][1] == 0);
        equal += order[0][1] == 0;
    }
    assert_true(equal > 2000);
}

/* ("a", "bc") is not ("ab", "c"), whichever the columns' kinds. */
static void forms_are_equal_when_the_values_are(void **state)
{
    (void)state;
    uint64_t random = 1;
    const struct gleam_order order = columns_of(3, 1);
    for (uint32_t run = 0; run < 3000; run++) {
        struct gm_schema schema = {0};
        struct gleam_value a[3], b[3];
        for (uint32_t c = 0; c < 3; c++) {
            const uint8_t kind = (uint8_t)(GLEAM_I64 + random_below(&random, GLEAM_ANY));
            const bool nullable = random_below(&random, 2);
            gm_schema_add(&schema, "c", kind, nullable);
            a[c] = random_small(&random, kind, nullable);
            b[c] = random_below(&random, 3) ? a[c] : random_small(&random, kind, nullable);
        }
        const bool same =
            gm_value_compare(&a[2], &b[2]) == 0 && gm_value_compare(&a[0], &b[0]) == 0;
        assert_int_equal(
            same_form(form_of(&schema, &order, a), form_of(&schema, &order, b)), same);
    }
}

/* One list of rows as constant and plain vectors, and under `any` with a kind of its own. */
static void batches_of_one_edge_give_one_form(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_key_reader reader;
    struct gm_key keys[3][GM_KEY_BLOCK];
    struct gm_schema schema = {0};
    const struct gleam_order order = columns_of(1, 0);
    int64_t numbers[GM_KEY_BLOCK + GM_BYTES_SLACK];
    struct gleam_value values[GM_KEY_BLOCK];
    gm_schema_add(&schema, "k", GLEAM_ANY, false);
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    for (uint32_t i = 0; i < GM_KEY_BLOCK; i++) {
        numbers[i] = 77;
        values[i] = i % 2 ? gleam_i64(77) : gleam_f64(77);
    }
    struct gm_vector vectors[3] = {
        {.kind = GLEAM_I64, .i64 = numbers},
        {.kind = GLEAM_I64, .i64 = numbers, .constant = true},
        {.kind = GLEAM_ANY, .any = values},
    };
    struct form first = {0};
    for (uint32_t v = 0; v < 3; v++) {
        struct gm_batch batch = {.row_count = GM_KEY_BLOCK, .column_count = 1};
        batch.columns[0] = vectors[v];
        gm_key_reader_init(&reader, &schema, &order, &heap);
        assert_int_equal(gm_key_read(&reader, &batch, 0, GM_KEY_BLOCK, keys[v]), 0);
        for (uint32_t i = 0; i < GM_KEY_BLOCK; i++) {
            check_key(&keys[v][i]);
            assert_int_equal(keys[v][i].length, 9);
            if (first.length == 0) {
                first.length = 9;
                memcpy(first.data, keys[v][i].data, 9);
            }
            assert_memory_equal(keys[v][i].data, first.data, 9);
        }
        gm_key_reader_fini(&reader);
    }
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

static void plain_vector_may_be_constant(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_key_reader reader;
    struct gm_key keys[GM_KEY_BLOCK];
    const struct gleam_order order = columns_of(1, 0);
    static const uint8_t text[21 + GM_BYTES_SLACK] = "the same in every row";
    struct gm_bytes bytes = {text, 21};
    int64_t number[1 + GM_BYTES_SLACK / 8] = {-5};
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct gm_schema schema = {0};
        struct gm_batch batch = {.row_count = 100, .column_count = 1};
        gm_schema_add(&schema, "k", kind == 0 ? GLEAM_BYTES : GLEAM_I64, false);
        batch.columns[0] = (struct gm_vector){.kind = schema.fields[0].kind, .constant = true};
        batch.columns[0].data = kind == 0 ? (void *)&bytes : (void *)number;
        gm_key_reader_init(&reader, &schema, &order, &heap);
        assert_true(reader.plain);
        assert_int_equal(gm_key_read(&reader, &batch, 30, GM_KEY_BLOCK, keys), 0);
        for (uint32_t i = 0; i < GM_KEY_BLOCK; i++) {
            check_key(&keys[i]);
            assert_int_equal(keys[i].length, kind == 0 ? 21 : 8);
            assert_int_equal(keys[i].hash, keys[0].hash);
        }
        gm_key_reader_fini(&reader);
    }
    gm_heap_fini(&heap);
}

/* Columns of the schema that the order names, as gm_key_write gives them back. */
static void write_back(const struct gm_schema *schema, const struct gleam_order *order,
                       const struct rows *rows, struct rows *ret_keys)
{
    struct gm_heap heap;
    struct gm_key_reader reader;
    struct input input;
    struct gm_key keys[GM_KEY_BLOCK];
    struct gm_schema key_schema = {0};
    struct gm_batch batch;
    assert_int_equal(gm_heap_init(&heap, UINT64_MAX), 0);
    for (uint32_t i = 0; i < order->count; i++)
        key_schema.fields[key_schema.field_count++] =
            schema->fields[order->columns[i].column - 1];
    assert_int_equal(gm_batch_init(&batch, &key_schema, &heap), 0);
    gm_key_reader_init(&reader, schema, order, &heap);
    input_make(&input, schema, rows, 0, (uint32_t)rows->row_count);
    for (uint32_t first = 0; first < rows->row_count; first += GM_KEY_BLOCK) {
        const uint64_t left = rows->row_count - first;
        const uint32_t count = left < GM_KEY_BLOCK ? (uint32_t)left : GM_KEY_BLOCK;
        assert_int_equal(gm_key_read(&reader, &input.batch, first, count, keys), 0);
        for (uint32_t c = 0; c < batch.column_count || c < order->count; c++)
            batch.columns[c].has_nulls = false;
        batch.column_count = order->count;
        batch.row_count = count;
        for (uint32_t i = 0; i < count; i++)
            gm_key_write(&reader, keys[i].data, keys[i].length, &batch, i);
        rows_take(ret_keys, &batch);
    }
    input_free(&input);
    gm_key_reader_fini(&reader);
    gm_batch_fini(&batch, &heap);
    assert_int_equal(heap.used_bytes, 0);
    gm_heap_fini(&heap);
}

static void write_gives_the_columns_back(void **state)
{
    (void)state;
    uint64_t random = 2;
    for (uint32_t run = 0; run < 200; run++) {
        struct gm_schema schema = {0};
        struct rows rows = {0}, expected = {0}, got = {0};
        const uint32_t width = 1 + random_below(&random, 3);
        const struct gleam_order order = columns_of(width, width > 1 ? 1 : 0);
        for (uint32_t c = 0; c < width; c++)
            gm_schema_add(&schema, "c", GLEAM_I64 + random_below(&random, GLEAM_ANY),
                          random_below(&random, 2));
        for (uint32_t i = 0; i < 150; i++) {
            struct gleam_value values[3], keys[2];
            for (uint32_t c = 0; c < width; c++)
                values[c] = random_small(&random, schema.fields[c].kind, schema.fields[c].nullable);
            for (uint32_t c = 0; c < order.count; c++)
                keys[c] = values[order.columns[c].column - 1];
            rows_add(&rows, values, width);
            rows_add(&expected, keys, order.count);
        }
        write_back(&schema, &order, &rows, &got);
        assert_rows_equal(&got, &expected);
        for (uint64_t i = 0; i < got.row_count * got.column_count; i++)
            if (schema.fields[order.columns[i % order.count].column - 1].kind != GLEAM_ANY)
                assert_int_equal(got.values[i].kind, expected.values[i].kind);
        rows_free(&rows);
        rows_free(&expected);
        rows_free(&got);
    }
}

static void spent_memory_is_refused(void **state)
{
    (void)state;
    struct gm_heap heap;
    struct gm_key_reader reader;
    struct gm_key key;
    struct gm_schema schema = {0};
    const struct gleam_order order = columns_of(1, 0);
    double number = 1.5;
    struct gm_batch batch = {.row_count = 1, .column_count = 1};
    batch.columns[0] = (struct gm_vector){.kind = GLEAM_F64, .f64 = &number};
    gm_schema_add(&schema, "k", GLEAM_F64, false);
    assert_int_equal(gm_heap_init(&heap, 100), 0);
    gm_key_reader_init(&reader, &schema, &order, &heap);
    assert_int_equal(gm_key_read(&reader, &batch, 0, 1, &key), GM_ETASK_MEMORY);
    gm_key_reader_fini(&reader);
    gm_heap_fini(&heap);
}

static int make_form_heap(void **state)
{
    (void)state;
    return gm_heap_init(&form_heap, UINT64_MAX);
}

static int free_form_heap(void **state)
{
    (void)state;
    gm_heap_fini(&form_heap);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_bytes_are_their_own_form),
        cmocka_unit_test(plain_i64_is_its_8_bytes),
        cmocka_unit_test(nullable_column_is_tagged),
        cmocka_unit_test(whole_doubles_meet_integers),
        cmocka_unit_test(every_nan_is_one),
        cmocka_unit_test(kinds_do_not_meet),
        cmocka_unit_test(the_order_is_total_exact_and_that_of_the_forms),
        cmocka_unit_test(forms_are_equal_when_the_values_are),
        cmocka_unit_test(batches_of_one_edge_give_one_form),
        cmocka_unit_test(plain_vector_may_be_constant),
        cmocka_unit_test(write_gives_the_columns_back),
        cmocka_unit_test(spent_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, make_form_heap, free_form_heap);
}
