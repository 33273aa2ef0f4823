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

/* ---- cached datasets ------------------------------------------------------------------------- */

static void uncache(uint64_t id)
{
    gm_session_forget(&session, id);
}

/* Cached datasets whose executors have ended are computed again from what they are made of, but for
 * the result of rounds: those are over. */
static int forget_lost(struct gleam_flow *flow)
{
    for (uint32_t i = 0; i < flow->node_count; i++) {
        const struct gleam_dataset *node = flow->nodes[i];
        if (node->cached == NULL || node->cached->id == 0 ||
            gm_session_keeps(&session, node->cached->id))
            continue;
        if (node->cached->of_rounds)
            return gm_error_set(&flow->error, GM_EPEER_DIED,
                                "%s: step '%s': the rows of its last round went with the executors "
                                "that kept them: build and run the flow again",
                                node->where, node->name);
        node->cached->id = 0;
    }
    return 0;
}

int gleam_set_option(const char *name, const char *value)
{
    struct gm_error error = {0};
    if (gm_options_set(&options, name, value, &error) == 0)
        return 0;
    say(error.text);
    return -1;
}

/* ---- plans ----------------------------------------------------------------------------------- */

/* One plan of those that a flow is made of, in the form that was asked for. */
static int show_part(const struct gm_plan_part *part, const struct gm_options *settled, FILE *file)
{
    struct gm_plan plan = {0};
    uint32_t failed;
    if (gm_planner_make_parts(part, 1, settled->executor_count, gm_files_list, &plan, &failed) < 0)
        return 1;
    if (part->fill != NULL)
        fprintf(file, "to cache '%s', before what follows:\n", part->fill->name);
    const int rc = gm_plan_show(&plan, settled->executor_count, options.plan_form, NULL, file);
    gm_plan_fini(&plan);
    if (rc < 0)
        say("no memory to draw the plan");
    return rc < 0;
}

