/* gleam.h - flows in C: the one public header.
 *
 * A program describes a flow (sources, steps, outputs), then runs it:
 *
 *     int main(int argc, char **argv)
 *     {
 *         gleam_init(&argc, &argv);
 *         struct gleam_flow *flow = gleam_flow_new("word count");
 *         struct gleam_dataset *words = gleam_text_file(flow, argv[1]);
 *         words = gleam_flat_map(words, "tokenize", GLEAM_TOKENIZE);
 *         words = gleam_map(words, "one", GLEAM_APPEND_ONE);
 *         words = gleam_reduce_by_key(words, "sum", GLEAM_SUM_INT64);
 *         gleam_printf(words, "%s\t%d\n");
 *         return gleam_run(flow);
 *     }
 *
 * Threads:   one flow is built and run by one thread.
 * Ownership: a flow owns its datasets; gleam_flow_free frees both.  Strings and parameters are
 *            copied unless a comment says otherwise.
 * Errors:    building never fails at once.  The first mistake is kept in the flow, with the file
 *            and line of the call, and gleam_run reports it; a dataset argument that is NULL
 *            because an earlier call failed is passed on quietly.
 * Columns:   numbered from 1.
 */
#ifndef GLEAM_H
#define GLEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define GLEAM_VERSION "0.1.0"

struct gleam_flow;
struct gleam_dataset;
struct gleam_call;

/* ---- values --------------------------------------------------------------------------------- */

enum gleam_kind {
    GLEAM_NULL = 0,
    GLEAM_I64 = 1,
    GLEAM_F64 = 2,
    GLEAM_BOOL = 3,
    GLEAM_BYTES = 4,
    GLEAM_ANY = 5, /* of a column: every value carries its own kind */
};

/* One value of a row.  `bytes` values that a step receives are borrowed: valid until the step's
 * function returns. */
struct gleam_value {
    uint8_t kind; /* enum gleam_kind, never GLEAM_ANY */
    union {
        int64_t i64;
        double f64;
        bool boolean;
        struct {
            const char *data;
            size_t length; /* in bytes; at most 1 GiB */
        } bytes;
    };
};

static inline struct gleam_value gleam_null(void)
{
    struct gleam_value value;
    value.kind = GLEAM_NULL;
    value.bytes.data = NULL;
    value.bytes.length = 0;
    return value;
}

static inline struct gleam_value gleam_i64(int64_t number)
{
    struct gleam_value value;
    value.kind = GLEAM_I64;
    value.bytes.length = 0;
    value.i64 = number;
    return value;
}

static inline struct gleam_value gleam_f64(double number)
{
    struct gleam_value value;
    value.kind = GLEAM_F64;
    value.bytes.length = 0;
    value.f64 = number;
    return value;
}

static inline struct gleam_value gleam_bool(bool truth)
{
    struct gleam_value value;
    value.kind = GLEAM_BOOL;
    value.bytes.length = 0;
    value.boolean = truth;
    return value;
}

static inline struct gleam_value gleam_bytes(const char *data, size_t length)
{
    struct gleam_value value;
    value.kind = GLEAM_BYTES;
    value.bytes.data = data;
    value.bytes.length = length;
    return value;
}

/* ---- functions of steps ---------------------------------------------------------------------- */

/* What a step runs: a kernel of the engine, or a function of this program with a parameter. */
struct gleam_function {
    const char *name;      /* of a kernel or a registered function */
    const void *parameter; /* copied when the step is added */
    size_t parameter_length;
    int kind; /* 1 kernel, 2 registered mapper, 3 registered reducer */
};

/* Kernels for map and flat_map. */
#define GLEAM_TOKENIZE gleam_kernel("tokenize")     /* (bytes) -> a row per run of [A-Za-z0-9] */
#define GLEAM_APPEND_ONE gleam_kernel("append_one") /* (columns...) -> (columns..., 1) */
/* Kernels for reduce_by and reduce_by_key. */
#define GLEAM_SUM_INT64 gleam_kernel("sum_int64") /* a running sum beyond i64 fails the job */
#define GLEAM_SUM_FLOAT64 gleam_kernel("sum_float64")
#define GLEAM_COUNT gleam_kernel("count") /* replaces the value columns by the number of rows */
#define GLEAM_MIN gleam_kernel("min")
#define GLEAM_MAX gleam_kernel("max")

struct gleam_function gleam_kernel(const char *name);
struct gleam_function gleam_mapper(const char *name);
struct gleam_function gleam_mapper_with(const char *name, const void *parameter, size_t length);
struct gleam_function gleam_reducer(const char *name);
struct gleam_function gleam_reducer_with(const char *name, const void *parameter, size_t length);

/* A mapper: gets one row, emits none, one or many by gleam_emit.  Returns 0, or anything else to
 * fail the job (say why with gleam_fail).  It must not keep pointers into the row. */
