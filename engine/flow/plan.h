/* plan.h - the physical plan: chains of steps between sources and exchanges.
 *
 * Made by the planner in the driver (flow.h, planner.h), sent to every executor as bytes
 * (plan_codec.h), read-only from then on.  Data only: the tables here know nothing of how a step is
 * run.
 *
 * A chain runs on every executor: source -> steps -> exchange.  An exchange feeds one chain, or one
 * output in the driver.  All chains of a plan are one region of the flow: they run at the same
 * time.
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
    GM_STEP_KINDS,
};

enum gm_reduce_kind {
    GM_REDUCE_SUM_I64,
    GM_REDUCE_SUM_F64,
    GM_REDUCE_COUNT,
    GM_REDUCE_MIN,
    GM_REDUCE_MAX,
    GM_REDUCE_FUNCTION,
};

#define GM_WHERE_BYTES_MAX 128
/* Reduced columns: `seen` of a table slot has a bit for each. */
#define GM_REDUCE_VALUES_MAX 32

struct gm_step {
    enum gm_step_kind kind;
    char name[GM_STEP_NAME_BYTES_MAX]; /* what the person called it, or the kernel's name */
    char where[GM_WHERE_BYTES_MAX];    /* file:line in the driver */
    struct gm_schema schema;           /* of its output */
    struct gleam_order order;          /* sort, top: the order; combine, reduce: the key columns */
    uint64_t count;                    /* top */
    enum gm_reduce_kind reduce;
    char function[GM_STEP_NAME_BYTES_MAX]; /* of a mapper or reducer */
    void *parameter;                       /* owned */
    uint32_t parameter_bytes;
    char *format; /* owned; format: the text */
};

enum gm_source_kind {
    GM_SOURCE_TEXT,
    GM_SOURCE_STRINGS,
    GM_SOURCE_INTS,
    GM_SOURCE_EXCHANGE,
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
};

struct gm_string {
    char *data; /* owned */
    uint64_t bytes;
};

struct gm_source {
    enum gm_source_kind kind;
    char name[GM_STEP_NAME_BYTES_MAX];
    struct gm_schema schema; /* of the batches it makes, fused kernel included */
    uint32_t partition_count;
    uint32_t record_bytes; /* text: no lines but records of this size, 0: lines */
    uint32_t key_bytes;    /* of a record; the rest is its value */
    bool tokenize; /* text: the tokenize step is fused in, and rows are words */
    char tokenize_name[GM_STEP_NAME_BYTES_MAX];

    struct gm_file *files;
    uint32_t file_count;
    struct gm_segment *segments;
    uint32_t segment_count;
    uint32_t *partition_ends; /* partition p has segments [ends[p - 1], ends[p]) */

    struct gm_string *strings;
    uint32_t string_count;
    int64_t from, to; /* ints */

    uint32_t exchange; /* of an exchange source */
};

struct gm_chain_plan {
    struct gm_source source;
    uint32_t claim; /* the shared counter from which partitions are claimed; not for exchanges */
    struct gm_step *steps;
    uint32_t step_count;
    uint32_t exchange; /* where its rows go */
};

enum gm_exchange_kind {
    GM_EXCHANGE_HASH,   /* by key columns */
    GM_EXCHANGE_GATHER, /* to one partition, keeping origins */
    GM_EXCHANGE_OUTPUT, /* to the driver */
    GM_EXCHANGE_RANGE,  /* by ranges of key columns, of equal size: partition i before i + 1 */
    GM_EXCHANGE_SAMPLE, /* what the senders of a range exchange tell each other; feeds no chain */
};

struct gm_exchange_plan {
    enum gm_exchange_kind kind;
    struct gm_schema schema;
    uint32_t partition_count;
    struct gleam_order keys;
    uint32_t output;  /* OUTPUT: index of the flow's output */
    bool ordered;     /* OUTPUT: partitions one after the other; partition i is executor i's */
    uint32_t samples; /* RANGE: the exchange of its samples */
};

struct gm_plan {
    char name[GM_STEP_NAME_BYTES_MAX];
    struct gm_chain_plan *chains; /* a chain comes before the one that it feeds */
    uint32_t chain_count;
    struct gm_exchange_plan *exchanges;
    uint32_t exchange_count;
    uint64_t input_bytes; /* of the sources whose size is known */
};

/* Frees what a plan owns; accepts a half-made one. */
void gm_plan_fini(struct gm_plan *plan);

/* The schema that a step reads. */
const struct gm_schema *gm_plan_input_schema(const struct gm_chain_plan *chain, uint32_t step);

const char *gm_step_kind_name(enum gm_step_kind kind);

/* Writes the plan for a person to read. */
void gm_plan_print(const struct gm_plan *plan, uint32_t executor_count, FILE *file);

#endif
