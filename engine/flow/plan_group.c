/* plan_group.c - steps that bring the rows of a key together: distinct and group. */
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/flow/planner_internal.h"

int gm_planner_check_keys(struct planner *planner, const struct gleam_dataset *node,
                          const struct gleam_order *keys)
{
    int rc = check_order(planner, node, keys);
    for (uint32_t i = 0; i < keys->count && rc == 0; i++)
        for (uint32_t j = 0; j < i; j++)
            if (keys->columns[i].column == keys->columns[j].column)
                return refuse(planner, node, "a key column is named twice");
    return rc;
}

/* ---- distinct -------------------------------------------------------------------------------- */

static struct gm_step *add_distinct(struct planner *planner, const struct gleam_dataset *node,
                                    const struct gleam_order *keys)
{
    struct gm_step *step = add_step(planner, GM_STEP_DISTINCT, node);
    step->order = *keys;
    /* Rows of one origin come in order, those of several do not. */
    step->seeks_first = keys->count < planner->schema.field_count &&
                        planner->chain->source.kind == GM_SOURCE_EXCHANGE;
    return step;
}

static int plan_distinct(struct planner *planner, const struct gleam_dataset *node)
{
    const struct gleam_order keys = node->order.count > 0
                                        ? node->order
                                        : leading_columns(planner->schema.field_count);
    int rc = gm_planner_check_keys(planner, node, &keys);
    if (rc < 0)
        return rc;
    if (!node->local && planner->chain->source.partition_count > 1) {
        struct gm_step *partial = add_distinct(planner, node, &keys);
        partial->partial = true;
        partial->seeks_first = false;
        rc = cut(planner, node,
                 (struct gm_exchange_plan){.kind = GM_EXCHANGE_HASH,
                                           .keys = keys,
                                           .partition_count = planner->partition_count});
        if (rc < 0)
            return rc;
    }
    add_distinct(planner, node, &keys);
    return 0;
}

/* ---- group ----------------------------------------------------------------------------------- */

int gm_planner_add_list(struct planner *planner, const struct gleam_dataset *node,
                        const struct gm_schema *from, const struct gleam_order *keys,
                        const char *name, struct gm_schema *schema)
{
    if (keys->count >= from->field_count)
        return refuse(planner, node, "every column is a key: nothing is left to make a list of");
    return gm_schema_add(schema, name, GLEAM_ANY, false) < 0
               ? refuse(planner, node, "its rows would have more than 64 columns")
               : 0;
}

static int plan_group(struct planner *planner, const struct gleam_dataset *node)
{
    const struct gm_schema from = planner->schema;
    struct gm_schema schema = {0};
    const char *name = "values";
    int rc = gm_planner_check_keys(planner, node, &node->order);
    for (uint32_t i = 0; i < node->order.count && rc == 0; i++)
        schema.fields[schema.field_count++] = from.fields[node->order.columns[i].column - 1];
    for (uint32_t i = 0; i < from.field_count; i++)
        if (from.field_count == node->order.count + 1 && !in_order(&node->order, i + 1))
            name = from.fields[i].name;
    if (rc == 0)
        rc = gm_planner_add_list(planner, node, &from, &node->order, name, &schema);
    if (rc == 0 && !node->local && planner->chain->source.partition_count > 1)
        rc = cut(planner, node,
                 (struct gm_exchange_plan){.kind = GM_EXCHANGE_HASH,
                                           .keys = node->order,
                                           .partition_count = planner->partition_count});
    if (rc < 0)
        return rc;
    planner->schema = schema;
    add_step(planner, GM_STEP_GROUP, node)->order = node->order;
    return 0;
}

int gm_planner_group_step(struct planner *planner, const struct gleam_dataset *node)
{
    return node->kind == GM_NODE_DISTINCT ? plan_distinct(planner, node)
                                          : plan_group(planner, node);
}
