/* flows.c - small flows that the tests compare with a plain computation.
 *
 *     flows [run options] FLOW [ARGUMENTS]
 *
 *     lines PARTITIONS PATH...        every line
 *     write TARGET PATH...            every line, into a file
 *     words PARTITIONS PATH...        words and their counts, reduced on PARTITIONS partitions
 *     ints COUNT                      the integers from 0
 *     long COUNT BYTES                COUNT lines of BYTES letters, all the same within a line
 *     slowly PATH...                  every line, a millisecond each
 *     loudly PATH...                  the same, and each also goes to standard error
 *     warm TIMES PATH                 the executors and open descriptors of TIMES runs of a flow
 *     killed TIMES PATH               the same, with the executors killed between the runs
 *     texts COUNT PATH                every line COUNT times, from as many sources
 *     closed PATH                     every line, to a standard output that was closed
 *     late TARGET PATH...             every line, into a file and to a stream whose last write is
 *                                     interrupted by SIGINT
 *     exec COMMAND                    every line that the command writes
 *     nothing                         a flow without an output */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/gleam.h"

/* ---- steps ----------------------------------------------------------------------------------- */

GLEAM_MAPPER(letters)
{
    size_t length = strtoul(gleam_parameter(call, NULL), NULL, 10);
    char *text = malloc(length > 0 ? length : 1);
    (void)column_count;
    if (text == NULL)
        return gleam_fail(call, "no memory for a line");
    memset(text, 'a' + (int)(row[0].i64 % 26), length);
    const struct gleam_value line = gleam_bytes(text, length);
    int rc = gleam_emit(call, &line, 1);
    free(text);
    return rc;
}

GLEAM_MAPPER(after_a_rest)
{
    const struct timespec millisecond = {.tv_nsec = 1000000};
    nanosleep(&millisecond, NULL);
    return gleam_emit(call, row, column_count);
}

GLEAM_MAPPER(after_a_rest_aloud)
{
    const struct timespec rest = {.tv_nsec = 1000000};
    nanosleep(&rest, NULL);
    fprintf(stderr, "heard %.*s\n", (int)row[0].bytes.length, row[0].bytes.data);
    return gleam_emit(call, row, column_count);
}

GLEAM_MAPPER(my_pid)
{
    const struct gleam_value pid = gleam_i64(getpid());
    (void)row;
    (void)column_count;
    return gleam_emit(call, &pid, 1);
}

/* ---- flows ----------------------------------------------------------------------------------- */

static struct gleam_dataset *read_from(struct gleam_flow *flow, char **arguments, int partitions)
{
    size_t count = 0;
    while (arguments[count] != NULL)
        count++;
    return gleam_read_texts(flow, (const char *const *)arguments, count, (uint32_t)partitions);
}

static void lines(struct gleam_flow *flow, char **arguments)
{
    gleam_printlnf(read_from(flow, arguments + 1, atoi(arguments[0])), "%s");
}

static void exec_lines(struct gleam_flow *flow, char **arguments)
{
    gleam_printlnf(gleam_exec(flow, arguments[0]), "%s");
}

static void write_lines(struct gleam_flow *flow, char **arguments)
{
    gleam_write_formatted(read_from(flow, arguments + 1, 0), arguments[0], "%s\n");
}

static void words(struct gleam_flow *flow, char **arguments)
{
    struct gleam_dataset *data = read_from(flow, arguments + 1, atoi(arguments[0]));
    data = gleam_flat_map(data, "tokenize", GLEAM_TOKENIZE);
    data = gleam_map(data, "append one", GLEAM_APPEND_ONE);
    data = gleam_partition_by_key(data, "spread", (uint32_t)atoi(arguments[0]));
    data = gleam_reduce_by_key(data, "sum", GLEAM_SUM_INT64);
    gleam_printlnf(data, "%s\t%d");
}

static void ints(struct gleam_flow *flow, char **arguments)
{
    gleam_printlnf(gleam_ints(flow, 0, atoll(arguments[0])), "%d");
}

static void long_lines(struct gleam_flow *flow, char **arguments)
{
    struct gleam_dataset *data = gleam_ints(flow, 0, atoll(arguments[0]));
    data = gleam_flat_map(data, "letters",
                          gleam_mapper_with("letters", arguments[1], strlen(arguments[1]) + 1));
    gleam_printlnf(gleam_as(data, "line bytes"), "%s");
}

static void slowly(struct gleam_flow *flow, char **arguments)
{
    struct gleam_dataset *data = read_from(flow, arguments, 0);
    data = gleam_map(data, "after a rest", gleam_mapper("after_a_rest"));
    gleam_printlnf(gleam_as(data, "line bytes"), "%s");
}

