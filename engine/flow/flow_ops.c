/* flow_ops.c - building the steps where datasets meet, and those that move or count rows. */
#define GLEAM_NO_PLACES
#include "engine/flow/flow_internal.h"

#include <stdlib.h>

#include "engine/base/check.h"

/* ---- joins ----------------------------------------------------------------------------------- */

static struct gleam_dataset *add_join(struct gleam_dataset *left, const char *step,
                                      struct gleam_dataset *right, struct gleam_order left_keys,
                                      struct gleam_order right_keys, enum gleam_join_kind kind,
                                      const char *fallback)
{
    struct gleam_dataset *node =
        gm_flow_add_meeting(left, &right, 1, GM_NODE_JOIN, step, fallback);
    if (node == NULL)
        return NULL;
    node->join = kind;
    node->order = left_keys;
    node->right_keys = right_keys;
    return node;
}

struct gleam_dataset *gleam_join_on(struct gleam_dataset *left, const char *step,
                                    struct gleam_dataset *right, struct gleam_order left_keys,
                                    struct gleam_order right_keys, enum gleam_join_kind kind)
{
    if (left != NULL && (unsigned)kind > GLEAM_JOIN_LEFT_ANTI)
        return gm_flow_mistake(left->flow, "there is no such kind of a join");
    if (left != NULL && (left_keys.count == 0 || right_keys.count == 0))
        return gm_flow_mistake(left->flow, "a join needs at least one key column on each side; "
                                           "gleam_cross_join is the one without");
    return add_join(left, step, right, left_keys, right_keys, kind, "join");
}

struct gleam_dataset *gleam_join(struct gleam_dataset *left, const char *step,
                                 struct gleam_dataset *right, struct gleam_order keys)
{
    return gleam_join_on(left, step, right, keys, keys, GLEAM_JOIN_INNER);
}

struct gleam_dataset *gleam_join_by_key(struct gleam_dataset *left, const char *step,
                                        struct gleam_dataset *right)
{
    return gleam_join(left, step, right, gleam_field(1));
}

struct gleam_dataset *gleam_left_outer_join(struct gleam_dataset *left, const char *step,
                                            struct gleam_dataset *right, struct gleam_order keys)
{
    return gleam_join_on(left, step, right, keys, keys, GLEAM_JOIN_LEFT_OUTER);
}

struct gleam_dataset *gleam_left_outer_join_by_key(struct gleam_dataset *left, const char *step,
                                                   struct gleam_dataset *right)
{
    return gleam_left_outer_join(left, step, right, gleam_field(1));
}

struct gleam_dataset *gleam_right_outer_join(struct gleam_dataset *left, const char *step,
                                             struct gleam_dataset *right, struct gleam_order keys)
{
    return gleam_join_on(left, step, right, keys, keys, GLEAM_JOIN_RIGHT_OUTER);
}

struct gleam_dataset *gleam_right_outer_join_by_key(struct gleam_dataset *left, const char *step,
                                                    struct gleam_dataset *right)
{
    return gleam_right_outer_join(left, step, right, gleam_field(1));
}

struct gleam_dataset *gleam_full_outer_join(struct gleam_dataset *left, const char *step,
                                            struct gleam_dataset *right, struct gleam_order keys)
{
    return gleam_join_on(left, step, right, keys, keys, GLEAM_JOIN_FULL_OUTER);
}

struct gleam_dataset *gleam_semi_join(struct gleam_dataset *left, const char *step,
                                      struct gleam_dataset *right, struct gleam_order keys)
{
    return gleam_join_on(left, step, right, keys, keys, GLEAM_JOIN_LEFT_SEMI);
}

struct gleam_dataset *gleam_anti_join(struct gleam_dataset *left, const char *step,
                                      struct gleam_dataset *right, struct gleam_order keys)
{
    return gleam_join_on(left, step, right, keys, keys, GLEAM_JOIN_LEFT_ANTI);
}

