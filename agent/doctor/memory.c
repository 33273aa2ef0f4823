/* memory.c - huge pages, transparent ones for shared memory, and the limit of locked memory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/doctor/look.h"
#include "engine/base/error.h"

#define PAGES "hugepages/hugepages-2048kB"
#define SHMEM "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define PAGE_KIB UINT64_C(2048)
/* What a first try is worth: 1 GiB, or a quarter of the machine's memory where that is less. */
#define PAGES_ADVISED UINT64_C(512)
/* Windows for I/O of one transport: what ulimit -l should allow. */
#define LOCKED_GOOD_BYTES (UINT64_C(64) << 20)
#define CAP_IPC_LOCK_BIT 14

static uint64_t pages_advised(const char *root)
{
    char text[64];
    if (gm_look_field(root, "/proc/meminfo", "MemTotal", text, sizeof text) < 0)
        return PAGES_ADVISED;
    const uint64_t quarter = strtoull(text, NULL, 10) / 4 / PAGE_KIB;
    return quarter < PAGES_ADVISED ? quarter + 1 : PAGES_ADVISED;
}

/* ", node 0: 300 of 512 free, node 1: ..." */
static void describe_nodes(const char *root, char *text, size_t text_bytes)
{
    struct gm_look_list *nodes = calloc(1, sizeof *nodes);
    size_t length = 0;
    text[0] = '\0';
    if (nodes == NULL || gm_look_list(root, "/sys/devices/system/node/online", nodes) < 0 ||
        nodes->count < 2) {
        free(nodes);
        return;
    }
    for (uint32_t i = 0; i < nodes->count && length < text_bytes; i++) {
        char path[128];
        uint64_t total = 0, spare = 0;
        snprintf(path, sizeof path, "/sys/devices/system/node/node%u/" PAGES "/nr_hugepages",
                 nodes->items[i]);
        if (gm_look_u64(root, path, &total) < 0)
            continue;
        snprintf(path, sizeof path, "/sys/devices/system/node/node%u/" PAGES "/free_hugepages",
                 nodes->items[i]);
        gm_look_u64(root, path, &spare);
        length += (size_t)snprintf(text + length, text_bytes - length,
                                   ", node %u: %" PRIu64 " of %" PRIu64 " free", nodes->items[i],
                                   spare, total);
    }
    free(nodes);
}

static void check_huge(const struct gm_doctor_place *place, struct gm_doctor_report *report)
{
    uint64_t total, spare = 0, promised = 0;
    char nodes[256];
    if (gm_look_u64(place->root, "/sys/kernel/mm/" PAGES "/nr_hugepages", &total) < 0) {
        gm_look_say(report, GM_DOCTOR_HINT, "huge pages", "this kernel has none of 2 MiB");
        gm_look_why(report, "The shared region lies on small pages then, and the processor misses "
                            "translations of addresses more often.");
        return;
    }
    gm_look_u64(place->root, "/sys/kernel/mm/" PAGES "/free_hugepages", &spare);
    gm_look_u64(place->root, "/sys/kernel/mm/" PAGES "/resv_hugepages", &promised);
    spare = spare > promised ? spare - promised : 0;
    describe_nodes(place->root, nodes, sizeof nodes);
    gm_look_say(report, spare > 0 ? GM_DOCTOR_OK : GM_DOCTOR_HINT, "huge pages",
                "%" PRIu64 " of 2 MiB reserved, %" PRIu64 " free%s", total, spare, nodes);
    if (spare > 0)
        return;
    gm_look_why(report, total > 0
                    ? "Other programs have them all; the shared region lies on small pages then."
                    : "The shared region takes them when it fits on what is free (--hugepages "
                      "auto, the default); on small pages the processor misses translations of "
                      "addresses more often.");
    gm_look_command(report, "echo %" PRIu64 " | sudo tee /proc/sys/vm/nr_hugepages",
                    total + pages_advised(place->root));
}

static void check_transparent(const struct gm_doctor_place *place,
                              struct gm_doctor_report *report)
{
    char text[128];
    int rc = gm_look_text(place->root, SHMEM, text, sizeof text);
    gm_look_chosen(text);
    const bool works = rc == 0 && strcmp(text, "never") != 0 && strcmp(text, "deny") != 0;
    gm_look_say(report, works ? GM_DOCTOR_OK : GM_DOCTOR_HINT, "transparent huge pages",
                "for shared memory: %s", rc == 0 ? text : gm_error_name(rc));
    if (works)
        return;
    gm_look_why(report, "Where huge pages are not reserved, the shared region could lie on "
                        "transparent ones, which cost nothing while they are not used.");
    if (rc == 0)
        gm_look_command(report, "echo advise | sudo tee " SHMEM);
}

/* Whether the process may lock as much as it likes. */
static bool may_lock(const char *root)
{
    char text[32];
    gm_look_field(root, "/proc/self/status", "CapEff", text, sizeof text);
    return (strtoull(text, NULL, 16) >> CAP_IPC_LOCK_BIT & 1) != 0;
}

static void check_locked(const struct gm_doctor_place *place, struct gm_doctor_report *report)
{
    char text[128], size[32];
    /* "Max locked memory         8388608              8388608              bytes" */
    int rc = gm_look_field(place->root, "/proc/self/limits", "Max locked memory", text,
                           sizeof text);
    if (may_lock(place->root)) {
        gm_look_say(report, GM_DOCTOR_OK, "locked memory", "no limit (CAP_IPC_LOCK)");
        return;
    }
    if (rc < 0) {
        gm_look_say(report, GM_DOCTOR_HINT, "locked memory", "unknown");
        gm_look_why(report, "/proc/self/limits: %s", gm_error_name(rc));
        return;
    }
    const bool unlimited = strncmp(text, "unlimited", 9) == 0;
    const uint64_t bytes = unlimited ? UINT64_MAX : strtoull(text, NULL, 10);
    gm_text_format_size(bytes, size, sizeof size);
    gm_look_say(report, bytes >= LOCKED_GOOD_BYTES ? GM_DOCTOR_OK : GM_DOCTOR_HINT,
                "locked memory", "at most %s", unlimited ? "what there is" : size);
    if (bytes >= LOCKED_GOOD_BYTES)
        return;
    gm_look_why(report, "Buffers that are registered with io_uring or with a network card count as "
                        "locked; before 5.12 the rings themselves do too.");
    gm_look_command(report, "ulimit -l unlimited   # for good: \"* - memlock unlimited\" in "
                            "/etc/security/limits.conf");
}

void gm_doctor_memory(const struct gm_doctor_place *place, struct gm_doctor_report *report)
{
    check_huge(place, report);
    check_transparent(place, report);
    check_locked(place, report);
}
