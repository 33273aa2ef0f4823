/* plan_csv.h - the part of planning that knows CSV: options, columns, types and splits.
 *
 * Threads: one.  Memory: malloc.
 */
#ifndef GM_FLOW_PLAN_CSV_H
#define GM_FLOW_PLAN_CSV_H

#include "engine/base/cursor.h"
#include "engine/flow/planner.h"

/* So much of a file is looked at for its header and the types of its columns. */
#define GM_CSV_SAMPLE_BYTES (256u << 10)
/* A file is cut into segments of at most this: what a reader holds while it counts their quotes. */
#define GM_CSV_SPLIT_BYTES (1u << 20)

struct gm_csv_request {
    const struct gleam_dataset *node; /* with its options */
    gm_sample_file_fn *sample;        /* NULL: files cannot be looked into */
    uint32_t executor_count;
    bool fine;               /* the planner chooses the number of partitions */
    bool declared;           /* schema is what gleam_as says */
    struct gm_schema schema;
    uint32_t words_begin;
};

/* Completes a source that has its files: csv, schema, segments and partitions.  Adds the files'
 * bytes to *input_bytes.  Returns 0 or < 0 with error; then the caller frees the source. */
int gm_plan_csv(const struct gm_csv_request *request, struct gm_source *source,
                uint64_t *input_bytes, struct gm_error *error);

/* For plan.c: the source's line, up to its schema. */
void gm_plan_csv_print(const struct gm_source *source, const char *size, FILE *file);

/* For plan_codec.c.  Reading returns NULL when the cursor has failed. */
void gm_plan_csv_write(struct gm_writer *writer, const struct gm_csv_plan *csv);
struct gm_csv_plan *gm_plan_csv_read(struct gm_cursor *cursor, const struct gm_schema *schema);

/* The hash of a header's names, for gm_csv_plan. */
uint64_t gm_csv_header_hash(const struct gm_bytes *names, uint32_t count);

#endif
