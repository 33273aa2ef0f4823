/* agent.c - `gleam agent`. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/node/daemon.h"
#include "cli/cli.h"
#include "engine/base/text.h"

#define PORT_DEFAULT 45327
#define WAIT_MS 60000

static const char help[] =
    "usage: gleam agent --dir DIR --master HOST:PORT [options]\n"
    "\n"
    "Gives cores and memory of this machine to the jobs of a cluster: it starts their executors,\n"
    "owns their shared memory, and moves frames to and from the other nodes.  What it gives is\n"
    "given to one job at a time.\n"
    "\n"
    "options\n"
    "  --dir DIR             programs of drivers, logs of jobs, and rows that memory has no room\n"
    "                        for\n"
    "  --master HOST:PORT    the master that it belongs to\n"
    "  --host HOST           the name or address by which others reach it (default: this\n"
    "                        machine's name; without a key 127.0.0.1)\n"
    "  --port PORT           where it listens, for control and data (default: 45327; 0: any)\n"
    "  --key FILE            the cluster's key, made by gleam keygen (default: what\n"
    "                        GLEAM_KEY_FILE names)\n"
    "  --cores N|LIST        cores to give: 2-15 (default: all)\n"
    "  --memory SIZE         memory to give, for everything: 16G (default: half of what is free)\n"
    "  --hugepages SIZE|auto|off\n"
    "                        huge pages of the shared regions (default: auto)\n"
    "  --spill-dir DIR[,DIR] where rows go that memory has no room for (default: DIR)\n"
    "  --net tcp             how frames travel between nodes (default: tcp)\n"
    "  --transport-cores N   the last N of the cores move frames, and nothing else: 0 or 1\n"
    "                        (default: 0, the executors' cores do both)\n"
    "  --data-center NAME    where it stands: jobs get agents close to each other\n"
    "  --rack NAME           ... and in which rack\n"
    "\n"
    "examples\n"
    "  gleam agent --dir /var/lib/gleam --master m1:45326 --key cluster.key --cores 2-15\n"
    "  gleam agent --dir /tmp/a1 --master 127.0.0.1:45326 --port 0 --cores 1 --memory 1G\n";

static int take_label(const char *name, const char *value, char ret_label[GM_LABEL_BYTES_MAX],
                      struct gm_error *error)
{
    if (value != NULL && strlen(value) >= GM_LABEL_BYTES_MAX)
        return gm_error_set(error, GM_EJOB_OPTION, "%s: a name has at most %d bytes", name,
                            GM_LABEL_BYTES_MAX - 1);
    snprintf(ret_label, GM_LABEL_BYTES_MAX, "%s", value != NULL ? value : "");
    return 0;
}

static int take_number(const char *name, const char *value, uint64_t most, uint64_t *ret_number,
                       struct gm_error *error)
{
    const char *why = "";
    if (value != NULL && gm_text_parse_u64(value, most, ret_number, &why) < 0)
        return gm_error_set(error, GM_EJOB_OPTION, "%s %s: a number from 0 to %llu", name, value,
                            (unsigned long long)most);
    return 0;
}

/* The options that `run` has as well. */
static int settle_run_options(struct gm_daemon_options *options, struct gm_error *error)
{
    struct gm_options *run = &options->run;
    struct gm_options given;
    int rc = 0;
    if (run->in_process || run->plan_only || run->analyze || run->quiet ||
        run->executor_count > 0 || run->timeout_ns > 0 || run->stats_path[0] != '\0')
        return gm_error_set(error, GM_EJOB_OPTION,
                            "an agent has none of the options that are about one job; "
                            "--help lists them");
    if (run->master[0] == '\0')
        return gm_error_set(error, GM_EJOB_OPTION, "--master HOST:PORT: whose agent shall it be?");
    if (run->spill.count == 0)
        rc = gm_options_set(run, "spill-dir", options->directory, error);
    /* As of a job on this machine: cores and memory are what is there. */
    given = *run;
    run->master[0] = '\0';
    if (rc == 0)
        rc = gm_options_settle(run, error);
    memcpy(run->master, given.master, sizeof run->master);
    return rc == 0 ? gm_key_find(run->key_path, &options->key, error) : rc;
}

