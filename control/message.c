/* message.c - the JSON, by jansson. */
#include "control/message.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX 65536 /* elements of a list */

/* ---- reading: the first mistake latches ------------------------------------------------------ */

struct reader {
    json_t *root;
    const char *wrong; /* the member that is missing or makes no sense; NULL: none yet */
};

static int reader_open(struct reader *reader, const void *text, size_t bytes,
                       struct gm_error *error)
{
    json_error_t why;
    *reader = (struct reader){.root = json_loadb(text != NULL ? text : "", bytes, 0, &why)};
    if (json_is_object(reader->root))
        return 0;
    json_decref(reader->root);
    return gm_error_set(error, GM_EPEER_PROTOCOL, "a message is no object of JSON: %s",
                        reader->root == NULL ? why.text : "it is something else");
}

static int reader_close(struct reader *reader, struct gm_error *error)
{
    const char *wrong = reader->wrong;
    int rc = wrong == NULL ? 0
                           : gm_error_set(error, GM_EPEER_PROTOCOL,
                                          "\"%s\" is missing in a message, or makes no sense",
                                          wrong);
    json_decref(reader->root);
    return rc;
}

static void read_text(struct reader *reader, const json_t *from, const char *name, char *ret_text,
                      size_t text_bytes)
{
    const json_t *value = json_object_get(from, name);
    const size_t length = json_string_length(value);
    ret_text[0] = '\0';
    if (!json_is_string(value) || length >= text_bytes ||
        strlen(json_string_value(value)) != length) {
        reader->wrong = reader->wrong != NULL ? reader->wrong : name;
        return;
    }
    memcpy(ret_text, json_string_value(value), length + 1);
}

static uint64_t read_number(struct reader *reader, const json_t *from, const char *name,
                            uint64_t least, uint64_t most)
{
    const json_t *value = json_object_get(from, name);
    const json_int_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= 0 && (uint64_t)number >= least &&
        (uint64_t)number <= most)
        return (uint64_t)number;
    reader->wrong = reader->wrong != NULL ? reader->wrong : name;
    return least;
}

/* The member's elements, `most` of them at most; NULL and 0 otherwise. */
static const json_t *read_array(struct reader *reader, const json_t *from, const char *name,
                                size_t most, uint32_t *ret_count)
{
    const json_t *array = json_object_get(from, name);
    *ret_count = 0;
    if (!json_is_array(array) || json_array_size(array) > most) {
        reader->wrong = reader->wrong != NULL ? reader->wrong : name;
        return NULL;
    }
    *ret_count = (uint32_t)json_array_size(array);
    return array;
}

static void read_ids(struct reader *reader, const char *name, uint64_t *ret_ids,
                     uint32_t *ret_count)
{
    const json_t *array = read_array(reader, reader->root, name, GM_AGENT_JOBS_MAX, ret_count);
    for (uint32_t i = 0; i < *ret_count; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text == NULL || !gm_job_id_parse(text, &ret_ids[i])) {
            reader->wrong = reader->wrong != NULL ? reader->wrong : name;
            *ret_count = 0;
        }
    }
}

#define SIZE_MAX_JSON ((uint64_t)INT64_MAX)

/* ---- writing --------------------------------------------------------------------------------- */

/* Takes the object over. */
static char *dump(json_t *object)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

static json_t *number(uint64_t value)
{
    return json_integer(value <= SIZE_MAX_JSON ? (json_int_t)value : INT64_MAX);
}

/* Names come from people, and may be no UTF-8. */
static json_t *string(const char *text)
{
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    char clean[GM_ERROR_BYTES_MAX];
    size_t length = 0;
    for (; text[length] != '\0' && length + 1 < sizeof clean; length++)
        clean[length] = (unsigned char)text[length] < 0x80 ? text[length] : '?';
    clean[length] = '\0';
    return json_string(clean);
}

static json_t *ids(const uint64_t *values, uint32_t count)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++) {
        char text[GM_JOB_ID_TEXT_MAX];
        gm_job_id_format(values[i], text);
        json_array_append_new(array, json_string(text));
    }
    return array;
}

/* ---- agents ---------------------------------------------------------------------------------- */

char *gm_message_agent_write(const struct gm_agent_info *agent)
{
    json_t *object = json_object();
    json_object_set_new(object, "host", string(agent->host));
    json_object_set_new(object, "port", number(agent->port));
    json_object_set_new(object, "cores_count", number(agent->core_count));
    json_object_set_new(object, "memory_bytes", number(agent->memory_bytes));
    json_object_set_new(object, "hugepages_bytes", number(agent->huge_bytes));
    json_object_set_new(object, "net", string(agent->net));
    json_object_set_new(object, "data_center", string(agent->data_center));
    json_object_set_new(object, "rack", string(agent->rack));
    json_object_set_new(object, "version", string(agent->version));
    json_object_set_new(object, "jobs", ids(agent->jobs, agent->job_count));
    json_object_set_new(object, "lost", json_boolean(agent->lost));
    json_object_set_new(object, "silent_ms", number(agent->silent_ms));
    return dump(object);
}

