/* gleam.h - flows in C: the one public header (tidy: so it may be longer than others).
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
 *
 * tidy: one header is what a person's program includes, however long it gets.
 * Readers:   a dataset may be read by several steps.  What leads to it is then done once for each
 *            of them, unless it is cached (gleam_cache).
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
    GLEAM_LIST = 6, /* of a value in an `any` column: `bytes` holds a packed list */
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

/* Lists: group_by makes them, mappers may.  gleam_list_next gives the next value, whose bytes point
 * into the list; *offset is where to go on, 0 at first; false at the end.  gleam_list_pack writes a
 * list of these values to memory of gleam_list_bytes bytes, and points into it; the list may itself
 * be a value of another one, 32 deep. */
size_t gleam_list_count(const struct gleam_value *list);
bool gleam_list_next(const struct gleam_value *list, size_t *offset,
                     struct gleam_value *ret_value);
size_t gleam_list_bytes(const struct gleam_value *values, size_t count);
struct gleam_value gleam_list_pack(const struct gleam_value *values, size_t count, void *memory);

/* ---- functions of steps ---------------------------------------------------------------------- */

/* What a step runs: a kernel of the engine, or a function of this program with a parameter. */
struct gleam_function {
    const char *name;      /* of a kernel or a registered function */
    const void *parameter; /* copied when the step is added */
    size_t parameter_length;
    int kind; /* 1 kernel, 2 registered mapper, 3 registered reducer, 4 Lua, 5 of a shared object */
    const char *library; /* kind 5: the shared object's path */
};

/* Kernels for map and flat_map. */
#define GLEAM_TOKENIZE gleam_kernel("tokenize")     /* (bytes) -> a row per run of [A-Za-z0-9] */
#define GLEAM_APPEND_ONE gleam_kernel("append_one") /* (columns...) -> (columns..., 1) */
/* Kernels for reduce_by and reduce_by_key. */
#define GLEAM_SUM gleam_kernel("sum") /* i64 and f64 columns; as the next two do it */
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

/* A Lua function, as source text: "function(line) return line:lower() end".  LuaJIT 2.1 runs it in
 * the executors.  Rows are arguments and results: a bytes column is a string, i64 a number while
 * that is exact (below 2^53) and an int64_t beyond, null is nil. */
struct gleam_function gleam_lua(const char *source);

/* A function of a shared object: in a map, flat_map or filter a gleam_map_fn, in a reduce a
 * gleam_reduce_fn.  The path is opened with dlopen, here when the plan is made and in every
 * executor: one without a slash is looked for in the system's folders. */
struct gleam_function gleam_library(const char *path, const char *symbol);
struct gleam_function gleam_library_with(const char *path, const char *symbol,
                                         const void *parameter, size_t length);

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
/* Adds to a counter with a name of your own ("bad rows"): the sum over all executors is shown at
 * the end and stands in --stats.  At most 64 names of 63 bytes.  Returns 0, or a code to return at
 * once. */
int gleam_count(struct gleam_call *call, const char *name, int64_t number);
/* The bytes given to gleam_broadcast_bytes, or NULL when there is no such number.  Borrowed until
 * the function returns; *ret_length may be NULL. */
const void *gleam_broadcast_value(const struct gleam_call *call, uint32_t number,
                                  size_t *ret_length);
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

#define GLEAM_ORDER_COLUMNS_MAX 64

/* The column of that name, wherever a column's number is wanted: gleam_field(gleam_column("word")).
 * Names come from CSV headers, members of JSON and gleam_as, and stay with their columns through
 * all steps but mappers; anything in a name but letters and digits counts as _.  They are looked up
 * when the flow is planned: one that is not there is refused then, with those that are. */
uint32_t gleam_column(const char *name);

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
/* Several at once, by names and numbers, each with " desc" or " asc" behind if need be:
 * gleam_columns("word"), gleam_columns("n desc, word"), gleam_columns("3, 1"). */
struct gleam_order gleam_columns(const char *list);

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

/* Lua code that every Lua step of the flow runs before its function is loaded: it sets globals.
 * Several calls add up. */
void gleam_init_lua(struct gleam_flow *flow, const char *code);
/* Bytes that every function of the flow may read (gleam_broadcast_value): they travel once per
 * executor.  At most 64 values of 64 MiB.  Returns the value's number, or UINT32_MAX after a
 * mistake. */
uint32_t gleam_broadcast_bytes(struct gleam_flow *flow, const void *data, size_t length);

/* Lines of text as one bytes column, without "\n" or "\r\n".  path is a file, a glob or a directory
 * (its files, not deeper).  A part of it that is "**" stands for any directories, and for all files
 * below at its end; "-" is standard input.  partition_count 0 leaves it to the planner.  Files that
 * end in .gz, .zst or .bz2 are read as what is in them, each by one executor.  A .zip file is read
 * as its members, in the order of their names, each a file of its own; "a.zip/in*.csv" are those
 * whose names match. */
struct gleam_dataset *gleam_read_text(struct gleam_flow *flow, const char *path,
                                      uint32_t partition_count);
struct gleam_dataset *gleam_text_file(struct gleam_flow *flow, const char *path);
/* Several paths as one dataset. */
struct gleam_dataset *gleam_read_texts(struct gleam_flow *flow, const char *const *paths,
                                       size_t path_count, uint32_t partition_count);
/* The lines that a shell command writes, as gleam_read_text has them.  It runs once, in one of the
 * executors, on all cores, with an empty standard input; that it fails fails the job. */
struct gleam_dataset *gleam_exec(struct gleam_flow *flow, const char *command);
/* Records of key_bytes and value_bytes, one behind the other, as rows (key bytes, value bytes);
 * with value_bytes 0 as rows (key bytes).  key_bytes is 1 or more, both together at most 65536.
 * Files hold whole records. */
struct gleam_dataset *gleam_read_records(struct gleam_flow *flow, const char *path,
                                         uint32_t key_bytes, uint32_t value_bytes,
                                         uint32_t partition_count);
