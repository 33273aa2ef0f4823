/* program.h - the driver's own program, and gleam's library where it is linked to it, as files that
 * agents can be sent.
 *
 * Threads: one.
 */
#ifndef GM_AGENT_CLUSTER_PROGRAM_H
#define GM_AGENT_CLUSTER_PROGRAM_H

#include "control/message.h"

struct gm_program {
    uint32_t count; /* the first is the program */
    struct gm_artifact artifacts[GM_ARTIFACTS_MAX];
    char paths[GM_ARTIFACTS_MAX][GM_PATH_BYTES_MAX];
};

/* Finds the files of this process and hashes them.  Returns 0 or < 0 with error. */
int gm_program_find(const struct gm_http_module *http, struct gm_program *ret_program,
                    struct gm_error *error);

/* The SHA-256 of a file, as digits.  Returns 0 or -errno. */
int gm_program_hash(const struct gm_http_module *http, const char *path, char ret_hash[65]);

#endif
