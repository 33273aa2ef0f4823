/* job.c - the driver's part of a job: it starts the executors' work, drains what comes out, and
 * waits.
 *
 * It is one more participant of the region: frames of results come to it through rings, and every
 * descriptor and frame header is checked before it is believed.
 */
#include "agent/job.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cluster/cluster.h"
#include "agent/command_disk.h"
#include "agent/deadline.h"
#include "agent/files.h"
#include "agent/output.h"
#include "agent/parts.h"
#include "agent/placed_sink.h"
#include "agent/progress.h"
#include "engine/base/check.h"
#include "engine/base/text.h"
#include "iouring/bell.h"
#include "shuffle/link.h"
#include "shuffle/port/clock.h"
#include "shuffle/port/random.h"

/* How long the driver sleeps at most: then it looks whether an executor died without a word. */
#define SLEEP_NS_MAX UINT64_C(100000000)
/* After so long without a result the region is looked at. */
#define CHECK_NS UINT64_C(500000000)
/* Runs taken from the outputs before the control sockets are looked at. */
#define RUNS_PER_LOOK 256

struct drain {
    struct gm_receiver *receiver;
    struct gm_output_writer *writer;
    bool ended;
};

struct job {
    const struct gm_plan_part *parts;
    uint32_t part_count;
    uint32_t failed; /* of the parts; part_count: all of them */
    struct gm_output *outputs[GM_EXCHANGES_MAX];
    uint32_t output_part[GM_EXCHANGES_MAX];
    uint32_t output_count;
    struct gm_output fill; /* what the executors tell of a dataset that they keep */
    const struct gm_options *options;
    struct gm_session *session; /* also of a job on a cluster, which leaves it alone */
    struct gm_crew crew;
    struct gm_cluster *cluster; /* NULL: on this machine alone */
    struct gm_plan *plan;
    struct gm_error *error;
    struct gm_region region;
    struct gm_heap heap; /* the driver's */
    struct gm_eventfd_bell bell_state;
    struct gm_bell bell;
    struct gm_link *link;
    struct gm_network network;
    struct drain drains[GM_EXCHANGES_MAX]; /* by output */
    struct gm_progress progress;
    struct gm_clock clock;
    bool said_port[GM_EXCHANGES_MAX]; /* by chain */
};

/* ---- signals --------------------------------------------------------------------------------- */

/* A signal rings the driver's bell, so that it wakes up wherever it waits. */
static _Atomic int stop_signal; /* lock-free, so a handler may write it */
static _Atomic int stop_bell = -1;
static _Atomic(gleam_stop_fn *) on_stop; /* the program's own */
static void *_Atomic on_stop_argument;

void gleam_on_stop(gleam_stop_fn *function, void *argument)
{
    on_stop = NULL; /* it is never called with the argument of another */
    on_stop_argument = argument;
    on_stop = function;
}

static void note_signal(int number)
{
    const int saved = errno;
    const uint64_t one = 1;
    stop_signal = number;
    if (stop_bell >= 0 && write(stop_bell, &one, sizeof one) < 0)
        stop_signal = number; /* a full counter wakes it as well */
    gleam_stop_fn *function = on_stop;
    if (function != NULL)
        function(on_stop_argument);
    errno = saved;
}

/* --timeout is over.  A signal of a person that came before counts. */
static void note_deadline(int number)
{
    if (stop_signal == 0 || stop_signal == GM_DEADLINE_SIGNAL)
        note_signal(number);
}

static const int watched_signals[] = {SIGINT, SIGTERM, SIGHUP};
#define WATCHED_SIGNALS (sizeof watched_signals / sizeof *watched_signals)

/* A signal that the program ignores stays ignored (nohup). */
static void watch_signals(struct sigaction *ret_before, int bell)
{
    struct sigaction watch = {.sa_handler = note_signal};
    sigemptyset(&watch.sa_mask);
    stop_signal = 0;
    stop_bell = bell;
    for (size_t i = 0; i < WATCHED_SIGNALS; i++) {
        sigaction(watched_signals[i], &watch, &ret_before[i]);
        if (ret_before[i].sa_handler == SIG_IGN)
            sigaction(watched_signals[i], &ret_before[i], NULL);
    }
}

