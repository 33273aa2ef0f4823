/* test_plan_join.c
 * Goal:   datasets that meet become chains of several inputs with the right columns, kinds and
 *         nulls; what can never meet is refused with its place.
 * Method: golden plans; schemas of every kind of join; the words of each refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

static void join_reads_well(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("join.c", 7);
    struct gleam_dataset *left = rows_with(flow, "w bytes, n i64");
    struct gleam_dataset *right = rows_with(flow, "x f64, n f64, y any");
    assert_plan((gleam_left_outer_join)(left, "meet", right, gleam_field(2)),
                "flow 'test': 1 region, 3 chains, 3 exchanges, 2 executors\n"
                "chain 0, which lets chain 1 go first\n"
                "  read text rows.txt, 1 file, 2.9 MiB, 3 partitions claimed by free executors -> "
                "(line bytes)\n"
                "  map 'parse' with function parse -> (w bytes, n i64)   # join.c:7\n"
                "  => exchange 0: hash of column 2 to 3 partitions\n"
                "chain 1\n"
                "  read text rows.txt, 1 file, 2.9 MiB, 3 partitions claimed by free executors -> "
                "(line bytes)\n"
                "  map 'parse' with function parse -> (x f64, n f64, y any)   # join.c:7\n"
                "  => exchange 1: hash of column 2 to 3 partitions\n"
                "chain 2\n"
                "  from exchange 0, 1, 3 partitions -> (w bytes, n i64) and (x f64, n f64, y any)\n"
                "  join 'meet' (left outer) left column 2 with right column 2 -> (n i64, w bytes, "
                "x f64, y any)   # join.c:7\n"
                "  => exchange 2: gather to output 0 in the driver\n");
}

static void semi_join_sends_only_the_right_keys(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("semi.c", 7);
    struct gleam_dataset *left = (gleam_ints)(flow, 0, 9);
    struct gleam_dataset *right = (gleam_map)((gleam_ints)(flow, 0, 9), "one", GLEAM_APPEND_ONE);
    assert_plan((gleam_join_on)(left, "has", right, gleam_field(1), gleam_field(2),
                                GLEAM_JOIN_LEFT_SEMI),
                "flow 'test': 1 region, 3 chains, 3 exchanges, 2 executors\n"
                "chain 0, which lets chain 1 go first\n"
                "  ints 0..9, 2 partitions -> (n i64)\n"
                "  => exchange 0: hash of column 1 to 2 partitions\n"
                "chain 1\n"
                "  ints 0..9, 2 partitions -> (n i64)\n"
                "  append one 'one' -> (n i64, one i64)   # semi.c:7\n"
                "  select 'has' column 2 -> (one i64)   # semi.c:7\n"
                "  => exchange 1: hash of column 1 to 2 partitions\n"
                "chain 2\n"
                "  from exchange 0, 1, 2 partitions -> (n i64) and (one i64)\n"
                "  join 'has' (left semi) left column 1 with right column 1 -> (n i64)   # "
                "semi.c:7\n"
                "  => exchange 2: gather to output 0 in the driver\n");
}

static void cross_join_and_union_read_well(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    gleam_here("all.c", 7);
    struct gleam_dataset *parts[] = {rows_with(flow, "b f64"), rows_with(flow, "c i64")};
    struct gleam_dataset *all = (gleam_union)((gleam_ints)(flow, 0, 9), "all", parts, 2);
    assert_plan((gleam_cross_join)(all, "", (gleam_ints)(flow, 0, 3)),
                "flow 'test': 1 region, 6 chains, 6 exchanges, 2 executors\n"
                "chain 0\n"
                "  ints 0..9, 2 partitions -> (n i64)\n"
                "  => exchange 0: merge to 3 partitions\n"
                "chain 1\n"
                "  read text rows.txt, 1 file, 2.9 MiB, 3 partitions claimed by free executors -> "
                "(line bytes)\n"
                "  map 'parse' with function parse -> (b f64)   # all.c:7\n"
                "  => exchange 1: merge to 3 partitions\n"
                "chain 2\n"
                "  read text rows.txt, 1 file, 2.9 MiB, 3 partitions claimed by free executors -> "
                "(line bytes)\n"
                "  map 'parse' with function parse -> (c i64)   # all.c:7\n"
                "  => exchange 2: merge to 3 partitions\n"
                "chain 3, which lets chain 4 go first\n"
                "  'all' of exchange 0, 1, 2, 3 partitions -> (n i64) and (b f64) and (c i64) = "
                "(n any)\n"
                "  => exchange 3: merge to 2 partitions\n"
                "chain 4\n"
                "  ints 0..3, 2 partitions -> (n i64)\n"
                "  => exchange 4: broadcast to 2 partitions\n"
                "chain 5\n"
                "  from exchange 3, 4, 2 partitions -> (n any) and (n i64)\n"
                "  join 'cross join' (cross) -> (n any, n i64)   # all.c:7\n"
                "  => exchange 5: gather to output 0 in the driver\n");
}

/* "i64?" is nullable. */
static void assert_columns(const struct gm_schema *schema, const char *expected)
{
    char text[200] = "";
    for (uint32_t i = 0; i < schema->field_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s", i > 0 ? " " : "",
                 gm_kind_name(schema->fields[i].kind), schema->fields[i].nullable ? "?" : "");
    assert_string_equal(text, expected);
}

