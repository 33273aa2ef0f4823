/* cli.h - the subcommands of `gleam`, one file each.
 *
 * Each gets argv from its own name on and returns an exit status.
 */
#ifndef GM_CLI_CLI_H
#define GM_CLI_CLI_H

int gm_cli_agent(int argc, char **argv);
int gm_cli_bench(int argc, char **argv);
int gm_cli_bench_generate(int argc, char **argv);
int gm_cli_bench_group(int argc, char **argv);
int gm_cli_bench_ring(int argc, char **argv);
int gm_cli_bench_sort(int argc, char **argv);
int gm_cli_bench_validate(int argc, char **argv);
int gm_cli_bench_wordcount(int argc, char **argv);
int gm_cli_doctor(int argc, char **argv);
int gm_cli_keygen(int argc, char **argv);
int gm_cli_kill(int argc, char **argv);
int gm_cli_logs(int argc, char **argv);
int gm_cli_master(int argc, char **argv);
int gm_cli_plan(int argc, char **argv);
int gm_cli_ps(int argc, char **argv);
int gm_cli_run(int argc, char **argv);

struct gleam_flow;
struct gm_plan;
struct gm_job_report;

/* Runs the flow, or shows its plan where the options ask for that, and frees it; print_speed says
 * how fast it went.  Returns the exit status. */
int gm_cli_measure(struct gleam_flow *flow,
                   void (*print_speed)(const struct gm_plan *plan,
                                       const struct gm_job_report *report));

/* What a person gets who asks for something that is not there: the usage lines of a help text, and
 * where the rest is, on standard error.  Returns the exit status, 2. */
int gm_cli_mistake(const char *help);

/* A daemon's signals: they no longer end it, and are waited for by gm_cli_wait_for_end; to be
 * called before the first thread is started. */
void gm_cli_hold_signals(void);
/* Waits up to so long.  Returns the number of the signal that came, or 0. */
int gm_cli_wait_for_end(unsigned ms);

/* Takes "NAME VALUE" or "NAME=VALUE" out of argv; returns the value, NULL when it is not there.  A
 * missing value ends the program with status 2. */
const char *gm_cli_option(int *argc, char **argv, const char *name);
/* Takes a flag out of argv. */
int gm_cli_flag(int *argc, char **argv, const char *name);
/* After all options were taken: ends the program with status 2 when an argument still looks like
 * one, and drops a "--", behind which none does. */
void gm_cli_no_more_options(int *argc, char **argv);

#endif