typedef int gleam_map_fn(struct gleam_call *call, const struct gleam_value *row,
                         uint32_t column_count);

/* A reducer: folds the value columns `next` of a row into `total`, both of value_count values.
 * `total` starts as the first row's values; bytes that it is given must come from
 * gleam_call_keep.  Must be associative and commutative.  Returns 0 or anything else to fail. */
typedef int gleam_reduce_fn(struct gleam_call *call, struct gleam_value *total,
                            const struct gleam_value *next, uint32_t value_count);

/* A reducer of one i64 or f64 value column, without the boxes: several times as fast. */
typedef int64_t gleam_reduce_i64_fn(int64_t total, int64_t next);
typedef double gleam_reduce_f64_fn(double total, double next);

/* Emits one row; the values are taken over before it returns.  Returns 0, or a code that the mapper
 * returns at once. */
int gleam_emit(struct gleam_call *call, const struct gleam_value *values, uint32_t count);
/* One column of several rows: `values` of them, or one that all rows share. */
struct gleam_column {
    const struct gleam_value *values;
    bool shared; /* values[0] stands in every row */
};

/* Emits row_count rows at once, column by column: about three times as fast as one by one.  Returns
 * as gleam_emit. */
int gleam_emit_columns(struct gleam_call *call, const struct gleam_column *columns,
                       uint32_t column_count, size_t row_count);
/* The parameter given with the function; *ret_length may be NULL. */
const void *gleam_parameter(const struct gleam_call *call, size_t *ret_length);
/* Copies bytes so that they live as long as the reducer's total.  NULL when memory is spent: return
 * non-zero then. */
