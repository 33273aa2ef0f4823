/* flow_internal.h - what the files that build a flow share (flow.c, flow_ops.c).
 *
 * Threads: one; the place of the call that is under way belongs to the thread.
 */
#ifndef GM_FLOW_FLOW_INTERNAL_H
#define GM_FLOW_FLOW_INTERNAL_H

#include "engine/flow/flow.h"

/* Keeps the first mistake, with the place of the call.  Returns NULL. */
struct gleam_dataset *gm_flow_mistake(struct gleam_flow *flow, const char *text);

/* A step that reads `input`; `fallback` names it when `name` is NULL or empty.  NULL for a NULL
 * input, whose mistake is already noted. */
struct gleam_dataset *gm_flow_add_step(struct gleam_dataset *input, enum gm_node_kind kind,
                                       const char *name, const char *fallback);

/* The same with further inputs of the same flow. */
struct gleam_dataset *gm_flow_add_meeting(struct gleam_dataset *input,
                                          struct gleam_dataset *const *others,
                                          uint32_t other_count, enum gm_node_kind kind,
                                          const char *name, const char *fallback);

/* A step with key columns. */
struct gleam_dataset *gm_flow_add_keyed(struct gleam_dataset *dataset, enum gm_node_kind kind,
                                        const char *step, const char *fallback,
                                        struct gleam_order keys, bool local);

/* Gives a step its function, copied.  NULL for a NULL node or a wrong function. */
struct gleam_dataset *gm_flow_add_function(struct gleam_dataset *node,
                                           struct gleam_function function);

#endif
