/* test_plan_size.c
 * Goal:   a join sends its small side to all when sizes are known, by files or by hints, and only
 *         then and only where its kind allows it; hints of partitions count where they are said to.
 * Method: the exchanges and notes of joins of every kind; numbers of partitions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

/* "N.txt" has N megabytes of 10^6 bytes; "unknown.txt" has a size that nobody knows. */
static int sized_files(const char *path, struct gm_file_list *list, struct gm_error *error)
{
    (void)error;
    list->files = realloc(list->files, (list->count + 1) * sizeof *list->files);
    assert_non_null(list->files);
    const uint64_t bytes = (uint64_t)strtoul(path, NULL, 10) * 1000000;
    list->files[list->count++] = (struct gm_file){.path = strdup(path),
                                                  .bytes = bytes > 0 ? bytes : UINT64_MAX};
    return 0;
}

static struct gleam_flow *flow;
static struct gm_plan plan;

static void make(struct gleam_dataset *rows)
{
    gleam_output_row(rows, plan_rig_row, NULL);
    if (gm_planner_make(flow, 2, sized_files, &plan) != 0)
        fail_msg("%s", gleam_flow_error(flow));
}

static void forget(void)
{
    gm_plan_fini(&plan);
    gleam_flow_free(flow);
}

static const struct gm_step *the_join(void)
{
    const struct gm_chain_plan *last = &plan.chains[plan.chain_count - 1];
    assert_true(last->step_count > 0 && last->steps[0].kind == GM_STEP_JOIN);
    return &last->steps[0];
}

static struct gleam_dataset *text(const char *path)
{
    return gleam_text_file(flow, path);
}

/* What the join does with its sides: 'r' or 'l' goes to all, or 'h': both by their hash. */
static char way(void)
{
    const struct gm_chain_plan *last = &plan.chains[plan.chain_count - 1];
    const uint8_t left = plan.exchanges[last->source.inputs[0].exchange].kind;
    const uint8_t right = plan.exchanges[last->source.inputs[1].exchange].kind;
    const bool hash = left != GM_EXCHANGE_BROADCAST && right != GM_EXCHANGE_BROADCAST;
    assert_int_equal(hash, the_join()->note[0] == '\0');
    return hash ? 'h' : right == GM_EXCHANGE_BROADCAST ? 'r' : 'l';
}

static void small_sides_go_to_all(void **state)
{
    (void)state;
    static const char right_small[] = "rrhhrr", left_small[] = "lhlhhh";
    for (int kind = 0; kind < 6; kind++) {
        flow = gleam_flow_new("test");
        make(gleam_join_on(text("600.txt"), "", text("5.txt"), gleam_field(1), gleam_field(1),
                           (enum gleam_join_kind)kind));
        assert_int_equal(way(), right_small[kind]);
        if (kind == 0)
            assert_string_equal(the_join()->note,
                                "right side to all executors: about 4.8 MiB beside 572.2 MiB");
        forget();
        flow = gleam_flow_new("test");
        make(gleam_join_on(text("5.txt"), "", text("600.txt"), gleam_field(1), gleam_field(1),
                           (enum gleam_join_kind)kind));
        assert_int_equal(way(), left_small[kind]);
        forget();
    }
}

static struct gleam_dataset *small_by(int which)
{
    struct gleam_dataset *small = text("5.txt");
    switch (which) {
    case 0:
        return gleam_distinct(gleam_where(small, "", 1, GLEAM_GREATER, gleam_bytes("a", 1)), "",
                              gleam_field(1));
    case 1:
        return gleam_union(small, "", (struct gleam_dataset *[]){text("4.txt")}, 1);
    case 2:
        return gleam_limit(text("900.txt"), "", 100);
    case 3: /* a mapper may make anything of a row, but the person says how much */
        small = gleam_as(gleam_map(small, "", gleam_mapper("parse")), "line bytes");
        return gleam_hint(small, gleam_total_size(3));
    case 4:
        return gleam_hint(text("unknown.txt"), gleam_total_size(3));
    default:
        return gleam_semi_join(small, "", text("unknown.txt"), gleam_field(1));
    }
}