static int take_directory(struct gm_daemon_options *options, const char *value,
                          struct gm_error *error)
{
    if (value == NULL)
        return gm_error_set(error, GM_EJOB_OPTION, "--dir DIR: where shall it keep its files?");
    mkdir(value, 0700); /* whether it is there now, realpath tells */
    char *whole = realpath(value, NULL);
    if (whole == NULL || strlen(whole) >= sizeof options->directory) {
        free(whole);
        return gm_error_set(error, GM_EJOB_OPTION, "--dir %s: there is no such directory, and it "
                            "cannot be made", value);
    }
    snprintf(options->directory, sizeof options->directory, "%s", whole);
    free(whole);
    return 0;
}

static int take_options(struct gm_daemon_options *options, int *argc, char **argv,
                        struct gm_error *error)
{
    const char *net = gm_cli_option(argc, argv, "--net");
    const char *directory = gm_cli_option(argc, argv, "--dir");
    const char *port_text = gm_cli_option(argc, argv, "--port");
    const char *transport = gm_cli_option(argc, argv, "--transport-cores");
    const char *center = gm_cli_option(argc, argv, "--data-center");
    const char *rack = gm_cli_option(argc, argv, "--rack");
    const char *host = gm_cli_option(argc, argv, "--host");
    uint64_t port = PORT_DEFAULT, transport_cores = 0;
    int rc = gm_options_take(&options->run, argc, argv, error);
    gm_cli_no_more_options(argc, argv);
    if (rc == 0)
        rc = take_number("--port", port_text, 65535, &port, error);
    if (rc == 0)
        rc = take_number("--transport-cores", transport, 1, &transport_cores, error);
    if (rc == 0)
        rc = take_label("--data-center", center, options->data_center, error);
    if (rc == 0)
        rc = take_label("--rack", rack, options->rack, error);
    if (rc == 0 && host != NULL && strlen(host) >= sizeof options->host)
        rc = gm_error_set(error, GM_EJOB_OPTION, "--host: a name has at most 255 bytes");
    if (rc == 0 && net != NULL && strcmp(net, "tcp") != 0)
        rc = gm_error_set(error, GM_EJOB_OPTION, "--net %s: this build knows tcp alone", net);
    if (rc == 0)
        rc = take_directory(options, directory, error);
    if (rc < 0)
        return rc;
    snprintf(options->host, sizeof options->host, "%s", host != NULL ? host : "");
    snprintf(options->net, sizeof options->net, "tcp");
    options->port = (uint16_t)port;
    options->transport_cores = (uint32_t)transport_cores;
    rc = settle_run_options(options, error);
    if (rc == 0 && options->run.core_count <= options->transport_cores)
        rc = gm_error_set(error, GM_EJOB_OPTION,
                          "--transport-cores: with %u of %u cores none is left for executors",
                          options->transport_cores, options->run.core_count);
    return rc;
}

int gm_cli_agent(int argc, char **argv)
{
    static struct gm_daemon_options options; /* many KiB */
    struct gm_error error = {0};
    static struct gm_daemon *daemon; /* a thread that greets may look at it until the end */
    const char *why = NULL;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (take_options(&options, &argc, argv, &error) < 0) {
        fprintf(stderr, "gleam agent: %s\n", error.text);
        return 2;
    }
    if (argc != 1)
        return gm_cli_mistake(help);
    gm_cli_hold_signals();
    if (gm_daemon_start(&options, &daemon, &why, &error) < 0) {
        fprintf(stderr, "gleam agent: %s\n", error.text);
        return 1;
    }
    if (why != NULL)
        fprintf(stderr, "gleam agent: it listens at the loopback alone: %s\n", why);
    fprintf(stderr, "gleam agent: ready at %s\n", gm_daemon_address(daemon));
    while (gm_cli_wait_for_end(WAIT_MS) == 0)
        continue;
    gm_daemon_stop(daemon);
    return 0;
}
