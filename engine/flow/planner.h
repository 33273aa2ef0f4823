/* planner.h - from the flow to the physical plan.
 *
 * Fuses neighbouring steps into chains, cuts them at exchanges, puts a combining step before the
 * exchange of a reduce or top, fuses tokenize into a text source, and checks every step's columns.
 *
 * Threads: one.  Files are listed by the caller (who may look at the disk): gm_planner_files.
 */
#ifndef GM_FLOW_PLANNER_H
#define GM_FLOW_PLANNER_H

#include "engine/flow/flow.h"
#include "engine/flow/plan.h"

/* The first bytes of a file, as its readers will see them: at most bytes_max of them to data;
 * *ret_whole says that there are no more.  Returns 0, GM_AGAIN for what cannot be looked into
 * without taking from it (a pipe), or < 0 with error. */
typedef int gm_sample_file_fn(const struct gm_file *file, uint8_t *data, size_t bytes_max,
                              size_t *ret_bytes, bool *ret_whole, struct gm_error *error);

/* The files of one text source, in order; owned by the plan afterwards. */
struct gm_file_list {
    struct gm_file *files;
    uint32_t count;
    gm_sample_file_fn *sample; /* how to look into them; NULL: they cannot be */
    const char *members; /* while paths are looked up: of archives, those that match; NULL: all */
};

/* Looks up a path, glob or directory and appends to the list.  Returns 0 or < 0 with error. */
typedef int gm_list_files_fn(const char *path, struct gm_file_list *list, struct gm_error *error);

/* One of the flows that a plan is made of. */
struct gm_plan_part {
    struct gleam_flow *flow;
    uint32_t first_output;      /* its outputs from this one on */
    struct gleam_dataset *fill; /* instead: computes this cached dataset; NULL: it does not */
    uint64_t fill_id;           /* what that will be known by */
};

/* One plan of several flows, whose outputs are numbered through.  Cached datasets that they read
 * are there, but for the one to fill.  Returns 0 (the caller calls gm_plan_fini), or < 0 with the
 * error of parts[*ret_failed].flow set. */
int gm_planner_make_parts(const struct gm_plan_part *parts, uint32_t part_count,
                          uint32_t executor_count, gm_list_files_fn *list_files,
                          struct gm_plan *ret_plan, uint32_t *ret_failed);

/* The first cached dataset that the flow's outputs need and that is not there; NULL: none.  All
 * that it needs itself are there. */
struct gleam_dataset *gm_planner_next_cached(const struct gleam_flow *flow, uint32_t first_output);
/* The same for one dataset, itself included. */
struct gleam_dataset *gm_planner_next_cached_of(const struct gleam_dataset *dataset);

/* Of one flow.  Returns 0 (the caller calls gm_plan_fini), or < 0 with the flow's error set. */
int gm_planner_make(struct gleam_flow *flow, uint32_t executor_count, gm_list_files_fn *list_files,
                    struct gm_plan *ret_plan);

#endif
