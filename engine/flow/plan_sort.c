/* plan_sort.c - sorts and tops, and bringing rows to one place.
 *
 * A sort makes one partition.  On several executors that is cut into ranges, one for each of them:
 * partitions that, taken one after the other, are the sorted one.
 */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/flow/planner_internal.h"

int gm_planner_gather(struct planner *planner, const struct gleam_dataset *node)
{
    if (planner->chain->source.partition_count == 1)
        return 0;
    return cut(planner, node,
               (struct gm_exchange_plan){.kind = GM_EXCHANGE_GATHER,
                                         .partition_count = 1,
                                         .ordered = planner->ranges});
}

/* An exchange for samples, which no chain feeds or reads. */
static int add_samples(struct planner *planner, const struct gleam_dataset *node,
                       uint32_t *ret_exchange)
{
    struct gm_plan *plan = &planner->plan;
    if (plan->exchange_count + 1 >= GM_EXCHANGES_MAX)
        return refuse(planner, node, "the flow needs more than 64 exchanges; split it");
    plan->exchanges =
        realloc(plan->exchanges, (plan->exchange_count + 1) * sizeof *plan->exchanges);
    GM_CHECK(plan->exchanges != NULL);
    struct gm_exchange_plan *exchange = &plan->exchanges[plan->exchange_count];
    *exchange = (struct gm_exchange_plan){.kind = GM_EXCHANGE_SAMPLE,
                                          .partition_count = planner->executor_count};
    gm_schema_add(&exchange->schema, "sample", GLEAM_BYTES, false);
    *ret_exchange = plan->exchange_count++;
    return 0;
}

/* Rows of many partitions become ranges, one for each executor. */
static int plan_ranges(struct planner *planner, const struct gleam_dataset *node)
{
    uint32_t samples = 0;
    if (planner->executor_count == 1 || planner->chain->source.partition_count == 1)
        return gather(planner, node);
    int rc = add_samples(planner, node, &samples);
    if (rc < 0)
        return rc;
    return cut(planner, node,
               (struct gm_exchange_plan){.kind = GM_EXCHANGE_RANGE,
                                         .keys = node->order,
                                         .partition_count = planner->executor_count,
                                         .samples = samples});
}

static int plan_sort(struct planner *planner, const struct gleam_dataset *node)
{
    int rc = check_order(planner, node, &node->order);
    if (rc == 0 && (!node->local || planner->ranges))
        rc = plan_ranges(planner, node);
    if (rc < 0)
        return rc;
    add_step(planner, GM_STEP_SORT, node)->order = node->order;
    return 0;
}

static void add_top(struct planner *planner, const struct gleam_dataset *node)
{
    struct gm_step *step = add_step(planner, GM_STEP_TOP, node);
    step->order = node->order;
    step->count = node->count;
}

static int plan_top(struct planner *planner, const struct gleam_dataset *node)
{
    int rc = check_order(planner, node, &node->order);
    if (rc < 0)
        return rc;
    const bool local = node->local && !planner->ranges;
    if (local || planner->chain->source.partition_count > 1)
        add_top(planner, node);
    if (local)
        return 0;
    rc = gather(planner, node);
    if (rc < 0)
        return rc;
    add_top(planner, node);
    return 0;
}

int gm_planner_sort_step(struct planner *planner, const struct gleam_dataset *node)
{
    return node->kind == GM_NODE_SORT ? plan_sort(planner, node) : plan_top(planner, node);
}
