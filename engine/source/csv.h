/* csv.h - spans of CSV text to batches: RFC 4180, with the usual other delimiters, quotes, escapes
 * and comments.
 *
 * Threads:   one.
 * Memory:    a parser of 24 KiB.  Values point into the span; a quoted one with quotes inside is
 *            decoded in place, so the span must be the caller's own.
 * Columns:   only those that somebody reads are touched; the others are counted.
 * Rows:      a record ends at a "\n" outside quotes, and a "\r" before it belongs to the line end.
 *            An empty line is no record where records have several fields, and one empty field
 *            where they have one.  A comment is no record.
 * Nulls:     an unquoted field with the null text, in columns that allow it; a quoted one is never
 *            null.
 * Bad rows:  a quote inside an unquoted field, text behind a closing quote, a quote that is not
 *            closed, another number of fields than the file has.  Quotes flip between inside and
 *            outside wherever they stand, so where a bad row ends does not depend on how the file
 *            was split.
 */
#ifndef GM_SOURCE_CSV_H
#define GM_SOURCE_CSV_H

#include "engine/row/batch.h"
#include "engine/source/csv_kernel.h"

/* Fields of a record.  One whole record must fit the window of places. */
#define GM_CSV_FIELDS_MAX 2048
#define GM_CSV_WINDOW (2 * GM_CSV_FIELDS_MAX + GM_CSV_SCAN_ROOM_MIN)
#define GM_CSV_NULL_BYTES_MAX 32

enum gm_csv_on_error {
    GM_CSV_FAIL,
    GM_CSV_SKIP, /* the row is left out */
    GM_CSV_NULL, /* the fields that are missing or bad are null; what is too much is left out */
};

struct gm_csv_format {
    struct gm_csv_dialect dialect;
    uint8_t on_error; /* enum gm_csv_on_error */
    bool has_nulls;   /* null_text means null */
    uint32_t null_bytes;
    char null_text[GM_CSV_NULL_BYTES_MAX];
    uint32_t field_count;  /* of the file */
    uint32_t column_count; /* that are read */
    struct {
        uint16_t field; /* from 0 */
        bool nullable;  /* the null text makes a null here */
    } columns[GM_FIELDS_MAX];
};

enum gm_csv_fault_kind {
    GM_CSV_FAULT_FIELDS,   /* another number of fields */
    GM_CSV_FAULT_STRAY,    /* text behind a closing quote */
    GM_CSV_FAULT_QUOTE,    /* a quote inside an unquoted field */
    GM_CSV_FAULT_UNCLOSED, /* the file ended inside quotes */
    GM_CSV_FAULT_JSON,     /* of jsonl.h */
};

struct gm_csv_fault {
    enum gm_csv_fault_kind kind;
    size_t begin, end;    /* of the record in the span, without its line end */
    uint32_t field_count; /* FIELDS: how many it has */
    uint32_t field;       /* STRAY, QUOTE: which, from 0 */
    const char *why;      /* JSON: a static text */
};

struct gm_csv_parser {
    struct gm_csv_format format;
    struct gm_csv_scanner scanner;
    uint8_t *data; /* the span */
    size_t bytes;
    size_t limit; /* no record that begins here or later is this span's */
    bool last;    /* nothing follows the span in the file */
    bool ended;   /* every place is in the window */
    bool skip_record;
    size_t begin; /* of the next record */
    uint32_t low, high; /* the window's places that are not used up */
    uint64_t bad_rows;  /* skipped or filled up */
    uint32_t window[GM_CSV_WINDOW];
};

/* Copies the format. */
void gm_csv_parser_init(struct gm_csv_parser *parser, const struct gm_csv_format *format);

/* Lends a span that begins with a record, outside quotes.  Of the GM_BYTES_SLACK bytes behind it
 * the first may be written.  Fewer than 4 GiB.  last: the file ends with it.  skip_record: the
 * first record is a header. */
void gm_csv_parser_span(struct gm_csv_parser *parser, uint8_t *data, size_t bytes, size_t limit,
                        bool last, bool skip_record);

/* Writes up to GM_BATCH_ROWS_MAX rows, bytes values, to columns[0, column_count), and sets
 * has_nulls of each.  Returns
 *   0         *ret_rows > 0 rows; there may be more
 *   GM_AGAIN  the span is used up to parser->begin, where an unfinished record begins
 *   GM_END    the next record is not this span's, or there is none
 *   GM_CSV_BAD_ROW  format.on_error is FAIL, and *ret_fault says why; rows before it came first.
 */
#define GM_CSV_BAD_ROW 5
int gm_csv_parse(struct gm_csv_parser *parser, struct gm_vector *columns, uint32_t *ret_rows,
                 struct gm_csv_fault *ret_fault);

/* Where the first record begins behind a line end outside quotes: an offset up to `bytes`, or
 * SIZE_MAX when there is none; *inside is the state at data, and becomes that behind the span. */
size_t gm_csv_find_record(const struct gm_csv_dialect *dialect, const uint8_t *data, size_t bytes,
                          bool *inside);

/* Splits the first record of a text: for headers and samples.  Fields are decoded in place.
 * Returns their number, at most fields_max of them written; 0: there is no whole record, or a bad
 * one.  *ret_used is where the next record begins; with 0, where the bad or unfinished one does,
 * which is `bytes` when there is none.  whole: the text is all of the file.
 * ret_quoted (may be NULL) tells which were quoted. */
uint32_t gm_csv_split_record(const struct gm_csv_dialect *dialect, uint8_t *data, size_t bytes,
                             bool whole, struct gm_bytes *ret_fields, bool *ret_quoted,
                             uint32_t fields_max, size_t *ret_used);

#endif