/* What somebody sends over a connection: one of the executors listens at the address, lets one
 * connection in, and reads lines until the other side closes; a connection that breaks off fails
 * the job.  network is "tcp"; address is HOST:PORT with a number (127.0.0.1, [::1]) or localhost as
 * host; port 0 is any free one, which the driver tells on stderr.  One partition; one bytes column,
 * unless gleam_as right behind declares columns: then lines are rows with tabs between the values,
 * as of gleam_read_tsv.  Only one step may read it.  Nobody is asked who they are, and nothing is
 * encrypted: listen where only trusted programs can connect. */
struct gleam_dataset *gleam_listen(struct gleam_flow *flow, const char *network,
                                   const char *address);
/* Strings of the program, one row each. */
struct gleam_dataset *gleam_strings(struct gleam_flow *flow, const char *const *strings,
                                    size_t count);
/* The same with a length for each, for strings that hold zeros. */
struct gleam_dataset *gleam_byte_strings(struct gleam_flow *flow, const char *const *strings,
                                         const size_t *lengths, size_t count);
/* Integers from..to-1. */
struct gleam_dataset *gleam_ints(struct gleam_flow *flow, int64_t from, int64_t to);
/* The rows that a function makes, which is called once, in one of the executors, with a row of one
 * i64: as gleam_flat_map on that row.  One partition. */
struct gleam_dataset *gleam_source(struct gleam_flow *flow, const char *name,
                                   struct gleam_function function);

/* What becomes of a row with another number of fields than the file, with a quote in a wrong place,
 * or with a text that is no value of its column's type. */
enum gleam_csv_on_error {
    GLEAM_CSV_FAIL = 0, /* the job fails, and says file, line and text */
    GLEAM_CSV_SKIP = 1, /* the row is left out and counted */
    GLEAM_CSV_NULL = 2, /* what is missing or bad is null, what is too much is left out; counted */
};

/* How a CSV file is written.  Zeroed: RFC 4180 with a comma, without a header. */
struct gleam_csv_options {
    char delimiter; /* 0: a comma; a tab for gleam_read_tsv */
    char quote;     /* 0: a double quote; none for gleam_read_tsv */
    bool unquoted;  /* there is no quote: fields end at every delimiter */
    char escape;    /* makes the character behind it plain; 0: a quote is doubled instead */
    char comment;   /* lines that begin with it are left out; 0: none */
    bool header;    /* the first row of every file has the names of the columns */
    /* An unquoted field with this text is null; NULL is "", which is null in columns that are not
     * bytes: in a bytes column it is the empty text.  At most 31 bytes. */
    const char *null_text;
    bool no_nulls;     /* no text means null */
    const char *types; /* NULL: bytes, unless gleam_as follows; "auto": guessed from the first
                        * file's first 256 KiB, shown by gleam_plan */
    int on_error;      /* enum gleam_csv_on_error */
};

/* Rows of CSV files (RFC 4180).  path and partition_count as for gleam_read_text; options may be
 * NULL, and are copied.
 *
 * gleam_as right behind it declares the columns' types (i64, f64, bool or bytes), which are read
 * while the file is.  With a header it picks columns by their names in it (letters, digits and _;
 * anything else there counts as _), as many as are wanted, in any order; without one it names all
 * of them in the file's order.  Columns that nobody names cost nearly nothing.
 * Nor is a column read that no later step needs: a gleam_select behind it says which are needed,
 * also with sorts, joins, exchanges and gleam_where between, and so does a count; a bad value in
 * another one fails nothing, but with GLEAM_CSV_SKIP it still leaves its row out.
 *
 * A record ends at a "\n" or "\r\n" outside quotes; empty lines are left out where there are
 * several columns.  Large files are split at any byte, line ends in quotes notwithstanding; with an
 * escape character, or with comments and quotes, each file is read by one executor. */
struct gleam_dataset *gleam_read_csv(struct gleam_flow *flow, const char *path,
                                     uint32_t partition_count,
                                     const struct gleam_csv_options *options);
/* The same with tabs, and without quotes unless the options name one. */
struct gleam_dataset *gleam_read_tsv(struct gleam_flow *flow, const char *path,
                                     uint32_t partition_count,
                                     const struct gleam_csv_options *options);

/* Rows of files with a JSON object per line; path and partition_count as for gleam_read_text.
 * gleam_as right behind it names the members to read, in any order (a name matches with _ for
 * whatever is no letter or digit), and their types; without it, the members of the first row are
 * the columns, with types guessed from the first file's first 256 KiB.  A member that is missing or
 * null is null; arrays and objects are bytes, as they stand.  on_error: enum gleam_csv_on_error. */
struct gleam_dataset *gleam_read_jsonl(struct gleam_flow *flow, const char *path,
                                       uint32_t partition_count, int on_error);

/* Declares names and types of the columns: gleam_as(d, "word bytes, n i64").  Types: i64 (also
 * int64, int), f64 (float64, float), bool, bytes (string), any; a '?' behind a type says that null
 * may stand there.  Stands right behind every registered mapper, and says what it emits: another
 * number of values, or a value of another type, fails the job with the row.  Elsewhere it renames
 * columns, and narrows `any`. */
struct gleam_dataset *gleam_as(struct gleam_dataset *dataset, const char *columns);

struct gleam_dataset *gleam_map(struct gleam_dataset *dataset, const char *step,
                                struct gleam_function function);
struct gleam_dataset *gleam_flat_map(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_function function);
/* Keeps the rows for which the function is true: a Lua function, or a registered mapper that
 * returns 1 to keep a row and 0 to drop it, and emits nothing. */
struct gleam_dataset *gleam_filter(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_function function);
/* Calls a Lua function for every row; what it gives to writeRow(...) are the rows that come out. */
struct gleam_dataset *gleam_for_each(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_function function);
/* Folds the rows of each key (column 1; or the columns of the field) into one. */
struct gleam_dataset *gleam_reduce_by_key(struct gleam_dataset *dataset, const char *step,
                                          struct gleam_function function);
struct gleam_dataset *gleam_reduce_by(struct gleam_dataset *dataset, const char *step,
                                      struct gleam_function function, struct gleam_order keys);

