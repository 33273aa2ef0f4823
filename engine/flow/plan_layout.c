/* plan_layout.c - layers, order within them, places. */
#include "engine/flow/plan_layout.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/base/check.h"

/* Sweeps down and up over all layers; the order of plans settles in two or three. */
#define SWEEPS 6

int gm_plan_layout_init(struct gm_plan_layout *layout, uint32_t box_count, uint32_t edge_count)
{
    *layout = (struct gm_plan_layout){.box_count = box_count, .edge_count = edge_count};
    layout->boxes = calloc((size_t)box_count + 1, sizeof *layout->boxes);
    layout->edges = calloc((size_t)edge_count + 1, sizeof *layout->edges);
    return layout->boxes == NULL || layout->edges == NULL ? -ENOMEM : 0;
}

void gm_plan_layout_fini(struct gm_plan_layout *layout)
{
    free(layout->boxes);
    free(layout->edges);
    *layout = (struct gm_plan_layout){0};
}

/* A box comes behind all that feed it, and edges lead from lower to higher numbers: one pass over
 * the boxes in their order is enough. */
static uint32_t set_layers(struct gm_plan_layout *layout)
{
    uint32_t layer_count = 1;
    for (uint32_t box = 0; box < layout->box_count; box++)
        for (uint32_t e = 0; e < layout->edge_count; e++) {
            const struct gm_plan_layout_edge *edge = &layout->edges[e];
            GM_CHECK(edge->from < edge->to && edge->to < layout->box_count);
            const uint32_t below = layout->boxes[edge->from].layer + 1;
            if (edge->to != box || layout->boxes[box].layer >= below)
                continue;
            layout->boxes[box].layer = below;
            layer_count = below + 1 > layer_count ? below + 1 : layer_count;
        }
    return layer_count;
}

static int add_bends(struct gm_plan_layout *layout)
{
    uint32_t count = layout->box_count;
    for (uint32_t e = 0; e < layout->edge_count; e++) {
        struct gm_plan_layout_edge *edge = &layout->edges[e];
        edge->bend_first = count;
        edge->bend_count =
            layout->boxes[edge->to].layer - layout->boxes[edge->from].layer - 1;
        count += edge->bend_count;
    }
    struct gm_plan_layout_box *boxes = realloc(layout->boxes, (count + (size_t)1) * sizeof *boxes);
    if (boxes == NULL)
        return -ENOMEM;
    layout->boxes = boxes;
    layout->all_count = count;
    for (uint32_t e = 0; e < layout->edge_count; e++) {
        const struct gm_plan_layout_edge *edge = &layout->edges[e];
        for (uint32_t i = 0; i < edge->bend_count; i++)
            boxes[edge->bend_first + i] =
                (struct gm_plan_layout_box){.layer = boxes[edge->from].layer + 1 + i};
    }
    for (uint32_t i = 0; i < count; i++)
        boxes[i].order = i;
    return 0;
}

/* The boxes of an edge from above: 0 is `from`, then the bends, then `to`. */
static uint32_t edge_box(const struct gm_plan_layout_edge *edge, uint32_t index)
{
    return index == 0                  ? edge->from
           : index <= edge->bend_count ? edge->bend_first + index - 1
                                       : edge->to;
}

/* The mean of `get` over the neighbours above (or below) a box; `otherwise` when it has none. */
static double neighbour_mean(const struct gm_plan_layout *layout, uint32_t box, int above,
                             double (*get)(const struct gm_plan_layout_box *), double otherwise)
{
    double sum = 0;
    uint32_t count = 0;
    for (uint32_t e = 0; e < layout->edge_count; e++) {
        const struct gm_plan_layout_edge *edge = &layout->edges[e];
        for (uint32_t i = 0; i <= edge->bend_count; i++) {
            const uint32_t upper = edge_box(edge, i), lower = edge_box(edge, i + 1);
            if ((above ? lower : upper) != box)
                continue;
            sum += get(&layout->boxes[above ? upper : lower]);
            count++;
        }
    }
    return count > 0 ? sum / count : otherwise;
}

