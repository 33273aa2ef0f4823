/* plan.h - the physical plan: chains of steps between sources and exchanges.
 *
 * Made by the planner in the driver (flow.h, planner.h), sent to every executor as bytes
 * (plan_codec.h), read-only from then on.  Data only: the tables here know nothing of how a step is
 * run.
 *
 * A chain runs on every executor: source -> steps -> exchange.  A source may be several exchanges,
 * whose rows are taken as they come.  An exchange feeds one chain, or one output in the driver.
 * All chains of a plan are one region of the flow: they run at the same time.
 */
#ifndef GM_FLOW_PLAN_H
#define GM_FLOW_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/error.h"
#include "engine/base/limits.h"
#include "engine/gleam.h"
#include "engine/row/schema.h"
#include "engine/sink/write.h"
#include "engine/source/csv.h"
#include "engine/source/zip.h"
#include "engine/udf/lua.h"

enum gm_step_kind {
    GM_STEP_TOKENIZE,
    GM_STEP_APPEND_ONE,
    GM_STEP_CAST,    /* any columns to declared kinds, checked per row */
    GM_STEP_MAPPER,  /* a registered function */
    GM_STEP_COMBINE, /* the partial reduce before an exchange, per executor */
    GM_STEP_REDUCE,
    GM_STEP_SORT,
    GM_STEP_TOP,
    GM_STEP_FORMAT,
    GM_STEP_LUA,    /* a Lua function over rows */
    GM_STEP_FILTER, /* a registered function that keeps or drops a row */
    GM_STEP_JOIN, /* of the two inputs of its chain; both are partitioned by the keys */
    GM_STEP_SELECT,
    GM_STEP_LOCAL_LIMIT,
    GM_STEP_LIMIT, /* the first rows by (origin, position) */
    GM_STEP_PARTIAL_DISTINCT, /* before an exchange, per executor; some rows may pass twice */
    GM_STEP_DISTINCT,
    GM_STEP_GROUP,
    GM_STEP_WHERE,      /* column 1 of `order` against the list of one value in `parameter` */
    GM_STEP_MARKS,      /* key columns, and 1 or 0 for a value or a null in each of the others */
    GM_STEP_MEAN_PARTS, /* key columns, the others as f64, and their marks */
    GM_STEP_MEAN,       /* of the sums of these */
    GM_STEP_COGROUP,    /* of the two inputs of its chain, as a join's */
    GM_STEP_PIPE,      /* a command per partition; the parameter is a spec of pipe_spec.h */
    GM_STEP_PIPE_ARGS, /* a command per row; likewise */
    GM_STEP_WRITE, /* rows to the text of files */
    GM_STEP_SAMPLE,      /* rows whose number, drawn from `seed`, is below `count` of 2^32 */
    GM_STEP_SAMPLE_KEYS, /* these numbers as a column in front */
    GM_STEP_DEFAULT,     /* a row of nulls and zeros, where there is none */
    GM_STEP_MEASURE, /* passes rows on, and tells the sink how long their text will be */
    GM_STEP_KINDS,
};

enum gm_reduce_kind {
    GM_REDUCE_SUM_I64,
    GM_REDUCE_SUM_F64,
    GM_REDUCE_COUNT,
    GM_REDUCE_MIN,
    GM_REDUCE_MAX,
    GM_REDUCE_SUM, /* i64 and f64 columns alike */
    GM_REDUCE_FUNCTION,
    GM_REDUCE_LUA,
};

#define GM_WHERE_BYTES_MAX 128
#define GM_NOTE_BYTES_MAX 96
/* Shared counters of a chain: its next partition, and, chain_count counters on, the rows that its
 * limit has found. */
#define GM_CLAIMS_PER_CHAIN 2
/* Reduced columns: `seen` of a table slot has a bit for each. */
#define GM_REDUCE_VALUES_MAX 32

struct gm_step {
    enum gm_step_kind kind;
    char name[GM_STEP_NAME_BYTES_MAX]; /* what the person called it, or the kernel's name */
    char where[GM_WHERE_BYTES_MAX];    /* file:line in the driver */
    struct gm_schema schema;           /* of its output */
    /* Sort, top: the order.  Select, where: the columns.  Others: the key columns, none in a reduce
     * of all rows and in a cross join. */
    struct gleam_order order;
    uint64_t count;    /* top, limits */
    uint64_t offset;   /* local limit: rows to leave out first */
    bool stops_source; /* local limit: enough rows for all are enough */
    enum gm_reduce_kind reduce;
    enum gm_lua_mode lua_mode;             /* lua: what the function is called for */
    char function[GM_STEP_NAME_BYTES_MAX]; /* of a mapper or reducer */
    char *library;                         /* owned; the shared object of function, or NULL */
    void *parameter;                       /* owned; of a Lua step, the function */
    uint32_t parameter_bytes;
    char *format;                     /* owned; format, measure: the text */
    enum gleam_comparison comparison; /* where */
    enum gleam_join_kind join;
    struct gleam_order right_keys; /* join, cogroup: of the second input; `order`: of the first */
    bool tagged;      /* join, cogroup: the keys are compared in their tagged form */
    bool seeks_first; /* distinct: the first row by (origin, position), known at the end */
    uint64_t seed;    /* samples */
    char note[GM_NOTE_BYTES_MAX]; /* why it is planned as it is, for a person */
    struct gm_write_plan *write; /* owned; write, and measure of what it prints */
};

