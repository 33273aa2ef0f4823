/* cores.c - cores that this process may use, what shares them with it, and how fast they run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/doctor/look.h"
#include "engine/base/error.h"
#include "engine/base/limits.h"

#define CPU "/sys/devices/system/cpu"
#define LIST_BYTES 128

/* 8192 numbers each: too much for a stack. */
struct lists {
    struct gm_look_list allowed, online, isolated, some, single;
};

static void check_mask(const struct gm_doctor_place *place, struct lists *lists,
                       struct gm_doctor_report *report)
{
    char text[8192], allowed[LIST_BYTES], online[LIST_BYTES];
    int rc = gm_look_field(place->root, "/proc/self/status", "Cpus_allowed_list", text,
                           sizeof text);
    if (rc == 0)
        rc = gm_look_parse_list(text, &lists->allowed);
    if (gm_look_list(place->root, CPU "/online", &lists->online) < 0)
        lists->online = lists->allowed;
    if (rc < 0) {
        lists->allowed = lists->online;
        gm_look_say(report, GM_DOCTOR_HINT, "cores", "unknown");
        gm_look_why(report, "/proc/self/status has no Cpus_allowed_list that can be read: %s",
                    gm_error_name(rc));
        return;
    }
    gm_look_format_list(&lists->allowed, allowed, sizeof allowed);
    gm_look_format_list(&lists->online, online, sizeof online);
    if (lists->allowed.count >= lists->online.count) {
        gm_look_say(report, GM_DOCTOR_OK, "cores", "%u, all of this machine: %s",
                    lists->allowed.count, allowed);
        return;
    }
    gm_look_say(report, GM_DOCTOR_HINT, "cores", "%u of %u: %s", lists->allowed.count,
                lists->online.count, allowed);
    gm_look_why(report, "The affinity mask of this process leaves the others out; gleam runs one "
                        "executor on each core that it may use.");
    gm_look_command(report, "taskset -c %s gleam ...", online);
}

/* The smallest quota of this process's group and those above it, in hundredths of a core;
 * UINT64_MAX: none. */