static double get_order(const struct gm_plan_layout_box *box)
{
    return box->order;
}

static double get_middle(const struct gm_plan_layout_box *box)
{
    return box->x + box->width / 2;
}

/* A box's number with what it is sorted by; ties keep their order. */
struct ranked {
    uint32_t box;
    double key, before;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->before < y->before ? -1 : x->before > y->before;
}

/* The boxes of a layer in their order.  Returns how many. */
static uint32_t list_layer(const struct gm_plan_layout *layout, uint32_t layer, struct ranked *ret)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < layout->all_count; i++)
        if (layout->boxes[i].layer == layer)
            ret[count++] = (struct ranked){
                .box = i, .key = layout->boxes[i].order, .before = layout->boxes[i].order};
    qsort(ret, count, sizeof *ret, compare_ranked);
    return count;
}

static void order_layer(struct gm_plan_layout *layout, uint32_t layer, int above,
                        struct ranked *scratch)
{
    const uint32_t count = list_layer(layout, layer, scratch);
    for (uint32_t i = 0; i < count; i++)
        scratch[i].key =
            neighbour_mean(layout, scratch[i].box, above, get_order, scratch[i].before);
    qsort(scratch, count, sizeof *scratch, compare_ranked);
    for (uint32_t i = 0; i < count; i++)
        layout->boxes[scratch[i].box].order = i;
}

/* Every box under the middle of what feeds it, as far as its neighbours leave room. */
static void place_layer(struct gm_plan_layout *layout, uint32_t layer, struct ranked *scratch)
{
    const uint32_t count = list_layer(layout, layer, scratch);
    double end = 0, shift = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct gm_plan_layout_box *box = &layout->boxes[scratch[i].box];
        const double middle = neighbour_mean(layout, scratch[i].box, 1, get_middle,
                                             i > 0 ? end + box->width / 2 : 0);
        const double wanted = middle - box->width / 2;
        box->x = i > 0 && wanted < end ? end : wanted;
        shift += wanted - box->x;
        end = box->x + box->width + layout->gap_x;
    }
    /* What was pushed to the right as a whole goes back by the mean of it. */
    for (uint32_t i = 0; i < count; i++)
        layout->boxes[scratch[i].box].x += shift / count;
}

static void place_all(struct gm_plan_layout *layout, uint32_t layer_count, struct ranked *scratch)
{
    double y = 0, left = 0, right = 0;
    for (uint32_t layer = 0; layer < layer_count; layer++) {
        place_layer(layout, layer, scratch);
        double height = 0;
        for (uint32_t i = 0; i < layout->all_count; i++) {
            struct gm_plan_layout_box *box = &layout->boxes[i];
            if (box->layer != layer)
                continue;
            box->y = y;
            height = box->height > height ? box->height : height;
            left = box->x < left ? box->x : left;
            right = box->x + box->width > right ? box->x + box->width : right;
        }
        for (uint32_t i = layout->box_count; i < layout->all_count; i++)
            if (layout->boxes[i].layer == layer)
                layout->boxes[i].height = height; /* an edge passes beside the boxes */
        y += height + layout->gap_y;
    }
    for (uint32_t i = 0; i < layout->all_count; i++)
        layout->boxes[i].x -= left;
    layout->width = right - left;
    layout->height = y > 0 ? y - layout->gap_y : 0;
}

int gm_plan_layout_place(struct gm_plan_layout *layout)
{
    const uint32_t layer_count = set_layers(layout);
    int rc = add_bends(layout);
    if (rc < 0)
        return rc;
    struct ranked *scratch = calloc(layout->all_count + (size_t)1, sizeof *scratch);
    if (scratch == NULL)
        return -ENOMEM;
    for (uint32_t sweep = 0; sweep < SWEEPS; sweep++)
        for (uint32_t i = 0; i < layer_count; i++)
            order_layer(layout, sweep % 2 == 0 ? i : layer_count - 1 - i, sweep % 2 == 0,
                        scratch);
    place_all(layout, layer_count, scratch);
    free(scratch);
    return 0;
}
