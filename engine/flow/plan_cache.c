/* plan_cache.c - datasets that executors keep: the plan that computes one, reading it again, and
 * what is known of how its rows are spread. */
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

/* ---- how rows are spread --------------------------------------------------------------------- */

static bool same_columns(const struct gleam_order *a, const struct gleam_order *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->columns[i].column != b->columns[i].column)
            return false;
    return true;
}

/* Rows stay in their partitions, whatever the step; but its columns may be others.  False when the
 * keys are not there any more. */
static bool keeps_keys(const struct gm_step *step, struct gleam_order *keys)
{
    switch (step->kind) {
    case GM_STEP_FILTER:
    case GM_STEP_WHERE:
    case GM_STEP_LOCAL_LIMIT:
    case GM_STEP_DISTINCT:
    case GM_STEP_PARTIAL_DISTINCT:
    case GM_STEP_SORT:
    case GM_STEP_TOP:
        return true;
    case GM_STEP_LUA:
        return step->lua_mode == GM_LUA_FILTER;
    case GM_STEP_REDUCE:
    case GM_STEP_COMBINE:
    case GM_STEP_GROUP: /* their results begin with their keys */
        if (!same_columns(&step->order, keys))
            return false;
        *keys = leading_columns(keys->count);
        return true;
    default:
        return false;
    }
}

/* The columns by whose hash the rows at the chain's end are spread; none when that is not known. */
static struct gleam_order spread_by(const struct planner *planner, bool *ret_tagged)
{
    const struct gm_chain_plan *chain = planner->chain;
    struct gleam_order keys = {0};
    *ret_tagged = false;
    if (chain->source.kind != GM_SOURCE_EXCHANGE || chain->source.input_count != 1)
        return keys;
    const struct gm_input *input = &chain->source.inputs[0];
    if (input->cached_id != 0) {
        keys = planner->cached->cached->keys;
        *ret_tagged = planner->cached->cached->tagged;
    } else if (planner->plan.exchanges[input->exchange].kind == GM_EXCHANGE_HASH) {
        keys = planner->plan.exchanges[input->exchange].keys;
        *ret_tagged = planner->plan.exchanges[input->exchange].tagged;
    }
    for (uint32_t s = 0; s < chain->step_count && keys.count > 0; s++)
        if (!keeps_keys(&chain->steps[s], &keys))
            keys.count = 0;
    return keys;
}

bool gm_planner_is_spread(const struct planner *planner, const struct gleam_order *keys)
{
    bool tagged;
    const struct gleam_order by = spread_by(planner, &tagged);
    return keys->count > 0 && !tagged && same_columns(&by, keys);
}

bool gm_planner_take_cached(struct planner *planner, const struct gleam_order *keys,
                            struct gm_input *ret_input)
{
    const struct gm_source *source = &planner->chain->source;
    if (planner->chain->step_count > 0 || source->kind != GM_SOURCE_EXCHANGE ||
        source->input_count != 1 || source->inputs[0].cached_id == 0 ||
        memcmp(&source->schema, &planner->cached->cached->schema, sizeof source->schema) != 0 ||
        !gm_planner_is_spread(planner, keys))
        return false;
    *ret_input = source->inputs[0];
    /* The chain that would have read it is not needed. */
    GM_CHECK(planner->chain == &planner->plan.chains[planner->plan.chain_count - 1]);
    free(source->inputs);
    planner->plan.chain_count--;
    planner->chain = NULL;
    return true;
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
    cached->keys = spread_by(planner, &cached->tagged);
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
    planner->cached = node;
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
