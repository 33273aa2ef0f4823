/* archive.h - the members of a .zip file as files of a source.
 *
 * Threads: one.  Memory: malloc, up to 256 MiB for an archive's directory while it is read.
 */
#ifndef GM_AGENT_ARCHIVE_H
#define GM_AGENT_ARCHIVE_H

#include "engine/flow/planner.h"

/* True for names that end in ".zip". */
bool gm_archive_named(const char *path);

/* Appends the members whose names match the pattern (walk.h), sorted by name; hidden ones and
 * directories are left out.  Returns 0 or < 0 with error: also for an archive without such a
 * member, and for a member that is encrypted, packed by another method than deflate, or itself a
 * compressed file. */
int gm_archive_list(const char *path, const char *pattern, struct gm_file_list *list,
                    struct gm_error *error);

#endif