static void columns_are_null_where_nobody_may_be(void **state)
{
    (void)state;
    static const char *const expected[6][2] = {
        {"i64 bytes bool", "i64 bytes? bool?"},    {"i64 bytes bool?", "i64? bytes? bool?"},
        {"f64 bytes? bool", "f64? bytes? bool?"},  {"any bytes? bool?", "any? bytes? bool?"},
        {"i64 bytes", "i64 bytes?"},               {"i64 bytes", "i64? bytes?"}};
    for (int kind = 0; kind < 6; kind++)
        for (int nullable = 0; nullable < 2; nullable++) {
            struct gleam_flow *flow = gleam_flow_new("test");
            struct gm_plan plan;
            struct gleam_dataset *left = rows_with(flow, "k i64, l bytes");
            struct gleam_dataset *right = rows_with(flow, "k f64, r bool");
            if (nullable) { /* an outer join of two makes every column but the key nullable */
                struct gleam_dataset *other = rows_with(flow, "z i64, k i64, l bytes");
                left = gleam_select(gleam_right_outer_join(other, "", gleam_ints(flow, 0, 9),
                                                           gleam_field(1)),
                                    "", gleam_then_by(gleam_field(2), 3, true));
                other = rows_with(flow, "z i64, k f64, r bool");
                right = gleam_select(gleam_right_outer_join(other, "", gleam_ints(flow, 0, 9),
                                                            gleam_field(1)),
                                     "", gleam_then_by(gleam_field(2), 3, true));
            }
            left = gleam_join_on(left, "", right, gleam_field(1), gleam_field(1),
                                 (enum gleam_join_kind)kind);
            gleam_output_row(left, plan_rig_row, NULL);
            assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
            const struct gm_chain_plan *chain = &plan.chains[plan.chain_count - 1];
            assert_columns(&chain->steps[0].schema, expected[kind][nullable]);
            assert_true(chain->steps[0].tagged);
            for (uint32_t i = 0; i < 2; i++)
                assert_true(plan.exchanges[chain->source.inputs[i].exchange].tagged);
            gm_plan_fini(&plan);
            gleam_flow_free(flow);
        }
}