/* ---- joins ----
 *
 * Rows of two datasets meet where their keys are equal; 1 and 1.0 are, a null equals nothing, and
 * NaN equals NaN.  The result has the key columns first, named as on the left, then the left side's
 * other columns, then the right side's; null where an outer join found nobody.  Both sides are
 * spread by their keys over as many partitions as the larger number of the two, unless they are so
 * already; a side that is known to be small (files, gleam_hint) beside a large one goes whole to
 * each executor instead, where the kind of join allows that.  gleam_plan shows what was chosen.
 * What does not fit the memory goes to disk.  Rows come in no order. */
enum gleam_join_kind {
    GLEAM_JOIN_INNER = 0,
    GLEAM_JOIN_LEFT_OUTER = 1,
    GLEAM_JOIN_RIGHT_OUTER = 2,
    GLEAM_JOIN_FULL_OUTER = 3,
    GLEAM_JOIN_LEFT_SEMI = 4, /* left rows that have a partner, once each */
    GLEAM_JOIN_LEFT_ANTI = 5, /* left rows that have none, those with a null key among them */
};

/* The columns of left_keys and right_keys are compared one by one.  Columns of kinds that are never
 * equal (bytes and i64) are refused when the flow is planned. */
struct gleam_dataset *gleam_join_on(struct gleam_dataset *left, const char *step,
                                    struct gleam_dataset *right, struct gleam_order left_keys,
                                    struct gleam_order right_keys, enum gleam_join_kind kind);
/* By the same columns of both sides; _by_key: by column 1. */
struct gleam_dataset *gleam_join(struct gleam_dataset *left, const char *step,
                                 struct gleam_dataset *right, struct gleam_order keys);
struct gleam_dataset *gleam_join_by_key(struct gleam_dataset *left, const char *step,
                                        struct gleam_dataset *right);
struct gleam_dataset *gleam_left_outer_join(struct gleam_dataset *left, const char *step,
                                            struct gleam_dataset *right, struct gleam_order keys);
struct gleam_dataset *gleam_left_outer_join_by_key(struct gleam_dataset *left, const char *step,
                                                   struct gleam_dataset *right);
struct gleam_dataset *gleam_right_outer_join(struct gleam_dataset *left, const char *step,
                                             struct gleam_dataset *right, struct gleam_order keys);
struct gleam_dataset *gleam_right_outer_join_by_key(struct gleam_dataset *left, const char *step,
                                                    struct gleam_dataset *right);
struct gleam_dataset *gleam_full_outer_join(struct gleam_dataset *left, const char *step,
                                            struct gleam_dataset *right, struct gleam_order keys);
struct gleam_dataset *gleam_semi_join(struct gleam_dataset *left, const char *step,
                                      struct gleam_dataset *right, struct gleam_order keys);
struct gleam_dataset *gleam_anti_join(struct gleam_dataset *left, const char *step,
                                      struct gleam_dataset *right, struct gleam_order keys);
/* A join of any of the four kinds, by the sides that keep their rows without a partner. */
struct gleam_dataset *gleam_do_join(struct gleam_dataset *left, const char *step,
                                    struct gleam_dataset *right, bool left_outer, bool right_outer,
                                    struct gleam_order keys);
/* gleam_join where the right side is small: it goes whole to each partition of the left, at most
 * one per executor, and the left side is not spread by its keys. */
struct gleam_dataset *gleam_hash_join(struct gleam_dataset *left, const char *step,
                                      struct gleam_dataset *smaller, struct gleam_order keys);
/* Every row of the left beside every row of the right, which goes to each partition of the left: at
 * most one per executor. */
struct gleam_dataset *gleam_cross_join(struct gleam_dataset *left, const char *step,
                                       struct gleam_dataset *right);

/* Every key that either side has, with two lists, each as group_by makes it: of the left side's
 * rows and of the right side's, without a value where there are none.  Null is a key here. */
struct gleam_dataset *gleam_cogroup_on(struct gleam_dataset *left, const char *step,
                                       struct gleam_dataset *right, struct gleam_order left_keys,
                                       struct gleam_order right_keys);
struct gleam_dataset *gleam_cogroup(struct gleam_dataset *left, const char *step,
                                    struct gleam_dataset *right, struct gleam_order keys);

/* ---- rows of a key ----
 *
 * Keys are equal as in a join, but a null equals a null.  The local forms look at each partition
 * alone.  What does not fit the memory goes to disk; one list must fit, and is named when it does
 * not. */

/* One row of each key, the first in the order of (partition, position).  Keys of no columns
 * (`(struct gleam_order){0}`) are the whole row. */
struct gleam_dataset *gleam_distinct(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_order keys);
struct gleam_dataset *gleam_local_distinct(struct gleam_dataset *dataset, const char *step,
                                           struct gleam_order keys);
/* The key columns and one list for each key: of the values of the other column, or, if there are
 * several, of a list of values for each row; in the order of (partition, position). */
struct gleam_dataset *gleam_group_by(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_order keys);
struct gleam_dataset *gleam_group_by_key(struct gleam_dataset *dataset, const char *step);
struct gleam_dataset *gleam_local_group_by(struct gleam_dataset *dataset, const char *step,
                                           struct gleam_order keys);
/* Folds all rows, every column of them, into one row; none when there is no row. */
struct gleam_dataset *gleam_reduce(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_function function);
struct gleam_dataset *gleam_local_reduce(struct gleam_dataset *dataset, const char *step,
                                         struct gleam_function function);
struct gleam_dataset *gleam_local_reduce_by(struct gleam_dataset *dataset, const char *step,
                                            struct gleam_function function,
                                            struct gleam_order keys);
/* For each key, or for all rows with keys of no columns: the number of rows; of the other columns
 * the sum, the least and the largest value, the mean (f64); the number of distinct values of the
 * one other column.  Nulls are left out of all but the first; of nulls alone the result is null,
 * and the last 0.  Without keys there is always one row: of no rows it says 0, or null. */
struct gleam_dataset *gleam_count_by(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_order keys);
struct gleam_dataset *gleam_sum_by(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys);
struct gleam_dataset *gleam_min_by(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys);
struct gleam_dataset *gleam_max_by(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys);
struct gleam_dataset *gleam_avg_by(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys);
struct gleam_dataset *gleam_count_distinct_by(struct gleam_dataset *dataset, const char *step,
                                              struct gleam_order keys);
/* The same of some columns alone: only the keys and these values remain.  gleam_count_of counts the
 * values of each that are not null. */
