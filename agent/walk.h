/* walk.h - files of a tree whose paths match a pattern with "**".
 *
 * A part of the pattern that is two stars stands for any number of directories, also none: at the
 * end, it means every file below; with a name behind it, every file of that name.  The other parts
 * are patterns as for the shell.  Hidden files and directories are left out, and links to
 * directories are not followed.
 *
 * Threads: one.  Memory: malloc.
 */
#ifndef GM_AGENT_WALK_H
#define GM_AGENT_WALK_H

#include <stdbool.h>
#include <stddef.h>

/* True when the pattern has a part that is "**". */
bool gm_walk_wanted(const char *pattern);

/* Whether a path matches a pattern, part by part; "**" stands for any number of parts. */
bool gm_walk_matches(const char *pattern, const char *path);

/* The paths of all regular files that match, sorted; the caller frees each and the table.  Returns
 * 0, or -errno with the directory that could not be read in failed. */
int gm_walk(const char *pattern, char ***ret_paths, size_t *ret_count, char *failed,
            size_t failed_bytes);

#endif
