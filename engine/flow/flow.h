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
    GM_NODE_FILTER,
    GM_NODE_JOIN,
    GM_NODE_UNION,
    GM_NODE_SELECT,
    GM_NODE_WHERE,
    GM_NODE_LIMIT,
    GM_NODE_MERGE,
    GM_NODE_ROUND_ROBIN,
    GM_NODE_BROADCAST,
    GM_NODE_DISTINCT,
    GM_NODE_GROUP,
    GM_NODE_COGROUP,
    GM_NODE_REDUCE, /* all rows to one */
    GM_NODE_PIPE,
    GM_NODE_READ_CSV,
    GM_NODE_WRITE,
    GM_NODE_AVG,
    GM_NODE_COUNT_DISTINCT,
    GM_NODE_WRITE_TO, /* a command, or a stream */
    GM_NODE_SAMPLE,
    GM_NODE_COUNT_VALUES,
    GM_NODE_CACHE,
};

enum gm_pipe_mode { GM_PIPE_ROWS, GM_PIPE_ARGS, GM_PIPE_RAW };

enum gm_output_kind {
    GM_OUTPUT_STREAM,
    GM_OUTPUT_PATH,
    GM_OUTPUT_ROW,
    GM_OUTPUT_PARTS, /* a directory; executors write the files */
    GM_OUTPUT_COMMAND,
};

/* Where the values of a first row go. */
struct gm_saved_row {
    struct gleam_value *values; /* borrowed */
    uint32_t count;
    char *bytes; /* owned; what they point at */
};

/* Where rows leave the flow; stays in the driver. */
struct gm_output {
    enum gm_output_kind kind;
    FILE *stream;               /* borrowed */
    char *path;                 /* owned; or the command */
    const char *where;          /* of a command: of its step, for messages; borrowed */
    gleam_row_fn *function;
    void *argument;
    struct gm_saved_row *saved; /* owned; NULL: nothing is saved */
    uint32_t node;
    /* write: chosen when the plan is made */
    uint32_t part_count;
    char suffix[GM_SUFFIX_BYTES_MAX]; /* of the parts' names */
    char *empty; /* owned: what a file without rows holds, such as a header */
    size_t empty_bytes;
    bool empty_first; /* rows come without that, and it goes in front of them */
};

/* How far a flow was built. */
struct gm_flow_mark {
    uint32_t node_count, output_count, broadcast_count;
};

/* A dataset that is computed once, and that the executors keep. */
struct gm_cached {
    bool on_disk;
    uint64_t id; /* what the executors know it by; 0: it is not computed */
    /* known when a plan that computes it has been made */
    struct gm_schema schema;
    uint32_t partition_count;
    bool ranges;             /* they are the ranges of a sort, one after the other */
    struct gleam_order keys; /* they are by the hash of these columns; none: by nothing known */
    bool tagged;             /* of the keys' tagged form */
    bool merged;             /* whole partitions moved since */
    uint64_t rows, bytes;    /* when it was computed */
    bool of_rounds;          /* of the last of several: what it is made of does not give it again */
    struct gm_flow_mark mark; /* of rounds: what is behind it belongs to the round under way */
};

/* What the person says of sizes; 0: nothing. */
struct gm_hint {
    uint64_t total_bytes;
    uint64_t partition_bytes;
};

struct gleam_dataset {
    struct gleam_flow *flow;
    uint32_t index;
    enum gm_node_kind kind;
    char name[GM_STEP_NAME_BYTES_MAX];
    char where[GM_WHERE_BYTES_MAX];
    struct gleam_dataset *input;   /* the first; NULL for a source */
    struct gleam_dataset **others; /* further inputs; the array is owned */
    uint32_t other_count;