struct gleam_dataset *gleam_count_of(struct gleam_dataset *dataset, const char *step,
                                     struct gleam_order keys, struct gleam_order values);
struct gleam_dataset *gleam_sum_of(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys, struct gleam_order values);
struct gleam_dataset *gleam_min_of(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys, struct gleam_order values);
struct gleam_dataset *gleam_max_of(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys, struct gleam_order values);
struct gleam_dataset *gleam_avg_of(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order keys, struct gleam_order values);
struct gleam_dataset *gleam_count_distinct_of(struct gleam_dataset *dataset, const char *step,
                                              struct gleam_order keys,
                                              struct gleam_order values);
/* gleam_sort by column 1. */
struct gleam_dataset *gleam_sort_by_key(struct gleam_dataset *dataset, const char *step);

/* ---- columns, numbers of rows, partitions ---- */

/* These columns, in this order; a column may be named twice. */
struct gleam_dataset *gleam_select(struct gleam_dataset *dataset, const char *step,
                                   struct gleam_order columns);
/* The keys, then the values. */
struct gleam_dataset *gleam_select_kv(struct gleam_dataset *dataset, const char *step,
                                      struct gleam_order keys, struct gleam_order values);

/* Rows whose value in a column compares with `value` as said.  Values compare as in a sort, numbers
 * with numbers, others with their own kind; a null compares with nothing.  A value of a kind that
 * the column never has is refused when the flow is planned. */
enum gleam_comparison {
    GLEAM_EQUAL = 0,
    GLEAM_NOT_EQUAL = 1,
    GLEAM_LESS = 2,
    GLEAM_LESS_OR_EQUAL = 3,
    GLEAM_GREATER = 4,
    GLEAM_GREATER_OR_EQUAL = 5,
    GLEAM_IS_NULL = 6, /* `value` is of no interest */
    GLEAM_IS_NOT_NULL = 7,
};
struct gleam_dataset *gleam_where(struct gleam_dataset *dataset, const char *step,
                                  uint32_t column, enum gleam_comparison comparison,
                                  struct gleam_value value);

/* All rows of all of them, each as often as it is there.  They have the same number of columns; a
 * column whose kinds differ becomes `any`, and values stay what they are. */
struct gleam_dataset *gleam_union(struct gleam_dataset *dataset, const char *step,
                                  struct gleam_dataset *const *others, size_t other_count);

/* Of each partition: rows offset + 1 to offset + count.  A source without an exchange between stops
 * reading a partition whose rows are all there. */
struct gleam_dataset *gleam_local_limit(struct gleam_dataset *dataset, const char *step,
                                        uint64_t count, uint64_t offset);
/* The first `count` rows in the order of (partition, position), in one partition.  A source without
 * an exchange between stops reading when they are all there. */
struct gleam_dataset *gleam_limit(struct gleam_dataset *dataset, const char *step, uint64_t count);

/* `count` rows, each as likely as any other, or all when there are fewer; in no order, in one
 * partition.  Every row draws a number from the seed, its partition and its place in it: the same
 * rows again as long as these are the same (behind an exchange, places may differ). */
struct gleam_dataset *gleam_sample(struct gleam_dataset *dataset, const char *step, uint32_t count,
                                   uint64_t seed);
/* Each row with this probability, between 0 and 1; partitions and order stay. */
struct gleam_dataset *gleam_sample_fraction(struct gleam_dataset *dataset, const char *step,
                                            double fraction, uint64_t seed);

/* What the planner cannot know.  gleam_total_size: a dataset has about so many megabytes (2^20
 * bytes); joins are planned by it.  gleam_partition_size: its partitions should have so many, if a
 * source or an exchange makes it and its size is known or said.  Returns the dataset, which is the
 * same one. */
struct gleam_size_hint {
    double megabytes;
    bool of_partition;
};
struct gleam_size_hint gleam_total_size(double megabytes);
struct gleam_size_hint gleam_partition_size(double megabytes);
struct gleam_dataset *gleam_hint(struct gleam_dataset *dataset, struct gleam_size_hint hint);
/* For the whole flow: the size of each source whose size cannot be measured (commands, connections,
 * compressed files), and that of partitions where their datasets have no hint of their own. */
void gleam_flow_hint(struct gleam_flow *flow, struct gleam_size_hint hint);

/* Spreads rows by turns over partition_count partitions. */
struct gleam_dataset *gleam_round_robin(struct gleam_dataset *dataset, const char *step,
                                        uint32_t partition_count);
/* Spreads rows over partition_count partitions by the hash of the key columns. */
struct gleam_dataset *gleam_partition(struct gleam_dataset *dataset, const char *step,
                                      uint32_t partition_count, struct gleam_order keys);
/* Neighbouring partitions become one, partition_count in the end; rows of different ones are mixed.
 * With more than there are, some stay empty. */
struct gleam_dataset *gleam_merge_to(struct gleam_dataset *dataset, const char *step,
                                     uint32_t partition_count);
/* The same for partitions that are sorted by the order, as the result's are then.  The tree form
 * merges at most `factor` >= 2 partitions into one at a time. */
struct gleam_dataset *gleam_merge_sorted_to(struct gleam_dataset *dataset, const char *step,
                                            uint32_t partition_count, struct gleam_order order);
struct gleam_dataset *gleam_tree_merge_sorted_to(struct gleam_dataset *dataset, const char *step,
                                                 uint32_t partition_count, uint32_t factor,
                                                 struct gleam_order order);
/* Every row to each of partition_count partitions. */
struct gleam_dataset *gleam_broadcast(struct gleam_dataset *dataset, const char *step,
                                      uint32_t partition_count);

/* Spreads rows over partition_count partitions by the hash of column 1. */
struct gleam_dataset *gleam_partition_by_key(struct gleam_dataset *dataset, const char *step,
                                             uint32_t partition_count);

/* Sorts each partition; stable: equal rows stay in their order. */
struct gleam_dataset *gleam_local_sort(struct gleam_dataset *dataset, const char *step,
                                       struct gleam_order order);
/* Sorts all rows into one partition; equal rows stay in the order of (input partition, position).
 * It may lie on all executors, cut into ranges; only a directory of written parts shows them. */
