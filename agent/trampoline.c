/* trampoline.c - from exec to the executor's loop. */
#include "agent/trampoline.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/reader.h"
#include "agent/stdin.h"
#include "engine/base/check.h"
#include "engine/flow/plan_codec.h"
#include "iouring/bell.h"
#include "iouring/file.h"
#include "iouring/spill_file.h"
#include "iouring/guard.h"
#include "iouring/process.h"

struct parameters {
    uint32_t index; /* among the executors of this node */
    uint32_t bell_count;
    int control;
    pid_t parent;
    uint32_t core;
    int input; /* the driver's standard input; < 0: there is none */
    int bells[GM_PARTICIPANTS_MAX];
};

void gm_trampoline_format(char *text, size_t text_bytes, uint32_t index, int control,
                          uint32_t core, const int *bells, uint32_t bell_count)
{
    size_t length =
        (size_t)snprintf(text, text_bytes, "%u:%u:%d:%d:%u:%d:", index, bell_count, control,
                         getpid(), core, gm_stdin_descriptor());
    for (uint32_t i = 0; i < bell_count; i++) {
        GM_CHECK(length < text_bytes);
        length += (size_t)snprintf(text + length, text_bytes - length, "%s%d", i > 0 ? "," : "",
                                   bells[i]);
    }
    GM_CHECK(length < text_bytes);
}

static bool parse(const char *text, struct parameters *ret)
{
    int used = 0;
    struct parameters parsed;
    if (sscanf(text, "%u:%u:%d:%d:%u:%d:%n", &parsed.index, &parsed.bell_count,
               &parsed.control, &parsed.parent, &parsed.core, &parsed.input, &used) < 6 ||
        used == 0 || parsed.bell_count < 2 || parsed.bell_count > GM_PARTICIPANTS_MAX ||
        parsed.index + 1 >= parsed.bell_count)
        return false;
    const char *cursor = text + used;
    for (uint32_t i = 0; i < parsed.bell_count; i++) {
        char *end;
        parsed.bells[i] = (int)strtol(cursor, &end, 10);
        if (end == cursor)
            return false;
        cursor = *end == ',' ? end + 1 : end;
    }
    *ret = parsed;
    return true;
}

/* ---- ports ----------------------------------------------------------------------------------- */

/* self: the counts, which remember why io_uring was not used. */
static int disk_open(void *self, struct gm_heap *heap, struct gm_disk *ret_disk)
{
    struct gm_executor_counts *counts = self;
    struct gm_file_disk *disk;
    int rc = gm_file_disk_create(GM_READER_BLOCKS + 1, GM_FILE_BACKEND_AUTO, heap, &disk);
    if (rc < 0)
        return rc;
    *ret_disk = gm_file_disk_port(disk);
    if (strcmp(gm_file_disk_backend_name(disk), "io_uring") != 0) {
        const int refusal = gm_file_disk_refusal(disk);
        counts->disk_refusal = refusal != 0 ? refusal : 1;
    }
    return 0;
}

static void disk_close(void *self, struct gm_disk *disk)
{
    (void)self;
    gm_file_disk_destroy(disk->self);
}

static int spill_open(void *self, struct gm_heap *heap, uint32_t depth,
                      struct gm_spill_disk *ret_disk)
{
    (void)self;
    struct gm_spill_file_disk *disk;
    int rc = gm_spill_file_disk_create(depth, GM_FILE_BACKEND_AUTO, heap, &disk);
    if (rc == 0)
        *ret_disk = gm_spill_file_disk_port(disk);
    return rc;
}

static void spill_close(void *self, struct gm_spill_disk *disk)
{
    struct gm_executor_counts *counts = self;
    struct gm_spill_file_facts facts;
    gm_spill_file_disk_facts(disk->self, &facts);
    counts->spill_buffered_count += facts.buffered_count;
    gm_spill_file_disk_destroy(disk->self);
}

/* Of what is kept, and outlives jobs: a ring of io_uring belongs to the thread that made it, and
 * in-process each job has threads of its own. */
