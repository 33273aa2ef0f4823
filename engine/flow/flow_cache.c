/* flow_cache.c - datasets that are kept, and rounds of building that are taken back. */
#define GLEAM_NO_PLACES
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/flow/flow.h"

static struct gleam_dataset *add_cache(struct gleam_dataset *dataset, const char *step,
                                       const char *fallback, bool on_disk)
{
    struct gleam_dataset *node = gm_flow_add_step(dataset, GM_NODE_CACHE, step, fallback);
    if (node == NULL)
        return NULL;
    node->cached = calloc(1, sizeof *node->cached);
    GM_CHECK(node->cached != NULL);
    node->cached->on_disk = on_disk;
    return node;
}

struct gleam_dataset *gleam_cache(struct gleam_dataset *dataset, const char *step)
{
    return add_cache(dataset, step, "cache", false);
}

struct gleam_dataset *gleam_on_disk(struct gleam_dataset *dataset, const char *step)
{
    return add_cache(dataset, step, "on disk", true);
}

static void give_up(struct gleam_dataset *node)
{
    if (node->cached->id != 0 && node->flow->uncache != NULL)
        node->flow->uncache(node->cached->id);
    node->cached->id = 0;
}

void gleam_uncache(struct gleam_dataset *dataset)
{
    if (dataset == NULL)
        return;
    if (dataset->kind != GM_NODE_CACHE)
        gm_flow_mistake(dataset->flow, "what is to be uncached is no cached dataset");
    else
        give_up(dataset);
}

void gm_flow_free_cached(struct gleam_dataset *node)
{
    if (node->cached == NULL)
        return;
    give_up(node);
    free(node->cached);
    node->cached = NULL;
}

struct gm_flow_mark gm_flow_mark(const struct gleam_flow *flow)
{
    return (struct gm_flow_mark){.node_count = flow->node_count,
                                 .output_count = flow->output_count,
                                 .broadcast_count = flow->broadcast_count};
}

void gm_flow_drop(struct gleam_flow *flow, struct gm_flow_mark mark)
{
    const uint32_t count = flow->node_count - mark.node_count;
    if (count > 0) {
        flow->dropped = realloc(flow->dropped,
                                (flow->dropped_count + count) * sizeof *flow->dropped);
        GM_CHECK(flow->dropped != NULL);
    }
    while (flow->node_count > mark.node_count) {
        struct gleam_dataset *node = flow->nodes[--flow->node_count];
        if (node->cached != NULL)
            give_up(node);
        node->dropped = true;
        flow->dropped[flow->dropped_count++] = node;
    }
    while (flow->output_count > mark.output_count) {
        struct gm_output *output = &flow->outputs[--flow->output_count];
        free(output->path);
        free(output->empty);
        *output = (struct gm_output){0};
    }
    while (flow->broadcast_count > mark.broadcast_count)
        free(flow->broadcasts[--flow->broadcast_count].data);
}