struct gleam_dataset *gleam_sort(struct gleam_dataset *dataset, const char *step,
                                 struct gleam_order order);
/* The first `count` rows in that order (order_by(2, false): the largest first), of each partition
 * or of all; a tie at the cut is decided by the whole row. */
struct gleam_dataset *gleam_local_top(struct gleam_dataset *dataset, const char *step,
                                      uint32_t count, struct gleam_order order);
struct gleam_dataset *gleam_top(struct gleam_dataset *dataset, const char *step, uint32_t count,
                                struct gleam_order order);

/* ---- commands as steps ----------------------------------------------------------------------- */

/* How rows are written to a command's stdin and its stdout is read; one row per line, but that a
 * quoted csv field may hold newlines.  Numbers are printed as %v does, bool as true and false. */
enum gleam_pipe_format {
    GLEAM_PIPE_TSV = 0,   /* columns between TABs; see gleam_pipe */
    GLEAM_PIPE_CSV = 1,   /* RFC 4180; null is an empty field without quotes, "" empty bytes */
    GLEAM_PIPE_JSONL = 2, /* an object per line, its members named as the columns */
    GLEAM_PIPE_LINES = 3, /* one bytes column */
};

/* Zero for everything is the default. */
struct gleam_pipe_options {
    /* tsv: TAB, newline and backslash in bytes are written \t, \n and \\, null as \N, and what
     * comes back is read so (another letter behind a backslash stays as it is, with it). */
    bool escape;
    enum gleam_pipe_format format; /* gleam_pipe_raw alone */
    /* gleam_pipe_as_args alone: commands at a time per executor; 0: 8; at most 256. */
    uint32_t parallel;
};

/* Runs the rows of each partition through one `sh -c CODE`, also of an empty one.  A row is a
 * line of its columns with TABs between, null is an empty field.  With one column the line is the
 * value, TABs included; otherwise a TAB in bytes fails the job, and so does a newline in any case
 * (see escape).  A line of stdout is a row: of the columns that a gleam_as right behind declares,
 * whose fields are parsed to its types (an empty one is no number); else of as many bytes columns
 * as the next format prints, behind sorts, tops and partitions; else of as many as went in.
 *
 * Order of rows and of partitions is kept.  Adjacent pipes with the same options are connected
 * directly, one shell beside the other.  A command that stops reading early (head) is fine; one
 * that ends with another status than 0, or by another signal than SIGPIPE, fails the job with its
 * last lines on stderr.  Commands may run on all processors of the driver, and their memory is no
 * part of --memory. */
struct gleam_dataset *gleam_pipe(struct gleam_dataset *dataset, const char *step,
                                 const char *code);
/* options: copied; NULL for the defaults. */
struct gleam_dataset *gleam_pipe_with(struct gleam_dataset *dataset, const char *step,
                                      const char *code, const struct gleam_pipe_options *options);
/* Runs one `sh -c CODE gleam COLUMN...` for every row: $1, $2, ... ${10} are its columns, printed
 * as above (null is empty), as real arguments: nothing in them is code.  stdin is empty.  Lines of
 * stdout are rows, in the order of the rows that they come from; columns as with gleam_pipe. */
struct gleam_dataset *gleam_pipe_as_args(struct gleam_dataset *dataset, const char *step,
                                         const char *code);
struct gleam_dataset *gleam_pipe_as_args_with(struct gleam_dataset *dataset, const char *step,
                                              const char *code,
                                              const struct gleam_pipe_options *options);
/* As gleam_pipe, in any format, and never connected directly to another pipe. */
struct gleam_dataset *gleam_pipe_raw(struct gleam_dataset *dataset, const char *step,
                                     const char *code, const struct gleam_pipe_options *options);

/* ---- kept datasets, rounds, several flows ------------------------------------------------------
 *
 * A cached dataset is computed once, by a job of its own before the first run that needs it, and
 * kept by the executors: it may be read by any number of steps and by any number of runs, until it
 * is uncached, its flow is freed, or the program ends.  Partitions, their order and the order of
 * their rows stay; rows that are spread by keys are not spread again by the same.  In memory it
 * takes at most half of the executors' share of --memory; the largest partitions go to disk when
 * that is spent.  When executors were ended (an error, another number of --cores) the next run
 * computes it again. */
struct gleam_dataset *gleam_cache(struct gleam_dataset *dataset, const char *step);
/* The same, all of it on disk. */
struct gleam_dataset *gleam_on_disk(struct gleam_dataset *dataset, const char *step);
/* Gives its memory and room on disk back when the next run begins, which computes it again if it
 * needs it.  What is no cached dataset is a mistake; NULL is allowed. */
void gleam_uncache(struct gleam_dataset *dataset);

/* Rounds: a dataset is computed, kept, and given to `round`, which builds the next one from it and
 * returns that; and so on, rounds_max times at most, or until `until` (may be NULL) returns
 * anything but 0.  That one gets the rows of the round that has just ended and those of the one
 * before, both cached, and may look at them with gleam_each_row.  Runs at once: the result is the
 * cached dataset of the last round, or NULL after a failure, of which gleam_run tells.  What a
 * round builds lives as long as the round: other cached datasets may be used in it, outputs not.
 * `number` counts from 1.  With --plan nothing runs, and one round is shown. */
typedef struct gleam_dataset *gleam_round_fn(void *argument, struct gleam_dataset *rows,
                                             uint32_t number);
typedef int gleam_until_fn(void *argument, struct gleam_dataset *now,
                           struct gleam_dataset *before, uint32_t number);
struct gleam_dataset *gleam_iterate(struct gleam_dataset *dataset, const char *step,
                                    uint32_t rounds_max, gleam_round_fn *round,
                                    gleam_until_fn *until, void *argument);
/* The same in pieces, for a loop of one's own: begin computes and keeps the dataset; compute
 * computes and keeps what a round has built; end makes that the rows of `rounds`, and frees the
 * round and the rows before.  NULL after a failure, which NULL arguments pass on. */
struct gleam_dataset *gleam_rounds_begin(struct gleam_dataset *dataset, const char *step);
struct gleam_dataset *gleam_rounds_compute(struct gleam_dataset *rounds,
                                           struct gleam_dataset *next);