static int cache_spill_open(void *self, struct gm_heap *heap, uint32_t depth,
                            struct gm_spill_disk *ret_disk)
{
    struct gm_spill_file_disk *disk;
    (void)self;
    int rc = gm_spill_file_disk_create(depth, GM_FILE_BACKEND_PREAD, heap, &disk);
    if (rc == 0)
        *ret_disk = gm_spill_file_disk_port(disk);
    return rc;
}

static void cache_spill_close(void *self, struct gm_spill_disk *disk)
{
    (void)self;
    gm_spill_file_disk_destroy(disk->self);
}

int gm_trampoline_cache(uint16_t participant, uint32_t executor_count, bool one_thread,
                        struct gm_cache **ret_cache)
{
    const struct gm_cache_spec spec = {.participant = participant,
                                       .executor_count = executor_count,
                                       .spill_open = one_thread ? spill_open : cache_spill_open,
                                       .spill_close = cache_spill_close};
    return gm_cache_create(&spec, ret_cache);
}

/* What the driver may run on: commands of steps get all of it.  An executor's process notes it
 * before it pins itself; a thread of the driver asks for the driver's own. */
static cpu_set_t driver_cores;
static bool driver_cores_known;

static int processes_open(void *self, struct gm_heap *heap, struct gm_processes *ret_processes)
{
    struct gm_process_host *host;
    cpu_set_t cores = driver_cores;
    (void)self;
    if (!driver_cores_known && sched_getaffinity(getpid(), sizeof cores, &cores) < 0)
        return -errno;
    int rc = gm_process_host_create(heap, &cores, &host);
    if (rc == 0)
        *ret_processes = gm_process_host_port(host);
    return rc;
}

static void processes_close(void *self, struct gm_processes *processes)
{
    (void)self;
    gm_process_host_destroy(processes->self);
}

void gm_trampoline_run(const struct gm_region *region, const struct gm_plan *plan,
                       const struct gm_job_message *job, uint16_t index, const int *bells,
                       const _Atomic bool *cancel, struct gm_cache *cache,
                       struct gm_executor_counts *counts, struct gm_error *error)
{
    if (gm_cache_begin(cache, plan, job->memory_bytes, &job->spill, error) < 0)
        return;
    struct gm_eventfd_bell bell;
    gm_eventfd_bell_init(&bell, bells, gm_region_seat_count(&region->spec), index);
    const char *directories[GM_SPILL_DIRECTORIES_MAX];
    const struct gm_executor_spec spec = {
        .region = region,
        .plan = plan,
        .participant = (uint16_t)(region->spec.first_local + index),
        .memory_bytes = job->memory_bytes,
        .least_bytes = job->least_bytes,
        .spin_ns = job->spin_ns,
        .spill_directories = directories,
        .spill_directory_count = gm_spill_paths_list(&job->spill, directories),
        .ports = {.clock = gm_clock_system(),
                  .bell = gm_eventfd_bell_port(&bell),
                  .self = counts,
                  .disk_open = disk_open,
                  .disk_close = disk_close,
                  .spill_open = spill_open,
                  .spill_close = spill_close,
                  .processes_open = processes_open,
                  .processes_close = processes_close},
        .cancel = cancel,
        .analyze = job->analyze != 0,
        .cache = cache,
    };
    struct gm_executor *executor;
    int rc = gm_executor_create(&spec, &executor, error);
    if (rc < 0)
        return;
    rc = gm_executor_run(executor);
    if (rc < 0)
        *error = *gm_executor_error(executor);
    else
        gm_executor_counts_add(executor, counts);
    gm_executor_destroy(executor);
}

/* ---- the process ----------------------------------------------------------------------------- */

static int map_plan(int fd, uint64_t bytes, struct gm_plan *ret_plan, struct gm_error *error)
{
    if (bytes == 0 || bytes > GM_PLAN_BYTES_MAX)
        return gm_error_set(error, GM_EPEER_PROTOCOL, "a plan of %llu bytes makes no sense",
                            (unsigned long long)bytes);
    uint8_t *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return gm_error_set(error, -errno, "cannot map the plan: %s", gm_error_name(-errno));
    int rc = gm_plan_decode(data, bytes, ret_plan, error);
    munmap(data, bytes);
    return rc;
}

