/* write.h - rows as the text of files: lines, CSV, JSON lines.
 *
 * Text:  the columns as %v prints them, a tab between two, "\n" behind the last.
 * CSV:   RFC 4180 with "\n"; a value is quoted where it has to be, which includes one that reads as
 *        the null text.  Without a quote, a value with a delimiter or line end is an error.
 * JSON:  an object per line with the columns' names; bytes as a string, in which what is no UTF-8
 *        becomes U+FFFD; numbers that JSON has no word for become null.
 *
 * Threads: any; pure.
 */
#ifndef GM_SINK_WRITE_H
#define GM_SINK_WRITE_H

#include "engine/sink/compress.h"
#include "engine/sink/format.h"

enum gm_write_format { GM_WRITE_TEXT, GM_WRITE_CSV, GM_WRITE_JSONL, GM_WRITE_FORMATS };

#define GM_WRITE_NULL_BYTES_MAX 32

struct gm_write_plan {
    enum gm_write_format format;
    enum gm_compression compression;
    bool counts; /* text comes with its number of rows: (text bytes, rows i64) */
    /* CSV */
    uint8_t delimiter;
    uint8_t quote; /* 0: none */
    bool quote_all;
    bool header;
    uint32_t null_bytes;
    char null_text[GM_WRITE_NULL_BYTES_MAX];
};

/* Appends the line with the columns' names, if the plan wants one.  Returns 0, GM_ETASK_MEMORY, or
 * GM_EJOB_FLOW with error. */
int gm_write_header(const struct gm_write_plan *plan, const struct gm_schema *schema,
                    struct gm_text *text, struct gm_error *error);

/* Appends rows from `first` on until the text has bytes_max or the batch ends; *ret_rows of them.
 * Returns as gm_write_header. */
int gm_write_rows(const struct gm_write_plan *plan, const struct gm_schema *schema,
                  const struct gm_batch *batch, uint32_t first, size_t bytes_max,
                  struct gm_text *text, uint32_t *ret_rows, struct gm_error *error);

#endif
