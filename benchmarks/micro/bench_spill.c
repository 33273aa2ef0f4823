/* bench_spill.c - how fast blocks go to the disk queue and come back.
 *
 *     bench_spill [--size MIB] [--block BYTES] [--json] [DIR...]
 *
 * One thread writes blocks through the store as an operator does, and reads them back with as many
 * windows ahead as a merge of eight runs has.  Default: 256 MiB in blocks of 1 MiB, in /var/tmp.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "engine/base/check.h"
#include "engine/base/error.h"
#include "engine/base/prng.h"
#include "iouring/spill_file.h"
#include "shuffle/port/clock.h"
#include "shuffle/spill.h"

#define WINDOWS 16

struct bench {
    struct gm_heap heap;
    struct gm_error error;
    struct gm_spill_file_disk *disk;
    struct gm_spill_disk port;
    struct gm_spill_store *store;
    struct gm_spill spill;
    struct gm_spill_run run;
};

static void check(const struct bench *bench, int rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bench_spill: %s\n",
            bench->error.code != 0 ? bench->error.text : gm_error_name(rc));
    exit(1);
}

/* As the executor does when nothing else is to be done. */
static void sleep_on_disk(struct bench *bench)
{
    struct pollfd ready = {.fd = bench->port.ops->descriptor(bench->port.self), .events = POLLIN};
    if (ready.fd >= 0)
        poll(&ready, 1, 100);
}

static struct gm_spill_window *take(struct bench *bench)
{
    struct gm_spill_window *window;
    int rc;
    while ((rc = bench->spill.ops->take(bench->spill.self, &window)) == GM_AGAIN)
        sleep_on_disk(bench);
    check(bench, rc);
    return window;
}

/* Windows go round: each is filled once, with what no disk can make smaller.  The operator's copy
 * is not what is measured. */
static void fill_once(const struct bench *bench, struct gm_spill_window *window)
{
    static const struct gm_spill_window *filled[2 * WINDOWS];
    static struct gm_prng prng;
    for (uint32_t i = 0; i < 2 * WINDOWS; i++) {
        if (filled[i] == window)
            return;
        if (filled[i] != NULL)
            continue;
        filled[i] = window;
        gm_prng_init(&prng, i + 1);
        for (uint32_t at = 0; at + 8 <= bench->spill.room_bytes; at += 8) {
            const uint64_t word = gm_prng_next(&prng);
            memcpy(window->data + at, &word, sizeof word);
        }
        return;
    }
}

static void write_blocks(struct bench *bench, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct gm_spill_window *window = take(bench);
        fill_once(bench, window);
        memcpy(window->data, &i, sizeof i);
        window->bytes = bench->spill.room_bytes;
        check(bench, bench->spill.ops->write(bench->spill.self, &bench->run, window));
    }
    while (gm_spill_store_waits(bench->store)) {
        check(bench, gm_spill_store_poll(bench->store));
        if (gm_spill_store_waits(bench->store))
            sleep_on_disk(bench);
    }
}

static void read_blocks(struct bench *bench, uint32_t count)
{
    struct gm_spill_window *windows[WINDOWS];
    for (uint32_t i = 0; i < count + WINDOWS; i++) {
        struct gm_spill_window **window = &windows[i % WINDOWS];
        int rc = GM_AGAIN;
        while (i >= WINDOWS && i - WINDOWS < count && rc == GM_AGAIN) {
            rc = bench->spill.ops->ready(bench->spill.self, *window);
            if (rc == GM_AGAIN)
                sleep_on_disk(bench);
            check(bench, rc);
            if (rc == 0)
                bench->spill.ops->give(bench->spill.self, *window);
        }
        if (i < count) {
            *window = take(bench);
            check(bench, bench->spill.ops->read(bench->spill.self, &bench->run, i, *window));
        }
    }
}

static void open_bench(struct bench *bench, const char *const *directories, uint32_t count,
                       uint32_t block_bytes)
{
    check(bench, gm_heap_init(&bench->heap, UINT64_MAX));
    check(bench, gm_spill_file_disk_create(2 * WINDOWS, GM_FILE_BACKEND_AUTO, &bench->heap,
                                           &bench->disk));
    bench->port = gm_spill_file_disk_port(bench->disk);
    const struct gm_spill_spec spec = {.directories = directories,
                                       .directory_count = count,
                                       .block_bytes = block_bytes,
                                       .windows_max = 2 * WINDOWS,
                                       .packing = GM_SPILL_PACK_NEVER,
                                       .disk = bench->port,
                                       .heap = &bench->heap,
                                       .error = &bench->error};
    check(bench, gm_spill_store_create(&spec, &bench->store));
    bench->spill = gm_spill_store_port(bench->store);
}

/* CPU time of the process, and of what the kernel does for it in its name. */
static double cpu_seconds(void)
{
    struct rusage usage;
    GM_CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void print_result(const struct bench *bench, bool json, uint64_t write_ns,
                         uint64_t read_ns, double cpu)
{
    struct gm_spill_file_facts facts;
    gm_spill_file_disk_facts(bench->disk, &facts);
    const double bytes = (double)bench->run.bytes;
    printf(json ? "{\"backend\": \"%s\", \"direct\": %u, \"registered\": %u, "
                  "\"write_mb_per_s\": %.0f, \"read_mb_per_s\": %.0f, "
                  "\"cpu_seconds_per_gb\": %.3f}\n"
                : "%s, %u direct files, %u registered windows: write %.0f MB/s, read %.0f MB/s, "
                  "%.3f s of CPU per GB written and read\n",
           bench->port.ops->name, facts.direct_count, facts.registered_count,
           bytes * 1e3 / (double)write_ns, bytes * 1e3 / (double)read_ns, cpu / (bytes / 1e9));
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    uint32_t mib = 256, block_bytes = 1u << 20, count = 0;
    const char *directories[GM_SPILL_DIRECTORIES_MAX] = {"/var/tmp"};
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--size") == 0 && i + 1 < argc)
            mib = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--block") == 0 && i + 1 < argc)
            block_bytes = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (count < GM_SPILL_DIRECTORIES_MAX)
            directories[count++] = argv[i];
    }
    open_bench(&bench, directories, count > 0 ? count : 1, block_bytes);
    const uint32_t blocks = (uint32_t)(((uint64_t)mib << 20) / block_bytes);
    const struct gm_clock clock = gm_clock_system();
    const double cpu = cpu_seconds();
    const uint64_t begin = gm_clock_now_ns(&clock);
    write_blocks(&bench, blocks);
    const uint64_t middle = gm_clock_now_ns(&clock);
    read_blocks(&bench, blocks);
    const uint64_t end = gm_clock_now_ns(&clock);
    print_result(&bench, json, middle - begin, end - middle, cpu_seconds() - cpu);
    bench.spill.ops->forget(bench.spill.self, &bench.run);
    gm_spill_file_disk_destroy(bench.disk);
    gm_spill_store_destroy(bench.store);
    gm_heap_fini(&bench.heap);
    return 0;
}