static void keys_of_one_kind_stay_plain(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gm_plan plan;
    struct gleam_dataset *left = rows_with(flow, "k bytes, n i64");
    gleam_output_row(gleam_join_by_key(left, "", gleam_text_file(flow, "a")), plan_rig_row, NULL);
    assert_int_equal(gm_planner_make(flow, 5, plan_rig_files, &plan), 0);
    assert_false(plan.chains[2].steps[0].tagged);
    assert_false(plan.exchanges[0].tagged || plan.exchanges[1].tagged);
    assert_int_equal(plan.exchanges[0].partition_count, 5); /* the larger of 3 and 5 */
    assert_int_equal(plan.exchanges[1].partition_count, 5);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

/* The small side goes to every partition of the other, which is not spread by keys. */
static void hash_join_broadcasts_the_right(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gm_plan plan;
    struct gleam_dataset *left = rows_with(flow, "k f64, n i64");
    gleam_output_row(gleam_hash_join(left, "", gleam_ints(flow, 0, 9), gleam_field(1)),
                     plan_rig_row, NULL);
    assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
    assert_int_equal(plan.exchanges[0].kind, GM_EXCHANGE_MERGE);
    assert_int_equal(plan.exchanges[1].kind, GM_EXCHANGE_BROADCAST);
    assert_int_equal(plan.exchanges[0].partition_count, 2); /* 3, but 2 executors */
    assert_int_equal(plan.exchanges[1].partition_count, 2);
    assert_true(plan.chains[2].steps[0].tagged && plan.chains[2].steps[0].order.count == 1);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

/* What leads to a dataset is planned for each of its readers. */
static void a_dataset_has_several_readers(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gm_plan plan;
    struct gleam_dataset *counts =
        gleam_reduce_by_key(gleam_map(gleam_text_file(flow, "a"), "", GLEAM_APPEND_ONE), "",
                            GLEAM_SUM_INT64);
    gleam_output_row(counts, plan_rig_row, NULL);
    gleam_output_row(gleam_join_by_key(counts, "", counts), plan_rig_row, NULL);
    assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), 0);
    assert_int_equal(plan.chain_count, 7);
    assert_int_equal(plan.input_bytes, 9000000);
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

static struct gleam_dataset *wrong(struct gleam_flow *flow, int which)
{
    struct gleam_dataset *left = rows_with(flow, "s bytes, n i64");
    struct gleam_dataset *right = rows_with(flow, "b bool, n i64");
    const struct gleam_order two = gleam_then_by(gleam_field(1), 2, true);
    char wide[2000] = "";
    for (uint32_t i = 0; i < 63; i++)
        strcat(wide, i == 0 ? "a i64" : ",a i64");
    switch (which) {
    case 0:
        return gleam_join_by_key(left, "wrong", right);
    case 1:
        return gleam_join(left, "wrong", right, gleam_field(3));
    case 2:
        return gleam_join_on(left, "wrong", right, gleam_field(2), gleam_field(0),
                             GLEAM_JOIN_INNER);
    case 3:
        return gleam_join_on(left, "wrong", right, two, gleam_field(2), GLEAM_JOIN_INNER);
    case 4:
        return gleam_join(left, "wrong", right, gleam_then_by(gleam_field(2), 2, true));
    case 5:
        return gleam_join(rows_with(flow, wide), "wrong", rows_with(flow, "n i64, a i64, b i64"),
                          gleam_field(1));
    case 6:
        return gleam_semi_join(left, "wrong", right, gleam_field(3));
    case 7:
        return gleam_semi_join(left, "wrong", right, gleam_then_by(gleam_field(2), 2, true));
    default:
        return gleam_union(left, "wrong", (struct gleam_dataset *[]){gleam_ints(flow, 0, 1)}, 1);
    }
}

static void wrong_meetings_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "the left key 's' is bytes and the right key 'b' is bool: they are never equal",
        "there is no column 3 in (s bytes, n i64)", "there is no column 0 in (b bool, n i64)",
        "it has 2 key columns on the left and 1 on the right", "a key column is named twice",
        "more than 64 columns", "there is no column 3", "a key column is named twice",
        "different numbers of columns: (s bytes, n i64) and (n i64)"};
    for (int i = 0; i < 9; i++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        assert_refused(flow, wrong(flow, i), texts[i]);
    }
}

/* Joining a dataset with itself again and again would be planned for ever. */
static void doubling_ends_at_the_exchanges(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *rows = gleam_ints(flow, 0, 9);
    for (uint32_t i = 0; i < 60; i++)
        rows = gleam_join_by_key(rows, "again", rows);
    assert_refused(flow, rows, "more than 64 exchanges");

    flow = gleam_flow_new("test");
    rows = gleam_ints(flow, 0, 9);
    for (uint32_t i = 0; i < 240; i++)
        rows = gleam_union(rows, "more", &rows, 1);
    assert_refused(flow, rows, "more than 64 exchanges");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_reads_well),
        cmocka_unit_test(semi_join_sends_only_the_right_keys),
        cmocka_unit_test(cross_join_and_union_read_well),
        cmocka_unit_test(columns_are_null_where_nobody_may_be),
        cmocka_unit_test(keys_of_one_kind_stay_plain),
        cmocka_unit_test(hash_join_broadcasts_the_right),
        cmocka_unit_test(a_dataset_has_several_readers),
        cmocka_unit_test(wrong_meetings_are_refused),
        cmocka_unit_test(doubling_ends_at_the_exchanges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
