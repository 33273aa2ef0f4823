/* history.c - appends lines; reads them all at the start. */
#include "master/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "jobs.jsonl"
/* Two lines a job; beyond four times what is remembered the file is written anew. */
#define LINES_MAX (8 * GM_JOBS_ENDED_MAX)

int gm_history_add(struct gm_history *history, const struct gm_job_info *job)
{
    if (history->fd < 0)
        return 0;
    char *text = gm_message_job_write(job), *line = NULL;
    const int length = text != NULL ? asprintf(&line, "%s\n", text) : -1;
    free(text);
    if (length < 0)
        return -ENOMEM;
    const ssize_t written = write(history->fd, line, (size_t)length);
    free(line);
    return written == length ? 0 : written < 0 ? -errno : -ENOSPC;
}

/* Returns the number of lines. */
static uint32_t read_lines(FILE *file, struct gm_jobs *jobs, struct gm_jobs_time now)
{
    char *line = NULL;
    size_t capacity = 0;
    uint32_t count = 0;
    for (ssize_t length; (length = getline(&line, &capacity, file)) > 0; count++) {
        struct gm_job_info job;
        struct gm_error error = {0};
        if (gm_message_job_read(line, (size_t)length, &job, &error) < 0)
            continue;
        if (job.id != 0)
            gm_jobs_restore(jobs, &job, now);
        gm_job_info_fini(&job);
    }
    free(line);
    return count;
}

/* The oldest first, as they were written. */
static int write_ended(struct gm_history *history, const struct gm_job *job)
{
    const struct gm_job *order[GM_JOBS_ENDED_MAX];
    uint32_t count = 0;
    for (; job != NULL && count < GM_JOBS_ENDED_MAX; job = job->next)
        order[count++] = job;
    int rc = 0;
    while (count > 0 && rc == 0)
        rc = gm_history_add(history, &order[--count]->info);
    return rc;
}

static int write_anew(struct gm_history *history, const char *path, const struct gm_jobs *jobs)
{
    char beside[GM_PATH_BYTES_MAX + 8];
    snprintf(beside, sizeof beside, "%s.new", path);
    struct gm_history fresh = {
        .fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600)};
    if (fresh.fd < 0)
        return -errno;
    int rc = write_ended(&fresh, jobs->ended);
    for (const struct gm_job *job = jobs->live; job != NULL && rc == 0; job = job->next)
        rc = gm_history_add(&fresh, &job->info);
    if (rc == 0 && rename(beside, path) < 0)
        rc = -errno;
    if (rc < 0) {
        close(fresh.fd);
        unlink(beside);
        return rc;
    }
    close(history->fd);
    *history = fresh;
    return 0;
}

int gm_history_open(struct gm_history *history, const char *directory, struct gm_jobs *jobs,
                    struct gm_jobs_time now, struct gm_error *error)
{
    char path[GM_PATH_BYTES_MAX];
    history->fd = -1;
    if (directory == NULL)
        return 0;
    const int length = snprintf(path, sizeof path, "%s/" FILE_NAME, directory);
    if (length < 0 || (size_t)length >= sizeof path)
        return gm_error_set(error, GM_EJOB_OPTION, "--dir: the path is too long");
    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return gm_error_set(error, -errno, "--dir: cannot make %s: %s", directory,
                            gm_error_name(-errno));
    history->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    FILE *file = history->fd >= 0 ? fopen(path, "re") : NULL;
    if (file == NULL) {
        const int rc = gm_error_set(error, -errno, "--dir: cannot open %s: %s", path,
                                    gm_error_name(-errno));
        gm_history_close(history);
        return rc;
    }
    const uint32_t lines = read_lines(file, jobs, now);
    /* What follows a line that was cut must not become a part of it. */
    char last = '\n';
    if (fseek(file, -1, SEEK_END) == 0)
        last = (char)fgetc(file);
    fclose(file);
    int rc = last != '\n' && write(history->fd, "\n", 1) != 1 ? -errno : 0;
    if (rc == 0 && lines > LINES_MAX)
        rc = write_anew(history, path, jobs);
    if (rc < 0) {
        gm_history_close(history);
        return gm_error_set(error, rc, "--dir: cannot write %s: %s", path, gm_error_name(rc));
    }
    return 0;
}

void gm_history_close(struct gm_history *history)
{
    if (history->fd >= 0)
        close(history->fd);
    history->fd = -1;
}