struct gleam_dataset *gleam_do_join(struct gleam_dataset *left, const char *step,
                                    struct gleam_dataset *right, bool left_outer, bool right_outer,
                                    struct gleam_order keys)
{
    return gleam_join_on(left, step, right, keys, keys,
                         left_outer && right_outer ? GLEAM_JOIN_FULL_OUTER
                         : left_outer              ? GLEAM_JOIN_LEFT_OUTER
                         : right_outer             ? GLEAM_JOIN_RIGHT_OUTER
                                                   : GLEAM_JOIN_INNER);
}

struct gleam_dataset *gleam_hash_join(struct gleam_dataset *left, const char *step,
                                      struct gleam_dataset *smaller, struct gleam_order keys)
{
    struct gleam_dataset *node =
        gleam_join_on(left, step, smaller, keys, keys, GLEAM_JOIN_INNER);
    if (node != NULL)
        node->broadcast = true;
    return node;
}

struct gleam_dataset *gleam_cross_join(struct gleam_dataset *left, const char *step,
                                       struct gleam_dataset *right)
{
    const struct gleam_order none = {0};
    return add_join(left, step, right, none, none, GLEAM_JOIN_INNER, "cross join");
}

struct gleam_dataset *gleam_union(struct gleam_dataset *dataset, const char *step,
                                  struct gleam_dataset *const *others, size_t other_count)
{
    if (dataset != NULL && (other_count == 0 || other_count >= GM_EXCHANGES_MAX))
        return gm_flow_mistake(dataset->flow, "a union takes between 2 and 64 datasets");
    return gm_flow_add_meeting(dataset, others, (uint32_t)other_count, GM_NODE_UNION, step,
                               "union");
}

struct gleam_dataset *gleam_cogroup_on(struct gleam_dataset *left, const char *step,
                                       struct gleam_dataset *right, struct gleam_order left_keys,
                                       struct gleam_order right_keys)
{
    struct gleam_dataset *node =
        gm_flow_add_meeting(left, &right, 1, GM_NODE_COGROUP, step, "cogroup");
    if (node == NULL)
        return NULL;
    node->order = left_keys;
    node->right_keys = right_keys;
    return node;
}

struct gleam_dataset *gleam_cogroup(struct gleam_dataset *left, const char *step,
                                    struct gleam_dataset *right, struct gleam_order keys)
{
    return gleam_cogroup_on(left, step, right, keys, keys);
}

/* ---- rows of a key --------------------------------------------------------------------------- */

struct gleam_dataset *gm_flow_add_keyed(struct gleam_dataset *dataset, enum gm_node_kind kind,
                                        const char *step, const char *fallback,
                                        struct gleam_order keys, bool local)
{
    struct gleam_dataset *node = gm_flow_add_step(dataset, kind, step, fallback);
    if (node == NULL)
        return NULL;
    node->order = keys;
    node->local = local;
    return node;
}

struct gleam_dataset *gleam_distinct(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_order keys)
{
    return gm_flow_add_keyed(dataset, GM_NODE_DISTINCT, step, "distinct", keys, false);
}

struct gleam_dataset *gleam_local_distinct(struct gleam_dataset *dataset, const char *step,
                                           struct gleam_order keys)
{
    return gm_flow_add_keyed(dataset, GM_NODE_DISTINCT, step, "local distinct", keys, true);
}

struct gleam_dataset *gleam_group_by(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_order keys)
{
    return gm_flow_add_keyed(dataset, GM_NODE_GROUP, step, "group", keys, false);
}

struct gleam_dataset *gleam_group_by_key(struct gleam_dataset *dataset, const char *step)
{
    return gleam_group_by(dataset, step, gleam_field(1));
}

struct gleam_dataset *gleam_local_group_by(struct gleam_dataset *dataset, const char *step,
                                           struct gleam_order keys)
{
    return gm_flow_add_keyed(dataset, GM_NODE_GROUP, step, "local group", keys, true);
}

struct gleam_dataset *gleam_reduce(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_function function)
{
    return gm_flow_add_function(gm_flow_add_step(dataset, GM_NODE_REDUCE, step, function.name),
                                function);
}

struct gleam_dataset *gleam_local_reduce(struct gleam_dataset *dataset, const char *step,
                                         struct gleam_function function)
{
    const struct gleam_order none = {0};
    return gm_flow_add_function(
        gm_flow_add_keyed(dataset, GM_NODE_REDUCE, step, function.name, none, true), function);
}

