/* planner_internal.h - what the planner's own files share: the growing plan, and how it grows.
 *
 * planner.c walks the datasets; plan_*.c plan one family of steps each.  Nobody else includes this.
 *
 * Threads: one.  Memory: malloc; the tables belong to the plan.
 */
#ifndef GM_FLOW_PLANNER_INTERNAL_H
#define GM_FLOW_PLANNER_INTERNAL_H

#include "engine/flow/flow.h"
#include "engine/flow/plan.h"
#include "engine/flow/planner.h"
#include "engine/flow/prune.h"
#include "engine/row/row.h"

/* How large a dataset will be, packed. */
struct gm_size {
    uint64_t bytes;
    bool known;
    bool bound; /* it will hardly have more than that */
};

/* Rows that are equal in these columns are in one partition, by the hash of them. */
struct gm_placement {
    struct gleam_order keys; /* count 0: nothing is known */
    bool tagged;             /* by the hash of their tagged form */
    bool merged;             /* whole partitions moved since: which one it is, no hash says */
};

enum gm_join_way {
    GM_JOIN_SPREAD, /* both sides by the hash of their keys */
    GM_JOIN_RIGHT_TO_ALL,
    GM_JOIN_LEFT_TO_ALL,
};

struct planner {
    struct gleam_flow *flow;
    struct gm_error *error;
    uint32_t executor_count;
    gm_list_files_fn *list_files;
    struct gm_plan plan;
    struct gm_chain_plan *chain; /* the one that grows */
    struct gm_schema schema;     /* at its end */
    uint32_t depth; /* meetings that are being planned inside of each other */
    /* Of the dataset at its end, as the person counts: a text source may have been cut finer. */
    uint32_t partition_count;
    /* The partitions at its end are the ranges of one that is sorted: taken one after the other,
     * they are that partition. */
    bool ranges;
    struct gm_size size;         /* of the dataset at its end */
    struct gm_placement placed; /* likewise */
    bool listened[GM_STEPS_MAX]; /* datasets that were planned as sources, by index */
    struct gleam_dataset *const *path; /* of the output that is planned, from its source on */
    uint32_t path_count;
    uint32_t path_index; /* of the dataset that is planned */
    struct gleam_dataset *fill; /* the cached dataset that the plan computes; NULL: none */
    uint64_t fill_id;           /* what it will be known by */
};

/* Sets the error to "file:line: step 'name': text".  Returns its code. */
int gm_planner_refuse(struct planner *planner, const struct gleam_dataset *node, const char *text);

/* A new chain, which is the one that grows from now on. */
struct gm_chain_plan *gm_planner_add_chain(struct planner *planner);

/* Appends a step whose schema is the planner's.  The pointer is good until the next one. */
struct gm_step *gm_planner_add_step(struct planner *planner, enum gm_step_kind kind,
                                    const struct gleam_dataset *node);

/* Ends the chain in an exchange; a new chain starts behind it unless it leads to the driver.
 * Returns 0 or < 0 with the error set. */
int gm_planner_cut(struct planner *planner, const struct gleam_dataset *node,
                   struct gm_exchange_plan exchange);

/* The first half of that: whoever goes on begins a chain itself. */
int gm_planner_end_chain(struct planner *planner, const struct gleam_dataset *node,
                         struct gm_exchange_plan exchange);

/* A new chain that reads these exchanges, which have the same number of partitions; the planner's
 * schema is that of the first. */
void gm_planner_begin_chain(struct planner *planner, const uint32_t *exchanges, uint32_t count);

/* The step where several datasets meet: plans what leads to each of them, and begins a chain. */
int gm_planner_meeting(struct planner *planner, struct gleam_dataset *node);

/* Folds rows by a kernel or the node's function: combines, exchanges, reduces.  `from` are their
 * key columns; the planner's schema is that of the result, keys first. */
int gm_planner_fold(struct planner *planner, const struct gleam_dataset *node,
                    const struct gleam_order *from, enum gm_reduce_kind kind);

/* The same without an exchange: of each partition by itself. */
void gm_planner_fold_here(struct planner *planner, const struct gleam_dataset *node,
                          const struct gleam_order *keys, enum gm_reduce_kind kind);

/* A fold of all rows makes a row also of none; `nulls`: of nulls, else of zeros. */
void gm_planner_default(struct planner *planner, const struct gleam_dataset *node, bool nulls);

/* plan_group.c: distinct, group, and what counts or averages by keys. */
int gm_planner_group_step(struct planner *planner, const struct gleam_dataset *node);

/* As check_order; also refuses a column that is named twice. */
int gm_planner_check_keys(struct planner *planner, const struct gleam_dataset *node,
                          const struct gleam_order *keys);

/* Appends the column for the list of what is no key; refused when that is nothing. */
int gm_planner_add_list(struct planner *planner, const struct gleam_dataset *node,
                        const struct gm_schema *from, const struct gleam_order *keys,
                        const char *name, struct gm_schema *schema);

/* plan_exchange.c: a step that moves, chooses or counts rows. */
int gm_planner_exchange_step(struct planner *planner, const struct gleam_dataset *node);

/* Whether values of two kinds of columns are ever the same. */
bool gm_planner_may_be_equal(uint8_t left, uint8_t right);

