/* groups.h - the groups of a reduce: a table of any keys with accumulators, or, where there is one
 * i64 key and all that is folded are numbers without nulls, a tally, which is smaller and faster.
 * Which of them is said by the step's schema when it opens.
 *
 * Threads:   one.
 * Memory:    all in the operator's heap.
 */
#ifndef GM_OP_GROUPS_H
#define GM_OP_GROUPS_H

#include "engine/op/accumulate.h"
#include "engine/op/key.h"
#include "engine/op/table.h"
#include "engine/op/tally.h"

/* What all groups of an operator share. */
struct gm_grouping {
    struct gm_key_reader keys;
    struct gm_accumulator accumulator;
    bool tallied;
    uint64_t starts[GM_REDUCE_VALUES_MAX];
    struct gm_tally_hash hashes[2]; /* of rows as they come, and of rows in the first one's order */
};

/* Of one partition. */
struct gm_groups {
    uint32_t hash; /* of grouping->hashes */
    union {
        struct gm_table table;
        struct gm_tally tally;
    };
};

/* The groups of some rows. */
struct gm_group_places {
    uint32_t first, count; /* rows */
    union {
        uint64_t *values[GM_TALLY_BLOCK];
        struct {
            uint64_t new_slots;
            struct gm_slot *slots[GM_KEY_BLOCK];
        };
    };
};

/* Returns 0 or < 0 with the error set. */
int gm_grouping_init(struct gm_grouping *grouping, const struct gm_op *op);
void gm_grouping_fini(struct gm_grouping *grouping);

/* Returns 0 or GM_ETASK_MEMORY.  grouping stays where it is until fini. */
int gm_groups_init(struct gm_groups *groups, const struct gm_grouping *grouping);
void gm_groups_fini(struct gm_groups *groups, const struct gm_grouping *grouping);
/* Empties them and keeps the table, nothing else. */
void gm_groups_clear(struct gm_groups *groups, const struct gm_grouping *grouping);

/* There are none yet, and rows will come in the order of the hashes that gm_groups_next gave. */
void gm_groups_expect_sorted(struct gm_groups *groups, const struct gm_grouping *grouping);

uint64_t gm_groups_count(const struct gm_groups *groups, const struct gm_grouping *grouping);
uint64_t gm_groups_bytes(const struct gm_groups *groups, const struct gm_grouping *grouping);
/* The same once there is room for `count` more. */
uint64_t gm_groups_bytes_with(const struct gm_groups *groups, const struct gm_grouping *grouping,
                              uint32_t count);

/* How many of `rows` > 0 rows should be looked up next. */
uint32_t gm_groups_chunk(const struct gm_groups *groups, const struct gm_grouping *grouping,
                         uint32_t rows);
/* The groups of rows from `first` on, made where there were none, of `count` rows or fewer: places
 * says how many.  count is at most what gm_groups_chunk said.  Returns 0, or GM_ETASK_MEMORY before
 * anything changed. */
int gm_groups_find(struct gm_groups *groups, struct gm_grouping *grouping,
                   const struct gm_batch *batch, uint32_t first, uint32_t count,
                   struct gm_group_places *ret_places);
/* Folds these rows into their groups.  Returns 0 or < 0 with the error set. */
int gm_groups_fold(struct gm_groups *groups, struct gm_grouping *grouping,
                   const struct gm_batch *batch, const struct gm_group_places *places);

/* Writes the groups at or after *position, which moves behind them, to the arrays of `rows`, and
 * their hashes.  Returns how many; fewer than GM_BATCH_ROWS_MAX at the end. */
uint32_t gm_groups_next(const struct gm_groups *groups, const struct gm_grouping *grouping,
                        uint64_t *position, struct gm_batch *rows, uint64_t *ret_hashes);

/* Puts them in the order of their hashes, in place.  They can only be read and freed from then on,
 * and gm_groups_next gives them in that order. */
void gm_groups_sort(struct gm_groups *groups, const struct gm_grouping *grouping);

#endif
