/* codec.h - batches to packed rows and back (schema.h has the layout).
 *
 * Decoding treats its input as hostile: a length that leaves the given bytes is
 * GM_EFRAME_CORRUPT, never a read outside; as long as nobody changes the bytes during the call.
 */
#ifndef GM_ROW_CODEC_H
#define GM_ROW_CODEC_H

#include "engine/row/batch.h"
#include "engine/row/schema.h"

/* Packed sizes of rows [first, first + count) of the batch, in bytes, into ret_sizes; returns their
 * sum.  Column i of the batch has the kind of field i, or the field is `any`; a null stands only in
 * a nullable field (checked with GM_DCHECK).  A null under an `any` field is a null mark or a
 * value of kind GLEAM_NULL.  A row of UINT32_MAX bytes or more has the size UINT32_MAX: refuse
 * it, never encode it. */
uint64_t gm_codec_sizes(const struct gm_layout *layout, const struct gm_batch *batch,
                        uint32_t first, uint32_t count, uint32_t *ret_sizes);

/* Packs rows [first, first + count) to out, one behind the other in row order.  `sizes` are those
 * of gm_codec_sizes for the same rows; out has their sum and GM_BYTES_SLACK more bytes of room,
 * which may be scribbled over. */
void gm_codec_encode(const struct gm_layout *layout, const struct gm_batch *batch, uint32_t first,
                     uint32_t count, const uint32_t *sizes, uint8_t *out);

/* Unpacks at most GM_BATCH_ROWS_MAX rows, and at most row_count_max, from `bytes` packed bytes to a
 * batch made for the schema.  Bytes values point into data, which has GM_BYTES_SLACK readable bytes
 * behind it.  Returns 0 and the bytes used, or GM_EFRAME_CORRUPT (the batch is then empty): also
 * when a row is cut off, and for whatever encoding cannot produce, such as a bool of 2 or a null
 * that has a value.  A null of an `any` field comes out as a value of kind GLEAM_NULL. */
int gm_codec_decode(const struct gm_layout *layout, const uint8_t *data, size_t bytes,
                    uint32_t row_count_max, struct gm_batch *batch, size_t *ret_used_bytes);

/* The same for `count` rows of our own, at most GM_BATCH_ROWS_MAX, that lie anywhere: their lengths
 * are believed, and bytes values point into them. */
void gm_codec_decode_rows(const struct gm_layout *layout, const uint8_t *const *rows,
                          uint32_t count, struct gm_batch *batch);

#endif