enum gm_source_kind {
    GM_SOURCE_TEXT,
    GM_SOURCE_STRINGS,
    GM_SOURCE_INTS,
    GM_SOURCE_EXCHANGE,
    GM_SOURCE_CSV,
    GM_SOURCE_KINDS,
};

/* Bytes [begin, end) of a file; whole lines that begin there.  end is UINT64_MAX for a file whose
 * size is not known (then begin is 0). */
struct gm_segment {
    uint32_t file;
    uint64_t begin;
    uint64_t end;
};

struct gm_file {
    char *path;     /* owned */
    uint64_t bytes; /* when planned; UINT64_MAX unknown */
    bool command;   /* path is a command; its output is the file */
    bool listen;    /* path is an address; what the one who connects sends is the file */
    uint32_t archive_bytes; /* of path: the archive that has the file as member; 0: it is none */
    struct gm_zip_member member;
};

/* How a reader learns whether its segment begins inside quotes. */
enum gm_csv_parity {
    GM_CSV_PARITY_NONE,  /* there are no quotes, or no file is cut */
    GM_CSV_PARITY_CHAIN, /* each partition is one small segment: read, counted, then parsed */
    GM_CSV_PARITY_AHEAD, /* the quotes of everything in front are counted first */
};

/* Reading CSV.  Words of the region tell of the parity of quotes: the first counts pieces claimed
 * (AHEAD), the others are the segments', in order. */
struct gm_csv_plan {
    struct gm_csv_format format;
    enum gm_csv_parity parity;
    uint32_t words_begin;
    bool json; /* lines of JSON: of format, only on_error and the columns mean something */
    bool header;
    bool guessed; /* its types, for messages */
    /* Of the first file's header as it is, so that another file with other columns is noticed; 0:
     * not known. */
    uint64_t header_hash;
    char where[GM_WHERE_BYTES_MAX];
};

struct gm_string {
    char *data; /* owned */
    uint64_t bytes;
};

/* One of the exchanges that a chain takes its rows from. */
struct gm_input {
    uint32_t exchange;  /* UINT32_MAX: a cached dataset instead */
    uint64_t cached_id; /* 0: an exchange; else partition p is kept where an exchange's would go */
    struct gm_schema schema;
};

struct gm_source {
    enum gm_source_kind kind;
    char name[GM_STEP_NAME_BYTES_MAX];
    /* Of the batches it makes, fused kernel included.  With several inputs it is that of the first,
     * and the chain's first step is one that knows them all. */
    struct gm_schema schema;
    uint32_t partition_count;
    uint32_t record_bytes; /* text: no lines but records of this size, 0: lines */
    uint32_t key_bytes;    /* of a record; the rest is its value */
    bool tokenize; /* text: the tokenize step is fused in, and rows are words */
    bool blocks;   /* text: a row is a block of whole lines, as they lie in the file */
    bool counted;  /* text: nobody reads the lines, they are only counted: rows are empty */
    char tokenize_name[GM_STEP_NAME_BYTES_MAX];

    struct gm_file *files;
    uint32_t file_count;
    struct gm_segment *segments;
    uint32_t segment_count;
    uint32_t *partition_ends; /* partition p has segments [ends[p - 1], ends[p]) */

    struct gm_string *strings;
    uint32_t string_count;
    int64_t from, to; /* ints */

    struct gm_input *inputs; /* of an exchange source; a batch says which one it came by */
    uint32_t input_count;
    struct gm_csv_plan *csv; /* owned; CSV */
    /* Of a command: the word of the region with its process group while it runs, for the driver to
     * kill when the executor could not.  Of a source that listens: the word with its port. */
    uint32_t command_word;
};

struct gm_chain_plan {
    struct gm_source source;
    uint32_t claim; /* the shared counter from which partitions are claimed; not for exchanges */
    struct gm_step *steps;
    uint32_t step_count;
    uint32_t exchange; /* where its rows go */
    uint32_t scope;    /* of the plan: the flow that it belongs to */
    /* 1 + the chain whose rows are wanted first, by a join: while that one gets on in an executor,
     * this one rests there.  0: none. */
    uint32_t yields_to;
};

