/* key.h - the key of a row, in the one form that hash, group and partition share.
 *
 * A key of one bytes column is those bytes; of one i64 column its 8 bytes.  Any other key (several
 * columns, f64, bool, any, nulls) is written out as tagged values into scratch memory.  Equal keys
 * give equal tagged forms whatever the kinds of their columns: an f64 that is an integer in the
 * range of i64 is written as that i64, so 1 and 1.0 meet; -0.0 is 0; every NaN is the same NaN.
 */
#ifndef GM_OP_KEY_H
#define GM_OP_KEY_H

#include "engine/base/hash.h"
#include "engine/row/arena.h"
#include "engine/row/batch.h"

/* Keys worked on at a time: 64 x 40 bytes stay in the L1 cache beside the batch. */
#define GM_KEY_BLOCK 64

struct gm_key {
    uint64_t hash;
    uint64_t low, high;  /* the form itself when length <= 16, zero filled */
    const uint8_t *data; /* the form; has GM_BYTES_SLACK readable bytes behind */
    uint32_t length;
    uint32_t reserved;
};

struct gm_key_reader {
    uint32_t column_count; /* 0: every row has the same key, of no bytes */
    bool plain; /* one bytes or i64 column without nulls: no tags */
    uint32_t columns[GLEAM_ORDER_COLUMNS_MAX]; /* from 0 */
    struct gm_arena scratch; /* forms of the last block */
};

/* columns of the order count from 1.  Whether the form is plain is decided here, for all batches of
 * the schema. */
void gm_key_reader_init(struct gm_key_reader *reader, const struct gm_schema *schema,
                        const struct gleam_order *columns, struct gm_heap *heap);
/* Tags even a key that is plain, so that it meets those of another schema. */
void gm_key_reader_tag(struct gm_key_reader *reader);
void gm_key_reader_fini(struct gm_key_reader *reader);

/* Keys of rows [first, first + count), count <= GM_KEY_BLOCK; valid until the next call.  Returns 0
 * or GM_ETASK_MEMORY. */
int gm_key_read(struct gm_key_reader *reader, const struct gm_batch *batch, uint32_t first,
                uint32_t count, struct gm_key *ret_keys);

/* The columns of a stored form into row `row` of columns [0, column_count) of a batch, which have
 * the reader's kinds.  form has `length` bytes; bytes values point into it. */
void gm_key_write(const struct gm_key_reader *reader, const uint8_t *form, uint32_t length,
                  struct gm_batch *batch, uint32_t row);

#endif