void gleam_rounds_end(struct gleam_dataset *rounds, struct gleam_dataset *computed);

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
/* How a CSV file is to be written.  Zeroed: RFC 4180 with commas and "\n", without a header. */
struct gleam_write_options {
    char delimiter; /* 0: a comma; a tab for gleam_write_tsv */
    char quote;     /* 0: a double quote; none for gleam_write_tsv */
    bool unquoted;  /* never quote: a value that would need it fails the job */
    bool quote_all; /* quote every bytes value, not only where it has to be */
    bool header;    /* the columns' names first, in every file */
    const char *null_text; /* NULL: ""; at most 31 bytes.  A bytes value that reads the same is
                            * quoted, so that the two can be told apart */
};

/* The rows as files.  Where path has an extension ("out.csv") and the dataset one partition, path
 * becomes one file; otherwise it becomes a directory with a file for every partition, or for every
 * range of a sort, in order: part-00000.csv and so on, and .manifest with a line of JSON for each
 * (file, rows, bytes).  A path that ends in .gz, .zst or .bz2 compresses ("out.csv.zst").
 *
 * File or directory appear under their name only when the job succeeded, and replace an earlier
 * file, or an earlier directory of parts; a directory with any other file in it is refused.
 *
 * Text: one line per row, the columns as %v prints them with tabs between.  JSON: one object per
 * line, {"name":value,...}; a byte that is no UTF-8 becomes U+FFFD. */
void gleam_write_text(struct gleam_dataset *dataset, const char *path);
void gleam_write_csv(struct gleam_dataset *dataset, const char *path,
                     const struct gleam_write_options *options);
void gleam_write_tsv(struct gleam_dataset *dataset, const char *path,
                     const struct gleam_write_options *options);
void gleam_write_jsonl(struct gleam_dataset *dataset, const char *path);
/* The rows of all partitions to the stdin of one `sh -c COMMAND`, which runs in the driver's place
 * and on all of its processors, as text (GLEAM_PIPE_TSV, GLEAM_PIPE_LINES: as gleam_write_text
 * prints them), CSV or JSON lines.  Its stdout is the driver's.  That it stops reading early (head)
 * is fine; that it ends with another status than 0, or by another signal than SIGPIPE, fails the
 * job with its last lines on stderr.  When the job fails it is killed, without having seen an end
 * of its input. */
void gleam_write_to(struct gleam_dataset *dataset, const char *command,
                    enum gleam_pipe_format format);
/* Every row as a line, columns as %v prints them with tabs between, to a stream of this program (as
 * gleam_fprintf). */
void gleam_pipe_out(struct gleam_dataset *dataset, FILE *file);
/* The columns of the first row, in the order of (partition, position), to the `count` values: nulls
 * where there are no such columns, and if there is no row.  They are there when gleam_run has
 * returned; bytes live as long as the flow, or until it runs again. */
void gleam_save_first_row_to(struct gleam_dataset *dataset, struct gleam_value *values,
                             uint32_t count);
/* Every row, in this process, in the thread of gleam_run.  Values are borrowed for the call;
 * non-zero ends the job with an error. */
typedef int gleam_row_fn(void *argument, const struct gleam_value *row, uint32_t column_count);
void gleam_output_row(struct gleam_dataset *dataset, gleam_row_fn *function, void *argument);

/* ---- running --------------------------------------------------------------------------------- */

/* Plans and runs the flow, with the options that gleam_init found.  Returns an exit status: 0 when
 * every row made it (also when the reader of stdout went away), 1 for a failure, 128 + n when
 * stopped by signal n (130: Ctrl-C), 124 when --timeout is over; the reason is on stderr, and in
 * gleam_flow_error.  A flow runs once or more often; the executors stay warm between runs of one
 * program. */
int gleam_run(struct gleam_flow *flow);
/* Runs several flows at the same time, on the same executors, in the same memory: as one job, which
 * succeeds or fails as a whole.  Returns as gleam_run, but prints no reason: gleam_flow_error of
 * the flow whose fault it is tells it, that of the others names that flow. */
int gleam_run_all(struct gleam_flow *const *flows, size_t count);
/* Runs what leads to this dataset, and no output of its flow, and calls the function with every
 * row, as gleam_output_row does: for what the driver itself decides.  Returns as gleam_run, but
 * prints no reason. */
int gleam_each_row(struct gleam_dataset *dataset, gleam_row_fn *function, void *argument);
/* As gleam_run, but prints no reason. */
int gleam_try(struct gleam_flow *flow);
/* The last error's text, or "" when there is none; lives as long as the flow. */
const char *gleam_flow_error(const struct gleam_flow *flow);
/* Calls the function when a signal or the end of --timeout stops a run: in the signal's handler, so
 * it may do only what a handler may, such as setting a flag.  For functions of gleam_output_row
 * that take long: the run ends when they return.  One at a time; NULL: none any more. */
typedef void gleam_stop_fn(void *argument);
void gleam_on_stop(gleam_stop_fn *function, void *argument);
/* Whether --plan was given: then gleam_run writes the plan, and runs nothing. */
bool gleam_shows_plan(void);
/* Writes the plan, as text or in the form of --plan=FORM.  Returns 0, or 1 with the reason on
 * stderr. */
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
#define gleam_exec(...) (gleam_here(__FILE__, __LINE__), gleam_exec(__VA_ARGS__))
#define gleam_read_records(...) (gleam_here(__FILE__, __LINE__), gleam_read_records(__VA_ARGS__))
#define gleam_listen(...) (gleam_here(__FILE__, __LINE__), gleam_listen(__VA_ARGS__))
#define gleam_strings(...) (gleam_here(__FILE__, __LINE__), gleam_strings(__VA_ARGS__))
#define gleam_byte_strings(...) (gleam_here(__FILE__, __LINE__), gleam_byte_strings(__VA_ARGS__))
#define gleam_ints(...) (gleam_here(__FILE__, __LINE__), gleam_ints(__VA_ARGS__))
#define gleam_read_csv(...) (gleam_here(__FILE__, __LINE__), gleam_read_csv(__VA_ARGS__))
#define gleam_read_tsv(...) (gleam_here(__FILE__, __LINE__), gleam_read_tsv(__VA_ARGS__))
#define gleam_read_jsonl(...) (gleam_here(__FILE__, __LINE__), gleam_read_jsonl(__VA_ARGS__))
#define gleam_as(...) (gleam_here(__FILE__, __LINE__), gleam_as(__VA_ARGS__))
#define gleam_map(...) (gleam_here(__FILE__, __LINE__), gleam_map(__VA_ARGS__))
#define gleam_flat_map(...) (gleam_here(__FILE__, __LINE__), gleam_flat_map(__VA_ARGS__))
#define gleam_filter(...) (gleam_here(__FILE__, __LINE__), gleam_filter(__VA_ARGS__))
#define gleam_for_each(...) (gleam_here(__FILE__, __LINE__), gleam_for_each(__VA_ARGS__))
#define gleam_broadcast_bytes(...)                                                                 \
    (gleam_here(__FILE__, __LINE__), gleam_broadcast_bytes(__VA_ARGS__))
