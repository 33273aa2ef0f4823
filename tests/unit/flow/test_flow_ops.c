/* test_flow_ops.c
 * Goal:   the steps of flow_ops.c keep their inputs and numbers, note mistakes with their place,
 *         and pass NULL on quietly.
 * Method: every call once right, once wrong, and once with NULL.
 */
#include "engine/flow/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct gleam_dataset *numbers(struct gleam_flow *flow)
{
    return gleam_ints(flow, 0, 10);
}

static struct gleam_dataset *mistake(struct gleam_flow *flow, int which)
{
    struct gleam_dataset *many[70], *rows = numbers(flow);
    const struct gleam_order key = gleam_field(1), none = {0};
    for (int i = 0; i < 70; i++)
        many[i] = rows;
    switch (which) {
    case 0:
        return gleam_join_on(rows, "j", rows, key, key, (enum gleam_join_kind)6);
    case 1:
        return gleam_join_on(rows, "j", rows, none, key, GLEAM_JOIN_INNER);
    case 2:
        return gleam_join_on(rows, "j", rows, key, none, GLEAM_JOIN_INNER);
    case 3:
        return gleam_union(rows, "u", many, 0);
    case 4:
        return gleam_union(rows, "u", many, 64);
    case 5:
        return gleam_round_robin(rows, "r", 0);
    case 6:
        return gleam_broadcast(rows, "b", GM_PARTITIONS_MAX + 1);
    case 7:
        return gleam_partition(rows, "p", 0, key);
    case 8:
        return gleam_merge_to(rows, "m", 0);
    case 9:
        return gleam_merge_sorted_to(rows, "m", 0, key);
    case 10:
        return gleam_where(rows, "w", 1, (enum gleam_comparison)8, gleam_i64(1));
    case 11:
        return gleam_where(rows, "w", 1, GLEAM_LESS, gleam_null());
    case 12:
        return gleam_where(rows, "w", 1, GLEAM_LESS, gleam_bytes("", GM_PARAM_BYTES_MAX));
    default:
        return gleam_tree_merge_sorted_to(rows, "m", 1, 1, key);
    }
}

static void mistakes_are_kept_with_their_place(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "no such kind of a join", "at least one key column", "gleam_cross_join",
        "between 2 and 64 datasets", "between 2 and 64 datasets", "between 1 and 65536",
        "between 1 and 65536", "between 1 and 65536", "between 1 and 65536",
        "between 1 and 65536", "no such comparison", "GLEAM_IS_NULL", "larger than 1 MiB",
        "at least 2 partitions into one"};
    for (int i = 0; i < 14; i++) {
        struct gleam_flow *flow = gleam_flow_new("f");
        assert_null(mistake(flow, i));
        assert_true(flow->broken);
        if (strstr(gleam_flow_error(flow), texts[i]) == NULL ||
            strstr(gleam_flow_error(flow), "test_flow_ops.c:") == NULL)
            fail_msg("%d: %s", i, gleam_flow_error(flow));
        gleam_flow_free(flow);
    }
}

static void null_datasets_are_passed_on(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("f");
    struct gleam_dataset *rows = numbers(flow), *null = NULL;
    const struct gleam_order key = gleam_field(1);
    assert_null(gleam_join(NULL, "j", rows, key));
    assert_null(gleam_join(rows, "j", NULL, key));
    assert_null(gleam_join_by_key(NULL, "j", NULL));
    assert_null(gleam_left_outer_join_by_key(NULL, "j", rows));
    assert_null(gleam_right_outer_join_by_key(rows, "j", NULL));
    assert_null(gleam_full_outer_join(NULL, "j", rows, key));
    assert_null(gleam_semi_join(rows, "j", NULL, key));
    assert_null(gleam_anti_join(NULL, "j", rows, key));
    assert_null(gleam_cross_join(rows, "j", NULL));
    assert_null(gleam_union(NULL, "u", &rows, 1));
    assert_null(gleam_union(rows, "u", &null, 1));
    assert_null(gleam_hash_join(rows, "j", NULL, key));
    assert_null(gleam_cogroup(NULL, "g", rows, key));
    assert_null(gleam_cogroup_on(rows, "g", NULL, key, key));
    assert_null(gleam_distinct(NULL, "d", key));
    assert_null(gleam_local_distinct(NULL, "d", key));
    assert_null(gleam_group_by(NULL, "g", key));
    assert_null(gleam_group_by_key(NULL, "g"));
    assert_null(gleam_local_group_by(NULL, "g", key));
    assert_null(gleam_reduce(NULL, "r", GLEAM_COUNT));
    assert_null(gleam_local_reduce_by(NULL, "r", GLEAM_COUNT, key));
    assert_null(gleam_sort_by_key(NULL, "s"));
    assert_null(gleam_count_by(NULL, "c", key));
    assert_null(gleam_sum_by(NULL, "c", key));
    assert_null(gleam_min_by(NULL, "c", key));
    assert_null(gleam_max_by(NULL, "c", key));
    assert_null(gleam_avg_by(NULL, "c", key));
    assert_null(gleam_count_distinct_by(NULL, "c", key));
    assert_null(gleam_where(NULL, "w", 1, GLEAM_EQUAL, gleam_i64(1)));
    assert_null(gleam_select(NULL, "s", key));
    assert_null(gleam_select_kv(NULL, "s", key, key));
    assert_null(gleam_local_limit(NULL, "l", 1, 1));
    assert_null(gleam_limit(NULL, "l", 1));
    assert_null(gleam_round_robin(NULL, "r", 1));
    assert_null(gleam_partition(NULL, "p", 1, key));
    assert_null(gleam_merge_to(NULL, "m", 1));
    assert_null(gleam_merge_sorted_to(NULL, "m", 1, key));
    assert_null(gleam_tree_merge_sorted_to(NULL, "m", 1, 2, key));
    assert_null(gleam_broadcast(NULL, "b", 1));
    assert_false(flow->broken);
    gleam_flow_free(flow);
}

