/* programs.h - programs and libraries of drivers, by the SHA-256 of what is in them, in
 * DIR/artifacts.
 *
 * Threads: any; a file appears whole or not at all.
 */
#ifndef GM_AGENT_NODE_PROGRAMS_H
#define GM_AGENT_NODE_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "control/message.h"

/* Artifacts that are kept: the one that was unused for longest goes first. */
#define GM_PROGRAMS_MAX 64

/* Makes DIR/artifacts.  Returns 0 or < 0 with error. */
int gm_programs_open(const char *directory, struct gm_error *error);

/* hash: 64 digits, which are those of the data, as the caller has checked. */
int gm_programs_put(const char *directory, const char *hash, const void *data, size_t bytes,
                 struct gm_error *error);

/* The path of the artifact under its name; false when it is not there. */
bool gm_programs_find(const char *directory, const struct gm_artifact *artifact, char *ret_path,
                   size_t path_bytes);

#endif