#define gleam_reduce_by_key(...) (gleam_here(__FILE__, __LINE__), gleam_reduce_by_key(__VA_ARGS__))
#define gleam_reduce_by(...) (gleam_here(__FILE__, __LINE__), gleam_reduce_by(__VA_ARGS__))
#define gleam_partition_by_key(...)                                                                \
    (gleam_here(__FILE__, __LINE__), gleam_partition_by_key(__VA_ARGS__))
#define gleam_local_sort(...) (gleam_here(__FILE__, __LINE__), gleam_local_sort(__VA_ARGS__))
#define gleam_sort(...) (gleam_here(__FILE__, __LINE__), gleam_sort(__VA_ARGS__))
#define gleam_local_top(...) (gleam_here(__FILE__, __LINE__), gleam_local_top(__VA_ARGS__))
#define gleam_top(...) (gleam_here(__FILE__, __LINE__), gleam_top(__VA_ARGS__))
#define gleam_join_on(...) (gleam_here(__FILE__, __LINE__), gleam_join_on(__VA_ARGS__))
#define gleam_join(...) (gleam_here(__FILE__, __LINE__), gleam_join(__VA_ARGS__))
#define gleam_join_by_key(...) (gleam_here(__FILE__, __LINE__), gleam_join_by_key(__VA_ARGS__))
#define gleam_left_outer_join(...)                                                                 \
    (gleam_here(__FILE__, __LINE__), gleam_left_outer_join(__VA_ARGS__))
#define gleam_left_outer_join_by_key(...)                                                          \
    (gleam_here(__FILE__, __LINE__), gleam_left_outer_join_by_key(__VA_ARGS__))
#define gleam_right_outer_join(...)                                                                \
    (gleam_here(__FILE__, __LINE__), gleam_right_outer_join(__VA_ARGS__))
#define gleam_right_outer_join_by_key(...)                                                         \
    (gleam_here(__FILE__, __LINE__), gleam_right_outer_join_by_key(__VA_ARGS__))
#define gleam_full_outer_join(...)                                                                 \
    (gleam_here(__FILE__, __LINE__), gleam_full_outer_join(__VA_ARGS__))
#define gleam_semi_join(...) (gleam_here(__FILE__, __LINE__), gleam_semi_join(__VA_ARGS__))
#define gleam_anti_join(...) (gleam_here(__FILE__, __LINE__), gleam_anti_join(__VA_ARGS__))
#define gleam_cross_join(...) (gleam_here(__FILE__, __LINE__), gleam_cross_join(__VA_ARGS__))
#define gleam_cogroup_on(...) (gleam_here(__FILE__, __LINE__), gleam_cogroup_on(__VA_ARGS__))
#define gleam_cogroup(...) (gleam_here(__FILE__, __LINE__), gleam_cogroup(__VA_ARGS__))
#define gleam_distinct(...) (gleam_here(__FILE__, __LINE__), gleam_distinct(__VA_ARGS__))
#define gleam_local_distinct(...)                                                                  \
    (gleam_here(__FILE__, __LINE__), gleam_local_distinct(__VA_ARGS__))
#define gleam_group_by(...) (gleam_here(__FILE__, __LINE__), gleam_group_by(__VA_ARGS__))
#define gleam_group_by_key(...) (gleam_here(__FILE__, __LINE__), gleam_group_by_key(__VA_ARGS__))
#define gleam_local_group_by(...)                                                                  \
    (gleam_here(__FILE__, __LINE__), gleam_local_group_by(__VA_ARGS__))
#define gleam_reduce(...) (gleam_here(__FILE__, __LINE__), gleam_reduce(__VA_ARGS__))
#define gleam_local_reduce_by(...)                                                                 \
    (gleam_here(__FILE__, __LINE__), gleam_local_reduce_by(__VA_ARGS__))
#define gleam_sort_by_key(...) (gleam_here(__FILE__, __LINE__), gleam_sort_by_key(__VA_ARGS__))
#define gleam_count_by(...) (gleam_here(__FILE__, __LINE__), gleam_count_by(__VA_ARGS__))
#define gleam_sum_by(...) (gleam_here(__FILE__, __LINE__), gleam_sum_by(__VA_ARGS__))
#define gleam_min_by(...) (gleam_here(__FILE__, __LINE__), gleam_min_by(__VA_ARGS__))
#define gleam_max_by(...) (gleam_here(__FILE__, __LINE__), gleam_max_by(__VA_ARGS__))
#define gleam_avg_by(...) (gleam_here(__FILE__, __LINE__), gleam_avg_by(__VA_ARGS__))
#define gleam_count_distinct_by(...)                                                               \
    (gleam_here(__FILE__, __LINE__), gleam_count_distinct_by(__VA_ARGS__))
