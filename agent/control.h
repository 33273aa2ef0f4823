/* control.h - messages between the driver and its executors, over a socket pair.
 *
 * Nothing per row or frame goes this way: a job down (with the region and the plan as descriptors),
 * an outcome up.  One SOCK_SEQPACKET message each.
 */
#ifndef GM_AGENT_CONTROL_H
#define GM_AGENT_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "agent/executor.h"
#include "agent/options.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"

#define GM_CONTROL_BYTES_MAX (64u << 10)

/* Steps of a whole plan.  Every node of a flow is in one chain, and becomes at most a few steps: a
 * cast and the step itself, a combine and a reduce, a local top and a top. */
#define GM_CONTROL_STEPS_MAX (4 * GM_STEPS_MAX)

/* An outcome: magic, code and text; 10 numbers of the executor, its counters, 4 per chain, 2 per
 * step and 4 per exchange, and 3 per position (the steps, and 2 per chain), each 8 bytes.  There
 * are as many chains as exchanges at most. */
_Static_assert(4 + 8 + 4 + GM_ERROR_BYTES_MAX + 10 * 8 + 4 +
                       GM_COUNTERS_MAX * (4 + GM_COUNTER_NAME_BYTES_MAX + 8) +
                       GM_EXCHANGES_MAX * 4 * 8 + GM_CONTROL_STEPS_MAX * 2 * 8 +
                       GM_EXCHANGES_MAX * 4 * 8 +
                       (GM_CONTROL_STEPS_MAX + 2 * GM_EXCHANGES_MAX) * 3 * 8 <=
                   GM_CONTROL_BYTES_MAX,
               "the outcome of the largest plan fits a message");

struct gm_job_message {
    uint64_t memory_bytes;
    uint64_t least_bytes; /* of these, what is not lent to other executors */
    uint64_t spin_ns;
    uint64_t plan_bytes;
    uint64_t analyze; /* 1: calls are timed */
    struct gm_spill_paths spill;
};

/* Driver.  Sends a job with the region's and the plan's descriptor (borrowed).  Returns 0 or
 * -errno. */
int gm_control_send_job(int socket, const struct gm_job_message *job, int region_fd, int plan_fd);

/* Executor.  Waits for a job.  Returns 0 with two descriptors that the caller closes; GM_END when
 * the driver is gone; or < 0. */
int gm_control_receive_job(int socket, struct gm_job_message *ret_job, int *ret_region_fd,
                           int *ret_plan_fd);

/* An outcome as bytes, GM_CONTROL_BYTES_MAX at most; the caller frees them.  Returns 0 or < 0. */
int gm_control_encode_outcome(const struct gm_error *error, const struct gm_executor_counts *counts,
                              const struct gm_plan *plan, uint8_t **ret_data, size_t *ret_bytes);
/* Adds counters to counts.  Returns 0 or GM_EPEER_PROTOCOL. */
int gm_control_decode_outcome(const void *data, size_t bytes, const struct gm_plan *plan,
                              struct gm_error *ret_error, struct gm_executor_counts *counts);

/* Executor.  Says how the job ended: error->code 0 and counters, or the error. */
int gm_control_send_outcome(int socket, const struct gm_error *error,
                            const struct gm_executor_counts *counts, const struct gm_plan *plan);

/* Driver.  Takes an outcome without blocking.  Returns 0: *ret_error says how it ended, and
 * counters are added to counts; GM_AGAIN; GM_END: the executor is gone; or < 0: the message made no
 * sense. */
int gm_control_receive_outcome(int socket, const struct gm_plan *plan, struct gm_error *ret_error,
                               struct gm_executor_counts *counts);

#endif
