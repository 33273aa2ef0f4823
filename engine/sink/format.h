/* format.h - rows as text: "%s\t%d\n" and its like.
 *
 * Verbs: %s bytes, %d i64, %f f64, %v any value, %% a percent sign; flags, width and precision as
 * in C (they count bytes).  In an `any` column %f takes an i64 as well.  Null prints as "null"
 * through %v and as nothing, padded, through the others; a list through %v, as [a, b].
 */
#ifndef GM_SINK_FORMAT_H
#define GM_SINK_FORMAT_H

#include "engine/base/error.h"
#include "engine/row/arena.h"
#include "engine/row/batch.h"
#include "engine/row/schema.h"

struct gm_format_piece {
    const char *text; /* printed first; borrowed from the format, with %% already halved */
    uint32_t text_bytes;
    char verb;       /* 's', 'd', 'f', 'v', or 0 for the text alone */
    bool plain;      /* no flags, width or precision */
    char spec[24];   /* "%-8.3" and the like, for snprintf, without the verb */
    int32_t width;     /* -1 none; with left, for %s and %v */
    int32_t precision; /* -1 none */
    bool left;
};

struct gm_format {
    uint32_t piece_count;
    struct gm_format_piece pieces[GM_FIELDS_MAX + 1];
    char *text; /* owned: malloc */
};

/* Checks verbs against the schema: as many as columns, each of a kind that the verb prints (an
 * `any` column takes every verb, and is checked per row).  Returns 0, or GM_EJOB_FLOW with
 * error. */
int gm_format_parse(const char *text, const struct gm_schema *schema, struct gm_format *ret_format,
                    struct gm_error *error);
void gm_format_fini(struct gm_format *format);

/* A growing text in a heap. */
struct gm_text {
    struct gm_heap *heap;
    char *data;
    size_t length;
    size_t capacity;
};

/* Room for `bytes` more behind length; false when the heap's budget is spent. */
bool gm_text_grow(struct gm_text *text, size_t bytes);
static inline bool gm_text_reserve(struct gm_text *text, size_t bytes)
{
    return text->capacity - text->length >= bytes || gm_text_grow(text, bytes);
}
/* Returns 0 or GM_ETASK_MEMORY; data may be NULL when bytes is 0. */
int gm_text_append(struct gm_text *text, const void *data, size_t bytes);

/* A value as %v prints it, without an end: its own bytes, or a text in `number`. */
#define GM_VALUE_TEXT_BYTES 32
const char *gm_value_text(const struct gleam_value *value, char number[GM_VALUE_TEXT_BYTES],
                          size_t *ret_length);

/* Appends row `row` of the batch.  Returns 0, GM_ETASK_MEMORY, or GM_EJOB_FLOW when an `any` value
 * does not fit its verb (with error). */
int gm_format_row(const struct gm_format *format, const struct gm_batch *batch, uint32_t row,
                  struct gm_text *text, struct gm_error *error);

/* How long the text of all rows of a batch is, where that is seen from lengths alone: nothing but
 * %s of bytes columns without nulls.  False: print them. */
bool gm_format_measure(const struct gm_format *format, const struct gm_batch *batch,
                       uint64_t *ret_bytes);

/* One value as %v prints it, cut to text_bytes with "..." behind: for error messages.  Returns the
 * length. */
size_t gm_format_value(const struct gleam_value *value, char *text, size_t text_bytes);

#endif
