/* list.h - lists of values, packed: what a value of kind GLEAM_LIST points at.
 *
 * Packed list:  u32 number of values, then each value: its kind byte and
 *   null            nothing
 *   i64, f64        8 bytes
 *   bool            1 byte, 0 or 1
 *   bytes, list     u32 length and as many bytes; a list's are a packed list again
 * All integers are little-endian and unaligned.  Lists nest at most GM_LIST_DEPTH_MAX deep.
 *
 * Whoever reads a list that is not its own calls gm_list_check first; the others here believe what
 * they are given.
 */
#ifndef GM_ROW_LIST_H
#define GM_ROW_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/gleam.h"

#define GM_LIST_HEADER_BYTES 4

/* Whether these bytes are one packed list, and nothing else. */
bool gm_list_check(const uint8_t *data, size_t bytes);

struct gm_list_cursor {
    const uint8_t *at;
    uint32_t left; /* values */
};

void gm_list_begin(struct gm_list_cursor *cursor, const struct gleam_value *list);
/* The next value, whose bytes point into the list.  False at the end. */
bool gm_list_next(struct gm_list_cursor *cursor, struct gleam_value *ret_value);

/* Bytes of one value inside a list; what it has in itself, and where to write it. */
size_t gm_list_value_bytes(const struct gleam_value *value);
uint8_t *gm_list_write_value(const struct gleam_value *value, uint8_t *out);
/* The header in front of `count` values. */
uint8_t *gm_list_write_header(uint32_t count, uint8_t *out);

/* Value by value; a list that the other begins with comes first.  < 0, 0, > 0. */
int gm_list_compare(const struct gleam_value *a, const struct gleam_value *b);

/* Rewrites a packed list, in place, so that lists that compare equal have the same bytes. */
void gm_list_canonicalize(uint8_t *data);
/* A number in the form that all its equals share: an f64 that an i64 can say becomes that i64, and
 * every NaN the same one.  Other values stay. */
struct gleam_value gm_value_canonical(struct gleam_value value);

#endif