enum gm_exchange_kind {
    GM_EXCHANGE_HASH,   /* by key columns */
    GM_EXCHANGE_GATHER, /* to one partition, keeping origins */
    GM_EXCHANGE_OUTPUT, /* to the driver */
    GM_EXCHANGE_MERGE,  /* neighbouring partitions to one: p of s goes to p * n / s */
    GM_EXCHANGE_ROUND_ROBIN, /* rows by turns */
    GM_EXCHANGE_BROADCAST,   /* every row to every partition */
    GM_EXCHANGE_RANGE,  /* by ranges of key columns, of equal size: partition i before i + 1 */
    GM_EXCHANGE_SAMPLE, /* what the senders of a range exchange tell each other; feeds no chain */
    GM_EXCHANGE_KINDS,
};

/* A directory of parts, which executors write; its rows in the driver are (part, rows, bytes). */
struct gm_parts_plan {
    char suffix[GM_SUFFIX_BYTES_MAX];
    char target[GM_PATH_BYTES_MAX];    /* what the person named, for messages */
    char directory[GM_PATH_BYTES_MAX]; /* where they are written; the driver makes it */
};

/* One file, into which every executor writes its range at its place: behind the texts of the ranges
 * before, whose lengths are told in words of the region (more by one; 0: not known yet). */
struct gm_placed_plan {
    char target[GM_PATH_BYTES_MAX]; /* what the person named, for messages */
    char path[GM_PATH_BYTES_MAX];   /* to open; the driver's to say, "": rows go to the driver */
    uint64_t begin_bytes;           /* what the driver writes in front of all */
    uint32_t words_begin;
    uint32_t range_count;
};

struct gm_exchange_plan {
    enum gm_exchange_kind kind;
    struct gm_schema schema;
    uint32_t partition_count;
    struct gleam_order keys; /* MERGE: the rows are where their hash would put them, if any */
    bool tagged; /* HASH: by the keys' tagged form, as the other side of a join does it */
    uint32_t output; /* OUTPUT: index of the flow's output */
    /* OUTPUT, GATHER: what executor i sends comes before what i + 1 sends. */
    bool ordered;
    uint32_t samples; /* RANGE: the exchange of its samples */
    struct gm_parts_plan *parts; /* owned; OUTPUT to a directory */
    /* OUTPUT: rows are kept by the executors under this number, and only the partitions' numbers,
     * rows and bytes go to the driver; 0: they are not. */
    uint64_t cached_id;
    bool on_disk; /* kept there, whatever room there is in memory */
    struct gm_placed_plan *placed; /* owned; ordered OUTPUT to a file, or NULL */
};

/* What the functions of one flow share. */
struct gm_plan_scope {
    char name[GM_STEP_NAME_BYTES_MAX]; /* of the flow */
    char *lua_init;               /* owned; code that every Lua step runs first, or NULL */
    struct gm_string *broadcasts; /* owned */
    uint32_t broadcast_count;
};

struct gm_plan {
    char name[GM_STEP_NAME_BYTES_MAX];
    struct gm_chain_plan *chains; /* a chain comes before the one that it feeds */
    uint32_t chain_count;
    struct gm_exchange_plan *exchanges;
    uint32_t exchange_count;
    uint64_t input_bytes; /* of the sources whose size is known */
    struct gm_plan_scope *scopes; /* owned; one for each flow that the plan is made of */
    uint32_t scope_count;
    uint64_t *kept; /* owned; the cached datasets that executors go on keeping */
    uint32_t kept_count;
};

/* Frees what a plan owns; accepts a half-made one. */
void gm_plan_fini(struct gm_plan *plan);

/* The columns of what a kept dataset tells the driver: partition, rows, bytes. */
void gm_plan_cached_schema(struct gm_schema *ret_schema);

/* True for a source that is a cached dataset. */
bool gm_source_is_kept(const struct gm_source *source);

/* True for a source that is what a command writes. */
bool gm_source_is_command(const struct gm_source *source);

/* True for a source that is what comes over a connection. */
bool gm_source_listens(const struct gm_source *source);

/* True for sources with files, segments and partition_ends. */
bool gm_source_has_files(const struct gm_source *source);

/* Words of the region that the plan's sources and outputs share. */
uint32_t gm_plan_word_count(const struct gm_plan *plan);

/* The schema that a step reads. */
const struct gm_schema *gm_plan_input_schema(const struct gm_chain_plan *chain, uint32_t step);

const char *gm_step_kind_name(enum gm_step_kind kind);

/* Writes the plan for a person to read. */
void gm_plan_print(const struct gm_plan *plan, uint32_t executor_count, FILE *file);
/* One line of it, for the other views (plan_view.h). */
void gm_plan_print_source(const struct gm_source *source, FILE *file);
void gm_plan_print_step(const struct gm_step *step, FILE *file);
void gm_plan_print_exchange(const struct gm_exchange_plan *exchange, uint32_t index, FILE *file);

#endif