struct gleam_dataset *gleam_local_reduce_by(struct gleam_dataset *dataset, const char *step,
                                            struct gleam_function function,
                                            struct gleam_order keys)
{
    return gm_flow_add_function(
        gm_flow_add_keyed(dataset, GM_NODE_REDUCE_BY, step, function.name, keys, true), function);
}

struct gleam_dataset *gleam_sort_by_key(struct gleam_dataset *dataset, const char *step)
{
    return gleam_sort(dataset, step, gleam_field(1));
}

/* ---- columns and numbers of rows ------------------------------------------------------------- */

struct gleam_dataset *gleam_select(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order columns)
{
    struct gleam_dataset *node = gm_flow_add_step(dataset, GM_NODE_SELECT, step, "select");
    if (node != NULL)
        node->order = columns;
    return node;
}

struct gleam_dataset *gleam_select_kv(struct gleam_dataset *dataset, const char *step,
                                      struct gleam_order keys, struct gleam_order values)
{
    for (uint32_t i = 0; i < values.count && i < GLEAM_ORDER_COLUMNS_MAX; i++)
        keys = gleam_then_by(keys, values.columns[i].column, true);
    return gleam_select(dataset, step, keys);
}

struct gleam_dataset *gleam_where(struct gleam_dataset *dataset, const char *step,
                                  uint32_t column, enum gleam_comparison comparison,
                                  struct gleam_value value)
{
    const bool only_null = comparison == GLEAM_IS_NULL || comparison == GLEAM_IS_NOT_NULL;
    if (dataset != NULL && (unsigned)comparison > GLEAM_IS_NOT_NULL)
        return gm_flow_mistake(dataset->flow, "there is no such comparison");
    if (dataset != NULL && !only_null && (value.kind == GLEAM_NULL || value.kind > GLEAM_BYTES))
        return gm_flow_mistake(dataset->flow,
                               "rows are compared with an i64, f64, bool or bytes value; for nulls "
                               "there is GLEAM_IS_NULL");
    if (only_null)
        value = gleam_null();
    if (dataset != NULL && gleam_list_bytes(&value, 1) > GM_PARAM_BYTES_MAX)
        return gm_flow_mistake(dataset->flow, "the value to compare with is larger than 1 MiB");
    struct gleam_dataset *node = gm_flow_add_step(dataset, GM_NODE_WHERE, step, "where");
    if (node == NULL)
        return NULL;
    node->order = gleam_field(column);
    node->comparison = comparison;
    node->constant = malloc(gleam_list_bytes(&value, 1));
    GM_CHECK(node->constant != NULL);
    node->constant_bytes = gleam_list_pack(&value, 1, node->constant).bytes.length;
    return node;
}

static struct gleam_dataset *add_limit(struct gleam_dataset *dataset, const char *step,
                                       uint64_t count, uint64_t offset, bool local)
{
    struct gleam_dataset *node =
        gm_flow_add_step(dataset, GM_NODE_LIMIT, step, local ? "local limit" : "limit");
    if (node == NULL)
        return NULL;
    node->count = count;
    node->offset = offset;
    node->local = local;
    return node;
}

struct gleam_dataset *gleam_local_limit(struct gleam_dataset *dataset, const char *step,
                                        uint64_t count, uint64_t offset)
{
    return add_limit(dataset, step, count, offset, true);
}

struct gleam_dataset *gleam_limit(struct gleam_dataset *dataset, const char *step, uint64_t count)
{
    return add_limit(dataset, step, count, 0, false);
}

static struct gleam_dataset *add_sample(struct gleam_dataset *dataset, const char *step,
                                        uint64_t count, bool fraction, uint64_t seed)
{
    struct gleam_dataset *node = gm_flow_add_step(dataset, GM_NODE_SAMPLE, step, "sample");
    if (node == NULL)
        return NULL;
    node->count = count;
    node->seed = seed;
    node->local = fraction;
    return node;
}

struct gleam_dataset *gleam_sample(struct gleam_dataset *dataset, const char *step, uint32_t count,
                                   uint64_t seed)
{
    return add_sample(dataset, step, count, false, seed);
}