    /* sources */
    char **paths; /* owned, path_count of them */
    size_t path_count;
    uint32_t key_bytes, value_bytes; /* of a record */
    struct gm_string *strings;
    size_t string_count;
    int64_t from, to;
    uint32_t partition_count; /* as asked for; 0: planner's choice */
    struct gleam_csv_options *csv; /* owned, with its texts; read csv */
    bool json;                     /* read csv: lines of JSON instead */
    bool command;                  /* read text: its one path is a command */
    bool listen;                   /* read text: its one path is an address; rows when declared */
    struct gm_write_plan *write;   /* owned; write */

    /* steps */
    struct gleam_function function; /* name, parameter and library owned */
    enum gm_lua_mode lua_mode;      /* map: what a Lua function is called for */
    struct gleam_order order;
    bool local;     /* Local* forms */
    bool always;    /* folds of all rows: a row also when there are none */
    uint64_t seed;  /* sample */
    struct gm_hint hint;
    uint64_t count; /* top, limit */
    uint64_t offset; /* local limit */
    enum gleam_join_kind join;
    struct gleam_order right_keys; /* join; `order` has the left side's */
    uint32_t factor;               /* tree merge: partitions that become one at a time */
    bool sorted;                   /* merge: by `order` */
    bool broadcast;                /* join: the right side goes to all */
    enum gleam_comparison comparison;
    uint8_t *constant; /* where: a packed list of the one value; owned */
    size_t constant_bytes;
    char *columns;  /* as: the declaration; format: the text; pipe: the code */
    enum gm_pipe_mode pipe_mode;
    struct gleam_pipe_options pipe;
    uint32_t output;
    struct gm_cached *cached;   /* owned; cache */
    bool dropped;               /* it belonged to a round that is over */
};

/* Kinds of a struct gleam_function. */
enum {
    GM_FUNCTION_KERNEL = 1,
    GM_FUNCTION_MAPPER = 2,
    GM_FUNCTION_REDUCER = 3,
    GM_FUNCTION_LUA = 4,
    GM_FUNCTION_LIBRARY = 5,
};

struct gleam_flow {
    char name[GM_STEP_NAME_BYTES_MAX];
    struct gleam_dataset *nodes[GM_STEPS_MAX]; /* owned; inputs come before their readers */
    uint32_t node_count;
    struct gm_output outputs[GM_STEPS_MAX];
    uint32_t output_count;
    char *lua_init;               /* owned; NULL: none */
    struct gm_string *broadcasts; /* owned */
    uint32_t broadcast_count;
    struct gleam_dataset **dropped; /* owned; of rounds that are over */
    uint32_t dropped_count;
    /* Tells whoever computed it that a cached dataset is not wanted any more; NULL: nobody has. */
    void (*uncache)(uint64_t id);
    struct gm_hint hint; /* for all datasets */
    struct gm_error error; /* the first mistake while building; or of the last run */
    int status;            /* of a run that broke it; 0: none did */
    bool broken;           /* building went wrong: it cannot run */
};

/* A node that reads `input`, named `name` or, without one, `fallback`.  NULL for a NULL input, or
 * after a mistake, which is noted. */
struct gleam_dataset *gm_flow_add_step(struct gleam_dataset *input, enum gm_node_kind kind,
                                       const char *name, const char *fallback);
/* flow_cache.c */
struct gm_flow_mark gm_flow_mark(const struct gleam_flow *flow);
/* Takes away what was built behind the mark.  The datasets remain, so that whoever still has one is
 * told, until the flow is freed. */
void gm_flow_drop(struct gleam_flow *flow, struct gm_flow_mark mark);
/* Frees what a cache node owns, and gives up its rows. */
void gm_flow_free_cached(struct gleam_dataset *node);

/* Notes a mistake of the call that is under way; returns NULL. */
struct gleam_dataset *gm_flow_mistake(struct gleam_flow *flow, const char *text);
/* NULL after a mistake. */
struct gm_output *gm_flow_add_output(struct gleam_dataset *dataset, enum gm_node_kind kind,
                                     const char *name);

#endif
