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

/* Returns 0 (the caller calls gm_plan_fini), or < 0 with the flow's error set. */
int gm_planner_make(struct gleam_flow *flow, uint32_t executor_count, gm_list_files_fn *list_files,
                    struct gm_plan *ret_plan);

#endif