struct gleam_dataset *gleam_sample_fraction(struct gleam_dataset *dataset, const char *step,
                                            double fraction, uint64_t seed)
{
    if (dataset != NULL && !(fraction >= 0 && fraction <= 1))
        return gm_flow_mistake(dataset->flow, "the fraction of a sample must be between 0 and 1");
    return add_sample(dataset, step, (uint64_t)(fraction * 0x1p32), true, seed);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

struct gleam_size_hint gleam_total_size(double megabytes)
{
    return (struct gleam_size_hint){.megabytes = megabytes};
}

struct gleam_size_hint gleam_partition_size(double megabytes)
{
    return (struct gleam_size_hint){.megabytes = megabytes, .of_partition = true};
}

static void take_hint(struct gleam_flow *flow, struct gleam_size_hint hint, struct gm_hint *to)
{
    if (!(hint.megabytes > 0 && hint.megabytes < 0x1p43)) {
        gm_flow_mistake(flow, "a size is given in megabytes: more than 0, less than 8 exabytes");
        return;
    }
    const uint64_t bytes = (uint64_t)(hint.megabytes * 0x1p20);
    *(hint.of_partition ? &to->partition_bytes : &to->total_bytes) = bytes > 0 ? bytes : 1;
}

struct gleam_dataset *gleam_hint(struct gleam_dataset *dataset, struct gleam_size_hint hint)
{
    if (dataset != NULL)
        take_hint(dataset->flow, hint, &dataset->hint);
    return dataset;
}

void gleam_flow_hint(struct gleam_flow *flow, struct gleam_size_hint hint)
{
    take_hint(flow, hint, &flow->hint);
}

/* ---- partitions ------------------------------------------------------------------------------ */

static struct gleam_dataset *add_exchange(struct gleam_dataset *dataset, enum gm_node_kind kind,
                                          const char *step, const char *fallback,
                                          uint32_t partition_count)
{
    if (dataset != NULL && (partition_count == 0 || partition_count > GM_PARTITIONS_MAX))
        return gm_flow_mistake(dataset->flow,
                               "the number of partitions must be between 1 and 65536");
    struct gleam_dataset *node = gm_flow_add_step(dataset, kind, step, fallback);
    if (node != NULL)
        node->partition_count = partition_count;
    return node;
}

struct gleam_dataset *gleam_round_robin(struct gleam_dataset *dataset, const char *step,
                                        uint32_t partition_count)
{
    return add_exchange(dataset, GM_NODE_ROUND_ROBIN, step, "round robin", partition_count);
}

struct gleam_dataset *gleam_partition(struct gleam_dataset *dataset, const char *step,
                                      uint32_t partition_count, struct gleam_order keys)
{
    struct gleam_dataset *node =
        add_exchange(dataset, GM_NODE_PARTITION, step, "partition", partition_count);
    if (node != NULL)
        node->order = keys;
    return node;
}

struct gleam_dataset *gleam_merge_to(struct gleam_dataset *dataset, const char *step,
                                     uint32_t partition_count)
{
    return add_exchange(dataset, GM_NODE_MERGE, step, "merge", partition_count);
}

struct gleam_dataset *gleam_merge_sorted_to(struct gleam_dataset *dataset, const char *step,
                                            uint32_t partition_count, struct gleam_order order)
{
    return gleam_tree_merge_sorted_to(dataset, step, partition_count, GM_PARTITIONS_MAX, order);
}

struct gleam_dataset *gleam_tree_merge_sorted_to(struct gleam_dataset *dataset, const char *step,
                                                 uint32_t partition_count, uint32_t factor,
                                                 struct gleam_order order)
{
    if (dataset != NULL && factor < 2)
        return gm_flow_mistake(dataset->flow, "a tree merges at least 2 partitions into one");
    struct gleam_dataset *node =
        add_exchange(dataset, GM_NODE_MERGE, step, "merge sorted", partition_count);
    if (node == NULL)
        return NULL;
    node->sorted = true;
    node->factor = factor;
    node->order = order;
    return node;
}

struct gleam_dataset *gleam_broadcast(struct gleam_dataset *dataset, const char *step,
                                      uint32_t partition_count)
{
    return add_exchange(dataset, GM_NODE_BROADCAST, step, "broadcast", partition_count);
}
