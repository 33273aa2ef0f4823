/* main.c - runs of the simulator: given, fixed and fresh seeds; and whether it sees what is wrong.
 *
 * Without --seed it runs the seeds 1..runs, and then `fresh` others that are new each time.  What
 * fails is printed with the command that runs it again, the same in every step.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/cluster.h"

#define FAILURES_SHOWN 10

struct options {
    uint64_t seed;
    bool has_seed;
    uint64_t runs_count;
    uint64_t fresh_count;
    bool verbose, trace, teeth, replay;
    enum sim_sabotage sabotage;
};

static const char *const sabotage_names[SIM_SABOTAGES] = {
    "none", "lost-wakeup", "drop-frame", "duplicate-frame", "reorder-frames", "leak-frame"};

static uint64_t seed_now; /* for the last words of a run that crashes */

static void crashed(int number)
{
    char text[128];
    const int length = snprintf(text, sizeof text,
                                "sim: crashed; run it again with: sim --seed %" PRIu64 "\n",
                                seed_now);
    if (write(STDERR_FILENO, text, (size_t)length) < 0)
        _exit(3);
    signal(number, SIG_DFL);
    raise(number);
}

static struct sim_run_report run(const struct options *options, uint64_t seed)
{
    const struct sim_run_options run_options = {
        .seed = seed, .sabotage = options->sabotage, .print_trace = options->trace};
    struct sim_run_report report;
    seed_now = seed;
    sim_run(&run_options, &report);
    if (options->verbose)
        printf("seed %" PRIu64 ": %s, %" PRIu64 " ticks, trace %016" PRIx64 "\n    %s\n", seed,
               report.right ? report.failed_as_expected ? "failed, as it should" : "right"
                            : "WRONG",
               report.ticks_count, report.trace, report.what);
    if (options->verbose && report.failed_as_expected)
        printf("    %s\n", report.verdict);
    return report;
}

static void show_failure(uint64_t seed, const struct sim_run_report *report)
{
    printf("sim: seed %" PRIu64 " went wrong: %s\n    %s\n", seed, report->verdict, report->what);
    printf("    run it again with: sim --seed %" PRIu64 " --verbose\n", seed);
    fflush(stdout);
}

/* Seeds from first on.  Returns how many went wrong. */
static uint64_t run_seeds(const struct options *options, uint64_t first, uint64_t count)
{
    uint64_t wrong = 0, failed_as_expected = 0, ticks = 0, spilled = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct sim_run_report report = run(options, first + i);
        failed_as_expected += report.failed_as_expected;
        ticks += report.ticks_count;
        spilled += report.spilled_bytes > 0;
        if (!report.right && wrong++ < FAILURES_SHOWN)
            show_failure(first + i, &report);
    }
    printf("sim: %" PRIu64 " runs from seed %" PRIu64 ": %" PRIu64 " wrong, %" PRIu64
           " failed as they should, %" PRIu64 " spilled, %" PRIu64 " ticks\n",
           count, first, wrong, failed_as_expected, spilled, ticks);
    return wrong;
}

/* Each seed twice: the same trace. */
static uint64_t run_replays(const struct options *options)
{
    uint64_t different = 0;
    for (uint64_t seed = 1; seed <= options->runs_count; seed++) {
        const struct sim_run_report first = run(options, seed);
        const struct sim_run_report second = run(options, seed);
        if (first.trace == second.trace && first.ticks_count == second.ticks_count)
            continue;
        different++;
        printf("sim: seed %" PRIu64 " ran differently the second time\n", seed);
    }
    printf("sim: %" PRIu64 " of %" PRIu64 " seeds ran differently the second time\n", different,
           options->runs_count);
    return different;
}

/* Every kind of harm is noticed: always what is done to frames; of the wake-ups, which another bell
 * may make good, some.  Returns how many kinds are not. */
static uint64_t run_teeth(struct options *options)
{
    uint64_t blind = 0;
    for (int kind = SIM_LOST_WAKEUP; kind < SIM_SABOTAGES; kind++) {
        uint64_t harmed = 0, noticed = 0;
        options->sabotage = (enum sim_sabotage)kind;
        for (uint64_t seed = 1; seed <= options->runs_count; seed++) {
            const struct sim_run_report report = run(options, seed);
            if (report.sabotaged_count == 0 || report.failed_as_expected)
                continue; /* a read that fails ends the run before harm shows */
            harmed++;
            noticed += !report.right;
        }
        const bool sees = harmed > 0 && (kind == SIM_LOST_WAKEUP ? noticed > 0 : noticed == harmed);
        printf("sim: %s: did harm in %" PRIu64 " runs, was noticed in %" PRIu64 ": %s\n",
               sabotage_names[kind], harmed, noticed, sees ? "good" : "NOT GOOD ENOUGH");
        blind += !sees;
    }
    return blind;
}

static uint64_t parse_number(const char *text)
{
    char *end;
    errno = 0;
    const uint64_t number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        fprintf(stderr, "sim: '%s' is no number\n", text);
        exit(2);
    }
    return number;
}

static enum sim_sabotage parse_sabotage(const char *text)
{
    for (int kind = 0; kind < SIM_SABOTAGES; kind++)
        if (strcmp(text, sabotage_names[kind]) == 0)
            return (enum sim_sabotage)kind;
    fprintf(stderr, "sim: there is no sabotage '%s'\n", text);
    exit(2);
}

static struct options parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},   {"runs", required_argument, NULL, 'n'},
        {"fresh", required_argument, NULL, 'f'},  {"sabotage", required_argument, NULL, 'x'},
        {"verbose", no_argument, NULL, 'v'},      {"trace", no_argument, NULL, 'r'},
        {"teeth", no_argument, NULL, 't'},        {"replay", no_argument, NULL, 'p'},
        {NULL, 0, NULL, 0}};
    struct options options = {.runs_count = 100};
    bool has_runs = false;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 's') {
            options.seed = parse_number(optarg);
            options.has_seed = true;
        } else if (c == 'n') {
            options.runs_count = parse_number(optarg);
            has_runs = true;
        } else if (c == 'f') {
            options.fresh_count = parse_number(optarg);
        } else if (c == 'x') {
            options.sabotage = parse_sabotage(optarg);
        } else if (c == '?') {
            fprintf(stderr, "usage: sim [--seed N] [--runs N] [--fresh N] [--verbose] [--trace]\n"
                            "           [--replay | --teeth | --sabotage KIND]\n");
            exit(2);
        }
        options.verbose = options.verbose || c == 'v';
        options.trace = options.trace || c == 'r';
        options.teeth = options.teeth || c == 't';
        options.replay = options.replay || c == 'p';
    }
    if (options.has_seed && !has_runs)
        options.runs_count = 1;
    return options;
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    signal(SIGABRT, crashed);
    uint64_t wrong = 0;
    if (options.teeth) {
        wrong = run_teeth(&options);
    } else if (options.replay) {
        wrong = run_replays(&options);
    } else {
        wrong = run_seeds(&options, options.has_seed ? options.seed : 1, options.runs_count);
        const struct gm_random random = gm_random_system();
        if (options.fresh_count > 0)
            wrong += run_seeds(&options, gm_random_next(&random) >> 20, options.fresh_count);
    }
    return wrong > 0 ? 1 : 0;
}