static void joins_keep_their_sides_and_kinds(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("f");
    struct gleam_dataset *left = numbers(flow), *right = numbers(flow);
    const struct gleam_order key = gleam_field(2);
    struct gleam_dataset *joins[] = {
        gleam_join(left, "", right, key),             gleam_left_outer_join(left, "", right, key),
        gleam_right_outer_join(left, "", right, key), gleam_full_outer_join(left, "", right, key),
        gleam_semi_join(left, "", right, key),        gleam_anti_join(left, "", right, key)};
    for (int kind = 0; kind < 6; kind++) {
        assert_int_equal(joins[kind]->join, kind);
        assert_ptr_equal(joins[kind]->input, left);
        assert_int_equal(joins[kind]->other_count, 1);
        assert_ptr_equal(joins[kind]->others[0], right);
        assert_int_equal(joins[kind]->order.columns[0].column, 2);
        assert_int_equal(joins[kind]->right_keys.columns[0].column, 2);
    }
    assert_int_equal(gleam_left_outer_join_by_key(left, "", right)->join, GLEAM_JOIN_LEFT_OUTER);
    assert_int_equal(gleam_right_outer_join_by_key(left, "", right)->join,
                     GLEAM_JOIN_RIGHT_OUTER);
    struct gleam_dataset *cross = gleam_cross_join(left, NULL, right);
    assert_int_equal(cross->order.count, 0);
    assert_string_equal(cross->name, "cross join");
    struct gleam_dataset *parts[] = {right, left};
    struct gleam_dataset *all = gleam_union(left, "all", parts, 2);
    assert_int_equal(all->other_count, 2);
    assert_ptr_equal(all->others[1], left);
    gleam_flow_free(flow);
}

static void numbers_and_columns_are_kept(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("f");
    struct gleam_dataset *rows = numbers(flow);
    struct gleam_dataset *limit = gleam_local_limit(rows, "", 7, 3);
    assert_true(limit->local && limit->count == 7 && limit->offset == 3);
    limit = gleam_limit(rows, "", 9);
    assert_true(!limit->local && limit->count == 9 && limit->offset == 0);
    struct gleam_dataset *kv =
        gleam_select_kv(rows, "", gleam_field(3), gleam_then_by(gleam_field(1), 2, true));
    assert_int_equal(kv->order.count, 3);
    assert_int_equal(kv->order.columns[0].column, 3);
    assert_int_equal(kv->order.columns[2].column, 2);
    struct gleam_dataset *tree = gleam_tree_merge_sorted_to(rows, "", 4, 10, gleam_field(1));
    assert_true(tree->sorted && tree->factor == 10 && tree->partition_count == 4);
    assert_false(gleam_merge_to(rows, "", 4)->sorted);
    /* The constant is a copy. */
    char text[] = "text";
    struct gleam_dataset *where = gleam_where(rows, "", 2, GLEAM_EQUAL, gleam_bytes(text, 4));
    text[0] = '?';
    struct gleam_value list = gleam_bytes((const char *)where->constant, where->constant_bytes);
    struct gleam_value value;
    size_t offset = 0;
    list.kind = GLEAM_LIST;
    assert_true(gleam_list_next(&list, &offset, &value));
    assert_memory_equal(value.bytes.data, "text", 4);
    assert_true(gleam_group_by_key(rows, "")->order.columns[0].column == 1);
    assert_true(gleam_local_group_by(rows, "", gleam_field(2))->local);
    assert_string_equal(gleam_sum_by(rows, "", gleam_field(1))->function.name, "sum");
    assert_string_equal(gleam_reduce(rows, "", GLEAM_MAX)->function.name, "max");
    gleam_flow_free(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_kept_with_their_place),
        cmocka_unit_test(null_datasets_are_passed_on),
        cmocka_unit_test(joins_keep_their_sides_and_kinds),
        cmocka_unit_test(numbers_and_columns_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
