/* orders.c - see orders.h. */
#define GLEAM_NO_PLACES
#include "script/orders.h"

static struct gleam_dataset *reduce_by(struct gleam_dataset *dataset, const char *step,
                                       struct gleam_function function,
                                       const struct gleam_order *keys)
{
    return gleam_reduce_by(dataset, step, function, *keys);
}

static struct gleam_dataset *local_sort(struct gleam_dataset *dataset, const char *step,
                                        const struct gleam_order *order)
{
    return gleam_local_sort(dataset, step, *order);
}

static struct gleam_dataset *sort(struct gleam_dataset *dataset, const char *step,
                                  const struct gleam_order *order)
{
    return gleam_sort(dataset, step, *order);
}

static struct gleam_dataset *local_top(struct gleam_dataset *dataset, const char *step,
                                       uint32_t count, const struct gleam_order *order)
{
    return gleam_local_top(dataset, step, count, *order);
}

static struct gleam_dataset *top(struct gleam_dataset *dataset, const char *step, uint32_t count,
                                 const struct gleam_order *order)
{
    return gleam_top(dataset, step, count, *order);
}

static struct gleam_dataset *join_on(struct gleam_dataset *left, const char *step,
                                     struct gleam_dataset *right,
                                     const struct gleam_order *left_keys,
                                     const struct gleam_order *right_keys,
                                     enum gleam_join_kind kind)
{
    return gleam_join_on(left, step, right, *left_keys, *right_keys, kind);
}

static struct gleam_dataset *select(struct gleam_dataset *dataset, const char *step,
                                    const struct gleam_order *columns)
{
    return gleam_select(dataset, step, *columns);
}

static struct gleam_dataset *select_kv(struct gleam_dataset *dataset, const char *step,
                                       const struct gleam_order *keys,
                                       const struct gleam_order *values)
{
    return gleam_select_kv(dataset, step, *keys, *values);
}

static struct gleam_dataset *partition(struct gleam_dataset *dataset, const char *step,
                                       uint32_t partition_count, const struct gleam_order *keys)
{
    return gleam_partition(dataset, step, partition_count, *keys);
}

static struct gleam_dataset *merge_sorted_to(struct gleam_dataset *dataset, const char *step,
                                             uint32_t partition_count,
                                             const struct gleam_order *order)
{
    return gleam_merge_sorted_to(dataset, step, partition_count, *order);
}

static struct gleam_dataset *tree_merge_sorted_to(struct gleam_dataset *dataset, const char *step,
                                                  uint32_t partition_count, uint32_t factor,
                                                  const struct gleam_order *order)
{
    return gleam_tree_merge_sorted_to(dataset, step, partition_count, factor, *order);
}

static struct gleam_dataset *cogroup_on(struct gleam_dataset *left, const char *step,
                                        struct gleam_dataset *right,
                                        const struct gleam_order *left_keys,
                                        const struct gleam_order *right_keys)
{
    return gleam_cogroup_on(left, step, right, *left_keys, *right_keys);
}

static struct gleam_dataset *distinct(struct gleam_dataset *dataset, const char *step,
                                      const struct gleam_order *keys)
{
    return gleam_distinct(dataset, step, *keys);
}

static struct gleam_dataset *local_distinct(struct gleam_dataset *dataset, const char *step,
                                            const struct gleam_order *keys)
{
    return gleam_local_distinct(dataset, step, *keys);
}

static struct gleam_dataset *group_by(struct gleam_dataset *dataset, const char *step,
                                      const struct gleam_order *keys)
{
    return gleam_group_by(dataset, step, *keys);
}

static struct gleam_dataset *local_group_by(struct gleam_dataset *dataset, const char *step,
                                            const struct gleam_order *keys)
{
    return gleam_local_group_by(dataset, step, *keys);
}

static struct gleam_dataset *local_reduce_by(struct gleam_dataset *dataset, const char *step,
                                             struct gleam_function function,
                                             const struct gleam_order *keys)
{
    return gleam_local_reduce_by(dataset, step, function, *keys);
}

static struct gleam_dataset *hash_join(struct gleam_dataset *left, const char *step,
                                       struct gleam_dataset *smaller,
                                       const struct gleam_order *keys)
{
    return gleam_hash_join(left, step, smaller, *keys);
}

static struct gleam_dataset *count_by(struct gleam_dataset *dataset, const char *step,
                                      const struct gleam_order *keys)
{
    return gleam_count_by(dataset, step, *keys);
}

#define OF(name)                                                                                   \
    static struct gleam_dataset *name(struct gleam_dataset *dataset, const char *step,             \
                                      const struct gleam_order *keys,                              \
                                      const struct gleam_order *values)                            \
    {                                                                                              \
        return gleam_##name(dataset, step, *keys, *values);                                        \
    }
OF(count_of)
OF(sum_of)
OF(min_of)
OF(max_of)
OF(avg_of)
OF(count_distinct_of)

static struct gleam_dataset *do_join(struct gleam_dataset *left, const char *step,
                                     struct gleam_dataset *right, bool left_outer,
                                     bool right_outer, const struct gleam_order *keys)
{
    return gleam_do_join(left, step, right, left_outer, right_outer, *keys);
}

const struct gm_order_calls gm_order_calls = {
    .reduce_by = reduce_by,
    .local_sort = local_sort,
    .sort = sort,
    .local_top = local_top,
    .top = top,
    .join_on = join_on,
    .select = select,
    .select_kv = select_kv,
    .partition = partition,
    .merge_sorted_to = merge_sorted_to,
    .tree_merge_sorted_to = tree_merge_sorted_to,
    .cogroup_on = cogroup_on,
    .distinct = distinct,
    .local_distinct = local_distinct,
    .group_by = group_by,
    .local_group_by = local_group_by,
    .local_reduce_by = local_reduce_by,
    .hash_join = hash_join,
    .count_by = count_by,
    .count_of = count_of,
    .sum_of = sum_of,
    .min_of = min_of,
    .max_of = max_of,
    .avg_of = avg_of,
    .count_distinct_of = count_distinct_of,
    .do_join = do_join,
};
