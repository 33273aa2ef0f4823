/* command_output.h - the driver's end of a command that takes the rows of an output.
 *
 * One `sh -c` as a child of a guard (iouring/process.h), so that nothing of it is left however the
 * driver ends.  What it prints goes to the driver's standard output.
 *
 * Threads: the driver's.  Memory: the heap's, 64 KiB and what the process port takes.
 * Blocking: write and finish wait for the command, and give up with -EINTR when *stop is not 0;
 * stop may be NULL.
 */
#ifndef GM_AGENT_COMMAND_OUTPUT_H
#define GM_AGENT_COMMAND_OUTPUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/base/error.h"
#include "engine/base/heap.h"
#include "engine/flow/flow.h"

struct gm_command_output;

/* Starts the command of a GM_OUTPUT_COMMAND.  Borrows all; what goes wrong later is said in error
 * as well.  Returns 0 or < 0 with error. */
int gm_command_output_create(const struct gm_output *output, struct gm_heap *heap,
                             struct gm_error *error, struct gm_command_output **ret_command);
/* Without a finish before, the command is killed and never sees the end of its input. */
void gm_command_output_destroy(struct gm_command_output *command); /* NULL is allowed */

/* Returns 0; -EPIPE: it reads no more, which is no failure; -EINTR; or < 0 with error. */
int gm_command_output_write(struct gm_command_output *command, const void *data, size_t bytes,
                            const _Atomic int *stop);
/* Ends its input and waits for its end.  Returns 0; -EINTR; or < 0 with error: also for a command
 * that failed.  May be called again after 0. */
int gm_command_output_finish(struct gm_command_output *command, const _Atomic int *stop);

#endif
