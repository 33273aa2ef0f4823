/* faults.c - a driver whose steps go wrong in the way that is asked for.
 *
 *     faults [run options] FAULT PATH [again]
 *
 * Every line of PATH passes through the step "trip over", which copies it, except that a line
 * "poison" makes FAULT happen.  With `again`, the program then runs a second flow over PATH that
 * cannot fail and prints "second flow: N lines": the driver has to live through the first one.
 * With FAULTS_UNBORN in the environment executors end before they begin. */
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "engine/gleam.h"
#include "engine/row/frame.h"

#define GARBAGE 0xa5
#define ALLOCATION_BYTES (64u << 20)
#define HUNGRY_BYTES (64u << 20)
#define NOISY_LINES 1000
/* So many that every executor finds some of the poison, even when one stops at its first. */
#define PARTITIONS 64

/* ---- the shared region, as a stray pointer finds it ------------------------------------------ */

struct mapping {
    uint8_t *begin;
    size_t bytes;
};

/* The region that this executor works in: the memfd "gleam". */
static struct mapping find_region(void)
{
    struct mapping found = {0};
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t begin, end;
        if (strstr(line, "memfd:gleam ") != NULL &&
            sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &begin, &end) == 2)
            found = (struct mapping){.begin = (uint8_t *)begin, .bytes = end - begin};
    }
    if (maps != NULL)
        fclose(maps);
    if (found.begin == NULL) {
        fprintf(stderr, "faults: no mapping of the region found\n");
        _exit(99);
    }
    return found;
}

/* Where the frames begin: the first header that is sealed as one. */
static uint8_t *find_frames(const struct mapping *region)
{
    const uint32_t magic = GM_FRAME_MAGIC;
    for (size_t at = 0; at + sizeof magic <= region->bytes; at += 64)
        if (memcmp(region->begin + at, &magic, sizeof magic) == 0)
            return region->begin + at;
    fprintf(stderr, "faults: no frame found in the region\n");
    _exit(99);
}