int gm_message_agent_read(const void *text, size_t bytes, struct gm_agent_info *ret_agent,
                          struct gm_error *error)
{
    struct reader reader;
    int rc = reader_open(&reader, text, bytes, error);
    if (rc < 0)
        return rc;
    const json_t *from = reader.root;
    struct gm_agent_info *to = ret_agent;
    *to = (struct gm_agent_info){.port = (uint16_t)read_number(&reader, from, "port", 1, 65535)};
    read_text(&reader, from, "host", to->host, sizeof to->host);
    to->core_count = (uint32_t)read_number(&reader, from, "cores_count", 1, GM_EXECUTORS_MAX);
    to->memory_bytes = read_number(&reader, from, "memory_bytes", 1, SIZE_MAX_JSON);
    to->huge_bytes = read_number(&reader, from, "hugepages_bytes", 0, SIZE_MAX_JSON);
    read_text(&reader, from, "net", to->net, sizeof to->net);
    read_text(&reader, from, "data_center", to->data_center, sizeof to->data_center);
    read_text(&reader, from, "rack", to->rack, sizeof to->rack);
    read_text(&reader, from, "version", to->version, sizeof to->version);
    read_ids(&reader, "jobs", to->jobs, &to->job_count);
    to->lost = json_is_true(json_object_get(from, "lost"));
    to->silent_ms = read_number(&reader, from, "silent_ms", 0, SIZE_MAX_JSON);
    return reader_close(&reader, error);
}

char *gm_message_beat_reply_write(const struct gm_beat_reply *reply)
{
    json_t *object = json_object();
    json_object_set_new(object, "kill", ids(reply->kill, reply->kill_count));
    return dump(object);
}

int gm_message_beat_reply_read(const void *text, size_t bytes, struct gm_beat_reply *ret_reply,
                               struct gm_error *error)
{
    struct reader reader;
    int rc = reader_open(&reader, text, bytes, error);
    if (rc < 0)
        return rc;
    read_ids(&reader, "kill", ret_reply->kill, &ret_reply->kill_count);
    return reader_close(&reader, error);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static const char *const state_names[] = {
    [GM_JOB_WAITING] = "waiting", [GM_JOB_RUNNING] = "running",
    [GM_JOB_CANCELLING] = "cancelling", [GM_JOB_DONE] = "done", [GM_JOB_FAILED] = "failed",
    [GM_JOB_CANCELLED] = "cancelled", [GM_JOB_LOST] = "lost"};
#define STATES (sizeof state_names / sizeof *state_names)

const char *gm_job_state_name(enum gm_job_state state)
{
    return state < STATES ? state_names[state] : "unknown";
}

void gm_job_info_fini(struct gm_job_info *job)
{
    free(job->grants);
    job->grants = NULL;
    job->grant_count = 0;
}

int gm_job_info_copy(const struct gm_job_info *job, struct gm_job_info *ret_job)
{
    struct gm_grant *grants = NULL;
    if (job->grant_count > 0) {
        grants = malloc(job->grant_count * sizeof *grants);
        if (grants == NULL)
            return -ENOMEM;
        memcpy(grants, job->grants, job->grant_count * sizeof *grants);
    }
    *ret_job = *job;
    ret_job->grants = grants;
    return 0;
}

void gm_job_id_format(uint64_t id, char ret_text[GM_JOB_ID_TEXT_MAX])
{
    snprintf(ret_text, GM_JOB_ID_TEXT_MAX, "%08" PRIx64, id);
}

bool gm_job_id_parse(const char *text, uint64_t *ret_id)
{
    const size_t digits = strspn(text, "0123456789abcdefABCDEF");
    if (digits == 0 || digits > 16 || (text[digits] != '\0' && text[digits] != '/'))
        return false;
    *ret_id = strtoull(text, NULL, 16);
    return *ret_id != 0;
}

static json_t *grants_object(const struct gm_job_info *job)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < job->grant_count; i++) {
        const struct gm_grant *grant = &job->grants[i];
        json_t *object = json_object();
        json_object_set_new(object, "host", string(grant->host));
        json_object_set_new(object, "port", number(grant->port));
        json_object_set_new(object, "executors_count", number(grant->executor_count));
        json_object_set_new(object, "memory_bytes", number(grant->memory_bytes));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *job_object(const struct gm_job_info *job)
{
    char id[GM_JOB_ID_TEXT_MAX];
    json_t *object = json_object();
    gm_job_id_format(job->id, id);
    json_object_set_new(object, "id", json_string(id));
    json_object_set_new(object, "name", string(job->name));
    json_object_set_new(object, "user", string(job->user));
    json_object_set_new(object, "driver", string(job->driver));
    json_object_set_new(object, "state", json_string(gm_job_state_name(job->state)));
    json_object_set_new(object, "queue_position", number(job->position));
    json_object_set_new(object, "wanted_executors_count", number(job->want_executors));
    json_object_set_new(object, "wanted_memory_bytes", number(job->want_memory_bytes));
    json_object_set_new(object, "submitted_unix_s", number(job->submitted_s));
    json_object_set_new(object, "started_unix_s", number(job->started_s));
    json_object_set_new(object, "ended_unix_s", number(job->ended_s));
    json_object_set_new(object, "read_bytes", number(job->read_bytes));
    json_object_set_new(object, "input_bytes", number(job->input_bytes));
    json_object_set_new(object, "error", string(job->error));
    json_object_set_new(object, "nodes", grants_object(job));
    return object;
}

char *gm_message_job_write(const struct gm_job_info *job)
{
    return dump(job_object(job));
}

static void read_grants(struct reader *reader, const json_t *from, struct gm_job_info *job)
{
    uint32_t count, executors = 0;
    const json_t *array = read_array(reader, from, "nodes", GM_GRANTS_MAX, &count);
    job->grants = count > 0 ? calloc(count, sizeof *job->grants) : NULL;
    if (count > 0 && job->grants == NULL) {
        reader->wrong = "nodes";
        return;
    }
    job->grant_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const json_t *element = json_array_get(array, i);
        struct gm_grant *grant = &job->grants[i];
        read_text(reader, element, "host", grant->host, sizeof grant->host);
        grant->port = (uint16_t)read_number(reader, element, "port", 1, 65535);
        grant->executor_count =
            (uint32_t)read_number(reader, element, "executors_count", 1, GM_EXECUTORS_MAX);
        grant->memory_bytes = read_number(reader, element, "memory_bytes", 0, SIZE_MAX_JSON);
        executors += grant->executor_count;
    }
    if (executors > GM_EXECUTORS_MAX)
        reader->wrong = "nodes";
}