static uint64_t read_quota(const char *root)
{
    char group[GM_PATH_BYTES_MAX] = "", path[GM_PATH_BYTES_MAX + 32], text[64];
    uint64_t least = UINT64_MAX;
    uint64_t v1_quota, v1_period;
    if (gm_look_u64(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &v1_quota) == 0 &&
        gm_look_u64(root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", &v1_period) == 0 &&
        v1_period > 0)
        least = v1_quota * 100 / v1_period;
    gm_look_field(root, "/proc/self/cgroup", "0:", group, sizeof group);
    for (;;) {
        unsigned long long quota, period;
        char *slash = strrchr(group, '/');
        if (slash != NULL && slash[1] == '\0')
            *slash = '\0';
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        if (gm_look_text(root, path, text, sizeof text) == 0 &&
            sscanf(text, "%llu %llu", &quota, &period) == 2 && period > 0)
            least = quota * 100 / period < least ? quota * 100 / period : least;
        slash = strrchr(group, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

static void check_quota(const struct gm_doctor_place *place, const struct lists *lists,
                        struct gm_doctor_report *report)
{
    const uint64_t quota = read_quota(place->root);
    if (quota == UINT64_MAX) {
        gm_look_say(report, GM_DOCTOR_OK, "cpu quota", "none");
        return;
    }
    const bool enough = quota >= (uint64_t)lists->allowed.count * 100;
    gm_look_say(report, enough ? GM_DOCTOR_OK : GM_DOCTOR_PROBLEM, "cpu quota",
                "%llu.%02llu cores of time on %u cores", (unsigned long long)(quota / 100),
                (unsigned long long)(quota % 100), lists->allowed.count);
    if (enough)
        return;
    gm_look_why(report, "The control group stops all executors for a while whenever the time is "
                        "used up, and one that is stopped keeps the others waiting. Use no more "
                        "executors than there is time for, or raise the quota (cpu.max).");
    gm_look_command(report, "gleam ... --cores %llu",
                    (unsigned long long)(quota >= 100 ? quota / 100 : 1));
}

static void check_isolated(const struct gm_doctor_place *place, struct lists *lists,
                           struct gm_doctor_report *report)
{
    char text[LIST_BYTES];
    if (gm_look_list(place->root, CPU "/isolated", &lists->isolated) < 0)
        lists->isolated.count = 0;
    lists->some.count = 0;
    for (uint32_t i = 0; i < lists->isolated.count; i++)
        if (!gm_look_has(&lists->allowed, lists->isolated.items[i]))
            lists->some.items[lists->some.count++] = lists->isolated.items[i];
    gm_look_format_list(&lists->isolated, text, sizeof text);
    if (lists->some.count == 0) {
        gm_look_say(report, GM_DOCTOR_OK, "isolated cores", "%s", text);
        return;
    }
    gm_look_say(report, GM_DOCTOR_HINT, "isolated cores", "%s, outside of the affinity mask", text);
    gm_look_why(report, "Nothing else is scheduled there: the best place for executors. They are "
                        "not taken unless the mask names them.");
    gm_look_command(report, "taskset -c %s gleam ... --cores %s", text, text);
}

/* One thread of each core goes into `single`.  Returns how many cores have several of ours. */
static uint32_t find_siblings(const struct gm_doctor_place *place, struct lists *lists)
{
    uint32_t shared_count = 0;
    lists->single.count = 0;
    for (uint32_t i = 0; i < lists->allowed.count; i++) {
        const uint32_t core = lists->allowed.items[i];
        char path[128];
        snprintf(path, sizeof path, CPU "/cpu%u/topology/thread_siblings_list", core);
        if (gm_look_list(place->root, path, &lists->some) < 0)
            lists->some.count = 0;
        uint32_t ours = 0, first = core;
        for (uint32_t s = 0; s < lists->some.count; s++) {
            if (!gm_look_has(&lists->allowed, lists->some.items[s]))
                continue;
            first = lists->some.items[s] < first ? lists->some.items[s] : first;
            ours++;
        }
        if (first != core)
            continue;
        lists->single.items[lists->single.count++] = core;
        shared_count += ours > 1;
    }
    return shared_count;
}

static void check_siblings(const struct gm_doctor_place *place, struct lists *lists,
                           struct gm_doctor_report *report)
{
    char text[LIST_BYTES];
    if (find_siblings(place, lists) == 0) {
        gm_look_say(report, GM_DOCTOR_OK, "threads per core", "1");
        return;
    }
    gm_look_format_list(&lists->single, text, sizeof text);
    gm_look_say(report, GM_DOCTOR_HINT, "threads per core", "%u hardware threads on %u cores",
                lists->allowed.count, lists->single.count);
    gm_look_why(report, "Two executors on one core share its caches and units, and need twice the "
                        "memory of one. The list below has one thread of each core; measure which "
                        "is faster for your flow.");
    gm_look_command(report, "gleam ... --cores %s", text);
}

static void check_governor(const struct gm_doctor_place *place, struct lists *lists,
                           struct gm_doctor_report *report)
{
    char text[32], other[32] = "";
    uint32_t seen = 0;
    for (uint32_t i = 0; i < lists->allowed.count; i++) {
        char path[128];
        snprintf(path, sizeof path, CPU "/cpu%u/cpufreq/scaling_governor",
                 lists->allowed.items[i]);
        if (gm_look_text(place->root, path, text, sizeof text) < 0)
            continue;
        seen++;
        if (strcmp(text, "performance") != 0)
            snprintf(other, sizeof other, "%s", text);
    }
    if (seen == 0) {
        gm_look_say(report, GM_DOCTOR_OK, "frequency governor",
                    "none: the firmware or the host decides");
        return;
    }
    gm_look_say(report, other[0] == '\0' ? GM_DOCTOR_OK : GM_DOCTOR_HINT, "frequency governor",
                "%s", other[0] == '\0' ? "performance" : other);
    if (other[0] == '\0')
        return;
    gm_look_why(report, "A short flow is over before cores that were idle run at full speed.");
    gm_look_command(report, "echo performance | sudo tee " CPU "/cpu*/cpufreq/scaling_governor");
}

static void check_nodes(const struct gm_doctor_place *place, struct lists *lists,
                        struct gm_doctor_report *report)
{
    char text[LIST_BYTES], path[128];
    if (gm_look_list(place->root, "/sys/devices/system/node/online", &lists->some) < 0 ||
        lists->some.count <= 1) {
        gm_look_say(report, GM_DOCTOR_OK, "NUMA nodes", "1");
        return;
    }
    const uint32_t node_count = lists->some.count, node = lists->some.items[0];
    gm_look_say(report, GM_DOCTOR_HINT, "NUMA nodes", "%u", node_count);
    gm_look_why(report, "Frames that cross from one node to another take longer to read. A flow "
                        "that fits on one node's cores is best kept there, its memory too.");
    snprintf(path, sizeof path, "/sys/devices/system/node/node%u/cpulist", node);
    if (gm_look_list(place->root, path, &lists->some) < 0)
        return;
    gm_look_format_list(&lists->some, text, sizeof text);
    gm_look_command(report, "numactl --membind=%u gleam ... --cores %s", node, text);
}

void gm_doctor_cores(const struct gm_doctor_place *place, struct gm_doctor_report *report)
{
    struct lists *lists = calloc(1, sizeof *lists);
    if (lists == NULL) {
        gm_look_say(report, GM_DOCTOR_PROBLEM, "cores", "no memory to look at them");
        return;
    }
    check_mask(place, lists, report);
    check_quota(place, lists, report);
    check_isolated(place, lists, report);
    check_siblings(place, lists, report);
    check_governor(place, lists, report);
    check_nodes(place, lists, report);
    free(lists);
}
