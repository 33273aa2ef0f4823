/* plan_cache.c - datasets that executors keep: the plan that computes one, and reading it again,
 * with its size, and with what is known of where its rows are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/planner_internal.h"

void gm_plan_cached_schema(struct gm_schema *ret_schema)
{
    *ret_schema = (struct gm_schema){0};
    gm_schema_add(ret_schema, "partition", GLEAM_I64, false);
    gm_schema_add(ret_schema, "rows", GLEAM_I64, false);
    gm_schema_add(ret_schema, "bytes", GLEAM_I64, false);
}

/* ---- computing and reading ------------------------------------------------------------------- */

int gm_planner_fill(struct planner *planner, struct gleam_dataset *node)
{
    struct gm_cached *cached = node->cached;
    GM_CHECK(node == planner->fill);
    /* Partitions of a source are wherever they were claimed; those of an exchange have a place. */
    if (planner->chain->source.kind != GM_SOURCE_EXCHANGE) {
        int rc = cut(planner, node,
                     (struct gm_exchange_plan){.kind = GM_EXCHANGE_MERGE,
                                               .partition_count = planner->partition_count});
        if (rc < 0)
            return rc;
    }
    cached->schema = planner->schema;
    cached->partition_count = planner->chain->source.partition_count;
    cached->ranges = planner->ranges;
    cached->keys = planner->placed.keys;
    cached->tagged = planner->placed.tagged;
    cached->merged = planner->placed.merged;
    gm_plan_cached_schema(&planner->schema);
    return cut(planner, node,
               (struct gm_exchange_plan){.kind = GM_EXCHANGE_OUTPUT,
                                         .partition_count = 1,
                                         .cached_id = planner->fill_id,
                                         .on_disk = cached->on_disk});
}

void gm_planner_read_cached(struct planner *planner, const struct gleam_dataset *node)
{
    struct gm_source *source = &add_chain(planner)->source;
    const struct gm_cached *cached = node->cached;
    GM_CHECK(cached->id != 0);
    source->kind = GM_SOURCE_EXCHANGE;
    source->inputs = calloc(1, sizeof *source->inputs);
    GM_CHECK(source->inputs != NULL);
    source->input_count = 1;
    source->inputs[0] = (struct gm_input){
        .exchange = UINT32_MAX, .cached_id = cached->id, .schema = cached->schema};
    source->schema = cached->schema;
    source->partition_count = cached->partition_count;
    snprintf(source->name, sizeof source->name, "%s", node->name);
    planner->schema = cached->schema;
    planner->partition_count = cached->partition_count;
    planner->ranges = cached->ranges;
    planner->placed = (struct gm_placement){
        .keys = cached->keys, .tagged = cached->tagged, .merged = cached->merged};
    planner->size = (struct gm_size){.bytes = cached->bytes, .known = true, .bound = true};
}

/* Marks what a dataset is made of, up to cached datasets that are there. */
static void mark(const struct gleam_dataset *node, bool *wanted)
{
    while (node != NULL && !wanted[node->index]) {
        wanted[node->index] = true;
        if (node->kind == GM_NODE_CACHE && node->cached->id != 0)
            return;
        for (uint32_t i = 0; i < node->other_count; i++)
            mark(node->others[i], wanted);
        node = node->input;
    }
}

static struct gleam_dataset *first_missing(const struct gleam_flow *flow, const bool *wanted)
{
    for (uint32_t i = 0; i < flow->node_count; i++) {
        struct gleam_dataset *node = flow->nodes[i];
        if (wanted[i] && node->kind == GM_NODE_CACHE && node->cached->id == 0)
            return node;
    }
    return NULL;
}

struct gleam_dataset *gm_planner_next_cached(const struct gleam_flow *flow, uint32_t first_output)
{
    bool wanted[GM_STEPS_MAX] = {false};
    for (uint32_t i = first_output; i < flow->output_count; i++)
        mark(flow->nodes[flow->outputs[i].node], wanted);
    return first_missing(flow, wanted);
}

struct gleam_dataset *gm_planner_next_cached_of(const struct gleam_dataset *dataset)
{
    bool wanted[GM_STEPS_MAX] = {false};
    mark(dataset, wanted);
    return first_missing(dataset->flow, wanted);
}
