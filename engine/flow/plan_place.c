/* plan_place.c - where the rows of a key are: whether an exchange would bring nothing together that
 * is not together already.
 *
 * A dataset is placed by some columns when rows with equal values there are in one partition.  It
 * is so behind an exchange by their hash, as long as steps keep the columns.
 */
#include <string.h>

#include "engine/flow/planner_internal.h"

/* Whether the hash is that of the tagged form (op/key.h), in which columns of other kinds meet. */
static bool hashes_tagged(const struct gm_schema *schema, const struct gleam_order *keys,
                          bool tagged)
{
    const struct gm_field *field = &schema->fields[keys->columns[0].column - 1];
    return tagged || keys->count > 1 || field->nullable ||
           (field->kind != GLEAM_BYTES && field->kind != GLEAM_I64);
}

void gm_planner_place(struct planner *planner, const struct gm_exchange_plan *exchange)
{
    if (exchange->kind == GM_EXCHANGE_MERGE) { /* whole partitions become one */
        planner->placed.merged = true;
        return;
    }
    planner->placed = (struct gm_placement){0};
    if (exchange->kind != GM_EXCHANGE_HASH)
        return;
    planner->placed.keys = exchange->keys;
    planner->placed.tagged = hashes_tagged(&exchange->schema, &exchange->keys, exchange->tagged);
}

void gm_planner_place_nowhere(struct planner *planner)
{
    planner->placed.keys.count = 0;
}

/* Where the order has the column, from 1; 0: nowhere. */
static uint32_t position_of(const struct gleam_order *order, uint32_t column)
{
    for (uint32_t i = 0; i < order->count; i++)
        if (order->columns[i].column == column)
            return i + 1;
    return 0;
}

void gm_planner_place_select(struct planner *planner, const struct gleam_order *columns)
{
    struct gleam_order *keys = &planner->placed.keys;
    for (uint32_t i = 0; i < keys->count; i++) {
        keys->columns[i].column = position_of(columns, keys->columns[i].column);
        if (keys->columns[i].column == 0)
            keys->count = 0;
    }
}

bool gm_planner_is_placed(const struct planner *planner, const struct gleam_order *keys)
{
    const struct gleam_order *placed = &planner->placed.keys;
    for (uint32_t i = 0; i < placed->count; i++)
        if (position_of(keys, placed->columns[i].column) == 0)
            return false;
    return placed->count > 0 && !planner->ranges;
}

bool gm_placement_is_hash(const struct gm_placement *placed, const struct gm_schema *schema,
                          const struct gleam_order *keys, bool tagged)
{
    if (placed->keys.count != keys->count || keys->count == 0 || placed->merged)
        return false;
    for (uint32_t i = 0; i < keys->count; i++)
        if (placed->keys.columns[i].column != keys->columns[i].column)
            return false;
    return placed->tagged == hashes_tagged(schema, keys, tagged);
}