/* Writes over all frames and goes on, as a program with a stray pointer would. */
static void scribble(const char *what)
{
    const struct mapping region = find_region();
    uint8_t *end = region.begin + region.bytes;
    if (strcmp(what, "scribble_frames") == 0) {
        uint8_t *frames = find_frames(&region);
        memset(frames, GARBAGE, (size_t)(end - frames));
    } else if (strcmp(what, "scribble_rings") == 0) {
        uint8_t *frames = find_frames(&region);
        memset(region.begin, GARBAGE, (size_t)(frames - region.begin));
    } else {
        memset(region.begin, GARBAGE, region.bytes);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void crash(const char *fault)
{
    if (strcmp(fault, "segfault") == 0)
        raise(SIGSEGV);
    if (strcmp(fault, "wild_pointer") == 0) {
        /* A page that may not be written; a plain NULL is optimised away. */
        char *page = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page[0] = 1;
    }
    if (strcmp(fault, "abort") == 0)
        abort();
    /* Dies with a child that lives on for a while, and holds what it was given. */
    if (strcmp(fault, "orphan") == 0) {
        if (system("sleep 2 >/dev/null 2>&1 &") == 0)
            raise(SIGSEGV);
    }
    if (strcmp(fault, "exit") == 0)
        exit(7);
    if (strcmp(fault, "kill") == 0)
        raise(SIGKILL);
    if (strcmp(fault, "hang_up") == 0)
        for (int fd = 3; fd < 256; fd++)
            close(fd);
    if (strcmp(fault, "forever") == 0 || strcmp(fault, "hang_up") == 0)
        for (;;)
            pause();
    if (strcmp(fault, "spin") == 0)
        for (_Atomic int spins = 0;; spins++) {
        }
}

static int emit_wrongly(struct gleam_call *call, const char *fault, const struct gleam_value *row)
{
    const struct gleam_value two[] = {row[0], row[0]};
    const struct gleam_value number = gleam_i64(1);
    if (strcmp(fault, "error") == 0)
        return 42;
    if (strcmp(fault, "fail") == 0)
        return gleam_fail(call, "this line cannot be used: '%.*s'", (int)row[0].bytes.length,
                          row[0].bytes.data);
    if (strcmp(fault, "wrong_count") == 0)
        return gleam_emit(call, two, 2);
    if (strcmp(fault, "wrong_kind") == 0)
        return gleam_emit(call, &number, 1);
    if (strcmp(fault, "unknown_kind") == 0) {
        struct gleam_value value = number;
        value.kind = 77;
        return gleam_emit(call, &value, 1);
    }
    if (strcmp(fault, "too_long") == 0) {
        const struct gleam_value value = gleam_bytes(row[0].bytes.data, (size_t)1 << 31);
        return gleam_emit(call, &value, 1);
    }
    return 0;
}

/* Takes memory of the C library's and of gleam's, which both allow within limits. */
static int consume(struct gleam_call *call, const char *fault)
{
    if (strcmp(fault, "allocate") == 0) {
        char *block = malloc(ALLOCATION_BYTES);
        if (block == NULL)
            return gleam_fail(call, "no memory");
        memset(block, GARBAGE, ALLOCATION_BYTES);
        free(block);
    }
    if (strcmp(fault, "hungry") == 0) {
        static char text[HUNGRY_BYTES];
        const struct gleam_value value = gleam_bytes(text, sizeof text);
        for (;;) {
            int rc = gleam_emit(call, &value, 1);
            if (rc != 0)
                return rc;
        }
    }
    if (strcmp(fault, "noisy") == 0) {
        for (int i = 0; i < NOISY_LINES; i++)
            printf("noise from a step\n");
        fflush(stdout);
    }
    return 0;
}

GLEAM_MAPPER(trip)
{
    static const char poison[] = "poison";
    const char *fault = gleam_parameter(call, NULL);
    if (row[0].bytes.length == sizeof poison - 1 &&
        memcmp(row[0].bytes.data, poison, sizeof poison - 1) == 0) {
        crash(fault);
        if (strncmp(fault, "scribble", strlen("scribble")) == 0)
            scribble(fault);
        int rc = emit_wrongly(call, fault, row);
        if (rc == 0)
            rc = consume(call, fault);
        if (rc != 0)
            return rc;
    }
    return gleam_emit(call, row, column_count);
}

GLEAM_MAPPER(line_and_one)
{
    const struct gleam_value pair[] = {gleam_bytes("key", 3), gleam_i64(1)};
    (void)row;
    (void)column_count;
    return gleam_emit(call, pair, 2);
}

GLEAM_REDUCER(reduce_badly)
{
    const char *fault = gleam_parameter(call, NULL);
    if (strcmp(fault, "reducer_segfault") == 0)
        raise(SIGSEGV);
    if (strcmp(fault, "reducer_error") == 0)
        return 43;
    if (strcmp(fault, "reducer_fail") == 0)
        return gleam_fail(call, "these %u columns cannot be reduced", value_count);
    total[0] = next[0];
    return 0;
}

/* ---- flows ----------------------------------------------------------------------------------- */

static int refuse_rows(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    (void)argument;
    (void)row;
    (void)column_count;
    return 5;
}

static void note_stop(void *argument)
{
    *(_Atomic bool *)argument = true;
}

/* Takes a row, and does not come back before the run is stopped. */
static int wait_for_stop(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    _Atomic bool *stopped = argument;
    (void)row;
    (void)column_count;
    puts("in the row");
    fflush(stdout);
    while (!*stopped)
        ;
    return 5;
}

static int run_first(const char *fault, const char *path)
{
    const size_t length = strlen(fault) + 1;
    struct gleam_flow *flow = gleam_flow_new("faults");
    struct gleam_dataset *lines = gleam_read_text(flow, path, PARTITIONS);
    if (strncmp(fault, "reducer", strlen("reducer")) == 0) {
        lines = gleam_map(lines, "pair", gleam_mapper("line_and_one"));
        lines = gleam_as(lines, "key bytes, n i64");
        lines = gleam_reduce_by_key(lines, "fold up",
                                    gleam_reducer_with("reduce_badly", fault, length));
        gleam_printlnf(lines, "%s %d");
    } else if (strcmp(fault, "sum_overflow") == 0) {
        lines = gleam_map(gleam_ints(flow, INT64_MAX - 9, INT64_MAX), "one", GLEAM_APPEND_ONE);
        lines = gleam_reduce_by(lines, "sum up", GLEAM_SUM_INT64, gleam_field(2));
        gleam_printlnf(lines, "%d %d");
    } else {
        lines = gleam_flat_map(lines, "trip over", gleam_mapper_with("trip", fault, length));
        lines = gleam_as(lines, "line bytes");
        static _Atomic bool stopped;
        gleam_on_stop(note_stop, &stopped);
        if (strcmp(fault, "output") == 0)
            gleam_output_row(lines, refuse_rows, NULL);
        else if (strcmp(fault, "output_waits") == 0)
            gleam_output_row(lines, wait_for_stop, &stopped);
        else
            gleam_printlnf(lines, "%s");
    }
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    return status;
}

static int count_row(void *argument, const struct gleam_value *row, uint32_t column_count)
{
    uint64_t *count = argument;
    (void)row;
    (void)column_count;
    (*count)++;
    return 0;
}

static int run_second(const char *path)
{
    uint64_t count = 0;
    struct gleam_flow *flow = gleam_flow_new("after the fault");
    gleam_output_row(gleam_read_text(flow, path, 0), count_row, &count);
    const int status = gleam_run(flow);
    gleam_flow_free(flow);
    if (status == 0)
        printf("second flow: %" PRIu64 " lines\n", count);
    return status;
}

int main(int argc, char **argv)
{
    prctl(PR_SET_DUMPABLE, 0); /* crashes here are on purpose: no core files */
    if (getenv("GLEAM_EXECUTOR") != NULL && getenv("FAULTS_UNBORN") != NULL)
        return 9;
    gleam_init(&argc, &argv);
    if (argc < 3) {
        fprintf(stderr, "usage: %s [run options] FAULT PATH [again]\n", argv[0]);
        return 2;
    }
    const int status = run_first(argv[1], argv[2]);
    if (argc > 3 && run_second(argv[2]) != 0)
        return 99;
    return status;
}