static void read_job(struct reader *reader, const json_t *from, struct gm_job_info *job)
{
    char id[GM_JOB_ID_TEXT_MAX], state[16];
    *job = (struct gm_job_info){.state = STATES};
    read_text(reader, from, "id", id, sizeof id);
    if (strspn(id, "0") != strlen(id) && !gm_job_id_parse(id, &job->id))
        reader->wrong = "id";
    read_text(reader, from, "name", job->name, sizeof job->name);
    read_text(reader, from, "user", job->user, sizeof job->user);
    read_text(reader, from, "driver", job->driver, sizeof job->driver);
    read_text(reader, from, "state", state, sizeof state);
    for (size_t i = 0; i < STATES; i++)
        if (strcmp(state, state_names[i]) == 0)
            job->state = (enum gm_job_state)i;
    if (job->state == STATES)
        reader->wrong = "state";
    job->position = (uint32_t)read_number(reader, from, "queue_position", 0, UINT32_MAX);
    job->want_executors =
        (uint32_t)read_number(reader, from, "wanted_executors_count", 0, GM_EXECUTORS_MAX);
    job->want_memory_bytes = read_number(reader, from, "wanted_memory_bytes", 0, SIZE_MAX_JSON);
    job->submitted_s = read_number(reader, from, "submitted_unix_s", 0, SIZE_MAX_JSON);
    job->started_s = read_number(reader, from, "started_unix_s", 0, SIZE_MAX_JSON);
    job->ended_s = read_number(reader, from, "ended_unix_s", 0, SIZE_MAX_JSON);
    job->read_bytes = read_number(reader, from, "read_bytes", 0, SIZE_MAX_JSON);
    job->input_bytes = read_number(reader, from, "input_bytes", 0, SIZE_MAX_JSON);
    read_text(reader, from, "error", job->error, sizeof job->error);
    read_grants(reader, from, job);
}

int gm_message_job_read(const void *text, size_t bytes, struct gm_job_info *ret_job,
                        struct gm_error *error)
{
    struct reader reader;
    int rc = reader_open(&reader, text, bytes, error);
    if (rc < 0)
        return rc;
    read_job(&reader, reader.root, ret_job);
    rc = reader_close(&reader, error);
    if (rc < 0)
        gm_job_info_fini(ret_job);
    return rc;
}

