/* csv_convert.h - text of fields to typed values.
 *
 * i64: decimal digits with a sign, within 64 bits.  f64: decimal with point and exponent, "inf",
 * "infinity" and "nan"; rounded to nearest.  bool: true, false, 1, 0.  Letters in any case; spaces
 * around a number are allowed.
 *
 * Threads: any.
 */
#ifndef GM_SOURCE_CSV_CONVERT_H
#define GM_SOURCE_CSV_CONVERT_H

#include "engine/row/batch.h"

/* True and the value, when all of the text is one. */
bool gm_csv_to_i64(const uint8_t *data, size_t length, int64_t *ret);
bool gm_csv_to_f64(const uint8_t *data, size_t length, double *ret);
bool gm_csv_to_bool(const uint8_t *data, size_t length, bool *ret);

/* Converts rows [first, rows) of a bytes column to to->kind (i64, f64, bool); nulls stay nulls,
 * with a value of 0.  Returns the first row whose text is no such value, or rows. */
uint32_t gm_csv_convert(const struct gm_vector *from, uint32_t first, uint32_t rows,
                        struct gm_vector *to);

/* The kind that all texts of a column seem to have.  Starts as GLEAM_NULL (no text seen); a number
 * with a zero in front ("007") is a text. */
uint8_t gm_csv_guess_kind(uint8_t so_far, const uint8_t *data, size_t length);

#endif
