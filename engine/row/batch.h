/* batch.h - up to GM_BATCH_ROWS_MAX rows as columns: what operators of one chain pass on.
 *
 * Memory: a batch owns its arrays (not what bytes point at); the producer of a batch keeps the
 * bytes alive until it is asked for the next batch, or told that its partition has ended.
 * Bytes values have GM_BYTES_SLACK readable bytes behind them, so that kernels may load whole
 * vectors.
 */
#ifndef GM_ROW_BATCH_H
#define GM_ROW_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/heap.h"
#include "engine/base/limits.h"
#include "engine/gleam.h"
#include "engine/row/schema.h"

struct gm_bytes {
    const uint8_t *data; /* not NULL, also when empty */
    size_t length;       /* in bytes */
};

/* One column.  Entry i of a constant vector is entry 0. */
struct gm_vector {
    uint8_t kind; /* enum gleam_kind */
    bool constant;
    bool has_nulls; /* nulls[i] != 0 says that row i is null; otherwise nulls is not read */
    union {
        int64_t *i64;
        double *f64;
        uint8_t *boolean;
        struct gm_bytes *bytes;
        struct gleam_value *any;
        void *data;
    };
    uint8_t *nulls;
};

struct gm_batch {
    uint32_t row_count;
    uint32_t column_count;
    uint32_t origin; /* partition of the upstream dataset that the rows come from */
    uint32_t input;  /* of the chain, from 0, that they came by; for the chain's first operator */
    uint32_t ended_inputs; /* of the chain, a bit each: no more rows come by them.  Those of inputs
                            * beyond 31 stay 0 */
    struct gm_vector columns[GM_FIELDS_MAX];
    void *storage; /* what gm_batch_init allocated, or NULL for a batch that borrows its arrays */
    size_t storage_bytes;
};

/* Gives every column of the schema room for GM_BATCH_ROWS_MAX values.  Returns 0 or
 * GM_ETASK_MEMORY. */
int gm_batch_init(struct gm_batch *batch, const struct gm_schema *schema, struct gm_heap *heap);
void gm_batch_fini(struct gm_batch *batch, struct gm_heap *heap);

/* Whether a value of this kind points at bytes. */
static inline bool gm_kind_has_bytes(uint8_t kind)
{
    return kind == GLEAM_BYTES || kind == GLEAM_LIST;
}

/* Bytes of one value of this kind in a vector. */
uint32_t gm_vector_stride(uint8_t kind);

/* Rows selected[0..count) of `in`, ascending, as `out`: columns that stay as they are refer to
 * those of `in`, others are copied to the arrays of `rows` (of the same schema). */
void gm_batch_select(const struct gm_batch *in, const uint16_t *selected, uint32_t count,
                     struct gm_batch *rows, struct gm_batch *out);

/* Value `row` of a vector, by value; bytes are borrowed. */
struct gleam_value gm_vector_get(const struct gm_vector *vector, uint32_t row);

#endif
