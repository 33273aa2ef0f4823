/* driver.c - the public calls that run: gleam_init, gleam_run, gleam_plan. */
#define GLEAM_NO_PLACES
#include "agent/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cluster/cluster.h"
#include "agent/files.h"
#include "agent/node/process.h"
#include "agent/stats.h"
#include "agent/summary.h"
#include "agent/trampoline.h"
#include "engine/flow/flow.h"

/* One program has one set of options and one set of warm executors. */
static struct gm_options options;
static struct gm_session session;

static void say(const char *text)
{
    fprintf(stderr, "gleam: %s\n", text);
}

/* Once per program, where the kernel forbids io_uring. */
static void say_disk(int refusal)
{
    static bool said;
    if (refusal >= 0 || said)
        return;
    said = true;
    fprintf(stderr, "gleam: io_uring cannot be used here (%s): files are read with pread\n",
            gm_error_name(refusal));
}

/* Rows that a source left out, or filled up, because the flow said so. */
static void say_bad_rows(const struct gm_executor_counts *counts)
{
    unsigned long long rows = 0;
    for (uint32_t i = 0; i < counts->chain_count; i++)
        rows += counts->chains[i].bad_rows;
    if (rows > 0)
        fprintf(stderr, "gleam: %llu bad row%s of the input %s left out or filled up with nulls\n",
                rows, rows == 1 ? "" : "s", rows == 1 ? "was" : "were");
}

static void stop_session(void)
{
    gm_session_stop(&session);
}

/* A descriptor of ours must never become number 0, 1 or 2, where this program and its libraries
 * read and write.  What a program prints to a closed standard output fails, as it would have. */
static void keep_standard_streams(void)
{
    static const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", modes[fd]) != fd)
            _exit(2); /* there is nowhere to say so */
}

void gleam_init(int *argc, char ***argv)
{
    keep_standard_streams();
    gm_trampoline();
    gm_node_process();
    signal(SIGPIPE, SIG_IGN);
    atexit(stop_session);
    struct gm_error error = {0};
    if (gm_options_take(&options, argc, *argv, &error) < 0) {
        say(error.text);
        exit(2);
    }
}

int gleam_set_option(const char *name, const char *value)
{
    struct gm_error error = {0};
    if (gm_options_set(&options, name, value, &error) == 0)
        return 0;
    say(error.text);
    return -1;
}

/* Plans for the options as they are; the caller calls gm_plan_fini. */
static int make_plan(struct gleam_flow *flow, struct gm_options *settled, struct gm_plan *plan)
{
    *settled = options;
    int rc = gm_options_settle(settled, &flow->error);
    if (rc == 0 && settled->master[0] != '\0' && settled->executor_count == 0)
        rc = gm_cluster_capacity(settled, &settled->executor_count, &flow->error);
    if (rc == 0)
        rc = gm_planner_make(flow, settled->executor_count, gm_files_list, plan);
    return rc;
}

static int print_plan(struct gleam_flow *flow, FILE *file)
{
    struct gm_plan plan = {0};
    struct gm_options settled;
    if (make_plan(flow, &settled, &plan) < 0)
        return 1;
    int rc = gm_plan_show(&plan, settled.executor_count, options.plan_form, NULL, file);
    gm_plan_fini(&plan);
    if (rc < 0)
        say("no memory to draw the plan");
    return rc < 0;
}

/* The plan with what each step did, on standard error: standard output is the flow's. */
static void show_analysis(const struct gm_plan *plan, const struct gm_job_report *report)
{
    const struct gm_plan_notes notes = {.notes = report->counts.analysis.notes,
                                        .executor_count = report->executor_count};
    if (gm_plan_show(plan, report->executor_count, options.plan_form, &notes, stderr) < 0)
        say("no memory to draw the plan");
}

bool gm_driver_shows_plan(void)
{
    return options.plan_only && !options.analyze;
}

bool gm_driver_draws(void)
{
    return options.analyze && options.plan_form != GM_PLAN_TEXT;
}

int gleam_plan(struct gleam_flow *flow, FILE *file)
{
    const int status = print_plan(flow, file);
    if (status != 0)
        say(flow->error.text);
    return status;
}

static void show_counters(const struct gm_executor_counts *counts)
{
    for (uint32_t i = 0; i < counts->counters.count; i++)
        fprintf(stderr, "gleam: counted %s: %lld\n", counts->counters.entries[i].name,
                (long long)counts->counters.entries[i].value);
    if (counts->counters_lost)
        fprintf(stderr, "gleam: the steps counted under more than %d names; some are not shown\n",
                GM_COUNTERS_MAX);
}

/* The flow's error says why it returns anything but 0. */
static int run(struct gleam_flow *flow, struct gm_plan *ret_plan, struct gm_job_report *ret_report)
{
    struct gm_options settled = options;
    settled.quiet = settled.quiet || gm_driver_draws();
    keep_standard_streams();
    if (!flow->broken)
        flow->error.code = 0;
    int rc = gm_options_settle(&settled, &flow->error);
    if (rc == 0)
        rc = gm_job_run(flow, &settled, &session, ret_plan, ret_report);
    if (!settled.quiet)
        say_disk(ret_report->counts.disk_refusal);
    if (!settled.quiet && rc == 0)
        say_bad_rows(&ret_report->counts);
    if (rc == 0 && settled.stats_path[0] != '\0')
        rc = gm_stats_write(settled.stats_path, ret_plan, ret_report, &flow->error);
    if (rc == 0 && !settled.quiet)
        show_counters(&ret_report->counts);
    if (rc == 0 && settled.analyze)
        show_analysis(ret_plan, ret_report);
    if (rc == 0)
        return 0;
    /* As a shell tells of a program that a signal ended: 130 for SIGINT. */
    return ret_report->timed_out     ? GM_STATUS_TIMED_OUT
           : rc == GM_EJOB_CANCELLED ? 128 + ret_report->stop_signal
                                     : 1;
}

int gm_driver_run(struct gleam_flow *flow, struct gm_plan *ret_plan,
                  struct gm_job_report *ret_report)
{
    const int status = run(flow, ret_plan, ret_report);
    if (status != 0)
        say(flow->error.text);
    return status;
}

int gleam_try(struct gleam_flow *flow)
{
    if (gm_driver_shows_plan())
        return print_plan(flow, stdout);
    struct gm_plan plan = {0};
    struct gm_job_report report = {0};
    const int status = run(flow, &plan, &report);
    if (status == 0 && !options.quiet && !gm_driver_draws() && !report.cut_short)
        gm_summary_print(&plan, &report, stderr);
    gm_executor_counts_fini(&report.counts);
    gm_plan_fini(&plan);
    return status;
}

int gleam_run(struct gleam_flow *flow)
{
    const int status = gleam_try(flow);
    if (status != 0)
        say(flow->error.text);
    return status;
}
