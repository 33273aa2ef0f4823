/* master.c - `gleam master`. */
#include "master/master.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "engine/base/text.h"

#define TICK_MS 100
#define BEAT_MS_DEFAULT 2000
#define LOST_MS_DEFAULT 6000
#define TIME_MS_MAX 3600000

static const char help[] =
    "usage: gleam master [options]\n"
    "\n"
    "Knows the agents of a cluster and which of their cores and memory are free, and gives them\n"
    "to jobs: all that one asks for or nothing, first come first served.  It holds nothing that\n"
    "agents and drivers cannot tell it again: jobs go on while it is away.  Its API, for curl, is\n"
    "in docs/cluster.md.\n"
    "\n"
    "options\n"
    "  --address HOST:PORT   where it listens (default: :45326, every address; without a key\n"
    "                        the loopback alone)\n"
    "  --key FILE            the cluster's key, made by gleam keygen (default: what\n"
    "                        GLEAM_KEY_FILE names)\n"
    "  --dir DIR             keep the history of jobs there (default: in memory)\n"
    "  --heartbeat MS        how often agents and drivers say that they live (default: 2000)\n"
    "  --lost-after MS       after which silence one is lost (default: 6000)\n"
    "\n"
    "examples\n"
    "  gleam master --key cluster.key --dir /var/lib/gleam\n"
    "  gleam master --address 127.0.0.1:45326\n";

/* Milliseconds of an option into ns.  Returns false after saying what is wrong. */
static bool take_ms(const char *name, const char *value, uint64_t *ret_ns)
{
    const char *why = "";
    uint64_t ms;
    if (value == NULL)
        return true;
    if (gm_text_parse_u64(value, TIME_MS_MAX, &ms, &why) < 0 || ms < 10) {
        fprintf(stderr, "gleam master: %s %s: milliseconds, from 10 to %d\n", name, value,
                TIME_MS_MAX);
        return false;
    }
    *ret_ns = ms * 1000000;
    return true;
}

static int run(const struct gm_master_options *options)
{
    struct gm_error error = {0};
    struct gm_master *master;
    const char *why;
    uint16_t port;
    gm_cli_hold_signals();
    if (gm_master_start(options, &master, &port, &why, &error) < 0) {
        fprintf(stderr, "gleam master: %s\n", error.text);
        return 1;
    }
    if (why != NULL)
        fprintf(stderr, "gleam master: it listens at the loopback alone: %s\n", why);
    fprintf(stderr, "gleam master: ready at %s:%u\n",
            options->host[0] != '\0' ? options->host : why != NULL ? "127.0.0.1" : "", port);
    while (gm_cli_wait_for_end(TICK_MS) == 0)
        gm_master_tick(master);
    gm_master_stop(master);
    return 0;
}

int gm_cli_master(int argc, char **argv)
{
    struct gm_error error = {0};
    struct gm_master_options options = {.beat_ns = BEAT_MS_DEFAULT * UINT64_C(1000000),
                                        .lost_ns = LOST_MS_DEFAULT * UINT64_C(1000000)};
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    const char *address = gm_cli_option(&argc, argv, "--address");
    const char *key = gm_cli_option(&argc, argv, "--key");
    options.directory = gm_cli_option(&argc, argv, "--dir");
    const char *beat = gm_cli_option(&argc, argv, "--heartbeat");
    const char *lost = gm_cli_option(&argc, argv, "--lost-after");
    gm_cli_no_more_options(&argc, argv);
    if (!take_ms("--heartbeat", beat, &options.beat_ns) ||
        !take_ms("--lost-after", lost, &options.lost_ns))
        return 2;
    if (argc != 1)
        return gm_cli_mistake(help);
    int rc = gm_address_parse("address", address != NULL ? address : ":45326", options.host,
                              &options.port, &error);
    if (rc == 0)
        rc = gm_key_find(key, &options.key, &error);
    if (rc == 0 && options.lost_ns <= options.beat_ns)
        rc = gm_error_set(&error, GM_EJOB_OPTION,
                          "--lost-after: more than --heartbeat, or everybody is lost");
    if (rc < 0) {
        fprintf(stderr, "gleam master: %s\n", error.text);
        return 2;
    }
    return run(&options);
}
