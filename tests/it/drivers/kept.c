/* kept.c - cached datasets, rounds and several flows, for tests/it/test_kept.py.
 *
 *     kept [run options] FLOW [ARGUMENTS]
 *
 *     readers FORM ROWS BYTES     ROWS rows with BYTES letters, kept in FORM (memory, disk), read
 *                                 by three steps in each of two runs; "computed" counts them
 *     lost                        a kept dataset, read again after its executors were killed
 *     changed                     the same after --executors has changed
 *     freed ROUNDS                ROUNDS kept datasets, each given back before the next
 *     double ROUNDS LIMIT         numbers doubled until their sum is above LIMIT
 *     failing ROUND               rounds of which that one fails
 *     stale                       a dataset of a round that is over is used
 *     lostround                   the result of rounds, after its executors were killed
 *     joined KEYS COUNT           a kept dataset, spread by its keys, meets another
 *     sorted COUNT                numbers, sorted, kept, and printed twice
 *     beside                      two flows at once, each of which needs the other to get on
 *     beside-fails WHICH          two flows at once, of which one fails */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/gleam.h"

GLEAM_MAPPER(computed)
{
    static char letters[1 << 16];
    const size_t length = strtoul(gleam_parameter(call, NULL), NULL, 10);
    (void)column_count;
    memset(letters, 'a' + (int)(row[0].i64 % 26), length);
    const struct gleam_value values[] = {gleam_i64(row[0].i64 % 1000), row[0],
                                         gleam_bytes(letters, length)};
    const int rc = gleam_count(call, "computed", 1);
    return rc != 0 ? rc : gleam_emit(call, values, 3);
}

GLEAM_MAPPER(doubled)
{
    const struct gleam_value number = gleam_i64(2 * row[0].i64);
    (void)column_count;
    return gleam_emit(call, &number, 1);
}

GLEAM_MAPPER(refused)
{
    (void)row;
    (void)column_count;
    return gleam_fail(call, "it was to fail");
}

GLEAM_MAPPER(my_pid)
{
    const struct gleam_value pid = gleam_i64(getpid());
    (void)row;
    (void)column_count;
    return gleam_emit(call, &pid, 1);
}

/* Opens a FIFO for one end, which waits for the other end: that of the flow beside. */
GLEAM_MAPPER(meets)
{
    const char *path = gleam_parameter(call, NULL);
    FILE *file = fopen(path, row[0].i64 == 1 ? "r" : "w");
    if (file == NULL)
        return gleam_fail(call, "cannot open %s", path);
    fclose(file);
    return gleam_emit(call, row, column_count);
}

static pid_t executors[64];
static int executor_count;

static int note_executor(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    (void)argument;
    (void)column_count;
    for (int i = 0; i < executor_count; i++)
        if (executors[i] == (pid_t)row[0].i64)
            return 0;
    executors[executor_count++] = (pid_t)row[0].i64;
    return 0;
}

/* Ends every executor, as an accident would while no flow runs. */
static void kill_executors(void)
{
    struct gleam_flow *flow = gleam_flow_new("pids");
    gleam_output_row(gleam_as(gleam_map(gleam_ints(flow, 0, 64), "pid", gleam_mapper("my_pid")),
                              "pid i64"),
                     note_executor, NULL);
    gleam_run(flow);
    gleam_flow_free(flow);
    for (int i = 0; i < executor_count; i++) {
        siginfo_t gone;
        kill(executors[i], SIGKILL);
        waitid(P_PID, (id_t)executors[i], &gone, WEXITED | WNOWAIT);
    }
}

static struct gleam_dataset *rows_of(struct gleam_flow *flow, int64_t count, const char *bytes)
{
    struct gleam_dataset *numbers = gleam_ints(flow, 0, count);
    return gleam_as(gleam_map(numbers, "make",
                              gleam_mapper_with("computed", bytes, strlen(bytes) + 1)),
                    "key i64, n i64, text bytes");
}

static void read_three_times(struct gleam_dataset *kept)
{
    gleam_printf(gleam_count_by(kept, "count", (struct gleam_order){0}), "rows %d\n");
    gleam_printf(gleam_sum_by(gleam_select(kept, "numbers", gleam_field(2)), "sum",
                              (struct gleam_order){0}),
                 "sum %d\n");
    gleam_printf(gleam_count_by(gleam_reduce_by_key(gleam_select(kept, "pairs",
                                                                 gleam_then_by(gleam_field(1), 2,
                                                                               true)),
                                                    "add", GLEAM_SUM),
                                "groups", (struct gleam_order){0}),
                 "groups %d\n");
}

