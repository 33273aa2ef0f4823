/* parts.h - the driver's side of an output that is a directory of parts.
 *
 * A hidden directory beside the target takes the files; when everything has succeeded it gets the
 * target's name, in place of an earlier output of this kind.  What the target may be before:
 * nothing, an empty directory, or a directory that holds a .manifest and no file that is not in it.
 *
 * Threads: the driver's.  Memory: malloc, 16 bytes per part.
 */
#ifndef GM_AGENT_PARTS_H
#define GM_AGENT_PARTS_H

#include "engine/base/error.h"
#include "engine/flow/flow.h"

struct gm_parts;

/* Looks at the target and makes the hidden directory; removes those that jobs left beside it whose
 * process was killed.  Borrows output.  Returns 0 or < 0 with error. */
int gm_parts_create(const struct gm_output *output, struct gm_error *error,
                    struct gm_parts **ret_parts);
/* Frees; what was not committed stays until gm_parts_remove. */
void gm_parts_destroy(struct gm_parts *parts); /* NULL is allowed */

/* Where executors write: an absolute path. */
const char *gm_parts_directory(const struct gm_parts *parts);

/* gleam_row_fn: takes (part, rows, bytes) of a file that was written. */
int gm_parts_row(void *parts, const struct gleam_value *row, uint32_t column_count);

/* After the last row: parts that nobody wrote, and .manifest.  Returns 0 or < 0 with error. */
int gm_parts_finish(struct gm_parts *parts, struct gm_error *error);
/* The directory appears.  Returns 0 or < 0 with error. */
int gm_parts_commit(struct gm_parts *parts, struct gm_error *error);
/* Bytes of all files. */
uint64_t gm_parts_bytes(const struct gm_parts *parts);

/* Removes a directory of parts and the files in it, when nobody writes there any more. */
void gm_parts_remove(const char *directory);

#endif
