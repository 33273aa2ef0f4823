/* flow_fold.c - building the folds that have a name: number of rows, sum, least, largest, mean,
 * number of values; by keys or of all rows. */
#define GLEAM_NO_PLACES
#include "engine/flow/flow_internal.h"

/* Without keys there is a row also of no rows. */
static struct gleam_dataset *always_one(struct gleam_dataset *node)
{
    if (node != NULL)
        node->always = node->order.count == 0;
    return node;
}

/* A reduce by keys, or of all rows when there are none. */
static struct gleam_dataset *fold_by(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_function function, struct gleam_order keys)
{
    return always_one(gm_flow_add_function(
        gm_flow_add_keyed(dataset, keys.count > 0 ? GM_NODE_REDUCE_BY : GM_NODE_REDUCE, step,
                          function.name, keys, false),
        function));
}

struct gleam_dataset *gleam_count_by(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_order keys)
{
    return fold_by(dataset, step, GLEAM_COUNT, keys);
}

struct gleam_dataset *gleam_sum_by(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys)
{
    return fold_by(dataset, step, GLEAM_SUM, keys);
}

struct gleam_dataset *gleam_min_by(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys)
{
    return fold_by(dataset, step, GLEAM_MIN, keys);
}

struct gleam_dataset *gleam_max_by(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys)
{
    return fold_by(dataset, step, GLEAM_MAX, keys);
}

struct gleam_dataset *gleam_avg_by(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys)
{
    return always_one(gm_flow_add_keyed(dataset, GM_NODE_AVG, step, "avg", keys, false));
}

struct gleam_dataset *gleam_count_distinct_by(struct gleam_dataset *dataset, const char *step,
                                              struct gleam_order keys)
{
    return always_one(
        gm_flow_add_keyed(dataset, GM_NODE_COUNT_DISTINCT, step, "count distinct", keys, false));
}

/* ---- of some columns ------------------------------------------------------------------------- */

/* Leaves keys and values, and turns the keys to what they are then. */
static struct gleam_dataset *only(struct gleam_dataset *dataset, struct gleam_order *keys,
                                  struct gleam_order values)
{
    if (values.count == 0)
        return dataset;
    dataset = gleam_select_kv(dataset, NULL, *keys, values);
    for (uint32_t i = 0; i < keys->count && i < GLEAM_ORDER_COLUMNS_MAX; i++)
        keys->columns[i].column = i + 1;
    return dataset;
}

#define OF(name, by)                                                                               \
    struct gleam_dataset *name(struct gleam_dataset *dataset, const char *step,                    \
                               struct gleam_order keys, struct gleam_order values)                 \
    {                                                                                              \
        dataset = only(dataset, &keys, values);                                                    \
        return by(dataset, step, keys);                                                            \
    }
OF(gleam_sum_of, gleam_sum_by)
OF(gleam_min_of, gleam_min_by)
OF(gleam_max_of, gleam_max_by)
OF(gleam_avg_of, gleam_avg_by)
OF(gleam_count_distinct_of, gleam_count_distinct_by)

struct gleam_dataset *gleam_count_of(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_order keys, struct gleam_order values)
{
    dataset = only(dataset, &keys, values);
    return always_one(gm_flow_add_keyed(dataset, GM_NODE_COUNT_VALUES, step, "count", keys, false));
}
