/* doctor.c - runs the checks and prints what they found. */
#include "agent/doctor/doctor.h"

#include <stdlib.h>
#include <string.h>

#include "agent/json.h"
#include "engine/base/error.h"
#include "engine/base/heap.h"
#include "iouring/file.h"

#define DISK_BYTES (UINT64_C(64) << 20)
#define DISK_NS UINT64_C(1000000000)
#define RING_HEAP_BYTES (UINT64_C(4) << 20)
#define TEXT_COLUMNS 78
#define WHY_INDENT 9

static const char *const verdict_names[] = {
    [GM_DOCTOR_OK] = "ok", [GM_DOCTOR_HINT] = "hint", [GM_DOCTOR_PROBLEM] = "problem"};

/* A disk over io_uring or nothing: made, and one request went through it. */
static int try_ring(void)
{
    struct gm_heap heap;
    struct gm_file_disk *disk = NULL;
    int rc = gm_heap_init(&heap, RING_HEAP_BYTES);
    if (rc < 0)
        return rc;
    rc = gm_file_disk_create(1, GM_FILE_BACKEND_URING, &heap, &disk);
    gm_file_disk_destroy(disk);
    gm_heap_fini(&heap);
    return rc;
}

void gm_doctor_place_here(struct gm_doctor_place *ret_place)
{
    const char *folder = getenv("TMPDIR");
    *ret_place = (struct gm_doctor_place){
        .root = "",
        .folders = {folder != NULL && folder[0] != '\0' ? folder : "/var/tmp"},
        .folder_count = 1,
        .disk_bytes = DISK_BYTES,
        .disk_ns = DISK_NS,
        .ports = {45326, 45327},
        .port_count = 2,
        .try_ring = try_ring,
    };
}

void gm_doctor_run(const struct gm_doctor_place *place, struct gm_doctor_report *ret_report)
{
    ret_report->count = 0;
    gm_doctor_kernel(place, ret_report);
    gm_doctor_cores(place, ret_report);
    gm_doctor_memory(place, ret_report);
    gm_doctor_disk(place, ret_report);
    gm_doctor_network(place, ret_report);
    gm_doctor_dpdk(place, ret_report);
}

uint32_t gm_doctor_count(const struct gm_doctor_report *report, enum gm_doctor_verdict verdict)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < report->count; i++)
        count += report->findings[i].verdict == verdict;
    return count;
}

/* Words, broken at TEXT_COLUMNS; each line behind WHY_INDENT blanks. */
static void print_wrapped(const char *text, FILE *file)
{
    while (*text != '\0') {
        size_t length = strlen(text);
        if (length > TEXT_COLUMNS - WHY_INDENT) {
            length = TEXT_COLUMNS - WHY_INDENT;
            while (length > 0 && text[length] != ' ')
                length--;
            if (length == 0)
                length = strcspn(text, " ");
        }
        fprintf(file, "%*s%.*s\n", WHY_INDENT, "", (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
}

void gm_doctor_print(const struct gm_doctor_report *report, FILE *file)
{
    for (uint32_t i = 0; i < report->count; i++) {
        const struct gm_doctor_finding *finding = &report->findings[i];
        fprintf(file, "%-7s  %s: %s\n", verdict_names[finding->verdict], finding->what,
                finding->value);
        print_wrapped(finding->why, file);
        if (finding->command[0] != '\0')
            fprintf(file, "%*s$ %s\n", WHY_INDENT, "", finding->command);
    }
}

static void print_pair(const char *key, const char *value, FILE *file)
{
    fprintf(file, "\"%s\": ", key);
    gm_json_string(file, value);
}

void gm_doctor_print_json(const struct gm_doctor_report *report, FILE *file)
{
    fprintf(file, "{\n  \"hints_count\": %u,\n  \"problems_count\": %u,\n  \"checks\": [",
            gm_doctor_count(report, GM_DOCTOR_HINT), gm_doctor_count(report, GM_DOCTOR_PROBLEM));
    for (uint32_t i = 0; i < report->count; i++) {
        const struct gm_doctor_finding *finding = &report->findings[i];
        fprintf(file, "%s\n    {", i > 0 ? "," : "");
        print_pair("what", finding->what, file);
        fputs(", ", file);
        print_pair("verdict", verdict_names[finding->verdict], file);
        fputs(", ", file);
        print_pair("value", finding->value, file);
        fputs(", ", file);
        print_pair("why", finding->why, file);
        fputs(", ", file);
        print_pair("command", finding->command, file);
        fputs("}", file);
    }
    fprintf(file, "\n  ]\n}\n");
}
