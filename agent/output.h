/* output.h - where rows leave the flow, in the driver: a stream, a file, a command or a function.
 *
 * Threads: the driver's.
 * A stream whose reader went away takes what follows and forgets it: that is no failure.  A file
 * appears under its name only at commit, with the rights of the one that it replaces; a path that
 * is a FIFO or a device is written like a stream.
 */
#ifndef GM_AGENT_OUTPUT_H
#define GM_AGENT_OUTPUT_H

#include "engine/flow/flow.h"
#include "engine/flow/plan.h"
#include "shuffle/exchange.h"

struct gm_output_writer;

/* Opens the target.  Borrows output and schema.  Returns 0 or < 0 with error; -EINTR, without, when
 * a signal came while a FIFO had no reader yet. */
int gm_output_writer_create(const struct gm_output *output, const struct gm_schema *schema,
                            struct gm_heap *heap, struct gm_error *error,
                            struct gm_output_writer **ret_writer);
/* Without a commit before, a file vanishes. */
void gm_output_writer_destroy(struct gm_output_writer *writer); /* NULL is allowed */

/* A write that blocks (a full pipe) is given up when a signal interrupts it and *stop is not 0; so
 * is a function that takes rows and fails then. */
void gm_output_writer_watch(struct gm_output_writer *writer, const _Atomic int *stop);

/* Takes a run of whole rows.  Returns 0 or < 0 with error; -EINTR, without, when given up. */
int gm_output_writer_rows(struct gm_output_writer *writer, const struct gm_run *run,
                          struct gm_error *error);
/* After the last row: everything is on its way to the target.  Returns as rows does. */
int gm_output_writer_finish(struct gm_output_writer *writer, struct gm_error *error);
/* When nobody wants the rest of any output: a command that stopped reading is waited for, and may
 * fail.  Returns as rows does. */
int gm_output_writer_leave(struct gm_output_writer *writer, struct gm_error *error);
/* After every output has finished: files appear. */
int gm_output_writer_commit(struct gm_output_writer *writer, struct gm_error *error);

/* True when nobody reads the stream any more. */
bool gm_output_writer_closed(const struct gm_output_writer *writer);
uint64_t gm_output_writer_bytes(const struct gm_output_writer *writer);

/* What executors open to write into the output's file; "" where it is none.  path has room for
 * GM_PATH_BYTES_MAX. */
void gm_output_writer_place(const struct gm_output_writer *writer, char *path);
/* They have written so many bytes, behind those that come first.  Returns 0 or < 0 with error. */
int gm_output_writer_placed(struct gm_output_writer *writer, uint64_t bytes,
                            struct gm_error *error);

/* Where executors write the parts of a GM_OUTPUT_PARTS; NULL for the others.  The directory is the
 * caller's to remove (gm_parts_remove) if there is no commit. */
const char *gm_output_writer_directory(const struct gm_output_writer *writer);

#endif
