/* doctor.h - what of this machine helps or hinders gleam: checks, each with its reason and the
 * command that mends it.
 *
 * Threads:  one.
 * Memory:   the caller's report; the disk check takes a buffer of 1 MiB for as long as it runs.
 * Blocking: the disk check works for up to a second per folder; the others only read small files.
 *
 * One source per family of checks.  Each reads below `root`, so that a test gives it a tree of its
 * own, and adds findings to the report.  A check that cannot look says so as a hint: it never
 * fails the others.
 */
#ifndef GM_AGENT_DOCTOR_DOCTOR_H
#define GM_AGENT_DOCTOR_DOCTOR_H

#include <stdint.h>
#include <stdio.h>

#define GM_DOCTOR_FOLDERS_MAX 16
#define GM_DOCTOR_PORTS_MAX 4
/* Fixed checks (about 15), one per folder and one per port, with room to grow. */
#define GM_DOCTOR_FINDINGS_MAX 64

enum gm_doctor_verdict {
    GM_DOCTOR_OK,
    GM_DOCTOR_HINT,    /* gleam works, and would work better otherwise */
    GM_DOCTOR_PROBLEM, /* something that gleam does would fail, or be many times slower */
};

struct gm_doctor_finding {
    enum gm_doctor_verdict verdict;
    char what[48];
    char value[512];
    char why[512];     /* "" when there is nothing to explain */
    char command[512]; /* mends it, or shows more; "" when there is none */
};

struct gm_doctor_report {
    struct gm_doctor_finding findings[GM_DOCTOR_FINDINGS_MAX];
    uint32_t count;
};

/* Where to look. */
struct gm_doctor_place {
    const char *root; /* in front of /proc, /sys, /etc, /usr, ...; "" is this machine */
    const char *folders[GM_DOCTOR_FOLDERS_MAX]; /* for spills; borrowed, not below root */
    uint32_t folder_count;
    uint64_t disk_bytes; /* written and read in each folder */
    uint64_t disk_ns;    /* at most so long for both together */
    uint16_t ports[GM_DOCTOR_PORTS_MAX];
    uint32_t port_count;
    int (*try_ring)(void); /* sets up an io_uring and uses it; 0 or -errno */
};

/* This machine: root "", the default of --spill-dir ($TMPDIR, or /var/tmp), 64 MiB and a second,
 * gleam's two ports, a real ring. */
void gm_doctor_place_here(struct gm_doctor_place *ret_place);

/* Every check, into an empty report. */
void gm_doctor_run(const struct gm_doctor_place *place, struct gm_doctor_report *ret_report);

/* The families, in the order of gm_doctor_run. */
void gm_doctor_kernel(const struct gm_doctor_place *place, struct gm_doctor_report *report);
void gm_doctor_cores(const struct gm_doctor_place *place, struct gm_doctor_report *report);
void gm_doctor_memory(const struct gm_doctor_place *place, struct gm_doctor_report *report);
void gm_doctor_disk(const struct gm_doctor_place *place, struct gm_doctor_report *report);
void gm_doctor_network(const struct gm_doctor_place *place, struct gm_doctor_report *report);
void gm_doctor_dpdk(const struct gm_doctor_place *place, struct gm_doctor_report *report);

/* How many findings have this verdict. */
uint32_t gm_doctor_count(const struct gm_doctor_report *report, enum gm_doctor_verdict verdict);

/* A line per finding, "ok|hint|problem  what: value", and below it, indented, why and the
 * command. */
void gm_doctor_print(const struct gm_doctor_report *report, FILE *file);
/* The same as one JSON object. */
void gm_doctor_print_json(const struct gm_doctor_report *report, FILE *file);

#endif
