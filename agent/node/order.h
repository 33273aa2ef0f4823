/* order.h - what a driver orders of each node of its job: where it stands among the others, how
 * frames and rings are to be, and the plan.
 *
 * Driver and job processes are one program, so this form is nobody else's affair: the agents pass
 * it on as bytes.  It is checked all the same.
 * Pure.
 */
#ifndef GM_AGENT_NODE_ORDER_H
#define GM_AGENT_NODE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/job.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"

struct gm_order_node {
    char name[GM_NODE_NAME_BYTES_MAX]; /* host:port, for people */
    uint32_t executor_count;           /* 0: the driver's own, which is the last */
};

struct gm_order {
    uint32_t attempt;
    uint64_t secret; /* seals frames */
    uint32_t frame_bytes;
    bool analyze;
    char directory[GM_PATH_BYTES_MAX]; /* the driver's, in which relative paths begin */
    uint32_t node_count; /* with the driver's */
    struct gm_order_node nodes[GM_NODES_MAX];
    const uint8_t *plan; /* encoded; borrowed from the bytes that were read */
    uint32_t plan_bytes;
};

/* The caller frees *ret_data.  Returns 0, -ENOMEM or -E2BIG. */
int gm_order_encode(const struct gm_order *order, uint8_t **ret_data, size_t *ret_bytes);
/* Borrows data for as long as order->plan is used.  Returns 0 or GM_EPEER_PROTOCOL with error. */
int gm_order_decode(const void *data, size_t bytes, struct gm_order *ret_order,
                    struct gm_error *error);

uint32_t gm_order_executor_count(const struct gm_order *order);
/* The number of the node's first executor in the job. */
uint32_t gm_order_first(const struct gm_order *order, uint32_t node);
/* Who is at that node. */
struct gm_job_place gm_order_place(const struct gm_order *order, uint32_t node);

#endif
