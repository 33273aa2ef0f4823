/* jsonl.h - JSON lines: an object per line, its members as columns.
 *
 * Members are found by their names, in any order; one that is missing or null gives a null, others
 * than those asked for are passed over, and of two with one name the later counts.  A name matches
 * a column's when they are equal with _ for everything but letters, digits and _.  Strings are
 * decoded in place; of numbers, truths, arrays and objects the value is their text.  Empty lines
 * are none.
 * Errors and what becomes of bad lines are those of csv.h.
 *
 * Threads: one.  Memory: none; values point into the span.
 */
#ifndef GM_SOURCE_JSONL_H
#define GM_SOURCE_JSONL_H

#include "engine/source/csv.h"

enum gm_json_type {
    GM_JSON_NULL,
    GM_JSON_BOOL,
    GM_JSON_NUMBER,
    GM_JSON_STRING,
    GM_JSON_NESTED, /* an array or object */
};

/* Walks the members of one line. */
struct gm_json_line {
    uint8_t *at;
    uint8_t *end;
    bool begun;
    const char *why; /* what is wrong with it */
};

void gm_json_line_init(struct gm_json_line *line, uint8_t *data, size_t bytes);
/* Returns 1 with the next member; 0 at the object's end; -1 when the line is no object. */
int gm_json_line_next(struct gm_json_line *line, struct gm_bytes *ret_name,
                      struct gm_bytes *ret_value, enum gm_json_type *ret_type);

/* A name as a column's, at least GM_FIELD_NAME_BYTES_MAX bytes of text; cut to fit. */
void gm_json_clean_name(const struct gm_bytes *name, char *text);

struct gm_jsonl_parser {
    const struct gm_schema *schema; /* borrowed; the names */
    uint8_t on_error;
    uint8_t *data;
    size_t bytes, limit, begin;
    bool last;
    uint64_t bad_rows;
    /* A bad line behind good rows: told at the next call, since half of it is decoded. */
    bool has_fault;
    struct gm_csv_fault fault;
};

void gm_jsonl_parser_init(struct gm_jsonl_parser *parser, const struct gm_schema *schema,
                          uint8_t on_error);
/* As gm_csv_parser_span; data[bytes] may be written. */
void gm_jsonl_parser_span(struct gm_jsonl_parser *parser, uint8_t *data, size_t bytes,
                          size_t limit, bool last);
/* As gm_csv_parse; the fault is GM_CSV_FAULT_JSON, with why. */
int gm_jsonl_parse(struct gm_jsonl_parser *parser, struct gm_vector *columns, uint32_t *ret_rows,
                   struct gm_csv_fault *ret_fault);

#endif
