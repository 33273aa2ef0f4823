/* sample.h - the first bytes of an input file, for the planner. */
#ifndef GM_AGENT_SAMPLE_H
#define GM_AGENT_SAMPLE_H

#include "engine/flow/planner.h"

/* gm_sample_file_fn.  Pipes, terminals and the like give GM_AGAIN: what is read of them is gone. */
int gm_sample_file(const struct gm_file *file, uint8_t *data, size_t bytes_max, size_t *ret_bytes,
                   bool *ret_whole, struct gm_error *error);

#endif
