/* files.h - looks up the files of a text source: a path, a glob or a directory. */
#ifndef GM_AGENT_FILES_H
#define GM_AGENT_FILES_H

#include "engine/flow/planner.h"

/* gm_list_files_fn.  A directory gives its regular files, not deeper and without hidden ones,
 * sorted by name; a glob its matches, sorted; a pattern with "**" what walk.h says; a path itself.
 * A .zip file gives its members; those that match the rest of a path "a.zip/PATTERN".
 * Nothing found is an error, as is a file that cannot be read. */
int gm_files_list(const char *path, struct gm_file_list *list, struct gm_error *error);

/* Appends a file of unknown size, whose path is copied.  Returns 0 or < 0 with error. */
int gm_files_append(const char *path, struct gm_file_list *list, struct gm_error *error);

#endif
