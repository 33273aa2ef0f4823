/* jobs.c - `gleam ps`, `gleam kill`, `gleam logs`: what the master and the agents know of jobs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "control/message.h"
#include "engine/base/readable.h"
#include "engine/base/text.h"

#define TIMEOUT_MS 5000
#define BODY_BYTES_MAX (64u << 20)

#define CONNECTION_OPTIONS                                                                         \
    "  --master HOST:PORT    the master to ask (default: 127.0.0.1:45326)\n"                       \
    "  --key FILE            the cluster's key, made by gleam keygen (default: what\n"             \
    "                        GLEAM_KEY_FILE names)\n"

static const char ps_help[] =
    "usage: gleam ps [--master HOST:PORT] [--key FILE]\n"
    "\n"
    "Lists the agents of a cluster, and its jobs: those that wait with their place in the queue,\n"
    "those that run, and the last ones that ended.\n"
    "\n"
    "options\n" CONNECTION_OPTIONS
    "\n"
    "examples\n"
    "  gleam ps --master m1:45326 --key cluster.key\n";

static const char kill_help[] =
    "usage: gleam kill JOB [--master HOST:PORT] [--key FILE]\n"
    "\n"
    "Ends a job, which waits or runs, by the number that gleam ps shows.  Its driver says so and\n"
    "ends with a status that is not 0.\n"
    "\n"
    "options\n" CONNECTION_OPTIONS
    "\n"
    "examples\n"
    "  gleam kill 3f2a91c7 --master m1:45326 --key cluster.key\n";

static const char logs_help[] =
    "usage: gleam logs JOB [--master HOST:PORT] [--key FILE]\n"
    "\n"
    "Prints what the steps of a job, and the commands in them, wrote to standard error and\n"
    "standard output on each of its agents; also of a job that has ended.\n"
    "\n"
    "options\n" CONNECTION_OPTIONS
    "\n"
    "examples\n"
    "  gleam logs 3f2a91c7 --master m1:45326 --key cluster.key\n";

struct place {
    const char *command; /* for messages */
    const struct gm_http_module *http;
    struct gm_key key;
    char master[GM_ADDRESS_BYTES_MAX];
};

static int complain(const struct place *place, const struct gm_error *error)
{
    fprintf(stderr, "gleam %s: %s\n", place->command, error->text);
    return 1;
}

/* Takes the options.  Returns 0, or an exit status after saying why. */
static int find_place(struct place *place, const char *command, int *argc, char **argv)
{
    struct gm_error error = {0};
    char host[GM_HOST_BYTES_MAX];
    uint16_t port;
    *place = (struct place){.command = command};
    const char *master = gm_cli_option(argc, argv, "--master");
    const char *key = gm_cli_option(argc, argv, "--key");
    gm_cli_no_more_options(argc, argv);
    int rc = gm_address_parse("master", master != NULL ? master : ":45326", host, &port, &error);
    if (rc == 0)
        rc = gm_key_find(key, &place->key, &error);
    if (rc < 0) {
        complain(place, &error);
        return 2;
    }
    gm_address_format(host[0] != '\0' ? host : "127.0.0.1", port, place->master,
                      sizeof place->master);
    place->http = gm_http_open(&error);
    return place->http != NULL ? 0 : complain(place, &error);
}

/* One call to whom it may concern.  Returns 0 or < 0 with error; the caller frees the body. */
static int ask(const struct place *place, const char *address, const char *method,
               const char *target, struct gm_http_reply *ret_reply, struct gm_error *error)
{
    struct gm_http_client *client = place->http->client_create(address, &place->key);
    if (client == NULL)
        return gm_error_set(error, -ENOMEM, "no memory");
    int rc = place->http->client_call(client, method, target, NULL, 0, TIMEOUT_MS, BODY_BYTES_MAX,
                                      ret_reply, error);
    place->http->client_destroy(client);
    if (rc < 0)
        return rc;
    if (ret_reply->status / 100 == 2)
        return 0;
    char said[GM_ERROR_BYTES_MAX / 2];
    gm_message_error_read(ret_reply->body, ret_reply->body_bytes, said, sizeof said);
    free(ret_reply->body);
    return gm_error_set(error, GM_EJOB_OPTION, "%s: %s", address, said);
}

/* ---- ps -------------------------------------------------------------------------------------- */

static int print_agent(void *self, const char *text, size_t bytes)
{
    struct gm_agent_info agent;
    char memory[32], address[GM_ADDRESS_BYTES_MAX];
    int rc = gm_message_agent_read(text, bytes, &agent, self);
    if (rc < 0)
        return rc;
    gm_text_format_size(agent.memory_bytes, memory, sizeof memory);
    gm_address_format(agent.host, agent.port, address, sizeof address);
    printf("%-28s %5u  %10s  %4u  %-8s %-12s %-12s %s\n", address, agent.core_count, memory,
           agent.job_count, agent.net, agent.data_center[0] != '\0' ? agent.data_center : "-",
           agent.rack[0] != '\0' ? agent.rack : "-", agent.lost ? "lost" : "there");
    return 0;
}

static void format_progress(const struct gm_job_info *job, char *text, size_t text_bytes)
{
    if (job->state == GM_JOB_WAITING)
        snprintf(text, text_bytes, "number %u", job->position);
    else if (job->state == GM_JOB_RUNNING && job->input_bytes > 0)
        snprintf(text, text_bytes, "%.0f %%",
                 100.0 * (double)job->read_bytes / (double)job->input_bytes);
    else
        snprintf(text, text_bytes, "-");
}

