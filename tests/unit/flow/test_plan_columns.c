/* test_plan_columns.c
 * Goal:   a column's name stands for its number in every step, after every step that keeps it; one
 *         that is not there, or twice, is refused with what there is.
 * Method: flows by names have the plans of the same flows by numbers; the words of each refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/flow/plan_rig.h"

/* Columns 1, 2 and 3 of (w bytes, n i64, x f64), by name or number. */
static struct gleam_order column(int by_name, uint32_t number)
{
    static const char *const names[] = {"w", "n", "x"};
    return by_name ? gleam_columns(names[number - 1]) : gleam_field(number);
}

static struct gleam_dataset *step(struct gleam_dataset *rows, int which, int by_name)
{
    struct gleam_dataset *other = rows_with(rows->flow, "n i64, y bool");
    const struct gleam_order key = column(by_name, 1), number = column(by_name, 2);
    const struct gleam_order right = by_name ? gleam_columns("n") : gleam_field(1); /* of other */
    const struct gleam_order both = by_name ? gleam_columns("n desc, w")
                                            : gleam_then_by(gleam_order_by(2, false), 1, true);
    switch (which) {
    case 0:
        return (gleam_sort)(rows, "", both);
    case 1:
        return (gleam_top)(rows, "", 3, both);
    case 2:
        return (gleam_reduce_by)((gleam_select)(rows, "", both), "", GLEAM_SUM,
                                 by_name ? key : gleam_field(2));
    case 3:
        return (gleam_group_by)(rows, "", key);
    case 4:
        return (gleam_distinct)(rows, "", number);
    case 5:
        return (gleam_join_on)(rows, "", other, number, right, GLEAM_JOIN_LEFT_OUTER);
    case 6:
        return (gleam_join_on)(rows, "", other, number, right, GLEAM_JOIN_LEFT_ANTI);
    case 7:
        return (gleam_cogroup_on)(rows, "", other, number, right);
    case 8:
        return (gleam_where)(rows, "", by_name ? gleam_column("x") : 3, GLEAM_LESS, gleam_f64(2));
    case 9:
        return (gleam_partition)(rows, "", 5, key);
    case 10:
        return (gleam_merge_sorted_to)(rows, "", 2, both);
    case 11:
        return (gleam_select_kv)(rows, "", number, key);
    case 12:
        return (gleam_sum_of)(rows, "", key, column(by_name, 3));
    case 13:
        return (gleam_count_of)(rows, "", key, number);
    case 14:
        return (gleam_avg_of)(rows, "", (struct gleam_order){0}, number);
    case 15:
        return (gleam_count_distinct_of)(rows, "", key, number);
    case 16: /* names stay behind filters, exchanges and sorts, and behind what gives new ones */
        rows = (gleam_local_sort)((gleam_round_robin)(rows, "", 3), "", number);
        rows = (gleam_map)(rows, "", GLEAM_APPEND_ONE);
        rows = (gleam_as)(rows, "a bytes, b i64, c f64, d i64");
        return (gleam_select)(rows, "", by_name ? gleam_columns("d, b") : gleam_columns("4, 2"));
    case 17: /* keys first, then the left's columns, then the right's */
        rows = (gleam_join_on)(rows, "", other, number, right, GLEAM_JOIN_INNER);
        return (gleam_select)(rows, "", by_name ? gleam_columns("y, n") : gleam_columns("4, 1"));
    default:
        rows = (gleam_union)(rows, "", &rows, 1);
        return (gleam_select)(rows, "", by_name ? gleam_columns("x") : gleam_field(3));
    }
}

static void names_stand_for_numbers(void **state)
{
    (void)state;
    for (int which = 0; which < 19; which++) {
        char *plans[2];
        for (int by_name = 0; by_name < 2; by_name++) {
            struct gleam_flow *flow = gleam_flow_new("test");
            gleam_here("names.c", 7);
            struct gleam_dataset *rows = rows_with(flow, "w bytes, n i64, x f64");
            plans[by_name] = plan_text(step(rows, which, by_name));
        }
        assert_string_equal(plans[0], plans[1]);
        free(plans[0]);
        free(plans[1]);
    }
}

static void wrong_names_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *columns, *text;
    } cases[] = {
        {"wrod", "there is no column 'wrod' in (word bytes, count i64, total f64); did you mean "
                 "'word'?"},
        {"Word", "did you mean 'word'?"},
        {"cuont", "did you mean 'count'?"},
        {"zebra", "there is no column 'zebra' in (word bytes, count i64, total f64)"},
        {"count, totall desc", "did you mean 'total'?"},
        {"4", "there is no column 4"},
        {"a,,b", "there is no column"},
        {"", "between 1 and 64 columns"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gleam_flow *flow = gleam_flow_new("test");
        struct gleam_dataset *rows = rows_with(flow, "word bytes, count i64, total f64");
        assert_refused(flow, gleam_sort(rows, "wrong", gleam_columns(cases[i].columns)),
                       cases[i].text);
        flow = gleam_flow_new("test");
        rows = rows_with(flow, "word bytes, count i64, total f64");
        if (i < 6) /* of the right side of a join */
            assert_refused(flow,
                           gleam_join_on(gleam_ints(flow, 0, 3), "wrong", rows, gleam_field(1),
                                         gleam_columns(cases[i].columns), GLEAM_JOIN_LEFT_SEMI),
                           cases[i].text);
        else
            gleam_flow_free(flow);
    }
}

static void far_names_are_not_guessed(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gm_plan plan;
    gleam_output_row(gleam_sort(rows_with(flow, "word bytes"), "", gleam_columns("zebra")),
                     plan_rig_row, NULL);
    assert_int_equal(gm_planner_make(flow, 2, plan_rig_files, &plan), GM_EJOB_FLOW);
    assert_null(strstr(gleam_flow_error(flow), "did you mean"));
    gleam_flow_free(flow);
}

/* A join's result may have the same name twice. */
static void names_of_two_columns_are_refused(void **state)
{
    (void)state;
    struct gleam_flow *flow = gleam_flow_new("test");
    struct gleam_dataset *left = rows_with(flow, "k i64, n i64");
    left = gleam_join_by_key(left, "", rows_with(flow, "k i64, n bool"));
    assert_refused(flow, gleam_select(left, "wrong", gleam_columns("k, n")),
                   "the columns 2 and 3 are both called 'n': name it by its number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_for_numbers),
        cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(far_names_are_not_guessed),
        cmocka_unit_test(names_of_two_columns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