char *gm_message_list_write(const char *member, char *const *texts, size_t count)
{
    json_t *object = json_object(), *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_loads(texts[i], 0, NULL));
    json_object_set_new(object, member, array);
    return dump(object);
}

int gm_message_list_read(const void *text, size_t bytes, const char *member,
                         int (*each)(void *self, const char *text, size_t bytes), void *self,
                         struct gm_error *error)
{
    struct reader reader;
    uint32_t count;
    int rc = reader_open(&reader, text, bytes, error);
    if (rc < 0)
        return rc;
    const json_t *array = read_array(&reader, reader.root, member, JOBS_MAX, &count);
    for (uint32_t i = 0; i < count && rc >= 0; i++) {
        char *element = json_dumps(json_array_get(array, i), JSON_COMPACT);
        rc = element != NULL ? each(self, element, strlen(element)) : -ENOMEM;
        free(element);
    }
    const int closed = reader_close(&reader, error);
    return rc < 0 ? rc : closed;
}

/* ---- the start of a job ---------------------------------------------------------------------- */

char *gm_message_start_write(const struct gm_start *start)
{
    char nonce[2 * GM_KEY_BYTES + 1];
    json_t *object = json_object(), *artifacts = json_array();
    gm_hex_format(start->nonce, sizeof start->nonce, nonce);
    json_object_set_new(object, "job", job_object(&start->job));
    json_object_set_new(object, "node", number(start->node));
    json_object_set_new(object, "attempt", number(start->attempt));
    json_object_set_new(object, "nonce", json_string(nonce));
    for (uint32_t i = 0; i < start->artifact_count; i++) {
        json_t *artifact = json_object();
        json_object_set_new(artifact, "name", string(start->artifacts[i].name));
        json_object_set_new(artifact, "sha256", json_string(start->artifacts[i].hash));
        json_array_append_new(artifacts, artifact);
    }
    json_object_set_new(object, "artifacts", artifacts);
    return dump(object);
}

/* The name becomes that of a file. */
static bool is_file_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static void read_artifacts(struct reader *reader, struct gm_start *start)
{
    uint8_t hash[32];
    const json_t *array = read_array(reader, reader->root, "artifacts", GM_ARTIFACTS_MAX,
                                     &start->artifact_count);
    for (uint32_t i = 0; i < start->artifact_count; i++) {
        const json_t *element = json_array_get(array, i);
        struct gm_artifact *artifact = &start->artifacts[i];
        read_text(reader, element, "name", artifact->name, sizeof artifact->name);
        read_text(reader, element, "sha256", artifact->hash, sizeof artifact->hash);
        if (!is_file_name(artifact->name) ||
            !gm_hex_parse(artifact->hash, '\0', hash, sizeof hash))
            reader->wrong = "artifacts";
    }
    if (start->artifact_count == 0)
        reader->wrong = "artifacts";
}

int gm_message_start_read(const void *text, size_t bytes, struct gm_start *ret_start,
                          struct gm_error *error)
{
    struct reader reader;
    char nonce[2 * GM_KEY_BYTES + 1];
    int rc = reader_open(&reader, text, bytes, error);
    if (rc < 0)
        return rc;
    *ret_start = (struct gm_start){0};
    read_job(&reader, json_object_get(reader.root, "job"), &ret_start->job);
    ret_start->node = (uint32_t)read_number(&reader, reader.root, "node", 0, GM_GRANTS_MAX - 1);
    ret_start->attempt = (uint32_t)read_number(&reader, reader.root, "attempt", 0, UINT32_MAX);
    read_text(&reader, reader.root, "nonce", nonce, sizeof nonce);
    if (!gm_hex_parse(nonce, '\0', ret_start->nonce, sizeof ret_start->nonce))
        reader.wrong = "nonce";
    read_artifacts(&reader, ret_start);
    if (ret_start->node >= ret_start->job.grant_count || ret_start->job.id == 0)
        reader.wrong = "node";
    rc = reader_close(&reader, error);
    if (rc < 0)
        gm_job_info_fini(&ret_start->job);
    return rc;
}

/* ---- refusals -------------------------------------------------------------------------------- */

char *gm_message_error_write(const char *text)
{
    json_t *object = json_object();
    json_object_set_new(object, "error", string(text));
    return dump(object);
}

void gm_message_error_read(const void *text, size_t bytes, char *ret_text, size_t text_bytes)
{
    json_t *object = json_loadb(text, bytes, 0, NULL);
    const char *said = json_string_value(json_object_get(object, "error"));
    if (said != NULL)
        snprintf(ret_text, text_bytes, "%s", said);
    else
        snprintf(ret_text, text_bytes, "%.*s", bytes < 200 ? (int)bytes : 200, (const char *)text);
    json_decref(object);
}