static int print_job(void *self, const char *text, size_t bytes)
{
    struct gm_job_info job;
    char id[GM_JOB_ID_TEXT_MAX], progress[32], age[32];
    int rc = gm_message_job_read(text, bytes, &job, self);
    if (rc < 0)
        return rc;
    uint32_t executors = 0;
    for (uint32_t i = 0; i < job.grant_count; i++)
        executors += job.grants[i].executor_count;
    const uint64_t begin_s = job.started_s > 0 ? job.started_s : job.submitted_s;
    const uint64_t end_s = job.ended_s > 0 ? job.ended_s : (uint64_t)time(NULL);
    gm_readable_time((end_s > begin_s ? end_s - begin_s : 0) * 1000000000, age, sizeof age);
    gm_job_id_format(job.id, id);
    format_progress(&job, progress, sizeof progress);
    printf("%-8s  %-10s %-10s %3u on %-3u  %-11s %-10s %s%s%s\n", id, gm_job_state_name(job.state),
           progress, executors, job.grant_count, age, job.user, job.name,
           job.error[0] != '\0' ? ": " : "", job.error);
    gm_job_info_fini(&job);
    return 0;
}

int gm_cli_ps(int argc, char **argv)
{
    struct place place;
    struct gm_error error = {0};
    struct gm_http_reply reply;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(ps_help, stdout);
        return 0;
    }
    int status = find_place(&place, "ps", &argc, argv);
    if (status != 0)
        return status;
    if (argc != 1)
        return gm_cli_mistake(ps_help);
    int rc = ask(&place, place.master, "GET", "/v1/agents", &reply, &error);
    if (rc == 0) {
        printf("%-28s %5s  %10s  %4s  %-8s %-12s %-12s %s\n", "AGENT", "CORES", "MEMORY", "JOBS",
               "NET", "DATA CENTER", "RACK", "STATE");
        rc = gm_message_list_read(reply.body, reply.body_bytes, "agents", print_agent, &error,
                                  &error);
        free(reply.body);
    }
    if (rc == 0)
        rc = ask(&place, place.master, "GET", "/v1/jobs", &reply, &error);
    if (rc == 0) {
        printf("\n%-8s  %-10s %-10s %-10s %-11s %-10s %s\n", "JOB", "STATE", "PROGRESS",
               "EXECUTORS", "TIME", "USER", "NAME");
        rc = gm_message_list_read(reply.body, reply.body_bytes, "jobs", print_job, &error, &error);
        free(reply.body);
    }
    return rc == 0 ? 0 : complain(&place, &error);
}

/* ---- kill and logs --------------------------------------------------------------------------- */

/* The one argument, as a path of the API below /v1/jobs/. */
static bool take_job(const char *text, const char *verb, char *ret_target, size_t target_bytes)
{
    uint64_t id;
    if (!gm_job_id_parse(text, &id) || strchr(text, '/') != NULL)
        return false;
    snprintf(ret_target, target_bytes, "/v1/jobs/%08" PRIx64 "%s", id, verb);
    return true;
}

int gm_cli_kill(int argc, char **argv)
{
    struct place place;
    struct gm_error error = {0};
    struct gm_http_reply reply;
    char target[96];
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(kill_help, stdout);
        return 0;
    }
    const int status = find_place(&place, "kill", &argc, argv);
    if (status != 0)
        return status;
    if (argc != 2 || !take_job(argv[1], "/cancel", target, sizeof target))
        return gm_cli_mistake(kill_help);
    if (ask(&place, place.master, "POST", target, &reply, &error) < 0)
        return complain(&place, &error);
    free(reply.body);
    return 0;
}

static int print_logs(const struct place *place, const struct gm_job_info *job)
{
    int status = 0;
    char target[96];
    snprintf(target, sizeof target, "/v1/jobs/%08" PRIx64 "/log", job->id);
    for (uint32_t i = 0; i < job->grant_count; i++) {
        struct gm_error error = {0};
        struct gm_http_reply reply;
        char address[GM_ADDRESS_BYTES_MAX];
        gm_address_format(job->grants[i].host, job->grants[i].port, address, sizeof address);
        if (ask(place, address, "GET", target, &reply, &error) < 0) {
            status = complain(place, &error);
            continue;
        }
        printf("==> %s <==\n", address);
        fwrite(reply.body, 1, reply.body_bytes, stdout);
        free(reply.body);
    }
    return status;
}

int gm_cli_logs(int argc, char **argv)
{
    struct place place;
    struct gm_error error = {0};
    struct gm_http_reply reply;
    struct gm_job_info job;
    char target[96];
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(logs_help, stdout);
        return 0;
    }
    int status = find_place(&place, "logs", &argc, argv);
    if (status != 0)
        return status;
    if (argc != 2 || !take_job(argv[1], "", target, sizeof target))
        return gm_cli_mistake(logs_help);
    int rc = ask(&place, place.master, "GET", target, &reply, &error);
    if (rc == 0) {
        rc = gm_message_job_read(reply.body, reply.body_bytes, &job, &error);
        free(reply.body);
    }
    if (rc < 0)
        return complain(&place, &error);
    status = print_logs(&place, &job);
    gm_job_info_fini(&job);
    return status;
}