static struct gleam_dataset *not_small_by(int which)
{
    switch (which) {
    case 0:
        return text("unknown.txt");
    case 1:
        return gleam_as(gleam_map(text("5.txt"), "", gleam_mapper("parse")), "line bytes");
    case 2:
        return text("100.txt"); /* too much for each executor to keep */
    case 3:
        return gleam_hint(text("5.txt"), gleam_total_size(500));
    case 4:
        return gleam_join_by_key(text("5.txt"), "", text("unknown.txt"));
    default:
        return gleam_as(gleam_pipe(text("5.txt"), "", "cat"), "line bytes");
    }
}

static void sizes_go_through_steps(void **state)
{
    (void)state;
    for (int which = 0; which < 6; which++) {
        flow = gleam_flow_new("test");
        struct gleam_dataset *large = text("600.txt");
        make(gleam_join_by_key(large, "", small_by(which)));
        assert_int_equal(way(), 'r');
        forget();
        flow = gleam_flow_new("test");
        large = text("600.txt");
        make(gleam_join_by_key(large, "", not_small_by(which)));
        if (way() != 'h')
            fail_msg("%d: %s", which, the_join()->note);
        forget();
    }
}

/* What is left of the large side's size is still large. */
static void the_other_side_must_be_large(void **state)
{
    (void)state;
    flow = gleam_flow_new("test");
    make(gleam_join_by_key(text("20.txt"), "", text("5.txt")));
    assert_int_equal(way(), 'h');
    forget();
    flow = gleam_flow_new("test");
    make(gleam_join_by_key(text("unknown.txt"), "", text("5.txt")));
    assert_int_equal(way(), 'h');
    forget();
    flow = gleam_flow_new("test");
    gleam_flow_hint(flow, gleam_total_size(700)); /* of sources that cannot be measured */
    make(gleam_join_by_key(text("unknown.txt"), "", text("5.txt")));
    assert_int_equal(way(), 'r');
    forget();
}

static void partitions_have_the_size_that_is_wanted(void **state)
{
    (void)state;
    flow = gleam_flow_new("test");
    struct gleam_dataset *rows = gleam_hint(text("100.txt"), gleam_partition_size(10));
    rows = gleam_hint(gleam_distinct(rows, "", gleam_field(1)), gleam_partition_size(48));
    make(gleam_local_sort(rows, "", gleam_field(1)));
    assert_int_equal(plan.exchanges[0].partition_count, 2); /* 95.4 MiB */
    assert_int_equal(plan.chains[0].source.partition_count, 10);
    forget();
    flow = gleam_flow_new("test"); /* for all, but where a number is asked for by itself */
    gleam_flow_hint(flow, gleam_partition_size(10));
    rows = gleam_distinct(gleam_text_file(flow, "50.txt"), "", gleam_field(1));
    make(gleam_partition(rows, "", 7, gleam_field(1)));
    assert_int_equal(plan.chains[0].source.partition_count, 5);
    assert_int_equal(plan.exchanges[0].partition_count, 5);
    assert_int_equal(plan.exchanges[1].partition_count, 7);
    forget();
    flow = gleam_flow_new("test"); /* what is not known has no parts */
    gleam_flow_hint(flow, gleam_partition_size(10));
    make(gleam_count_by(text("unknown.txt"), "", gleam_field(1)));
    assert_int_equal(plan.exchanges[0].partition_count, 2);
    forget();
}

static void wrong_hints_are_refused(void **state)
{
    (void)state;
    static const double wrong[] = {0, -1, 1e300, 0.0 / 0.0};
    for (int i = 0; i < 4; i++) {
        flow = gleam_flow_new("test");
        assert_refused(flow, gleam_hint(text("5.txt"), gleam_total_size(wrong[i])),
                       "a size is given in megabytes");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_sides_go_to_all),
        cmocka_unit_test(sizes_go_through_steps),
        cmocka_unit_test(the_other_side_must_be_large),
        cmocka_unit_test(partitions_have_the_size_that_is_wanted),
        cmocka_unit_test(wrong_hints_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