#define gleam_where(...) (gleam_here(__FILE__, __LINE__), gleam_where(__VA_ARGS__))
#define gleam_hash_join(...) (gleam_here(__FILE__, __LINE__), gleam_hash_join(__VA_ARGS__))
#define gleam_select(...) (gleam_here(__FILE__, __LINE__), gleam_select(__VA_ARGS__))
#define gleam_select_kv(...) (gleam_here(__FILE__, __LINE__), gleam_select_kv(__VA_ARGS__))
#define gleam_union(...) (gleam_here(__FILE__, __LINE__), gleam_union(__VA_ARGS__))
#define gleam_local_limit(...) (gleam_here(__FILE__, __LINE__), gleam_local_limit(__VA_ARGS__))
#define gleam_limit(...) (gleam_here(__FILE__, __LINE__), gleam_limit(__VA_ARGS__))
#define gleam_round_robin(...) (gleam_here(__FILE__, __LINE__), gleam_round_robin(__VA_ARGS__))
#define gleam_partition(...) (gleam_here(__FILE__, __LINE__), gleam_partition(__VA_ARGS__))
#define gleam_merge_to(...) (gleam_here(__FILE__, __LINE__), gleam_merge_to(__VA_ARGS__))
#define gleam_merge_sorted_to(...)                                                                 \
    (gleam_here(__FILE__, __LINE__), gleam_merge_sorted_to(__VA_ARGS__))
#define gleam_tree_merge_sorted_to(...)                                                            \
    (gleam_here(__FILE__, __LINE__), gleam_tree_merge_sorted_to(__VA_ARGS__))
#define gleam_broadcast(...) (gleam_here(__FILE__, __LINE__), gleam_broadcast(__VA_ARGS__))
#define gleam_pipe(...) (gleam_here(__FILE__, __LINE__), gleam_pipe(__VA_ARGS__))
#define gleam_pipe_with(...) (gleam_here(__FILE__, __LINE__), gleam_pipe_with(__VA_ARGS__))
#define gleam_pipe_as_args(...) (gleam_here(__FILE__, __LINE__), gleam_pipe_as_args(__VA_ARGS__))
#define gleam_pipe_as_args_with(...)                                                               \
    (gleam_here(__FILE__, __LINE__), gleam_pipe_as_args_with(__VA_ARGS__))
#define gleam_pipe_raw(...) (gleam_here(__FILE__, __LINE__), gleam_pipe_raw(__VA_ARGS__))
#define gleam_cache(...) (gleam_here(__FILE__, __LINE__), gleam_cache(__VA_ARGS__))
#define gleam_on_disk(...) (gleam_here(__FILE__, __LINE__), gleam_on_disk(__VA_ARGS__))
#define gleam_iterate(...) (gleam_here(__FILE__, __LINE__), gleam_iterate(__VA_ARGS__))
#define gleam_rounds_begin(...) (gleam_here(__FILE__, __LINE__), gleam_rounds_begin(__VA_ARGS__))
#define gleam_rounds_compute(...)                                                                  \
    (gleam_here(__FILE__, __LINE__), gleam_rounds_compute(__VA_ARGS__))
#define gleam_each_row(...) (gleam_here(__FILE__, __LINE__), gleam_each_row(__VA_ARGS__))
#define gleam_uncache(...) (gleam_here(__FILE__, __LINE__), gleam_uncache(__VA_ARGS__))
#define gleam_printf(...) (gleam_here(__FILE__, __LINE__), gleam_printf(__VA_ARGS__))
#define gleam_printlnf(...) (gleam_here(__FILE__, __LINE__), gleam_printlnf(__VA_ARGS__))
#define gleam_fprintf(...) (gleam_here(__FILE__, __LINE__), gleam_fprintf(__VA_ARGS__))
#define gleam_fprintlnf(...) (gleam_here(__FILE__, __LINE__), gleam_fprintlnf(__VA_ARGS__))
#define gleam_write_formatted(...)                                                                 \
    (gleam_here(__FILE__, __LINE__), gleam_write_formatted(__VA_ARGS__))
#define gleam_write_text(...) (gleam_here(__FILE__, __LINE__), gleam_write_text(__VA_ARGS__))
#define gleam_write_csv(...) (gleam_here(__FILE__, __LINE__), gleam_write_csv(__VA_ARGS__))
#define gleam_write_tsv(...) (gleam_here(__FILE__, __LINE__), gleam_write_tsv(__VA_ARGS__))
#define gleam_write_jsonl(...) (gleam_here(__FILE__, __LINE__), gleam_write_jsonl(__VA_ARGS__))
#define gleam_write_to(...) (gleam_here(__FILE__, __LINE__), gleam_write_to(__VA_ARGS__))
#define gleam_source(...) (gleam_here(__FILE__, __LINE__), gleam_source(__VA_ARGS__))
#define gleam_do_join(...) (gleam_here(__FILE__, __LINE__), gleam_do_join(__VA_ARGS__))
#define gleam_local_reduce(...) (gleam_here(__FILE__, __LINE__), gleam_local_reduce(__VA_ARGS__))
#define gleam_count_of(...) (gleam_here(__FILE__, __LINE__), gleam_count_of(__VA_ARGS__))
#define gleam_sum_of(...) (gleam_here(__FILE__, __LINE__), gleam_sum_of(__VA_ARGS__))
#define gleam_min_of(...) (gleam_here(__FILE__, __LINE__), gleam_min_of(__VA_ARGS__))
#define gleam_max_of(...) (gleam_here(__FILE__, __LINE__), gleam_max_of(__VA_ARGS__))
#define gleam_avg_of(...) (gleam_here(__FILE__, __LINE__), gleam_avg_of(__VA_ARGS__))
#define gleam_count_distinct_of(...)                                                               \
    (gleam_here(__FILE__, __LINE__), gleam_count_distinct_of(__VA_ARGS__))
#define gleam_sample(...) (gleam_here(__FILE__, __LINE__), gleam_sample(__VA_ARGS__))
#define gleam_sample_fraction(...)                                                                 \
    (gleam_here(__FILE__, __LINE__), gleam_sample_fraction(__VA_ARGS__))
#define gleam_hint(...) (gleam_here(__FILE__, __LINE__), gleam_hint(__VA_ARGS__))
#define gleam_flow_hint(...) (gleam_here(__FILE__, __LINE__), gleam_flow_hint(__VA_ARGS__))
#define gleam_pipe_out(...) (gleam_here(__FILE__, __LINE__), gleam_pipe_out(__VA_ARGS__))
#define gleam_save_first_row_to(...)                                                               \
    (gleam_here(__FILE__, __LINE__), gleam_save_first_row_to(__VA_ARGS__))
#define gleam_output_row(...) (gleam_here(__FILE__, __LINE__), gleam_output_row(__VA_ARGS__))
#endif

#endif
