/* csv_error.h - what is said of a bad row: file, line, why, and its text.
 *
 * Lines are counted when there is an error to tell, by reading the file again up to the row.
 */
#ifndef GM_AGENT_CSV_ERROR_H
#define GM_AGENT_CSV_ERROR_H

#include "engine/base/error.h"
#include "engine/flow/plan.h"
#include "engine/source/csv.h"

/* The line that the byte at offset lies in, from 1; 0 when the file cannot be read. */
uint64_t gm_csv_line_at(const char *path, uint64_t offset);

struct gm_csv_place {
    const struct gm_source *source;
    const char *path;
    uint64_t line;       /* 0: not known */
    const uint8_t *text; /* of the row or the value */
    size_t bytes;
};

/* Sets the error for a bad row.  Returns GM_EJOB_INPUT. */
int gm_csv_refuse_row(const struct gm_csv_place *place, const struct gm_csv_fault *fault,
                      struct gm_error *error);
/* For a value that is none of its column's type. */
int gm_csv_refuse_value(const struct gm_csv_place *place, uint32_t column, struct gm_error *error);
/* For a file whose header is not the first file's. */
int gm_csv_refuse_header(const struct gm_csv_place *place, struct gm_error *error);

#endif
