/* options.h - the run options of `gleam run` and of every C driver. */
#ifndef GM_AGENT_OPTIONS_H
#define GM_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "engine/flow/plan_view.h"
#include "shuffle/region.h"

/* Directories for spilling: names one behind the other, each with its NUL. */
struct gm_spill_paths {
    uint32_t count;
    char names[GM_PATH_BYTES_MAX];
};

struct gm_options {
    uint32_t cores[GM_EXECUTORS_MAX]; /* executor i runs on cores[i % core_count] */
    uint32_t core_count;              /* 0: every core that this process may use */
    uint32_t executor_count;          /* 0: one per core */
    uint64_t memory_bytes;            /* 0: half of what is available */
    uint64_t agent_memory_bytes; /* settled, with --master: of each agent; 0: as its cores */
    enum gm_pages_want pages;
    uint64_t huge_bytes; /* of --hugepages SIZE: what must be there */
    char stats_path[GM_PATH_BYTES_MAX]; /* "" none, "-" stdout */
    uint64_t timeout_ns; /* 0: the job may take as long as it likes */
    struct gm_spill_paths spill; /* none: TMPDIR, or /var/tmp */
    char master[GM_NODE_NAME_BYTES_MAX + 8]; /* HOST:PORT; "": this machine alone */
    char key_path[GM_PATH_BYTES_MAX]; /* "": GLEAM_KEY_FILE, or none */
    bool quiet;
    bool in_process;
    bool plan_only;
    bool analyze;                /* runs, then shows the plan with what each step did */
    enum gm_plan_form plan_form; /* how the plan is shown */
};

/* One option by its name without "--".  value may be NULL for a flag.  Returns 0 or GM_EJOB_OPTION
 * with error. */
int gm_options_set(struct gm_options *options, const char *name, const char *value,
                   struct gm_error *error);

/* Takes the options it knows out of argv ("--memory 2G" and "--memory=2G"), up to a "--".  Returns
 * 0 or GM_EJOB_OPTION with error. */
int gm_options_take(struct gm_options *options, int *argc, char **argv, struct gm_error *error);

/* Fills in cores and memory where they were left open, and checks cores against this process's.
 * Returns 0 or GM_EJOB_OPTION with error. */
int gm_options_settle(struct gm_options *options, struct gm_error *error);

/* The names, borrowed from paths; at most GM_SPILL_DIRECTORIES_MAX.  Returns how many. */
uint32_t gm_spill_paths_list(const struct gm_spill_paths *paths,
                             const char *ret_names[GM_SPILL_DIRECTORIES_MAX]);

/* The options as --help shows them. */
extern const char gm_options_help[];

#endif