static void unwatch_signals(const struct sigaction *before)
{
    for (size_t i = 0; i < WATCHED_SIGNALS; i++)
        sigaction(watched_signals[i], &before[i], NULL);
    stop_bell = -1;
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static int open_outputs(struct job *job)
{
    const struct gm_plan *plan = job->plan;
    for (uint32_t i = 0; i < plan->exchange_count; i++) {
        struct gm_exchange_plan *exchange = &plan->exchanges[i];
        if (exchange->kind != GM_EXCHANGE_OUTPUT)
            continue;
        struct drain *drain = &job->drains[exchange->output];
        const uint16_t self = (uint16_t)job->region.spec.executor_count;
        int rc;
        do /* a FIFO is waited for until it has a reader */
            rc = gm_output_writer_create(job->outputs[exchange->output], &exchange->schema,
                                         &job->heap, job->error, &drain->writer);
        while (rc == -EINTR && stop_signal == 0);
        if (rc < 0) {
            job->failed = job->output_part[exchange->output];
            return rc;
        }
        gm_output_writer_watch(drain->writer, &stop_signal);
        if (exchange->parts != NULL)
            snprintf(exchange->parts->directory, sizeof exchange->parts->directory, "%s",
                     gm_output_writer_directory(drain->writer));
        /* Executors of other machines cannot open the driver's file: rows come here. */
        if (exchange->placed != NULL && job->cluster == NULL)
            gm_output_writer_place(drain->writer, exchange->placed->path);
        rc = gm_receiver_create(&job->region, (uint16_t)i, self, exchange->partition_count,
                                &job->network, &job->heap, &drain->receiver);
        if (rc < 0)
            return gm_error_set(job->error, rc, "no memory for an output");
        if (exchange->ordered)
            gm_receiver_set_ordered(drain->receiver);
    }
    return 0;
}

static int check_huge(const struct gm_options *options, const struct gm_region_spec *spec,
                      struct gm_error *error)
{
    const uint64_t need = gm_region_footprint(spec);
    if (options->pages != GM_PAGES_HUGE || options->huge_bytes >= need)
        return 0;
    char have[32], want[32];
    gm_text_format_size(options->huge_bytes, have, sizeof have);
    gm_text_format_size(need, want, sizeof want);
    return gm_error_set(error, GM_EJOB_OPTION,
                        "--hugepages: the shared region needs %s, more than the %s given: give "
                        "more, or --hugepages auto",
                        want, have);
}

void gm_job_lend(const struct gm_region *region, const struct gm_plan *plan,
                 const struct gm_memory_split *split)
{
    atomic_store_explicit(gm_region_claim(region, GM_CLAIMS_PER_CHAIN * plan->chain_count),
                          region->spec.local_count * (split->heap_bytes - split->least_bytes),
                          memory_order_relaxed);
}

static int make_region(struct job *job, struct gm_memory_split *ret_split)
{
    struct gm_region_spec spec = {0};
    const struct gm_random random = gm_random_system();
    struct gm_job_place place;
    int rc = 0;
    if (job->cluster != NULL)
        rc = gm_cluster_place(job->cluster, job->plan, &place, job->error);
    if (rc == 0)
        rc = gm_job_divide(job->plan, job->options, job->cluster != NULL ? &place : NULL, &spec,
                           ret_split, job->error);
    if (rc == 0)
        rc = check_huge(job->options, &spec, job->error);
    if (rc < 0)
        return rc;
    spec.attempt = (uint32_t)gm_random_next(&random);
    spec.secret = gm_random_next(&random);
    rc = gm_region_create(&spec, job->options->pages, &job->region, job->error);
    if (rc == 0)
        gm_job_lend(&job->region, job->plan, ret_split);
    return rc;
}

static int open_driver(struct job *job, const struct gm_memory_split *split)
{
    const struct gm_region_spec *spec = &job->region.spec;
    const uint32_t executors = spec->executor_count;
    int rc = gm_heap_init(&job->heap, split->driver_bytes);
    if (rc < 0)
        return gm_error_set(job->error, rc, "no memory for the driver's heap");
    gm_eventfd_bell_init(&job->bell_state, job->crew.bells, gm_region_seat_count(spec),
                         (uint16_t)gm_region_seat(spec, executors));
    job->bell = gm_eventfd_bell_port(&job->bell_state);
    rc = gm_link_create(&job->region, (uint16_t)executors, &job->bell, &job->heap, &job->link);
    if (rc < 0)
        return gm_error_set(job->error, rc, "cannot join the region: %s", gm_error_name(rc));
    job->network = gm_link_network(job->link);
    return open_outputs(job);
}

/* After a failure, when no executor runs any more: what they left. */
static void clear_up(const struct job *job)
{
    gm_command_kill_all(job->plan, &job->region);
    for (uint32_t i = 0; i < job->plan->exchange_count; i++) {
        const struct gm_parts_plan *parts = job->plan->exchanges[i].parts;
        if (parts != NULL && parts->directory[0] != '\0')
            gm_parts_remove(parts->directory);
    }
}

static void close_driver(struct job *job)
{
    for (uint32_t i = 0; i < job->output_count; i++) {
        gm_receiver_destroy(job->drains[i].receiver);
        gm_output_writer_destroy(job->drains[i].writer);
    }
    gm_link_destroy(job->link);
    gm_heap_fini(&job->heap);
}

/* ---- several flows, and datasets to keep ----------------------------------------------------- */

/* A partition that an executor keeps: its number, rows and bytes. */
static int note_kept(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    struct gm_cached *cached = argument;
    (void)column_count;
    cached->rows += (uint64_t)row[1].i64;
    cached->bytes += (uint64_t)row[2].i64;
    return 0;
}

static void list_outputs(struct job *job)
{
    for (uint32_t i = 0; i < job->part_count; i++) {
        const struct gm_plan_part *part = &job->parts[i];
        if (part->fill != NULL) {
            part->fill->cached->rows = part->fill->cached->bytes = 0;
            job->fill = (struct gm_output){.kind = GM_OUTPUT_ROW,
                                           .function = note_kept,
                                           .argument = part->fill->cached};
            job->outputs[job->output_count++] = &job->fill;
            continue;
        }
        for (uint32_t o = part->first_output; o < part->flow->output_count; o++) {
            GM_CHECK(job->output_count < GM_EXCHANGES_MAX); /* each has an exchange */
            job->output_part[job->output_count] = i;
            job->outputs[job->output_count++] = &part->flow->outputs[o];
        }
    }
}

static int list_kept(const struct gm_session *session, struct gm_plan *plan)
{
    plan->kept = calloc(session->kept_count + 1, sizeof *plan->kept);
    if (plan->kept == NULL)
        return -ENOMEM;
    memcpy(plan->kept, session->kept, session->kept_count * sizeof *plan->kept);
    plan->kept_count = session->kept_count;
    return 0;
}

static int note_filled(struct job *job)
{
    for (uint32_t i = 0; i < job->part_count; i++) {
        const struct gm_plan_part *part = &job->parts[i];
        if (part->fill == NULL)
            continue;
        if (gm_session_keep(job->session, part->fill_id) < 0)
            return gm_error_set(job->error, GM_EJOB_FLOW,
                                "%s: step '%s': more than %u cached datasets at a time: take some "
                                "back with gleam_uncache",
                                part->fill->where, part->fill->name, GM_CACHED_MAX);
        part->fill->cached->id = part->fill_id;
    }
    return 0;
}

/* Which flow's step an executor was at when it failed. */
static void find_failed(struct job *job)
{
    const uint32_t index = job->session->failed_executor;
    if (index >= job->region.spec.executor_count)
        return;
    const struct gm_ledger_entry *ledger = gm_region_ledger(&job->region, index);
    const uint32_t chain = atomic_load_explicit(&ledger->chain, memory_order_relaxed);
    if (chain < job->plan->chain_count)
        job->failed = job->plan->chains[chain].scope;
}

/* The failed flow has the error; the others are told whose it is. */
static void tell_flows(const struct job *job, int rc)
{
    for (uint32_t i = 0; i < job->part_count; i++) {
        struct gm_error *error = &job->parts[i].flow->error;
        *error = (struct gm_error){0};
        if (rc >= 0 || i == job->failed || job->failed >= job->part_count)
            *error = *job->error;
        else
            gm_error_set(error, job->error->code,
                         "not done, because flow '%s' beside it failed: %s",
                         job->parts[job->failed].flow->name, job->error->text);
    }
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Takes what one output's exchange has.  Returns 0 when it took something, GM_AGAIN, GM_END, or
 * < 0. */
static int drain_one(struct job *job, struct drain *drain)
{
    for (uint32_t i = 0; i < RUNS_PER_LOOK; i++) {
        struct gm_run run;
        int rc = gm_receiver_next(drain->receiver, &run);
        if (rc == GM_ETASK_MEMORY)
            return gm_error_set(job->error, rc,
                                "a row does not fit the driver's share of the memory: give more "
                                "with --memory");
        if (rc < 0)
            return gm_error_set(job->error, rc, "the driver refused a frame: %s",
                                gm_receiver_why(drain->receiver));
        if (rc != 0)
            return rc == GM_AGAIN && i > 0 ? 0 : rc;
        gm_progress_wipe(&job->progress); /* the rows may go to the same terminal */
        rc = gm_output_writer_rows(drain->writer, &run, job->error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int drain_all(struct job *job, bool *ret_progressed, bool *ret_ended)
{
    *ret_ended = true;
    for (uint32_t i = 0; i < job->output_count; i++) {
        struct drain *drain = &job->drains[i];
        if (drain->ended)
            continue;
        int rc = drain_one(job, drain);
        if (rc < 0) {
            job->failed = job->output_part[i];
            return rc;
        }
        *ret_progressed = *ret_progressed || rc != GM_AGAIN;
        drain->ended = rc == GM_END;
        *ret_ended = *ret_ended && drain->ended;
    }
    return 0;
}

/* Nobody reads any output any more: the rest of the work would be for nothing. */
static bool nobody_reads(const struct job *job)
{
    for (uint32_t i = 0; i < job->output_count; i++)
        if (!gm_output_writer_closed(job->drains[i].writer))
            return false;
    return true;
}

/* Announces the sleep and tries once more.  Whether frames are there is not the question: an
 * ordered output leaves those of later sources where they are.  Returns 0 or < 0. */
static int wait_for_work(struct job *job)
{
    int extra[GM_EXECUTORS_MAX];
    const uint32_t count = job->crew.ops->descriptors(job->crew.self, extra, GM_EXECUTORS_MAX);
    bool progressed = false, ended;
    gm_link_announce(job->link);
    const int rc = drain_all(job, &progressed, &ended);
    if (rc == 0 && !progressed)
        job->bell.ops->wait(job->bell.self, extra, count, SLEEP_NS_MAX);
    gm_link_awake(job->link);
    return rc;
}

/* Which port a listener that may have any was given: there is no other way to know. */
static void say_ports(struct job *job)
{
    for (uint32_t i = 0; i < job->plan->chain_count; i++) {
        const struct gm_source *source = &job->plan->chains[i].source;
        if (!gm_source_listens(source) || job->said_port[i])
            continue;
        const char *address = source->files[0].path, *colon = strrchr(address, ':');
        const uint64_t port = atomic_load_explicit(
            gm_region_word(&job->region, source->command_word), memory_order_acquire);
        if (port == 0)
            continue;
        job->said_port[i] = true;
        if (strtoul(colon + 1, NULL, 10) != 0)
            continue;
        gm_progress_wipe(&job->progress);
        fprintf(stderr, "gleam: '%s' listens at %.*s:%" PRIu64 "\n", source->name,
                (int)(colon - address), address, port);
    }
}

int gm_job_check_region(const struct gm_region *region, struct gm_error *error)
{
    const char *what = gm_region_damage(region);
    if (what == NULL)
        return 0;
    return gm_error_set(error, GM_EFRAME_CORRUPT,
                        "an executor wrote over the shared memory (%s): one of the steps writes "
                        "where it may not; look for it with a build under -fsanitize=address, or "
                        "with --in-process under valgrind",
                        what);
}

/* Until every output has ended and every executor has said so.  Returns 0, GM_END when nobody reads
 * any more, or < 0; -EINTR, without a text, when a signal stopped it. */
static int run_loop(struct job *job, struct gm_executor_counts *counts)
{
    bool executors_done = false;
    uint64_t check_ns = 0; /* when the region is looked at again; 0: it gets on */
    for (;;) {
        bool progressed = false, outputs_done;
        int rc = stop_signal != 0 ? -EINTR : drain_all(job, &progressed, &outputs_done);
        if (rc < 0)
            return rc;
        if (nobody_reads(job))
            return GM_END;
        if (!executors_done) {
            rc = job->crew.ops->collect(job->crew.self, &job->region, job->plan, counts,
                                        job->error);
            if (rc < 0) {
                find_failed(job);
                return rc;
            }
            executors_done = rc == 0;
            progressed = progressed || executors_done;
        }
        if (outputs_done && executors_done)
            return gm_job_check_region(&job->region, job->error);
        /* An executor that has ended has sent all it had: what is not there now never comes. */
        if (executors_done && !progressed)
            return gm_error_set(job->error, GM_EFRAME_CORRUPT,
                                "the executors ended without ending their outputs");
        const uint64_t now_ns = gm_clock_now_ns(&job->clock);
        gm_progress_tick(&job->progress, &job->region, now_ns);
        say_ports(job);
        if (progressed || check_ns == 0)
            check_ns = now_ns + CHECK_NS;
        if (now_ns >= check_ns) {
            rc = gm_job_check_region(&job->region, job->error);
            if (rc < 0)
                return rc;
            check_ns = 0;
        }
        rc = progressed ? 0 : wait_for_work(job);
        if (rc < 0)
            return rc;
    }
}

/* What executors wrote by themselves, into an output's one file, is all there. */
static int check_placed(struct job *job)
{
    int rc = 0;
    for (uint32_t i = 0; i < job->plan->exchange_count && rc == 0; i++) {
        const struct gm_exchange_plan *exchange = &job->plan->exchanges[i];
        uint64_t bytes = 0;
        if (exchange->placed == NULL || exchange->placed->path[0] == '\0')
            continue;
        if (!gm_placed_bytes(exchange->placed, &job->region, &bytes))
            return gm_error_set(job->error, GM_EFRAME_CORRUPT,
                                "an executor ended without telling how much it wrote to %s",
                                exchange->placed->target);
        rc = gm_output_writer_placed(job->drains[exchange->output].writer, bytes, job->error);
    }
    return rc;
}

static int finish_outputs(struct job *job)
{
    int rc = check_placed(job);
    for (uint32_t i = 0; i < job->output_count && rc == 0; i++) {
        job->failed = job->output_part[i];
        rc = gm_output_writer_finish(job->drains[i].writer, job->error);
    }
    /* The last moment at which nothing has appeared yet. */
    if (rc == 0 && stop_signal != 0)
        rc = -EINTR;
    for (uint32_t i = 0; i < job->output_count && rc == 0; i++) {
        job->failed = job->output_part[i];
        rc = gm_output_writer_commit(job->drains[i].writer, job->error);
    }
    if (rc == 0 || rc == -EINTR)
        job->failed = job->part_count;
    return rc;
}

/* Nobody reads any more.  Returns GM_END, or < 0 when a command failed. */
static int leave_outputs(struct job *job)
{
    int rc = 0;
    for (uint32_t i = 0; i < job->output_count && rc == 0; i++)
        rc = gm_output_writer_leave(job->drains[i].writer, job->error);
    return rc < 0 ? rc : GM_END;
}

static void fill_report(struct job *job, struct gm_job_report *report)
{
    const uint32_t executors = job->region.spec.executor_count;
    report->region_bytes = job->region.bytes;
    report->region_pages = job->region.pages;
    report->frame_bytes = job->region.spec.frame_bytes;
    report->executor_count = executors;
    report->heap_peak_bytes = job->heap.peak_bytes;
    job->crew.ops->report(job->crew.self, &job->region, report);
    report->heap_peak_bytes += report->counts.cached_memory_bytes;
    for (uint32_t i = 0; i < job->output_count; i++)
        if (job->drains[i].writer != NULL) /* a target that could not be opened */
            report->output_bytes += gm_output_writer_bytes(job->drains[i].writer);
}

/* A stop that has no text yet gets one. */
static int explain_stop(struct job *job, int rc, struct gm_job_report *report)
{
    if (rc == -EINTR && stop_signal == GM_DEADLINE_SIGNAL) {
        report->timed_out = true;
        rc = gm_error_set(job->error, GM_EJOB_CANCELLED,
                          "stopped: it was not done after the %" PRIu64 ".%03u s of --timeout; "
                          "give it more time, more cores or less to do",
                          job->options->timeout_ns / 1000000000,
                          (unsigned)(job->options->timeout_ns / 1000000 % 1000));
    }
    if (rc == -EINTR)
        rc = gm_error_set(job->error, GM_EJOB_CANCELLED, "stopped by signal %d (%s)", stop_signal,
                          strsignal(stop_signal));
    if (rc == GM_EJOB_CANCELLED) /* on a cluster others can end it: as if it had been terminated */
        report->stop_signal = stop_signal != 0 ? stop_signal : SIGTERM;
    return rc;
}

/* Everything between a made region and its end.  Returns as run_loop. */
static int run_attempt(struct job *job, const struct gm_memory_split *split,
                       struct gm_job_report *report)
{
    const struct gm_job_message message = {
        .memory_bytes = split->heap_bytes,
        .least_bytes = split->least_bytes,
        .spill = job->options->spill,
        /* Executors that share a core must not spin away each other's time. */
        .spin_ns = job->options->executor_count > job->options->core_count ? 0 : GM_SPIN_NS,
        .analyze = job->options->analyze,
    };
    int rc = open_driver(job, split);
    if (rc == 0)
        rc = gm_executor_counts_init(&report->counts, job->plan);
    if (rc == 0)
        rc = job->crew.ops->send(job->crew.self, &job->region, job->plan, &message, job->error);
    if (rc == 0)
        rc = run_loop(job, &report->counts);
    gm_progress_end(&job->progress);
    if (rc == 0)
        rc = finish_outputs(job);
    else if (rc == GM_END)
        rc = leave_outputs(job);
    rc = explain_stop(job, rc, report);
    fill_report(job, report);
    if (rc == 0)
        rc = note_filled(job);
    return rc;
}

/* A thread that does not come back uses the region: only the end of the process is left. */
static _Noreturn void end_program(const struct job *job, int rc)
{
    if (rc == GM_END)
        _exit(0);
    fprintf(stderr, "gleam: %s; a step does not return, so the program ends here\n",
            job->error->text);
    _exit(rc != GM_EJOB_CANCELLED            ? 1
          : stop_signal == GM_DEADLINE_SIGNAL ? GM_STATUS_TIMED_OUT
                                              : 128 + stop_signal);
}

/* The time of planning and starting counts as well. */
static int arm_deadline(struct job *job, uint64_t begin_ns, struct gm_deadline *ret_deadline)
{
    const uint64_t limit_ns = job->options->timeout_ns;
    const uint64_t passed_ns = gm_clock_now_ns(&job->clock) - begin_ns;
    if (limit_ns == 0)
        return 0;
    return gm_deadline_arm(ret_deadline, limit_ns > passed_ns ? limit_ns - passed_ns : 0,
                           note_deadline, job->error);
}

/* On a cluster: asks for agents, so that the plan is made for as many executors as there are. */
static int join_cluster(struct job *job, struct gm_options *options)
{
    int rc = gm_cluster_allocate(job->cluster, job->error);
    if (rc == 0)
        options->executor_count = gm_cluster_executor_count(job->cluster);
    job->crew = gm_cluster_crew(job->cluster);
    return rc;
}

/* Plan, region and executors. */
static int begin(struct job *job, struct gm_options *options, struct gm_memory_split *ret_split)
{
    uint32_t failed = job->part_count;
    int rc = job->cluster != NULL ? join_cluster(job, options) : 0;
    if (rc < 0)
        return rc;
    rc = gm_planner_make_parts(job->parts, job->part_count, options->executor_count,
                               gm_files_list, job->plan, &failed);
    if (rc < 0) {
        job->failed = failed;
        if (job->error->code == 0)
            *job->error = job->parts[failed].flow->error;
        return rc;
    }
    list_outputs(job);
    rc = list_kept(job->session, job->plan);
    if (rc < 0)
        return gm_error_set(job->error, rc, "no memory for the plan");
    rc = make_region(job, ret_split);
    if (rc == 0 && job->cluster == NULL) {
        rc = gm_session_start(job->session, options, job->error);
        job->crew = gm_session_crew(job->session);
    }
    return rc;
}

/* Ends those who worked on it, where they cannot go on to the next job. */
static void end_crew(struct job *job, int rc)
{
    /* Before the crew ends: frames that the driver gives back may ring an executor's bell. */
    close_driver(job);
    /* After a failure nobody knows what the executors hold; the next job starts new ones. */
    if ((rc != 0 || job->cluster != NULL) && !job->crew.ops->stop(job->crew.self))
        end_program(job, rc);
    if (rc != 0)
        clear_up(job);
}

static int work(struct job *job, uint64_t begin_ns, const struct gm_memory_split *split,
                struct gm_job_report *report)
{
    struct sigaction before[WATCHED_SIGNALS];
    struct gm_deadline deadline = {0};
    const struct gm_region_spec *spec = &job->region.spec;
    gm_progress_init(&job->progress, job->plan, job->options->quiet, begin_ns);
    watch_signals(before, job->crew.bells[gm_region_seat(spec, spec->executor_count)]);
    int rc = arm_deadline(job, begin_ns, &deadline);
    if (rc == 0)
        rc = run_attempt(job, split, report);
    gm_deadline_disarm(&deadline);
    unwatch_signals(before);
    end_crew(job, rc);
    return rc;
}

/* A job waits for agents as long as it takes, and can be stopped meanwhile. */
static int begin_watched(struct job *job, struct gm_options *options, uint64_t begin_ns,
                         struct gm_memory_split *ret_split, struct gm_job_report *report)
{
    struct sigaction before[WATCHED_SIGNALS];
    struct gm_deadline deadline = {0};
    if (job->cluster == NULL)
        return begin(job, options, ret_split);
    watch_signals(before, gm_cluster_bell(job->cluster));
    int rc = arm_deadline(job, begin_ns, &deadline);
    if (rc == 0)
        rc = begin(job, options, ret_split);
    gm_deadline_disarm(&deadline);
    unwatch_signals(before);
    return explain_stop(job, rc, report);
}

int gm_job_run(const struct gm_plan_part *parts, uint32_t part_count,
               const struct gm_options *options, struct gm_session *session,
               struct gm_plan *ret_plan, struct gm_job_report *ret_report)
{
    struct gm_error error = {0};
    struct gm_options own = *options; /* a cluster says how many executors there are */
    struct job job = {.parts = parts,
                      .part_count = part_count,
                      .failed = part_count,
                      .options = &own,
                      .session = session,
                      .plan = ret_plan,
                      .error = &error,
                      .region = {.fd = -1},
                      .clock = gm_clock_system()};
    struct gm_memory_split split;
    const uint64_t begin_ns = gm_clock_now_ns(&job.clock);
    *ret_report = (struct gm_job_report){.memory_bytes = options->memory_bytes};

    int rc = 0;
    stop_signal = 0;
    session->failed_executor = UINT32_MAX;
    if (options->master[0] != '\0')
        rc = gm_cluster_create(&own, parts[0].flow->name, &stop_signal, &job.cluster, job.error);
    if (rc == 0)
        rc = begin_watched(&job, &own, begin_ns, &split, ret_report);
    const bool began = rc == 0;
    if (began)
        rc = work(&job, begin_ns, &split, ret_report);
    gm_cluster_destroy(job.cluster, rc < 0 ? rc : 0, job.error->text);
    ret_report->cut_short = rc == GM_END; /* the reader had enough */
    rc = rc == GM_END ? 0 : rc;
    const int late_signal =
        began && rc == 0 && stop_signal != GM_DEADLINE_SIGNAL ? stop_signal : 0;
    tell_flows(&job, rc);
    gm_region_leave(&job.region);
    ret_report->elapsed_ns = gm_clock_now_ns(&job.clock) - begin_ns;
    /* It came when there was nothing left to stop: the program itself is to have it. */
    if (late_signal != 0)
        raise(late_signal);
    return rc;
}