/* Appends a step that leaves these columns, which are there. */
void gm_planner_select(struct planner *planner, const struct gleam_dataset *node,
                       const struct gleam_order *columns);

/* Plans everything up to a dataset, which is then the end of the growing chain.  One that several
 * steps read is planned, and computed, once for each of them. */
int gm_planner_path(struct planner *planner, struct gleam_dataset *end);

/* plan_columns.c: puts numbers where an order names columns of the planner's schema. */
int gm_planner_resolve(struct planner *planner, const struct gleam_dataset *node,
                       struct gleam_order *order);

/* plan_columns.c: other names, and kinds for `any` columns. */
int gm_planner_as(struct planner *planner, const struct gleam_dataset *node);

/* Refuses an order without columns, and columns that the rows do not have. */
int gm_planner_check_order(struct planner *planner, const struct gleam_dataset *node,
                           const struct gleam_order *order);

/* All rows to one partition, if they are in several; ranges in their order. */
int gm_planner_gather(struct planner *planner, const struct gleam_dataset *node);

/* plan_sort.c: a sort or a top, of all rows or of each partition. */
int gm_planner_sort_step(struct planner *planner, const struct gleam_dataset *node);

/* The columns 1..count, ascending. */
struct gleam_order gm_planner_leading_columns(uint32_t count);

void gm_planner_copy_function(struct gm_step *step, const struct gleam_dataset *node);

/* "word bytes, n i64?" of an `as` dataset.  Returns 0 or < 0 with the error set. */
int gm_planner_parse_columns(struct planner *planner, const struct gleam_dataset *node,
                             struct gm_schema *ret_schema);

/* plan_once.c: whether the declaration right behind a source is part of reading it. */
bool gm_planner_reads_declared(const struct gleam_dataset *node, const struct gleam_dataset *as);
/* plan_once.c: what leads to several steps is planned once for each of them, but somebody connects
 * only once.  Returns 0 or < 0 with the error set. */
int gm_planner_check_listener(struct planner *planner, const struct gleam_dataset *node);
/* plan_once.c: the output that is a command. */
int gm_planner_write_to(struct planner *planner, const struct gleam_dataset *node);

/* plan_size.c: the size of a source, and what becomes of a size behind a step. */
void gm_planner_size_source(struct planner *planner, const struct gleam_dataset *node);
void gm_planner_size_after(struct planner *planner, const struct gleam_dataset *node);
/* What the person says of a dataset's size counts. */
void gm_planner_size_hinted(struct planner *planner, const struct gleam_dataset *node);
struct gm_size gm_size_sum(struct gm_size a, struct gm_size b, bool bound);
/* How many partitions a dataset is to have: by their size, if a hint says one, else `count`. */
uint32_t gm_planner_partitions(const struct planner *planner, const struct gleam_dataset *node,
                               uint32_t count);
/* How rows of two sides meet, and why, in words for the plan. */
enum gm_join_way gm_planner_join_way(const struct planner *planner, enum gleam_join_kind kind,
                                     struct gm_size left, struct gm_size right);
void gm_planner_join_note(enum gm_join_way way, struct gm_size left, struct gm_size right,
                          char *note, size_t note_bytes);

/* plan_place.c: what an exchange, or a step that leaves these columns, does to the placement. */
void gm_planner_place(struct planner *planner, const struct gm_exchange_plan *exchange);
void gm_planner_place_nowhere(struct planner *planner);
void gm_planner_place_select(struct planner *planner, const struct gleam_order *columns);
/* Whether rows that are equal in these columns are in one partition already. */
bool gm_planner_is_placed(const struct planner *planner, const struct gleam_order *keys);
/* Whether they are where an exchange by the hash of these columns would put them. */
bool gm_placement_is_hash(const struct gm_placement *placed, const struct gm_schema *schema,
                          const struct gleam_order *keys, bool tagged);

/* plan_lua.c: a map, flat map or for each by a Lua function; *used_next: the declaration behind it
 * is part of it. */
int gm_planner_lua_map(struct planner *planner, const struct gleam_dataset *node,
                       const struct gleam_dataset *next, bool *used_next);
/* plan_lua.c: a filter of any kind. */
int gm_planner_filter(struct planner *planner, const struct gleam_dataset *node);
/* plan_lua.c: refuses a Lua reducer that does not fit so many value columns. */
int gm_planner_lua_reducer(struct planner *planner, const struct gleam_dataset *node,
                           uint32_t value_count);
/* plan_lua.c: what all functions of the flow share becomes part of the plan. */
void gm_planner_share(struct planner *planner);

/* plan_cache.c: the end of the plan that computes a cached dataset. */
int gm_planner_fill(struct planner *planner, struct gleam_dataset *node);
/* plan_cache.c: a new chain that reads one. */
void gm_planner_read_cached(struct planner *planner, const struct gleam_dataset *node);
/* Short names, for these files alone. */
#define refuse gm_planner_refuse
#define add_chain gm_planner_add_chain
#define add_step gm_planner_add_step
#define cut gm_planner_cut
#define check_order gm_planner_check_order
#define gather gm_planner_gather
#define leading_columns gm_planner_leading_columns
#define in_order gm_order_names
#define copy_function gm_planner_copy_function

#endif
