/* plan_codec.h - plans as bytes, for the way to the executors. */
#ifndef GM_FLOW_PLAN_CODEC_H
#define GM_FLOW_PLAN_CODEC_H

#include "engine/base/error.h"
#include "engine/flow/plan.h"

/* Encodes to a malloc'ed block (the caller frees).  Returns 0, -ENOMEM or -E2BIG past
 * GM_PLAN_BYTES_MAX. */
int gm_plan_encode(const struct gm_plan *plan, uint8_t **ret_data, size_t *ret_bytes);

/* Decodes untrusted bytes and checks every index and count.  Returns 0 (the caller calls
 * gm_plan_fini) or GM_EPEER_PROTOCOL with error; *ret_plan is then untouched. */
int gm_plan_decode(const uint8_t *data, size_t bytes, struct gm_plan *ret_plan,
                   struct gm_error *error);

#endif
