/* message.h - what driver, master and agents say to each other, and its form as JSON.
 *
 * A text that was read is checked: names are cut nowhere, numbers are in range, unknown members are
 * passed over.  Writers return a text from malloc, NULL without memory.  Pure; jansson is only in
 * message.c.
 */
#ifndef GM_CONTROL_MESSAGE_H
#define GM_CONTROL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/http.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"

/* Agents of one job: each has an executor at least. */
#define GM_GRANTS_MAX GM_EXECUTORS_MAX
/* Jobs that one agent can run at once: each has an executor at least. */
#define GM_AGENT_JOBS_MAX GM_EXECUTORS_MAX
#define GM_LABEL_BYTES_MAX 64
#define GM_JOB_NAME_BYTES_MAX 128
/* Programs and libraries of a driver. */
#define GM_ARTIFACTS_MAX 8

#define GM_JOB_ID_TEXT_MAX 17 /* 16 digits and a NUL; people see 8 */

/* ---- agents ---------------------------------------------------------------------------------- */

/* What an agent says of itself with every heartbeat. */
struct gm_agent_info {
    char host[GM_HOST_BYTES_MAX];
    uint16_t port;
    uint32_t core_count;
    uint64_t memory_bytes;
    uint64_t huge_bytes;
    char net[GM_LABEL_BYTES_MAX];
    char data_center[GM_LABEL_BYTES_MAX];
    char rack[GM_LABEL_BYTES_MAX];
    char version[GM_LABEL_BYTES_MAX];
    uint32_t job_count;
    uint64_t jobs[GM_AGENT_JOBS_MAX]; /* that run there */
    /* What the master adds for those who ask it. */
    bool lost;
    uint64_t silent_ms; /* since its last heartbeat */
};

char *gm_message_agent_write(const struct gm_agent_info *agent);
int gm_message_agent_read(const void *text, size_t bytes, struct gm_agent_info *ret_agent,
                          struct gm_error *error);

/* The master's answer to a heartbeat. */
struct gm_beat_reply {
    uint32_t kill_count;
    uint64_t kill[GM_AGENT_JOBS_MAX]; /* jobs that shall end */
};

char *gm_message_beat_reply_write(const struct gm_beat_reply *reply);
int gm_message_beat_reply_read(const void *text, size_t bytes, struct gm_beat_reply *ret_reply,
                               struct gm_error *error);

/* ---- jobs ------------------------------------------------------------------------------------ */

enum gm_job_state {
    GM_JOB_WAITING,    /* for cores or memory */
    GM_JOB_RUNNING,
    GM_JOB_CANCELLING, /* somebody asked for its end; the driver has not said that it came */
    GM_JOB_DONE,
    GM_JOB_FAILED,
    GM_JOB_CANCELLED,
    GM_JOB_LOST, /* nobody has heard of its driver */
};

const char *gm_job_state_name(enum gm_job_state state);

static inline bool gm_job_state_is_end(enum gm_job_state state)
{
    return state >= GM_JOB_DONE;
}

/* A job's share of an agent. */
struct gm_grant {
    char host[GM_HOST_BYTES_MAX];
    uint16_t port;
    uint32_t executor_count;
    uint64_t memory_bytes;
};

struct gm_job_info {
    uint64_t id; /* 0: none yet */
    char name[GM_JOB_NAME_BYTES_MAX];
    char user[GM_LABEL_BYTES_MAX];
    char driver[GM_HOST_BYTES_MAX]; /* host:process */
    enum gm_job_state state;
    uint32_t position; /* in the queue, from 1 on; 0: not in it */
    uint32_t want_executors; /* 0: as many as are free */
    uint64_t want_memory_bytes; /* per agent; 0: the share of the executors */
    uint64_t submitted_s, started_s, ended_s; /* since 1970; 0: not yet */
    uint64_t read_bytes, input_bytes; /* how far it is */
    char error[GM_ERROR_BYTES_MAX];
    uint32_t grant_count;
    struct gm_grant *grants; /* from malloc */
};

void gm_job_info_fini(struct gm_job_info *job); /* accepts a zeroed one */
/* Returns 0 or -ENOMEM. */
int gm_job_info_copy(const struct gm_job_info *job, struct gm_job_info *ret_job);

char *gm_message_job_write(const struct gm_job_info *job);
/* The caller calls gm_job_info_fini after a success. */
int gm_message_job_read(const void *text, size_t bytes, struct gm_job_info *ret_job,
                        struct gm_error *error);

/* {"jobs": [...]} from the texts of jobs. */
char *gm_message_list_write(const char *member, char *const *texts, size_t count);
/* Calls `each` for the text of every element of the member; stops when that returns < 0. */
int gm_message_list_read(const void *text, size_t bytes, const char *member,
                         int (*each)(void *self, const char *text, size_t bytes), void *self,
                         struct gm_error *error);

void gm_job_id_format(uint64_t id, char ret_text[GM_JOB_ID_TEXT_MAX]);
/* Hexadecimal digits, not 0; ends at the text's end or a '/'. */
bool gm_job_id_parse(const char *text, uint64_t *ret_id);

/* ---- the start of a job on an agent ---------------------------------------------------------- */

struct gm_artifact {
    char name[GM_LABEL_BYTES_MAX]; /* of the file; the first is the program */
    char hash[65];                 /* SHA-256, in hexadecimal digits */
};

/* What precedes the driver's order for the job's process, which the agent passes on unread. */
struct gm_start {
    struct gm_job_info job; /* with all grants, in the order of the nodes */
    uint32_t node;          /* which of them this agent is */
    uint32_t attempt;
    uint8_t nonce[GM_KEY_BYTES]; /* the job's secret is made of it and the key */
    uint32_t artifact_count;
    struct gm_artifact artifacts[GM_ARTIFACTS_MAX];
};

char *gm_message_start_write(const struct gm_start *start);
/* The caller calls gm_job_info_fini(&ret_start->job) after a success. */
int gm_message_start_read(const void *text, size_t bytes, struct gm_start *ret_start,
                          struct gm_error *error);

/* ---- refusals -------------------------------------------------------------------------------- */

/* {"error": text} */
char *gm_message_error_write(const char *text);
/* The text of an answer that is no success; what there is of the body where that is no JSON. */
void gm_message_error_read(const void *text, size_t bytes, char *ret_text, size_t text_bytes);

#endif