const char *gleam_call_keep(struct gleam_call *call, const char *data, size_t length);
/* Says why the function fails; returns -1, so that `return gleam_fail(call, ...)` works. */
int gleam_fail(struct gleam_call *call, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* Register before gleam_init, under a name that is unique in the program.  Every executor is this
 * same program, so it finds the same functions. */
void gleam_register_mapper(const char *name, gleam_map_fn *function);
void gleam_register_reducer(const char *name, gleam_reduce_fn *function);
void gleam_register_reducer_i64(const char *name, gleam_reduce_i64_fn *function);
void gleam_register_reducer_f64(const char *name, gleam_reduce_f64_fn *function);

/* Defines and registers at load time:
 *     GLEAM_MAPPER(shout) { ... return gleam_emit(call, row, column_count); } */
#define GLEAM_MAPPER(name)                                                                         \
    static gleam_map_fn gleam_mapper_##name;                                                       \
    __attribute__((constructor)) static void gleam_register_mapper_##name(void)                    \
    {                                                                                              \
        gleam_register_mapper(#name, gleam_mapper_##name);                                         \
    }                                                                                              \
    static int gleam_mapper_##name(struct gleam_call *call, const struct gleam_value *row,         \
                                   uint32_t column_count)
#define GLEAM_REDUCER(name)                                                                        \
    static gleam_reduce_fn gleam_reducer_##name;                                                   \
    __attribute__((constructor)) static void gleam_register_reducer_##name(void)                   \
    {                                                                                              \
        gleam_register_reducer(#name, gleam_reducer_##name);                                       \
    }                                                                                              \
    static int gleam_reducer_##name(struct gleam_call *call, struct gleam_value *total,            \
                                    const struct gleam_value *next, uint32_t value_count)
/* GLEAM_REDUCER_I64(add) { return total + next; } */
#define GLEAM_REDUCER_I64(name) GLEAM_REDUCER_NUMBER_(name, i64, int64_t)
#define GLEAM_REDUCER_F64(name) GLEAM_REDUCER_NUMBER_(name, f64, double)
#define GLEAM_REDUCER_NUMBER_(name, kind, type)                                                    \
    static gleam_reduce_##kind##_fn gleam_reducer_##name;                                          \
    __attribute__((constructor)) static void gleam_register_reducer_##name(void)                   \
    {                                                                                              \
        gleam_register_reducer_##kind(#name, gleam_reducer_##name);                                \
    }                                                                                              \
    static type gleam_reducer_##name(type total, type next)

/* The next words, maximal runs of [A-Za-z0-9], of a bytes value, with the engine's vector kernel:
 * writes up to word_count_max bytes values that point into text, and returns how many; 0 at the
 * end. *offset is where to go on, 0 at first.  For mappers that look at words. */
size_t gleam_words(const struct gleam_value *text, size_t *offset, struct gleam_value *ret_words,
                   size_t word_count_max);

/* ---- columns and orders ---------------------------------------------------------------------- */

#define GLEAM_ORDER_COLUMNS_MAX 16

/* Columns, numbered from 1, each with a direction: a sort order, or (directions ignored) a key. */
struct gleam_order {
    uint32_t count;
    struct {
        uint32_t column;
        bool ascending;
    } columns[GLEAM_ORDER_COLUMNS_MAX];
};

/* The order by one column; extend it with gleam_then_by. */
struct gleam_order gleam_order_by(uint32_t column, bool ascending);
struct gleam_order gleam_then_by(struct gleam_order order, uint32_t column, bool ascending);
/* One key column; more by gleam_then_by. */
struct gleam_order gleam_field(uint32_t column);

/* ---- the program ----------------------------------------------------------------------------- */

/* First call of main.  In an executor it does not return.  In the driver it takes the run options
 * (--cores, --memory, ...; gleam --help lists them) out of argv; a wrong one is reported to stderr
 * and exits with status 2.  Ignores SIGPIPE from here on. */
void gleam_init(int *argc, char ***argv);

/* The same options from code: gleam_set_option("memory", "2G").  Returns 0, or -1 with the reason
 * on stderr. */
int gleam_set_option(const char *name, const char *value);

/* ---- flows ----------------------------------------------------------------------------------- */

struct gleam_flow *gleam_flow_new(const char *name);
void gleam_flow_free(struct gleam_flow *flow); /* NULL is allowed */

/* Lines of text as one bytes column, without "\n" or "\r\n".  path is a file, a glob or a directory
 * (its files, not deeper).  partition_count 0 leaves it to the planner. */
struct gleam_dataset *gleam_read_text(struct gleam_flow *flow, const char *path,
                                      uint32_t partition_count);
struct gleam_dataset *gleam_text_file(struct gleam_flow *flow, const char *path);
/* Several paths as one dataset. */
struct gleam_dataset *gleam_read_texts(struct gleam_flow *flow, const char *const *paths,
                                       size_t path_count, uint32_t partition_count);
/* Records of key_bytes and value_bytes, one behind the other, as rows (key bytes, value bytes);
 * with value_bytes 0 as rows (key bytes).  key_bytes is 1 or more, both together at most 65536.
 * Files hold whole records. */
struct gleam_dataset *gleam_read_records(struct gleam_flow *flow, const char *path,
                                         uint32_t key_bytes, uint32_t value_bytes,
                                         uint32_t partition_count);
/* Strings of the program, one row each. */
struct gleam_dataset *gleam_strings(struct gleam_flow *flow, const char *const *strings,
                                    size_t count);
/* Integers from..to-1. */
struct gleam_dataset *gleam_ints(struct gleam_flow *flow, int64_t from, int64_t to);

/* Declares names and types of the columns: gleam_as(d, "word bytes, n i64").  Types: i64, f64,
 * bool, bytes, any.  Stands right behind every registered mapper, and says what it emits: another
 * number of values, or a value of another type, fails the job with the row.  Elsewhere it renames
 * columns, and narrows `any`. */
struct gleam_dataset *gleam_as(struct gleam_dataset *dataset, const char *columns);

struct gleam_dataset *gleam_map(struct gleam_dataset *dataset, const char *step,
                                struct gleam_function function);
struct gleam_dataset *gleam_flat_map(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_function function);
/* Folds the rows of each key (column 1; or the columns of the field) into one. */
struct gleam_dataset *gleam_reduce_by_key(struct gleam_dataset *dataset, const char *step,
                                          struct gleam_function function);
struct gleam_dataset *gleam_reduce_by(struct gleam_dataset *dataset, const char *step,
                                      struct gleam_function function, struct gleam_order keys);

/* Spreads rows over partition_count partitions by the hash of column 1. */
struct gleam_dataset *gleam_partition_by_key(struct gleam_dataset *dataset, const char *step,
                                             uint32_t partition_count);

/* Sorts each partition; stable: equal rows stay in their order. */
struct gleam_dataset *gleam_local_sort(struct gleam_dataset *dataset, const char *step,
                                       struct gleam_order order);
/* Sorts all rows into one partition; equal rows stay in the order of (input partition,
 * position). */
struct gleam_dataset *gleam_sort(struct gleam_dataset *dataset, const char *step,
                                 struct gleam_order order);
/* The first `count` rows in that order (order_by(2, false): the largest first), of each partition
 * or of all; a tie at the cut is decided by the whole row. */
struct gleam_dataset *gleam_local_top(struct gleam_dataset *dataset, const char *step,
                                      uint32_t count, struct gleam_order order);
struct gleam_dataset *gleam_top(struct gleam_dataset *dataset, const char *step, uint32_t count,
                                struct gleam_order order);

/* ---- outputs: each ends a dataset ------------------------------------------------------------ */

/* One formatted text per row.  %s bytes, %d i64, %f f64 (with flags, width and precision as in C),
 * %v any value as it is, %% a percent sign; the number of verbs is the number of columns.  The
 * ...ln forms add a newline.  Rows are whole: two are never mixed.  file is stdout, stderr or a
 * stream of this program (borrowed until gleam_run returns; flushed before and after). */
void gleam_printf(struct gleam_dataset *dataset, const char *format);
void gleam_printlnf(struct gleam_dataset *dataset, const char *format);
void gleam_fprintf(struct gleam_dataset *dataset, FILE *file, const char *format);
void gleam_fprintlnf(struct gleam_dataset *dataset, FILE *file, const char *format);
/* The same into a file that appears under its name only when the job succeeded. */
void gleam_write_formatted(struct gleam_dataset *dataset, const char *path, const char *format);
/* Every row, in this process, in the thread of gleam_run.  Values are borrowed for the call;
 * non-zero ends the job with an error. */
typedef int gleam_row_fn(void *argument, const struct gleam_value *row, uint32_t column_count);
void gleam_output_row(struct gleam_dataset *dataset, gleam_row_fn *function, void *argument);

/* ---- running --------------------------------------------------------------------------------- */

/* Plans and runs the flow, with the options that gleam_init found.  Returns an exit status: 0 when
 * every row made it (also when the reader of stdout went away), 1 for a failure, 128 + n when
 * stopped by signal n (130: Ctrl-C); the reason is on stderr, and in gleam_flow_error.  A flow runs
 * once or more often; the executors stay warm between runs of one program. */
int gleam_run(struct gleam_flow *flow);
/* The last error's text, or "" when there is none; lives as long as the flow. */
const char *gleam_flow_error(const struct gleam_flow *flow);
/* Writes the plan as text.  Returns 0, or 1 with the reason on stderr. */
int gleam_plan(struct gleam_flow *flow, FILE *file);

/* Remembers the place of the next building call, for its error messages; the macros below call
 * it. */
void gleam_here(const char *file, int line);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#ifndef GLEAM_NO_PLACES
#define gleam_read_text(...) (gleam_here(__FILE__, __LINE__), gleam_read_text(__VA_ARGS__))
#define gleam_text_file(...) (gleam_here(__FILE__, __LINE__), gleam_text_file(__VA_ARGS__))
#define gleam_read_texts(...) (gleam_here(__FILE__, __LINE__), gleam_read_texts(__VA_ARGS__))
#define gleam_read_records(...) (gleam_here(__FILE__, __LINE__), gleam_read_records(__VA_ARGS__))
#define gleam_strings(...) (gleam_here(__FILE__, __LINE__), gleam_strings(__VA_ARGS__))
#define gleam_ints(...) (gleam_here(__FILE__, __LINE__), gleam_ints(__VA_ARGS__))
#define gleam_as(...) (gleam_here(__FILE__, __LINE__), gleam_as(__VA_ARGS__))
#define gleam_map(...) (gleam_here(__FILE__, __LINE__), gleam_map(__VA_ARGS__))
#define gleam_flat_map(...) (gleam_here(__FILE__, __LINE__), gleam_flat_map(__VA_ARGS__))
#define gleam_reduce_by_key(...) (gleam_here(__FILE__, __LINE__), gleam_reduce_by_key(__VA_ARGS__))
#define gleam_reduce_by(...) (gleam_here(__FILE__, __LINE__), gleam_reduce_by(__VA_ARGS__))
#define gleam_partition_by_key(...)                                                                \
    (gleam_here(__FILE__, __LINE__), gleam_partition_by_key(__VA_ARGS__))
#define gleam_local_sort(...) (gleam_here(__FILE__, __LINE__), gleam_local_sort(__VA_ARGS__))
#define gleam_sort(...) (gleam_here(__FILE__, __LINE__), gleam_sort(__VA_ARGS__))
#define gleam_local_top(...) (gleam_here(__FILE__, __LINE__), gleam_local_top(__VA_ARGS__))
#define gleam_top(...) (gleam_here(__FILE__, __LINE__), gleam_top(__VA_ARGS__))
#define gleam_printf(...) (gleam_here(__FILE__, __LINE__), gleam_printf(__VA_ARGS__))
#define gleam_printlnf(...) (gleam_here(__FILE__, __LINE__), gleam_printlnf(__VA_ARGS__))
#define gleam_fprintf(...) (gleam_here(__FILE__, __LINE__), gleam_fprintf(__VA_ARGS__))
#define gleam_fprintlnf(...) (gleam_here(__FILE__, __LINE__), gleam_fprintlnf(__VA_ARGS__))
#define gleam_write_formatted(...)                                                                 \
    (gleam_here(__FILE__, __LINE__), gleam_write_formatted(__VA_ARGS__))
#define gleam_output_row(...) (gleam_here(__FILE__, __LINE__), gleam_output_row(__VA_ARGS__))
#endif

#endif
