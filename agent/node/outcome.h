/* outcome.h - how a node's part of a job ended, as bytes for its driver.
 *
 * Pure.
 */
#ifndef GM_AGENT_NODE_OUTCOME_H
#define GM_AGENT_NODE_OUTCOME_H

#include "agent/control.h"

struct gm_outcome {
    uint64_t region_bytes;
    uint32_t region_pages; /* enum gm_pages */
    uint32_t executor_count;
    uint64_t busy_ns[GM_EXECUTORS_MAX];    /* by executor of the node */
    uint64_t peak_bytes[GM_EXECUTORS_MAX];
};

/* error->code 0: it went well, and the counters follow.  The caller frees *ret_data, which is at
 * most GM_MAIL_BYTES_MAX long. */
int gm_outcome_encode(const struct gm_outcome *outcome, const struct gm_error *error,
                      const struct gm_executor_counts *counts, const struct gm_plan *plan,
                      uint8_t **ret_data, size_t *ret_bytes);
/* Adds the counters to counts.  Returns 0 or GM_EPEER_PROTOCOL. */
int gm_outcome_decode(const void *data, size_t bytes, const struct gm_plan *plan,
                      struct gm_outcome *ret_outcome, struct gm_error *ret_error,
                      struct gm_executor_counts *counts);

/* The outcome of a node that failed: needs no plan, and so can be made by an agent for a process
 * that died. */
int gm_outcome_encode_failure(const struct gm_error *error, uint8_t **ret_data,
                              size_t *ret_bytes);

#endif
