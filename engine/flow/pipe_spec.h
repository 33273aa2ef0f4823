/* pipe_spec.h - what a step that runs commands is told: the parameter of its entry in the plan.
 *
 * Pure; memory: the encoded form is malloc's and the step's, a decoded one points into it.
 */
#ifndef GM_FLOW_PIPE_SPEC_H
#define GM_FLOW_PIPE_SPEC_H

#include <stdio.h>

#include "engine/flow/plan.h"

/* Adjacent pipes that become one step; more of them become a second one. */
#define GM_PIPE_COMMANDS_MAX 32
/* Rows that a gleam_pipe_as_args has under way per executor: by default, and at most. */
#define GM_PIPE_PARALLEL_DEFAULT 8
#define GM_PIPE_PARALLEL_MAX 256

/* One command of a chain, with the step that it was. */
struct gm_pipe_command {
    const char *code;
    const char *name;
    const char *where;
};

struct gm_pipe_spec {
    uint8_t format; /* enum gleam_pipe_format */
    bool escape;
    /* The input's rows are blocks of lines, as the text source makes them with `blocks`. */
    bool blocks_in;
    /* The step behind would print "%s\n" and is left out: values that come out are texts of whole
     * lines. */
    bool texts_out;
    uint32_t parallel;
    uint32_t command_count;
    struct gm_pipe_command commands[GM_PIPE_COMMANDS_MAX];
};

/* Makes it the step's parameter.  Returns 0, or -E2BIG beyond GM_PARAM_BYTES_MAX. */
int gm_pipe_spec_encode(const struct gm_pipe_spec *spec, struct gm_step *step);
/* Returns 0, or -EINVAL for bytes that are none. */
int gm_pipe_spec_decode(const void *data, size_t bytes, struct gm_pipe_spec *ret_spec);

/* True when lines of one bytes column go through as they are: nothing in them is looked at, so that
 * whole blocks of them may pass. */
bool gm_pipe_spec_plain(const struct gm_pipe_spec *spec);

/* A short name for all of it: "tr A-Z a-z | sort"; always terminated, cut with "...". */
void gm_pipe_spec_title(const struct gm_pipe_spec *spec, char *text, size_t text_bytes);
/* The step's part of a plan's text. */
void gm_pipe_spec_print(const struct gm_step *step, FILE *file);

#endif
