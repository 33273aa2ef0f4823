/* test_plan_layout.c - goal: boxes never overlap, edges lead down, also over several layers.
 * Method: known graphs, and random ones against those properties.
 */
#include "engine/flow/plan_layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

static void check(const struct gm_plan_layout *layout)
{
    for (uint32_t i = 0; i < layout->all_count; i++) {
        const double right = layout->boxes[i].x + layout->boxes[i].width;
        const double bottom = layout->boxes[i].y + layout->boxes[i].height;
        assert_true(layout->boxes[i].x >= -0.001 && right <= layout->width + 0.001);
        assert_true(layout->boxes[i].y >= 0 && bottom <= layout->height + 0.001);
        for (uint32_t k = 0; k < i; k++) {
            if (layout->boxes[i].layer != layout->boxes[k].layer)
                continue;
            const double other = layout->boxes[k].x + layout->boxes[k].width;
            assert_true(other <= layout->boxes[i].x + 0.001 ||
                        right <= layout->boxes[k].x + 0.001);
        }
    }
    for (uint32_t e = 0; e < layout->edge_count; e++) {
        uint32_t above = layout->edges[e].from;
        for (uint32_t i = 0; i <= layout->edges[e].bend_count; i++) {
            const uint32_t below = i < layout->edges[e].bend_count
                                       ? layout->edges[e].bend_first + i
                                       : layout->edges[e].to;
            assert_int_equal(layout->boxes[below].layer, layout->boxes[above].layer + 1);
            assert_true(layout->boxes[below].y >=
                        layout->boxes[above].y + layout->boxes[above].height + layout->gap_y -
                            0.001);
            above = below;
        }
    }
}

static void make(struct gm_plan_layout *layout, uint32_t boxes, uint32_t edges)
{
    assert_int_equal(gm_plan_layout_init(layout, boxes, edges), 0);
    layout->gap_x = 10;
    layout->gap_y = 20;
    for (uint32_t i = 0; i < boxes; i++) {
        layout->boxes[i].width = 100;
        layout->boxes[i].height = 50;
    }
}

static void a_line_of_boxes_stands_in_one_column(void **state)
{
    (void)state;
    struct gm_plan_layout layout;
    make(&layout, 3, 2);
    layout.edges[0].from = 0, layout.edges[0].to = 1;
    layout.edges[1].from = 1, layout.edges[1].to = 2;
    assert_int_equal(gm_plan_layout_place(&layout), 0);
    check(&layout);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(layout.boxes[i].x == 0);
        assert_true(layout.boxes[i].y == i * 70);
    }
    assert_true(layout.width == 100 && layout.height == 190);
    gm_plan_layout_fini(&layout);
}

static void an_edge_over_a_layer_gets_a_bend_beside_the_box(void **state)
{
    (void)state;
    struct gm_plan_layout layout;
    make(&layout, 3, 3);
    layout.edges[0].from = 0, layout.edges[0].to = 1;
    layout.edges[1].from = 0, layout.edges[1].to = 2;
    layout.edges[2].from = 1, layout.edges[2].to = 2;
    assert_int_equal(gm_plan_layout_place(&layout), 0);
    check(&layout);
    assert_int_equal(layout.all_count, 4);
    assert_int_equal(layout.edges[1].bend_count, 1);
    assert_true(layout.boxes[3].height == 50); /* passes the whole layer */
    gm_plan_layout_fini(&layout);
}

static void two_that_feed_one_do_not_cross(void **state)
{
    (void)state;
    struct gm_plan_layout layout;
    make(&layout, 6, 4);
    layout.edges[0].from = 0, layout.edges[0].to = 5;
    layout.edges[1].from = 1, layout.edges[1].to = 4;
    layout.edges[2].from = 2, layout.edges[2].to = 5;
    layout.edges[3].from = 3, layout.edges[3].to = 4;
    assert_int_equal(gm_plan_layout_place(&layout), 0);
    check(&layout);
    for (uint32_t a = 0; a < 4; a++)
        for (uint32_t b = 0; b < 4; b++) {
            const double from = layout.boxes[layout.edges[a].from].x -
                                layout.boxes[layout.edges[b].from].x;
            const double to =
                layout.boxes[layout.edges[a].to].x - layout.boxes[layout.edges[b].to].x;
            assert_true(from * to >= 0);
        }
    gm_plan_layout_fini(&layout);
}

static void random_graphs_keep_the_properties(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (uint32_t round = 0; round < 300; round++) {
        struct gm_plan_layout layout;
        const uint32_t boxes = 2 + (uint32_t)rand_r(&seed) % 20;
        const uint32_t edges = (uint32_t)rand_r(&seed) % 30;
        make(&layout, boxes, edges);
        for (uint32_t i = 0; i < boxes; i++) {
            layout.boxes[i].width = 20 + rand_r(&seed) % 300;
            layout.boxes[i].height = 20 + rand_r(&seed) % 100;
        }
        for (uint32_t e = 0; e < edges; e++) {
            layout.edges[e].to = 1 + (uint32_t)rand_r(&seed) % (boxes - 1);
            layout.edges[e].from = (uint32_t)rand_r(&seed) % layout.edges[e].to;
        }
        assert_int_equal(gm_plan_layout_place(&layout), 0);
        check(&layout);
        gm_plan_layout_fini(&layout);
    }
}

static void nothing_is_placed_nowhere(void **state)
{
    (void)state;
    struct gm_plan_layout layout;
    make(&layout, 0, 0);
    assert_int_equal(gm_plan_layout_place(&layout), 0);
    assert_true(layout.width == 0);
    gm_plan_layout_fini(&layout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_boxes_stands_in_one_column),
        cmocka_unit_test(an_edge_over_a_layer_gets_a_bend_beside_the_box),
        cmocka_unit_test(two_that_feed_one_do_not_cross),
        cmocka_unit_test(random_graphs_keep_the_properties),
        cmocka_unit_test(nothing_is_placed_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