static int readers(char **arguments)
{
    struct gleam_flow *flow = gleam_flow_new("readers");
    struct gleam_dataset *rows = rows_of(flow, atoll(arguments[1]), arguments[2]);
    read_three_times(strcmp(arguments[0], "disk") == 0 ? gleam_on_disk(rows, NULL)
                                                       : gleam_cache(rows, NULL));
    int status = gleam_run(flow);
    if (status == 0)
        status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}

static int again(bool changes_cores)
{
    struct gleam_flow *flow = gleam_flow_new("lost");
    read_three_times(gleam_cache(rows_of(flow, 1000, "10"), NULL));
    int status = gleam_run(flow);
    if (changes_cores)
        gleam_set_option("executors", "1");
    else
        kill_executors();
    if (status == 0)
        status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}

static int freed(char **arguments)
{
    struct gleam_flow *flows[64] = {NULL};
    int status = 0;
    for (int i = 0; i < atoi(arguments[0]) && i < 64 && status == 0; i++) {
        flows[i] = gleam_flow_new("one");
        struct gleam_dataset *kept = gleam_cache(rows_of(flows[i], 40000, "200"), NULL);
        gleam_printf(gleam_count_by(kept, "count", (struct gleam_order){0}), "rows %d\n");
        status = gleam_run(flows[i]);
        if (i % 2 == 0)
            gleam_uncache(kept);
        else
            gleam_flow_free(flows[i]);
    }
    for (int i = 0; i < 64; i += 2)
        gleam_flow_free(flows[i]);
    return status;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static struct gleam_dataset *double_them(void *argument, struct gleam_dataset *rows,
                                         uint32_t number)
{
    const char *function = number == *(const uint32_t *)argument ? "refused" : "doubled";
    return gleam_as(gleam_map(rows, "double", gleam_mapper(function)), "n i64");
}

static int take_sum(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    (void)column_count;
    *(int64_t *)argument = row[0].i64;
    return 0;
}

static int64_t limit;

static int is_above(void *argument, struct gleam_dataset *now, struct gleam_dataset *before,
                    uint32_t number)
{
    int64_t sums[2] = {0};
    struct gleam_dataset *const looked_at[] = {now, before};
    (void)argument;
    for (int i = 0; i < 2; i++)
        gleam_each_row(gleam_sum_by(looked_at[i], "sum", (struct gleam_order){0}), take_sum,
                       &sums[i]);
    printf("round %u: %" PRId64 " after %" PRId64 "\n", number, sums[0], sums[1]);
    return sums[0] > limit;
}

static int doubling(uint32_t rounds, uint32_t failing)
{
    struct gleam_flow *flow = gleam_flow_new("double");
    struct gleam_dataset *rows = gleam_iterate(gleam_ints(flow, 1, 11), "rounds", rounds,
                                               double_them, is_above, &failing);
    fflush(stdout);
    gleam_printf(gleam_sort(rows, "sort", gleam_order_by(1, true)), "%d\n");
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}

static struct gleam_dataset *of_a_round;

static struct gleam_dataset *keep_it(void *argument, struct gleam_dataset *rows, uint32_t number)
{
    (void)argument;
    if (number == 2)
        return of_a_round;
    return of_a_round = gleam_map(rows, "one", GLEAM_APPEND_ONE);
}

static int stale(void)
{
    struct gleam_flow *flow = gleam_flow_new("stale");
    gleam_printf(gleam_iterate(gleam_ints(flow, 0, 5), NULL, 3, keep_it, NULL, NULL), "%v %v\n");
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}

static int lost_round(void)
{
    uint32_t failing = 0;
    struct gleam_flow *flow = gleam_flow_new("lost");
    gleam_printf(gleam_iterate(gleam_ints(flow, 0, 5), NULL, 2, double_them, NULL, &failing),
                 "%d\n");
    kill_executors();
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}

/* ---- how it is spread ------------------------------------------------------------------------ */

static int joined(char **arguments)
{
    struct gleam_flow *flow = gleam_flow_new("joined");
    const int64_t keys = atoll(arguments[0]);
    struct gleam_dataset *pairs = gleam_map(gleam_ints(flow, 0, keys), "one", GLEAM_APPEND_ONE);
    struct gleam_dataset *kept =
        gleam_cache(gleam_partition_by_key(pairs, "spread", (uint32_t)atoi(arguments[1])), NULL);
    struct gleam_dataset *other = gleam_map(gleam_ints(flow, keys / 2, 2 * keys), "one",
                                            GLEAM_APPEND_ONE);
    struct gleam_dataset *met = gleam_join_by_key(kept, "meet", other);
    gleam_printf(gleam_count_by(met, "count", (struct gleam_order){0}), "met %d\n");
    gleam_printf(gleam_count_by(gleam_reduce_by_key(kept, "sum", GLEAM_SUM), "count",
                                (struct gleam_order){0}),
                 "groups %d\n");
    gleam_printf(gleam_count_by(gleam_distinct(kept, "keys", gleam_field(1)), "count",
                                (struct gleam_order){0}),
                 "keys %d\n");
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}

static int sorted(char **arguments)
{
    struct gleam_flow *flow = gleam_flow_new("sorted");
    struct gleam_dataset *kept = gleam_cache(
        gleam_sort(gleam_ints(flow, 0, atoll(arguments[0])), "down", gleam_order_by(1, false)),
        NULL);
    gleam_fprintf(kept, stdout, "%d\n");
    gleam_fprintf(gleam_limit(kept, "some", 3), stderr, "first %d\n");
    int status = gleam_run(flow);
    if (status == 0)
        status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}

/* ---- several flows --------------------------------------------------------------------------- */

static int beside(char **arguments)
{
    struct gleam_flow *flows[] = {gleam_flow_new("reader"), gleam_flow_new("writer")};
    if (mkfifo(arguments[0], 0600) != 0)
        return 1;
    for (int64_t i = 0; i < 2; i++)
        gleam_printf(gleam_as(gleam_map(gleam_ints(flows[i], i + 1, i + 2), "meet",
                                        gleam_mapper_with("meets", arguments[0],
                                                          strlen(arguments[0]) + 1)),
                              "n i64"),
                     i == 0 ? "reader %d\n" : "writer %d\n");
    const int status = gleam_run_all(flows, 2);
    unlink(arguments[0]);
    for (int i = 0; i < 2; i++)
        gleam_flow_free(flows[i]);
    return status;
}

static int beside_fails(char **arguments)
{
    struct gleam_flow *flows[] = {gleam_flow_new("good"), gleam_flow_new("bad")};
    gleam_printf(gleam_ints(flows[0], 0, 3), "good %d\n");
    if (strcmp(arguments[0], "plan") == 0)
        gleam_printf(gleam_ints(flows[1], 0, 3), "%s %s\n");
    else if (strcmp(arguments[0], "output") == 0)
        gleam_write_formatted(gleam_ints(flows[1], 0, 3), "/nowhere/at/all", "%d\n");
    else
        gleam_printf(gleam_as(gleam_map(gleam_ints(flows[1], 0, 3), "fail",
                                        gleam_mapper("refused")),
                              "n i64"),
                     "bad %d\n");
    const int status = gleam_run_all(flows, 2);
    for (int i = 0; i < 2; i++) {
        fprintf(stderr, "%s: %s\n", i == 0 ? "good" : "bad", gleam_flow_error(flows[i]));
        gleam_flow_free(flows[i]);
    }
    return status;
}

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc < 2)
        return 2;
    const char *flow = argv[1];
    char **arguments = argv + 2;
    if (strcmp(flow, "readers") == 0 && argc == 5)
        return readers(arguments);
    if (strcmp(flow, "lost") == 0)
        return again(false);
    if (strcmp(flow, "changed") == 0)
        return again(true);
    if (strcmp(flow, "freed") == 0 && argc == 3)
        return freed(arguments);
    if (strcmp(flow, "double") == 0 && argc == 4) {
        limit = atoll(arguments[1]);
        return doubling((uint32_t)atoi(arguments[0]), 0);
    }
    if (strcmp(flow, "failing") == 0 && argc == 3) {
        limit = INT64_MAX;
        return doubling(10, (uint32_t)atoi(arguments[0]));
    }
    if (strcmp(flow, "stale") == 0)
        return stale();
    if (strcmp(flow, "lostround") == 0)
        return lost_round();
    if (strcmp(flow, "joined") == 0 && argc == 4)
        return joined(arguments);
    if (strcmp(flow, "sorted") == 0 && argc == 3)
        return sorted(arguments);
    if (strcmp(flow, "beside") == 0 && argc == 3)
        return beside(arguments);
    if (strcmp(flow, "beside-fails") == 0 && argc == 3)
        return beside_fails(arguments);
    return 2;
}
