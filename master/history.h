/* history.h - the jobs on disk: a line of JSON in DIR/jobs.jsonl for each start and each end.
 *
 * Threads: one at a time.  A line that cannot be read, such as the last one after a power cut, is
 * passed over.
 */
#ifndef GM_MASTER_HISTORY_H
#define GM_MASTER_HISTORY_H

#include "master/jobs.h"

struct gm_history {
    int fd; /* -1: nothing is kept */
};

/* Makes the directory where it is not there (but not those above it), hands what is in the file to
 * the jobs, and writes it anew where most of it is outdated.  Returns 0 or < 0 with error. */
int gm_history_open(struct gm_history *history, const char *directory, struct gm_jobs *jobs,
                    struct gm_jobs_time now, struct gm_error *error);
/* A disk that is full loses lines of the history, nothing else.  Returns 0 or -errno. */
int gm_history_add(struct gm_history *history, const struct gm_job_info *job);
void gm_history_close(struct gm_history *history);

#endif