/* As text, cached datasets come first, with the plan that fills each; a picture is of the rest. */
static int print_plan(struct gleam_flow *flow, FILE *file)
{
    struct gleam_dataset *node;
    struct gm_options settled = options;
    struct gm_plan_part part = {.flow = flow};
    bool shown[GM_STEPS_MAX] = {false};
    int status = gm_options_settle(&settled, &flow->error) < 0;
    if (status == 0 && settled.master[0] != '\0' && settled.executor_count == 0)
        status = gm_cluster_capacity(&settled, &settled.executor_count, &flow->error) < 0;
    forget_lost(flow);
    while (status == 0 && !flow->broken && (node = gm_planner_next_cached(flow, 0)) != NULL) {
        part.fill = node;
        part.fill_id = UINT64_MAX - node->index;
        FILE *to = options.plan_form == GM_PLAN_TEXT ? file : fopen("/dev/null", "we");
        status = to == NULL ? 1 : show_part(&part, &settled, to);
        if (to != NULL && to != file)
            fclose(to);
        /* What follows reads it. */
        shown[node->index] = true;
        node->cached->id = part.fill_id;
    }
    part.fill = NULL;
    if (status == 0)
        status = show_part(&part, &settled, file);
    for (uint32_t i = 0; i < flow->node_count; i++)
        if (shown[i])
            flow->nodes[i]->cached->id = 0;
    return status;
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

bool gleam_shows_plan(void)
{
    return gm_driver_shows_plan();
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

/* ---- running --------------------------------------------------------------------------------- */

/* The exit status of what a job came to. */
static int status_of(int rc, const struct gm_job_report *report)
{
    if (rc == 0)
        return 0;
    /* As a shell tells of a program that a signal ended: 130 for SIGINT. */
    return report->timed_out           ? GM_STATUS_TIMED_OUT
           : rc == GM_EJOB_CANCELLED ? 128 + report->stop_signal
                                     : 1;
}

/* A job that fills a cached dataset, before the one that *report will tell of. */
static int fill(struct gleam_flow *flow, struct gleam_dataset *node,
                const struct gm_options *settled, struct gm_job_report *report)
{
    const struct gm_plan_part part = {.flow = flow, .fill = node, .fill_id = ++session.last_id};
    struct gm_plan plan = {0};
    struct gm_job_report one = {0};
    if (settled->master[0] != '\0')
        return gm_error_set(&flow->error, GM_EJOB_FLOW,
                            "%s: step '%s': a cached dataset lies in executors, which on a cluster "
                            "end with their job: run it without --master",
                            node->where, node->name);
    const int rc = gm_job_run(&part, 1, settled, &session, &plan, &one);
    flow->uncache = uncache;
    report->before.jobs_count++;
    report->before.elapsed_ns += one.elapsed_ns;
    report->before.spilled_bytes += one.counts.spilled_bytes;
    for (uint32_t c = 0; c < one.counts.chain_count; c++) {
        if (plan.chains[c].source.kind == GM_SOURCE_EXCHANGE)
            continue;
        report->before.input_rows += one.counts.chains[c].source_rows;
        report->before.input_bytes += one.counts.chains[c].source_bytes;
    }
    if (rc < 0) {
        report->timed_out = one.timed_out;
        report->stop_signal = one.stop_signal;
        report->counts.disk_refusal = one.counts.disk_refusal;
    } else if (!settled->quiet) {
        say_bad_rows(&one.counts);
        show_counters(&one.counts);
    }
    gm_executor_counts_fini(&one.counts);
    gm_plan_fini(&plan);
    return rc;
}

/* What is left of --timeout. */
static void shorten(struct gm_options *settled, const struct gm_job_report *report)
{
    const uint64_t passed_ns = report->before.elapsed_ns;
    if (options.timeout_ns > 0)
        settled->timeout_ns = options.timeout_ns > passed_ns ? options.timeout_ns - passed_ns : 1;
}

/* Fills what the flows read and nobody keeps, one dataset after the other. */
static int fill_all(const struct gm_plan_part *parts, uint32_t part_count,
                    struct gm_options *settled, struct gm_job_report *report)
{
    struct gleam_dataset *node;
    int rc = 0;
    for (uint32_t i = 0; i < part_count && rc == 0; i++) {
        struct gleam_flow *flow = parts[i].flow;
        rc = forget_lost(flow);
        while (rc == 0 && !flow->broken &&
               (node = gm_planner_next_cached(flow, parts[i].first_output)) != NULL) {
            rc = fill(flow, node, settled, report);
            shorten(settled, report);
        }
    }
    return rc;
}

/* The flows' errors say why it returns anything but 0. */
static int run(const struct gm_plan_part *parts, uint32_t part_count, struct gm_plan *ret_plan,
               struct gm_job_report *ret_report)
{
    struct gm_options settled = options;
    struct gm_job_report earlier = {0};
    struct gm_error *error = &parts[0].flow->error;
    settled.quiet = settled.quiet || gm_driver_draws();
    keep_standard_streams();
    for (uint32_t i = 0; i < part_count; i++)
        if (!parts[i].flow->broken)
            parts[i].flow->error.code = 0;
    int rc = gm_options_settle(&settled, error);
    if (rc == 0) {
        gm_session_look(&session, &settled);
        rc = fill_all(parts, part_count, &settled, &earlier);
    }
    if (rc == 0)
        rc = gm_job_run(parts, part_count, &settled, &session, ret_plan, ret_report);
    else
        *ret_report = earlier;
    ret_report->before = earlier.before;
    if (!settled.quiet)
        say_disk(ret_report->counts.disk_refusal);
    if (!settled.quiet && rc == 0)
        say_bad_rows(&ret_report->counts);
    if (rc == 0 && settled.stats_path[0] != '\0')
        rc = gm_stats_write(settled.stats_path, ret_plan, ret_report, error);
    if (rc == 0 && !settled.quiet)
        show_counters(&ret_report->counts);
    if (rc == 0 && settled.analyze)
        show_analysis(ret_plan, ret_report);
    return status_of(rc, ret_report);
}

int gm_driver_run(struct gleam_flow *flow, struct gm_plan *ret_plan,
                  struct gm_job_report *ret_report)
{
    const struct gm_plan_part part = {.flow = flow};
    const int status = run(&part, 1, ret_plan, ret_report);
    if (status != 0)
        say(flow->error.text);
    return status;
}

int gm_driver_run_parts(const struct gm_plan_part *parts, uint32_t part_count, bool tells)
{
    struct gm_plan plan = {0};
    struct gm_job_report report = {0};
    const int status = run(parts, part_count, &plan, &report);
    if (status == 0 && tells && !options.quiet && !gm_driver_draws() && !report.cut_short)
        gm_summary_print(&plan, &report, stderr);
    gm_executor_counts_fini(&report.counts);
    gm_plan_fini(&plan);
    return status;
}

int gm_driver_fill(struct gleam_dataset *node)
{
    struct gleam_flow *flow = node->flow;
    struct gm_options settled = options;
    struct gm_job_report report = {0};
    settled.quiet = settled.quiet || gm_driver_draws();
    keep_standard_streams();
    int rc = flow->broken ? flow->error.code : gm_options_settle(&settled, &flow->error);
    if (rc == 0) {
        gm_session_look(&session, &settled);
        rc = forget_lost(flow);
    }
    while (rc == 0 && node->cached->id == 0) {
        struct gleam_dataset *before = gm_planner_next_cached_of(node);
        rc = fill(flow, before, &settled, &report);
        shorten(&settled, &report);
    }
    return status_of(rc, &report);
}

int gleam_try(struct gleam_flow *flow)
{
    if (gm_driver_shows_plan())
        return print_plan(flow, stdout);
    if (flow->broken && flow->status != 0)
        return flow->status;
    const struct gm_plan_part part = {.flow = flow};
    return gm_driver_run_parts(&part, 1, true);
}

int gleam_run(struct gleam_flow *flow)
{
    const int status = gleam_try(flow);
    if (status != 0)
        say(flow->error.text);
    return status;
}

void gm_driver_say(const char *text)
{
    say(text);
}
