/* flow.h - the flow as the person wrote it: datasets, each made by one step from others.
 *
 * Behind engine/gleam.h.  Threads: one.  Memory: malloc; a flow is small.
 */
#ifndef GM_FLOW_FLOW_H
#define GM_FLOW_FLOW_H

#include "engine/base/error.h"
#include "engine/flow/plan.h"
#include "engine/gleam.h"

enum gm_node_kind {
    GM_NODE_READ_TEXT,
    GM_NODE_READ_RECORDS,
    GM_NODE_STRINGS,
    GM_NODE_INTS,
    GM_NODE_AS,
    GM_NODE_MAP,
    GM_NODE_REDUCE_BY,
    GM_NODE_PARTITION,
    GM_NODE_SORT,
    GM_NODE_TOP,
    GM_NODE_FORMAT,
    GM_NODE_OUTPUT_ROW,
};

enum gm_output_kind { GM_OUTPUT_STREAM, GM_OUTPUT_PATH, GM_OUTPUT_ROW };

/* Where rows leave the flow; stays in the driver. */
struct gm_output {
    enum gm_output_kind kind;
    FILE *stream;               /* borrowed */
    char *path;                 /* owned */
    gleam_row_fn *function;
    void *argument;
    uint32_t node;
};

struct gleam_dataset {
    struct gleam_flow *flow;
    uint32_t index;
    enum gm_node_kind kind;
    char name[GM_STEP_NAME_BYTES_MAX];
    char where[GM_WHERE_BYTES_MAX];
    struct gleam_dataset *input; /* NULL for a source */
    uint32_t reader_count;

    /* sources */
    char **paths; /* owned, path_count of them */
    size_t path_count;
    uint32_t key_bytes, value_bytes; /* of a record */
    struct gm_string *strings;
    size_t string_count;
    int64_t from, to;
    uint32_t partition_count; /* as asked for; 0: planner's choice */

    /* steps */
    struct gleam_function function; /* name and parameter owned */
    struct gleam_order order;
    bool local;     /* Local* forms */
    uint64_t count; /* top */
    char *columns;  /* as: the declaration; format: the text */
    uint32_t output;
};

struct gleam_flow {
    char name[GM_STEP_NAME_BYTES_MAX];
    struct gleam_dataset *nodes[GM_STEPS_MAX]; /* owned; inputs come before their readers */
    uint32_t node_count;
    struct gm_output outputs[GM_STEPS_MAX];
    uint32_t output_count;
    struct gm_error error; /* the first mistake while building; or of the last run */
    bool broken;           /* building went wrong: it cannot run */
};

#endif
