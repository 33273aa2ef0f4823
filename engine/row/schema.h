/* schema.h - names and kinds of the columns on an edge of the plan, and the layout of a packed row.
 *
 * Packed row:  [null bitmap] [slots] [payloads]
 *   bitmap    ceil(field_count / 8) bytes, bit i = field i is null; only when some field is
 *             nullable
 *   slots     in field order, unaligned, little-endian: i64 and f64 8 bytes, bool 1 byte,
 *             bytes and any the u32 length of their payload
 *   payloads  of the bytes and any fields, in field order.  An `any` payload is a kind byte and the
 *             value: 8 bytes, 1 byte, the bytes themselves or a packed list; length 0 is null.
 * There is no row header: the row's length is fixed_bytes plus the sum of the length slots.  A pair
 * of i64 is 16 bytes.  The slot of a null is zero.
 */
#ifndef GM_ROW_SCHEMA_H
#define GM_ROW_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/limits.h"
#include "engine/gleam.h"

struct gm_field {
    char name[GM_FIELD_NAME_BYTES_MAX];
    uint8_t kind; /* enum gleam_kind, not GLEAM_NULL */
    bool nullable; /* an `any` needs no bit: it says null itself */
};

struct gm_schema {
    uint32_t field_count; /* in [1, GM_FIELDS_MAX] */
    struct gm_field fields[GM_FIELDS_MAX];
};

/* What the codec needs, worked out once per edge. */
struct gm_layout {
    uint32_t field_count;
    uint32_t bitmap_bytes;
    uint32_t fixed_bytes; /* bitmap and slots */
    uint32_t variable_count;
    uint8_t kinds[GM_FIELDS_MAX];
    bool nullable[GM_FIELDS_MAX];
    uint32_t slot_offsets[GM_FIELDS_MAX];
    uint32_t variable_offsets[GM_FIELDS_MAX]; /* slots of bytes and any fields, in order */
};

void gm_layout_init(struct gm_layout *layout, const struct gm_schema *schema);

/* Appends a field; name may be NULL.  Returns 0 or -E2BIG at GM_FIELDS_MAX. */
int gm_schema_add(struct gm_schema *schema, const char *name, enum gleam_kind kind, bool nullable);

/* "i64", "bytes", ...; "?" for what is none. */
const char *gm_kind_name(uint8_t kind);
/* The kind of a name, or -EINVAL. */
int gm_kind_parse(const char *name);
/* "(word bytes, n i64)" into text; always terminated, cut when too long. */
void gm_schema_format(const struct gm_schema *schema, char *text, uint32_t text_bytes);

#endif
