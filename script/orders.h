/* orders.h - calls with orders by pointer: LuaJIT cannot pass a struct of that size by value.
 *
 * LuaJIT reads the struct's text as its declaration.
 */
#ifndef GM_SCRIPT_ORDERS_H
#define GM_SCRIPT_ORDERS_H

#include "engine/gleam.h"

#define GM_SCRIPT_DECLARE(...)                                                                     \
    __VA_ARGS__                                                                                    \
    static const char gm_script_orders[] = #__VA_ARGS__

/* clang-format off */
GM_SCRIPT_DECLARE(
struct gm_order_calls {
    struct gleam_dataset *(*reduce_by)(struct gleam_dataset *dataset, const char *step,
        struct gleam_function function, const struct gleam_order *keys);
    struct gleam_dataset *(*local_sort)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *order);
    struct gleam_dataset *(*sort)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *order);
    struct gleam_dataset *(*local_top)(struct gleam_dataset *dataset, const char *step,
        uint32_t count, const struct gleam_order *order);
    struct gleam_dataset *(*top)(struct gleam_dataset *dataset, const char *step, uint32_t count,
        const struct gleam_order *order);
    struct gleam_dataset *(*join_on)(struct gleam_dataset *left, const char *step,
        struct gleam_dataset *right, const struct gleam_order *left_keys,
        const struct gleam_order *right_keys, enum gleam_join_kind kind);
    struct gleam_dataset *(*select)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *columns);
    struct gleam_dataset *(*select_kv)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys, const struct gleam_order *values);
    struct gleam_dataset *(*partition)(struct gleam_dataset *dataset, const char *step,
        uint32_t partition_count, const struct gleam_order *keys);
    struct gleam_dataset *(*merge_sorted_to)(struct gleam_dataset *dataset, const char *step,
        uint32_t partition_count, const struct gleam_order *order);
    struct gleam_dataset *(*tree_merge_sorted_to)(struct gleam_dataset *dataset, const char *step,
        uint32_t partition_count, uint32_t factor, const struct gleam_order *order);
    struct gleam_dataset *(*cogroup_on)(struct gleam_dataset *left, const char *step,
        struct gleam_dataset *right, const struct gleam_order *left_keys,
        const struct gleam_order *right_keys);
    struct gleam_dataset *(*distinct)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys);
    struct gleam_dataset *(*local_distinct)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys);
    struct gleam_dataset *(*group_by)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys);
    struct gleam_dataset *(*local_group_by)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys);
    struct gleam_dataset *(*local_reduce_by)(struct gleam_dataset *dataset, const char *step,
        struct gleam_function function, const struct gleam_order *keys);
    struct gleam_dataset *(*hash_join)(struct gleam_dataset *left, const char *step,
        struct gleam_dataset *smaller, const struct gleam_order *keys);
    struct gleam_dataset *(*do_join)(struct gleam_dataset *left, const char *step,
        struct gleam_dataset *right, bool left_outer, bool right_outer,
        const struct gleam_order *keys);
    struct gleam_dataset *(*count_of)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys, const struct gleam_order *values);
    struct gleam_dataset *(*count_by)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys);
    struct gleam_dataset *(*sum_of)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys, const struct gleam_order *values);
    struct gleam_dataset *(*min_of)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys, const struct gleam_order *values);
    struct gleam_dataset *(*max_of)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys, const struct gleam_order *values);
    struct gleam_dataset *(*avg_of)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys, const struct gleam_order *values);
    struct gleam_dataset *(*count_distinct_of)(struct gleam_dataset *dataset, const char *step,
        const struct gleam_order *keys, const struct gleam_order *values);
};
);
/* clang-format on */

extern const struct gm_order_calls gm_order_calls;

#endif
