/* branch.h - one path of a random flow, built with the public API, and its plain answer.
 */
#ifndef GM_TESTS_SIM_BRANCH_H
#define GM_TESTS_SIM_BRANCH_H

#include "engine/gleam.h"
#include "tests/sim/table.h"
#include "tests/sim/text.h"

enum sim_shape {
    SIM_COUNT_WORDS,
    SIM_COUNT_LINES,
    SIM_FOLD_INTS,
    SIM_SUM_FLOATS,
    SIM_SORT_LINES,
    SIM_TOP_LINES,
    SIM_LOCAL_SORT,
    SIM_LOCAL_TOP,
    SIM_PARTITION_LINES,
    SIM_PARTITION_SORT,
    SIM_EXTREME_WORDS,
    SIM_COUNT_SORT,
    SIM_COUNT_TOP,
    SIM_COUNT_STRINGS,
    SIM_JOIN_INTS,
    SIM_UNION_LINES,
    SIM_LIMIT_LINES,
    SIM_DISTINCT_LINES,
    SIM_GROUP_INTS,
    SIM_SHAPES,
};

struct sim_branch {
    enum sim_shape shape;
    uint32_t source_partitions; /* 0: the planner's choice */
    uint32_t partitions;        /* of partition_by_key */
    uint64_t key_modulus;       /* of ints */
    int64_t from, to;
    uint32_t top_count;
    char fold; /* as in sim_table_reduce */
    bool own_reducer; /* a registered function instead of a kernel, where there is one */
    struct gleam_order order;
    uint32_t string_count;

    struct sim_table got;
    uint32_t origin; /* of the rows that come now; set by the driver */
};

/* A random one. */
void sim_branch_make(struct sim_branch *branch, struct gm_prng *prng);
/* One whose many distinct keys a combiner cannot all hold. */
void sim_branch_make_wide(struct sim_branch *branch, struct gm_prng *prng);
void sim_branch_free(struct sim_branch *branch);
const char *sim_branch_name(const struct sim_branch *branch);
/* It depends on where the planner puts files: all sizes must be known. */
bool sim_branch_needs_order(const struct sim_branch *branch);

/* Adds it to the flow, up to the output that collects rows.  `path` stands for all files. */
void sim_branch_build(struct sim_branch *branch, struct gleam_flow *flow, const char *path);

/* NULL when what came is right, or what is wrong, in a buffer that lives until the next call. */
const char *sim_branch_check(struct sim_branch *branch, const struct sim_text *text);

#endif
