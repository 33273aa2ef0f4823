/* logs.h - what the processes of a job print, in DIR/logs/JOB.
 *
 * Threads: any.
 */
#ifndef GM_AGENT_NODE_LOGS_H
#define GM_AGENT_NODE_LOGS_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/error.h"

/* Jobs whose logs are kept: the oldest goes first. */
#define GM_LOGS_MAX 100
/* What is handed out of one, from its end. */
#define GM_LOG_BYTES_MAX (512u << 10)

int gm_logs_make(const char *directory, struct gm_error *error);

/* A descriptor to append to a new log, or < 0 with error. */
int gm_logs_open(const char *directory, uint64_t job, struct gm_error *error);

/* The log's end; the caller frees *ret_text.  Returns 0 or < 0 with error. */
int gm_logs_read(const char *directory, uint64_t job, uint8_t **ret_text, size_t *ret_bytes,
                 struct gm_error *error);

#endif