static void loudly(struct gleam_flow *flow, char **arguments)
{
    struct gleam_dataset *data = read_from(flow, arguments, 0);
    data = gleam_map(data, "aloud", gleam_mapper("after_a_rest_aloud"));
    gleam_printlnf(gleam_as(data, "line bytes"), "%s");
}

static void texts(struct gleam_flow *flow, char **arguments)
{
    for (int i = 0; i < atoi(arguments[0]); i++)
        gleam_printlnf(gleam_text_file(flow, arguments[1]), "%s");
}

static void closed(struct gleam_flow *flow, char **arguments)
{
    gleam_printlnf(read_from(flow, arguments, 0), "%s");
    close(STDOUT_FILENO);
}

static ssize_t write_interrupted(void *cookie, const char *data, size_t bytes)
{
    (void)cookie;
    (void)data;
    raise(SIGINT);
    return (ssize_t)bytes;
}

/* What is written stays in the stream until everything is there: the signal comes late. */
static void late(struct gleam_flow *flow, char **arguments)
{
    const cookie_io_functions_t functions = {.write = write_interrupted};
    write_lines(flow, arguments);
    gleam_fprintf(read_from(flow, arguments + 1, 0), fopencookie(NULL, "w", functions), "%s\n");
}

static void nothing(struct gleam_flow *flow, char **arguments)
{
    (void)arguments;
    gleam_ints(flow, 0, 10);
}

/* ---- warm executors -------------------------------------------------------------------------- */

#define PIDS_MAX 64

struct pids {
    int64_t known[PIDS_MAX];
    size_t count;
};

static int note_pid(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    struct pids *pids = argument;
    (void)column_count;
    for (size_t i = 0; i < pids->count; i++)
        if (pids->known[i] == row[0].i64)
            return 0;
    if (pids->count == PIDS_MAX)
        return 1;
    pids->known[pids->count++] = row[0].i64;
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory != NULL && readdir(directory) != NULL)
        count++;
    if (directory != NULL)
        closedir(directory);
    return count;
}

static int run_warm(char **arguments, bool kill_between)
{
    for (int i = 0; i < atoi(arguments[0]); i++) {
        struct pids pids = {0};
        struct gleam_flow *flow = gleam_flow_new("warm");
        struct gleam_dataset *data = gleam_read_text(flow, arguments[1], 64);
        data = gleam_as(gleam_map(data, "pid", gleam_mapper("my_pid")), "pid i64");
        gleam_output_row(data, note_pid, &pids);
        const int status = gleam_run(flow);
        gleam_flow_free(flow);
        if (status != 0)
            return status;
        qsort(pids.known, pids.count, sizeof *pids.known, compare_numbers);
        printf("%d descriptors, executors", count_descriptors());
        for (size_t p = 0; p < pids.count; p++)
            printf(" %" PRId64, pids.known[p]);
        printf("\n");
        for (size_t p = 0; p < pids.count && kill_between; p++) {
            siginfo_t info;
            kill((pid_t)pids.known[p], SIGKILL);
            waitid(P_PID, (id_t)pids.known[p], &info, WEXITED | WNOWAIT);
        }
    }
    return 0;
}

static const struct {
    const char *name;
    void (*build)(struct gleam_flow *flow, char **arguments);
    int arguments_min;
} flows[] = {
    {"lines", lines, 2}, {"write", write_lines, 2}, {"words", words, 2},
    {"ints", ints, 1},   {"long", long_lines, 2},   {"slowly", slowly, 1},
    {"loudly", loudly, 1},
    {"closed", closed, 1}, {"late", late, 2},       {"nothing", nothing, 0},
    {"texts", texts, 2},  {"exec", exec_lines, 1},
};

int main(int argc, char **argv)
{
    gleam_init(&argc, &argv);
    if (argc == 4 && (strcmp(argv[1], "warm") == 0 || strcmp(argv[1], "killed") == 0))
        return run_warm(argv + 2, strcmp(argv[1], "killed") == 0);
    for (size_t i = 0; argc > 1 && i < sizeof flows / sizeof *flows; i++) {
        if (strcmp(argv[1], flows[i].name) != 0 || argc - 2 < flows[i].arguments_min)
            continue;
        struct gleam_flow *flow = gleam_flow_new(argv[1]);
        flows[i].build(flow, argv + 2);
        const int status = gleam_run(flow);
        gleam_flow_free(flow);
        return status;
    }
    fprintf(stderr, "usage: %s [run options] FLOW [ARGUMENTS]\n", argv[0]);
    return 2;
}
