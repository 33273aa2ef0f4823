/* test_list.c
 * Goal:   lists come back as they were packed; bytes that are no list are refused, never followed;
 *         equal lists have the same canonical bytes, and the order is that of their values.
 * Method: listed and random lists; every truncation and random changes, walked under a check.
 */
#include "engine/row/list.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/row/row.h"
#include "tests/unit/row/random_rows.h"

static struct gleam_value pack(const struct gleam_value *values, size_t count, uint8_t *memory)
{
    const struct gleam_value list = gleam_list_pack(values, count, memory);
    assert_int_equal(list.kind, GLEAM_LIST);
    assert_int_equal(list.bytes.length, gleam_list_bytes(values, count));
    assert_true(gm_list_check(memory, list.bytes.length));
    assert_int_equal(gleam_list_count(&list), count);
    return list;
}

static void values_come_back(void **state)
{
    (void)state;
    uint8_t inner_memory[64], memory[256];
    const struct gleam_value pair[] = {gleam_i64(1), gleam_bytes("x", 1)};
    const struct gleam_value values[] = {gleam_null(),          gleam_i64(INT64_MIN),
                                         gleam_f64(-0.5),       gleam_bool(true),
                                         gleam_bytes("", 0),    gleam_bytes("a\0b", 3),
                                         pack(pair, 2, inner_memory)};
    const struct gleam_value list = pack(values, 7, memory);
    struct gm_list_cursor cursor;
    struct gleam_value value;
    size_t offset = 0;
    gm_list_begin(&cursor, &list);
    for (uint32_t i = 0; i < 7; i++) {
        assert_true(gm_list_next(&cursor, &value));
        assert_true(same_value(value, values[i]));
        assert_true(gleam_list_next(&list, &offset, &value));
        assert_true(same_value(value, values[i]));
    }
    assert_false(gm_list_next(&cursor, &value));
    assert_false(gleam_list_next(&list, &offset, &value));
    const struct gleam_value empty = pack(NULL, 0, memory), number = gleam_i64(3);
    offset = 0;
    assert_false(gleam_list_next(&empty, &offset, &value));
    assert_false(gleam_list_next(&number, &offset, &value));
    assert_int_equal(gleam_list_count(&number), 0);
}

/* Walks what the check accepted, inner lists too: no byte outside is read. */
static void walk(const struct gleam_value *list)
{
    struct gm_list_cursor cursor;
    struct gleam_value value;
    gm_list_begin(&cursor, list);
    while (gm_list_next(&cursor, &value))
        if (value.kind == GLEAM_LIST)
            walk(&value);
    assert_ptr_equal(cursor.at, list->bytes.data + list->bytes.length);
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    uint64_t random = 1;
    uint32_t accepted = 0, refused = 0;
    struct random_rows *rows = malloc(sizeof *rows);
    assert_non_null(rows);
    for (uint32_t run = 0; run < 300; run++) {
        random_rows_init(rows, &random, 1);
        for (uint32_t i = 0; i < RANDOM_LISTS; i++) {
            const uint32_t bytes = rows->list_bytes[i];
            assert_true(gm_list_check(rows->lists[i], bytes));
            for (uint32_t cut = 0; cut < bytes; cut++)
                assert_false(gm_list_check(rows->lists[i], cut));
            uint8_t *changed = malloc(bytes);
            assert_non_null(changed);
            memcpy(changed, rows->lists[i], bytes);
            changed[random_below(&random, bytes)] = (uint8_t)random_below(&random, 12);
            struct gleam_value list = gleam_bytes((const char *)changed, bytes);
            list.kind = GLEAM_LIST;
            if (gm_list_check(changed, bytes)) {
                walk(&list);
                accepted++;
            } else {
                refused++;
            }
            free(changed);
        }
        random_rows_fini(rows);
    }
    assert_true(accepted > 100 && refused > 100);
    free(rows);
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    static uint8_t memory[GM_LIST_DEPTH_MAX + 1][1024];
    struct gleam_value list = pack(NULL, 0, memory[0]);
    for (uint32_t depth = 1; depth < GM_LIST_DEPTH_MAX; depth++)
        list = pack(&list, 1, memory[depth]);
    list = gleam_list_pack(&list, 1, memory[GM_LIST_DEPTH_MAX]);
    assert_false(gm_list_check((const uint8_t *)list.bytes.data, list.bytes.length));
}

static void order_is_that_of_the_values(void **state)
{
    (void)state;
    uint8_t memory[9][64];
    const struct gleam_value values[][2] = {
        {gleam_null(), gleam_i64(9)},     {gleam_bool(true), gleam_null()},
        {gleam_i64(1), gleam_null()},     {gleam_f64(1.0), gleam_i64(2)},
        {gleam_f64(1.5), gleam_null()},   {gleam_f64((double)NAN), gleam_null()},
        {gleam_bytes("a", 1), gleam_null()}};
    struct gleam_value lists[9];
    lists[0] = pack(NULL, 0, memory[0]);
    for (uint32_t i = 0; i < 7; i++)
        lists[i + 1] = pack(values[i], 2, memory[i + 1]);
    lists[8] = pack(&lists[0], 1, memory[8]);
    for (uint32_t a = 0; a < 9; a++)
        for (uint32_t b = 0; b < 9; b++) {
            const int order = gm_value_compare(&lists[a], &lists[b]);
            assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));
        }
    /* A beginning comes first; a list comes behind every other value. */
    const struct gleam_value one = pack(values[2], 1, memory[0]);
    assert_true(gm_value_compare(&one, &lists[3]) < 0);
    const struct gleam_value text = gleam_bytes("\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    assert_true(gm_value_compare(&text, &lists[1]) < 0);
    assert_true(gm_value_prefix(&text) < gm_value_prefix(&lists[1]));
}

static void equal_lists_have_the_same_form(void **state)
{
    (void)state;
    uint8_t inner[2][64], memory[2][128];
    const struct gleam_value in[2][3] = {
        {gleam_i64(2), gleam_f64(-0.0), gleam_f64((double)NAN)},
        {gleam_f64(2.0), gleam_i64(0), gleam_f64(-(double)NAN)}};
    struct gleam_value lists[2];
    for (uint32_t i = 0; i < 2; i++) {
        const struct gleam_value outer[] = {gleam_bytes("k", 1), pack(in[i], 3, inner[i]),
                                            in[1 - i][0], gleam_bool(false), gleam_null()};
        lists[i] = pack(outer, 5, memory[i]);
    }
    assert_int_equal(gm_value_compare(&lists[0], &lists[1]), 0);
    assert_memory_not_equal(memory[0], memory[1], lists[0].bytes.length);
    gm_list_canonicalize(memory[0]);
    gm_list_canonicalize(memory[1]);
    assert_memory_equal(memory[0], memory[1], lists[0].bytes.length);
    assert_int_equal(gm_value_compare(&lists[0], &lists[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(order_is_that_of_the_values),
        cmocka_unit_test(equal_lists_have_the_same_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
