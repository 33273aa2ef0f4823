/* plan_layout.h - places boxes in layers, so that every edge leads down.
 *
 * Threads: any.  Memory: malloc.
 * After Sugiyama, Tagawa and Toda (1981), in its plainest form: layers by the longest path from a
 * source, edges over several layers get a bend in each, boxes of a layer ordered by the mean
 * position of their neighbours, in a few sweeps.
 */
#ifndef GM_FLOW_PLAN_LAYOUT_H
#define GM_FLOW_PLAN_LAYOUT_H

#include <stdint.h>

struct gm_plan_layout_box {
    double width, height; /* in; 0 wide: a bend of an edge */
    double x, y;          /* out: the left upper corner */
    uint32_t layer;       /* out */
    double order;         /* scratch */
};

struct gm_plan_layout_edge {
    uint32_t from, to; /* boxes; from < to, so there is no cycle */
    uint32_t bend_first, bend_count; /* out: boxes behind those that were given, from above */
};

struct gm_plan_layout {
    struct gm_plan_layout_box *boxes; /* box_count that were given, then bends; owned */
    uint32_t box_count;          /* in */
    uint32_t all_count;          /* out: with the bends */
    struct gm_plan_layout_edge *edges; /* owned */
    uint32_t edge_count;
    double gap_x, gap_y;  /* in: between boxes of a layer, between layers */
    double width, height; /* out: of everything, from (0, 0) */
};

/* Allocates the tables, zeroed.  Returns 0 or -ENOMEM; the caller calls fini in both cases. */
int gm_plan_layout_init(struct gm_plan_layout *layout, uint32_t box_count, uint32_t edge_count);
void gm_plan_layout_fini(struct gm_plan_layout *layout);

/* Places boxes whose sizes, and edges whose ends, are set.  Returns 0 or -ENOMEM. */
int gm_plan_layout_place(struct gm_plan_layout *layout);

#endif
