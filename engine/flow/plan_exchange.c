/* plan_exchange.c - steps that move rows between partitions, or choose columns or some rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/planner_internal.h"

void gm_planner_select(struct planner *planner, const struct gleam_dataset *node,
                       const struct gleam_order *columns)
{
    struct gm_schema schema = {.field_count = columns->count};
    for (uint32_t i = 0; i < columns->count; i++)
        schema.fields[i] = planner->schema.fields[columns->columns[i].column - 1];
    planner->schema = schema;
    gm_planner_place_select(planner, columns);
    add_step(planner, GM_STEP_SELECT, node)->order = *columns;
}

static int plan_select(struct planner *planner, const struct gleam_dataset *node)
{
    int rc = check_order(planner, node, &node->order);
    if (rc == 0)
        gm_planner_select(planner, node, &node->order);
    return rc;
}

static int plan_where(struct planner *planner, const struct gleam_dataset *node)
{
    char text[200];
    struct gleam_value list = gleam_bytes((const char *)node->constant, node->constant_bytes);
    struct gleam_value value = gleam_null();
    size_t offset = 0;
    int rc = check_order(planner, node, &node->order);
    if (rc < 0)
        return rc;
    struct gm_field *field = &planner->schema.fields[node->order.columns[0].column - 1];
    list.kind = GLEAM_LIST;
    gleam_list_next(&list, &offset, &value);
    if (value.kind != GLEAM_NULL && !gm_planner_may_be_equal(field->kind, value.kind)) {
        snprintf(text, sizeof text, "column '%s' is %s and never compares with a value of %s",
                 field->name, gm_kind_name(field->kind), gm_kind_name(value.kind));
        return refuse(planner, node, text);
    }
    if (node->comparison != GLEAM_IS_NULL)
        field->nullable = false;
    struct gm_step *step = add_step(planner, GM_STEP_WHERE, node);
    step->order = node->order;
    step->comparison = node->comparison;
    step->parameter = malloc(node->constant_bytes);
    GM_CHECK(step->parameter != NULL);
    memcpy(step->parameter, node->constant, node->constant_bytes);
    step->parameter_bytes = (uint32_t)node->constant_bytes;
    return 0;
}

static int plan_partition(struct planner *planner, const struct gleam_dataset *node)
{
    int rc = check_order(planner, node, &node->order);
    if (rc < 0)
        return rc;
    const struct gm_exchange_plan exchange = {.kind = GM_EXCHANGE_HASH,
                                              .keys = node->order,
                                              .partition_count = node->partition_count};
    if (planner->chain->source.partition_count == node->partition_count && !planner->ranges &&
        gm_placement_is_hash(&planner->placed, &planner->schema, &node->order, false))
        return 0; /* they are there */
    return cut(planner, node, exchange);
}

/* Every row draws a number; those with the least are the sample. */
static int plan_sample(struct planner *planner, const struct gleam_dataset *node)
{
    const bool fraction = node->local;
    struct gm_schema schema = {0};
    const struct gm_schema from = planner->schema;
    if (fraction) {
        struct gm_step *step = add_step(planner, GM_STEP_SAMPLE, node);
        step->count = node->count;
        step->seed = node->seed;
        return 0;
    }
    gm_schema_add(&schema, "sample", GLEAM_I64, false);
    for (uint32_t i = 0; i < from.field_count; i++)
        if (gm_schema_add(&schema, from.fields[i].name, (enum gleam_kind)from.fields[i].kind,
                          from.fields[i].nullable) < 0)
            return refuse(planner, node, "it takes rows of 63 columns at most: select some before");
    planner->schema = schema;
    add_step(planner, GM_STEP_SAMPLE_KEYS, node)->seed = node->seed;
    struct gleam_dataset top = *node;
    top.kind = GM_NODE_TOP;
    top.order = gleam_field(1);
    const int rc = gm_planner_sort_step(planner, &top);
    if (rc < 0)
        return rc;
    struct gleam_order columns = {0};
    for (uint32_t i = 0; i < from.field_count; i++)
        columns = gleam_then_by(columns, i + 2, true);
    gm_planner_select(planner, node, &columns);
    return 0;
}

/* Sorted partitions are merged by sorting again: the runs that are there already are kept whole by
 * the merge sort. */
static int merge_sorted(struct planner *planner, const struct gleam_dataset *node,
                        uint32_t partition_count)
{
    int rc = cut(planner, node,
                 (struct gm_exchange_plan){.kind = GM_EXCHANGE_MERGE,
                                           .partition_count = partition_count});
    if (rc == 0)
        add_step(planner, GM_STEP_SORT, node)->order = node->order;
    return rc;
}

static int plan_merge(struct planner *planner, const struct gleam_dataset *node)
{
    if (!node->sorted)
        return cut(planner, node,
                   (struct gm_exchange_plan){.kind = GM_EXCHANGE_MERGE,
                                             .partition_count = node->partition_count});
    int rc = check_order(planner, node, &node->order);
    for (;;) {
        const uint32_t have = planner->chain->source.partition_count;
        const uint32_t next = (have - 1) / node->factor + 1;
        if (rc < 0 || next <= node->partition_count)
            break;
        rc = merge_sorted(planner, node, next);
    }
    return rc < 0 ? rc : merge_sorted(planner, node, node->partition_count);
}

static void add_local_limit(struct planner *planner, const struct gleam_dataset *node, bool stops)
{
    struct gm_step *step = add_step(planner, GM_STEP_LOCAL_LIMIT, node);
    step->count = node->count;
    step->offset = node->offset;
    step->stops_source = stops;
}

/* Each partition's first rows are enough; they are put in order behind the gathering. */
static int plan_limit(struct planner *planner, const struct gleam_dataset *node)
{
    const bool many = planner->chain->source.partition_count > 1;
    const bool claimed = planner->chain->source.kind != GM_SOURCE_EXCHANGE;
    add_local_limit(planner, node, many && claimed && !node->local);
    if (node->local || !many)
        return 0;
    int rc = gather(planner, node);
    if (rc < 0)
        return rc;
    struct gm_step *step = add_step(planner, GM_STEP_LIMIT, node);
    step->count = node->count;
    step->order = leading_columns(1); /* rows are kept as a top keeps them */
    return 0;
}

int gm_planner_exchange_step(struct planner *planner, const struct gleam_dataset *node)
{
    switch (node->kind) {
    case GM_NODE_SELECT:
        return plan_select(planner, node);
    case GM_NODE_WHERE:
        return plan_where(planner, node);
    case GM_NODE_PARTITION:
        return plan_partition(planner, node);
    case GM_NODE_MERGE:
        return plan_merge(planner, node);
    case GM_NODE_LIMIT:
        return plan_limit(planner, node);
    case GM_NODE_SAMPLE:
        return plan_sample(planner, node);
    default:
        GM_CHECK(node->kind == GM_NODE_ROUND_ROBIN || node->kind == GM_NODE_BROADCAST);
        return cut(planner, node,
                   (struct gm_exchange_plan){
                       .kind = node->kind == GM_NODE_BROADCAST ? GM_EXCHANGE_BROADCAST
                                                               : GM_EXCHANGE_ROUND_ROBIN,
                       .partition_count = node->partition_count});
    }
}