static void run_job(const struct parameters *parameters, const struct gm_job_message *job,
                    int region_fd, int plan_fd, struct gm_cache *cache)
{
    struct gm_error error = {0};
    struct gm_region region;
    struct gm_plan plan = {0};
    struct gm_executor_counts counts = {0};
    int rc = map_plan(plan_fd, job->plan_bytes, &plan, &error);
    if (rc == 0) {
        rc = gm_region_join(region_fd, &region, &error);
        if (rc == 0) {
            rc = gm_executor_counts_init(&counts, &plan);
            if (rc == 0)
                gm_trampoline_run(&region, &plan, job, (uint16_t)parameters->index,
                                  parameters->bells, NULL, cache, &counts, &error);
            else
                gm_error_set(&error, rc, "no memory for counters");
            gm_region_leave(&region);
        }
    }
    rc = gm_control_send_outcome(parameters->control, &error, &counts, &plan);
    gm_executor_counts_fini(&counts);
    gm_plan_fini(&plan);
    /* A driver that cannot be told is gone, and this executor with it. */
    if (rc < 0)
        _exit(1);
}

static int compare_descriptors(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Closes every descriptor above stderr that is not ours: a pipe of the driver's that an executor
 * holds open would never end. */
static void close_inherited(const struct parameters *parameters)
{
    int keep[GM_PARTICIPANTS_MAX + 2];
    uint32_t count = parameters->bell_count + 1;
    memcpy(keep, parameters->bells, parameters->bell_count * sizeof keep[0]);
    keep[parameters->bell_count] = parameters->control;
    if (parameters->input >= 0)
        keep[count++] = parameters->input;
    /* A child that a step starts must not hold the socket open: the driver takes its end for this
     * executor's. */
    for (uint32_t i = 0; i < count; i++)
        fcntl(keep[i], F_SETFD, FD_CLOEXEC);
    qsort(keep, count, sizeof keep[0], compare_descriptors);
    unsigned next = 3;
    for (uint32_t i = 0; i < count; i++) {
        if ((unsigned)keep[i] > next)
            close_range(next, (unsigned)keep[i] - 1, 0);
        next = (unsigned)keep[i] + 1;
    }
    close_range(next, ~0U, 0);
}

/* Not SIG_IGN, which programs that a step starts would inherit. */
static void do_nothing(int number)
{
    (void)number;
}

static void become_executor(const struct parameters *parameters)
{
    /* The kernel kills this process with the driver's thread that started it; a driver that died
     * before is noticed by its process number. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parameters->parent)
        _exit(1);
    close_inherited(parameters);
    driver_cores_known = sched_getaffinity(0, sizeof driver_cores, &driver_cores) == 0;
    cpu_set_t core;
    CPU_ZERO(&core);
    CPU_SET(parameters->core, &core);
    sched_setaffinity(0, sizeof core, &core);
    /* Ctrl-C and the end of a terminal or a service reach the whole group; what to do about it is
     * the driver's decision. */
    const struct sigaction pass_over = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    static const int passed_over[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < sizeof passed_over / sizeof *passed_over; i++)
        sigaction(passed_over[i], &pass_over, NULL);
    char name[16];
    snprintf(name, sizeof name, "gleam-exec %u", parameters->index);
    prctl(PR_SET_NAME, name);
}

void gm_trampoline(void)
{
    gm_guard();
    const char *text = getenv(GM_TRAMPOLINE_VARIABLE);
    if (text == NULL)
        return;
    struct parameters parameters;
    if (!parse(text, &parameters)) {
        fprintf(stderr, "gleam: %s is set, but makes no sense; it is for gleam itself\n",
                GM_TRAMPOLINE_VARIABLE);
        _exit(2);
    }
    unsetenv(GM_TRAMPOLINE_VARIABLE);
    become_executor(&parameters);
    struct gm_cache *cache;
    if (gm_trampoline_cache((uint16_t)parameters.index, parameters.bell_count - 1,
                            true, &cache) < 0)
        _exit(1);
    for (;;) {
        struct gm_job_message job;
        int region_fd, plan_fd;
        int rc = gm_control_receive_job(parameters.control, &job, &region_fd, &plan_fd);
        if (rc != 0)
            _exit(rc == GM_END ? 0 : 1);
        run_job(&parameters, &job, region_fd, plan_fd, cache);
        close(region_fd);
        close(plan_fd);
    }
}
